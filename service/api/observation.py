"""Pure ASGI middleware: each request is counted, timed and logged, under the route's template and never under its address.

It also answers HEAD: as GET, without the body.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.middleware import Passage
from service.telemetry.logs import ACCESS
from service.telemetry.metrics import Metrics

__all__ = ["Observation", "look_at"]

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
ELSEWHERE: Final = "elsewhere"
TRACE: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Observation:
    """Stands before routes, behind the guard. routes: whose templates are labels; any other address is "elsewhere"."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self.metrics = Metrics()
        self._places: dict[str, Any] = {}
        for path in (getattr(route, "path", "") for route in routes):
            place = self._places
            for segment in path.split("/")[1:]:
                if segment.endswith(":path}"):
                    place["**"] = path
                    break
                place = place.setdefault("*" if segment.startswith("{") else segment, {})
            else:
                place[""] = path

    def template(self, path: str) -> str:
        """The route's template; "elsewhere" where there is none."""
        place = self._places
        for segment in path.split("/")[1:]:
            found = place.get(segment) if segment else None
            if found is None:
                if "**" in place:
                    return str(place["**"])
                found = place.get("*")
            if not isinstance(found, dict):
                return str(place[""]) if path == "/" and "" in place else ELSEWHERE
            place = found
        return str(place.get("", ELSEWHERE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        passage: Passage = scope["state"]["passage"]
        asked = scope
        if scope["method"] == "HEAD":
            passage.bare = True
            asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, send)
        finally:
            seconds = time.perf_counter() - begun
            status, came, went = passage.status, passage.came, passage.went
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = scope["state"].get("template") or self.template(scope["path"])
            self.metrics.count(method, route, status, seconds, came, went)
            if ACCESS.isEnabledFor(20):
                ACCESS.info("request", extra={"fields": _line(scope, method, route, status, seconds, came, went)})


def _line(scope: Scope, method: str, route: str, status: int, seconds: float, came: int, went: int) -> dict[str, Any]:
    """What a line tells: whose, where, what came of it. Of a session's id its first 8 characters."""
    state = scope["state"]
    line: dict[str, Any] = {
        "request_id": state.get("request_id"),
        "tenant": state["principal"].tenant if "principal" in state else None,
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1e3, 3),
        "bytes_in": came,
        "bytes_out": went,
    }
    if "{session_id}" in route:
        line["session"] = scope["path"].split("/")[3][:8]
    for name, value in scope["headers"]:
        if name == b"traceparent" and TRACE.match(value):
            line["trace_id"] = value[3:35].decode()
    return line


def look_at(app: FastAPI, metrics: Metrics) -> None:
    """Add how an application stands to its metrics."""

    def state(name: str) -> Any:
        return getattr(app.state, name)

    look = metrics.look
    look("gradwire_sessions", "Sessions that are open, in memory or stored.", lambda: len(state("house")))
    look("gradwire_live_sessions", "Sessions in memory.", lambda: state("house").live)
    look("gradwire_held_bytes", "Bytes that sessions in memory hold.", lambda: state("house").account.used)
    look("gradwire_waiting", "Work that waits for a thread.", lambda: state("executor").waiting)
    look("gradwire_program_bytes", "Bytes of programs of functions.", lambda: state("evaluator").programs.nbytes)
    look("gradwire_read_only", "Whether nothing can be written.", lambda: int(state("trouble")() is not None))
    look("gradwire_draining", "Whether the end has begun.", lambda: int(getattr(app.state, "draining", False)))
