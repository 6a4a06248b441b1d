"""What tensors and their graphs hold in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["graph_bytes"]


def graph_bytes(tensors: list[Any], arrays: Iterable[Any] = ()) -> tuple[int, int]:
    """The bytes of memory that tensors, their gradients, what their graphs keep, and arrays beside them hold, each once; and the nodes.

    Iterative, so a graph of any depth may be measured.
    """
    seen: set[int] = set()
    nodes: set[int] = set()
    total = 0
    stack: list[Any] = []

    def array(value: Any) -> int:
        owner = value
        while getattr(owner, "base", None) is not None and hasattr(owner.base, "nbytes"):
            owner = owner.base
        if id(owner) in seen:
            return 0
        seen.add(id(owner))
        return int(owner.nbytes)

    total += sum(array(a) for a in arrays)
    waiting = list(tensors)
    while waiting or stack:
        while waiting:
            t = waiting.pop()
            total += array(t._array)
            if t._node is not None:
                stack.append(t._node)
            if t._meta is not None and t._meta.grad is not None and id(t._meta.grad) not in seen:
                seen.add(id(t._meta.grad))
                waiting.append(t._meta.grad)
            if t._view is not None and id(t._view.base) not in seen:
                seen.add(id(t._view.base))
                waiting.append(t._view.base)
        if not stack:
            break
        edge = stack.pop()
        if edge.seq in nodes:
            continue
        nodes.add(edge.seq)
        node = getattr(edge, "node", edge)
        meta = getattr(node, "meta", None)
        if meta is not None:
            total += array(node.array)
            if meta.grad is not None and id(meta.grad) not in seen:
                seen.add(id(meta.grad))
                waiting.append(meta.grad)
            continue
        for value in node.saved or ():
            for v in value if type(value) is list else (value,):
                if hasattr(v, "nbytes"):
                    total += array(v)
        stack.extend(e for e in node.edges if e is not None and e.seq not in nodes)
    return total, len(nodes)
