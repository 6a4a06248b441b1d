"""Timing: contenders take turns within one run, so a drift of the machine's speed touches all alike; medians and ratios are reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "ratio"]


def interleaved(
    steps: Mapping[str, Callable[[], object]], *, rounds: int = 25, seconds: float = 0.02
) -> dict[str, list[float]]:
    """CPU seconds of one step, for each contender and round. Each gets the same number of rounds, in turn.

    seconds: how long one contender runs in a round; its repetitions are found from a first run.
    """
    repeats: dict[str, int] = {}
    for name, step in steps.items():
        step()
        start = time.process_time()
        step()
        once = max(time.process_time() - start, 1e-7)
        repeats[name] = max(1, int(seconds / once))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            count = repeats[name]
            start = time.process_time()
            for _ in range(count):
                step()
            times[name].append((time.process_time() - start) / count)
    return times


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds of ours by theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
