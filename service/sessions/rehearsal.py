"""Dry runs: a batch carried out on shapes and dtypes alone. Nothing is computed, nothing changes; limits are checked as in earnest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EngineError, GraphFreedError
from engine.node import Node
from engine.op import Estimate, Spec
from engine.plan import plan_of
from engine.promotion import estimate
from engine.tensor import Tensor, wrap
from engine.violations import FREED
from service.sessions.costs import nodes_before, tensors_among, walk_size
from service.sessions.reserving import BACKWARD_COST, BACKWARD_GRAPH_COST
from service.steps.binder import INDEXING, Bound, Reader, bind_step
from service.steps.errors import InvalidInput, ServiceError, StepFailed, UnknownReference
from service.steps.reference import parse_index, resolve
from service.steps.step import AUTO, Step
from service.steps.verbs import VERBS
from service.wire.errors import InvalidValues, WireError
from service.wire.values import literal

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction

__all__ = ["rehearse"]


def rehearse(tx: Transaction, steps: Sequence[Step], wanted: Sequence[str]) -> dict[str, Any]:
    """What each step would make, and what all would cost.

    Errors: StepFailed with the index of the step that would fail, for what shapes, dtypes, freed graphs and limits can tell; what a
    reference of ``wanted`` would not find.
    """
    rehearsal = _Rehearsal(tx)
    outputs = []
    for i, step in enumerate(steps):
        try:
            outputs.append([{"shape": list(s.shape), "dtype": s.dtype.name} for s in rehearsal.step(step)])
        except (EngineError, ServiceError, WireError) as error:
            raise StepFailed(i, error) from error
    for reference in wanted:
        resolve(reference.removesuffix(".grad"), rehearsal.lookup, "return")
    return {"outputs": outputs, "estimate": {"bytes": rehearsal.bytes, "cost": tx.meter.cost}}


class _Past:
    """Where a hollow tensor would come from: a tensor of the session, or a step of the rehearsal with the inputs that require grad."""

    __slots__ = ("cost", "freed", "inputs", "saves", "size", "tensor")

    def __init__(self, tensor: Tensor | None, inputs: tuple[_Past, ...] = (), saves: bool = False) -> None:
        self.tensor = tensor
        self.inputs = inputs
        self.saves = saves
        self.freed = False
        self.size = self.cost = 0


class _Rehearsal:
    """Names stand for hollow tensors: one element stretched over the whole shape."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.made: dict[str, Tensor | None] = {}
        self.bytes = 0
        self.forward_bytes = self.forward_cost = 0
        self.pasts: dict[int, tuple[Tensor, _Past]] = {}  # by the identity of hollow tensors, which live here
        self.known: dict[str, Tensor] = {}  # of the session
        self.freed: set[int] = set()  # nodes of the session
        self.records = [True, *(s.grad for s in tx.session.scopes)]
        self.auto = tx.session.next_auto

    def lookup(self, name: str) -> Tensor:
        if name in self.made:
            found = self.made[name]
            if found is None:
                raise UnknownReference("the session would hold no such tensor here")
            return found
        if name in self.known:
            return self.known[name]
        t = self.tx.lookup(name)
        hollow = _hollow(Spec(tuple(t.shape), t.dtype))
        if t.grad is not None:
            hollow.grad = _hollow(Spec(tuple(t.shape), t.dtype))
        self.known[name] = hollow
        if t.requires_grad:
            self.pasts[id(hollow)] = hollow, _Past(t)
        return hollow

    def literal(self, value: Any) -> Tensor:
        array = literal(value, self.tx.session.default_dtype.name)
        return wrap(array)

    def step(self, step: Step) -> tuple[Spec, ...]:
        reader = Reader(self.lookup, self.literal, (InvalidValues,))
        past = None
        if step.op in INDEXING:
            specs = self._indexed(step, reader)
            source = self.pasts.get(id(reader.tensor(step.args[0], "input")))
            past = None if source is None or not self.records[-1] else _Past(None, (source[1],))
        elif step.op in VERBS:
            specs = self._verb(step, reader)
            if step.op == "tensor" and step.kwargs.get("requires_grad") is True:
                past = _Past(None)
        else:
            bound = bind_step(step.op, step.args, step.kwargs, reader)
            found = estimate(bound.op, bound.values)
            size = self.tx.meter.admit(step.op, found)
            self.bytes += size + found.workspace
            self.forward_bytes += size
            self.forward_cost += found.cost
            if bound.inplace:
                return tuple(found.outputs)
            specs = tuple(found.outputs)
            past = self._past(bound, found.cost, size)
        self._bind(step, specs, past)
        return specs

    def _past(self, bound: Bound, cost: int, size: int) -> _Past | None:
        """What a call would leave in the graph; None where it would leave nothing."""
        op = bound.op
        given = [self.pasts.get(id(v)) for v in tensors_among(op.tensors, bound.values)]
        inputs = tuple(found[1] for found in given if found is not None)
        if not self.records[-1] or not op.differentiable:
            return None
        if not inputs:
            names = [p.name for p in op.parameters]
            own = "requires_grad" in names and bound.values[names.index("requires_grad")] is True
            return _Past(None) if own else None
        several = any(type(bound.values[i]) is list for i in op.tensors)
        mask = sum((id(bound.values[i]) in self.pasts) << k for k, i in enumerate(op.tensors))
        plan = None if several or op.kind == "composite" else plan_of(op, mask)
        made = _Past(None, inputs, plan is not None and bool(plan.arrays))
        made.cost, made.size = cost, size
        return made

    def _backward(self, step: Step, roots: list[Tensor]) -> None:
        """What a walk would take, and whether it would come to something that another has freed."""
        create = step.kwargs.get("create_graph") is True
        keep = step.kwargs.get("retain_graph", create) is True
        stack = [found[1] for found in map(self.pasts.get, map(id, roots)) if found is not None]
        if not stack:  # what is not known costs as much as all that came before
            self.tx.meter.charge(step.op, 2 * self.forward_cost)
            self.bytes += self.forward_bytes
            return
        seen: set[int] = set()
        own: list[Tensor] = []
        cost = size = 0
        while stack:
            past = stack.pop()
            if id(past) in seen:
                continue
            seen.add(id(past))
            if past.freed:
                raise GraphFreedError(FREED)
            past.freed = past.saves and not keep
            if past.tensor is not None:
                own.append(past.tensor)
            cost += past.cost
            size += past.size
            stack.extend(past.inputs)
        for _, node in nodes_before(own):
            if not isinstance(node, Node):
                continue
            if node.saved is None or node.seq in self.freed:
                raise GraphFreedError(FREED)
            if not keep and node.saved and node.plan.arrays:
                self.freed.add(node.seq)
        held, work, _, workspace = walk_size(own)
        self.tx.meter.charge(step.op, (BACKWARD_GRAPH_COST if create else BACKWARD_COST) * (cost + work))
        self.bytes += (size + held) * (2 if create else 1) + workspace

    def _indexed(self, step: Step, reader: Reader) -> tuple[Spec, ...]:
        if len(step.args) < 2:
            raise InvalidInput(f"{step.op} takes a tensor and an index", argument="args")
        target = reader.tensor(step.args[0], "input")
        index = step.args[1] if type(step.args[1]) is int else parse_index(str(step.args[1]), self.lookup, "index")
        out = target.detach()[index]
        spec = Spec(tuple(out.shape), out.dtype)
        self.bytes += self.tx.meter.admit(step.op, Estimate((spec,), 0, spec.numel))
        return (spec,)

    def _verb(self, step: Step, reader: Reader) -> tuple[Spec, ...]:
        first = step.args[0] if step.args else next(iter(step.kwargs.values()), None)
        if VERBS[step.op].binds:
            name = self._assign() if step.id is AUTO else step.id
            self.made[str(name)] = None  # something, but no tensor
            return ()
        if step.op in ("backward", "autograd.grad"):
            wanted = (
                step.args[1] if len(step.args) > 1 and step.op == "autograd.grad" else step.kwargs.get("inputs", [])
            )
            self._backward(step, [reader.tensor(f, "tensor") for f in (first if isinstance(first, list) else [first])])
            if step.op == "backward":
                return ()
            return tuple(_spec(reader.tensor(w, "inputs")) for w in (wanted if isinstance(wanted, list) else [wanted]))
        if step.op == "tensor":
            return (_spec(self.literal(first)),)
        if step.op == "detach":
            return (_spec(reader.tensor(first, "tensor")),)
        if step.op == "del":
            for name in first if isinstance(first, list) else [first]:
                self.lookup(str(name))
                self.made[str(name)] = None
        elif step.op == "bind" and len(step.args) == 2:
            self.made[str(first)] = reader.tensor(step.args[1], "tensor")
        elif step.op == "enter":
            enabled = step.kwargs.get("enabled", step.args[1] if len(step.args) > 1 else None)
            self.records.append(first == "enable_grad" or enabled is True)
        elif step.op == "exit" and len(self.records) > 1:
            self.records.pop()
        return ()

    def _bind(self, step: Step, specs: tuple[Spec, ...], past: _Past | None = None) -> None:
        ids: tuple[str | None, ...]
        if step.id is AUTO:
            ids = tuple(self._assign() for _ in specs)
        else:
            ids = step.id if isinstance(step.id, tuple) else (step.id,) * (step.id is not None)  # type: ignore[assignment]
        for name, spec in zip(ids, specs, strict=False):
            if name is not None:
                self.made[name] = hollow = _hollow(spec)
                if past is not None:
                    self.pasts[id(hollow)] = hollow, past

    def _assign(self) -> str:
        while f"t{self.auto}" in self.tx.session.names or f"t{self.auto}" in self.made:
            self.auto += 1
        self.auto += 1
        return f"t{self.auto - 1}"


def _spec(t: Tensor) -> Spec:
    return Spec(tuple(t.shape), t.dtype)


def _hollow(spec: Spec) -> Tensor:
    return wrap(np.broadcast_to(np.zeros((), spec.dtype.numpy), spec.shape))
