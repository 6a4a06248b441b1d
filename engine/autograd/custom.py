"""What custom functions leave behind: the context that forward fills, the plan and the node of a call, and its place in the graph.

The node is data as any other: its attributes are (ctx, which inputs are tensors, outputs, shapes of the inputs), what it saved are
records (array, producer or number of an output, version cell). Source: torch/csrc/autograd/python_function.cpp and custom_function.cpp.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.duals import Level, below, give, tangent_of, unlike
from engine.errors import AutogradError, GraphFreedError, LeafError
from engine.grad_mode import detours, no_grad
from engine.node import AccumulateGrad, Edge, Extra, Node, Packed, Port, saved_hooks, sequence
from engine.op import OPS
from engine.plan import Plan
from engine.saved import pack
from engine.tensor import Tensor, node_of, wrap
from engine.view import View
from engine.write import check_writable, set_history

if TYPE_CHECKING:
    from engine.autograd.function import Function

__all__ = ["CustomNode", "CustomPlan", "FunctionCtx", "own", "push", "record"]


class FunctionCtx:
    """What a custom function's forward tells its backward; any attribute may be set on it."""

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True
        self._records: tuple[Any, ...] | None = None
        self._given: tuple[Any, ...] | None = None  # saved tensors as one example of a batch sees them
        self._node: Any = None
        self._for_forward: tuple[Tensor | None, ...] | None = None
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs, outputs, others) for backward; a later change in place of one is an error there."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for ``jvp``, which finds them in ``saved_tensors``."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_forward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
        self._for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward changed in place; they must be among the outputs."""
        self._dirty = _tensors_only(tensors, "mark_dirty can only accept variables, but argument")

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no derivative."""
        self._non_differentiable = _tensors_only(
            tensors, "mark_non_differentiable only accepts variable arguments, but got"
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that did not arrive is handed to backward as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, with its history. Errors: RuntimeError after it was freed, or changed in place."""
        if self._given is not None:
            return self._given
        if self._for_forward is not None:
            return self._for_forward
        node = self._node() if self._node is not None else None
        records = self._records if self._records is not None or node is None else node.saved
        if records is None:
            if node is None:
                return self._to_save
            from engine.violations import FREED

            raise GraphFreedError(FREED)
        return tuple(None if r is None else _restored(r, node) for r in records)


def _tensors_only(values: tuple[Any, ...], sentence: str) -> tuple[Any, ...]:
    for i, v in enumerate(values):
        if not isinstance(v, Tensor):
            raise AutogradError(f"{sentence} {i} is of type {type(v).__name__}")
    return values


def _restored(record: tuple[Any, Any, list[int]], node: Node | None) -> Tensor:
    array, edge, cell = record
    if type(array) is Packed:
        array = array.array()
    if type(edge) is AccumulateGrad and edge.array is array:
        return edge.variable
    t = wrap(array)
    if isinstance(edge, int):
        edge = None if node is None else _output_edge(node, edge)
    t._node = edge
    t._version_cell = cell
    if type(edge) is AccumulateGrad:
        t._meta = edge.meta
    return t


def _output_edge(node: Node, number: int) -> Any:
    if node.extra is None or node.extra.outputs is None:
        return node
    return Port(node, number, *node.extra.outputs[number])


class CustomNode(Node):
    """The node of a custom function's call; attributes that nodes do not have are the context's, as PyTorch's two are one object."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.attrs[0], name)

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, with its history. Errors: RuntimeError after it was freed."""
        return self.attrs[0].saved_tensors  # type: ignore[no-any-return]


class CustomPlan(Plan):
    """The plan of one custom function's nodes. first: which gradient comes first, where the node writes into a view of another base."""

    __slots__ = ("first", "function", "node_type", "pushes")

    def __init__(self, function: type[Function], first: int = 0, name: str | None = None) -> None:
        name = name or f"{function.__name__}Backward"
        super().__init__(OPS["_as_strided_chain"][0], 0, name, (), self.run, True)
        self.function = function
        self.first = first
        self.pushes = "jvp" in vars(function)
        self.node_type = type(name, (CustomNode,), {"__slots__": ()})
        self.arrays = (0,)

    def run(self, g: Any, saved: Any, attrs: Any) -> tuple[Any, ...]:
        ctx, places, outputs, shapes = attrs
        upstream = g if type(g) is tuple else (g,)
        raw = not any(isinstance(u, Tensor) for u in upstream)
        given = []
        for u, (shape, d) in zip(upstream, outputs, strict=True):
            if u is None:  # an output that is no tensor has no dtype, and never a gradient
                given.append(wrap(np.zeros(shape, d)) if ctx._materialize and d is not None else None)
            else:
                given.append(wrap(u) if raw else u)
        ctx._records = saved
        try:
            answer = self.function._pull()(ctx, *given)
        finally:
            ctx._records = None
        answer = answer if isinstance(answer, tuple) else (answer,)
        count = len(places)
        if len(answer) > count and all(a is None for a in answer[count:]):
            answer = answer[:count]
        if len(answer) != count:
            raise AutogradError(
                f"function {self.name} returned an incorrect number of gradients (expected {count}, got {len(answer)})"
            )
        found: list[Any] = []
        for i, (a, is_tensor) in enumerate(zip(answer, places, strict=True)):
            if not is_tensor:
                if a is not None:
                    raise AutogradError(
                        f"function {self.name} returned a gradient different than None at position {i + 1}, but the corresponding "
                        "forward input was not a Variable"
                    )
                continue
            if a is not None and not isinstance(a, Tensor):
                raise AutogradError(f"expected Variable or None (got {type(a).__name__})")
            if a is not None and ctx.needs_input_grad[i] and not _shrinks(a.shape, shapes[len(found)]):
                raise AutogradError(
                    f"Function {self.name} returned an invalid gradient at index {len(found)} - got {list(a.shape)} but expected shape "
                    f"compatible with {list(shapes[len(found)])}"
                )
            found.append(None if a is None or not ctx.needs_input_grad[i] else a._array if raw else a)
        return _moved_first(found, self.first)


def _moved_first(values: Any, k: int) -> tuple[Any, ...]:
    """The values in their order, but for one that comes first."""
    return (values[k], *values[:k], *values[k + 1 :])


def _shrinks(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether summing undoes a broadcast from ``wanted`` to ``shape``."""
    lead = len(shape) - len(wanted)
    return lead >= 0 and all(n in (1, m) for n, m in zip(wanted, shape[lead:], strict=True))


def own(o: Any, inputs: list[Tensor], ctx: FunctionCtx) -> Any:
    """An input that is handed back as it came becomes a view of itself."""
    if not isinstance(o, Tensor) or any(o is d for d in ctx._dirty) or not any(o is t for t in inputs):
        return o
    from engine.rules import rules

    with no_grad():
        return rules.alias(o)


def record(
    cls: type[Function],
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    tensors: list[Tensor],
    edges: list[Any],
    outputs: list[Any],
    several: bool,
) -> None:
    """Leave a node for a call, and give the outputs their history."""
    made = {k: o for k, o in enumerate(outputs) if isinstance(o, Tensor)}
    shapes = tuple((o._array.shape, o._array.dtype) if isinstance(o, Tensor) else ((), None) for o in outputs)
    dirty_views = {k: o for k, o in made.items() if o._view is not None and any(o is d for d in ctx._dirty)}
    if dirty_views and len(made) > 1:
        raise AutogradError(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one "
            "Tensor. This is not supported by the current autograd engine. You should either make sure the input is not a view (using "
            ".clone() for example) or make your Function only return one Tensor (potentially splitting it into two Functions: one doing "
            "the inplace that returns a single Tensor and a second one that does the other operations). You can ask on the forum "
            "https://discuss.pytorch.org/ if you need help to do this change."
        )
    plan = cls._plan
    node = plan.node_type()
    node.plan = plan
    inputs = tuple(t._array.shape for t in tensors)
    node.attrs = (ctx, tuple(isinstance(a, Tensor) for a in args), shapes, inputs)
    node.edges = tuple(edges)
    node.seq = next(sequence)
    node.extra = None
    if not several:
        node.shape, node.dtype = shapes[0]
    else:
        node.shape, node.dtype = (), None
        node.extra = Extra()
        node.extra.outputs = shapes
    records: list[Any] = []
    cells: list[Any] = []
    for t in ctx._to_save:
        if t is None:
            records.append(None)
            continue
        number = next((k for k, o in made.items() if o is t), None)
        edge: Any = number if number is not None and not any(t is i for i in tensors) else node_of(t)
        version = t._version_cell[0]
        if detours and (hooks := saved_hooks.get()):
            records.append((pack(t, hooks[-1]), edge, t._version_cell))
            continue
        records.append((t._array, edge, t._version_cell))
        cells += (t._version_cell, version)
    node.saved = tuple(records)
    node.cells = tuple(cells)
    ctx._to_save = ()
    ctx._node = weakref.ref(node)
    flowing = [
        (k, o)
        for k, o in made.items()
        if o._array.dtype.kind in "fc" and not any(o is n for n in ctx._non_differentiable)
    ]
    for k, o in flowing:
        edge = node if node.extra is None else Port(node, k, *shapes[k])
        if any(o is d for d in ctx._dirty):
            _written(o, edge, tensors)
        elif o._view is not None:  # of an input, or of what forward made
            v = o._view
            o._view = View(v.base, v.chain, v.version, "multi_output" if len(flowing) > 1 else "function")
            o._node = edge
        elif node_of(o) is None:
            o._node = edge
    ctx._dirty = ctx._non_differentiable = ()


def push(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: list[Any], level: Level) -> None:
    """Ask a function's ``jvp`` for the tangents of its outputs at a level of forward mode, and let them carry these.

    Errors: RuntimeError for another number of tangents than of outputs, or for what is no tensor.
    """
    given = [tangent_of(a, level) if isinstance(a, Tensor) else None for a in args]
    if ctx._materialize:
        given = [
            wrap(np.zeros_like(a._array)) if g is None and isinstance(a, Tensor) and a.dtype.differentiable else g
            for a, g in zip(args, given, strict=True)
        ]
    with below(level):
        answer = cls.jvp(ctx, *given)
    found = answer if isinstance(answer, tuple) else (answer,)
    if len(found) != len(outputs):
        raise AutogradError(
            f"Function's jvp returned an invalid number of forward gradients (expected {len(outputs)} but got {len(found)})"
        )
    for k, (o, t) in enumerate(zip(outputs, found, strict=True)):
        if t is not None and not isinstance(t, Tensor):
            raise AutogradError(f"expected Variable or None (got {type(t).__name__}) for grad output {k}.")
        if t is None or not isinstance(o, Tensor) or not o.dtype.differentiable:
            continue
        if tuple(t.shape) != tuple(o.shape):
            raise AutogradError(unlike(o, t))
        give(o, level, t)


def _written(o: Tensor, edge: Edge, inputs: list[Tensor]) -> None:
    """Give an input that forward wrote in place its new history."""
    if type(node_of(o)) is AccumulateGrad:
        raise LeafError("a leaf Variable that requires grad has been used in an in-place operation.")
    check_writable(o, records=True)
    if o._view is not None:
        assert isinstance(edge, Node)
        k = next((k for k, t in enumerate(inputs) if t is o), 0)
        assert isinstance(edge.plan, CustomPlan)
        edge.plan = CustomPlan(edge.plan.function, k)
        edge.edges = _moved_first(edge.edges, k)
    set_history(o, edge)  # type: ignore[arg-type]
