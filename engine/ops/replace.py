"""Elements replaced by a value: by a mask, below zero, where there is no number. Rules: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import Domain
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, strided, unary
from engine.scalars import converted
from engine.shapes import broadcast_shapes, same

FORMS = "function method inplace"
RELU = Domain("b", "Boolean inputs not supported for relu", TensorError)
CLAMP = Domain("c", "clamp is not supported for complex types")
_CPP = {
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}
_WIDE = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int64": "int64_t"}


def _fits(input: Any, mask: Any, value: Any) -> None:
    """Errors: RuntimeError for a mask that is not bool and a value that the input's dtype cannot hold."""
    if mask.dtype.name != "bool":
        raise TensorError(f"masked_fill_ only supports boolean masks, but got mask with dtype {_CPP[mask.dtype.name]}")
    name = input.dtype.name
    if isinstance(value, (bool, int, float, complex)):
        converted(value, np.dtype(name))
    elif value.dtype.name.startswith("complex") and not name.startswith("complex"):
        raise TensorError(f"value cannot be converted to type {_WIDE.get(name, _CPP.get(name))} without overflow")
    elif len(value.shape):
        raise TensorError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value.shape)} dimension(s)."
        )


def _filled_meta(input: Spec, mask: Spec, value: Any) -> Spec:
    _fits(input, mask, value)
    return Spec(broadcast_shapes(mask.shape, input.shape), input.dtype)


def _filled(input: Any, mask: Any, value: Any) -> Any:
    _fits(input, mask, value)
    fill = (
        value.astype(input.dtype)
        if isinstance(value, (np.ndarray, np.generic))
        else np.asarray(value).astype(input.dtype)
    )
    return np.where(mask, fill, input)


def _masked(value: Any) -> list[Sample]:
    a, b = array(2, 3), array(2, 3, start=20)
    return [
        Sample(a, b > 0, value),
        Sample(a, b[0] > 0, value, tags=("broadcast",)),
        Sample(a[0], b > 0, value, tags=("broadcast",)),
        Sample(np.array(1.5), np.array(True), value, tags=("0-d",)),
        Sample(array(0, 3), np.zeros(3, bool), value, tags=("empty",)),
        Sample(strided(3, 2), strided(3, 2) > 0, value, tags=("non-contiguous",)),
    ]


@op(
    "masked_fill.Tensor(Tensor input, Tensor mask, Tensor value) -> Tensor",
    meta=_filled_meta,
    kind="pointwise",
    promote="none",
    grad_fn="MaskedFillBackward1",
    forms=FORMS,
    samples=lambda: _masked(np.array(2.5)),
    vjp={
        "input": lambda g, mask: rules.where(mask, 0, g),
        "value": lambda g, mask: rules.where(mask, g, 0),
    },
)
def masked_fill_tensor(input: Any, mask: Any, value: Any) -> Any:
    """The input, with the 0-d ``value`` where the mask holds.

    Shapes: any two that broadcast, and a value without dims. Gradient: g where the mask does not hold; the sum of the others for
    value. Errors: RuntimeError for a mask that is not bool. Source: torch.masked_fill.

    >>> x = torch.tensor([1.0, -2.0, 3.0])
    >>> x.masked_fill(x < 0, torch.tensor(9.0))
    tensor([1., 9., 3.])
    """
    return _filled(input, mask, value)


@op(
    "masked_fill.Scalar(Tensor input, Tensor mask, Scalar value) -> Tensor",
    meta=_filled_meta,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    samples=lambda: _masked(2.5),
    vjp={"input": lambda g, mask: rules.where(mask, 0, g)},
)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """The input, with ``value`` where the mask holds.

    Shapes: any two that broadcast. Gradient: g where the mask does not hold. Errors: RuntimeError for a mask that is not bool and a
    value that the dtype cannot hold. Source: torch.masked_fill.

    >>> x = torch.tensor([1.0, -2.0, 3.0])
    >>> x.masked_fill(x < 0, 0)
    tensor([1., 0., 3.])
    """
    return _filled(input, mask, value)


