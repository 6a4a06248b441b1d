"""Reductions: sums, means, extremes, norms. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.op import Spec, op
from engine.rules import rules
from engine.samples import reductions, unary
from engine.shapes import reduced_shape, wrap_dims


def _sum_dtype(d: dtypes.dtype, wanted: dtypes.dtype | None) -> dtypes.dtype:
    return wanted or (d if d.category >= 2 else dtypes.int64)


@op(
    "sum(Tensor input, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dtype: Spec((), _sum_dtype(input.dtype, dtype)),
    kind="reduce",
    grad_fn="SumBackward0",
    samples=unary(),
    vjp={"input": lambda g, input_shape: rules.expand(g, input_shape)},
)
def sum_all(input: Any, dtype: Any) -> Any:
    """The sum of all elements.

    Gradient: g, expanded to the input's shape. Source: torch.sum.

    >>> torch.ones(2, 3).sum()
    tensor(6.)
    """
    return np.add.reduce(input, axis=None, dtype=_sum_dtype(dtypes.of_numpy(input.dtype), dtype).numpy)


def spread(g: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """A reduced gradient put back over the dims that were reduced."""
    if not keepdim:
        for d in sorted(wrap_dims(dim, len(shape))):
            g = rules.unsqueeze(g, d) if shape else g
    return rules.expand(g, shape)


@op(
    "sum.dim_IntList(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, keepdim, dtype: Spec(reduced_shape(input.shape, dim, keepdim), _sum_dtype(input.dtype, dtype)),
    kind="reduce",
    grad_fn="SumBackward1",
    samples=reductions(),
    vjp={"input": lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim)},
)
def sum_dim(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The sum over some dims.

    Gradient: g, expanded along the dims. Source: torch.sum.

    >>> torch.ones(2, 3).sum(dim=1)
    tensor([3., 3.])
    """
    wanted = _sum_dtype(dtypes.of_numpy(input.dtype), dtype).numpy
    if input.ndim == 0:
        wrap_dims(dim, 0)
        return input.astype(wanted)
    return np.add.reduce(input, axis=wrap_dims(dim, input.ndim), dtype=wanted, keepdims=keepdim)


