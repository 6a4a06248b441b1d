"""The same elements elsewhere: reversed, rolled, turned, repeated. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DimensionError, ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Sample, Spec, op
from engine.places import code, spoken_of
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim, wrap_dims


def _flip_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    return wrap_dims(dims, ndim) if len(dims) else ()


def _flip_meta(input: Spec, dims: Any) -> Spec:
    _flip_dims(dims, input.ndim)
    return input


@op(
    "flip(Tensor input, int[] dims) -> Tensor",
    meta=_flip_meta,
    kind="linear",
    samples=over(
        Sample(array(2, 3), (0,)),
        Sample(array(2, 3), (0, -1), tags=("negative dim",)),
        Sample(array(2, 3), ()),
        Sample(np.array(1.5), (0,), tags=("0-d",)),
        Sample(array(0, 3), (1,), tags=("empty",)),
        Sample(strided(3, 2), (1,), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dims: rules.flip(g, dims)},
)
def flip(input: Any, dims: Any) -> Any:
    """A copy with the order along each of the dims reversed.

    Gradient: g reversed likewise. Source: torch.flip.

    >>> torch.flip(torch.tensor([[1, 2], [3, 4]]), (0,))
    tensor([[3, 4],
            [1, 2]])
    """
    gone = _flip_dims(dims, input.ndim)
    if not input.ndim:
        return np.array(input)[()]
    return np.array(input[tuple(slice(None, None, -1 if i in gone else 1) for i in range(input.ndim))], order="C")


def _at_least(input: Any, n: int) -> None:
    if len(input.shape) < n:
        raise TensorError(f"Input must be >= {n}-d.")


def _flat_meta(n: int) -> Any:
    def meta(input: Spec) -> Spec:
        _at_least(input, n)
        return input

    return meta


@op(
    "fliplr(Tensor input) -> Tensor",
    meta=_flat_meta(2),
    kind="composite",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(1, 1)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def fliplr(input: Any) -> Any:
    """A copy with the second dim reversed.

    Errors: RuntimeError for less than two dims. Source: torch.fliplr.

    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    _at_least(input, 2)
    return rules.flip(input, (1,))


