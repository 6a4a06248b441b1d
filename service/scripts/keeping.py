"""What values of scripts hold: their tensors, their bytes, and their content as plain facts. Iterative, each thing once.

The one walk over the kinds of value that ``values`` lists. Generators are never kept: ``can_be_kept`` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from engine.autograd.function import FunctionCtx
from engine.optim import Optimizer
from engine.optim.lr_scheduler import LRScheduler
from engine.tensor import Tensor
from service.scripts.calls import Member, Method
from service.scripts.values import (
    Bound,
    Frame,
    Lazy,
    Module,
    Native,
    OrderedSet,
    ScriptClass,
    ScriptFunction,
    ScriptObject,
    Super,
)

__all__ = ["can_be_kept", "facts", "held"]


def can_be_kept(value: Any) -> bool:
    """Whether a session may go on holding a value: not what is half-way through something."""
    return not isinstance(value, Lazy)


def _parts(value: Any) -> tuple[Any, Iterable[Any]]:  # noqa: PLR0912 - a case for each kind of value
    """What a value says of itself, and the values within it."""
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, len(value)), value
    if isinstance(value, dict):
        return ("dict", len(value)), (x for pair in value.items() for x in pair)
    if isinstance(value, OrderedSet):
        return ("set", len(value)), value.items
    if isinstance(value, ScriptFunction):
        return (
            ("function", value.name, value.source, value.line),
            [value.owner, value.frame, *(p.default for p in value.parameters)],
        )
    if isinstance(value, Frame):
        return ("frame", *value.names), [value.parent, *value.names.values()]
    if isinstance(value, ScriptClass):
        return ("class", value.name, value.source, *value.fields), [*value.bases, value.native, *value.fields.values()]
    if isinstance(value, ScriptObject):
        return ("object", *value.fields), [value.cls, *value.fields.values()]
    if isinstance(value, Method):
        return ("method", value.name), [value.subject, value.function]
    if isinstance(value, Bound):
        return ("bound", value.name), [value.subject]
    if isinstance(value, Super):
        return ("super",), [value.subject, value.after]
    if isinstance(value, Member):
        return (value.kind,), [value.function]
    if isinstance(value, Native) and value.made is not None:
        function, args, kwargs = value.made
        return ("made", value.name, *kwargs), [function, *args, *kwargs.values()]
    if isinstance(value, (Native, Module)):
        return ("native", value.name), ()
    if isinstance(value, (Optimizer, LRScheduler, FunctionCtx)):
        own = {k: v for k, v in vars(value).items() if not k.startswith("_")}
        return (type(value).__name__, *own), own.values()
    if isinstance(value, BaseException):
        return (type(value).__name__,), value.args
    shown = repr(value)
    return ("plain", type(value).__name__, "" if " at 0x" in shown else shown), ()


def _simple(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes))


def facts(values: dict[str, Any]) -> Iterator[Any]:
    """Everything that the values say, as plain data and tensors, in an order that only the values decide."""
    numbers: dict[int, int] = {}
    alive: list[Any] = []
    stack: list[Any] = []
    for name, bound in values.items():
        yield ("name", name)
        stack.append(bound)
        while stack:
            value = stack.pop()
            if _simple(value):
                yield repr(value)
            elif isinstance(value, Tensor):
                yield value
            elif id(value) in numbers:
                yield ("again", numbers[id(value)])
            else:
                numbers[id(value)] = len(numbers)
                alive.append(value)
                said, parts = _parts(value)
                yield said
                stack.extend(reversed(list(parts)))


def held(values: dict[str, Any]) -> tuple[list[Tensor], int]:
    """The tensors within values, and about how many bytes the rest takes."""
    if not values:
        return [], 0
    seen: set[int] = set()
    alive: list[Any] = []
    tensors: list[Tensor] = []
    size = 0
    stack: list[Any] = list(values.values())
    while stack:
        value = stack.pop()
        if value is None or isinstance(value, (bool, float)):
            size += 24
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            tensors.append(value)
            size += 64
            continue
        size += sys.getsizeof(value) if isinstance(value, (str, bytes, int, complex, list, tuple, dict)) else 256
        if not _simple(value):
            alive.append(value)
            stack.extend(_parts(value)[1])
    return tensors, size
