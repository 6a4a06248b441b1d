"""Medians, quantiles and modes: elements by their rank. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, real
from engine.errors import DimensionError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import counted, restored
from engine.rules import rules
from engine.samples import reductions, unary
from engine.shapes import reduced_shape, wrap_dim

MEDIAN = real("median_cpu", "b")
MEDIAN_DIM = real("median_out", "b")
KTH = real("kthvalue_cpu", "b")
MODE = real("mode_cpu")


def _cost(n: int) -> int:
    return 20 * max(n, 1)


def _chosen_meta(name: str, domain: Domain) -> Any:
    """The estimate of rows that answer one element along a dim, and its index."""

    def meta(input: Spec, dim: int, keepdim: bool) -> Estimate:
        _nonempty(name, input.shape, dim)
        domain.check(input)
        shape = reduced_shape(input.shape, (dim,), keepdim)
        work = input.nbytes + 8 * input.numel
        return Estimate((Spec(shape, input.dtype), Spec(shape, dtypes.int64)), 2 * work, _cost(input.numel))

    return meta


def _nonempty(name: str, shape: tuple[int, ...], dim: int) -> int:
    d = wrap_dim(dim, len(shape))
    if shape and not shape[d]:
        raise DimensionError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
    return d


def _to_place(grads: Any, input_shape: tuple[int, ...], dim: int, keepdim: bool, result1: Any) -> Any:
    n, dims = len(input_shape), (dim,)
    return rules._put(restored(grads[0], n, dims, keepdim), dim, restored(result1, n, dims, keepdim), input_shape)


def _at(input: Any, places: Any, d: int, keepdim: bool) -> Any:
    """The elements at the places (given with the dim kept), and the places."""
    values = np.take_along_axis(input, places, d)
    return (values, places) if keepdim else (np.squeeze(values, d), np.squeeze(places, d))


# -- medians -----------------------------------------------------------------------------------------------------------------


def _evenly(g: Any, input: Any, result: Any) -> Any:
    same = (input == result) | ((input != input) & (result != result))  # noqa: PLR0124 - NaN
    return g * same / counted(same, None, g)


def _middle(input: Any, skip: bool) -> Any:
    """The median of all elements: NaN where there is one, or without them."""
    MEDIAN.check(input)
    flat = np.ravel(input)
    if not flat.size:
        return input.dtype.type(math.nan if input.dtype.kind == "f" else np.iinfo(input.dtype).min)
    if input.dtype.kind == "f":
        holes = np.isnan(flat)
        if np.logical_or.reduce(holes):
            if not skip or np.logical_and.reduce(holes):
                return input.dtype.type(math.nan)
            flat = flat[~holes]
    k = (flat.size - 1) // 2
    return np.partition(flat, k)[k]


def _median_meta(input: Spec) -> Estimate:
    MEDIAN.check(input)
    return Estimate((Spec((), input.dtype),), input.nbytes, _cost(input.numel))


@op("median(Tensor input) -> Tensor", meta=_median_meta, kind="reduce", samples=unary(), vjp={"input": _evenly})
def median(input: Any) -> Any:
    """The middle element (of an even number the lower of two); NaN where there is one.

    Gradient: g, shared evenly among equal elements. Errors: NotImplementedError for bool and complex tensors. Source: torch.median.

    >>> torch.median(torch.tensor([3.0, 1.0, 2.0, 9.0]))
    tensor(2.)
    """
    return _middle(input, False)


@op("nanmedian(Tensor input) -> Tensor", meta=_median_meta, kind="reduce", samples=unary(), vjp={"input": _evenly})
def nanmedian(input: Any) -> Any:
    """The middle one of the elements that are not NaN.

    Gradient: g, shared evenly among equal elements. Source: torch.nanmedian.

    >>> torch.nanmedian(torch.tensor([3.0, float("nan"), 2.0]))
    tensor(2.)
    """
    return _middle(input, True)


def _middle_along(input: Any, dim: int, keepdim: bool, skip: bool) -> Any:
    d = _nonempty("median", input.shape, dim)
    MEDIAN_DIM.check(input)
    if not input.ndim:
        return input, np.int64(0)
    order = np.argsort(input, axis=d, kind="stable")
    n = input.shape[d]
    k = np.full((*input.shape[:d], 1, *input.shape[d + 1 :]), (n - 1) // 2)
    if input.dtype.kind == "f":
        holes = np.add.reduce(np.isnan(input), axis=d, keepdims=True, dtype=np.int64)
        k = np.maximum((n - holes - 1) // 2, 0) if skip else np.where(holes > 0, n - holes, k)
    return _at(input, np.take_along_axis(order, k, d), d, keepdim)


@op(
    "median.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_chosen_meta("median", MEDIAN_DIM),
    kind="reduce",
    grad_fn="MedianBackward1",
    samples=reductions(),
    vjp={"input": _to_place},
)
def median_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """The middle elements along a dim (of an even number the lower of two), and their indices; NaN where there is one.

    Gradient: g to the elements at the indices. Errors: IndexError for a dim of size 0. Source: torch.median.

    >>> torch.median(torch.tensor([[3.0, 1.0, 2.0]]), 1)
    torch.return_types.median(
    values=tensor([2.]),
    indices=tensor([2]))
    """
    return _middle_along(input, dim, keepdim, False)


@op(
    "nanmedian.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_chosen_meta("median", MEDIAN_DIM),
    kind="reduce",
    grad_fn="NanmedianBackward1",
    samples=reductions(),
    vjp={"input": _to_place},
)
def nanmedian_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """The middle ones along a dim of the elements that are not NaN, and their indices.

    Gradient: g to the elements at the indices. Errors: IndexError for a dim of size 0. Source: torch.nanmedian.

    >>> torch.nanmedian(torch.tensor([[3.0, float("nan"), 2.0]]), 1)
    torch.return_types.nanmedian(
    values=tensor([2.]),
    indices=tensor([2]))
    """
    return _middle_along(input, dim, keepdim, True)


def _kth_check(input: Any, k: int, dim: int) -> int:
    d = _nonempty("kthvalue", input.shape, dim)
    if not 1 <= k <= (input.shape[d] if input.shape else 1):
        raise TensorError(f"kthvalue(): selected number k out of range for dimension {d}")
    return d


def _kth_meta(input: Spec, k: int, dim: int, keepdim: bool) -> Estimate:
    _kth_check(input, k, dim)
    return _chosen_meta("kthvalue", KTH)(input, dim, keepdim)  # type: ignore[no-any-return]


@op(
    "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_kth_meta,
    kind="reduce",
    samples=lambda: [Sample(s.args[0], 1, *s.args[1:], tags=s.tags) for s in reductions()()],
    vjp={"input": _to_place},
)
def kthvalue(input: Any, k: Any, dim: Any, keepdim: Any) -> Any:
    """The k-th smallest elements along a dim (counted from 1), and their indices.

    Equal elements count in their order, so of k equal ones the k-th is the k-th to stand there (PyTorch promises nothing here).
    Gradient: g to the elements at the indices. Errors: RuntimeError for k out of range. Source: torch.kthvalue.

    >>> torch.kthvalue(torch.tensor([3.0, 1.0, 2.0]), 2)
    torch.return_types.kthvalue(
    values=tensor(2.),
    indices=tensor(2))
    """
    d = _kth_check(input, k, dim)
    KTH.check(input)
    if not input.ndim:
        return input, np.int64(0)
    order = np.argsort(input, axis=d, kind="stable")
    return _at(input, order[(slice(None),) * d + (slice(k - 1, k),)], d, keepdim)


@op(
    "mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_chosen_meta("mode", MODE),
    kind="reduce",
    samples=reductions(),
    vjp={"input": _to_place},
)
def mode(input: Any, dim: Any, keepdim: Any) -> Any:
    """The most frequent elements along a dim (of equally frequent ones the smallest), and where they stand last.

    PyTorch's index is the last one up to 16 elements, and one of theirs beyond.
    Gradient: g to the elements at the indices. Errors: IndexError for a dim of size 0. Source: torch.mode.

    >>> torch.mode(torch.tensor([3.0, 1.0, 3.0]))
    torch.return_types.mode(
    values=tensor(3.),
    indices=tensor(2))
    """
    d = _nonempty("mode", input.shape, dim)
    MODE.check(input)
    if not input.ndim:
        return input, np.int64(0)
    x = np.moveaxis(input, d, -1)
    order = np.argsort(x, axis=-1, kind="stable")
    ranked = np.take_along_axis(x, order, -1)
    n = x.shape[-1]
    starts = np.ones(ranked.shape, bool)
    np.not_equal(ranked[..., 1:], ranked[..., :-1], out=starts[..., 1:])
    begun = np.maximum.accumulate(np.where(starts, np.arange(n), 0), axis=-1)
    lengths = np.arange(n) - begun
    best = np.argmax(lengths, -1, keepdims=True)
    places = np.moveaxis(np.take_along_axis(order, best, -1), -1, d)
    return _at(input, places, d, keepdim)
