"""SIGTERM under load: readiness ends at once, every request that was accepted is answered, nothing is reset, the status is 0.

What was answered is there after a restart. ``make drain`` does it many times (DRAINS=).
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import free_port, start, wait_until_healthy
from tests.end_to_end.durable_server import served

DRAINS = int(os.environ.get("DRAINS", "2"))

STEPS = [
    {"op": "rand", "args": [120, 120], "id": "x"},
    *({"op": "matmul", "args": ["x", "x"], "id": "y"} for _ in range(5)),
]


class Load(threading.Thread):
    """A client that goes on until the server is gone; ``broken`` is what it should not have seen."""

    def __init__(self, url: str, *, anew: bool) -> None:
        super().__init__()
        self.url = url
        self.anew = anew  # a connection for each request
        self.answered: list[int] = []
        self.broken: list[str] = []

    def run(self) -> None:
        client = httpx.Client(base_url=self.url, timeout=30)
        session = client.post("/v1/sessions").json()["session_id"]
        while True:
            if self.anew:
                client.close()
                client = httpx.Client(base_url=self.url, timeout=30)
            try:
                answer = client.post(f"/v1/sessions/{session}/batch", json={"steps": STEPS, "return": []})
                self.answered.append(answer.status_code)
            except httpx.ConnectError:
                break  # nobody listens any more
            except httpx.TransportError as error:
                self.broken.append(f"after {len(self.answered)}: {type(error).__name__}: {error}")
                break
        client.close()


@pytest.mark.parametrize("turn", range(3))
def test_under_load(turn: int, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    stored = {"data_dir": str(tmp_path)} if turn % 2 else {}
    process = start(port, linger="0.7", **stored)
    wait_until_healthy(url, process)
    clients = [Load(url, anew=i % 2 == 0) for i in range(6)]
    for client in clients:
        client.start()
    watcher = httpx.Client(base_url=url, timeout=30)
    assert watcher.get("/readyz").status_code == 200
    time.sleep(0.7)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    ready = 200
    while ready == 200 and time.monotonic() < begun + 10:
        ready = watcher.get("/readyz").status_code
    assert ready == 503
    assert watcher.get("/healthz").status_code == 200  # it still serves
    watcher.close()
    for client in clients:
        client.join(timeout=30)
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
    assert [b for c in clients for b in c.broken] == []
    answered = [s for c in clients for s in c.answered]
    assert set(answered) == {200}
    assert all(c.answered for c in clients)


class Work(threading.Thread):
    """A client that keeps its connection and makes one thing after another; ``kept`` is what it was told is there, by address."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self.http = httpx.Client(base_url=url, timeout=60)
        self.number = number
        self.session = "/v1/sessions/" + self.http.post("/v1/sessions").json()["session_id"]
        self.kept: dict[str, Any] = {}
        self.kinds: dict[str, int] = {}
        self.broken: list[str] = []

    def asked(self, i: int) -> tuple[str, str, dict[str, Any], str, Any]:
        """Method, path and body; where the thing is to be seen, and as what."""
        value = float(i)
        seen = f"{self.session}/tensors/n{i}/data"
        if i % 4 == 0:
            steps = [*STEPS, {"op": "full", "args": [[2], value], "id": f"n{i}"}]
            return "POST", f"{self.session}/batch", {"steps": steps}, seen, [value, value]
        if i % 4 == 1:
            code = f"n{i} = torch.zeros(2)\nfor k in range(2000):\n    n{i} = n{i} + {value} / 2000\nn{i} = torch.full([2], {value})\n"
            return "POST", f"{self.session}/run", {"code": code}, seen, [value, value]
        if i % 4 == 2:
            name = f"f{self.number}_{i}"
            return (
                "PUT",
                f"/v1/functions/{name}",
                {"code": f"def f(x):\n    return x * {value}\n"},
                f"/v1/functions/{name}",
                name,
            )
        return "POST", f"{self.session}/tensors", {"id": f"n{i}", "data": [value, value]}, seen, [value, value]

    def run(self) -> None:
        i = 0
        while True:
            method, path, body, place, value = self.asked(i)
            try:
                answer = self.http.request(method, path, json=body)
                if i % 4 == 2:
                    self.http.post(f"{place}/value", json={"inputs": {"x": [1.0] * 500}}).raise_for_status()
            except httpx.ConnectError:
                break  # nobody listens any more
            except httpx.HTTPError as error:
                self.broken.append(f"after {i}: {type(error).__name__}: {error}")
                break
            if answer.status_code not in (200, 201):
                self.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
                break
            self.kept[place] = value
            self.kinds[path.rpartition("/")[2].partition("_")[0]] = i
            i += 1
        self.http.close()


@pytest.mark.parametrize("turn", range(DRAINS))
def test_what_was_answered_before_the_end_is_there_after_it(turn: int, tmp_path: Path) -> None:
    """Scripts, batches, tensors and functions in flight on connections that are kept; a store that is synced before each answer."""
    with served(tmp_path, linger="0.5") as (http, process):
        url = str(http.base_url).removesuffix("/v1/")
        clients = [Work(url, number) for number in range(5)]
        for client in clients:
            client.start()
        time.sleep(1 + 0.13 * (turn % 7))
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(timeout=60)
        output = process.communicate(timeout=30)[0].decode()
        assert process.returncode == 0, output
        assert "Traceback" not in output, output
    assert [b for c in clients for b in c.broken] == []
    assert {k for c in clients for k in c.kinds} >= {"batch", "run", "tensors"}
    assert any(place.startswith("/v1/functions/") for c in clients for place in c.kept)
    with served(tmp_path) as (http, _):
        for client in clients:
            for place, value in client.kept.items():
                found = http.get(place.removeprefix("/v1"))
                assert found.status_code == 200, (place, found.text)
                assert found.json().get("data", found.json().get("name")) == value


def test_a_request_that_is_half_sent_is_answered() -> None:
    port = free_port()
    process = start(port, linger="0")
    wait_until_healthy(f"http://127.0.0.1:{port}", process)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
        )
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(b"}")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 201 ")
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_second_signal_ends_it_now() -> None:
    port = free_port()
    process = start(port, linger="20")
    url = f"http://127.0.0.1:{port}"
    wait_until_healthy(url, process)
    process.send_signal(signal.SIGTERM)
    status: Any = 200
    while status == 200:
        status = httpx.get(f"{url}/readyz", timeout=20).status_code
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (0, 1)
