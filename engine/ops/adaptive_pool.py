"""Pools with a wanted number of windows: each dim is cut into so many nearly equal parts, which may share an element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import floating
from engine.errors import InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Op, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.taps import Tap, gathered, scattered, windows_of

_AVG = {d: floating(f"adaptive_avg_pool{d}d") for d in (1, 2, 3)}
_MAX = {d: floating(f"adaptive_max_pool{d}d") for d in (1, 2, 3)}


def _out(name: str, input: Any, d: int, output_size: Any) -> tuple[int, ...]:
    """The wanted sizes; None keeps one. Errors: RuntimeError in PyTorch's words."""
    shape = tuple(input.shape)
    if d > 1 and isinstance(output_size, (tuple, list)) and len(shape) <= len(output_size):
        raise InvalidValueError(f"Input dimension should be at least {len(output_size) + 1}")
    if len(shape) not in (d + 1, d + 2):
        raise ShapeError(f"{name}(): Expected {d + 1}D or {d + 2}D tensor, but got {list(shape)}")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * d
    if len(wanted) == 1:
        wanted *= d
    if len(wanted) != d:
        raise TensorError(
            f"{name}(): internal error: output_size.size() must be {d}"
            if name.startswith("adaptive_max")
            else f"{name}: output_size must be {d}"
        )
    sizes = tuple(m if n is None else int(n) for n, m in zip(wanted, shape[-d:], strict=True))
    if any(n < 0 for n in sizes) and name.startswith("adaptive_max"):
        made = [*shape[:-d], *(1,) * (d == 1), *sizes]
        raise TensorError(f"Trying to create tensor with negative dimension {min(sizes)}: {made}")
    if any(n < 0 for n in sizes):
        raise TensorError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {{{', '.join(map(str, sizes))}}}"
        )
    for i in range(len(shape) - d, len(shape)):
        if shape[i] == 0:
            raise ShapeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {list(shape)} with "
                f"dimension {i} being empty"
            )
    return sizes


def _taps(m: int, n: int) -> list[Tap]:
    start, stop = windows_of(m, n)
    size = stop - start
    share = 1.0 / size if n else size
    taps = []
    for t in range(int(size.max()) if n else 0):
        has = np.flatnonzero(size > t)
        taps.append(Tap(start[has] + t, share[has], None if len(has) == n else has))
    return taps


def _part_meta(input: Spec, output_size: Any) -> Estimate:
    out = Spec((*input.shape[: -len(output_size)], *output_size), input.dtype)
    return Estimate((out,), 6 * (input.nbytes + out.nbytes), input.numel + out.numel)


@op(
    "_adaptive_avg(Tensor input, int[] output_size) -> Tensor",
    meta=_part_meta,
    kind="linear",
    forms="",
    samples=over(Sample(array(2, 3, 4), [2, 3]), Sample(array(2, 5), [2])),
    vjp={
        "input": lambda g, input, output_size: rules._adaptive_avg_backward(g, input, input.shape[-len(output_size) :])
    },
)
def _adaptive_avg(input: Any, output_size: Any) -> Any:
    """The mean of each part. Gradient: each g over its part. Source: PyTorch's _adaptive_avg_pool2d."""
    if input.dtype.char == "e":
        return _adaptive_avg.kernel(input.astype(np.float32), output_size).astype(np.float16)
    out = input
    for axis in range(-1, -len(output_size) - 1, -1):
        out = gathered(out, axis, _taps(out.shape[axis], output_size[axis]), output_size[axis])
    return out


