"""Sliding blocks as columns and back. Sentences: PyTorch's im2col_shape_check.h."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from engine.domain import Domain
from engine.errors import DimensionError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over

_UNFOLD = Domain("i", "\"im2col_out_cpu\" not implemented for '{dtype}'")
_FOLD = Domain("i", "\"col2im_out_cpu\" not implemented for '{dtype}'")


def _two(what: str, value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise TensorError(f"It is expected {what} equals to 2, but got size {len(values)}")
    return values


def _sizes(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[tuple[int, int], ...]:
    size, reach, pad, step = (
        _two(w, v)
        for w, v in (("kernel_size", kernel_size), ("dilation", dilation), ("padding", padding), ("stride", stride))
    )
    for values, what, short, least in (
        (size, "kernel size", "kernel", 1),
        (reach, "dilation", "dilation", 1),
        (step, "stride", "stride", 1),
        (pad, "padding", "pad", 0),
    ):
        if min(values) < least:
            bound = "greater than zero" if least else "non-negative"
            raise TensorError(
                f"{what} should be {bound}, but got {short}_height: {values[0]} {short}_width: {values[1]}"
            )
    return size, reach, pad, step


def _counts(spatial: Any, sizes: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    size, reach, pad, step = sizes
    return tuple(
        (m + 2 * p - r * (k - 1) - 1) // s + 1 for m, k, r, p, s in zip(spatial, size, reach, pad, step, strict=True)
    )


def _unfolded(input: Any, *args: Any) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """How many blocks in each dim, and the sizes. Errors: RuntimeError in PyTorch's words."""
    sizes = _sizes(*args)
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise DimensionError(
            f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but got {len(shape)})"
        )
    if len(shape) > 4 or 0 in shape[1 if len(shape) == 4 else 0 :]:
        raise ShapeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: "
            f"{list(shape)}"
        )
    counts = _counts(shape[-2:], sizes)
    if min(counts) < 1:
        size, reach, pad, _ = sizes
        raise ShapeError(
            f"Given input with spatial size {shape[-2:]}, kernel_size={size}, dilation={reach}, padding={pad}, calculated shape of the "
            f"array of sliding blocks as {counts}, but its components must be at least one."
        )
    return counts, sizes


def _places(sizes: tuple[tuple[int, int], ...], counts: Any) -> Any:
    """For each place in a block, where its elements lie in the padded image."""
    size, reach, _, step = sizes
    for i, j in product(range(size[0]), range(size[1])):
        yield (
            i,
            j,
            (
                ...,
                slice(i * reach[0], i * reach[0] + step[0] * (counts[0] - 1) + 1, step[0]),
                slice(j * reach[1], j * reach[1] + step[1] * (counts[1] - 1) + 1, step[1]),
            ),
        )


def _unfold_meta(input: Spec, *args: Any) -> Estimate:
    counts, sizes = _unfolded(input, *args)
    _UNFOLD.check(input)
    shape = (*input.shape[:-3], input.shape[-3] * math.prod(sizes[0]), math.prod(counts))
    padded = math.prod(input.shape[:-2]) * math.prod(m + 2 * p for m, p in zip(input.shape[-2:], sizes[2], strict=True))
    return Estimate((Spec(shape, input.dtype),), padded * input.dtype.itemsize, math.prod(shape))


_ARGUMENTS = "int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1"


