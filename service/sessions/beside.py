"""What the graph does not say of recorded calls: numbers, tensors that do not require grad and that no derivative needs, and composites.

The engine lets go of them, as PyTorch does. A session remembers them as long as the node that a call left lives, so that its graph can
be served as a function; their bytes count.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

from engine.node import Node, Port
from engine.op import Op
from engine.tensor import Tensor, node_of

__all__ = ["Beside", "came_in", "remember"]

LEAST: Final = 256  # calls of nodes that are gone, before they are looked for
MOST_BYTES: Final = 2**20  # of tensors, likewise


class Beside(MutableMapping[Node, tuple[Op, list[Any]]]):
    """For a node the row and the arguments of its call: weakly, as long as the node lives.

    What the node itself leads to is not held here, so most entries need no callback when their node goes, which would take as long as the
    call: they are let go when as much again has come. Only what a composite was given is.
    """

    __slots__ = ("_allowed", "_allowed_bytes", "_bytes", "_found")

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Node], Op, list[Any], bool, int]] = {}
        self._allowed = LEAST
        self._bytes = 0  # of tensors that are remembered, each as often as it is
        self._allowed_bytes = MOST_BYTES

    def __getitem__(self, node: Node) -> tuple[Op, list[Any]]:
        ref, op, values, own, _ = self._found[node.seq]
        if ref() is not node:
            raise KeyError(node)
        if own:
            values = list(values)
            for i, edge in zip(op.tensors, node.edges, strict=True):
                if edge is not None:
                    values[i] = edge
        return op, values

    def __setitem__(self, node: Node, call: tuple[Op, list[Any]]) -> None:
        op, values = call
        if node.plan.op is op and not op.lists:
            values = list(values)
            for i, edge in zip(op.tensors, node.edges, strict=True):
                if edge is not None:
                    values[i] = None
            self.note(node, op, values)
            return
        found, seq = self._found, node.seq
        found[seq] = (weakref.ref(node, lambda _: found.pop(seq, None) and None), op, values, False, _size(values))

    def note(self, node: Node, op: Op, values: list[Any]) -> None:
        """Remember a call whose row left the node. values: its arguments, with anything where the node has an edge."""
        size = 0
        for value in values:
            if type(value) is Tensor:
                size += value._array.nbytes
        self._found[node.seq] = (weakref.ref(node), op, values, True, size)
        self._bytes += size
        if len(self._found) > self._allowed or self._bytes > self._allowed_bytes:
            self.tidy()

    def __delitem__(self, node: Node) -> None:
        del self._found[node.seq]

    def __iter__(self) -> Iterator[Node]:
        for ref, *_ in list(self._found.values()):
            node = ref()
            if node is not None:
                yield node

    def __len__(self) -> int:
        return sum(ref() is not None for ref, *_ in list(self._found.values()))

    def tensors(self) -> Iterator[Tensor]:
        """The tensors that are remembered, each as often as it is."""
        for ref, _, values, _, _ in list(self._found.values()):
            if ref() is not None:
                for value in values:
                    for v in value if type(value) is list else (value,):
                        if isinstance(v, Tensor):
                            yield v

    def tidy(self) -> None:
        """Let go of what belongs to nodes that are gone."""
        found = self._found
        for seq in [seq for seq, call in list(found.items()) if call[0]() is None]:
            found.pop(seq, None)
        self._allowed = max(LEAST, 2 * len(found))
        self._bytes = sum([call[4] for call in list(found.values())])
        self._allowed_bytes = max(MOST_BYTES, 2 * self._bytes)


def _size(values: list[Any]) -> int:
    flat = (v for value in values for v in (value if type(value) is list else (value,)))
    return sum(v._array.nbytes for v in flat if isinstance(v, Tensor))


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
