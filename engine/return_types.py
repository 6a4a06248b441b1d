"""Named tuples for operators with several outputs, as torch.return_types: ``x.max(0).values``."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any

__all__ = ["of"]


@cache
def of(name: str, fields: tuple[str, ...]) -> Any:
    """The tuple class of an operator.

    >>> of("max", ("values", "indices"))._fields
    ('values', 'indices')
    """
    make: Any = namedtuple  # noqa: PYI024 - the fields are data
    base: Any = make(name.replace(".", "_").lstrip("_"), fields)

    def show(self: Any) -> str:
        inner = ",\n".join(f"{f}={getattr(self, f)!r}" for f in fields)
        return f"torch.return_types.{base.__name__}(\n{inner})"

    return type(base.__name__, (base,), {"__slots__": (), "__repr__": show, "__module__": "torch.return_types"})
