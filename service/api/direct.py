"""The short way to a route: its function is called with the request and the parts of the path, which is all that ours take.

FastAPI keeps the document, and serves whatever is not found here (other addresses, other methods, other kinds of routes), so that an
answer is the same on either way; tests/service/test_direct.py compares them. Between the two lies half the time of a small request.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.steps.errors import InvalidInput

__all__ = ["Direct", "direct_routes"]

Handler = Callable[[Request, Exception], Awaitable[Response]]
Endpoint = Callable[..., Awaitable[Response]]


class _Found(NamedTuple):
    """Who answers at a place; ``names``: of the parts of its path. template: its path as a label. query: what ``_query`` says."""

    endpoint: Endpoint
    names: tuple[str, ...]
    takes_request: bool
    template: str
    query: Mapping[str, bool] | None


class _Place:
    """A segment of a path: what may follow it, and who answers when nothing does."""

    __slots__ = ("any", "methods", "named")

    def __init__(self) -> None:
        self.named: dict[str, _Place] = {}
        self.any: _Place | None = None
        self.methods: dict[str, _Found] = {}


def direct_routes(routes: Iterable[BaseRoute]) -> list[APIRoute]:
    """Those whose function takes nothing but the request and parts of the path, as strings."""
    found = []
    for route in routes:
        if isinstance(route, APIRoute) and inspect.iscoroutinefunction(route.endpoint):
            parameters = set(inspect.signature(route.endpoint).parameters) - {"request"}
            if parameters <= _names(route.path) and ":" not in route.path:
                found.append(route)
    return found


def _names(path: str) -> set[str]:
    return {s[1:-1] for s in path.split("/") if s.startswith("{")}


def _query(route: APIRoute) -> dict[str, bool] | None:
    """The parameters of a query that the document names, and whether each may be given again; None for a page, which ignores it."""
    if not route.include_in_schema:
        return None
    named = (route.openapi_extra or {}).get("parameters", ())
    return {p["name"]: p["schema"].get("type") == "array" for p in named if p["in"] == "query"}


def _check_query(request: Request, known: Mapping[str, bool]) -> None:
    """Errors: InvalidInput for a parameter that the route has not, or one given twice."""
    seen = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            takes = f"takes {', '.join(known)} in its query" if known else "takes nothing in its query"
            raise InvalidInput(f"this address {takes}; another parameter was given", argument="query")
        if name in seen and not known[name]:
            raise InvalidInput(f"'{name}' stands twice in the query", argument=name)
        seen.add(name)


class Direct:
    """ASGI middleware before FastAPI: calls the functions of ``routes``; ``handlers``, by error class, answer for what they raise."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute], handlers: Mapping[Any, Any]) -> None:
        self.app = app
        self.handlers = handlers
        self.root = _Place()
        for route in direct_routes(routes):
            place = self.root
            for segment in route.path.split("/")[1:]:
                if not segment.startswith("{"):
                    place = place.named.setdefault(segment, _Place())
                    continue
                place.any = place.any or _Place()
                place = place.any
            given = inspect.signature(route.endpoint).parameters
            names = tuple(s[1:-1] for s in route.path.split("/") if s.startswith("{"))
            for method in route.methods or ():
                found = _Found(route.endpoint, names, "request" in given, route.path, _query(route))
                place.methods.setdefault(method, found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" and not scope.get("root_path") else None
        if found is None:
            await self.app(scope, receive, send)
            return
        (endpoint, names, takes_request, template, known), values = found
        scope["state"]["template"] = template
        request = Request(scope, receive, send)
        scope["path_params"] = params = dict(zip(names, values, strict=True))
        try:
            if known is not None and scope["query_string"]:
                _check_query(request, known)
            response = await (endpoint(request, **params) if takes_request else endpoint(**params))
        except Exception as error:
            handler = self._handler(error)
            if handler is None:
                raise
            response = await handler(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[_Found, list[str]] | None:
        """Who answers, and the parts of the path. A name goes before any, without a way back: FastAPI finds what that misses."""
        place = self.root
        values = []
        for segment in scope["path"].split("/")[1:]:
            below = place.named.get(segment)
            if below is None:
                below = place.any
                if below is None or not segment:
                    return None
                values.append(segment)
            place = below
        found = place.methods.get(scope["method"])
        return None if found is None else (found, values)

    def _handler(self, error: Exception) -> Handler | None:
        for cls in type(error).__mro__:
            if cls in self.handlers:
                return self.handlers[cls]  # type: ignore[no-any-return]
        return None
