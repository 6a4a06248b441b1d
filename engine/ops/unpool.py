"""The partial inverse of max pooling: values put back at their places, zeros elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import InvalidValueError, ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over


def _check(input: Any, indices: Any, output_size: Any) -> tuple[int, ...]:
    """The result's shape. Errors: RuntimeError in PyTorch's words."""
    d = len(output_size)
    if indices.dtype.name != "int64":
        raise TensorError(f"elements in indices should be type int64 but got: {spoken(indices)}")
    if input.ndim not in (d + 1, d + 2):
        raise ShapeError(
            f"Input to max_unpooling{d}d should be a {d + 1}d or {d + 2}d Tensor, but got a tensor with {input.ndim} dimensions."
        )
    if tuple(indices.shape) != tuple(input.shape):
        raise ShapeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices tensor with shape: "
            f"{list(indices.shape)}"
        )
    for i in range(input.ndim - d, input.ndim):
        if input.shape[i] == 0:
            raise ShapeError(
                f"max_unpooling{d}d_forward_out_cpu(): Expected input to have non-zero size for non-batch dimensions, but got "
                f"{list(input.shape)} with dimension {i} being empty."
            )
    return (*input.shape[:-d], *output_size)


@op(
    "_max_unpool(Tensor input, Tensor indices, int[] output_size) -> Tensor",
    meta=lambda input, indices, output_size: Spec(_check(input, indices, output_size), input.dtype),
    kind="linear",
    forms="",
    grad_fn="MaxUnpool2DBackward0",
    samples=over(Sample(array(2, 1, 2), np.array([[[0, 4]], [[3, 1]]]), [2, 3])),
    vjp={"input": lambda g, indices, output_size: rules._max_pool_pick(g, indices, len(output_size))},
    jvp=lambda input_t, indices, output_size: rules._max_unpool(input_t, indices, output_size),
)
def _max_unpool(input: Any, indices: Any, output_size: Any) -> Any:
    """Values at flat places of each plane, zeros elsewhere. Gradient: g at the places. Source: PyTorch's max_unpool2d.

    Errors: RuntimeError for a place beyond the plane.
    """
    shape = _check(input, indices, output_size)
    size, d = math.prod(output_size), len(output_size)
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        bad = next(int(i) for i in indices.reshape(-1) if not 0 <= i < size)
        raise TensorError(
            f"Found an invalid max index: {bad} (output volumes are of size {'x'.join(map(str, output_size))})"
        )
    out = np.zeros(shape, input.dtype)
    planes = (np.arange(math.prod(shape[:-d])) * size).reshape(*shape[:-d], *(1,) * d)
    out.reshape(-1)[(indices + planes).reshape(-1)] = input.reshape(-1)
    return out


def _each(value: Any, d: int, default: Any = None) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value or ())
    if not values:
        return default  # type: ignore[no-any-return]
    return values * d if len(values) == 1 else values


def _sizes(input: Any, d: int, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> tuple[int, ...]:
    """The size of the planes: what the pool's arguments give back, or what is wanted, if a pool could have come from it."""
    if input.ndim not in (d + 1, d + 2):
        raise ShapeError(
            f"Input to max_unpooling{d}d should be a {d + 1}d or {d + 2}d Tensor, but got a tensor with {input.ndim} dimensions."
        )
    size = _each(kernel_size, d)
    step, pad = _each(stride, d, size), _each(padding, d, (0,) * d)
    given = tuple((m - 1) * s - 2 * p + k for m, s, p, k in zip(input.shape[-d:], step, pad, size, strict=True))
    if output_size is None:
        return given
    wanted = tuple(output_size)
    if len(wanted) == d + 2:
        wanted = wanted[2:]
    if len(wanted) != d:
        raise InvalidValueError(
            f"output_size should be a sequence containing {d} or {d + 2} elements, but it has a length of '{len(wanted)}'"
        )
    for i, (n, m, s) in enumerate(zip(wanted, given, step, strict=True)):
        if not m - s < n < m + s:
            raise InvalidValueError(f'invalid output_size "{wanted}" (dim {i} must be between {m - s} and {m + s})')
    return wanted


