"""Reading at indices: along a dim, by slices, from flat memory, by a mask. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DimensionError, DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.places import along, check_index, code, flat_places, inside, spoken_of, working, zeros
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, wrap_dim

INDEX = np.array([2, 0, 2])
SELECTED = (
    Sample(array(3, 4), 0, INDEX),
    Sample(array(3, 4), -1, np.array([3, 3, 1, 0, 2]), tags=("negative dim",)),
    Sample(np.array(1.5), 0, np.array([0]), tags=("0-d",)),
    Sample(array(3, 0), 0, INDEX, tags=("empty",)),
    Sample(strided(3, 4), 1, INDEX.astype(np.int32), tags=("non-contiguous",)),
)
GRID = np.array([[1, 0], [2, 2]])
GATHERED = (
    Sample(array(3, 4), 0, GRID),
    Sample(array(3, 4), -1, GRID, tags=("negative dim",)),
    Sample(array(2, 3, 4), 1, np.array([[[0, 1, 2, 1]], [[2, 2, 0, 0]]])),
    Sample(np.array(1.5), 0, np.array([0]), tags=("0-d",)),
    Sample(np.array(1.5), 0, np.array(0), tags=("0-d",)),
    Sample(array(0, 3), 0, np.zeros((0, 2), np.int64), tags=("empty",)),
    Sample(strided(3, 4), 1, GRID, tags=("non-contiguous",)),
)


def _select_shape(input: Any, dim: int, index: Any) -> tuple[int, ...]:
    d = wrap_dim(dim, len(input.shape))
    if len(index.shape) > 1:
        raise DimensionError("index_select(): Index is supposed to be a vector")
    check_index("index_select", index, "int32 or int64")
    n = index.shape[0] if index.shape else 1
    if not input.shape:
        if n != 1:
            raise TensorError(f"index_select(): Index to scalar can have only 1 value, got {n} value(s)")
        return ()
    return (*input.shape[:d], n, *input.shape[d + 1 :])


@op(
    "index_select(Tensor input, int dim, Tensor index) -> Tensor",
    meta=lambda input, dim, index: Spec(_select_shape(input, dim, index), input.dtype),
    kind="linear",
    samples=over(*SELECTED),
    vjp={"input": lambda g, input_shape, dim, index: rules.index_add(zeros(input_shape, g), dim, index, g)},
)
def index_select(input: Any, dim: Any, index: Any) -> Any:
    """The slices along ``dim`` that a vector of indices names, in its order; one may come several times.

    Gradient: g added to the slices it was read from. Errors: IndexError for an index out of range, for one that is no vector of int32
    or int64. Source: torch.index_select.

    >>> torch.index_select(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, torch.tensor([1, 1, 0]))
    tensor([[2., 2., 1.],
            [4., 4., 3.]])
    """
    shape = _select_shape(input, dim, index)
    d = wrap_dim(dim, input.ndim)
    inside(index, input.shape[d] if input.ndim else 1, "index out of range in self", DimensionError)
    if not shape:
        return np.positive(input) if input.dtype.kind != "b" else np.bool_(input)
    return np.take(input, np.atleast_1d(index), d)


def _within(index: Any, dim: int, shape: tuple[int, ...]) -> None:
    sizes, own = index.shape or (1,), shape or (1,)
    if len(sizes) != len(own):
        raise ShapeError("Index tensor must have the same number of dimensions as input tensor")
    for d, (n, m) in enumerate(zip(sizes, own, strict=True)):
        if n > m and d != dim:
            raise ShapeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no larger than self {list(shape)} "
                f"apart from dimension {dim}"
            )


def _gather_meta(input: Spec, dim: int, index: Spec, sparse_grad: bool) -> Estimate:
    d = wrap_dim(dim, input.ndim)
    if index.numel:
        check_index("gather", index)
        _within(index, d, input.shape)
    return working(Spec(index.shape, input.dtype), index.numel)


@op(
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    meta=_gather_meta,
    kind="linear",
    samples=over(*GATHERED),
    vjp={"input": lambda g, input_shape, dim, index: rules.scatter_add(zeros(input_shape, g), dim, index, g)},
)
def gather(input: Any, dim: Any, index: Any, sparse_grad: Any) -> Any:
    """One element for each index: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    Shapes: ``index`` has as many dims as ``input`` and is nowhere larger but along ``dim``; the result has its shape.
    Gradient: g added to the elements it was read from. Errors: RuntimeError for an index out of range. Source: torch.gather.

    >>> torch.gather(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1., 1.],
            [4., 3.]])
    """
    d = wrap_dim(dim, input.ndim)
    if index.size == 0:
        return np.empty(index.shape, input.dtype)
    check_index("gather", index)
    _within(index, d, input.shape)
    along(d, index, input.shape[d] if input.ndim else 1)
    if input.ndim < 2:
        return np.take(input, index if input.ndim or not index.ndim else index.reshape(-1)).reshape(index.shape)[()]
    return np.take(input, flat_places(index, d, input.shape))


def _along_shapes(input: Any, indices: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if len(input.shape) != len(indices.shape):
        raise ShapeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{len(input.shape)} dimensions for input, and {len(indices.shape)} dimensions for indices"
        )
    d = wrap_dim(dim, len(input.shape))

    def without(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
        return (*shape[:d], n, *shape[d + 1 :]) if shape else ()

    ours = broadcast_shapes(input.shape, without(indices.shape, input.shape[d] if input.shape else 1))
    return ours, broadcast_shapes(indices.shape, without(input.shape, indices.shape[d] if indices.shape else 1))


def _long(indices: Any) -> None:
    if code(indices) != "int64":
        raise DtypeError(f"torch.take_along_dim(): dtype of indices should be Long but got {spoken_of(indices)}")


def _along_meta(input: Spec, indices: Spec, dim: Any) -> Estimate:
    _long(indices)
    if dim is None:
        out = Spec((indices.numel,), input.dtype)
        return working(out, 2 * out.numel)
    ours, theirs = _along_shapes(input, indices, dim)
    out, whole = Spec(theirs, input.dtype), Spec(ours, input.dtype)
    found = working(out, 2 * out.numel)
    if ours == input.shape:
        return found
    return found._replace(workspace=found.workspace + 2 * whole.nbytes, cost=found.cost + 2 * whole.numel)


@op(
    "take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor",
    meta=_along_meta,
    kind="composite",
    samples=over(
        Sample(array(3, 4), GRID, None),
        Sample(array(3, 4), np.array([[2, 0, 1, 1]]), 0),
        Sample(array(3, 4), np.array([[2], [0], [1]]), -1, tags=("negative dim",)),
        Sample(array(3, 1), np.array([[2, 0, 1, 1]]), 0, tags=("broadcast",)),
        Sample(np.array(1.5), np.array(0), 0, tags=("0-d",)),
        Sample(array(0, 3), np.zeros((0, 1), np.int64), 1, tags=("empty",)),
        Sample(strided(3, 4), GRID[:1], None, tags=("non-contiguous",)),
    ),
)
def take_along_dim(input: Any, indices: Any, dim: Any) -> Any:
    """``gather`` after broadcasting input and indices in every dim but ``dim``; without a dim from the flattened input.

    Indices wrap around the dim.
    Source: torch.take_along_dim.

    >>> torch.take_along_dim(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[1, 2, 0]]), dim=1)
    tensor([[1., 2., 3.]])
    """
    _long(indices)
    if dim is None:
        return rules.gather(rules.reshape(input, (-1,)), 0, rules.reshape(indices, (-1,)))
    ours, theirs = _along_shapes(input, indices, dim)
    n = input.shape[dim] if input.ndim else 1
    indices = rules.remainder(indices, n) if n else indices
    return rules.gather(
        input if tuple(input.shape) == ours else rules.expand(input, ours),
        dim,
        indices if tuple(indices.shape) == theirs else rules.expand(indices, theirs),
    )


def _take_meta(input: Spec, index: Spec) -> Spec:
    _take_index(input, index)
    return Spec(index.shape, input.dtype)


def _take_index(input: Any, index: Any) -> None:
    if code(index) != "int64":
        raise DtypeError(f"take(): Expected a long tensor for index, but got {spoken_of(index)}")
    if 0 in input.shape and 0 not in index.shape:
        raise DimensionError("take(): tried to take from an empty tensor")


@op(
    "take(Tensor input, Tensor index) -> Tensor",
    meta=_take_meta,
    kind="linear",
    samples=over(
        Sample(array(3, 4), np.array([[0, 11], [-1, 5]])),
        Sample(np.array(1.5), np.array([0, 0]), tags=("0-d",)),
        Sample(array(0, 3), np.zeros((0, 2), np.int64), tags=("empty",)),
        Sample(strided(3, 4), np.array(7), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape, index: rules.put(zeros(input_shape, g), index, g, True)},
)
def take(input: Any, index: Any) -> Any:
    """The elements of the flattened input at the indices, in their shape; negative ones count from the end.

    Gradient: g added to the elements it was read from. Errors: IndexError for an index out of range. Source: torch.take.

    >>> torch.take(torch.tensor([[4.0, 3.0], [2.0, 1.0]]), torch.tensor([0, -1]))
    tensor([4., 1.])
    """
    _take_index(input, index)
    n = input.size
    inside(
        index, n, f"out of range: tried to access index {{index}} on a tensor of {n} elements.", DimensionError, low=-n
    )
    return np.take(input, index) if index.size else np.empty(index.shape, input.dtype)


def _mask(mask: Any) -> None:
    if code(mask) != "bool":
        raise TensorError("masked_select: expected BoolTensor for mask")


def _masked_meta(input: Spec, mask: Spec) -> Estimate:
    _mask(mask)
    whole = Spec(broadcast_shapes(mask.shape, input.shape), input.dtype)
    return Estimate((Spec((whole.numel,), input.dtype),), 8 * whole.numel, 4 * whole.numel, bound=True)


def _to_masked(g: Any, input_shape: tuple[int, ...], mask: Any) -> Any:
    whole = zeros(broadcast_shapes(input_shape, tuple(mask.shape)), g)
    return rules.masked_scatter(whole, mask, g)


@op(
    "masked_select(Tensor input, Tensor mask) -> Tensor",
    meta=_masked_meta,
    kind="opaque",
    samples=over(
        Sample(array(2, 3), array(2, 3) > 0),
        Sample(array(2, 3), np.array([True, False, True]), tags=("broadcast",)),
        Sample(np.array(1.5), np.array(True), tags=("0-d",)),
        Sample(array(0, 3), np.zeros((0, 3), np.bool_), tags=("empty",)),
        Sample(strided(3, 2), strided(3, 2) > 0, tags=("non-contiguous",)),
    ),
    vjp={"input": _to_masked},
)
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask is true, as a vector.

    Shapes: any two that broadcast. Gradient: g put back where the mask is true, zero elsewhere. Source: torch.masked_select.

    >>> torch.masked_select(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True]))
    tensor([1., 3.])
    """
    _mask(mask)
    if input.shape == mask.shape:
        return np.asarray(input)[mask]
    shape = broadcast_shapes(mask.shape, input.shape)
    return np.broadcast_to(input, shape)[np.broadcast_to(mask, shape)]


