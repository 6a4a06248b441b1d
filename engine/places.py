"""Indices along a dim: their checks, and the flat places in memory that they stand for. Shared by what gathers and what scatters."""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, EngineError, ShapeError, TensorError
from engine.op import Estimate, Spec

__all__ = [
    "along",
    "check_index",
    "code",
    "combined",
    "first",
    "flat_places",
    "inside",
    "no_larger",
    "ones",
    "same_dtype",
    "spoken_of",
    "vector_places",
    "working",
    "zeros",
]


def code(value: Any) -> str:
    """The name of the dtype of an array or a Spec."""
    d = value.dtype
    return str(getattr(d, "numpy", d))


_INTEGERS: Final = frozenset({np.dtype(np.int64), np.dtype(np.int32), dtypes.int64, dtypes.int32})


def check_index(name: str, index: Any, words: str = "int32/int64", *, got: bool = False) -> None:
    """Errors: RuntimeError for an index (array or Spec) that is neither int32 nor int64. got: whether PyTorch says what it was."""
    if index.dtype not in _INTEGERS:
        ending = f" but got: {spoken_of(index)}" if got else ""
        raise DtypeError(f"{name}(): Expected dtype {words} for index{ending}")


def no_larger(index: Any, dim: int, own: tuple[int, ...], src: tuple[int, ...] | None = None) -> None:
    """Errors: RuntimeError for an index larger than what it points into in a dim other than ``dim``, or than ``src`` in any."""
    if 0 in index.shape:
        return
    sizes = index.shape or (1,)
    if len(sizes) != max(len(own), 1):
        raise ShapeError("Index tensor must have the same number of dimensions as self tensor")
    if src is not None and len(sizes) != max(len(src), 1):
        raise ShapeError("Index tensor must have the same number of dimensions as src tensor")
    fits = all(n <= m or d == dim for d, (n, m) in enumerate(zip(sizes, own or (1,), strict=True)))
    if not fits or (src is not None and any(n > m for n, m in zip(sizes, src or (1,), strict=True))):
        ending = "" if src is None else f" and to be no larger size than src {list(src)}"
        raise ShapeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(own)} apart from dimension {dim}{ending}"
        )


def same_dtype(sentence: str, input: Any, other: Any) -> None:
    """Errors: RuntimeError where two tensors (arrays or Specs) differ in dtype. sentence: with ``{a}`` and ``{b}`` for the dtypes."""
    if input.dtype != other.dtype:
        raise DtypeError(sentence.format(a=spoken_of(input), b=spoken_of(other)))


def spoken_of(value: Any) -> str:
    """PyTorch's old name of the dtype of an array or a Spec."""
    return spoken(np.empty(0, value.dtype.numpy) if isinstance(value, Spec) else value)


def inside(index: Any, n: int, sentence: str, error: type[EngineError] = TensorError, *, low: int = 0) -> None:
    """Errors: of the wanted class where an index lies outside [low, n). ``sentence``: with ``{index}`` for the first such."""
    if index.size == 0:
        return
    if low == 0:  # as an unsigned number a negative one is larger than any
        good = np.maximum.reduce(index.view(_UNSIGNED[index.dtype.char]), axis=None) < n
    else:
        good = np.minimum.reduce(index, axis=None) >= low and np.maximum.reduce(index, axis=None) < n
    if not good:
        flat = np.reshape(index, -1)
        raise error(sentence.format(index=int(flat[(flat < low) | (flat >= n)][0])))


_UNSIGNED: Final = {
    np.dtype(t).char: u for t, u in ((np.int32, np.uint32), (np.int64, np.uint64), (np.longlong, np.uint64))
}


def along(dim: int, index: Any, n: int) -> None:
    """Errors: RuntimeError where an index along ``dim`` lies outside [0, n)."""
    inside(index, n, f"index {{index}} is out of bounds for dimension {dim} with size {n}")


