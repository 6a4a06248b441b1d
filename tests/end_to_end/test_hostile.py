"""Hostile input: always a 4xx problem that names the trouble, small, never echoing; and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

DEEP = b"[" * 100_000 + b"]" * 100_000
SECRET = "c2VjcmV0LXZhbHVlLTEyMzQ1"

RAW: dict[str, tuple[str, str, bytes, set[int]]] = {
    "nothing like JSON": ("POST", "/tensors", b"{", {400}),
    "two documents": ("POST", "/tensors", b"{} {}", {400}),
    "a bare NaN": ("POST", "/tensors", b'{"data": [NaN]}', {400}),
    "a bare Infinity": ("POST", "/tensors", b'{"data": -Infinity}', {400}),
    "a number past float64": ("POST", "/tensors", b'{"data": 1e400}', {400, 422}),
    "a very long integer": ("POST", "/tensors", b'{"data": ' + b"9" * 5_000 + b"}", {400, 422}),
    "nesting of 100,000": ("POST", "/tensors", b'{"data": ' + DEEP + b"}", {400}),
    "not UTF-8": ("POST", "/tensors", b'{"id": "\xff\xfe"}', {400}),
    "a lone surrogate": ("POST", "/tensors", b'{"id": "\\ud800"}', {400, 422}),
    "a key twice": ("POST", "/tensors", b'{"data": 1, "data": 2}', {400}),
    "a list for a body": ("POST", "/tensors", b"[]", {422}),
    "a string for a body": ("POST", "/batch", b'"steps"', {422}),
}

BODIES: dict[str, tuple[str, str, Any, set[int]]] = {
    "an unknown field": ("POST", "/tensors", {"data": 1, "requires_gard": True}, {422}),
    "neither data nor op": ("POST", "/tensors", {}, {422}),
    "both data and op": ("POST", "/tensors", {"data": 1, "op": "ones"}, {422}),
    "a ragged list": ("POST", "/tensors", {"data": [[1, 2], [3]]}, {422}),
    "an object in data": ("POST", "/tensors", {"data": [{"a": 1}]}, {422}),
    "a string in data": ("POST", "/tensors", {"data": [SECRET]}, {422}),
    "null in data": ("POST", "/tensors", {"data": [None]}, {422}),
    "a fraction for an integer": ("POST", "/tensors", {"data": [1.5], "dtype": "int64"}, {422}),
    "a number for true": ("POST", "/tensors", {"data": 1.0, "requires_grad": 1}, {422}),
    "a string for true": ("POST", "/tensors", {"data": 1.0, "requires_grad": "true"}, {422}),
    "an integer that requires grad": (
        "POST",
        "/tensors",
        {"data": [1], "dtype": "int64", "requires_grad": True},
        {422},
    ),
    "a dtype of NumPy's": ("POST", "/tensors", {"data": [1], "dtype": "object"}, {422}),
    "a keyword as id": ("POST", "/tensors", {"data": 1, "id": "lambda"}, {422}),
    "a path as id": ("POST", "/tensors", {"data": 1, "id": "../../etc/passwd"}, {422}),
    "a dunder operator": ("POST", "/ops/__class__", {"args": ["x"]}, {404}),
    "an internal row": ("POST", "/ops/_as_strided_chain", {"args": ["x", []]}, {404}),
    "an operator that writes files": ("POST", "/ops/save", {"args": ["x", "f"]}, {404}),
    "too few arguments": ("POST", "/ops/add", {"args": ["x"]}, {422}),
    "too many arguments": ("POST", "/ops/exp", {"args": ["x", 1, 2]}, {422}),
    "an unknown keyword": ("POST", "/ops/add", {"args": ["x", 1], "kwargs": {"beta": 2}}, {422}),
    "args that are no list": ("POST", "/ops/add", {"args": "x"}, {422}),
    "an unknown id": ("POST", "/ops/add", {"args": ["x", "nobody"]}, {422}),
    "an index out of range": ("POST", "/ops/exp", {"args": ["x[7]"]}, {422}),
    "an index that is code": ("POST", "/ops/exp", {"args": ["x[__import__('os')]"]}, {422}),
    "an index that is not closed": ("POST", "/ops/exp", {"args": ["x[0"]}, {422}),
    "an index of many brackets": ("POST", "/ops/exp", {"args": ["x" + "[" * 900]}, {422}),
    "an attribute of Python's": ("POST", "/ops/exp", {"args": ["x.__class__"]}, {422}),
    "shapes that do not fit": ("POST", "/ops/add", {"args": ["x", [1, 2, 3]]}, {422}),
    "a dim out of range": ("POST", "/ops/sum", {"args": ["x", 5]}, {422}),
    "a negative size": ("POST", "/ops/zeros", {"args": [[-1]]}, {422}),
    "a tensor too large": ("POST", "/ops/ones", {"args": [[1_000_000, 1_000_000]]}, {422}),
    "sizes past 64 bits": ("POST", "/ops/ones", {"args": [[2**62, 2**62]]}, {422}),
    "an empty tensor with huge dims": ("POST", "/ops/zeros", {"args": [[0, 2**62]]}, {422}),
    "a stretched view": ("POST", "/ops/expand", {"args": ["x", [10**9, 2, 2]]}, {422}),
    "repeats without end": ("POST", "/ops/repeat", {"args": ["x", [2**40, 2**40]]}, {422}),
    "an endless range": ("POST", "/ops/arange", {"args": [0, 10**12]}, {422}),
    "a range without a step": ("POST", "/ops/arange", {"args": [0, 10, 0]}, {422}),
    "too much arithmetic": (
        "POST",
        "/batch",
        {
            "steps": [
                {"op": "rand", "args": [[2000, 2000]], "id": "a"},
                *[{"op": "matmul", "args": ["a", "a"], "id": "a"}] * 8,
            ]
        },
        {422},
    ),
    "a graph of nothing": ("GET", "/graph?root=nobody", None, {422}),
    "a format nobody has": ("GET", "/graph?format=exe", None, {422}),
    "no steps": ("POST", "/batch", {"steps": []}, {422}),
    "too many steps": ("POST", "/batch", {"steps": [{"op": "add", "args": ["x", 1], "id": None}] * 2_001}, {422}),
    "a step that is no object": ("POST", "/batch", {"steps": [1]}, {422}),
    "a step without op": ("POST", "/batch", {"steps": [{"args": []}]}, {422}),
    "a step that fails": (
        "POST",
        "/batch",
        {"steps": [{"op": "mul", "args": ["x", 2], "id": "x"}, {"op": "add", "args": ["x", "nobody"]}]},
        {422},
    ),
    "an unknown mode": ("POST", "/scopes", {"mode": "yes_grad"}, {422}),
    "a scope that is not there": ("DELETE", "/scopes/s9", None, {404, 409}),
    "a tensor that is not there": ("GET", "/tensors/nobody", None, {404}),
    "no gradient to start from": ("POST", "/tensors/x/backward", {}, {422}),
    "a gradient of another shape": ("POST", "/tensors/x/backward", {"gradient": [1.0]}, {422}),
    "a cursor that is no number": ("GET", "/tensors?cursor=first", None, {422}),
    "a limit past the most": ("GET", "/tensors?limit=100000", None, {422}),
    "an in-place write to a leaf": ("POST", "/ops/add_", {"args": ["x", 1]}, {422}),
    "an id for what binds nothing": ("POST", "/ops/add_", {"args": ["n", 1], "id": "m"}, {422}),
    "two ids for one output": ("POST", "/ops/add", {"args": ["x", 1], "id": ["p", "q"]}, {422}),
    "base64 that is none": ("POST", "/tensors", {"base64": "***", "dtype": "float32", "shape": [1]}, {422}),
    "base64 of another length": ("POST", "/tensors", {"base64": "AACAPw==", "dtype": "float32", "shape": [2]}, {422}),
}


@pytest.fixture
def session(http: httpx.Client) -> str:
    path = f"/v1/sessions/{http.post('/v1/sessions', json={'seed': 1}).json()['session_id']}"
    steps = [
        {"op": "ones", "args": [[2, 2]], "kwargs": {"requires_grad": True}, "id": "x"},
        {"op": "zeros", "args": [2], "id": "n"},
    ]
    assert http.post(f"{path}/batch", json={"steps": steps}).status_code == 200
    return path


def state(http: httpx.Client, path: str) -> Any:
    described = http.get(path).json()
    return (
        http.get(f"{path}/tensors").json(),
        http.get(f"{path}/scopes").json(),
        described["nodes"],
        described["tensors"],
    )


def assert_problem(answer: httpx.Response, statuses: set[int]) -> None:
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) <= 4096
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    assert body["type"].startswith("/errors/")
    assert SECRET not in answer.text


@pytest.mark.parametrize("name", list(RAW))
def test_raw_bodies(http: httpx.Client, session: str, name: str) -> None:
    method, path, body, statuses = RAW[name]
    before = state(http, session)
    answer = http.request(method, session + path, content=body, headers={"content-type": "application/json"})
    assert_problem(answer, statuses)
    assert state(http, session) == before


@pytest.mark.parametrize("name", list(BODIES))
def test_bodies(http: httpx.Client, session: str, name: str) -> None:
    method, path, body, statuses = BODIES[name]
    before = state(http, session)
    content = None if body is None else json.dumps(body).encode()
    answer = http.request(method, session + path, content=content, headers={"content-type": "application/json"})
    assert_problem(answer, statuses)
    assert state(http, session) == before


def test_what_is_no_name_is_not_repeated_and_digits_end(http: httpx.Client, session: str) -> None:
    odd = http.post(f"{session}/ops/add", json={"args": ["x", 1], "kwargs": {"QX<script>": 1}})
    assert (odd.status_code, odd.json()["argument"]) == (422, "kwargs")
    assert "QX" not in odd.text
    known = http.post(f"{session}/ops/add", json={"args": ["x", 1], "kwargs": {"beta": 1}})
    assert (known.status_code, known.json()["argument"]) == (422, "beta")
    endless = http.post(f"{session}/ops/arange", json={"args": [1e300]})
    assert (endless.status_code, endless.json()["limit"]) == (422, "tensor_elements")
    assert "over 10**18 elements asked" in endless.json()["detail"]
    assert len(endless.json()["detail"]) < 200


def test_the_page_of_each_problem_is_there(http: httpx.Client, session: str) -> None:
    for method, path, body, _ in list(BODIES.values())[:30]:
        kind = http.request(method, session + path, json=body).json()["type"]
        page = http.get(kind)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith(("text/html", "application/json"))


def test_a_body_over_the_limit(http: httpx.Client, session: str) -> None:
    answer = http.post(f"{session}/tensors", content=b" " * (33 * 2**20), headers={"content-type": "application/json"})
    assert_problem(answer, {413})


def test_other_content(http: httpx.Client, session: str) -> None:
    assert_problem(http.post(f"{session}/tensors", content=b"<x/>", headers={"content-type": "application/xml"}), {415})
    gzipped = http.post(
        f"{session}/tensors",
        content=b"\x1f\x8b",
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )
    assert_problem(gzipped, {415})


def test_methods_that_are_not_there(http: httpx.Client, session: str) -> None:
    answer = http.put(f"{session}/tensors/x", json={})
    assert_problem(answer, {405})
    allowed = {m.strip() for m in answer.headers["allow"].split(",")}
    assert {"GET", "PATCH", "DELETE"} <= allowed


def test_an_unknown_session_is_not_found(http: httpx.Client) -> None:
    for path in ("", "/tensors", "/scopes", "/graph"):
        assert_problem(http.get(f"/v1/sessions/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA{path}"), {404})


def test_head_is_get_without_the_body(http: httpx.Client, session: str) -> None:
    for path in ("/healthz", "/", "/v1/ops/mul", f"{session}/tensors/x", "/errors/limit-exceeded"):
        got, asked = http.get(path), http.head(path)
        assert (asked.status_code, asked.content) == (200, b""), path
        for name in ("content-type", "content-length"):
            assert asked.headers[name] == got.headers[name]
    assert http.head(f"{session}/batch").status_code == 405
    assert http.head("/v1/sessions/none").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "argument"),
    [
        ("POST", "/ops/add", {"args": ["x", SECRET]}, "other"),
        ("POST", "/ops/exp", {"args": [f"x[{SECRET}]"]}, "input"),
        ("POST", "/ops/cat", {"args": [["x", f"{SECRET}.grad"]]}, "tensors"),
        ("POST", "/batch", {"steps": [{"op": "exp", "args": ["x"]}], "return": [SECRET]}, "return"),
        ("POST", "/batch", {"steps": [{"op": "exp", "args": [SECRET]}], "dry_run": True}, "input"),
        ("GET", f"/graph?root={SECRET}", None, "root"),
        ("GET", f"/graph?root={SECRET}.grad", None, "root"),
    ],
)
def test_an_unknown_id_is_told_by_its_place(
    http: httpx.Client, session: str, method: str, path: str, body: Any, argument: str
) -> None:
    answer = http.request(method, session + path, json=body)
    assert_problem(answer, {422})
    assert answer.json()["argument"] == argument


def test_so_many_members_are_not_read(http: httpx.Client, session: str) -> None:
    body = b'{"args": ["x"], "kwargs": {' + b",".join(b'"k%d":0' % i for i in range(250_000)) + b"}}"
    answer = http.post(f"{session}/ops/exp", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, {400})
    assert "json_members" in answer.json()["detail"]
