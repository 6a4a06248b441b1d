"""The documentation page, from vendored files: it works without internet."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

from service.steps.errors import NotFound

router = APIRouter(include_in_schema=False)

STATIC: Final = files("service.api") / "static"
MEDIA: Final = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
ASSETS: Final = {p.name: p.read_bytes() for p in STATIC.iterdir() if p.name.endswith(tuple(MEDIA))}
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gradwire: documentation</title>
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/colours.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


@router.get("/docs")
async def docs() -> Response:
    """The documentation: every route, with examples to press."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """A file of the page."""
    if name not in ASSETS:
        raise NotFound("there is no such file")
    return Response(
        ASSETS[name], media_type=MEDIA[name[name.rindex(".") :]], headers={"Cache-Control": "public, max-age=86400"}
    )
