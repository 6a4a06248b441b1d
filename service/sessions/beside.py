"""What the graph does not say of recorded calls: numbers, tensors that do not require grad and that no derivative needs, and composites.

The engine lets go of them, as PyTorch does. A session remembers them as long as the node that a call left lives, so that its graph can
be served as a function; their bytes count.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any, TypeAlias

from engine.node import Node, Port
from engine.op import Op
from engine.tensor import Tensor, node_of

__all__ = ["Beside", "came_in", "remember", "tensors_beside"]

Beside: TypeAlias = MutableMapping[Node, tuple[Op, list[Any]]]


def came_in(op: Op, values: list[Any]) -> list[Any] | None:
    """The arguments of a call with an edge of the graph for each recorded tensor; None where the graph will say it all."""
    out = list(values)
    apart = op.kind == "composite"
    for i in op.tensors:
        value = out[i]
        if type(value) is list:
            out[i] = [_edge(v) for v in value]
            apart = apart or any(isinstance(v, Tensor) for v in out[i])
        elif value is not None:
            out[i] = _edge(value)
            apart = apart or out[i] is value
    return out if apart else None


def _edge(value: Any) -> Any:
    found = node_of(value) if isinstance(value, Tensor) else None
    return value if found is None else found


def remember(beside: Beside, op: Op, values: list[Any] | None, made: Tensor) -> None:
    """Note a call with the node that it left. A composite that only handed an input on has left none."""
    edge = made._node
    node = edge.node if type(edge) is Port else edge
    if values is None or not isinstance(node, Node):
        return
    given = [v for value in values for v in (value if type(value) is list else (value,))]
    if (node.plan.op is op or op.kind == "composite") and not any(_is(v, node) for v in given):
        beside[node] = (op, values)


def _is(value: Any, node: Node) -> bool:
    return value is node or (type(value) is Port and value.node is node)


def tensors_beside(beside: Beside) -> Iterable[Tensor]:
    """The tensors that are remembered, beside the graph."""
    for _, values in list(beside.values()):
        for value in values:
            for v in value if type(value) is list else (value,):
                if isinstance(v, Tensor):
                    yield v
