"""A sync that fails: the request is answered 503 and undone, and whether the disk kept it after all nobody knows until the next start.

So a client asks again with its Idempotency-Key: then it is done once, whichever it was.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.journal import directory
from service.journal.sqlite import SQLiteJournal
from service.settings import Settings


class Connection:
    """A store's connection whose next commit is reported as failed; ``kept``: although the disk has it."""

    def __init__(self, real: sqlite3.Connection, *, kept: bool) -> None:
        self.real = real
        self.kept = kept

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement != "COMMIT":
            return self.real.execute(statement, *arguments)
        self.real.execute("COMMIT" if self.kept else "ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def commit_that_is_kept(journal: SQLiteJournal, _: pytest.MonkeyPatch) -> None:
    journal._connection = Connection(journal._connection, kept=True)  # type: ignore[assignment]


def commit_that_is_lost(journal: SQLiteJournal, _: pytest.MonkeyPatch) -> None:
    journal._connection = Connection(journal._connection, kept=False)  # type: ignore[assignment]


def head_that_is_not_synced(_: SQLiteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(directory, "sync_file", fail)


FAULTS: dict[str, tuple[Callable[[SQLiteJournal, pytest.MonkeyPatch], None], bool]] = {
    "commit that is kept": (commit_that_is_kept, True),
    "commit that is lost": (commit_that_is_lost, False),
    "head that is not synced": (head_that_is_not_synced, True),
}
KEY = {"Idempotency-Key": "once"}


def asked(app: Any, work: Callable[[httpx.AsyncClient], Any]) -> Any:
    async def scenario() -> Any:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
        ):
            return await work(http)

    return asyncio.run(scenario())


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_answered_503_is_done_once_when_asked_again_after_the_next_start(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, kept = FAULTS[fault]
    settings = Settings(data_dir=str(tmp_path))
    journal = SQLiteJournal(tmp_path, durability="always", interval=1.0, reserve=0)
    body = {"args": ["x", 1]}

    async def first(http: httpx.AsyncClient) -> str:
        session: str = "/v1/sessions/" + (await http.post("/v1/sessions")).json()["session_id"]
        await http.post(f"{session}/tensors", json={"id": "x", "data": [1.0, 2.0]})
        broken(journal, monkeypatch)
        refused = await http.post(f"{session}/ops/add_", json=body, headers=KEY)
        assert (refused.status_code, refused.json()["type"]) == (503, "/errors/read-only")
        assert refused.headers["retry-after"]
        again = await http.post(f"{session}/ops/add_", json=body, headers=KEY)
        assert again.status_code == 503  # read-only until the next start
        seen = (await http.get(f"{session}/tensors/x")).json()
        assert (seen["data"], seen["version"]) == ([1.0, 2.0], 0)  # undone, and reads go on
        assert (await http.get("/metrics")).text.count("gradwire_read_only 1.0") == 1
        return session

    session: str = asked(create_app(settings, journal), first)
    monkeypatch.undo()

    async def second(http: httpx.AsyncClient) -> None:
        before = (await http.get(f"{session}/tensors/x")).json()["data"]
        assert before == ([2.0, 3.0] if kept else [1.0, 2.0])
        answers = [await http.post(f"{session}/ops/add_", json=body, headers=KEY) for _ in range(2)]
        assert [a.status_code for a in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        seen = (await http.get(f"{session}/tensors/x")).json()
        assert (seen["data"], seen["version"]) == ([2.0, 3.0], 1)

    asked(create_app(settings), second)
