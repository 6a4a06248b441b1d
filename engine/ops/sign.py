"""Signs, steps, and what kind of number each element is. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import Domain, real
from engine.errors import NoDerivativeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import pairs, strided, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
SIGN = Domain("c", "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.")
SIGNBIT = Domain("c", "signbit is not implemented for complex tensors.")
HEAVISIDE = Domain("c", "heaviside is not yet implemented for complex tensors.", TensorError)
ISPOSINF = Domain("c", "isposinf does not support complex inputs.", TensorError)
ISNEGINF = Domain("c", "isneginf does not support complex inputs.", TensorError)
COPYSIGN = real("copysign_cpu")


def _sign(input: Any) -> Any:
    """-1, 0 or 1; 0 for NaN."""
    if input.dtype.kind == "b":
        return np.logical_or(input, False)
    return np.subtract(np.greater(input, 0), np.less(input, 0), dtype=input.dtype)


@op(
    "sign(Tensor input) -> Tensor",
    meta=SIGN(same),
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def sign(input: Any) -> Any:
    """-1, 0 or 1 as each element is below, at or above 0.

    Gradient: zero. Errors: NotImplementedError for complex tensors. Source: torch.sign.

    >>> torch.sign(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    SIGN.check(input)
    return _sign(input)


def _sgn_slope(g: Any, input: Any, result: Any) -> Any:
    if not input.dtype.name.startswith("complex"):
        return rules.zeros_like(g)
    modulus = rules.abs(input)
    slope = (g - rules.real(g * result.conj()) * result) / modulus
    return rules.where(modulus == 0, 0, slope)


@op(
    "sgn(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    vjp={"input": _sgn_slope},
)
def sgn(input: Any) -> Any:
    """``sign`` for real elements; a complex one divided by its modulus, 0 at 0.

    Gradient: zero for real tensors; (g - Re(g·conj(result))·result)/|input| for complex ones. Source: torch.sgn.

    >>> torch.sgn(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if input.dtype.kind == "c":
        modulus = np.absolute(input)
        return np.true_divide(input, np.where(modulus == 0, 1, modulus), dtype=input.dtype)
    return _sign(input)


def _copied(g: Any, input: Any, result: Any) -> Any:
    return g * rules.where(input == 0, 0, result / input)


@op(
    "copysign.Tensor(Tensor input, Tensor other) -> Tensor",
    meta=COPYSIGN(broadcast),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=pairs(),
    ufunc=np.copysign,
    vjp={"input": _copied, "other": lambda g: rules.zeros_like(g)},
)
def copysign(input: Any, other: Any) -> Any:
    """The size of each element with the sign of ``other``; -0.0 has one.

    Shapes: any two that broadcast. Gradient: g·result/input, 0 at 0; zero for other. Errors: NotImplementedError for complex tensors.
    Source: torch.copysign.

    >>> torch.copysign(torch.tensor([1.0, -2.0]), torch.tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    COPYSIGN.check(input)
    return np.copysign(input, other)


@op(
    "copysign.Scalar(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=COPYSIGN(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="CopysignBackward1",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, -1.5, tags=s.tags) for s in unary()()],
    vjp={"input": _copied},
)
def copysign_scalar(input: Any, other: Any) -> Any:
    """The size of each element with the sign of one number.

    Gradient: g·result/input, 0 at 0. Errors: NotImplementedError for complex tensors. Source: torch.copysign.

    >>> torch.copysign(torch.tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """
    COPYSIGN.check(input)
    return np.copysign(input, other)


def _no_slope() -> NoReturn:
    raise NoDerivativeError("derivative for aten::heaviside is not implemented")


def _one_dtype(input: Any, values: Any) -> None:
    HEAVISIDE.check(input, values)
    if input.dtype != values.dtype:
        raise TensorError("heaviside is not yet implemented for tensors with different dtypes.")


def _heaviside_meta(input: Spec, values: Spec) -> Spec:
    _one_dtype(input, values)
    return broadcast(input, values)


@op(
    "heaviside(Tensor input, Tensor values) -> Tensor",
    meta=_heaviside_meta,
    kind="pointwise",
    promote="none",
    grad_fn="torch::autograd::NotImplemented",
    forms=FORMS,
    samples=pairs(),
    vjp={"input, values": lambda g: _no_slope()},
)
def heaviside(input: Any, values: Any) -> Any:
    """0 below zero, 1 above, and at zero what ``values`` say.

    Shapes: any two that broadcast, of one dtype. Gradient: not implemented, in PyTorch neither: backward is an error. Errors:
    RuntimeError for dtypes that differ and for complex tensors. Source: torch.heaviside.

    >>> torch.heaviside(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    _one_dtype(input, values)
    return np.where(np.equal(input, 0), values, np.greater(input, 0).astype(input.dtype))


def _kinds() -> list[Sample]:
    return [
        *unary()(),
        Sample(np.array([1.0, np.nan, np.inf, -np.inf, -0.0])),
        Sample(np.array([1, -2])),
        Sample(strided(2, 3), tags=("non-contiguous",)),
    ]


def _as_bool(input: Spec) -> Spec:
    return Spec(input.shape, dtypes.bool_)


@op("signbit(Tensor input) -> Tensor", meta=SIGNBIT(_as_bool), kind="pointwise", samples=_kinds)
def signbit(input: Any) -> Any:
    """Where an element has a minus sign; -0.0 has one.

    The result is bool. Errors: NotImplementedError for complex tensors. Source: torch.signbit.

    >>> torch.signbit(torch.tensor([1.0, -0.0]))
    tensor([False,  True])
    """
    SIGNBIT.check(input)
    return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@op("isnan(Tensor input) -> Tensor", meta=_as_bool, kind="pointwise", samples=_kinds)
def isnan(input: Any) -> Any:
    """Where an element is not a number. The result is bool. Source: torch.isnan.

    >>> torch.isnan(torch.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return np.not_equal(input, input)


@op("isinf(Tensor input) -> Tensor", meta=_as_bool, kind="pointwise", samples=_kinds)
def isinf(input: Any) -> Any:
    """Where an element is infinite. The result is bool. Source: torch.isinf.

    >>> torch.isinf(torch.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """
    return np.isinf(input)


@op("isfinite(Tensor input) -> Tensor", meta=_as_bool, kind="pointwise", samples=_kinds)
def isfinite(input: Any) -> Any:
    """Where an element is neither infinite nor NaN. The result is bool. Source: torch.isfinite.

    >>> torch.isfinite(torch.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return np.isfinite(input)


@op("isposinf(Tensor input) -> Tensor", meta=ISPOSINF(_as_bool), kind="pointwise", samples=_kinds)
def isposinf(input: Any) -> Any:
    """Where an element is positive infinity. The result is bool. Errors: RuntimeError for complex tensors. Source: torch.isposinf.

    >>> torch.isposinf(torch.tensor([float("-inf"), float("inf")]))
    tensor([False,  True])
    """
    ISPOSINF.check(input)
    return np.equal(input, np.inf)


@op("isneginf(Tensor input) -> Tensor", meta=ISNEGINF(_as_bool), kind="pointwise", samples=_kinds)
def isneginf(input: Any) -> Any:
    """Where an element is negative infinity. The result is bool. Errors: RuntimeError for complex tensors. Source: torch.isneginf.

    >>> torch.isneginf(torch.tensor([float("-inf"), float("inf")]))
    tensor([ True, False])
    """
    ISNEGINF.check(input)
    return np.equal(input, -np.inf)


@op("isreal(Tensor input) -> Tensor", meta=_as_bool, kind="pointwise", samples=_kinds)
def isreal(input: Any) -> Any:
    """Where an element has no imaginary part. The result is bool. Source: torch.isreal.

    >>> torch.isreal(torch.tensor([1 + 0j, 2j]))
    tensor([ True, False])
    """
    return np.equal(input.imag, 0) if input.dtype.kind == "c" else np.equal(input, input) | True
