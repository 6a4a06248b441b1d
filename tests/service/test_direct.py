"""The short way to a route and FastAPI's own way answer alike; what is not found on the one is served by the other."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.direct import Direct, direct_routes
from service.api.routes import ROUTERS
from service.app import create_app
from service.functions.call import VERBS

CODE = "def f(x):\n    return (x**3).sum()\n"
OWN: dict[str, Any] = {"jvp": {"tangents": {"x": [1, 0]}}, "hvp": {"tangents": {"x": [1, 0]}}}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("POST", "/healthz", {}),
    ("GET", "/errors/not-found", {}),
    ("GET", "/errors/nothing", {}),
    ("GET", "/v1/ops/mul", {}),
    ("GET", "/v1/ops/nothing", {}),
    ("GET", "/v1/ops/", {}),
    ("HEAD", "/v1/ops/mul", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/v1/sessions/none", {}),
    ("PUT", "/v1/sessions/none", {}),
    ("POST", "{s}/tensors", {"json": {"id": "x", "data": [1.0, 2.0], "requires_grad": True}}),
    ("POST", "{s}/tensors", {"json": {"id": "x", "data": [1.0, "a"]}}),
    ("POST", "{s}/tensors", {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("POST", "{s}/ops/mul", {"json": {"args": ["x", 2], "id": "y"}}),
    ("POST", "{s}/ops/mul", {"json": {"args": ["x", "nobody"]}}),
    ("POST", "{s}/ops/none", {"json": {"args": ["x"]}}),
    ("POST", "{s}/ops/a/b", {"json": {}}),
    ("GET", "{s}/tensors/y?data=never", {}),
    ("GET", "{s}/tensors/%79", {}),
    ("GET", "{s}/tensors/y?data=maybe", {}),
    (
        "POST",
        "{s}/batch",
        {"json": {"steps": [{"op": "sum", "args": ["y"], "id": "o"}, {"op": "backward", "args": ["o"]}]}},
    ),
    ("GET", "{s}/tensors/x/grad", {}),
    ("GET", "{s}/graph?format=mermaid", {}),
    ("DELETE", "{s}/tensors/y", {}),
    ("GET", "{s}", {}),
    ("PUT", "/v1/functions/f", {"content": CODE, "headers": {"content-type": "text/x-python"}}),
    *(("POST", f"/v1/functions/f/{verb}", {"json": {"inputs": {"x": [1, 2]}, **OWN.get(verb, {})}}) for verb in VERBS),
    ("POST", "/v1/functions/f/value?encoding=base64", {"json": {"inputs": {"x": 1}}}),
    ("POST", "/v1/functions/f/value", {"json": {"inputs": {"x": "a"}}}),
    ("POST", "/v1/functions/f/value", {"content": b"{", "headers": {"content-type": "application/json"}}),
    ("POST", "/v1/functions/f/value", {"content": b"<x/>", "headers": {"content-type": "application/xml"}}),
    ("POST", "/v1/functions/f/value", {}),
    ("POST", "/v1/functions/f/value", {"content": b" " * 3_000, "headers": {"content-type": "application/json"}}),
    ("POST", "/v1/functions/f/value/", {"json": {}}),
    ("POST", "/v1/functions/f/integral", {"json": {}}),
    ("POST", "/v1/functions/nobody/value", {"json": {}}),
    ("POST", "/v1/functions//value", {"json": {}}),
    ("POST", "/v1/functions/f%2Fvalue", {"json": {"inputs": {"x": 1}}}),
    ("GET", "/v1/functions/f/value", {}),
    ("PUT", "/v1/functions/f/value", {"json": {}}),
]


@pytest.fixture
def short() -> FastAPI:
    return create_app()


@pytest.fixture
def plain() -> FastAPI:
    """The same application, whose short way leads nowhere."""
    app = create_app()
    direct: Any = app.direct  # type: ignore[attr-defined]
    direct.root = Direct(direct.app, routes=[], handlers={}).root
    return app


async def answers(app: FastAPI) -> list[tuple[Any, ...]]:
    found = []
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            session = (await http.post("/v1/sessions", json={"seed": 1})).json()["session_id"]
            for method, path, how in REQUESTS:
                answer = await http.request(method, path.replace("{s}", f"/v1/sessions/{session}"), **how)
                headers = {k: v for k, v in answer.headers.items() if k not in {"x-request-id", "content-length"}}
                body = answer.json() if "json" in headers.get("content-type", "") and answer.content else answer.text
                if isinstance(body, dict):
                    for changing in ("session_id", "created", "expires_in_seconds", "seed"):
                        body.pop(changing, None)
                if "location" in headers:
                    headers["location"] = headers["location"].replace(session, "")
                found.append((method, path, answer.status_code, headers, body))
    return found


def test_both_ways_answer_alike(short: FastAPI, plain: FastAPI) -> None:
    on_the_short, on_the_plain = asyncio.run(answers(short)), asyncio.run(answers(plain))
    assert on_the_short == on_the_plain
    assert {status for _, _, status, _, _ in on_the_short} >= {200, 201, 204, 400, 404, 405, 422}


def test_the_hot_routes_have_the_short_way() -> None:
    found = {route.path for route in direct_routes(route for router in ROUTERS for route in router.routes)}
    session = "/v1/sessions/{session_id}"
    assert found >= {
        "/healthz",
        session,
        f"{session}/ops/{{op}}",
        f"{session}/batch",
        f"{session}/tensors/{{tensor_id}}/data",
    }


def test_an_unforeseen_error_is_a_problem_without_its_text(short: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("secret")

    place = short.direct.root.named["healthz"]  # type: ignore[attr-defined]
    monkeypatch.setitem(
        place.methods, "GET", place.methods["GET"]._replace(endpoint=fails, takes_request=True, query=None)
    )

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(short), base_url="http://localhost") as http:
            return await http.get("/healthz")

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"]
