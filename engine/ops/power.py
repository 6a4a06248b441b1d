"""Powers and roots, element by element. Rules and names: PyTorch's derivatives.yaml (pow_backward and its kin)."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, common, floating
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.scalars import converted
from engine.shapes import broadcast, same, weighted

FORMS = "function method inplace"
POW = Domain("b", "\"pow\" not implemented for '{dtype}'")
HYPOT = floating("hypot_cpu")
NEGATIVE = "Integers to negative integer powers are not allowed."


def _conjugate(number: Any) -> Any:
    return number.conjugate() if type(number) is complex else number


def _real(number: Any) -> Any:
    return number.real if type(number) is complex else number


def _powered(input: Any, exponent: Any) -> Any:
    """Two arrays of one dtype. An integer to a negative power is 0, but for 1 and -1."""
    if input.dtype.kind == "i":
        bad = exponent < 0
        if np.logical_or.reduce(bad, axis=None):
            safe = np.power(input, np.where(bad, 0, exponent))
            odd = np.where(exponent % 2 == 0, 1, -1)
            inverse = np.where(input == 1, 1, np.where(input == -1, odd, 0))
            return np.where(bad, inverse, safe).astype(input.dtype)
    return np.power(input, exponent)


@op(
    "pow.Tensor_Tensor(Tensor input, Tensor exponent) -> Tensor",
    meta=POW(weighted(20)),
    kind="pointwise",
    grad_fn="PowBackward1",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, tags=s.tags) for s in pairs(0.4, 2.6)()],
    vjp={
        "input": lambda g, input, exponent: rules.where(
            exponent == 0.0, 0, g * (exponent * rules.pow(input, exponent - 1)).conj()
        ),
        "exponent": lambda g, input, exponent, result: _to_exponent(g, input, exponent, result),
    },
)
def pow_tensor(input: Any, exponent: Any) -> Any:
    """Each element to the power of its exponent.

    Shapes: any two that broadcast. Gradient: g·conj(exponent·input^(exponent-1)), zero where the exponent is 0; g·conj(result·log(input)),
    zero where input is 0 and the exponent is not negative. Source: torch.pow.

    >>> torch.tensor([2.0, 3.0]) ** torch.tensor([3.0, 2.0])
    tensor([8., 9.])
    """
    POW.check(input)
    return _powered(input, exponent)


def _to_exponent(g: Any, input: Any, exponent: Any, result: Any) -> Any:
    exponent_real = exponent.real if exponent.dtype.name.startswith("complex") else exponent
    vanishing = (input == 0) & (exponent_real >= 0)
    return g * rules.where(vanishing, 0, (result * rules.log(input)).conj())


def _scalar_meta(input: Spec, exponent: Any) -> Estimate:
    if input.dtype.category < 2 and type(exponent) is int and exponent < 0:
        raise TensorError(NEGATIVE)
    d = dtypes.of_numpy(common(input, exponent))
    return Estimate((Spec(input.shape, d),), 0, 20 * max(input.numel, 1))


def _to_base(g: Any, input: Any, exponent: Any) -> Any:
    if exponent == 0:
        return rules.zeros_like(g)
    if exponent == 2:
        return g * (input * 2).conj()
    return g * (rules.pow(input, exponent - 1) * exponent).conj()


@op(
    "pow.Tensor_Scalar(Tensor input, Scalar exponent) -> Tensor",
    meta=_scalar_meta,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    samples=lambda: [
        *(Sample(*s.args, 3, tags=s.tags) for s in unary()()),
        *(Sample(*s.args, e, tags=s.tags) for s in unary(0.3, 2.5)() for e in (-1.5, 0, 0.5, 1, 2)),
    ],
    vjp={"input": _to_base},
)
def pow_scalar(input: Any, exponent: Any) -> Any:
    """Each element to the power of ``exponent``.

    Gradient: g·conj(exponent·input^(exponent-1)); zero for the exponent 0. Errors: RuntimeError for integers and a negative whole
    exponent. Source: torch.pow.

    >>> torch.tensor([1.0, 2.0]) ** 3
    tensor([1., 8.])
    """
    kind = type(exponent)
    if kind is int and input.dtype.kind in "biu" and exponent < 0:
        raise TensorError(NEGATIVE)
    d = input.dtype
    if d.kind not in "fc" or kind is complex:
        d = common(input, exponent)
        if d != input.dtype:
            input = input.astype(d)
    if d.kind == "b":
        return np.logical_or(input, not exponent)
    if exponent == 2:
        return np.multiply(input, input)
    if d.kind in "iu":
        converted(exponent, d)
    if d.kind in "fc":
        if exponent == 1:
            return np.positive(input)
        if exponent == 0.5:
            return np.sqrt(input)
        if exponent == 3:
            return np.multiply(np.multiply(input, input), input)
        if exponent == -1:
            return np.reciprocal(input)
        if exponent == -2:
            return np.reciprocal(np.multiply(input, input))
        return np.power(input, d.type(exponent))
    return np.power(input, np.asarray(exponent).astype(d))


def _log(number: Any) -> Any:
    """The logarithm of a base, with PyTorch's values where Python raises."""
    if type(number) is complex:
        return cmath.log(number) if number else complex(-math.inf, 0)
    return math.log(number) if number > 0 else -math.inf if number == 0 else math.nan


