"""Parting a dim by sizes: split, chunk and their kin. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, Specs, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim


def _split_sizes(shape: tuple[int, ...], split_size: int, dim: int) -> tuple[int, Sequence[int]]:
    if not shape:
        raise TensorError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    n = shape[d]
    if split_size < 0:
        raise TensorError(f"split expects split_size be non-negative, but got split_size={split_size}")
    if split_size == 0:
        if n:
            raise TensorError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
        return d, [0]
    return d, _Even(n, split_size, max(-(-n // split_size), 1))


class _Even(Sequence[int]):
    """The sizes of parts of a dim that are alike but for the last, not written out."""

    def __init__(self, n: int, size: int, count: int) -> None:
        self.n = n
        self.size = size
        self.length = min(count, sys.maxsize)

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        places = range(self.length)[index]
        if isinstance(places, int):
            return max(0, min(self.size, self.n - places * self.size))
        return [self[i] for i in places]


def _parts(shape: tuple[int, ...], d: int, sizes: Sequence[int], dtype: Any) -> Specs:
    return Specs(len(sizes), lambda i: Spec((*shape[:d], sizes[i], *shape[d + 1 :]), dtype))


def _split_meta(input: Spec, split_size: int, dim: int) -> Specs:
    return _parts(input.shape, *_split_sizes(input.shape, split_size, dim), input.dtype)


def _cut(input: Any, d: int, sizes: Sequence[int]) -> tuple[Any, ...]:
    out, start = [], 0
    lead = (slice(None),) * d
    for n in sizes:
        out.append(input[(*lead, slice(start, start + n))])
        start += n
    return tuple(out)


def _joined(grads: Any, input_shape: tuple[int, ...], d: int, sizes: Sequence[int]) -> Any:
    """The parts' gradients one after another, with zeros for those that got none."""
    there = next(g for g in grads if g is not None)
    d_type = getattr(there.dtype, "numpy", there.dtype)
    shapes = [(*input_shape[:d], n, *input_shape[d + 1 :]) for n in sizes]
    return rules.cat([np.zeros(s, d_type) if g is None else g for g, s in zip(grads, shapes, strict=True)], d)


def _rejoined(grads: Any, input_shape: tuple[int, ...], split_size: int, dim: int) -> Any:
    return _joined(grads, input_shape, *_split_sizes(input_shape, split_size, dim))


SPLITS = (
    Sample(array(5, 3), 2),
    Sample(array(2, 4), 2, -1, tags=("negative dim",)),
    Sample(array(1), 1),
    Sample(array(0, 3), 2, tags=("empty",)),
    Sample(strided(3, 4), 3, 1, tags=("non-contiguous",)),
)
LISTS = (
    Sample(array(4, 3), (1, 3)),
    Sample(array(2, 5), (2, 0, 3), -1, tags=("negative dim",)),
    Sample(array(1), (1,)),
    Sample(array(0, 3), (0,), tags=("empty",)),
    Sample(strided(3, 4), (2, 2), 1, tags=("non-contiguous",)),
)


