"""Products and running sums, products and extremes. Rules and names: PyTorch's derivatives.yaml (prod_backward, cumprod_backward)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.domain import real
from engine.foresight import foresee
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, reductions, strided, unary
from engine.shapes import reduced_shape, wrap_dim


def _dtype(d: Any, wanted: dtypes.dtype | None) -> dtypes.dtype:
    """The dtype of a sum or product: integers give int64."""
    d = d if isinstance(d, dtypes.dtype) else dtypes.of_numpy(d)
    return wanted or (d if d.category >= 2 else dtypes.int64)


def _raw(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic))


# -- products ----------------------------------------------------------------------------------------------------------------


@op(
    "_others_product(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: Estimate((input,), 3 * input.nbytes, 4 * max(input.numel, 1)),
    kind="opaque",
    forms="",
    samples=over(
        Sample(array(2, 3), 1),
        Sample(array(2, 3), -1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), 0, tags=("empty",)),
        Sample(strided(3, 2), 0, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input, dim: _to_factors(g, input, dim)},
)
def _others_product(input: Any, dim: Any) -> Any:
    """For each element the product of all others along a dim: what ``prod`` has as its derivative, zeros or not.

    Gradient: of the same kind, from the products of all but two. Source: torch.prod.

    >>> torch.prod(torch.tensor([2.0, 3.0]))
    tensor(6.)
    """
    if not input.ndim:
        return np.ones_like(input)
    x = np.moveaxis(input, dim, -1)
    before, after = np.ones_like(x), np.ones_like(x)
    if x.shape[-1] > 1:
        np.multiply.accumulate(x[..., :-1], axis=-1, out=before[..., 1:])
        np.multiply.accumulate(x[..., :0:-1], axis=-1, out=after[..., -2::-1])
    return np.moveaxis(before * after, -1, dim)


PAIRS: Final = 5  # matrices of every two elements that live at once


def _without(x: Any, keep: Any) -> Any:
    """The elements of the last dim as rows of a matrix, with 1 where ``keep`` does not hold."""
    return rules.where(keep, rules.unsqueeze(x, -2), 1)


def _to_factors(g: Any, input: Any, dim: int) -> Any:
    if not input.ndim:
        return rules.zeros_like(g)
    foresee("prod", input, PAIRS * input.shape[dim])
    x, g = rules.movedim(input, dim, -1), rules.movedim(g, dim, -1)
    off = ~np.eye(x.shape[-1], dtype=bool)
    pairs = rules.where(off, rules._others_product(_without(x, off), -1), 0)
    return rules.movedim(rules.sum(rules.unsqueeze(g, -1) * pairs.conj(), -2), -1, dim)


def _to_product(g: Any, input: Any) -> Any:
    flat = rules.reshape(input, (-1,))
    return rules.reshape(g * rules._others_product(flat, 0).conj(), tuple(input.shape))


@op(
    "prod(Tensor input, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dtype: Spec((), _dtype(input.dtype, dtype)),
    kind="reduce",
    samples=unary(),
    vjp={"input": _to_product},
)
def prod_all(input: Any, dtype: Any) -> Any:
    """The product of all elements.

    Gradient: g times the product of all other elements, right where some are zero. Source: torch.prod.

    >>> torch.tensor([2.0, 3.0, 4.0]).prod()
    tensor(24.)
    """
    return np.multiply.reduce(input, axis=None, dtype=_dtype(input.dtype, dtype).numpy)


def _to_product_along(g: Any, input: Any, dim: int, keepdim: bool) -> Any:
    if not keepdim and input.ndim:
        g = rules.unsqueeze(g, wrap_dim(dim, input.ndim))
    return g * rules._others_product(input, dim).conj()


@op(
    "prod.dim_int(Tensor input, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, keepdim, dtype: Spec(
        reduced_shape(input.shape, (dim,), keepdim), _dtype(input.dtype, dtype)
    ),
    kind="reduce",
    grad_fn="ProdBackward1",
    samples=reductions(),
    vjp={"input": _to_product_along},
)
def prod_dim(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The product along a dim.

    Gradient: g times the product of all other elements along the dim. Source: torch.prod.

    >>> torch.tensor([[2.0, 3.0], [4.0, 5.0]]).prod(0)
    tensor([ 8., 15.])
    """
    d = _dtype(input.dtype, dtype).numpy
    if not input.ndim:
        wrap_dim(dim, 0)
        return input.astype(d)
    return np.multiply.reduce(input, axis=dim, dtype=d, keepdims=keepdim)


