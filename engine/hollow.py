"""Hollow tensors: a shape and a dtype without values. What a function makes of them is known from the estimates of its rows alone.

Inside ``batching.hollowing`` every row that meets a hollow tensor, and every row that makes a tensor, answers hollow tensors; nothing
is computed or allocated. Under ``vmap`` the batch rules run as ever, on hollow whole batches. Values cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

import numpy as np

from engine.errors import TensorError
from engine.op import Estimate, Op, Spec
from engine.promotion import estimate
from engine.tensor import Tensor

__all__ = ["Hollow", "Listener", "active_listener", "hollow", "hollowed", "hollowed_inplace"]

Listener: TypeAlias = Callable[[Op, Estimate], None]
"""What hears of each call before it is made, with what it would make and cost; it may refuse by raising."""
active_listener: Final[ContextVar[Listener | None]] = ContextVar("hollow_listener", default=None)

UNKNOWN: Final = "values of this tensor are not known: only its shape and dtype are"


class Hollow(Tensor):
    """A tensor of which only shape and dtype are known."""

    __slots__ = ()

    def _unreadable(self) -> TensorError:
        return TensorError(UNKNOWN)

    def item(self) -> Any:
        raise self._unreadable()

    def tolist(self) -> Any:
        raise self._unreadable()

    def numpy(self, *, force: bool = False) -> Any:  # noqa: ARG002 - PyTorch's signature
        raise self._unreadable()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise self._unreadable()

    def __bool__(self) -> bool:
        raise self._unreadable()

    def __index__(self) -> int:
        raise self._unreadable()

    def __format__(self, spec: str) -> str:
        raise self._unreadable()

    def __contains__(self, element: Any) -> bool:
        raise self._unreadable()

    def detach(self) -> Tensor:
        return hollow(Spec(self._array.shape, self.dtype))

    def __repr__(self) -> str:
        return f"HollowTensor(shape={list(self._array.shape)}, dtype={self.dtype!r})"


def hollow(spec: Spec) -> Hollow:
    """A hollow tensor: one element stretched over the whole shape.

    >>> import engine as torch
    >>> hollow(Spec((10**6, 10**6), torch.float32)).shape
    torch.Size([1000000, 1000000])
    """
    t: Hollow = object.__new__(Hollow)
    t._array = np.broadcast_to(np.zeros((), spec.dtype.numpy), spec.shape)
    t._node = None
    t._version_cell = [0]
    t._view = None
    t._meta = None
    return t


def _concerns(op: Op, bound: list[Any]) -> bool:
    if op.kind == "create" or not op.tensors:
        return True
    for i in op.tensors:
        value = bound[i]
        if type(value) is Hollow or (type(value) is list and any(type(v) is Hollow for v in value)):
            return True
    return False


def _varies(op: Op, bound: list[Any]) -> bool:
    """Whether a composite's outputs are other than its estimate's, or it has none: then it is what its parts are."""
    if op.kind != "composite":
        return False
    return op.meta is None or any(p.name == "return_indices" and v for p, v in zip(op.parameters, bound, strict=True))


def hollowed(op: Op, bound: list[Any]) -> Any:
    """The hook of the general door: NotImplemented where nothing is hollow."""
    listener = active_listener.get()
    if listener is None or not _concerns(op, bound) or _varies(op, bound):
        return NotImplemented
    if op.schema.line.endswith("-> bool"):  # Python's own: a value is read
        raise TensorError(f"{op.name}(): {UNKNOWN}")
    found = estimate(op, bound)
    listener(op, found)
    tensors = [hollow(spec) for spec in found.outputs]
    named = op.schema.returns
    if named == ("",):
        return tensors[0]
    if not named:
        return tuple(tensors)
    from engine.return_types import of

    return of(op.name, named)(*tensors)


def hollowed_inplace(op: Op, bound: list[Any]) -> Any:
    """The hook of the in-place door: the target keeps its shape and dtype. Errors: where the result would not fit into it."""
    listener = active_listener.get()
    if listener is None or not _concerns(op, bound):
        return NotImplemented
    from engine.write import check_castable

    target: Tensor = bound[op.tensors[0]]
    found = estimate(op, bound)
    listener(op, found)
    made = found.outputs[0]
    if made.shape != tuple(target.shape):
        raise TensorError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(made.shape)}"
        )
    check_castable(made.dtype.numpy, target.dtype.numpy)
    return target
