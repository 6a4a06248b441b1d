"""Forward mode: a call on tensors that carry tangents answers tensors that carry theirs. The rules are those of the walk back.

For an elementwise row on real numbers the Jacobian is diagonal: its rule, given the tangent for the gradient, is the push-forward. A view
of a tensor carries the same view of the tangent, so that both share memory as their tensors do. Of any other row the pull-back is linear
in the gradient, and the pull-back of that is the push-forward. A row whose rule is none of these (one that by PyTorch's convention is not
the transpose) says its own: ``jvp``.
Source: torch/csrc/autograd (autograd_meta.cpp, FunctionsManual.cpp), "Forward-mode AD" (docs.pytorch.org); for the transposition,
"You Only Linearize Once" (Radul et al., 2022).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import dtypes
from engine.apply import run, run_inplace
from engine.backward import grad as walk_back
from engine.batching import Batched, behind, everywhere, front, level_of, mapped, size_of
from engine.duals import Level, below, carried, give, released, tangent_of
from engine.errors import AutogradError
from engine.grad_mode import enable_grad, grad_enabled
from engine.node import Port, extra_of
from engine.op import Op, Spec
from engine.plan import plan_of
from engine.promotion import constant, result_dtype
from engine.rules import rules
from engine.tensor import Tensor, begun, node_of, wrap
from engine.view import View
from engine.walk import fit_tensor

__all__ = ["alike", "point", "pull", "pushed", "pushed_inplace"]


def point(t: Tensor) -> Tensor:
    """A point to differentiate at: connected to what it came from, if that is recorded."""
    if t.requires_grad:
        return rules.alias(t)  # type: ignore[no-any-return]
    return begun(released(t))


def pull(outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], create: bool) -> list[Tensor]:
    """Gradients of weighted outputs for inputs, at all levels of batching; zeros where nothing flows."""
    live = [k for k, o in enumerate(outputs) if o.requires_grad]
    found: list[Tensor | None] = [None] * len(inputs)
    if live and inputs:
        found = _pulled([outputs[k] for k in live], list(inputs), [weights[k] for k in live], create)
    return [rules.zeros_like(t) if f is None else f for f, t in zip(found, inputs, strict=True)]


def _pulled(outputs: list[Any], inputs: list[Any], weights: list[Any], create: bool) -> list[Any]:
    level = level_of([*outputs, *inputs])
    if level == 0:
        rows = level_of(weights) > 0  # one graph, a batch of weights: the rules run on batched tensors
        return list(
            walk_back(outputs, inputs, weights, retain_graph=True, create_graph=create or rows, allow_unused=True)
        )
    size = size_of([*outputs, *inputs], level)
    if not all(mapped(i, level) for i in inputs):
        raise AutogradError("a derivative was asked for at a point that was not made inside the mapped function")
    found = _pulled(
        [front(o, level, size) for o in outputs],
        [i.physical for i in inputs],
        [front(w, level, size) for w in weights],
        create,
    )
    return [None if f is None else behind(f, level) for f in found]


def alike(tangent: Tensor, t: Tensor) -> Tensor:
    """A tangent laid out in memory as its tensor is: views of one are then views of the other."""
    if type(tangent) is Batched or type(t) is Batched:
        return tangent
    a, b = tangent._array, t._array
    if type(a) is type(b) and getattr(a, "strides", ()) == getattr(b, "strides", ()):
        return tangent
    if type(a) is not np.ndarray or type(b) is not np.ndarray:
        return tangent
    return wrap(np.empty_like(b, a.dtype, order="K", subok=False)).copy_(tangent)


# -- a call ------------------------------------------------------------------------------------------------------------


def pushed(op: Op, bound: list[Any], level: Level) -> Any:
    """The answer of a call with the tangents of ``level``; NotImplemented where the parts of the row are asked, or nothing flows."""
    if op.kind == "composite" or (op.vjp is None and op.jvp is None):
        return NotImplemented
    with below(level):
        out = run(op, list(bound))
        outputs = list(out) if isinstance(out, tuple) else [out]
        tangents = _tangents(op, bound, outputs, level)
    for o, t in zip(outputs, tangents, strict=True):
        if t is not None and o._array.dtype.kind in "fc":
            give(o, level, alike(t, o))
    _remember(op, bound, outputs, level)
    return out


def _tangents(op: Op, bound: list[Any], outputs: list[Tensor], level: Level) -> list[Tensor | None]:
    """The tangents of the outputs of a call that was made."""
    moved = [_moved(bound[i], level) for i in op.tensors]
    keeps = grad_enabled.get() and any(t.requires_grad for t in _flat([*bound, *moved]))
    if op.jvp is not None:
        found = _by_own_rule(op, bound, outputs, moved)
    elif op.kind == "view" and op.name != "_as_strided":
        given = list(bound)
        given[op.tensors[0]] = moved[0]
        answer = run(op, given)
        found = list(answer) if isinstance(answer, tuple) else [answer]
    elif op.kind == "pointwise" and _elementwise(op, bound, outputs):
        found = [_by_rule(op, bound, outputs, moved)]
    else:
        with enable_grad():
            found = _by_transposition(op, bound, outputs, moved, keeps)
    if not keeps:
        found = [t if t is None or not t.requires_grad else released(t) for t in found]
    return [None if t is None or k in op.constant else t for k, t in enumerate(found)]


def _moved(v: Any, level: Level) -> Any:
    if type(v) is list:
        found = [None if t is None else tangent_of(t, level) for t in v]
        return None if all(t is None for t in found) else found
    return tangent_of(v, level) if isinstance(v, Tensor) else None


def _flat(values: Sequence[Any]) -> list[Tensor]:
    out: list[Tensor] = []
    for v in values:
        if isinstance(v, Tensor):
            out.append(v)
        elif type(v) is list:
            out += _flat(v)
    return out


def _elementwise(op: Op, bound: list[Any], outputs: list[Tensor]) -> bool:
    """Whether the Jacobian is diagonal and real: one output element for each element of the inputs, broadcast."""
    if op.lists or len(outputs) != 1:
        return False
    tensors = _flat([*bound, *outputs])
    if any(t._array.dtype.kind == "c" for t in tensors) or any(type(v) is complex for v in bound):
        return False
    return bool(outputs[0]._array.shape == np.broadcast_shapes(*(t._array.shape for t in tensors[:-1])))


def _saved(plan: Any, op: Op, bound: list[Any], outputs: list[Tensor]) -> tuple[Any, ...]:
    """What a node of the call would save, as the tensors themselves."""
    made_one = _promoted(op, bound)
    saved: list[Any] = []
    for what, i in plan.saves:
        if what == "input":
            saved.append(made_one[i])
        elif what == "result":
            saved.append(outputs[i])
        elif what == "shape":
            saved.append(_shape(bound[i]))
        else:
            saved.append(outputs[i]._array.shape)
    return tuple(saved)


def _shape(v: Any) -> Any:
    if type(v) is list:
        return [None if t is None else t._array.shape for t in v]
    return v._array.shape if isinstance(v, Tensor) else ()


def _spec(v: Any) -> Any:
    if type(v) is list:
        return [_spec(t) for t in v]
    return Spec(v._array.shape, dtypes.of_numpy(v._array.dtype)) if isinstance(v, Tensor) else v


def _promoted(op: Op, bound: list[Any]) -> list[Any]:
    """The arguments as the kernel gets them: of one dtype where the row wants it, numbers as tensors."""
    values = list(bound)
    d = result_dtype(op, [_spec(v) for v in bound]) if op.promoting else None
    for i in op.promoting if d is not None else ():
        values[i] = _cast(values[i], d)
    return values


def _cast(v: Any, d: Any) -> Any:
    if type(v) is list:
        return [_cast(t, d) for t in v]
    if v is None:
        return None
    if not isinstance(v, Tensor):
        return wrap(constant(v, d.numpy))
    return v if v.dtype is d else rules.to(v, d)


def _by_rule(op: Op, bound: list[Any], outputs: list[Tensor], moved: list[Any]) -> Tensor | None:
    """The sum, over the inputs, of the rule with the tangent in the gradient's place."""
    out = outputs[0]
    shape, d = out._array.shape, out.dtype
    total: Tensor | None = None
    for k, t in enumerate(moved):
        plan = plan_of(op, 1 << k) if t is not None else None
        if plan is None:
            continue
        if t.dtype is not d:
            t = rules.to(t, d)  # noqa: PLW2901 - as the gradient would be
        if t._array.shape != shape:
            t = rules.expand(t, shape)  # noqa: PLW2901
        part = plan.backward(t, _saved(plan, op, bound, outputs), tuple(bound))[k]
        if part is not None:
            total = part if total is None else total + part
    if total is not None and total._array.shape != shape:
        total = rules.expand(total, shape)
    return total if total is None or total.dtype is d else rules.to(total, d)


