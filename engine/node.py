"""The graph as data: what an operator left behind so that its derivative can be taken.

A node holds its plan (the row and which inputs require grad), the attributes of the call, edges to the producers of its inputs, the
saved raw arrays with the version cells they had, and the shape and dtype of its output. No tensor is inside, so no cycle: a graph
dies by reference counting. ``seq`` grows with time: an input's producer has always the smaller number, which is the order of the walk.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from engine.transaction import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.plan import Plan
    from engine.tensor import Tensor

__all__ = [
    "AccumulateGrad",
    "Edge",
    "Extra",
    "Handle",
    "Meta",
    "Node",
    "Port",
    "Value",
    "extra_of",
    "function_name",
    "hand_over",
]

Value: TypeAlias = "np.ndarray[Any, Any] | np.generic"
"""A raw value: an array, or a NumPy scalar for what has no dims."""

sequence = itertools.count(1)
handles = itertools.count(1)


class Handle:
    """What registering a hook answers: ``remove`` takes the hook away. Usable as a context manager."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> None:
        self._hooks = hooks
        self._key = next(handles)
        self._remember()
        hooks[self._key] = hook

    def remove(self) -> None:
        self._remember()
        self._hooks.pop(self._key, None)

    def _remember(self) -> None:
        transaction = current.get()
        if transaction is not None:
            transaction.item(self._hooks, self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Meta:
    """What autograd keeps of one tensor beside its values: gradient, hooks, and whether a non-leaf keeps its gradient."""

    __slots__ = ("grad", "hooks", "post_hooks", "retains_grad")

    def __init__(self) -> None:
        self.grad: Tensor | None = None
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None  # of a leaf; others are its node's
        self.post_hooks: dict[int, Callable[[Tensor], None]] | None = None
        self.retains_grad = False


class Node:
    """A recorded operator; what ``tensor.grad_fn`` answers."""

    __slots__ = (
        "__weakref__",
        "attrs",
        "cells",
        "dtype",
        "edges",
        "extra",
        "plan",
        "saved",
        "seq",
        "shape",
    )

    plan: Plan
    attrs: tuple[Any, ...]
    edges: tuple[Edge | None, ...]
    saved: tuple[Any, ...] | None
    cells: tuple[Any, ...]  # cell, version, cell, version, …
    shape: Any  # of the output; of a node with several, a tuple of Specs is in extra
    dtype: Any
    seq: int
    extra: Extra | None

    def name(self) -> str:
        """PyTorch's name of the node.

        >>> import engine
        >>> (engine.ones(1, requires_grad=True) * 2).grad_fn.name()
        'MulBackward0'
        """
        return self.plan.name

    @property
    def freed(self) -> bool:
        """Whether a backward without ``retain_graph`` has let the saved values go."""
        return self.saved is None

    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]:
        """The producers of the inputs, each with the number of its output. Source: torch.autograd.graph.Node.next_functions."""
        return tuple((e.node, e.number) if type(e) is Port else (e, 0) for e in self.edges)  # type: ignore[misc]

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node ran; what it answers replaces the gradients of the inputs."""
        return Handle(extra_of(self).node_hooks, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_outputs)`` before the node runs; what it answers replaces them."""
        return Handle(extra_of(self).node_pre_hooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


def function_name(node: str) -> str:
    """How PyTorch's sentences call what a node is the backward of.

    >>> function_name("MulBackward0")
    'Mul'
    """
    return node.rstrip("0123456789").removesuffix("Backward")


def extra_of(node: Node) -> Extra:
    """The node's extra, made where it has none yet."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


def hand_over(meta: Meta | None, before: Edge | None, after: Edge | None) -> None:
    """Let a tensor that keeps its gradient keep that of its new producer instead."""
    if meta is None or not meta.retains_grad or before is None or after is None or before is after:
        return
    number, node = (before.number, before.node) if type(before) is Port else (0, before)
    extra = getattr(node, "extra", None)
    if extra is None or extra.retained.get(number) is not meta:
        return
    into, owner = (after.number, after.node) if type(after) is Port else (0, after)
    assert isinstance(owner, Node)  # a leaf keeps its gradient anyway: nothing hands over to one
    transaction = current.get()
    if transaction is not None:
        transaction.attribute(extra, "retained")
        transaction.attribute(extra_of(owner), "retained")
    extra.retained = {k: m for k, m in extra.retained.items() if k != number}
    extra_of(owner).retained = {**extra_of(owner).retained, into: meta}


class Extra:
    """What few nodes have: hooks, tensors that keep their gradient, and the outputs of a node with several."""

    __slots__ = ("node_hooks", "node_pre_hooks", "outputs", "retained", "tensor_hooks", "where")

    def __init__(self) -> None:
        self.outputs: tuple[tuple[tuple[int, ...], Any], ...] | None = None
        self.tensor_hooks: dict[int, dict[int, Callable[[Tensor], Tensor | None]]] = {}
        self.retained: dict[int, Meta] = {}
        self.node_hooks: dict[int, Callable[..., Any]] = {}
        self.node_pre_hooks: dict[int, Callable[..., Any]] = {}
        self.where: str | None = None


class Port:
    """One output of a node that has several; stands for it in edges and tensors."""

    __slots__ = ("dtype", "node", "number", "seq", "shape")

    def __init__(self, node: Node, number: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.node = node
        self.number = number
        self.seq = node.seq
        self.shape = shape
        self.dtype = dtype


class AccumulateGrad:
    """The end of the graph at a leaf: adds what arrives into the leaf's ``.grad``.

    It keeps the leaf's values, version cell and meta, not the tensor; ``variable`` makes the tensor anew where it is gone.
    """

    __slots__ = ("__weakref__", "array", "cell", "dtype", "meta", "seq", "shape", "tensor")

    def __init__(self, array: Value, cell: list[int], meta: Meta) -> None:
        self.array = array
        self.cell = cell
        self.meta = meta
        self.shape = array.shape
        self.dtype = array.dtype
        self.seq = next(sequence)
        self.tensor: Any = None  # a weak reference to the leaf

    edges: tuple[()] = ()
    saved: tuple[()] = ()

    def name(self) -> str:
        """PyTorch's name of the node."""
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Tensor:
        """The leaf; made anew over the same values and gradient where nobody holds it any more."""
        held = None if self.tensor is None else self.tensor()
        if held is not None:
            return held  # type: ignore[no-any-return]
        from engine.tensor import wrap

        t = wrap(self.array)
        t._node, t._version_cell, t._meta = self, self.cell, self.meta
        return t

    @property
    def freed(self) -> bool:
        return False

    @property
    def next_functions(self) -> tuple[()]:
        return ()

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


Edge: TypeAlias = "Node | AccumulateGrad | Port"
