"""Bounds: the greater, the less, between two, and what is put in place of an element. Rules: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, common
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, pairs, unary
from engine.scalars import converted
from engine.shapes import broadcast

FORMS = "function method inplace"
CLAMP = Domain("c", "clamp is not supported for complex types")
MAXIMUM = Domain("c", "maximum not implemented for complex tensors.", TensorError)
MINIMUM = Domain("c", "minimum not implemented for complex tensors.", TensorError)
FMAX = Domain("c", "fmax not implemented for complex tensors.", TensorError)
FMIN = Domain("c", "fmin not implemented for complex tensors.", TensorError)


def _present(min: Any, max: Any) -> None:
    if min is None and max is None:
        raise TensorError("torch.clamp: At least one of 'min' or 'max' must not be None")


def _clamp_meta(input: Spec, min: Any, max: Any) -> Spec:
    _present(min, max)
    CLAMP.check(input)
    if isinstance(min, Spec) or isinstance(max, Spec):
        return broadcast(input, min, max)
    return Spec(input.shape, dtypes.of_numpy(_bounds(input, min, max)[0]))


def _bounds(input: Any, *values: Any) -> tuple[np.dtype[Any], list[Any]]:
    """The dtype of an input and numbers, and the numbers in it. Errors: RuntimeError for what it cannot hold."""
    d = common(input, *(v for v in values if v is not None))
    CLAMP.check(input)
    if any(type(v) is complex for v in values):
        raise TensorError("value cannot be converted to type double without overflow")
    return d, [None if v is None else converted(v, d) for v in values]


def _within(input: Any, min: Any, max: Any) -> Any:
    """Where an element is not moved by its bounds, which belong to what is kept."""
    if min is None:
        return input <= max
    return input >= min if max is None else (input >= min) & (input <= max)


def _between(input: Any, min: Any, max: Any) -> Any:
    out = input if min is None else np.maximum(input, min)
    return out if max is None else np.minimum(out, max)


def _to_min(g: Any, input: Any, min: Any, max: Any) -> Any:
    moved = input < min if max is None else (input < min) & (min < max)
    return rules.where(moved, g, 0)


def _to_max(g: Any, input: Any, min: Any, max: Any) -> Any:
    moved = input > max if min is None else (input > max) | (max < min)
    return rules.where(moved, g, 0)


def _bounded() -> list[Sample]:
    low = [Sample(s.args[0], s.args[1] - 0.7, s.args[1] + 0.6, tags=s.tags) for s in pairs()()]
    return [*low, Sample(array(2, 3), np.array(-0.43)), Sample(array(2, 3), max=array(3, start=9))]


@op(
    "clamp.Tensor(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor",
    meta=_clamp_meta,
    kind="pointwise",
    grad_fn="ClampBackward0",
    forms=FORMS,
    names=("clamp", "clip"),
    samples=_bounded,
    vjp={
        "input": lambda g, input, min, max: rules.where(_within(input, min, max), g, 0),
        "min": _to_min,
        "max": _to_max,
    },
)
def clamp_tensor(input: Any, min: Any, max: Any) -> Any:
    """Each element, but not less than ``min`` and not more than ``max``; ``max`` where ``min`` is greater.

    Shapes: any that broadcast. Gradient: g where the element stays (a bound itself stays), to the bound where it took over. Errors:
    RuntimeError without any bound, NotImplementedError for complex tensors. Source: torch.clamp.

    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), torch.tensor(0.0), torch.tensor([1.0, 1.0, 1.5]))
    tensor([0.0000, 0.5000, 1.5000])
    """
    _present(min, max)
    CLAMP.check(input)
    return _between(input, min, max)


@op(
    "clamp(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor",
    meta=_clamp_meta,
    kind="pointwise",
    promote="none",
    grad_fn="ClampBackward1",
    forms=FORMS,
    names=("clamp", "clip"),
    samples=lambda: [
        *(Sample(*s.args, -0.9, 1.1, tags=s.tags) for s in unary()()),
        Sample(array(2, 3), 0),
        Sample(array(2, 3), max=0.25),
    ],
    vjp={"input": lambda g, input, min, max: rules.where(_within(input, min, max), g, 0)},
)
def clamp(input: Any, min: Any, max: Any) -> Any:
    """Each element, but not less than ``min`` and not more than ``max``; ``max`` where ``min`` is greater.

    Gradient: g where the element stays; a bound itself stays. Errors: RuntimeError without any bound, NotImplementedError for complex
    tensors. Source: torch.clamp.

    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    _present(min, max)
    CLAMP.check(input)
    d, (low, high) = _bounds(input, min, max)
    return _between(input if input.dtype == d else input.astype(d), low, high)