def _by_transposition(
    op: Op, bound: list[Any], outputs: list[Tensor], moved: list[Any], keeps: bool
) -> list[Tensor | None]:
    mask = sum(1 << k for k, t in enumerate(moved) if t is not None)
    plan = plan_of(op, mask)
    if plan is None:
        return [None] * len(outputs)
    ends = [k for k, o in enumerate(outputs) if o._array.dtype.kind in "fc" and k not in op.constant]
    weights = {k: everywhere(rules.zeros_like(outputs[k].detach()), point) for k in ends}
    upstream = tuple(weights.get(k) for k in range(len(outputs)))
    attrs = tuple(len(v) if type(v) is list and i in op.tensors else v for i, v in enumerate(bound))
    produced = plan.backward(upstream if plan.wants_all else upstream[0], _saved(plan, op, bound, outputs), attrs)
    pulled: list[Tensor] = []
    along: list[Tensor] = []
    for i, p, t in zip(op.tensors, produced, moved, strict=True):
        for source, one, tangent in _triples(bound[i], p, t):
            if one is not None and tangent is not None and one.requires_grad:
                pulled.append(fit_tensor(one, source._array.shape, source._array.dtype))
                along.append(tangent)
    if not pulled:
        return [None] * len(outputs)
    found = pull(pulled, [weights[k] for k in ends], along, keeps)
    answer: list[Tensor | None] = [None] * len(outputs)
    for k, f in zip(ends, found, strict=True):
        answer[k] = f
    return answer


