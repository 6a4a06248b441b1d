"""Quantiles, as PyTorch composes them: a sort, two elements by rank, and what lies between."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over, strided
from engine.shapes import reduced_shape, wrap_dim

MODES = ("linear", "lower", "higher", "midpoint", "nearest")


def _dtype(x: Any) -> dtypes.dtype:
    return x.dtype if isinstance(x.dtype, dtypes.dtype) else dtypes.of_numpy(x.dtype)


def _checked(name: str, input: Any, q: Any, dim: int | None, interpolation: str) -> None:
    """Errors: RuntimeError in PyTorch's words for what does not fit. q: a tensor, or a number."""
    if 0 in input.shape:
        raise ShapeError("quantile() input tensor must be non-empty")
    if isinstance(q, float):
        if not 0 <= q <= 1:
            raise TensorError(f"{name}() q must be in the range [0, 1] but got {q:g}")
    elif q.ndim > 1:
        raise ShapeError(f"{name}() q must be a scalar or 1D tensor")
    if _dtype(input) not in (dtypes.float32, dtypes.float64):
        raise DtypeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, float) and _dtype(q) is not _dtype(input):
        raise DtypeError(f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in MODES:
        raise TensorError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if dim is not None:
        wrap_dim(dim, input.ndim)


def _meta(name: str) -> Any:
    def meta(input: Spec, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Estimate:
        _checked(name, input, q, dim, interpolation)
        shape = reduced_shape(input.shape, None if dim is None else (dim,), keepdim)
        many = () if isinstance(q, float) else q.shape
        ranks = 24 * math.prod(many) * math.prod(shape)  # before and after each quantile
        cost = 6 * input.numel * max(input.numel.bit_length(), 1)
        return Estimate((Spec((*many, *shape), input.dtype),), 3 * input.nbytes + 8 * input.numel + ranks, cost)

    return meta


def _raw(x: Any) -> Any:
    return x if isinstance(x, (np.ndarray, np.generic)) else x.detach().numpy()


def _quantiles(name: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    _checked(name, input, q, dim, interpolation)
    shape = reduced_shape(tuple(input.shape), None if dim is None else (dim,), keepdim)
    if isinstance(q, float):
        q = np.asarray(q).astype(_dtype(input).numpy)
    elif not np.logical_and.reduce((_raw(q) >= 0) & (_raw(q) <= 1), axis=None):
        raise TensorError(f"{name}() q values must be in the range [0, 1]")
    single = q.ndim == 0
    q = rules.reshape(q, (-1,))
    rows = (
        rules.reshape(input, (-1,))
        if dim is None
        else rules.movedim(input, dim, -1)
        if input.ndim
        else rules.reshape(input, (1,))
    )
    ranked = rules.sort(rows, -1)[0]
    holes = np.add.reduce(np.isnan(_raw(ranked)), axis=-1, keepdims=True, dtype=np.int64)
    last = ranked.shape[-1] - 1
    if name == "nanquantile":
        ranks = rules.mul(q, np.maximum(last - holes, 0).astype(_dtype(input).numpy))
    else:
        ranks = rules.where(holes > 0, last, q * last)
    return _arranged(_between(ranked, ranks, interpolation), single, shape)


def _between(ranked: Any, ranks: Any, interpolation: str) -> Any:
    """The elements at ranks that need not be whole."""
    where = _raw(ranks)
    if interpolation in ("lower", "higher", "nearest"):
        rounded = (
            np.floor(where)
            if interpolation == "lower"
            else np.ceil(where)
            if interpolation == "higher"
            else np.round(where)
        )
        return rules.gather(ranked, -1, rounded.astype(np.int64))
    below = np.floor(where)
    low = rules.gather(ranked, -1, below.astype(np.int64))
    high = rules.gather(ranked, -1, np.ceil(where).astype(np.int64))
    weight = np.full_like(where, 0.5) if interpolation == "midpoint" else rules.sub(ranks, below)
    return rules.lerp(low, high, weight)


def _arranged(values: Any, single: bool, shape: tuple[int, ...]) -> Any:
    """The quantiles in the first dim; without it for a single one."""
    one = rules.reshape(values, (*shape, 1)) if single else rules.reshape(rules.movedim(values, -1, 0), (-1, *shape, 1))
    return renamed(rules.squeeze(one, -1), "SqueezeBackward4")


_plain = (
    Sample(array(2, 3), 0.4),
    Sample(array(2, 3), 0.4, 1, True),
    Sample(array(2, 3), 0.4, -2, tags=("negative dim",)),
    Sample(np.array(1.5), 0.25, tags=("0-d",)),
    Sample(strided(3, 2), 0.7, 0, interpolation="midpoint", tags=("non-contiguous",)),
)
_many = (
    Sample(array(2, 3), np.array([0.1, 0.55])),
    Sample(array(2, 3), np.array([0.1, 0.55]), 1, True),
    Sample(array(2, 3), np.array(0.3), -2, interpolation="nearest", tags=("negative dim",)),
    Sample(np.array(1.5), np.array(0.25), 0, tags=("0-d",)),
    Sample(strided(3, 2), np.array([0.7]), 0, interpolation="lower", tags=("non-contiguous",)),
)


@op(
    "quantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    meta=_meta("quantile"),
    kind="composite",
    samples=over(*_many),
)
def quantile(input: Any, q: Any, dim: Any, keepdim: Any, interpolation: Any) -> Any:
    """The quantiles ``q`` of all elements or along a dim; NaN where there is one.

    Several quantiles stand in a first dim. Between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
    Errors: RuntimeError for q outside [0, 1] and for other than float32 and float64. Source: torch.quantile.

    >>> torch.quantile(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.25, 0.5]))
    tensor([1.5000, 2.0000])
    """
    return _quantiles("quantile", input, q, dim, keepdim, interpolation)


@op(
    "quantile.scalar(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    meta=_meta("quantile"),
    kind="composite",
    samples=over(*_plain),
)
def quantile_scalar(input: Any, q: Any, dim: Any, keepdim: Any, interpolation: Any) -> Any:
    """The quantiles ``q`` of all elements or along a dim; NaN where there is one, for one number.

    Several quantiles stand in a first dim. Between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
    Errors: RuntimeError for q outside [0, 1] and for other than float32 and float64. Source: torch.quantile.

    >>> torch.quantile(torch.tensor([1.0, 2.0, 4.0]), 0.5)
    tensor(2.)
    """
    return _quantiles("quantile", input, q, dim, keepdim, interpolation)


@op(
    "nanquantile(Tensor input, Tensor q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    meta=_meta("nanquantile"),
    kind="composite",
    samples=over(*_many),
)
def nanquantile(input: Any, q: Any, dim: Any, keepdim: Any, interpolation: Any) -> Any:
    """The quantiles ``q`` of the elements that are not NaN.

    Several quantiles stand in a first dim. Between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
    Errors: RuntimeError for q outside [0, 1] and for other than float32 and float64. Source: torch.nanquantile.

    >>> torch.nanquantile(torch.tensor([1.0, 4.0, float("nan")]), torch.tensor([0.25, 0.5]))
    tensor([1.7500, 2.5000])
    """
    return _quantiles("nanquantile", input, q, dim, keepdim, interpolation)


@op(
    "nanquantile.scalar(Tensor input, float q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
    meta=_meta("nanquantile"),
    kind="composite",
    samples=over(*_plain),
)
def nanquantile_scalar(input: Any, q: Any, dim: Any, keepdim: Any, interpolation: Any) -> Any:
    """The quantiles ``q`` of the elements that are not NaN, for one number.

    Several quantiles stand in a first dim. Between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
    Errors: RuntimeError for q outside [0, 1] and for other than float32 and float64. Source: torch.nanquantile.

    >>> torch.nanquantile(torch.tensor([1.0, 4.0, float("nan")]), 0.5)
    tensor(2.5000)
    """
    return _quantiles("nanquantile", input, q, dim, keepdim, interpolation)
