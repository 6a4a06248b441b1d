"""The step: one operator or verb as plain data, and its reading from JSON.

{"op": "mul", "args": ["x", 2.0], "kwargs": {}, "id": "y"}
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from service.steps.errors import InvalidInput

__all__ = ["AUTO", "Auto", "Step", "check_id", "read_ids"]

_RESERVED: Final = frozenset({"torch", "NaN", "Infinity"})
_TAKEN: Final = _RESERVED | frozenset(keyword.kwlist)
_FIELDS: Final = frozenset({"op", "args", "kwargs", "id"})
_PLAIN: Final = frozenset({"op", "args", "id"})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Auto:
    """The id of a step that names none: the session assigns the next of ``t1``, ``t2`` and so on."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "AUTO"


AUTO: Final = Auto()


def check_id(value: object, field: str = "id") -> str:
    """A client's id for a tensor: a Python name of at most 64 characters that is no keyword, in the form (NFKC) that Python gives names.

    Errors: InvalidInput. The text itself is not repeated.
    """
    if type(value) is str and value.isidentifier() and value.isascii() and len(value) <= 64 and value not in _TAKEN:
        return value
    if not isinstance(value, str):
        raise InvalidInput(f"an id must be a string, not {_kind(value)}", argument=field)
    if len(value) > 64 or not value.isidentifier():
        raise InvalidInput(
            "an id must be a Python name: letters, digits and underscores, at most 64, no digit first", argument=field
        )
    if not unicodedata.is_normalized("NFKC", value):
        raise InvalidInput("an id must be in Unicode's form NFKC, as Python's names are", argument=field)
    if keyword.iskeyword(value) or value in _RESERVED:
        raise InvalidInput("an id must not be a Python keyword, 'torch', 'NaN' or 'Infinity'", argument=field)
    return value


@dataclass(slots=True)
class Step:
    """One operator or verb. ``id``: AUTO, None (keep nothing), a name, or a list of names for several outputs. It is never changed."""

    op: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    id: str | tuple[str | None, ...] | Auto | None = AUTO

    @classmethod
    def from_json(cls, value: object) -> Step:
        """Read one step of a request. Errors: InvalidInput names the field."""
        if type(value) is dict and len(value) == 3 and value.keys() == _PLAIN:  # most of them
            op, args, name = value["op"], value["args"], value["id"]
            if type(op) is str and 0 < len(op) <= 128 and type(args) is list and type(name) is str:
                return cls(op, tuple(args), _NOTHING, check_id(name))
        if not isinstance(value, dict):
            raise InvalidInput(f"a step must be an object with 'op', not {_kind(value)}", argument="steps")
        if not value.keys() <= _FIELDS:
            raise InvalidInput(
                "a step has the fields 'op', 'args', 'kwargs' and 'id' only; another one was given", argument="steps"
            )
        op = value.get("op")
        if not isinstance(op, str) or not 0 < len(op) <= 128:
            raise InvalidInput("'op' must name an operator or verb of the catalogue", argument="op")
        args = value.get("args", [])
        if hasattr(args, "rows"):  # a long list of numbers
            args = args.rows()
        if not isinstance(args, list):
            raise InvalidInput(f"'args' must be a list, not {_kind(args)}", argument="args")
        kwargs = value.get("kwargs", {})
        if not isinstance(kwargs, dict):
            raise InvalidInput(f"'kwargs' must be an object, not {_kind(kwargs)}", argument="kwargs")
        return cls(op, tuple(args), kwargs, read_ids(value["id"]) if "id" in value else AUTO)

    def to_json(self) -> dict[str, Any]:
        """The step as it is sent and stored."""
        out: dict[str, Any] = {"op": self.op, "args": list(self.args), "kwargs": dict(self.kwargs)}
        if not isinstance(self.id, Auto):
            out["id"] = list(self.id) if isinstance(self.id, tuple) else self.id
        return out


def read_ids(value: object) -> str | tuple[str | None, ...] | None:
    """The ``id`` field: a name, null, or a list of names (null: not kept) for several outputs."""
    if value is None:
        return None
    if isinstance(value, list):
        ids = tuple(None if v is None else check_id(v) for v in value)
        given = [v for v in ids if v is not None]
        if len(set(given)) != len(given):
            raise InvalidInput("the ids of one step must differ", argument="id")
        return ids
    return check_id(value)


def _kind(value: object) -> str:
    return {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }.get(type(value), "null")