@op(
    "clamp_min.Tensor(Tensor input, Tensor min) -> Tensor",
    meta=CLAMP(broadcast),
    kind="pointwise",
    grad_fn="ClampMinBackward1",
    forms=FORMS,
    samples=pairs(),
    vjp={
        "input": lambda g, input, min: rules.where(input >= min, g, 0),
        "min": lambda g, input, min: rules.where(input < min, g, 0),
    },
)
def clamp_min_tensor(input: Any, min: Any) -> Any:
    """Each element, but not less than ``min``.

    Shapes: any two that broadcast. Gradient: g where the element stays, to ``min`` elsewhere. Errors: NotImplementedError for complex
    tensors. Source: torch.clamp_min.

    >>> torch.clamp_min(torch.tensor([-1.0, 2.0]), torch.tensor([0.0, 3.0]))
    tensor([0., 3.])
    """
    CLAMP.check(input)
    return np.maximum(input, min)


@op(
    "clamp_min(Tensor input, Scalar min) -> Tensor",
    meta=lambda input, min: _clamp_meta(input, min, None),
    kind="pointwise",
    promote="none",
    grad_fn="ClampMinBackward0",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, 0.3, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g, input, min: rules.where(input >= min, g, 0)},
)
def clamp_min(input: Any, min: Any) -> Any:
    """Each element, but not less than one number.

    Gradient: g where the element stays; the bound itself stays. Errors: NotImplementedError for complex tensors.
    Source: torch.clamp_min.

    >>> torch.clamp_min(torch.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    CLAMP.check(input)
    d, (low,) = _bounds(input, min)
    return np.maximum(input.astype(d), low)


@op(
    "clamp_max.Tensor(Tensor input, Tensor max) -> Tensor",
    meta=CLAMP(broadcast),
    kind="pointwise",
    grad_fn="ClampMaxBackward1",
    forms=FORMS,
    samples=pairs(),
    vjp={
        "input": lambda g, input, max: rules.where(input <= max, g, 0),
        "max": lambda g, input, max: rules.where(input > max, g, 0),
    },
)
def clamp_max_tensor(input: Any, max: Any) -> Any:
    """Each element, but not more than ``max``.

    Shapes: any two that broadcast. Gradient: g where the element stays, to ``max`` elsewhere. Errors: NotImplementedError for complex
    tensors. Source: torch.clamp_max.

    >>> torch.clamp_max(torch.tensor([-1.0, 2.0]), torch.tensor([0.0, 1.0]))
    tensor([-1.,  1.])
    """
    CLAMP.check(input)
    return np.minimum(input, max)


@op(
    "clamp_max(Tensor input, Scalar max) -> Tensor",
    meta=lambda input, max: _clamp_meta(input, None, max),
    kind="pointwise",
    promote="none",
    grad_fn="ClampMaxBackward0",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, 0.3, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g, input, max: rules.where(input <= max, g, 0)},
)
def clamp_max(input: Any, max: Any) -> Any:
    """Each element, but not more than one number.

    Gradient: g where the element stays; the bound itself stays. Errors: NotImplementedError for complex tensors.
    Source: torch.clamp_max.

    >>> torch.clamp_max(torch.tensor([-1.0, 2.0]), 1)
    tensor([-1.,  1.])
    """
    CLAMP.check(input)
    d, (high,) = _bounds(input, max)
    return np.minimum(input.astype(d), high)


def _win(g: Any, kept: Any, tied: Any) -> Any:
    """The gradient of what was chosen: half of it where both are equal."""
    return rules.where(tied, g / 2, rules.where(kept, g, 0))


@op(
    "maximum(Tensor input, Tensor other) -> Tensor",
    meta=MAXIMUM(broadcast),
    kind="pointwise",
    samples=pairs(),
    ufunc=np.maximum,
    vjp={
        "input": lambda g, input, other: _win(g, rules.logical_not(input < other), input == other),
        "other": lambda g, input, other: _win(g, rules.logical_not(input > other), input == other),
    },
)
def maximum(input: Any, other: Any) -> Any:
    """The greater of two elements; NaN where either is.

    Shapes: any two that broadcast. Gradient: g to the greater, half to each where they are equal. Errors: RuntimeError for complex
    tensors. Source: torch.maximum.

    >>> torch.maximum(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.0]))
    tensor([3., 2.])
    """
    MAXIMUM.check(input)
    return np.maximum(input, other)


@op(
    "minimum(Tensor input, Tensor other) -> Tensor",
    meta=MINIMUM(broadcast),
    kind="pointwise",
    samples=pairs(),
    ufunc=np.minimum,
    vjp={
        "input": lambda g, input, other: _win(g, rules.logical_not(input > other), input == other),
        "other": lambda g, input, other: _win(g, rules.logical_not(input < other), input == other),
    },
)
def minimum(input: Any, other: Any) -> Any:
    """The less of two elements; NaN where either is.

    Shapes: any two that broadcast. Gradient: g to the less, half to each where they are equal. Errors: RuntimeError for complex
    tensors. Source: torch.minimum.

    >>> torch.minimum(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.0]))
    tensor([1., 0.])
    """
    MINIMUM.check(input)
    return np.minimum(input, other)


@op(
    "fmax(Tensor input, Tensor other) -> Tensor",
    meta=FMAX(broadcast),
    kind="pointwise",
    samples=pairs(),
    vjp={
        "input": lambda g, input, other: rules.where((input >= other) | (other != other), g, 0),  # noqa: PLR0124 - NaN
        "other": lambda g, input, other: rules.where((input >= other) | (other != other), 0, g),  # noqa: PLR0124 - NaN
    },
)
def fmax(input: Any, other: Any) -> Any:
    """The greater of two elements; where one is NaN, the other.

    Shapes: any two that broadcast. Gradient: g to the greater, to input where they are equal. Errors: RuntimeError for complex tensors.
    Source: torch.fmax.

    >>> torch.fmax(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 0.0]))
    tensor([3., 0.])
    """
    FMAX.check(input)
    return np.fmax(input, other)


@op(
    "fmin(Tensor input, Tensor other) -> Tensor",
    meta=FMIN(broadcast),
    kind="pointwise",
    samples=pairs(),
    vjp={
        "input": lambda g, input, other: rules.where((input <= other) | (other != other), g, 0),  # noqa: PLR0124 - NaN
        "other": lambda g, input, other: rules.where((input <= other) | (other != other), 0, g),  # noqa: PLR0124 - NaN
    },
)
def fmin(input: Any, other: Any) -> Any:
    """The less of two elements; where one is NaN, the other.

    Shapes: any two that broadcast. Gradient: g to the less, to input where they are equal. Errors: RuntimeError for complex tensors.
    Source: torch.fmin.

    >>> torch.fmin(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 0.0]))
    tensor([1., 0.])
    """
    FMIN.check(input)
    return np.fmin(input, other)
