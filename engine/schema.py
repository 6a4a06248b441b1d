"""Schema lines: ``name.overload(Type name=default, *, …) -> Type``, read into parameters, and arguments bound to them.

The lines are torch's own (native_functions.yaml), with ``self`` called ``input`` as in PyTorch's Python API. One kind is ours:
``Tensor|Scalar`` takes a tensor or a bare Python number, which then never raises the dtype within its category (a weak scalar).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.errors import ArgumentError

__all__ = ["MISSING", "Parameter", "Schema", "bind", "kind_name", "learn", "parse", "plain", "refused", "spoken_name"]

MISSING: Final = object()

_LINE = re.compile(r"^(?P<name>\w+)(?:\.(?P<overload>\w+))?\((?P<params>.*)\)\s*->\s*(?P<returns>.+)$", re.DOTALL)
_PARAMETER = re.compile(r"^(?P<kind>[\w\[\]|]+\??(?:\[\])?\??)\s+(?P<name>\w+)(?:\s*=\s*(?P<default>.+))?$", re.DOTALL)

tensor_type: list[type] = []  # engine.tensor puts Tensor here: the schema is below it
raw_values: ContextVar[bool] = ContextVar("raw_values", default=False)  # whether arrays stand where tensors go
generator_type: list[type] = []


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operator: its name, kind (``Tensor``, ``int[]``, …), default and place."""

    name: str
    kind: str
    optional: bool
    default: Any
    keyword_only: bool

    @property
    def is_tensor(self) -> bool:
        return self.kind in ("Tensor", "Tensor|Scalar")

    @property
    def is_tensor_list(self) -> bool:
        return self.kind in ("Tensor[]", "Tensor?[]")

    @property
    def required(self) -> bool:
        return self.default is MISSING


@dataclass(frozen=True, slots=True)
class Schema:
    """A parsed line."""

    name: str
    overload: str
    parameters: tuple[Parameter, ...]
    returns: tuple[str, ...]  # the names of several outputs; ("",) for one; () for a list
    line: str


def parse(line: str) -> Schema:
    """Read one line.

    >>> [p.name for p in parse("mul.Tensor(Tensor input, Tensor|Scalar other) -> Tensor").parameters]
    ['input', 'other']
    """
    found = _LINE.match(line.strip())
    if found is None:
        raise ValueError(f"not a schema line: {line!r}")
    parameters: list[Parameter] = []
    keyword_only = False
    for text in _split(found["params"]):
        if text == "*":
            keyword_only = True
            continue
        parts = _PARAMETER.match(text)
        if parts is None:
            raise ValueError(f"not a parameter: {text!r} in {line!r}")
        kind = parts["kind"]
        optional = kind.endswith("?")
        default = MISSING if parts["default"] is None else _default(parts["default"])
        parameters.append(Parameter(parts["name"], kind.removesuffix("?"), optional, default, keyword_only))
    return Schema(found["name"], found["overload"] or "", tuple(parameters), _returns(found["returns"]), line)


def _split(text: str) -> list[str]:
    pieces, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            pieces.append(text[start:i].strip())
            start = i + 1
    pieces.append(text[start:].strip())
    return [p for p in pieces if p]


def _default(text: str) -> Any:
    if text in dtypes.DTYPES:
        return dtypes.DTYPES[text]
    value = ast.literal_eval(text.replace("inf", "1e999"))
    return tuple(value) if isinstance(value, list) else value


def _returns(text: str) -> tuple[str, ...]:
    text = text.strip()
    if text == "Tensor":
        return ("",)
    if text == "Tensor[]":
        return ()
    return tuple(piece.split()[-1] for piece in text.strip("()").split(","))


def kind_name(value: object) -> str:
    """How PyTorch names a value's type in its sentences."""
    if tensor_type and isinstance(value, tensor_type[0]):
        return "Tensor"
    return type(value).__name__


def spoken_name(name: str, public: str) -> str:
    """How PyTorch's sentences call an operator: ``linalg_inv``, ``cross_entropy_loss``; what is ours alone by its public name.

    >>> spoken_name("linalg_inv", "linalg.inv")
    'linalg_inv'
    """
    return public.rpartition(".")[2] if name.startswith("_") else name


def _is_int(value: object) -> bool:
    return type(value) is int or isinstance(value, np.integer)


def _is_number(value: object) -> bool:
    return type(value) in (int, float, bool, complex) or isinstance(value, np.number | np.bool_)


def _zero_dim(value: object) -> bool:
    if not isinstance(value, tensor_type[0]):
        return False
    t: Any = value
    return (
        t.ndim == 0 and not t.requires_grad and not getattr(t._meta, "tangents", None)
    )  # else its derivative would be lost


class _Unfit(Exception):
    """A value does not fit its parameter. Its text, where there is one, is the sentence."""


def _int(value: Any) -> int:
    if _is_int(value):
        return int(value)
    if _zero_dim(value) and value.dtype.category == 1:
        return int(value.item())
    raise _Unfit


