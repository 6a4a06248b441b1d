"""What is asked for is what is done: unknown or repeated parameters, unreadable steps and conflicting words are refused by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest


def opened(http: httpx.Client) -> str:
    return f"/v1/sessions/{http.post('/v1/sessions').raise_for_status().json()['session_id']}"


@pytest.fixture
def session(http: httpx.Client) -> str:
    return opened(http)


@pytest.mark.parametrize(
    ("method", "path", "body", "argument"),
    [
        ("GET", "/graph?rot=x", None, "query"),
        ("GET", "/graph?format=json&format=svg", None, "format"),
        ("GET", "/tensors/x?foo=1", None, "query"),
        ("GET", "/tensors/x?data=never&data=always", None, "data"),
        ("POST", "/ops/mul?foo", {"args": ["x", 2]}, "query"),
        ("DELETE", "/tensors/x?force=true", None, "query"),
    ],
)
def test_a_query_that_the_address_does_not_take(
    http: httpx.Client, session: str, method: str, path: str, body: Any, argument: str
) -> None:
    http.post(f"{session}/tensors", json={"data": [1.0], "id": "x"}).raise_for_status()
    answer = http.request(method, session + path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["argument"] == argument
    assert http.get(f"{session}/tensors/x").status_code == 200


def test_a_root_may_be_given_again(http: httpx.Client, session: str) -> None:
    for name in ("x", "y"):
        http.post(f"{session}/tensors", json={"data": [1.0], "id": name, "requires_grad": True}).raise_for_status()
    assert len(http.get(f"{session}/graph?root=x&root=y").json()["nodes"]) == 2


@pytest.mark.parametrize(
    "bad", [[1, None], [[1], [1, 2]], {"dtype": "q", "data": 1}, {"dtype": "float32", "base64": "!"}, ["a"]]
)
@pytest.mark.parametrize("dry", [False, True])
def test_the_step_that_cannot_be_read_is_named(http: httpx.Client, session: str, bad: Any, dry: bool) -> None:
    steps = [{"op": "ones", "args": [1], "id": "x"}, {"op": "add", "args": ["x", bad]}]
    answer = http.post(f"{session}/batch", json={"steps": steps, "dry_run": dry})
    assert answer.status_code == 422, answer.text
    assert answer.json()["step"] == 1


def test_a_dry_run_looks_at_what_is_to_be_returned(http: httpx.Client, session: str) -> None:
    steps = [{"op": "ones", "args": [2], "id": "x"}]
    good = http.post(f"{session}/batch", json={"steps": steps, "return": ["x", "x[0]"], "dry_run": True})
    assert good.status_code == 200, good.text
    bad = http.post(f"{session}/batch", json={"steps": steps, "return": ["zzz"], "dry_run": True})
    assert bad.status_code == 422, bad.text


def test_a_dry_walk_through_a_graph_that_is_there_costs(http: httpx.Client, session: str) -> None:
    steps = [
        {"op": "ones", "args": [50, 50], "kwargs": {"requires_grad": True}, "id": "x"},
        {"op": "matmul", "args": ["x", "x"], "id": "y"},
        {"op": "sum", "args": ["y"], "id": "s"},
    ]
    http.post(f"{session}/batch", json={"steps": steps}).raise_for_status()
    walk = {"steps": [{"op": "backward", "args": ["s"]}], "dry_run": True}
    found = http.post(f"{session}/batch", json=walk).json()["estimate"]
    assert found["cost"] > 50**3
    assert found["bytes"] > 50 * 50 * 4


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float", "float32"), ("torch.double", "float64"), ("half", "float16"), ("int", "int32"), ("long", "int64"),
        ("short", "int16"), ("cfloat", "complex64"), ("torch.cdouble", "complex128"), ("torch.bool", "bool"),
    ],
)  # fmt: skip
def test_dtypes_have_their_other_names(http: httpx.Client, session: str, name: str, dtype: str) -> None:
    data: Any = {"bool": [True], "complex64": [[1, 0]], "complex128": [[1, 0]]}.get(dtype, [1])
    assert http.post(f"{session}/tensors", json={"data": data, "dtype": name}).json()["dtype"] == dtype
    made = http.post(f"{session}/ops/ones", json={"args": [2], "kwargs": {"dtype": name}, "id": "t"})
    assert made.status_code == 200, made.text
    assert http.get(f"{session}/tensors/t").json()["dtype"] == dtype


def test_a_drawn_seed_is_a_number_that_every_client_can_hold(http: httpx.Client) -> None:
    for _ in range(20):
        assert http.get(opened(http)).json()["seed"] < 2**53


def test_a_port_that_is_none_is_said_in_one_line() -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "70000"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "65535" in ended.stderr
