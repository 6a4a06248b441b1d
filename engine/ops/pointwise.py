"""Sums, differences, products and absolute values, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, common
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.promotion import constant
from engine.rules import rules
from engine.samples import array, over, pairs, unary
from engine.scalars import converted
from engine.shapes import broadcast, broadcast_shapes, same

FORMS = "function method inplace"
NO_BOOLS = "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
NO_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead."
)
NEG = Domain(
    "b",
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead.",
    TensorError,
)
PLUS = Domain("b", "The `+` operator, on a bool tensor is not supported.", TensorError)
ABS = Domain("b", "\"abs_cpu\" not implemented for '{dtype}'")
ADDCMUL = Domain("b", "\"addcmul_cpu_out\" not implemented for '{dtype}'")
ADDCDIV = Domain(
    "bi",
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 "
    "and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) "
    "for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter "
    "implementation: (input + value * tensor1 / tensor2), for all dtypes.",
    TensorError,
)


def _alpha(d: Any, alpha: Any) -> Any:
    """``alpha`` in the result's dtype. Errors: RuntimeError for one of a higher category."""
    kind = d.numpy.kind if isinstance(d, dtypes.dtype) else d.kind
    if type(alpha) is bool and kind != "b":
        raise TensorError("Boolean alpha only supported for Boolean results.")
    if type(alpha) is float and kind in "biu":
        raise TensorError("For integral input tensors, argument alpha must not be a floating point number.")
    if type(alpha) is complex and kind != "c":
        raise TensorError("For non-complex input tensors, argument alpha must not be a complex number.")
    return alpha if isinstance(d, dtypes.dtype) else converted(alpha, d)


def _conjugate(alpha: Any) -> Any:
    return alpha.conjugate() if type(alpha) is complex else alpha


def _add_meta(input: Any, other: Any, alpha: Any) -> Spec:
    out = broadcast(input, other)
    _alpha(out.dtype, alpha)
    return out


@op(
    "add.Tensor(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
    meta=_add_meta,
    kind="pointwise",
    forms=FORMS,
    samples=pairs(alpha=2.5),
    ufunc=np.add,
    vjp={"input": lambda g: g, "other": lambda g, alpha: g if alpha == 1 else g * _conjugate(alpha)},
)
def add(input: Any, other: Any, alpha: Any) -> Any:
    """Add ``alpha`` times ``other`` element by element.

    Shapes: any two that broadcast. Gradient: g for input, alpha·g for other. Errors: RuntimeError for an ``alpha`` of a higher kind
    than the result. Source: torch.add.

    >>> torch.add(torch.tensor([1.0, 2.0]), 3)
    tensor([4., 5.])
    """
    if alpha == 1 and type(alpha) is int:
        return np.add(input, other)
    return np.add(input, np.multiply(other, _alpha(other.dtype, alpha)))


def _is_bool(value: Any) -> bool:
    d = getattr(value, "dtype", None)
    return d is dtypes.bool_ or (isinstance(d, np.dtype) and d.kind == "b")


def _bools(input: Any, other: Any) -> None:
    """Refuse bool tensors: a difference of masks is not what anyone means."""
    bools = [_is_bool(v) for v in (input, other)]
    if any(bools):
        raise TensorError(NO_BOOLS if all(bools) else NO_BOOL)


def _sub_meta(input: Any, other: Any, alpha: Any) -> Spec:
    _bools(input, other)
    d = dtypes.of_numpy(common(input, other))
    _alpha(d, alpha)
    return Spec(broadcast_shapes(*(v.shape for v in (input, other) if isinstance(v, Spec))), d)


