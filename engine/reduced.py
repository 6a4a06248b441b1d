"""What rules of reductions share: values put back over the dims that were reduced, and counts. Lean on raw arrays, ``rules`` on tensors."""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np

from engine.rules import rules
from engine.shapes import wrap_dims

__all__ = [
    "along",
    "chosen",
    "counted",
    "exponential",
    "is_raw",
    "restored",
    "row_sums",
    "same_form",
    "spread",
    "stretched",
]

ROW: Final = 1024  # the longest row that BLAS may sum: NumPy's pairwise sums are more exact for long ones
COPIED: Final = 4096  # up to so many elements a filled array costs less than a view, and is its receiver's own


def is_raw(x: Any) -> bool:
    """Whether a rule got an array, not a tensor."""
    return isinstance(x, (np.ndarray, np.generic))


def same_form(a: Any, b: Any) -> bool:
    """Whether two arrays have one shape and dtype, so that a result of both may be written into either."""
    return a.shape == b.shape and a.dtype == b.dtype  # type: ignore[no-any-return]


def restored(x: Any, ndim: int, dim: Any, keepdim: bool) -> Any:
    """A reduced value with the dims put back in size one. Of a reduction of all dims it stays as it is: it broadcasts.

    >>> restored(np.ones(2), 2, (-1,), False).shape
    (2, 1)
    """
    if keepdim or not ndim or not dim:
        return x
    if len(dim) == 1 and is_raw(x):
        return x[(slice(None),) * (dim[0] % ndim) + (None,)]
    for d in sorted(wrap_dims(dim, ndim)):
        x = np.expand_dims(x, d) if is_raw(x) else rules.unsqueeze(x, d)
    return x


def stretched(g: Any, shape: tuple[int, ...]) -> Any:
    """An array of as many dims as ``shape`` (or none), repeated to that shape: ``broadcast_to``, a good deal faster.

    One number is written out where that costs little; else there is no copy, and nothing may write into it.
    """
    if 0 in shape or not shape:
        return np.broadcast_to(g, shape)
    if not g.ndim and math.prod(shape) <= COPIED:
        out: Any = np.empty(shape, g.dtype)
        out.fill(g)
        return out
    array = np.asarray(g)
    if not array.ndim:
        strides: tuple[int, ...] = (0,) * len(shape)
    elif array.flags.c_contiguous:
        strides = tuple(0 if m == 1 else step for m, step in zip(array.shape, array.strides, strict=True))
    else:
        return np.broadcast_to(g, shape)
    out = np.ndarray(shape, array.dtype, array, 0, strides)
    out.flags.writeable = False
    return out


def row_sums(a: Any) -> Any:
    """The sums over the last dim, kept in size one. Short rows of a contiguous array are summed by BLAS, in a fifth of the time.

    >>> row_sums(np.ones((2, 3)))
    array([[3.],
           [3.]])
    """
    n = a.shape[-1]
    if 1 < n <= ROW and a.ndim > 1 and a.dtype.char in "fd" and a.flags.c_contiguous:
        return a.reshape(-1, n).dot(_row(n, a.dtype)).reshape(*a.shape[:-1], 1)
    return np.add.reduce(a, axis=-1, keepdims=True)


@functools.lru_cache(maxsize=256)
def _row(n: int, d: np.dtype[Any]) -> Any:
    row = np.ones(n, d)
    row.flags.writeable = False
    return row


def spread(g: Any, input_shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """A reduced gradient, expanded to the shape of what was reduced."""
    g = restored(g, len(input_shape), dim, keepdim)
    return stretched(g, input_shape) if is_raw(g) else rules.expand(g, input_shape)


def along(index: Any, dim: int) -> Any:
    """What stands between the brackets to read or write an array at the indices along a dim: ``x[along(index, 1)]``.

    >>> np.array([[5, 6], [7, 8]])[along(np.array([[1], [0]]), 1)].tolist()
    [[6], [7]]
    """
    n = index.ndim
    if n == 1:
        return index
    d = dim % n
    return tuple(index if i == d else np.arange(index.shape[i]).reshape(-1, *(1,) * (n - 1 - i)) for i in range(n))


def chosen(condition: Any, a: Any, b: Any) -> Any:
    """``rules.where``, lean on arrays."""
    return np.where(condition, a, b) if is_raw(condition) else rules.where(condition, a, b)


def exponential(x: Any) -> Any:
    """``rules.exp``, lean on arrays."""
    return np.exp(x) if is_raw(x) else rules.exp(x)


def counted(mask: Any, dim: Any, g: Any) -> Any:
    """How many hold, with the dims kept (all: a single number), ready to divide ``g``."""
    if is_raw(mask):
        d: Any = np.float32 if g.dtype.char == "e" else g.dtype
        kept: Any = bool(dim)
        return np.add.reduce(mask, axis=tuple(dim) if dim and mask.ndim else None, dtype=d, keepdims=kept)
    return rules.sum(mask, dim, True) if dim else rules.sum(mask)
