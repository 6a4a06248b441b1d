"""At which x each item stands: its order in the row and the gaps are kept, arrows become short and mostly straight.

Each sweep asks every item where it would like to be, the weighted median of its neighbours, and then solves the row
exactly: the positions nearest to the wishes that keep order and gaps (isotonic regression, pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from engine.picture.layers import Layers

__all__ = ["columns"]

GAP = 30.0  # between boxes
LINE_GAP = 20.0  # beside the line of a long arrow
WORK = 60_000  # items and links looked at, over all sweeps

Wish = tuple[float, float]  # position, weight


def columns(found: Layers, widths: Sequence[float]) -> list[float]:
    """The centre of each item, the leftmost box edge at 0.

    >>> from engine.picture.layers import layers
    >>> columns(layers([[], [], [0, 1]], [[2], [2], []], [50, 50, 50]), [50, 50, 50])
    [25.0, 105.0, 65.0]
    """
    size = [widths[item] if item < found.real else 0.0 for item in range(len(found.rank))]
    steps = [_steps(found, row, size) for row in found.rows]
    x = [0.0] * len(found.rank)
    for row, step in zip(found.rows, steps, strict=True):
        for item, at in zip(row, step, strict=True):
            x[item] = at - step[-1] / 2
    weights = _weights(found)
    work = len(found.rank) + sum(map(len, found.down))
    best, least = x[:], _stretch(found, x, weights)
    for sweep in range(max(3, min(10, WORK // (4 * work + 1)))):
        for which in ("up", "down", "both"):
            _sweep(found, x, steps, weights, which)
            now = _stretch(found, x, weights)
            if now < least - 0.5:
                best, least = x[:], now
        if sweep > 3 and best is not x and now > least * 1.02:
            x = best[:]
    left = min((best[item] - size[item] / 2 for item in range(len(best))), default=0.0)
    return [round(at - left, 1) for at in best]


def _steps(found: Layers, row: list[int], size: list[float]) -> list[float]:
    """How far each item of a row is from the first one when all stand as close as allowed."""
    at, step = 0.0, [0.0]
    for a, b in pairwise(row):
        both_boxes = a < found.real and b < found.real
        at += (size[a] + size[b]) / 2 + (GAP if both_boxes else LINE_GAP)
        step.append(at)
    return step if row else []


def _weights(found: Layers) -> list[list[float]]:
    """How much each link (upper item, nth in ``down``) wants to be straight.

    Long lines most; then, of a node's inputs, the one with the longest history: the spine of the graph, to which
    weights and constants come from the side.
    """
    deepest = [max((found.depth[found.owner[n]] for n in above), default=0) for above in found.up]
    weights = []
    for item, below in enumerate(found.down):
        depth = found.depth[found.owner[item]]
        if item >= found.real:
            row = [8.0 if n >= found.real else 2.0 for n in below]
        else:
            row = [2.0 if n >= found.real else 3.0 if depth == deepest[n] else 1.0 for n in below]
        weights.append(row)
    return weights


def _stretch(found: Layers, x: list[float], weights: list[list[float]]) -> float:
    return sum(
        weight * abs(x[item] - x[n])
        for item, below in enumerate(found.down)
        for n, weight in zip(below, weights[item], strict=True)
    )


def _sweep(found: Layers, x: list[float], steps: list[list[float]], weights: list[list[float]], which: str) -> None:
    above: list[list[tuple[int, float]]] = [[] for _ in found.rank]
    for item, below in enumerate(found.down):
        for n, weight in zip(below, weights[item], strict=True):
            above[n].append((item, weight))
    rows = range(len(found.rows))
    for at in rows if which != "down" else reversed(rows):
        wishes = []
        for item in found.rows[at]:
            near: list[Wish] = []
            if which != "down":
                near += [(x[n], weight) for n, weight in above[item]]
            if which != "up":
                near += [(x[n], weight) for n, weight in zip(found.down[item], weights[item], strict=True)]
            wishes.append((_median(near), sum(w for _, w in near)) if near else (x[item], 0.05))
        for item, place in zip(found.rows[at], _settle(wishes, steps[at]), strict=True):
            x[item] = place


def _median(near: list[Wish]) -> float:
    """The weighted median, the middle of its interval where it is one."""
    if len(near) == 1:
        return near[0][0]
    near.sort()
    half = sum(weight for _, weight in near) / 2
    total = 0.0
    for i, (place, weight) in enumerate(near):
        total += weight
        if total > half:
            return place
        if total == half:
            return (place + near[i + 1][0]) / 2
    return near[-1][0]


def _settle(wishes: list[Wish], step: list[float]) -> list[float]:
    """The positions nearest to the wishes (weighted least squares) that are ``step`` apart or more."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for (wish, own), offset in zip(wishes, step, strict=True):
        mean, weight, members = wish - offset, own, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight += heavy
            members += many
        pools.append((mean, weight, members))
    places = [mean for mean, _, members in pools for _ in range(members)]
    return [place + offset for place, offset in zip(places, step, strict=True)]
