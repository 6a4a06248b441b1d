"""In which order the items of a row stand, so that few arrows cross: median sweeps, then swaps of neighbours."""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import pairwise

from engine.picture.layers import Layers

__all__ = ["count_crossings", "uncross"]

WORK = 400_000  # items and links looked at, over all sweeps: bounds the time


def uncross(found: Layers) -> None:
    """Reorder ``found.rows`` in place; the best order seen is kept.

    >>> from engine.picture.layers import layers
    >>> found = layers([[], [], [1], [0]], [[3], [2], [], []], [9, 9, 9, 9])
    >>> found.rows = [[0, 1], [2, 3]]
    >>> uncross(found)
    >>> count_crossings(found)
    0
    """
    size = len(found.rank) + sum(map(len, found.down))
    sweeps = max(2, min(24, WORK // (8 * size + 1)))
    best, fewest, idle = [row[:] for row in found.rows], count_crossings(found), 0
    for sweep in range(sweeps):
        if not fewest or idle > 5:
            break
        downward = sweep % 2 == 0
        _sweep(found, downward, right=sweep % 4 > 1)
        for _ in range(2 if size < 4_000 else 0):
            _swap(found, downward)
        now = count_crossings(found)
        idle += 1
        if now < fewest:
            best, fewest, idle = [row[:] for row in found.rows], now, 0
    found.rows = best


def count_crossings(found: Layers) -> int:
    """How many pairs of links cross, over all neighbouring rows."""
    total = 0
    for upper, lower in pairwise(found.rows):
        place = {item: i for i, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            ends = sorted(place[below] for below in found.down[item])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _sweep(found: Layers, downward: bool, right: bool) -> None:
    """Sort each row by the median place of its neighbours in the row before; items without one keep their place."""
    links = found.up if downward else found.down
    rows = found.rows if downward else found.rows[::-1]
    for fixed, row in pairwise(rows):
        place = {item: i for i, item in enumerate(fixed)}
        keys = {item: _median(sorted(place[n] for n in links[item])) for item in row if links[item]}
        movable = [item for item in (reversed(row) if right else row) if item in keys]
        movable.sort(key=keys.__getitem__)
        following = iter(movable)
        row[:] = [next(following) if item in keys else item for item in row]


def _median(places: list[int]) -> float:
    """The weighted median of Gansner et al., "A technique for drawing directed graphs" (1993)."""
    half = len(places) // 2
    if len(places) % 2:
        return places[half]
    if len(places) == 2:
        return (places[0] + places[1]) / 2
    left, right = places[half - 1] - places[0], places[-1] - places[half]
    if left + right == 0:
        return (places[half - 1] + places[half]) / 2
    return (places[half - 1] * right + places[half] * left) / (left + right)


def _swap(found: Layers, downward: bool) -> None:
    """Exchange neighbours in a row where that removes crossings with both rows around it."""
    rows = found.rows
    for at in range(len(rows)) if downward else range(len(rows) - 1, -1, -1):
        row = rows[at]
        above = {item: i for i, item in enumerate(rows[at - 1])} if at else {}
        below = {item: i for i, item in enumerate(rows[at + 1])} if at + 1 < len(rows) else {}
        ups = {item: sorted(above[n] for n in found.up[item]) for item in row}
        downs = {item: sorted(below[n] for n in found.down[item]) for item in row}
        for i in range(len(row) - 1):
            a, b = row[i], row[i + 1]
            now = _between(ups[a], ups[b]) + _between(downs[a], downs[b])
            if now and now > _between(ups[b], ups[a]) + _between(downs[b], downs[a]):
                row[i], row[i + 1] = b, a


def _between(left: list[int], right: list[int]) -> int:
    """Crossings of two neighbours' links, their ends sorted."""
    total = at = 0
    for end in left:
        while at < len(right) and right[at] < end:
            at += 1
        total += at
    return total
