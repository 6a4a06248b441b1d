"""What a node saved, under PyTorch's names: ``grad_fn._saved_self``, ``_saved_other``, ``_saved_result``, ``_saved_dim`` and so on.

A saved input is answered with its history, as it was; a leaf is the leaf itself. Source: the "Saved tensors" part of PyTorch's
autograd mechanics note.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.errors import GraphFreedError, VersionError
from engine.node import AccumulateGrad, Edge, Node, Packed, Port, extra_of
from engine.op import ROWS
from engine.tensor import Tensor, wrap

__all__ = ["install", "pack", "pack_all", "saved_attribute", "saved_attributes", "unpacked"]


def saved_attributes(node: Node) -> dict[str, tuple[str, int]]:
    """Names and where they are: ("saved", place) or ("attribute", position)."""
    plan = node.plan
    found: dict[str, tuple[str, int]] = {}
    if type(plan).__name__ != "Plan":
        return found
    names = ["self" if p.name == "input" else p.name for p in plan.op.parameters]
    several = len(plan.op.schema.returns) > 1
    for k, (what, i) in enumerate(plan.saves):
        if what == "input":
            found[f"_saved_{names[i]}"] = ("saved", k)
        elif what == "result":
            found["_saved_result" + (str(i) if several else "")] = ("saved", k)
        elif what == "shape":
            found[f"_saved_{names[i]}_sym_sizes"] = ("saved", k)
    for i, name in enumerate(names):
        if i not in plan.op.tensors:
            found[f"_saved_{name}"] = ("attribute", i)
    return found


def install() -> None:
    """Give nodes a property for every name under which a row saves something."""
    for row in ROWS:
        names = ["self" if p.name == "input" else p.name for p in row.parameters]
        for name in (
            *names,
            *(f"{n}_sym_sizes" for n in names),
            *(f"result{k}" for k in range(len(row.schema.returns))),
        ):
            _install(f"_saved_{name}")
    _install("_saved_result")


def _install(name: str) -> None:
    if not hasattr(Node, name):
        setattr(Node, name, property(lambda node: saved_attribute(node, name), doc="What was saved, with its history."))


def saved_attribute(node: Node, name: str) -> Any:
    """The saved value of a name. Errors: AttributeError for another; RuntimeError for a tensor that was freed, or changed since."""
    place = saved_attributes(node).get(name)
    if place is None:
        raise AttributeError(f"'{node.name()}' object has no attribute '{name}'")
    where, k = place
    if where == "attribute":
        return node.attrs[k]
    if node.saved is None:
        from engine.violations import FREED

        raise GraphFreedError(FREED)
    _check_versions(node)
    what, i = node.plan.saves[k]
    value = node.saved[k]
    if what == "shape":
        return tuple(value) if isinstance(value, tuple) else value
    if what == "result":
        several = node.extra is not None and node.extra.outputs is not None
        return _tensor(value, Port(node, i, *node.extra.outputs[i]) if several else node)  # type: ignore[union-attr, index]
    from engine.write import edge_index

    start = edge_index(node, node.plan, i)
    if type(value) is list:
        return tuple(_tensor(v, node.edges[start + j]) for j, v in enumerate(value))
    if node.edges[start] is None and value is not None and not value.ndim and _is_number(node):
        return value.item()
    return _tensor(value, node.edges[start])


def _is_number(node: Node) -> bool:
    """Whether one of the saved inputs was a number: numbers have no version cell."""
    return 2 * len(node.plan.arrays) > len(node.cells) and not (node.extra is not None and node.extra.packed)


def _check_versions(node: Node) -> None:
    for i in range(0, len(node.cells), 2):
        if node.cells[i][0] != node.cells[i + 1]:
            from engine.violations import version_error

            error: VersionError = version_error(node, i)
            raise error


def _tensor(value: Any, edge: Edge | None) -> Tensor | None:
    if value is None:
        return None
    array = value.array() if type(value) is Packed else value
    if type(edge) is AccumulateGrad and edge.array is array:
        return edge.variable
    t = wrap(array)
    t._node = edge if array.dtype.kind in "fc" else None
    return t


# -- hooks --------------------------------------------------------------------------------------------------------------


def pack(t: Tensor, hooks: tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]) -> Packed:
    """What the hooks make of a tensor that is to be saved; nothing is recorded meanwhile."""
    from engine.grad_mode import no_grad

    version = t._version_cell[0]
    with no_grad():
        value = hooks[0](t)
    if t._version_cell[0] != version:
        raise VersionError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by "
            "in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place "
            "operations on the input to a pack hook."
        )
    return Packed(value, hooks[1])


def pack_all(node: Node, bound: list[Any], hooks: tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]) -> None:
    """Let hooks keep what a new node saved; its versions are no longer looked at."""
    plan = node.plan
    if not plan.arrays:
        return
    saved = list(node.saved or ())
    for k in plan.arrays:
        what, i = plan.saves[k]
        edge: Any = node
        if what == "input":
            if not isinstance(bound[i], (Tensor, list)):
                continue  # a number, or what is overwritten, which nobody else holds
            from engine.write import edge_index

            edge = node.edges[edge_index(node, plan, i)]
        if isinstance(saved[k], (np.ndarray, np.generic)):
            saved[k] = pack(_tensor(saved[k], edge), hooks)  # type: ignore[arg-type]
        elif type(saved[k]) is list:
            saved[k] = [None if v is None else pack(wrap(v), hooks) for v in saved[k]]
    node.saved = tuple(saved)
    node.cells = ()
    extra_of(node).packed = True


def unpacked(saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved values as they were before hooks kept them."""
    return tuple(
        s.array() if type(s) is Packed else [v.array() if type(v) is Packed else v for v in s] if type(s) is list else s
        for s in saved
    )
