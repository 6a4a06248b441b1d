"""What is known of calls by their shapes and dtypes: what they cost, and how a step like an earlier one binds.

A plan is kept where the first overload took the arguments as they are, so that nothing but what the key holds can have decided.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine import dtypes
from engine.bind import function_of
from engine.op import OPS, Estimate, Op
from engine.promotion import estimate as estimated
from engine.tensor import Tensor
from service.steps.binder import Bound

if TYPE_CHECKING:
    from service.sessions.session import Binding
    from service.steps.limits import Limits, Meter
    from service.steps.step import Step

__all__ = ["Plan", "admitted", "planned", "recall"]

_MOST: Final = 4_096
_NUMBERS: Final = frozenset({int, float, bool})
_PLAIN: Final = frozenset({int, float, bool, str, type(None), dtypes.dtype})
_LONG: Final = 64  # what is longer is not kept
_foreseen: dict[tuple[Any, ...], Estimate] = {}


def _foresee(op: Op, values: list[Any]) -> Estimate:
    """The row's estimate, remembered: it depends on shapes, dtypes and attributes, and on the default dtype, by its contract.

    Values of which this is not known by their type are estimated each time.
    """
    key: list[Any] = [op, dtypes.default_dtype.get()]
    for value in values:
        kind = type(value)
        if kind is Tensor:
            key += (value._array.shape, value._array.dtype)
        elif kind in _PLAIN:
            if kind is str and len(value) > _LONG:
                return estimated(op, values)
            key += (kind, value)
        elif kind is tuple and len(value) <= _LONG and all(type(v) is int for v in value):
            key += (kind, value)
        else:
            return estimated(op, values)
    at = tuple(key)
    found = _foreseen.get(at)
    if found is None:
        found = estimated(op, values)
        if len(_foreseen) >= _MOST:
            _foreseen.clear()
        _foreseen[at] = found
    return found


class Plan(NamedTuple):
    """The row, the shortest door to it, the arguments that follow as defaults, what the call costs and adds within these limits."""

    op: Op
    door: Callable[..., Any]
    rest: tuple[Any, ...]
    estimate: Estimate
    size: int
    limits: Limits
    reserved: int  # bytes: of the outputs, none for a view, and the workspace
    short: bool  # whether the row makes one tensor


_plans: dict[tuple[Any, ...], Plan] = {}


def recall(step: Step, names: Mapping[str, Binding], limits: Limits) -> tuple[Bound | None, Plan | None, Any]:
    """A bound call and its plan, where one is known; the key to learn one under, None where none can be."""
    key, values = _key(step, names)
    if key is None:
        return None, None, None
    plan = _plans.get(key)
    if plan is None or plan.limits is not limits:
        return None, None, key
    return Bound(plan.op, [*values, *plan.rest], False), plan, None


def planned(step: Step, names: Mapping[str, Binding], limits: Limits) -> tuple[Plan, list[Any]] | None:
    """The plan of a call of one or two arguments like an earlier one, and they; None where none is known, or its row is not plain."""
    args = step.args
    if step.kwargs or not 0 < len(args) < 3:
        return None
    first = names.get(args[0]) if type(args[0]) is str else None
    if first is None or type(first.tensor) is not Tensor:
        return None
    x = first.tensor._array
    if len(args) == 1:
        key: Any = (step.op, dtypes.default_dtype.get(), x.shape, x.dtype)
        values: list[Any] = [first.tensor]
    else:
        other = args[1]
        kind = type(other)
        if kind is str:
            second = names.get(other)
            if second is None or type(second.tensor) is not Tensor:
                return None
            other = second.tensor
            y = other._array
            key = (step.op, dtypes.default_dtype.get(), x.shape, x.dtype, y.shape, y.dtype)
        elif kind in _NUMBERS:
            key = (step.op, dtypes.default_dtype.get(), x.shape, x.dtype, kind, other)
        else:
            return None
        values = [first.tensor, other]
    plan = _plans.get(key)
    return None if plan is None or plan.limits is not limits or not plan.short else (plan, values)


def _key(step: Step, names: Mapping[str, Binding]) -> tuple[tuple[Any, ...] | None, list[Any]]:
    """What decides how a call binds and what it costs, and its arguments; no key where they are not tensors and numbers alone."""
    values: list[Any] = []
    if step.kwargs:
        return None, values
    key: list[Any] = [step.op, dtypes.default_dtype.get()]
    for value in step.args:
        kind = type(value)
        if kind is str:
            binding = names.get(value)
            if binding is None:
                return None, values
            tensor = binding.tensor
            if type(tensor) is not Tensor:
                return None, values
            array = tensor._array
            key += (array.shape, array.dtype)
            values.append(tensor)
        elif kind in _NUMBERS:
            key += (kind, value)
            values.append(value)
        else:
            return None, values
    return tuple(key), values


def _learn(
    key: Any, step: Step, bound: Bound, names: Mapping[str, Binding], estimate: Estimate, size: int, limits: Limits
) -> None:
    """Remember an admitted call, if what it was given is what was bound."""
    if bound.inplace or OPS[step.op][0] is not bound.op:
        return
    given = [names[a].tensor if type(a) is str else a for a in step.args]
    if any(a is not b for a, b in zip(given, bound.values, strict=False)):
        return
    if len(_plans) >= _MOST:
        _plans.clear()
    op = bound.op
    reserved = 0 if op.kind == "view" else size + estimate.workspace
    short = op.schema.returns == ("",)
    rest = tuple(bound.values[len(given) :])
    _plans[key] = Plan(op, _door(step.op, len(given)), rest, estimate, size, limits, reserved, short)


def admitted(
    meter: Meter, step: Step, bound: Bound, plan: Plan | None, key: Any, names: Mapping[str, Binding]
) -> tuple[Estimate, int]:
    """What a call costs, and the bytes that it adds; charged. ``key``: what to remember it under. Errors: LimitExceeded."""
    if plan is not None:
        meter.charge(step.op, plan.estimate.cost)
        return plan.estimate, plan.size
    found = _foresee(bound.op, bound.values)
    size = meter.admit(step.op, found)
    if key is not None:
        _learn(key, step, bound, names, found, size, meter.limits)
    return found, size


@cache
def _door(name: str, count: int) -> Callable[..., Any]:
    """The engine's function of a name, for so many positional arguments; it takes the first overload, too, for what that takes."""
    door = function_of(name)
    quick: Callable[..., Any] | None = getattr(door, "quick", None)
    return door if quick is None or count != len(inspect.signature(quick).parameters) else quick