def _meta(d: int) -> Any:
    def meta(input: Spec, indices: Spec, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Spec:
        sizes = _sizes(input, d, kernel_size, stride, padding, output_size)
        return Spec(_check(input, indices, sizes), input.dtype)

    return meta


def _line(d: int) -> str:
    return (
        f"max_unpool{d}d(Tensor input, Tensor indices, int[{d}] kernel_size, int[{d}]? stride=None, int[{d}] padding=0, "
        "int[]? output_size=None) -> Tensor"
    )


def _samples(d: int) -> Any:
    """A pool of 2 steps of every dim put back."""
    x = array(2, 1, *(2,) * d)
    n = 4**d
    places = np.zeros((2,) * d, np.int64)
    for k in range(d):
        places = places * 4 + np.array([0, 3]).reshape(*(2 if j == k else 1 for j in range(d)))
    indices = np.ascontiguousarray(np.broadcast_to(places, x.shape)) % n
    return over(
        Sample(x, indices, 2),
        Sample(x[0], indices[0], 2, output_size=[4] * d),
        Sample(x[:0], indices[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(x), indices, 2, tags=("non-contiguous",)),
    )


@op(
    _line(1),
    meta=_meta(1),
    kind="composite",
    names=("nn.functional.max_unpool1d",),
    forms="function",
    samples=_samples(1),
)
def max_unpool1d(input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    """Maxima of windows put back where ``max_pool1d`` found them, zeros elsewhere.

    Shapes: (n, c, length) or (c, length). output_size: the size before the pool, where several are possible. Gradient: g at the places.
    Errors: RuntimeError for a place beyond the end, ValueError for a size that cannot be. Source: torch.nn.functional.max_unpool1d.

    >>> torch.nn.functional.max_unpool1d(torch.tensor([[3.0, 5.0]]), torch.tensor([[1, 3]]), 2)
    tensor([[0., 3., 0., 5.]])
    """
    sizes = _sizes(input, 1, kernel_size, stride, padding, output_size)
    _check(input, indices, sizes)
    return rules.squeeze(rules._max_unpool(rules.unsqueeze(input, -1), rules.unsqueeze(indices, -1), (*sizes, 1)), -1)


@op(
    _line(2),
    meta=_meta(2),
    kind="composite",
    names=("nn.functional.max_unpool2d",),
    forms="function",
    samples=_samples(2),
)
def max_unpool2d(input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    """Maxima of windows put back where ``max_pool2d`` found them, zeros elsewhere.

    Shapes: (n, c, height, width) or (c, height, width). output_size: the size before the pool, where several are possible. Gradient: g at
    the places. Errors: RuntimeError for a place beyond the plane, ValueError for a size that cannot be.
    Source: torch.nn.functional.max_unpool2d.

    >>> torch.nn.functional.max_unpool2d(torch.tensor([[[5.0]]]), torch.tensor([[[3]]]), 2)
    tensor([[[0., 0.],
             [0., 5.]]])
    """
    return rules._max_unpool(input, indices, _sizes(input, 2, kernel_size, stride, padding, output_size))


@op(
    _line(3),
    meta=_meta(3),
    kind="composite",
    names=("nn.functional.max_unpool3d",),
    forms="function",
    samples=_samples(3),
)
def max_unpool3d(input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    """Maxima of windows put back where ``max_pool3d`` found them, zeros elsewhere.

    Shapes: (n, c, depth, height, width), or without n. output_size: the size before the pool, where several are possible. Gradient: g at
    the places. Errors: RuntimeError for a place beyond the volume, ValueError for a size that cannot be.
    Source: torch.nn.functional.max_unpool3d.

    >>> torch.nn.functional.max_unpool3d(torch.tensor([[[[5.0]]]]), torch.tensor([[[[7]]]]), 2).sum()
    tensor(5.)
    """
    out = rules._max_unpool(input, indices, _sizes(input, 3, kernel_size, stride, padding, output_size))
    return renamed(out, "MaxUnpool3DBackward0")
