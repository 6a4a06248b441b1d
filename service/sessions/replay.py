"""From a transaction to the data of its record, and from a log back to a session that answers bit for bit as before.

A record says what was done, the generator's stream before, and a checksum of all that came out. Doing it again must give the same ids, the
same overloads, the same stream and, on the same build, the same bits; where it does not, the log is damaged, and no value is answered.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import struct
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from engine.dtypes import DTYPES
from engine.errors import EngineError
from engine.generator import Generator
from service.sessions.limits import Limits
from service.sessions.outcomes import Outcomes
from service.sessions.plain import Unstorable
from service.sessions.ports import Record, Stored
from service.sessions.running import repeat
from service.sessions.session import Session
from service.sessions.snapshots import restored
from service.sessions.transaction import Transaction
from service.steps.errors import Damaged, ServiceError
from service.steps.outcome import Done
from service.steps.patience import PATIENCE
from service.steps.step import AUTO, Step, read_ids

__all__ = ["KINDS", "build", "created", "described", "replayed", "stream"]

log = logging.getLogger("gradwire")
_REST: Final = struct.Struct("=3Q")
BOUNDLESS: Final = Limits(**dict.fromkeys(Limits.__slots__, 2**62))  # what was done once is not refused again
KINDS: Final[dict[str, Callable[[Transaction, Mapping[str, Any]], None]]] = {"run": repeat}
"""How entries of other kinds than steps are done again, by kind: see ``Transaction.journal``."""


@cache
def build() -> str:
    """What decides the last bits of results: the engine, NumPy, its BLAS, and the processor's instructions it uses."""
    facts = np.show_config(mode="dicts")
    blas = facts.get("Build Dependencies", {}).get("blas", {})
    features = facts.get("SIMD Extensions", {})
    seen = f"{platform.machine()} {sorted(features.get('baseline', []))} {sorted(features.get('found', []))}"
    processor = hashlib.sha256(seen.encode()).hexdigest()[:8]
    return (
        f"gradwire {version('gradwire')}, numpy {np.__version__}, {blas.get('name')} {blas.get('version')}, "
        f"{platform.machine()} {processor}"
    )


def stream(generator: Generator) -> bytes:
    """Where a generator stands: key, counter, and what is drawn ahead."""
    state = generator.numbers_state()
    inner = state["state"]
    words: tuple[Any, ...] = (inner["counter"], inner["key"], state["buffer"])
    rest = _REST.pack(state["buffer_pos"], state["has_uint32"], state["uinteger"])
    return b"".join([*(w.tobytes() for w in words), rest])


def created(session: Session, **more: Any) -> dict[str, Any]:
    """The data of a session's first record."""
    return {
        "name": session.name,
        "seed": session.generator.initial_seed(),
        "default_dtype": session.default_dtype.name,
        "build": build(),
        **more,
    }


def described(tx: Transaction, before: bytes) -> dict[str, Any]:
    """The data of a record of what a transaction did. ``before``: the generator's stream when it began."""
    found = {
        "build": build(),
        "stream": before,
        "done": [_entry(d) for d in tx.done],
        "sum": tx.checksum.value(tx.done, tx.meter),
    }
    if tx.checksum.folds:
        found["folds"] = tx.checksum.folds
    return found


def _entry(done: Done) -> dict[str, Any]:
    if done.kind != "step":
        return {"kind": done.kind, "data": done.what}
    assert done.outcome is not None
    return {**done.what.to_json(), "ids": list(done.outcome.ids), "row": done.row}


def _step(entry: Mapping[str, Any]) -> Step:
    """The step of an entry, which was checked when it came."""
    args = entry["args"]
    if type(args) is not list:
        args = args.rows()
    return Step(entry["op"], tuple(args), entry["kwargs"], read_ids(entry["id"]) if "id" in entry else AUTO)


def replayed(session_id: str, stored: Stored, limits: Limits) -> tuple[Session, Outcomes, int, bool]:
    """A session from its log; with it the outcomes of its keys, the number of the last record, and whether another build wrote it.

    Errors: Damaged where a record is missing, cannot be done again, or gives something else than it did.
    """
    PATIENCE.set(None)  # what was done once is done again, however long that takes
    outcomes = Outcomes()
    first, snapshot = stored.first, stored.snapshot
    number = 0
    foreign = first.data.get("build") != build()
    try:
        if snapshot is not None:
            session = restored(session_id, snapshot.data["session"], BOUNDLESS)
            outcomes.replace(snapshot.data["outcomes"])
            number = snapshot.number
            foreign = snapshot.data["build"] != build()
        elif first.kind == "created":
            dtype = DTYPES[first.data["default_dtype"]]
            session = Session(
                session_id, name=first.data["name"], seed=first.data["seed"], default_dtype=dtype, limits=BOUNDLESS
            )
        else:
            raise Damaged(f"the snapshot that a log of kind {first.kind} begins with is missing")
        with session.begin(batch=True) as tx:  # one for all: opening it takes longer than a small operator
            for record in stored.records:
                if record.number != number + 1:
                    raise Damaged(f"record {number + 1} of the session is missing")
                number = record.number
                foreign = _redo(tx, record) or foreign
                if record.data.get("key") is not None:
                    outcomes.read(record.data["key"])
    except (
        EngineError,
        ServiceError,
        Unstorable,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AssertionError,
    ) as error:
        if isinstance(error, Damaged):
            raise
        raise Damaged(f"record {number} of the session cannot be done again: {error}") from error
    session.limits = limits
    session.measure()
    return session, outcomes, number, foreign


def _redo(tx: Transaction, record: Record) -> bool:
    """Do a record again and commit it; the transaction goes on. Answers whether another build wrote it.

    Errors: Damaged where it comes out different.
    """
    data = record.data
    if record.kind != "work":
        raise Damaged(f"record {record.number} of the session is of the unknown kind {record.kind!r}")
    foreign = bool(data["build"] != build())
    if stream(tx.generator) != data["stream"]:
        raise Damaged(f"the random numbers of record {record.number} of the session do not begin where they did")
    for entry in data["done"]:
        kind = entry.get("kind", "step")
        if kind != "step":
            KINDS[kind](tx, entry["data"])
            if tx.done[-1].what["names"] != entry["data"]["names"]:
                raise Damaged(f"record {record.number} of the session binds other names than it did")
            continue
        outcome = tx.step(_step(entry))
        if len(tx.done) in data.get("folds", ()):
            tx.checksum.fold(tx.done, tx.meter)
        if list(outcome.ids) != entry["ids"] or tx.done[-1].row != entry["row"]:
            raise Damaged(f"record {record.number} of the session binds other ids, or another operator, than it did")
    if tx.checksum.value(tx.done, tx.meter) != data["sum"]:
        if not foreign:
            raise Damaged(f"record {record.number} of the session gives other values than it did")
        log.warning("a record written by %s gives other bits on %s", data["build"], build())
    tx.commit()
    tx.forget()
    return foreign
