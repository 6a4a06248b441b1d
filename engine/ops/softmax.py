"""Softmax and its kin: normalised exponentials along a dim. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, floating
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import exponential, is_raw, restored, row_sums
from engine.rules import rules
from engine.samples import array, reductions
from engine.shapes import reduced_shape, wrap_dim, wrap_dims

LAST = floating("softmax_lastdim_kernel_impl")
INNER = floating("softmax_kernel_impl")
LOG_INNER = floating("log_softmax_kernel_impl")
LOG_LAST = floating("log_softmax_lastdim_kernel_impl")


def _refusing(d: int, ndim: int, last: Domain) -> Domain:
    """PyTorch has one kernel for the last dim and one for others, and each names itself."""
    return last if d == max(ndim, 1) - 1 else LOG_INNER if last is LOG_LAST else INNER


def _meta(input: Spec, dim: int, dtype: Any, last: Any) -> Estimate:
    d = wrap_dim(dim, input.ndim)
    out = Spec(input.shape, dtype or input.dtype)
    _refusing(d, input.ndim, last).check(out)
    return Estimate((out,), 0, 25 * max(out.numel, 1))


def _ready(input: Any, dim: int, dtype: Any, last: Any) -> Any:
    """The input in the dtype that is wanted. Errors: NotImplementedError for one that is not floating."""
    ready = input if dtype is None else input.astype(dtype.numpy)
    if ready.dtype.kind != "f":
        _refusing(wrap_dim(dim, input.ndim), input.ndim, last).check(ready)
    return ready


def _softmax(input: Any, dim: int) -> Any:
    if not input.size or not input.ndim:
        wrap_dim(dim, input.ndim)
        return (
            np.ones_like(input) if input.dtype.kind == "f" and not input.ndim and input - input == 0 else input - input
        )
    d = input.dtype
    wide = input.astype(np.float32) if d.char == "e" else input
    out = np.subtract(wide, np.maximum.reduce(wide, axis=dim, keepdims=True))
    np.exp(out, out)
    np.divide(out, row_sums(out) if dim in {-1, out.ndim - 1} else np.add.reduce(out, axis=dim, keepdims=True), out)
    return out.astype(d) if out.dtype != d else out


def _log_softmax(input: Any, dim: int) -> Any:
    if not input.size or not input.ndim:
        wrap_dim(dim, input.ndim)
        return input - input
    d = input.dtype
    wide = input.astype(np.float32) if d.char == "e" else input
    out = np.subtract(wide, np.maximum.reduce(wide, axis=dim, keepdims=True))
    np.subtract(out, np.log(np.add.reduce(np.exp(out), axis=dim, keepdims=True)), out)
    return out.astype(d) if out.dtype != d else out


def _softmax_slope(g: Any, result: Any, dim: int) -> Any:
    out = np.multiply(g, result)
    return np.subtract(out, result * np.add.reduce(out, axis=dim, keepdims=True), out)


def _log_softmax_slope(g: Any, result: Any, dim: int) -> Any:
    out = np.exp(result)
    np.multiply(out, np.add.reduce(g, axis=dim, keepdims=True), out)
    return np.subtract(g, out, out)


def _softmax_rule(g: Any, result: Any, dim: int) -> Any:
    if is_raw(result) and result.ndim:
        return _softmax_slope(g, result, dim)
    weighted = g * result
    return weighted - result * rules.sum(weighted, dim, True)


def _log_softmax_rule(g: Any, result: Any, dim: int) -> Any:
    if is_raw(result) and result.ndim:
        return _log_softmax_slope(g, result, dim)
    return g - rules.exp(result) * rules.sum(g, dim, True)


def _along() -> list[Sample]:
    return [Sample(*s.args[:2], tags=s.tags) for s in reductions()()]


@op(
    "softmax.int(Tensor input, int dim, ScalarType? dtype=None) -> Tensor",
    names=("softmax", "special.softmax"),
    meta=lambda input, dim, dtype: _meta(input, dim, dtype, LAST),
    kind="opaque",
    samples=_along,
    vjp={"input": _softmax_rule},
)
def softmax(input: Any, dim: Any, dtype: Any) -> Any:
    """``exp(input)`` divided by its sum along a dim: weights that add up to one.

    Gradient: g·result - result·sum(g·result). Errors: NotImplementedError for integers without a floating ``dtype``.
    Source: torch.softmax.

    >>> torch.softmax(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([0.0900, 0.2447, 0.6652])
    """
    return _softmax(_ready(input, dim, dtype, LAST), dim)


@op(
    "log_softmax.int(Tensor input, int dim, ScalarType? dtype=None) -> Tensor",
    names=("log_softmax", "special.log_softmax"),
    meta=lambda input, dim, dtype: _meta(input, dim, dtype, LOG_LAST),
    kind="opaque",
    samples=_along,
    vjp={"input": _log_softmax_rule},
)
def log_softmax(input: Any, dim: Any, dtype: Any) -> Any:
    """The logarithm of ``softmax``, without loss where a weight is small.

    Gradient: g - exp(result)·sum(g). Errors: NotImplementedError for integers without a floating ``dtype``. Source: torch.log_softmax.

    >>> torch.log_softmax(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([-2.4076, -1.4076, -0.4076])
    """
    return _log_softmax(_ready(input, dim, dtype, LOG_LAST), dim)


# -- torch.nn.functional -----------------------------------------------------------------------------------------------------


def _implicit(dim: int | None, ndim: int) -> int:
    """The dim that PyTorch takes where none is given: the first of 0, 1 or 3 dims, else the second."""
    if dim is not None:
        return dim
    return 0 if ndim in (0, 1, 3) else 1


def _functional() -> list[Sample]:
    return [*_along(), Sample(array(2, 3)), Sample(array(2, 3), 1, dtype=dtypes.float32)]


@op(
    "softmax_functional(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, _stacklevel, dtype: _meta(input, _implicit(dim, input.ndim), dtype, LAST),
    kind="opaque",
    names=("nn.functional.softmax",),
    forms="function",
    grad_fn="SoftmaxBackward0",
    samples=_functional,
    vjp={"input": lambda g, result, dim: _softmax_rule(g, result, _implicit(dim, result.ndim))},
)
def softmax_functional(input: Any, dim: Any, _stacklevel: Any, dtype: Any) -> Any:
    """``softmax`` in torch.nn.functional: without a dim the first of 0, 1 or 3 dims, else the second.

    Gradient: as ``softmax``. Source: torch.nn.functional.softmax.

    >>> torch.nn.functional.softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    dim = _implicit(dim, input.ndim)
    return _softmax(_ready(input, dim, dtype, LAST), dim)


@op(
    "log_softmax_functional(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, _stacklevel, dtype: _meta(input, _implicit(dim, input.ndim), dtype, LOG_LAST),
    kind="opaque",
    names=("nn.functional.log_softmax",),
    forms="function",
    grad_fn="LogSoftmaxBackward0",
    samples=_functional,
    vjp={"input": lambda g, result, dim: _log_softmax_rule(g, result, _implicit(dim, result.ndim))},
)
def log_softmax_functional(input: Any, dim: Any, _stacklevel: Any, dtype: Any) -> Any:
    """``log_softmax`` in torch.nn.functional: without a dim the first of 0, 1 or 3 dims, else the second.

    Gradient: as ``log_softmax``. Source: torch.nn.functional.log_softmax.

    >>> torch.nn.functional.log_softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    dim = _implicit(dim, input.ndim)
    return _log_softmax(_ready(input, dim, dtype, LOG_LAST), dim)


NEGATED = Domain(
    "b",
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead.",
    TensorError,
)


@op(
    "softmin(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    meta=NEGATED(lambda input, dim, _stacklevel, dtype: _meta(input, _implicit(dim, input.ndim), dtype, LAST)),
    kind="composite",
    names=("nn.functional.softmin",),
    forms="function",
    samples=_functional,
)
def softmin(input: Any, dim: Any, _stacklevel: Any, dtype: Any) -> Any:
    """``softmax(-input)``: large where the input is small. Source: torch.nn.functional.softmin.

    >>> torch.nn.functional.softmin(torch.tensor([1.0, 2.0]), dim=0)
    tensor([0.7311, 0.2689])
    """
    return rules.softmax(-input, _implicit(dim, input.ndim), dtype)


# -- logsumexp ---------------------------------------------------------------------------------------------------------------


def _logsumexp_meta(input: Spec, dim: Any, keepdim: bool) -> Estimate:
    shape = reduced_shape(input.shape, dim, keepdim)
    d = input.dtype if input.dtype.category >= 2 else dtypes.get_default_dtype()
    return Estimate((Spec(shape, d),), input.numel * d.itemsize, 20 * max(input.numel, 1))


def _logsumexp_rule(g: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    n = input.ndim
    g, result = restored(g, n, dim, keepdim), restored(result, n, dim, keepdim)
    return g * exponential(input - result).conj()


@op(
    "logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor",
    names=("logsumexp", "special.logsumexp"),
    meta=_logsumexp_meta,
    kind="reduce",
    samples=lambda: [*reductions()(), Sample(array(2, 3), (0, -1), True)],
    vjp={"input": _logsumexp_rule},
)
def logsumexp(input: Any, dim: Any, keepdim: Any) -> Any:
    """The logarithm of the sum of exponentials over some dims, without overflow on the way.

    Gradient: g·conj(exp(input - result)). Source: torch.logsumexp.

    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    d = input.dtype if input.dtype.kind in "fc" else dtypes.get_default_dtype().numpy
    x = input.astype(np.float32 if d.char == "e" else d, copy=False)
    axes = wrap_dims(dim, x.ndim)
    if not x.ndim:
        return (x if d.kind == "f" else np.log(np.exp(x - x.real)) + x.real).astype(d)
    if not x.size:
        return np.log(np.add.reduce(np.exp(x), axis=axes, keepdims=keepdim)).astype(d)
    top = np.maximum.reduce(x.real, axis=axes, keepdims=True)
    top = np.where(np.isinf(top), 0, top).astype(top.dtype)
    shifted = np.subtract(x, top)
    total = np.log(np.add.reduce(np.exp(shifted), axis=axes, keepdims=keepdim))
    return (total + (top if keepdim else np.squeeze(top, axes))).astype(d, copy=False)
