"""The benchmark of the service runs: both ways of making load, every row prepared, and its answers are successes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.service import load
from tests.benchmarks.service.load import Shot, latencies, percentile, run


@pytest.mark.parametrize("with_wrk", [True, False])
def test_load_counts_answers_and_failures(live_url: str, with_wrk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if with_wrk and load.WRK is None:
        pytest.skip("needs wrk")
    if not with_wrk:
        monkeypatch.setattr(load, "WRK", None)
    good = run(Shot(f"{live_url}/healthz", method="GET", headers={}), seconds=1, connections=2)
    assert good.rate > 0
    assert good.failed == 0
    bad = run(Shot(f"{live_url}/v1/sessions/none/batch", b"{}"), seconds=1, connections=1)
    assert bad.failed > 0


def test_latencies(live_url: str) -> None:
    found = latencies(Shot(f"{live_url}/healthz", method="GET", headers={}), seconds=0.3, pause=0.01)
    assert 0 < percentile(found, 0.5) <= percentile(found, 0.99)


def test_the_report() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.service", "--seconds", "1", "--rounds", "1", "add, 2×2"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    *_, row = done.stdout.strip().splitlines()
    assert row.startswith("add, 2×2")
    assert "no success" not in row
