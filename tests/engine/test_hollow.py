"""Hollow tensors: every row answers the shapes and dtypes that it really makes, and nothing is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine as torch
from engine.batching import hollowing
from engine.errors import EngineError, TensorError
from engine.func import vmap
from engine.hollow import Hollow, hollow
from engine.op import Estimate, Op, Spec
from engine.tensor import Tensor
from tests.engine.rows import TRIED, arguments


def emptied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return hollow(Spec(tuple(value.shape), value.dtype))
    return [emptied(v) for v in value] if type(value) is list else value


def shown(out: Any) -> Any:
    found = [out] if isinstance(out, Tensor) else list(out)
    return [(tuple(t.shape), t.dtype) for t in found]


@pytest.mark.parametrize("row", [r for r in TRIED if not r.schema.line.endswith("-> bool")], ids=lambda r: r.id)
def test_every_row_answers_what_it_makes(row: Op) -> None:
    from engine.apply import run

    for sample in row.samples():  # type: ignore[misc]
        bound = arguments(row, sample)
        heard: list[Estimate] = []
        with hollowing(lambda _, estimate: heard.append(estimate)):  # noqa: B023 - called inside
            out = run(row, [emptied(v) for v in bound])
        if not any(e.bound for e in heard):
            assert shown(out) == shown(run(row, bound)), sample
            assert heard


def rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def test_nothing_is_computed_and_the_cost_is_known() -> None:
    cost = []
    with hollowing(lambda _, estimate: cost.append(estimate.cost)):
        out = rosenbrock(hollow(Spec((10**12,), torch.float64)))
    assert (tuple(out.shape), out.dtype) == ((), torch.float64)
    assert sum(cost) > 10**13


def test_batches_go_through_the_same_rules() -> None:
    with hollowing(lambda *_: None):
        out = vmap(rosenbrock)(hollow(Spec((5, 10**9), torch.float32)))
    assert isinstance(out, Hollow)
    assert tuple(out.shape) == (5,)


def test_what_is_made_inside_is_hollow_too() -> None:
    with hollowing(lambda *_: None):
        assert isinstance(torch.randn(10**6, 10**6), Hollow)
        x: Tensor = hollow(Spec((2, 3), torch.float32))
        x += torch.ones(10**3)[:3]
        assert isinstance(x, Hollow)
        with pytest.raises(TensorError, match="doesn't match the broadcast shape"):
            x.add_(torch.ones(4, 2, 3))
        with pytest.raises(EngineError, match="can't be cast"):
            x.to(torch.int64).add_(0.5)
    assert type(torch.ones(2)) is Tensor


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.item(), lambda x: x.tolist(), lambda x: x.numpy(), np.asarray, bool, int, float,
        lambda x: f"{x:.2f}", lambda x: 1.0 in x, lambda x: range(3)[x],
    ],
)  # fmt: skip
def test_values_cannot_be_read(read: Any) -> None:
    with hollowing(lambda *_: None), pytest.raises(TensorError, match="not known"):
        read(hollow(Spec((), torch.int64)))


def test_rows_that_answer_a_bool_read_values() -> None:
    x = hollow(Spec((2,), torch.float32))
    for function in (torch.equal, torch.allclose):
        with hollowing(lambda *_: None), pytest.raises(TensorError, match="not known"):
            function(x, x)


def test_a_listener_may_refuse() -> None:
    def refuse(op: Op, _: Estimate) -> None:
        raise MemoryError(op.name)

    with hollowing(refuse), pytest.raises(MemoryError, match="exp"):
        hollow(Spec((2,), torch.float32)).exp()
    assert torch.ones(1).exp().shape == (1,)
