"""A graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html).

Mermaid reads a label several times: as its own grammar, as Markdown, as HTML. So whatever one of them could take for
its own is written as a numeric entity (``#35;``), which Mermaid turns back into the character after all three.
"""

from __future__ import annotations

import re
from collections import Counter

from engine.picture.graph import Graph, GraphNode, Kind
from engine.picture.labels import describe, rows_of

__all__ = ["to_mermaid"]

SHAPES: dict[Kind, tuple[str, str]] = {
    "leaf": ("([", "])"),
    "op": ("[", "]"),
    "output": ("[[", "]]"),
    "unrecorded": ("{{", "}}"),
    "group": ("[", "]"),
}
STYLES = (
    "classDef leaf fill:#e3f4e8,stroke:#1f7a48,color:#123c26",
    "classDef op fill:#e6effc,stroke:#2c5fae,color:#14305c",
    "classDef output fill:#f2e7fb,stroke:#7a3bb0,color:#3d1a5c",
    "classDef unrecorded fill:#f1f1ee,stroke:#6b6b63,color:#3a3a35,stroke-dasharray:2 4",
    "classDef group fill:#eceff3,stroke:#52606f,color:#26303a,stroke-width:3px",
    "classDef freed fill:#f4f4f4,stroke:#8a8a8a,color:#6b6b6b,stroke-dasharray:6 4",
)

_SPECIAL = re.compile(r"[^\w ,()\[\]=.+…·—\u00a0-\U0010ffff-]|_|\.(?=[A-Za-z])|(?<=\])\(|^[^A-Za-z\[\u00a0-\U0010ffff]")


def to_mermaid(graph: Graph) -> str:
    """Write the whole graph as a flowchart; nodes are n0, n1, … in the graph's order.

    Mermaid itself refuses more than 500 edges or 50,000 characters: give it ``summarise(graph)`` then.

    >>> x = GraphNode("x", "leaf", 'a "b" <c>', None, "x", (2,), "float32")
    >>> print(to_mermaid(Graph((x,), ())).splitlines()[1])
      n0(["a #34;b#34; #60;c#62;<br>[2] · float32<br>tensor x"]):::leaf
    """
    number = {node.id: f"n{i}" for i, node in enumerate(graph.nodes)}
    fan_in = Counter(edge.target for edge in graph.edges)
    apart = graph.unrecorded()
    lines = ["graph TD"]
    for node in graph.nodes:
        before, after = SHAPES[node.kind]
        lines.append(f'  {number[node.id]}{before}"{_label(node)}"{after}:::{node.kind}')
    for edge in graph.edges:
        label = f"|{edge.input}|" if fan_in[edge.target] > 1 else ""
        arrow = "-.->" if edge.source in apart or edge.target in apart else "-->"
        lines.append(f"  {number[edge.source]} {arrow}{label} {number[edge.target]}")
    lines += [f"  {style}" for style in STYLES]
    lines += [f"  class {number[node.id]} freed" for node in graph.nodes if node.freed]
    return "\n".join([*lines, ""])


def _label(node: GraphNode) -> str:
    first, *rest = describe(node)
    rows = [first.text]
    rows += rows_of(rest)
    return "<br>".join(_SPECIAL.sub(lambda found: f"#{ord(found[0])};", row) for row in rows)