@functools.lru_cache(maxsize=128)
def _small_base(sizes: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    base = _base(sizes, dim, shape)
    base.flags.writeable = False
    return base


def _base(sizes: tuple[int, ...], dim: int, shape: tuple[int, ...]) -> Any:
    """The places of the first elements along ``dim``."""
    base = np.zeros((1,) * len(shape), np.int64)
    step = 1
    for d in reversed(range(len(shape))):
        if d != dim and sizes[d] != 1:
            base = base + np.arange(0, sizes[d] * step, step).reshape(-1, *(1,) * (len(shape) - 1 - d))
        step *= shape[d]
    return base


def flat_places(index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Where in contiguous memory of ``shape`` each element of ``index``, an index along ``dim``, points.

    >>> flat_places(np.array([[0, 2], [1, 0]]), 1, (2, 3)).tolist()
    [[0, 2], [4, 3]]
    """
    step = math.prod(shape[dim + 1 :])
    if len(shape) == 1:
        return index
    base = (_small_base if index.size <= SMALL else _base)(index.shape, dim, shape)
    return base + index if step == 1 else base + index * np.int64(step)


SMALL: Final = 4096
"""Elements of an index up to which the places it starts from are kept for the next call."""


def vector_places(index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Where in contiguous memory of ``shape`` the slices along ``dim`` lie that a vector of indices names: one place an element."""
    outer, n, inner = math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])
    places = index * inner
    if inner != 1:
        places = places[:, None] + np.arange(inner)
    return places if outer == 1 else places.reshape(1, -1) + np.arange(0, outer * n * inner, n * inner)[:, None]


def zeros(shape: tuple[int, ...], like: Any) -> Any:
    """Zeros of a shape in the dtype of an array or a tensor, for rules."""
    d = like.dtype
    return np.zeros(shape, getattr(d, "numpy", d))


def ones(shape: tuple[int, ...], like: Any) -> Any:
    """Ones of a shape in the dtype of an array or a tensor, for rules."""
    d = like.dtype
    return np.ones(shape, getattr(d, "numpy", d))


_COMBINE: Final = {
    "sum": np.add,
    "mean": np.add,
    "prod": np.multiply,
    "amax": np.maximum,
    "amin": np.minimum,
}


def _neutral(reduce: str, d: np.dtype[Any]) -> Any:
    """What changes nothing under a reduction."""
    if reduce in {"sum", "mean"}:
        return 0
    if reduce == "prod" or d.kind == "b":
        return reduce in {"prod", "amin"}
    if d.kind in "fc":
        return -math.inf if reduce == "amax" else math.inf
    return np.iinfo(d).min if reduce == "amax" else np.iinfo(d).max


def combined(reduce: str, flat: Any, places: Any, values: Any, *, include_self: bool) -> None:
    """Reduce values into a flat array at places, which may come several times.

    >>> flat = np.zeros(3)
    >>> combined("sum", flat, np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0]), include_self=True)
    >>> flat.tolist()
    [1.0, 0.0, 5.0]
    """
    places, values = np.reshape(places, -1), np.reshape(values, -1)
    if not include_self:
        flat[places] = _neutral(reduce, flat.dtype)
    _COMBINE[reduce].at(flat, places, values)
    if reduce == "mean":
        count = np.bincount(places, minlength=flat.size)
        touched = np.flatnonzero(count)
        divisor = (count[touched] + include_self).astype(flat.dtype)
        divide = np.true_divide if flat.dtype.kind in "fc" else np.floor_divide
        flat[touched] = divide(flat[touched], divisor)


def first(n: int) -> Any:
    """The places 0 … n-1."""
    return np.arange(n)


def working(out: Spec, places: int, *read: Spec) -> Estimate:
    """The estimate of a call that finds so many places in memory on its way: two integers each.

    >>> working(Spec((2, 3), dtypes.float32), 4).workspace
    64
    """
    return Estimate((out,), 16 * places, 4 * places + out.numel + sum(s.numel for s in read))
