"""The wheel holds all that the two packages hold: types, stubs and the static files of pages; and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.source import ROOT, files

DIST_INFO = "gradwire-0.1.0.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = Path(out).glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_holds_the_two_packages_whole(wheel: zipfile.ZipFile) -> None:
    ours = {path.relative_to(ROOT).as_posix() for path in files() if path.is_relative_to(ROOT / "engine")}
    ours |= {path.relative_to(ROOT).as_posix() for path in files() if path.is_relative_to(ROOT / "service")}
    held = {name for name in wheel.namelist() if not name.startswith(f"{DIST_INFO}/")}
    assert {"engine/py.typed", "service/py.typed"} <= ours
    assert held == ours


def test_it_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    said = wheel.read(f"{DIST_INFO}/METADATA").decode()
    assert "\nRequires-Python: >=3.11\n" in said
    assert "\nLicense-Expression: MIT\n" in said
    assert "MIT License" in wheel.read(f"{DIST_INFO}/licenses/LICENSE").decode()
    assert "gradwire = service.__main__:main" in wheel.read(f"{DIST_INFO}/entry_points.txt").decode()
