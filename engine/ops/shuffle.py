"""Elements moved between channels and space, and between groups of channels. Sentences: PyTorch's PixelShuffle.cpp, ChanelShuffle.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over


def _three(name: str, input: Any, what: str, factor: int) -> None:
    if input.ndim < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor < 1:
        raise TensorError(f"{name} expects a positive {what}, but got {factor}")


def _larger(input: Any, factor: int) -> tuple[int, ...]:
    _three("pixel_shuffle", input, "upscale_factor", factor)
    *lead, c, h, w = input.shape
    if c % (factor * factor):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={c} is not divisible by {factor * factor}"
        )
    return (*lead, c // (factor * factor), h * factor, w * factor)


def _smaller(input: Any, factor: int) -> tuple[int, ...]:
    _three("pixel_unshuffle", input, "downscale_factor", factor)
    *lead, c, h, w = input.shape
    for what, n, dim in (("height", h, -2), ("width", w, -1)):
        if n % factor:
            raise ShapeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but input.size({dim})={n} is not "
                f"divisible by {factor}"
            )
    return (*lead, c * factor * factor, h // factor, w // factor)


@op(
    "pixel_shuffle(Tensor input, int upscale_factor) -> Tensor",
    meta=lambda input, upscale_factor: Spec(_larger(input, upscale_factor), input.dtype),
    kind="linear",
    names=("nn.functional.pixel_shuffle", "pixel_shuffle"),
    forms="function",
    samples=over(
        Sample(array(2, 4, 2, 3), 2),
        Sample(array(0, 4, 2, 3), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(9, 1, 2)), 3, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, upscale_factor: rules.pixel_unshuffle(g, upscale_factor)},
)
def pixel_shuffle(input: Any, upscale_factor: Any) -> Any:
    """Channels laid out in space: (…, c·r², h, w) to (…, c, h·r, w·r).

    Gradient: ``pixel_unshuffle``. Errors: RuntimeError for channels that r² does not divide. Source: torch.nn.functional.pixel_shuffle.

    >>> torch.nn.functional.pixel_shuffle(torch.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r, shape = upscale_factor, _larger(input, upscale_factor)
    n = input.ndim - 3
    parts = input.reshape(*shape[:-2], r, r, *input.shape[-2:])
    moved = parts.transpose(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return np.ascontiguousarray(moved).reshape(shape)


@op(
    "pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor",
    meta=lambda input, downscale_factor: Spec(_smaller(input, downscale_factor), input.dtype),
    kind="linear",
    names=("nn.functional.pixel_unshuffle", "pixel_unshuffle"),
    forms="function",
    samples=over(
        Sample(array(2, 1, 4, 6), 2),
        Sample(array(0, 1, 2, 4), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(2, 3, 3)), 3, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, downscale_factor: rules.pixel_shuffle(g, downscale_factor)},
)
def pixel_unshuffle(input: Any, downscale_factor: Any) -> Any:
    """Space laid out in channels: (…, c, h·r, w·r) to (…, c·r², h, w).

    Gradient: ``pixel_shuffle``. Errors: RuntimeError for a size that r does not divide. Source: torch.nn.functional.pixel_unshuffle.

    >>> torch.nn.functional.pixel_unshuffle(torch.arange(4.0).reshape(1, 2, 2), 2).shape
    torch.Size([4, 1, 1])
    """
    r, shape = downscale_factor, _smaller(input, downscale_factor)
    n = input.ndim - 3
    parts = input.reshape(*input.shape[:-2], shape[-2], r, shape[-1], r)
    moved = parts.transpose(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return np.ascontiguousarray(moved).reshape(shape)


def _grouped(input: Any, groups: int) -> int:
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    c = input.shape[1]
    if groups < 1:
        raise TensorError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    if c % groups:
        raise ShapeError(f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.")
    return int(c // groups)


def _shuffle_meta(input: Spec, groups: int) -> Spec:
    _grouped(input, groups)
    return input


@op(
    "channel_shuffle(Tensor input, int groups) -> Tensor",
    meta=_shuffle_meta,
    kind="linear",
    names=(
        "nn.functional.channel_shuffle",
        "nn.functional.native_channel_shuffle",
        "channel_shuffle",
        "native_channel_shuffle",
    ),
    forms="function",
    samples=over(
        Sample(array(2, 4, 2), 2),
        Sample(array(2, 6, 1, 2), 3),
        Sample(array(0, 4, 2), 2, tags=("empty",)),
        Sample(np.asfortranarray(array(2, 4, 3)), 2, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, groups: rules.channel_shuffle(
            g, input_shape[1] // groups if input_shape[1] else 1
        )
    },
)
def channel_shuffle(input: Any, groups: Any) -> Any:
    """Channels of several groups dealt out in turn: (n, g·k, …) read as (n, g, k, …) and written as (n, k, g, …).

    Gradient: the shuffle back. Errors: RuntimeError for channels that groups do not divide. Source: torch.nn.functional.channel_shuffle.

    >>> torch.nn.functional.channel_shuffle(torch.arange(4.0).reshape(1, 4, 1), 2)
    tensor([[[0.],
             [2.],
             [1.],
             [3.]]])
    """
    each = _grouped(input, groups)
    parts = input.reshape(input.shape[0], groups, each, *input.shape[2:])
    return np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(input.shape)
