"""Smooth activations: exponential units, GELU, SiLU, Mish, softplus. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from engine.domain import Domain, floating, in_single
from engine.errors import TensorError
from engine.op import Sample, op
from engine.rules import lean, rules
from engine.samples import array, over, unary
from engine.shapes import same

ELU = floating("elu_cpu")
GELU = floating("GeluKernelImpl")
MISH = floating("mish_cpu")
SOFTPLUS = floating("softplus_cpu")
LOGSIGMOID = floating("log_sigmoid_cpu")
SILU = Domain("bi", "\"silu_cpu\" not implemented for '{dtype}'")
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
ROOT_HALF = math.sqrt(0.5)
DENSITY = 1 / math.sqrt(2 * math.pi)
TANH_RATE = math.sqrt(2 / math.pi)
CUBIC = 0.044715


@in_single
def _elu(input: Any, pos: float, neg: float, rate: float) -> Any:
    return np.where(input > 0, input * pos, np.expm1(np.minimum(input, 0) * rate) * neg)


@op(
    "_elu_slope(Tensor input, float pos, float neg, float rate) -> Tensor",
    meta=ELU(same),
    kind="pointwise",
    forms="",
    samples=over(Sample(array(2, 3), 1.2, 0.7, 0.5)),
    vjp={
        "input": lambda g, input, neg, rate: (
            g * rules.where(input < 0, rules._elu_slope(input, 0.0, neg * rate, rate), 0)
        )
    },
)
def _elu_slope(input: Any, pos: Any, neg: Any, rate: Any) -> Any:
    """The derivative of an exponential unit: ``pos`` above zero, ``neg·exp(rate·input)`` at and below.

    Gradient: g·rate·neg·exp(rate·input) below zero, else zero. Source: aten::elu_backward, aten::elu_double_backward.
    """
    return _slope(input, pos, neg, rate)


@in_single
def _slope(input: Any, pos: float, neg: float, rate: float) -> Any:
    return np.where(input <= 0, np.exp(np.minimum(input, 0) * rate) * neg, input.dtype.type(pos))


@op(
    "elu(Tensor input, Scalar alpha=1, *, Scalar scale=1, Scalar input_scale=1) -> Tensor",
    meta=ELU(same),
    kind="pointwise",
    names=("nn.functional.elu",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), 0.7, scale=1.3, input_scale=0.6)],
    vjp={
        "input": lambda g, input, alpha, scale, input_scale: (
            g * lean(_elu_slope, input, scale, alpha * scale * input_scale, input_scale)
        )
    },
)
def elu(input: Any, alpha: Any, scale: Any, input_scale: Any) -> Any:
    """The exponential linear unit: ``input`` above zero, ``alpha·(exp(input) - 1)`` below; times ``scale``.

    Gradient: g·scale above zero, g·scale·alpha·exp(input) below. Errors: NotImplementedError for integers and complex dtypes.
    Source: torch.nn.functional.elu.

    >>> torch.nn.functional.elu(torch.tensor([1.0, -1.0]))
    tensor([ 1.0000, -0.6321])
    """
    ELU.check(input)
    return _elu(input, scale, alpha * scale, input_scale)


@op(
    "selu(Tensor input) -> Tensor",
    meta=ELU(same),
    kind="composite",
    names=("nn.functional.selu", "selu"),
    forms="function",
    samples=unary(),
)
def selu(input: Any) -> Any:
    """The exponential unit whose constants keep means at 0 and variances at 1.

    Errors: NotImplementedError for integers and complex dtypes. Source: torch.selu.

    >>> torch.selu(torch.tensor([1.0, -1.0]))
    tensor([ 1.0507, -1.1113])
    """
    return rules.elu(input, SELU_ALPHA, scale=SELU_SCALE)


def _celu_meta(input: Any, alpha: Any) -> Any:
    if alpha == 0:
        raise TensorError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return ELU(same)(input)


@op(
    "celu(Tensor input, Scalar alpha=1.0) -> Tensor",
    meta=_celu_meta,
    kind="pointwise",
    names=("nn.functional.celu", "celu"),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), 0.7)],
    vjp={"input": lambda g, input, alpha: g * lean(_elu_slope, input, 1.0, 1.0, 1.0 / alpha)},
)
def celu(input: Any, alpha: Any) -> Any:
    """The exponential unit with a continuous derivative: ``alpha·(exp(input/alpha) - 1)`` below zero.

    Gradient: g above zero, g·exp(input/alpha) below. Errors: RuntimeError for ``alpha`` 0. Source: torch.celu.

    >>> torch.celu(torch.tensor([1.0, -1.0]), alpha=2.0)
    tensor([ 1.0000, -0.7869])
    """
    ELU.check(input)
    if alpha == 0:
        raise TensorError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _elu(input, 1.0, alpha, 1.0 / alpha)


# -- GELU --------------------------------------------------------------------------------------------------------------


def _gelu_meta(input: Any, approximate: str) -> Any:
    _approximation(approximate)
    return GELU(same)(input)


def _approximation(approximate: str) -> bool:
    """Whether the tanh form is wanted. Errors: RuntimeError for a word that is neither."""
    if approximate not in ("none", "tanh"):
        raise TensorError("approximate argument must be either none or tanh.")
    return approximate == "tanh"


@in_single
def _gelu(input: Any, tanh: bool) -> Any:
    if tanh:
        inner = input * input
        inner *= CUBIC
        inner += 1
        inner *= input * TANH_RATE
        inner = np.tanh(inner)
    else:
        inner = special.erf(input * ROOT_HALF)
    inner += 1
    inner *= input
    inner *= 0.5
    return inner


@in_single
def _gelu_rise(input: Any, tanh: bool) -> Any:
    square = input * input
    if tanh:
        t = np.tanh(TANH_RATE * input * (1 + CUBIC * square))
        return 0.5 * (1 + t) + (0.5 * TANH_RATE) * input * (1 - t * t) * (1 + 3 * CUBIC * square)
    square *= -0.5
    density = np.exp(square)
    density *= input
    density *= DENSITY
    out = special.erf(input * ROOT_HALF)
    out += 1
    out *= 0.5
    out += density
    return out


def _gelu_bend(input: Any, approximate: str) -> Any:
    """The second derivative."""
    square = input * input
    if approximate == "none":
        return (2 - square) * rules.exp(square * -0.5) * DENSITY
    t = rules.tanh(input * (square * CUBIC + 1) * TANH_RATE)
    rate = (square * (3 * CUBIC) + 1) * TANH_RATE
    return (1 - t * t) * (rate - input * t * rate * rate + square * (3 * CUBIC * TANH_RATE))


@op(
    "_gelu_slope(Tensor input, *, str approximate) -> Tensor",
    meta=_gelu_meta,
    kind="pointwise",
    forms="",
    samples=over(Sample(array(2, 3), approximate="none"), Sample(array(2, 3), approximate="tanh")),
    vjp={"input": lambda g, input, approximate: g * _gelu_bend(input, approximate)},
)
def _gelu_slope(input: Any, approximate: Any) -> Any:
    """The derivative of ``gelu``: Φ(input) + input·φ(input), or that of its tanh form. Source: aten::gelu_backward."""
    return _gelu_rise(input, _approximation(approximate))


@op(
    "gelu(Tensor input, *, str approximate='none') -> Tensor",
    meta=_gelu_meta,
    kind="pointwise",
    names=("nn.functional.gelu",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), approximate="tanh")],
    vjp={"input": lambda g, input, approximate: g * lean(_gelu_slope, input, approximate)},
)
def gelu(input: Any, approximate: Any) -> Any:
    """The Gaussian error linear unit: ``input·Φ(input)``; with ``approximate="tanh"`` its well-known approximation.

    Gradient: g·(Φ(input) + input·φ(input)). Errors: RuntimeError for another ``approximate``, NotImplementedError for integers and
    complex dtypes. Source: torch.nn.functional.gelu.

    >>> torch.nn.functional.gelu(torch.tensor([1.0, -1.0]))
    tensor([ 0.8413, -0.1587])
    """
    GELU.check(input)
    return _gelu(input, _approximation(approximate))


# -- sigmoid's kin -----------------------------------------------------------------------------------------------------


def _silu_rule(g: Any, input: Any) -> Any:
    s = rules.sigmoid(input)
    return g * (s * ((1 - s) * input + 1)).conj()


@in_single
def _silu(input: Any) -> Any:
    if input.dtype.kind == "c":
        return input / (1 + np.exp(-input))
    return input * special.expit(input)


@op(
    "silu(Tensor input) -> Tensor",
    meta=SILU(same),
    kind="pointwise",
    names=("nn.functional.silu",),
    forms="function",
    samples=unary(),
    vjp={"input": _silu_rule},
)
def silu(input: Any) -> Any:
    """``input·sigmoid(input)``, also called swish.

    Gradient: g·s·(1 + input·(1 - s)) with s the sigmoid. Errors: NotImplementedError for integers. Source: torch.nn.functional.silu.

    >>> torch.nn.functional.silu(torch.tensor([1.0, -1.0]))
    tensor([ 0.7311, -0.2689])
    """
    SILU.check(input)
    return _silu(input)


def _log_one_plus(x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _mish_rule(g: Any, input: Any) -> Any:
    t = rules.tanh(rules.softplus(input))
    return g * (t + input * rules.sigmoid(input) * (1 - t * t))


@in_single
def _mish(input: Any) -> Any:
    return input * np.tanh(_log_one_plus(input))


@op(
    "mish(Tensor input) -> Tensor",
    meta=MISH(same),
    kind="pointwise",
    names=("nn.functional.mish",),
    forms="function",
    samples=unary(),
    vjp={"input": _mish_rule},
)
def mish(input: Any) -> Any:
    """``input·tanh(softplus(input))``.

    Gradient: g·(t + input·sigmoid(input)·(1 - t²)) with t = tanh(softplus(input)). Errors: NotImplementedError for integers and
    complex dtypes. Source: torch.nn.functional.mish.

    >>> torch.nn.functional.mish(torch.tensor([1.0, -1.0]))
    tensor([ 0.8651, -0.3034])
    """
    MISH.check(input)
    return _mish(input)


@in_single
def _softplus(input: Any, beta: Any, threshold: Any) -> Any:
    scaled = input * beta
    return np.where(scaled > threshold, input, _log_one_plus(scaled) / beta)


@op(
    "softplus(Tensor input, Scalar beta=1, Scalar threshold=20) -> Tensor",
    meta=SOFTPLUS(same),
    kind="pointwise",
    names=("nn.functional.softplus",),
    forms="function",
    samples=lambda: [*unary()(), Sample(array(2, 3), 2, 1)],
    vjp={
        "input": lambda g, input, beta, threshold: rules.where(
            input * beta > threshold, g, g * rules.sigmoid(input * beta)
        )
    },
)
def softplus(input: Any, beta: Any, threshold: Any) -> Any:
    """``log(1 + exp(beta·input))/beta``; the input itself where ``beta·input`` exceeds ``threshold``.

    Gradient: g·sigmoid(beta·input), g above the threshold. Errors: NotImplementedError for integers and complex dtypes.
    Source: torch.nn.functional.softplus.

    >>> torch.nn.functional.softplus(torch.tensor([0.0, -1.0, 30.0]))
    tensor([ 0.6931,  0.3133, 30.0000])
    """
    SOFTPLUS.check(input)
    return _softplus(input, beta, threshold)


@in_single
def _log_sigmoid(input: Any) -> Any:
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


@op(
    "log_sigmoid(Tensor input) -> Tensor",
    meta=LOGSIGMOID(same),
    kind="pointwise",
    names=("nn.functional.logsigmoid",),
    forms="function",
    samples=unary(),
    vjp={"input": lambda g, input: g * rules.sigmoid(-input)},
)
def log_sigmoid(input: Any) -> Any:
    """The logarithm of the sigmoid, without overflow.

    Gradient: g·sigmoid(-input). Errors: NotImplementedError for integers and complex dtypes. Source: torch.nn.functional.logsigmoid.

    >>> torch.nn.functional.logsigmoid(torch.tensor([0.0, -1.0]))
    tensor([-0.6931, -1.3133])
    """
    LOGSIGMOID.check(input)
    return _log_sigmoid(input)
