"""A graph in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections import Counter

from engine.picture.graph import Graph, GraphNode, Kind
from engine.picture.labels import clean, describe, rows_of

__all__ = ["to_dot"]

LOOKS: dict[Kind, str] = {
    "leaf": 'shape=box, style="rounded,filled", fillcolor="#e3f4e8", color="#1f7a48"',
    "op": 'shape=box, style="filled", fillcolor="#e6effc", color="#2c5fae"',
    "output": 'shape=box, style="filled", peripheries=2, fillcolor="#f2e7fb", color="#7a3bb0"',
    "unrecorded": 'shape=octagon, style="filled,dotted", fillcolor="#f1f1ee", color="#6b6b63"',
    "group": 'shape=folder, style="filled", fillcolor="#eceff3", color="#52606f"',
}
FREED = ', style="filled,dashed", fillcolor="#f4f4f4", color="#8a8a8a", fontcolor="#6b6b6b"'


def to_dot(graph: Graph) -> str:
    r"""Write the whole graph in DOT; nodes are n0, n1, … in the graph's order, the node's own id is its tooltip.

    >>> x = GraphNode("x", "leaf", "x", None, "x", (2,), "float32")
    >>> print(to_dot(Graph((x,), ())).splitlines()[4][:43])
      n0 [label="x\n[2] · float32", tooltip="x"
    """
    number = {node.id: f"n{i}" for i, node in enumerate(graph.nodes)}
    fan_in = Counter(edge.target for edge in graph.edges)
    lines = [
        "digraph gradwire {",
        "  graph [nslimit=1, nslimit1=1];",  # or Graphviz takes minutes over a long chain with a shared leaf
        '  node [fontname="monospace", fontsize=11, margin="0.15,0.08"];',
        '  edge [color="#5d6b7a", arrowsize=0.7, fontname="monospace", fontsize=9, fontcolor="#5d6b7a"];',
    ]
    lines += [f"  {number[node.id]} {_attributes(node)};" for node in graph.nodes]
    apart = graph.unrecorded()
    for edge in graph.edges:
        looks = [f'headlabel="{edge.input}", labeldistance=1.6'] if fan_in[edge.target] > 1 else []
        looks += ["style=dotted"] if edge.source in apart or edge.target in apart else []
        label = f" [{', '.join(looks)}]" if looks else ""
        lines.append(f"  {number[edge.source]} -> {number[edge.target]}{label};")
    return "\n".join([*lines, "}", ""])


def _attributes(node: GraphNode) -> str:
    first, *rest = describe(node)
    rows = [first.text]
    rows += rows_of(rest)
    label = "\\n".join(map(_escape, rows))
    return f'[label="{label}", tooltip="{_escape(clean(node.id))}", {LOOKS[node.kind]}{FREED if node.freed else ""}]'


def _escape(text: str) -> str:
    """Text inside a quoted label: Graphviz reads backslashes and HTML entities there."""
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
