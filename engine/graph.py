"""From tensors to the plain data of ``engine.picture``: leaves, operators and outputs, as the graph stands now. Iterative."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.node import AccumulateGrad, Node, Port
from engine.picture import Graph, GraphEdge, GraphNode
from engine.tensor import Tensor, node_of, wrap

__all__ = ["graph_of", "saved_names", "short_text"]

SHOWN: Final = 6
"""Elements up to which values are written into the graph."""


def graph_of(roots: Mapping[str, Tensor], named: Mapping[str, Tensor] | None = None) -> Graph:
    """The graph behind tensors.

    roots: the tensors whose history is wanted, by name. named: further names for tensors met on the way. Node ids come from the
    sequence number, so they stay while a node lives. Tensors without history are leaves.

    >>> import engine as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> [n.name for n in graph_of({"y": x * 2}, {"x": x}).nodes]
    ['x', 'MulBackward0', 'y']
    """
    known: dict[tuple[int, int], tuple[str, Tensor]] = {}
    for name, t in [*(named or {}).items(), *roots.items()]:
        node = node_of(t)
        if node is not None:
            known.setdefault(_place(node), (name, t))
    nodes: list[GraphNode] = []
    edges: list[GraphEdge] = []
    seen: dict[int, Node | AccumulateGrad] = {}
    stack = [n for n in map(node_of, roots.values()) if n is not None]
    while stack:
        edge = stack.pop()
        if edge.seq in seen:
            continue
        inner: Any = edge.node if type(edge) is Port else edge
        seen[edge.seq] = inner
        stack.extend(e for e in inner.edges if e is not None and e.seq not in seen)
    for seq in sorted(seen):
        node = seen[seq]
        nodes.append(_leaf(node, known) if isinstance(node, AccumulateGrad) else _operator(node, known))
        edges.extend(GraphEdge(f"n{e.seq}", f"n{seq}", k) for k, e in enumerate(node.edges) if e is not None)
    consumed = {e.source for e in edges}
    for k, (name, t) in enumerate(roots.items()):
        edge_of = node_of(t)
        if edge_of is None:
            nodes.append(_plain(f"r{k}", name, t, "leaf"))
        elif not isinstance(edge_of, AccumulateGrad) and f"n{edge_of.seq}" not in consumed:
            nodes.append(_plain(f"o{k}", name, t, "output"))
            edges.append(GraphEdge(f"n{edge_of.seq}", f"o{k}", 0))
    return Graph(tuple(nodes), tuple(edges))


def _place(edge: Any) -> tuple[int, int]:
    return (edge.seq, edge.number if type(edge) is Port else 0)


def short_text(array: Any) -> str | None:
    """A few values as a short text; None of more than ``SHOWN``."""
    if array is None or array.size > SHOWN:
        return None
    return (
        repr(wrap(np.array(array)))
        .removeprefix("tensor(")
        .partition(", dtype")[0]
        .removesuffix(")")
        .replace("\n       ", "\n")
    )


def _gradient(t: Tensor | None) -> str | None:
    if t is None:
        return None
    return short_text(t._array) or f"of shape [{', '.join(map(str, t.shape))}]"


def _leaf(node: AccumulateGrad, known: Mapping[tuple[int, int], tuple[str, Tensor]]) -> GraphNode:
    name = known.get((node.seq, 0), (None, None))[0]
    return GraphNode(
        id=f"n{node.seq}",
        kind="leaf",
        name=name or "AccumulateGrad",
        op=None,
        tensor=name,
        shape=tuple(node.shape),
        dtype=node.dtype.name,
        value=short_text(node.array),
        grad=_gradient(node.meta.grad),
    )


def saved_names(node: Node) -> tuple[str, ...]:
    """What an operator keeps for its derivative, by its parameters' names; ``result`` is its own.

    >>> import engine as torch
    >>> saved_names(torch.ones(2, requires_grad=True).exp().grad_fn)
    ('result',)
    """
    names = [p.name for p in node.plan.op.parameters]
    return tuple(
        names[i] if what == "input" else "result" for what, i in node.plan.saves if what in ("input", "result")
    )


def _operator(node: Node, known: Mapping[tuple[int, int], tuple[str, Tensor]]) -> GraphNode:
    name, tensor = known.get((node.seq, 0), (None, None))
    outputs = node.extra.outputs if node.extra is not None else None
    shape, dtype = (node.shape, node.dtype) if outputs is None else next(o for o in outputs if o[1] is not None)
    return GraphNode(
        id=f"n{node.seq}",
        kind="op",
        name=node.name(),
        op=node.plan.op.name,
        tensor=name,
        shape=tuple(shape),
        dtype=dtype.name,
        saved=saved_names(node),
        freed=node.freed,
        value=None if tensor is None else short_text(tensor._array),
        grad=None if tensor is None else _gradient(tensor.grad),
    )


def _plain(node_id: str, name: str, t: Tensor, kind: Any) -> GraphNode:
    return GraphNode(
        id=node_id,
        kind=kind,
        name=name,
        op=None,
        tensor=name,
        shape=tuple(t.shape),
        dtype=t.dtype.name,
        value=short_text(t._array),
        grad=_gradient(t.grad),
    )
