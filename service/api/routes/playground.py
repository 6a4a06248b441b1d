"""The playground at ``/``, and its files: static, revalidated by their tags, under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from service.playground.assets import served
from service.steps.errors import NotFound

router = APIRouter(include_in_schema=False)

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WORKER_POLICY: Final = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
"""WebAssembly is compiled in the layout's worker, and nowhere else."""


@router.get("/")
async def playground(request: Request) -> Response:
    """The page."""
    return _file(request, "index.html")


@router.get("/playground/{path:path}")
async def file(request: Request, path: str) -> Response:
    """A file of the page."""
    return _file(request, path)


def _file(request: Request, path: str) -> Response:
    found = served().get(path)
    if found is None:
        raise NotFound("there is no such file")
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": WORKER_POLICY if path == "layout-worker.js" else PAGE_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "ETag": found.tag,
    }
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
