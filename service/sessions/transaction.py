"""One request's work on a session: all of it, or nothing.

On failure everything is as before: names, values written in place and their versions, rebased history, ``.grad``, flags, scopes and the
generator. The engine's undo log holds what it changes; this one logs names, scopes and counters there too.

What is to be journalled is prepared: left open, without its context, until ``commit`` or ``rollback`` says how it ended.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine import apply, dtypes
from engine.foresight import guard
from engine.generator import current_generator
from engine.grad_mode import allow, grad_enabled, infer, inference_enabled, is_grad_enabled
from engine.op import Estimate, Spec
from engine.tensor import Tensor
from service.sessions.beside import came_in, remember
from service.sessions.checksum import Checksum
from service.sessions.costs import tensors_among
from service.sessions.planned import planned_step
from service.sessions.plans import Plan, admitted, recall
from service.sessions.reserving import SPARE, Reserving
from service.sessions.session import Binding, Session, Unrecorded, detached
from service.steps.binder import INDEXING, Bound, Reader, bind_step
from service.steps.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    UnknownReference,
)
from service.steps.limits import Meter
from service.steps.outcome import Done, Outcome
from service.steps.reference import parse_index, resolve
from service.steps.step import AUTO, Auto, Step
from service.steps.verbs import VERBS, run_verb
from service.steps.workspace import Mode, Scope
from service.wire.errors import InvalidValues
from service.wire.values import literal

if TYPE_CHECKING:
    from engine.generator import Generator

__all__ = ["Transaction"]


class Transaction(Reserving):
    """An open transaction: a ``Workspace`` to the verbs. Use with ``with``; leaving it without ``commit`` rolls back."""

    def __init__(self, session: Session, *, batch: bool, light: bool = False, recorded: bool = True) -> None:
        super().__init__(session, Meter(session.limits, batch=batch, light=light), ahead=SPARE if batch else 0)
        self.done: list[Done] = []  # what this transaction did, in order
        self.recorded = recorded
        self.checksum = Checksum()
        self._log.shared = session.shared
        self._tokens: list[tuple[contextvars.ContextVar[Any], contextvars.Token[Any]]] = []
        self._errstate: Any = None  # this and the reader are there while it is open: both hold it
        self._done = False

    # -- open and close --------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        session = self.session
        self._set(grad_enabled, True)
        self._modes()
        self._set(current_generator, session.generator)
        self._set(dtypes.default_dtype, session.default_dtype)
        self._set(guard, self.meter.admit)
        self._reader: Any = Reader(self.lookup, self.literal, (InvalidValues,))
        self._log.resume()
        self._errstate = np.errstate(all="ignore")
        self._errstate.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._errstate.__exit__(*exc)
        self._errstate = self._reader = None
        self._log.pause()
        self.give_back()
        if not self._done:
            self._log.rollback()
        infer(False)
        while self._tokens:
            variable, token = self._tokens.pop()
            variable.reset(token)

    def _set(self, variable: contextvars.ContextVar[Any], value: Any) -> None:
        self._tokens.append((variable, variable.set(value)))

    def prepare(self) -> None:
        """Neither keep nor undo what was done when the context is left: ``commit`` or ``rollback`` follows."""
        self._done = True

    def commit(self) -> None:
        """Keep what was done."""
        self._done = True
        self._log.commit()

    def rollback(self) -> None:
        """Undo what was done so far, or prepared."""
        self._log.rollback()
        self.forget()

    def forget(self) -> None:
        """What was done is recorded, or undone: the next record begins anew."""
        self.done.clear()
        self.checksum.clear()

    def journal(self, kind: str, data: dict[str, Any], outcome: Outcome) -> None:
        """Say what was done here otherwise than by ``step``; ``replay.KINDS`` says how it is done again."""
        self.done.append(Done(kind, data, outcome))
        self._log.mark()

    def settle(self) -> None:
        """Undo what was done since the last step: looking at a view gives it a history, which looking again must not find."""
        self._log.rewind()

    # -- steps -----------------------------------------------------------------------------------------------------

    def step(self, step: Step) -> Outcome:
        """Carry one step out. Errors: ServiceError or EngineError; the transaction should then be rolled back."""
        self._row = None
        outcome = planned_step(self, step)
        if outcome is None:
            outcome = self._carried(step)
        self._log.mark()
        self.add(Done("step", step, outcome if self.recorded else None, self._row))
        return outcome

    def add(self, done: Done) -> None:
        """A step was done."""
        self.done.append(done)
        if self.recorded:
            self.checksum.add(self.done, self.meter)

    def _carried(self, step: Step) -> Outcome:
        row = VERBS.get(step.op)
        if row is not None:
            outcome = run_verb(row, self, step.args, step.kwargs, self._reader)
            if row.binds:
                return self._named(step, outcome)
            if not outcome.tensors or outcome.ids:
                self._refuse_id(step, not row.keeps)
                return outcome
            if row.keeps:
                return self._kept(step, outcome.tensors, outcome.several, detached(step, self.resolve))
            self._refuse_id(step, True)
            return Outcome(self._plain_ids(step, outcome), outcome.tensors, outcome.several)
        if step.op in INDEXING:
            return self._indexed(step)
        session = self.session
        known, plan, key = recall(step, session.names, session.limits)
        if known is not None:
            return self.call(step, known, plan)
        bound = bind_step(step.op, step.args, step.kwargs, self._reader)
        return self.call(step, bound, key=key)

    def call(self, step: Step, bound: Bound, plan: Plan | None = None, *, key: Any = None) -> Outcome:
        """Run a bound operator within the limits and bind what it makes. key: what to remember its plan under."""
        session = self.session
        op = bound.op
        self._row = op.id
        found, size = admitted(self.meter, step, bound, plan, key, session.names)
        self._reserve(step.op, 0 if op.kind == "view" else size + found.workspace)
        if bound.inplace:
            self._refuse_id(step, True)
            target: Tensor = bound.values[op.tensors[0]]
            self._reserve(step.op, 2 * target.nbytes)
            given = came_in(op, bound.values)
            apply.run_inplace(op, bound.values)
            remember(session.beside, op, given, target)
            session.held_nodes += 2
            return Outcome(self._plain_ids(step, Outcome(tensors=(target,))), (target,))
        unrecorded = None
        if not grad_enabled.get() and op.differentiable:
            inputs = tuple(t for t in tensors_among(op.tensors, bound.values) if t.requires_grad)
            if inputs:
                unrecorded = Unrecorded(op.name, inputs)
        # the engine may put arrays in the place of tensors in the list that it runs on
        out = apply.run(op, list(bound.values)) if plan is None else plan.door(*bound.values[: len(step.args)])
        if type(out) is bool:  # equal and allclose
            self._refuse_id(step, True)
            return Outcome(value=out)
        several = type(out) is not Tensor
        tensors = tuple(out) if several else (out,)
        if tensors and (not several or op.kind != "composite"):
            remember(session.beside, op, came_in(op, bound.values), tensors[0])
        return self._kept(step, tensors, several, unrecorded)

    def _named(self, step: Step, outcome: Outcome) -> Outcome:
        """Bind what a verb has made under the step's id."""
        (name,) = self._ids(step, 1, False)
        if name is None:
            raise InvalidInput(f"{step.op} makes nothing that lives without an id", argument="id")
        self.keep_value(name, outcome.made)
        return Outcome(value={"id": name, "kind": step.op})

    def _indexed(self, step: Step) -> Outcome:
        """Getitem and setitem: Python's index syntax, parsed."""
        wanted = 2 if step.op == "getitem" else 3
        if len(step.args) != wanted or step.kwargs:
            raise InvalidInput(
                f"{step.op} takes {wanted} arguments: a tensor, an index{', a value' * (wanted - 2)}", argument="args"
            )
        target = self._reader.tensor(step.args[0], "input")
        if not isinstance(target, Tensor):
            raise InvalidInput("the first argument must name a tensor", argument="input")
        text = step.args[1]
        if type(text) is int:
            index: Any = text
        elif type(text) is str:
            index = parse_index(text, self.lookup, "index")
        else:
            raise InvalidInput("an index is a string in Python's syntax, or an int", argument="index")
        self._admit_index(step.op, target, index)
        if step.op == "getitem":
            out = target[index]
            unrecorded = Unrecorded("getitem", (target,)) if not grad_enabled.get() and target.requires_grad else None
            return self._kept(step, (out,), False, unrecorded)
        self._refuse_id(step, True)
        self._reserve(step.op, 2 * target.nbytes)
        target[index] = self._reader.tensor(step.args[2], "value")
        self.session.held_nodes += 4
        return Outcome(self._plain_ids(step, Outcome(tensors=(target,))), (target,))

    def _admit_index(self, what: str, target: Tensor, index: Any) -> None:
        """The size of an index's result: at most the broadcast of its index tensors times what they leave of the tensor."""
        count = 1
        for item in index if isinstance(index, tuple) else (index,):
            if isinstance(item, (Tensor, list)):
                count *= max(item.numel() if isinstance(item, Tensor) else len(item), 1)
        shape: tuple[int, ...] = (count, target.numel() or 1)
        if count > 1:
            most = min(
                count * target.numel(), count * max(target.numel() // max(target.shape[0] if target.ndim else 1, 1), 1)
            )
            shape = (most,)
        size = self.meter.admit(what, Estimate((Spec(shape, target.dtype),), 0, shape[0]))
        self._reserve(what, size if count > 1 else 0)

    # -- what a step makes -----------------------------------------------------------------------------------------

    def hold(self, op: str, name: str, tensor: Tensor) -> None:
        """Bind what a call has made, if the graph is not too large. Errors: LimitExceeded."""
        session = self.session
        if session.held_nodes > session.limits.session_nodes:
            self._check_nodes(op)
        if name not in session.names or session.values:
            self._bind(name, tensor, None)
            return
        self._log.attribute(session, "next_number")
        self._log.item(session.names, name)
        session.names[name] = Binding(tensor, session.next_number)
        session.next_number += 1

    def binds(self, names: list[str]) -> None:
        """These ids will be bound, all before anything else is done."""
        self._log.attribute(self.session, "next_number")
        self._log.items(self.session.names, names)

    def _kept(
        self, step: Step, tensors: tuple[Tensor, ...], several: bool, unrecorded: Unrecorded | None = None
    ) -> Outcome:
        ids = (step.id,) if type(step.id) is str and not several else self._ids(step, len(tensors), several)
        session = self.session
        if tensors and tensors[0]._node is not None:
            session.held_nodes += 1
        if session.held_nodes > session.limits.session_nodes:
            self._check_nodes(step.op)
        for name, tensor in zip(ids, tensors, strict=True):
            if name is not None:
                self._bind(name, tensor, unrecorded)
        return Outcome(ids, tensors, several)

    def _ids(self, step: Step, count: int, several: bool) -> tuple[str | None, ...]:
        given = step.id
        if isinstance(given, Auto):
            return tuple(self._assign() for _ in range(count))
        if given is None:
            return (None,) * count
        if isinstance(given, tuple):
            if len(given) != count:
                raise InvalidInput(f"{step.op}() has {count} outputs, and {len(given)} ids were given", argument="id")
            return given
        if several and count != 1:
            raise InvalidInput(f"{step.op}() has {count} outputs: give a list of {count} ids, or none", argument="id")
        return (given,)

    def _assign(self) -> str:
        session = self.session
        self._log.attribute(session, "next_auto")
        while f"t{session.next_auto}" in session.names:
            session.next_auto += 1
        name = f"t{session.next_auto}"
        session.next_auto += 1
        return name

    def _plain_ids(self, step: Step, outcome: Outcome) -> tuple[str | None, ...]:
        """The ids under which a step named the tensors that it answers."""
        first = step.args[0] if step.args else next(iter(step.kwargs.values()), None)
        if len(outcome.tensors) == 1 and not outcome.several:
            return (first if isinstance(first, str) and first in self.session.names else None,)
        known = {id(b.tensor): n for n, b in reversed(self.session.bindings())}
        return tuple(known.get(id(t)) for t in outcome.tensors)

    def _refuse_id(self, step: Step, refuse: bool) -> None:
        if refuse and step.id is not AUTO and step.id is not None:
            raise InvalidInput(f"{step.op} binds nothing, so it takes no id", argument="id")

    def literal(self, value: Any) -> Tensor:
        """A new tensor from JSON data or a typed value, in the session's default dtype where it names none."""
        array = literal(value, self.session.default_dtype.name)
        self.meter.admit("tensor", Estimate((Spec(array.shape, dtypes.of_numpy(array.dtype)),), 0, array.size))
        self._reserve("tensor", array.nbytes)
        from engine.tensor import wrap

        return wrap(array if array.ndim else array[()])

    def modes(self) -> tuple[Any, ...]:
        """Grad mode, inference mode and default dtype as they are now: a script may leave none of them changed."""
        return is_grad_enabled(), inference_enabled.get(), dtypes.default_dtype.get()

    def restore(self, modes: tuple[Any, ...]) -> None:
        """Put the modes back."""
        infer(modes[1])
        allow(modes[0])
        dtypes.default_dtype.set(modes[2])

    def mark(self) -> None:
        """Set the one point to go back to."""
        self._log.mark()

    def rewind(self) -> None:
        """Undo what was done since the mark; the transaction stays open."""
        self._log.rewind()

    def remember(self, owner: object, name: str) -> None:
        """Remember an attribute, to be put back by a rollback."""
        self._log.attribute(owner, name)

    def keep_value(self, name: str, value: Any) -> None:
        """Bind a name to what is no tensor; a tensor of that name is forgotten."""
        session = self.session
        if name in session.names:
            self.unbind(name)
        elif name not in session.values and len(session.names) + len(session.values) >= session.limits.session_tensors:
            limit = session.limits.session_tensors
            raise LimitExceeded("session_tensors", limit, limit + 1, "ids", "the session")
        self._log.item(session.values, name)
        session.values[name] = value

    def forget_value(self, name: str) -> None:
        """Unbind a name from what is no tensor."""
        self._log.item(self.session.values, name)
        self.session.values.pop(name, None)

    # -- the Workspace of verbs ------------------------------------------------------------------------------------

    @property
    def generator(self) -> Generator:
        return self.session.generator

    @property
    def default_dtype(self) -> dtypes.dtype:
        return self.session.default_dtype

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return self.session.scopes

    def resolve(self, text: str, argument: str = "return") -> Tensor | None:
        """The tensor that a reference names; None for a gradient that is None."""
        if text.endswith(".grad"):
            return resolve(text.removesuffix(".grad"), self.lookup, argument).grad  # type: ignore[no-any-return]
        return resolve(text, self.lookup, argument)  # type: ignore[no-any-return]

    def value(self, name: str) -> Any:
        """What an id names that is no tensor. Errors: UnknownReference."""
        if name not in self.session.values:
            raise UnknownReference("the session holds nothing of this id that is no tensor", argument="id")
        return self.session.values[name]

    def lookup(self, name: str) -> Tensor:
        """The tensor of an id. Errors: UnknownReference."""
        found = self.session.names.get(name)
        if found is None:
            raise UnknownReference("the session holds no such tensor")
        return found.tensor

    def bind(self, name: str, tensor: Tensor, left_out: tuple[str, tuple[Tensor, ...]] | None = None) -> None:
        """Bind an id, anew where it is bound. left_out: the operator and inputs of a tensor whose history was not recorded."""
        self._bind(name, tensor, None if left_out is None else Unrecorded(*left_out))

    def _bind(self, name: str, tensor: Tensor, unrecorded: Unrecorded | None) -> None:
        session = self.session
        if name not in session.names and len(session.names) >= session.limits.session_tensors:
            limit = session.limits.session_tensors
            raise LimitExceeded("session_tensors", limit, limit + 1, "ids", "the session")
        if name in session.values:
            self.forget_value(name)
        self._log.attribute(session, "next_number")
        self._log.item(session.names, name)
        session.names[name] = Binding(tensor, session.next_number, unrecorded)
        session.next_number += 1

    def unbind(self, name: str) -> None:
        """Forget an id. Errors: UnknownReference."""
        self.lookup(name)
        self._log.item(self.session.names, name)
        del self.session.names[name]

    def names_of(self, metas: set[int]) -> list[str]:
        """The ids of the tensors whose meta is one of these, in creation order."""
        return [
            name for name, b in self.session.bindings() if b.tensor._meta is not None and id(b.tensor._meta) in metas
        ]

    def enter(self, mode: Mode, enabled: bool | None) -> Scope:
        """Enter a scope."""
        session = self.session
        if len(session.scopes) >= session.limits.scopes:
            raise LimitExceeded("scopes", session.limits.scopes, len(session.scopes) + 1, "scopes", "the session")
        scope = Scope(f"s{session.next_scope}", mode, enabled)
        self._log.attribute(session, "next_scope")
        self._log.attribute(session, "scopes")
        session.next_scope += 1
        session.scopes = (*session.scopes, scope)
        self._modes()
        return scope

    def exit(self, scope_id: str | None) -> None:
        """Leave the innermost scope."""
        scopes = self.session.scopes
        if not scopes:
            raise Conflict("no scope is open")
        if scope_id is not None and scope_id != scopes[-1].id:
            if all(s.id != scope_id for s in scopes):
                raise NotFound("there is no such scope")
            raise Conflict(f"only the innermost scope can be left: it is {scopes[-1].id} ({scopes[-1].mode})")
        self._log.attribute(self.session, "scopes")
        self.session.scopes = scopes[:-1]
        self._modes()

    def _modes(self) -> None:
        infer(self.session.inferring)
        allow(self.session.grad_enabled)

    def reseed(self, seed: int) -> None:
        """Start the stream of a seed."""
        self.session.generator.manual_seed(seed)
