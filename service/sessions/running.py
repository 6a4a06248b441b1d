"""A script in a session: its names are the session's, its writes the transaction's, its limits the session's.

A run is repeated exactly by the same text on the same state: nothing in it reads a clock, an address or a hash. So its text is what is
journalled, with the number of statements that were kept where an error (or the clock) ended it early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.tensor import Tensor
from service.scripts import MISSING, Budget, Cell, Contents, Run, ScriptCancelled, Traces, repr_of
from service.scripts.keeping import can_be_kept
from service.sessions.beside import came_in, remember
from service.steps.errors import DeadlineExceeded, InvalidInput, ServiceError
from service.steps.outcome import Outcome
from service.steps.step import check_id

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction

__all__ = ["OnError", "Ran", "budget_of", "repeat", "run_cell"]

OnError = Literal["rollback", "keep"]
SHOWN: Final = 100_000
_BOUNDLESS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run answers: what it printed, whether some of it was left out, the last value and its text, names bound, steps taken.

    error: what ended it early, where the lines before were to be kept. traces: how its last backward calls walked, if it was traced.
    """

    stdout: str
    truncated: bool
    value: Any
    text: str | None
    names: list[str]
    steps: int
    error: ServiceError | None = None
    traces: list[dict[str, Any]] | None = None


def budget_of(tx: Transaction) -> Budget:
    """The budget of one run, from the session's limits. A request with less time than a script may take gives it what is left of that."""
    limits = tx.session.limits
    patience = tx.meter.patience
    if patience is None or patience.seconds >= limits.script_seconds:
        return Budget(limits, seconds=limits.script_seconds, ledger=tx)
    budget = Budget(limits, seconds=max(patience.left, 0.001), ledger=tx)
    budget.request_seconds = patience.seconds
    return budget


def run_cell(tx: Transaction, cell: Cell, budget: Budget, on_error: OnError = "rollback") -> Ran:
    """Run a cell in an open transaction. Errors: ScriptError, LimitExceeded, ScriptCancelled; then everything is to be rolled back.

    on_error: "keep" keeps the statements before the one that failed, and answers with the error; not where it was
    cancelled, nor where the time of the request is over.
    """
    space = tx.session.space
    space.bound.clear()
    space.deleted.clear()
    traces = Traces() if cell.traced else None
    run = Run(budget, lambda thing: tx.remember(Contents(thing), "state"), traces=traces)
    for b in tx.session.names.values():
        if b.unrecorded is not None:
            run.left_out.known(b.tensor, b.unrecorded.op, b.unrecorded.inputs)
    run.left_out.beside = lambda op, values, made: remember(tx.session.beside, op, came_in(op, values), made)
    error: ServiceError | None = None
    value: Any = None
    tx.mark()
    count = 0
    kept: tuple[dict[str, Any], dict[str, None]] = ({}, {})
    modes = tx.modes()

    def done() -> None:
        nonlocal kept, count
        count += 1
        tx.mark()
        kept = (dict(space.bound), dict(space.deleted))
        run.touched.clear()

    try:
        try:
            value = cell.run(run, space, done if on_error == "keep" else None)
        except ServiceError as failure:
            if on_error != "keep" or isinstance(failure, (DeadlineExceeded, ScriptCancelled)):
                raise
            error = failure
            tx.rewind()
            space.bound.clear()
            space.bound.update(kept[0])
            space.deleted.clear()
            space.deleted.update(kept[1])
        tx.restore(modes)
        names = _flush(tx, run)
        with run:
            text = None if value is None else repr_of(run, value)[:SHOWN]
    finally:
        space.bound.clear()
        space.deleted.clear()
    told = None if traces is None else list(traces.kept)
    if error is None or count:
        _journal(tx, cell, budget, names, None if error is None else count)
    return Ran("".join(run.output), run.truncated, value, text, names, budget.steps, error, told)


def _journal(tx: Transaction, cell: Cell, budget: Budget, names: list[str], count: int | None) -> None:
    """Say what was run, and what it bound. count: how many statements were kept, where not all were."""
    bindings = tx.session.names
    tensors = tuple(bindings[n].tensor for n in names if n in bindings)
    data = {"code": cell.code, "statements": count, "depth": budget.limits.script_depth, "names": names}
    tx.journal("run", data, Outcome(tensors=tensors))


def repeat(tx: Transaction, data: Mapping[str, Any]) -> None:
    """Run again what ``run_cell`` has journalled: the same statements, without its limits. Errors: those of ``run_cell``."""
    cell = Cell(data["code"], most_bytes=_BOUNDLESS)
    if data["statements"] is not None:
        del cell.statements[data["statements"] :]
        cell.last = None
    limits = replace(
        tx.session.limits,
        script_steps=_BOUNDLESS,
        script_data_bytes=_BOUNDLESS,
        script_output_bytes=_BOUNDLESS,
        script_depth=data["depth"],
    )
    budget = Budget(limits, seconds=None, ledger=tx)
    run_cell(tx, cell, budget)


def _flush(tx: Transaction, run: Run) -> list[str]:
    """Hand the names that a run has bound to the session."""
    session = tx.session
    space = session.space
    names: list[str] = []
    for name in space.deleted:
        if name in session.names:
            tx.unbind(name)
        elif name in session.values:
            tx.forget_value(name)
    for name, value in space.bound.items():
        if isinstance(value, Tensor) and type(value) is Tensor and _is_id(name):
            known = session.names.get(name)
            if known is None or known.tensor is not value:
                tx.bind(name, value, run.left_out.of(value))
        elif can_be_kept(value):
            if session.values.get(name, MISSING) is not value or name in session.names:
                tx.keep_value(name, value)
        else:
            continue
        names.append(name)
    return names


def _is_id(name: str) -> bool:
    try:
        check_id(name)
    except InvalidInput:
        return False
    return True
