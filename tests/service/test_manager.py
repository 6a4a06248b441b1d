"""Lanes and the manager: turns in order, bounded waiting, expiry, light and heavy work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from service.sessions.lane import Lane
from service.sessions.transaction import Transaction
from service.steps.errors import NotFound, Overloaded, QueueFull, TooManySessions
from service.steps.limits import LIGHT_COST
from service.steps.step import Step
from tests.service.managers import Clock, manager

T = TypeVar("T")


def test_turns_come_in_order_of_arrival() -> None:
    async def scenario() -> list[int]:
        lane, order = Lane(10, 5), []

        async def request(i: int) -> None:
            async with lane:
                order.append(i)
                await asyncio.sleep(0)

        await asyncio.gather(*(request(i) for i in range(6)))
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4, 5]


def test_a_full_queue_and_a_long_wait_are_refused() -> None:
    async def scenario() -> tuple[list[BaseException | None], bool]:
        lane = Lane(1, 0.05)

        async def request() -> None:
            async with lane:
                pass

        async with lane:
            results = await asyncio.gather(request(), request(), return_exceptions=True)
        async with asyncio.timeout(1):
            await request()
        return list(results), lane.busy

    results, busy = asyncio.run(scenario())
    assert [type(r) for r in results] == [Overloaded, QueueFull]
    assert not busy


def test_sessions_expire_and_are_counted() -> None:
    clock = Clock()
    sessions = manager(clock=clock)
    first = sessions.create(ttl_seconds=5).session.session_id
    second = sessions.create().session.session_id
    sessions.create()
    with pytest.raises(TooManySessions):
        sessions.create()
    clock.time += 6
    with pytest.raises(NotFound):
        sessions.find(first)
    sessions.find(second)  # asking keeps it alive
    clock.time += 9
    assert sessions.find(second).session.session_id == second
    assert len(sessions.list()) == 1
    sessions.delete(second)
    with pytest.raises(NotFound):
        sessions.find(second)


def test_ids_cannot_be_guessed() -> None:
    sessions = manager(most_sessions=50)
    ids = {sessions.create().session.session_id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(i) == 32 for i in ids)


def test_light_work_stays_on_the_loop_and_heavy_work_leaves_it() -> None:
    seen: list[bool] = []

    def work(cost: int) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            tx.step(Step("tensor", (1.0,), {}, "x"))
            tx.meter.spend(cost)
            seen.append(threading.current_thread() is threading.main_thread())

        return run

    async def scenario() -> None:
        sessions = manager()
        session_id = sessions.create().session.session_id
        await sessions.run(session_id, work(0))
        await sessions.run(session_id, work(LIGHT_COST))  # rolled back on the loop, done again in a thread
        await sessions.run(session_id, work(0), heavy=True)

    asyncio.run(scenario())
    assert seen == [True, False, False]


def test_a_cancelled_request_finishes_before_the_next_begins() -> None:
    async def scenario() -> list[str]:
        sessions = manager(queue_seconds=5)
        session_id = sessions.create().session.session_id
        events: list[str] = []
        begun = threading.Event()
        go_on = threading.Event()

        def slow(tx: Transaction) -> None:
            begun.set()
            go_on.wait(5)
            tx.step(Step("tensor", (1.0,), {}, "x"))
            events.append("first")

        def second(tx: Transaction) -> None:
            events.append("second" if "x" in tx.session.names else "too early")

        first = asyncio.create_task(sessions.run(session_id, slow, heavy=True))
        await asyncio.to_thread(begun.wait, 5)
        first.cancel()
        later = asyncio.create_task(sessions.run(session_id, second))
        await asyncio.sleep(0.05)
        go_on.set()
        await later
        with pytest.raises(asyncio.CancelledError):
            await first
        return events

    assert asyncio.run(scenario()) == ["first", "second"]


def test_work_that_raises_rolls_back() -> None:
    async def scenario() -> int:
        sessions = manager()
        entry = sessions.create()

        def work(tx: Transaction) -> None:
            tx.step(Step("tensor", (1.0,), {}, "x"))
            raise KeyError

        with pytest.raises(KeyError):
            await sessions.run(entry.session.session_id, work)
        return len(entry.session.names)

    assert asyncio.run(scenario()) == 0
