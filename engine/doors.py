"""The two short doors: one tensor, or two, and nothing else to say.

They are for plain tensors (no view) of one floating dtype, which is nearly every call in a loop; for anything else they hand over to the
general door, and a test over all rows proves them equal to it. Each is a text of its own, compiled at import, in which what the row
saves is spelled out, and tensors and nodes are built in line: this saves a third of the time of an operator on four elements.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from engine.apply import EXPLAINED, batch_hooks, dispatch, dispatch_inplace
from engine.grad_mode import detours, grad_enabled
from engine.node import Node, sequence
from engine.op import OPS, Op
from engine.plan import Plan, compiled, plan_of
from engine.promotion import constant
from engine.tensor import Tensor
from engine.transaction import current as open_transaction
from engine.view import View

__all__ = ["augmented", "binary", "inplace", "matmul", "unary"]

F32: Final = np.dtype(np.float32)
F64: Final = np.dtype(np.float64)
OPERATORS: Final[dict[Any, Callable[..., Any]]] = {  # on NumPy scalars these take a seventh of a ufunc's time
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.negative: operator.neg,
}
_CONSTANTS32: Final[dict[Any, Any]] = {}
_CONSTANTS64: Final[dict[Any, Any]] = {}
_ZERO: Final = {d: np.zeros((), d) for d in (F32, F64)}
_NEGATIVE: Final = {d: np.negative(np.zeros((), d), np.empty((), d)) for d in (F32, F64)}
_MOST: Final = 4096

UNARY = """
def door({name}):
    a = {name}
    if type(a) is Tensor and ((v := a._view) is None or current(a, v)):
        x = a._array
        d = x.dtype
        if d is F32 or d is F64:
            if where:
                return fallback(a)
            edge = a._node
            try:
                out = kernel(x{rest}) if type(x) is ndarray else scalar(x{rest})
            except explained:
                return fallback(a)
            t = new(Tensor)
            t._array = out
            t._view = t._meta = None
            cell = t._version_cell = [0]
            if edge is None or not {recorded}:
                t._node = None
                return t
            n = t._node = Node()
            n.plan = plan1
            n.edges = (edge,)
{saves1}
            n.attrs = attrs
            n.shape = {shape}
            n.dtype = {dtype}
            n.seq = next(sequence)
            n.extra = None
            return t
    return fallback(a)
"""

BINARY = """
def door(a, b):
    if type(a) is Tensor and ((v := a._view) is None or current(a, v)):
        x = a._array
        d = x.dtype
        if d is F32 or d is F64:
            kind = type(b)
            if kind is Tensor:
                y = b._array
                if y.dtype is not d or where or not ((v := b._view) is None or current(b, v)):
                    return fallback(a, b)
                other = b._node
            elif {numbers}:
                y = (C32 if d is F32 else C64).get(b)
                if y is None or where:
                    if where:
                        return fallback(a, b)
                    y = make(b, d)
                if type(x) is not ndarray:
                    y = y[()]
                other = None
            else:
                return fallback(a, b)
            if type(x) is ndarray or type(y) is ndarray:
                try:
                    out = kernel(x, y{rest})
                except ValueError:
                    return fallback(a, b)
            else:
                out = scalar(x, y{scalar_rest})
            t = new(Tensor)
            t._array = out
            t._view = t._meta = None
            cell = t._version_cell = [0]
            edge = a._node
            if edge is None:
                if other is None or not {recorded}:
                    t._node = None
                    return t
                n = t._node = Node()
                shape = n.shape = out.shape
                n.plan = exact2 if other.shape == shape else plan2
{saves2}
            elif not {recorded}:
                t._node = None
                return t
            elif other is None:
                n = t._node = Node()
                if kind is Tensor:
                    shape = n.shape = out.shape
                    n.plan = exact1 if edge.shape == shape else plan1
                else:
                    n.shape = edge.shape
                    n.plan = exact1
{saves1}
            else:
                n = t._node = Node()
                shape = n.shape = out.shape
                n.plan = exact3 if edge.shape == shape == other.shape else plan3
{saves3}
            n.edges = (edge, other)
            n.attrs = attrs
            n.dtype = d
            n.seq = next(sequence)
            n.extra = None
            return t
    return fallback(a, b)
