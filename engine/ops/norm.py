"""Vector norms, distances and what is built on them. Rules and names: PyTorch's derivatives.yaml (norm_backward)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import ArgumentError, DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import chosen, counted, restored
from engine.rules import rules
from engine.samples import array, pairs, reductions, strided, unary
from engine.shapes import broadcast_shapes, reduced_shape, wrap_dim, wrap_dims

_REAL = {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}


def _real(d: dtypes.dtype) -> dtypes.dtype:
    return _REAL.get(d, d)


def _checked(input: Any, order: Any, dim: Any, dtype: Any) -> dtypes.dtype:
    """The dtype in which a norm is computed. Errors: RuntimeError in PyTorch's words."""
    d = input.dtype if isinstance(input, Spec) else dtypes.of_numpy(input.dtype)
    if d.category < 2:
        raise DtypeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {spoken(input)}"
        )
    if type(order) is complex:
        raise TensorError("linalg.vector_norm: Expected a non-complex scalar as the order of norm.")
    if 0 in input.shape and (order < 0 or order == math.inf):
        _no_identity(input.shape, order, dim)
    return d if dtype is None else _accepted(d, dtype)


def _accepted(d: dtypes.dtype, dtype: dtypes.dtype) -> dtypes.dtype:
    """A dtype that was asked for. Errors: RuntimeError for one to which the input's would not fit."""
    got = spoken(Spec((), dtype))
    if dtype.category < 2:
        raise DtypeError(f"linalg.vector_norm: dtype should be floating point or complex, but got {got}")
    if dtype.category != d.category:
        kind = "complex for complex" if d.category == 3 else "real for real"
        raise DtypeError(f"linalg.vector_norm: dtype should be {kind} inputs, but got {got}")
    if dtype.itemsize < d.itemsize:
        raise DtypeError(
            f"linalg.vector_norm: the dtype of the input ({spoken(Spec((), d))}) should be convertible without narrowing to the "
            f"specified dtype ({got})"
        )
    return dtype


def _no_identity(shape: tuple[int, ...], order: Any, dim: Any) -> None:
    said = f"linalg.vector_norm cannot compute the {order} norm on"
    if not dim:
        raise ShapeError(f"{said} an empty tensor because the operation does not have an identity")
    for d in dim:
        if shape[wrap_dim(d, len(shape))] == 0:
            raise ShapeError(
                f"{said} the dimension {d}because this dimension is empty and the operation does not have an identity"
            )


