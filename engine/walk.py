"""The walk: from roots to leaves, in the order of falling sequence numbers, with no recursion and no state outside the call.

Each node runs its plan once, on raw arrays (an ordinary backward: nothing is wrapped) or on tensors (``create_graph``: the rules go through
the doors and are recorded). What a rule answers is reduced to its producer's shape and dtype here, once for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from heapq import heappop, heappush, heapreplace
from typing import Any, Final

import numpy as np

from engine.apply import check_nan, record_where
from engine.duals import give, levels, tangent_of
from engine.errors import AutogradError, GraphFreedError
from engine.node import AccumulateGrad, Edge, Meta, Node, Port
from engine.plan import Plan
from engine.rules import rules
from engine.tensor import Tensor, new, set_attribute, wrap
from engine.transaction import current
from engine.view import replay_node
from engine.violations import FREED, checked_answer, checked_answers, located, refuse_nan, version_error
from engine.write import CopySlices, edge_index

__all__ = ["Event", "Walk", "fit", "fit_tensor", "sum_to", "walking"]

Event = tuple[Any, Any, Any]
"""What a trace is told of one node: (node, upstream gradient(s), produced gradients by edge)."""
walking: Final[ContextVar[Walk | None]] = ContextVar("walking", default=None)
"""The walk whose hooks of tensors run."""


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum a raw gradient down to a shape.

    >>> import numpy as np
    >>> sum_to(np.ones((3, 2)), (2,))
    array([3., 3.])
    """
    if g.shape[1:] == shape:
        return np.add.reduce(g)
    extra = g.ndim - len(shape)
    if extra:
        g = np.add.reduce(g, axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if axes:
        g = np.add.reduce(g, axis=axes, keepdims=True)
    return g


def fit(g: Any, shape: tuple[int, ...], d: np.dtype[Any]) -> Any:
    """A raw gradient in the shape and dtype of what it is the gradient of."""
    if g.shape != shape:
        g = sum_to(g, shape)
    if g.dtype != d:
        g = g.real.astype(d) if g.dtype.kind == "c" and d.kind != "c" else g.astype(d)
    return g


def fit_tensor(g: Tensor, shape: tuple[int, ...], d: np.dtype[Any]) -> Tensor:
    """As ``fit``, on record."""
    if g._array.shape != shape:
        g = rules.sum_to_size(g, shape)
    if g._array.dtype != d:
        from engine import dtypes

        if g._array.dtype.kind == "c" and d.kind != "c":
            g = rules.real(g)
        g = rules.to(g, dtypes.of_numpy(d))
    return g


class Walk:
    """One walk. ``grads`` holds what has arrived at each node not yet run, by sequence number."""

    def __init__(
        self,
        roots: Sequence[tuple[Edge, Any]],
        *,
        keep: bool,
        create: bool,
        needed: set[int] | None = None,
        trace: Callable[[Event], None] | None = None,
    ) -> None:
        self.keep = keep
        self.create = create
        self.needed = needed
        self.trace = trace
        self.heap: list[int] = []
        self.nodes: dict[int, Node] = {}
        self.grads: dict[int, Any] = {}
        self.leaves: dict[int, tuple[AccumulateGrad, Any]] = {}
        self.captured: dict[tuple[int, int], Any] = {}
        self.capture: set[tuple[int, int]] = set()
        self.reached: list[Meta] = []  # whose .grad this walk set
        for edge, g in roots:
            self._arrive(edge, g)

    def _arrive(self, edge: Edge, g: Any) -> None:
        """Add a gradient that fits to what has arrived at an edge's producer."""
        kind = type(edge)
        seq = edge.seq
        if kind is AccumulateGrad:
            before = self.leaves.get(seq)
            self.leaves[seq] = (edge, g if before is None else before[1] + g)  # type: ignore[assignment]
            return
        if kind is Port:
            number = edge.number  # type: ignore[union-attr]
            slots = self.grads.get(seq)
            if slots is None:
                node = edge.node  # type: ignore[union-attr]
                slots = self.grads[seq] = [None] * len(node.extra.outputs)  # type: ignore[union-attr, arg-type]
                self.nodes[seq] = node
                heappush(self.heap, -seq)
            slots[number] = g if slots[number] is None else slots[number] + g
            return
        grads = self.grads
        if seq in grads:
            grads[seq] = grads[seq] + g
        else:
            grads[seq] = g
            self.nodes[seq] = edge  # type: ignore[assignment]
            heappush(self.heap, -seq)

    def run(self) -> None:  # noqa: PLR0912, PLR0915 - the hot loop: a call less is a tenth of a node
        heap, nodes, grads, leaves = self.heap, self.nodes, self.grads, self.leaves
        needed = self.needed
        special = bool(self.trace or self.capture or record_where)
        create = self.create
        keep = self.keep
        transaction = current.get()
        while heap:
            seq = -heappop(heap)
            node = nodes.pop(seq)
            g = grads.pop(seq)
            while True:  # along a chain the heap is not asked
                if needed is not None and seq not in needed and not special:
                    break
                saved = node.saved
                if saved is None:
                    raise GraphFreedError(FREED)
                cells = node.cells
                if cells and (cells[0][0] != cells[1] or len(cells) > 2):
                    for i in range(0, len(cells), 2):
                        if cells[i][0] != cells[i + 1]:
                            raise version_error(node, i)
                plan = node.plan
                if special or node.extra is not None:
                    self._run_one(node, plan, g, saved)
                    break
                if create:
                    self._run_recorded(node, plan, g, saved)
                    break
                one = plan.one
                produced: Any = (plan.backward if one is None else one)(g, saved, node.attrs)
                if saved:
                    if not keep and plan.arrays:
                        if transaction is not None:
                            transaction.attribute(node, "saved")
                        node.saved = None
                    saved = cells = ()
                following: Any = None
                if one is not None:
                    edge: Any = node.edges[plan.place]
                    g, produced = produced, None
                    if edge is None or g is None or (needed is not None and edge.seq not in needed):
                        break
                    if type(edge) is Node:
                        if not plan.exact and (g.shape != edge.shape or g.dtype is not edge.dtype):
                            g = fit(g, edge.shape, edge.dtype)
                        following = edge
                    else:
                        self._arrive(edge, fit(g, edge.shape, edge.dtype))
                        break
                else:
                    exact = plan.exact
                    if plan.lists:
                        produced = _flat(node, plan, produced)
                    for edge, p in zip(node.edges, produced):  # noqa: B905 - one gradient an edge, by the plan
                        if edge is None or p is None or (needed is not None and edge.seq not in needed):
                            continue
                        kind = type(edge)
                        if (not exact or kind is not Node) and (p.shape != edge.shape or p.dtype is not edge.dtype):
                            p = fit(p, edge.shape, edge.dtype)  # noqa: PLW2901 - the gradient as the edge wants it
                        if kind is AccumulateGrad:
                            seq = edge.seq
                            if seq in leaves:
                                leaves[seq] = (edge, leaves[seq][1] + p)
                            else:
                                leaves[seq] = (edge, p)
                        elif following is None:
                            following, g = edge, p
                        elif edge is following:
                            g = g + p
                        else:
                            self._arrive(edge, p)
                    produced = p = None
                    if following is None:
                        break
                seq = following.seq
                if type(following) is not Node:
                    self._arrive(following, g)
                    break
                if seq in grads:
                    grads[seq] = grads[seq] + g
                    break
                if heap and seq < -heap[0]:  # another node's turn
                    nodes[seq] = following
                    grads[seq] = g
                    seq = -heapreplace(heap, -seq)
                    node = nodes.pop(seq)
                    g = grads.pop(seq)
                else:
                    node = following

    def _run_recorded(self, node: Node, plan: Plan, g: Any, saved: tuple[Any, ...]) -> None:
        """A node of ``create_graph`` with nothing else to it."""
        try:
            produced: Any = plan.backward(g, self._tensors(node, saved) if plan.saves else saved, node.attrs)
        except AutogradError as error:
            raise located(error, node) from error
        if saved and not self.keep and plan.arrays:
            set_attribute(node, "saved", None)
        if plan.lists:
            produced = _flat(node, plan, produced)
        needed = self.needed
        for edge, p in zip(node.edges, produced, strict=True):
            if edge is None or p is None or (needed is not None and edge.seq not in needed):
                continue
            array = p._array
            if edge.dtype is not None and (array.shape != edge.shape or array.dtype is not edge.dtype):
                p = fit_tensor(p, edge.shape, edge.dtype)  # noqa: PLW2901 - as in ``run``
            self._arrive(edge, p)

    def _run_one(self, node: Node, plan: Plan, g: Any, saved: tuple[Any, ...]) -> None:  # noqa: PLR0912, PLR0915 - all that few nodes need
        """The long way: hooks, captured gradients, traces, tensors, several outputs, or a part of the graph only."""
        extra = node.extra
        several = extra is not None and extra.outputs is not None
        slots = list(g) if several else [g]
        if extra is not None:
            self._before(node, slots)
        for k, slot in enumerate(slots):
            if (node.seq, k) in self.capture:
                self.captured[node.seq, k] = slot
        if self.needed is not None and node.seq not in self.needed:
            return
        if plan.wants_all:
            upstream: Any = tuple(slots)
        else:
            upstream = slots[0]
            if upstream is None:  # only an output whose gradient the rule does not take was used
                shape, d = extra.outputs[0]  # type: ignore[union-attr, index]
                upstream = self._zeros(shape, d)
        if extra is not None and extra.node_pre_hooks:
            for hook in tuple(extra.node_pre_hooks.values()):
                answer = hook(tuple(self._public(s) for s in slots))
                if answer is not None:
                    slots = [self._private(a) for a in checked_answers(hook, answer, slots)]
                    upstream = tuple(slots) if plan.wants_all else slots[0]
            if upstream is None:
                return  # nothing arrived, says the hook
        if extra is not None and extra.packed:
            from engine.saved import unpacked

            saved = unpacked(saved)
        arguments = self._tensors(node, saved) if self.create and plan.saves else saved
        if extra is not None and extra.tangents and self.create:
            arguments = _carrying(arguments, extra.tangents)
        try:
            produced: Any = plan.backward(upstream, arguments, node.attrs)
        except AutogradError as error:
            raise located(error, node) from error
        if saved and not self.keep and plan.arrays:
            set_attribute(node, "saved", None)
        edges = node.edges
        if plan.lists:
            produced = _flat(node, plan, produced)
        if record_where and check_nan[0]:
            refuse_nan(node, produced)
        fitted = fit_tensor if self.create else fit
        ready = [
            None
            if e is None or p is None or self._skips(e)
            else fitted(p, e.shape, e.dtype)
            if e.dtype is not None
            else p
            for e, p in zip(edges, produced, strict=True)
        ]
        if extra is not None and extra.node_hooks:
            inputs = tuple(self._public(p) for p in ready)
            for post in tuple(extra.node_hooks.values()):
                answer = post(inputs, tuple(self._public(s) for s in slots))
                if answer is not None:
                    inputs = checked_answers(post, answer, ready)
                    ready = [self._private(a) for a in inputs]
        if self.trace is not None:
            self.trace((node, slots, ready))
        for edge, p in zip(edges, ready, strict=True):
            if edge is not None and p is not None:
                self._arrive(edge, p)

    def _skips(self, edge: Edge) -> bool:
        if self.needed is None:
            return False
        number = edge.number if type(edge) is Port else 0
        return edge.seq not in self.needed and (edge.seq, number) not in self.capture

    def _zeros(self, shape: tuple[int, ...], d: Any) -> Any:
        zeros = np.zeros(shape, d)
        return wrap(zeros) if self.create else zeros

    def _public(self, g: Any) -> Tensor | None:
        return g if g is None or isinstance(g, Tensor) else wrap(g)

    def _private(self, g: Any) -> Any:
        return g if g is None or self.create else g._array

    def _before(self, node: Node, slots: list[Any]) -> None:
        """Tensor hooks and gradients that non-leaves keep."""
        extra = node.extra
        assert extra is not None
        for number, hooks in extra.tensor_hooks.items():
            if slots[number] is not None:
                slots[number] = self.hooked(hooks, slots[number])
        for number, meta in extra.retained.items():
            if slots[number] is not None:
                g = slots[number].clone() if self.create else wrap(np.array(slots[number]))
                set_attribute(meta, "grad", g if meta.grad is None else meta.grad + g)
                self.reached.append(meta)

    def hooked(self, hooks: dict[int, Any], g: Any) -> Any:
        token = walking.set(self)
        try:
            for hook in tuple(hooks.values()):
                answer = hook(self._public(g))
                if answer is not None:
                    g = self._private(checked_answer(hook, answer, g))
        finally:
            walking.reset(token)
        return g

    def will_run(self, edges: Sequence[Edge], now: Edge) -> int:
        """How many producers of the edges this walk still comes to, while the hooks of ``now`` run."""
        start: Any = now.node if type(now) is Port else now
        pending: list[Any] = [start, *self.nodes.values()] if type(start) is Node else list(self.nodes.values())
        found = {node.seq for node in pending} | self.leaves.keys() | {now.seq}
        while pending:
            for edge in pending.pop().edges:
                if edge is not None and edge.seq not in found:
                    found.add(edge.seq)
                    if type(edge) is not AccumulateGrad:
                        pending.append(edge.node if type(edge) is Port else edge)
        wanted = None if self.needed is None else self.needed | {seq for seq, _ in self.capture}
        return sum(e.seq in found and (wanted is None or e.seq in wanted) for e in edges)

    def _tensors(self, node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """Saved raw values as tensors with their history: what ``create_graph`` differentiates."""
        plan = node.plan
        out: list[Any] = []
        for (what, i), value in zip(plan.saves, saved, strict=True):
            if what == "input":
                if type(value) is list:
                    start = edge_index(node, plan, i)
                    out.append([None if v is None else _rebuilt(v, node.edges[start + k]) for k, v in enumerate(value)])
                    continue
                edge = node.edges[edge_index(node, plan, i)] if value is not None else None
                if edge is not None and type(plan) is CopySlices and i == plan.op.tensors[0]:
                    edge = replay_node(edge, node.attrs[0], value)
                out.append(None if value is None else _rebuilt(value, edge))
            elif what == "result":
                if type(plan) is CopySlices:
                    out.append(_rebuilt(value, replay_node(node, node.attrs[0], value)))
                elif node.extra is not None and node.extra.outputs is not None:
                    port = Port(node, i, *node.extra.outputs[i])
                    out.append(_rebuilt(value, port if value.dtype.kind in "fc" else None))
                else:
                    out.append(_rebuilt(value, node))
            else:
                out.append(value)
        return tuple(out)


def _carrying(arguments: tuple[Any, ...], tangents: dict[Any, tuple[Any, ...]]) -> tuple[Any, ...]:
    """Saved values as tensors that carry what they carried in forward mode."""
    for level in levels.get():
        for argument, tangent in zip(arguments, tangents.get(level, ()), strict=False):
            pairs = zip(argument, tangent, strict=True) if type(tangent) is list else ((argument, tangent),)
            for t, moved in pairs:
                if moved is not None and tangent_of(t, level) is None:
                    give(t, level, moved)
    return arguments


def _rebuilt(value: Any, edge: Edge | None) -> Tensor:
    t = new(Tensor)
    t._array = value
    t._node = edge
    t._version_cell = edge.cell if type(edge) is AccumulateGrad else [0]
    t._view = None
    t._meta = edge.meta if type(edge) is AccumulateGrad else None
    return t


def _flat(node: Node, plan: Plan, produced: Sequence[Any]) -> list[Any]:
    """Gradients of tensor lists, one after another: as many as the node has edges."""
    attrs = node.attrs[1] if type(plan) is CopySlices else node.attrs
    out: list[Any] = []
    for i, p in zip(plan.op.tensors, produced, strict=True):
        if not plan.op.parameters[i].is_tensor_list:
            out.append(p)
        elif p is None:
            out += [None] * attrs[i]
        else:
            out += p
    return out
