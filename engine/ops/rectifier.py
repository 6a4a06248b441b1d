"""Activations that are straight or parabolic in pieces: leaky units, cuts, shrinks, gates. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import Domain, floating, in_single, spoken
from engine.errors import DtypeError, InvalidValueError, ShapeError, TensorError, UnsupportedDtypeError
from engine.generator import default_generator
from engine.op import Sample, Spec, op
from engine.rules import lean, renamed, rules
from engine.samples import array, over, strided, unary
from engine.scalars import converted
from engine.shapes import same

LEAKY = floating("leaky_relu_cpu")
PRELU = floating("prelu_cpu")
HARDSIGMOID = floating("hardsigmoid_cpu")
HARDSWISH = floating("hardswish_cpu")
HARDSHRINK = floating("hardshrink_cpu")
SOFTSHRINK = floating("softshrink_check")
THRESHOLD = Domain("bc", "\"threshold_cpu\" not implemented for '{dtype}'")
HARDTANH = Domain("b", "Bool inputs not supported for hardtanh", DtypeError)
CLAMP = Domain("c", "clamp is not supported for complex types", UnsupportedDtypeError)

INF = float("inf")


def _within(input: Any, low: float, high: float, closed: bool) -> Any:
    if closed:
        return (input >= low) & (input <= high)
    return input > low if high == INF else ~((input <= low) | (input >= high))  # infinity and NaN as PyTorch has them


@op(
    "_piecewise_backward(Tensor grad_output, Tensor input, float low, float high, bool closed, float within, float beyond) -> Tensor",
    meta=lambda grad_output, input, *rest: input,
    kind="pointwise",
    forms="",
    samples=over(Sample(array(2, 3), array(2, 3, start=9), -1.0, 1.0, True, 0.0, 1.0)),
    vjp={
        "grad_output": lambda g, input, low, high, closed, within, beyond: rules._piecewise_backward(
            g, input, low, high, closed, within, beyond
        ),
        "input": lambda g: g * 0,
    },
)
def _piecewise_backward(
    grad_output: Any, input: Any, low: Any, high: Any, closed: Any, within: Any, beyond: Any
) -> Any:
    """The gradient of what is straight in pieces: ``within`` times where input lies between the bounds, ``beyond`` times elsewhere.

    Gradient: the same of g; zeros for input. Source: aten::hardtanh_backward and its kin.
    """
    where = _within(input, low, high, closed)
    if beyond == 0:
        return (
            np.multiply(grad_output, where) if within == 1 else grad_output * (where * grad_output.dtype.type(within))
        )
    inner = grad_output * within if within != 1 else grad_output
    return np.where(where, inner, grad_output * beyond if beyond != 1 else grad_output)


@in_single
def _leaky(input: Any, slope: Any) -> Any:
    if 0 < slope <= 1:
        return np.maximum(input, input * slope)
    return np.where(input > 0, input, input * slope)


@op(
    "leaky_relu(Tensor input, Scalar negative_slope=0.01) -> Tensor",
    meta=LEAKY(same),
    kind="pointwise",
    names=("nn.functional.leaky_relu",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), 1.5)],
    vjp={
        "input": lambda g, input, negative_slope: lean(
            _piecewise_backward, g, input, 0.0, INF, False, 1.0, negative_slope
        )
    },
)
def leaky_relu(input: Any, negative_slope: Any) -> Any:
    """``input`` above zero, ``negative_slope·input`` at and below.

    Gradient: g above zero, g·negative_slope below. Errors: NotImplementedError for integers and complex dtypes.
    Source: torch.nn.functional.leaky_relu.

    >>> torch.nn.functional.leaky_relu(torch.tensor([1.0, -1.0]), 0.1)
    tensor([ 1.0000, -0.1000])
    """
    LEAKY.check(input)
    return _leaky(input, negative_slope)


def _slopes(input: Any, weight: Any) -> tuple[int, ...]:
    """The shape in which ``weight`` multiplies ``input``. Errors: RuntimeError for one that does not fit."""
    if weight.dtype != input.dtype:
        raise DtypeError(f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}")
    if len(weight.shape) > 1:
        raise ShapeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {len(weight.shape)}")
    ndim = len(input.shape)
    n = weight.shape[0] if weight.shape else 1
    if n == 1:
        return (1,) * ndim
    if not ndim:
        raise TensorError("Not allow zero-dim input tensor.")
    channels = input.shape[1] if ndim >= 2 else 1
    if channels != n:
        raise ShapeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {n} and channel size = "
            f"{channels}."
        )
    return (1, n, *(1,) * (ndim - 2))


def _prelu_rule(g: Any, input: Any, weight: Any) -> Any:
    kept = lean(_piecewise_backward, g, input, 0.0, INF, False, 1.0, 0.0)
    return kept + (g - kept) * weight


def _prelu_meta(input: Spec, weight: Spec) -> Spec:
    _slopes(input, weight)
    PRELU.check(input)
    return input


@op(
    "_prelu_kernel(Tensor input, Tensor weight) -> Tensor",
    meta=PRELU(lambda input, weight: input),
    kind="pointwise",
    forms="",
    samples=over(
        Sample(array(2, 3), array(1, 3, low=0.1)), Sample(array(2, 3), array(1, 1, low=0.1), tags=("broadcast",))
    ),
    vjp={
        "input": lambda g, input, weight: _prelu_rule(g, input, weight),
        "weight": lambda g, input: g * rules.where(input > 0, 0, input),
    },
)
def _prelu_kernel(input: Any, weight: Any) -> Any:
    """``prelu`` with a weight that broadcasts. Gradient: g or g·weight; g·input where input is not positive. Source: aten."""
    PRELU.check(input)
    return np.where(input > 0, input, input * weight)


@op(
    "prelu(Tensor input, Tensor weight) -> Tensor",
    meta=_prelu_meta,
    kind="composite",
    names=("nn.functional.prelu", "prelu"),
    samples=over(
        Sample(array(2, 3), array(3, low=0.1)),
        Sample(array(2, 3), array(1, low=0.1), tags=("broadcast",)),
        Sample(np.array(-0.7), np.array(0.3), tags=("0-d",)),
        Sample(np.zeros((0, 3)), array(3, low=0.1), tags=("empty",)),
        Sample(strided(3, 2), array(2, low=0.1), tags=("non-contiguous",)),
    ),
)
def prelu(input: Any, weight: Any) -> Any:
    """A leaky unit whose slope is learned: one for all, or one a channel (dim 1).

    Errors: RuntimeError for a weight that does not fit the channels. Source: torch.prelu.

    >>> torch.prelu(torch.tensor([1.0, -1.0]), torch.tensor([0.2]))
    tensor([ 1.0000, -0.2000])
    """
    shape = _slopes(input, weight)
    PRELU.check(input)
    return rules._prelu_kernel(input, weight if weight.shape == shape else rules.reshape(weight, shape))


@op(
    "rrelu_with_noise(Tensor input, Tensor noise) -> Tensor",
    meta=LEAKY(lambda input, noise: input),
    kind="pointwise",
    grad_fn="RreluWithNoiseBackward0",
    forms="",
    samples=over(Sample(array(2, 3), array(2, 3, low=0.2))),
    vjp={"input": lambda g, noise: g * noise},
)
def rrelu_with_noise(input: Any, noise: Any) -> Any:
    """The product with slopes that were drawn. Gradient: g·noise. Source: aten::rrelu_with_noise."""
    return np.multiply(input, noise)


def _rrelu_meta(input: Spec, lower: float, upper: float, training: bool, generator: Any) -> Spec:
    _bounds(lower, upper)
    LEAKY.check(input)
    return input


def _bounds(lower: float, upper: float) -> None:
    if lower > upper:
        raise TensorError(f"Lower bound should be less than or equal to the upper bound\n(got {lower:g} and {upper:g})")


@op(
    "rrelu(Tensor input, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False, Generator? generator=None) "
    "-> Tensor",
    meta=_rrelu_meta,
    kind="composite",
    names=("nn.functional.rrelu", "rrelu"),
    forms="function",
    samples=unary(),
)
def rrelu(input: Any, lower: Any, upper: Any, training: Any, generator: Any) -> Any:
    """A leaky unit whose slope is drawn for each element in training; otherwise the middle of the bounds.

    Errors: RuntimeError where ``lower`` exceeds ``upper``. Source: torch.rrelu.

    >>> torch.rrelu(torch.tensor([2.0, -2.0]), 0.1, 0.3)
    tensor([ 2.0000, -0.4000])
    """
    _bounds(lower, upper)
    LEAKY.check(input)
    if not training:
        return renamed(rules.leaky_relu(input, (lower + upper) / 2), "RreluWithNoiseBackward0")
    drawn = (generator or default_generator()).numbers().uniform(lower, upper, input.shape)
    slopes = np.asarray(drawn).astype(getattr(input.dtype, "numpy", input.dtype))
    return rules.rrelu_with_noise(input, rules.where(input > 0, 1, slopes))


# -- cuts --------------------------------------------------------------------------------------------------------------


def _limits(input: Any, low: Any, high: Any) -> None:
    HARDTANH.check(input)
    CLAMP.check(input)
    if low > high:
        raise InvalidValueError("min_val cannot be greater than max_val")
    if input.dtype.name == "uint8" and (low < 0 or high < 0):
        raise TensorError("cannot do hardtanh on an unsigned type with negative limits")


def _hardtanh_meta(input: Spec, min_val: Any, max_val: Any) -> Spec:
    _limits(input, min_val, max_val)
    return input


@op(
    "hardtanh(Tensor input, Scalar min_val=-1, Scalar max_val=1) -> Tensor",
    meta=_hardtanh_meta,
    kind="pointwise",
    names=("nn.functional.hardtanh",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), -0.3, 0.7)],
    vjp={
        "input": lambda g, input, min_val, max_val: lean(
            _piecewise_backward, g, input, min_val, max_val, False, 1.0, 0.0
        )
    },
)
def hardtanh(input: Any, min_val: Any, max_val: Any) -> Any:
    """``input`` cut off at ``min_val`` and ``max_val``.

    Gradient: g between the bounds, zero at them and beyond. Errors: ValueError where ``min_val`` exceeds ``max_val``, RuntimeError for
    bool and complex dtypes. Source: torch.nn.functional.hardtanh.

    >>> torch.nn.functional.hardtanh(torch.tensor([0.5, -2.0]))
    tensor([ 0.5000, -1.0000])
    """
    _limits(input, min_val, max_val)
    d = input.dtype
    return np.minimum(np.maximum(input, converted(min_val, d)), converted(max_val, d))


def _relu6_meta(input: Spec) -> Spec:
    _limits(input, 0, 6)
    return input


@op(
    "relu6(Tensor input) -> Tensor",
    meta=_relu6_meta,
    kind="composite",
    names=("nn.functional.relu6",),
    forms="function",
    samples=unary(-2.0, 8.0),
)
def relu6(input: Any) -> Any:
    """``input`` cut off at 0 and 6.

    Errors: RuntimeError for bool and complex dtypes. Source: torch.nn.functional.relu6.

    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 7.0]))
    tensor([0., 6.])
    """
    return rules.hardtanh(input, 0, 6)


@op(
    "hardsigmoid(Tensor input) -> Tensor",
    meta=HARDSIGMOID(same),
    kind="pointwise",
    names=("nn.functional.hardsigmoid",),
    forms="function",
    samples=unary(-5.0, 5.0),
    vjp={"input": lambda g, input: rules.where((input > -3) & (input < 3), g / 6, 0)},
)
def hardsigmoid(input: Any) -> Any:
    """``(input + 3)/6`` cut off at 0 and 1.

    Gradient: g/6 between -3 and 3. Errors: NotImplementedError for integers and complex dtypes.
    Source: torch.nn.functional.hardsigmoid.

    >>> torch.nn.functional.hardsigmoid(torch.tensor([0.0, 1.5, 4.0]))
    tensor([0.5000, 0.7500, 1.0000])
    """
    HARDSIGMOID.check(input)
    return _hardsigmoid(input)


@in_single
def _hardsigmoid(input: Any) -> Any:
    return np.minimum(np.maximum(input + 3, 0), 6) / 6


@op(
    "hardswish(Tensor input) -> Tensor",
    meta=HARDSWISH(same),
    kind="pointwise",
    names=("nn.functional.hardswish",),
    forms="function",
    samples=unary(-5.0, 5.0),
    vjp={"input": lambda g, input: rules.where(input <= -3, 0, rules.where(input < 3, g * (input / 3 + 0.5), g))},
)
def hardswish(input: Any) -> Any:
    """``input·hardsigmoid(input)``.

    Gradient: g·(input/3 + 1/2) between -3 and 3, g above. Errors: NotImplementedError for integers and complex dtypes.
    Source: torch.nn.functional.hardswish.

    >>> torch.nn.functional.hardswish(torch.tensor([0.0, 1.5, 4.0]))
    tensor([0.0000, 1.1250, 4.0000])
    """
    HARDSWISH.check(input)
    return _hardswish(input)


@in_single
def _hardswish(input: Any) -> Any:
    return input * np.minimum(np.maximum(input + 3, 0), 6) / 6


@op(
    "hardshrink(Tensor input, Scalar lambd=0.5) -> Tensor",
    meta=HARDSHRINK(same),
    kind="pointwise",
    names=("nn.functional.hardshrink", "hardshrink"),
    samples=lambda: [*unary()(), Sample(array(2, 3), 1.2)],
    vjp={"input": lambda g, input, lambd: lean(_piecewise_backward, g, input, -lambd, lambd, True, 0.0, 1.0)},
)
def hardshrink(input: Any, lambd: Any) -> Any:
    """Zero where ``input`` is no farther from zero than ``lambd``, itself elsewhere.

    Gradient: g where the input was kept. Errors: NotImplementedError for integers and complex dtypes. Source: torch.hardshrink.

    >>> torch.hardshrink(torch.tensor([0.3, -0.7]))
    tensor([ 0.0000, -0.7000])
    """
    HARDSHRINK.check(input)
    return np.where((input >= -lambd) & (input <= lambd), input.dtype.type(0), input)


def _shrinks(input: Any, lambd: Any) -> None:
    if not lambd >= 0:
        most = float(np.finfo(input.dtype.name).max)
        raise TensorError(f"lambda must be in range [0, {most:g}] for input dtype {spoken(input)}, but found {lambd:g}")


def _softshrink_meta(input: Spec, lambd: Any) -> Spec:
    SOFTSHRINK.check(input)
    _shrinks(input, lambd)
    return input


@op(
    "softshrink(Tensor input, Scalar lambd=0.5) -> Tensor",
    meta=_softshrink_meta,
    kind="pointwise",
    names=("nn.functional.softshrink",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), 1.2)],
    vjp={"input": lambda g, input, lambd: lean(_piecewise_backward, g, input, -lambd, lambd, True, 0.0, 1.0)},
)
def softshrink(input: Any, lambd: Any) -> Any:
    """``input`` moved toward zero by ``lambd``, and no farther than zero.

    Gradient: g where the result is not zero. Errors: RuntimeError for a negative ``lambd``, NotImplementedError for integers and
    complex dtypes. Source: torch.nn.functional.softshrink.

    >>> torch.nn.functional.softshrink(torch.tensor([0.3, -0.7]))
    tensor([ 0.0000, -0.2000])
    """
    SOFTSHRINK.check(input)
    _shrinks(input, lambd)
    return _softshrink(input, lambd)


@in_single
def _softshrink(input: Any, lambd: Any) -> Any:
    return np.where(input > lambd, input - lambd, np.where(input < -lambd, input + lambd, input * 0))


@op(
    "threshold(Tensor input, Scalar threshold, Scalar value) -> Tensor",
    meta=THRESHOLD(same),
    kind="pointwise",
    names=("nn.functional.threshold", "threshold"),
    forms="function",
    samples=lambda: [Sample(*s.args, 0.2, -1.5, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g, input, threshold: lean(_piecewise_backward, g, input, -INF, threshold, True, 0.0, 1.0)},
)
def threshold(input: Any, threshold: Any, value: Any) -> Any:
    """``input`` where it exceeds ``threshold``, ``value`` elsewhere.

    Gradient: g above the threshold. Errors: NotImplementedError for bool and complex dtypes. Source: torch.threshold.

    >>> torch.threshold(torch.tensor([0.3, 0.7]), 0.5, 9.0)
    tensor([9.0000, 0.7000])
    """
    THRESHOLD.check(input)
    return np.where(input <= threshold, converted(value, input.dtype), input)
