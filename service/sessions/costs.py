"""What walks cost, and which tensors a call takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from engine.dtypes import of_numpy
from engine.errors import EngineError
from engine.node import Edge, Node, Port
from engine.op import Op, Spec
from engine.plan import Plan
from engine.promotion import estimate
from engine.tensor import Tensor, node_of

__all__ = ["Walk", "nodes_before", "tensors_among", "walk_cost", "walk_size"]

RULES_WORKSPACE: Final = 2
"""How many times its call's workspace a row's rules take at most, beside temporaries; what takes more says so (``engine.foresight``)."""


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


class Walk(NamedTuple):
    """Of a walk from some tensors: the bytes of its gradients, its arithmetic, its nodes, and the workspace of the one that needs most."""

    size: int
    cost: int
    nodes: int
    workspace: int


def walk_size(roots: Iterable[Tensor]) -> Walk:
    """What a walk takes, from the graph as it stands."""
    size = cost = count = workspace = 0
    for edge, node in nodes_before(roots):
        count += 1
        elements = math.prod(edge.shape)
        if edge.dtype is not None:
            size += elements * edge.dtype.itemsize
        if isinstance(node, Node):
            work, room = walk_cost(node)
            cost += work
            workspace = max(workspace, room)
    return Walk(size, cost, count, RULES_WORKSPACE * workspace)


def walk_cost(node: Node) -> tuple[int, int]:
    """A node's arithmetic and workspace: the estimate of its call over again; its elements, where what it holds does not tell that."""
    plan = node.plan
    elements = (math.prod(node.shape) if node.dtype is not None else 0) + 1
    saved = node.saved or ()
    for value in saved:
        for v in value if type(value) is list else (value,):
            if isinstance(v, np.ndarray):
                elements += v.size
    if type(plan) is not Plan or plan.op.kind == "view":
        return elements, 0
    given = _given(node)
    if given is None:
        return elements, 0
    found = _foreseen(plan.op, given)
    return (elements, 0) if found is None else (max(found[0], elements), found[1])


def _given(node: Node) -> tuple[Any, ...] | None:
    """The arguments that a node came from, tensors as specs; None where they are not known any more.

    An argument that was neither saved nor differentiated for has no part in the rules: None stands for it, as for what may be left out.
    """
    op = node.plan.op
    if op.lists:
        return None
    values = list(node.attrs)
    for edge, i in zip(node.edges, op.tensors, strict=True):
        if edge is not None and edge.dtype is not None:
            values[i] = Spec(
                tuple(edge.shape), of_numpy(edge.dtype) if isinstance(edge.dtype, np.dtype) else edge.dtype
            )
    for (what, i), value in zip(node.plan.saves, node.saved or (), strict=False):
        if what == "input" and i in op.tensors and values[i] is None:
            if isinstance(value, (np.ndarray, np.generic)):
                values[i] = Spec(tuple(value.shape), of_numpy(value.dtype))
            elif isinstance(value, (bool, int, float, complex)):
                values[i] = value
            elif value is not None:
                return None
    return tuple(tuple(v) if type(v) is list else v for v in values)


@lru_cache(4_096)
def _foreseen(op: Op, given: tuple[Any, ...]) -> tuple[int, int] | None:
    try:
        found = estimate(op, list(given))
    except EngineError:
        return None
    return found.cost, found.workspace
