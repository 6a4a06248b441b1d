"""Every code block of the README is run: shell and Python against a live server, Python of the engine by itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.settings import from_file

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"make serve\n", "make test\n"}  # what brought this test here, and what .ci/run does from a clean clone
IMAGE = "docker build -f docker/Dockerfile -t gradwire . && docker run -p 8000:8000 gradwire\n"  # tests/house checks its commands


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README.read_text()) if found == language]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {language for language, _ in BLOCK.findall(README.read_text())} == {
        "sh",
        "bash",
        "python",
        "text",
        "toml",
        "",
    }
    assert set(blocks("sh")) == COMMANDS | {IMAGE}
    assert len(blocks("")) == 1  # the map


def test_the_map_names_what_exists() -> None:
    root = README.parent
    for name in re.findall(r"[\w./]+/(?=\s)|\w+\.py|Dockerfile|compose\.yaml", blocks("")[0]):
        assert list(root.glob(f"**/{name.rstrip('/')}")), name


def test_curl(live_url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    script = "set -euo pipefail\n" + "\n".join(blocks("bash")).replace("http://127.0.0.1:8000", live_url)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"data":[[1.5,1.5],[1.5,1.5]]' in done.stdout
    assert '"status":4' not in done.stdout
    assert "graph TD" in done.stdout
    assert '{"gradients":{"x":[[-251.0,1001.0,-250.0],[0.0,0.0,0.0]]}}' in done.stdout
    assert '"ok":true' in done.stdout
    assert (tmp_path / "graph.svg").read_text().lstrip().startswith(("<?xml", "<svg"))


def test_python_over_http_and_in_the_engine(live_url: str) -> None:
    printed = []
    for text in blocks("python"):
        code = text.replace("http://127.0.0.1:8000", live_url)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=README.parent, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed == ["[[1.5, 1.5], [1.5, 1.5]]\n", "tensor([[1.5000, 1.5000],\n        [1.5000, 1.5000]])\n"]


def test_the_server_of_the_readme_is_there(http: httpx.Client) -> None:
    assert http.get("/docs").status_code == 200


def test_settings_are_settings(tmp_path: Path) -> None:
    for number, text in enumerate(blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert from_file(str(file))
