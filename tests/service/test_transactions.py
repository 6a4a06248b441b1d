"""A failed request changes nothing: each verb and in-place row, followed by a step that fails, leaves the digest as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import dtypes
from engine.errors import EngineError
from engine.op import ROWS, Op
from engine.tensor import wrap
from service.sessions.digest import digest
from service.sessions.session import Session
from service.steps.errors import LimitExceeded, StepFailed, UnknownReference
from service.steps.optimizing import OPTIMIZERS, SCHEDULERS
from service.steps.step import Step
from service.steps.verbs import VERBS

FAILS = Step("add", ("no_such_tensor", 1))
INPLACE = [row for row in ROWS if "inplace" in row.forms and row.samples is not None]


def prepared() -> Session:
    """A session with leaves, a graph, gradients, a view, a retained gradient, an open scope's worth of history and random numbers."""
    session = Session("test", seed=5)
    session.apply(
        [
            Step("tensor", ([[1.0, 2.0], [3.0, 4.0]],), {"requires_grad": True}, "x"),
            Step("mul", ("x", 3.0), {}, "y"),
            Step("getitem", ("y", "0"), {}, "row"),
            Step("exp", ("y",), {}, "e"),
            Step("retain_grad", ("e",)),
            Step("sum", ("e",), {}, "out"),
            Step("backward", ("out",), {"retain_graph": True}),
            Step("tensor", ([1.0, 2.0],), {}, "plain"),
            Step("randn", (3,), {}, "noise"),
            Step("optim.SGD", (["x"],), {"lr": 0.1, "momentum": 0.9}, "sgd"),
            Step("optim.lr_scheduler.StepLR", ("sgd", 1), {"gamma": 0.5}, "schedule"),
            Step("enter", ("enable_grad",)),
        ]
    )
    return session


VERB_STEPS: dict[str, Step] = {
    "backward": Step("backward", ("out",)),
    "autograd.grad": Step("autograd.grad", (["out"], ["x"]), {"create_graph": True}, ("g",)),
    "tensor": Step("tensor", ([1, 2],), {}, "x"),
    "detach": Step("detach", ("x",), {}, "x"),
    "requires_grad_": Step("requires_grad_", ("plain", True)),
    "retain_grad": Step("retain_grad", ("y",)),
    "zero_grad": Step("zero_grad", (["x", "e"],)),
    "del": Step("del", (["x", "row"],)),
    "bind": Step("bind", ("again", "y")),
    "enter": Step("enter", ("no_grad",)),
    "exit": Step("exit"),
    "manual_seed": Step("manual_seed", (99,)),
    **{f"optim.{name}": Step(f"optim.{name}", (["x"],), {"lr": 0.5}, "o") for name in OPTIMIZERS},
    **{f"optim.lr_scheduler.{name}": Step(f"optim.lr_scheduler.{name}", ("sgd",), {}, "s") for name in SCHEDULERS},
    "optim.lr_scheduler.CosineAnnealingLR": Step("optim.lr_scheduler.CosineAnnealingLR", ("sgd", 10), {}, "s"),
    "optim.lr_scheduler.CosineAnnealingWarmRestarts": Step(
        "optim.lr_scheduler.CosineAnnealingWarmRestarts", ("sgd", 10), {}, "s"
    ),
    "optim.lr_scheduler.ExponentialLR": Step("optim.lr_scheduler.ExponentialLR", ("sgd", 0.9), {}, "s"),
    "optim.lr_scheduler.MultiStepLR": Step("optim.lr_scheduler.MultiStepLR", ("sgd", [2, 4]), {}, "s"),
    "optim.lr_scheduler.OneCycleLR": Step("optim.lr_scheduler.OneCycleLR", ("sgd", 0.5), {"total_steps": 9}, "s"),
    "optim.lr_scheduler.StepLR": Step("optim.lr_scheduler.StepLR", ("sgd", 3), {}, "s"),
    "optim.step": Step("optim.step", ("sgd",)),
    "optim.zero_grad": Step("optim.zero_grad", ("sgd",)),
    "optim.state": Step("optim.state", ("sgd",)),
}
UNCHANGING = frozenset({"enter", "exit", "optim.state"})


def test_every_verb_has_a_case() -> None:
    assert set(VERB_STEPS) == set(VERBS)


@pytest.mark.parametrize("name", sorted(VERB_STEPS))
def test_a_verb_is_undone(name: str) -> None:
    session = prepared()
    before = digest(session)
    session.apply([VERB_STEPS[name]])
    assert digest(session) != before or name in UNCHANGING  # the step by itself does change something
    session = prepared_like(before)
    with pytest.raises(StepFailed) as failed:
        session.apply([VERB_STEPS[name], FAILS])
    assert isinstance(failed.value.__cause__, UnknownReference)
    assert failed.value.members["step"] == 1
    assert digest(session) == before


