"""``python -m tests.benchmarks.service [--peers PYTHON] [--seconds S] [--rounds N] [WORD …]``: rates and ratios, reported, never asserted.

Contenders take turns within each round, so a drift of the machine touches all alike; the ratio is the median over the rounds. WORD: only
rows whose name has it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
from collections.abc import Sequence

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported

# ruff: noqa: E402
import httpx
import numpy as np

from tests.benchmarks.measure import interleaved
from tests.benchmarks.service import servers
from tests.benchmarks.service.load import Shot, generator, latencies, percentile, run
from tests.benchmarks.service.rows import LARGE, NPY, Contenders, Row, rows

PEERS = ("umbridge", "tesseract")


def measured(row: Row, seconds: float, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Answers a second of each contender and round; and how many of ours failed."""
    rates: dict[str, list[float]] = {name: [] for name in row.shots}
    failed = 0
    for _ in range(rounds):
        for name, shot in row.shots.items():
            load = run(shot, seconds=seconds, connections=row.connections)
            rates[name].append(load.rate)
            failed += load.failed if name == "ours" else 0
    return rates, failed


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(a / b if b else float("inf") for a, b in zip(ours, theirs, strict=True))


def line(row: Row, seconds: float, rounds: int) -> str:
    """One line of the report."""
    if row.missing:
        return f"{row.name:<34} not measured: {row.missing}"
    rates, failed = measured(row, seconds, rounds)
    ours = statistics.median(rates["ours"])
    cells = [f"{row.name:<34} {ours:>9.1f}", f"{ratio(rates['ours'], rates['echo']):>7.2f}"]
    cells.append(f"{row.aim:>5.2f}" if row.aim is not None and row.eager is None else f"{'-':>5}")
    cells += [f"{ratio(rates['ours'], rates[p]):>9.1f}" if p in rates else f"{'-':>9}" for p in PEERS]
    if row.nbytes:
        cells.append(f"{ours * row.nbytes / 1e6:>8.0f} MB/s")
    if row.eager is not None:
        once = statistics.median(interleaved({"eager": row.eager}, rounds=rounds)["eager"])
        cells.append(f"{ours * once:>8.2f} of the engine's eager rate (aim {row.aim})")
    if failed:
        cells.append(f"  {failed} answers were no success")
    return " ".join(cells)


def health_beside_large_bodies(url: str, seconds: float) -> str:
    """How long /healthz takes while two clients send and two fetch 1e6 float64."""
    with httpx.Client(base_url=url, timeout=60) as http:
        session = http.post("/v1/sessions").raise_for_status().json()["session_id"]
    place = f"{url}/v1/sessions/{session}/tensors"
    raw = np.zeros(LARGE).tobytes()
    query = "dtype=float64&shape=1000000&id=large"
    send = Shot(f"{place}?{query}", raw, headers={"content-type": "application/octet-stream"})
    httpx.post(send.url, content=raw, headers=send.headers, timeout=60).raise_for_status()
    fetch = Shot(f"{place}/large/data", method="GET", headers={"accept": NPY})
    rates = {}

    def load(name: str, shot: Shot) -> None:
        rates[name] = run(shot, seconds=seconds + 1, connections=2).rate

    threads = [threading.Thread(target=load, args=each) for each in (("in", send), ("out", fetch))]
    for thread in threads:
        thread.start()
    found = latencies(Shot(f"{url}/healthz", method="GET", headers={}), seconds=seconds, pause=0.005)
    for thread in threads:
        thread.join()
    p50, p99 = (percentile(found, p) * 1e3 for p in (0.5, 0.99))
    moved = sum(rates.values()) * 8 * LARGE / 1e6
    return f"/healthz beside {moved:.0f} MB/s of binary bodies: p50 {p50:.1f} ms, p99 {p99:.1f} ms (aim 10), {len(found)} asked"


def main(arguments: Sequence[str] | None = None) -> int:
    top = argparse.ArgumentParser(prog="python -m tests.benchmarks.service")
    top.add_argument("--peers", metavar="PYTHON", help="a Python that has umbridge and tesseract-core[runtime]")
    top.add_argument("--seconds", type=float, default=2.0, help="of load for one contender in one round")
    top.add_argument("--rounds", type=int, default=3)
    top.add_argument("words", nargs="*", metavar="WORD")
    given = top.parse_args(arguments)
    with (
        servers.ours() as ours,
        servers.echo() as echo,
        servers.umbridge(given.peers) as umbridge,
        servers.tesseract(given.peers) as tesseract,
    ):
        print(f"load by {generator()}; {given.rounds} rounds of {given.seconds:g} s; ours by theirs, medians")
        print(f"{'row':<34} {'ours /s':>9} {'/ echo':>7} {'aim':>5} {'/ umbr.':>9} {'/ tess.':>9}")
        for row in rows(Contenders(ours, echo, umbridge, tesseract)):
            if not given.words or any(word in row.name for word in given.words):
                print(line(row, given.seconds, given.rounds), flush=True)
        if not given.words or "healthz" in given.words:
            print(health_beside_large_bodies(ours, 2 * given.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
