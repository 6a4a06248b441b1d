"""Maxima over windows, and what puts them back. Windows: ``engine.pooling``; one strided view of the input for each place in a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import real
from engine.duals import differentiated, levels
from engine.grad_mode import grad_enabled
from engine.op import Estimate, Op, Sample, Spec, op
from engine.pooling import Windows, windows
from engine.rules import rules
from engine.samples import array, over

_DOMAIN = {d: real(f"max_pool{d}d", "b") for d in (1, 2, 3)}


def _lowest(d: np.dtype[Any]) -> Any:
    return -np.inf if d.kind == "f" else np.iinfo(d).min


def _positions(w: Windows, tap: tuple[int, ...]) -> Any:
    """The flat index, in the input, of the element at one place of every window."""
    total: Any = 0
    for t, m, n, s, a, r in zip(tap, w.spatial, w.out, w.stride, w.before, w.dilation, strict=True):
        total = np.expand_dims(total, -1) * m + (np.arange(n) * s - a + t * r)
    return total


def _padded(input: Any, w: Windows) -> Any:
    if w.exact:
        return input
    whole = np.full((*input.shape[: -len(w.spatial)], *w.padded), _lowest(input.dtype), input.dtype)
    whole[w.inner()] = input
    return whole


def _highest(input: Any, w: Windows) -> Any:
    """The maxima alone."""
    x = _padded(input, w)
    taps = list(product(*map(range, w.size)))
    best = np.array(x[w.slices(taps[0])])
    for tap in taps[1:]:
        np.maximum(best, x[w.slices(tap)], out=best)
    return best


def _highest_places(input: Any, w: Windows) -> tuple[Any, Any]:
    """The maxima and where they are: the first of equals, as PyTorch has it; the last of NaNs."""
    x = _padded(input, w)
    taps = list(product(*map(range, w.size)))
    small = np.uint8 if len(taps) <= 256 else np.uint16 if len(taps) <= 65536 else np.int64
    best = np.array(x[w.slices(taps[0])])
    number = np.zeros(best.shape, small)
    floating = best.dtype.kind == "f"
    for k, tap in enumerate(taps[1:], 1):
        v = x[w.slices(tap)]
        np.maximum(number, np.greater(v, best) * small(k), out=number)
        np.maximum(best, v, out=best)
    if floating and np.isnan(np.minimum.reduce(best, axis=None, initial=0)):
        for k, tap in enumerate(taps):
            np.copyto(number, small(k), where=np.isnan(x[w.slices(tap)]))
    moves = _positions(w, tuple(0 for _ in w.size))
    steps = [math.prod(w.spatial[i + 1 :]) for i in range(len(w.spatial))]
    table = np.array([sum(t * r * s for t, r, s in zip(tap, w.dilation, steps, strict=True)) for tap in taps])
    places = table.take(number)
    places += moves
    if not w.exact:
        _inside(input, places, best, w)
    return best, places


def _inside(input: Any, places: Any, best: Any, w: Windows) -> None:
    """Where nothing beat the padding: the first element of the window that lies in the input."""
    lost = best == _lowest(best.dtype)
    if not np.logical_or.reduce(lost, axis=None):
        return
    first: Any = 0
    for m, n, s, a, r in zip(w.spatial, w.out, w.stride, w.before, w.dilation, strict=True):
        start = np.arange(n) * s - a
        first = np.expand_dims(first, -1) * m + np.where(start < 0, start % r, start)
    np.copyto(places, np.broadcast_to(first, places.shape), where=lost)


def _estimate(input: Spec, w: Windows, indices: bool) -> Estimate:
    shape = (*input.shape[: -len(w.out)], *w.out)
    outputs = [Spec(shape, input.dtype), Spec(shape, dtypes.int64)] if indices else [Spec(shape, input.dtype)]
    n = outputs[0].numel
    padded = 0 if w.exact else math.prod(input.shape[: -len(w.out)]) * math.prod(w.padded) * input.dtype.itemsize
    return Estimate(tuple(outputs), padded + 12 * n, (3 if indices else 1) * n * w.taps)


_ARGUMENTS = (
    "int[{d}] kernel_size, int[{d}]? stride=None, int[{d}] padding=0, int[{d}] dilation=1, bool ceil_mode=False"
)


def _with_indices(d: int) -> Op:
    """The row of maxima with their places, in ``d`` dims."""
    name = f"max_pool{d}d"

    def meta(
        input: Spec,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
        return_indices: bool = True,
    ) -> Estimate:
        w = windows(name, input, d, kernel_size, stride, padding, dilation, ceil_mode)
        _DOMAIN[d].check(input)
        return _estimate(input, w, return_indices)

    def kernel(input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any) -> Any:
        w = windows(name, input, d, kernel_size, stride, padding, dilation, ceil_mode)
        _DOMAIN[d].check(input)
        return _highest_places(input, w)

    kernel.__doc__ = f"""The maxima over windows in {d} dims, and their flat places in the input.

    Gradient: g at the places. Errors: RuntimeError for sizes that do not fit. Source: torch.nn.functional.max_pool{d}d_with_indices.

    >>> torch.nn.functional.max_pool{d}d_with_indices(torch.arange({4**d}.0).reshape({", ".join(["1"] + ["4"] * d)}), 4)[1].item()
    {4**d - 1}
    """
    x = array(2, 2, *(3, 4, 5)[-d:])
    return op(
        f"max_pool{d}d_with_indices(Tensor input, {_ARGUMENTS.format(d=d)}) -> (Tensor values, Tensor indices)",
        meta=meta,
        kind="opaque",
        names=(f"nn.functional.max_pool{d}d_with_indices",),
        forms="function",
        grad_fn=f"MaxPool{d}DWithIndicesBackward0",
        samples=over(
            Sample(x, 2),
            Sample(x, 2, 1, 1, 1, True),
            Sample(x[:0], 2, tags=("empty",)),
            Sample(np.asfortranarray(x), 2, tags=("non-contiguous",)),
        ),
        vjp={"input": lambda g, input, result1: rules._max_pool_backward(g, input, result1, d)},
    )(kernel)


_ROWS = {d: _with_indices(d) for d in (2, 3)}


@op(
    "_max_pool_backward(Tensor grad_output, Tensor input, Tensor indices, int dims) -> Tensor",
    meta=lambda grad_output, input, indices, dims: Spec(input.shape, grad_output.dtype),
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 1, 2), array(2, 2, 3), np.array([[[0, 4]], [[1, 1]]]), 2)),
    vjp={
        "grad_output": lambda g, indices, dims: rules._max_pool_pick(g, indices, dims),
        "input": lambda g, input_shape: rules.new_zeros(g, input_shape),
    },
)
def _max_pool_backward(grad_output: Any, input: Any, indices: Any, dims: Any) -> Any:
    """Gradients of maxima added at their places. Gradient: what lies at the places. Source: PyTorch's max_pool2d_with_indices_backward."""
    return _placed(grad_output, indices, tuple(input.shape), dims)


