"""How a graph is answered: as data or as a picture, and from which size on as a summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import Request, Response

from engine.picture import Graph, summarise, to_dot, to_mermaid, to_svg
from service.api.exchange import integer, parts
from service.steps.errors import InvalidInput, LimitExceeded
from service.wire.json_codec import render

__all__ = ["Drawing"]

FORMATS: Final[dict[str, tuple[str, Callable[[Graph], bytes]]]] = {
    "json": ("application/json", lambda g: render(g.to_json())),
    "dot": ("text/vnd.graphviz; charset=utf-8", lambda g: to_dot(g).encode()),
    "mermaid": ("text/plain; charset=utf-8", lambda g: to_mermaid(g).encode()),
    "svg": ("image/svg+xml", lambda g: to_svg(g).encode()),
}
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Of a picture that is opened by itself: its own style, and nothing else."""

MERMAID: Final = 150
"""Nodes from which a Mermaid text is a summary, unless asked otherwise: Mermaid refuses 500 edges or 50,000 characters."""

NODE: Final = 350  # bytes of a node and of an edge, about, in the most talkative format
EDGE: Final = 150


class Drawing:
    """What a request asks of a graph: ``format`` and ``max_nodes``. Errors: InvalidInput."""

    def __init__(self, request: Request) -> None:
        name = request.query_params.get("format", "json")
        if name not in FORMATS:
            raise InvalidInput("'format' must be json, dot, mermaid or svg", argument="format")
        most = integer(request, "max_nodes", 0, 8, 100_000)
        self.most = most or (MERMAID if name == "mermaid" else 0)
        self.media_type, self._encode = FORMATS[name]
        self._limit = parts(request).settings.answer_bytes

    def encode(self, graph: Graph) -> bytes:
        """The graph, summarised where it is big, in the format. Errors: LimitExceeded."""
        shown = summarise(graph, self.most) if self.most else graph
        size = NODE * len(shown.nodes) + EDGE * len(shown.edges)
        if size > self._limit:
            raise LimitExceeded("answer_bytes", self._limit, size, "bytes", "the graph, which 'max_nodes' summarises,")
        return self._encode(shown)

    def response(self, content: bytes) -> Response:
        """The answer. A picture says that it runs nothing and fetches nothing."""
        headers = {"Content-Security-Policy": POLICY} if self.media_type == "image/svg+xml" else {}
        return Response(content, media_type=self.media_type, headers=headers)
