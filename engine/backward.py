"""The walk: from roots to leaves, in the order of falling sequence numbers, with no recursion and no state outside the call.

Each node runs its plan once, on raw arrays (an ordinary backward: nothing is wrapped) or on tensors (``create_graph``: the rules go through
the doors and are recorded). What a rule answers is reduced to its producer's shape and dtype here, once for all rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from engine.apply import check_nan, record_where
from engine.errors import ArgumentError, AutogradError, GraphFreedError, ShapeError, VersionError
from engine.grad_mode import grad_enabled
from engine.node import AccumulateGrad, Edge, Meta, Node, Port, function_name
from engine.plan import Plan
from engine.rules import rules
from engine.tensor import Tensor, array_of, new, node_of, set_attribute, wrap
from engine.transaction import current
from engine.view import replay_node
from engine.write import CopySlices, write

__all__ = ["Event", "accumulate", "backward", "grad", "sum_to"]

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)

Event = tuple[Any, Any, Any]
"""What a trace is told of one node: (node, upstream gradient(s), produced gradients by edge)."""


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum a raw gradient down to a shape.

    >>> import numpy as np
    >>> sum_to(np.ones((3, 2)), (2,))
    array([3., 3.])
    """
    extra = g.ndim - len(shape)
    if extra:
        g = np.add.reduce(g, axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    if axes:
        g = np.add.reduce(g, axis=axes, keepdims=True)
    return g


def _fit(g: Any, shape: tuple[int, ...], d: np.dtype[Any]) -> Any:
    """A raw gradient in the shape and dtype of what it is the gradient of."""
    if g.shape != shape:
        g = sum_to(g, shape)
    if g.dtype != d:
        g = g.real.astype(d) if g.dtype.kind == "c" and d.kind != "c" else g.astype(d)
    return g


def _fit_tensor(g: Tensor, shape: tuple[int, ...], d: np.dtype[Any]) -> Tensor:
    if g._array.shape != shape:
        g = rules.sum_to_size(g, shape)
    if g._array.dtype != d:
        from engine import dtypes

        if g._array.dtype.kind == "c" and d.kind != "c":
            g = rules.real(g)
        g = rules.to(g, dtypes.of_numpy(d))
    return g


class _Walk:
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
        plain = not (self.create or self.trace or needed is not None or self.capture or record_where)
        keep = self.keep
        transaction = current.get()
        while heap:
            seq = -heappop(heap)
            node = nodes.pop(seq)
            g = grads.pop(seq)
            while True:  # along a chain the heap is not asked
                saved = node.saved
                if saved is None:
                    raise GraphFreedError(FREED)
                cells = node.cells
                if cells and (cells[0][0] != cells[1] or len(cells) > 2):
                    for i in range(0, len(cells), 2):
                        if cells[i][0] != cells[i + 1]:
                            raise _version_error(node, i)
                plan = node.plan
                if node.extra is not None or not plain:
                    self._run_one(node, plan, g, saved)
                    break
                produced: Any = plan.backward(g, saved, node.attrs)
                if saved and not keep and plan.arrays:
                    if transaction is not None:
                        transaction.attribute(node, "saved")
                    node.saved = None
                saved = cells = ()
                edges = node.edges
                if plan.lists:
                    produced = _flat(node, plan, produced)
                following = None
                for edge, p in zip(edges, produced):  # noqa: B905 - one gradient an edge, by the plan
                    if edge is None or p is None:
                        continue
                    if p.shape != edge.shape or p.dtype is not edge.dtype:
                        p = _fit(p, edge.shape, edge.dtype)  # noqa: PLW2901 - the gradient as the edge wants it
                    if type(edge) is AccumulateGrad:
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
                if type(following) is not Node or seq in grads or (heap and seq < -heap[0]):
                    self._arrive(following, g)
                    break
                node = following

    def _run_one(self, node: Node, plan: Plan, g: Any, saved: tuple[Any, ...]) -> None:  # noqa: PLR0912 - all that few nodes need
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
                    slots = [self._private(a) for a in answer]
                    upstream = tuple(slots) if plan.wants_all else slots[0]
        arguments = self._tensors(node, saved) if self.create and plan.saves else saved
        try:
            produced: Any = plan.backward(upstream, arguments, node.attrs)
        except AutogradError as error:
            raise _located(error, node) from error
        if not self.keep and plan.arrays:
            set_attribute(node, "saved", None)
        edges = node.edges
        if plan.lists:
            produced = _flat(node, plan, produced)
        if record_where and check_nan[0]:
            _refuse_nan(node, produced)
        fit = _fit_tensor if self.create else _fit
        ready = [
            None if e is None or p is None or self._skips(e) else fit(p, e.shape, e.dtype) if e.dtype is not None else p
            for e, p in zip(edges, produced, strict=True)
        ]
        if extra is not None and extra.node_hooks:
            inputs = tuple(self._public(p) for p in ready)
            for post in tuple(extra.node_hooks.values()):
                answer = post(inputs, tuple(self._public(s) for s in slots))
                if answer is not None:
                    inputs = tuple(answer)
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
        for number, meta in extra.tensor_hooks.items():
            if slots[number] is None or not meta.hooks:
                continue
            slots[number] = self._hooked(meta.hooks, slots[number])
        for number, meta in extra.retained.items():
            if slots[number] is not None:
                g = slots[number] if self.create else wrap(np.array(slots[number]))
                set_attribute(meta, "grad", g if meta.grad is None else meta.grad + g)
                self.reached.append(meta)

    def _hooked(self, hooks: dict[int, Any], g: Any) -> Any:
        for hook in tuple(hooks.values()):
            answer = hook(self._public(g))
            if answer is not None:
                g = self._private(_checked(hook, answer, g))
        return g

    def _tensors(self, node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """Saved raw values as tensors with their history: what ``create_graph`` differentiates."""
        plan = node.plan
        out: list[Any] = []
        for (what, i), value in zip(plan.saves, saved, strict=True):
            if what == "input":
                if type(value) is list:
                    start = _edge_index(node, plan, i)
                    out.append([None if v is None else _rebuilt(v, node.edges[start + k]) for k, v in enumerate(value)])
                    continue
                edge = node.edges[_edge_index(node, plan, i)] if value is not None else None
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


def _edge_index(node: Node, plan: Plan, position: int) -> int:
    """Where the edges of the parameter at ``position`` begin."""
    index = 0
    for i in plan.op.tensors:
        if i == position:
            return index
        attrs = node.attrs[1] if type(plan) is CopySlices else node.attrs
        width = attrs[i]
        index += width if type(width) is int and plan.op.parameters[i].is_tensor_list else 1
    raise LookupError(position)


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


_KIND = {
    "float32": "torch.FloatTensor",
    "float64": "torch.DoubleTensor",
    "float16": "torch.HalfTensor",
    "complex64": "torch.ComplexFloatTensor",
    "complex128": "torch.ComplexDoubleTensor",
}


def _checked(hook: Any, answer: Any, before: Any) -> Tensor:
    """What a hook answered, if it can stand for the gradient."""
    if not isinstance(answer, Tensor):
        raise ArgumentError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    name = getattr(hook, "__name__", type(hook).__name__)
    if answer.dtype.numpy != before.dtype and not isinstance(before, Tensor):
        was, got = (_KIND.get(d.name, f"torch.{d.name}") for d in (before.dtype, answer.dtype.numpy))
        raise AutogradError(f"hook '{name}' has changed the type of value (was {was} got {got})")
    if tuple(answer.shape) != tuple(before.shape):
        raise AutogradError(f"hook '{name}' has changed the size of value")
    return answer


def _saved_values(node: Node) -> list[tuple[Any, Any, int]]:
    """(raw value, its producer, the number of the output) of what a node saved, one for each of its version cells."""
    found: list[tuple[Any, Any, int]] = []
    if not node.plan.saves:  # a custom function: records of its own
        for record in node.saved or ():
            if record is not None:
                value, edge, _ = record
                found.append((value, node, edge) if isinstance(edge, int) else (value, edge, 0))
        return found
    for (what, k), value in zip(node.plan.saves, node.saved or (), strict=True):
        if what == "result":
            found.append((value, node, k))
        elif what == "input":
            values = value if type(value) is list else [value]
            start = _edge_index(node, node.plan, k)
            found += [(v, node.edges[start + j], 0) for j, v in enumerate(values)]
    return [f for f in found if isinstance(f[0], (np.ndarray, np.generic))]


def _version_error(node: Node, i: int) -> VersionError:
    saved = _saved_values(node)
    cell, expected = node.cells[i], node.cells[i + 1]
    value, edge, number = saved[min(i // 2, len(saved) - 1)] if saved else (np.zeros(()), None, 0)
    if type(edge) is Port:
        number, edge = edge.number, edge.node
    maker = None if edge is None or type(edge) is AccumulateGrad else edge.name()
    if edge is not node and len(cell) > 1:  # the tensor's present producer: what wrote it, or its base
        maker = "AsStrided" if isinstance(edge, Node) and edge.plan.op.kind in ("view", "linear") else cell[1]
    origin = "" if maker is None else f", which is output {number} of {function_name(maker)},"
    kind = _KIND.get(value.dtype.name, f"torch.{value.dtype.name}")
    return VersionError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kind} {list(value.shape)}]{origin} is at version {cell[0]}; expected version {expected} instead. "
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def _refuse_nan(node: Node, produced: Sequence[Any]) -> None:
    """Errors: RuntimeError for a NaN among the gradients that a node made, in anomaly mode."""
    for i, p in enumerate(produced):
        if p is not None and np.isnan(p._array if isinstance(p, Tensor) else p).any():
            raise _located(AutogradError(f"Function '{node.name()}' returned nan values in its {i}th output."), node)


def _located(error: AutogradError, node: Node) -> AutogradError:
    where = node.extra.where if node.extra is not None else None
    return error if where is None else type(error)(f"{error}\n{node.name()} was recorded at {where}")


def _accumulate(leaf: AccumulateGrad, g: Any, create: bool) -> None:
    """Add a gradient to a leaf's ``.grad``: in place where no graph of it is wanted, as PyTorch does."""
    meta = leaf.meta
    before = meta.grad
    if before is None:
        if not create:
            if type(g) is np.ndarray and (g.base is not None or not g.flags.writeable or sys.getrefcount(g) > 3):
                g = np.array(g)
            g = wrap(g)
        set_attribute(meta, "grad", g)
    elif create:
        set_attribute(meta, "grad", before + g)
    else:
        array = before._array
        if before._node is not None:
            set_attribute(meta, "grad", wrap(array + g))
        elif type(array) is np.ndarray:
            write(before, array + g)
        else:
            set_attribute(before, "_array", array + g)
            transaction = current.get()
            if transaction is not None:
                transaction.cell(before._version_cell)
            before._version_cell[0] += 1
    if meta.post_hooks:
        for hook in tuple(meta.post_hooks.values()):
            hook(leaf.variable)


def _sequence(value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, Tensor) or value is None:
        return (value,)
    if not isinstance(value, Sequence):
        raise ArgumentError(f"{what} must be a Tensor or a sequence of Tensors, not {type(value).__name__}")
    return tuple(value)


def _roots(tensors: tuple[Tensor, ...], gradients: tuple[Any, ...], create: bool) -> list[tuple[Edge, Any]]:
    """Check the outputs and make their upstream gradients."""
    if len(gradients) != len(tensors):
        raise AutogradError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    roots: list[tuple[Edge, Any]] = []
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        node = node_of(t)
        if g is None:
            if node is None:
                raise AutogradError(f"element {i} of tensors does not require grad and does not have a grad_fn")
            if t._array.size != 1:
                raise AutogradError("grad can be implicitly created only for scalar outputs")
            if t._array.dtype.kind == "c":
                raise AutogradError(f"grad can be implicitly created only for real scalar outputs but got {t.dtype}")
            raw: Any = np.ones_like(t._array) if type(t._array) is np.ndarray else t._array.dtype.type(1)
            roots.append((node, wrap(raw) if create else raw))
            continue
        if not isinstance(g, Tensor):
            raise ArgumentError(f"gradients can be either Tensors or None, but got {type(g).__name__}", "gradient")
        if g._array.shape != t._array.shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {t.shape}."
            )
        if (g._array.dtype.kind == "c") != (t._array.dtype.kind == "c"):
            raise AutogradError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {t.dtype}."
            )
        if node is None:
            raise AutogradError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        fitted = (
            _fit_tensor(g, t._array.shape, t._array.dtype) if create else _fit(g._array, t._array.shape, t._array.dtype)
        )
        roots.append((node, fitted))
    return roots


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add to the leaves' ``.grad`` the gradient of ``tensors``. Source: torch.autograd.backward.

    grad_tensors: one upstream gradient a tensor, None for tensors of one element. retain_graph: keep saved values (default:
    create_graph). create_graph: record the walk, for higher orders. inputs: only these tensors get gradients.
    """
    accumulate(tensors, grad_tensors, retain_graph, create_graph, inputs)


def accumulate(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
    *,
    trace: Callable[[Event], None] | None = None,
) -> list[Meta]:
    """As ``backward``; answers whose ``.grad`` it set, and tells ``trace`` of each node and leaf as the walk passes it."""
    outputs = _sequence(tensors, "tensors")
    gradients = _sequence(grad_tensors, "grad_tensors") if grad_tensors is not None else (None,) * len(outputs)
    keep = create_graph if retain_graph is None else retain_graph
    with np.errstate(all="ignore"):
        walk = _Walk(_roots(outputs, gradients, create_graph), keep=keep, create=create_graph, trace=trace)
        wanted: list[Tensor] | None = None
        if inputs is not None:
            wanted = list(_sequence(inputs, "inputs"))
            if not wanted:
                raise AutogradError("`inputs` argument to `backward()` cannot be empty.")
            for t in wanted:
                t.retain_grad()
            _restrict(walk, wanted)
        _run(walk, create_graph)
        allowed = None if wanted is None else {_place(t)[0] for t in wanted}
        leaves = walk.leaves
        for seq in list(leaves):
            leaf, g = leaves.pop(seq)
            if allowed is not None and seq not in allowed:
                continue
            if leaf.meta.hooks:
                g = walk._hooked(leaf.meta.hooks, g)
            if trace is not None:
                trace((leaf, [g], []))
            _accumulate(leaf, g, create_graph)
            walk.reached.append(leaf.meta)
    return walk.reached


def _place(t: Tensor) -> tuple[int, int]:
    node = node_of(t)
    if node is None:
        raise AutogradError("One of the differentiated Tensors does not require grad")
    return (node.seq, node.number if type(node) is Port else 0)


def _run(walk: _Walk, create: bool) -> None:
    token = grad_enabled.set(create)
    try:
        walk.run()
    finally:
        grad_enabled.reset(token)


def _restrict(walk: _Walk, inputs: Sequence[Tensor]) -> None:
    """Let the walk run only nodes from which an input is reached, and catch the gradients of non-leaves."""
    targets = {_place(t) for t in inputs}
    walk.capture = {place for t in inputs if type(node_of(t)) is not AccumulateGrad for place in (_place(t),)}
    goals = {seq for seq, _ in targets}
    found: dict[int, Any] = dict(walk.nodes)
    stack = list(walk.nodes.values())
    while stack:
        node = stack.pop()
        for edge in node.edges:
            if edge is not None and edge.seq not in found:
                inner = edge.node if type(edge) is Port else edge
                found[edge.seq] = inner
                stack.append(inner)  # type: ignore[arg-type]
    needed: set[int] = set()
    for seq in sorted(found):
        node = found[seq]
        if type(node) is AccumulateGrad:
            if seq in goals:
                needed.add(seq)
            continue
        if any(e is not None and (e.seq in needed or e.seq in goals) for e in node.edges):
            needed.add(seq)
    walk.needed = needed


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs' sum (weighted by ``grad_outputs``) for each input; ``.grad`` is left alone.

    Errors: RuntimeError for an input that the outputs do not depend on, unless ``allow_unused``. Source: torch.autograd.grad.

    >>> import engine as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x**2, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise InvalidPair(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    many, wanted = _sequence(outputs, "outputs"), _sequence(inputs, "inputs")
    gradients = _sequence(grad_outputs, "grad_outputs") if grad_outputs is not None else (None,) * len(many)
    if is_grads_batched:
        return _batched(many, wanted, gradients, retain_graph, create_graph, allow_unused, materialize_grads)
    keep = create_graph if retain_graph is None else retain_graph
    with np.errstate(all="ignore"):
        walk = _Walk(_roots(many, gradients, create_graph), keep=keep, create=create_graph)
        places = [_place(t) for t in wanted]
        direct = dict(walk.leaves)
        _restrict(walk, wanted)
        _run(walk, create_graph)
        answers: list[Tensor | None] = []
        hooked: dict[tuple[int, int], Any] = {}
        for t, place in zip(wanted, places, strict=True):
            node = node_of(t)
            if type(node) is AccumulateGrad:
                if place not in hooked:
                    found = walk.leaves.get(node.seq, direct.get(node.seq))
                    g = None if found is None else found[1]
                    hooked[place] = walk._hooked(node.meta.hooks, g) if g is not None and node.meta.hooks else g
                g = hooked[place]
            else:
                g = walk.captured.get(place)
            if g is None:
                if not allow_unused:
                    raise AutogradError(
                        f"The differentiated Tensor at index {len(answers)} appears to not have been used in the graph. "
                        "Set allow_unused=True if this is the desired behavior."
                    )
                answers.append(wrap(np.zeros_like(array_of(t))) if materialize_grads else None)
            else:
                answers.append(g if isinstance(g, Tensor) else wrap(np.array(g) if g.ndim else g[()]))
        return tuple(answers)


def _batched(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    gradients: tuple[Any, ...],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
    materialize_grads: bool,
) -> tuple[Tensor | None, ...]:
    """One walk for each row of the batched upstream gradients."""
    rows = [None if g is None else g.unbind(0) for g in gradients]
    count = next((len(r) for r in rows if r is not None), 0)
    keep = create_graph if retain_graph is None else retain_graph
    found = [
        grad(
            outputs,
            inputs,
            tuple(None if r is None else r[k] for r in rows),
            keep or k + 1 < count,
            create_graph,
            allow_unused,
            False,
            materialize_grads,
        )
        for k in range(count)
    ]
    columns = zip(*found, strict=True)
    return tuple(None if column[0] is None else rules.stack(list(column)) for column in columns)


class InvalidPair(ArgumentError, ValueError):
    """Two arguments that exclude each other."""
