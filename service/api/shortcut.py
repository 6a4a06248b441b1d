"""A shortcut to the hot routes: the router's search takes longer than what a small function computes.

The routes stay where they are, for the documentation and for every other method; a test holds both to the same answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Shortcut"]

Endpoint = Callable[[Request, str], Awaitable[Response]]


class Shortcut:
    """Hands ``POST {prefix}{name}/{last}`` to the endpoint of ``last`` with the name; anything else goes on to the router."""

    def __init__(self, app: ASGIApp, *, prefix: str, endpoints: Mapping[str, Endpoint]) -> None:
        self.app = app
        self.prefix = prefix
        self.endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            path: str = scope["path"]
            if path.startswith(self.prefix):
                name, _, last = path[len(self.prefix) :].partition("/")
                endpoint = self.endpoints.get(last)
                if endpoint is not None and name:
                    await (await _answer(endpoint, Request(scope, receive), name))(scope, receive, send)
                    return
        await self.app(scope, receive, send)


async def _answer(endpoint: Endpoint, request: Request, name: str) -> Response:
    """The endpoint's answer, or what the application's handlers make of its error, by its class's ancestry."""
    try:
        return await endpoint(request, name)
    except Exception as error:
        app: FastAPI = request.scope["app"]
        for cls in type(error).__mro__:
            handler = app.exception_handlers.get(cls)
            if handler is not None and cls is not Exception:
                found: Response = await handler(request, error)  # type: ignore[misc]
                return found
        raise
