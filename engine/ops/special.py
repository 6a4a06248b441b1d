"""Error functions, the normal distribution and Bessel functions, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from engine.domain import in_single, real
from engine.dtypes import get_default_dtype
from engine.op import Spec, op
from engine.rules import renamed, rules
from engine.samples import unary
from engine.shapes import same

FORMS = "function method inplace"
SQRT_PI = math.sqrt(math.pi)
ERF = real("erf_vml_cpu")
ERFC = real("erfc_vml_cpu")
ERFINV = real("erfinv_vml_cpu")
ERFCX = real("erfcx_cpu", "h")
NDTRI = real("ndtri_cpu", "h")
LOG_NDTR = real("log_ndtr_cpu", "h")
ENTR = real("entr_cpu")
I0 = real("i0_vml_cpu")
I0E = real("i0e_cpu")
I1 = real("i1_cpu")
I1E = real("i1e_cpu")


def _away(input: Any) -> tuple[Any, Any]:
    """Where elements are not tiny, and the elements with the tiny ones made harmless."""
    eps = np.finfo(input.dtype.name).eps.item()
    away = rules.abs(input) > eps
    return away, rules.where(away, input, eps)


def _i1_slope(g: Any, input: Any, result: Any) -> Any:
    away, safe = _away(input)
    return g * rules.where(away, rules.i0(safe) - result / safe, 0.5)


def _i1e_slope(g: Any, input: Any, result: Any) -> Any:
    away, safe = _away(input)
    return g * rules.where(away, rules.special_i0e(safe) - result * (rules.sgn(safe) + 1 / safe), 0.5)


@op(
    "erf(Tensor input) -> Tensor",
    meta=ERF(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=(
        "erf",
        "special.erf",
    ),
    samples=unary(),
    ufunc=special.erf,
    vjp={"input": lambda g, input: g * (2 / SQRT_PI * rules.exp(-(input * input)))},
)
def erf(input: Any) -> Any:
    """The error function of each element.

    Gradient: g·2/√π·exp(-input²). Errors: NotImplementedError for complex tensors. Source: torch.erf.

    >>> torch.erf(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5205])
    """
    ERF.check(input)
    return in_single(special.erf)(input)


@op(
    "erfc(Tensor input) -> Tensor",
    meta=ERFC(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=(
        "erfc",
        "special.erfc",
    ),
    samples=unary(),
    vjp={"input": lambda g, input: g * (-2 / SQRT_PI * rules.exp(-(input * input)))},
)
def erfc(input: Any) -> Any:
    """One less the error function of each element, exact where that is near 1.

    Gradient: -g·2/√π·exp(-input²). Errors: NotImplementedError for complex tensors. Source: torch.erfc.

    >>> torch.erfc(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.4795])
    """
    ERFC.check(input)
    return in_single(special.erfc)(input)


@op(
    "erfinv(Tensor input) -> Tensor",
    meta=ERFINV(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=(
        "erfinv",
        "special.erfinv",
    ),
    samples=unary(-0.9, 0.9),
    vjp={"input": lambda g, result: g * (SQRT_PI / 2 * rules.exp(result * result))},
)
def erfinv(input: Any) -> Any:
    """The number whose error function each element is; NaN beyond [-1, 1].

    Gradient: g·√π/2·exp(result²). Errors: NotImplementedError for complex tensors. Source: torch.erfinv.

    >>> torch.erfinv(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """
    ERFINV.check(input)
    return in_single(special.erfinv)(input)


@op(
    "special_erfcx(Tensor input) -> Tensor",
    meta=ERFCX(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.erfcx",),
    samples=unary(),
    vjp={"input": lambda g, input, result: g * (2 * input * result - 2 / SQRT_PI)},
)
def erfcx(input: Any) -> Any:
    """``exp(input²)·erfc(input)`` of each element, without overflow on the way.

    Gradient: g·(2·input·result - 2/√π). Errors: NotImplementedError for complex tensors. Source: torch.special.erfcx.

    >>> torch.special.erfcx(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6157])
    """
    ERFCX.check(input)
    return special.erfcx(input)


@op(
    "special_ndtri(Tensor input) -> Tensor",
    meta=NDTRI(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.ndtri",),
    samples=unary(0.1, 0.9),
    vjp={"input": lambda g, result: g * (math.sqrt(2 * math.pi) * rules.exp(result * result / 2))},
)
def ndtri(input: Any) -> Any:
    """The number below which a standard normal one lies with the probability of each element.

    Gradient: g·√(2π)·exp(result²/2). Errors: NotImplementedError for complex tensors. Source: torch.special.ndtri.

    >>> torch.special.ndtri(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 1.2816])
    """
    NDTRI.check(input)
    return special.ndtri(input)


@op(
    "special_log_ndtr(Tensor input) -> Tensor",
    meta=LOG_NDTR(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.log_ndtr",),
    samples=unary(),
    vjp={"input": lambda g, input, result: g / math.sqrt(2 * math.pi) * rules.exp(-(result + input * input / 2))},
)
def log_ndtr(input: Any) -> Any:
    """The logarithm of the probability that a standard normal number lies below each element.

    Gradient: g/√(2π)·exp(-result - input²/2). Errors: NotImplementedError for complex tensors. Source: torch.special.log_ndtr.

    >>> torch.special.log_ndtr(torch.tensor([0.0, -20.0]))
    tensor([  -0.6931, -203.9172])
    """
    LOG_NDTR.check(input)
    return special.log_ndtr(input)


@op(
    "special_entr(Tensor input) -> Tensor",
    meta=ENTR(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.entr",),
    samples=unary(0.2, 2.0),
    vjp={"input": lambda g, input: g * (-1 - rules.log(input))},
)
def entr(input: Any) -> Any:
    """``-input·log(input)`` of each element: 0 at 0, -inf below.

    Gradient: -g·(1 + log(input)). Errors: NotImplementedError for complex tensors. Source: torch.special.entr.

    >>> torch.special.entr(torch.tensor([0.5, 0.0, -1.0]))
    tensor([0.3466, 0.0000,   -inf])
    """
    ENTR.check(input)
    return in_single(special.entr)(input)


@op(
    "i0(Tensor input) -> Tensor",
    meta=I0(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=(
        "i0",
        "special.i0",
    ),
    samples=unary(),
    vjp={"input": lambda g, input: g * rules.special_i1(input)},
)
def i0(input: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0, of each element.

    Gradient: g·i1(input). Errors: NotImplementedError for complex tensors. Source: torch.i0.

    >>> torch.i0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    I0.check(input)
    return in_single(special.i0)(input)


@op(
    "special_i0e(Tensor input) -> Tensor",
    meta=I0E(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.i0e",),
    samples=unary(),
    vjp={"input": lambda g, input, result: g * (rules.special_i1e(input) - rules.sgn(input) * result)},
)
def i0e(input: Any) -> Any:
    """``exp(-|input|)·i0(input)`` of each element.

    Gradient: g·(i1e(input) - sgn(input)·result). Errors: NotImplementedError for complex tensors. Source: torch.special.i0e.

    >>> torch.special.i0e(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.4658])
    """
    I0E.check(input)
    return in_single(special.i0e)(input)


@op(
    "special_i1(Tensor input) -> Tensor",
    meta=I1(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.i1",),
    samples=unary(),
    vjp={"input": _i1_slope},
)
def i1(input: Any) -> Any:
    """The modified Bessel function of the first kind, of order 1, of each element.

    Gradient: g·(i0(input) - result/input), g/2 at 0. Errors: NotImplementedError for complex tensors. Source: torch.special.i1.

    >>> torch.special.i1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    I1.check(input)
    return in_single(special.i1)(input)


