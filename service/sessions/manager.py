"""SessionManager: opens, finds, ends and expires sessions, and gives each request its turn in its session's lane.

With a journal the order of one request is: checked and estimated, carried out in an open transaction, its record committed and synced, the
transaction committed, the answer given. The lane is held until then, so nobody sees what might still be undone; where the record could not
be kept, the transaction is undone.
"""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from engine import dtypes
from engine.transaction import SharedMemory
from service.scripts import Cell
from service.sessions.entry import Entry, Pace
from service.sessions.house import DEFAULT_TENANT, Found, House, ledger_of, stored_by_tenant
from service.sessions.lane import Lane, shielded
from service.sessions.ledger import Ledger, Seal
from service.sessions.outcomes import Key, Outcomes, Reply
from service.sessions.plain import Unstorable
from service.sessions.ports import Change, Clock, Deletion, Executor, Journal, Record, Snapshot
from service.sessions.replay import build, created, described, stream
from service.sessions.running import OnError, Ran, budget_of, run_cell
from service.sessions.session import Session
from service.sessions.sharing import own
from service.sessions.shelf import MISSING, Shelf
from service.sessions.snapshots import forked
from service.sessions.transaction import Transaction
from service.steps.errors import (
    Conflict,
    Damaged,
    NotFound,
    NumberTaken,
    Overloaded,
    QuotaExceeded,
    ReadOnly,
    ServiceError,
    StepFailed,
)
from service.steps.limits import Limits, TooHeavy

__all__ = ["Entry", "Pace", "SessionManager"]

T = TypeVar("T")
LAST_SNAPSHOTS: Final = 10.0  # seconds that a shutdown spends on them


