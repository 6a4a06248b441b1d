"""Gradients cut to size and parameters as one vector, beside PyTorch's: values, what is answered, versions, sentences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import engine
from tests.conformance.wording import told

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")

ORDERS = [2.0, 1, 3.5, math.inf, -math.inf, 0.5]


def parameters(t: Any) -> list[Any]:
    w = t.tensor([[3.0, -4.0], [0.5, 1.0]], requires_grad=True)
    b = t.tensor([2.0, 0.0, -1.0], dtype=t.float64, requires_grad=True)
    s = t.tensor(0.3, requires_grad=True)
    unused = t.ones(2, requires_grad=True)
    ((w**3).sum() + (b**2).sum() + s * 7).backward()
    return [w, b, s, unused]


def shown(answer: Any, many: list[Any]) -> list[Any]:
    def values(v: Any) -> Any:
        return None if v is None else [float(f"{x:.5g}") for x in v.flatten().tolist()]

    told = None if answer is None else (values(answer), str(answer.dtype))
    return [told, *((values(p), values(p.grad), None if p.grad is None else p.grad._version) for p in many)]


CALLS: dict[str, Callable[[Any, list[Any]], Any]] = {
    **{f"norm {o}": lambda t, p, o=o: t.nn.utils.clip_grad_norm_(p[:1] + p[2:], 1.5, o) for o in ORDERS},  # type: ignore[misc]
    "norm that is small": lambda t, p: t.nn.utils.clip_grad_norm_(p[:1], 1e9),
    "norm of dtypes": lambda t, p: t.nn.utils.clip_grad_norm_(p[1:2], 0.1, foreach=True),
    "norm of one": lambda t, p: t.nn.utils.clip_grad_norm_(p[0], max_norm=2),
    "norm of none": lambda t, p: t.nn.utils.clip_grad_norm_([p[3]], 1.0),
    "norm by a generator": lambda t, p: t.nn.utils.clip_grad_norm_((q for q in p[::2]), 1.0),
    "values": lambda t, p: t.nn.utils.clip_grad_value_(p, 2.5),
    "values of one": lambda t, p: t.nn.utils.clip_grad_value_(p[0], 0.1),
    "total": lambda t, p: t.nn.utils.get_total_norm([p[0].grad, p[2].grad]),
    "with a norm": lambda t, p: t.nn.utils.clip_grads_with_norm_(p[:1], 1.0, t.tensor(4.0)),
    "to a vector": lambda t, p: t.nn.utils.parameters_to_vector([p[0], p[2], p[3]]),
    "from a vector": lambda t, p: t.nn.utils.vector_to_parameters(t.arange(7.0), [p[0], p[2], p[3]]),
}
REFUSED: dict[str, Callable[[Any, list[Any]], Any]] = {
    "from a list": lambda t, p: t.nn.utils.vector_to_parameters([1.0], p),
    "from a short vector": lambda t, p: t.nn.utils.vector_to_parameters(t.ones(3), p[:1]),
    "to a vector of none": lambda t, p: t.nn.utils.parameters_to_vector([]),
    "not finite": lambda t, p: t.nn.utils.get_total_norm([t.tensor([math.inf])], error_if_nonfinite=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_as_pytorch_does(name: str) -> None:
    ours, theirs = [(CALLS[name](t, p), p) for t, p in ((t, parameters(t)) for t in (engine, torch))]
    assert shown(*ours) == shown(*theirs)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    ours, theirs = (told(lambda t=t: REFUSED[name](t, parameters(t))) for t in (engine, torch))  # type: ignore[misc]
    assert theirs[0]
    assert ours == theirs


def test_a_vector_has_a_graph_and_shares_memory() -> None:
    for t in (engine, torch):
        w = t.zeros(2, requires_grad=True)
        v = t.tensor([1.0, 2.0])
        t.nn.utils.vector_to_parameters(v, [w])
        v[0] = 9.0
        assert w.tolist() == [9.0, 2.0]
        (t.nn.utils.parameters_to_vector([w]) ** 2).sum().backward()
        assert w.grad.tolist() == [18.0, 4.0]
