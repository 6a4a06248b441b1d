"""A dry run and the same in earnest: the same refusals at the same steps, an estimate for what is already in the session, no change."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

SCALAR = [
    {"op": "tensor", "args": [[[1.0, 2.0], [3.0, 4.0]]], "kwargs": {"requires_grad": True}, "id": "x"},
    {"op": "mul", "args": ["x", "x"], "id": "y"},
    {"op": "sum", "args": ["y"], "id": "out"},
]
BACK = {"op": "backward", "args": ["out"]}
KEEP = {"op": "backward", "args": ["out"], "kwargs": {"retain_graph": True}}
BATCHES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "twice": ([BACK, BACK], {"status": 409, "step": 1}),
    "twice, kept": ([KEEP, BACK], {"status": 200}),
    "thrice": ([KEEP, BACK, KEEP], {"status": 409, "step": 2}),
    "another root of the same graph": (
        [
            BACK,
            {"op": "mul", "args": ["y", 2], "id": "z"},
            {"op": "sum", "args": ["z"], "id": "s"},
            {"op": "backward", "args": ["s"]},
        ],
        {"status": 409, "step": 3},
    ),
    "nothing saved": (
        [
            {"op": "sum", "args": ["x"], "id": "s"},
            {"op": "backward", "args": ["s"]},
            {"op": "backward", "args": ["s"]},
        ],
        {"status": 200},
    ),
    "grad after backward": ([BACK, {"op": "autograd.grad", "args": [["out"], ["x"]]}], {"status": 409, "step": 1}),
    "an unknown op": ([KEEP, {"op": "nope", "args": ["x"]}], {"status": 422, "step": 1}),
    "strings in a literal": ([KEEP, {"op": "add", "args": ["x", ["a"]]}], {"status": 422, "step": 1}),
    "null in a literal": ([KEEP, {"op": "add", "args": ["x", [1, None]]}], {"status": 422, "step": 1}),
    "a ragged literal": ([KEEP, {"op": "add", "args": ["x", [[1], [1, 2]]]}], {"status": 422, "step": 1}),
    "a dtype that is none": (
        [KEEP, {"op": "add", "args": ["x", {"dtype": "q", "data": 1}]}],
        {"status": 422, "step": 1},
    ),
    "base64 that is none": (
        [KEEP, {"op": "add", "args": ["x", {"dtype": "float32", "base64": "*"}]}],
        {"status": 422, "step": 1},
    ),
    "a wrong reference": ([KEEP, {"op": "add", "args": ["x", "x[9, 9]"]}], {"status": 422, "step": 1}),
}


def session(http: httpx.Client) -> str:
    found = http.post("/v1/sessions", json={"seed": 1}).json()["session_id"]
    return f"/v1/sessions/{found}"


@pytest.mark.parametrize("before", [True, False], ids=["in the session", "in the batch"])
@pytest.mark.parametrize("name", BATCHES)
def test_a_dry_run_refuses_what_is_refused_in_earnest(http: httpx.Client, name: str, before: bool) -> None:
    steps, expected = BATCHES[name]
    address = session(http)
    shift = 0
    if before:
        assert http.post(f"{address}/batch", json={"steps": SCALAR}).status_code == 200
    else:
        steps, shift = [*SCALAR, *steps], len(SCALAR)
    for dry in (True, False):
        found = http.post(f"{address}/batch", json={"steps": steps, "dry_run": dry})
        assert found.status_code == expected["status"], (dry, found.text)
        if "step" in expected:
            assert found.json()["step"] == expected["step"] + shift, (dry, found.text)


def test_the_estimate_of_a_backward_of_the_session(http: httpx.Client) -> None:
    address = session(http)
    http.post(f"{address}/batch", json={"steps": SCALAR})
    estimate = http.post(f"{address}/batch", json={"steps": [BACK], "dry_run": True}).json()["estimate"]
    assert estimate["bytes"] >= 3 * 4
    assert estimate["cost"] > 0


@pytest.mark.parametrize("reference", ["zzz", "zzz.grad", "x[5]"])
def test_what_is_to_be_returned_must_be_there(http: httpx.Client, reference: str) -> None:
    address = session(http)
    for dry in (True, False):
        found = http.post(f"{address}/batch", json={"steps": SCALAR, "return": [reference], "dry_run": dry})
        assert found.status_code == 422, (dry, found.text)