def _triples(source: Any, produced: Any, tangent: Any) -> list[tuple[Any, Any, Any]]:
    if tangent is None or produced is None:
        return []
    if type(source) is list:
        return [t for t in zip(source, produced, tangent, strict=True) if t[0] is not None]
    return [(source, produced, tangent)]


def _by_own_rule(op: Op, bound: list[Any], outputs: list[Tensor], moved: list[Any]) -> list[Tensor | None]:
    """What the row itself says of its tangent. Its rule names tangents (``input_t``), arguments and results."""
    assert op.jvp is not None
    names = [p.name for p in op.parameters]
    known = dict(zip(names, bound, strict=True))
    for i, t in zip(op.tensors, moved, strict=True):
        v = bound[i]
        if type(v) is list and t is not None:
            t = [rules.zeros_like(a) if b is None else b for a, b in zip(v, t, strict=True)]  # noqa: PLW2901
        known[f"{names[i]}_t"] = t
    known |= {f"result{k or ''}": o for k, o in enumerate(outputs)}
    known["result0"] = outputs[0]
    answer = op.jvp(*(known[name] for name in inspect.signature(op.jvp).parameters))
    return list(answer) if isinstance(answer, tuple) else [answer]


def _remember(op: Op, bound: list[Any], outputs: list[Tensor], level: Level) -> None:
    """Tell the node of a recorded call what its saved values carry: a walk back over it then carries tangents, too."""
    edge = next((e for o in outputs if type(o) is not Batched and (e := node_of(o)) is not None), None)
    node: Any = edge.node if type(edge) is Port else edge
    if node is None or not node.saved or getattr(node, "plan", None) is None or node.plan.op is not op:
        return
    found: list[Any] = []
    made_one = _promoted(op, bound)
    for what, i in node.plan.saves:
        if what == "input":
            d = next((t.dtype for t in _flat([made_one[i]])), None)
            moved = _moved(bound[i], level)
            found.append(moved if d is None or i not in op.promoting else _cast(moved, d))
        elif what == "result":
            found.append(tangent_of(outputs[i], level))
        else:
            found.append(None)
    if any(f is not None for f in found):
        extra = extra_of(node)
        extra.tangents = {**(extra.tangents or {}), level: tuple(found)}
        level.nodes[id(node)] = node