@op(
    f"im2col(Tensor input, {_ARGUMENTS}) -> Tensor",
    meta=_unfold_meta,
    kind="linear",
    names=("nn.functional.unfold",),
    forms="function",
    grad_fn="Im2ColBackward0",
    samples=over(
        Sample(array(2, 2, 3, 4), 2),
        Sample(array(2, 3, 4), (2, 1), 2, 1, (1, 2)),
        Sample(array(0, 2, 3, 4), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(2, 2, 3, 4)), 2, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, kernel_size, dilation, padding, stride: rules.col2im(
            g, input_shape[-2:], kernel_size, dilation, padding, stride
        )
    },
)
def im2col(input: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Every block that a window meets as a column.

    Shapes: (n, c, height, width), or without n, to (n, c·taps, blocks). Gradient: ``fold``. Errors: RuntimeError where no block fits,
    NotImplementedError for integers. Source: torch.nn.functional.unfold.

    >>> torch.nn.functional.unfold(torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), 2)
    tensor([[1., 2.],
            [2., 3.],
            [4., 5.],
            [5., 6.]])
    """
    counts, sizes = _unfolded(input, kernel_size, dilation, padding, stride)
    _UNFOLD.check(input)
    size, _, pad, _ = sizes
    x = input
    if any(pad):
        x = np.zeros((*input.shape[:-2], *(m + 2 * p for m, p in zip(input.shape[-2:], pad, strict=True))), input.dtype)
        x[..., pad[0] : pad[0] + input.shape[-2], pad[1] : pad[1] + input.shape[-1]] = input
    out = np.empty((*input.shape[:-2], *size, *counts), input.dtype)
    for i, j, where in _places(sizes, counts):
        out[..., i, j, :, :] = x[where]
    return out.reshape(*input.shape[:-3], input.shape[-3] * math.prod(size), math.prod(counts))


def _folded(
    input: Any, output_size: Any, *args: Any
) -> tuple[tuple[int, int], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """The image's size, how many blocks in each dim, and the sizes. Errors: RuntimeError in PyTorch's words."""
    spatial = _two("output_size", output_size)
    sizes = _sizes(*args)
    size, reach, pad, step = sizes
    shape = tuple(input.shape)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise ShapeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: "
            f"{list(shape)}"
        )
    dim = len(shape) - 2
    if shape[-2] % math.prod(size):
        raise ShapeError(
            f"Expected size of input's dimension {dim} to be divisible by the product of kernel_size, but got "
            f"input.size({dim})={shape[-2]} and kernel_size={size}."
        )
    counts = _counts(spatial, sizes)
    if min(counts) < 1 or math.prod(counts) != shape[-1]:
        raise ShapeError(
            f"Given output_size={spatial}, kernel_size={size}, dilation={reach}, padding={pad}, stride={step}, expected size of input's "
            f"dimension {dim + 1} to match the calculated number of sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but "
            f"got input.size({dim + 1})={shape[-1]}."
        )
    return spatial, counts, sizes


def _fold_meta(input: Spec, output_size: Any, *args: Any) -> Estimate:
    spatial, _, sizes = _folded(input, output_size, *args)
    _FOLD.check(input)
    planes = (*input.shape[:-2], input.shape[-2] // math.prod(sizes[0]))
    padded = math.prod(planes) * math.prod(m + 2 * p for m, p in zip(spatial, sizes[2], strict=True))
    return Estimate((Spec((*planes, *spatial), input.dtype),), padded * input.dtype.itemsize, input.numel + padded)


@op(
    f"col2im(Tensor input, int[2] output_size, {_ARGUMENTS}) -> Tensor",
    meta=_fold_meta,
    kind="linear",
    names=("nn.functional.fold",),
    forms="function",
    grad_fn="Col2ImBackward0",
    samples=over(
        Sample(array(2, 8, 6), (3, 4), 2),
        Sample(array(4, 4), (2, 2), 2, 1, 1, 2),
        Sample(array(0, 8, 6), (3, 4), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(2, 8, 6)), (3, 4), 2, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, kernel_size, dilation, padding, stride: rules.im2col(
            g, kernel_size, dilation, padding, stride
        )
    },
)
def col2im(input: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """An image from columns of blocks; where blocks overlap they add up.

    Shapes: (n, c·taps, blocks), or without n, to (n, c, *output_size). Gradient: ``unfold``. Errors: RuntimeError for a number of blocks
    that does not fit. Source: torch.nn.functional.fold.

    >>> torch.nn.functional.fold(torch.ones(4, 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    spatial, counts, sizes = _folded(input, output_size, kernel_size, dilation, padding, stride)
    _FOLD.check(input)
    size, _, pad, _ = sizes
    planes = (*input.shape[:-2], input.shape[-2] // math.prod(size))
    blocks = input.reshape(*planes, *size, *counts)
    out = np.zeros((*planes, *(m + 2 * p for m, p in zip(spatial, pad, strict=True))), input.dtype)
    for i, j, where in _places(sizes, counts):
        out[where] += blocks[..., i, j, :, :]
    if any(pad):
        out = np.ascontiguousarray(out[..., pad[0] : pad[0] + spatial[0], pad[1] : pad[1] + spatial[1]])
    return out
