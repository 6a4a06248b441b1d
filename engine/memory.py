"""Another shape over the memory of a tensor, in place: ``resize_``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.errors import AutogradError, TensorError
from engine.grad_mode import InferenceCell
from engine.layout import owner_of
from engine.tensor import Tensor, array_of
from engine.transaction import current

__all__ = ["resized"]


def resized(t: Tensor, sizes: Sequence[int]) -> Tensor:
    """Let ``t`` show its memory, from its first element on, in C order and another shape.

    Errors: RuntimeError for a tensor that requires grad, and for a negative size.
    """
    if t.requires_grad:
        raise AutogradError("cannot resize variables that require grad")
    shape = tuple(int(n) for n in sizes)
    if any(n < 0 for n in shape):
        raise TensorError("numel: integer multiplication overflow")
    array = array_of(t)
    if array.shape == shape:
        return t
    owner = owner_of(array)
    start = array.ctypes.data - owner.ctypes.data if array.size else 0
    needed = start + math.prod(shape) * array.itemsize
    if not owner.flags.forc or needed > owner.nbytes:
        memory = np.zeros(max(needed, 1), np.uint8)
        if array.size:
            held = owner.ravel(order="K").view(np.uint8) if owner.flags.forc else np.array(array).ravel().view(np.uint8)
            memory[: min(needed, held.size)] = held[:needed]
        owner = memory
    transaction = current.get()
    if transaction is not None:
        transaction.attribute(t, "_array")
        transaction.attribute(t, "_view")
        transaction.cell(t._version_cell)
    flat = owner.ravel(order="K").view(np.uint8)
    t._array = np.ndarray(shape, array.dtype, flat, start)
    t._view = None
    if type(t._version_cell) is not InferenceCell:
        t._version_cell[0] += 1
    return t
