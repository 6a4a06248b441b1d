"""Functions of functions leave nothing to the garbage collector: graphs, levels and closures die by reference counting."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

import engine as torch
from engine import func
from engine.autograd import forward_ad, functional

X = torch.tensor([1.0, 2.0])


def scalar(y: Any) -> Any:
    return (y.exp() @ y.outer(y)).sum()


def vector(y: Any) -> Any:
    return y.exp() * y[0]


CALLS: dict[str, Callable[[], Any]] = {
    "grad": lambda: func.grad(scalar)(X),
    "grad_and_value": lambda: func.grad_and_value(scalar)(X),
    "grad of grad": lambda: func.grad(lambda y: func.grad(scalar)(y).sum())(X),
    "vjp": lambda: func.vjp(vector, X)[1](X),
    "jvp": lambda: func.jvp(scalar, (X,), (X,)),
    "jvp of grad": lambda: func.jvp(func.grad(scalar), (X,), (X,)),
    "linearize": lambda: func.linearize(vector, X)[1](X),
    "jacrev": lambda: func.jacrev(vector)(X),
    "jacfwd": lambda: func.jacfwd(vector)(X),
    "hessian": lambda: func.hessian(scalar)(X),
    "vmap of grad": lambda: func.vmap(func.grad(scalar))(torch.ones(3, 2)),
    "functional.jacobian": lambda: functional.jacobian(vector, X),
    "functional.hessian": lambda: functional.hessian(scalar, X),
    "functional.jacobian, forward": lambda: functional.jacobian(vector, X, vectorize=True, strategy="forward-mode"),
    "a dual level": forward_ad.dual_level()(lambda: scalar(forward_ad.make_dual(X, X))),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_left_to_the_collector(name: str) -> None:
    for _ in range(2):  # caches fill
        CALLS[name]()
    gc.collect()
    gc.disable()
    try:
        CALLS[name]()
        assert gc.collect() == 0
    finally:
        gc.enable()
