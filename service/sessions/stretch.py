"""Stretches of a batch: steps one behind the other that are like steps carried out before, done together.

A client that trains sends the same batch again and again. What ``planned_step`` finds out of each step is found out once: how it
binds, what it costs, where its arguments come from. Before a stretch begins, all that this rests on is looked at: shapes and dtypes of
what comes in, limits, grad mode. Where anything is otherwise, nothing is done, and the steps go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine import dtypes
from engine.errors import EngineError
from engine.grad_mode import grad_enabled
from engine.node import Node
from engine.op import Op
from engine.tensor import Tensor
from service.sessions.beside import came_in, remember
from service.sessions.plans import Plan, planned
from service.sessions.session import Binding
from service.steps.errors import ServiceError, StepFailed
from service.steps.limits import STEP_COST, Limits
from service.steps.outcome import Done, Outcome

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction
    from service.steps.step import Step

__all__ = ["Batch", "Learner", "Stretch"]

LEAST: Final = 4  # steps that are worth it
STEP_BYTES: Final = 1_000
WIDER: Final = 8  # what JSON becomes
PATIENT: Final = 16  # steps from one look at the clock to the next,
BUSY: Final = 1_000_000  # or so much arithmetic: about a millisecond
ALONE: Final = -1  # no second argument
NUMBER: Final = -2
_Kind = tuple[tuple[int, ...], Any]  # shape and dtype


class _Move(NamedTuple):
    """One step. at, beside: places of its arguments, ``beside`` also ALONE or NUMBER. gone: a place that nobody will read any more.

    look: whether to look at the clock before it.
    """

    door: Callable[..., Any]
    at: int
    beside: int
    number: Any
    name: str
    op: Op
    rest: tuple[Any, ...]
    gone: int
    composite: bool
    look: bool


class Stretch:
    """Steps that are carried out together. Places: first those of ``inputs``, then one for what each step makes."""

    __slots__ = ("_bound", "_cost", "_default", "_done", "_first", "_inputs", "_limits", "_moves", "_reserved", "ids")

    def __init__(self, first: int, steps: Sequence[Step], plans: Sequence[Plan], inputs: dict[str, _Kind]) -> None:
        self._first = first
        self._inputs = [(name, *kind) for name, kind in inputs.items()]
        self._default = dtypes.default_dtype.get()
        self._limits: Limits = plans[0].limits
        self._moves = _moves(steps, plans, list(inputs))
        self._cost = sum(plan.estimate.cost for plan in plans)
        self._reserved = sum(plan.reserved for plan in plans)
        self._done = [Done("step", step, None, plan.op.id) for step, plan in zip(steps, plans, strict=True)]
        self.ids: list[list[str | None]] = [[move.name] for move in self._moves]
        self._bound = list(dict.fromkeys(move.name for move in self._moves))

    def __len__(self) -> int:
        return len(self._moves)

    def carry_out(self, tx: Transaction) -> Outcome | None:
        """The last step's outcome; None, with nothing done, where this is not the way. Errors: StepFailed; TooHeavy on the event loop."""
        session, meter, count = tx.session, tx.meter, len(self._moves)
        names = session.names
        limits = self._limits
        if (
            session.limits is not limits
            or session.values
            or dtypes.default_dtype.get() is not self._default
            or not grad_enabled.get()
            or meter.cost + self._cost > meter.allowed_cost
            or session.held_nodes + count > limits.session_nodes
            or len(names) + count > limits.session_tensors
        ):
            return None
        places: list[Any] = []
        for name, shape, dtype in self._inputs:
            binding = names.get(name)
            if binding is None or type(binding.tensor) is not Tensor:
                return None
            array = binding.tensor._array
            if array.shape != shape or array.dtype != dtype:
                return None
            places.append(binding.tensor)
        meter.spend(self._cost + count * STEP_COST)
        if not tx.reserved(self._moves[0].op.name, self._reserved):
            return None
        meter.cost += self._cost
        tx.binds(self._bound)
        self._run(tx, places)
        tx.mark()
        made = places[-count:]
        if tx.recorded:
            for done, out in zip(self._done, made, strict=True):
                tx.add(done._replace(outcome=Outcome((done.what.id,), (out,))))
        else:
            tx.done += self._done
        return Outcome((self._moves[-1].name,), (made[-1],))

    def _run(self, tx: Transaction, places: list[Any]) -> None:
        session, patience, beside = tx.session, tx.meter.patience, tx.session.beside
        names, number, nodes = session.names, session.next_number, 0
        first, keeps, bind = len(places), tx.recorded, tuple.__new__
        try:
            for door, at, other, constant, name, op, rest, gone, composite, look in self._moves:
                if look and patience is not None:
                    patience.check()
                a = places[at]
                if other >= 0:
                    b = places[other]
                    out = door(a, b)
                elif other == ALONE:
                    b = None
                    out = door(a)
                else:
                    b = constant
                    out = door(a, b)
                node = out._node
                if node is not None:
                    nodes += 1
                    if composite:
                        given = [a, *rest] if other == ALONE else [a, b, *rest]
                        remember(beside, op, came_in(op, given), out)
                    elif type(node) is Node and None in node.edges and node.plan.op is op:
                        given = [a, *rest] if other == ALONE else [a, b, *rest]
                        for i, edge in zip(op.tensors, node.edges, strict=True):
                            if edge is not None:
                                given[i] = None
                        beside.note(node, op, given)
                places.append(out)
                names[name] = bind(Binding, (out, number, None))
                number += 1
                if gone >= 0 and not keeps:
                    places[gone] = None
        except (EngineError, ServiceError) as error:
            raise StepFailed(self._first + len(places) - first, error) from error
        session.next_number = number
        session.held_nodes += nodes