# -- running sums and products -------------------------------------------------------------------------------------------------


def _running(input: Spec, dim: int, dtype: Any = None) -> Spec:
    wrap_dim(dim, input.ndim)
    return Spec(input.shape, _dtype(input.dtype, dtype))


def _along() -> list[Sample]:
    return [Sample(*s.args[:2], tags=s.tags) for s in reductions()()]


def _accumulated(ufunc: Any, input: Any, dim: int, dtype: Any) -> Any:
    d = _dtype(input.dtype, dtype).numpy
    if not input.ndim:
        wrap_dim(dim, 0)
        return input.astype(d)
    return ufunc.accumulate(input, axis=dim, dtype=d)


def _from_end(g: Any, dim: int) -> Any:
    """Running sums from the end."""
    if _raw(g):
        if not g.ndim:
            return g
        return np.flip(np.add.accumulate(np.flip(g, dim), axis=dim), dim)
    return rules.flip(rules.cumsum(rules.flip(g, (dim,)), dim), (dim,))


@op(
    "cumsum(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor",
    meta=_running,
    kind="linear",
    forms="function method inplace",
    samples=_along,
    vjp={"input": lambda g, dim: _from_end(g, dim)},
)
def cumsum(input: Any, dim: Any, dtype: Any) -> Any:
    """Running sums along a dim.

    Gradient: running sums of g from the end. Source: torch.cumsum.

    >>> torch.cumsum(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    return _accumulated(np.add, input, dim, dtype)


def _slopes(x: Any) -> tuple[Any, Any, Any]:
    """Of running products along the last dim: which factors each has, these as rows of a matrix, and the products of the others."""
    foresee("cumprod", x, PAIRS * x.shape[-1])
    lower = np.tri(x.shape[-1], dtype=bool)
    rows = _without(x, lower)
    return lower, rows, rules.where(lower, rules._others_product(rows, -1), 0)


def _twice_to_running(g: Any, upstream: Any, input: Any, dim: int) -> tuple[Any, Any]:
    if not input.ndim:
        return g, rules.zeros_like(g)
    x, up, g = (rules.movedim(v, dim, -1) for v in (input, upstream, g))
    lower, rows, slopes = _slopes(x)
    to_upstream = rules.sum(rules.unsqueeze(g, -2) * slopes, -1)
    to_slopes = rules.where(lower, rules.unsqueeze(g, -2).conj() * rules.unsqueeze(up, -1), 0)
    to_input = rules.sum(rules.where(lower, _to_factors(to_slopes, rows, -1), 0), -2)
    return rules.movedim(to_upstream, -1, dim), rules.movedim(to_input, -1, dim)


@op(
    "_cumprod_backward(Tensor upstream, Tensor input, int dim) -> Tensor",
    meta=lambda upstream, input, dim: Estimate((upstream,), 6 * input.nbytes, 12 * max(input.numel, 1)),
    kind="opaque",
    forms="",
    samples=over(
        Sample(array(2, 3, start=30), array(2, 3), 1),
        Sample(array(2, 3, start=30), np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5]]), -1, tags=("negative dim",)),
        Sample(np.array(2.5), np.array(1.5), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), 0, tags=("empty",)),
        Sample(strided(3, 2), strided(3, 2, start=30), 0, tags=("non-contiguous",)),
    ),
    vjp={"upstream, input": lambda g, upstream, input, dim: _twice_to_running(g, upstream, input, dim)},
)
def _cumprod_backward(upstream: Any, input: Any, dim: Any) -> Any:
    """What reaches the factors of running products: sums from the end, up to the first zero; that one's from the products without it.

    Gradient: from the products of all but two factors. Source: torch.cumprod.

    >>> torch.cumprod(torch.tensor([2.0, 3.0]), 0)
    tensor([2., 6.])
    """
    if not input.ndim:
        return upstream
    running = np.multiply.accumulate(input, axis=dim)
    zero = input == 0
    if not np.logical_or.reduce(zero, axis=None):
        return _from_end(upstream * running.conj(), dim) / input.conj()
    seen = np.logical_or.accumulate(zero, axis=dim)
    first = zero & (np.add.accumulate(zero, axis=dim, dtype=np.int64) == 1)
    before = _from_end(upstream * running.conj(), dim) / np.where(seen, 1, input).conj()
    without = np.where(seen, np.multiply.accumulate(np.where(first, 1, input), axis=dim), 0)
    at = np.add.reduce(upstream * without.conj(), axis=dim, keepdims=True)
    return np.where(first, at, np.where(seen, 0, before)).astype(upstream.dtype, copy=False)


@op(
    "cumprod(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor",
    meta=_running,
    kind="opaque",
    forms="function method inplace",
    samples=_along,
    vjp={"input": lambda g, input, dim: rules._cumprod_backward(g, input, dim)},
)
def cumprod(input: Any, dim: Any, dtype: Any) -> Any:
    """Running products along a dim.

    Gradient: the sums of g·result from the end, divided by the input; where some are zero, from the products of all others.
    Source: torch.cumprod.

    >>> torch.cumprod(torch.tensor([2.0, 3.0, 4.0]), 0)
    tensor([ 2.,  6., 24.])
    """
    return _accumulated(np.multiply, input, dim, dtype)


# -- running extremes ------------------------------------------------------------------------------------------------------------


def _extremes_meta(name: str) -> Any:
    def meta(input: Spec, dim: int) -> tuple[Spec, Spec]:
        wrap_dim(dim, input.ndim)
        real(f"{name}_cpu").check(input)
        return input, Spec(input.shape, dtypes.int64)

    return meta


def _running_extremes(name: str, ufunc: Any, input: Any, dim: int) -> Any:
    """The values, and where each was last met."""
    real(f"{name}_cpu").check(input)
    if not input.ndim:
        wrap_dim(dim, 0)
        return input, np.int64(0)
    values = ufunc.accumulate(input, axis=dim)
    shape = [1] * input.ndim
    shape[dim] = -1
    places = np.arange(input.shape[dim]).reshape(shape)
    met = (input == values) | (input != input)  # noqa: PLR0124 - NaN
    return values, np.maximum.accumulate(np.where(met, places, 0), axis=dim)


def _to_extremes(grads: Any, input_shape: tuple[int, ...], dim: int, result1: Any) -> Any:
    return rules._put(grads[0], dim, result1, input_shape, True)


@op(
    "cummax(Tensor input, int dim) -> (Tensor values, Tensor indices)",
    meta=_extremes_meta("cummax"),
    kind="opaque",
    samples=_along,
    vjp={"input": _to_extremes},
)
def cummax(input: Any, dim: Any) -> Any:
    """The largest element so far along a dim, and its index: of equal ones the last.

    Gradient: g, added up at the indices. Source: torch.cummax.

    >>> torch.cummax(torch.tensor([1.0, 3.0, 2.0]), 0)
    torch.return_types.cummax(
    values=tensor([1., 3., 3.]),
    indices=tensor([0, 1, 1]))
    """
    return _running_extremes("cummax", np.maximum, input, dim)


@op(
    "cummin(Tensor input, int dim) -> (Tensor values, Tensor indices)",
    meta=_extremes_meta("cummin"),
    kind="opaque",
    samples=_along,
    vjp={"input": _to_extremes},
)
def cummin(input: Any, dim: Any) -> Any:
    """The smallest element so far along a dim, and its index: of equal ones the last.

    Gradient: g, added up at the indices. Source: torch.cummin.

    >>> torch.cummin(torch.tensor([3.0, 1.0, 2.0]), 0)
    torch.return_types.cummin(
    values=tensor([3., 1., 1.]),
    indices=tensor([0, 1, 1]))
    """
    return _running_extremes("cummin", np.minimum, input, dim)
