"""Quotients, remainders and reciprocals, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import Domain, floating, real
from engine.errors import NoDerivativeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, pairs, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
FLOOR = real("div_floor_cpu", "b")
TRUNC = real("div_trunc_cpu", "b")
REMAINDER = real("remainder_cpu", "b")
FMOD = real("fmod_cpu", "b")
FRAC = floating("frac_cpu")


def missing(name: str) -> NoReturn:
    """What a rule raises for an operator whose derivative PyTorch does not have either."""
    raise NoDerivativeError(f"derivative for aten::{name} is not implemented")


def _whole(other: Any) -> None:
    if other.dtype.kind in "iu" and not np.logical_and.reduce(other, axis=None):
        raise TensorError("ZeroDivisionError")


def _floor(input: Any, other: Any) -> Any:
    FLOOR.check(input)
    _whole(other)
    return np.floor_divide(input, other)


def _trunc(input: Any, other: Any) -> Any:
    TRUNC.check(input)
    _whole(other)
    if input.dtype.kind == "f":
        return np.trunc(np.true_divide(input, other))
    quotient = np.floor_divide(input, other)
    inexact = (quotient < 0) & (quotient * other != input) if input.dtype.kind == "i" else False
    return (quotient + inexact).astype(input.dtype)


@op(
    "div.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("div", "divide", "true_divide"),
    samples=pairs(0.5, 3.0),
    ufunc=np.true_divide,
    vjp={
        "input": lambda g, other: g / other.conj(),
        "other": lambda g, input, other: -g * ((input / other) / other).conj(),
    },
)
def div(input: Any, other: Any) -> Any:
    """Divide element by element; integers give the default floating dtype.

    Shapes: any two that broadcast. Gradient: g/conj(other) for input, -g·conj(input/other²) for other. Source: torch.div.

    >>> torch.tensor([1, 2]) / 4
    tensor([0.2500, 0.5000])
    """
    return np.true_divide(input, other)


def _mode_meta(input: Any, other: Any, rounding_mode: Any) -> Spec:
    out = broadcast(input, other)
    if rounding_mode is None:
        return out if out.dtype.category >= 2 else Spec(out.shape, dtypes.get_default_dtype())
    _mode(rounding_mode).check(out)
    return out


def _mode(rounding_mode: str) -> Domain:
    if rounding_mode not in {"floor", "trunc"}:
        raise TensorError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return FLOOR if rounding_mode == "floor" else TRUNC


@op(
    "div.Tensor_mode(Tensor|Scalar input, Tensor|Scalar other, *, str? rounding_mode) -> Tensor",
    meta=_mode_meta,
    kind="pointwise",
    grad_fn="DivBackward2",
    forms=FORMS,
    names=("div", "divide"),
    samples=lambda: [
        *pairs(0.5, 3.0, rounding_mode="floor")(),
        *pairs(0.5, 3.0, rounding_mode="trunc")(),
        *pairs(0.5, 3.0, rounding_mode=None)(),
    ],
    vjp={
        "input": lambda g, other, rounding_mode: rules.zeros_like(g) if rounding_mode else g / other.conj(),
        "other": lambda g, input, other, rounding_mode: (
            rules.zeros_like(g) if rounding_mode else -g * ((input / other) / other).conj()
        ),
    },
)
def div_mode(input: Any, other: Any, rounding_mode: Any) -> Any:
    """Divide element by element and round: to the next whole number below ("floor"), or toward zero ("trunc").

    Shapes: any two that broadcast. Gradient: zero; without a rounding mode as ``div``. Errors: RuntimeError for an integer zero below
    and for another mode. Source: torch.div.

    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        if input.dtype.kind in "biu":
            d = dtypes.get_default_dtype().numpy
            input, other = input.astype(d), other.astype(d)
        return np.true_divide(input, other)
    _mode(rounding_mode)
    return _floor(input, other) if rounding_mode == "floor" else _trunc(input, other)


