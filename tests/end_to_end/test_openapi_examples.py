"""Every example of the OpenAPI document is sent to a live server; status and body must be what the document says."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

PRELUDE = [
    {"op": "ones", "args": [[2, 2]], "kwargs": {"requires_grad": True}, "id": "x"},
    {"op": "add", "args": ["x", 2], "id": "y"},
    {"op": "mul", "args": ["y", "y"], "id": "z0"},
    {"op": "mean", "args": ["z0"], "id": "out"},
]
CODE = "def f(x):\n    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()\n"
BEFORE: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("delete", "/v1/sessions/{session_id}/scopes/{scope_id}"): [{"op": "enter", "args": ["no_grad"]}],
    ("get", "/v1/sessions/{session_id}/tensors/{tensor_id}/grad"): [{"op": "backward", "args": ["out"]}],
}
MEANWHILE = {
    ("delete", "/v1/sessions/{session_id}/run"): "while True: pass"
}  # a script that runs while the example is sent
PLACES = {"name": "rosenbrock", "tensor_id": "x", "scope_id": "s1", "op": "add"}
OWN_PLACES = {"/v1/sessions/{session_id}/tensors/{tensor_id}/backward": {"tensor_id": "out"}}


def send(
    http: httpx.Client, method: str, path: str, request: dict[str, Any], meanwhile: str | None, session: str
) -> httpx.Response:
    """The answer; with ``meanwhile``, that of the first try that finds the script running."""
    if meanwhile is None:
        return http.request(method, path, **request)
    url = f"{http.base_url}/v1/sessions/{session}/run"
    script = threading.Thread(target=lambda: httpx.post(url, json={"code": meanwhile}, timeout=60))
    script.start()
    while (answer := http.request(method, path)).status_code == 409 and script.is_alive():
        time.sleep(0.01)
    script.join()
    return answer


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], str, dict[str, Any]]]:
    """Method, path, operation, the example's name, and how it is sent."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            sent = 0
            for kind, described in content.items():
                for name, example in described.get("examples", {}).items():
                    sent += 1
                    yield method, path, operation, name, as_sent(kind, example)
            if not sent:
                yield method, path, operation, "no body", {}


def as_sent(kind: str, example: dict[str, Any]) -> dict[str, Any]:
    if "x-base64" not in example:
        value = example["value"] if kind.startswith("text/") else json.dumps(example["value"])
        return {"content": value, "headers": {"content-type": kind}}
    body = base64.b64decode(example["x-base64"])
    return {"content": body, "headers": {"content-type": kind}, "params": example["x-query"]}


def test_every_example(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    sent = 0
    kinds = set()
    for method, path, operation, name, request in operations(document):
        where = f"{method.upper()} {path} — {name}"
        session = http.post("/v1/sessions").json()["session_id"]
        steps = [*PRELUDE, *BEFORE.get((method, path), [])]
        assert http.post(f"/v1/sessions/{session}/batch", json={"steps": steps}).status_code == 200
        slug = next(iter(document.get("x-problems", ["not-found"])))
        places = {**PLACES, "session_id": session, "slug": slug, **OWN_PLACES.get(path, {})}
        if path == "/v1/functions/{name}" and method == "put":
            places["name"] = f"example{sent}"  # a new name for each: 201
        elif "{name}" in path:
            http.put(
                "/v1/functions/rosenbrock", content=CODE, headers={"content-type": "text/x-python"}
            ).raise_for_status()
        answer = send(http, method, path.format(**places), request, MEANWHILE.get((method, path)), session)
        kinds.add(request.get("headers", {}).get("content-type"))
        sent += 1
        declared = operation["responses"]
        good = next(code for code in declared if code.startswith("2"))
        assert str(answer.status_code) == good, f"{where}: {answer.status_code}, said {good}: {answer.text[:300]}"
        if answer.content and answer.headers["content-type"] == "application/json":
            schema = declared[good].get("content", {}).get("application/json", {}).get("schema")
            assert schema is not None, f"{where}: no schema for the answer"
            jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    assert sent > 30
    assert {"application/json", "application/x-npy", "application/octet-stream", "application/vnd.safetensors"} <= kinds


def test_every_operation_is_described(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            if path.startswith("/v1/"):
                assert any(code in operation["responses"] for code in ("404", "422")), where
            if method in ("post", "patch", "put") and "requestBody" in operation:
                assert operation["requestBody"]["content"]["application/json"].get("examples"), where


def test_a_broken_example_would_be_caught(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    schema = document["paths"]["/v1/sessions"]["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"session_id": 3}, {**schema, "components": document["components"]})
