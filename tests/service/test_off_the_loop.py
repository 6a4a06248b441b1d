"""What takes long does not begin on the event loop: graphs of many nodes, bodies of many references."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.sessions.graphs import session_graph
from service.sessions.transaction import Transaction
from service.steps.step import Step
from tests.service.test_garbage import _served

Send = Callable[..., Awaitable[tuple[int, Any]]]


def test_a_graph_of_many_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []

    def told(tx: Transaction, roots: Any) -> Any:
        seen.append(threading.current_thread())
        return session_graph(tx, roots)

    monkeypatch.setattr("service.api.routes.graph.session_graph", told)

    async def work(send: Send, session: str) -> None:
        steps = [{"op": "mul", "args": ["x", 1.0], "id": "x"}] * 100
        assert (await send("POST", session + "/batch", {"steps": steps}))[0] == 200
        assert (await send("GET", session + "/graph?format=dot"))[0] == 200

    asyncio.run(_served(work))
    assert seen
    assert all(thread is not threading.main_thread() for thread in seen)


def test_a_body_of_many_references(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []
    plain = Transaction.step

    def told(self: Transaction, step: Step) -> Any:
        seen.append(threading.current_thread())
        return plain(self, step)

    monkeypatch.setattr(Transaction, "step", told)

    async def work(send: Send, session: str) -> None:
        seen.clear()
        many = [["x"] * 100_000]
        assert len(json.dumps(many)) > 2**18
        status, found = await send("POST", session + "/ops/cat?data=never", {"args": many})
        assert status == 200, found

    asyncio.run(_served(work))
    assert seen
    assert all(thread is not threading.main_thread() for thread in seen)
