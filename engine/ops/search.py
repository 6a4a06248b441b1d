"""Places in sorted sequences, counts and distinct elements: no derivatives, in PyTorch neither."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import Domain, common, integral, spoken
from engine.errors import DtypeError, NoDerivativeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.samples import array, over, strided, unary
from engine.shapes import wrap_dim

SEARCH = Domain("bc", "\"searchsorted_out_cpu\" not implemented for '{dtype}'")
COUNT = integral("bincount_cpu", "b")
WEIGHTS = Domain("c", "\"bincount_cpu\" not implemented for weights of '{dtype}'")
BINS = Domain("bic", "\"histogram_cpu\" not implemented for '{dtype}'")
_steps = np.array([-1.0, 0.2, 0.9, 1.5])


def _missing(sentence: str) -> NoReturn:
    """What a rule raises where PyTorch has no derivative either."""
    raise NoDerivativeError(sentence)


# -- places ------------------------------------------------------------------------------------------------------------------


def _side(right: bool, side: str | None) -> str:
    if side not in (None, "left", "right"):
        raise TensorError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if right and side == "left":
        raise TensorError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    return "right" if right or side == "right" else "left"


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape) if hasattr(x, "shape") else ()


def _searchable(edges: Any, values: Any, sorter: Any) -> None:
    """Errors: RuntimeError in PyTorch's words for shapes and dtypes that do not fit."""
    shape = _shape(values)
    if not edges.shape:
        raise ShapeError("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
    if len(edges.shape) != 1 and not shape:
        raise ShapeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries "
            f"tensor dim({len(edges.shape)}) and input value's dim(0) numel(1)"
        )
    if len(edges.shape) != 1 and tuple(edges.shape[:-1]) != shape[:-1]:
        raise ShapeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input "
            f"value tensor must match, but we got boundaries tensor {list(edges.shape)} and input value tensor {list(shape)}"
        )
    if sorter is not None:
        if tuple(sorter.shape) != tuple(edges.shape):
            raise ShapeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(edges.shape)}and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype.name != "int64":
            raise DtypeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {spoken(sorter)}"
            )
    SEARCH.check(edges)
    if hasattr(values, "dtype"):
        SEARCH.check(values)


def _search_meta(edges: Spec, values: Any, out_int32: bool, right: bool, side: Any, sorter: Any) -> Estimate:
    _side(right, side)
    _searchable(edges, values, sorter)
    out = Spec(_shape(values), dtypes.int32 if out_int32 else dtypes.int64)
    return Estimate(
        (out,), 8 * edges.numel + 16 * out.numel, 4 * max(out.numel, 1) * max(edges.shape[-1].bit_length(), 1)
    )


def _search(edges: Any, values: Any, out_int32: bool, right: bool, side: Any, sorter: Any) -> Any:
    side = _side(right, side)
    _searchable(edges, values, sorter)
    if sorter is not None:
        if sorter.size and not (sorter.min() >= 0 and sorter.max() < edges.shape[-1]):
            raise TensorError("torch.searchsorted(): sorter index out of range")
        edges = np.take_along_axis(edges, sorter, -1)
    d = common(edges, values)
    wanted = np.asarray(values).astype(d)
    edges = edges.astype(d, copy=False)
    kind = np.int32 if out_int32 else np.int64
    if edges.ndim == 1:
        return np.searchsorted(edges, wanted, side).astype(kind)
    rows, columns = edges.reshape(-1, edges.shape[-1]), wanted.reshape(-1, wanted.shape[-1])
    out = np.empty(columns.shape, kind)
    for i in range(rows.shape[0]):
        out[i] = np.searchsorted(rows[i], columns[i], side)
    return out.reshape(wanted.shape)


@op(
    "searchsorted.Tensor(Tensor sorted_sequence, Tensor|Scalar input, *, bool out_int32=False, bool right=False, str? side=None, "
    "Tensor? sorter=None) -> Tensor",
    meta=_search_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(_steps, array(2, 3)),
        Sample(np.stack([_steps, _steps]), array(2, 3), right=True),
        Sample(_steps[[1, 0, 3, 2]], array(2), sorter=np.array([1, 0, 3, 2])),
        Sample(_steps, np.array(0.5), tags=("0-d",)),
        Sample(_steps, np.zeros((0, 3)), tags=("empty",)),
        Sample(_steps, strided(3, 2), tags=("non-contiguous",)),
    ),
)
def searchsorted(sorted_sequence: Any, input: Any, out_int32: Any, right: Any, side: Any, sorter: Any) -> Any:
    """Where each value would have to be put into a sorted sequence (the last dim) for it to stay sorted.

    Before equal elements, or with ``right`` after them. Errors: RuntimeError for shapes that do not match. Source: torch.searchsorted.

    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([0, 3, 9]))
    tensor([0, 1, 3])
    """
    return _search(sorted_sequence, input, out_int32, right, side, sorter)


def _flat(boundaries: Any) -> None:
    if len(boundaries.shape) != 1:
        raise ShapeError(f"boundaries tensor must be 1 dimension, but got dim({len(boundaries.shape)})")


