"""What walks cost, and which tensors a call takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.node import Node
from engine.tensor import Tensor

__all__ = ["tensors_among", "walk_cost"]


def tensors_among(positions: tuple[int, ...], values: list[Any]) -> list[Tensor]:
    """The tensors at some positions of bound arguments, those of lists among them."""
    found: list[Tensor] = []
    for i in positions:
        value = values[i]
        found += [v for v in (value if type(value) is list else (value,)) if isinstance(v, Tensor)]
    return found


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
