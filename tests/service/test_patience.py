"""Deadlines and departures: what waits is told, what is late is not begun, what was begun is finished or undone."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.executors.fair import FairPool
from service.sessions.lane import Lane
from service.steps.errors import DeadlineExceeded, Departed, Overloaded, QueueFull
from service.steps.patience import PATIENCE, Patience


def test_who_leaves_in_the_lane_is_dropped_and_the_next_has_its_turn() -> None:
    async def scenario() -> list[str]:
        lane, seen = Lane(10, 60), []

        async def request(name: str, patience: Patience | None) -> None:
            PATIENCE.set(patience)
            try:
                async with lane:
                    seen.append(name)
            except (Departed, Overloaded) as error:
                seen.append(f"{name}: {type(error).__name__}")

        leaving, late = Patience(60), Patience(0.01)
        async with lane:
            tasks = [asyncio.create_task(request(*r)) for r in (("a", leaving), ("b", None), ("c", late))]
            await asyncio.sleep(0)
            leaving.leave()
            await asyncio.wait([tasks[0], tasks[2]])
        await asyncio.gather(*tasks)
        async with lane:
            return seen

    assert asyncio.run(scenario()) == ["a: Departed", "c: Overloaded", "b"]


def test_a_cancelled_task_stays_cancelled() -> None:
    async def scenario() -> bool:
        lane = Lane(10, 60)

        async def request() -> None:
            PATIENCE.set(Patience(60))
            async with lane:
                raise AssertionError

        async with lane:
            task = asyncio.create_task(request())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

    assert asyncio.run(scenario())


def test_the_time_is_up_or_the_client_gone() -> None:
    patience = Patience(60)
    patience.begin()
    patience.leave()
    patience.check()  # what was begun goes on
    with pytest.raises(Departed):
        patience.begin()
    late = Patience(1e-9)
    time.sleep(0.001)
    with pytest.raises(DeadlineExceeded, match="nothing of it was kept"):
        late.check()


def test_whoever_has_least_under_way_goes_next() -> None:
    """A tenant that asked first for much has half of two threads as soon as another asks."""

    async def scenario() -> list[str]:
        pool, order, gate = FairPool(2, "test", places=100), [], threading.Event()

        def work(name: str) -> None:
            order.append(name)

        first = [pool.submit(gate.wait, "many", must=False) for _ in range(2)]
        rest = [pool.submit(lambda: work("many"), "many", must=False) for _ in range(6)]
        rest += [pool.submit(lambda: work("few"), "few", must=False) for _ in range(3)]
        gate.set()
        await asyncio.gather(*first, *rest)
        pool.close()
        return order

    order = asyncio.run(scenario())
    assert order.count("many") == 6
    assert max(i for i, name in enumerate(order) if name == "few") <= 6


def test_too_much_that_waits_is_refused_but_not_what_must() -> None:
    async def scenario() -> list[str]:
        pool, gate, said = FairPool(1, "test", places=3, share=lambda: 2), threading.Event(), []
        kept = [pool.submit(gate.wait, "a", must=False)]
        for tenant in ("a", "a", "a", "b", "b"):
            try:
                kept.append(pool.submit(gate.wait, tenant, must=False))
                said.append("waits")
            except (QueueFull, Overloaded) as error:
                said.append(f"{type(error).__name__} {1 <= error.members['retry_after'] <= 30}")
        kept.append(pool.submit(gate.wait, "b", must=True))
        gate.set()
        assert all(await asyncio.gather(*kept))
        pool.close()
        return said

    assert asyncio.run(scenario()) == ["waits", "waits", "QueueFull True", "waits", "Overloaded True"]


def ask(requests: list[tuple[str, dict[str, Any]]], **more: Any) -> list[httpx.Response]:
    async def answers() -> list[httpx.Response]:
        app = create_app(**more)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                session = (await http.post("/v1/sessions")).json()["session_id"]
                return [
                    await http.request("POST", path.format(s=f"/v1/sessions/{session}"), **how)
                    for path, how in requests
                ]

    return asyncio.run(answers())


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1e", "0e3", "nan", "", "0.0"])
def test_a_timeout_that_is_none(text: str) -> None:
    (answer,) = ask([("{s}/batch", {"json": {"steps": []}, "headers": {"Request-Timeout": text}})])
    assert answer.status_code == 400


def test_a_batch_that_is_late_leaves_nothing() -> None:
    steps = [
        {"op": "ones", "args": [300, 300], "id": "x"},
        *({"op": "matmul", "args": ["x", "x"], "id": "y"} for _ in range(300)),
    ]
    late, after = ask([
        ("{s}/batch", {"json": {"steps": steps}, "headers": {"Request-Timeout": "0.001"}}),
        ("{s}/ops/exp", {"json": {"args": ["x"]}}),
    ])  # fmt: skip
    assert (late.status_code, late.json()["type"]) == (503, "/errors/deadline")
    assert late.headers["retry-after"] == "1"
    assert after.status_code == 422
