"""Ghosts: what a traced function sees of its values. Shape and dtype are there; whoever asks for more learns that it cannot be had.

So a trace cannot depend on values: there are none to read. ``Traced`` is a tensor over a ghost. It is no plain ``Tensor``, so every
operator on it takes the general door, where the tracer waits.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from engine.errors import TensorError
from engine.tensor import Tensor, node_of

__all__ = ["Ghost", "Traced", "Untraceable", "traced"]

UNREADABLE = "the function reads values: its course may depend on them"


class Untraceable(TensorError):
    """A function that cannot be replayed from a trace of it: it reads values, writes in place, draws random numbers."""


class Ghost:
    """What stands for an array. slot: where the program has the array itself; None where it has none."""

    __slots__ = ("dtype", "ndim", "shape", "size", "slot")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], slot: int | None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.slot = slot

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, index: Any) -> Ghost:
        """One example of a batch, of which no more than the shape is ever asked."""
        if index != 0 or not self.ndim:
            raise Untraceable(UNREADABLE)
        return Ghost(self.shape[1:], self.dtype, None)

    def _unreadable(self, *_: Any, **__: Any) -> Any:
        raise Untraceable(UNREADABLE)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]
    __array__ = __array_ufunc__ = __array_function__ = __bool__ = __int__ = __float__ = __complex__ = __index__ = (
        _unreadable
    )
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __iter__ = __contains__ = __len__ = __format__ = _unreadable


class Traced(Tensor):
    """A tensor in a function that is being traced."""

    __slots__ = ()

    _array: Ghost  # type: ignore[assignment]

    def _unreadable(self, *_: Any, **__: Any) -> Any:
        raise Untraceable(UNREADABLE)

    item = tolist = numpy = stride = is_contiguous = backward = _unreadable
    __array__ = __bool__ = __index__ = __int__ = __float__ = __complex__ = __format__ = __contains__ = _unreadable
    __repr__ = __str__ = _unreadable

    def detach(self) -> Tensor:
        return traced(self._array)

    data = property(detach, _unreadable)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if node_of(self) is not None:
            self._unreadable()
        return traced(self._array)


def traced(ghost: Ghost, node: Any = None) -> Traced:
    """The tensor of a ghost, with its history."""
    t: Traced = object.__new__(Traced)
    t._array = ghost
    t._node = node
    t._version_cell = [0]
    t._view = None
    t._meta = None
    return t
