"""Hostile calls of every operator through REST, made from the table: each argument in turn is what it must not be.

An answer is a 4xx problem that says what the trouble is and is small, or a success: PyTorch takes more than one would think. It is never a
5xx, and after a refusal the session is as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from engine.op import ROWS, Op
from tests.end_to_end.test_every_op import REACHABLE, as_json, typed
from tests.end_to_end.test_hostile import SECRET

FAMILIES = sorted({row.family for row in REACHABLE})
HUGE = 2**62
WRONG: dict[str, Any] = {
    "a string that is no id": f"<{SECRET}>",
    "an unknown id": SECRET,
    "the id of what is no tensor": "number",
    "null": None,
    "an object": {"a": 1},
    "a typed value without data": {"dtype": "float32"},
    "true": True,
    "a fraction": 0.5,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus one": -1,
    "the least integer": -(2**63),
    "a huge integer": HUGE,
    "an integer past 64 bits": 2**64 - 1,
    "an empty list": [],
    "negative sizes": [-3, -3],
    "huge sizes": [HUGE, HUGE],
    "a ragged list": [[1, 2], [3]],
    "deep lists": [[[[[[[[1]]]]]]]],
    "an empty tensor": "empty",
    "a tensor of another shape": "odd",
    "booleans": "flags",
    "integers": "whole",
    "complex numbers": "spiral",
}
SETUP = [
    {"op": "zeros", "args": [[0, 3]], "id": "empty"},
    {"op": "ones", "args": [[7, 1, 5]], "id": "odd", "kwargs": {"requires_grad": True}},
    {"op": "tensor", "args": [[True, False]], "id": "flags"},
    {"op": "tensor", "args": [[[1, 2, 300], [-4, 5, 6]]], "id": "whole"},
    {"op": "tensor", "args": [{"dtype": "complex64", "data": [[1.0, 2.0], [3.0, 4.0]]}], "id": "spiral"},
]
MOST = 4_096  # bytes of a problem


def calls(row: Op) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row's first sample that JSON can say, with one argument after the other made wrong."""
    assert row.samples is not None
    sample = next(
        (s for s in row.samples() if not any(isinstance(v, complex) for v in (*s.args, *s.kwargs.values()))), None
    )
    if sample is None:
        return
    args = [as_json(a, typed) for a in sample.args]
    kwargs = {k: as_json(v, typed) for k, v in sample.kwargs.items()}
    for name, value in WRONG.items():
        for i in range(len(args)):
            yield f"argument {i}: {name}", {"args": [*args[:i], value, *args[i + 1 :]], "kwargs": kwargs}
        for key in kwargs:
            yield f"{key}: {name}", {"args": args, "kwargs": {**kwargs, key: value}}
    yield "none", {"args": []}
    yield "one too many", {"args": [*args, *args, *args, *args], "kwargs": kwargs}
    yield "an unknown keyword", {"args": args, "kwargs": {**kwargs, "surely_unknown": 1}}


WORDED = {row.name for row in ROWS for p in row.parameters if p.kind in {"str", "Any", "ScalarType"}}
"""Operators that take a word somewhere: PyTorch's sentences repeat words."""


@pytest.fixture(scope="module")
def session(http: httpx.Client) -> str:
    path = f"/v1/sessions/{http.post('/v1/sessions', json={'seed': 1}).json()['session_id']}"
    assert http.post(f"{path}/batch", json={"steps": SETUP}).status_code == 200
    assert http.post(f"{path}/run", json={"code": "number = 3.5\n"}).status_code == 200
    return path


def state(http: httpx.Client, path: str) -> Any:
    described = http.get(path).json()
    return http.get(f"{path}/tensors").json(), described["nodes"], described["tensors"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_refuses_what_it_must(http: httpx.Client, session: str, family: str, record_property: Any) -> None:
    before = state(http, session)
    sent = refused = 0
    longest, slowest = 0.0, ""
    for row in [r for r in REACHABLE if r.family == family]:
        for name, body in calls(row):
            answer = http.post(f"{session}/ops/{row.name}", json={**body, "id": None}, params={"data": "never"})
            where = f"{row.id}, {name}: {answer.status_code} {answer.text[:400]}"
            sent += 1
            seconds = answer.elapsed.total_seconds()
            if seconds > longest:
                longest, slowest = seconds, f"{row.id}, {name}"
            if answer.status_code == 200:
                continue
            refused += 1
            assert answer.status_code in {400, 422}, where
            assert answer.headers["content-type"] == "application/problem+json", where
            assert len(answer.content) <= MOST, where
            problem = answer.json()
            assert problem["detail"], where
            if row.name not in WORDED or ": an unknown id" not in name:
                assert SECRET not in answer.text, where
            assert not re.search(r"Traceback|numpy|object at 0x|site-packages", answer.text), where
        assert state(http, session) == before, row.id
    record_property("hostile", {"sent": sent, "refused": refused, "longest": longest, "slowest": slowest})
    print(f"{family}: {sent} calls, {refused} refused, longest {longest:.2f} s ({slowest})")
    assert refused > 0


def test_every_family_is_there() -> None:
    missing = {row.family for row in ROWS if row.forms} - set(FAMILIES)
    assert missing <= {"view", "written", "index"}
