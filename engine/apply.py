"""The doors: the only ways an operator is called on tensors.

``dispatch`` is the general one: it picks the overload, promotes, runs the kernel, and records. ``dispatch_inplace`` is its twin that
ends in ``write``. ``doors.py`` makes the two short ones from it.

Rules of this file: a kernel's own error is explained only after it was raised; nothing else in the engine calls a kernel on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from engine import schema
from engine.duals import carried
from engine.errors import ArgumentError, AutogradError, DtypeError, EngineError
from engine.grad_mode import InferenceCell, detours, fresh_cell, grad_enabled, inference_enabled
from engine.node import Extra, Node, Port, saved_hooks, sequence
from engine.op import Op
from engine.plan import Plan, erasing, plan_of, written_plan
from engine.promotion import explain, promoted
from engine.refusal import refusal
from engine.tensor import Tensor, array_of, begun, node_of
from engine.view import Step, View
from engine.write import check_castable, check_overlap, check_writable, reshaped, set_history, write

__all__ = [
    "batch_hooks",
    "bind_overload",
    "build_node",
    "dispatch",
    "dispatch_inplace",
    "general",
    "run",
    "run_inplace",
    "shape_of",
]

new = object.__new__
batch_hooks: list[tuple[Callable[[Op, list[Any]], Any], ...]] = []  # vmap puts here what takes calls on batched tensors
EXPLAINED = (ValueError, TypeError, IndexError, ArithmeticError, MemoryError, np.exceptions.DTypePromotionError)
UNRECORDED = frozenset({"logical_and", "logical_not", "logical_or", "logical_xor"})
"""Whose in-place forms PyTorch does not record: the tensor keeps the history that it had."""
record_where: list[Callable[[], str]] = []  # anomaly mode puts here what names the forward line
check_nan: list[bool] = [True]  # and says here whether the walk looks for NaNs


def bind_overload(overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Op, list[Any]]:
    """The first overload that takes the arguments, and them in its order.

    Errors: TypeError; with several overloads it lists what each would have taken.
    """
    if len(overloads) == 1:
        try:
            return overloads[0], overloads[0].bind(args, kwargs)
        except ArgumentError as error:
            error.overloads = overloads
            raise
    choices = overloads[0].choices
    types = tuple(map(type, args))
    if not kwargs:
        chosen = choices.get((len(overloads), types))
        if chosen is not None:
            with suppress(ArgumentError):
                return chosen, chosen.bind(args, kwargs)
    first: ArgumentError | None = None
    for k, op in enumerate(overloads):
        try:
            bound = op.bind(args, kwargs)
        except ArgumentError as error:
            first = first or error
        else:
            if k and not kwargs and all(schema.refused(o.parameters, types) for o in overloads[:k]):
                choices[len(overloads), types] = op
            first = None  # its traceback holds this frame, which would hold it
            return op, bound
    assert first is not None
    refused = refusal(overloads, args, kwargs, first)
    refused.overloads = overloads
    raise refused


def _computed(op: Op, bound: list[Any]) -> Any:
    """A composite's answer; what its parts did not foresee is explained as a kernel's errors are."""
    try:
        return op.kernel(*bound)
    except EngineError:
        raise
    except EXPLAINED as error:
        raise explain(op, bound, error) from error


def dispatch(overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The general door: bind and run."""
    op, bound = bind_overload(overloads, args, kwargs)
    return run(op, bound)


