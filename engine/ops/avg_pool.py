"""Means over windows. The sum over a window is a sum along each dim in turn; windows: ``engine.pooling``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import real
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Op, Sample, Spec, op
from engine.pooling import Windows, windows
from engine.rules import rules
from engine.samples import array, over

_DOMAIN = {d: real(f"avg_pool{d}d", "b") for d in (2, 3)}


def _windows(input: Any, dims: int, args: tuple[Any, ...]) -> Windows:
    kernel_size, stride, padding, ceil_mode, _, divisor_override = args
    if divisor_override == 0:
        raise TensorError("divisor must be not zero")
    _DOMAIN[dims].check(input)
    return windows(f"avg_pool{dims}d", input, dims, kernel_size, stride, padding, 1, ceil_mode)


def _divisor(w: Windows, count_include_pad: bool, divisor_override: int | None, d: np.dtype[Any]) -> Any:
    """By what each sum is divided: a number where all windows are alike."""
    if divisor_override is not None:
        return d.type(divisor_override)
    if w.exact or (count_include_pad and all(b <= a for a, b in zip(w.before, w.after, strict=True))):
        return d.type(w.taps)
    total: Any = 1
    for m, n, k, s, p in zip(w.spatial, w.out, w.size, w.stride, w.before, strict=True):
        start = np.arange(n) * s - p
        stop = np.minimum(start + k, m + p)
        count = stop - start if count_include_pad else np.minimum(stop, m) - np.maximum(start, 0)
        total = np.expand_dims(total, -1) * count
    return total.astype(d)


def _along(axis: int, where: slice) -> tuple[Any, ...]:
    return (..., where, *(slice(None),) * (-axis - 1))


def _tap(t: int, s: int, n: int) -> slice:
    return slice(t, t + s * (n - 1) + 1, s)


def _sums(x: Any, w: Windows) -> Any:
    """The sums over windows of a padded input."""
    for axis in range(-1, -len(w.size) - 1, -1):
        k, s, n = w.size[axis], w.stride[axis], w.out[axis]
        total = np.array(x[_along(axis, _tap(0, s, n))])
        for t in range(1, k):
            np.add(total, x[_along(axis, _tap(t, s, n))], out=total)
        x = total
    return x


def _divide(total: Any, divisor: Any, d: np.dtype[Any]) -> Any:
    if d.kind in "iu":
        return np.trunc(total / divisor).astype(d)
    return np.divide(total, divisor, out=total)


def _meta_of(dims: int) -> Any:
    def meta(input: Spec, *args: Any) -> Estimate:
        w = _windows(input, dims, args)
        out = Spec((*input.shape[:-dims], *w.out), input.dtype)
        lead = math.prod(input.shape[:-dims])
        return Estimate(
            (out,),
            2 * lead * math.prod(w.padded) * max(input.dtype.itemsize, 4),
            sum(w.size) * lead * math.prod(w.padded),
        )

    return meta


_ARGUMENTS = (
    "int[{d}] kernel_size, int[{d}]? stride=None, int[{d}] padding=0, bool ceil_mode=False, bool count_include_pad=True"
)


def _row(d: int) -> Op:
    """The row in ``d`` dims."""

    def kernel(
        input: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        ceil_mode: Any,
        count_include_pad: Any,
        divisor_override: Any,
    ) -> Any:
        w = _windows(input, d, (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override))
        if input.dtype.char == "e":
            again = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
            return kernel(input.astype(np.float32), *again).astype(np.float16)
        x = input
        if not w.exact:
            x = np.zeros((*input.shape[:-d], *w.padded), input.dtype)
            x[w.inner()] = input
        return _divide(_sums(x, w), _divisor(w, count_include_pad, divisor_override, input.dtype), input.dtype)

    shape = {2: "(n, c, height, width) or (c, height, width)", 3: "(n, c, depth, height, width), or without n"}[d]
    example = "torch.nn.functional.avg_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 6.0]]]), 2)"
    printed = "tensor([[[3.]]])"
    if d == 3:
        example, printed = "torch.nn.functional.avg_pool3d(torch.ones(1, 2, 2, 2), 2)", "tensor([[[[1.]]]])"
    kernel.__doc__ = f"""The mean of each window over the last {d} dims.

    Shapes: {shape}. stride: as large as the window unless given. padding counts as zeros where count_include_pad; divisor_override: divide
    by this instead. Gradient: g/divisor, spread over the window. Errors: RuntimeError for sizes that do not fit.
    Source: torch.nn.functional.avg_pool{d}d.

    >>> {example}
    {printed}
    """
    x = array(2, 2, *(3, 4, 5)[-d:])
    return op(
        f"avg_pool{d}d(Tensor input, {_ARGUMENTS.format(d=d)}, int? divisor_override=None) -> Tensor",
        meta=_meta_of(d),
        kind="linear",
        names=(f"nn.functional.avg_pool{d}d",),
        forms="function",
        grad_fn=f"AvgPool{d}DBackward0",
        samples=over(
            Sample(x, 2),
            Sample(x[0], 2, 2, 1, True),
            Sample(x, 3, 1, 1, True, False),
            Sample(x, 2, divisor_override=3),
            Sample(x[:0], 2, tags=("empty",)),
            Sample(np.asfortranarray(x), 2, 1, tags=("non-contiguous",)),
        ),
        vjp={
            "input": lambda g, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: (
                rules._avg_pool_backward(
                    g, input, d, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
                )
            )
        },
    )(kernel)


_ROWS = {d: _row(d) for d in (2, 3)}


@op(
    f"_avg_pool_backward(Tensor grad_output, Tensor input, int dims, {_ARGUMENTS.format(d=3)}, int? divisor_override=None) -> Tensor",
    meta=lambda grad_output, input, *args: Spec(input.shape, grad_output.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 2, 2), array(2, 4, 5), 2, 2),
        Sample(array(2, 3, 3), array(2, 4, 5), 2, 2, 2, 1, True, False),
    ),
    vjp={
        "grad_output": lambda g, dims, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: (
            getattr(rules, f"avg_pool{dims}d")(
                g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
            )
        ),
        "input": lambda g, input_shape: rules.new_zeros(g, input_shape),
    },
)
def _avg_pool_backward(
    grad_output: Any,
    input: Any,
    dims: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
) -> Any:
    """Gradients of means spread over their windows. Gradient: the means. Source: PyTorch's avg_pool2d_backward."""
    w = _windows(input, dims, (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override))
    g = grad_output / _divisor(w, count_include_pad, divisor_override, grad_output.dtype)
    for axis in range(-dims, 0):
        k, s, n, m = w.size[axis], w.stride[axis], w.out[axis], w.padded[axis]
        total = np.zeros((*g.shape[:axis], m, *(g.shape[axis + 1 :] if axis != -1 else ())), g.dtype)
        for t in range(k):
            part = total[_along(axis, _tap(t, s, n))]
            np.add(part, g, out=part)
        g = total
    return g if w.exact else np.ascontiguousarray(g[w.inner()])