@op(
    "special_i1e(Tensor input) -> Tensor",
    meta=I1E(same),
    kind="pointwise",
    promote="float",
    forms="function",
    names=("special.i1e",),
    samples=unary(),
    vjp={"input": _i1e_slope},
)
def i1e(input: Any) -> Any:
    """``exp(-|input|)·i1(input)`` of each element.

    Gradient: g·(i0e(input) - result·(sgn(input) + 1/input)), g/2 at 0. Errors: NotImplementedError for complex tensors.
    Source: torch.special.i1e.

    >>> torch.special.i1e(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2079])
    """
    I1E.check(input)
    return in_single(special.i1e)(input)


@op(
    "special_ndtr(Tensor input) -> Tensor",
    meta=ERF(lambda input: Spec(input.shape, input.dtype if input.dtype.category >= 2 else get_default_dtype())),
    kind="composite",
    forms="function",
    names=("special.ndtr",),
    samples=unary(),
)
def ndtr(input: Any) -> Any:
    """The probability that a standard normal number lies below each element.

    Gradient: g·exp(-input²/2)/√(2π). Errors: NotImplementedError for complex tensors. Source: torch.special.ndtr.

    >>> torch.special.ndtr(torch.tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """
    return renamed(renamed(rules.erf(input / math.sqrt(2)) + 1, "AddBackward1") * 0.5, "MulBackward1")
