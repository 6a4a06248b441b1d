"""``backward`` and ``grad``: roots are checked, the graph is walked, what arrives at the leaves is accumulated or answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from engine.apply import batch_hooks
from engine.duals import levels
from engine.errors import ArgumentError, AutogradError, InvalidValueError, ShapeError
from engine.grad_mode import depth, grad_enabled
from engine.node import AccumulateGrad, Edge, GradientEdge, Meta, NodeHook, Port
from engine.rules import rules
from engine.tensor import Tensor, array_of, node_of, set_attribute, wrap
from engine.transaction import current
from engine.walk import Event, Walk, fit, fit_tensor
from engine.write import write

__all__ = ["accumulate", "backward", "grad", "walks"]

walks: Final[ContextVar[type[Walk]]] = ContextVar("walks", default=Walk)
"""What ``grad`` walks with: while a function is traced, a walk of traced tensors (``engine.program``)."""

_ONES = {np.dtype(d): d(1) for d in (np.float32, np.float64)}


def _accumulate(leaf: AccumulateGrad, g: Any, create: bool) -> None:
    """Add a gradient to a leaf's ``.grad``: in place where no graph of it is wanted, as PyTorch does."""
    meta = leaf.meta
    before = meta.grad
    if before is None:
        if create:
            g = rules.empty_like(g.detach()).copy_(g)
        else:
            if type(g) is np.ndarray and (g.base is not None or not g.flags.writeable or sys.getrefcount(g) > 3):
                g = np.array(g)
            g = wrap(g)
        set_attribute(meta, "grad", g)
    elif create:
        set_attribute(meta, "grad", before + g)
    else:
        array = before._array
        if type(array) is np.ndarray:
            write(before, array + g)
        else:
            set_attribute(before, "_array", array + g)
            transaction = current.get()
            if transaction is not None:
                transaction.cell(before._version_cell)
            if type(before._version_cell) is list:
                before._version_cell[0] += 1
    if meta.post_hooks:
        _accumulated(leaf, g)


def _accumulated(leaf: AccumulateGrad, g: Any) -> None:
    """The hooks after accumulation: of the tensor, and of its node."""
    hooks: dict[int, Any] = leaf.meta.post_hooks or {}
    for hook in tuple(hooks.values()):
        if isinstance(hook, NodeHook):
            hook.hook((), (g if isinstance(g, Tensor) else wrap(g),))
        else:
            _nothing(hook(leaf.variable))


def _nothing(answer: Any) -> None:
    """Errors: TypeError, for a tensor RuntimeError, where a hook after accumulation answered something."""
    if isinstance(answer, Tensor):
        raise AutogradError("Tensor post accumulate grad hooks should return None.")
    if answer is not None:
        raise ArgumentError(f"expected Variable, but hook returned '{type(answer).__name__}'")


def _sequence(value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, Tensor) or value is None:
        return (value,)
    if type(value) is GradientEdge:
        return (_stand_in(value),)
    if not isinstance(value, Sequence):
        raise ArgumentError(
            f"'{type(value).__name__}' object is not iterable\n({what} must be a Tensor or a sequence of Tensors)"
        )
    return tuple(_stand_in(v) if type(v) is GradientEdge else v for v in value)


def _stand_in(place: GradientEdge) -> Tensor:
    """A tensor without values for where a gradient arrives."""
    node: Any = place.node
    if type(node) is AccumulateGrad:
        return node.variable
    if node.extra is not None and node.extra.outputs is not None:
        node = Port(node, place.output_nr, *node.extra.outputs[place.output_nr])
    t = wrap(np.broadcast_to(np.zeros((), node.dtype), node.shape))
    t._node = node
    return t


