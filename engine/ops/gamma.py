"""The gamma function and its kin. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from scipy import special

from engine import dtypes
from engine.domain import floating, in_single, real
from engine.errors import NoDerivativeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
LGAMMA = real("lgamma_vml_cpu")
DIGAMMA = real("digamma")
TRIGAMMA = real("trigamma")
POLYGAMMA = real("polygamma")
MVLGAMMA = real("arange_cpu")
ZETA = real("zeta_cpu", "h")
IGAMMA = floating("igamma_cpu")
IGAMMAC = floating("igammac_cpu")


def _missing(name: str) -> NoReturn:
    raise NoDerivativeError(f"the derivative for '{name}' is not implemented.")


@op(
    "lgamma(Tensor input) -> Tensor",
    meta=LGAMMA(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("lgamma", "special.gammaln"),
    samples=unary(0.3, 4.0),
    vjp={"input": lambda g, input: g * rules.digamma(input)},
)
def lgamma(input: Any) -> Any:
    """The logarithm of the absolute value of the gamma function at each element.

    Gradient: g·digamma(input). Errors: NotImplementedError for complex tensors. Source: torch.lgamma.

    >>> torch.lgamma(torch.tensor([1.0, 5.0, 0.5]))
    tensor([0.0000, 3.1781, 0.5724])
    """
    LGAMMA.check(input)
    return np.where(np.equal(input, -np.inf), -input, in_single(special.gammaln)(input))


@op(
    "digamma(Tensor input) -> Tensor",
    meta=DIGAMMA(same),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("digamma", "special.digamma", "special.psi"),
    samples=unary(0.3, 4.0),
    vjp={"input": lambda g, input: g * rules.polygamma(1, input)},
)
def digamma(input: Any) -> Any:
    """The derivative of ``lgamma`` at each element.

    Gradient: g·polygamma(1, input). Errors: NotImplementedError for complex tensors. Source: torch.digamma.

    >>> torch.digamma(torch.tensor([1.0, 0.5]))
    tensor([-0.5772, -1.9635])
    """
    DIGAMMA.check(input)
    return in_single(special.psi)(input)


def _order(n: int, input: Any) -> None:
    if n < 0:
        raise TensorError("polygamma(n, x) does not support negative n.")
    (DIGAMMA if n == 0 else TRIGAMMA if n == 1 else POLYGAMMA).check(input)


def _trigamma(input: Any) -> Any:
    """The second derivative of ``lgamma``; left of 1/2 by reflection."""
    left = input < 0.5
    mirrored = special.zeta(2.0, np.where(left, 1 - input, input))
    turned = np.sin(np.where(left, input, 0.5) * math.pi)
    with np.errstate(divide="ignore"):
        return np.where(left, (math.pi / turned) ** 2 - mirrored, mirrored)


def _polygamma(n: int, input: Any) -> Any:
    _order(n, input)
    if n == 0:
        return in_single(special.psi)(input)
    wide = np.asarray(input, np.float64)
    if n == 1:
        return _trigamma(wide).astype(input.dtype)
    sign = 1.0 if n % 2 else -1.0
    return (sign * math.gamma(n + 1.0) * special.zeta(n + 1.0, wide)).astype(input.dtype)


def _polygamma_meta(n: int, input: Spec) -> Estimate:
    _order(n, input)
    return Estimate((input,), 40 * input.numel, 60 * max(input.numel, 1))


@op(
    "polygamma(int n, Tensor input) -> Tensor",
    meta=_polygamma_meta,
    kind="pointwise",
    promote="float",
    names=("polygamma", "special.polygamma"),
    forms="function",
    samples=lambda: [Sample(n, *s.args, tags=s.tags) for s in unary(0.3, 4.0)() for n in (0, 1, 2)],
    vjp={"input": lambda g, n, input: g * rules.polygamma(n + 1, input)},
)
def polygamma(n: Any, input: Any) -> Any:
    """The n-th derivative of ``digamma`` at each element.

    Gradient: g·polygamma(n + 1, input). Errors: RuntimeError for a negative n, NotImplementedError for complex tensors.
    Source: torch.polygamma.

    >>> torch.polygamma(1, torch.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    return _polygamma(n, input)


@op(
    "polygamma.method(Tensor input, int n) -> Tensor",
    meta=lambda input, n: _polygamma_meta(
        n, Spec(input.shape, input.dtype if input.dtype.category >= 2 else dtypes.get_default_dtype())
    ),
    kind="composite",
    promote="float",
    names=("_polygamma_method",),
    forms="",
    samples=lambda: [Sample(*s.args, 1, tags=s.tags) for s in unary(0.3, 4.0)()],
)
def polygamma_method(input: Any, n: Any) -> Any:
    """``x.polygamma(n)``: torch.polygamma with the tensor first. Source: torch.Tensor.polygamma.

    >>> torch.tensor([1.0, 0.5]).polygamma(1)
    tensor([1.6449, 4.9348])
    """
    return rules.polygamma(n, input)


def _mvlgamma_meta(input: Spec, p: int) -> Estimate:
    if p < 1:
        raise TensorError("p has to be greater than or equal to 1")
    MVLGAMMA.check(input)
    return Estimate((input,), 3 * p * input.nbytes, 60 * p * max(input.numel, 1))


@op(
    "mvlgamma(Tensor input, int p) -> Tensor",
    meta=_mvlgamma_meta,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("mvlgamma", "special.multigammaln"),
    samples=lambda: [Sample(*s.args, 3, tags=s.tags) for s in unary(1.3, 5.0)()],
    vjp={"input": lambda g, input, p: g * sum(rules.digamma(input - j / 2) for j in range(p))},
)
def mvlgamma(input: Any, p: Any) -> Any:
    """The logarithm of the multivariate gamma function of dimension ``p`` at each element, which must exceed ``(p - 1)/2``.

    Gradient: g·Σ digamma(input - j/2) for j below p. Errors: RuntimeError for p below 1. Source: torch.mvlgamma.

    >>> torch.mvlgamma(torch.tensor([2.0, 3.5]), 2)
    tensor([0.4516, 2.4665])
    """
    _mvlgamma_meta(Spec(input.shape, dtypes.of_numpy(input.dtype)), p)
    shifted = np.expand_dims(input, -1) - (np.arange(p) / 2).astype(input.dtype)
    constant = input.dtype.type(p * (p - 1) / 4 * math.log(math.pi))
    return np.add.reduce(in_single(special.gammaln)(shifted), axis=-1) + constant


@op(
    "special_zeta(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=ZETA(broadcast),
    kind="pointwise",
    promote="float",
    names=("special.zeta",),
    forms="function",
    samples=pairs(1.3, 4.0),
    vjp={
        "input": lambda g: _missing("zeta"),
        "other": lambda g, input, other: g * -input * rules.special_zeta(input + 1, other),
    },
)
def zeta(input: Any, other: Any) -> Any:
    """The Hurwitz zeta function: the sum of ``(k + other)^-input`` over k from 0.

    Shapes: any two that broadcast. Gradient: -g·input·zeta(input + 1, other) for other; for input an error, as in PyTorch.
    Source: torch.special.zeta.

    >>> torch.special.zeta(torch.tensor([2.0, 4.0]), torch.tensor([1.0, 1.0]))
    tensor([1.6449, 1.0823])
    """
    ZETA.check(input)
    return special.zeta(input, other)


def _density(input: Any, other: Any) -> Any:
    return rules.exp((input - 1) * rules.log(other) - other - rules.lgamma(input))


@op(
    "igamma(Tensor input, Tensor other) -> Tensor",
    meta=IGAMMA(broadcast),
    kind="pointwise",
    forms=FORMS,
    names=("igamma", "special.gammainc"),
    samples=pairs(0.4, 3.0),
    vjp={"input": lambda g: _missing("igamma: input"), "other": lambda g, input, other: g * _density(input, other)},
)
def igamma(input: Any, other: Any) -> Any:
    """The regularized lower incomplete gamma function of shape ``input`` at ``other``.

    Shapes: any two that broadcast. Gradient: g·other^(input-1)·exp(-other)/Γ(input) for other; for input an error, as in PyTorch.
    Errors: NotImplementedError for integers and complex tensors. Source: torch.igamma.

    >>> torch.igamma(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    tensor([0.6321, 0.8009])
    """
    IGAMMA.check(input)
    return in_single(special.gammainc)(input, other)


@op(
    "igammac(Tensor input, Tensor other) -> Tensor",
    meta=IGAMMAC(broadcast),
    kind="pointwise",
    forms=FORMS,
    names=("igammac", "special.gammaincc"),
    samples=pairs(0.4, 3.0),
    vjp={"input": lambda g: _missing("igammac: input"), "other": lambda g, input, other: -g * _density(input, other)},
)
def igammac(input: Any, other: Any) -> Any:
    """The regularized upper incomplete gamma function of shape ``input`` at ``other``: one less ``igamma``.

    Shapes: any two that broadcast. Gradient: -g·other^(input-1)·exp(-other)/Γ(input) for other; for input an error, as in PyTorch.
    Errors: NotImplementedError for integers and complex tensors. Source: torch.igammac.

    >>> torch.igammac(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    tensor([0.3679, 0.1991])
    """
    IGAMMAC.check(input)
    return in_single(special.gammaincc)(input, other)
