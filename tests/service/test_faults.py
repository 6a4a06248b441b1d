"""Whatever commit of whatever request fails, at the journal's port: the request is undone, reads go on, and it may be asked again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.functions.ports import Record as FunctionRecord
from service.journal.function_store import LedgerStore
from service.sessions.digest import digest
from service.sessions.manager import SessionManager
from service.sessions.outcomes import Key, Reply
from service.sessions.transaction import Transaction
from service.steps.errors import NumberTaken, ReadOnly, ServiceError
from service.steps.step import Step
from tests.service.managers import FaultyJournal, manager, opened, play, shown, steps

X = Step("tensor", ([1.0, 2.0],), {"requires_grad": True}, "x")
CODE = """
def outer(k):
    total = 0
    def more():
        nonlocal total
        total = total + k
        return total
    return more
more = outer(2)
w = torch.randn(2, requires_grad=True)
optimizer = torch.optim.Adam([w], lr=0.1)
(w * more()).sum().backward()
optimizer.step()
"""
Act = Callable[[SessionManager, str], Awaitable[Any]]


def ran(tx: Transaction, _: Any) -> Reply:
    return Reply(200, str(len(tx.session.names)).encode())


async def put(sessions: SessionManager, version: str, key: str) -> None:
    record = FunctionRecord("default", "f", version, 1.0, {"code": "def f(x):\\n    return x\\n"})

    async def act(seal: Any) -> Reply:
        await LedgerStore(sessions.ledger).put(record, seal(Reply(201)))
        return Reply(201)

    await sessions.once(Key(key, "d"), act)


ACTS: dict[str, Act] = {
    "make": lambda m, s: m.run(s, steps(X, Step("randn", (2,), {}, "r")), batch=True),
    "in place": lambda m, s: m.run(s, steps(Step("mul_", ("r", 2.0)), Step("randn", (3,))), key=Key("a", "d")),
    "graph": lambda m, s: m.run(s, steps(Step("mul", ("x", "x"), {}, "y"), Step("sum", ("y",), {}, "out")), heavy=True),
    "backward": lambda m, s: m.run(s, steps(Step("backward", ("out",), {"retain_graph": True}))),
    "scope": lambda m, s: m.run(s, steps(Step("enter", ("no_grad",)))),
    "leave": lambda m, s: m.run(s, steps(Step("exit"))),
    "script": lambda m, s: m.run_script(s, CODE, "rollback", ran, key=Key("b", "d")),
    "again": lambda m, s: m.run_script(s, "more(); optimizer.step()", "rollback", ran),
    "delete": lambda m, s: m.run(s, steps(Step("del", ("r",)))),
    "fork": lambda m, s: m.fork(s, Key("c", "d"), shown),
    "open": lambda m, s: m.open(Key("e", "d"), shown, seed=4),
    "function": lambda m, s: put(m, "one", "f"),
    "another": lambda m, s: put(m, "two", "g"),
    "end": lambda m, s: m.end(next(e.session_id for e in m.list() if e.session_id != s), Key("h", "d")),
}


async def told(sessions: SessionManager) -> list[Any]:
    """All that there is: sessions by their digests, and what the ledger holds; every session is read in its turn."""
    found = []
    for entry in sessions.list():
        await sessions.run(entry.session_id, lambda tx: None)
        found.append(digest(entry.session))
    return [sorted(found), sorted(sessions.ledger.items("function"))]


@pytest.mark.parametrize("error", [ReadOnly("the disk is full", retry_after=30), OSError(5, "Input/output error")])
@pytest.mark.parametrize("failing", ACTS)
def test_a_commit_that_fails_undoes_its_request(failing: str, error: Exception) -> None:
    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal, pace={"records": 3, "seconds": 1e9})
        session_id = await opened(sessions, seed=3)
        await opened(sessions, seed=5)
        for name, act in ACTS.items():
            if name == failing:
                before = await told(sessions)
                journal.failure = error
                with pytest.raises(type(error)):
                    await act(sessions, session_id)
                assert await told(sessions) == before  # reads go on
                journal.failure = None
                assert await told(manager(journal)) == before
            await act(sessions, session_id)
        kept = await told(sessions)
        await sessions.close()
        assert await told(manager(journal)) == kept

    play(scenario)


@pytest.mark.parametrize(
    "failing", [name for name in ACTS if name not in ("open", "fork", "function", "another", "end")]
)
def test_who_loses_a_race_reads_what_the_winner_wrote(failing: str) -> None:
    """A number that is taken means that somebody else owns the session: what is in memory is dropped, not trusted."""

    async def scenario() -> None:
        journal = FaultyJournal()
        sessions = manager(journal)
        session_id = await opened(sessions, seed=3)
        for name, act in ACTS.items():
            if name == failing:
                before = await told(sessions)
                journal.failure = NumberTaken("the log goes on", retry_after=1)
                with pytest.raises(ServiceError):
                    await act(sessions, session_id)
                assert sessions.find(session_id).live is None
                journal.failure = None
                assert await told(sessions) == before
                break
            await act(sessions, session_id)

    play(scenario)