def _in(value: Any, d: np.dtype[Any]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value if value.dtype == d else value.astype(d)
    return constant(value, d)


def _difference(left: Any, right: Any, input: Any, other: Any, alpha: Any) -> Any:
    """``left - alpha·right`` in the common dtype of both."""
    d = getattr(input, "dtype", None)
    if (
        alpha == 1
        and d is getattr(other, "dtype", d)
        and d is not None
        and d.kind == "f"
        and type(other) is not complex
    ):
        return np.subtract(left, right)  # a bare number is weak for NumPy too
    _bools(input, other)
    d = common(left, right)
    left, right = _in(left, d), _in(right, d)
    if alpha == 1 and type(alpha) is int:
        return np.subtract(left, right)
    factor = _alpha(d, alpha)
    return np.subtract(left, right * factor)


@op(
    "sub.Tensor(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
    meta=_sub_meta,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    names=("sub", "subtract"),
    samples=pairs(alpha=2.5),
    ufunc=np.subtract,
    vjp={"input": lambda g: g, "other": lambda g, alpha: -g if alpha == 1 else g * -_conjugate(alpha)},
)
def sub(input: Any, other: Any, alpha: Any) -> Any:
    """Subtract ``alpha`` times ``other`` element by element.

    Shapes: any two that broadcast. Gradient: g for input, -alpha·g for other. Errors: RuntimeError for bool tensors.
    Source: torch.sub.

    >>> torch.tensor([1.0, 2.0]) - 3
    tensor([-2., -1.])
    """
    return _difference(input, other, input, other, alpha)


@op(
    "rsub.Tensor(Tensor input, Tensor other, *, Scalar alpha=1) -> Tensor",
    meta=_sub_meta,
    kind="pointwise",
    promote="none",
    grad_fn="RsubBackward0",
    forms="function",
    samples=pairs(alpha=2.5),
    vjp={"input": lambda g, alpha: -g if alpha == 1 else g * -_conjugate(alpha), "other": lambda g: g},
)
def rsub(input: Any, other: Any, alpha: Any) -> Any:
    """``other - alpha·input`` element by element.

    Shapes: any two that broadcast. Gradient: -alpha·g for input, g for other. Errors: RuntimeError for bool tensors.
    Source: torch.rsub.

    >>> torch.rsub(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0]))
    tensor([ 1., -1.])
    """
    return _difference(other, input, input, other, alpha)


@op(
    "rsub.Scalar(Tensor input, Tensor|Scalar other, Scalar alpha=1) -> Tensor",
    meta=_sub_meta,
    kind="pointwise",
    promote="none",
    grad_fn="RsubBackward1",
    names=("rsub", "_rsub"),
    forms="function",
    samples=over(
        Sample(array(2, 3), 2.0),
        Sample(np.array(1.5), 2, 0.5, tags=("0-d",)),
        Sample(array(0, 2), 1, tags=("empty",)),
        Sample(array(3, 2).T, 1.5, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, alpha: -g if alpha == 1 else g * -_conjugate(alpha), "other": lambda g: g},
)
def rsub_scalar(input: Any, other: Any, alpha: Any) -> Any:
    """A number less ``alpha·input``: what ``2 - x`` calls.

    Gradient: -alpha·g. Errors: RuntimeError for a bool tensor. Source: torch.rsub.

    >>> 2 - torch.tensor([1.0, 3.0])
    tensor([ 1., -1.])
    """
    return _difference(other, input, input, other, alpha)


@op(
    "mul.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    forms=FORMS,
    names=("mul", "multiply"),
    samples=pairs(),
    ufunc=np.multiply,
    vjp={"input": lambda g, other: g * other.conj(), "other": lambda g, input: g * input.conj()},
)
def mul(input: Any, other: Any) -> Any:
    """Multiply element by element.

    Shapes: any two that broadcast. Gradient: g·conj(other) for input, g·conj(input) for other. Source: torch.mul.

    >>> torch.tensor([1.0, 2.0]) * 3
    tensor([3., 6.])
    """
    return np.multiply(input, other)


@op(
    "neg(Tensor input) -> Tensor",
    meta=NEG(same),
    kind="pointwise",
    forms=FORMS,
    names=("neg", "negative"),
    samples=unary(),
    ufunc=np.negative,
    vjp={"input": lambda g: -g},
)
def neg(input: Any) -> Any:
    """The negative of each element.

    Gradient: -g. Errors: RuntimeError for a bool tensor. Source: torch.neg.

    >>> -torch.tensor([1.0, -2.0])
    tensor([-1.,  2.])
    """
    NEG.check(input)
    return np.negative(input)


@op("positive(Tensor input) -> Tensor", meta=PLUS(same), kind="composite", samples=unary())
def positive(input: Any) -> Any:
    """The tensor itself.

    Errors: RuntimeError for a bool tensor. Source: torch.positive.

    >>> +torch.tensor([1.0, -2.0])
    tensor([ 1., -2.])
    """
    PLUS.check(input)
    return input


@op(
    "abs(Tensor input) -> Tensor",
    meta=ABS(lambda input: Spec(input.shape, dtypes.to_real(input.dtype))),
    kind="pointwise",
    forms=FORMS,
    names=("abs", "absolute"),
    samples=unary(),
    ufunc=np.absolute,
    vjp={"input": lambda g, input: g * rules.sgn(input)},
)
def absolute(input: Any) -> Any:
    """The absolute value of each element; of a complex one its modulus, which is real.

    Gradient: g·sgn(input), so 0 at 0. Errors: NotImplementedError for a bool tensor. Source: torch.abs.

    >>> torch.abs(torch.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    ABS.check(input)
    return np.absolute(input)


def _value(meta: Any) -> Any:
    """An estimate for (input, tensor1, tensor2, value), where the value must fit an integer result."""

    def checked(input: Any, tensor1: Any, tensor2: Any, value: Any) -> Spec:
        out: Spec = meta(input, tensor1, tensor2)
        if type(value) is complex and out.dtype.category < 3:
            raise TensorError(f"value cannot be converted to type {_cpp(out.dtype)} without overflow")
        return out

    return checked


def _cpp(d: Any) -> str:
    return str({"float32": "float", "float64": "double", "int64": "int64_t", "int32": "int"}.get(d.name, d.name))


def _triples() -> list[Sample]:
    a, b, c = array(2, 3), array(2, 3, start=20), array(2, 3, low=0.5, start=40)
    return [
        Sample(a, b, c, value=1.5),
        Sample(a[0], b[:, :1], c, tags=("broadcast",)),
        Sample(np.array(1.5), np.array(0.7), np.array(2.2), tags=("0-d",)),
        Sample(array(0, 3), array(3), array(1, 3, low=0.5), tags=("empty",)),
        Sample(array(3, 2).T, b, array(3, 2, low=0.5).T, value=-2.0, tags=("non-contiguous",)),
    ]


@op(
    "addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    meta=_value(ADDCMUL(broadcast)),
    kind="pointwise",
    forms=FORMS,
    samples=_triples,
    vjp={
        "input": lambda g: g,
        "tensor1": lambda g, tensor2, value: g * (tensor2 * value).conj(),
        "tensor2": lambda g, tensor1, value: g * (tensor1 * value).conj(),
    },
)
def addcmul(input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    """``input + value·tensor1·tensor2`` element by element.

    Shapes: any three that broadcast. Gradient: g; g·conj(value·tensor2); g·conj(value·tensor1). Source: torch.addcmul.

    >>> torch.addcmul(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    ADDCMUL.check(input)
    return np.add(input, _times(np.multiply(tensor1, tensor2), value))


@op(
    "addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    meta=_value(ADDCDIV(broadcast)),
    kind="pointwise",
    forms=FORMS,
    samples=_triples,
    vjp={
        "input": lambda g: g,
        "tensor1": lambda g, tensor2, value: g * (rules.reciprocal(tensor2) * value).conj(),
        "tensor2": lambda g, tensor1, tensor2, value: -g * (value * tensor1 / (tensor2 * tensor2)).conj(),
    },
)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    """``input + value·tensor1/tensor2`` element by element.

    Shapes: any three that broadcast. Gradient: g; g·conj(value/tensor2); -g·conj(value·tensor1/tensor2²). Errors: RuntimeError for
    integers. Source: torch.addcdiv.

    >>> torch.addcdiv(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=2)
    tensor([1.5000, 2.0000])
    """
    ADDCDIV.check(input)
    return np.add(input, np.true_divide(_times(tensor1, value), tensor2))


def _times(x: Any, value: Any) -> Any:
    return x if value == 1 else np.multiply(x, converted(value, x.dtype))


LERP = Domain("bi", "\"lerp_kernel_scalar\" not implemented for '{dtype}'")
LERP_TENSOR = Domain("bi", "\"lerp_kernel_tensor\" not implemented for '{dtype}'")


def _one_dtype(input: Any, end: Any, *more: Any) -> None:
    for name, v in zip(("end", "weight"), (end, *more), strict=False):
        if v.dtype != input.dtype:
            raise TensorError(f"expected dtype {_lerp_name(input)} for `{name}` but got dtype {_lerp_name(v)}")


def _lerp_name(v: Any) -> str:
    names = {"float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long int", "int32": "int"}
    names |= {"complex64": "c10::complex<float>", "complex128": "c10::complex<double>", "bool": "bool"}
    return names.get(v.dtype.name, str(v.dtype.name))


def _lerp_meta(input: Spec, end: Spec, weight: Any) -> Spec:
    _one_dtype(input, end, *([weight] if isinstance(weight, Spec) else []))
    return (LERP_TENSOR if isinstance(weight, Spec) else LERP)(broadcast)(input, end, weight)  # type: ignore[no-any-return]


def _interpolated(input: Any, end: Any, weight: Any) -> Any:
    """From the nearer end, as PyTorch does, so that a weight of 1 gives ``end`` exactly."""
    near = np.less(np.absolute(weight), 0.5)
    return np.where(near, input + weight * (end - input), end - (end - input) * (1 - weight)).astype(input.dtype)


@op(
    "lerp.Tensor(Tensor input, Tensor end, Tensor weight) -> Tensor",
    meta=_lerp_meta,
    kind="pointwise",
    promote="none",
    grad_fn="LerpBackward1",
    forms=FORMS,
    samples=lambda: [Sample(*s.args, tags=s.tags) for s in _triples()],
    vjp={
        "input": lambda g, weight: g * (1 - weight).conj(),
        "end": lambda g, weight: g * weight.conj(),
        "weight": lambda g, input, end: g * (end - input).conj(),
    },
)
def lerp_tensor(input: Any, end: Any, weight: Any) -> Any:
    """The point between ``input`` (weight 0) and ``end`` (weight 1), element by element.

    Shapes: any three that broadcast. Gradient: g·(1-weight); g·weight; g·(end-input). Errors: RuntimeError for dtypes that differ,
    NotImplementedError for integers. Source: torch.lerp.

    >>> torch.lerp(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([0.0, 0.5]))
    tensor([1., 3.])
    """
    _one_dtype(input, end, weight)
    LERP_TENSOR.check(input)
    return _interpolated(input, end, weight)


@op(
    "lerp.Scalar(Tensor input, Tensor end, Scalar weight) -> Tensor",
    meta=_lerp_meta,
    kind="pointwise",
    promote="none",
    grad_fn="LerpBackward0",
    forms=FORMS,
    samples=lambda: [Sample(*s.args[:2], 0.3, tags=s.tags) for s in _triples()],
    vjp={
        "input": lambda g, weight: g * (1 - _conjugate(weight)),
        "end": lambda g, weight: g * _conjugate(weight),
    },
)
def lerp_scalar(input: Any, end: Any, weight: Any) -> Any:
    """The point between ``input`` (weight 0) and ``end`` (weight 1), for one weight.

    Shapes: any two that broadcast. Gradient: g·(1-weight); g·weight. Errors: RuntimeError for dtypes that differ,
    NotImplementedError for integers. Source: torch.lerp.

    >>> torch.lerp(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), 0.5)
    tensor([2., 3.])
    """
    _one_dtype(input, end)
    LERP.check(input)
    return _interpolated(input, end, np.asarray(weight).astype(input.dtype))
