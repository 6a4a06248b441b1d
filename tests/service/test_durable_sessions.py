"""The manager with a journal: what is answered is kept, what could not be kept is undone, and sessions leave memory and come back."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import numpy as np
import pytest

from service.journal.memory import MemoryJournal
from service.sessions.digest import digest
from service.sessions.ledger import Seal
from service.sessions.outcomes import Key, Reply
from service.sessions.ports import Record, Snapshot
from service.sessions.snapshots import taken
from service.sessions.transaction import Transaction
from service.steps.errors import (
    Damaged,
    KeyReused,
    NotFound,
    NumberTaken,
    ReadOnly,
    StillRunning,
    TooManySessions,
)
from service.steps.step import Step
from tests.service.managers import Clock, FaultyJournal, manager, opened, play, shown, steps

T = TypeVar("T")


X = Step("tensor", ([1.0, 2.0],), {"requires_grad": True}, "x")
GROW = Step("mul_", ("grown", 2.0))
OTHER = Step("tensor", ([0.0],), {}, "other")
GROWN = Step("tensor", ([1.0],), {}, "grown")


def value(tx: Transaction) -> Any:
    return tx.lookup("grown").tolist()


def test_a_restart_finds_everything() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        sessions = manager(journal)
        session_id = await opened(sessions, name="kept", seed=4)
        for step in (X, Step("randn", (3,), {}, "r"), Step("mul", ("x", "x"), {}, "y"), Step("sum", ("y",), {}, "out")):
            await sessions.run(session_id, steps(step))
        await sessions.run(session_id, steps(Step("backward", ("out",)), Step("enter", ("no_grad",))), batch=True)
        before = digest(sessions.find(session_id).session)
        again = manager(journal)
        assert [e.name for e in again.list()] == ["kept"]
        assert again.live == 0
        await again.run(session_id, lambda tx: None)
        assert digest(again.find(session_id).session) == before

    play(scenario)


def test_reads_and_failures_leave_no_record() -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(X))
        count = len(journal.seen)
        await sessions.run(session_id, lambda tx: tx.lookup("x").tolist())
        with pytest.raises(KeyError):
            await sessions.run(session_id, failing)
        assert len(journal.seen) == count

    def failing(tx: Transaction) -> None:
        tx.step(GROWN)
        raise KeyError

    play(scenario)


def test_what_could_not_be_kept_is_undone() -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions, seed=3)
        await sessions.run(session_id, steps(GROWN))
        before = digest(sessions.find(session_id).session)
        for heavy in (False, True):
            journal.failure = ReadOnly("the disk is full", retry_after=30)
            with pytest.raises(ReadOnly):
                await sessions.run(session_id, steps(GROW, Step("randn", (2,))), heavy=heavy)
            journal.failure = None
            assert digest(sessions.find(session_id).session) == before
        await sessions.run(session_id, steps(GROW))
        assert await sessions.run(session_id, value) == [2.0]

    play(scenario)


def test_a_session_that_could_not_be_kept_is_not_there() -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        journal.failure = ReadOnly("the disk is full", retry_after=30)
        with pytest.raises(ReadOnly):
            await sessions.open(Key("k", "d"), shown)
        assert len(sessions) == 0
        journal.failure = None
        session_id = (await sessions.open(Key("k", "d"), shown)).payload.decode()
        journal.failure = ReadOnly("the disk is full", retry_after=30)
        with pytest.raises(ReadOnly):
            await sessions.end(session_id)
        assert sessions.find(session_id).session_id == session_id

    play(scenario)


def test_nobody_sees_what_is_not_yet_kept() -> None:
    async def scenario() -> tuple[list[Any], list[Any]]:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN))
        journal.hold = True
        write = asyncio.create_task(sessions.run(session_id, steps(GROW)))
        read = asyncio.create_task(sessions.run(session_id, value))
        other = await asyncio.wait_for(asyncio.create_task(asyncio.sleep(0.05, "the loop is free")), 1)
        assert other == "the loop is free"
        before = [write.done(), read.done()]
        journal.let_go()
        await write
        return before, await read

    assert play(scenario) == ([False, False], [2.0])


def test_a_cancelled_request_whose_record_is_on_its_way_is_finished() -> None:
    async def scenario() -> Any:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN))
        journal.hold = True
        write = asyncio.create_task(sessions.run(session_id, steps(GROW)))
        await journal.asked()
        write.cancel()
        read = asyncio.create_task(sessions.run(session_id, value))
        await asyncio.sleep(0.02)
        assert not read.done()
        journal.let_go()
        with pytest.raises(asyncio.CancelledError):
            await write
        return await read

    assert play(scenario) == [2.0]


def test_a_loser_of_a_race_reads_what_the_winner_wrote() -> None:
    async def scenario() -> tuple[Any, Any]:
        journal = MemoryJournal()
        first = manager(journal)
        session_id = await opened(first)
        await first.run(session_id, steps(GROWN))
        second = manager(journal)
        await second.run(session_id, steps(GROW))
        with pytest.raises(NumberTaken):
            await first.run(session_id, steps(GROW))
        await first.run(session_id, steps(GROW))
        return await first.run(session_id, value), first.find(session_id).position

    assert play(scenario) == ([4.0], 3)


def test_idle_sessions_leave_memory_and_come_back() -> None:
    async def scenario() -> None:
        clock, journal = Clock(), MemoryJournal()
        sessions = manager(journal, clock)
        ids = [await opened(sessions) for _ in range(5)]  # more than may be in memory
        assert sessions.live == 3
        for session_id in ids:
            await sessions.run(session_id, steps(GROWN))
        assert sessions.live <= 3
        clock.time += 11
        sessions.sweep()
        assert (sessions.live, len(sessions)) == (0, 5)
        assert await sessions.run(ids[0], value) == [1.0]
        clock.time += 8 * 86_400
        await sessions.tend()
        assert len(sessions) == 0
        assert list(journal.logs()) == []
        with pytest.raises(NotFound):
            await sessions.run(ids[0], value)

    play(scenario)


def test_stored_sessions_are_counted() -> None:
    async def scenario() -> None:
        sessions = manager(MemoryJournal(), pace={"stored": 2})
        await opened(sessions)
        await opened(sessions)
        with pytest.raises(TooManySessions):
            await opened(sessions)

    play(scenario)


def test_snapshots_bound_what_is_done_again() -> None:
    async def scenario() -> tuple[Any, list[int], int]:
        journal = FaultyJournal()
        sessions = manager(journal, pace={"records": 4, "seconds": 1e9})
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN))
        for k in range(10):
            await sessions.run(session_id, steps(GROW), key=Key(f"k{k}", "d"))
            await asyncio.sleep(0.01)
        stored = journal.load(session_id)
        assert stored is not None
        again = manager(journal)
        await again.run(session_id, value)  # from the snapshot and three records
        await sessions.close()
        ended = journal.load(session_id)
        assert ended is not None
        assert list(ended.records) == []  # another release reads values, and does no work again
        again = manager(journal)
        replies = [await again.run(session_id, steps(GROW), key=Key(f"k{k}", "d")) for k in range(10)]
        assert replies[-1] == Reply(200, b"[1024.0]")
        taken = [c.number for c in journal.seen if isinstance(c, Snapshot)]
        return await again.run(session_id, value), taken, len(stored.records)

    assert play(scenario) == ([1024.0], [4, 8, 11], 3)


def test_a_damaged_log_is_refused_for_good() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN))
        journal.commit([Record(session_id, 2, "work", {"build": "b", "stream": b"", "done": [], "sum": 0})]).result()
        again = manager(journal)
        for _ in range(2):
            with pytest.raises(Damaged):
                await again.run(session_id, value)
        assert again.list() == []
        await again.end(session_id)  # what is damaged may be deleted
        assert list(journal.logs()) == []

    play(scenario)


@pytest.mark.parametrize("durable", [False, True])
def test_a_key_is_carried_out_once(durable: bool) -> None:
    async def scenario() -> None:
        journal = MemoryJournal() if durable else None
        sessions = manager(journal)
        key = Key("make", "digest")
        made = await sessions.open(key, shown, name="one")
        assert await sessions.open(key, shown, name="one") == made
        assert len(sessions) == 1
        session_id = made.payload.decode()
        await sessions.run(session_id, steps(GROWN))
        grow = Key("grow", "d1")
        answers = [await sessions.run(session_id, steps(GROW), key=grow) for _ in range(3)]
        assert answers == [Reply(200, b"[2.0]")] * 3
        with pytest.raises(KeyReused):
            await sessions.run(session_id, steps(GROW), key=Key("grow", "d2"))
        twin = await sessions.fork(session_id, Key("fork", "d"), shown)
        assert await sessions.fork(session_id, Key("fork", "d"), shown) == twin
        ended = await sessions.end(twin.payload.decode(), Key("end", "d"))
        if durable:
            sessions = manager(journal)
            assert await sessions.run(session_id, steps(GROW), key=grow) == Reply(200, b"[2.0]")
            assert await sessions.open(key, shown, name="one") == made
        assert await sessions.end(twin.payload.decode(), Key("end", "d")) == ended
        with pytest.raises(NotFound):
            await sessions.end(twin.payload.decode(), Key("other", "d"))
        assert await sessions.run(session_id, value) == [2.0]

    play(scenario)


@pytest.mark.parametrize("with_it", [False, True])
def test_a_reply_is_kept_with_what_was_done(with_it: bool) -> None:
    """A function, say: after any end of the process there are both, or neither."""

    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        reply = Reply(201, b"made")

        async def act(seal: Seal) -> Reply:
            data = {"space": "s", "name": "n", "value": {"v": 1}}
            await sessions.ledger.commit([], [("put", data), *(seal(reply) if with_it else ())])
            return reply

        assert await sessions.once(Key("k", "d"), act) == reply
        numbers = [c.kind for c in journal.seen if isinstance(c, Record)]
        assert numbers == ["ledger", "put", "outcome"]
        assert len(journal.asked_for) == (1 if with_it else 2)
        again = manager(journal)
        assert await again.once(Key("k", "d"), act) == reply
        assert len(journal.asked_for) == (1 if with_it else 2)

    play(scenario)


def test_a_key_whose_request_runs_is_refused() -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN))
        journal.hold = True
        key = Key("k", "d")
        first = asyncio.create_task(sessions.run(session_id, steps(GROW), key=key))
        await journal.asked()
        with pytest.raises(StillRunning):
            await sessions.run(session_id, steps(GROW), key=key)
        journal.hold = False
        journal.let_go()
        assert await first == await sessions.run(session_id, steps(GROW), key=key)

    play(scenario)


@pytest.mark.parametrize("durable", [False, True])
def test_a_fork_goes_its_own_way(durable: bool) -> None:
    async def scenario() -> tuple[Any, Any]:
        journal = MemoryJournal() if durable else None
        sessions = manager(journal)
        session_id = await opened(sessions, seed=1)
        await sessions.run(session_id, steps(GROWN, X, Step("mul", ("x", 2), {}, "y")), batch=True)
        before = digest(sessions.find(session_id).session)
        twin = (await sessions.fork(session_id, None, shown, name="twin")).payload.decode()
        assert digest(sessions.find(twin).session) == before
        await sessions.run(twin, steps(GROW))
        if durable:
            await sessions.end(session_id)
            sessions = manager(journal)
            assert [e.name for e in sessions.list()] == ["twin"]
            return [1.0], await sessions.run(twin, value)
        return await sessions.run(session_id, value), await sessions.run(twin, value)

    assert play(scenario) == ([1.0], [2.0])


def test_a_fork_shares_memory_until_one_of_them_writes() -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions)
        await sessions.run(session_id, steps(GROWN, X, Step("getitem", ("grown", ":"), {}, "view")), batch=True)
        journal.hold = True
        forking = asyncio.create_task(sessions.fork(session_id, None, shown))
        await journal.asked()
        journal.hold = False  # the fork's first record waits, and is not bytes yet, while the source is written
        await sessions.run(session_id, steps(GROW))
        journal.let_go()
        twin = (await forking).payload.decode()
        assert (await sessions.run(session_id, value), await sessions.run(twin, value)) == ([2.0], [1.0])
        again = manager(journal)
        assert (await again.run(session_id, value), await again.run(twin, value)) == ([2.0], [1.0])

        first = (await sessions.fork(twin, None, shown)).payload.decode()
        mine, theirs = (sessions.find(i).session for i in (twin, first))
        for name in ("grown", "x", "view"):
            assert np.shares_memory(mine.names[name].tensor._array, theirs.names[name].tensor._array)
        await sessions.run(first, steps(Step("zeros", (2,), {}, "new"), Step("add_", ("new", 1.0))))
        assert sessions.find(first).session is theirs  # memory of its own is written freely
        await sessions.run(first, steps(Step("add_", ("view", 1.0))), heavy=True)
        for name in ("grown", "x", "view"):
            assert not np.shares_memory(mine.names[name].tensor._array, theirs.names[name].tensor._array)
        assert np.shares_memory(theirs.names["grown"].tensor._array, theirs.names["view"].tensor._array)
        assert (await sessions.run(first, value), await sessions.run(twin, value)) == ([2.0], [1.0])
        await sessions.run(twin, steps(GROW, GROW))
        assert (await sessions.run(first, value), await sessions.run(twin, value)) == ([2.0], [4.0])

    play(scenario)


def test_a_ledger_keeps_named_data() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        ledger = manager(journal).ledger
        await ledger.put("function", "f", {"code": "def f(x): ..."})
        await ledger.put("function", "g", {"code": "def g(x): ..."})
        await ledger.drop("function", "f")
        again = manager(journal).ledger
        assert list(again.items("function")) == [("g", {"code": "def g(x): ..."})]
        assert again.get("function", "f") is None
        journal.close()
        with pytest.raises(ReadOnly):
            await ledger.drop("function", "g")
        assert ledger.get("function", "g") is not None

    play(scenario)


def test_looking_changes_nothing() -> None:
    """A view whose base was written gets its history when it is looked at; what is done later must not depend on that."""

    def shown_view(tx: Transaction) -> bytes:
        return repr(tx.lookup("view")).encode()

    async def scenario() -> tuple[Any, Any]:
        found = []
        for look in (True, False):
            sessions = manager(None)
            session_id = await opened(sessions, seed=1)
            made = (
                X,
                Step("mul", ("x", 3.0), {}, "y"),
                Step("getitem", ("y", ":1"), {}, "view"),
                Step("add_", ("y", 1.0)),
            )
            await sessions.run(session_id, steps(*made), batch=True)
            if look:
                await sessions.run(session_id, lambda tx: repr(tx.lookup("view")))
                await sessions.run(session_id, lambda tx: Reply(200, repr(tx.step(OTHER)).encode() + shown_view(tx)))
            else:
                await sessions.run(session_id, steps(OTHER))
            nodes = taken(sessions.find(session_id).session)["nodes"]
            found.append([row[1] for row in nodes if len(row) != 5])
        return found[0], found[1]

    looked, unseen = play(scenario)
    assert looked == unseen
