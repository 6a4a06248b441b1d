"""The vendored files are what they are said to be, and the page needs nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import service.api
from service.api.routes.docs import PAGE

STATIC = Path(service.api.__file__).parent / "static"


def test_checksums() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S+) \| .*? \| ([0-9a-f]{64}) \|$", (STATIC / "VENDORED.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 3
    for name, _, _, expected in rows:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == expected, name
    ours = {"VENDORED.md", "start.js", "colours.css", "LICENSE.swagger-ui"}
    assert {p.name for p in STATIC.iterdir()} == ours | {name for name, *_ in rows}


def test_the_page_names_nothing_elsewhere() -> None:
    assert "//" not in PAGE.replace("<!doctype html>", "")
    for name in re.findall(r'(?:src|href)="/docs/([^"]+)"', PAGE):
        assert (STATIC / name).exists()
