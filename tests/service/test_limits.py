"""Limits come before work: what would make very many outputs is refused unmade."""

from __future__ import annotations

import tracemalloc

import pytest

from service.sessions.session import Session
from service.steps.errors import LimitExceeded, StepFailed
from service.steps.step import Step

MANY = [
    Step("tensor_split", ("x", 10**8)),
    Step("tensor_split", ("x", 2**64 - 1)),
    Step("chunk", ("empty", 10**9)),
    Step("unsafe_chunk", ("empty", 2**62)),
    Step("split", ("long", 1)),
    Step("unbind", ("long",)),
    Step("tensor_split", ("x", list(range(1_500)))),
]


@pytest.mark.parametrize("step", MANY, ids=lambda s: f"{s.op}-{str(s.args[-1])[:20]}")
def test_many_outputs_are_refused_unmade(step: Step) -> None:
    session = Session("test", seed=1)
    session.apply([
        Step("tensor", ([1.0, 2.0],), {}, "x"), Step("zeros", (0,), {}, "empty"), Step("zeros", (4_000_000,), {}, "long"),
    ])  # fmt: skip
    tracemalloc.start()
    with pytest.raises(StepFailed) as failed:
        session.apply([step])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(failed.value.__cause__, LimitExceeded)
    assert failed.value.__cause__.members["limit"] == "step_outputs"
    assert peak < 2**20
