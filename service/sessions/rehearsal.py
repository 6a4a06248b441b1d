"""Dry runs: a batch carried out on shapes and dtypes alone. Nothing is computed, nothing changes; limits are checked as in earnest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EngineError
from engine.op import Estimate, Spec
from engine.promotion import estimate
from engine.tensor import Tensor, wrap
from service.sessions.costs import walk_size
from service.steps.binder import INDEXING, Reader, bind_step
from service.steps.errors import InvalidInput, ServiceError, StepFailed, UnknownReference
from service.steps.reference import parse_index, resolve
from service.steps.step import AUTO, Step
from service.steps.verbs import VERBS
from service.wire.errors import InvalidValues, WireError
from service.wire.values import literal

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction

__all__ = ["rehearse"]


def rehearse(tx: Transaction, steps: list[Step], wanted: Sequence[str] = ()) -> dict[str, Any]:
    """What each step would make, and what all would cost.

    wanted: references that are to name tensors afterwards. Errors: StepFailed with the index of the step that would fail, for what shapes,
    dtypes and limits can tell (not whether a graph was freed); UnknownReference and InvalidInput for what is wanted.
    """
    rehearsal = _Rehearsal(tx)
    outputs = []
    for i, step in enumerate(steps):
        try:
            outputs.append([{"shape": list(s.shape), "dtype": s.dtype.name} for s in rehearsal.step(step)])
        except (EngineError, ServiceError, WireError) as error:
            raise StepFailed(i, error) from error
    for reference in wanted:
        if not rehearsal.walked or not reference.endswith(".grad"):  # after a walk a gradient may be there
            resolve(reference, rehearsal.lookup, "return")
    return {"outputs": outputs, "estimate": {"bytes": rehearsal.bytes, "cost": tx.meter.cost}}


class _Rehearsal:
    """Names stand for hollow tensors: one element stretched over the whole shape."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.made: dict[str, Tensor | None] = {}
        self.bytes = 0
        self.forward_cost = 0
        self.walked = False
        self.auto = tx.session.next_auto

    def lookup(self, name: str) -> Tensor:
        if name in self.made:
            found = self.made[name]
            if found is None:
                raise UnknownReference("the session would hold no such tensor here")
            return found
        t = self.tx.lookup(name)
        hollow = _hollow(Spec(tuple(t.shape), t.dtype))
        if t.grad is not None:
            hollow.grad = _hollow(Spec(tuple(t.shape), t.dtype))
        return hollow

    def literal(self, value: Any) -> Tensor:
        array = literal(value, self.tx.session.default_dtype.name)
        return wrap(array)

    def step(self, step: Step) -> tuple[Spec, ...]:
        reader = Reader(self.lookup, self.literal, (InvalidValues,))
        if step.op in INDEXING:
            specs = self._indexed(step, reader)
        elif step.op in VERBS:
            specs = self._verb(step, reader)
        else:
            bound = bind_step(step.op, step.args, step.kwargs, reader)
            found = estimate(bound.op, bound.values)
            self.bytes += self.tx.meter.admit(step.op, found) + found.workspace
            self.forward_cost += found.cost
            if bound.inplace:
                return tuple(found.outputs)
            specs = tuple(found.outputs)
        self._bind(step, specs)
        return specs

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
            self.tx.meter.charge(step.op, 2 * self.forward_cost)
            self.bytes += self.bytes + self._present_graph(first, bool(step.kwargs.get("create_graph")))
            self.walked = True
            wanted = (
                step.args[1] if len(step.args) > 1 and step.op == "autograd.grad" else step.kwargs.get("inputs", [])
            )
            if step.op == "backward":
                reader.tensor(first, "tensor")
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
        return ()

    def _present_graph(self, roots: Any, create_graph: bool) -> int:
        """Charge a walk through what the session has recorded already; the bytes of its gradients."""
        present = [
            self.tx.lookup(name)
            for name in (roots if isinstance(roots, list) else [roots])
            if isinstance(name, str) and name in self.tx.session.names and name not in self.made
        ]
        self.tx.charge_backward(present, create_graph)
        return walk_size(present)[0]

    def _bind(self, step: Step, specs: tuple[Spec, ...]) -> None:
        ids: tuple[str | None, ...]
        if step.id is AUTO:
            ids = tuple(self._assign() for _ in specs)
        else:
            ids = step.id if isinstance(step.id, tuple) else (step.id,) * (step.id is not None)  # type: ignore[assignment]
        for name, spec in zip(ids, specs, strict=False):
            if name is not None:
                self.made[name] = _hollow(spec)

    def _assign(self) -> str:
        while f"t{self.auto}" in self.tx.session.names or f"t{self.auto}" in self.made:
            self.auto += 1
        self.auto += 1
        return f"t{self.auto - 1}"


def _spec(t: Tensor) -> Spec:
    return Spec(tuple(t.shape), t.dtype)


def _hollow(spec: Spec) -> Tensor:
    return wrap(np.broadcast_to(np.zeros((), spec.dtype.numpy), spec.shape))
