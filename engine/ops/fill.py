"""What overwrites: copy_, fill_, zero_. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided, unary
from engine.scalars import converted
from engine.shapes import broadcast_shapes, same


def _fits(input: Any, src: Any) -> None:
    if broadcast_shapes(input.shape, src.shape) != tuple(input.shape):
        raise TensorError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(input.shape, src.shape))}"
        )


def _copy_meta(input: Spec, src: Spec, non_blocking: bool) -> Spec:
    _fits(input, src)
    return input


@op(
    "copy(Tensor input, Tensor src, bool non_blocking=False) -> Tensor",
    meta=_copy_meta,
    kind="linear",
    grad_fn="torch::autograd::CopyBackwards",
    forms="inplace",
    samples=over(
        Sample(array(2, 3), array(2, 3, start=9)),
        Sample(array(2, 3), array(3), tags=("broadcast",)),
        Sample(np.array(1.5), np.array(2.5), tags=("0-d",)),
        Sample(array(0, 3), array(3), tags=("empty",)),
        Sample(strided(3, 2), array(3, 2), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g: rules.zeros_like(g), "src": lambda g: g},
)
def copy(input: Any, src: Any, non_blocking: Any) -> Any:
    """Overwrite with the values of ``src``, which is broadcast and cast.

    Gradient: zero for what is overwritten, g for src. Source: torch.Tensor.copy_.

    >>> torch.zeros(2).copy_(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    _fits(input, src)
    if src.dtype.kind == "c" and input.dtype.kind != "c":
        src = src.real
    return np.broadcast_to(src, input.shape).astype(input.dtype)


def _value(input: Any, value: Any) -> Any:
    return np.full(input.shape, converted(value, input.dtype, half=input.size != 1))


@op(
    "fill.Scalar(Tensor input, Scalar value) -> Tensor",
    meta=lambda input, value: input,
    kind="linear",
    grad_fn="FillBackward0",
    forms="function inplace",
    samples=lambda: [Sample(*s.args, 1.5, tags=s.tags) for s in unary()()],
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def fill(input: Any, value: Any) -> Any:
    """One number everywhere.

    Gradient: zero. Source: torch.Tensor.fill_.

    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    return _value(input, value)


def _one(value: Any) -> None:
    if value.ndim:
        raise TensorError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")


def _fill_meta(input: Spec, value: Spec) -> Spec:
    _one(value)
    return input


@op(
    "fill.Tensor(Tensor input, Tensor value) -> Tensor",
    meta=_fill_meta,
    kind="linear",
    grad_fn="FillBackward1",
    forms="function inplace",
    samples=lambda: [Sample(*s.args, np.array(1.5), tags=s.tags) for s in unary()()],
    vjp={"input": lambda g: rules.zeros_like(g), "value": lambda g: rules.sum(g)},
)
def fill_tensor(input: Any, value: Any) -> Any:
    """The value of a tensor without dims everywhere.

    Gradient: zero; the sum of g for value. Errors: RuntimeError for a value with dims. Source: torch.Tensor.fill_.

    >>> torch.zeros(2).fill_(torch.tensor(3.0))
    tensor([3., 3.])
    """
    _one(value)
    return np.broadcast_to(value, input.shape).astype(input.dtype)


@op(
    "zero(Tensor input) -> Tensor",
    meta=same,
    kind="linear",
    forms="inplace",
    samples=unary(),
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def zero(input: Any) -> Any:
    """Zero everywhere.

    Gradient: zero. Source: torch.Tensor.zero_.

    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    return np.zeros(input.shape, input.dtype)


def _diagonal(input: Any) -> None:
    if input.ndim < 2:
        raise TensorError("dimensions must larger than 1")
    if input.ndim > 2 and len(set(input.shape)) > 1:
        raise TensorError("all dimensions of input must be of equal length")


def _diagonal_meta(input: Spec, fill_value: Any, wrap: bool) -> Spec:
    _diagonal(input)
    return input


@op(
    "fill_diagonal(Tensor input, Scalar fill_value, bool wrap=False) -> Tensor",
    meta=_diagonal_meta,
    kind="opaque",
    grad_fn="torch::autograd::CopySlices",
    forms="inplace",
    samples=over(
        Sample(array(3, 4), 1.5),
        Sample(array(7, 2), 1.5, True),
        Sample(array(0, 3), 1.5, tags=("empty",)),
        Sample(strided(3, 3), 1.5, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, wrap: rules.fill_diagonal(g, 0, wrap)},
)
def fill_diagonal(input: Any, fill_value: Any, wrap: Any) -> Any:
    """One number along the main diagonal; ``wrap``: in a tall matrix again below it.

    Gradient: g, zero along the diagonal. Errors: RuntimeError for less than two dims, and for more of different sizes.
    Source: torch.Tensor.fill_diagonal_.

    >>> torch.zeros(2, 2).fill_diagonal_(3)
    tensor([[3., 0.],
            [0., 3.]])
    """
    _diagonal(input)
    out = np.array(input)
    if out.size:
        np.fill_diagonal(out, converted(fill_value, out.dtype), wrap)
    return out
