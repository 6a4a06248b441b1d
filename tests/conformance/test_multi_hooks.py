"""Hooks on several tensors beside PyTorch's: when they are called, how often, and with which gradients."""

from __future__ import annotations

from typing import Any

import pytest

import engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")


def told(t: Any, mode: str, leaves: bool) -> list[Any]:
    """PyTorch takes no leaves where ``grad`` is called."""
    a, b = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)
    c, d = a * b, a + b
    p, q = (a * 2).split(1)
    e = (c * p).sum()
    seen: list[Any] = []

    def noted(grads: Any) -> None:
        shown = grads if isinstance(grads, (list, tuple)) else [grads]
        seen.append([None if g is None else [round(v, 4) for v in g.flatten().tolist()] for g in shown])

    many = [a, b, c, d, q] if leaves else [c, d, q]
    handle = t.autograd.graph.register_multi_grad_hook(many, noted, mode=mode)
    c.sum().backward(retain_graph=True)
    d.sum().backward(retain_graph=True)
    seen.append("inputs")
    c.sum().backward(inputs=(a,), retain_graph=True)
    (c.sum() + d.sum()).backward(inputs=[b], retain_graph=True)
    if not leaves:
        seen.append("grad")
        t.autograd.grad(c.sum(), [a], retain_graph=True)
        t.autograd.grad(c.sum() + d.sum(), [c, b], retain_graph=True)
        t.autograd.grad((c * d).sum(), [a, b], retain_graph=True, create_graph=True)
    seen.append("parts")
    (e + q.sum()).backward(retain_graph=True)
    q.sum().backward(retain_graph=True)
    handle.remove()
    c.sum().backward()
    return [*seen, a.grad.tolist(), b.grad.tolist()]


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("mode", ["all", "any"])
def test_hooks_on_several_tensors(mode: str, leaves: bool) -> None:
    assert told(engine, mode, leaves) == told(torch, mode, leaves)


def test_what_is_refused() -> None:
    for t in (torch, engine):
        with pytest.raises(ValueError, match=r"Expects mode to be one of \('all', 'any'\) but got some"):
            t.autograd.graph.register_multi_grad_hook([t.ones(1, requires_grad=True)], print, mode="some")
        with pytest.raises((RuntimeError, AssertionError)):  # PyTorch's is an accident
            t.autograd.graph.register_multi_grad_hook([t.ones(1)], print)
