"""Settings of a live server: a file, the environment and the command line, whichever is nearer; pages of other origins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.auth.api_keys import KeyFile
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

LAB = "https://lab.example"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("settings") / "gradwire.toml"
    file.write_text(
        f"# a classroom\ntensor_dims = 3\nbatch_steps = 5\nscopes = 2\nqueue_seconds = 2\nlinger = 0\nport = 1\n"
        f'cors_origins = ["{LAB}", "http://localhost:3000"]\n'
    )
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--settings", str(file), "--port", str(port), "--scopes", "4"]
    environment = {**os.environ, "GRADWIRE_BATCH_STEPS": "6", "GRADWIRE_SCOPES": "3"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            stop(process)


def test_the_nearer_goes_first(url: str) -> None:
    with httpx.Client(base_url=url) as http:
        session = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
        dims = http.post(f"{session}/tensors", json={"op": "ones", "args": [[1, 1, 1, 1]]}).json()
        steps = http.post(f"{session}/batch", json={"steps": [{"op": "ones", "args": [1]}] * 7}).json()
        for _ in range(4):
            assert http.post(f"{session}/scopes", json={"mode": "no_grad"}).status_code == 201
        scopes = http.post(f"{session}/scopes", json={"mode": "no_grad"}).json()
    assert [(p["limit"], p["value"]) for p in (dims, steps, scopes)] == [
        ("tensor_dims", 3), ("batch_steps", 6), ("scopes", 4),
    ]  # fmt: skip


def test_the_variable_names_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text("json_depth = 2\n")
    port = free_port()
    process = start(port, settings=str(file))
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        deep = httpx.post(f"http://127.0.0.1:{port}/v1/evaluate", json={"inputs": {"x": [[1.0]]}})
        assert deep.status_code == 400
        assert "2 levels" in deep.json()["detail"]
    finally:
        stop(process)


def preflight(
    url: str, origin: str, method: str = "POST", headers: str = "content-type,authorization"
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx.options(f"{url}/v1/sessions", headers=asked)


def test_a_page_of_a_listed_origin_may_send_requests(url: str) -> None:
    allowed = preflight(url, LAB)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == LAB
    assert "access-control-allow-credentials" not in allowed.headers
    for header in ("Idempotency-Key", "If-Match", "Request-Timeout"):
        assert header in allowed.headers["access-control-allow-headers"]
    for method in ("DELETE", "PATCH", "PUT"):
        assert preflight(url, "http://localhost:3000", method).status_code == 200
    made = httpx.post(f"{url}/v1/sessions", headers={"Origin": LAB})
    assert (made.status_code, made.headers["access-control-allow-origin"]) == (201, LAB)
    assert "Location" in made.headers["access-control-expose-headers"]
    refused = httpx.get(f"{url}/v1/sessions/none", headers={"Origin": LAB})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, LAB)
    early = httpx.get(f"{url}/healthz", headers={"Origin": LAB, "Content-Encoding": "gzip"})
    assert (early.status_code, early.headers["access-control-allow-origin"]) == (415, LAB)


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://other.example", "POST", "content-type"),
        ("null", "POST", "content-type"),
        (f"{LAB}.evil.example", "POST", "content-type"),
        (LAB, "CONNECT", "content-type"),
        (LAB, "POST", "x-other"),
    ],
)
def test_what_is_not_listed_is_refused(url: str, origin: str, method: str, headers: str) -> None:
    refused = preflight(url, origin, method, headers)
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert ("access-control-allow-origin" in refused.headers) == (origin == LAB)
    if origin != LAB:
        plain = httpx.get(f"{url}/healthz", headers={"Origin": origin})
        assert "access-control-allow-origin" not in plain.headers


def test_without_the_setting_no_answer_speaks_of_origins(live_url: str) -> None:
    answers = (preflight(live_url, LAB), httpx.get(f"{live_url}/healthz", headers={"Origin": LAB}))
    assert not [name for a in answers for name in a.headers if name.startswith("access-control-")]


PAGES = {"docs": "/docs", "metrics": "/metrics", "playground": "/"}


@pytest.mark.parametrize("guarded", ["docs,playground", "none"])
def test_the_setting_says_which_pages_need_a_key(guarded: str, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys")
    _, text = keys.create("one")
    port = free_port()
    process = start(port, keys_file=str(keys.path), guarded=guarded, cors_origins=LAB)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        for name, path in PAGES.items():
            assert httpx.get(url + path).status_code == (401 if name in guarded.split(",") else 200), path
            assert httpx.get(url + path, headers={"Authorization": f"Bearer {text}"}).status_code == 200
        assert preflight(url, LAB).status_code == 200  # a browser sends no key with it
        without = httpx.post(f"{url}/v1/sessions", headers={"Origin": LAB})
        assert (without.status_code, without.headers["access-control-allow-origin"]) == (401, LAB)
    finally:
        stop(process)
