"""A computation graph as data, and drawn: JSON, DOT, Mermaid, SVG. Pure functions from plain data to text.

    graph.py       what is drawn: nodes, edges, JSON
    labels.py      what a node says, line by line, and text made safe and short
    summary.py     a big graph folded into a small one
    dot.py  mermaid.py  svg.py     three ways to write it down
    layout.py      where the SVG's boxes and arrows go, in three steps:
    layers.py      1. which row each node stands in
    crossings.py   2. in which order along its row
    columns.py     3. at which x

>>> x = GraphNode("x", "leaf", "x", None, "x", (2, 2), "float32")
>>> y = GraphNode("1", "op", "MulBackward0", "mul", "y", (2, 2), "float32", saved=("other",))
>>> graph = Graph((x, y), (GraphEdge("x", "1", 0),))
>>> print(to_mermaid(graph).splitlines()[0])
graph TD
"""

from __future__ import annotations

from engine.picture.dot import to_dot
from engine.picture.graph import Graph, GraphEdge, GraphNode
from engine.picture.mermaid import to_mermaid
from engine.picture.summary import summarise
from engine.picture.svg import to_svg

__all__ = ["Graph", "GraphEdge", "GraphNode", "summarise", "to_dot", "to_mermaid", "to_svg"]
