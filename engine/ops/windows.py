"""Views of windows along a dim, and their gradient. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim


def _windows(shape: tuple[int, ...], dimension: int, size: int, step: int) -> tuple[int, ...]:
    d = wrap_dim(dimension, len(shape))
    n = shape[d] if shape else 1
    if size < 0 or size > n:
        raise TensorError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise TensorError(f"step is {step} but must be > 0")
    if not shape:
        return (size,)
    return (*shape[:d], (n - size) // step + 1, *shape[d + 1 :], size)


@op(
    "unfold(Tensor input, int dimension, int size, int step) -> Tensor",
    meta=lambda input, dimension, size, step: Spec(_windows(input.shape, dimension, size, step), input.dtype),
    kind="view",
    forms="method",
    samples=over(
        Sample(array(6, 2), 0, 3, 2),
        Sample(array(2, 5), -1, 2, 1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, 1, 1, tags=("0-d",)),
        Sample(array(0, 3), 1, 2, 1, tags=("empty",)),
        Sample(strided(3, 4), 1, 2, 2, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, dimension, size, step: rules.unfold_backward(
            g, input_shape, dimension, size, step
        )
    },
)
def unfold(input: Any, dimension: Any, size: Any, step: Any) -> Any:
    """A view of all windows of ``size`` along a dim, ``step`` apart, as a last dim. Gradient: the windows' gradients, added up.

    Source: torch.Tensor.unfold.

    >>> torch.arange(5).unfold(0, 2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    shape = _windows(input.shape, dimension, size, step)
    if not input.ndim:
        return np.reshape(input, (1,))[:size]
    d = wrap_dim(dimension, input.ndim)
    strides = (*input.strides[:d], input.strides[d] * step, *input.strides[d + 1 :], input.strides[d])
    return np.lib.stride_tricks.as_strided(input, shape, strides)


@op(
    "unfold_backward(Tensor input, int[] sizes, int dim, int size, int step) -> Tensor",
    meta=lambda input, sizes, dim, size, step: Spec(tuple(sizes), input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 2, 3), (6, 2), 0, 3, 2),
        Sample(array(2, 4, 2), (2, 5), -1, 2, 1, tags=("negative dim",)),
        Sample(array(1), (), 0, 1, 1),
        Sample(array(0, 2, 2), (0, 3), 1, 2, 1, tags=("empty",)),
        Sample(strided(3, 2, 2), (3, 4), 1, 2, 2, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim, size, step: rules.unfold(g, dim, size, step)},
)
def unfold_backward(input: Any, sizes: Any, dim: Any, size: Any, step: Any) -> Any:
    """Windows added up where they came from: the gradient of ``unfold``. Source: PyTorch's unfold_backward.

    >>> x = torch.zeros(3, requires_grad=True)
    >>> x.unfold(0, 2, 1).sum().backward()
    >>> x.grad
    tensor([1., 2., 1.])
    """
    out = np.zeros(sizes or (1,), input.dtype)
    d = wrap_dim(dim, out.ndim)
    lead = (slice(None),) * d
    for k in range(size):
        count = input.shape[d] if sizes else 1
        part = input[..., k]
        out[(*lead, slice(k, k + (count - 1) * step + 1, step))] += part
    return out.reshape(sizes) if sizes else out[0]
