"""Norms of matrices, condition numbers, ranks and pseudo-inverses. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import DimensionError, ShapeError, TensorError
from engine.matrices import cost, floating, plain, real_of
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, reductions, strided
from engine.shapes import reduced_shape, wrap_dim

ORDERS = (1, 2, math.inf)


def _checked(input: Any, ord: Any, dim: Any, dtype: Any) -> tuple[int, int]:
    """The two dims. Errors: RuntimeError in PyTorch's words."""
    plain(input, "linalg.matrix_norm")
    floating(input, "linalg.matrix_norm", None if ord in (2, -2, "nuc") else "")
    if len(dim) != 2:
        raise ShapeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {', '.join(map(str, dim))}")
    one, two = (wrap_dim(d, len(input.shape)) for d in dim)
    if one == two:
        raise ShapeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if (isinstance(ord, str) and ord not in ("fro", "nuc")) or (not isinstance(ord, str) and abs(ord) not in ORDERS):
        raise TensorError(f"linalg.matrix_norm: Order {ord} not supported.")
    if not isinstance(ord, str) and ord < 0 and 0 in input.shape:
        _reducible(input.shape, ord, one, two)
    return one, two


def _reducible(shape: tuple[int, ...], ord: Any, one: int, two: int) -> None:
    """Errors: IndexError where the smallest of nothing is asked for."""
    size = min(shape[one], shape[two]) if ord == -2 else shape[one if ord == -math.inf else two]
    if size == 0:
        raise DimensionError(f"amin(): Expected reduction dim {-1 if ord == -2 else one} to have non-zero size.")


def _norm_meta(input: Spec, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Estimate:
    one, two = _checked(input, ord, dim, dtype)
    d = real_of(dtype or input.dtype)
    out = Spec(reduced_shape(input.shape, (one, two), keepdim), d)
    if ord in (2, -2, "nuc"):
        lead = [n for i, n in enumerate(input.shape) if i not in (one, two)]
        return Estimate((out,), 4 * input.nbytes, cost((*lead, input.shape[one], input.shape[two]), 20))
    return Estimate((out,), 2 * input.nbytes, 4 * max(input.numel, 1))


def _norm_samples() -> list[Sample]:
    a = array(3, 3)
    return [
        *(Sample(a, p) for p in ("fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf)),
        Sample(array(2, 2, 3), 2, (0, -1), True, tags=("negative dim",)),
        Sample(array(2, 2, 3), "nuc", (-1, 0), tags=("negative dim",)),
        *(Sample(np.zeros((0, 3)), p, tags=("empty",)) for p in ("fro", "nuc", 1, 2, math.inf)),
        Sample(strided(3, 2), 1, tags=("non-contiguous",)),
    ]


@op(
    "linalg_matrix_norm(Tensor input, Any ord='fro', int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=_norm_meta,
    kind="composite",
    names=("linalg.matrix_norm",),
    samples=_norm_samples,
)
def linalg_matrix_norm(input: Any, ord: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """A norm of matrices.

    Orders: "fro", "nuc" (the sum of the singular values), 2 and -2 (the largest, the smallest), inf and -inf (the largest, the smallest sum
    of a row), 1 and -1 (of a column).

    Shapes: without the two dims, or with size 1. Gradient: from its parts. Errors: RuntimeError for another order.
    Source: torch.linalg.matrix_norm.

    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc")
    tensor(7.)
    """
    one, two = _checked(input, ord, dim, dtype)
    if ord == "fro":
        return rules.linalg_vector_norm(input, 2, (one, two), keepdim, dtype=dtype)
    if ord in (2, -2, "nuc"):
        if dtype is not None:
            input = rules.to(input, dtype)
        order = [*(d for d in range(input.ndim) if d not in (one, two)), one, two]
        values = rules.linalg_svdvals(rules.permute(input, order))
        out = rules.sum(values, [-1], keepdim) if ord == "nuc" else _extreme(ord, values, -1, keepdim)
        if keepdim:
            out = rules.permute(rules.unsqueeze(out, -1), [order.index(d) for d in range(input.ndim)])
        return out
    if abs(ord) == math.inf:
        one, two = two, one
    sums = rules.linalg_vector_norm(input, 1, (one,), keepdim, dtype=dtype)
    return _extreme(ord, sums, two - (not keepdim and one < two), keepdim)


def _extreme(ord: Any, values: Any, dim: int, keepdim: bool) -> Any:
    """The largest or smallest over a dim; the largest of nothing is 0."""
    if ord < 0:
        return rules.amin(values, [dim], keepdim)
    if values.shape[dim] == 0:
        return rules.zeros_like(rules.sum(values, [dim], keepdim))
    return rules.amax(values, [dim], keepdim)


def _norm_dims(input: Any, ord: Any, dim: Any) -> tuple[int, ...] | None:
    """The dims of ``linalg.norm``; None: of all elements. Errors: RuntimeError where an order has neither one dim nor two."""
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None:
        return dims
    if dims is None:
        if len(input.shape) not in (1, 2):
            raise ShapeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {len(input.shape)}D."
            )
        return tuple(range(len(input.shape)))
    if len(dims) not in (1, 2):
        raise ShapeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    return dims


def _any_norm_meta(input: Spec, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Estimate:
    dims = _norm_dims(input, ord, dim)
    if ord is not None and (isinstance(ord, str) or (dims is not None and len(dims) == 2)):
        return _norm_meta(input, ord, dims or (), keepdim, dtype)
    floating(input, "linalg.vector_norm", "")
    out = Spec(reduced_shape(input.shape, dims, keepdim), real_of(dtype or input.dtype))
    return Estimate((out,), 2 * input.nbytes, 25 * max(input.numel, 1))


@op(
    "linalg_norm(Tensor input, Any ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=_any_norm_meta,
    kind="composite",
    names=("linalg.norm",),
    samples=lambda: [
        Sample(array(3)),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(array(2, 2, 3)),
        *(Sample(s.args[0], 3, *s.args[1:], tags=s.tags) for s in reductions()() if s.args[0].ndim),
        *_norm_samples(),
    ],
)
def linalg_norm(input: Any, ord: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The norm of vectors over one dim, of matrices over two, or without an order of all elements.

    Gradient: from its parts. Errors: RuntimeError for another order and for an order with more than two dims. Source: torch.linalg.norm.

    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    >>> torch.linalg.norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), 2)
    tensor(4.)
    """
    dims = _norm_dims(input, ord, dim)
    if ord is not None and (isinstance(ord, str) or (dims is not None and len(dims) == 2)):
        return rules.linalg_matrix_norm(input, ord, dims or (), keepdim, dtype=dtype)
    return rules.linalg_vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype)
