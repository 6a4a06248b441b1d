"""The files of the page: read once, each with its media type and a tag that changes with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

__all__ = ["File", "served"]

MEDIA: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file that is served: its bytes, media type, and a tag that changes with it."""

    content: bytes
    media_type: str
    tag: str


@cache
def served() -> dict[str, File]:
    """Every file of the page by its path under ``/playground/``; the page itself is ``index.html``.

    >>> served()["main.js"].media_type
    'text/javascript; charset=utf-8'
    """
    found: dict[str, File] = {}
    for folder, prefix in (("page", ""), ("vendor", "vendor/")):
        for item in (files("service.playground") / folder).iterdir():
            suffix = item.name[item.name.rindex(".") :] if "." in item.name else ""
            if suffix in MEDIA:
                content = item.read_bytes()
                found[prefix + item.name] = File(content, MEDIA[suffix], f'"{sha256(content).hexdigest()[:20]}"')
    return found