def _roots(tensors: tuple[Tensor, ...], gradients: tuple[Any, ...], create: bool) -> list[tuple[Edge, Any]]:
    """Check the outputs and make their upstream gradients."""
    if len(gradients) != len(tensors):
        raise AutogradError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    roots: list[tuple[Edge, Any]] = []
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        node = node_of(t)
        if g is None:
            one = _ONES.get(t._array.dtype) if type(t._array) is not np.ndarray else None
            if one is not None and node is not None:
                roots.append((node, wrap(one) if create else one))
                continue
            if node is None:
                raise AutogradError(f"element {i} of tensors does not require grad and does not have a grad_fn")
            if t._array.size != 1:
                raise AutogradError("grad can be implicitly created only for scalar outputs")
            if t._array.dtype.kind == "c":
                raise AutogradError(f"grad can be implicitly created only for real scalar outputs but got {t.dtype}")
            raw: Any = np.ones(t._array.shape, t._array.dtype)[()]
            roots.append((node, wrap(raw) if create else raw))
            continue
        if not isinstance(g, Tensor):
            raise ArgumentError(f"gradients can be either Tensors or None, but got {type(g).__name__}", "gradient")
        if g._array.shape != t._array.shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of {t.shape}."
            )
        if (g._array.dtype.kind == "c") != (t._array.dtype.kind == "c"):
            raise AutogradError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {t.dtype}."
            )
        if node is None:
            raise AutogradError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        fitted = (
            fit_tensor(g, t._array.shape, t._array.dtype) if create else fit(g._array, t._array.shape, t._array.dtype)
        )
        roots.append((node, fitted))
    return roots


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add to the leaves' ``.grad`` the gradient of ``tensors``. Source: torch.autograd.backward.

    grad_tensors: one upstream gradient a tensor, None for tensors of one element. retain_graph: keep saved values (default:
    create_graph). create_graph: record the walk, for higher orders. inputs: only these tensors get gradients.
    """
    if depth.get() or len(batch_hooks) > len(levels.get()):
        raise AutogradError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or functorch.vjp instead "
            "or call backward() outside of functorch transforms."
        )
    accumulate(tensors, grad_tensors, retain_graph, create_graph, inputs)


def accumulate(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
    *,
    trace: Callable[[Event], None] | None = None,
) -> list[Meta]:
    """As ``backward``; answers whose ``.grad`` it set, and tells ``trace`` of each node and leaf as the walk passes it."""
    outputs = (tensors,) if type(tensors) is Tensor else _sequence(tensors, "tensors")
    gradients = (None,) * len(outputs) if grad_tensors is None else _sequence(grad_tensors, "grad_tensors")
    keep = create_graph if retain_graph is None else retain_graph
    on_tensors = create_graph or bool(levels.get())  # what carries tangents is walked with tensors
    walk = Walk(_roots(outputs, gradients, on_tensors), keep=keep, create=on_tensors, trace=trace)
    allowed: set[int] | None = None
    if inputs is not None:
        wanted = _sequence(inputs, "inputs")
        if not wanted:
            raise AutogradError("`inputs` argument to `backward()` cannot be empty.")
        for t in wanted:
            t.retain_grad()
        _restrict(walk, wanted)
        allowed = {_place(t)[0] for t in wanted}
    _run(walk, create_graph)
    leaves, reached = walk.leaves, walk.reached
    for seq in list(leaves):
        leaf, g = leaves.pop(seq)
        if allowed is not None and seq not in allowed:
            continue
        meta = leaf.meta
        if meta.hooks:
            g = walk.hooked(meta.hooks, g)
        if trace is not None:
            trace((leaf, [g], []))
        if on_tensors and not create_graph:
            g = g._array  # ``.grad`` carries no tangent
        _accumulate(leaf, g, create_graph)
        reached.append(meta)
    return reached


def _place(t: Tensor) -> tuple[int, int]:
    node = node_of(t)
    if node is None:
        raise AutogradError("One of the differentiated Tensors does not require grad")
    return (node.seq, node.number if type(node) is Port else 0)


def _run(walk: Walk, create: bool) -> None:
    token = grad_enabled.set(create)
    try:
        walk.run()
    finally:
        grad_enabled.reset(token)


def _restrict(walk: Walk, inputs: Sequence[Tensor]) -> None:
    """Let the walk run only nodes from which an input is reached, and catch the gradients of non-leaves."""
    reaching: set[int] = set()
    needed: set[int] = set()
    for t in inputs:
        place = _place(t)
        reaching.add(place[0])
        if type(t._node) is AccumulateGrad:
            needed.add(place[0])
        else:
            walk.capture.add(place)
    oldest = min(reaching)  # what is older than all inputs leads to none
    found: dict[int, Any] = dict(walk.nodes)
    stack = list(walk.nodes.values())
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge.seq > oldest and edge.seq not in found and type(edge) is not AccumulateGrad:
                inner: Any = edge.node if type(edge) is Port else edge
                found[edge.seq] = inner
                stack.append(inner)
    for seq in sorted(found):
        for e in found[seq].edges:
            if e is not None and e.seq in reaching:
                needed.add(seq)
                reaching.add(seq)
                break
    walk.needed = needed


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs' sum (weighted by ``grad_outputs``) for each input; ``.grad`` is left alone.

    Errors: RuntimeError for an input that the outputs do not depend on, unless ``allow_unused``. Source: torch.autograd.grad.

    >>> import engine as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x**2, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise InvalidValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    many = (outputs,) if type(outputs) is Tensor else _sequence(outputs, "outputs")
    wanted = (inputs,) if type(inputs) is Tensor else _sequence(inputs, "inputs")
    if not wanted:
        raise AutogradError("`inputs` argument to `grad()` cannot be empty.")
    gradients = (None,) * len(many) if grad_outputs is None else _sequence(grad_outputs, "grad_outputs")
    if is_grads_batched:
        return _batched(many, wanted, gradients, retain_graph, create_graph, allow_unused, materialize_grads)
    keep = create_graph if retain_graph is None else retain_graph
    on_tensors = create_graph or bool(levels.get())
    walk = walks.get()(_roots(many, gradients, on_tensors), keep=keep, create=on_tensors)
    places = [_place(t) for t in wanted]
    direct = dict(walk.leaves)
    _restrict(walk, wanted)
    _run(walk, create_graph)
    answers: list[Tensor | None] = []
    hooked: dict[tuple[int, int], Any] = {}
    for t, place in zip(wanted, places, strict=True):
        node = node_of(t)
        if type(node) is AccumulateGrad:
            if place not in hooked:
                found = walk.leaves.get(node.seq, direct.get(node.seq))
                g = None if found is None else found[1]
                hooked[place] = walk.hooked(node.meta.hooks, g) if g is not None and node.meta.hooks else g
            g = hooked[place]
        else:
            g = walk.captured.get(place)
        if g is None:
            if not allow_unused:
                raise AutogradError(
                    f"The differentiated Tensor at index {len(answers)} appears to not have been used in the graph. "
                    "Set allow_unused=True if this is the desired behavior."
                )
            answers.append(wrap(np.zeros_like(array_of(t))) if materialize_grads else None)
        else:
            answers.append(g if isinstance(g, Tensor) else wrap(np.array(g) if g.ndim else g[()]))
    return tuple(answers)


def _batched(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    gradients: tuple[Any, ...],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
    materialize_grads: bool,
) -> tuple[Tensor | None, ...]:
    """One walk for each row of the batched upstream gradients."""
    rows = [None if g is None else g.unbind(0) for g in gradients]
    count = next((len(r) for r in rows if r is not None), 0)
    keep = create_graph if retain_graph is None else retain_graph
    found = [
        grad(
            outputs,
            inputs,
            tuple(None if r is None else r[k] for r in rows),
            keep or k + 1 < count,
            create_graph,
            allow_unused,
            False,
            materialize_grads,
        )
        for k in range(count)
    ]
    columns = zip(*found, strict=True)
    return tuple(None if column[0] is None else rules.stack(list(column)) for column in columns)