def _meta(input: Spec, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Estimate:
    shape = reduced_shape(input.shape, dim, keepdim)
    d = _real(_checked(input, ord, dim, dtype))
    return Estimate((Spec(shape, d),), 2 * input.numel * d.itemsize, (3 if ord in (1, 2) else 25) * max(input.numel, 1))


def _length(x: Any, order: Any, axes: Any, keepdim: Any) -> Any:
    """The norm of real or complex values of at least single precision."""
    if order == 2:
        squares = x * x if x.dtype.kind == "f" else x.real * x.real + x.imag * x.imag
        return np.sqrt(np.add.reduce(squares, axis=axes, keepdims=keepdim))
    size = np.absolute(x)
    if order == 1:
        return np.add.reduce(size, axis=axes, keepdims=keepdim)
    if order == math.inf:
        return np.maximum.reduce(size, axis=axes, keepdims=keepdim)
    if order == -math.inf:
        return np.minimum.reduce(size, axis=axes, keepdims=keepdim)
    if order == 0:
        return np.add.reduce(size != 0, axis=axes, keepdims=keepdim, dtype=size.dtype)
    d = size.dtype.type
    total = np.add.reduce(np.power(size, d(order)), axis=axes, keepdims=keepdim)
    return np.power(total, d(1 / order))


def _to_norm(g: Any, input: Any, result: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    n = input.ndim
    return _slope(restored(g, n, dim, keepdim), input, restored(result, n, dim, keepdim), ord, dim)


def _safely(g: Any, norm: Any, power: Any) -> Any:
    """``g / norm**power``, zero where the norm is, to every order."""
    zero = norm == 0
    safe = chosen(zero, 1, norm)
    return chosen(zero, 0, g / (safe if power == 1 else rules.pow(safe, power)))


def _slope(g: Any, input: Any, norm: Any, order: Any, dim: Any) -> Any:
    if order == 2:  # as PyTorch: zero where the norm is, and NaN there in the second derivative
        return g * chosen(norm == 0, 0, input / norm)
    if order == 0:
        return rules.zeros_like(input)
    if order == 1:
        return rules.sgn(input) * g
    size = rules.abs(input)
    if math.isinf(order):
        mask = (size == norm) | (size != size)  # noqa: PLR0124 - NaN
        return rules.sgn(input) * (g / counted(mask, dim, g) * mask)
    if order < 1:
        return (
            rules.sgn(input) * rules.where(input == 0, 0, rules.pow(size, order - 1)) * g * rules.pow(norm, 1 - order)
        )
    scaled = rules.sgn(input) * rules.pow(size, order - 1) if order < 2 else input * rules.pow(size, order - 2)
    return scaled * _safely(g, norm, order - 1)


def _norms() -> list[Sample]:
    more = [Sample(array(2, 3), p) for p in (0, 0.5, 1, 1.5, 3, math.inf, -math.inf, -1)]
    over_dims = [Sample(s.args[0], 3, *s.args[1:], tags=s.tags) for s in reductions()()]
    return [*unary()(), *more, *over_dims, Sample(array(2, 3), 2, (0, 1), dtype=dtypes.float64)]


@op(
    "linalg_vector_norm(Tensor input, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=_meta,
    kind="reduce",
    names=("linalg.vector_norm",),
    forms="function",
    samples=_norms,
    vjp={"input": _to_norm},
)
def vector_norm(input: Any, ord: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The norm of order ``ord`` of the elements over some dims: ``sum(|input|^ord)^(1/ord)``; inf: the largest, 0: how many are not 0.

    Gradient: g·input·|input|^(ord-2)/result^(ord-1), zero where the result is. Errors: RuntimeError for integers.
    Source: torch.linalg.vector_norm.

    >>> torch.linalg.vector_norm(torch.tensor([3.0, -4.0]))
    tensor(5.)
    """
    d = _checked(input, ord, dim, dtype)
    axes = None
    if dim:
        wrap_dims(dim, input.ndim)
        axes = tuple(dim) if input.ndim else None
    x = input.astype(np.float32 if d is dtypes.float16 else d.numpy, copy=False)
    out = _length(x, ord, axes, keepdim)
    return out.astype(_real(d).numpy, copy=False)


# -- torch.norm ------------------------------------------------------------------------------------------------------------------


def _order(p: Any, dim: Any) -> Any:
    """The order of a vector norm that torch.norm's ``p`` means; None for a norm of matrices."""
    if isinstance(p, str):
        return 2 if p == "fro" and (dim is None or isinstance(dim, int) or len(dim) <= 2) else None
    if p is None:
        return 2.0
    if not isinstance(p, (bool, int, float, complex)):
        raise ArgumentError(f"norm(): argument 'p' must be a number or a string, not {type(p).__name__}")
    return p


def _norm_meta(input: Spec, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Estimate:
    order = _order(p, dim)
    dims = (dim,) if isinstance(dim, int) else dim
    if order is not None:
        return _meta(input, order, dims, keepdim, dtype)
    out = Spec(reduced_shape(input.shape, dims, keepdim), _real(dtype or input.dtype))
    return Estimate((out,), 4 * input.nbytes, 30 * input.numel * min((*input.shape, 64)))


@op(
    "norm(Tensor input, Any p='fro', Any dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=_norm_meta,
    kind="composite",
    samples=_norms,
)
def norm(input: Any, p: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """A norm of the elements over some dims: of order ``p``, or "fro" (2), or of matrices "nuc", the sum of the singular values.

    Errors: RuntimeError for integers. Source: torch.norm.

    >>> torch.norm(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), dim=1)
    tensor([ 5., 10.])
    """
    order = _order(p, dim)
    if order is not None:
        return rules.linalg_vector_norm(input, order, dim, keepdim, dtype=dtype)
    dims = tuple(range(input.ndim)) if dim is None else dim
    if isinstance(dims, int) or len(dims) != 2:
        raise TensorError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {dims if isinstance(dims, int) else list(dims)}"
        )
    return rules.linalg_matrix_norm(input, p, dims, keepdim, dtype=dtype)


# -- distances -------------------------------------------------------------------------------------------------------------------


def _dist_meta(input: Spec, other: Spec, p: Any) -> Estimate:
    _checked(input, p, None, None)
    shape = broadcast_shapes(input.shape, other.shape)
    n = math.prod(shape)
    if not n:
        _checked(Spec(shape, input.dtype), p, None, None)
    return Estimate((Spec((), _real(input.dtype)),), 3 * n * input.dtype.itemsize, 25 * max(n, 1))


def _to_ends(g: Any, input: Any, other: Any, result: Any, p: Any) -> tuple[Any, Any]:
    slope = _slope(g, input - other, result, p, None)
    return slope, -slope


@op(
    "dist(Tensor input, Tensor other, Scalar p=2) -> Tensor",
    meta=_dist_meta,
    kind="reduce",
    promote="common",
    samples=lambda: [*pairs()(), Sample(array(2, 3), array(3, start=9), 1), Sample(array(2, 3), array(3, start=9), 3)],
    vjp={"input, other": _to_ends},
)
def dist(input: Any, other: Any, p: Any) -> Any:
    """The norm of order ``p`` of ``input - other``.

    Shapes: any two that broadcast. Gradient: that of the norm, and its negative. Errors: RuntimeError for integers.
    Source: torch.dist.

    >>> torch.dist(torch.tensor([4.0, 0.0]), torch.tensor([1.0, 4.0]))
    tensor(5.)
    """
    _checked(input, p, None, None)
    off = np.subtract(input, other)
    _checked(off, p, None, None)
    d = off.dtype
    return _length(off.astype(np.float32) if d.char == "e" else off, p, None, False).astype(
        np.float16 if d.char == "e" else off.real.dtype, copy=False
    )


def _bounds(p: Any, maxnorm: Any, ndim: int) -> None:
    if type(p) is complex or type(maxnorm) is complex:
        raise TensorError("renorm: p and maxnorm must be real-valued")
    if p <= 0:
        raise TensorError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise TensorError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if ndim < 2:
        raise TensorError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")


def _renorm_meta(input: Spec, p: Any, dim: int, maxnorm: Any) -> Spec:
    if input.dtype.category < 2:
        raise DtypeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {spoken(input)}"
        )
    _bounds(p, maxnorm, input.ndim)
    wrap_dim(dim, input.ndim)
    return input


def _others(ndim: int, dim: int) -> tuple[int, ...]:
    d = wrap_dim(dim, ndim)
    return tuple(i for i in range(ndim) if i != d)


def _to_renorm(g: Any, input: Any, p: Any, dim: int, maxnorm: Any) -> Any:
    others = _others(input.ndim, dim)
    norm = rules.linalg_vector_norm(input, p, others, True)
    along = input.conj() * g
    along = rules.sum(rules.real(along) if "complex" in str(input.dtype) else along, others, True)
    inverse = rules.reciprocal(norm + 1e-7)
    scaled = maxnorm * inverse * (g - inverse * _slope(along, input, norm, p, others))
    return rules.where(norm > maxnorm, scaled, g)


@op(
    "renorm(Tensor input, Scalar p, int dim, Scalar maxnorm) -> Tensor",
    meta=_renorm_meta,
    kind="opaque",
    forms="function method inplace",
    vjp={"input": _to_renorm},
    samples=lambda: [
        Sample(array(2, 3), 2, 0, 0.5),
        Sample(array(2, 3), 1.5, -1, 2.5, tags=("negative dim",)),
        Sample(np.zeros((0, 3)), 2, 1, 1, tags=("empty",)),
        Sample(strided(3, 2), 2, 1, 1.0, tags=("non-contiguous",)),
    ],
)
def renorm(input: Any, p: Any, dim: Any, maxnorm: Any) -> Any:
    """The tensor with each of its slices along ``dim`` scaled down to a norm of ``maxnorm`` where that is exceeded.

    Gradient: g, scaled alike, less its part along the slice, where the norm is exceeded. Errors: RuntimeError for fewer than two dims.
    Source: torch.renorm.

    >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    _bounds(p, maxnorm, input.ndim)
    d = _checked(input, p, None, None)
    x = input.astype(np.float32) if d is dtypes.float16 else input
    norms = _length(x, p, _others(x.ndim, dim), True)
    factors = np.where(norms > maxnorm, maxnorm / (norms + 1e-7), 1).astype(norms.dtype, copy=False)
    return (x * factors).astype(input.dtype, copy=False)
