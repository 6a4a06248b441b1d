"""Every limit, really passed on a live server: each answers as documented, names itself, its value and what was asked, and changes nothing.

Limits of connections are passed in test_connections.py, those of tenants in test_isolation.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import KINDS
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

LOW = {
    "answer_bytes": 50_000, "batch_cost": 4_000_000, "batch_steps": 40, "function_source_bytes": 3_000, "functions": 3,
    "functions_bytes": 40_000, "json_depth": 12, "json_members": 3_000, "request_bytes": 100_000, "request_cost": 2_000_000,
    "scopes": 4, "script_data_bytes": 200_000, "script_depth": 20, "script_output_bytes": 500,
    "script_source_bytes": 2_000, "script_steps": 5_000, "session_bytes": 200_000, "session_nodes": 100, "session_tensors": 60,
    "step_outputs": 10, "tensor_bytes": 30_000, "tensor_dims": 6, "tensor_elements": 5_000,
}  # fmt: skip
CODE = "def f(x):\n    return x * {}\n"
Ask = Callable[[httpx.Client, str], httpx.Response]


@contextmanager
def running(**settings: Any) -> Iterator[httpx.Client]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(port, **{name: str(value) for name, value in settings.items()})
    try:
        wait_until_healthy(url, process)
        with httpx.Client(base_url=url, timeout=60) as http:
            yield http
        stop(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def low() -> Iterator[httpx.Client]:
    with running(**LOW, sessions=100) as http:
        yield http


@pytest.fixture
def session(low: httpx.Client) -> Iterator[str]:
    address = f"/v1/sessions/{low.post('/v1/sessions').json()['session_id']}"
    low.post(
        f"{address}/tensors", json={"id": "x", "op": "ones", "args": [[11]], "requires_grad": True}
    ).raise_for_status()
    yield address
    low.delete(address)


def ops(op: str, *args: Any, **kwargs: Any) -> Ask:
    return lambda http, s: http.post(f"{s}/ops/{op}", json={"args": list(args), "kwargs": kwargs, "id": "new"})


def batch(*steps: dict[str, Any], returned: list[str] | None = None) -> Ask:
    return lambda http, s: http.post(f"{s}/batch", json={"steps": list(steps), "return": returned or []})


def script(code: str) -> Ask:
    return lambda http, s: http.post(f"{s}/run", json={"code": f"new = 1\n{code}"})


def evaluated(**body: Any) -> Ask:
    return lambda http, s: http.post("/v1/evaluate", json=body)


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


def four_functions(http: httpx.Client, _: str) -> httpx.Response:
    answers = [http.put(f"/v1/functions/g{i}", json={"code": CODE.format(i)}) for i in range(4)]
    for i in range(4):
        http.delete(f"/v1/functions/g{i}")
    return next(a for a in answers if a.status_code >= 400)


def big_functions(http: httpx.Client, _: str) -> httpx.Response:
    code = CODE.format(2) + "# " + "x" * 2_000
    constants = {"c": {"dtype": "float64", "shape": [3_000], "data": [0.5] * 3_000}}
    answers = [http.put(f"/v1/functions/h{i}", json={"code": code, "constants": constants}) for i in range(3)]
    for i in range(3):
        http.delete(f"/v1/functions/h{i}")
    return next(a for a in answers if a.status_code >= 400)


OVER: dict[str, Ask] = {
    "answer_bytes": batch(
        {"op": "mul", "args": ["x", 1], "id": "new"}, {"op": "rand", "args": [1000], "id": "r"}, returned=["r"] * 20
    ),
    "batch_cost": batch(
        {"op": "ones", "args": [[60, 60]], "id": "new"}, *[{"op": "mm", "args": ["new", "new"], "id": None}] * 12
    ),
    "batch_steps": batch(*[{"op": "mul", "args": ["x", 1], "id": "new"}] * 41),
    "function_source_bytes": lambda http, s: http.put("/v1/functions/g", json={"code": CODE.format(1) + "#" * 3_000}),
    "functions": four_functions,
    "functions_bytes": big_functions,
    "request_cost": lambda http, s: (
        http.post(f"{s}/ops/ones", json={"args": [[50, 50]], "id": "m"}),
        ops("linalg.svd", "m")(http, s),
    )[1],
    "scopes": batch(*[{"op": "enter", "args": ["no_grad"]}] * 5),
    "script_data_bytes": script("a = 'x' * 1000\nb = []\nfor i in range(500):\n    b.append(a + str(i))"),
    "script_source_bytes": script("#" * 2_000),
    "script_steps": script("while True:\n    pass"),
    "session_bytes": batch(*[{"op": "ones", "args": [3_000], "id": f"n{i}"} for i in range(30)]),
    "session_nodes": batch(*[{"op": "mul", "args": ["x", 1], "id": "x"}] * 39, *[]),
    "session_tensors": lambda http, s: [
        http.post(f"{s}/batch", json={"steps": [{"op": "ones", "args": [1], "id": f"n{k}_{i}"} for i in range(39)]})
        for k in range(2)
    ][-1],
    "step_outputs": ops("unbind", "x"),
    "tensor_bytes": ops("ones", [4_000], dtype="float64"),
    "tensor_dims": ops("ones", [1] * 7),
    "tensor_elements": ops("ones", [5_001], dtype="int8"),
}
"""What passes each limit that answers 422 and names itself."""


@pytest.mark.parametrize("name", OVER)
def test_over_a_limit_it_is_named_and_nothing_is_changed(low: httpx.Client, session: str, name: str) -> None:
    if name == "session_nodes":  # as many as fit, and some more
        for _ in range(2):
            OVER[name](low, session).raise_for_status()
    found = OVER[name](low, session)
    problem = found.json()
    assert (found.status_code, problem["type"]) == (422, "/errors/limit-exceeded"), problem
    assert (problem["limit"], problem["value"]) == (name, LOW[name]), problem
    assert problem["asked"] > LOW[name]
    assert problem["unit"]
    assert name in problem["detail"]
    assert found.headers["content-type"] == "application/problem+json"
    assert len(found.content) < 4_096
    assert low.get(f"{session}/tensors/new").status_code == 404
    assert low.get("/guide/settings").text.count(f'id="{name}"') == 1


def test_a_body_that_is_too_long_too_deep_or_of_too_many_members(low: httpx.Client, session: str) -> None:
    long = low.post(
        f"{session}/tensors", content=b"[" + b"1," * 60_000 + b"1]", headers={"content-type": "application/json"}
    )
    assert (long.status_code, long.json()["limit"], long.json()["value"]) == (
        413,
        "request_bytes",
        LOW["request_bytes"],
    )
    assert long.headers["connection"] == "close"
    deep = low.post(f"{session}/tensors", json={"data": nested(12)})
    assert (deep.status_code, "json_depth" in deep.text) == (400, True)
    many = low.post(f"{session}/tensors", json={f"k{i}": 1 for i in range(3_001)})
    assert (many.status_code, "json_members" in many.text) == (400, True)


def test_what_is_printed_is_cut_and_a_call_too_deep_is_a_recursion_error(low: httpx.Client, session: str) -> None:
    printed = low.post(f"{session}/run", json={"code": "for i in range(200):\n    print('0123456789')"}).json()
    assert printed["truncated"] is True
    assert len(printed["stdout"]) == LOW["script_output_bytes"]
    deep = low.post(f"{session}/run", json={"code": "def f(n):\n    return f(n + 1)\nf(0)"})
    assert (deep.status_code, "maximum recursion depth exceeded" in deep.text) == (422, True)
    caught = "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return n\nprint(f(1))"
    assert low.post(f"{session}/run", json={"code": caught}).json()["stdout"] == f"{LOW['script_depth']}\n"


def test_as_many_versions_of_a_function_are_kept_as_the_setting_says() -> None:
    with running(function_versions=2) as http:
        versions = [http.put("/v1/functions/f", json={"code": CODE.format(i)}).json()["version"] for i in range(4)]
        assert http.get("/v1/functions/f").json()["versions"] == versions[:1:-1]
        assert http.get(f"/v1/functions/f@{versions[0]}").status_code == 404


def test_sessions_memory_queues_and_time() -> None:
    slow = {"code": "for i in range(10000000):\n    sorted([3, 1, 2])"}
    with running(
        sessions=3,
        total_bytes=1_000_000,
        queue_places=2,
        queue_seconds=1,
        request_seconds=2,
        most_request_seconds=3,
        script_seconds=9,
        script_steps=10**9,
    ) as http:
        opened = [http.post("/v1/sessions") for _ in range(4)]
        assert [o.status_code for o in opened] == [201] * 3 + [429]
        assert (opened[3].json()["limit"], opened[3].json()["value"]) == ("sessions", 3)
        assert opened[3].headers["retry-after"]
        one, two, _ = (f"/v1/sessions/{o.json()['session_id']}" for o in opened[:3])
        fills = [http.post(f"{s}/tensors", json={"op": "ones", "args": [150_000]}) for s in (one, two)]
        assert [f.status_code for f in fills] == [201, 503]
        assert fills[1].json()["limit"] == "total_bytes"
        assert fills[1].headers["retry-after"]

        done: list[httpx.Response] = []
        script_runs = threading.Thread(
            target=lambda: done.append(httpx.post(f"{http.base_url}{one}/run", json=slow, timeout=60))
        )
        script_runs.start()
        while not _busy(http, one):
            assert script_runs.is_alive(), done
        with ThreadPoolExecutor(6) as clients:
            waiting = list(clients.map(lambda _: httpx.get(f"{http.base_url}{one}/tensors", timeout=60), range(6)))
        codes = sorted(w.status_code for w in waiting)
        assert codes == [429] * 4 + [503] * 2, codes
        assert {w.json()["type"] for w in waiting} == {"/errors/queue-full", "/errors/overloaded"}
        assert {w.json().get("limit") for w in waiting if w.status_code == 429} == {"queue_places"}
        assert all(int(w.headers["retry-after"]) >= 1 for w in waiting)
        script_runs.join()
        assert (done[0].status_code, done[0].json()["type"]) == (503, "/errors/deadline"), done[0].text
        late = http.post(f"{two}/run", json=slow, headers={"Request-Timeout": "0.2"})
        assert (late.status_code, late.headers["retry-after"]) == (503, "1")


def _busy(http: httpx.Client, session: str) -> bool:
    """Whether something runs in the session: a short look at it is not answered."""
    return httpx.get(f"{http.base_url}{session}/scopes", headers={"Request-Timeout": "0.05"}).status_code == 503


def test_a_script_that_goes_on_too_long() -> None:
    with running(script_seconds=1) as http:
        session = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
        found = http.post(f"{session}/run", json={"code": "new = 1\nfor i in range(900000):\n    sorted([3, 1, 2])"})
        assert (found.status_code, found.json()["limit"], found.json()["value"]) == (422, "script_seconds", 1), (
            found.text
        )
        assert http.get(f"{session}/tensors/new").status_code == 404


def test_a_disk_without_room_and_too_many_stored_sessions(tmp_path: Path) -> None:
    with running(data_dir=tmp_path / "full", disk_reserve=2**60) as http:
        refused = http.post("/v1/sessions")
        assert (refused.status_code, refused.json()["type"]) == (503, "/errors/read-only")
        assert http.get("/v1/sessions").status_code == 200
    with running(data_dir=tmp_path / "some", stored_sessions=2) as http:
        assert [http.post("/v1/sessions").status_code for _ in range(3)] == [201, 201, 429]


ELSEWHERE = {
    "auth_failures", "body_rate", "body_seconds", "connections", "header_bytes", "header_seconds", "keep_alive", "linger", "session_ttl",
    "shutdown", "snapshot_records", "stored_ttl", "sync_interval", "tenant_bytes", "tenant_sessions", "tenant_work_places", "url_bytes",
    "work_places",
}  # fmt: skip
"""Passed in test_connections, test_isolation, test_auth, test_drain, test_manager, test_durable_sessions and test_off_the_loop."""
NO_LIMITS = {"port", "script_threads", "threads", "disk_reserve"}
HERE = {
    *LOW, "function_versions", "most_request_seconds", "queue_places", "queue_seconds", "request_seconds", "script_seconds", "sessions",
    "stored_sessions",
    "total_bytes",
}  # fmt: skip


def test_every_number_among_the_settings_is_passed_somewhere() -> None:
    assert {name for name, kind in KINDS.items() if kind in (int, float)} == HERE | ELSEWHERE | NO_LIMITS
