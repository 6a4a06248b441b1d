"""What a picture is drawn from: nodes and edges as plain, immutable data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import InvalidValueError

__all__ = ["Graph", "GraphEdge", "GraphNode", "Kind", "walk_order"]

Kind = Literal["leaf", "op", "output", "unrecorded", "group"]
"""``group`` stands for many nodes; only ``summarise`` makes it."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One step of the graph, or a tensor at its rim.

    ``name`` is what PyTorch prints (``MulBackward0``), for a leaf the tensor's name; ``op`` the operator (``mul``);
    ``tensor`` the client's name for the result, if it has one; ``saved`` the names of the values kept for backward;
    ``freed`` whether they are gone. ``value`` and ``grad`` are short texts, of several lines where a matrix is printed.

    >>> GraphNode("1", "op", "ExpBackward0", "exp", None, (3,), "float32", saved=("result",)).to_json()["saved"]
    ['result']
    """

    id: str
    kind: Kind
    name: str
    op: str | None
    tensor: str | None
    shape: tuple[int, ...]
    dtype: str
    saved: tuple[str, ...] = ()
    freed: bool = False
    value: str | None = None
    grad: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The node as JSON-ready data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "op": self.op,
            "tensor": self.tensor,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "saved": list(self.saved),
            "freed": self.freed,
            "value": self.value,
            "grad": self.grad,
        }


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """The result of ``source`` is input number ``input`` of ``target``: edges point where the values flow.

    >>> GraphEdge("x", "1", 0).to_json()
    {'from': 'x', 'to': '1', 'input': 0}
    """

    source: str
    target: str
    input: int

    def to_json(self) -> dict[str, Any]:
        """The edge as JSON-ready data."""
        return {"from": self.source, "to": self.target, "input": self.input}


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes with different ids, and edges between them, without a cycle.

    >>> x = GraphNode("x", "leaf", "x", None, "x", (), "float32")
    >>> Graph((x,), ()).to_json()["edges"]
    []
    >>> Graph((x,), (GraphEdge("x", "y", 0),))
    Traceback (most recent call last):
    engine.errors.InvalidValueError: edge from 'x' to 'y': the graph has no node 'y'
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def __post_init__(self) -> None:
        known = {node.id for node in self.nodes}
        if len(known) != len(self.nodes):
            raise InvalidValueError("two nodes of a graph have the same id")
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in known:
                    raise InvalidValueError(
                        f"edge from {edge.source!r} to {edge.target!r}: the graph has no node {end!r}"
                    )

    def to_json(self) -> dict[str, Any]:
        """The graph as JSON-ready data: ``{"nodes": […], "edges": […]}``."""
        return {
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
        }

    def unrecorded(self) -> set[str]:
        """The ids of the nodes that are not recorded: edges to and from them carry values, but no gradient.

        >>> x = GraphNode("x", "unrecorded", "detach", "detach", "x", (), "float32")
        >>> Graph((x,), ()).unrecorded()
        {'x'}
        """
        return {node.id for node in self.nodes if node.kind == "unrecorded"}

    def links(self) -> tuple[list[list[int]], list[list[int]]]:
        """For each node, by position, the positions of its inputs (by input number) and of its consumers, each once.

        >>> x = GraphNode("x", "leaf", "x", None, "x", (), "float32")
        >>> y = GraphNode("y", "op", "MulBackward0", "mul", None, (), "float32")
        >>> Graph((x, y), (GraphEdge("x", "y", 0), GraphEdge("x", "y", 1))).links()
        ([[], [0]], [[1], []])
        """
        position = {node.id: i for i, node in enumerate(self.nodes)}
        inputs: list[dict[int, None]] = [{} for _ in self.nodes]
        consumers: list[dict[int, None]] = [{} for _ in self.nodes]
        for edge in sorted(self.edges, key=lambda edge: edge.input):
            source, target = position[edge.source], position[edge.target]
            inputs[target][source] = None
            consumers[source][target] = None
        return [list(found) for found in inputs], [sorted(found) for found in consumers]


def walk_order(inputs: list[list[int]], consumers: list[list[int]]) -> list[int]:
    """All positions, each after its inputs and as near to them as can be: depth first from the ends, iterative.

    Any run of neighbours in this order is a region of the graph: contracting it makes no cycle.

    >>> walk_order([[], [], [0, 1]], [[2], [2], []])
    [0, 1, 2]
    """
    order: list[int] = []
    started = [False] * len(inputs)
    open_inputs = [0] * len(inputs)
    for end in range(len(inputs)):
        if consumers[end]:
            continue
        stack = [end]
        started[end] = True
        while stack:
            at = stack[-1]
            if open_inputs[at] < len(inputs[at]):
                following = inputs[at][open_inputs[at]]
                open_inputs[at] += 1
                if not started[following]:
                    started[following] = True
                    stack.append(following)
            else:
                order.append(stack.pop())
    place = {node: i for i, node in enumerate(order)}
    if len(order) != len(inputs) or any(place[i] >= place[node] for node in order for i in inputs[node]):
        raise InvalidValueError("a computation graph has no cycle; this one does")
    return order
