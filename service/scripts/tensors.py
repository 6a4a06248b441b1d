"""Rows of the engine's table called from scripts: bound, estimated, admitted by the budget, run. THE ONE PLACE where scripts compute.

``call_row`` is general. ``quick`` admits by sizes alone what the engine's short doors take: two plain tensors of one shape, or a tensor
and a number; then the caller computes and hands the result to ``settled``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.apply import bind_overload, run, run_inplace
from engine.batching import Batched, levels
from engine.dtypes import dtype
from engine.grad_mode import grad_enabled
from engine.op import OPS, Estimate, Op
from engine.promotion import estimate
from engine.tensor import Tensor
from service.scripts.values import Run

__all__ = ["call_row", "index", "quick", "settled", "store"]

WEIGHTS: Final = {"**": 20, "%": 4, "//": 4}
_ATOMS: Final = frozenset({int, float, bool, str, type(None), dtype})
_ESTIMATES: Final[dict[Any, Estimate]] = {}
_MOST_ESTIMATES: Final = 4_096
_NOT_QUICK: Final = frozenset({"@", "<<", ">>", "&", "|", "^", "//"})


def quick(running: Run, symbol: str, a: Tensor, b: Any) -> bool:
    """Admit ``a op b`` by sizes alone, where both are plain and of one shape; False: not here."""
    if type(a) is not Tensor or symbol in _NOT_QUICK:
        return False
    x = a._array
    kind = type(b)
    if running.budget.trusted:
        running.budget.tick()
        return kind is Tensor or kind is float or (kind is int and b.bit_length() <= 62)
    if kind is Tensor:
        if b._array.shape != x.shape or b._array.dtype != x.dtype:
            return False
    elif (kind is not float and kind is not int) or (kind is int and b.bit_length() > 62):
        return False
    size = x.size
    budget = running.budget
    budget.admit(symbol, Estimate((), 0, WEIGHTS.get(symbol, 2) * size))
    budget.hold(symbol, x.nbytes + 64)
    return True


def settled(running: Run, what: str, result: Any) -> Any:  # noqa: ARG001 - as call_row's
    """A result that the budget has admitted: from now on it is measured as long as it lives."""
    if running.budget.trusted:
        return result
    if isinstance(result, Tensor):
        running.budget.made(result)
    elif isinstance(result, tuple):
        for t in result:
            if isinstance(t, Tensor):
                running.budget.made(t)
    return result


def call_row(running: Run, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, inplace: bool = False) -> Any:
    """Call an operator by its public name. Errors: the engine's, LimitExceeded before anything is made."""
    overloads = OPS[name]
    if inplace:
        overloads = [op for op in overloads if "inplace" in op.forms]
    op, bound = bind_overload(overloads, args, kwargs)
    budget = running.budget
    if budget.trusted:
        budget.tick()
        return run_inplace(op, bound) if inplace else run(op, bound)
    found = _estimated(op, bound)
    if levels():
        found = _spread(found, bound)
    what = name.rpartition(".")[2]
    size = budget.admit(what, found)
    if inplace:
        target: Tensor = bound[op.tensors[0]]
        budget.hold(what, 2 * target.nbytes + 64, 2)
        return run_inplace(op, bound)
    budget.hold(what, 64 if op.kind == "view" else size + found.workspace + 64)
    result = settled(running, what, run(op, bound))
    if not grad_enabled.get() and op.differentiable:
        running.left_out.note(name, result, _flat(bound))
    else:
        running.left_out.use(op, bound, _flat(bound), result)
    return result


def _flat(values: Sequence[Any]) -> list[Any]:
    return [w for v in values for w in (v if type(v) is list else (v,))]


def _estimated(op: Op, bound: Sequence[Any]) -> Estimate:
    """The row's estimate, which shapes, dtypes and attributes decide: the same ones need not be asked for again in a loop."""
    key: list[Any] = [op.id]
    for v in bound:
        kind = type(v)
        if kind is Tensor:
            key.append((v._array.shape, v._array.dtype))
        elif kind in _ATOMS:
            key.append((kind, v))
        elif kind is tuple and all(type(i) is int for i in v):
            key.append(v)
        else:
            return estimate(op, list(bound))
    which = tuple(key)
    found = _ESTIMATES.get(which)
    if found is None:
        found = estimate(op, list(bound))
        if len(_ESTIMATES) >= _MOST_ESTIMATES:
            _ESTIMATES.clear()
        _ESTIMATES[which] = found
    return found


def _spread(found: Estimate, bound: Sequence[Any]) -> Estimate:
    """The same for all examples of the batches that ``vmap`` maps over."""
    if not any(type(v) is Batched or (type(v) is list and any(type(w) is Batched for w in v)) for v in bound):
        return found
    times = 1
    for level in levels():
        times *= max(level.size, 1)
    outputs = tuple(s._replace(shape=(times, *s.shape)) for s in found.outputs)
    return Estimate(outputs, found.workspace * times, found.cost * times, found.bound)


def index(running: Run, t: Tensor, key: Any) -> Any:
    """``t[key]``."""
    _admit_index(running, t, key)
    result = settled(running, "getitem", t[key])
    if not grad_enabled.get():
        running.left_out.note("getitem", result, (t,))
    return result


def store(running: Run, t: Tensor, key: Any, value: Any) -> None:
    """``t[key] = value``."""
    _admit_index(running, t, key)
    if not running.budget.trusted:
        running.budget.hold("setitem", 2 * t.nbytes + 256, 4)
    t[key] = value


def _admit_index(running: Run, t: Tensor, key: Any) -> None:
    """The size of an index's result: at most what its index tensors broadcast to, times what they leave of the tensor."""
    if running.budget.trusted:
        return
    count = 1
    for item in key if type(key) is tuple else (key,):
        if isinstance(item, Tensor):
            count *= max(item.numel(), 1)
        elif isinstance(item, (list, tuple)):
            from service.scripts.operators import tree_size

            count *= max(tree_size(running, item), 1)
    numel = max(t.numel(), 1)
    for level in levels():
        numel *= max(level.size, 1)
    size = count * numel
    if count > 1 and t.ndim:
        size = min(size, count * max(numel // max(t.shape[0], 1), 1)) if type(key) is not tuple else size
    itemsize = t._array.dtype.itemsize
    if count > 1:
        running.budget.admit_size("getitem", size, itemsize)
        running.budget.hold("getitem", size * itemsize)
    else:
        running.budget.charge("getitem", numel)
        running.budget.hold("getitem", 64)