def _flat_windows(value: Any, missing: int) -> Any:
    """Arguments of one dim as those of two, the first of size 1."""
    values = (value,) if isinstance(value, int) else tuple(value or ())
    return (missing, *values) if values else None


def _check1d(input: Any, args: tuple[Any, ...]) -> None:
    kernel_size, stride, padding, ceil_mode, _ = args
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while checking arguments for "
            "avg_pool1d)"
        )
    windows("avg_pool1d", input, 1, kernel_size, stride, padding, 1, ceil_mode)


def _two(args: tuple[Any, ...]) -> tuple[Any, ...]:
    kernel_size, stride, padding, *rest = args
    return (_flat_windows(kernel_size, 1), _flat_windows(stride, 1), _flat_windows(padding, 0), *rest, None)


def _meta1d(input: Spec, *args: Any) -> Estimate:
    _check1d(input, args)
    found = _meta_of(2)(Spec((*input.shape[:-1], 1, input.shape[-1]), input.dtype), *_two(args))
    (out,) = found.outputs
    return Estimate((Spec((*out.shape[:-2], out.shape[-1]), out.dtype),), found.workspace, found.cost)


@op(
    f"avg_pool1d(Tensor input, {_ARGUMENTS.format(d=1)}) -> Tensor",
    meta=_meta1d,
    kind="composite",
    names=("nn.functional.avg_pool1d", "avg_pool1d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 5), 2),
        Sample(array(2, 5), 2, 2, 1, True, False),
        Sample(array(0, 2, 5), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(2, 2, 5)), 3, 1, tags=("non-contiguous",)),
    ),
)
def avg_pool1d(input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: Any, count_include_pad: Any) -> Any:
    """The mean of each window along the last dim.

    Shapes: (n, c, length) or (c, length). stride: as large as the window unless given. padding counts as zeros where count_include_pad.
    Gradient: g/divisor, spread over the window. Errors: RuntimeError for sizes that do not fit. Source: torch.nn.functional.avg_pool1d.

    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
    tensor([[2.0000, 3.5000]])
    """
    args = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    _check1d(input, args)
    return rules.squeeze(rules.avg_pool2d(rules.unsqueeze(input, -2), *_two(args)), -2)
