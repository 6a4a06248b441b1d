"""Health, readiness, and the pages of errors."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request, Response

from service.api.exchange import answer, parts
from service.api.problems import PAGES
from service.api.schemas import health as schema
from service.steps.errors import NotFound, Overloaded
from service.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["service"])


@router.get("/healthz", **schema.HEALTH)
async def healthz() -> Response:
    """Whether the process answers."""
    return answer({"status": "ok"})


@router.get("/readyz", **schema.READY)
async def readyz(request: Request) -> Response:
    """Whether it takes requests, and how many sessions are open."""
    if getattr(request.app.state, "draining", False):
        raise Overloaded("the service is about to end, and finishes what it has accepted", retry_after=1)
    return answer({"status": "ready", "sessions": len(parts(request).sessions)})


@router.get("/metrics", **schema.METRICS)
async def metrics(request: Request) -> Response:
    """Counts and times of requests, and how the service stands, as Prometheus reads them."""
    return Response(request.app.state.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/errors/{slug}", **schema.ERROR)
async def error_page(request: Request, slug: str) -> Response:
    """What a kind of problem means and what to do; HTML, or JSON by Accept."""
    kind = PAGES.get(slug)
    if kind is None:
        raise NotFound("there is no such kind of problem")
    if "text/html" not in request.headers.get("accept", ""):
        return answer(
            {"type": f"/errors/{slug}", "title": kind.title, "status": kind.status, "explanation": kind.explanation}
        )
    title, text = html.escape(kind.title), html.escape(kind.explanation)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        f'<link rel="icon" type="image/svg+xml" href="/playground/mark.svg">'
        "<style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em;background:Canvas;color:CanvasText}</style>"
        f"<main><h1>{title}</h1><p>Status {kind.status}</p><p>{text}</p>"
        f'<p><a href="/guide/errors#{slug}">All kinds of problems</a></p></main>'
    )
    return Response(page, media_type="text/html; charset=utf-8")
