"""Hollow tensors: a shape and a dtype without values. What a function makes of them is known from the estimates of its rows alone.

Inside ``batching.hollowing`` every row answers hollow tensors; nothing is computed or
allocated. Under ``vmap`` the batch rules run as ever, on hollow whole batches. Values cannot be read.
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

__all__ = [
    "UNKNOWN",
    "Hollow",
    "Listener",
    "active_listener",
    "active_tracer",
    "hollow",
    "hollowed",
    "hollowed_inplace",
]

Listener: TypeAlias = Callable[[Op, Estimate], None]
"""What hears of each call before it is made, with what it would make and cost; it may refuse by raising."""
active_listener: Final[ContextVar[Listener | None]] = ContextVar("hollow_listener", default=None)

active_tracer: Final[ContextVar[Any]] = ContextVar("active_tracer", default=None)
"""What takes calls on traced tensors while a function is traced (``engine.program``), by ``call`` and ``inplace``."""

UNKNOWN: Final = "values of this tensor are not known: only its shape and dtype are"


class Hollow(Tensor):
    """A tensor of which only shape and dtype are known. What depends on anything else is refused, so that whoever goes on has not asked."""

    __slots__ = ()

    def _unreadable(self, *_: Any, **__: Any) -> Any:
        raise TensorError(UNKNOWN)

    item = tolist = numpy = data_ptr = storage_offset = stride = is_contiguous = _is_view = retain_grad = (
        requires_grad_
    ) = detach_ = _unreadable
    backward = register_hook = register_post_accumulate_grad_hook = _unreadable
    __array__ = __bool__ = __index__ = __format__ = __contains__ = _unreadable
    requires_grad = is_leaf = grad_fn = output_nr = grad = retains_grad = _version = _base = property(
        _unreadable, _unreadable
    )

    def detach(self) -> Tensor:
        return hollow(Spec(self._array.shape, self.dtype))

    data = property(detach, _unreadable)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.detach()

    def __repr__(self) -> str:
        if active_listener.get() is not None:
            self._unreadable()
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


def _varies(op: Op, bound: list[Any]) -> bool:
    """Whether a composite's outputs are other than its estimate's, or it has none: then it is what its parts are."""
    if op.kind != "composite":
        return False
    return op.meta is None or any(p.name == "return_indices" and v for p, v in zip(op.parameters, bound, strict=True))


def hollowed(op: Op, bound: list[Any]) -> Any:
    """The hook of the general door: NotImplemented outside ``hollowing``. Inside, every row answers hollow tensors."""
    listener = active_listener.get()
    if listener is None:
        tracer = active_tracer.get()
        return NotImplemented if tracer is None else tracer.call(op, bound)
    if _varies(op, bound):
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
    if listener is None:
        tracer = active_tracer.get()
        return NotImplemented if tracer is None else tracer.inplace(op, bound)
    from engine.write import check_castable

    target: Tensor = bound[op.tensors[0]]
    if type(target) is not Hollow:
        raise TensorError(UNKNOWN)
    found = estimate(op, bound)
    listener(op, found)
    made = found.outputs[0]
    if made.shape != tuple(target.shape):
        raise TensorError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(made.shape)}"
        )
    check_castable(made.dtype.numpy, target.dtype.numpy)
    return target
