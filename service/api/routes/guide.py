"""The guide at ``/guide``: pages read from Markdown once, with what is generated in its place. No script, nothing from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from html import escape
from typing import Final

from fastapi import APIRouter, Request, Response

from service.api import reference
from service.guide.markdown import Page, read
from service.guide.pages import PAGES, STYLE, source
from service.steps.errors import NotFound

router = APIRouter(include_in_schema=False)

POLICY: Final = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""What may stand in a page as the service's address: no character that HTML or a shell reads as its own."""
DEFAULT: Final = b"http://127.0.0.1:8000"
FIRST: Final = next(iter(PAGES))


@router.get("/guide")
async def guide(request: Request) -> Response:
    """The first page."""
    return _answer(request, _addressed(request, _html(FIRST)), "text/html; charset=utf-8")


@router.get("/guide/{name}")
async def page(request: Request, name: str) -> Response:
    """A page, or a file of the pages."""
    if name == "style.css":
        return _answer(request, STYLE, "text/css; charset=utf-8")
    if name == "tutorial.svg":
        return _answer(request, _picture(), "image/svg+xml", PICTURE_POLICY)
    if name not in PAGES:
        raise NotFound("the guide has no such page: /guide lists them")
    return _answer(request, _addressed(request, _html(name)), "text/html; charset=utf-8")


def _addressed(request: Request, content: bytes) -> bytes:
    """A page whose code names the address under which it was asked for; one that cannot be an address is not repeated."""
    host = request.headers.get("host", "")
    if not HOST.fullmatch(host) or request.url.scheme not in ("http", "https"):
        return content
    return content.replace(DEFAULT, f"{request.url.scheme}://{host}".encode())


def _answer(request: Request, content: bytes, media_type: str, policy: str = POLICY) -> Response:
    tag = f'"{sha256(content).hexdigest()[:20]}"'
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@cache
def _picture() -> bytes:
    return reference.tutorial_picture()


@cache
def _parts() -> dict[str, str]:
    return reference.parts()


@cache
def _html(name: str) -> bytes:
    found = read(source(name), _parts())
    title = PAGES[name]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · Gradwire</title>
<link rel="icon" type="image/svg+xml" href="/playground/mark.svg">
<link rel="stylesheet" href="/guide/style.css">
</head>
<body>
<a class="skip" href="#text">To the text</a>
<header>
  <a class="brand" href="/"><img src="/playground/mark.svg" width="26" height="26" alt="">Gradwire</a>
  <a class="contents" href="#contents">Contents</a>
  <a href="/">Playground</a>
  <a href="/docs">API</a>
</header>
<div class="frame">
<nav id="contents" aria-label="The guide">{_contents(name, found)}</nav>
<main id="text">
{found.body}
{_onward(name)}
</main>
</div>
</body>
</html>
""".encode()


def _contents(name: str, found: Page) -> str:
    items = []
    for slug, title in PAGES.items():
        current = ' aria-current="page"' if slug == name else ""
        below = ""
        if slug == name and found.headings:
            below = "".join(
                f'<li><a href="#{at}">{escape(text.replace("`", ""))}</a></li>' for at, text in found.headings
            )
            below = f"<ol>{below}</ol>"
        items.append(f'<li><a href="/guide/{slug}"{current}>{escape(title)}</a>{below}</li>')
    return f"<ol>{''.join(items)}</ol>"


def _onward(name: str) -> str:
    """Links to the page before and the page after."""
    order = list(PAGES)
    at = order.index(name)
    links = [
        f'<a href="/guide/{slug}">{mark.format(escape(PAGES[slug]))}</a>'
        for slug, mark in (
            (order[at - 1] if at else None, "← {}"),
            (order[at + 1] if at + 1 < len(order) else None, "{} →"),
        )
        if slug is not None
    ]
    return f'<p class="onward">{"".join(links)}</p>'
