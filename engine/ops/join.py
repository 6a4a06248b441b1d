"""Joining tensors: cat, stack; and parting them again. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import InvalidValueError, ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim


def _legacy(shape: tuple[int, ...]) -> bool:
    """PyTorch skips tensors of shape (0,) in cat."""
    return shape == (0,)


def _catted(shapes: list[tuple[int, ...]], dim: int) -> tuple[int, ...]:
    if not shapes:
        raise InvalidValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, shape in enumerate(shapes):
        if not shape:
            raise TensorError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    first = next((s for s in shapes if not _legacy(s)), shapes[0])
    d = wrap_dim(dim, len(first))
    total = 0
    for i, shape in enumerate(shapes):
        if _legacy(shape) and len(first) != 1:
            continue
        if len(shape) != len(first):
            raise ShapeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        for k, (a, b) in enumerate(zip(first, shape, strict=True)):
            if k != d and a != b:
                raise ShapeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {a} but got size {b} for tensor number {i} in "
                    "the list."
                )
        total += shape[d]
    return (*first[:d], total, *first[d + 1 :])


def _parted(g: Any, shapes: Any, dim: int) -> list[Any]:
    d = dim % g.ndim
    out, start = [], 0
    for shape in shapes:
        if shape == (0,) and g.ndim != 1:
            out.append(rules.zeros_like(rules.slice(rules.reshape(g, (-1,)), 0, 0, 0)))
            continue
        out.append(rules.slice(g, d, start, start + shape[d]))
        start += shape[d]
    return out


@op(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    meta=lambda tensors, dim: Spec(_catted([t.shape for t in tensors], dim), tensors[0].dtype),
    kind="linear",
    promote="common",
    names=("cat", "concat", "concatenate"),
    forms="function",
    samples=over(
        Sample([array(2, 3), array(1, 3, start=9)]),
        Sample([array(2, 3), array(2, 1, start=9)], -1, tags=("negative dim",)),
        Sample([array(0, 3), array(2, 3)], tags=("empty",)),
        Sample([strided(3, 2), array(1, 2)], tags=("non-contiguous",)),
    ),
    vjp={"tensors": lambda g, tensors_shape, dim: _parted(g, tensors_shape, dim)},
)
def cat(tensors: Any, dim: Any) -> Any:
    """Tensors one after another along a dim.

    Shapes: equal but for that dim; a tensor of shape (0,) is skipped. Gradient: the parts of g. Source: torch.cat.

    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    shape = _catted([t.shape for t in tensors], dim)
    parts = [t for t in tensors if len(shape) == 1 or not _legacy(t.shape)]
    return np.concatenate(parts or tensors[:1], axis=wrap_dim(dim, len(shape)))


def _stacked(shapes: list[tuple[int, ...]], dim: int) -> tuple[int, ...]:
    if not shapes:
        raise TensorError("stack expects a non-empty TensorList")
    first = shapes[0]
    d = wrap_dim(dim, len(first) + 1)
    for i, shape in enumerate(shapes):
        if shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(shape)} at entry {i}"
            )
    return (*first[:d], len(shapes), *first[d:])


@op(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    meta=lambda tensors, dim: Spec(_stacked([t.shape for t in tensors], dim), tensors[0].dtype),
    kind="linear",
    promote="common",
    forms="function",
    samples=over(
        Sample([array(2, 3), array(2, 3, start=9)]),
        Sample([array(2, 3), array(2, 3, start=9)], -1, tags=("negative dim",)),
        Sample([np.array(1.5), np.array(2.5)], tags=("0-d",)),
        Sample([array(0, 3), array(0, 3)], tags=("empty",)),
        Sample([strided(3, 2), array(3, 2)], tags=("non-contiguous",)),
    ),
    vjp={"tensors": lambda g, dim: list(rules.unbind(g, dim))},
)
def stack(tensors: Any, dim: Any) -> Any:
    """Tensors of one shape side by side along a new dim. Gradient: the pieces of g. Source: torch.stack.

    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    shape = _stacked([t.shape for t in tensors], dim)
    return np.stack(tensors, axis=wrap_dim(dim, len(shape)))


def _sizes(shape: tuple[int, ...], sizes: Any, dim: int) -> int:
    if not shape:
        raise TensorError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    if any(n < 0 for n in sizes):
        raise TensorError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != shape[d]:
        raise TensorError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[d]} (input tensor's size at dimension {d}), but got "
            f"split_sizes={list(sizes)}"
        )
    return d


def _split_meta(input: Spec, split_sizes: Any, dim: int) -> list[Spec]:
    d = _sizes(input.shape, split_sizes, dim)
    return [Spec((*input.shape[:d], n, *input.shape[d + 1 :]), input.dtype) for n in split_sizes]


def _rejoined(grads: Any, input_shape: tuple[int, ...], split_sizes: Any, dim: int) -> Any:
    d = wrap_dim(dim, len(input_shape))
    there = next(g for g in grads if g is not None)
    return rules.cat(
        [
            rules.expand(
                rules.reshape(rules.zeros_like(rules.sum(there)), (1,) * len(input_shape)),
                (*input_shape[:d], n, *input_shape[d + 1 :]),
            )
            if g is None
            else g
            for g, n in zip(grads, split_sizes, strict=True)
        ],
        d,
    )


@op(
    "split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]",
    meta=_split_meta,
    kind="view",
    samples=over(
        Sample(array(4, 3), (1, 3)),
        Sample(array(2, 5), (2, 0, 3), -1, tags=("negative dim",)),
        Sample(array(0, 3), (0,), tags=("empty",)),
        Sample(strided(3, 4), (2, 2), 1, tags=("non-contiguous",)),
    ),
    vjp={"input": _rejoined},
)
def split_with_sizes(input: Any, split_sizes: Any, dim: Any) -> Any:
    """Views of parts of a dim with these sizes. Gradient: the parts' gradients, one after another.

    Errors: RuntimeError where the sizes do not add up. Source: torch.split_with_sizes.

    >>> torch.arange(5).split_with_sizes([2, 3])
    (tensor([0, 1]), tensor([2, 3, 4]))
    """
    d = _sizes(input.shape, split_sizes, dim)
    out, start = [], 0
    for n in split_sizes:
        out.append(input[(slice(None),) * d + (slice(start, start + n),)])
        start += n
    return tuple(out)
