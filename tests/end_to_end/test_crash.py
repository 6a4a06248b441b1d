"""Kill -9 while clients work: nothing acknowledged is lost, nothing is half done, nothing is done twice.

Each round kills a real server at a random moment, starts it again on the same directory, and compares every session with a model that
did the acknowledged requests itself. ``make crash`` kills 100 times; here it is a few.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy
from tests.end_to_end.crash_model import Model

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
CLIENTS = 4


@dataclass
class Tally:
    """What was seen, over all rounds."""

    kills: int = 0
    in_flight: int = 0  # kills while a request had no answer yet
    acknowledged: int = 0
    unanswered: int = 0  # requests that had no answer when the process died
    kept: int = 0  # of those, how many had been done
    lost: int = 0
    half_done: int = 0
    doubled: int = 0
    replayed: int = 0  # requests sent again with their key
    kinds: Counter[str] = field(default_factory=Counter)  # of what was acknowledged

    def __str__(self) -> str:
        told = [f"{f.name} {getattr(self, f.name)}" for f in fields(self) if f.name != "kinds"]
        return ", ".join([*told, *(f"{kind} {count}" for kind, count in sorted(self.kinds.items()))])


def checked(model: Model, http: httpx.Client, tally: Tally) -> None:
    """Compare a session with its model after a restart, and find out what became of the request that had no answer."""
    found = model.found(http)
    before = model.expected(model.state)
    asked = model.asked
    if asked is not None:
        tally.unanswered += 1
        after = model.state.copy()
        done = model.apply(after, asked)
        possible = (before, model.expected(after)) if done else (before,)
        tally.kept += found != before
        tally.half_done += found not in possible
        assert found in possible, "half done"
        if asked.key is not None:  # the same request again: done once, whether it had been or not
            model.took(asked, asked.sent(http))
            found = model.found(http)
        elif found != before:
            model.state = after
        model.asked = None
    expected = model.expected(model.state)
    tally.lost += found != expected
    assert found == expected
    for again, content in model.answered[-3:]:
        tally.replayed += 1
        assert again.sent(http).content == content
    tally.doubled += model.found(http) != expected
    assert model.found(http) == expected


def crashed(path: Path, kills: int, durability: str, seed: int) -> Tally:
    numbers = np.random.default_rng(seed)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    tally = Tally()
    models: list[Model] = []
    given = {"data_dir": str(path), "durability": durability, "snapshot_records": "40", "disk_reserve": "1"}
    for round_number in range(kills + 1):
        process = start(port, **given)
        try:
            wait_until_healthy(url, process)
            with httpx.Client(base_url=url, timeout=60) as http:
                for model in models:
                    checked(model, http, tally)
                while len(models) < CLIENTS:
                    models.append(Model(http, seed + len(models)))
            if round_number == kills:
                stop(process)
                break
            work_until_killed(models, url, process.kill, int(numbers.integers(10, 120)))  # SIGKILL
            process.wait(timeout=30)
            tally.kills += 1
            tally.in_flight += any(m.asked is not None for m in models)
            assert [m.problem for m in models if m.problem is not None] == []
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
    tally.acknowledged = sum(m.acknowledged for m in models)
    tally.kinds = sum((m.kinds for m in models), Counter())
    return tally


def work_until_killed(models: list[Model], url: str, kill: Callable[[], None], answers: int) -> None:
    """All clients at work at the same time; after so many answers the end, wherever it finds them."""
    wanted = sum(m.count for m in models) + answers
    clients = [httpx.Client(base_url=url, timeout=60) for _ in models]
    over = threading.Event()
    threads = [
        threading.Thread(target=model.work, args=(http, over)) for model, http in zip(models, clients, strict=True)
    ]
    for thread in threads:
        thread.start()
    while sum(m.count for m in models) < wanted and any(thread.is_alive() for thread in threads):
        time.sleep(0.0005)
    kill()
    over.set()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for http in clients:
        http.close()


@pytest.mark.parametrize(("durability", "share"), [("always", 1.0), ("interval", 0.34), ("none", 0.34)])
def test_kill_9(tmp_path: Path, durability: str, share: float) -> None:
    kills = max(1, round(KILLS * share))
    tally = crashed(tmp_path / "store", kills, durability, seed=int(os.environ.get("CRASH_SEED", "1")))
    print(f"\n{durability}: {tally}")
    assert tally.kills == kills
    assert tally.acknowledged > kills
    assert tally.in_flight * 2 >= kills
    assert (tally.lost, tally.half_done, tally.doubled) == (0, 0, 0)
    if kills > 2:
        assert set(tally.kinds) == {"batch", "binary", "fork", "function", "script", "step"}
    assert tally.replayed > 0
