"""`.ci/run` can install every system tool that a test names, and the Makefile's words hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT, sources

MAKEFILE = (ROOT / "Makefile").read_text()
ASKS = {"require_tool", "shutil.which"}


def asked_for(text: str) -> set[str]:
    """The names written out in calls of ``require_tool`` and ``shutil.which``."""
    calls = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and ast.unparse(node.func) in ASKS
    )
    return {a.value for call in calls for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}


def test_names_are_found() -> None:
    assert asked_for("require_tool('wrk', 'ab')\nshutil.which('dot')\nwhich(name)") == {"wrk", "ab", "dot"}


def test_ci_can_install_what_tests_ask_for() -> None:
    tools = re.search(r'^TOOLS="(.*)"$', (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert tools
    installable = {row.partition(":")[0] for row in tools[1].split()}
    for source in sources():
        if source.within("tests") and not source.within("tests/house") and source.path.endswith(".py"):
            assert asked_for(source.text) <= installable, source.path


def test_ci_is_a_script() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=plain, capture_output=True, text=True, check=False, timeout=60
    )


def test_every_chore_has_its_line_of_help() -> None:
    listed = re.findall(r"^make ([\w-]+)", make("help").stdout, re.MULTILINE)
    assert listed == [
        "help",
        "serve",
        "test",
        "check",
        "stubs",
        "bench",
        "bench-service",
        "bench-durable",
        "crash",
        "drain",
        "damage",
        "schemathesis",
        "soak",
        "calibrate",
        "conformance",
        "lock",
        "wheels",
        "mermaid",
        "clean",
    ]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("exit 1", "Gradwire needs Python 3.11 or newer; none of these is:"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "Gradwire needs the venv module, which"),
    ],
    ids=["old", "without-venv"],
)
@pytest.mark.parametrize("target", ["serve", "test"])
def test_what_is_missing_is_said_in_one_line(tmp_path: Path, target: str, answer: str, sentence: str) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{answer}\n")
    python.chmod(0o755)
    ran = make(target, f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1
    assert sentence in ran.stderr
    assert str(python) in ran.stderr
    assert not (tmp_path / "venv").exists()


def test_a_second_run_starts_at_once(tmp_path: Path) -> None:
    """The environment is made again only when the lock is newer than it, installed again when pyproject.toml is."""
    for stamp in (".locked", ".installed"):
        (tmp_path / stamp).touch()
    assert make("--question", "environment", f"VENV={tmp_path}").returncode == 0
    os.utime(tmp_path / ".installed", (0, 0))
    planned = make("--dry-run", "environment", f"VENV={tmp_path}").stdout
    assert "--no-deps --no-build-isolation --editable ." in planned
    assert "--require-hashes" not in planned
    os.utime(tmp_path / ".locked", (0, 0))
    assert "--require-hashes" in make("--dry-run", "environment", f"VENV={tmp_path}").stdout
