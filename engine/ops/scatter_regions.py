"""Writing into a region of a copy: flat places, a mask, a slice, a diagonal. Rules: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import DimensionError, DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.places import code, combined, first, inside, same_dtype, spoken_of, working, zeros
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, wrap_dim

FORMS = "function method inplace"


def _put(input: Any, index: Any, source: Any) -> None:
    if code(index) != "int64":
        raise DtypeError(f"put_(): Expected a long tensor for index, but got {spoken_of(index)}")
    same_dtype(
        "put_(): self and source expected to have the same dtype, but got self.dtype = {a} and source.dtype = {b}",
        input,
        source,
    )
    n, m = math.prod(source.shape), math.prod(index.shape)
    if n != m:
        raise DimensionError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {n}, index.numel() = {m}"
        )
    if m and 0 in input.shape:
        raise DimensionError("put_(): Tried to put elements into an empty tensor")


def _put_meta(input: Spec, index: Spec, source: Spec, accumulate: bool) -> Estimate:
    _put(input, index, source)
    return working(input, index.numel, input, source)


@op(
    "put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor",
    meta=_put_meta,
    kind="opaque",
    forms=FORMS,
    samples=over(
        Sample(array(2, 3), np.array([0, -1]), array(2, start=70)),
        Sample(array(2, 3), np.array([[0, 4], [0, -6]]), array(2, 2, start=70), True),
        Sample(np.array(1.5), np.array(0), np.array(0.7), tags=("0-d",)),
        Sample(array(0, 3), np.zeros(0, np.int64), array(0), tags=("empty",)),
        Sample(strided(3, 2), np.array([1, 3]), array(4, start=70)[::2], tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, index, source_shape, accumulate: (
            g if accumulate else rules.put(g, index, zeros(source_shape, g))
        ),
        "source": lambda g, index, source_shape: rules.reshape(rules.take(g, index), source_shape),
    },
)
def put(input: Any, index: Any, source: Any, accumulate: Any) -> Any:
    """A copy with elements of the flattened input replaced, or added to, at the indices; negative ones count from the end.

    Gradient: g with zeros where it was written; g at the indices for source. Errors: IndexError for an index out of range.
    Source: torch.Tensor.put_.

    >>> torch.zeros(2, 2).put(torch.tensor([0, -1]), torch.tensor([5.0, 7.0]))
    tensor([[5., 0.],
            [0., 7.]])
    """
    _put(input, index, source)
    n = input.size
    inside(
        index, n, f"out of range: tried to access index {{index}} on a tensor of {n} elements.", DimensionError, low=-n
    )
    out = np.array(input, order="C")
    if index.size:
        places = np.reshape(index, -1)
        places = np.where(places < 0, places + n, places)
        if accumulate:
            combined("sum", out.reshape(-1), places, source, include_self=True)
        else:
            out.reshape(-1)[places] = np.reshape(source, -1)
    return out


def _masked(input: Any, mask: Any, source: Any) -> tuple[int, ...]:
    same_dtype("masked_scatter: expected self and source to have same dtypes but got{a} and {b}", input, source)
    if code(mask) != "bool":
        raise TensorError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {spoken_of(mask)}")
    return broadcast_shapes(input.shape, mask.shape)


def _masked_meta(input: Spec, mask: Spec, source: Spec) -> Estimate:
    whole = Spec(_masked(input, mask, source), input.dtype)
    return working(whole, whole.numel, source)


def _from_masked(g: Any, mask: Any, source_shape: tuple[int, ...]) -> Any:
    taken = rules.masked_select(g, mask)
    return rules.put(zeros(source_shape, g), first(taken.shape[0]), taken)


@op(
    "masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor",
    meta=_masked_meta,
    kind="opaque",
    forms=FORMS,
    samples=over(
        Sample(array(2, 3), array(2, 3) > 0, array(6, start=70)),
        Sample(array(2, 3), np.array([True, False, True]), array(2, 4, start=70), tags=("broadcast",)),
        Sample(np.array(1.5), np.array(True), np.array(0.7), tags=("0-d",)),
        Sample(array(0, 3), np.zeros((0, 3), np.bool_), array(0), tags=("empty",)),
        Sample(strided(3, 2), strided(3, 2) > 0, array(3, 2, start=70), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, mask: rules.where(mask, 0, g),
        "source": _from_masked,
    },
)
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy in which the elements under a true mask are those of ``source``, one after the other.

    Shapes: input and mask broadcast. Gradient: g where the mask is false; g under the mask for source. Errors: RuntimeError for too
    few elements. Source: torch.Tensor.masked_scatter.

    >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([5.0, 7.0]))
    tensor([5., 0., 7.])
    """
    shape = _masked(input, mask, source)
    out = np.array(np.broadcast_to(input, shape), order="C")
    mask = np.broadcast_to(mask, shape)
    n = int(np.count_nonzero(mask))
    if source.size < n:
        raise TensorError("Number of elements of source < number of ones in mask")
    out[mask] = np.reshape(source, -1)[:n]
    return out


def _fits(src: Any, region: tuple[int, ...]) -> None:
    if tuple(src.shape) != tuple(region):
        raise ShapeError(
            "expected src to have a size equal to the slice of self. "
            f"src size = {list(src.shape)}, slice size = {list(region)}"
        )


