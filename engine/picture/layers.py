"""Which row each node stands in, and the bends that let long arrows pass the rows between.

Rows are longest paths from the sources, then nodes slide to where their arrows get shorter. A picture that would be
too wide is cut: the run of neighbours in walk order that still fits gets its rows, the next run gets the rows below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.picture.graph import walk_order

__all__ = ["Layers", "layers"]

Links = list[list[int]]

WIDEST = 2200.0  # a row wider than this, gaps included, is cut


@dataclass(slots=True)
class Layers:
    """Rows of items: items below ``real`` are nodes, the others bends of the node ``owner``.

    ``up`` and ``down`` link items of neighbouring rows only. All long arrows of one node share one line of bends: they
    carry the same tensor. ``routes`` gives, per arrow (source, target), its bends from top to bottom; ``depth`` the
    longest path that ends at a node.
    """

    real: int
    rank: list[int]
    depth: list[int]
    owner: list[int]
    up: Links
    down: Links
    rows: Links
    routes: dict[tuple[int, int], list[int]]


def layers(inputs: Links, consumers: Links, widths: Sequence[float]) -> Layers:
    """Rows, in walk order, and bends.

    >>> found = layers([[], [0], [0, 1]], [[1, 2], [2], []], [50, 50, 50])
    >>> found.rows, found.routes[0, 2]
    ([[0], [3, 1], [2]], [3])
    """
    order = walk_order(inputs, consumers)
    rank = _ranks(inputs, consumers, order, widths)
    place = {node: i for i, node in enumerate(order)}
    depth = [0] * len(inputs)
    for node in order:
        depth[node] = max((depth[i] + 1 for i in inputs[node]), default=0)
    result = Layers(
        real=len(inputs),
        rank=rank,
        depth=depth,
        owner=list(range(len(inputs))),
        up=[[] for _ in inputs],
        down=[[] for _ in inputs],
        rows=[],
        routes={},
    )
    for source in order:
        _link(result, source, sorted(consumers[source], key=lambda node: (rank[node], place[node])))
    result.rows = [[] for _ in range(max(rank, default=-1) + 1)]
    for item in sorted(range(len(result.rank)), key=lambda item: (place[result.owner[item]], item)):
        result.rows[result.rank[item]].append(item)
    return result


def _link(result: Layers, source: int, targets: list[int]) -> None:
    """Link a node to its consumers, over one shared line of bends."""
    line = [source]
    for target in targets:
        while len(line) < result.rank[target] - result.rank[source]:
            bend = len(result.rank)
            result.rank.append(result.rank[line[-1]] + 1)
            result.owner.append(source)
            result.up.append([line[-1]])
            result.down.append([])
            result.down[line[-1]].append(bend)
            line.append(bend)
        last = line[result.rank[target] - result.rank[source] - 1]
        result.down[last].append(target)
        result.up[target].append(last)
        result.routes[source, target] = line[1 : result.rank[target] - result.rank[source]]


def _ranks(inputs: Links, consumers: Links, order: list[int], widths: Sequence[float]) -> list[int]:
    rank, floor, ceiling = _stacked(inputs, order, widths)
    private = [False] * len(inputs)  # nothing above but sources is used elsewhere: it may all slide down together
    for node in order:
        private[node] = all(not inputs[i] or (private[i] and len(consumers[i]) == 1) for i in inputs[node])
    for _ in range(3):
        for node in reversed(order):
            lowest = min((rank[c] - 1 for c in consumers[node]), default=rank[node])
            slides = private[node] or not inputs[node] or len(consumers[node]) > len(inputs[node])
            if slides and consumers[node]:
                rank[node] = max(rank[node], min(lowest, ceiling[node]))
        for node in order:
            highest = max((rank[i] + 1 for i in inputs[node]), default=rank[node])
            if not private[node] and len(inputs[node]) >= len(consumers[node]):
                rank[node] = max(highest, floor[node])
    used = {old: new for new, old in enumerate(sorted(set(rank)))}
    return [used[r] for r in rank]


def _stacked(inputs: Links, order: list[int], widths: Sequence[float]) -> tuple[list[int], list[int], list[int]]:
    """Longest-path rows in stacked runs no wider than ``WIDEST``; per node also its run's first and last row."""
    rank = [0] * len(inputs)
    floor = [0] * len(inputs)
    ceiling = [0] * len(inputs)
    base = bottom = 0
    run: list[int] = []
    filled: dict[int, float] = {}
    for node in order:
        row = max((rank[i] + 1 for i in inputs[node]), default=base)
        row = max(row, base)
        if run and filled.get(row, 0.0) + widths[node] > WIDEST:
            for member in run:
                ceiling[member] = bottom
            row = base = bottom + 1
            run, filled = [], {}
        rank[node], floor[node] = row, base
        bottom = max(bottom, row)
        filled[row] = filled.get(row, 0.0) + widths[node]
        run.append(node)
    for member in run:
        ceiling[member] = bottom
    return rank, floor, ceiling
