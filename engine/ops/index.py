"""Index and mask tensors: what ``x[i, mask]`` calls once its ints and slices are gone. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import DimensionError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.scalars import converted
from engine.shapes import broadcast_shapes


def _checked(shape: tuple[int, ...], indices: list[Any]) -> tuple[tuple[int, ...], list[int], bool]:
    """The broadcast shape of the indices, the dims that they take, and whether masks make that shape a bound.

    Errors: IndexError for a dtype that is no index, a mask of another shape, shapes that do not broadcast, or too many.
    """
    taken: list[int] = []
    shapes: list[tuple[int, ...]] = []
    count: int | None = None
    dim = 0
    for i in indices:
        if i is None:
            dim += 1
            continue
        name = i.dtype.name
        if name in {"bool", "uint8"}:
            for k in range(i.ndim):
                if dim + k >= len(shape) or i.shape[k] != shape[dim + k]:
                    raise DimensionError(
                        f"The shape of the mask {list(i.shape)} at index {k} does not match the shape of the indexed tensor "
                        f"{list(shape)} at index {dim + k}"
                    )
            taken += range(dim, dim + i.ndim)
            dim += i.ndim
            n = math.prod(i.shape)
            count = n if count is None else min(count, n)
        elif name in {"int64", "int32", "int16", "int8"}:
            taken.append(dim)
            shapes.append(tuple(i.shape))
            dim += 1
        else:
            raise DimensionError("tensors used as indices must be long, int, byte or bool tensors")
    if dim > len(shape):
        raise DimensionError(f"too many indices for tensor of dimension {len(shape)} (got {dim})")
    try:
        common = broadcast_shapes(*shapes) if shapes else ()
    except ShapeError:
        listed = ", ".join(str(list(s)) for s in shapes)
        raise DimensionError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {listed}"
        ) from None
    if count is not None and (not common or common[-1] == 1):
        common = (*common[:-1], count)
    return common, taken, count is not None


def _result(shape: tuple[int, ...], common: tuple[int, ...], taken: list[int]) -> tuple[int, ...]:
    """Where the indexed dims go: to the place of the first where they are neighbours, else to the front."""
    rest = [n for i, n in enumerate(shape) if i not in taken]
    if not taken or taken == list(range(taken[0], taken[0] + len(taken))):
        at = taken[0] if taken else 0
        return (*rest[:at], *common, *rest[at:])
    return (*common, *rest)


def _index_meta(input: Spec, indices: list[Any]) -> Estimate:
    common, taken, masked = _checked(input.shape, indices)
    out = Spec(_result(input.shape, common, taken), input.dtype)
    return Estimate((out,), 8 * math.prod(common) * max(1, len(taken)), 4 * out.numel, bound=masked)


def _key(input: Any, indices: list[Any]) -> tuple[Any, ...]:
    """The indices as NumPy takes them. Errors: IndexError for one out of bounds."""
    _checked(input.shape, indices)
    key: list[Any] = []
    dim = 0
    for i in indices:
        if i is None:
            key.append(slice(None))
            dim += 1
        elif i.dtype.kind == "b" or i.dtype == np.uint8:
            key.append(np.asarray(i, dtype=bool))
            dim += i.ndim
        else:
            n = input.shape[dim]
            if i.size and (i.min() < -n or i.max() >= n):
                wrong = i[(i < -n) | (i >= n)] if i.ndim else np.array([i])
                raise DimensionError(f"index {wrong.flat[0]} is out of bounds for dimension {dim} with size {n}")
            key.append(i)
            dim += 1
    return (*key, ...)


def _read(input: Any, indices: list[Any]) -> Any:
    key = _key(input, indices)
    try:
        return input[key]
    except IndexError as error:
        shapes = ", ".join(
            str([int(np.count_nonzero(k))] if k.dtype.kind == "b" else list(k.shape))
            for k in key
            if hasattr(k, "dtype")
        )
        raise DimensionError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from error


@op(
    "index.Tensor(Tensor input, Tensor?[] indices) -> Tensor",
    meta=_index_meta,
    kind="opaque",
    names=("index",),
    forms="",
    samples=over(
        Sample(array(4, 3), [np.array([0, 2, 0])]),
        Sample(array(4, 3), [None, np.array([[0, -1], [1, 1]])]),
        Sample(array(4, 3), [np.array([[0], [2]]), np.array([1, 1, 0])], tags=("broadcast",)),
        Sample(array(2, 3, 4), [np.array([0, 1]), None, np.array([2, 3])]),
        Sample(array(4, 3), [array(4, 3) > 0]),
        Sample(array(4, 3), [np.array(2)], tags=("0-d",)),
        Sample(array(4, 3), [np.zeros(0, np.int64)], tags=("empty",)),
        Sample(strided(3, 4), [np.array([0, 1])], tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, indices: rules._index_put_zeros(g, input_shape, indices),
    },
)
def index(input: Any, indices: Any) -> Any:
    """The elements at index tensors, or where a mask holds: what ``x[i]`` calls. None leaves a dim alone.

    Gradient: g, added up where its elements came from. Errors: IndexError for indices out of bounds and masks of another shape.
    Source: torch.Tensor.__getitem__.

    >>> torch.tensor([10, 20, 30])[torch.tensor([2, 0])]
    tensor([30, 10])
    """
    return _read(np.asarray(input), indices)


def _accumulated(out: Any, indices: list[Any], values: Any) -> Any:
    """``out`` with values added at indices, repeated ones too: by position, which is faster than by rows."""
    key = _key(out, indices)
    present = [k for k in key if hasattr(k, "dtype")]
    if len(present) == 1 and present[0].dtype.kind == "b":
        out[key] += values
        return out
    positions = np.arange(out.size).reshape(out.shape)[key]
    spread = np.broadcast_to(values, positions.shape).reshape(-1)
    flat = out.reshape(-1)
    np.add.at(flat, positions.reshape(-1), spread)
    return flat.reshape(out.shape)


@op(
    "_index_put_zeros(Tensor input, int[] sizes, Tensor?[] indices) -> Tensor",
    meta=lambda input, sizes, indices: Spec(tuple(sizes), input.dtype),
    kind="opaque",
    names=("_index_put_zeros",),
    forms="",
    grad_fn="IndexPutBackward0",
    samples=over(
        Sample(array(3, 3), (4, 3), [np.array([0, 2, 0])]),
        Sample(array(4, 2, 2), (4, 3), [None, np.array([[0, -1], [1, 1]])]),
    ),
    vjp={"input": lambda g, indices: rules.index(g, indices)},
)
def index_put_zeros(input: Any, sizes: Any, indices: Any) -> Any:
    """Zeros with values added at indices: the gradient of ``index``. Source: PyTorch's index_backward.

    >>> torch.zeros(3).index_put((torch.tensor([0, 0]),), torch.ones(2), accumulate=True)
    tensor([2., 0., 0.])
    """
    return _accumulated(np.zeros(sizes, input.dtype), indices, input)


def _put_meta(input: Spec, indices: list[Any], values: Spec, accumulate: bool) -> Estimate:
    common, taken, masked = _checked(input.shape, indices)
    if accumulate or not _fills(indices, values.numel):
        _one_dtype(input, values)
    shape = _result(input.shape, common, taken)
    if not masked:
        _goes(values.shape, shape)
    return Estimate((input,), 16 * math.prod(shape), 4 * (input.numel + math.prod(shape)))


def _fills(indices: list[Any], count: int) -> bool:
    """Whether one number goes where one mask holds: PyTorch then fills, whatever the dtypes."""
    present = [i for i in indices if i is not None]
    return count == 1 and len(present) == 1 and present[0].dtype.name in ("bool", "uint8")


def _one_dtype(input: Any, values: Any) -> None:
    if input.dtype != values.dtype:
        raise TensorError(
            f"Index put requires the source and destination dtypes match, got {spoken(input)} for the destination and "
            f"{spoken(values)} for the source."
        )


def _goes(values: tuple[int, ...], shape: tuple[int, ...]) -> None:
    try:
        fits = broadcast_shapes(values, shape) == shape
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(values)} cannot be broadcast to indexing result of shape {list(shape)}"
        )


@op(
    "index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
    meta=_put_meta,
    kind="opaque",
    forms="function method inplace",
    samples=over(
        Sample(array(4, 3), [np.array([0, 2])], array(2, 3, start=9)),
        Sample(array(4, 3), [np.array([0, 0])], array(3, start=9), True, tags=("broadcast",)),
        Sample(array(4, 3), [array(4, 3) > 0], np.array(1.5)),
        Sample(array(4, 3), [np.array(2), np.array(1)], np.array(0.5), tags=("0-d",)),
        Sample(array(4, 3), [np.zeros(0, np.int64)], array(0, 3), tags=("empty",)),
        Sample(strided(3, 4), [np.array([0, 1])], strided(2, 4), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, indices, accumulate: (
            g if accumulate else rules.index_put(g, indices, rules.zeros_like(rules.sum(g)))
        ),
        "values": lambda g, indices: rules.index(g, indices),
    },
)
def index_put(input: Any, indices: Any, values: Any, accumulate: Any) -> Any:
    """A copy with ``values`` put at indices, or added there: what ``x[i] = v`` calls.

    Shapes: values broadcast to the indexed elements. Gradient: g without what was replaced; g at the indices for values.
    Errors: RuntimeError for values of another dtype (one number under one mask is converted), IndexError for indices out of bounds.
    Source: torch.Tensor.index_put.

    >>> torch.zeros(3).index_put((torch.tensor([2, 0]),), torch.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])
    """
    if not accumulate and _fills(indices, values.size):
        values = converted(values.reshape(()).item(), input.dtype)
    _one_dtype(input, values)
    out = np.array(input)
    shape = out[_key(out, indices)].shape
    _goes(tuple(values.shape), shape)
    if accumulate:
        return _accumulated(out, indices, values)
    out[_key(out, indices)] = values
    return out
