"""Weighted sums of neighbours along one dim, and their transposes: what resampling and adaptive pools are made of.

A tap says, of every place along the output, which element of the input it takes and with what weight; its numbers never fall. So the
transpose of a tap is a sum over runs of equal numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Tap", "gathered", "scattered", "windows_of"]


class Tap(NamedTuple):
    """One neighbour of every place: its number, its weight (None: 1), and which places have it (None: all)."""

    index: Any
    weight: Any = None
    places: Any = None


def _shaped(weight: Any, axis: int, like: Any) -> Any:
    return weight.astype(like.dtype).reshape(-1, *(1,) * (-axis - 1))


def _at(axis: int, where: Any) -> tuple[Any, ...]:
    return (..., where, *(slice(None),) * (-axis - 1))


def gathered(x: Any, axis: int, taps: Sequence[Tap], n: int) -> Any:
    """The weighted sums: a dim (counted from the end) becomes ``n`` places."""
    if len(taps) == 1 and taps[0].places is None:
        part = x.take(taps[0].index, axis)
        return part if taps[0].weight is None else part * _shaped(taps[0].weight, axis, x)
    out = np.zeros((*x.shape[:axis], n, *(x.shape[axis + 1 :] if axis != -1 else ())), x.dtype)
    for tap in taps:
        part = x.take(tap.index, axis)
        if tap.weight is not None:
            part *= _shaped(tap.weight, axis, x)
        if tap.places is None:
            out += part
        else:
            out[_at(axis, tap.places)] += part
    return out


def scattered(g: Any, axis: int, taps: Sequence[Tap], n: int) -> Any:
    """The transpose: gradients of places back on the ``n`` elements of the input."""
    out = np.zeros((*g.shape[:axis], n, *(g.shape[axis + 1 :] if axis != -1 else ())), g.dtype)
    for tap in taps:
        part = g if tap.places is None else g[_at(axis, tap.places)]
        if tap.weight is not None:
            part = part * _shaped(tap.weight, axis, g)
        index = tap.index
        if not index.size:
            continue
        first = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
        if len(first) != len(index):
            part = np.add.reduceat(part, first, axis)
        out[_at(axis, index[first])] += part
    return out


def windows_of(m: int, n: int) -> tuple[Any, Any]:
    """Where the windows of an adaptive pool start and stop: ``n`` of them over ``m`` elements."""
    k = np.arange(n)
    return k * m // n if n else k, -((-(k + 1) * m) // n) if n else k