@dataclass(slots=True)
class _Worked:
    """What came of a request's work: the transaction (prepared, where there is a record to be kept), the answer, the record's data."""

    tx: Transaction
    answer: Any
    data: dict[str, Any] | None = None
    seconds: float = 0.0


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
        journal: Journal | None = None,
        pace: Pace | None = None,
        tenant: str = DEFAULT_TENANT,
        house: House | None = None,
        found: Found | None = None,
    ) -> None:
        self._executor = executor
        self.clock = clock
        self._limits = limits
        self._idle_ttl = idle_ttl
        self._queue = (queue_places, queue_seconds)
        self._entries: dict[str, Entry] = {}
        self._next = 1
        self._journal = journal
        self._pace = pace or Pace()
        self._shelf = None if journal is None else Shelf(journal, executor, limits, self._pace)
        self._deleted = False  # since the last compaction
        self._tasks: set[asyncio.Task[Any]] = set()
        self.tenant = tenant
        alone = House(most_sessions, None if journal is None else self._pace.stored)
        self._house = alone if house is None else house
        self._house.join(tenant, self._entries)
        self.ledger = Ledger(journal, ledger_of(tenant))
        if journal is not None:
            self._recall(stored_by_tenant(journal).get(tenant, []) if found is None else found)

    def _recall(self, found: Found) -> None:
        """Know every stored session by its first record; none is read back before its first request."""
        for moment, session_id, first in found:
            label, ttl = (None, self._idle_ttl) if first is None else (first.data["name"], first.data["ttl"])
            entry = self._entry(session_id, label, moment, min(ttl, self._idle_ttl), None)
            if first is None:
                entry.damage = "the first record of the session is damaged"

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def live(self) -> int:
        """How many sessions are in memory."""
        return sum(e.live is not None for e in self._entries.values())

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written; None while all is well."""
        return None if self._journal is None else self._journal.trouble

    # -- open, find, end -------------------------------------------------------------------------------------------

    def create(
        self,
        *,
        name: str | None = None,
        seed: int | None = None,
        ttl_seconds: float | None = None,
        default_dtype: dtypes.dtype = dtypes.float32,
    ) -> Entry:
        """Open a session in memory alone, under an id that cannot be guessed; ``open`` also keeps it. Errors: TooManySessions."""
        self._make_room()
        session = Session(
            secrets.token_urlsafe(24), name=name, seed=seed, default_dtype=default_dtype, limits=self._limits
        )
        return self._enter(session, ttl_seconds)

    def _enter(self, session: Session, ttl_seconds: float | None) -> Entry:
        ttl = min(ttl_seconds or self._idle_ttl, self._idle_ttl)
        entry = self._entry(session.session_id, session.name, self.clock.now(), ttl, session)
        self._house.count(self.tenant, entry, new=True)
        return entry

    def _entry(self, session_id: str, name: str | None, moment: float, ttl: float, live: Session | None) -> Entry:
        expires = self.clock.monotonic() + ttl
        entry = Entry(session_id, name, Lane(*self._queue), moment, ttl, expires, self._next, live)
        self._next += 1
        self._entries[session_id] = entry
        return entry

    def _make_room(self) -> None:
        """Errors: TooManySessions where no session may be added."""
        self.sweep()
        if self._journal is not None and self._journal.trouble is not None:
            raise ReadOnly(self._journal.trouble, retry_after=30)
        self._house.room(self.tenant)

    async def open(
        self, key: Key | None, reply: Callable[[Entry], Reply], *, ttl_seconds: float | None = None, **given: Any
    ) -> Reply:
        """Open a session and keep it; answers ``reply`` of it, or what was answered to the same key before.

        Errors: as ``create``, and ReadOnly.
        """
        return await self._once(key, self._opened, reply, ttl_seconds, given)

    async def _opened(
        self, key: Key | None, reply: Callable[[Entry], Reply], ttl_seconds: float | None, given: dict[str, Any]
    ) -> Reply:
        entry = self.create(ttl_seconds=ttl_seconds, **given)
        data = self._created(entry)
        return await self._begun(entry, key, reply(entry), [Record(entry.session_id, 0, "created", data)])

    async def fork(
        self,
        session_id: str,
        key: Key | None,
        reply: Callable[[Entry], Reply],
        *,
        name: str | None = None,
        ttl_seconds: float | None = None,
    ) -> Reply:
        """A new session with the names, values, graph, gradients, scopes and generator that another has now.

        Errors: NotFound, TooManySessions, ReadOnly, and what waiting in the lane may meet.
        """
        return await self._once(key, self._forked, reply, session_id, name, ttl_seconds)

    async def _forked(
        self, key: Key | None, reply: Callable[[Entry], Reply], session_id: str, name: str | None, ttl: float | None
    ) -> Reply:
        self.find(session_id)
        twin_id = secrets.token_urlsafe(24)

        def copied(tx: Transaction) -> tuple[Session, dict[str, Any]]:
            return forked(tx.session, twin_id, self._limits)

        try:
            session, state = await self.run(session_id, copied, heavy=True)
        except Unstorable as error:
            raise Conflict(f"the session cannot be copied: a script has bound {error}") from None
        session.name = state["name"] = name or session.name
        self._make_room()
        entry = self._enter(session, ttl)
        entry.tensors = len(session.names)
        data = self._created(entry, source=session_id)
        whole = {"session": state, "outcomes": [], "build": build()}
        changes: list[Change] = [Record(twin_id, 0, "forked", data), Snapshot(twin_id, 0, whole)]
        return await self._begun(entry, key, reply(entry), changes)

    def _created(self, entry: Entry, **more: Any) -> dict[str, Any]:
        """The data of a session's first record."""
        if self.tenant != DEFAULT_TENANT:
            more["tenant"] = self.tenant
        return created(entry.session, ttl=entry.ttl, created=entry.created, **more)

    async def _begun(self, entry: Entry, key: Key | None, answer: Reply, changes: list[Change]) -> Reply:
        """Keep the first record of a session; without it there is no session."""
        try:
            async with entry.lane:
                await self.ledger.commit(changes, Ledger.outcome(key, answer, self.clock.now()))
        except BaseException:
            self._entries.pop(entry.session_id, None)
            raise
        return answer

    async def _once(self, key: Key | None, act: Callable[..., Awaitable[Reply]], *args: Any) -> Reply:
        """Act, or answer what was answered to the same key before. Errors: Damaged where that is not known."""
        if key is not None:
            self.ledger.check()
        with self.ledger.outcomes.running(key):
            found = self.ledger.outcomes.find(key, self.clock.now())
            return found if found is not None else await act(key, *args)

    async def once(self, key: Key | None, act: Callable[[Seal], Awaitable[Reply]]) -> Reply:
        """Do what is no session's, and keep the reply with it; with a key, answer it as it was answered before."""
        return await self._once(key, self.ledger.sealed, act, self.clock.now)

    def find(self, session_id: str) -> Entry:
        """The session of an id; its time starts anew. Errors: NotFound, also for one that has expired; Damaged."""
        entry = self._entries.get(session_id)
        if (
            entry is not None
            and self._journal is None
            and entry.expires < self.clock.monotonic()
            and not entry.lane.busy
        ):
            del self._entries[session_id]
            entry = None
        if entry is None:
            if self._journal is not None and not self._journal.complete:
                raise Damaged("the store is damaged, and cannot say whether it holds this session")
            raise NotFound(MISSING)
        if entry.damage is not None:
            raise Damaged(entry.damage)
        entry.touch(self.clock.monotonic())
        return entry

    def list(self) -> list[Entry]:
        """Sessions in the order of creation."""
        self.sweep()
        return [e for e in self._entries.values() if e.damage is None]

    def delete(self, session_id: str) -> None:
        """End a session in memory alone; ``end`` also forgets what is stored. Errors: NotFound."""
        if session_id not in self._entries:
            raise NotFound(MISSING)
        del self._entries[session_id]

    async def end(self, session_id: str, key: Key | None = None, reply: Reply | None = None) -> Reply:
        """End a session and delete what is stored of it. A request that runs in it finishes first, unseen.

        Errors: NotFound, ReadOnly; then it goes on.
        """
        return await self._once(key, self._ended, session_id, reply or Reply(204))

    async def _ended(self, key: Key | None, session_id: str, reply: Reply) -> Reply:
        entry = self._entries.get(session_id)
        if entry is None or (self._journal is None and entry.expires < self.clock.monotonic() and not entry.lane.busy):
            raise NotFound(MISSING)
        if entry.script is not None:
            entry.script.cancel()
        async with entry.lane:
            if self._entries.get(session_id) is not entry:
                raise NotFound(MISSING)
            changes: list[Change] = [] if self._journal is None else [Deletion(session_id)]
            await self.ledger.commit(changes, Ledger.outcome(key, reply, self.clock.now()))
            self._entries.pop(session_id, None)
            self._deleted = self._deleted or bool(changes)
        return reply

    async def run_script(
        self,
        session_id: str,
        code: str,
        on_error: OnError,
        answer: Callable[[Transaction, Ran], T],
        *,
        key: Key | None = None,
        traced: bool = False,
    ) -> T:
        """A script in its session's turn: one transaction, the answer rendered, its record kept, then commit.

        traced: whether its backward calls tell how they walk. Errors: ScriptError, LimitExceeded, ScriptCancelled.
        """
        entry = self.find(session_id)

        def work(tx: Transaction) -> T:
            cell = Cell(code, most_bytes=tx.session.limits.script_source_bytes, traced=traced)
            entry.script = budget_of(tx)
            try:
                return answer(tx, run_cell(tx, cell, entry.script, on_error))
            finally:
                entry.script = None

        return await self.run(session_id, work, batch=True, heavy=True, script=True, key=key)

    def cancel(self, session_id: str) -> None:
        """End the script that runs in a session, if one does, at its next step. Errors: NotFound."""
        budget = self.find(session_id).script
        if budget is not None:
            budget.cancel()

    def sweep(self) -> None:
        """Drop sessions whose time is up and in which nothing runs; stored ones only leave memory."""
        now = self.clock.monotonic()
        for session_id, e in list(self._entries.items()):
            if e.expires < now and not e.lane.busy:
                if self._journal is None:
                    del self._entries[session_id]
                else:
                    e.live = None

    async def tend(self) -> None:
        """What is to be done now and then: sweep, delete what nobody has touched for its whole life, empty what held deleted data."""
        self.sweep()
        if self._journal is None or self._journal.trouble is not None:
            return
        late = self.clock.monotonic() - self._pace.life
        for session_id in [i for i, e in self._entries.items() if e.expires - e.ttl < late and not e.lane.busy]:
            with suppress(ServiceError):
                await self.end(session_id)
        if self._deleted or self.ledger.stale:
            self._deleted = False
            try:
                with suppress(Damaged):
                    await self.ledger.fold()
                await self._executor.run(self._journal.compact, heavy=True)
            except ServiceError:
                self._deleted = True  # later, then

    # -- run -------------------------------------------------------------------------------------------------------

    async def run(
        self,
        session_id: str,
        work: Callable[[Transaction], T],
        *,
        batch: bool = False,
        heavy: bool = False,
        script: bool = False,
        key: Key | None = None,
    ) -> T:
        """One request: its turn in the lane, one transaction, the answer rendered, its record kept, then commit.

        work: takes the open transaction and answers what the client is told; whatever it raises rolls everything back. It starts on
        the event loop and, when it turns out to be more than light, is rolled back and done again in a thread (``heavy``: at once).
        key: the same key answers the same; with one, ``work`` answers a Reply.
        """
        entry = self.find(session_id)
        if key is None:
            return cast("T", await self._turn(entry, work, batch, heavy, script, None))
        with entry.outcomes.running(key):
            return cast("T", await self._turn(entry, work, batch, heavy, script, key))

    async def _turn(
        self, entry: Entry, work: Callable[[Transaction], Any], batch: bool, heavy: bool, script: bool, key: Key | None
    ) -> Any:
        async with entry.lane:
            if self._entries.get(entry.session_id) is not entry:
                raise NotFound("the session was ended while the request waited")
            if entry.live is None:
                await self._read_back(entry)
            if key is not None:
                known = entry.outcomes.find(key, self.clock.now())
                if known is not None:
                    return known
            try:
                done = await self._worked(entry, work, batch, heavy, script)
                if done.data is not None:
                    await shielded(self._keep(entry, done, key))
                elif done.tx.done:
                    self._settled(entry, done, key)
                return done.answer
            finally:
                entry.touch(self.clock.monotonic())

    async def _worked(
        self,
        entry: Entry,
        work: Callable[[Transaction], Any],
        batch: bool,
        heavy: bool,
        script: bool,
        again: bool = False,
    ) -> _Worked:
        session = entry.session
        journalled = self._journal is not None

        def transact(light: bool) -> _Worked:
            if journalled:
                begun, before = time.perf_counter(), stream(session.generator)
            with session.begin(batch=batch, light=light, recorded=journalled) as tx:
                answer = work(tx)
                tx.settle()
                if not (journalled and tx.done):
                    tx.commit()
                    return _Worked(tx, answer)
                data = described(tx, before)
                tx.prepare()
            return _Worked(tx, answer, data, time.perf_counter() - begun)

        try:
            if not heavy:
                with suppress(TooHeavy):
                    return await self._executor.run(lambda: transact(True), heavy=False)
            return await self._executor.run(lambda: transact(False), heavy=True, script=script)
        except (QuotaExceeded, Overloaded, StepFailed) as error:
            if again or not self._house.relieved(self.tenant, session, error):
                raise
            return await self._worked(entry, work, batch, heavy, script, again=True)
        except SharedMemory:  # the first write since a fork
            await self._executor.run(lambda: own(session), heavy=True)
            return await self._worked(entry, work, batch, heavy, script)

    async def _keep(self, entry: Entry, done: _Worked, key: Key | None) -> None:
        """Journal what was done, then commit it; or undo it. Errors: ReadOnly, NumberTaken."""
        assert self._journal is not None
        assert done.data is not None
        if key is not None:
            done.data["key"] = Outcomes.written(key, done.answer, self.clock.now())
        record = Record(entry.session_id, entry.position + 1, "work", done.data)
        try:
            await asyncio.wrap_future(self._journal.commit([record]))
        except BaseException as error:
            await self._executor.run(done.tx.rollback, heavy=True, must=True)
            if isinstance(error, NumberTaken):
                entry.live = None  # what another process wrote is read at the next request
            raise
        entry.position = record.number
        self._settled(entry, done, key)
        done.tx.commit()
        entry.records += 1
        entry.seconds += done.seconds
        entry.volume += done.tx.checksum.volume
        if entry.due(self._pace):
            self._later(self._snapshot(entry))

    def _settled(self, entry: Entry, done: _Worked, key: Key | None) -> None:
        entry.tensors = len(entry.session.names)
        if key is not None:
            entry.outcomes.keep(key, done.answer, self.clock.now())

    # -- stored sessions -------------------------------------------------------------------------------------------

    async def _read_back(self, entry: Entry) -> None:
        """Make a stored session live again, in its lane. Errors: Damaged, and the session is so from then on."""
        assert self._shelf is not None
        self._house.evict(self._house.most - 1)
        await self._shelf.read_back(entry)
        self._house.count(self.tenant, entry)

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())  # nobody waits for it
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _snapshot(self, entry: Entry) -> None:
        """In the lane, if that is still wanted when its turn comes."""
        assert self._shelf is not None
        with suppress(ServiceError):
            async with entry.lane:
                if entry.live is not None and entry.records and self._entries.get(entry.session_id) is entry:
                    await shielded(self._shelf.write_snapshot(entry))

    async def close(self) -> None:
        """Finish what runs in the background; give sessions in memory a snapshot, so that another release reads values, not work."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        latest = self.clock.monotonic() + LAST_SNAPSHOTS
        for entry in list(self._entries.values()):
            if self._shelf is not None and self.trouble is None and self.clock.monotonic() < latest:
                await self._snapshot(entry)
        await self.ledger.close()
