"""Shorter calls for what programs make most: what a kernel does on a float array, once its other arguments are known."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.op import Op

__all__ = ["shortened"]


def shortened(op: Op, raws: list[Any], out: Any) -> tuple[Callable[..., Any], list[Any]] | None:
    """A function of the first array and of constants that answers what the row's kernel does; None where the kernel is the shortest.

    raws: the kernel's arguments. out: what it answered.

    >>> import engine as torch
    >>> from engine.op import OPS
    >>> square, rest = shortened(OPS["pow"][1], [np.array([3.0]), 2], np.array([9.0]))
    >>> square(np.array([3.0]), *rest)
    array([9.])
    """
    x = raws[0]
    if not isinstance(x, np.ndarray) or not isinstance(out, np.ndarray) or x.dtype != out.dtype or x.dtype.kind != "f":
        return None
    if op.id == "pow.Tensor_Scalar" and type(raws[1]) in (int, float) and raws[1] == 2:
        return _squared, []
    if op.id == "rsub.Scalar" and type(raws[1]) in (int, float) and raws[2] == 1 and type(raws[2]) is int:
        return _taken_from, [raws[1]]
    if op.id == "slice.Tensor" and _counts_up(*raws[1:]):
        return operator.getitem, [_index(*raws[1:])]
    if op.id == "slice_backward" and _counts_up(*raws[2:]):
        return _padded, [raws[1], x.dtype, _index(*raws[2:])]
    return None


def _counts_up(dim: int, start: int | None, end: int | None, step: int) -> bool:
    return dim >= 0 and (start or 0) >= 0 and (end or 0) >= 0 and step > 0


def _index(dim: int, start: int | None, end: int | None, step: int) -> tuple[slice, ...]:
    return (*(slice(None),) * dim, slice(start, end, step))


def _squared(x: Any) -> Any:
    return np.multiply(x, x)


def _taken_from(x: Any, number: Any) -> Any:
    return np.subtract(number, x)


def _padded(g: Any, sizes: Any, dtype: Any, index: Any) -> Any:
    out = np.zeros(sizes, dtype)
    out[index] = g
    return out