def prepared_like(wanted: str) -> Session:
    session = prepared()
    assert digest(session) == wanted  # preparing is repeatable, or nothing here means anything
    return session


def argument(value: Any, session: Session, made: list[str]) -> Any:
    """A sample's argument as JSON: arrays become tensors of the session."""
    if isinstance(value, (np.ndarray, np.generic)):
        name = f"a{len(made)}"
        made.append(name)
        with session.begin() as tx:
            tx.bind(name, wrap(np.array(value)))
            tx.commit()
        return name
    if isinstance(value, (list, tuple)):
        return [argument(v, session, made) for v in value]
    return value.name if isinstance(value, dtypes.dtype) else value


@pytest.mark.parametrize("row", INPLACE, ids=lambda row: row.id)
def test_an_inplace_row_is_undone(row: Op) -> None:
    assert row.samples is not None
    tried = 0
    for sample in row.samples():
        session = Session("test", seed=5)
        made: list[str] = []
        args = tuple(argument(a, session, made) for a in sample.args)
        kwargs = {k: argument(v, session, made) for k, v in sample.kwargs.items()}
        if not made:
            continue
        recorded = session.names["a0"].tensor.dtype.differentiable
        if recorded:  # the target has a history, and a view of it lives
            session.apply(
                [
                    Step("tensor", (1.0,), {"requires_grad": True}, "leaf"),
                    Step("mul", ("a0", "leaf"), {}, "a0"),
                    Step("getitem", ("a0", "..."), {}, "v"),
                ]
            )
        before = digest(session)
        step = Step(f"{row.name}_", args, kwargs)
        try:
            session.apply([step])
        except StepFailed as refused:
            if isinstance(refused.__cause__, EngineError):
                assert digest(session) == before, sample
                continue
            raise
        changed = digest(session)
        assert changed != before, sample  # at least the version
        session = Session("test", seed=5)
        made = []
        args = tuple(argument(a, session, made) for a in sample.args)
        kwargs = {k: argument(v, session, made) for k, v in sample.kwargs.items()}
        if recorded:
            session.apply(
                [
                    Step("tensor", (1.0,), {"requires_grad": True}, "leaf"),
                    Step("mul", ("a0", "leaf"), {}, "a0"),
                    Step("getitem", ("a0", "..."), {}, "v"),
                ]
            )
        assert digest(session) == before
        with pytest.raises(StepFailed):
            session.apply([Step(f"{row.name}_", args, kwargs), FAILS])
        assert digest(session) == before, sample
        tried += 1
    assert tried, "no sample of this row can be written in place"


def test_there_are_inplace_rows() -> None:
    assert len(INPLACE) > 20


def test_setitem_and_a_second_backward_are_undone() -> None:
    session = prepared()
    before = digest(session)
    for steps in (
        [Step("setitem", ("y", "0, 1:", 7.0)), FAILS],
        [Step("backward", ("out",)), Step("backward", ("out",))],
        [Step("backward", ("out",), {"create_graph": True}), FAILS],
        [Step("add_", ("row", 1.0)), Step("backward", ("out",)), FAILS],
        [Step("mul_", ("plain", "y[0]")), FAILS],
        [Step("randn", (4,)), FAILS],
    ):
        with pytest.raises(StepFailed):
            session.apply(steps)
        assert digest(session) == before, steps


def test_freed_values_live_on_after_a_rollback() -> None:
    session = prepared()
    with pytest.raises(StepFailed):
        session.apply([Step("backward", ("out",)), FAILS])
    session.apply([Step("backward", ("out",))])  # the graph was not freed by the one that failed
    with pytest.raises(StepFailed) as failed:
        session.apply([Step("backward", ("out",))])
    assert "second time" in str(failed.value)


def test_a_refused_size_leaves_no_trace_and_takes_no_memory() -> None:
    import tracemalloc

    session = prepared()
    before = digest(session)
    tracemalloc.start()
    with pytest.raises(StepFailed) as failed:
        session.apply([Step("ones", (1_000_000, 1_000_000))])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(failed.value.__cause__, LimitExceeded)
    assert peak < 2**20
    assert digest(session) == before


def test_the_digest_sees_each_kind_of_change() -> None:
    changes = [
        Step("add_", ("plain", 0.0)),  # a version alone
        Step("tensor", (1.0,), {}, "new"),
        Step("zero_grad", (["x"],)),
        Step("requires_grad_", ("plain",)),
        Step("rand", (1,), {}, None),
        Step("backward", ("out",)),
        Step("enter", ("no_grad",)),
    ]
    seen = {digest(prepared())}
    for change in changes:
        session = prepared()
        session.apply([change])
        found = digest(session)
        assert found not in seen, change
        seen.add(found)