@op(
    "floor_divide(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=FLOOR(broadcast),
    kind="pointwise",
    grad_fn="torch::autograd::NotImplemented",
    forms=FORMS,
    samples=pairs(0.5, 3.0),
    vjp={"input, other": lambda g: missing("floor_divide")},
)
def floor_divide(input: Any, other: Any) -> Any:
    """Divide element by element and round down.

    Shapes: any two that broadcast. Gradient: not implemented, in PyTorch neither: backward is an error.
    Errors: RuntimeError for an integer zero below. Source: torch.floor_divide.

    >>> torch.tensor([7.0, -7.0]) // 2
    tensor([ 3., -4.])
    """
    return _floor(input, other)


def _remainder(input: Any, other: Any) -> Any:
    REMAINDER.check(input)
    _whole(other)
    out = np.remainder(input, other)
    if input.dtype.kind == "f":
        zero = np.equal(out, 0)
        if np.logical_or.reduce(zero, axis=None):  # the sign of a zero is the input's
            return np.where(zero, np.copysign(out, input), out)
    return out


@op(
    "remainder.Tensor(Tensor input, Tensor other) -> Tensor",
    meta=REMAINDER(broadcast),
    kind="pointwise",
    grad_fn="RemainderBackward1",
    forms=FORMS,
    samples=pairs(0.6, 3.0),
    vjp={
        "input": lambda g: g,
        "other": lambda g, input, other: -g * rules.div(input, other, rounding_mode="floor"),
    },
)
def remainder(input: Any, other: Any) -> Any:
    """Python's ``%``: what is left of ``input`` after dividing by ``other``, with the sign of ``other``.

    Shapes: any two that broadcast. Gradient: g for input, -g·floor(input/other) for other. Errors: RuntimeError for an integer zero
    below. Source: torch.remainder.

    >>> torch.remainder(torch.tensor([-3.0, 3.0]), torch.tensor([2.0, -2.0]))
    tensor([ 1., -1.])
    """
    return _remainder(input, other)


@op(
    "remainder.Scalar(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=REMAINDER(broadcast),
    kind="pointwise",
    grad_fn="RemainderBackward0",
    names=("remainder",),
    forms=FORMS,
    samples=lambda: [Sample(*s.args, 1.5, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g: g},
)
def remainder_scalar(input: Any, other: Any) -> Any:
    """Python's ``%`` for one divisor.

    Gradient: g. Errors: RuntimeError for an integer zero below. Source: torch.remainder.

    >>> torch.tensor([-3.0, 3.5]) % 2
    tensor([1.0000, 1.5000])
    """
    return _remainder(input, other)


@op(
    "remainder.Scalar_Tensor(Tensor|Scalar input, Tensor other) -> Tensor",
    meta=REMAINDER(broadcast),
    kind="pointwise",
    grad_fn="torch::autograd::NotImplemented",
    forms="function",
    samples=over(
        Sample(7.5, array(2, 3, low=0.6)),
        Sample(7.5, np.array(2.5), tags=("0-d",)),
        Sample(7.5, array(0, 2), tags=("empty",)),
        Sample(7.5, array(3, 2, low=0.6).T, tags=("non-contiguous",)),
    ),
    vjp={"other": lambda g: missing("remainder")},
)
def remainder_scalar_tensor(input: Any, other: Any) -> Any:
    """Python's ``%`` of one number and a tensor of divisors.

    Gradient: not implemented, in PyTorch neither: backward is an error. Source: torch.remainder.

    >>> 7 % torch.tensor([2, 4])
    tensor([1, 3])
    """
    return _remainder(input, other)


def _fmod(input: Any, other: Any) -> Any:
    FMOD.check(input)
    _whole(other)
    return np.fmod(input, other)


@op(
    "fmod.Tensor(Tensor input, Tensor other) -> Tensor",
    meta=FMOD(broadcast),
    kind="pointwise",
    grad_fn="FmodBackward1",
    forms=FORMS,
    samples=pairs(0.6, 3.0),
    vjp={
        "input": lambda g: g,
        "other": lambda g, input, other: -g * rules.div(input, other, rounding_mode="trunc"),
    },
)
def fmod(input: Any, other: Any) -> Any:
    """C's ``fmod``: what is left of ``input`` after dividing by ``other``, with the sign of ``input``.

    Shapes: any two that broadcast. Gradient: g for input, -g·trunc(input/other) for other. Errors: RuntimeError for an integer zero
    below. Source: torch.fmod.

    >>> torch.fmod(torch.tensor([-3.0, 3.0]), torch.tensor([2.0, -2.0]))
    tensor([-1.,  1.])
    """
    return _fmod(input, other)


@op(
    "fmod.Scalar(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=FMOD(broadcast),
    kind="pointwise",
    grad_fn="FmodBackward0",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, 1.5, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g: g},
)
def fmod_scalar(input: Any, other: Any) -> Any:
    """C's ``fmod`` for one divisor.

    Gradient: g. Errors: RuntimeError for an integer zero below. Source: torch.fmod.

    >>> torch.fmod(torch.tensor([-3.0, 3.5]), 2)
    tensor([-1.0000,  1.5000])
    """
    return _fmod(input, other)


