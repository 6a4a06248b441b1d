"""Graphs of a million nodes: built, walked and let go without recursion, without the garbage collector, without a leak."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import engine as torch
from engine.tensor import Tensor

MILLION = 1_000_000


@pytest.fixture(autouse=True)
def _without_the_collector() -> Iterator[None]:
    """What is not freed by reference counting here stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def chain(x: Tensor, count: int) -> Tensor:
    y = x
    for _ in range(count):
        y = y * 1.0
    return y


def test_a_chain_of_a_million_nodes_is_built_walked_and_freed() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = chain(x, MILLION)
    watched: list[Any] = [weakref.ref(y), weakref.ref(y.grad_fn)]
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0
    del y
    assert [w() for w in watched] == [None, None]


def test_a_chain_that_was_never_walked_is_freed() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = chain(x, MILLION)
    first = y.grad_fn
    assert first is not None
    watched = weakref.ref(first)
    del y, first
    assert watched() is None


def test_depth_does_not_need_a_deep_stack() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = chain(x, 20_000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len_of_stack() + 60)
    try:
        y.backward(retain_graph=True)
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        assert g is not None
        del y, g
    finally:
        sys.setrecursionlimit(limit)


def len_of_stack() -> int:
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


def test_higher_orders_of_a_long_chain() -> None:
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(300):
        y = y * x
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g is not None
    (h,) = torch.autograd.grad(g, x)
    assert h is not None
    assert (g.item(), h.item()) == (301.0, 301.0 * 300.0)


def test_a_wide_graph() -> None:
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    total = x * 0
    for k in range(20_000):
        total = total + x * k
    total.sum().backward()
    assert x.grad is not None
    assert x.grad.item() == 20_000 * 19_999 / 2


def test_a_training_loop_keeps_nothing() -> None:
    w = torch.ones(64, requires_grad=True)

    def step() -> None:
        loss = ((w * 3 - 1) * w).sum()
        loss.backward()
        with torch.no_grad():
            w.sub_(w * 0.001)
        w.grad = None

    def held() -> int:
        taken = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/engine/*")])
        return sum(trace.size for trace in taken.traces)

    tracemalloc.start()
    try:
        for _ in range(50):
            step()
        before = held()
        for _ in range(4000):
            step()
        after = held()
    finally:
        tracemalloc.stop()
    assert (after - before) / 4000 < 30, "bytes that a step leaves behind; Python itself keeps 2000 freed tuples"


@pytest.mark.parametrize("kind", ["hooked", "view", "written", "function", "several"])
def test_graphs_of_every_kind_die_by_reference_counting(kind: str) -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)  # type: ignore[attr-defined]
            return x * 2

        @staticmethod
        def backward(ctx: object, g: Tensor) -> Tensor:
            return g * 2

    x = torch.ones(4, requires_grad=True)
    y = x * 1
    if kind == "hooked":
        y.register_hook(lambda g: g)
        y.retain_grad()
    elif kind == "view":
        y = y.view(2, 2)
    elif kind == "written":
        y.view(2, 2).mul_(3)
    elif kind == "function":
        y = Double.apply(y)
    else:
        y = y.view(2, 2).max(0).values
    watched: list[Any] = [weakref.ref(y), weakref.ref(y.grad_fn)]
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    del y
    assert [w() for w in watched] == [None, None]
