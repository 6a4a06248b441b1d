"""The graph behind a session's tensors, as data or as a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request, Response

from engine.picture import Graph, summarise, to_dot, to_mermaid, to_svg
from service.api.exchange import integer, parts
from service.api.schemas import graph as schema
from service.sessions.graphs import session_graph
from service.sessions.transaction import Transaction
from service.steps.errors import InvalidInput
from service.wire.json_codec import render

router = APIRouter(prefix="/v1/sessions/{session_id}/graph", tags=["graph"])

FORMATS: Final[dict[str, tuple[str, Callable[[Graph], bytes]]]] = {
    "json": ("application/json", lambda g: render(g.to_json())),
    "dot": ("text/vnd.graphviz; charset=utf-8", lambda g: to_dot(g).encode()),
    "mermaid": ("text/plain; charset=utf-8", lambda g: to_mermaid(g).encode()),
    "svg": ("image/svg+xml", lambda g: to_svg(g).encode()),
}

MERMAID: Final = 150
"""Nodes from which a Mermaid text is a summary, unless asked otherwise: Mermaid refuses 500 edges or 50,000 characters."""


@router.get("", **schema.READ)
async def read_graph(request: Request, session_id: str) -> Response:
    """The graph of the roots; without one, of all named tensors that require grad."""
    name = request.query_params.get("format", "json")
    if name not in FORMATS:
        raise InvalidInput("'format' must be json, dot, mermaid or svg", argument="format")
    roots = request.query_params.getlist("root")
    most = integer(request, "max_nodes", 0, 8, 100_000)
    most = most or (MERMAID if name == "mermaid" else 0)
    media_type, encode = FORMATS[name]

    def work(tx: Transaction) -> bytes:
        graph = session_graph(tx, roots)
        tx.meter.spend(20_000 * len(graph.nodes))
        return encode(summarise(graph, most) if most else graph)

    return Response(await parts(request).sessions.run(session_id, work), media_type=media_type)
