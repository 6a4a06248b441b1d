"""A mixed load leaves nothing behind: what lives after many rounds is what lived after a few.

The server runs in a thread here, so that its objects can be counted; `make soak` watches the memory of one of its own for minutes.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest

from engine.node import Node
from engine.tensor import Tensor
from service.app import create_app
from service.functions.function import Function
from service.server import Server
from service.sessions.entry import Entry
from service.sessions.session import Session
from service.sessions.transaction import Transaction
from service.settings import Settings
from service.steps.patience import Patience
from tests.benchmarks.soak import round_of_work

COUNTED = (Tensor, Node, Session, Transaction, Entry, Function, Patience, asyncio.Task, asyncio.Future)


def census() -> Counter[str]:
    gc.collect()
    return Counter(type(o).__name__ for o in gc.get_objects() if issubclass(type(o), COUNTED))


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "stored"])
def test_nothing_lives_on(stored: bool, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path) if stored else "", port=0, linger=0)
    server = Server(create_app(settings), settings)
    listener = server.listen()
    serving = threading.Thread(target=lambda: server.run(sockets=[listener]))
    serving.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as http:

            def rounds(count: int) -> Counter[str]:
                for _ in range(count):
                    seen = round_of_work(http)
                    assert max(seen) < 500, seen
                return census()

            early = rounds(4)
            late = rounds(24)
    finally:
        server.should_exit = True
        serving.join()
    assert early["Function"] >= 1  # the census sees what there is
    for name, count in late.items():
        assert count <= early[name] + 2, f"{name}: {early[name]} after 4 rounds, {count} after 28"