"""


def _current(t: Tensor, view: View) -> bool:
    """Whether a view's history is as it was, and is one that leads somewhere."""
    return view.version == t._version_cell[0] and (t._node is not None or view.base._node is None)


def _scope(op: Op, fallback: Callable[..., Any], plans: Sequence[Plan | None]) -> dict[str, Any]:
    kernel = op.ufunc or op.kernel
    return {
        "Tensor": Tensor,
        "Node": Node,
        "explained": EXPLAINED,
        "ndarray": np.ndarray,
        "new": object.__new__,
        "F32": F32,
        "F64": F64,
        "C32": _CONSTANTS32,
        "C64": _CONSTANTS64,
        "make": _constant,
        "where": detours,
        "current": _current,
        "sequence": sequence,
        "enabled": grad_enabled.get,
        "kernel": kernel,
        "scalar": OPERATORS.get(kernel, kernel),
        "fallback": fallback,
        "attrs": op.defaults,
        **{f"plan{mask}": plan for mask, plan in enumerate(plans, 1)},
        **{f"exact{mask}": plan and plan.twin for mask, plan in enumerate(plans, 1)},
    }


def _saves(plan: Plan | None, indent: str, *, number: bool) -> str:
    """The lines that fill a node's ``saved`` and ``cells``."""
    saved: list[str] = []
    cells: list[str] = []
    maybe = False
    for what, i in plan.saves if plan is not None else ():
        if what == "result":
            saved.append("out")
            cells += ["cell", "0"]
        elif what == "result_shape":
            saved.append("out.shape")
        elif what == "shape":
            saved.append("x.shape" if i == 0 else "y.shape")
        elif i == 0:
            saved.append("x")
            cells += ["a._version_cell", "a._version_cell[0]"]
        else:
            saved.append("y")
            maybe = number
            cells += ["b._version_cell", "b._version_cell[0]"]
    lines = [f"n.saved = ({''.join(s + ', ' for s in saved)})", f"n.cells = ({''.join(c + ', ' for c in cells)})"]
    if maybe:  # a number has no version
        without = "".join(c + ", " for c in cells if not c.startswith("b."))
        lines[1] = f"n.cells = ({''.join(c + ', ' for c in cells)}) if kind is Tensor else ({without})"
    return "\n".join(indent + line for line in lines)


