"""A graph as an SVG picture that stands alone: no script, no font, nothing fetched; light and dark.

Every text is in a monospaced font, whose width is known without a font at hand, so boxes fit their text everywhere.
Colours are plain CSS (no variables), which slide and print programs understand too; the dark ones come by
``prefers-color-scheme``.
"""

from __future__ import annotations

from collections import Counter
from html import escape

from engine.picture.graph import Graph, GraphNode, Kind
from engine.picture.labels import Line, cells, clean, describe
from engine.picture.layout import Box, Point, Route, layout
from engine.picture.summary import summarise
from engine.picture.theme import STYLE

__all__ = ["to_svg"]

MARGIN = 28.0
TITLE_CELL, TITLE_HEIGHT = 8.5, 19.0  # of one character, of one line: bold 14 px
TEXT_CELL, TEXT_HEIGHT = 7.3, 16.0  # 12 px
PAD_X, PAD_Y = 16.0, 9.0
HEAD_ROLES = ("title", "type", "contents")  # centred; the other lines stand below a rule, left-aligned
LEAST_WIDTH = 480.0  # so that the legend fits
STACK = 8.0  # what the cards under a group node add to its height
ARROW = 8.0
MOST_NUMBERED = 6  # inputs of a node; more numbers would run into each other
TOLD = 60  # arrows told in words in the description

LEGEND: dict[str, str] = {
    "leaf": "leaf tensor",
    "op": "recorded operator",
    "output": "output",
    "unrecorded": "not recorded",
    "group": "several, folded",
    "freed": "saved values freed",
}

Rows = list[tuple[str, str]]  # role shown before a line ("" where it repeats), text


def to_svg(graph: Graph, *, max_nodes: int = 300) -> str:
    """Draw the graph; one of more than ``max_nodes`` nodes is drawn as its summary, and the picture says so.

    >>> x = GraphNode("x", "leaf", "x", None, "x", (), "float32")
    >>> print(to_svg(Graph((x,), ()))[:62])
    <svg xmlns="http://www.w3.org/2000/svg" class="gradwire-graph"
    """
    shown = summarise(graph, max_nodes)
    texts = {node.id: describe(node) for node in shown.nodes}
    found = layout(shown, {node.id: _size(node.kind, texts[node.id]) for node in shown.nodes})
    names = {node.id: texts[node.id][0].text for node in shown.nodes}
    fan_in = Counter(edge.target for edge in shown.edges)
    numbered = {node.id for node in shown.nodes if node.kind != "group" and 1 < fan_in[node.id] <= MOST_NUMBERED}
    apart = shown.unrecorded()
    notes = _notes(graph, shown)
    inner = max(found.width, LEAST_WIDTH, max(cells(note) for note in notes) * TEXT_CELL)
    key, key_height = _legend(shown, inner)
    shift = MARGIN + (inner - found.width) / 2
    foot = MARGIN + found.height + 30
    width, height = inner + 2 * MARGIN, foot + key_height + TEXT_HEIGHT * len(notes) + MARGIN - 8
    size = f'width="{_n(width)}" height="{_n(height)}"'
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" class="gradwire-graph" role="img"',
            f'viewBox="0 0 {_n(width)} {_n(height)}" {size}>',
            f"<title>Computation graph: {_count(graph)}</title>",
            f"<desc>{escape(_telling(shown, names))}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="paper" {size} rx="10"/>',
            f'<g transform="translate({_n(shift)} {_n(MARGIN)})">',
            *(
                _edge(
                    route, names, numbered=route.target in numbered, dotted=bool({route.source, route.target} & apart)
                )
                for route in found.routes
            ),
            *(_node(node, texts[node.id], found.boxes[node.id]) for node in shown.nodes),
            "</g>",
            f'<g class="legend" transform="translate({_n(MARGIN)} {_n(foot)})">',
            *key,
            *(
                f'<text class="note" x="0" y="{_n(key_height + TEXT_HEIGHT * (i + 1))}">{escape(note)}</text>'
                for i, note in enumerate(notes)
            ),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _size(kind: Kind, lines: tuple[Line, ...]) -> tuple[float, float]:
    head = [line for line in lines if line.role in HEAD_ROLES]
    rows = _rows(lines)
    width = cells(lines[0].text) * TITLE_CELL
    width = max([width, *(cells(line.text) * TEXT_CELL for line in head[1:])])
    width = max([width, *((cells(text) + _key_cells(rows)) * TEXT_CELL for _, text in rows)])
    height = 2 * PAD_Y + TITLE_HEIGHT + TEXT_HEIGHT * (len(head) - 1)
    height += TEXT_HEIGHT * len(rows) + 9 if rows else 0
    height += STACK if kind == "group" else 0
    return round(max(72.0, width + 2 * PAD_X), 1), height