def _bucket_meta(input: Any, boundaries: Spec, out_int32: bool, right: bool) -> Estimate:
    _flat(boundaries)
    return _search_meta(boundaries, input, out_int32, right, None, None)


@op(
    "bucketize.Tensor(Tensor|Scalar input, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
    meta=_bucket_meta,
    kind="opaque",
    forms="function",
    samples=lambda: [Sample(*s.args, _steps, tags=s.tags) for s in unary()()],
)
def bucketize(input: Any, boundaries: Any, out_int32: Any, right: Any) -> Any:
    """The number of the bucket, between sorted boundaries, into which each value falls: ``searchsorted`` the other way round.

    Source: torch.bucketize.

    >>> torch.bucketize(torch.tensor([0, 3, 9]), torch.tensor([1, 3, 5]))
    tensor([0, 1, 3])
    """
    _flat(boundaries)
    return _search(boundaries, input, out_int32, right, None, None)


# -- counts ------------------------------------------------------------------------------------------------------------------


def _bins_check(input: Any, weights: Any, minlength: int) -> None:
    if len(input.shape) != 1:
        raise TensorError("bincount only supports 1-d non-negative integral inputs.")
    COUNT.check(input)
    if weights is not None:
        WEIGHTS.check(weights)
    if minlength < 0:
        raise TensorError("minlength should be >= 0")
    if weights is not None and tuple(weights.shape) != tuple(input.shape):
        raise ShapeError("weights should be 1-d and have the same length as input")


def _weight_dtype(weights: Any) -> np.dtype[Any]:
    if weights is None:
        return np.dtype(np.int64)
    return np.dtype(np.float32 if weights.dtype.name == "float32" else np.float64)


MOST = 1 << 20
"""The largest value that ``bincount`` counts: its result's size is known only from the values, and must have a bound."""


def _bins_meta(input: Spec, weights: Spec | None, minlength: int) -> Estimate:
    _bins_check(input, weights, minlength)
    out = Spec((max(MOST, minlength) if input.numel else minlength,), dtypes.of_numpy(_weight_dtype(weights)))
    return Estimate((out,), 16 * input.numel, 4 * max(input.numel, 1), bound=True)


@op(
    "bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor",
    meta=_bins_meta,
    kind="opaque",
    grad_fn="torch::autograd::NotImplemented",
    vjp={"weights": lambda g: _missing("derivative for aten::bincount is not implemented")},
    samples=over(
        Sample(np.array([1, 1, 3])),
        Sample(np.array([1, 1, 3]), np.array([0.5, 1.5, 2.5]), 6),
        Sample(np.zeros(0, np.int64), None, 2, tags=("empty",)),
        Sample(np.array([1, 0, 1, 0, 3])[::2], tags=("non-contiguous",)),
    ),
)
def bincount(input: Any, weights: Any, minlength: Any) -> Any:
    """How often each whole number occurs, or the sum of its weights.

    Gradient: not implemented, in PyTorch neither: backward is an error.
    Errors: RuntimeError for negative numbers and for such as are beyond 2^20 (PyTorch takes those). Source: torch.bincount.

    >>> torch.bincount(torch.tensor([1, 1, 3]))
    tensor([0, 2, 0, 1])
    """
    _bins_check(input, weights, minlength)
    if input.size and input.min() < 0:
        raise TensorError("bincount only supports 1-d non-negative integral inputs.")
    if input.size and input.max() >= max(MOST, minlength):
        raise TensorError(f"bincount only counts numbers below {MOST}")
    out = np.bincount(input.astype(np.int64), weights, minlength)
    return out.astype(_weight_dtype(weights), copy=False)


def _range_check(input: Any, bins: int, low: Any, high: Any) -> None:
    if bins <= 0:
        raise TensorError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    BINS.check(input)
    if low > high:
        raise TensorError("torch.histc: max must be larger than min")


def _histc_meta(input: Spec, bins: int, min: Any, max: Any) -> Estimate:
    _range_check(input, bins, min, max)
    return Estimate((Spec((bins,), input.dtype),), 3 * input.nbytes + 8 * input.numel, 6 * (input.numel + bins))


