"""Where boxes and arrows go: a layered layout after Sugiyama, every separate part of the graph on its own shelf place.

All loops are iterative, and every step's work is bounded; the same graph always gives the same layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.picture.columns import columns
from engine.picture.crossings import uncross
from engine.picture.graph import Graph
from engine.picture.layers import Layers, layers

__all__ = ["Box", "Layout", "Point", "Route", "layout"]

Point = tuple[float, float]

ROW_GAP = 42.0  # least height between two rows, where the arrows run
ROW_GAP_MOST = 110.0
PART_GAP = 60.0  # between separate parts of the graph
PORT_GAP = 20.0  # between two arrow heads on one box
PORT_MARGIN = 20.0  # from a box's corner to its first arrow head


@dataclass(frozen=True, slots=True)
class Box:
    """A node's rectangle by its centre, and the row it stands in."""

    x: float
    y: float
    width: float
    height: float
    row: int


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow from the lower side of one box to the upper side of another.

    From an even point to the next the line goes straight down, from an odd one to the next it swings over.
    """

    source: str
    target: str
    input: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture: boxes by node id, routes in the graph's order of edges."""

    width: float
    height: float
    boxes: Mapping[str, Box]
    routes: tuple[Route, ...]


def layout(graph: Graph, sizes: Mapping[str, tuple[float, float]]) -> Layout:
    """Lay out a graph whose nodes have these widths and heights.

    >>> from engine.picture import GraphEdge, GraphNode
    >>> a, b = (GraphNode(name, "leaf", name, None, name, (), "float32") for name in "ab")
    >>> found = layout(Graph((a, b), (GraphEdge("a", "b", 0),)), {"a": (40, 20), "b": (40, 20)})
    >>> found.boxes["b"]
    Box(x=20.0, y=72.0, width=40, height=20, row=1)
    >>> found.routes[0].points
    ((20.0, 20.0), (20.0, 20.0), (20.0, 62.0), (20.0, 62.0))
    """
    inputs, consumers = graph.links()
    parts = _parts(inputs, consumers)
    number = {node.id: i for i, node in enumerate(graph.nodes)}
    home = {node: p for p, part in enumerate(parts) for node in part}
    arrows: list[list[tuple[int, int, int]]] = [[] for _ in parts]
    for edge in graph.edges:
        source, target = number[edge.source], number[edge.target]
        arrows[home[source]].append((source, target, edge.input))
    measured = [sizes[node.id] for node in graph.nodes]
    pieces = [_place(part, inputs, consumers, measured, arrows[p]) for p, part in enumerate(parts)]
    boxes: dict[int, Box] = {}
    lines: dict[tuple[int, int, int], tuple[Point, ...]] = {}
    shelf = max(1400.0, *(piece.width for piece in pieces)) if pieces else 0.0
    x = y = width = height = 0.0
    for piece in pieces:
        if x and x + piece.width > shelf:
            x, y, height = 0.0, y + height + PART_GAP, 0.0
        boxes |= {node: replace(box, x=box.x + x, y=box.y + y) for node, box in piece.boxes.items()}
        lines |= {key: tuple((px + x, py + y) for px, py in points) for key, points in piece.lines.items()}
        width, height = max(width, x + piece.width), max(height, piece.height)
        x += piece.width + PART_GAP
    routes = tuple(
        Route(edge.source, edge.target, edge.input, lines[number[edge.source], number[edge.target], edge.input])
        for edge in graph.edges
    )
    return Layout(width, y + height, {node.id: boxes[i] for i, node in enumerate(graph.nodes)}, routes)


@dataclass(frozen=True, slots=True)
class _Piece:
    width: float
    height: float
    boxes: dict[int, Box]
    lines: dict[tuple[int, int, int], tuple[Point, ...]]


def _parts(inputs: list[list[int]], consumers: list[list[int]]) -> list[list[int]]:
    """The graph's separate parts, each in the order of the nodes."""
    home = [-1] * len(inputs)
    count = 0
    for start in range(len(inputs)):
        if home[start] >= 0:
            continue
        home[start], stack = count, [start]
        while stack:
            node = stack.pop()
            for other in (*inputs[node], *consumers[node]):
                if home[other] < 0:
                    home[other] = count
                    stack.append(other)
        count += 1
    parts: list[list[int]] = [[] for _ in range(count)]
    for node, p in enumerate(home):
        parts[p].append(node)
    return parts


def _place(
    part: list[int],
    inputs: list[list[int]],
    consumers: list[list[int]],
    measured: Sequence[tuple[float, float]],
    arrows: list[tuple[int, int, int]],
) -> _Piece:
    local = {node: i for i, node in enumerate(part)}
    sizes = [measured[node] for node in part]
    widths = [width for width, _ in sizes]
    found = layers(
        [[local[i] for i in inputs[node]] for node in part],
        [[local[c] for c in consumers[node]] for node in part],
        widths,
    )
    uncross(found)
    x = columns(found, widths)
    bands = _bands(found, x, [height for _, height in sizes])
    boxes = {node: Box(x[i], sum(bands[found.rank[i]]) / 2, *sizes[i], row=found.rank[i]) for node, i in local.items()}
    ports = _ports(found, x, widths, [(local[s], local[t], number) for s, t, number in arrows])
    lines = {}
    for source, target, number in arrows:
        s, t = local[source], local[target]
        points = [(x[s], boxes[source].y + sizes[s][1] / 2), (x[s], bands[found.rank[s]][1])]
        for bend in found.routes[s, t]:
            points += [(x[bend], edge) for edge in bands[found.rank[bend]]]
        port = ports[s, t, number]
        points += [(port, bands[found.rank[t]][0]), (port, boxes[target].y - sizes[t][1] / 2)]
        lines[source, target, number] = tuple(points)
    right = max(x[i] + (widths[i] / 2 if i < found.real else 0.0) for i in range(len(x)))
    return _Piece(right, bands[-1][1], boxes, lines)


def _bands(found: Layers, x: list[float], heights: list[float]) -> list[tuple[float, float]]:
    """Top and bottom of each row; the gap above grows with how far its arrows swing."""
    bands: list[tuple[float, float]] = []
    top = 0.0
    for r, row in enumerate(found.rows):
        if r:
            swing = max((abs(x[item] - x[n]) for item in row for n in found.up[item]), default=0.0)
            top = bands[-1][1] + round(min(ROW_GAP_MOST, max(ROW_GAP, swing * 0.11)), 1)
        bands.append((top, top + max((heights[item] for item in row if item < found.real), default=0.0)))
    return bands


def _ports(
    found: Layers, x: list[float], widths: Sequence[float], arrows: list[tuple[int, int, int]]
) -> dict[tuple[int, int, int], float]:
    """Where on its target each arrow lands: side by side, ordered by where the arrows come from."""
    landing: dict[int, list[tuple[float, int, int]]] = {}
    for s, t, number in arrows:
        last = found.routes[s, t][-1] if found.routes[s, t] else s
        landing.setdefault(t, []).append((x[last], number, s))
    ports = {}
    for t, coming in landing.items():
        coming.sort()
        gap = min(PORT_GAP, max(0.0, widths[t] - 2 * PORT_MARGIN) / max(1, len(coming) - 1))
        for i, (_, number, s) in enumerate(coming):
            ports[s, t, number] = round(x[t] + (i - (len(coming) - 1) / 2) * gap, 1)
    return ports
