"""Trigonometry and the hyperbolic functions, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import Domain, in_single
from engine.errors import TensorError
from engine.op import op
from engine.promotion import constant
from engine.reduced import chosen, is_raw, same_form
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
ATAN2 = Domain("c", "\"atan2_cpu\" not implemented for '{dtype}'")
DEG2RAD = Domain("c", "deg2rad is not supported for complex tensors.", TensorError)
RAD2DEG = Domain("c", "rad2deg is not supported for complex tensors.", TensorError)


def _acosh_slope(g: Any, input: Any) -> Any:
    if input.dtype.name.startswith("complex"):
        return g * (rules.rsqrt(input + 1) * rules.rsqrt(input - 1)).conj()
    return g * rules.rsqrt(input * input - 1)


def _inverse_square(input: Any, other: Any) -> Any:
    """One over the squared distance from the origin; zero there, where the angle has no derivative."""
    squares = input * input + other * other
    return chosen(squares == 0, 0, 1 / chosen(squares == 0, 1, squares))


@op(
    "sin(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.sin,
    vjp={"input": lambda g, input: g * rules.cos(input).conj()},
)
def sin(input: Any) -> Any:
    """The sine of each element, in radians.

    Gradient: g·conj(cos(input)). Source: torch.sin.

    >>> torch.sin(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    return np.sin(input)


@op(
    "cos(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.cos,
    vjp={"input": lambda g, input: g * -rules.sin(input).conj()},
)
def cos(input: Any) -> Any:
    """The cosine of each element, in radians.

    Gradient: -g·conj(sin(input)). Source: torch.cos.

    >>> torch.cos(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """
    return np.cos(input)


@op(
    "tan(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(-1.2, 1.2),
    ufunc=np.tan,
    vjp={"input": lambda g, result: g * (1 + result * result).conj()},
)
def tan(input: Any) -> Any:
    """The tangent of each element, in radians.

    Gradient: g·conj(1 + result²). Source: torch.tan.

    >>> torch.tan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """
    return np.tan(input)


@op(
    "asin(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("asin", "arcsin"),
    samples=unary(-0.9, 0.9),
    ufunc=np.arcsin,
    vjp={"input": lambda g, input: g * rules.rsqrt(1 - input * input).conj()},
)
def asin(input: Any) -> Any:
    """The angle in radians whose sine is each element; NaN beyond [-1, 1].

    Gradient: g/conj(√(1 - input²)). Source: torch.asin.

    >>> torch.asin(torch.tensor([0.0, 0.5, 2.0]))
    tensor([0.0000, 0.5236,    nan])
    """
    return np.arcsin(input)


@op(
    "acos(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("acos", "arccos"),
    samples=unary(-0.9, 0.9),
    ufunc=np.arccos,
    vjp={"input": lambda g, input: g * -rules.rsqrt(1 - input * input).conj()},
)
def acos(input: Any) -> Any:
    """The angle in radians whose cosine is each element; NaN beyond [-1, 1].

    Gradient: -g/conj(√(1 - input²)). Source: torch.acos.

    >>> torch.acos(torch.tensor([1.0, 0.5, 2.0]))
    tensor([0.0000, 1.0472,    nan])
    """
    return np.arccos(input)


@op(
    "atan(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("atan", "arctan"),
    samples=unary(),
    ufunc=np.arctan,
    vjp={"input": lambda g, input: g / (input * input + 1).conj()},
)
def atan(input: Any) -> Any:
    """The angle in radians whose tangent is each element.

    Gradient: g/conj(input² + 1). Source: torch.atan.

    >>> torch.atan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return np.arctan(input)


@op(
    "sinh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.sinh,
    vjp={"input": lambda g, input: g * rules.cosh(input).conj()},
)
def sinh(input: Any) -> Any:
    """The hyperbolic sine of each element.

    Gradient: g·conj(cosh(input)). Source: torch.sinh.

    >>> torch.sinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return np.sinh(input)


@op(
    "cosh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.cosh,
    vjp={"input": lambda g, input: g * rules.sinh(input).conj()},
)
def cosh(input: Any) -> Any:
    """The hyperbolic cosine of each element.

    Gradient: g·conj(sinh(input)). Source: torch.cosh.

    >>> torch.cosh(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return np.cosh(input)


def _tanh_slope(g: Any, result: Any) -> Any:
    """As ``_tanh_rule`` has it, in one new array."""
    slope = result * result
    np.subtract(constant(1, slope.dtype), slope, slope)
    return np.multiply(g, slope, slope)


def _tanh_rule(g: Any, result: Any) -> Any:
    if is_raw(result) and result.ndim and result.dtype.kind == "f" and same_form(g, result):
        return _tanh_slope(g, result)
    return g * (1 - result * result).conj()


@op(
    "tanh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    ufunc=np.tanh,
    vjp={"input": _tanh_rule},
)
def tanh(input: Any) -> Any:
    """The hyperbolic tangent of each element, between -1 and 1.

    Gradient: g·conj(1 - result²). Source: torch.tanh.

    >>> torch.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return np.tanh(input)


@op(
    "asinh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("asinh", "arcsinh"),
    samples=unary(),
    ufunc=np.arcsinh,
    vjp={"input": lambda g, input: g * rules.rsqrt(input * input + 1).conj()},
)
def asinh(input: Any) -> Any:
    """The inverse hyperbolic sine of each element.

    Gradient: g/conj(√(input² + 1)). Source: torch.asinh.

    >>> torch.asinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    return np.arcsinh(input)


@op(
    "acosh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("acosh", "arccosh"),
    samples=unary(1.2, 4.0),
    ufunc=np.arccosh,
    vjp={"input": _acosh_slope},
)
def acosh(input: Any) -> Any:
    """The inverse hyperbolic cosine of each element; NaN below 1.

    Gradient: g/conj(√(input - 1)·√(input + 1)). Source: torch.acosh.

    >>> torch.acosh(torch.tensor([1.0, 2.0, 0.0]))
    tensor([0.0000, 1.3170,    nan])
    """
    return np.arccosh(input)


@op(
    "atanh(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("atanh", "arctanh"),
    samples=unary(-0.9, 0.9),
    ufunc=np.arctanh,
    vjp={"input": lambda g, input: g / (1 - input * input).conj()},
)
def atanh(input: Any) -> Any:
    """The inverse hyperbolic tangent of each element; NaN beyond [-1, 1].

    Gradient: g/conj(1 - input²). Source: torch.atanh.

    >>> torch.atanh(torch.tensor([0.0, 0.5, 2.0]))
    tensor([0.0000, 0.5493,    nan])
    """
    return np.arctanh(input)


@op(
    "atan2(Tensor input, Tensor other) -> Tensor",
    meta=ATAN2(broadcast),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("atan2", "arctan2"),
    samples=pairs(),
    ufunc=np.arctan2,
    vjp={
        "input": lambda g, input, other: g * (other * _inverse_square(input, other)),
        "other": lambda g, input, other: g * (-input * _inverse_square(input, other)),
    },
)
def atan2(input: Any, other: Any) -> Any:
    """The angle in radians between the first axis and the point (other, input), in (-π, π].

    Shapes: any two that broadcast. Gradient: g·other/(input² + other²), -g·input/(input² + other²). Errors: NotImplementedError for
    complex tensors. Source: torch.atan2.

    >>> torch.atan2(torch.tensor([1.0, -1.0]), torch.tensor([1.0, -1.0]))
    tensor([ 0.7854, -2.3562])
    """
    ATAN2.check(input)
    return np.arctan2(input, other)


def _sinc(input: Any) -> Any:
    turned = np.multiply(input, math.pi, dtype=input.dtype)
    zero = np.equal(input, 0)
    return np.where(zero, 1, np.sin(turned) / np.where(zero, 1, turned)).astype(input.dtype)


def _sinc_slope(g: Any, input: Any) -> Any:
    turned = input * math.pi
    squared = input * input * math.pi
    slope = g * ((turned * rules.cos(turned) - rules.sin(turned)) / squared).conj()
    return rules.where(squared == 0, 0, slope)


@op(
    "sinc(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("sinc", "special.sinc"),
    samples=unary(),
    vjp={"input": _sinc_slope},
)
def sinc(input: Any) -> Any:
    """``sin(π·input)/(π·input)``, and 1 at 0.

    Gradient: g·(π·input·cos(π·input) - sin(π·input))/(π·input²), 0 at 0. Source: torch.sinc.

    >>> torch.sinc(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    return in_single(_sinc)(input)


@op(
    "deg2rad(Tensor input) -> Tensor",
    meta=DEG2RAD(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g: g * (math.pi / 180)},
)
def deg2rad(input: Any) -> Any:
    """Degrees in radians.

    Gradient: g·π/180. Errors: RuntimeError for complex tensors. Source: torch.deg2rad.

    >>> torch.deg2rad(torch.tensor([180.0, 90.0]))
    tensor([3.1416, 1.5708])
    """
    DEG2RAD.check(input)
    return np.multiply(input, math.pi / 180, dtype=input.dtype)


@op(
    "rad2deg(Tensor input) -> Tensor",
    meta=RAD2DEG(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g: g * (180 / math.pi)},
)
def rad2deg(input: Any) -> Any:
    """Radians in degrees.

    Gradient: g·180/π. Errors: RuntimeError for complex tensors. Source: torch.rad2deg.

    >>> torch.rad2deg(torch.tensor([3.1416, 1.0]))
    tensor([180.0004,  57.2958])
    """
    RAD2DEG.check(input)
    return np.multiply(input, 180 / math.pi, dtype=input.dtype)
