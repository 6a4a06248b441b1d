"""The memory of a served process stays within what its sessions may hold, however often a name is bound anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

AGAIN = {"args": [2000, 2000], "id": "t"}  # 16 MB
TIMES = 60  # nearly a gigabyte
MOST = 450_000  # kB: a session's 256 MiB, and what the process itself has grown by


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[httpx.Client, Path]]:
    port = free_port()
    process = start(port)
    url = f"http://127.0.0.1:{port}"
    status = Path(f"/proc/{process.pid}/status")
    try:
        wait_until_healthy(url, process)
        if not status.exists():
            pytest.skip("needs /proc, to see how much memory a process has used")
        with httpx.Client(base_url=url, timeout=60) as client:
            session = client.post("/v1/sessions").json()["session_id"]
            client.base_url = httpx.URL(f"{url}/v1/sessions/{session}/")
            yield client, status
    finally:
        if process.poll() is None:
            stop(process)


def most(status: Path) -> int:
    """The most memory that a process has had, in kB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_requests_that_bind_a_name_anew(served: tuple[httpx.Client, Path]) -> None:
    client, status = served
    before = most(status)
    for _ in range(TIMES):
        assert client.post("ops/ones?data=never", json=AGAIN).status_code == 200
    assert most(status) - before < MOST / 2


def test_a_batch_that_binds_a_name_anew(served: tuple[httpx.Client, Path]) -> None:
    client, status = served
    before = most(status)
    answer = client.post(
        "batch?data=never", json={"steps": [{"op": "ones", **AGAIN}] * TIMES}, headers={"Request-Timeout": "60"}
    )
    assert answer.status_code == 200
    assert most(status) - before < MOST