def _moves(steps: Sequence[Step], plans: Sequence[Plan], inputs: list[str]) -> list[_Move]:
    """The steps with places for names. A place that a step binds anew is read no more."""
    where = {name: k for k, name in enumerate(inputs)}
    moves = []
    since, cost = PATIENT, 0  # what was done since the last look at the clock
    for number, (step, plan) in enumerate(zip(steps, plans, strict=True)):
        at, *others = (where[a] if type(a) is str else NUMBER for a in step.args)
        beside = others[0] if others else ALONE
        name = step.id
        assert isinstance(name, str)
        gone = where.get(name, -1)
        constant = step.args[1] if beside == NUMBER else None
        op = plan.op
        since, cost = since + 1, cost + plan.estimate.cost
        look = since >= PATIENT or cost >= BUSY
        if look:
            since, cost = 0, plan.estimate.cost
        moves.append(_Move(plan.door, at, beside, constant, name, op, plan.rest, gone, op.kind == "composite", look))
        where[name] = len(inputs) + number
    return moves


class Batch:
    """The steps of a batch, and the stretches that are known of it by where they begin."""

    __slots__ = ("nbytes", "seen", "steps", "stretches")

    def __init__(self, steps: Sequence[Step], size: int) -> None:
        self.steps = steps
        self.nbytes = WIDER * size + STEP_BYTES * len(steps)  # a bound of what it holds; ``size``: of its JSON
        self.seen = 0  # how often it was carried out since a stretch was last not what it had been
        self.stretches: dict[int, Stretch] = {}

    def begins(self, at: int, tx: Transaction) -> tuple[Stretch, Outcome] | None:
        """Carry out the stretch that begins at a step; None, with nothing done, where there is none. Errors: StepFailed."""
        found = self.stretches.get(at)
        if found is None:
            return None
        outcome = found.carry_out(tx)
        if outcome is None:
            self.seen, self.stretches = 0, {}
            return None
        return found, outcome

    def learner(self, tx: Transaction) -> Learner | None:
        """Who learns the stretches from this time on; None where they are known, or it may be the only time."""
        self.seen += 1
        return Learner(self, tx) if self.seen == 2 else None


class Learner:
    """Watches a batch being carried out step by step."""

    def __init__(self, batch: Batch, tx: Transaction) -> None:
        self._batch = batch
        self._tx = tx
        self._first = 0
        self._plans: list[Plan] = []
        self._inputs: dict[str, _Kind] = {}
        self._bound: set[str] = set()
        self._found: dict[int, Stretch] = {}

    def see(self, number: int, step: Step) -> None:
        """A step is about to be carried out."""
        session = self._tx.session
        known = planned(step, session.names, session.limits) if type(step.id) is str and grad_enabled.get() else None
        if known is None or known[0].estimate.bound:
            self._end()
            return
        if not self._plans:
            self._first = number
        for name in step.args:
            if type(name) is str and name not in self._bound:
                array = session.names[name].tensor._array
                self._inputs[name] = array.shape, array.dtype
        self._plans.append(known[0])
        assert isinstance(step.id, str)
        self._bound.add(step.id)

    def _end(self) -> None:
        count = len(self._plans)
        if count >= LEAST:
            steps = self._batch.steps[self._first : self._first + count]
            self._found[self._first] = Stretch(self._first, steps, self._plans, self._inputs)
        self._plans, self._inputs, self._bound = [], {}, set()

    def keep(self) -> None:
        """The batch went to its end."""
        self._end()
        self._batch.stretches = self._found
