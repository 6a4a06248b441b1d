"""Connections of clients that are slow, endless, many or gone, over raw sockets: each hears what the limit is, and nobody else suffers."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

CONNECTIONS = 20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    found = free_port()
    limits = {
        "header_seconds": "0.6",
        "body_seconds": "0.6",
        "connections": str(CONNECTIONS),
        "request_bytes": "2000000",
        "script_steps": "1000000000",
    }
    process = start(found, **limits)
    try:
        wait_until_healthy(f"http://127.0.0.1:{found}", process)
        yield found
    finally:
        if process.poll() is None:
            stop(process)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def everything(connection: socket.socket) -> bytes:
    """All until the server closes; a reset is an error."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def problem(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer[:500]
    assert b"connection: close" in head.lower()
    assert b"x-request-id: " in head.lower()
    status = int(head.split()[1])
    found: dict[str, Any] = json.loads(body)
    assert found["status"] == status
    return status, found


HEAD = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"GET /v1/ops?" + b"a" * 8_200 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "url_bytes"),
        (b"GET /v1/ops HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 17_000 + b"\r\n\r\n", 431, "header_bytes"),
        (b"GET /v1/ops HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: a\r\n" * 3_000 + b"\r\n", 431, "header_bytes"),
        (b"GET /v1/ops HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 40_000, 431, "header_bytes"),
        (b"GET /v1/ops?" + b"a" * 40_000, 431, "header_bytes"),
        (b"nothing like HTTP\r\n\r\n", 400, ""),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400, ""),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, ""),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, ""),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400, ""),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 415, ""),
        (HEAD + b"Content-Length: 9000000\r\n\r\n" + b" " * 3_000_000, 413, "request_bytes"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 40,
            413,
            "request_bytes",
        ),
    ],
)
def test_what_is_too_much_or_no_http(port: int, sent: bytes, status: int, says: str) -> None:
    with connected(port) as connection:
        sender = threading.Thread(target=lambda: connection.sendall(sent))
        sender.start()
        found, members = problem(everything(connection))
        sender.join()
    assert found == status
    assert members.get("limit", "") == says
    if says:
        assert members.get("asked", members["value"] + 1) > members["value"]
        assert "asked" in members or b"chunked" in sent


def test_a_head_that_trickles(port: int) -> None:
    with connected(port) as connection:
        for byte in b"GET /healthz HT":
            connection.sendall(bytes([byte]))
            time.sleep(0.01)
        assert problem(everything(connection))[0] == 408


def test_a_body_that_trickles(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        assert problem(everything(connection))[0] == 408


def test_who_says_nothing_is_let_go(port: int) -> None:
    with connected(port) as connection:
        assert everything(connection) == b""


def test_a_request_that_pauses_between_head_and_body_is_answered(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(b"{}")
        assert everything(connection).startswith(b"HTTP/1.1 201 ")


def test_many_requests_at_once_on_one_connection(port: int) -> None:
    one = b"GET /v1/ops/mul HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(one * 30 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert everything(connection).count(b"HTTP/1.1 200 ") == 31


def test_connections_are_counted_and_health_is_answered_all_the_same(port: int) -> None:
    """Whoever was connected before there were too many is answered, too."""
    with ExitStack() as stack:
        before = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20))
        assert before.get("/v1/ops/mul").status_code == 200
        for _ in range(CONNECTIONS):
            stack.enter_context(connected(port)).sendall(b"GET /")
        one_more = stack.enter_context(connected(port))
        one_more.sendall(b"GET /v1/ops/mul HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, members = problem(everything(one_more))
        assert (status, members["type"]) == (503, "/errors/too-many-connections")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20).status_code == 200
        assert before.get("/v1/ops/mul").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{port}/v1/ops/mul", timeout=20).status_code == 200


def test_who_leaves_before_its_turn_is_dropped(port: int) -> None:
    """A script holds the session; a request that waits behind it leaves; what it asked for is never done."""

    def dropped(http: httpx.Client) -> bool:
        """Whether the service has counted a request for a tensor as one whose client left."""
        return bool(re.search(r'route="/v1/sessions/{session_id}/tensors",status="499"', http.get("/metrics").text))

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        session = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
        holding = threading.Thread(target=lambda: http.post(f"{session}/run", json={"code": "while True: pass"}))
        holding.start()
        while http.get(session, headers={"Request-Timeout": "0.05"}).status_code == 200:
            time.sleep(0.01)  # until the script has the session
        body = json.dumps({"id": "x", "data": [1.0]}).encode()
        with connected(port) as connection:
            connection.sendall(
                b"POST %s/tensors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (session.encode(), len(body), body)
            )
            time.sleep(0.3)  # until it waits; had it not, it would find the session held and wait then
        deadline = time.monotonic() + 60
        while not dropped(http) and time.monotonic() < deadline:
            time.sleep(0.02)
        while http.delete(f"{session}/run").status_code == 409 and holding.is_alive():
            time.sleep(0.01)
        holding.join()
        assert http.get(f"{session}/tensors/x").status_code == 404
