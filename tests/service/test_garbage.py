"""What a request let go of is freed at once: nothing waits for the collector of cycles, whose next run may be gigabytes away."""

from __future__ import annotations

import asyncio
import gc
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from engine.node import Node
from engine.tensor import Tensor
from service.app import create_app

Send = Callable[..., Awaitable[tuple[int, Any]]]
HELD = (Tensor, Node, np.ndarray)
ROUNDS = 5


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((4, 4)))
    return buffer.getvalue()


STEPS = [
    {"op": "mul", "args": ["x", "x"], "id": "z"},
    {"op": "sum", "args": ["z"], "id": "s"},
    {"op": "backward", "args": ["s"]},
]
TEXT = "import torch\na = torch.ones(2, requires_grad=True)\nb = (a * a).sum()\nb.backward()\n"
FUNCTION = "def f(x):\n    return (x @ x).sum()\n"
REQUESTS: dict[str, tuple[str, str, Any, int]] = {
    "an operator": ("POST", "/ops/mul", {"args": ["x", 2], "id": "y"}, 200),
    "a factory": ("POST", "/ops/ones?data=never", {"args": [20, 20], "id": "t"}, 200),
    "a tensor": ("POST", "/tensors", {"data": [1, 2], "id": "q"}, 201),
    "bytes": ("POST", "/tensors?id=n", _npy(), 201),
    "an unknown id": ("POST", "/ops/mul", {"args": ["x", "nope"]}, 422),
    "shapes that do not fit": ("POST", "/ops/matmul", {"args": ["x", "x3"]}, 422),
    "a batch": ("POST", "/batch", {"steps": STEPS}, 200),
    "a batch that fails": ("POST", "/batch", {"steps": [*STEPS, {"op": "sum", "args": ["nope"]}]}, 422),
    "a script": ("POST", "/run", {"code": TEXT}, 200),
    "a script that fails": ("POST", "/run", {"code": TEXT + "raise ValueError('x')\n"}, 422),
    "a script that fails and keeps": ("POST", "/run", {"code": TEXT + "a @ b\n", "on_error": "keep"}, 200),
    "a graph": ("GET", "/graph?format=svg", None, 200),
    "a batch out of time": (
        "POST",
        "/batch",
        {"steps": [*STEPS, {"op": "ones", "args": [9, 9], "id": "o"}] * 400},
        503,
    ),
    "a dry run": ("POST", "/batch", {"steps": STEPS, "dry_run": True}, 200),
    "a literal that is none": ("POST", "/ops/mul", {"args": ["x", [[1], [1, 2]]]}, 422),
    "backward": ("POST", "/tensors/out/backward", {"retain_graph": True}, 200),
    "backward without a graph": ("POST", "/tensors/x3/backward", {}, 422),
    "a scope": ("POST", "/batch", {"steps": [{"op": "enter", "args": ["no_grad"]}, STEPS[0], {"op": "exit"}]}, 200),
    "an array": ("GET", "/tensors/x/data", None, 200),
    "bytes that are none": ("POST", "/tensors?id=n", b"\x93NUMPY", 400),
    "a function": ("POST", "^/v1/evaluate", {"verb": "grad", "code": FUNCTION, "inputs": {"x": [1.0, 2.0]}}, 200),
    "a function that fails": (
        "POST",
        "^/v1/evaluate",
        {"verb": "grad", "code": FUNCTION, "inputs": {"x": [[1.0, 2.0]]}},
        422,
    ),
    "a copy": ("POST", "/fork", {}, 201),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_nothing_waits_for_the_collector(name: str) -> None:
    """After a request no tensor, node or array is left to the collector of cycles."""
    method, path, body, status = REQUESTS[name]

    async def work(send: Send, session: str) -> None:
        seconds = 0.01 if status == 503 else 10
        address = path[1:] if path[0] == "^" else session + path
        for _ in range(2):  # what is made once stays
            found = await send(method, address, body, seconds)
            assert found[0] == status, found
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(ROUNDS):
                await send(method, address, body, seconds)
            gc.collect()
            left = [type(o).__name__ for o in gc.garbage if isinstance(o, HELD)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert left == []

    asyncio.run(_served(work))


async def _served(work: Callable[[Send, str], Awaitable[None]]) -> None:
    app = create_app()

    async def send(method: str, path: str, body: Any = None, seconds: float = 10) -> tuple[int, Any]:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = b"application/x-npy" if isinstance(body, bytes) else b"application/json"
        path, _, query = path.partition("?")
        parts = [{"type": "http.request", "body": content, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def answer(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [
            (b"request-timeout", str(seconds).encode()),
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", kind),
            (b"content-length", str(len(content)).encode()),
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "query_string": query.encode(), "headers": headers, "scheme": "http",
            "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000), "root_path": "", "state": {},
        }  # fmt: skip
        await app(scope, receive, answer)  # type: ignore[arg-type]
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])

    async with app.router.lifespan_context(app):
        _, made = await send("POST", "/v1/sessions", {})
        session = f"/v1/sessions/{json.loads(made)['session_id']}"
        await send("POST", session + "/tensors", {"data": [1.0, 2.0], "id": "x", "requires_grad": True})
        await send("POST", session + "/tensors", {"data": [1.0, 2.0, 3.0], "id": "x3"})
        await send("POST", session + "/ops/exp", {"args": ["x"], "id": "e"})
        await send("POST", session + "/ops/sum", {"args": ["e"], "id": "out"})
        await work(send, session)