@op(
    "histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
    meta=_histc_meta,
    kind="opaque",
    samples=lambda: [Sample(*s.args, 4, -1, 2, tags=s.tags) for s in unary()()],
)
def histc(input: Any, bins: Any, min: Any, max: Any) -> Any:
    """How many elements fall into each of ``bins`` equal parts of a range (by default that of the elements); others are not counted.

    Errors: RuntimeError for a range that is empty or not finite. Source: torch.histc.

    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    _range_check(input, bins, min, max)
    low, high = min, max
    flat = np.ravel(input)
    if low == high and flat.size:
        low, high = flat.min().item(), flat.max().item()
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise TensorError(f"torch.histc: range of [{low:g}, {high:g}] is not finite")
    d = np.float32 if flat.dtype.char == "e" else flat.dtype.type
    inside = flat[(flat >= low) & (flat <= high)].astype(d)
    places = ((inside - d(low)) / (d(high) - d(low)) * d(bins)).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(input.dtype)


# -- distinct elements -------------------------------------------------------------------------------------------------------


def _distinct_meta(input: Spec, inverse: bool, counts: bool, dim: int | None) -> Estimate:
    COMPLEX.check(input)
    if dim is None:
        n = input.numel
        shape: tuple[int, ...] = (n,)
        places: tuple[int, ...] = input.shape
    else:
        d = wrap_dim(dim, input.ndim)
        n = input.shape[d] if input.shape else 1
        shape, places = input.shape or (1,), (n,)
    outputs = [Spec(shape, input.dtype)]
    if inverse:
        outputs.append(Spec(places, dtypes.int64))
    if counts:
        outputs.append(Spec((n,), dtypes.int64))
    cost = 8 * max(input.numel, 1) * max(n.bit_length(), 1)
    keys = 1 if dim is None else max(input.numel // max(n, 1), 1)  # rows are sorted by each of their elements
    return Estimate(tuple(outputs), 4 * input.nbytes + 32 * input.numel + 3_000 * keys, cost + 2_000 * keys, bound=True)


COMPLEX = Domain("c", "\"unique\" not implemented for '{dtype}'")


def _answer(values: Any, places: Any, counts: Any, return_inverse: bool, return_counts: bool) -> Any:
    if not return_inverse and not return_counts:
        return values
    return (values, *((places,) if return_inverse else ()), *((counts,) if return_counts else ()))


def _runs(rows: Any) -> tuple[Any, Any, Any]:
    """Of rows: where a new one begins, the number of the run of each, and the lengths of the runs."""
    n = rows.shape[0]
    new = np.ones(n, bool)
    if n > 1:
        np.logical_or.reduce(rows[1:] != rows[:-1], axis=1, out=new[1:])
    starts = np.flatnonzero(new)
    return starts, np.cumsum(new) - 1, np.diff(starts, append=n)


def _rows(input: Any, dim: int | None) -> Any:
    if dim is None:
        return np.ravel(input).reshape(-1, 1)
    wrap_dim(dim, input.ndim)
    x = np.moveaxis(input, dim, 0) if input.ndim else np.reshape(input, (1,))
    return x.reshape(x.shape[0], -1)


def _picked(input: Any, dim: int | None, chosen: Any) -> Any:
    if dim is None:
        return np.ravel(input)[chosen]
    return np.take(input if input.ndim else np.reshape(input, (1,)), chosen, axis=dim)


@op(
    "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor[]",
    meta=lambda input, sorted, return_inverse, return_counts, dim: _distinct_meta(
        input, return_inverse, return_counts, dim
    ),
    kind="opaque",
    grad_fn="Unique2Backward0",
    vjp={"input": lambda g: _missing("the derivative for '_unique2' is not implemented.")},
    samples=over(
        Sample(np.array([[3, 1], [3, 1], [2, 2]])),
        Sample(np.array([[3, 1], [3, 1], [2, 2]]), True, True, True, 0),
        Sample(np.array([[3, 3, 1]]), dim=-1, tags=("negative dim",)),
        Sample(np.array(1.5), True, True, True, tags=("0-d",)),
        Sample(np.zeros((0, 3)), True, True, tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def unique(input: Any, sorted: Any, return_inverse: Any, return_counts: Any, dim: Any) -> Any:
    """The distinct elements in order, or the distinct slices along a dim; on demand where each went, and how many there were.

    Gradient: not implemented, in PyTorch neither: backward is an error. Source: torch.unique.

    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    COMPLEX.check(input)
    rows = _rows(input, dim)
    order = np.lexsort(rows.T[::-1]) if rows.shape[1] else np.arange(rows.shape[0])
    starts, runs, counts = _runs(rows[order])
    places = np.empty(rows.shape[0], np.int64)
    places[order] = runs
    if dim is None:
        places = places.reshape(input.shape)
    return _answer(_picked(input, dim, order[starts]), places, counts, return_inverse, return_counts)


@op(
    "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor[]",
    meta=lambda input, return_inverse, return_counts, dim: _distinct_meta(input, return_inverse, return_counts, dim),
    kind="opaque",
    vjp={"input": lambda g: _missing("the derivative for 'unique_consecutive' is not implemented.")},
    samples=over(
        Sample(np.array([1, 1, 2, 1])),
        Sample(np.array([[3, 1], [3, 1], [2, 2]]), True, True, 0),
        Sample(np.array([[3, 3, 1]]), dim=-1, tags=("negative dim",)),
        Sample(np.array(1.5), True, True, tags=("0-d",)),
        Sample(np.zeros((0, 3)), True, tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def unique_consecutive(input: Any, return_inverse: Any, return_counts: Any, dim: Any) -> Any:
    """The elements without those that equal their predecessor, or slices along a dim; on demand where each went, and how many there were.

    Gradient: not implemented, in PyTorch neither: backward is an error. Source: torch.unique_consecutive.

    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    COMPLEX.check(input)
    starts, runs, counts = _runs(_rows(input, dim))
    places = runs.reshape(input.shape) if dim is None else runs
    return _answer(_picked(input, dim, starts), places, counts, return_inverse, return_counts)
