"""An error says what is wrong, in PyTorch's words where it has them, and one tensor is a list of one where PyTorch says so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture
def session(http: httpx.Client) -> str:
    address = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
    http.post(f"{address}/tensors", json={"id": "x", "data": [1.0, 2.0], "requires_grad": True})
    return address


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("ops/cat", {"args": ["x", 0]}, "expected Tensor as element 1 in argument 0, but got int"),
        ("ops/sum", {"args": ["x"], "kwargs": {"keepdim": 1}}, "got (Tensor, keepdim=int), but expected one of"),
        ("ops/getitem", {"args": ["x", "9" * 21]}, "Overflow when unpacking long long"),
        ("ops/exp", {"args": [f"x[-{'9' * 21}]"]}, "Overflow when unpacking long long"),
        ("ops/exp", {"args": [f"x[[{'9' * 21}]]"]}, "Overflow when unpacking long long"),
    ],
)
def test_what_is_said_is_what_is_wrong(
    http: httpx.Client, session: str, path: str, body: dict[str, Any], says: str
) -> None:
    found = http.post(f"{session}/{path}", json=body)
    assert (found.status_code, says in found.json()["detail"]) == (422, True), found.text


def test_a_slice_may_go_beyond_the_end(http: httpx.Client, session: str) -> None:
    found = http.post(f"{session}/ops/exp", json={"args": [f"x[-{'9' * 21}:{'9' * 21}]"], "id": "e"})
    assert found.json()["shape"] == [2], found.text


@pytest.mark.parametrize("args", [["s", ["x"]], ["s", "x"], [["s"], "x"], [["s"], ["x"]]])
@pytest.mark.parametrize("dry", [True, False])
def test_one_tensor_is_a_list_of_one(http: httpx.Client, session: str, args: list[Any], dry: bool) -> None:
    http.post(f"{session}/ops/sum", json={"args": ["x"], "id": "s"})
    steps = [{"op": "autograd.grad", "args": args, "id": ["g"]}, {"op": "add", "args": ["g", 1], "id": "h"}]
    found = http.post(f"{session}/batch", json={"steps": steps, "dry_run": dry})
    assert found.status_code == 200, found.text
    if not dry:
        assert found.json()["results"]["h"]["data"] == [2, 2]


def test_a_contradiction_is_refused(http: httpx.Client, session: str) -> None:
    body = {"op": "ones", "args": [[2]], "kwargs": {"requires_grad": True}, "requires_grad": False}
    found = http.post(f"{session}/tensors", json=body)
    assert (found.status_code, found.json()["argument"]) == (422, "requires_grad")
    assert http.post(f"{session}/tensors", json={**body, "requires_grad": True}).json()["requires_grad"]


def test_what_a_binary_body_has_in_the_query_json_has_inside(http: httpx.Client, session: str) -> None:
    found = http.post(f"{session}/tensors?id=q", json={"data": [1.0]})
    assert (found.status_code, found.json()["argument"]) == (422, "id")


@pytest.mark.parametrize("ttl", [1_000_000_000, 1e300, 3_601])
def test_a_life_over_the_limit_is_refused(http: httpx.Client, ttl: float) -> None:
    found = http.post("/v1/sessions", json={"ttl_seconds": ttl}).json()
    assert (found["status"], found["limit"], found["value"]) == (422, "session_ttl", 3_600)


def test_what_is_to_be_returned_is_bounded(http: httpx.Client, session: str) -> None:
    step = {"op": "ones", "args": [1]}
    many = http.post(f"{session}/batch", json={"steps": [step], "return": ["x[0]"] * 2_001}).json()
    assert (many["status"], many["limit"], many["value"]) == (422, "batch_steps", 2_000)
    assert http.post(f"{session}/batch", json={"steps": [step], "return": ["x[0]"] * 2_000}).status_code == 200