@op(
    "_adaptive_avg_backward(Tensor grad_output, Tensor input, int[] size) -> Tensor",
    meta=lambda grad_output, input, size: Spec((*grad_output.shape[: -len(size)], *size), grad_output.dtype),
    kind="linear",
    forms="",
    samples=over(Sample(array(2, 2, 3), array(2, 3, 4), [3, 4])),
    vjp={
        "grad_output": lambda g, grad_output_shape, size: rules._adaptive_avg(g, grad_output_shape[-len(size) :]),
        "input": lambda g, input_shape: rules.new_zeros(g, input_shape),
    },
)
def _adaptive_avg_backward(grad_output: Any, input: Any, size: Any) -> Any:
    """Gradients of means over their parts. Gradient: the means. Source: PyTorch's adaptive_avg_pool2d_backward."""
    g = grad_output
    for axis in range(-len(size), 0):
        g = scattered(g, axis, _taps(size[axis], g.shape[axis]), size[axis])
    return g


def _avg_meta(d: int) -> Any:
    def meta(input: Spec, output_size: Any) -> Estimate:
        sizes = _out(f"adaptive_avg_pool{d}d", input, d, output_size)
        _AVG[d].check(input)
        out = Spec((*input.shape[:-d], *sizes), input.dtype)
        return Estimate((out,), 16 * (input.nbytes + out.nbytes), 2 * d * (input.numel + out.numel))

    return meta


def _avg(input: Any, d: int, output_size: Any) -> Any:
    sizes = _out(f"adaptive_avg_pool{d}d", input, d, output_size)
    _AVG[d].check(input)
    if all(n == 1 for n in sizes) and d > 1:
        return rules.mean(input, list(range(-d, 0)), True)
    return getattr(rules, f"_adaptive_avg_pool{d}d")(input, sizes)


def _named(d: int) -> Op:
    def kernel(input: Any, output_size: Any) -> Any:
        return _adaptive_avg.kernel(input, output_size)

    kernel.__doc__ = (
        f"The mean of each part over {d} dims. Gradient: each g over its part. Source: "
        f"torch.nn.functional.adaptive_avg_pool{d}d."
    )
    x = array(2, 3, *(4, 3, 5)[-d:])
    return op(
        f"_adaptive_avg_pool{d}d(Tensor input, int[] output_size) -> Tensor",
        meta=lambda input, output_size: Spec((*input.shape[:-d], *output_size), input.dtype),
        kind="linear",
        forms="",
        grad_fn=f"AdaptiveAvgPool{d}DBackward0",
        samples=over(Sample(x, [2, 2, 3][-d:])),
        vjp={"input": lambda g, input: rules._adaptive_avg_backward(g, input, input.shape[-d:])},
    )(kernel)


_NAMED = {d: _named(d) for d in (2, 3)}


def _samples(d: int, *flags: Any) -> Any:
    x = array(2, 2, *(4, 3, 5)[-d:])
    return over(
        Sample(x, 2, *flags),
        Sample(x[0], [1] * d, *flags),
        Sample(x[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(x), [3, 2, 4][-d:], *flags, tags=("non-contiguous",)),
    )


def _one(name: str, input: Any, output_size: Any) -> tuple[Any, ...]:
    """The size wanted of one dim, as of two."""
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while checking arguments "
            f"for {name})"
        )
    if isinstance(output_size, (tuple, list)) and len(output_size) != 1:
        raise TensorError(f"{name}() argument 'output_size' should contain one int (got {len(output_size)})")
    return (1, *_out(name, input, 1, output_size))


@op(
    "adaptive_avg_pool1d(Tensor input, int[1] output_size) -> Tensor",
    meta=_avg_meta(1),
    kind="composite",
    names=("nn.functional.adaptive_avg_pool1d", "adaptive_avg_pool1d"),
    forms="function",
    samples=_samples(1),
)
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The means of so many parts of the last dim: part i of n goes from i·m//n to the next whole number from (i + 1)·m/n.

    Shapes: (n, c, length) or (c, length). Gradient: each g over its part. Errors: RuntimeError for a negative size, NotImplementedError
    for integers. Source: torch.nn.functional.adaptive_avg_pool1d.

    >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    sizes = _one("adaptive_avg_pool1d", input, output_size)
    _AVG[1].check(input)
    return rules.squeeze(rules._adaptive_avg_pool2d(rules.unsqueeze(input, -2), sizes), -2)