def _scalar_to_exponent(g: Any, input: Any, exponent: Any, result: Any) -> Any:
    slope = g * (result * _log(input)).conj()
    if input == 0:
        exponent_real = exponent.real if exponent.dtype.name.startswith("complex") else exponent
        return rules.where(exponent_real >= 0, 0, slope)
    return slope


def _base_meta(input: Any, exponent: Spec) -> Estimate:
    d = dtypes.of_numpy(common(input, exponent))
    POW.check(Spec((), d))
    return Estimate((Spec(exponent.shape, d),), 0, 20 * max(exponent.numel, 1))


@op(
    "pow.Scalar(Scalar input, Tensor exponent) -> Tensor",
    meta=_base_meta,
    kind="pointwise",
    promote="none",
    grad_fn="PowBackward2",
    forms="function",
    samples=lambda: [Sample(2.5, *s.args, tags=s.tags) for s in unary()()],
    vjp={"exponent": _scalar_to_exponent},
)
def pow_base(input: Any, exponent: Any) -> Any:
    """One number to the power of each element: what ``2 ** x`` calls.

    Gradient: g·conj(result·log(input)); for the base 0 zero where the exponent is not negative. Source: torch.pow.

    >>> 2 ** torch.tensor([1.0, 3.0])
    tensor([2., 8.])
    """
    d = common(input, exponent)
    base = np.asarray(input).astype(d)
    POW.check(base)
    return _powered(base, exponent.astype(d))


@op(
    "square(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape, dtypes.int64 if input.dtype.category == 0 else input.dtype),
    kind="composite",
    forms=FORMS,
    samples=unary(),
)
def square(input: Any) -> Any:
    """Each element times itself: ``input ** 2``.

    Source: torch.square.

    >>> torch.square(torch.tensor([1.0, -3.0]))
    tensor([1., 9.])
    """
    return rules.pow(input, 2)


@op(
    "sqrt(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.3, 4.0),
    ufunc=np.sqrt,
    vjp={"input": lambda g, result: g / (2 * result.conj())},
)
def sqrt(input: Any) -> Any:
    """The square root of each element; NaN below zero.

    Gradient: g/(2·conj(result)). Source: torch.sqrt.

    >>> torch.sqrt(torch.tensor([4.0, -1.0]))
    tensor([2., nan])
    """
    return np.sqrt(input)


@op(
    "rsqrt(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.3, 4.0),
    vjp={"input": lambda g, result: -0.5 * g * rules.pow(result, 3).conj()},
)
def rsqrt(input: Any) -> Any:
    """One divided by the square root of each element.

    Gradient: -g·conj(result³)/2. Source: torch.rsqrt.

    >>> torch.rsqrt(torch.tensor([4.0, 0.25]))
    tensor([0.5000, 2.0000])
    """
    return np.reciprocal(np.sqrt(input))


@op(
    "hypot(Tensor input, Tensor other) -> Tensor",
    meta=HYPOT(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=pairs(),
    vjp={
        "input": lambda g, input, result: g * (input / result),
        "other": lambda g, other, result: g * (other / result),
    },
)
def hypot(input: Any, other: Any) -> Any:
    """The length of the hypotenuse, ``sqrt(input² + other²)``, without overflow on the way.

    Shapes: any two that broadcast. Gradient: g·input/result, g·other/result. Errors: NotImplementedError for integers.
    Source: torch.hypot.

    >>> torch.hypot(torch.tensor([3.0]), torch.tensor([4.0]))
    tensor([5.])
    """
    HYPOT.check(input)
    return np.hypot(input, other)


LN2 = math.log(2)


@op(
    "ldexp.Tensor(Tensor input, Tensor other) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("ldexp",),
    samples=pairs(),
    vjp={
        "input": lambda g, other: g * rules.pow(2, other).conj(),
        "other": lambda g, result: g * result.conj() * LN2,
    },
)
def ldexp(input: Any, other: Any) -> Any:
    """``input·2^other`` element by element.

    Shapes: any two that broadcast. Gradient: g·2^other for input, g·result·log 2 for other. Source: torch.ldexp.

    >>> torch.ldexp(torch.tensor([1.0, 3.0]), torch.tensor([4, -1]))
    tensor([16.0000,  1.5000])
    """
    return np.multiply(input, np.power(input.dtype.type(2), other))


def _double(x: Any) -> Any:
    """A tensor in double precision, a number as it is."""
    if not hasattr(x, "dtype"):
        return x
    return rules.to(x, dtypes.complex128 if x.dtype.name.startswith("complex") else dtypes.float64)


def _float_power_meta(input: Any, exponent: Any) -> Spec:
    out = [v for v in (input, exponent) if isinstance(v, Spec)]
    d = dtypes.of_numpy(common(input, exponent))
    return Spec(broadcast(*out).shape, dtypes.complex128 if d.category == 3 else dtypes.float64)


@op(
    "float_power(Tensor|Scalar input, Tensor|Scalar exponent) -> Tensor",
    meta=_float_power_meta,
    kind="composite",
    samples=lambda: pairs(0.4, 2.6)(),
)
def float_power(input: Any, exponent: Any) -> Any:
    """``pow`` in double precision, whatever the dtypes.

    Shapes: any two that broadcast. Source: torch.float_power.

    >>> torch.float_power(torch.tensor([1, 2]), -1)
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    if type(exponent) is complex and hasattr(input, "dtype"):
        input = rules.to(input, dtypes.complex128)
    return rules.pow(_double(input), _double(exponent))
