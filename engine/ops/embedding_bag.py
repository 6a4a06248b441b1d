"""Sums, means and maxima over bags of rows of a table: from ``embedding`` and its transpose. Sentences: PyTorch's EmbeddingBag.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import InvalidValueError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over

_MODES = ("sum", "mean", "max")


def _starts(indices: Any, offsets: Any, include_last_offset: bool) -> Any:
    """Where the bags start. Errors: RuntimeError for offsets that do not fit the numbers."""
    if len(offsets) and offsets[0] != 0:
        raise TensorError(
            f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, got {offsets[0]}"
        )
    if len(offsets) and offsets[-1] > len(indices):
        raise TensorError(
            f"offsets[-1] can not be greater than input's length {len(indices)} but got offsets[-1] of {offsets[-1]}"
        )
    if np.logical_or.reduce(offsets[1:] < offsets[:-1]):
        raise TensorError("offsets must not fall")
    return offsets[:-1] if include_last_offset else offsets


@op(
    "_bags(Tensor indices, Tensor offsets, bool include_last_offset, int padding_idx) -> Tensor",
    meta=lambda indices, offsets, include_last_offset, padding_idx: Spec(indices.shape, dtypes.int64),
    kind="opaque",
    forms="",
    samples=over(
        Sample(np.array([3, 1, 1]), np.array([0, 2]), False, -1),
        Sample(np.array([3, 1, 1]), np.array([0, 2, 3]), True, 1),
    ),
)
def _bags(indices: Any, offsets: Any, include_last_offset: Any, padding_idx: Any) -> Any:
    """The bag of each number; one beyond the last for what counts nowhere. Source: PyTorch's offset2bag."""
    starts = _starts(indices, offsets, include_last_offset)
    if not len(starts):
        return np.zeros(len(indices), np.int64)
    bags = np.searchsorted(starts, np.arange(len(indices)), side="right") - 1
    if include_last_offset:
        bags[offsets[-1] :] = len(starts)
    if padding_idx >= 0:
        bags[indices == padding_idx] = len(starts)
    return bags


@op(
    "_bag_sizes(Tensor bags, int count, ScalarType dtype) -> Tensor",
    meta=lambda bags, count, dtype: Spec((count, 1), dtype),
    kind="opaque",
    forms="",
    samples=over(Sample(np.array([0, 0, 2, 3]), 3, dtypes.float64)),
)
def _bag_sizes(bags: Any, count: Any, dtype: Any) -> Any:
    """How many numbers each bag holds, 1 for none. Source: PyTorch's bag_size."""
    sizes = np.bincount(bags, minlength=count + 1)[:count]
    return np.maximum(sizes, 1).astype(dtype.numpy)[:, None]


@op(
    "_bag_places(Tensor input, Tensor bags, int count) -> Tensor",
    meta=lambda input, bags, count: Spec((count, input.shape[1]), dtypes.int64),
    kind="opaque",
    forms="",
    samples=over(Sample(array(4, 2), np.array([0, 0, 2, 3]), 3)),
)
def _bag_places(input: Any, bags: Any, count: Any) -> Any:
    """Flat places of the maxima of bags of rows: the first of equals; a place beyond all rows for an empty bag.

    Source: PyTorch's max_indices.
    """
    b, d = input.shape
    places = np.full((count, d), b * d) + np.arange(d)
    kept = np.flatnonzero(bags < count)
    if len(kept):
        numbers = bags[kept]
        first = np.flatnonzero(np.concatenate(([True], numbers[1:] != numbers[:-1])))
        best = np.full((count, d), -np.inf, input.dtype)
        best[numbers[first]] = np.maximum.reduceat(input[kept], first, axis=0)
        rows = np.where(input[kept] == best[numbers], kept[:, None], b)
        found = np.minimum.reduceat(rows, first, axis=0)
        places[numbers[first]] = found * d + np.arange(d)
    return places


def _check(input: Any, weight: Any, offsets: Any, mode: str, per_sample_weights: Any, scale: bool) -> None:
    """What PyTorch refuses before it looks at a value."""
    if mode not in _MODES:
        raise InvalidValueError("mode has to be one of sum, mean or max")
    for what, value in (("indices", input), ("offsets", offsets)):
        if value is not None and value.dtype.name not in ("int64", "int32"):
            raise TensorError(
                f"Expected tensor for argument #1 '{what}' to have one of the following scalar types: Long, Int; but got "
                f"torch.{spoken(value)}Tensor instead (while checking arguments for embedding_bag)"
            )
    if weight.ndim != 2:
        raise TensorError("'weight' must be 2-D")
    if mode == "max" and scale:
        raise InvalidValueError("max mode does not support scaling the gradient by the frequency")
    _check_bags(input, offsets)
    if per_sample_weights is not None:
        _check_factors(input, weight, mode, per_sample_weights)


def _check_bags(input: Any, offsets: Any) -> None:
    if input.ndim == 2:
        if offsets is not None:
            raise InvalidValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences. However, "
                "found offsets of type <class 'torch.Tensor'>"
            )
    elif input.ndim == 1:
        if offsets is None:
            raise InvalidValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise InvalidValueError("offsets has to be a 1D Tensor")
    else:
        raise InvalidValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")