@op(
    "adaptive_avg_pool2d(Tensor input, Any output_size) -> Tensor",
    meta=_avg_meta(2),
    kind="composite",
    names=("nn.functional.adaptive_avg_pool2d",),
    forms="function",
    samples=_samples(2),
)
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of so many parts of the last two dims.

    Shapes: (n, c, height, width) or (c, height, width). output_size: one number or two; None keeps a size. Gradient: each g over its part.
    Errors: RuntimeError for a negative size, NotImplementedError for integers. Source: torch.nn.functional.adaptive_avg_pool2d.

    >>> torch.nn.functional.adaptive_avg_pool2d(torch.tensor([[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]]), (1, 2))
    tensor([[[2.5000, 3.5000]]])
    """
    return _avg(input, 2, output_size)


@op(
    "adaptive_avg_pool3d(Tensor input, Any output_size) -> Tensor",
    meta=_avg_meta(3),
    kind="composite",
    names=("nn.functional.adaptive_avg_pool3d",),
    forms="function",
    samples=_samples(3),
)
def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of so many parts of the last three dims.

    Shapes: (n, c, depth, height, width), or without n. output_size: one number or three; None keeps a size. Gradient: each g over its part.
    Errors: RuntimeError for a negative size, NotImplementedError for integers. Source: torch.nn.functional.adaptive_avg_pool3d.

    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 2, 2, 2), (1, 1, 2))
    tensor([[[[1., 1.]]]])
    """
    return _avg(input, 3, output_size)


