"""Custom operators: ``autograd.Function`` with ``forward`` and ``backward`` of one's own.

Source: torch.autograd.Function and "Extending PyTorch" (docs.pytorch.org/docs/stable/notes/extending.html).

>>> import engine as torch
>>> class Cube(torch.autograd.Function):
...     @staticmethod
...     def forward(ctx, x):
...         ctx.save_for_backward(x)
...         return x**3
...
...     @staticmethod
...     def backward(ctx, g):
...         (x,) = ctx.saved_tensors
...         return g * 3 * x**2
>>> x = torch.tensor(2.0, requires_grad=True)
>>> Cube.apply(x).backward()
>>> x.grad
tensor(12.)
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.errors import AutogradError, GraphFreedError, LeafError, TensorError
from engine.grad_mode import grad_enabled, no_grad
from engine.hollow import UNKNOWN, active_listener
from engine.node import AccumulateGrad, Extra, Node, Port, sequence
from engine.op import OPS
from engine.plan import Plan
from engine.tensor import Tensor, node_of, wrap
from engine.write import check_writable, set_history

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What a custom function's forward tells its backward; any attribute may be set on it."""

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True
        self._records: tuple[Any, ...] | None = None
        self._node: Any = None
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
        """Accepted for PyTorch's programs; forward mode differentiates what backward is made of."""

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs forward changed in place; they must be among the outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no derivative."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that did not arrive is handed to backward as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, with its history. Errors: RuntimeError after it was freed, or changed in place."""
        records = self._records
        if records is None:
            from engine.violations import FREED

            raise GraphFreedError(FREED)
        return tuple(None if r is None else _restored(r, self._node()) for r in records)


def _restored(record: tuple[Any, Any, list[int]], node: Node | None) -> Tensor:
    array, edge, cell = record
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


class _CustomPlan(Plan):
    """The plan of one custom function's nodes; attrs are (ctx, which of the inputs are tensors, outputs, shapes of the inputs)."""

    __slots__ = ("function",)

    def __init__(self, function: type[Function]) -> None:
        super().__init__(OPS["_as_strided_chain"][0], 0, f"{function.__name__}Backward", (), self.run, True)
        self.function = function
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
            answer = self.function.backward(ctx, *given)
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
            if a is not None and not _shrinks(a.shape, shapes[len(found)]):
                raise AutogradError(
                    f"Function {self.name} returned an invalid gradient at index {len(found)} - got {list(a.shape)} but expected shape "
                    f"compatible with {list(shapes[len(found)])}"
                )
            found.append(a if a is None or not raw else a._array)
        return tuple(found)


def _shrinks(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether summing undoes a broadcast from ``wanted`` to ``shape``."""
    lead = len(shape) - len(wanted)
    return lead >= 0 and all(n in (1, m) for n, m in zip(wanted, shape[lead:], strict=True))


class Function:
    """The base of custom operators.

    ``forward(ctx, …)`` (or ``forward(…)`` with ``setup_context``), ``backward(ctx, *grads)``, and ``apply`` to call it.
    """

    _plan: Plan

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - whatever it is called with
        raise AutogradError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
            "forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._plan = _CustomPlan(cls)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; nothing is recorded inside."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs, where ``forward`` takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient for each input of forward, None where there is none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the operator and record it."""
        if active_listener.get() is not None:
            raise TensorError(UNKNOWN)  # what its backward does, nobody foresees
        ctx = FunctionCtx()
        tensors = [a for a in args if isinstance(a, Tensor)]
        edges = [node_of(t) for t in tensors]
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and node_of(a) is not None for a in args)
        recording = grad_enabled.get() and any(e is not None for e in edges)
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args)
        several = isinstance(out, tuple)
        outputs = list(out) if several else [out]
        for t in ctx._dirty:
            if not any(t is o for o in outputs):
                raise AutogradError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs "
                    "that are modified inplace must all be outputs of the Function."
                )
        outputs = [_own(o, tensors, ctx) for o in outputs]
        if recording and any(isinstance(o, Tensor) for o in outputs):
            _record(cls, ctx, args, tensors, edges, outputs, several)
        return tuple(outputs) if several else outputs[0]


def _own(o: Any, inputs: list[Tensor], ctx: FunctionCtx) -> Any:
    """An input that is handed back as it came becomes a tensor of its own over the same memory."""
    if isinstance(o, Tensor) and any(o is t for t in inputs) and not any(o is d for d in ctx._dirty):
        return o.detach()
    return o


def _record(
    cls: type[Function],
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    tensors: list[Tensor],
    edges: list[Any],
    outputs: list[Any],
    several: bool,
) -> None:
    made = {k: o for k, o in enumerate(outputs) if isinstance(o, Tensor)}
    shapes = tuple((o._array.shape, o._array.dtype) if isinstance(o, Tensor) else ((), None) for o in outputs)
    node = Node()
    node.plan = cls._plan
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
        records.append((t._array, edge, t._version_cell))
        cells += (t._version_cell, t._version_cell[0])
    node.saved = tuple(records)
    node.cells = tuple(cells)
    ctx._to_save = ()
    ctx._node = weakref.ref(node)
    for k, o in made.items():
        if any(o is n for n in ctx._non_differentiable) or o._array.dtype.kind not in "fc":
            continue
        edge = node if node.extra is None else Port(node, k, *shapes[k])
        if any(o is d for d in ctx._dirty):
            if type(node_of(o)) is AccumulateGrad:
                raise LeafError("a leaf Variable that requires grad has been used in an in-place operation.")
            check_writable(o, records=True)
            if o._view is None:
                set_history(o, edge)
            else:
                raise AutogradError("a view was modified in place by a custom Function; clone it before")
        elif node_of(o) is None:
            o._node = edge
    ctx._dirty = ctx._non_differentiable = ()


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that cannot be differentiated itself: a second derivative through it is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        recording = grad_enabled.get() and any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        with no_grad():
            answer = backward(ctx, *grads)
        if not recording:
            return answer
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(a if a is None else _Once.apply(a, *[g for g in grads if g is not None]) for a in answers)

    return wrapped


class _Once(Function):
    """Stands where a derivative ends."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *grads: Tensor) -> Tensor:  # noqa: ARG004 - PyTorch's signature
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:  # noqa: ARG004 - PyTorch's signature
        raise AutogradError("trying to differentiate twice a function that was marked with @once_differentiable")
