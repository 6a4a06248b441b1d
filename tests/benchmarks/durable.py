"""``python -m tests.benchmarks.durable [--seconds S] [--sessions N] [--records N]``: what durability costs, reported, never asserted.

Acknowledged writes a second of a real server, durable beside memory, at 1 and 64 clients with a session each; how fast a log is read
and done again; what a session takes in memory and when it is evicted, and how long it takes to come back.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy is imported

# ruff: noqa: E402
import httpx

from service.executors.local import LocalExecutor, SystemClock
from service.journal.sqlite import SQLiteJournal
from service.sessions.limits import Limits
from service.sessions.manager import Pace, SessionManager
from service.sessions.outcomes import Reply
from service.sessions.ports import Change, Record
from service.sessions.replay import created, described, replayed, stream
from service.sessions.session import Session
from service.sessions.transaction import Transaction
from service.steps.step import Step
from tests.benchmarks.service.load import Shot, each_its_own

__all__ = ["main"]

MODES: dict[str, dict[str, str]] = {
    "memory": {},
    "durable, always": {"durability": "always"},
    "durable, interval": {"durability": "interval"},
    "durable, none": {"durability": "none"},
}
CLIENTS = (1, 64)
X = Step("tensor", ([[1.0, 2.0], [3.0, 4.0]],), {"requires_grad": True}, "x")
N = Step("tensor", ([[1.0, 2.0], [3.0, 4.0]],), {}, "n")
MIX = (
    Step("mul", ("x", "x"), {}, "y"),
    Step("add", ("y", 2.0), {}, "more"),
    Step("tanh", ("more",), {}, "z"),
    Step("sum", ("z",), {}, "out"),
    Step("backward", ("out",)),
    Step("mul_", ("n", 0.99)),
    Step("randn", (2, 2), {}, "r"),
    Step("getitem", ("x", "0"), {}, "row"),
    Step("zero_grad", (["x"],)),
    Step("tensor", ([1.0, 2.0, 3.0],), {}, "t"),
)


@contextmanager
def served(**settings: str) -> Iterator[str]:
    """A server of its own; its address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = {**os.environ, **{f"GRADWIRE_{k.upper()}": v for k, v in settings.items()}, "GRADWIRE_LINGER": "0"}
    command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/healthz", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def writes(seconds: float, path: Path) -> None:
    """Acknowledged writes a second."""
    print(f"{'acknowledged writes a second':<32}" + "".join(f"{f'{n} clients':>14}" for n in CLIENTS))
    body = json.dumps({"args": ["n", 1]}).encode()
    for name, given in MODES.items():
        where = {"data_dir": str(path / name.replace(", ", "-"))} if given else {}
        with served(**where, **given) as url, httpx.Client(base_url=f"{url}/v1", timeout=60) as http:
            cells = []
            for count in CLIENTS:
                shots = []
                for _ in range(count):
                    session = http.post("/sessions").raise_for_status().headers["Location"]
                    http.post(f"{url}{session}/tensors", json={"id": "n", "data": [0.0, 0.0]}).raise_for_status()
                    shots.append(Shot(f"{url}{session}/ops/add_", body))
                load = each_its_own(shots, seconds=seconds)
                cells.append(f"{load.rate:>14,.0f}" + (f" ({load.failed} failed)" if load.failed else ""))
            print(f"  {name:<30}" + "".join(cells), flush=True)


def replay(records: int, path: Path) -> None:
    """How fast a log is written, opened, read and done again."""
    session = Session("s", seed=1)
    changes: list[Change] = [Record("s", 0, "created", created(session, ttl=1.0, created=0.0))]

    def do(step: Step) -> None:
        before = stream(session.generator)
        with session.begin() as tx:
            tx.step(step)
            tx.settle()
            data = described(tx, before)
            tx.commit()
        changes.append(Record("s", len(changes), "work", data))

    do(X)
    do(N)
    while len(changes) <= records:
        do(MIX[(len(changes) - 3) % len(MIX)])
    journal = SQLiteJournal(path, durability="none")
    for at in range(0, len(changes), 1_000):
        journal.commit(changes[at : at + 1_000]).result()
    journal.close()
    times: dict[
        str, tuple[float, float]
    ] = {}  # on the clock, and of the processor, which a busy machine does not stretch

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun, worked = time.perf_counter(), time.process_time()
        found = work()
        times[name] = time.perf_counter() - begun, time.process_time() - worked
        return found

    journal = timed("opened, every row checked", lambda: SQLiteJournal(path))
    stored = timed("read", lambda: journal.load("s"))
    timed("done again", lambda: replayed("s", stored, Limits()))
    journal.close()
    read, done = times["read"], times["done again"]
    times["read and done again"] = read[0] + done[0], read[1] + done[1]
    print(f"\na log of {records:,} records, no snapshot")
    for name, (taken, worked) in times.items():
        rates = f"{records / taken:>14,.0f} a second, {records / worked:,.0f} a second of the processor"
        print(f"  {name:<30}{rates}", flush=True)


def allocated() -> int:
    """Bytes that Python and NumPy have asked for."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def held(count: int, path: Path) -> None:
    """What sessions take, in memory and evicted."""
    journal = SQLiteJournal(path, durability="none")
    given: dict[str, Any] = {"most_sessions": count + 1, "idle_ttl": 3_600.0, "queue_places": 8, "queue_seconds": 5}
    pace = Pace(stored=count + 1)
    sessions = SessionManager(LocalExecutor(1), SystemClock(), Limits(), journal=journal, pace=pace, **given)

    def work(tx: Transaction) -> Reply:
        for step in (X, N, *MIX):
            tx.step(step)
        return Reply(200)

    tracemalloc.start()
    empty = allocated()
    ids = [
        (await sessions.open(None, lambda e: Reply(201, e.session_id.encode()))).payload.decode() for _ in range(count)
    ]
    for session_id in ids:
        await sessions.run(session_id, work, batch=True)
    live = allocated() - empty
    for session_id in ids:
        sessions.find(session_id).live = None
    evicted = allocated() - empty
    tracemalloc.stop()
    begun = time.perf_counter()
    for session_id in ids:
        await sessions.run(session_id, lambda tx: None)
    back = time.perf_counter() - begun
    print(f"\n{count:,} sessions of {len(MIX) + 2} tensors with a graph, {sessions.live:,} live again at the end")
    print(f"  {'live':<30}{live / count:>14,.0f} bytes of memory each")
    print(f"  {'evicted':<30}{evicted / count:>14,.0f} bytes of memory each")
    print(f"  {'back at the first touch':<30}{1e3 * back / count:>14.2f} ms each", flush=True)
    await sessions.close()
    journal.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load for each figure [5]")
    parser.add_argument("--sessions", type=int, default=2_000, help="held in memory and evicted [2000]")
    parser.add_argument("--records", type=int, default=20_000, help="of the log that is done again [20000]")
    given = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as the server does
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        writes(given.seconds, path)
        replay(given.records, path / "log")
        asyncio.run(held(given.sessions, path / "held"))


if __name__ == "__main__":
    main()
