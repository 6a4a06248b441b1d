"""Memory that a fork shares: copied, for the session that is about to write in it. Every tensor and node stays the thing that it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.autograd.function import FunctionCtx
from engine.layout import owner_of
from engine.tensor import Tensor
from service.scripts.keeping import held
from service.sessions.session import Session

__all__ = ["own"]


def own(session: Session) -> None:
    """Give a session memory of its own in place of what it shares. No transaction may be open. Iterative."""
    mover = _Mover(session.shared or {})
    tensors = [b.tensor for b in session.names.values()]
    tensors += [t for b in session.names.values() if b.unrecorded is not None for t in b.unrecorded.inputs]
    mover.move([*tensors, *held(session.values)[0], *session.beside.tensors()])
    session.shared = None


class _Mover:
    """Looks arrays onto copies of the memory that they looked at; each memory is copied once."""

    def __init__(self, shared: Any) -> None:
        self.shared = shared
        self.copies: dict[int, tuple[Any, Any, int]] = {}
        self.seen: set[int] = set()

    def moved(self, value: Any) -> Any:
        """A value of a node or tensor, over memory of its own where it is an array."""
        if type(value) in (list, tuple):  # a version cell is a list too, and must stay the one that it is
            found = [self.moved(v) for v in value]
            return value if all(a is b for a, b in zip(found, value, strict=True)) else type(value)(found)
        if not isinstance(value, np.ndarray):
            return value
        owner = owner_of(value)
        if id(owner) not in self.copies:
            mark = self.shared.get(id(owner))
            if mark is None or mark() is not owner:
                return value
            low = np.lib.array_utils.byte_bounds(owner)[0]
            copy = np.array(owner.ravel(order="K").view(np.uint8)) if owner.size else np.zeros(16, np.uint8)
            self.copies[id(owner)] = (owner, copy, int(low))
        _, copy, low = self.copies[id(owner)]
        offset = value.__array_interface__["data"][0] - low if value.size else 0
        made: Any = np.ndarray(value.shape, value.dtype, copy, offset, value.strides)
        if not value.flags.writeable:
            made.flags.writeable = False
        return made

    def move(self, tensors: list[Tensor]) -> None:
        stack: list[Any] = list(tensors)
        while stack:
            thing = stack.pop()
            if thing is None or id(thing) in self.seen:
                continue
            self.seen.add(id(thing))  # all of them live as long as their session, which nobody else changes now
            if isinstance(thing, Tensor):
                thing._array = self.moved(thing._array)
                stack += [thing._node, None if thing._meta is None else thing._meta.grad]
                stack.append(None if thing._view is None else thing._view.base)
                continue
            node = getattr(thing, "node", thing)  # a port's
            if node is not thing:
                stack.append(node)
            elif hasattr(node, "array"):
                node.array = self.moved(node.array)
                stack.append(node.meta.grad)
            else:
                if node.saved is not None:
                    node.saved = self.moved(node.saved)
                stack += node.edges
                if node.attrs and isinstance(node.attrs[0], FunctionCtx):
                    stack += held(
                        {"context": node.attrs[0], "class": getattr(node.plan.function, "script_class", None)}
                    )[0]
                if node.extra is not None:
                    stack += [m.grad for m in node.extra.retained.values()]
