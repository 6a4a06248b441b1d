"""What walks cost, and which tensors a call takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from engine.node import Edge, Node, Port
from engine.tensor import Tensor, node_of

__all__ = ["nodes_before", "tensors_among", "walk_cost", "walk_size"]


def tensors_among(positions: tuple[int, ...], values: list[Any]) -> list[Tensor]:
    """The tensors at some positions of bound arguments, those of lists among them."""
    found: list[Tensor] = []
    for i in positions:
        value = values[i]
        found += [v for v in (value if type(value) is list else (value,)) if isinstance(v, Tensor)]
    return found


def nodes_before(roots: Iterable[Tensor]) -> Iterator[tuple[Edge, Any]]:
    """The edges that a walk from these tensors comes to, each once, with their nodes. Iterative."""
    seen: set[int] = set()
    stack = [n for n in map(node_of, roots) if n is not None]
    while stack:
        edge = stack.pop()
        if edge.seq in seen:
            continue
        seen.add(edge.seq)
        node = edge.node if type(edge) is Port else edge
        yield edge, node
        if isinstance(node, Node):
            stack.extend(e for e in node.edges if e is not None and e.seq not in seen)


def walk_size(roots: Iterable[Tensor]) -> tuple[int, int, int]:
    """Of a walk from some tensors: the bytes of its gradients, its arithmetic, the number of its nodes."""
    size = cost = count = 0
    for edge, node in nodes_before(roots):
        count += 1
        size += int(np.prod(edge.shape)) * (edge.dtype.itemsize if edge.dtype is not None else 0)
        if isinstance(node, Node):
            cost += walk_cost(node)
    return size, cost, count


def walk_cost(node: Node) -> int:
    """The arithmetic of a node's rules, from what it holds: its estimate again where its inputs are saved, else its elements."""
    size = int(np.prod(node.shape)) if node.dtype is not None else 0
    saved = 0
    inner = 1
    for value in node.saved or ():
        for v in value if type(value) is list else (value,):
            if isinstance(v, np.ndarray):
                saved += v.size
                if node.plan.op.family in ("matmul", "linalg") and v.ndim:
                    inner = max(inner, *v.shape[-2:])
    return (size + saved) * inner + 1
