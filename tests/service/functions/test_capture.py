"""What a session remembers beside its graph: it counts, it is undone, and it goes with its node."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from service.functions.capture import captured
from service.sessions.session import Session
from service.steps.errors import InvalidInput, LimitExceeded, StepFailed
from service.steps.limits import Limits
from service.steps.step import Step


def session_with(*steps: Step, **limits: Any) -> Session:
    session = Session("s", limits=Limits(**limits))
    session.apply(steps)
    return session


X = Step("ones", ([1000],), {"requires_grad": True}, "x")


def test_its_bytes_count_as_long_as_the_node_lives() -> None:
    session = session_with(X)
    session.measure()
    before = session.held_bytes
    session.apply([Step("add", ("x", [0.5] * 1000), {}, "y")])
    session.measure()
    assert session.held_bytes == before + 2 * 4_000  # the result, and what was added
    assert len(session.beside) == 1
    session.apply([Step("del", ("y",))])
    gc.collect()  # a transaction lets go of its outcomes when Python looks for cycles
    session.measure()
    assert session.held_bytes == before
    assert len(session.beside) == 0


def test_what_it_holds_is_bounded() -> None:
    steps = [Step("add", ("x", [0.5] * 1000), {}, f"y{k}") for k in range(100)]
    with pytest.raises(StepFailed) as refused:
        session_with(X, *steps, session_bytes=100_000)
    assert isinstance(refused.value.__cause__, LimitExceeded)


def test_a_rollback_forgets_it() -> None:
    session = session_with(X)
    with session.begin() as tx:
        tx.step(Step("add", ("x", 2), {}, "y"))
        assert len(session.beside) == 1
        tx.rollback()
    gc.collect()
    assert "y" not in session.names
    assert len(session.beside) == 0


def test_a_composite_that_hands_its_input_on_leaves_nothing() -> None:
    session = session_with(
        X, Step("mul", ("x", 2), {}, "y"), Step("contiguous", ("y",), {}, "z"), Step("sum", ("z",), {}, "s")
    )
    named = {name: b.tensor for name, b in session.bindings()}
    found = captured({"s": named["s"]}, {"x": named["x"]}, named, session.beside)
    assert [s["op"] for s in found.definition["steps"]] == ["mul", "sum"]
    assert found.definition["steps"][0]["args"] == ["x", 2]


def test_an_inner_tensor_may_be_an_input() -> None:
    session = session_with(X, Step("exp", ("x",), {}, "h"), Step("mul", ("h", "h"), {}, "y"))
    named = {name: b.tensor for name, b in session.bindings()}
    found = captured({"y": named["y"]}, {"h": named["h"]}, named, session.beside)
    assert [s["op"] for s in found.definition["steps"]] == ["mul"]
    assert found.definition["constants"] == {}


def test_a_graph_that_is_too_long() -> None:
    steps = [Step("sin", ("x" if not k else f"y{k - 1}",), {}, f"y{k}") for k in range(1_500)]
    session = session_with(X, *steps)
    session.apply([Step("sin", ("y1499" if not k else f"z{k - 1}",), {}, f"z{k}") for k in range(600)])
    named = {name: b.tensor for name, b in session.bindings()}
    with pytest.raises(InvalidInput, match="more than 2000 nodes"):
        captured({"z": named["z599"]}, {"x": named["x"]}, named, session.beside)
