"""A mixed load on a live server for minutes: how its memory and its descriptors grow once it is warm, as slopes an hour.

Sessions with graphs and backwards, batches, scripts, functions, hostile requests and clients that leave, each session ended.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

__all__ = ["round_of_work"]

STEPS: Final[list[dict[str, Any]]] = [
    {"op": "rand", "args": [[40, 40]], "kwargs": {"requires_grad": True}, "id": "w"},
    {"op": "matmul", "args": ["w", "w"], "id": "y"},
    {"op": "tanh", "args": ["y"], "id": "z"},
    {"op": "sum", "args": ["z"], "id": "s"},
    {"op": "backward", "args": ["s"]},
]
SCRIPT: Final = (
    "import torch\nx = torch.ones(5, requires_grad=True)\nopt = torch.optim.SGD([x], lr=0.1)\nfor _ in range(5):\n"
    "    opt.zero_grad()\n    loss = (x * x).sum()\n    loss.backward()\n    opt.step()\nloss.item()\n"
)
CODE: Final = "def f(x):\n    return (x * x).sum()\n"
WARM: Final = 0.3  # of the time
EVERY: Final = 1.0  # seconds between two looks


def round_of_work(http: httpx.Client) -> dict[int, int]:
    """A session from its beginning to its end, and what goes wrong on the way. Answers how often each status came."""
    seen: dict[int, int] = {}

    def ask(method: str, path: str, **how: Any) -> httpx.Response:
        answer = http.request(method, path, **how)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        return answer

    session = f"/v1/sessions/{ask('POST', '/v1/sessions', json={}).json()['session_id']}"
    ask("POST", f"{session}/batch", json={"steps": STEPS, "return": ["w.grad"]})
    ask("POST", f"{session}/batch", json={"steps": [*STEPS, {"op": "exp", "args": ["nobody"]}]})
    for _ in range(5):
        ask("POST", f"{session}/ops/mul", json={"args": ["z", 2.0], "id": "z"})
        ask("POST", f"{session}/ops/matmul", json={"args": ["z", [1.0, 2.0]]})
    ask("POST", f"{session}/run", json={"code": SCRIPT})
    ask("POST", f"{session}/run", json={"code": SCRIPT + "raise ValueError('x')\n"})
    ask("GET", f"{session}/graph?format=svg")
    ask("PUT", "/v1/functions/soaked", json={"code": CODE})
    for verb in ("value", "grad", "hessian"):
        ask("POST", f"/v1/functions/soaked/{verb}", json={"inputs": {"x": [1.0, 2.0, 3.0]}})
    ask("POST", "/v1/evaluate", json={"code": CODE, "inputs": {"x": ["no"]}})
    ask("POST", f"{session}/tensors", content=b"{", headers={"content-type": "application/json"})
    ask("DELETE", session)
    return seen


def _look(pid: int) -> tuple[float, float]:
    """Resident MiB and open descriptors of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count


def _slope(points: list[tuple[float, float]]) -> float:
    """The least-squares slope, an hour."""
    n = len(points)
    mt, mv = sum(t for t, _ in points) / n, sum(v for _, v in points) / n
    spread = sum((t - mt) ** 2 for t, _ in points)
    return 3_600 * sum((t - mt) * (v - mv) for t, v in points) / spread if spread else 0.0


def _work(url: str, until: float, totals: dict[int, int], rounds: list[int]) -> None:
    with httpx.Client(base_url=url, timeout=60) as http:
        while time.monotonic() < until:
            for status, count in round_of_work(http).items():
                totals[status] = totals.get(status, 0) + count
            with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as leaves:
                leaves.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
            rounds.append(1)


def main() -> int:
    """Run the load and print the slopes; the status is 1 where there was a 5xx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    port = free_port()
    process = start(port)
    url = f"http://127.0.0.1:{port}"
    wait_until_healthy(url, process)
    begun = time.monotonic()
    until = begun + 60 * given.minutes
    totals: dict[int, int] = {}
    rounds: list[int] = []
    clients = [threading.Thread(target=_work, args=(url, until, totals, rounds)) for _ in range(given.clients)]
    for client in clients:
        client.start()
    looks: list[tuple[float, float, float]] = []
    while time.monotonic() < until:
        time.sleep(EVERY)
        looks.append((time.monotonic() - begun, *_look(process.pid)))
    for client in clients:
        client.join()
    warm = [look for look in looks if look[0] >= WARM * 60 * given.minutes]
    memory = _slope([(t, m) for t, m, _ in warm])
    descriptors = _slope([(t, d) for t, _, d in warm])
    stop(process)
    print(
        f"{given.minutes:g} min, {len(rounds)} rounds, {sum(totals.values())} requests, statuses {dict(sorted(totals.items()))}\n"
        f"memory {looks[0][1]:.0f} → {warm[0][1]:.0f} (warm) → {looks[-1][1]:.0f} MiB, {memory:+.1f} MiB/h; "
        f"descriptors {warm[0][2]:.0f} → {looks[-1][2]:.0f}, {descriptors:+.1f}/h"
    )
    return int(any(status >= 500 for status in totals))


if __name__ == "__main__":
    sys.exit(main())
