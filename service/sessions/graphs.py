"""A session's graph as plain data: the engine's graph, and what no_grad scopes left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.graph import graph_of, short_text
from engine.picture import Graph, GraphEdge, GraphNode
from engine.tensor import Tensor, node_of
from service.functions.capture import Captured, captured

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction

__all__ = ["session_function", "session_graph"]


def session_function(tx: Transaction, inputs: Sequence[str], outputs: Mapping[str, str]) -> Captured:
    """The session's graph between tensors as a function in steps.

    inputs: ids. outputs: id by the name that the function gives it. Errors: UnknownReference, InvalidInput.
    """
    named = {name: b.tensor for name, b in tx.session.bindings()}
    return captured(
        {name: tx.lookup(i) for name, i in outputs.items()},
        {name: tx.lookup(name) for name in inputs},
        named,
        tx.session.beside,
    )


def session_graph(tx: Transaction, roots: Sequence[str]) -> Graph:
    """The graph of the roots (references); without one, of all named tensors that require grad, and what was left unrecorded.

    Errors: UnknownReference for a root that the session does not hold.
    """
    bindings = tx.session.bindings()
    named = {name: b.tensor for name, b in bindings}
    if roots:
        chosen: dict[str, Tensor] = {}
        for text in roots:
            found = tx.resolve(text, "root")
            if found is not None:
                chosen[text] = found
    else:
        chosen = {name: t for name, t in named.items() if t.requires_grad}
    graph = graph_of(chosen, named)
    ids = {n.id for n in graph.nodes}
    nodes, edges = list(graph.nodes), list(graph.edges)
    for name, b in bindings:
        if b.unrecorded is None or (roots and name not in chosen):
            continue
        node_id = f"u{b.number}"
        nodes.append(
            GraphNode(
                id=node_id,
                kind="unrecorded",
                name=b.unrecorded.op,
                op=b.unrecorded.op,
                tensor=name,
                shape=tuple(b.tensor.shape),
                dtype=b.tensor.dtype.name,
                saved=(),
                freed=False,
                value=short_text(b.tensor._array),
            )
        )
        for k, t in enumerate(b.unrecorded.inputs):
            edge = node_of(t)
            source = None if edge is None else f"n{edge.seq}"
            if source is not None and source in ids:
                edges.append(GraphEdge(source=source, target=node_id, input=k))
    return Graph(nodes=tuple(nodes), edges=tuple(edges))
