"""Arguments to try rows on: shared by rows of one form. Values are fixed, distinct and away from kinks, so derivatives exist.

Tags say what a sample covers; a test refuses a row whose samples lack a tag that applies to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.op import Sample

__all__ = ["array", "over", "pairs", "reductions", "strided", "unary"]

Samples = Callable[[], Sequence[Sample]]


def array(*shape: int, low: float = -2.0, high: float = 2.0, start: int = 0) -> np.ndarray[Any, Any]:
    """Distinct float64 values spread over [low, high], the same at every call, never near a whole number or zero."""
    n = int(np.prod(shape))
    steps = (np.arange(start, start + n) * 0.6180339887498949 + 0.137) % 1.0
    values = low + (high - low) * steps
    near = np.abs(values - np.round(values)) < 0.05
    return (values + np.where(near, 0.11, 0.0)).reshape(shape)


def strided(*shape: int, **kwargs: Any) -> np.ndarray[Any, Any]:
    """The same, not contiguous: every second element of each row, transposed memory."""
    whole = array(*shape[:-2], shape[-1] * 2, shape[-2], **kwargs) if len(shape) > 1 else array(shape[0] * 2, **kwargs)
    return whole[::2] if len(shape) == 1 else np.swapaxes(whole, -1, -2)[..., ::2]


def unary(low: float = -2.0, high: float = 2.0) -> Samples:
    """One tensor with values in a domain."""

    def make() -> Sequence[Sample]:
        return [
            Sample(array(2, 3, low=low, high=high)),
            Sample(np.array(array(1, low=low, high=high)[0]), tags=("0-d",)),
            Sample(array(0, 3), tags=("empty",)),
            Sample(strided(3, 2, low=low, high=high), tags=("non-contiguous",)),
        ]

    return make


def pairs(low: float = -2.0, high: float = 2.0, **kwargs: Any) -> Samples:
    """Two tensors that broadcast, and a bare number."""

    def make() -> Sequence[Sample]:
        a, b = array(2, 3, low=low, high=high), array(2, 3, low=low, high=high, start=50)
        return [
            Sample(a, b, **kwargs),
            Sample(a, array(3, low=low, high=high, start=9), tags=("broadcast",), **kwargs),
            Sample(
                array(2, 1, low=low, high=high, start=4), array(1, 3, low=low, high=high), tags=("broadcast",), **kwargs
            ),
            Sample(np.array(a[0, 0]), np.array(b[0, 1]), tags=("0-d",), **kwargs),
            Sample(array(0, 3), array(3, low=low, high=high), tags=("empty",), **kwargs),
            Sample(
                strided(3, 2, low=low, high=high),
                array(3, 2, low=low, high=high, start=31),
                tags=("non-contiguous",),
                **kwargs,
            ),
        ]

    return make


def reductions(low: float = -2.0, high: float = 2.0) -> Samples:
    """One tensor reduced over one dim (given by ``dim``, ``keepdim``)."""

    def make() -> Sequence[Sample]:
        a = array(2, 3, low=low, high=high)
        return [
            Sample(a, 0),
            Sample(a, -1, True, tags=("negative dim",)),
            Sample(np.array(a[0, 0]), 0, tags=("0-d",)),
            Sample(np.zeros((0, 3)), 1, tags=("empty",)),
            Sample(strided(3, 2, low=low, high=high), 1, tags=("non-contiguous",)),
        ]

    return make


def over(*samples: Sample) -> Samples:
    """Just these."""
    return lambda: samples