@op(
    "split.Tensor(Tensor input, int split_size, int dim=0) -> Tensor[]",
    meta=_split_meta,
    kind="view",
    samples=over(*SPLITS),
    vjp={"input": _rejoined},
)
def split(input: Any, split_size: Any, dim: Any) -> Any:
    """Views of parts of a dim, each of ``split_size`` but the last, which is what is left.

    Gradient: the parts' gradients, one after another. Errors: RuntimeError for a negative size. Source: torch.split.

    >>> torch.split(torch.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _cut(input, *_split_sizes(input.shape, split_size, dim))


def _list_meta(input: Spec, split_size: Any, dim: int) -> Specs:
    return _parts(input.shape, _listed(input.shape, split_size, dim), split_size, input.dtype)


def _listed(shape: tuple[int, ...], sizes: Sequence[int], dim: int) -> int:
    if not shape:
        raise TensorError("split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, len(shape))
    wanted = f"but got split_sizes={list(sizes)}"
    if any(n < 0 for n in sizes):
        raise TensorError(f"split_with_sizes expects split_sizes have only non-negative entries, {wanted}")
    if sum(sizes) != shape[d]:
        raise TensorError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[d]} (input tensor's size at dimension {d}), {wanted}"
        )
    return d


@op(
    "split.sizes(Tensor input, int[] split_size, int dim=0) -> Tensor[]",
    meta=_list_meta,
    kind="composite",
    samples=over(*LISTS),
)
def split_sizes(input: Any, split_size: Any, dim: Any) -> Any:
    """Views of parts of a dim with these sizes: split_with_sizes.

    Errors: RuntimeError where the sizes do not add up. Source: torch.split.

    >>> torch.split(torch.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    return rules.split_with_sizes(input, split_size, dim)


def _chunk_sizes(shape: tuple[int, ...], chunks: int, dim: int) -> tuple[int, Sequence[int]]:
    if not shape:
        raise TensorError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise TensorError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = wrap_dim(dim, len(shape))
    if shape[d] == 0:
        return d, _Even(0, 1, chunks)
    return _split_sizes(shape, -(-shape[d] // chunks), d)


def _chunk_meta(input: Spec, chunks: int, dim: int) -> Estimate:
    return Estimate(_parts(input.shape, *_chunk_sizes(input.shape, chunks, dim), input.dtype), 0, 1)


@op(
    "chunk(Tensor input, int chunks, int dim=0) -> Tensor[]",
    meta=_chunk_meta,
    kind="composite",
    samples=over(*SPLITS),
)
def chunk(input: Any, chunks: Any, dim: Any) -> Any:
    """Views of at most so many parts of a dim, equal but for the last.

    Errors: RuntimeError for no chunks. Source: torch.chunk.

    >>> torch.chunk(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    d, sizes = _chunk_sizes(tuple(input.shape), chunks, dim)
    return rules.split(input, sizes[0], d) if input.shape[d] else rules.split_with_sizes(input, tuple(sizes), d)


# -- parts that are tensors of their own -----------------------------------------------------------------------------------


@op(
    "unsafe_split.Tensor(Tensor input, int split_size, int dim=0) -> Tensor[]",
    meta=_split_meta,
    kind="linear",
    samples=over(*SPLITS),
    vjp={"input": _rejoined},
)
def unsafe_split(input: Any, split_size: Any, dim: Any) -> Any:
    """As ``split``, but the parts may be changed in place: they have memory of their own.

    Gradient: the parts' gradients, one after another. Source: torch.unsafe_split.

    >>> torch.unsafe_split(torch.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return tuple(np.array(part) for part in split.kernel(input, split_size, dim))


@op(
    "unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]",
    meta=_list_meta,
    kind="linear",
    samples=over(*LISTS),
    vjp={
        "input": lambda grads, input_shape, split_sizes, dim: _joined(
            grads, input_shape, _listed(input_shape, split_sizes, dim), split_sizes
        )
    },
)
def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: Any) -> Any:
    """As ``split_with_sizes``, but the parts may be changed in place: they have memory of their own.

    Gradient: the parts' gradients, one after another. Source: torch.unsafe_split_with_sizes.

    >>> torch.unsafe_split_with_sizes(torch.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    return tuple(np.array(part) for part in _cut(input, _listed(input.shape, split_sizes, dim), split_sizes))


@op(
    "unsafe_chunk(Tensor input, int chunks, int dim=0) -> Tensor[]",
    meta=_chunk_meta,
    kind="composite",
    samples=over(*SPLITS),
)
def unsafe_chunk(input: Any, chunks: Any, dim: Any) -> Any:
    """As ``chunk``, but the parts may be changed in place: they have memory of their own.

    Source: torch.unsafe_chunk.

    >>> torch.unsafe_chunk(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    d, sizes = _chunk_sizes(tuple(input.shape), chunks, dim)
    return (
        rules.unsafe_split(input, sizes[0], d)
        if input.shape[d]
        else rules.unsafe_split_with_sizes(input, tuple(sizes), d)
    )