@op(
    "flipud(Tensor input) -> Tensor",
    meta=_flat_meta(1),
    kind="composite",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(1)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def flipud(input: Any) -> Any:
    """A copy with the first dim reversed.

    Errors: RuntimeError for a tensor without dims. Source: torch.flipud.

    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    _at_least(input, 1)
    return rules.flip(input, (0,))


def _roll_check(input: Any, shifts: Any, dims: Any) -> None:
    if not shifts:
        raise TensorError("`shifts` required")
    if not dims and len(shifts) == 1:
        return
    if len(shifts) != len(dims):
        raise TensorError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    for d in dims:
        if not input.shape:
            raise DimensionError(f"Dimension specified as {d} but tensor has no dimensions")
        wrap_dim(d, len(input.shape))


def _roll_meta(input: Spec, shifts: Any, dims: Any) -> Spec:
    _roll_check(input, shifts, dims)
    return input


@op(
    "roll(Tensor input, int[1] shifts, int[1] dims=[]) -> Tensor",
    meta=_roll_meta,
    kind="linear",
    samples=over(
        Sample(array(2, 3), 1),
        Sample(array(2, 3), (1, -2), (0, -1), tags=("negative dim",)),
        Sample(np.array(1.5), 1, tags=("0-d",)),
        Sample(array(0, 3), 2, 0, tags=("empty",)),
        Sample(strided(3, 2), 1, 0, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, shifts, dims: rules.roll(g, tuple(-s for s in shifts), dims)},
)
def roll(input: Any, shifts: Any, dims: Any) -> Any:
    """A copy with the elements moved on along dims; what leaves at the end comes in at the start. Without dims: as if flattened.

    Gradient: g moved back. Source: torch.roll.

    >>> torch.roll(torch.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([[3, 4],
            [1, 2]])
    """
    _roll_check(input, shifts, dims)
    return np.roll(input, shifts, dims) if dims else np.roll(input, shifts[0])[()]


def _turn(input: Any, dims: Any) -> tuple[int, int]:
    n = len(input.shape)
    if len(dims) != 2:
        raise TensorError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if n < 2:
        raise TensorError(f"expected total dims >= 2, but got total dims = {n}")
    a, b = wrap_dim(dims[0], n), wrap_dim(dims[1], n)
    if a == b:
        raise TensorError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return a, b


def _turned_meta(input: Spec, k: int, dims: Any) -> Spec:
    a, b = _turn(input, dims)
    shape = list(input.shape)
    if k % 2:
        shape[a], shape[b] = shape[b], shape[a]
    return Spec(tuple(shape), input.dtype)


@op(
    "rot90(Tensor input, int k=1, int[] dims=[0, 1]) -> Tensor",
    meta=_turned_meta,
    kind="linear",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(2, 3, 2), 3, (0, -1), tags=("negative dim",)),
        Sample(array(2, 3), -2),
        Sample(array(1, 1), 0),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), 5, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, k, dims: rules.rot90(g, -k, dims)},
)
def rot90(input: Any, k: Any, dims: Any) -> Any:
    """A copy turned by ``k`` quarters in the plane of two dims, from the first toward the second.

    Gradient: g turned back. Errors: RuntimeError for less than two dims, for two that are the same. Source: torch.rot90.

    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    return np.array(np.rot90(input, k, _turn(input, dims)), order="C")


def _repeated(shape: tuple[int, ...], repeats: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The input's shape with dims of 1 in front, and the result's."""
    lead = len(repeats) - len(shape)
    if lead < 0:
        raise ShapeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    full = (1,) * lead + tuple(shape)
    out = tuple(n * r for n, r in zip(full, repeats, strict=True))
    for n, r in zip(full, repeats, strict=True):
        if r < 0:
            raise TensorError(f"Trying to create tensor with negative dimension {n * r}: {list(out)}")
    return full, out


def _unrepeated(g: Any, input_shape: Any, repeats: Any) -> Any:
    full, _ = _repeated(input_shape, repeats)
    pairs = [(r, n) for r, n in zip(repeats, full, strict=True)]
    apart: list[int] = []
    summed: list[int] = []
    for r, n in pairs:
        if r != 1:
            summed.append(len(apart))
            apart.append(r)
        apart.append(n)
    if summed:
        g = rules.sum(rules.reshape(g, tuple(apart)), tuple(summed))
    return rules.reshape(g, tuple(input_shape)) if len(full) != len(input_shape) else g


@op(
    "repeat(Tensor input, int[] repeats) -> Tensor",
    meta=lambda input, repeats: Spec(_repeated(input.shape, repeats)[1], input.dtype),
    kind="linear",
    forms="method",
    samples=over(
        Sample(array(2, 3), (2, 1)),
        Sample(array(3), (2, 3, 2)),
        Sample(np.array(1.5), (3,), tags=("0-d",)),
        Sample(array(2, 0), (1, 2), tags=("empty",)),
        Sample(array(2, 3), (0, 2)),
        Sample(strided(3, 2), (1, 2), tags=("non-contiguous",)),
    ),
    vjp={"input": _unrepeated},
)
def repeat(input: Any, repeats: Any) -> Any:
    """A copy with the tensor repeated along each dim; more repeats than dims add dims in front.

    Gradient: g summed over the repeats. Errors: RuntimeError for fewer repeats than dims. Source: torch.Tensor.repeat.

    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    full, out = _repeated(input.shape, repeats)
    if not full:
        return np.array(input)[()]
    apart = tuple(k for n in full for k in (1, n))
    spread = tuple(k for r, n in zip(repeats, full, strict=True) for k in (r, n))
    return np.array(np.broadcast_to(np.reshape(input, apart), spread), order="C").reshape(out)


def _tile_dims(ndim: int, dims: Any) -> tuple[int, ...]:
    return (1,) * (ndim - len(dims)) + tuple(dims)


@op(
    "tile(Tensor input, int[] dims) -> Tensor",
    meta=lambda input, dims: Spec(_repeated(input.shape, _tile_dims(input.ndim, dims))[1], input.dtype),
    kind="composite",
    samples=over(
        Sample(array(2, 3), (2,)),
        Sample(array(3), (2, 1, 2)),
        Sample(np.array(1.5), (3,), tags=("0-d",)),
        Sample(array(0, 3), (2,), tags=("empty",)),
        Sample(strided(3, 2), (2, 1), tags=("non-contiguous",)),
    ),
)
def tile(input: Any, dims: Any) -> Any:
    """``repeat`` for the last dims where fewer numbers than dims are given.

    Source: torch.tile.

    >>> torch.tile(torch.tensor([[1, 2], [3, 4]]), (2,))
    tensor([[1, 2, 1, 2],
            [3, 4, 3, 4]])
    """
    return rules.repeat(input, _tile_dims(input.ndim, dims))


def _interleaved(input: Any, repeats: int, dim: int | None, output_size: int | None) -> tuple[int, ...]:
    if repeats < 0:
        raise TensorError("Repeats must be non-negative")
    shape = tuple(input.shape) if dim is not None else (math.prod(input.shape),)
    d = wrap_dim(dim or 0, len(shape))
    if not shape:
        raise DimensionError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
    n = shape[d] * repeats
    if output_size is not None and output_size != n:
        raise TensorError(f"repeat_interleave: Invalid output_size, expected {n} but got {output_size}")
    return (*shape[:d], n, *shape[d + 1 :])


@op(
    "repeat_interleave.self_int(Tensor input, int repeats, int? dim=None, *, int? output_size=None) -> Tensor",
    meta=lambda input, repeats, dim, output_size: Spec(_interleaved(input, repeats, dim, output_size), input.dtype),
    kind="composite",
    samples=over(
        Sample(array(2, 3), 2),
        Sample(array(2, 3), 3, -1, tags=("negative dim",)),
        Sample(np.array(1.5), 3, tags=("0-d",)),
        Sample(array(2, 0), 2, 0, tags=("empty",)),
        Sample(array(2, 3), 0, 0),
        Sample(strided(3, 2), 2, 0, output_size=6, tags=("non-contiguous",)),
    ),
)
def repeat_interleave(input: Any, repeats: Any, dim: Any, output_size: Any) -> Any:
    """A copy with each slice along ``dim`` so many times in a row; without a dim of the flattened tensor.

    Errors: RuntimeError for a negative number. Source: torch.repeat_interleave.

    >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    shape = _interleaved(input, repeats, dim, output_size)
    flat = rules.reshape(input, (-1,)) if dim is None else input
    d = wrap_dim(dim or 0, len(shape))
    spread = (*flat.shape[: d + 1], repeats, *flat.shape[d + 1 :])
    return rules.reshape(rules._clone_contiguous(rules.expand(rules.unsqueeze(flat, d + 1), spread)), shape)


def _counts(repeats: Any, output_size: int | None) -> None:
    if len(repeats.shape) != 1:
        raise TensorError("repeat_interleave only accept 1D vector as repeat")
    if code(repeats) not in {"int64", "int32"}:
        raise UnsupportedDtypeError(f"\"repeat_interleave_cpu\" not implemented for '{spoken_of(repeats)}'")


def _counts_meta(repeats: Spec, output_size: int | None) -> Estimate:
    _counts(repeats, output_size)
    d = dtypes.int64 if repeats.dtype == dtypes.int64 else dtypes.int32
    if output_size is not None:
        return Estimate((Spec((output_size,), d),), 0, repeats.numel + output_size)
    return Estimate((Spec((ASSUMED * repeats.numel,), d),), 0, ASSUMED * repeats.numel, bound=True)


ASSUMED = 64
"""How many repeats an estimate takes for granted where only the values tell: give ``output_size`` for an exact one."""


@op(
    "repeat_interleave.Tensor(Tensor repeats, *, int? output_size=None) -> Tensor",
    meta=_counts_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(np.array([1, 0, 2])),
        Sample(np.array([3])),
        Sample(np.zeros(0, np.int64), tags=("empty",)),
        Sample(np.array([1, 0, 2, 1], np.int32)[::2], output_size=3, tags=("non-contiguous",)),
    ),
)
def repeat_interleave_counts(repeats: Any, output_size: Any) -> Any:
    """The index of each element, as often as it says.

    Not differentiable. Errors: RuntimeError for a negative number. Source: torch.repeat_interleave.

    >>> torch.repeat_interleave(torch.tensor([1, 0, 2]))
    tensor([0, 2, 2])
    """
    _counts(repeats, output_size)
    if repeats.size and np.minimum.reduce(repeats) < 0:
        raise TensorError("repeats can not be negative")
    if output_size is not None and output_size != int(np.add.reduce(repeats)):
        raise TensorError("allocated size does not match required size")
    return np.repeat(np.arange(repeats.size, dtype=repeats.dtype), repeats)


def _uneven(input: Any, repeats: Any, dim: int | None) -> tuple[tuple[int, ...], int]:
    shape = tuple(input.shape) if dim is not None else (math.prod(input.shape),)
    if not shape:
        raise DimensionError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim or 0, len(shape))
    if len(repeats.shape) > 1:
        raise TensorError("repeats must be 0-dim or 1-dim tensor")
    m = repeats.shape[0] if repeats.shape else 1
    if m not in (1, shape[d]):
        raise TensorError(
            "repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {m} and input.size({d}) = {shape[d]}"
        )
    return shape, d


def _uneven_meta(input: Spec, repeats: Spec, dim: int | None, output_size: int | None) -> Estimate:
    shape, d = _uneven(input, repeats, dim)
    _counts(Spec((1,), repeats.dtype), output_size)
    n = ASSUMED * shape[d] if output_size is None else output_size
    out = Spec((*shape[:d], n, *shape[d + 1 :]), input.dtype)
    return Estimate((out,), 8 * n, input.numel + out.numel, bound=output_size is None)


@op(
    "repeat_interleave.self_Tensor(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor",
    meta=_uneven_meta,
    kind="composite",
    samples=over(
        Sample(array(2, 3), np.array([1, 2]), 0),
        Sample(array(2, 3), np.array([1, 0, 2]), -1, output_size=3, tags=("negative dim",)),
        Sample(np.array(1.5), np.array([3]), tags=("0-d",)),
        Sample(array(0, 3), np.array([2]), 0, tags=("empty",)),
        Sample(strided(3, 2), np.array([2]), 0, tags=("non-contiguous",)),
    ),
)
def repeat_interleave_tensor(input: Any, repeats: Any, dim: Any, output_size: Any) -> Any:
    """A copy with each slice along ``dim`` as often as its number says; without a dim of the flattened tensor.

    Errors: RuntimeError for a negative number, for another count of numbers than slices. Source: torch.repeat_interleave.

    >>> torch.repeat_interleave(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 2]), dim=0)
    tensor([[1, 2],
            [3, 4],
            [3, 4]])
    """
    shape, d = _uneven(input, repeats, dim)
    flat = rules.reshape(input, (-1,)) if dim is None else input
    each = rules.reshape(repeats, (-1,))
    if each.shape[0] != shape[d]:
        each = rules.expand(each, (shape[d],))
    return rules.index_select(flat, d, rules.repeat_interleave(each, output_size=output_size))