def unary(op: Op, overloads: Sequence[Op], fallback: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """The short door of a row with one tensor; the rest keeps its defaults."""
    plan = plan_of(op, 1)
    text = UNARY.format(
        name=op.parameters[0].name,
        rest="".join(f", attrs[{i}]" for i in range(1, len(op.parameters))),
        recorded="enabled()" if plan is not None else "False",
        saves1=_saves(plan, " " * 12, number=False),
        shape="edge.shape" if op.exact else "out.shape",
        dtype="d" if op.exact else "out.dtype",
    )
    if fallback is None:

        def fallback(a: Any) -> Any:
            return dispatch(overloads, (a,), {})

    scope = _scope(op, fallback, [plan and plan.twin])
    return compiled(text, scope, f"<door of {op.id}>", "door")  # type: ignore[no-any-return]


def binary(
    op: Op, overloads: Sequence[Op], fallback: Callable[[Any, Any], Any] | None = None
) -> Callable[[Any, Any], Any]:
    """The short door of a row whose first two parameters are tensors; the rest keep their defaults.

    fallback: what takes the arguments where this door does not (an operator's form answers NotImplemented there).
    """
    if fallback is None:

        def fallback(a: Any, b: Any) -> Any:
            return dispatch(overloads, (a, b), {})

    plans = [plan_of(op, mask) for mask in (1, 2, 3)]
    differentiable = any(p is not None for p in plans)
    if (differentiable and None in plans) or any(what.endswith("shape") for p in plans if p for what, _ in p.saves):
        return fallback
    number = op.parameters[1].kind == "Tensor|Scalar"
    rest = "" if op.ufunc is not None else "".join(f", attrs[{i}]" for i in range(2, len(op.parameters)))
    text = BINARY.format(
        numbers="kind is float or kind is int" if number else "False",
        rest=rest,
        scalar_rest=rest,
        recorded="enabled()" if differentiable else "False",
        saves1=_saves(plans[0], " " * 16, number=number),
        saves2=_saves(plans[1], " " * 16, number=False),
        saves3=_saves(plans[2], " " * 16, number=False),
    )
    return compiled(text, _scope(op, fallback, plans), f"<door of {op.id}>", "door")  # type: ignore[no-any-return]


def matmul(overloads: Sequence[Op], fallback: Callable[[Any, Any], Any] | None = None) -> Callable[[Any, Any], Any]:
    """The short door of ``matmul``: two matrices, a matrix and a vector, or two vectors go to the row that PyTorch gives them."""
    if fallback is None:

        def fallback(a: Any, b: Any) -> Any:
            return dispatch(overloads, (a, b), {})

    others = fallback
    two, turned, inner = (binary(OPS[name][0], OPS[name], others) for name in ("mm", "mv", "dot"))

    def door(a: Any, b: Any) -> Any:
        if type(a) is Tensor and type(b) is Tensor:
            n, m = a._array.ndim, b._array.ndim
            if n == 2:
                if m == 2:
                    return two(a, b)
                if m == 1:
                    return turned(a, b)
            elif n == 1 and m == 1:
                return inner(a, b)
        return others(a, b)

    return door


def inplace(op: Op, overloads: Sequence[Op], general: Callable[..., Any]) -> Callable[..., Any]:
    """The short door of an in-place form that nothing records: plain tensors of one floating dtype, or a number.

    This is what an optimizer's step by hand calls (``p -= lr * p.grad`` under no_grad). general: what takes the rest.
    """
    quick = augmented(op, overloads, general)

    def door(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 2 and not kwargs:
            return quick(*args)
        return general(*args, **kwargs)

    return door


def augmented(op: Op, overloads: Sequence[Op], general: Callable[..., Any] | None = None) -> Callable[[Any, Any], Any]:
    """``inplace`` as an operator calls it, with two arguments."""
    ufunc: Any = op.ufunc
    if general is None:

        def general(a: Any, b: Any) -> Any:
            return dispatch_inplace(overloads, (a, b), {})

    def door(a: Any, b: Any) -> Any:
        return a if _write_through(ufunc, a, b) else general(a, b)

    return door


def _write_through(ufunc: Any, a: Any, b: Any) -> bool:
    """Write ``ufunc(a, b)`` into ``a`` where no check can refuse it and nothing is recorded; False: not here."""
    if type(a) is not Tensor or a._view is not None or batch_hooks or type(a._version_cell) is not list:
        return False
    x = a._array
    d = x.dtype
    if type(x) is not np.ndarray or (d is not F32 and d is not F64):
        return False
    flags = x.flags
    if not flags.c_contiguous or not flags.writeable:
        return False
    kind = type(b)
    if kind is Tensor:
        y: Any = b._array
        if y.dtype is not d or (y.shape != x.shape and y.ndim):
            return False
        if b._view is not None:
            return False
        tracked = a._node is not None or b._node is not None
    elif (kind is float or kind is int) and b:
        y = constant(b, d)
        tracked = a._node is not None
    else:
        return False
    if tracked and grad_enabled.get():
        return False
    transaction = open_transaction.get()
    if transaction is not None:
        transaction.bytes_of(x)
        transaction.cell(a._version_cell)
    ufunc(x, y, x)
    a._version_cell[0] += 1
    return True


def _constant(value: Any, d: np.dtype[Any]) -> Any:
    """A number as a 0-d array, kept unless it is a zero: 0.0 and -0.0 are one key."""
    if not value:
        return (_NEGATIVE if math.copysign(1.0, value) < 0 else _ZERO)[d]
    found = constant(value, d)
    constants = _CONSTANTS32 if d is F32 else _CONSTANTS64
    if len(constants) >= _MOST:
        constants.clear()
    constants[value] = found
    return found
