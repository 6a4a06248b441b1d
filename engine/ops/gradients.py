"""torch.gradient: derivatives of sampled functions, by differences of neighbours. Composites of slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common
from engine.errors import ArgumentError, DimensionError, DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim, wrap_dims


def _dims(input: Any, spacing: Any, dim: Any, edge_order: int) -> tuple[int, ...]:
    """The dims to differentiate along. Errors: RuntimeError in PyTorch's words."""
    if str(input.dtype).endswith("uint8") or getattr(input.dtype, "name", "") == "uint8":
        raise DtypeError("torch.gradient does not support uint8 input.")
    if dim and not input.ndim:
        raise DimensionError(f"Dimension specified as {dim[0]} but tensor has no dimensions")
    dims = tuple(range(input.ndim)) if dim is None else tuple(wrap_dim(d, input.ndim) for d in dim)
    if dims:
        wrap_dims(dims, input.ndim)
    if isinstance(spacing, (list, tuple)) and len(spacing) != len(dims):
        said = (
            f"'self.dim() = {input.ndim}', since dim argument was not given" if dim is None else f"'dim' = {len(dims)}"
        )
        raise ShapeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to {said}, but got a list of "
            f"length {len(spacing)}"
            if dim is None
            else "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same length, "
            f"but got a spacing argument of length {len(spacing)} and a dim argument of length {len(dims)}."
        )
    if edge_order not in (1, 2):
        raise TensorError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if any(n < edge_order + 1 for n in (input.shape[d] for d in dims)):
        raise ShapeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return dims


def _meta(input: Spec, spacing: Any, dim: Any, edge_order: int) -> Estimate:
    dims = _dims(input, spacing, dim, edge_order)
    outputs = []
    for k in range(len(dims)):
        step = spacing[k] if isinstance(spacing, (list, tuple)) else spacing
        if isinstance(step, Spec):
            _one_dim(step.ndim)
            _as_long(step.numel, input.shape[dims[k]])
        d = dtypes.of_numpy(common(input, *([] if step is None else [step])))
        outputs.append(Spec(input.shape, d if d.category >= 2 else dtypes.get_default_dtype()))
    places = sum(s.nbytes for s in spacing if isinstance(s, Spec)) if isinstance(spacing, (list, tuple)) else 0
    return Estimate(tuple(outputs), 4 * input.nbytes + 8 * places, 6 * max(input.numel, 1) * len(dims))


def _one_dim(ndim: int) -> None:
    if ndim != 1:
        raise ShapeError(
            f"torch.gradient expected each element of spacing to have one dimension, but got an element with {ndim} dimensions!"
        )


def _as_long(places: int, n: int) -> None:
    if places != n:
        raise ShapeError(
            f"torch.gradient expected each element of spacing to have as many places as the input along its dim, but got {places} for {n}"
        )


def _even(x: Any, d: int, step: Any, edge_order: int) -> Any:
    """Along one dim, for samples ``step`` apart."""
    n = x.shape[d]
    at = [
        rules.narrow(x, d, i, 1) for i in ((0, 1, n - 2, n - 1) if edge_order == 1 else (0, 1, 2, n - 3, n - 2, n - 1))
    ]
    center = rules.div(rules.sub(rules.slice(x, d, 2, None), rules.slice(x, d, None, -2)), 2) / step
    if edge_order == 1:
        first, last = rules.sub(at[1], at[0]), rules.sub(at[3], at[2])
    else:
        first = at[0] * -1.5 + at[1] * 2 - at[2] * 0.5
        last = at[5] * 1.5 - at[4] * 2 + at[3] * 0.5
    return rules.cat([rules.div(first, step), center, rules.div(last, step)], d)