def _offsets(indices: Any, size: int, dims: int) -> Any:
    """Places within each plane as places in the whole, one after another."""
    lead = indices.shape[:-dims]
    planes = (np.arange(math.prod(lead)) * size).reshape(*lead, *(1,) * dims)
    return (indices + planes).reshape(-1)


def _placed(values: Any, indices: Any, shape: tuple[int, ...], dims: int) -> Any:
    out = np.zeros(shape, values.dtype)
    flat = _offsets(indices, math.prod(shape[-dims:]), dims)
    np.add.at(out.reshape(-1), flat, np.ascontiguousarray(values).reshape(-1))
    return out


@op(
    "_max_pool_pick(Tensor input, Tensor indices, int dims) -> Tensor",
    meta=lambda input, indices, dims: Spec(indices.shape, input.dtype),
    kind="opaque",
    forms="",
    grad_fn="MaxPool2DWithIndicesBackwardBackward0",
    samples=over(Sample(array(2, 2, 3), np.array([[[0, 4]], [[1, 1]]]), 2)),
    vjp={"input": lambda g, input, indices, dims: rules._max_pool_backward(g, input, indices, dims)},
)
def _max_pool_pick(input: Any, indices: Any, dims: Any) -> Any:
    """The elements at flat places of each plane. Gradient: g at the places. Source: PyTorch's max_pool_double_backward."""
    flat = _offsets(indices, math.prod(input.shape[-dims:]), dims)
    return np.ascontiguousarray(input).reshape(-1)[flat].reshape(indices.shape)


def _values_meta(
    input: Spec, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Estimate:
    return _estimate(
        input, windows(f"max_pool{dims}d", input, dims, kernel_size, stride, padding, dilation, ceil_mode), False
    )


@op(
    f"_max_pool_values(Tensor input, int dims, {_ARGUMENTS.format(d=3)}) -> Tensor",
    meta=_values_meta,
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 3, 4), 2, 2), Sample(array(2, 3, 4), 1, 3, 1, 1, 1, True)),
)
def _max_pool_values(
    input: Any, dims: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any
) -> Any:
    """The maxima alone, where no graph is wanted. Source: torch.nn.functional.max_pool2d."""
    w = windows(f"max_pool{dims}d", input, dims, kernel_size, stride, padding, dilation, ceil_mode)
    _DOMAIN[dims].check(input)
    return _highest(input, w)