def run(op: Op, bound: list[Any]) -> Any:  # noqa: PLR0912, PLR0915 - one call, step by step
    """Run one row on bound arguments: a tensor, or a tuple of them."""
    if batch_hooks:
        taken = batch_hooks[-1][0](op, bound)
        if taken is not NotImplemented:
            return taken
    if op.kind == "composite":
        return _composed(op, _computed(op, bound))
    view = op.kind == "view"
    if view and op.plain and not record_where and type(bound[0]) is Tensor:
        return _viewed(op, bound)
    raws = bound[:]
    nodes: list[Any] = []
    mask = 0
    on = grad_enabled.get()
    for k, i in enumerate(op.tensors):
        v = bound[i]
        if isinstance(v, Tensor):
            if on:
                seen = v._view
                node = v._node if seen is None else node_of(v)
                nodes.append(node)
                if node is not None or (seen is not None and seen.base._node is not None):
                    mask |= 1 << k  # a view made under no_grad requires grad with its base, and leads nowhere
            raws[i] = array_of(v) if view else v._array
        elif type(v) is list:
            raws[i] = [None if t is None else t._array for t in v]
            if on:
                found = [None if t is None else node_of(t) for t in v]
                nodes += found
                if any(n is not None for n in found):
                    mask |= 1 << k
        else:
            nodes.append(None)
    promoted(op, raws)
    try:
        out = op.kernel(*raws)
    except EngineError:
        raise
    except EXPLAINED as error:
        raise explain(op, bound, error) from error
    plan = plan_of(op, mask) if mask else None
    if type(out) is tuple or type(out) is list:
        tensors = [_plain(o) for o in out]
        if view:
            _mark_views(op, bound, tensors)
        if plan is not None:
            _record_several(op, plan, bound, raws, tensors, nodes)
        return _several(op, tensors)
    t = _plain(out)
    if view:
        _mark_view(op, bound, t, None, 1)
    if plan is not None and out.dtype.kind in "fc":
        node = build_node(op, plan, bound, raws, nodes, (t,))
        node.shape = out.shape
        node.dtype = out.dtype
        t._node = node
    elif op.kind == "create":
        if out.ndim == 0 and type(out) is np.ndarray and out.base is None:
            t._array = out[()]
        if bound and bound[-1] is True and op.parameters[-1].name == "requires_grad":
            _begin(t)
    return t


def _viewed(op: Op, bound: list[Any]) -> Tensor:
    """``run`` for a row that makes one view of its first argument and saves no more than that one's shape."""
    source: Tensor = bound[0]
    array = source._array
    if type(array) is not np.ndarray:
        array = array_of(source)
    try:
        out = op.kernel(array, *bound[1:])
    except EngineError:
        raise
    except EXPLAINED as error:
        raise explain(op, bound, error) from error
    bound[0] = None
    attrs = tuple(bound)
    t = new(Tensor)
    t._array = out
    cell = t._version_cell = source._version_cell
    t._meta = None
    if type(cell) is InferenceCell:
        t._view = t._node = None
        return t
    above = source._view
    step = tuple.__new__(Step, (op, attrs, None, 1, array.shape))
    on = grad_enabled.get()
    v = t._view = new(View)
    v.version = cell[0]
    if above is None:
        node = source._node if on else None
        v.base, v.chain, v.creation = source, (step,), "default" if on else _creation()
    else:
        node = node_of(source) if on else None
        v.base, v.chain, v.creation = above.base, (*above.chain, step), above.creation if on else _creation()
    if on and (node is not None or (above is not None and above.base._node is not None)) and out.dtype.kind in "fc":
        plan = op.plans.get(1) or plan_of(op, 1)
        assert plan is not None  # it has a rule: ``plain`` says so
        n = t._node = new(Node)
        n.plan = plan
        n.attrs = attrs
        n.edges = (node,)
        n.saved = (array.shape,) if plan.saves else ()
        n.cells = ()
        n.shape = out.shape
        n.dtype = out.dtype
        n.seq = next(sequence)
        n.extra = None
    else:
        t._node = None
    return t


def _creation() -> Any:
    return "inference" if inference_enabled.get() else "no_grad"


def _begin(t: Tensor) -> None:
    """Make a new tensor a leaf that requires grad."""
    if t._array.dtype.kind not in "fc":
        raise DtypeError("Only Tensors of floating point and complex dtype can require gradients")
    begun(t)


def _plain(array: Any) -> Tensor:
    t = new(Tensor)
    t._array = array
    t._node = None
    t._version_cell = fresh_cell() if detours else [0]
    t._view = None
    t._meta = None
    return t