def _number(value: Any) -> Any:
    if _is_number(value):
        return value.item() if isinstance(value, np.generic) else value
    if _zero_dim(value):
        return value.item()
    raise _Unfit


def _ints(value: Any) -> tuple[int, ...]:
    if type(value) is tuple and plain(value):
        return value
    if not isinstance(value, (tuple, list)):
        raise _Unfit
    found = []
    for k, v in enumerate(value):
        try:
            found.append(_int(v))
        except _Unfit:
            kind = kind_name(v)
            if k:
                text = (
                    f'failed to unpack the object at pos {k + 1} with error "type must be tuple of ints,but got {kind}"'
                )
                raise _Unfit(f"(): argument '{{name}}' {text}") from None
            raise _Unfit(
                f"(): argument '{{name}}'{{where}} must be tuple of ints, but found element of type {kind} at pos 0"
            ) from None
    return tuple(found)


def _int_or_ints(value: Any) -> tuple[int, ...]:
    return (_int(value),) if not isinstance(value, (tuple, list)) else _ints(value)


def _float(value: Any) -> float:
    number = _number(value)
    if isinstance(number, complex):
        raise _Unfit
    return float(number)


def _floats(value: Any) -> tuple[float, ...]:
    if not isinstance(value, (tuple, list)):
        raise _Unfit
    return tuple(_float(v) for v in value)


def _exact(kind: type) -> Any:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise _Unfit
        return value

    return check


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unfit
    return value


def _is_tensor(value: Any) -> bool:
    return isinstance(value, tensor_type[0]) or (raw_values.get() and isinstance(value, (np.ndarray, np.generic)))


def _tensor(value: Any) -> Any:
    if not _is_tensor(value):
        raise _Unfit
    return value


def _tensor_or_number(value: Any) -> Any:
    if _is_tensor(value):
        return value
    if _is_number(value):
        return value.item() if isinstance(value, np.generic) else value
    raise _Unfit


def _tensors(value: Any) -> list[Any]:
    if not isinstance(value, (tuple, list)):
        raise _Unfit
    for k, v in enumerate(value):
        if not _is_tensor(v):
            raise _Unfit(f"expected Tensor as element {k} in argument {{place}}, but got {kind_name(v)}")
    return list(value)


def _tensors_or_none(value: Any) -> list[Any]:
    if not isinstance(value, (tuple, list)) or not all(v is None or _is_tensor(v) for v in value):
        raise _Unfit
    return list(value)


def _dtype(value: Any) -> Any:
    if value in (bool, int, float, complex):
        return {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}[value]
    if not isinstance(value, dtypes.dtype):
        raise _Unfit
    return value


def _generator(value: Any) -> Any:
    if not isinstance(value, generator_type[0]):
        raise _Unfit
    return value


def _any(value: Any) -> Any:
    return value


CONVERT: Final[dict[str, Any]] = {
    "Tensor": _tensor,
    "Tensor|Scalar": _tensor_or_number,
    "Tensor[]": _tensors,
    "Tensor?[]": _tensors_or_none,
    "Scalar": _number,
    "int": _int,
    "int[]": _ints,
    "int[1]": _int_or_ints,
    "int[2]": _int_or_ints,
    "int[3]": _int_or_ints,
    "float": _float,
    "float[]": _floats,
    "bool": _exact(bool),
    "str": _str,
    "ScalarType": _dtype,
    "Generator": _generator,
    "Any": _any,
}

SPOKEN: Final[dict[str, str]] = {
    "Tensor|Scalar": "Tensor",
    "Tensor[]": "tuple of Tensors",
    "Tensor?[]": "tuple of Tensors",
    "Scalar": "Number",
    "int[]": "tuple of ints",
    "int[1]": "tuple of ints",
    "int[2]": "tuple of ints",
    "int[3]": "tuple of ints",
    "float[]": "tuple of floats",
    "ScalarType": "torch.dtype",
    "Generator": "torch.Generator",
}


def _convert(parameter: Parameter, value: Any) -> Any:
    """The value as the kernel takes it; raises ``_Unfit`` where it does not fit."""
    if value is None and (parameter.optional or parameter.default is None):
        return None
    return CONVERT[parameter.kind](value)


def plain(value: Any) -> bool:
    """Whether a tuple holds ints only, or a list tensors only: then it is bound as it is."""
    wanted = int if type(value) is tuple else tensor_type[0]
    return all(type(v) is wanted for v in value)


def learn(
    recipes: dict[Any, Any], parameters: tuple[Parameter, ...], key: Any, args: Sequence[Any], bound: list[Any]
) -> None:
    """Remember that arguments of these types are bound as they are, and which defaults follow (tuples and lists: if plain)."""
    count = len(args)
    checks = []
    for i, value in enumerate(args):
        kind = type(value)
        if kind is list and parameters[i].kind == "Tensor[]" and plain(value):
            checks.append(i)
        elif bound[i] is not value:
            return
        elif kind is tuple:
            if not plain(value):
                return
            checks.append(i)
        elif kind not in _BY_TYPE and not _is_tensor(value):
            return
    if count <= len(parameters):
        recipes[key] = (tuple(bound[count:]), tuple(checks))