def _selected(input: Any, src: Any, dim: int, index: int) -> tuple[int, int]:
    shape = tuple(input.shape)
    if not shape:
        raise DimensionError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    if not -shape[d] <= index < shape[d]:
        raise DimensionError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}")
    _fits(src, shape[:d] + shape[d + 1 :])
    return d, index % shape[d]


def _select_meta(input: Spec, src: Spec, dim: int, index: int) -> Spec:
    _selected(input, src, dim, index)
    return input


@op(
    "select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor",
    meta=_select_meta,
    kind="opaque",
    samples=over(
        Sample(array(2, 3), array(3, start=70), 0, 1),
        Sample(array(2, 3), array(2, start=70), -1, -1, tags=("negative dim",)),
        Sample(array(3), np.array(0.7), 0, 1),
        Sample(array(2, 0), array(0), 0, 1, tags=("empty",)),
        Sample(strided(3, 2), strided(4, start=70)[:3], 1, 0, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, src_shape, dim, index: rules.select_scatter(g, zeros(src_shape, g), dim, index),
        "src": lambda g, dim, index: rules.select(g, dim, index),
    },
)
def select_scatter(input: Any, src: Any, dim: Any, index: Any) -> Any:
    """A copy in which the slice at one index of ``dim`` is ``src``.

    Gradient: g with zeros in that slice; that slice of g for src. Errors: IndexError for an index out of range, RuntimeError for a
    source of another shape. Source: torch.select_scatter.

    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    d, i = _selected(input, src, dim, index)
    out = np.array(input, order="C")
    whole: tuple[Any, ...] = (slice(None),) * d
    out[(*whole, i)] = src
    return out


def _sliced(input: Any, src: Any, dim: int, start: Any, end: Any, step: int) -> tuple[int, slice]:
    shape = tuple(input.shape)
    if not shape:
        raise DimensionError("slice() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    if step <= 0:
        raise TensorError("slice step must be positive")
    region = slice(*slice(start, end, step).indices(shape[d]))
    _fits(src, (*shape[:d], len(range(region.start, region.stop, step)), *shape[d + 1 :]))
    return d, region


def _slice_meta(input: Spec, src: Spec, dim: int, start: Any, end: Any, step: int) -> Spec:
    _sliced(input, src, dim, start, end, step)
    return input


@op(
    "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    meta=_slice_meta,
    kind="opaque",
    samples=over(
        Sample(array(4, 3), array(2, 3, start=70), 0, 1, 3),
        Sample(array(2, 5), array(2, 2, start=70), -1, -4, None, 2, tags=("negative dim",)),
        Sample(array(1), array(1, start=70)),
        Sample(array(2, 3), array(2, 0), 1, 2, 2, tags=("empty",)),
        Sample(strided(3, 2), strided(2, 2, start=70), 0, 1, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, src_shape, dim, start, end, step: rules.slice_scatter(
            g, zeros(src_shape, g), dim, start, end, step
        ),
        "src": lambda g, dim, start, end, step: rules.slice(g, dim, start, end, step),
    },
)
def slice_scatter(input: Any, src: Any, dim: Any, start: Any, end: Any, step: Any) -> Any:
    """A copy in which ``start:end:step`` of ``dim`` is ``src``.

    Gradient: g with zeros there; that part of g for src. Errors: RuntimeError for a source of another shape.
    Source: torch.slice_scatter.

    >>> torch.slice_scatter(torch.zeros(2, 4), torch.ones(2, 2), 1, 0, 4, 2)
    tensor([[1., 0., 1., 0.],
            [1., 0., 1., 0.]])
    """
    d, region = _sliced(input, src, dim, start, end, step)
    out = np.array(input, order="C")
    out[(*(slice(None),) * d, region)] = src
    return out


def _diagonal(input: Any, src: Any, offset: int, dim1: int, dim2: int) -> tuple[int, int]:
    n = len(input.shape)
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise TensorError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = min(input.shape[a] + min(offset, 0), input.shape[b] - max(offset, 0))
    _fits(src, (*(m for i, m in enumerate(input.shape) if i not in {a, b}), max(length, 0)))
    return a, b


def _diagonal_meta(input: Spec, src: Spec, offset: int, dim1: int, dim2: int) -> Spec:
    _diagonal(input, src, offset, dim1, dim2)
    return input


@op(
    "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    meta=_diagonal_meta,
    kind="opaque",
    samples=over(
        Sample(array(3, 3), array(3, start=70)),
        Sample(array(3, 2, 4), array(2, 1, start=70), 2, -1, 0, tags=("negative dim",)),
        Sample(array(1, 1), array(1, start=70)),
        Sample(array(2, 3), array(0), 5, tags=("empty",)),
        Sample(strided(3, 2), array(4, start=70)[::2], -1, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, src_shape, offset, dim1, dim2: rules.diagonal_scatter(
            g, zeros(src_shape, g), offset, dim1, dim2
        ),
        "src": lambda g, offset, dim1, dim2: rules.diagonal(g, offset, dim1, dim2),
    },
)
def diagonal_scatter(input: Any, src: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """A copy in which a diagonal is ``src``.

    Gradient: g with zeros there; that diagonal of g for src. Errors: RuntimeError for a source of another shape.
    Source: torch.diagonal_scatter.

    >>> torch.diagonal_scatter(torch.zeros(3, 3), torch.ones(2), 1)
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    a, b = _diagonal(input, src, offset, dim1, dim2)
    out = np.array(input, order="C")
    region = np.diagonal(out, offset, a, b)
    region.flags.writeable = True
    region[...] = src
    return out
