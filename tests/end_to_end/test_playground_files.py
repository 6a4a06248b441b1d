"""The playground's files: what they are said to be, all that they name, and how they are served."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

import service.playground
from service.playground.assets import served

HOME = Path(service.playground.__file__).parent
VENDOR = HOME / "vendor"
OURS = sorted((HOME / "page").iterdir())


def test_checksums() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S+) \| .*? \| ([0-9a-f]{64}) \|$", (VENDOR / "VENDORED.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 6
    for name, _, _, expected in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected, name
    said = set(re.findall(r"\((LICENSE\.[\w.-]+)\)", (VENDOR / "VENDORED.md").read_text()))
    assert {p.name for p in VENDOR.iterdir()} == {"VENDORED.md"} | said | {name for name, *_ in rows}


def test_the_editor_is_of_the_versions_of_its_recipe() -> None:
    recipe = HOME / "codemirror"
    wanted = json.loads((recipe / "package.json").read_text())["dependencies"]
    locked = json.loads((recipe / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(package["integrity"].startswith("sha512-") for path, package in locked.items() if path)
    assert f"| @codemirror/view | {wanted['@codemirror/view']} |" in (VENDOR / "VENDORED.md").read_text()
    taken = re.findall(r"[{,]\s*(\w+)", " ".join(re.findall(r"\{[^}]*\}", (recipe / "names.js").read_text())))
    used = "".join((HOME / "page" / name).read_text() for name in ("editor.js", "completion.js"))
    assert [name for name in taken if not re.search(rf"\b{name}\b", used)] == []


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_a_file_names_nothing_elsewhere_and_all_that_it_names_is_there(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(?:https?:)?//[\w-]+\.\w", text)
    named = re.findall(r'(?:from|import) "\./([\w-]+\.js)"', text)
    named += re.findall(r'"/playground/([\w./-]+)"', text)
    named += re.findall(r'url\("([^"]+)"\)', text)
    for name in named:
        assert name in served(), name


def test_every_module_is_used() -> None:
    texts = "".join(path.read_text() for path in OURS)
    for path in OURS:
        assert path.name == "index.html" or path.name in texts, path.name


def test_how_it_is_served(http: httpx.Client) -> None:
    page = http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    worker = http.get("/playground/layout-worker.js").headers["content-security-policy"]
    assert worker == "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
    for name, file in served().items():
        found = http.get(f"/playground/{name}")
        assert found.content == file.content
        assert found.headers["content-type"] == file.media_type
        again = http.get(f"/playground/{name}", headers={"If-None-Match": found.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert http.get("/playground/../app.py").status_code == 404
    assert http.get("/playground/vendor/VENDORED.md").status_code == 404
