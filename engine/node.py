"""The graph as data: what an operator left behind so that its derivative can be taken.

A node holds its plan (the row and which inputs require grad), the attributes of the call, edges to the producers of its inputs, the
saved raw arrays with the version cells they had, and the shape and dtype of its output. No tensor is inside, so no cycle: a graph
dies by reference counting. ``seq`` grows with time: an input's producer has always the smaller number, which is the order of the walk.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np

from engine.transaction import current, numbers

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.tensor import Tensor

__all__ = [
    "AccumulateGrad",
    "Edge",
    "Extra",
    "GradientEdge",
    "Handle",
    "Meta",
    "Node",
    "NodeHook",
    "Packed",
    "Port",
    "Value",
    "extra_of",
    "function_name",
    "hand_over",
]

Value: TypeAlias = "np.ndarray[Any, Any] | np.generic"
"""A raw value: an array, or a NumPy scalar for what has no dims."""

sequence = numbers
handles = itertools.count(1)
saved_hooks: ContextVar[tuple[tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]], ...]] = ContextVar(
    "saved_tensors_hooks", default=()
)


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

    __slots__ = ("grad", "hooks", "post_hooks", "reshaped", "retains_grad", "tangents")

    tangents: Any  # what it carries in forward mode (``engine.duals``); unset for what never did

    def __init__(self) -> None:
        self.grad: Tensor | None = None
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None  # of a leaf; others are its node's
        self.post_hooks: dict[int, Callable[[Tensor], None]] | None = None
        self.retains_grad = False
        self.reshaped = False  # whether it was given other dims in place: older views of it lie otherwise then


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

    @property
    def metadata(self) -> dict[Any, Any]:
        """Whatever one wants to note here. Source: torch.autograd.graph.Node.metadata."""
        extra = extra_of(self)
        if extra.metadata is None:
            extra.metadata = {}
        return extra.metadata

    def _sequence_nr(self) -> int:
        return self.seq

    if (
        TYPE_CHECKING
    ):  # engine.saved puts properties here; a real __getattr__ would slow every attribute, and the walk by a tenth

        def __getattr__(self, name: str) -> Any: ...

    def __dir__(self) -> list[str]:
        from engine.saved import saved_attributes

        return [*super().__dir__(), *saved_attributes(self)]

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_inputs, grad_outputs)`` after the node ran; what it answers replaces the gradients of the inputs."""
        return Handle(extra_of(self).node_hooks, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_outputs)`` before the node runs; what it answers replaces them."""
        return Handle(extra_of(self).node_pre_hooks, hook)

    def __repr__(self) -> str:
        return f"<{self.name().rpartition('::')[2]} object at {id(self):#x}>"


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

    __slots__ = (
        "metadata",
        "node_hooks",
        "node_pre_hooks",
        "outputs",
        "packed",
        "retained",
        "tangents",
        "tensor_hooks",
        "where",
    )

    def __init__(self) -> None:
        self.outputs: tuple[tuple[tuple[int, ...], Any], ...] | None = None
        self.tensor_hooks: dict[int, dict[int, Callable[[Tensor], Tensor | None]]] = {}
        self.retained: dict[int, Meta] = {}
        self.node_hooks: dict[int, Callable[..., Any]] = {}
        self.node_pre_hooks: dict[int, Callable[..., Any]] = {}
        self.where: str | None = None
        self.packed = False  # whether what is saved went through hooks
        self.metadata: dict[Any, Any] | None = None
        self.tangents: dict[Any, tuple[Any, ...]] | None = None  # by level, what the saved values carry in forward mode


class Packed:
    """A saved value that went through hooks: what they made of it, and what makes it a tensor again."""

    __slots__ = ("unpack", "value")

    def __init__(self, value: Any, unpack: Callable[[Any], Tensor]) -> None:
        self.value = value
        self.unpack = unpack

    def array(self) -> Value:
        """The value again. Errors: TypeError where the hook answers no tensor."""
        from engine.tensor import Tensor

        answer = self.unpack(self.value)
        if not isinstance(answer, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(answer).__name__}"
            )
        return answer._array


class Port:
    """One output of a node that has several; stands for it in edges and tensors."""

    __slots__ = ("dtype", "node", "number", "seq", "shape")

    def __init__(self, node: Node, number: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.node = node
        self.number = number
        self.seq = node.seq
        self.shape = shape
        self.dtype = dtype


class NodeHook:
    """A leaf's node hook among its hooks after accumulation."""

    __slots__ = ("hook",)

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook


class _First:
    """A hook of a node with one output as one of its tensor's."""

    __slots__ = ("hook",)

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, g: Tensor) -> Any:
        answer = self.hook((g,))
        return answer[0] if isinstance(answer, tuple) else answer


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

    def register_prehook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(grad_outputs)`` before a gradient is added; what it answers replaces them."""
        if self.meta.hooks is None:
            self.meta.hooks = {}
        return Handle(self.meta.hooks, _First(hook))

    def register_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook((), grad_outputs)`` after a gradient was added."""
        if self.meta.post_hooks is None:
            self.meta.post_hooks = {}
        return Handle(self.meta.post_hooks, NodeHook(hook))  # type: ignore[arg-type] # told apart where they are called

    @property
    def freed(self) -> bool:
        return False

    @property
    def next_functions(self) -> tuple[()]:
        return ()

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


Edge: TypeAlias = "Node | AccumulateGrad | Port"


class GradientEdge(NamedTuple):
    """Where a gradient arrives: a node, and which of its outputs. ``backward`` and ``grad`` take one for a tensor."""

    node: Node | AccumulateGrad
    output_nr: int
    ownership_token: Any = None
