"""How long the largest requests take that the limit of arithmetic admits: the slowest row of each family, on this machine.

The samples of the table are grown until the next size would pass the limit or the bytes of a tensor. What takes more than five seconds
has a weight that is too small. Rows that no request can name are left out: they run inside others. The process takes at most ``MOST`` of
memory: a workspace that is too small is then a line of the table and no end of the machine.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import engine
from engine.errors import EngineError, InvalidValueError
from engine.op import Op, Sample
from engine.promotion import estimate
from engine.tensor import Tensor
from service.steps.errors import LimitExceeded
from service.steps.limits import Limits, fitting
from tests.engine.rows import TRIED, arguments, call, samples, tensor

__all__ = ["Timed", "slowest"]

BAD = 5.0  # seconds
MOST = 8 * 2**30  # bytes of addresses
LARGEST = 4 * 2**20  # elements
GROWTHS = (3, 10, 30, 100, 200, 300, 430, 700, 1_000, 2_000, 10_000, 100_000, 1_000_000)


class Timed(NamedTuple):
    """One row's largest admitted call."""

    seconds: float
    row: str
    cost: int
    shapes: list[tuple[int, ...]]


def _grown(row: Op, sample: Sample, by: int) -> list[Any]:
    """A sample's arguments, grown. Errors: the engine's, where they mean nothing then."""

    def make(a: Any) -> Tensor:
        times = [by if n > 1 else 1 for n in a.shape]
        if max(a.size, 1) * math.prod(times) > LARGEST:
            raise InvalidValueError("too large")
        return tensor(np.tile(np.ascontiguousarray(a), times) if a.ndim else a, single=False)

    return arguments(row, sample, make)


def slowest(row: Op, limits: Limits) -> Timed | None:
    """The row's largest admitted call, timed; None where none of its samples grows."""
    found: Timed | None = None
    for sample in samples(row):
        largest: list[Any] | None = None
        cost = 0
        for by in GROWTHS:
            try:
                bound = _grown(row, sample, by)
                expected = estimate(row, list(bound))
                fitting(limits, row.name, expected)
            except (EngineError, LimitExceeded):
                continue
            if cost <= expected.cost <= limits.request_cost:
                largest, cost = bound, expected.cost
        if largest is None:
            continue
        begun = time.perf_counter()
        try:
            with engine.no_grad(), np.errstate(all="ignore"):
                call(row, largest)
        except EngineError:
            continue
        except MemoryError:  # more than it said
            return Timed(math.inf, row.id, cost, [tuple(t.shape) for t in largest if isinstance(t, Tensor)])
        seconds = time.perf_counter() - begun
        shapes = [tuple(t.shape) for t in largest if isinstance(t, Tensor)]
        found = max(found, Timed(seconds, row.id, cost, shapes)) if found else Timed(seconds, row.id, cost, shapes)
    return found


def main(families: Sequence[str]) -> int:
    """Print the table; the status is 1 where something takes too long."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MOST if hard == resource.RLIM_INFINITY else min(MOST, hard), hard))
    limits = Limits()
    late = False
    print(f"{'family':<18}{'slowest row':<34}{'seconds':>8}{'cost':>10}{'ns/op':>8}  shapes", flush=True)
    named = [row for row in TRIED if row.forms]
    for family in sorted({row.family for row in named}):
        if families and family not in families:
            continue
        times = [t for row in named if row.family == family and (t := slowest(row, limits))]
        if not times:
            continue
        worst = max(times)
        late = late or worst.seconds > BAD
        rate = 1e9 * worst.seconds / max(worst.cost, 1)
        print(
            f"{family:<18}{worst.row:<34}{worst.seconds:8.2f}{worst.cost:10.1e}{rate:8.2f}  {worst.shapes}", flush=True
        )
    return int(late)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="all where none is named")
    sys.exit(main(parser.parse_args().families))
