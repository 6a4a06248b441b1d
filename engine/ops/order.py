"""Sorting. NaN counts as the largest, and equal elements keep their order. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import along
from engine.rules import rules
from engine.samples import array, reductions
from engine.shapes import wrap_dim

SORT = Domain("c", " Sort does not support complex dtypes on CPU", TensorError)
TOPK = Domain("c", " topk does not support complex dtypes on CPU", TensorError)
TOPK_BOOL = Domain("b", "topk does not support bool dtypes on CPU", TensorError)


def _cost(n: int, length: int) -> int:
    return 6 * max(n, 1) * max(length.bit_length(), 1)


def _sorted_meta(input: Spec, dim: int) -> Estimate:
    d = wrap_dim(dim, input.ndim)
    SORT.check(input)
    cost = _cost(input.numel, input.shape[d] if input.shape else 1)
    return Estimate((input, Spec(input.shape, dtypes.int64)), input.nbytes + 8 * input.numel, cost)


def _ranking(input: Any, dim: int, descending: bool) -> Any:
    """The indices that sort a tensor along a dim."""
    wrap_dim(dim, input.ndim)
    SORT.check(input)
    if not input.ndim:
        return np.int64(0)
    if not descending:
        return input.argsort(dim, "stable")
    turned = (slice(None),) * (dim % input.ndim) + (slice(None, None, -1),)
    backwards = input[turned].argsort(dim, "stable")
    return np.subtract(input.shape[dim] - 1, backwards)[turned]


def _sorted(input: Any, dim: int, descending: bool) -> Any:
    order = _ranking(input, dim, descending)
    return (input[along(order, dim)], order) if input.ndim else (input, order)


def _to_places(grads: Any, input_shape: tuple[int, ...], dim: int, result1: Any) -> Any:
    return rules._put(grads[0], dim, result1, input_shape)


def _samples() -> list[Sample]:
    plain = [Sample(*s.args[:2], tags=s.tags) for s in reductions()()]
    return [*plain, Sample(array(2, 3)), Sample(array(2, 3), 1, True)]


@op(
    "sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    meta=lambda input, dim, descending: _sorted_meta(input, dim),
    kind="opaque",
    samples=_samples,
    vjp={"input": _to_places},
)
def sort(input: Any, dim: Any, descending: Any) -> Any:
    """The elements in order along a dim, and where they were.

    Equal elements keep their order, as with ``stable=True`` (PyTorch keeps it up to 16 elements and promises nothing beyond).
    Gradient: g, put back to the places. Errors: RuntimeError for complex tensors. Source: torch.sort.

    >>> torch.sort(torch.tensor([3.0, 1.0, 2.0]))
    torch.return_types.sort(
    values=tensor([1., 2., 3.]),
    indices=tensor([1, 2, 0]))
    """
    return _sorted(input, dim, descending)


@op(
    "sort.stable(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    meta=lambda input, stable, dim, descending: _sorted_meta(input, dim),
    kind="opaque",
    grad_fn="SortBackward1",
    samples=lambda: [Sample(s.args[0], stable=True, dim=(*s.args, -1)[1], tags=s.tags) for s in _samples()],
    vjp={"input": _to_places},
)
def sort_stable(input: Any, stable: Any, dim: Any, descending: Any) -> Any:
    """As ``sort``, where it is said that equal elements keep their order (here they always do).

    Gradient: g, put back to the places. Source: torch.sort.

    >>> torch.sort(torch.tensor([2.0, 1.0, 2.0]), stable=True).indices
    tensor([1, 0, 2])
    """
    return _sorted(input, dim, descending)


@op(
    "argsort(Tensor input, int dim=-1, bool descending=False) -> Tensor",
    meta=lambda input, dim, descending: Spec(input.shape, _sorted_meta(input, dim).outputs[1].dtype),
    kind="opaque",
    samples=_samples,
)
def argsort(input: Any, dim: Any, descending: Any) -> Any:
    """The indices that sort a tensor along a dim. Source: torch.argsort.

    >>> torch.argsort(torch.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    return _ranking(input, dim, descending)


@op(
    "argsort.stable(Tensor input, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
    meta=lambda input, stable, dim, descending: Spec(input.shape, _sorted_meta(input, dim).outputs[1].dtype),
    kind="opaque",
    samples=lambda: [Sample(s.args[0], stable=True, dim=(*s.args, -1)[1], tags=s.tags) for s in _samples()],
)
def argsort_stable(input: Any, stable: Any, dim: Any, descending: Any) -> Any:
    """As ``argsort``, where it is said that equal elements keep their order (here they always do). Source: torch.argsort.

    >>> torch.argsort(torch.tensor([2.0, 1.0, 2.0]), stable=True)
    tensor([1, 0, 2])
    """
    return _ranking(input, dim, descending)


@op(
    "msort(Tensor input) -> Tensor",
    meta=lambda input: Estimate(_sorted_meta(input, 0).outputs[:1], *_sorted_meta(input, 0)[1:3]),
    kind="composite",
    samples=lambda: [Sample(s.args[0], tags=tuple(t for t in s.tags if t != "negative dim")) for s in _samples()],
)
def msort(input: Any) -> Any:
    """The elements in order along the first dim: ``sort(0)`` without the indices. Source: torch.msort.

    >>> torch.msort(torch.tensor([3.0, 1.0, 2.0]))
    tensor([1., 2., 3.])
    """
    return rules.sort(input, 0)[0]


def _topk_check(input: Any, k: int, dim: int) -> int:
    d = wrap_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[d] if input.shape else 1):
        raise TensorError("selected index k out of range")
    TOPK.check(input)
    TOPK_BOOL.check(input)
    return d


