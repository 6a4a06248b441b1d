"""From JSON arguments to a chosen overload and bound arguments.

What a JSON value means depends on the kind of the parameter that it meets: a string is a reference where a tensor goes and text where a
string goes; a list is a tensor literal, a list of tensors, or a shape. So each overload of a name is tried with the values read its way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.dtypes import DTYPES, named
from engine.errors import ArgumentError
from engine.op import OPS, Op
from engine.refusal import signature
from engine.schema import Parameter, kind_name, spoken_name
from engine.tensor import Tensor
from service.steps import reference
from service.steps.errors import InvalidInput, NotFound, UnknownReference

__all__ = ["Bound", "Reader", "bind_step", "convert_arguments", "find_operator", "is_bulk", "is_typed"]

NUMBERS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
INDEXING: Final = frozenset({"getitem", "setitem"})
_MOST_ARGUMENTS: Final = 64
_WORD: Final = re.compile(r"[A-Za-z0-9_ .,:+>-]{0,256}")
_ALONE: Final = frozenset(
    {"Tensor", "Tensor|Scalar", "Scalar", "int", "float", "bool", "str"}
)  # one value, read by itself


@dataclass(frozen=True, slots=True)
class Reader:
    """What a session lends the binder.

    lookup: id → tensor. literal: JSON data → tensor, in the session's default dtype. unreadable: what ``literal`` raises for data that
    is no tensor.
    """

    lookup: Callable[[str], Any]
    literal: Callable[[Any], Any]
    unreadable: tuple[type[Exception], ...] = ()

    def once(self) -> Reader:
        """The same, but data that several overloads look at becomes a tensor once."""
        made: dict[int, Any] = {}

        def literal(value: Any) -> Any:
            key = id(value)
            if key not in made:
                made[key] = self.literal(value)
            return made[key]

        return replace(self, literal=literal)

    def tensor(self, value: Any, argument: str) -> Any:
        """What stands where a tensor goes: a reference, a number, nested lists or a typed value."""
        if type(value) is str:
            number = NUMBERS.get(value)
            return number if number is not None else reference.resolve(value, self.lookup, argument)
        if type(value) in (list, dict) or is_bulk(value):
            return self.literal(value)
        return value


def is_bulk(value: Any) -> bool:
    """Whether a value is many numbers that came as an array: from a binary body, or from a long list in JSON."""
    return hasattr(value, "nbytes") and not isinstance(value, Tensor)


def is_typed(value: Any) -> bool:
    """Whether it also says its dtype, as a binary body does; a list in JSON does not."""
    return is_bulk(value) and hasattr(value, "dtype")


@dataclass(frozen=True, slots=True)
class Bound:
    """A step ready to run: the row, its arguments in order, and whether it writes in place."""

    op: Op
    values: list[Any]
    inplace: bool


def find_operator(name: str) -> tuple[list[Op], bool]:
    """The overloads of an operator that a step may name, and whether it is an in-place form.

    Errors: NotFound for a name that is not in the catalogue.
    """
    overloads = OPS.get(name)
    if overloads is not None and (overloads[0].forms or name in INDEXING):
        return overloads, False
    if name.endswith("_") and not name.startswith("_"):
        overloads = [op for op in OPS.get(name[:-1], ()) if "inplace" in op.forms]
        if overloads:
            return overloads, True
    raise NotFound("there is no such operator: GET /v1/ops lists them", argument="op")


def bind_step(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], reader: Reader) -> Bound:
    """Choose the overload that takes the arguments and bind them.

    Errors: NotFound for the operator, UnknownReference for an id, the engine's ArgumentError for what does not fit.
    """
    try:
        overloads, inplace = find_operator(name)
    except NotFound as error:
        raise InvalidInput(error.detail, argument="op") from None
    if len(args) + len(kwargs) > _MOST_ARGUMENTS and not all(type(a) is int for a in args):
        raise InvalidInput(f"{name}() takes at most {_MOST_ARGUMENTS} arguments", argument="args")
    if len(overloads) > 1 and any(type(a) in (list, dict) or is_bulk(a) for a in (*args, *kwargs.values())):
        reader = reader.once()
    refusals: tuple[type[Exception], ...] = (InvalidInput, UnknownReference, *reader.unreadable)
    first: ArgumentError | None = None
    unread: Exception | None = None
    for lenient in (False, True):  # as in PyTorch a number is no tensor; where nothing else takes it, it becomes one
        for op in overloads:
            try:
                converted, named = convert_arguments(op.parameters, args, kwargs, reader, lenient=lenient)
                values = op.bind(converted, named)
            except ArgumentError as error:
                first = first or error
                continue
            except refusals as error:
                unread = unread or error
                continue
            if (
                inplace
                and not isinstance(values[op.tensors[0]], Tensor)
                and not hasattr(values[op.tensors[0]], "shape")
            ):
                raise ArgumentError(f"{name}(): argument 'input' (position 1) must be Tensor", "input")
            return Bound(op, values, inplace)
    if unread is not None:
        raise unread
    assert first is not None
    if len(overloads) > 1:
        others = [(f"{k}=", v) for k, v in kwargs.items()]
        shown = ", ".join(
            before + (kind_name(reader.tensor(a, "args")) if type(a) is str and not before else kind_name(a))
            for before, a in [*(("", a) for a in args), *others]
        )
        expected = "".join(f"\n * {signature(op)}" for op in overloads)
        said = spoken_name(overloads[0].schema.name, name)
        raise ArgumentError(
            f"{said}() received an invalid combination of arguments - got ({shown}), but expected one of:{expected}",
            first.argument,
        )
    raise first


def convert_arguments(
    parameters: Sequence[Parameter],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    reader: Reader,
    *,
    lenient: bool = True,
) -> tuple[list[Any], dict[str, Any]]:
    """JSON arguments as the parameters' kinds read them; what does not fit is left for the binding to refuse.

    lenient: whether a bare number becomes a tensor where only a tensor may stand.
    """
    if not kwargs and len(args) <= len(
        parameters
    ):  # most calls: a value for each of the first parameters, read by itself
        given = parameters[: len(args)]
        if all(p.kind in _ALONE and not p.keyword_only for p in given):
            return [_convert(p, value, reader, lenient) for p, value in zip(given, args, strict=True)], {}
    positional = [p for p in parameters if not p.keyword_only]
    converted: list[Any] = []
    for i, value in enumerate(args):
        if i < len(positional):
            converted.append(_convert(positional[i], value, reader, lenient))
        elif positional and positional[-1].kind == "int[]":
            converted.append(value)
        elif positional and positional[0].kind == "Tensor[]" and i:
            converted.append(reader.tensor(value, positional[0].name))
        else:
            converted.append(value)
    known = {p.name: p for p in parameters}
    named = {k: _convert(known[k], v, reader, lenient) if k in known else v for k, v in kwargs.items()}
    alone = sum(p.kind.startswith("Tensor") for p in positional) == 1
    if alone and positional[0].kind == "Tensor[]" and converted and isinstance(converted[0], Tensor):
        converted = [reader.tensor(v, positional[0].name) for v in args]
        for k, member in enumerate(converted):
            if not isinstance(member, Tensor):
                text = f"expected Tensor as element {k} in argument 0, but got {kind_name(member)}"
                raise ArgumentError(f"{text}: a list of tensors is one JSON list", positional[0].name)
    return converted, named


def _convert(p: Parameter, value: Any, reader: Reader, lenient: bool) -> Any:  # noqa: PLR0912 - a kind a branch
    if value is None:
        return None
    kind = p.kind
    if kind in ("Tensor", "Tensor|Scalar"):
        found = reader.tensor(value, p.name)
        if lenient and kind == "Tensor" and type(found) in (int, float, bool):
            return reader.literal(found)
        return found
    if kind in ("Tensor[]", "Tensor?[]"):
        if is_bulk(value) and not is_typed(value):
            value = value.rows()
        if type(value) is list:
            return [None if v is None else _member(v, p, reader, lenient) for v in value]
        return reader.tensor(value, p.name) if type(value) is str else value
    if kind in {"Scalar", "float"}:
        if type(value) is str:
            number = NUMBERS.get(value)
            return number if number is not None else reference.resolve(value, reader.lookup, p.name)
        return value
    if kind == "ScalarType":
        if type(value) is str:
            found = named(value)
            if found is None:
                raise InvalidInput(f"there is no such dtype: {', '.join(DTYPES)} are known", argument=p.name)
            return found
        raise ArgumentError(f"argument '{p.name}' must be the name of a dtype, not {kind_name(value)}", p.name)
    if kind == "Generator":
        raise InvalidInput("a session has one generator: use manual_seed instead of 'generator'", argument=p.name)
    if kind in {"str", "Any"} and type(value) is str:
        if value in NUMBERS:
            return NUMBERS[value]
        if not _WORD.fullmatch(value):  # PyTorch's sentences repeat words, so what is none comes no further
            raise InvalidInput(f"'{p.name}' is a plain word of at most 256 characters", argument=p.name)
    if kind == "int" and type(value) is str:
        return reference.resolve(value, reader.lookup, p.name)
    return value


def _member(value: Any, p: Parameter, reader: Reader, lenient: bool) -> Any:
    found = reader.tensor(value, p.name)
    return reader.literal(found) if lenient and type(found) in (int, float, bool) else found
