"""All rows under one late-bound name, for derivative rules and composites: ``rules.sum(g, dim)``.

Called on tensors it goes through the door. Called on raw arrays it runs the row's kernel with our promotion, and nothing is wrapped or
recorded. So one text of a rule serves the ordinary backward and every higher order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine import schema
from engine.apply import bind_overload, dispatch, run, run_inplace
from engine.errors import ArgumentError
from engine.node import Node, Port
from engine.op import OPS, ROWS, Op
from engine.plan import renamed_plan
from engine.promotion import promoted
from engine.tensor import Tensor

__all__ = ["Rules", "adjoint", "bmm", "lean", "mm", "renamed", "rules", "written"]


class Rules:
    """The namespace. A row is found by torch's own name: ``rules.linalg_inv``, ``rules.mse_loss``."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        overloads = OPS.get(name) or [row for row in ROWS if row.schema.name == name]
        if not overloads:
            raise AttributeError(name)
        caller = _caller(overloads)
        setattr(self, name, caller)
        return caller


def _caller(overloads: Sequence[Op]) -> Callable[..., Any]:
    known: dict[
        Any, tuple[Op, tuple[Any, ...], tuple[int, ...]]
    ] = {}  # by types: the row, what follows, what to look at

    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            found = known.get(tuple(map(type, args)))
            if found is not None:
                row, rest, looked_at = found
                for i in looked_at:
                    if not schema.plain(args[i]):
                        break
                else:
                    bound = [*args, *rest]
                    if row.kind != "composite":
                        promoted(row, bound)
                    return row.kernel(*bound)
        if _any_tensor(args) or _any_tensor(kwargs.values()):
            return dispatch(overloads, _wrapped(args), kwargs)
        row, bound = _bound(overloads, args, kwargs)
        if not kwargs:
            _remember(known, overloads, row, args)
        if row.kind != "composite":
            promoted(row, bound)
        return row.kernel(*bound)

    call.__name__ = overloads[0].schema.name
    return call


def _any_tensor(values: Iterable[Any]) -> bool:
    """Whether a tensor is among values, or in a list among them."""
    for a in values:
        if isinstance(a, Tensor):
            return True
        if type(a) is list or type(a) is tuple:
            for item in a:
                if isinstance(item, Tensor):
                    return True
    return False


def _remember(known: dict[Any, Any], overloads: Sequence[Op], row: Op, args: Sequence[Any]) -> None:
    """Keep how raw values of these types were bound, where types alone decided it: no lists, and no earlier row could take them."""
    types = tuple(map(type, args))
    recipe = row.raw_recipes.get(types)
    alone = len(overloads) == 1 or overloads[0].choices.get((len(overloads), types)) is row
    first = row is overloads[0]
    if recipe is not None and (alone or first) and list not in types and len(known) < _MOST_KNOWN:
        known[types] = (row, *recipe)


def _wrapped(args: Sequence[Any]) -> list[Any]:
    """Raw values among tensors (a mask that a rule saved, say) become tensors."""
    from engine.tensor import wrap

    out: list[Any] = []
    for a in args:
        if isinstance(a, (np.ndarray, np.generic)):
            out.append(wrap(a))
        elif type(a) is list:
            out.append([wrap(v) if isinstance(v, (np.ndarray, np.generic)) else v for v in a])
        else:
            out.append(a)
    return out


def _bound(overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Op, list[Any]]:
    """The row that takes raw values, and them in its order."""
    with_raw = schema.raw_values
    token = with_raw.set(True)
    try:
        return bind_overload(overloads, args, kwargs)
    except ArgumentError as error:
        raise TypeError(f"a rule called {overloads[0].id} wrongly: {error}") from error
    finally:
        with_raw.reset(token)


_MOST_KNOWN: Final = 256
rules = Rules()


def lean(row: Op, *args: Any) -> Any:
    """A row called with all its arguments in order and of the right kinds: its kernel on raw values, its door on tensors, no binding."""
    for a in args:
        if isinstance(a, Tensor):
            return run(row, _wrapped(args))
    return row.kernel(*args)


def written(row: Op, *args: Any) -> Any:
    """As ``lean``, with the result written into the first argument, which is answered."""
    if isinstance(args[0], Tensor):
        return run_inplace(row, _wrapped(args))
    args[0][...] = row.kernel(*args)
    return args[0]


def renamed(value: Any, name: str) -> Any:
    """A result that nobody else holds yet, whose node is called as PyTorch calls it: ``DivBackward1`` where a number divides, say.

    In PyTorch a composite's last part may be an operator of its own, or a whole that is fused; the gradient is the same.
    """
    if isinstance(value, Tensor):
        edge = value._node
        node = edge.node if type(edge) is Port else edge
        if type(node) is Node:
            node.plan = renamed_plan(node.plan, name)
    return value


def mm(a: Any, b: Any) -> Any:
    """The product of two matrices, by the shortest way: on raw values without binding."""
    if type(a) is np.ndarray and type(b) is np.ndarray:
        return a.dot(b)
    return a @ b if type(a) is Tensor and type(b) is Tensor else rules.mm(a, b)


def adjoint(a: Any) -> Any:
    """The conjugate transpose of a matrix: a view, on record (as ``t``, which is what PyTorch's rules call) for a tensor."""
    if isinstance(a, Tensor):
        turned = run(OPS["t"][0], [a])
        return turned if a._array.dtype.kind != "c" else turned.conj()
    return a.T if a.dtype.kind != "c" else a.T.conj()


def bmm(a: Any, b: Any) -> Any:
    """The products of matrices in two batches, by the shortest way."""
    return np.matmul(a, b) if type(a) is np.ndarray and type(b) is np.ndarray else rules.bmm(a, b)
