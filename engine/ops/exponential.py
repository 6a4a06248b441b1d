"""Exponentials and logarithms, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as scipy_special

from engine.domain import Domain, floating, in_single, real
from engine.op import Sample, op
from engine.rules import rules
from engine.samples import array, pairs, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
LN2 = math.log(2)
LN10 = math.log(10)
LOGADDEXP = Domain("bi", "\"logaddexp_cpu\" not implemented for '{dtype}'")
LOGADDEXP2 = floating("logaddexp2_cpu")
LOGIT = real("logit_cpu")


@op(
    "exp(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.exp,
    vjp={"input": lambda g, result: g * result.conj()},
)
def exp(input: Any) -> Any:
    """The number e to the power of each element.

    Gradient: g·conj(result). Source: torch.exp.

    >>> torch.exp(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return np.exp(input)


@op(
    "exp2(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("exp2", "special.exp2"),
    samples=unary(),
    ufunc=np.exp2,
    vjp={"input": lambda g, result: g * result.conj() * LN2},
)
def exp2(input: Any) -> Any:
    """2 to the power of each element.

    Gradient: g·conj(result)·log 2. Source: torch.exp2.

    >>> torch.exp2(torch.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    return np.exp2(input)


@op(
    "expm1(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("expm1", "special.expm1"),
    samples=unary(),
    ufunc=np.expm1,
    vjp={"input": lambda g, result: g * (result.conj() + 1)},
)
def expm1(input: Any) -> Any:
    """The number e to the power of each element, less 1; exact near 0.

    Gradient: g·(conj(result) + 1). Source: torch.expm1.

    >>> torch.expm1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    return np.expm1(input)


@op(
    "log(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.3, 4.0),
    ufunc=np.log,
    vjp={"input": lambda g, input: g / input.conj()},
)
def log(input: Any) -> Any:
    """The natural logarithm of each element; -inf at 0, NaN below.

    Gradient: g/conj(input). Source: torch.log.

    >>> torch.log(torch.tensor([1.0, 0.0, -1.0]))
    tensor([0., -inf, nan])
    """
    return np.log(input)


@op(
    "log2(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.3, 4.0),
    ufunc=np.log2,
    vjp={"input": lambda g, input: g / (input.conj() * LN2)},
)
def log2(input: Any) -> Any:
    """The logarithm to base 2 of each element.

    Gradient: g/(conj(input)·log 2). Source: torch.log2.

    >>> torch.log2(torch.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return np.log2(input)


@op(
    "log10(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.3, 4.0),
    vjp={"input": lambda g, input: g / (input.conj() * LN10)},
)
def log10(input: Any) -> Any:
    """The logarithm to base 10 of each element.

    Gradient: g/(conj(input)·log 10). Source: torch.log10.

    >>> torch.log10(torch.tensor([1.0, 100.0]))
    tensor([0., 2.])
    """
    if input.dtype.char == "f":  # NumPy's own is off by one step at 100 and 1000
        return np.log10(input, dtype=np.float64).astype(np.float32)
    return np.log10(input)


@op(
    "log1p(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("log1p", "special.log1p"),
    samples=unary(-0.7, 3.0),
    ufunc=np.log1p,
    vjp={"input": lambda g, input: g / (input + 1).conj()},
)
def log1p(input: Any) -> Any:
    """The natural logarithm of each element plus 1; exact near 0.

    Gradient: g/conj(input + 1). Source: torch.log1p.

    >>> torch.log1p(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return np.log1p(input)


@op(
    "sigmoid(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("sigmoid", "special.expit"),
    samples=unary(),
    ufunc=scipy_special.expit,
    vjp={"input": lambda g, result: g * ((1 - result) * result).conj()},
)
def sigmoid(input: Any) -> Any:
    """``1/(1 + exp(-input))``, between 0 and 1.

    Gradient: g·conj((1 - result)·result). Source: torch.sigmoid.

    >>> torch.sigmoid(torch.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    if input.dtype.kind == "c":
        return np.reciprocal(np.add(np.exp(np.negative(input)), input.dtype.type(1)))
    return in_single(scipy_special.expit)(input)


def _logit_slope(g: Any, input: Any, eps: Any) -> Any:
    slope = g / (input * (1 - input))
    if eps is None or eps < 0:
        return rules.where((input >= 0) & (input <= 1), slope, math.nan)
    return rules.where((input >= eps) & (input <= 1 - eps), slope, 0)


@op(
    "logit(Tensor input, float? eps=None) -> Tensor",
    meta=LOGIT(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("logit", "special.logit"),
    samples=lambda: [*unary(0.15, 0.85)(), Sample(array(2, 3, low=-0.2, high=1.2), 0.06)],
    vjp={"input": _logit_slope},
)
def logit(input: Any, eps: Any) -> Any:
    """``log(input/(1 - input))``, where the input is first kept between ``eps`` and ``1 - eps``.

    Gradient: g/(input·(1-input)); 0 beyond eps, NaN beyond [0, 1] without one. Source: torch.logit.

    >>> torch.logit(torch.tensor([0.5, 0.9, 1.5]))
    tensor([0.0000, 2.1972,    nan])
    """
    LOGIT.check(input)
    if eps is not None:
        one = input.dtype.type(1)
        low = input.dtype.type(eps)
        high = one - low
        input = np.where(input < low, low, np.where(input > high, high, input))
    return np.log(np.true_divide(input, np.subtract(1, input, dtype=input.dtype)))


def _complex_logaddexp(input: Any, other: Any) -> Any:
    """From the greater real part, so that nothing overflows."""
    swap = input.real < other.real
    low, high = np.where(swap, input, other), np.where(swap, other, input)
    infinite = ~np.isfinite(low.real) & (low.real == high.real)
    ordinary = high + np.log1p(np.exp(low - high))
    special = np.where(low.real < 0, low, np.log(np.exp(low) + np.exp(high)))
    return np.where(infinite, special, ordinary).astype(input.dtype)


@op(
    "logaddexp(Tensor input, Tensor other) -> Tensor",
    meta=LOGADDEXP(broadcast),
    kind="pointwise",
    samples=pairs(),
    vjp={
        "input": lambda g, input, other: g / (1 + rules.exp(other - input)).conj(),
        "other": lambda g, input, other: g / (1 + rules.exp(input - other)).conj(),
    },
)
def logaddexp(input: Any, other: Any) -> Any:
    """``log(exp(input) + exp(other))`` without overflow on the way.

    Shapes: any two that broadcast. Gradient: g/(1 + exp(other - input)) for input, and the same with both exchanged for other.
    Source: torch.logaddexp.

    >>> torch.logaddexp(torch.tensor([0.0, 100.0]), torch.tensor([0.0, 100.0]))
    tensor([  0.6931, 100.6931])
    """
    LOGADDEXP.check(input)
    return _complex_logaddexp(input, other) if input.dtype.kind == "c" else np.logaddexp(input, other)


@op(
    "logaddexp2(Tensor input, Tensor other) -> Tensor",
    meta=LOGADDEXP2(broadcast),
    kind="pointwise",
    samples=pairs(),
    vjp={
        "input": lambda g, input, other: g / (1 + rules.pow(2, other - input)),
        "other": lambda g, input, other: g / (1 + rules.pow(2, input - other)),
    },
)
def logaddexp2(input: Any, other: Any) -> Any:
    """``log2(2^input + 2^other)`` without overflow on the way.

    Shapes: any two that broadcast. Gradient: g/(1 + 2^(other - input)) for input, and the same with both exchanged for other.
    Source: torch.logaddexp2.

    >>> torch.logaddexp2(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    tensor([1., 2.])
    """
    LOGADDEXP2.check(input)
    return np.logaddexp2(input, other)