def _topk_meta(input: Spec, k: int, dim: int, largest: bool, sorted: bool) -> Estimate:
    d = _topk_check(input, k, dim)
    shape = (*input.shape[:d], k, *input.shape[d + 1 :]) if input.shape else ()
    work = input.nbytes + 8 * input.numel
    return Estimate((Spec(shape, input.dtype), Spec(shape, dtypes.int64)), 2 * work, _cost(input.numel, k))


@op(
    "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
    meta=_topk_meta,
    kind="opaque",
    samples=lambda: [
        *(Sample(s.args[0], 1, (*s.args, -1)[1], tags=s.tags) for s in _samples()),
        Sample(array(2, 200), 5, 1),
        Sample(array(2, 200), 5, 1, False),
    ],
    vjp={"input": _to_places},
)
def topk(input: Any, k: Any, dim: Any, largest: Any, sorted: Any) -> Any:
    """The ``k`` largest (or smallest) elements along a dim in order, and where they were.

    Of equal elements the first are taken, and stand in their order (PyTorch promises nothing: its choice follows from how it selects).
    Gradient: g, put back to the places. Errors: RuntimeError for k beyond the size of the dim. Source: torch.topk.

    >>> torch.topk(torch.tensor([3.0, 1.0, 2.0]), 2)
    torch.return_types.topk(
    values=tensor([3., 2.]),
    indices=tensor([0, 2]))
    """
    d = _topk_check(input, k, dim)
    if not input.ndim:
        return input, np.int64(0)
    first = (slice(None),) * d + (slice(0, k),)
    n = input.shape[d]
    if n < 64 or 4 * k > n or not k:
        order = _ranking(input, d, largest)[first]
        return input[along(order, d)], order
    nth = n - k if largest else k - 1
    some = (slice(None),) * d + ((slice(nth, None) if largest else slice(0, k)),)
    places = input.argpartition(nth, d)[some]
    places.sort(d)
    values = input[along(places, d)]
    edge = (np.minimum if largest else np.maximum).reduce(values, axis=d, keepdims=True)
    taken, there = (np.add.reduce(x == edge, axis=d, dtype=np.int64) for x in (values, input))
    if not np.array_equal(taken, there) or (edge.dtype.kind == "f" and np.isnan(edge).any()):  # equals were left out
        order = _ranking(input, d, largest)[first]
        return input[along(order, d)], order
    order = _ranking(values, d, largest)
    at = along(order, d)
    return values[at], places[at]
