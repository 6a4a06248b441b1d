"""The walk back through traced tensors: the rules of an ordinary walk in its very order, on tensors, so that the tracer hears of them.

An ordinary walk (``engine/walk.py``) hands raw arrays to the rules and adds up what arrives in the order of ``run``; a recorded one has
tensors and another order, and a sum of three in another order has other bits. So this one has tensors and the first order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop
from typing import Any

import numpy as np

from engine.apply import record_where
from engine.errors import GraphFreedError
from engine.node import AccumulateGrad, Edge, Node
from engine.program.ghost import Ghost, Untraceable, traced
from engine.tensor import Tensor, wrap
from engine.violations import FREED
from engine.walk import Event, Walk, _flat, fit_tensor

__all__ = ["TracedWalk"]


class TracedWalk(Walk):
    """As ``Walk``; what it carries are tensors, whether it is recorded or not: that follows from the grad mode."""

    def __init__(
        self,
        roots: Sequence[tuple[Edge, Any]],
        *,
        keep: bool,
        create: bool,
        needed: set[int] | None = None,
        trace: Callable[[Event], None] | None = None,
    ) -> None:
        if trace is not None or record_where:
            raise Untraceable("a walk that is watched is not traced")
        super().__init__([(e, _tensor(g)) for e, g in roots], keep=keep, create=True, needed=needed)
        self.recorded = create

    def run(self) -> None:  # noqa: PLR0912 - as the walk that it follows
        if self.recorded:
            super().run()
            return
        heap, nodes, grads, leaves, needed = self.heap, self.nodes, self.grads, self.leaves, self.needed
        while heap:
            seq = -heappop(heap)
            node = nodes.pop(seq)
            g = grads.pop(seq)
            while True:
                if needed is not None and seq not in needed and not self.capture:
                    break
                if node.saved is None:
                    raise GraphFreedError(FREED)
                if self.capture or node.extra is not None:
                    self._run_one(node, node.plan, g, node.saved)
                    break
                following = None
                for edge, p in zip(node.edges, self._produced(node, g), strict=True):
                    if edge is None or p is None or (needed is not None and edge.seq not in needed):
                        continue
                    if type(edge) is AccumulateGrad:
                        before = leaves.get(edge.seq)
                        leaves[edge.seq] = (edge, p if before is None else before[1] + p)
                    elif following is None:
                        following, g = edge, p
                    elif edge is following:
                        g = g + p
                    else:
                        self._arrive(edge, p)
                if following is None:
                    break
                seq = following.seq
                if type(following) is not Node or seq in grads or (heap and seq < -heap[0]):
                    self._arrive(following, g)
                    break
                node = following

    def _produced(self, node: Node, g: Tensor) -> list[Any]:
        """What the rules of a node answer, one gradient an edge, as the edges want them."""
        plan, saved = node.plan, node.saved
        assert saved is not None
        produced: Any = plan.backward(g, self._tensors(node, saved), node.attrs)
        if not self.keep and plan.arrays:
            node.saved = None
        if plan.lists:
            produced = _flat(node, plan, produced)
        return [
            p if e is None or p is None or e.dtype is None else fit_tensor(_tensor(p), e.shape, e.dtype)
            for e, p in zip(node.edges, produced, strict=True)
        ]

    def _tensors(self, node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        found = super()._tensors(node, saved)
        return tuple([_known(v) for v in value] if type(value) is list else _known(value) for value in found)


def _known(value: Any) -> Any:
    """A rebuilt tensor over a ghost as a traced one, with the same history."""
    array: Any = value._array if type(value) is Tensor else None
    if type(array) is not Ghost:
        return value
    t = traced(array, value._node)
    t._version_cell, t._meta = value._version_cell, value._meta
    return t


def _tensor(g: Any) -> Any:
    """A root's gradient as a tensor."""
    if isinstance(g, Ghost):
        return traced(g)
    return wrap(g) if isinstance(g, (np.ndarray, np.generic)) else g