def _relu_check(input: Any) -> None:
    RELU.check(input)
    CLAMP.check(input)


def _relu_meta(input: Spec) -> Spec:
    _relu_check(input)
    return input


_BITS = {"f": np.int32, "d": np.int64}
"""Integers as wide as a float: a mask of bits keeps or clears a number without a branch, which where has."""


@op(
    "threshold_backward(Tensor grad_output, Tensor input) -> Tensor",
    meta=lambda grad_output, input: grad_output,
    kind="pointwise",
    forms="",
    names=("_threshold_backward",),
    samples=lambda: [Sample(*s.args, *s.args, tags=s.tags) for s in unary()()],
    vjp={
        "grad_output": lambda g, input: rules._threshold_backward(g, input),
        "input": lambda g: rules.zeros_like(g),
    },
)
def _threshold_backward(grad_output: Any, input: Any) -> Any:
    """The gradient of ``relu``: 0 where ``input`` is not above 0. Gradient: the same of g; zero for input. Source: torch.relu.

    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> torch.autograd.grad(torch.relu(x).sum(), x)
    (tensor([0., 1.]),)
    """
    gone = np.less_equal(input, 0)
    bits = _BITS.get(grad_output.dtype.char)
    if bits is None or not (gone.ndim and grad_output.shape == gone.shape):
        return np.where(gone, grad_output.dtype.type(0), grad_output)
    kept = np.subtract(gone.view(np.int8), np.int8(1)).astype(bits)
    return np.bitwise_and(grad_output.view(bits), kept).view(grad_output.dtype)


@op(
    "relu(Tensor input) -> Tensor",
    meta=_relu_meta,
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g, result: rules._threshold_backward(g, result)},
)
def relu(input: Any) -> Any:
    """Each element, or 0 where it is below.

    Gradient: g where the result is above 0. Errors: RuntimeError for bools, NotImplementedError for complex tensors.
    Source: torch.relu.

    >>> torch.relu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    _relu_check(input)
    return np.maximum(input, input.dtype.type(0))


@op(
    "relu(Tensor input, bool inplace=False) -> Tensor",
    meta=lambda input, inplace: _relu_meta(input),
    kind="composite",
    names=("nn.functional.relu",),
    forms="function",
    samples=unary(),
)
def relu_functional(input: Any, inplace: Any) -> Any:
    """Each element, or 0 where it is below; written into the input where ``inplace``.

    Gradient: as torch.relu. Source: torch.nn.functional.relu.

    >>> torch.nn.functional.relu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    return input.relu_() if inplace else rules.relu(input)


def _numbers(input: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    limits = np.finfo(input.dtype)
    out = np.where(np.isnan(input), input.dtype.type(nan or 0), input)
    out = np.where(np.equal(out, np.inf), limits.max if posinf is None else input.dtype.type(posinf), out)
    return np.where(np.equal(out, -np.inf), limits.min if neginf is None else input.dtype.type(neginf), out)


@op(
    "nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor",
    meta=same,
    kind="pointwise",
    forms=FORMS,
    samples=lambda: [*unary()(), Sample(array(2, 3), 1.0, 2.0, -2.0)],
    vjp={"input": lambda g, input: g * rules.isfinite(input)},
)
def nan_to_num(input: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """Numbers in place of NaN (0 unless given) and of the infinities (the greatest and least numbers of the dtype unless given).

    Gradient: g where the element is finite. Source: torch.nan_to_num.

    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.0, float("inf")]), posinf=9.0)
    tensor([0., 1., 9.])
    """
    if input.dtype.kind == "c":
        real, imag = (_numbers(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return (real + 1j * imag).astype(input.dtype)
    return _numbers(input, nan, posinf, neginf) if input.dtype.kind == "f" else np.array(input)
