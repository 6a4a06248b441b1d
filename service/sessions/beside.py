"""What the graph does not say of recorded calls: numbers, tensors that do not require grad and that no derivative needs, and composites.

The engine lets go of them, as PyTorch does. A session remembers them as long as the node that a call left lives, so that its graph can
be served as a function; their bytes count.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Final

from engine.node import Node, Port
from engine.op import Op
from engine.tensor import Tensor, node_of

__all__ = ["Beside", "came_in", "remember", "tensors_beside"]

LEAST: Final = 256  # calls of nodes that are gone, before they are looked for
MOST_BYTES: Final = 2**20  # of tensors, likewise


class Beside(MutableMapping[Node, tuple[Op, list[Any]]]):
    """For a node the row and the arguments of its call. What is remembered of nodes that are gone goes when as much again has come.

    A callback for each node that goes, as ``WeakKeyDictionary`` has it, would take as long as the call.
    """

    __slots__ = ("_allowed", "_allowed_bytes", "_bytes", "_found")

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Node], Op, list[Any]]] = {}
        self._allowed = LEAST
        self._bytes = 0  # of tensors that are remembered, each as often as it is
        self._allowed_bytes = MOST_BYTES

    def __getitem__(self, node: Node) -> tuple[Op, list[Any]]:
        ref, op, values = self._found[node.seq]
        if ref() is not node:
            raise KeyError(node)
        return op, values

    def __setitem__(self, node: Node, call: tuple[Op, list[Any]]) -> None:
        self._found[node.seq] = (weakref.ref(node), *call)
        for value in call[1]:
            if type(value) is Tensor:
                self._bytes += value._array.nbytes
        if len(self._found) > self._allowed or self._bytes > self._allowed_bytes:
            self.tidy()

    def __delitem__(self, node: Node) -> None:
        del self._found[node.seq]

    def __iter__(self) -> Iterator[Node]:
        for ref, _, _ in list(self._found.values()):
            node = ref()
            if node is not None:
                yield node

    def __len__(self) -> int:
        return sum(ref() is not None for ref, _, _ in self._found.values())

    def tidy(self) -> None:
        """Let go of what belongs to nodes that are gone."""
        self._found = {seq: call for seq, call in self._found.items() if call[0]() is not None}
        self._allowed = max(LEAST, 2 * len(self._found))
        values = [v for _, _, given in self._found.values() for v in given]
        self._bytes = sum(v._array.nbytes for v in values if type(v) is Tensor)
        self._allowed_bytes = max(MOST_BYTES, 2 * self._bytes)


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
