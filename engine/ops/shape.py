"""Views and reshapes. Kernels of kind "view" answer a NumPy view of their input. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim


def expanded(shape: tuple[int, ...], size: Any) -> tuple[int, ...]:
    """The shape that ``expand`` gives; -1 keeps a size."""
    if len(size) < len(shape):
        raise TensorError(
            f"expand(torch.FloatTensor{{{list(shape)}}}, size={list(size)}): the number of sizes provided ({len(size)}) must be greater "
            f"or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    lead = len(size) - len(shape)
    out = []
    for i, n in enumerate(size):
        old = shape[i - lead] if i >= lead else None
        if n == -1:
            if old is None:
                raise TensorError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            out.append(old)
        elif old is not None and old not in (1, n):
            raise ShapeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton dimension {i}.  "
                f"Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
            )
        else:
            out.append(n)
    return tuple(out)


@op(
    "expand(Tensor input, int[] size) -> Tensor",
    meta=lambda input, size: Spec(expanded(input.shape, size), input.dtype),
    kind="view",
    forms="method",
    samples=over(
        Sample(array(2, 1), 2, 3, tags=("broadcast",)),
        Sample(np.array(1.5), 2, tags=("0-d",)),
        Sample(array(1, 3), 0, -1, tags=("empty", "negative dim")),
        Sample(strided(3, 2)[:, :1], 3, 4, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape: rules.sum_to_size(g, input_shape)},
)
def expand(input: Any, size: Any) -> Any:
    """A view with dims of size 1 repeated; -1 keeps a size.

    Gradient: g, summed over the repeated dims. Source: torch.Tensor.expand.

    >>> torch.ones(2, 1).expand(-1, 3).shape
    torch.Size([2, 3])
    """
    return np.broadcast_to(input, expanded(input.shape, size))


@op(
    "unsqueeze(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: Spec(
        (*input.shape[: wrap_dim(dim, input.ndim + 1)], 1, *input.shape[wrap_dim(dim, input.ndim + 1) :]), input.dtype
    ),
    kind="view",
    samples=over(
        Sample(array(2, 3), 1),
        Sample(array(2, 3), -1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), 0, tags=("empty",)),
        Sample(strided(3, 2), 2, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim: rules.squeeze(g, dim)},
)
def unsqueeze(input: Any, dim: Any) -> Any:
    """A view with a dim of size 1 put in at ``dim``.

    Gradient: g without that dim. Source: torch.unsqueeze.

    >>> torch.ones(2).unsqueeze(0).shape
    torch.Size([1, 2])
    """
    return np.expand_dims(input, wrap_dim(dim, input.ndim + 1))


def _squeezed(shape: tuple[int, ...], dims: Any) -> tuple[int, ...]:
    gone = {wrap_dim(d, len(shape)) for d in dims}
    return tuple(n for i, n in enumerate(shape) if i not in gone or n != 1)


@op(
    "squeeze.dim(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: Spec(_squeezed(input.shape, (dim,)), input.dtype),
    kind="view",
    grad_fn="SqueezeBackward1",
    samples=over(
        Sample(array(2, 1), 1),
        Sample(array(2, 1), -1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, tags=("0-d",)),
        Sample(np.zeros((0, 1)), 1, tags=("empty",)),
        Sample(strided(3, 2)[:, :1], 1, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape, dim: unsqueezed(g, input_shape, (dim,))},
)
def squeeze_dim(input: Any, dim: Any) -> Any:
    """A view without the dim, if its size is 1.

    Gradient: g with that dim put back. Source: torch.squeeze.

    >>> torch.ones(2, 1).squeeze(1).shape
    torch.Size([2])
    """
    return np.reshape(input, _squeezed(input.shape, (dim,)))


def unsqueezed(g: Any, shape: tuple[int, ...], dims: Any) -> Any:
    """A gradient with the dims put back that a squeeze took."""
    for d in sorted(wrap_dim(d, len(shape)) for d in dims):
        if shape and shape[d] == 1:
            g = rules.unsqueeze(g, d)
    return g


@op(
    "sum_to_size(Tensor input, int[] size) -> Tensor",
    kind="composite",
    forms="method",
    meta=lambda input, size: Spec(tuple(size), input.dtype),
    samples=over(Sample(array(2, 3), 1, 3), Sample(array(2, 3), 3)),
)
def sum_to_size(input: Any, size: Any) -> Any:
    """Sum over the dims in which ``size`` is smaller: what undoes a broadcast. Source: torch.Tensor.sum_to_size.

    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    lead = input.ndim - len(size)
    if lead < 0 or any(n not in (1, m) for n, m in zip(size, input.shape[lead:], strict=True)):
        raise ShapeError(f"size {{{list(size)}}} is not expandable to size {{{list(input.shape)}}}.")
    dims = [i for i in range(input.ndim) if i < lead or (size[i - lead] == 1 and input.shape[i] != 1)]
    if dims:
        input = rules.sum(input, dims, True)
    return rules.reshape(input, size) if lead else input


@op(
    "view(Tensor input, int[] size) -> Tensor",
    meta=lambda input, size: Spec(tuple(size), input.dtype),
    kind="view",
    forms="method",
    samples=over(Sample(array(2, 3), 3, 2)),
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def view(input: Any, size: Any) -> Any:
    """A view of the same elements in another shape. Source: torch.Tensor.view."""
    return np.reshape(input, size)


@op(
    "reshape(Tensor input, int[] shape) -> Tensor",
    kind="composite",
    meta=lambda input, shape: Spec(tuple(shape), input.dtype),
    samples=over(Sample(array(2, 3), 3, 2)),
)
def reshape(input: Any, shape: Any) -> Any:
    """The same elements in another shape. Source: torch.reshape."""
    return rules.view(input, shape)
