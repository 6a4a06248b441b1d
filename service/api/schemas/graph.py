"""The graph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.api.schemas.document import Model, described, query


class NodeObject(Model):
    """A node."""

    id: str = Field(description="the same while the node lives")
    kind: Literal["leaf", "op", "output", "unrecorded", "group"]
    name: str = Field(examples=["MulBackward0"])
    op: str | None
    tensor: str | None
    shape: list[int]
    dtype: str
    saved: list[str] = Field(description="what is kept for backward")
    freed: bool
    value: str | None = None
    grad: str | None = None


class EdgeObject(Model):
    """Data flows from ``from`` to input number ``input`` of ``to``."""

    from_: str = Field(alias="from")
    to: str
    input: int


class GraphObject(Model):
    """A graph as data."""

    nodes: list[NodeObject]
    edges: list[EdgeObject]


READ = described(
    answer=GraphObject,
    text="The graph, in the format asked for.",
    query=[
        query("root", "a reference; may be given several times", {"type": "array", "items": {"type": "string"}}),
        query("format", "data or a picture", {"enum": ["json", "dot", "mermaid", "svg"], "default": "json"}),
        query(
            "max_nodes",
            "a graph of more nodes is summarised: runs and regions become nodes of kind group (else: mermaid from 150, svg from 300)",
            {"type": "integer", "minimum": 8, "maximum": 100_000},
        ),
    ],
    problems=(422,),
    media={"text/vnd.graphviz": {}, "text/plain": {}, "image/svg+xml": {}},
)
