"""SessionManager: opens, finds, ends and expires sessions, and gives each request its turn in its session's lane."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from engine import dtypes
from service.scripts import Budget, Cell
from service.sessions.lane import Lane
from service.sessions.limits import Limits, TooHeavy
from service.sessions.ports import Clock, Executor
from service.sessions.running import OnError, Ran, budget_of, run_cell
from service.sessions.session import Session
from service.sessions.transaction import Transaction
from service.steps.errors import Conflict, NotFound, TooManySessions

__all__ = ["Entry", "SessionManager"]

T = TypeVar("T")


@dataclass(slots=True)
class Entry:
    """A session that lives here: its lane, when it was made (seconds since the epoch) and when it ends if nobody asks."""

    session: Session
    lane: Lane
    created: float
    ttl: float
    expires: float  # of the monotonic clock
    number: int  # in the order of creation
    script: Budget | None = None  # of the script that runs here now

    def to_json(self, clock: Clock) -> dict[str, object]:
        """Counts, bytes, nodes, mode, seed, expiry."""
        session = self.session
        session.measure()
        return {
            "session_id": session.session_id,
            "name": session.name,
            "tensors": len(session.names),
            "nodes": session.held_nodes,
            "bytes": session.held_bytes,
            "grad_enabled": session.grad_enabled,
            "scopes": [scope.to_json() for scope in session.scopes],
            "seed": session.generator.initial_seed(),
            "default_dtype": session.default_dtype.name,
            "created": self.created,
            "ttl_seconds": self.ttl,
            "expires_in_seconds": max(0.0, round(self.expires - clock.monotonic(), 3)),
        }


class SessionManager:
    """All sessions of this process, by id. Every request to a session passes ``run``."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        limits: Limits,
        *,
        most_sessions: int,
        idle_ttl: float,
        queue_places: int,
        queue_seconds: float,
    ) -> None:
        self._executor = executor
        self.clock = clock
        self._limits = limits
        self._most = most_sessions
        self._idle_ttl = idle_ttl
        self._queue = (queue_places, queue_seconds)
        self._entries: dict[str, Entry] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._entries)

    def create(
        self,
        *,
        name: str | None = None,
        seed: int | None = None,
        ttl_seconds: float | None = None,
        default_dtype: dtypes.dtype = dtypes.float32,
    ) -> Entry:
        """Open a session under an id that cannot be guessed. Errors: TooManySessions."""
        self.sweep()
        if len(self._entries) >= self._most:
            raise TooManySessions(
                f"{self._most} sessions are open, as many as there may be; end one or ask again later",
                limit="sessions",
                retry_after=30,
            )
        session = Session(
            secrets.token_urlsafe(24), name=name, seed=seed, default_dtype=default_dtype, limits=self._limits
        )
        ttl = min(ttl_seconds or self._idle_ttl, self._idle_ttl)
        entry = Entry(session, Lane(*self._queue), self.clock.now(), ttl, self.clock.monotonic() + ttl, self._next)
        self._next += 1
        self._entries[session.session_id] = entry
        return entry

    def find(self, session_id: str) -> Entry:
        """The live session of an id; its time starts anew. Errors: NotFound, also for one that has expired."""
        entry = self._entries.get(session_id)
        if entry is not None and entry.expires < self.clock.monotonic() and not entry.lane.busy:
            del self._entries[session_id]
            entry = None
        if entry is None:
            raise NotFound("there is no such session: it was never opened, was ended, or expired")
        entry.expires = self.clock.monotonic() + entry.ttl
        return entry

    def list(self) -> list[Entry]:
        """Live sessions in the order of creation."""
        self.sweep()
        return list(self._entries.values())

    def delete(self, session_id: str) -> None:
        """End a session. A request that runs in it finishes first, unseen. Errors: NotFound."""
        self.find(session_id)
        del self._entries[session_id]

    async def run_script(
        self,
        session_id: str,
        cell: Cell,
        on_error: OnError,
        answer: Callable[[Transaction, Ran], T],
        *,
        timed: bool = True,
    ) -> T:
        """A script in its session's turn: one transaction, the answer rendered, then commit.

        timed: whether the clock bounds it; a replay is not timed. Errors: ScriptError, LimitExceeded, ScriptCancelled.
        """
        entry = self.find(session_id)

        def work(tx: Transaction) -> T:
            budget = budget_of(tx, timed=timed)
            entry.script = budget
            try:
                return answer(tx, run_cell(tx, cell, budget, on_error))
            finally:
                entry.script = None

        return await self.run(session_id, work, batch=True, heavy=True, script=True)

    def cancel(self, session_id: str) -> None:
        """End the script that runs in a session, at its next step. Errors: NotFound, Conflict where none runs."""
        budget = self.find(session_id).script
        if budget is None:
            raise Conflict("no script runs in this session now")
        budget.cancel()

    def sweep(self) -> None:
        """Drop sessions whose time is up and in which nothing runs."""
        now = self.clock.monotonic()
        for session_id in [i for i, e in self._entries.items() if e.expires < now and not e.lane.busy]:
            del self._entries[session_id]

    async def run(
        self,
        session_id: str,
        work: Callable[[Transaction], T],
        *,
        batch: bool = False,
        heavy: bool = False,
        script: bool = False,
    ) -> T:
        """One request: its turn in the lane, one transaction, the answer rendered, then commit.

        work: takes the open transaction and answers what the client is told; whatever it raises rolls everything back. It starts on
        the event loop and, when it turns out to be more than light, is rolled back and done again in a thread (``heavy``: at once).
        """
        entry = self.find(session_id)

        def transact(light: bool) -> T:
            with entry.session.begin(batch=batch, light=light) as tx:
                answer = work(tx)
                tx.commit()
            return answer

        async with entry.lane:
            if self._entries.get(session_id) is not entry:
                raise NotFound("the session was ended while the request waited")
            try:
                if not heavy:
                    with suppress(TooHeavy):
                        return await self._executor.run(lambda: transact(True), heavy=False)
                return await self._executor.run(lambda: transact(False), heavy=True, script=script)
            finally:
                entry.expires = self.clock.monotonic() + entry.ttl
