"""What every test may ask for. In CI (GRADWIRE_CI=1) a skip that "needs" something fails: nothing may be missing."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

IN_CI = os.environ.get("GRADWIRE_CI") == "1"


@pytest.fixture(scope="session")
def require_tool() -> Callable[..., Path]:
    """``require_tool("wrk")``: where a system tool is, by the first name found; without it a test is skipped."""

    def require(*names: str) -> Path:
        for name in names:
            if found := shutil.which(name):
                return Path(found)
        pytest.skip(f"needs {' or '.join(names)} on the PATH")

    return require


@pytest.fixture(scope="session")
def require_module() -> Callable[[str], ModuleType]:
    """``require_module("torch")``: an optional package, imported; without it a test is skipped."""

    def require(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pytest.skip(f"needs {name} (torch: make conformance)")

    return require


R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def _unskipped(report: R) -> R:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if reason.startswith("needs"):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, where nothing may be missing: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _unskipped((yield))