def _composed(op: Op, out: Any) -> Any:
    """What a composite answers, under the names of its own outputs."""
    return _several(op, list(out)) if isinstance(out, tuple) else out


def _several(op: Op, tensors: list[Tensor]) -> Any:
    named = op.schema.returns
    if not named or named == ("",):
        return tuple(tensors)
    from engine.return_types import of

    return of(op.name, named)(*tensors)


def _attrs(op: Op, bound: list[Any]) -> tuple[Any, ...]:
    attrs = bound[:]
    for i in op.tensors:
        v = attrs[i]
        attrs[i] = len(v) if type(v) is list else None
    return tuple(attrs)


def _mark_view(op: Op, bound: list[Any], t: Tensor, number: int | None, count: int) -> None:
    source: Tensor = bound[op.tensors[0]]
    above = source._view
    step = Step(op, _attrs(op, bound), number, count, source._array.shape)
    cell = source._version_cell
    t._version_cell = cell
    if (
        type(cell) is InferenceCell or op.vjp is None
    ):  # nothing flows through other bytes: it shares memory and version, no more
        return
    base, chain = (source, (step,)) if above is None else (above.base, (*above.chain, step))
    creation: Any = "default"
    if number is not None:
        creation = "multi_output"
    elif above is not None and above.creation != "default":
        creation = above.creation
    if not grad_enabled.get():
        creation = _creation()
    t._view = View(base, chain, cell[0], creation)


def _mark_views(op: Op, bound: list[Any], tensors: list[Tensor]) -> None:
    for k, t in enumerate(tensors):
        _mark_view(op, bound, t, k, len(tensors))


def shape_of(value: Any, raw: Any) -> Any:
    """The shape that a node saves of an argument: a list's one by one."""
    if type(value) is list:
        return [None if t is None else t._array.shape for t in value]
    return () if raw is None else np.shape(raw)


def build_node(
    op: Op,
    plan: Plan,
    bound: list[Any],
    raws: list[Any],
    nodes: list[Any],
    results: tuple[Tensor, ...],
    written: Tensor | None = None,
) -> Node:
    """A node for a call that was made: what its plan saves, with the versions that count.

    written: the tensor that the call has just written; inputs that share its memory are saved at the version before.
    """
    own = None if written is None else written._version_cell
    saved: list[Any] = []
    cells: list[Any] = []
    for what, i in plan.saves:
        if what == "input":
            saved.append(raws[i])
            v = bound[i]
            if type(v) is list:
                for t in v:
                    if t is not None:
                        cells += (t._version_cell, t._version_cell[0] - (t._version_cell is own))
            elif isinstance(v, Tensor):
                cells += (v._version_cell, v._version_cell[0] - (v._version_cell is own))
        elif what == "result":
            t = results[i]
            saved.append(t._array)
            cells += (t._version_cell, t._version_cell[0])
        elif what == "shape":
            saved.append(shape_of(bound[i], raws[i]))
        else:
            saved.append(results[i]._array.shape)
    node = new(Node)
    node.plan = plan
    node.attrs = _attrs(op, bound)
    node.edges = tuple(nodes)
    node.saved = tuple(saved)
    node.cells = tuple(cells)
    node.seq = next(sequence)
    node.extra = None
    if record_where:
        node.extra = Extra()
        node.extra.where = record_where[-1]()
    if detours and (hooks := saved_hooks.get()):
        from engine.saved import pack_all

        pack_all(node, bound, hooks[-1])
    return node


def _record_several(
    op: Op, plan: Plan, bound: list[Any], raws: list[Any], tensors: list[Tensor], nodes: list[Any]
) -> None:
    node = build_node(op, plan, bound, raws, nodes, tuple(tensors))
    if node.extra is None:
        node.extra = Extra()
    node.extra.outputs = tuple((t._array.shape, t._array.dtype) for t in tensors)
    node.shape = ()
    node.dtype = None
    for k, t in enumerate(tensors):
        if t._array.dtype.kind in "fc" and k not in op.constant:
            t._node = Port(node, k, t._array.shape, t._array.dtype)


