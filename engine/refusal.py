"""What a call answers that no overload takes: the sentences of PyTorch's argument parser (python_arg_parser.cpp)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine import schema
from engine.errors import ArgumentError
from engine.op import Op

__all__ = ["as_function", "as_method", "refusal", "shown", "signature"]

_POSITION = re.compile(r"\(position (\d+)\)")
_COUNTS = re.compile(r"takes (\d+) positional arguments? but (\d+) (?:was|were) given")


def signature(op: Op, skipped: int = 0) -> str:
    """What a row takes, as PyTorch lists it: ``(Tensor input, int dim, bool keepdim = False)``. skipped: without so many first ones."""
    pieces = []
    starred = False
    for p in op.parameters[skipped:]:
        if p.keyword_only and not starred:
            pieces.append("*")
            starred = True
        default = "" if p.required else f" = {p.default}"
        pieces.append(f"{schema.SPOKEN.get(p.kind, p.kind)} {p.name}{default}")
    return f"({', '.join(pieces)})"


def shown(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The types of arguments, as PyTorch lists what it got."""
    named = ", ".join(f"{k}={schema.kind_name(v)}" for k, v in kwargs.items())
    listed = ", ".join(schema.kind_name(a) for a in args)
    return f"{listed}, {named}" if listed and named else listed or (f"{named}, " if named else "")


def refusal(
    overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any], first: ArgumentError, skipped: int = 0
) -> ArgumentError:
    """The error for arguments that no overload takes: the own one of the only overload of so many arguments, else a list of them all.

    first: the first overload's. skipped: 1 for a method, whose tensor is not counted.
    """
    if len(overloads) == 1:
        return first
    count = len(args) + len(kwargs)
    plausible = [op for op in overloads if sum(p.required for p in op.parameters) <= count <= len(op.parameters)]
    if len(plausible) == 1:
        try:
            plausible[0].bind(args, kwargs)
        except ArgumentError as error:
            return error
    name = schema.spoken_name(overloads[0].schema.name, overloads[0].name)
    expected = "".join(f"\n * {signature(op, skipped)}" for op in overloads)
    got = shown(args[skipped:], kwargs)
    return ArgumentError(
        f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:{expected}",
        first.argument,
    )


def as_function(
    call: Callable[[Sequence[Op], Sequence[Any], Mapping[str, Any]], Any], overloads: Sequence[Op]
) -> Callable[..., Any]:
    """A door as a function."""

    def door(*args: Any, **kwargs: Any) -> Any:
        return call(overloads, args, kwargs)

    return door


def as_method(
    call: Callable[[Sequence[Op], Sequence[Any], Mapping[str, Any]], Any], overloads: Sequence[Op], name: str
) -> Callable[..., Any]:
    """A door as a method: what does not bind is told with places counted from the first argument after the tensor.

    >>> import engine as torch
    >>> torch.ones(2).index_select(0.5, torch.tensor([0]))
    Traceback (most recent call last):
    engine.errors.ArgumentError: index_select(): argument 'dim' (position 1) must be int, not float
    """

    def door(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(overloads, args, kwargs)
        except ArgumentError as error:
            if error.overloads is not overloads or not args:
                raise
            raise _from_method(refusal(overloads, args, kwargs, error, 1), name) from None

    return door


def _from_method(error: ArgumentError, name: str) -> ArgumentError:
    """A function's sentence as the method says it."""
    text = _POSITION.sub(lambda found: f"(position {max(int(found[1]) - 1, 1)})", str(error))
    text = _COUNTS.sub(lambda found: _counts(int(found[1]) - 1, int(found[2]) - 1), text)
    head, parenthesis, rest = text.partition("()")
    if parenthesis and name.rstrip("_") == head:
        text = f"{name}(){rest}"
    return ArgumentError(text, error.argument)


def _counts(taken: int, given: int) -> str:
    return f"takes {taken} positional argument{'s' * (taken != 1)} but {given} {'was' if given == 1 else 'were'} given"
