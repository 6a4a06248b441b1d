"""All rows under one late-bound name, for derivative rules and composites: ``rules.sum(g, dim)``.

Called on tensors it goes through the door. Called on raw arrays it runs the row's kernel with our promotion, and nothing is wrapped or
recorded. So one text of a rule serves the ordinary backward and every higher order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine import schema
from engine.apply import bind_overload, dispatch, run, run_inplace
from engine.errors import ArgumentError
from engine.op import OPS, ROWS, Op
from engine.promotion import promoted
from engine.tensor import Tensor

__all__ = ["Rules", "bmm", "lean", "mm", "rules", "written"]


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
    def call(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            if isinstance(a, Tensor):
                return dispatch(overloads, _wrapped(args), kwargs)
            if type(a) is list or type(a) is tuple:
                for item in a:
                    if isinstance(item, Tensor):
                        return dispatch(overloads, _wrapped(args), kwargs)
        for a in kwargs.values():
            if isinstance(a, Tensor):
                return dispatch(overloads, _wrapped(args), kwargs)
        return _raw(overloads, args, kwargs)

    call.__name__ = overloads[0].schema.name
    return call


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


def _raw(overloads: Sequence[Op], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    with_raw = schema.raw_values
    token = with_raw.set(True)
    try:
        op, bound = bind_overload(overloads, args, kwargs)
    except ArgumentError as error:
        raise TypeError(f"a rule called {overloads[0].id} wrongly: {error}") from error
    finally:
        with_raw.reset(token)
    if op.kind != "composite":
        promoted(op, bound)
    return op.kernel(*bound)


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


def mm(a: Any, b: Any) -> Any:
    """The product of two matrices, by the shortest way: on raw values without binding."""
    if type(a) is np.ndarray and type(b) is np.ndarray:
        return a.dot(b)
    return a @ b if type(a) is Tensor and type(b) is Tensor else rules.mm(a, b)


def bmm(a: Any, b: Any) -> Any:
    """The products of matrices in two batches, by the shortest way."""
    return np.matmul(a, b) if type(a) is np.ndarray and type(b) is np.ndarray else rules.bmm(a, b)
