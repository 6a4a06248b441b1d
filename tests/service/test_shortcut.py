"""The shortcut to hot routes answers what the routes answer: values, problems, headers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from service.api.shortcut import Shortcut
from service.app import create_app
from service.functions.call import VERBS
from service.settings import Settings

CODE = "def f(x):\n    return (x**3).sum()\n"
OWN: dict[str, Any] = {"jvp": {"tangents": {"x": [1, 0]}}, "hvp": {"tangents": {"x": [1, 0]}}}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
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


async def answers(shortened: bool) -> list[tuple[Any, ...]]:
    app = create_app(Settings(request_bytes=2_000))
    middleware: list[Any] = app.user_middleware
    if not shortened:
        app.user_middleware = [m for m in middleware if m.cls is not Shortcut]
    else:
        assert any(m.cls is Shortcut for m in middleware)
    found: list[tuple[Any, ...]] = []
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.put("/v1/functions/f", content=CODE, headers={"content-type": "text/x-python"})
            for method, path, rest in REQUESTS:
                answer = await client.request(method, path, **rest)
                headers = {k: v for k, v in answer.headers.items() if k != "x-request-id"}
                found.append((method, path, answer.status_code, headers, answer.content))
            chunks = await client.post(
                "/v1/functions/f/value", content=_chunks(), headers={"content-type": "application/json"}
            )
            found.append(("POST", "in chunks", chunks.status_code, chunks.headers["content-type"], chunks.content))
    return found


async def _chunks() -> Any:
    for _ in range(4):
        yield b" " * 1_000


def test_both_ways_answer_the_same() -> None:
    short, routed = asyncio.run(answers(True)), asyncio.run(answers(False))
    for one, other in zip(short, routed, strict=True):
        assert one == other
    assert {row[2] for row in short} >= {200, 400, 404, 405, 413, 415, 422}


@pytest.mark.parametrize("error", [ValueError("no row"), KeyError("x")])
def test_an_error_without_a_handler_passes(error: Exception) -> None:
    async def endpoint(_request: Any, _name: str) -> Any:
        raise error

    app = create_app()
    scope = {"type": "http", "method": "POST", "path": "/p/name/go", "headers": [], "app": app}
    nothing: Any = None
    shortcut = Shortcut(app, prefix="/p/", endpoints={"go": endpoint})
    with pytest.raises(type(error)):
        asyncio.run(shortcut(scope, nothing, nothing))