def _max_meta(d: int) -> Callable[..., Any]:
    return _ROWS[d].meta  # type: ignore[return-value]


def _max_pool(input: Any, d: int, args: tuple[Any, ...], return_indices: bool) -> Any:
    if not return_indices and not (differentiated(input) and (grad_enabled.get() or levels.get())):
        return rules._max_pool_values(input, d, *args)
    values, indices = getattr(rules, f"max_pool{d}d_with_indices")(input, *args)
    return (values, indices) if return_indices else values


def _line(d: int) -> str:
    return f"max_pool{d}d(Tensor input, {_ARGUMENTS.format(d=d)}, bool return_indices=False) -> Tensor"


def _samples(d: int) -> Callable[[], Any]:
    x = array(2, 2, *(3, 4, 5)[-d:])
    return over(
        Sample(x, 2),
        Sample(x[0], 2, 1, 1, 1, True),
        Sample(x, 2, return_indices=True),
        Sample(x[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(x), 2, 1, 0, 2, tags=("non-contiguous",)),
    )


def _flat_windows(value: Any, missing: int) -> Any:
    """Arguments of one dim as those of two, the first of size 1."""
    values = (value,) if isinstance(value, int) else tuple(value or ())
    return (missing, *values) if values else None


def _max1d_meta(
    input: Spec, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool
) -> Estimate:
    w = windows("max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode)
    _DOMAIN[2].check(input)
    return _estimate(input, w, return_indices)


@op(
    _line(1),
    meta=_max1d_meta,
    kind="composite",
    names=("nn.functional.max_pool1d", "max_pool1d"),
    forms="function",
    samples=_samples(1),
)
def max_pool1d(
    input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, return_indices: Any
) -> Any:
    """The maximum of each window along the last dim; with ``return_indices`` also where it is.

    Shapes: (n, c, length) or (c, length). stride: as large as the window unless given. Gradient: g at the first place of each maximum.
    Errors: RuntimeError for sizes that do not fit. Source: torch.nn.functional.max_pool1d.

    >>> torch.nn.functional.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
    tensor([[3., 5.]])
    """
    windows("max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode)
    args = [_flat_windows(v, m) for v, m in ((kernel_size, 1), (stride, 1), (padding, 0), (dilation, 1))]
    out = _max_pool(rules.unsqueeze(input, -2), 2, (*args, ceil_mode), return_indices)
    return tuple(rules.squeeze(v, -2) for v in out) if return_indices else rules.squeeze(out, -2)


@op(
    _line(2),
    meta=_max_meta(2),
    kind="composite",
    names=("nn.functional.max_pool2d", "max_pool2d"),
    forms="function",
    samples=_samples(2),
)
def max_pool2d(
    input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, return_indices: Any
) -> Any:
    """The maximum of each window over the last two dims; with ``return_indices`` also its flat place.

    Shapes: (n, c, height, width) or (c, height, width). stride: as large as the window unless given. Gradient: g at the first place of
    each maximum. Errors: RuntimeError for sizes that do not fit. Source: torch.nn.functional.max_pool2d.

    >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 5.0]]]), 2, return_indices=True)
    (tensor([[[5.]]]), tensor([[[3]]]))
    """
    return _max_pool(input, 2, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)


@op(
    _line(3),
    meta=_max_meta(3),
    kind="composite",
    names=("nn.functional.max_pool3d", "max_pool3d"),
    forms="function",
    samples=_samples(3),
)
def max_pool3d(
    input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, return_indices: Any
) -> Any:
    """The maximum of each window over the last three dims; with ``return_indices`` also its flat place.

    Shapes: (n, c, depth, height, width) or without n. stride: as large as the window unless given. Gradient: g at the first place of each
    maximum. Errors: RuntimeError for sizes that do not fit. Source: torch.nn.functional.max_pool3d.

    >>> torch.nn.functional.max_pool3d(torch.ones(1, 1, 2, 2, 2), 2)
    tensor([[[[[1.]]]]])
    """
    return _max_pool(input, 3, (kernel_size, stride, padding, dilation, ceil_mode), return_indices)