def _uneven(x: Any, d: int, places: Any, edge_order: int) -> Any:
    """Along one dim, for samples at places."""
    _one_dim(places.ndim)
    n = x.shape[d]
    _as_long(places.shape[0], n)
    shape = [1] * x.ndim
    shape[d] = -1
    widths = rules.reshape(rules.sub(rules.slice(places, 0, 1, None), rules.slice(places, 0, None, -1)), shape)

    def width(i: int) -> Any:
        return rules.narrow(widths, d, i, 1)

    def sample(i: int) -> Any:
        return rules.narrow(x, d, i, 1)

    p, q = rules.slice(widths, d, None, -1), rules.slice(widths, d, 1, None)
    center = (
        -q / (p * (p + q)) * rules.slice(x, d, None, -2)
        + (q - p) / (p * q) * rules.slice(x, d, 1, -1)
        + p / (q * (p + q)) * rules.slice(x, d, 2, None)
    )
    if edge_order == 1:
        first = rules.sub(sample(1), sample(0)) / width(0)
        last = rules.sub(sample(n - 1), sample(n - 2)) / width(n - 2)
    else:
        p, q = width(0), width(1)
        first = -(p * 2 + q) / (p * (p + q)) * sample(0) + (p + q) / (p * q) * sample(1) - p / (q * (p + q)) * sample(2)
        p, q = width(n - 3), width(n - 2)
        last = (
            q / (p * (p + q)) * sample(n - 3)
            - (p + q) / (p * q) * sample(n - 2)
            + (q * 2 + p) / (q * (p + q)) * sample(n - 1)
        )
    return rules.cat([first, center, last], d)


@op(
    "gradient.tensorarray(Tensor input, *, Tensor[] spacing, int[1]? dim=None, int edge_order=1) -> Tensor[]",
    meta=_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(3, 4), spacing=[np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 2.0, 3.0])]),
        Sample(array(3, 4), spacing=[np.array([0.0, 1.0, 3.0])], dim=-2, edge_order=2, tags=("negative dim",)),
        Sample(np.zeros((0, 3)), spacing=[np.array([0.0, 1.0, 3.0])], dim=1, tags=("empty",)),
        Sample(strided(3, 2), spacing=[np.array([0.0, 2.0, 3.0])], dim=0, tags=("non-contiguous",)),
    ),
)
def gradient_at(input: Any, spacing: Any, dim: Any, edge_order: Any) -> Any:
    """The derivatives of a sampled function along each of some dims, for samples at the places ``spacing``.

    Errors: RuntimeError for a dim with fewer than edge_order + 1 samples. Source: torch.gradient.

    >>> torch.gradient(torch.tensor([1.0, 2.0, 6.0]), spacing=[torch.tensor([0.0, 1.0, 3.0])])
    (tensor([1.0000, 1.3333, 2.0000]),)
    """
    dims = _dims(input, spacing, dim, edge_order)
    return tuple(_uneven(input, d, places, edge_order) for d, places in zip(dims, spacing, strict=True))


@op(
    "gradient.scalararray(Tensor input, *, Any spacing=None, int[1]? dim=None, int edge_order=1) -> Tensor[]",
    meta=_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(3, 4)),
        Sample(array(3, 4), spacing=2.0, dim=-2, edge_order=2, tags=("negative dim",)),
        Sample(array(3, 4), spacing=[2.0, 0.5]),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(np.zeros((0, 3)), dim=1, tags=("empty",)),
        Sample(strided(3, 2), dim=0, tags=("non-contiguous",)),
    ),
)
def gradient(input: Any, spacing: Any, dim: Any, edge_order: Any) -> Any:
    """The derivatives of a sampled function along each of some dims, for samples ``spacing`` apart (a number, or one for each dim).

    Errors: RuntimeError for a dim with fewer than edge_order + 1 samples. Source: torch.gradient.

    >>> torch.gradient(torch.tensor([1.0, 2.0, 6.0]))
    (tensor([1.0000, 2.5000, 4.0000]),)
    """
    dims = _dims(input, spacing, dim, edge_order)
    steps = spacing if isinstance(spacing, (list, tuple)) else [1 if spacing is None else spacing] * len(dims)
    for step in steps:
        if not isinstance(step, (int, float, complex)) and getattr(step, "ndim", 1) != 0:
            raise ArgumentError(f"gradient(): argument 'spacing' must be a number or a list, not {type(step).__name__}")
    return tuple(_even(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))