def dispatch_inplace(overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    """The in-place form of a name: bind, run, write into the first argument, which is answered."""
    op, bound = bind_overload(overloads, args, kwargs)
    return run_inplace(op, bound)


def run_inplace(op: Op, bound: list[Any]) -> Tensor:  # noqa: PLR0912, PLR0915 - as above
    """Run one row and write its result into its first tensor argument."""
    if batch_hooks:
        taken = batch_hooks[-1][1](op, bound)
        if taken is not NotImplemented:
            return taken  # type: ignore[no-any-return]
    t: Tensor = bound[op.tensors[0]]
    if op.kind == "view":
        return reshaped(t, run(op, bound))
    raws = bound[:]
    nodes: list[Any] = []
    mask = 0
    on = grad_enabled.get()
    for k, i in enumerate(op.tensors):
        v = bound[i]
        if isinstance(v, Tensor):
            if on:
                node = node_of(v)
                nodes.append(node)
                if node is not None or (v._view is not None and v._view.base._node is not None):
                    mask |= 1 << k
            raws[i] = v._array
            if v is not t and v._version_cell is t._version_cell and op.kind in {"pointwise", "linear"}:
                check_overlap(t._array, v._array)
        elif type(v) is list:
            raws[i] = [None if e is None else e._array for e in v]
            if on:
                found = [None if e is None else node_of(e) for e in v]
                nodes += found
                mask |= any(n is not None for n in found) << k
        else:
            nodes.append(None)
    recording = mask if op.name not in UNRECORDED else 0
    if op.name not in UNRECORDED or detours:
        check_writable(t, records=bool(recording))
    if recording and t._array.dtype.kind not in "fc":
        recording = 0
    if op.kind == "composite":
        return _run_composite_inplace(op, bound)
    promoted(op, raws)
    plan = plan_of(op, mask) if recording else None
    if plan is not None:
        for what, i in plan.saves:
            if what == "input" and isinstance(bound[i], Tensor):
                bound[i]._version_cell[0]  # an inference tensor's refuses, before anything is written
    if plan is None and recording and op.family == "compare":
        plan = erasing(op, mask, op.grad_fn[:-1] + ("1" if isinstance(bound[-1], Tensor) else "0"))
    own = bound[:]
    if plan is not None and ("input", op.tensors[0]) in plan.saves:  # what is overwritten is saved as it was
        i = op.tensors[0]
        raws[i] = np.array(raws[i])
        own[i] = None
    try:
        out = op.kernel(*raws)
        if plan is None and recording and op.vjp is None and node_of(t) is not None and op.kind != "create":
            raise AutogradError(f"the derivative for '{op.name}' is not implemented.")
        write(t, out)
    except EngineError:
        raise
    except EXPLAINED as error:
        raise explain(op, bound, error) from error
    if plan is not None:
        node = build_node(op, written_plan(op, plan), own, raws, nodes, (t,), t)
        node.shape = t._array.shape
        node.dtype = t._array.dtype
        set_history(t, node)
    return t


def _run_composite_inplace(op: Op, bound: list[Any]) -> Tensor:
    """A composite's result, made from the first tensor as it was and written into it, with its history."""
    t: Tensor = bound[op.tensors[0]]
    before = _plain(np.array(t._array)[()])
    before._node = node_of(t)
    if batch_hooks:
        carried(t, before)
    out = op.kernel(*[before if i == op.tensors[0] else v for i, v in enumerate(bound)])
    check_castable(out._array.dtype, t._array.dtype)
    return t.copy_(out)


def general(overloads: Sequence[Op]) -> Callable[..., Any]:
    """The general door of a name as a function."""

    def door(*args: Any, **kwargs: Any) -> Any:
        return dispatch(overloads, args, kwargs)

    return door
