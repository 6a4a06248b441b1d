"""In CI a skip that "needs" something is a failure: tried on a tree of its own with our conftest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

TESTS = """
import pytest
def test_tool(require_tool): require_tool("no-such-tool")
def test_found(require_tool): assert require_tool("no-such-tool", "sh").exists()
def test_module(require_module): require_module("no_such_module")
@pytest.mark.skipif(True, reason="needs a printer")
def test_mark(): ...
@pytest.mark.xfail(reason="needs an answer", strict=True)
def test_expected(): assert False
"""
WHOLE_MODULE = "import pytest\npytest.importorskip('no_such_module', reason='needs no_such_module')\ndef test(): ...\n"


@pytest.mark.parametrize(
    ("in_ci", "closing"),
    [("", "1 passed, 4 skipped, 1 xfailed"), ("1", "2 failed, 1 passed, 1 xfailed, 2 errors")],
)
def test_skips_are_failures_in_ci(tmp_path: Path, in_ci: str, closing: str) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_whole.py").write_text(WHOLE_MODULE)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path),
         "--continue-on-collection-errors", str(tmp_path)],
        env={**os.environ, "GRADWIRE_CI": in_ci}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert closing in ran.stdout.splitlines()[-1], ran.stdout
    assert ran.returncode == (1 if in_ci else 0)
