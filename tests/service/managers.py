"""How tests of the service set a manager up: a clock that they move, a journal whose commits they hold back or let fail, and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from service.executors.local import LocalExecutor
from service.journal.memory import MemoryJournal
from service.sessions.entry import Entry
from service.sessions.limits import Limits
from service.sessions.manager import Pace, SessionManager
from service.sessions.outcomes import Reply
from service.sessions.ports import Change
from service.sessions.transaction import Transaction
from service.steps.step import Step

__all__ = ["Clock", "FaultyJournal", "manager", "opened", "play", "shown", "steps"]

T = TypeVar("T")


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class FaultyJournal(MemoryJournal):
    """A journal whose commits the test holds back, or lets fail."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[Sequence[Change], Future[None]]] = []
        self.hold = False
        self.failure: Exception | None = None
        self.seen: list[Change] = []
        self.asked_for: list[Sequence[Change]] = []

    def commit(self, changes: Sequence[Change]) -> Future[None]:
        self.seen += changes
        self.asked_for.append(changes)
        done: Future[None] = Future()
        if self.failure is not None:
            done.set_exception(self.failure)
        elif self.hold:
            self.held.append((changes, done))
        else:
            return super().commit(changes)
        return done

    async def asked(self) -> None:
        """Until a commit is held back."""
        for _ in range(30_000):
            if self.held:
                return
            await asyncio.sleep(0.001)
        raise AssertionError

    def let_go(self) -> None:
        for changes, done in self.held:
            super().commit(changes).result()
            done.set_result(None)
        self.held.clear()


def manager(
    journal: MemoryJournal | None = None,
    clock: Clock | None = None,
    *,
    pace: dict[str, Any] | None = None,
    threads: int = 2,
    **changes: Any,
) -> SessionManager:
    """A manager of three sessions at most in memory. changes: of its settings; pace: of its journal's."""
    given = {"most_sessions": 3, "idle_ttl": 10.0, "queue_places": 8, "queue_seconds": 5, **changes}
    pace_of = Pace(**(pace or {}))
    return SessionManager(LocalExecutor(threads), clock or Clock(), Limits(), journal=journal, pace=pace_of, **given)


def shown(entry: Entry) -> Reply:
    return Reply(201, entry.session_id.encode(), f"/{entry.session_id}")


async def opened(sessions: SessionManager, **given: Any) -> str:
    return (await sessions.open(None, shown, **given)).payload.decode()


def steps(*wanted: Step) -> Callable[[Transaction], Reply]:
    def work(tx: Transaction) -> Reply:
        outcome = None
        for step in wanted:
            outcome = tx.step(step)
        assert outcome is not None
        return Reply(200, repr(outcome.tensors[0].tolist()).encode() if outcome.tensors else b"")

    return work


def play(scenario: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await scenario()

    return asyncio.run(run())