def _highest(input: Any, sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """The maxima of the parts, and their flat places: the first of equals."""
    d = len(sizes)
    shape = tuple(input.shape)
    places: Any = 0
    for k, (m, n) in enumerate(zip(shape[-d:], sizes, strict=True)):
        start, stop = windows_of(m, n)
        most = int((stop - start).max()) if n else 0
        rows = np.minimum(start[:, None] + np.arange(most), stop[:, None] - 1)
        rows = rows.reshape(*(n if j == k else 1 for j in range(d)), *(most if j == k else 1 for j in range(d)))
        places = places * m + rows
    places = places.reshape(*sizes, math.prod(places.shape[d:]) if all(sizes) else 1)
    x = np.ascontiguousarray(input).reshape(*shape[:-d], math.prod(shape[-d:]))
    if not all(sizes) or not x.size:
        empty = (*shape[:-d], *sizes)
        return np.zeros(empty, input.dtype), np.zeros(empty, np.int64)
    taken = x[..., places]
    best = taken.argmax(-1)
    values = np.take_along_axis(taken, best[..., None], -1)[..., 0]
    spread = np.broadcast_to(places, taken.shape)
    return values, np.take_along_axis(spread, best[..., None], -1)[..., 0]


def _max_meta(d: int) -> Any:
    def meta(input: Spec, output_size: Any, return_indices: bool = True) -> Estimate:
        sizes = _out(f"adaptive_max_pool{d}d", input, d, output_size)
        _MAX[d].check(input)
        shape = (*input.shape[:-d], *sizes)
        outputs = (Spec(shape, input.dtype), Spec(shape, dtypes.int64))[: 2 if return_indices else 1]
        most = math.prod(-(-m // n) + 1 if n else 1 for m, n in zip(input.shape[-d:], sizes, strict=True))
        return Estimate(outputs, math.prod(shape) * most * (input.dtype.itemsize + 8), 2 * math.prod(shape) * most)

    return meta


def _max_row(d: int) -> Op:
    def kernel(input: Any, output_size: Any) -> Any:
        sizes = _out(f"adaptive_max_pool{d}d", input, d, output_size)
        _MAX[d].check(input)
        return _highest(input, sizes)

    kernel.__doc__ = f"""The maxima of so many parts of the last {d} dims, and their flat places in the input.

    Gradient: g at the places. Errors: RuntimeError for sizes that do not fit.
    Source: torch.nn.functional.adaptive_max_pool{d}d_with_indices.

    >>> torch.nn.functional.adaptive_max_pool{d}d_with_indices(torch.arange({4**d}.0).reshape({", ".join(["1"] + ["4"] * d)}), 1)[1].item()
    {4**d - 1}
    """
    return op(
        f"adaptive_max_pool{d}d(Tensor input, Any output_size) -> (Tensor values, Tensor indices)",
        meta=_max_meta(d),
        kind="opaque",
        names=(f"nn.functional.adaptive_max_pool{d}d_with_indices",),
        forms="function",
        grad_fn=f"AdaptiveMaxPool{d}DBackward0",
        samples=_samples(d),
        vjp={"input": lambda g, input, result1: rules._max_pool_backward(g, input, result1, d)},
    )(kernel)


_MAX_ROWS = {d: _max_row(d) for d in (2, 3)}


def _max(input: Any, d: int, output_size: Any, return_indices: bool) -> Any:
    out = getattr(rules, f"adaptive_max_pool{d}d")(input, output_size)
    return (out[0], out[1]) if return_indices else out[0]


@op(
    "adaptive_max_pool1d.functional(Tensor input, int[1] output_size, bool return_indices=False) -> Tensor",
    meta=_max_meta(1),
    kind="composite",
    names=("nn.functional.adaptive_max_pool1d",),
    forms="function",
    samples=_samples(1, True),
)
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: Any) -> Any:
    """The maxima of so many parts of the last dim; with ``return_indices`` also where they are.

    Shapes: (n, c, length) or (c, length). Gradient: g at each maximum. Errors: RuntimeError for a negative size, NotImplementedError for
    integers. Source: torch.nn.functional.adaptive_max_pool1d.

    >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[1.0, 4.0, 3.0]]), 2)
    tensor([[4., 4.]])
    """
    sizes = _one("adaptive_max_pool1d", input, output_size)
    values, indices = _max(rules.unsqueeze(input, -2), 2, sizes, True)
    values = rules.squeeze(values, -2)
    return (values, rules.squeeze(indices, -2)) if return_indices else values


@op(
    "adaptive_max_pool2d.functional(Tensor input, Any output_size, bool return_indices=False) -> Tensor",
    meta=_max_meta(2),
    kind="composite",
    names=("nn.functional.adaptive_max_pool2d",),
    forms="function",
    samples=_samples(2, True),
)
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: Any) -> Any:
    """The maxima of so many parts of the last two dims; with ``return_indices`` also their flat places.

    Shapes: (n, c, height, width) or (c, height, width). output_size: one number or two; None keeps a size. Gradient: g at each maximum.
    Errors: RuntimeError for a negative size, NotImplementedError for integers. Source: torch.nn.functional.adaptive_max_pool2d.

    >>> torch.nn.functional.adaptive_max_pool2d(torch.tensor([[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]]), (1, 2))
    tensor([[[4., 5.]]])
    """
    return _max(input, 2, output_size, return_indices)


@op(
    "adaptive_max_pool3d.functional(Tensor input, Any output_size, bool return_indices=False) -> Tensor",
    meta=_max_meta(3),
    kind="composite",
    names=("nn.functional.adaptive_max_pool3d",),
    forms="function",
    samples=_samples(3, True),
)
def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: Any) -> Any:
    """The maxima of so many parts of the last three dims; with ``return_indices`` also their flat places.

    Shapes: (n, c, depth, height, width), or without n. output_size: one number or three; None keeps a size. Gradient: g at each maximum.
    Errors: RuntimeError for a negative size, NotImplementedError for integers. Source: torch.nn.functional.adaptive_max_pool3d.

    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 2, 2, 2), (1, 1, 2))
    tensor([[[[1., 1.]]]])
    """
    return _max(input, 3, output_size, return_indices)
