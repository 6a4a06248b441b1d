"""Convolution on raw arrays as matrix products: windows are lowered into columns a few samples at a time, in one bounded buffer.

Layout: columns are (samples, groups, channels·taps, positions), so that every product answers channels-first memory and nothing is
transposed. With stride 1 a tap's column is one contiguous run of the flattened image ("flat"): rows keep the image's pitch, and what
lies between the rows' ends is cut off (or zero) afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

__all__ = ["Geometry", "correlate", "spread", "weigh"]

BLOCK = 1 << 21
"""Bytes of columns made at a time."""


class Geometry:
    """The sizes of a convolution from (n, c, *spatial) to (n, o, *out) with taps ``size``, and how its columns are made."""

    __slots__ = (
        "block",
        "channels",
        "dilation",
        "flat",
        "groups",
        "itemsize",
        "n",
        "o",
        "out",
        "padded",
        "padding",
        "plain",
        "run",
        "size",
        "spatial",
        "stride",
        "taps",
        "width",
    )

    def __init__(
        self,
        n: int,
        channels: int,
        o: int,
        spatial: tuple[int, ...],
        out: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
        itemsize: int,
    ) -> None:
        self.n, self.channels, self.o, self.groups, self.itemsize = n, channels, o, groups, itemsize
        self.spatial, self.out, self.size = spatial, out, size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.taps = math.prod(size)
        need = (s * (m - 1) + d * (k - 1) + 1 for s, m, d, k in zip(stride, out, dilation, size, strict=True))
        self.padded = tuple(max(m + 2 * p, q) for m, p, q in zip(spatial, padding, need, strict=True))
        self.plain = self.taps == 1 and all(s == 1 for s in stride) and not any(padding) and spatial == out
        places = math.prod(out)
        self.run = places
        self.width = places
        self.flat = False
        if len(out) > 1 and not self.plain and places and all(s == 1 for s in stride):
            pitch = math.prod(self.padded[1:])
            if out[0] * pitch <= 2 * places:
                self.flat = True
                self.width = out[0] * pitch
                self.run = sum((m - 1) * q for m, q in zip(out, self.pitches(), strict=True)) + 1
        each = max(channels * self.taps * self.run * itemsize, 1)
        self.block = min(max(n, 1), max(1, BLOCK // each))

    def pitches(self) -> tuple[int, ...]:
        """How far apart neighbours along each dim lie in the padded image."""
        return tuple(math.prod(self.padded[i + 1 :]) for i in range(len(self.padded)))

    def offsets(self) -> Iterator[int]:
        """Where each tap's run starts in the flattened padded image."""
        steps = [d * q for d, q in zip(self.dilation, self.pitches(), strict=True)]
        for tap in product(*map(range, self.size)):
            yield sum(t * s for t, s in zip(tap, steps, strict=True))

    def workspace(self) -> int:
        """Bytes beside inputs and output: the padded input, a block of columns, a block of rows."""
        whole = self.n * self.channels * math.prod(self.padded)
        block = self.block * (self.channels * self.taps * self.run + self.o * (self.width + self.channels * self.taps))
        return (whole + block) * self.itemsize

    def cost(self) -> int:
        """Two operations a multiplication."""
        return 2 * self.n * self.o * math.prod(self.out) * (self.channels // max(self.groups, 1)) * self.taps

    def blocks(self) -> Iterator[tuple[int, int]]:
        for start in range(0, self.n, self.block):
            yield start, min(start + self.block, self.n)

    def pad(self, x: Any) -> Any:
        """The input inside its zeros, contiguous."""
        if self.padded == x.shape[2:]:
            return np.ascontiguousarray(x)
        whole = np.zeros((*x.shape[:2], *self.padded), x.dtype)
        whole[self.inner()] = x
        return whole

    def inner(self) -> Any:
        """Where the input lies in its padded form."""
        return (slice(None), slice(None), *(slice(p, p + m) for p, m in zip(self.padding, self.spatial, strict=True)))

    def windows(self, x: Any) -> Any:
        """A view of a padded input as (n, c, *taps, *positions), or (n, c, *taps, run) where flat."""
        steps = x.strides[2:]
        taps = tuple(d * s for d, s in zip(self.dilation, steps, strict=True))
        if self.flat:
            shape: tuple[int, ...] = (self.run,)
            strides: tuple[int, ...] = (x.itemsize,)
        else:
            shape, strides = self.out, tuple(k * s for k, s in zip(self.stride, steps, strict=True))
        return np.ndarray((*x.shape[:2], *self.size, *shape), x.dtype, x, 0, (*x.strides[:2], *taps, *strides))

    def columns(self, x: Any) -> Iterator[tuple[int, int, Any]]:
        """Blocks of samples: (start, stop, columns of shape (samples, groups, channels·taps, run))."""
        rows = self.channels // self.groups * self.taps
        if self.plain:
            yield 0, self.n, np.ascontiguousarray(x).reshape(self.n, self.groups, rows, self.run)
            return
        views = self.windows(self.pad(x))
        buffer = np.empty((self.block, *views.shape[1:]), x.dtype)
        flat = buffer.reshape(self.block, self.groups, rows, self.run)
        for start, stop in self.blocks():
            np.copyto(buffer[: stop - start], views[start:stop])
            yield start, stop, flat[: stop - start]

    def with_pitch(self, g: Any, buffer: Any) -> Any:
        """A block of gradients with rows as far apart as the image's: (samples, groups, channels, run)."""
        shape = (len(g), self.groups, self.o // self.groups)
        if not self.flat:
            return np.ascontiguousarray(g).reshape(*shape, self.run)
        self.rows(buffer[: len(g)])[...] = g
        return _grouped(buffer[: len(g)], shape, self.run)

    def rows(self, buffer: Any) -> Any:
        """The positions of a flat buffer (samples, channels, width) that are results."""
        whole = buffer.reshape(*buffer.shape[:2], self.out[0], *self.padded[1:])
        return whole[(slice(None), slice(None), *(slice(0, m) for m in self.out))]


def _grouped(buffer: Any, shape: tuple[int, ...], run: int) -> Any:
    return buffer.reshape(*shape, buffer.shape[-1])[..., :run]


def correlate(x: Any, weight: Any, t: Geometry) -> Any:
    """The convolution itself: (n, c, *spatial) and (o, c/groups, *taps) to (n, o, *out)."""
    w = np.ascontiguousarray(weight).reshape(t.groups, t.o // t.groups, t.channels // t.groups * t.taps)
    out = np.empty((t.n, t.o, *t.out), x.dtype)
    if not t.flat:
        flat = out.reshape(t.n, t.groups, t.o // t.groups, t.run)
        for start, stop, columns in t.columns(x):
            np.matmul(w, columns, out=flat[start:stop])
        return out
    buffer = np.empty((t.block, t.o, t.width), x.dtype)
    rows = t.rows(buffer)
    grouped = _grouped(buffer, (t.block, t.groups, t.o // t.groups), t.run)
    for start, stop, columns in t.columns(x):
        np.matmul(w, columns, out=grouped[: stop - start])
        np.copyto(out[start:stop], rows[: stop - start])
    return out


def spread(g: Any, weight: Any, t: Geometry) -> Any:
    """The transpose of ``correlate`` in its input: (n, o, *out) and the same weight to (n, c, *spatial)."""
    w = np.ascontiguousarray(weight).reshape(t.groups, t.o // t.groups, t.channels // t.groups * t.taps).swapaxes(1, 2)
    if t.plain:
        flat = np.ascontiguousarray(g).reshape(t.n, t.groups, t.o // t.groups, t.run)
        return np.matmul(w, flat).reshape(t.n, t.channels, *t.spatial)
    whole = np.zeros((t.n, t.channels, *t.padded), g.dtype)
    lined = whole.reshape(t.n, t.channels, math.prod(t.padded))
    buffer = np.zeros((t.block, t.o, t.width), g.dtype) if t.flat else None
    made = np.empty((t.block, t.groups, w.shape[1], t.run), g.dtype)
    for start, stop in t.blocks():
        m = stop - start
        np.matmul(w, t.with_pitch(g[start:stop], buffer), out=made[:m])
        if t.flat:
            taps: Any = made[:m].reshape(m, t.channels, t.taps, t.run)
            for k, offset in enumerate(t.offsets()):
                part = lined[start:stop, :, offset : offset + t.run]
                np.add(part, taps[:, :, k], out=part)
        else:
            taps = made[:m].reshape(m, t.channels, *t.size, *t.out)
            views: Any = t.windows(whole[start:stop])
            for tap in product(*map(range, t.size)):
                part = views[(slice(None), slice(None), *tap)]
                np.add(part, taps[(slice(None), slice(None), *tap)], out=part)
    if t.padded == t.spatial:
        return whole
    return np.ascontiguousarray(whole[t.inner()])


def weigh(g: Any, x: Any, t: Geometry) -> Any:
    """The transpose of ``correlate`` in its weight: (n, o, *out) and (n, c, *spatial) to (o, c/groups, *taps)."""
    total = np.zeros((t.groups, t.channels // t.groups * t.taps, t.o // t.groups), g.dtype)
    buffer = np.zeros((t.block, t.o, t.width), g.dtype) if t.flat else None
    for start, stop, columns in t.columns(x):
        made = np.matmul(columns, t.with_pitch(g[start:stop], buffer).swapaxes(2, 3))
        total += np.add.reduce(made, axis=0)
    return np.ascontiguousarray(total.swapaxes(1, 2)).reshape(t.o, t.channels // t.groups, *t.size)