def _check_factors(input: Any, weight: Any, mode: str, per_sample_weights: Any) -> None:
    if mode != "sum":
        raise UnsupportedDtypeError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got mode="
            f"'{mode}'). Please open a feature request on GitHub."
        )
    if tuple(per_sample_weights.shape) != tuple(input.shape):
        raise InvalidValueError(
            f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it must have the same shape "
            f"as the input ({tuple(input.shape)})"
        )
    if per_sample_weights.dtype.name != weight.dtype.name:
        raise TensorError("expected `per_sample_weights` to have the same type as `weight`")


def _padding(padding_idx: Any, count: int) -> int:
    if padding_idx is None:
        return -1
    if not -count <= padding_idx < count:
        raise TensorError(
            f"padding_idx must be within the number of embeddings, {-count} through {count - 1}, but got {padding_idx}"
        )
    return padding_idx % count  # type: ignore[no-any-return]


def _count(input: Any, offsets: Any, include_last_offset: bool) -> int:
    if input.ndim == 2:
        return input.shape[0]  # type: ignore[no-any-return]
    count = offsets.shape[0] - include_last_offset
    if count < 0:
        raise TensorError("include_last_offset: number of offset should be at least 1")
    return count  # type: ignore[no-any-return]


def _meta(
    input: Spec,
    weight: Spec,
    offsets: Any,
    max_norm: Any,
    norm_type: float,
    scale_grad_by_freq: bool,
    mode: str,
    sparse: bool,
    per_sample_weights: Any,
    include_last_offset: bool,
    padding_idx: Any,
) -> Estimate:
    _check(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq)
    _padding(padding_idx, weight.shape[0])
    rows = input.numel * weight.shape[1]
    out = Spec((_count(input, offsets, include_last_offset), weight.shape[1]), weight.dtype)
    norm = 0 if max_norm is None else weight.nbytes
    return Estimate((out,), 4 * rows * max(weight.dtype.itemsize, 8) + 2 * norm, 4 * rows + out.numel + norm)


_NODE = "EmbeddingBagBackward0"
_TABLE, _NUMBERS = array(4, 3), np.array([0, 2, 2, 1])


@op(
    "embedding_bag(Tensor input, Tensor weight, Tensor? offsets=None, float? max_norm=None, float norm_type=2, "
    'bool scale_grad_by_freq=False, str mode="mean", bool sparse=False, Tensor? per_sample_weights=None, '
    "bool include_last_offset=False, int? padding_idx=None) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.embedding_bag",),
    forms="function",
    samples=over(
        Sample(_NUMBERS, _TABLE, np.array([0, 1, 1])),
        Sample(_NUMBERS, _TABLE, np.array([0, 1, 1]), mode="max", padding_idx=1),
        Sample(_NUMBERS.reshape(2, 2), _TABLE, mode="sum", per_sample_weights=array(2, 2)),
        Sample(_NUMBERS[:0], _TABLE, np.array([0, 0]), tags=("empty",)),
        Sample(_NUMBERS.reshape(2, 2).T, np.asfortranarray(_TABLE), tags=("non-contiguous",)),
    ),
)
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any,
    max_norm: Any,
    norm_type: Any,
    scale_grad_by_freq: Any,
    mode: Any,
    sparse: Any,
    per_sample_weights: Any,
    include_last_offset: Any,
    padding_idx: Any,
) -> Any:
    """Rows of ``weight`` by number, and of each bag of them the sum, the mean or the maximum.

    Shapes: input (b) with offsets (bags), where bags start; or (bags, b/bags); weight (n, d); the result is (bags, d). padding_idx: numbers
    that count nowhere. per_sample_weights: factors of the rows, for a sum. Gradient: g added up by row. Errors: ValueError for shapes that
    do not fit, RuntimeError for offsets beyond the numbers. Source: torch.nn.functional.embedding_bag.

    >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([1, 0, 1]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [3., 4.]])
    """
    _check(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq)
    padding = _padding(padding_idx, weight.shape[0])
    count = _count(input, offsets, include_last_offset)
    factors = per_sample_weights
    if input.ndim == 2:
        n, each = input.shape
        starts: Any = np.arange(n) * each
        numbers, last = rules.reshape(input, (n * each,)), False
        if per_sample_weights is not None:
            factors = rules.reshape(per_sample_weights, (n * each,))
    else:
        numbers, starts, last = input, offsets, include_last_offset
    bags = rules._bags(numbers, starts, last, padding)
    rows = getattr(rules, "nn.functional.embedding")(numbers, weight, None, max_norm, norm_type, scale_grad_by_freq)
    if mode == "max":
        beyond = rules.constant_pad_nd(rows, [0, 0, 0, 1])
        return renamed(rules._max_pool_pick(beyond, rules._bag_places(rows, bags, count), 2), _NODE)
    if factors is not None:
        rows = rows * rules.unsqueeze(factors, 1)
    total = rules.embedding_dense_backward(rows, bags, count, count, False)
    if mode == "sum":
        return renamed(total, _NODE)
    return renamed(total / rules._bag_sizes(bags, count, _dtype(weight)), _NODE)


def _dtype(x: Any) -> dtypes.dtype:
    return x.dtype if isinstance(x.dtype, dtypes.dtype) else dtypes.of_numpy(x.dtype)
