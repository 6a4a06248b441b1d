"""Variances, deviations and covariances. Rules and names: PyTorch's derivatives.yaml (var_backward, std_backward)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import chosen, is_raw, restored, spread
from engine.rules import rules
from engine.samples import array, reductions, unary
from engine.shapes import reduced_shape, wrap_dims


def _refuse(input: Any, name: str = "std and var") -> None:
    d = input.dtype
    if (d.category < 2) if isinstance(d, dtypes.dtype) else (d.kind not in "fc"):
        raise TensorError(f"{name} only support floating point and complex dtypes")


def _real(d: dtypes.dtype) -> dtypes.dtype:
    return {"complex64": dtypes.float32, "complex128": dtypes.float64}.get(d.name, d)


def _moment(input: Spec, dim: Any, correction: Any, keepdim: bool, name: str = "std and var") -> Estimate:
    _refuse(input, name)
    shape = reduced_shape(input.shape, dim, keepdim)
    d = _real(input.dtype)
    return Estimate((Spec(shape, d),), input.nbytes, 5 * max(input.numel, 1))


def _degrees(shape: tuple[int, ...], dim: Any, correction: Any) -> Any:
    """How many elements a variance is of, less the correction (1 where none is given)."""
    n = math.prod(shape[d] for d in wrap_dims(dim, len(shape))) if shape else 1
    return n - _one(correction)


def _one(correction: Any) -> Any:
    return 1 if correction is None else correction


def _variance(input: Any, dim: Any, correction: Any, keepdim: Any, name: str = "std and var") -> Any:
    """The variance, and the mean with the dims kept, in at least single precision."""
    _refuse(input, name)
    if dim and not input.ndim:
        wrap_dims(dim, 0)
    degrees = _degrees(input.shape, dim, correction)
    x = input.astype(np.float32) if input.dtype.char == "e" else input
    axes = None if not dim or not x.ndim else tuple(dim)
    n = degrees + _one(correction)
    mean = np.add.reduce(x, axis=axes, keepdims=True) / (n or np.nan)
    mean = mean.astype(x.dtype, copy=False)
    off = np.subtract(x, mean)
    squares = off * off if off.dtype.kind == "f" else off.real**2 + off.imag**2
    total = np.add.reduce(squares, axis=axes, keepdims=keepdim)
    return (total / max(degrees, 0)).astype(total.dtype, copy=False), mean


def _narrow(value: Any, input: Any) -> Any:
    return value.astype(np.float16) if input.dtype.char == "e" else value


def _mean(input: Any, dim: Any, n: Any) -> Any:
    if is_raw(input) and input.dtype.char != "e":
        return np.add.reduce(input, axis=tuple(dim) if dim and input.ndim else None, keepdims=True) / n
    return rules.mean(input, dim, True) if dim and input.ndim else rules.mean(input)


def _to_variance(g: Any, input: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    g = restored(g, input.ndim, dim, keepdim)
    degrees = _degrees(input.shape, dim, correction)
    mean = _mean(input, dim, (degrees + _one(correction)) or 1)
    if degrees <= 0:
        return g * rules.where(input == mean, math.nan, math.inf)
    return (2.0 / degrees) * g * (input - mean)


def _to_deviation(g: Any, input: Any, result: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    return _to_variance(chosen(result == 0, 0, g / (result * 2)), input, dim, correction, keepdim)


def _samples() -> list[Sample]:
    return [
        Sample(array(2, 3)),
        Sample(array(4, 3), correction=2),
        *(
            Sample(s.args[0], s.args[1], keepdim=len(s.args) > 2, tags=s.tags)
            for s in reductions()()
            if "0-d" not in s.tags
        ),
        Sample(np.array(1.5), 0, correction=0, tags=("0-d",)),
        Sample(array(2, 3), (0, 1), correction=0),
    ]


def _deviations() -> list[Sample]:
    return [s for s in _samples() if "0-d" not in s.tags] + [Sample(np.array(1.5), 0, correction=-1, tags=("0-d",))]


@op(
    "var.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    meta=_moment,
    kind="reduce",
    samples=_samples,
    vjp={"input": _to_variance},
)
def var(input: Any, dim: Any, correction: Any, keepdim: Any) -> Any:
    """The variance over some dims: the squared distances from the mean, summed, divided by their number less ``correction``.

    Gradient: 2·g·(input - mean)/(n - correction). Errors: RuntimeError for integers. Source: torch.var.

    >>> torch.tensor([1.0, 2.0, 6.0]).var()
    tensor(7.)
    """
    return _narrow(_variance(input, dim, correction, keepdim)[0], input)


@op(
    "std.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor",
    meta=_moment,
    kind="reduce",
    samples=_deviations,
    vjp={"input": _to_deviation},
)
def std(input: Any, dim: Any, correction: Any, keepdim: Any) -> Any:
    """The standard deviation over some dims: the square root of ``var``.

    Gradient: that of ``var`` for g/(2·result); zero where the result is. Errors: RuntimeError for integers. Source: torch.std.

    >>> torch.tensor([1.0, 2.0, 6.0]).std()
    tensor(2.6458)
    """
    return _narrow(np.sqrt(_variance(input, dim, correction, keepdim)[0]), input)


def _two(name: str, input: Spec, dim: Any, correction: Any, keepdim: bool) -> Estimate:
    found = _moment(input, dim, correction, keepdim, name)
    return Estimate((*found.outputs, Spec(found.outputs[0].shape, input.dtype)), found.workspace, found.cost)


def _mean_of(mean: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    out = mean if keepdim else np.squeeze(mean, tuple(dim) if dim and input.ndim else None) if input.ndim else mean
    return out.astype(input.dtype, copy=False)


def _to_mean(g: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    n = _degrees(input.shape, dim, 0) or 1
    return spread(g / n, tuple(input.shape), dim, keepdim)


def _added(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _to_variance_and_mean(grads: Any, input: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    first = None if grads[0] is None else _to_variance(grads[0], input, dim, correction, keepdim)
    return _added(first, None if grads[1] is None else _to_mean(grads[1], input, dim, keepdim))


def _to_deviation_and_mean(grads: Any, input: Any, result0: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    first = None if grads[0] is None else _to_deviation(grads[0], input, result0, dim, correction, keepdim)
    return _added(first, None if grads[1] is None else _to_mean(grads[1], input, dim, keepdim))


@op(
    "var_mean.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor[]",
    meta=lambda input, dim, correction, keepdim: _two("var_mean", input, dim, correction, keepdim),
    kind="reduce",
    forms="function",
    samples=_samples,
    vjp={"input": _to_variance_and_mean},
)
def var_mean(input: Any, dim: Any, correction: Any, keepdim: Any) -> Any:
    """The variance and the mean over some dims.

    Gradient: as ``var`` and ``mean``. Errors: RuntimeError for integers. Source: torch.var_mean.

    >>> torch.var_mean(torch.tensor([1.0, 2.0, 6.0]))
    (tensor(7.), tensor(3.))
    """
    value, mean = _variance(input, dim, correction, keepdim, "var_mean")
    return _narrow(value, input), _mean_of(mean, input, dim, keepdim)


@op(
    "std_mean.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor[]",
    meta=lambda input, dim, correction, keepdim: _two("std_mean", input, dim, correction, keepdim),
    kind="reduce",
    forms="function",
    samples=_deviations,
    vjp={"input": _to_deviation_and_mean},
)
def std_mean(input: Any, dim: Any, correction: Any, keepdim: Any) -> Any:
    """The standard deviation and the mean over some dims.

    Gradient: as ``std`` and ``mean``. Errors: RuntimeError for integers. Source: torch.std_mean.

    >>> torch.std_mean(torch.tensor([1.0, 2.0, 6.0]))
    (tensor(2.6458), tensor(3.))
    """
    value, mean = _variance(input, dim, correction, keepdim, "std_mean")
    return _narrow(np.sqrt(value), input), _mean_of(mean, input, dim, keepdim)


# -- the older form, with ``unbiased`` ---------------------------------------------------------------------------------------


def _unbiased() -> list[Sample]:
    return [Sample(*s.args, False, tags=s.tags) for s in unary()()]


def _unbiased_dims() -> list[Sample]:
    return [Sample(*s.args[:2], False, len(s.args) > 2, tags=s.tags) for s in reductions()()]


@op(
    "var(Tensor input, bool unbiased) -> Tensor",
    meta=lambda input, unbiased: _moment(input, None, None, False),
    kind="composite",
    samples=_unbiased,
)
def var_unbiased(input: Any, unbiased: Any) -> Any:
    """The variance of all elements, with the correction 1 if ``unbiased``, else 0. Source: torch.var.

    >>> torch.var(torch.tensor([1.0, 2.0, 6.0]), unbiased=False)
    tensor(4.6667)
    """
    return rules.var(input, None, correction=int(unbiased))


@op(
    "var.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, unbiased, keepdim: _moment(input, dim, None, keepdim),
    kind="composite",
    samples=_unbiased_dims,
)
def var_dim(input: Any, dim: Any, unbiased: Any, keepdim: Any) -> Any:
    """The variance over some dims, with the correction 1 if ``unbiased``, else 0. Source: torch.var.

    >>> torch.var(torch.tensor([[1.0, 2.0, 6.0]]), 1, unbiased=False)
    tensor([4.6667])
    """
    return rules.var(input, dim, correction=int(unbiased), keepdim=keepdim)


@op(
    "std(Tensor input, bool unbiased) -> Tensor",
    meta=lambda input, unbiased: _moment(input, None, None, False),
    kind="composite",
    samples=_unbiased,
)
def std_unbiased(input: Any, unbiased: Any) -> Any:
    """The standard deviation of all elements, with the correction 1 if ``unbiased``, else 0. Source: torch.std.

    >>> torch.std(torch.tensor([1.0, 2.0, 6.0]), unbiased=False)
    tensor(2.1602)
    """
    return rules.std(input, None, correction=int(unbiased))


@op(
    "std.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, unbiased, keepdim: _moment(input, dim, None, keepdim),
    kind="composite",
    samples=_unbiased_dims,
)
def std_dim(input: Any, dim: Any, unbiased: Any, keepdim: Any) -> Any:
    """The standard deviation over some dims, with the correction 1 if ``unbiased``, else 0. Source: torch.std.

    >>> torch.std(torch.tensor([[1.0, 2.0, 6.0]]), 1, unbiased=False)
    tensor([2.1602])
    """
    return rules.std(input, dim, correction=int(unbiased), keepdim=keepdim)


@op(
    "var_mean(Tensor input, bool unbiased) -> Tensor[]",
    meta=lambda input, unbiased: _two("var_mean", input, None, None, False),
    kind="composite",
    forms="function",
    samples=_unbiased,
)
def var_mean_unbiased(input: Any, unbiased: Any) -> Any:
    """The variance and the mean of all elements, with the correction 1 if ``unbiased``, else 0. Source: torch.var_mean.

    >>> torch.var_mean(torch.tensor([1.0, 2.0, 6.0]), unbiased=False)
    (tensor(4.6667), tensor(3.))
    """
    return rules.var_mean(input, None, correction=int(unbiased))


@op(
    "var_mean.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor[]",
    meta=lambda input, dim, unbiased, keepdim: _two("var_mean", input, dim, None, keepdim),
    kind="composite",
    forms="function",
    samples=_unbiased_dims,
)
def var_mean_dim(input: Any, dim: Any, unbiased: Any, keepdim: Any) -> Any:
    """The variance and the mean over some dims, with the correction 1 if ``unbiased``, else 0. Source: torch.var_mean.

    >>> torch.var_mean(torch.tensor([[1.0, 2.0, 6.0]]), 1, unbiased=False)
    (tensor([4.6667]), tensor([3.]))
    """
    return rules.var_mean(input, dim, correction=int(unbiased), keepdim=keepdim)


@op(
    "std_mean(Tensor input, bool unbiased) -> Tensor[]",
    meta=lambda input, unbiased: _two("std_mean", input, None, None, False),
    kind="composite",
    forms="function",
    samples=_unbiased,
)
def std_mean_unbiased(input: Any, unbiased: Any) -> Any:
    """The standard deviation and the mean of all elements, with the correction 1 if ``unbiased``, else 0. Source: torch.std_mean.

    >>> torch.std_mean(torch.tensor([1.0, 2.0, 6.0]), unbiased=False)
    (tensor(2.1602), tensor(3.))
    """
    return rules.std_mean(input, None, correction=int(unbiased))


@op(
    "std_mean.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor[]",
    meta=lambda input, dim, unbiased, keepdim: _two("std_mean", input, dim, None, keepdim),
    kind="composite",
    forms="function",
    samples=_unbiased_dims,
)
def std_mean_dim(input: Any, dim: Any, unbiased: Any, keepdim: Any) -> Any:
    """The standard deviation and the mean over some dims, with the correction 1 if ``unbiased``, else 0. Source: torch.std_mean.

    >>> torch.std_mean(torch.tensor([[1.0, 2.0, 6.0]]), 1, unbiased=False)
    (tensor([2.1602]), tensor([3.]))
    """
    return rules.std_mean(input, dim, correction=int(unbiased), keepdim=keepdim)