def _rows(lines: tuple[Line, ...]) -> Rows:
    rows: Rows = []
    before = ""
    for role, text in lines:
        if role not in HEAD_ROLES:
            rows.append(("" if role == before else role, text))
        before = role
    return rows


def _key_cells(rows: Rows) -> int:
    return max((len(role) for role, _ in rows), default=0) + 1


def _node(node: GraphNode, lines: tuple[Line, ...], box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    parts = [
        f'<g class="node {node.kind}{" freed" if node.freed else ""}" data-node="{escape(clean(node.id))}">',
        f"<title>{escape(_hint(node))}</title>",
        *_outline(node.kind, left, top, box.width, box.height),
    ]
    y = top + PAD_Y - 4
    for line in lines:
        if line.role not in HEAD_ROLES:
            continue
        y += TITLE_HEIGHT if line.role == "title" else TEXT_HEIGHT
        parts.append(f'<text class="{line.role}" x="{_n(box.x)}" y="{_n(y)}">{escape(line.text)}</text>')
    rows = _rows(lines)
    if rows:
        y += 9
        parts.append(f'<path class="rule" d="M{_n(left + 10)} {_n(y)}H{_n(left + box.width - 10)}"/>')
    role = ""
    for key, text in rows:
        y += TEXT_HEIGHT
        role = key or role
        if key:
            parts.append(f'<text class="key" x="{_n(left + PAD_X)}" y="{_n(y)}">{key}</text>')
        x = left + PAD_X + _key_cells(rows) * TEXT_CELL
        parts.append(f'<text class="row {role}" x="{_n(x)}" y="{_n(y)}">{escape(text)}</text>')
    return "".join([*parts, "</g>"])


def _hint(node: GraphNode) -> str:
    """The whole name, however long, for whoever points at the node."""
    name = clean(node.name) or "unnamed"
    return name if node.tensor in (None, node.name) else f"{name}: {clean(node.tensor or '')}"


def _outline(kind: str, x: float, y: float, width: float, height: float) -> list[str]:
    def rect(inset: float, rx: float, name: str = "shape") -> str:
        return (
            f'<rect class="{name}" x="{_n(x + inset)}" y="{_n(y + inset)}" '
            f'width="{_n(width - 2 * inset)}" height="{_n(height - 2 * inset)}" rx="{_n(rx)}"/>'
        )

    if kind == "leaf":
        return [rect(0, min(height / 2, 20))]
    if kind == "output":
        return [rect(0, 6), rect(3.5, 3, "inner")]
    if kind == "unrecorded":
        cut = min(12.0, height / 3)
        c, across, down = _n(cut), _n(width - 2 * cut), _n(height - 2 * cut)
        corners = f"h{across}l{c} {c}v{down}l-{c} {c}h-{across}l-{c} -{c}v-{down}z"
        return [f'<path class="shape" d="M{_n(x + cut)} {_n(y)}{corners}"/>']
    if kind == "group":
        inset = min(5.0, width / 12)
        return [
            f'<rect class="shape" x="{_n(x + i * inset)}" y="{_n(y + i * STACK / 2)}" '
            f'width="{_n(width - 2 * i * inset)}" height="{_n(height - STACK)}" rx="{_n(min(6, inset + 1))}"/>'
            for i in (2, 1, 0)
        ]
    return [rect(0, 6)]


def _edge(route: Route, names: dict[str, str], *, numbered: bool, dotted: bool) -> str:
    x, tip = route.points[-1]
    told = f"{names[route.source]} \u2192 {names[route.target]}, input {route.input}"
    number = f'<text class="input" x="{_n(x + 5)}" y="{_n(tip - 8)}">{route.input}</text>' if numbered else ""
    kind = "edge unrecorded" if dotted else "edge"
    return (
        f'<g class="{kind}" data-from="{escape(clean(route.source))}" data-to="{escape(clean(route.target))}" '
        f'data-input="{route.input}"><title>{escape(told)}</title><path class="line" d="{_line(route.points)}"/>'
        f'<path class="head" d="M{_n(x)} {_n(tip)}l-4 -{_n(ARROW)}h8z"/>{number}</g>'
    )


def _line(points: tuple[Point, ...]) -> str:
    """A line that is straight down through each row and swings between rows, upright at both ends of each swing."""
    end = points[-1][1] - ARROW + 1  # the arrow head covers the rest
    x, y = points[0]
    path = [f"M{_n(x)} {_n(y)}"]
    for i, (nx, lower) in enumerate(points[1:]):
        ny = min(lower, end)
        if nx == x:
            if ny > y:
                path.append(f"V{_n(ny)}")
        elif i % 2:
            middle = _n((y + ny) / 2)
            path.append(f"C{_n(x)} {middle} {_n(nx)} {middle} {_n(nx)} {_n(ny)}")
        x, y = nx, max(y, ny)
    return "".join(path)


def _legend(graph: Graph, width: float) -> tuple[list[str], float]:
    """A small box per kind in the picture, wrapped to the width, and the height of it all."""
    present = {node.kind for node in graph.nodes} | ({"freed"} if any(node.freed for node in graph.nodes) else set())
    parts = []
    x = y = 0.0
    for kind in (kind for kind in LEGEND if kind in present):
        step = 34 + (cells(LEGEND[kind]) + 3) * TEXT_CELL
        if x and x + step > width:
            x, y = 0.0, y + 24
        shape = "".join(_outline(kind, x, y, 26, 16 + (STACK if kind == "group" else 0)))
        label = f'<text class="label" x="{_n(x + 34)}" y="{_n(y + 12)}">{LEGEND[kind]}</text>'
        parts.append(f'<g class="node {kind}">{shape}{label}</g>')
        x += step
    return parts, y + 26 if parts else 0.0


def _notes(graph: Graph, shown: Graph) -> list[str]:
    notes = ["Values flow down the arrows; gradients flow back up."]
    if shown is not graph:
        groups = sum(node.kind == "group" for node in shown.nodes)
        folded = len(graph.nodes) - len(shown.nodes) + groups
        notes.append(
            f"Summary of {_count(graph)}: {folded:,} nodes are folded into {groups:,} {_plural('stack', groups)}."
        )
    return notes


def _telling(shown: Graph, names: dict[str, str]) -> str:
    """The picture in words, for those who do not see it."""
    sentences = [f"{names[edge.source]} flows into {names[edge.target]}." for edge in shown.edges[:TOLD]]
    if len(shown.edges) > TOLD:
        sentences.append(f"And {len(shown.edges) - TOLD:,} more arrows.")
    return " ".join([*_notes(shown, shown), *sentences])


def _count(graph: Graph) -> str:
    nodes, edges = len(graph.nodes), len(graph.edges)
    return f"{nodes:,} {_plural('node', nodes)}, {edges:,} {_plural('edge', edges)}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _n(value: float) -> str:
    """A coordinate in as few characters as a tenth of a pixel needs."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")
