"""A session's graph as plain data: the engine's graph, and what no_grad scopes left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.graph import graph_of, short_text
from engine.node import AccumulateGrad
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
    apart: dict[
        int, tuple[str, int]
    ] = {}  # of an unrecorded tensor its node, and the youngest operator that it came from
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
        youngest = 0
        for k, t in enumerate(b.unrecorded.inputs):
            edge = node_of(t)
            if edge is not None and not isinstance(edge, AccumulateGrad):
                youngest = max(youngest, edge.seq)
            source = None if edge is None else f"n{edge.seq}"
            if source is not None and source in ids:
                edges.append(GraphEdge(source=source, target=node_id, input=k))
        apart.setdefault(id(b.tensor), (node_id, youngest))
    edges += _uses(tx, apart, ids)
    return Graph(nodes=tuple(nodes), edges=tuple(edges))


def _uses(tx: Transaction, apart: Mapping[int, tuple[str, int]], ids: set[str]) -> Iterator[GraphEdge]:
    """Where unrecorded tensors came into operators that are recorded, as far as it is remembered beside the graph.

    An operator older than what the tensor came from (which was written into since) is left out: no edge leads back in time.
    """
    if not apart:
        return
    for node, (op, values) in list(tx.session.beside.items()):
        if f"n{node.seq}" not in ids:
            continue
        given = [v for i in op.tensors for v in (values[i] if type(values[i]) is list else (values[i],))]
        for k, value in enumerate(given):
            source, youngest = apart.get(id(value), ("", 0))
            if source and node.seq > youngest:
                yield GraphEdge(source=source, target=f"n{node.seq}", input=k)