# -- a call in place ---------------------------------------------------------------------------------------------------


def pushed_inplace(op: Op, bound: list[Any], level: Level) -> Any:
    """As ``pushed``, for a call that writes into its first tensor: what that carries is written, too."""
    place = op.tensors[0]
    t: Tensor = bound[place]
    if op.kind == "composite":
        return NotImplemented
    before = tangent_of(t, level)
    if op.kind == "view":
        with below(level):
            run_inplace(op, bound)
            given = list(bound)
            given[place] = before
            give(t, level, run(op, given))
        return t
    with below(level):
        differentiable = op.vjp is not None or op.jvp is not None
        after: Tensor | None = None
        old = list(bound)
        if differentiable:
            old[place] = _as_it_was(t)
            made = run(op, list(old))
            give(old[place], level, before if before is None else rules.clone(before))
            after = _tangents(op, old, [made], level)[0]
        run_inplace(op, bound)
        if t._array.dtype.kind in "fc":
            _settle(t, level, before, after)
    if differentiable:
        _remember(op, old, [t], level)
    return t


def _as_it_was(t: Tensor) -> Tensor:
    """What is about to be overwritten: its values and its history."""
    if type(t) is Batched:
        return rules.clone(t)  # type: ignore[no-any-return]
    was = wrap(np.array(t._array)[()])
    was._node = node_of(t)
    if type(was._node).__name__ == "AccumulateGrad":
        was._node = node_of(rules.alias(t))
    return carried(t, was)


def _settle(t: Tensor, level: Level, before: Tensor | None, after: Tensor | None) -> None:
    """Write the tangent of what was written into what the tensor carries, or give it one; the base of a view carries it then, too."""
    if after is not None:
        shape = t._array.shape
        after = after if after._array.shape == shape else rules.expand(after, shape)
        after = after if after.dtype is t.dtype else rules.to(after, t.dtype)
    view = t._view if type(t) is not Batched else None
    if before is None and after is not None and view is not None:
        base = tangent_of(view.base, level)
        if base is None:
            base = rules.zeros_like(view.base.detach())
            give(view.base, level, base)
        before = _seen(base, view)
        give(t, level, before)
    if before is None:
        give(t, level, after if after is None else alike(rules.clone(after), t))
    elif after is None:
        before.zero_()
    elif level_of([after]) > level_of([before]) or (not before.requires_grad and _fixed(before)):
        give(t, level, after)
    else:
        before.copy_(after)


def _fixed(t: Tensor) -> bool:
    """Whether elements share memory, so that they cannot be written one by one."""
    array = t._array
    return type(array) is np.ndarray and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))


def _seen(tangent: Tensor, view: View) -> Tensor:
    """The view of a tangent that a chain of view rows leads to."""
    t = tangent
    for step in view.chain:
        bound = list(step.attrs)
        bound[step.op.tensors[0]] = t
        made = run(step.op, bound)
        t = made if step.number is None else made[step.number]
    return t
