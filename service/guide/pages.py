"""The pages in reading order, and the files that belong to them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["PAGES", "STYLE", "source"]

PAGES: Final[dict[str, str]] = {
    "first-gradient": "First gradient in five minutes",
    "sessions": "Sessions and graphs",
    "scripts": "Scripts",
    "functions": "Functions",
    "binary": "Binary values",
    "languages": "From other languages",
    "errors": "Errors and what to do",
    "settings": "Limits and settings",
    "operations": "Operations and security",
    "inside": "How it works inside",
    "adding": "Adding an operator",
    "operators": "Operators by family",
}
"""Title by name; the name is the address under ``/guide/`` and that of the file."""

FOLDER: Final = files("service.guide")
STYLE: Final = (FOLDER / "style.css").read_bytes()


@cache
def source(name: str) -> str:
    """The Markdown of a page."""
    return (FOLDER / "pages" / f"{name}.md").read_text("utf-8")