@op(
    "nonzero(Tensor input) -> Tensor",
    meta=lambda input: Estimate((Spec((input.numel, input.ndim), dtypes.int64),), 0, 2 * input.numel, bound=True),
    kind="opaque",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(2, 3) > 0),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def nonzero(input: Any) -> Any:
    """The indices of all elements that are not zero, a row each.

    Not differentiable. Source: torch.nonzero.

    >>> torch.nonzero(torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return np.argwhere(input).astype(np.int64, copy=False)


@op(
    "nonzero.as_tuple(Tensor input, *, bool as_tuple) -> Tensor[]",
    meta=lambda input, as_tuple: Estimate(
        (Spec((input.numel,), dtypes.int64),) * max(input.ndim, 1)
        if as_tuple
        else (Spec((input.numel, input.ndim), dtypes.int64),),
        0,
        2 * input.numel,
        bound=True,
    ),
    kind="opaque",
    samples=over(
        Sample(array(2, 3), as_tuple=True),
        Sample(array(2, 3) > 0, as_tuple=False),
        Sample(np.array(1.5), as_tuple=True, tags=("0-d",)),
        Sample(array(0, 3), as_tuple=True, tags=("empty",)),
        Sample(strided(3, 2), as_tuple=True, tags=("non-contiguous",)),
    ),
)
def nonzero_as_tuple(input: Any, as_tuple: Any) -> Any:
    """The indices of all elements that are not zero, a tensor for each dim.

    Not differentiable. Source: torch.nonzero.

    >>> torch.nonzero(torch.tensor([[0.0, 2.0], [3.0, 0.0]]), as_tuple=True)
    (tensor([0, 1]), tensor([1, 0]))
    """
    if as_tuple:
        return tuple(i.astype(np.int64, copy=False) for i in np.nonzero(np.atleast_1d(input)))
    return np.argwhere(input).astype(np.int64, copy=False)
