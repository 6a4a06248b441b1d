"""What is said of a function's inputs: a path, a dtype, a shape with fixed, free and symbolic sizes, a default.

A symbolic size such as ``"n"`` is the same wherever it stands in one call. A path names a leaf of nested inputs: ``params.w``,
``layers.0.w``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.dtypes import DTYPES, named
from service.steps.errors import InvalidInput
from service.steps.step import check_id

__all__ = ["MISSING", "InputSpec", "Size", "check_path", "check_shape", "read_specs", "shown_shape"]

Size: TypeAlias = int | str | None
MISSING: Final = object()
FIELDS: Final = frozenset({"default", "doc", "dtype", "shape", "static"})
MOST_PATH: Final = 128
MOST_SIZE: Final = 2**48
_PART: Final = re.compile(r"[A-Za-z0-9_]{1,64}\Z")
_SYMBOL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input. ``dtype`` None: the default dtype. ``shape`` None: any. ``static``: a plain Python value, handed over as it is."""

    path: str
    dtype: str | None = None
    shape: tuple[Size, ...] | None = None
    default: Any = MISSING
    static: bool = False
    doc: str | None = None

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def to_json(self) -> dict[str, Any]:
        """The spec as it is sent and stored, without what is not said."""
        out: dict[str, Any] = {}
        if self.dtype is not None:
            out["dtype"] = self.dtype
        if self.shape is not None:
            out["shape"] = list(self.shape)
        if self.default is not MISSING:
            out["default"] = self.default
        if self.static:
            out["static"] = True
        if self.doc is not None:
            out["doc"] = self.doc
        return out


def read_specs(value: Any, field: str = "inputs") -> tuple[InputSpec, ...]:
    """The specs of a body: an object from path to spec. Errors: InvalidInput."""
    if not isinstance(value, dict):
        raise InvalidInput(f"'{field}' must be an object from input to its spec", argument=field)
    specs = tuple(_read_spec(path, spec, f"{field}.{str(path)[:MOST_PATH]}") for path, spec in value.items())
    paths = {s.path for s in specs}
    for spec in specs:
        parts = spec.path.split(".")
        if any(".".join(parts[:k]) in paths for k in range(1, len(parts))):
            raise InvalidInput(f"input '{spec.path}' lies inside another input", argument=field)
    return specs


def check_path(path: str, field: str) -> str:
    """A path: a name, and after dots names or numbers. Errors: InvalidInput."""
    head, *rest = path.split(".")
    check_id(head, field)
    if len(path) > MOST_PATH or not all(_PART.match(part) for part in rest):
        raise InvalidInput("an input is named by a path such as x, params.w or layers.0.w", argument=field)
    return path


def _read_spec(path: str, value: Any, where: str) -> InputSpec:
    check_path(path, where)
    if not isinstance(value, dict):
        raise InvalidInput('a spec is an object such as {"dtype": "float32", "shape": ["n", 3]}', argument=where)
    if any(k not in FIELDS for k in value):
        raise InvalidInput(f"a spec has the fields {', '.join(sorted(FIELDS))} only", argument=where)
    static = value.get("static", False)
    if type(static) is not bool:
        raise InvalidInput("'static' must be true or false", argument=f"{where}.static")
    dtype = value.get("dtype")
    kind = named(dtype)
    if dtype is not None and (static or kind is None):
        raise InvalidInput(
            f"'dtype' must be one of {', '.join(DTYPES)}; a static input has none", argument=f"{where}.dtype"
        )
    doc = value.get("doc")
    if doc is not None and (not isinstance(doc, str) or len(doc) > 1_000):
        raise InvalidInput("'doc' must be a string of at most 1,000 characters", argument=f"{where}.doc")
    shape = None if value.get("shape") is None else _read_shape(value["shape"], f"{where}.shape")
    if static and shape is not None:
        raise InvalidInput("a static input has no shape", argument=f"{where}.shape")
    return InputSpec(
        path,
        None if kind is None else kind.name,
        shape,
        value.get("default", MISSING),
        static,
        doc,
    )


def _read_shape(value: Any, where: str) -> tuple[Size, ...]:
    if not isinstance(value, list) or len(value) > 64:
        raise InvalidInput("a shape is a list of at most 64 sizes", argument=where)
    for size in value:
        known = type(size) is int and 0 <= size < MOST_SIZE
        if not known and size is not None and not (isinstance(size, str) and _SYMBOL.match(size)):
            raise InvalidInput('a size is a whole number, null for any, or a name such as "n"', argument=where)
    return tuple(value)


def shown_shape(shape: tuple[Size, ...]) -> str:
    """``[n, 3, *]``."""
    return f"[{', '.join('*' if s is None else str(s) for s in shape)}]"


def check_shape(spec: InputSpec, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]], where: str) -> None:
    """Compare a shape with its spec; symbolic sizes are noted in ``sizes`` with the input that gave them.

    Errors: InvalidInput that names the dim, what was found, and the other input where a symbolic size differs.
    """
    wanted = spec.shape
    if wanted is None:
        return
    if len(shape) != len(wanted):
        raise InvalidInput(
            f"{where} must have shape {shown_shape(wanted)}: {len(wanted)} dims, got {len(shape)} (shape {list(shape)})",
            argument=where,
        )
    for dim, (size, found) in enumerate(zip(wanted, shape, strict=True)):
        if size is None or size == found:
            continue
        if type(size) is int:
            raise InvalidInput(
                f"{where} must have shape {shown_shape(wanted)}: size {size} at dim {dim}, got {found} (shape {list(shape)})",
                argument=where,
            )
        assert isinstance(size, str)
        before = sizes.setdefault(size, (found, f"{where} at dim {dim}"))
        if before[0] != found:
            raise InvalidInput(
                f"size {size} must be the same in all inputs: {before[1]} has {before[0]}, {where} at dim {dim} has {found}",
                argument=where,
            )