@op(
    "reciprocal(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(0.5, 3.0),
    ufunc=np.reciprocal,
    vjp={"input": lambda g, result: -g * (result * result).conj()},
)
def reciprocal(input: Any) -> Any:
    """One divided by each element.

    Gradient: -g·conj(result²). Source: torch.reciprocal.

    >>> torch.reciprocal(torch.tensor([2.0, -4.0]))
    tensor([ 0.5000, -0.2500])
    """
    return np.reciprocal(input)


@op(
    "frac(Tensor input) -> Tensor",
    meta=FRAC(same),
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g: g},
)
def frac(input: Any) -> Any:
    """The part after the point: ``input - trunc(input)``.

    Gradient: g. Errors: NotImplementedError for integers. Source: torch.frac.

    >>> torch.frac(torch.tensor([1.25, -2.5]))
    tensor([ 0.2500, -0.5000])
    """
    FRAC.check(input)
    return np.subtract(input, np.trunc(input))


# -- what Python's operators call when the number stands on the left --------------------------------------------------------


def _reflected() -> list[Sample]:
    return [Sample(*s.args, 2.5, tags=s.tags) for s in unary(0.6, 3.0)()]


@op(
    "_rdiv(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="composite",
    promote="float",
    names=("_rdiv",),
    forms="",
    samples=_reflected,
)
def _rdiv(input: Any, other: Any) -> Any:
    """``other / input``, as PyTorch's graph shows it: reciprocal, then a product. Source: torch.Tensor.__rtruediv__.

    >>> 2 / torch.tensor([1.0, 4.0])
    tensor([2.0000, 0.5000])
    """
    return rules.mul(rules.reciprocal(input), other)


@op(
    "_rpow(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="composite",
    promote="common",
    names=("_rpow",),
    forms="",
    samples=_reflected,
)
def _rpow(input: Any, other: Any) -> Any:
    """``other ** input``. Source: torch.Tensor.__rpow__.

    >>> 2 ** torch.tensor([1.0, 4.0])
    tensor([ 2., 16.])
    """
    return rules.pow(other, input)


@op(
    "_rmod(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=REMAINDER(broadcast),
    kind="composite",
    promote="common",
    names=("_rmod",),
    forms="",
    samples=_reflected,
)
def _rmod(input: Any, other: Any) -> Any:
    """``other % input``. Source: torch.Tensor.__rmod__.

    >>> 7 % torch.tensor([2, 4])
    tensor([1, 3])
    """
    return rules.remainder(other, input)


@op(
    "_rfloordiv(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=FLOOR(broadcast),
    kind="composite",
    promote="common",
    names=("_rfloordiv",),
    forms="",
    samples=_reflected,
)
def _rfloordiv(input: Any, other: Any) -> Any:
    """``other // input``. Source: torch.Tensor.__rfloordiv__.

    >>> 7 // torch.tensor([2, 4])
    tensor([3, 1])
    """
    return rules.floor_divide(other, input)
