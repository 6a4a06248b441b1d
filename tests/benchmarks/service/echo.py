"""What HTTP and JSON cost by themselves: a bare Starlette application that reads a body and writes it back."""

from __future__ import annotations

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["app"]


async def json(request: Request) -> Response:
    """The document, read and written."""
    return Response(orjson.dumps(orjson.loads(await request.body())), media_type="application/json")


async def raw(request: Request) -> Response:
    """The bytes."""
    return Response(await request.body(), media_type="application/octet-stream")


app = Starlette(routes=[Route("/json", json, methods=["POST"]), Route("/raw", raw, methods=["POST"])])