_BY_TYPE: Final = frozenset({int, float, bool, complex, str, type(None)})


def refused(parameters: tuple[Parameter, ...], types: tuple[type, ...]) -> bool:
    """Whether no values of these types could be bound: what an earlier overload must be sure of before a later one is remembered."""
    positional = [p for p in parameters if not p.keyword_only]
    if any(p.required for p in parameters if p.keyword_only) or any(p.required for p in positional[len(types) :]):
        return True
    if len(types) > len(positional) and not any(p.kind == "int[]" for p in positional):
        return True
    for p, kind in zip(positional, types, strict=False):
        if kind in _NUMBERS and p.kind in _NO_NUMBER:
            return True
        if kind is str and p.kind not in {"str", "Any"}:
            return True
        if kind is tuple and p.kind in {"Tensor", "Tensor|Scalar", "int", "Scalar", "float", "bool", "str"}:
            return True
        if issubclass(kind, tensor_type[0]) and p.kind in {
            "str",
            "bool",
            "ScalarType",
            "int[]",
            "Tensor[]",
            "Tensor?[]",
        }:
            return True
    return False


_NUMBERS: Final = frozenset({int, float, bool, complex})
_NO_NUMBER: Final = frozenset({"Tensor", "Tensor[]", "Tensor?[]", "str", "ScalarType", "Generator", "float[]"})
VARIADIC: Final = frozenset(
    {
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "block_diag",
        "broadcast_tensors",
        "cartesian_prod",
        "chain_matmul",
        "einsum",
        "meshgrid",
    }
)
"""The functions that take their tensors one by one, too."""
NUMPY_NAMES: Final = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x2": "other"}


def bind(name: str, parameters: tuple[Parameter, ...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:  # noqa: PLR0912 - the rules of Python's calls, in order
    """Arguments in the order of the parameters, converted, defaults filled in.

    Errors: TypeError in PyTorch's words for a missing, unknown, repeated or unfit argument.
    """
    bound: list[Any] = []
    position = 0
    used = 0
    if kwargs and not NUMPY_NAMES.keys().isdisjoint(kwargs):
        known = {p.name for p in parameters}
        kwargs = {k if k in known else NUMPY_NAMES.get(k, k): v for k, v in kwargs.items()}
    last = None
    for p in parameters:
        last = last if p.keyword_only else p
    for p in parameters:
        if position < len(args) and not p.keyword_only:
            value = args[position]
            if p.kind == "int[]" and _is_int(value):  # x.view(2, 3): trailing ints are one list
                stop = position
                while stop < len(args) and (_is_int(args[stop]) or p is last):
                    stop += 1
                value = tuple(args[position:stop])
                position = stop
            elif p.kind == "Tensor[]" and isinstance(value, tensor_type[0]) and name in VARIADIC:
                value, position = (
                    list(args[position:]),
                    len(args),
                )  # broadcast_tensors(x, y), meshgrid(x, y), einsum(…, x, y)
            else:
                position += 1
            if p.name in kwargs:
                raise ArgumentError(f"{name}() got multiple values for argument '{p.name}'", p.name)
        elif p.name in kwargs:
            value = kwargs[p.name]
            used += 1
        elif p.default is not MISSING:
            bound.append(p.default)
            continue
        else:
            missing = [f'"{q.name}"' for q in parameters if q.required and q.name not in kwargs][len(args) :] or [
                f'"{p.name}"'
            ]
            raise ArgumentError(
                f"{name}() missing {len(missing)} required positional arguments: {', '.join(missing)}",
                p.name,
            )
        try:
            bound.append(_convert(p, value))
        except _Unfit as unfit:
            where = f" (position {len(bound) + 1})" if p.name not in kwargs else ""
            if unfit.args:
                text = str(unfit).format(name=p.name, where=where, place=len(bound))
                raise ArgumentError(name + text if text.startswith("()") else text, p.name) from None
            raise ArgumentError(
                f"{name}(): argument '{p.name}'{where} must be {SPOKEN.get(p.kind, p.kind)}, not {kind_name(value)}",
                p.name,
            ) from None
    if position < len(args):
        positional = [p for p in parameters if not p.keyword_only]
        raise ArgumentError(
            f"{name}() takes {len(positional)} positional argument{'s' * (len(positional) != 1)} but {len(args)} were given"
        )
    if used < len(kwargs):
        known = {p.name for p in parameters}
        unknown = next((k for k in kwargs if k not in known), None)
        if unknown is not None and not (unknown.isidentifier() and len(unknown) <= 64):  # nothing to repeat
            raise ArgumentError(f"{name}() got an unexpected keyword argument that is no name", "kwargs")
        if unknown is not None:
            raise ArgumentError(f"{name}() got an unexpected keyword argument '{unknown}'", unknown)
    return bound
