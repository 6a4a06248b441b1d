"""The graph behind a session's tensors, as data or as a picture."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.drawing import Drawing
from service.api.exchange import parts
from service.api.schemas import graph as schema
from service.sessions.graphs import session_graph
from service.sessions.transaction import Transaction

router = APIRouter(prefix="/v1/sessions/{session_id}/graph", tags=["graph"])


@router.get("", **schema.READ)
async def read_graph(request: Request, session_id: str) -> Response:
    """The graph of the roots; without one, of all named tensors that require grad."""
    drawing = Drawing(request)
    roots = request.query_params.getlist("root")

    def work(tx: Transaction) -> bytes:
        tx.meter.spend(20_000 * tx.session.held_nodes)  # before it is looked at: at most so many are there
        graph = session_graph(tx, roots)
        tx.meter.spend(20_000 * len(graph.nodes))
        return drawing.encode(graph)

    return drawing.response(await parts(request).sessions.run(session_id, work))
