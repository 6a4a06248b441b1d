"""What a walk refuses, in PyTorch's words: freed graphs, changed saved tensors, hooks' answers that do not fit, NaN in anomaly mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine.errors import ArgumentError, AutogradError, VersionError
from engine.node import AccumulateGrad, Node, Port, function_name
from engine.tensor import Tensor
from engine.write import edge_index

__all__ = ["FREED", "KINDS", "checked_answer", "checked_answers", "located", "refuse_nan", "version_error"]

FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)

KINDS: Final = {
    "bool": "torch.BoolTensor",
    "uint8": "torch.ByteTensor",
    "int8": "torch.CharTensor",
    "int16": "torch.ShortTensor",
    "int32": "torch.IntTensor",
    "int64": "torch.LongTensor",
    "float32": "torch.FloatTensor",
    "float64": "torch.DoubleTensor",
    "float16": "torch.HalfTensor",
    "complex64": "torch.ComplexFloatTensor",
    "complex128": "torch.ComplexDoubleTensor",
}


def checked_answer(hook: Any, answer: Any, before: Any) -> Tensor:
    """What a hook answered, if it can stand for the gradient."""
    if not isinstance(answer, Tensor):
        raise ArgumentError(f"expected Variable, but hook returned '{type(answer).__name__}'")
    name = getattr(hook, "__name__", type(hook).__name__)
    if answer.dtype.numpy != before.dtype and not isinstance(before, Tensor):
        was, got = (KINDS.get(d.name, f"torch.{d.name}") for d in (before.dtype, answer.dtype.numpy))
        raise AutogradError(f"hook '{name}' has changed the type of value (was {was} got {got})")
    if tuple(answer.shape) != tuple(before.shape):
        raise AutogradError(f"hook '{name}' has changed the size of value")
    return answer


def checked_answers(hook: Any, answer: Any, before: Sequence[Any]) -> tuple[Tensor | None, ...]:
    """What a node's hook answered, if it can stand for the gradients."""
    if not isinstance(answer, tuple):
        raise ArgumentError(f"expected tuple, but hook returned '{type(answer).__name__}'")
    if len(answer) != len(before):
        name = getattr(hook, "__name__", type(hook).__name__)
        raise AutogradError(
            f"hook '{name}' has returned an incorrect number of values (got {len(answer)}, but expected {len(before)})"
        )
    return tuple(
        a if a is None or (b is None and isinstance(a, Tensor)) else checked_answer(hook, a, b)
        for a, b in zip(answer, before, strict=True)
    )


def _saved_values(node: Node) -> list[tuple[Any, Any, int]]:
    """(raw value, its producer, the number of the output) of what a node saved, one for each of its version cells."""
    found: list[tuple[Any, Any, int]] = []
    if not node.plan.saves:  # a custom function: records of its own
        for record in node.saved or ():
            if record is not None:
                value, edge, _ = record
                found.append((value, node, edge) if isinstance(edge, int) else (value, edge, 0))
        return found
    for (what, k), value in zip(node.plan.saves, node.saved or (), strict=True):
        if what == "result":
            found.append((value, node, k))
        elif what == "input":
            values = value if type(value) is list else [value]
            start = edge_index(node, node.plan, k)
            found += [(v, node.edges[start + j], 0) for j, v in enumerate(values)]
    return [f for f in found if isinstance(f[0], (np.ndarray, np.generic))]


def version_error(node: Node, i: int) -> VersionError:
    """The error for a saved tensor, that of the cells at ``i``, which was written since."""
    saved = _saved_values(node)
    cell, expected = node.cells[i], node.cells[i + 1]
    value, edge, number = saved[min(i // 2, len(saved) - 1)] if saved else (np.zeros(()), None, 0)
    if value.dtype.kind not in "fc":  # what has no gradient has no producer
        edge = None
    if type(edge) is Port:
        number, edge = edge.number, edge.node
    maker = None if edge is None or type(edge) is AccumulateGrad else edge.name()
    if edge is not node and len(cell) > 1:  # the tensor's present producer: what wrote it, or its base
        maker = "AsStrided" if isinstance(edge, Node) and edge.plan.op.kind in ("view", "linear") else cell[1]
    origin = "" if maker is None else f", which is output {number} of {function_name(maker)},"
    kind = KINDS.get(value.dtype.name, f"torch.{value.dtype.name}")
    return VersionError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{kind} {list(value.shape)}]{origin} is at version {cell[0]}; expected version {expected} instead. "
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def refuse_nan(node: Node, produced: Sequence[Any]) -> None:
    """Errors: RuntimeError for a NaN among the gradients that a node made, in anomaly mode."""
    for i, p in enumerate(produced):
        if p is not None and np.isnan(p._array if isinstance(p, Tensor) else p).any():
            raise located(AutogradError(f"Function '{node.name()}' returned nan values in its {i}th output."), node)


def located(error: AutogradError, node: Node) -> AutogradError:
    """The error with the place where the node was recorded, if anomaly mode kept it."""
    where = node.extra.where if node.extra is not None else None
    return error if where is None else type(error)(f"{error}\n{node.name()} was recorded at {where}")
