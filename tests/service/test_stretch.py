"""A batch sent again goes in stretches, and nobody can tell: values, graph, versions, counts, errors, records, undoing are the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.api.exchange import Data
from service.api.routes.batch import carried_out
from service.journal.memory import MemoryJournal
from service.sessions.digest import digest
from service.sessions.limits import Limits
from service.sessions.session import Session
from service.sessions.stretch import Batch
from service.sessions.transaction import Transaction
from service.steps.errors import DeadlineExceeded, StepFailed
from service.steps.limits import TooHeavy
from service.steps.patience import PATIENCE, Patience
from service.steps.step import Step
from service.wire.json_codec import parse, render
from tests.service.managers import manager, opened, play

SHOWN = Data("always")
LIMITS = Limits()


def step(op: str, *args: Any, to: str | None = None, **kwargs: Any) -> Step:
    return Step(op, args, kwargs, to)


LEAVES = [
    step("tensor", [[1.0, -2.0], [0.5, 4.0]], to="x", requires_grad=True),
    step("tensor", [[0.25, 1.0], [1.5, -1.0]], to="y"),
    step("tensor", [[1.0, 2.0]], to="row", requires_grad=True, dtype="float64"),
]
CHAIN = [
    step("mul", "x", "y", to="a"),
    step("add", "a", 2.5, to="a"),
    step("tanh", "a", to="b"),
    step("matmul", "b", "x", to="c"),
    step("add", "c", "row", to="d"),
    step("t", "d", to="view"),
    step("mul", "view", "y", to="e"),
    step("neg", "y", to="plain"),
    step("sum", "e", to="out"),
]
BATCHES: dict[str, list[Step]] = {
    "a chain": CHAIN,
    "leaves that are made anew": [*LEAVES, *CHAIN],
    "walked back": [*CHAIN, step("backward", "out"), *CHAIN, step("mul", "out", "out", to="z")],
    "an id again and again": [step("add" if k % 2 else "mul", "x" if k == 0 else "v", "y", to="v") for k in range(40)],
    "what comes in is bound anew": [
        step("add", "x", "y", to="old"),
        step("neg", "y", to="y"),
        step("add", "x", "y", to="x"),
        step("mul", "x", "old", to="old"),
        step("exp", "old", to="y"),
    ],
    "a scope in the midst": [
        *CHAIN,
        step("enter", "no_grad"),
        *CHAIN,
        step("exit"),
        step("neg", "x", to="n"),
        *CHAIN[:4],
    ],
    "in place in the midst": [*CHAIN[:5], step("mul_", "y", 0.5), *CHAIN[:5], step("zero_", "plain2"), *CHAIN[1:6]],
}


def prepared() -> Session:
    session = Session("test", seed=3, limits=LIMITS)
    session.apply([*LEAVES, step("zeros", [2], to="plain2")])
    return session


def send(session: Session, batch: Batch, *, recorded: bool = False) -> Any:
    with session.begin(batch=True, recorded=recorded) as tx:
        answer = parse(render(carried_out(tx, batch, ["x", "y"], SHOWN)))
        tx.settle()
        tx.commit()
    return answer


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", BATCHES)
def test_the_third_time_is_like_the_first(name: str, recorded: bool) -> None:
    steps = BATCHES[name]
    one, other = prepared(), prepared()
    batch = Batch(steps, 100)
    for turn in range(4):
        assert bool(batch.stretches) == (turn > 1)
        assert send(one, batch, recorded=recorded) == send(other, Batch(steps, 100), recorded=recorded)
        assert digest(one) == digest(other)
        assert (one.held_nodes, one.next_number, sorted(one.names)) == (
            other.held_nodes,
            other.next_number,
            sorted(other.names),
        )
        assert len(one.beside) == len(other.beside)
    one.measure()
    other.measure()
    assert (one.held_bytes, one.held_nodes) == (other.held_bytes, other.held_nodes)


def test_on_the_event_loop_a_stretch_goes_as_far_as_is_light() -> None:
    batch = Batch(CHAIN, 100)
    session = prepared()
    for _ in range(2):
        send(session, batch)
    for _ in range(3):
        with session.begin(batch=True, light=True) as tx:
            carried_out(tx, batch, [], SHOWN)
            tx.commit()
        assert batch.stretches
    heavy = Batch(CHAIN * 9, 100)
    for _ in range(2):
        send(session, heavy)
    before = digest(session)
    with pytest.raises(TooHeavy), session.begin(batch=True, light=True) as tx:
        carried_out(tx, heavy, [], SHOWN)
    assert heavy.stretches
    assert digest(session) == before


def test_other_sessions_use_what_one_has_taught() -> None:
    batch = Batch(CHAIN, 100)
    teacher = prepared()
    for _ in range(2):
        send(teacher, batch)
    known = dict(batch.stretches)
    one, other = prepared(), prepared()
    assert send(one, batch) == send(other, Batch(CHAIN, 100))
    assert digest(one) == digest(other)
    assert batch.stretches == known == {0: known[0]}
    assert len(known[0]) == len(CHAIN)


@pytest.mark.parametrize(
    "otherwise",
    [
        step("tensor", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], to="y", dtype="float64"),
        step("tensor", 2.0, to="y"),
        step("tensor", [[True, False], [False, True]], to="y"),
        step("enter", "no_grad"),
        step("set_default_dtype", "float64"),
        step("del", ["y"]),
        step("optim.SGD", ["x"], to="sgd", lr=0.1),
    ],
    ids=lambda s: f"{s.op} {s.args[0]}",
)
def test_what_is_otherwise_goes_step_by_step(otherwise: Step) -> None:
    batch = Batch([*CHAIN[:3], step("exp", "b", to="c")], 100)
    teacher = prepared()
    for _ in range(2):
        send(teacher, batch)
    assert batch.stretches
    one, other = prepared(), prepared()
    for session in (one, other):
        if otherwise.op == "set_default_dtype":
            session.default_dtype = __import__("engine").float64
        else:
            session.apply([otherwise])
    answers = []
    for session, how in ((one, batch), (other, Batch(batch.steps, 100))):
        try:
            answers.append(send(session, how))
        except StepFailed as error:
            answers.append((error.members["step"], str(error)))
    assert answers[0] == answers[1]
    assert digest(one) == digest(other)
    assert not batch.stretches


def test_a_step_that_fails_is_named_and_all_is_undone() -> None:
    steps = [*CHAIN[:5], step("linalg.cholesky", "s", to="l"), step("neg", "l", to="m"), *CHAIN[5:]]
    session = prepared()
    session.apply([step("tensor", [[2.0, 0.0], [0.0, 2.0]], to="s")])
    batch = Batch(steps, 100)
    for _ in range(2):
        send(session, batch)
    assert 5 in range(*next((at, at + len(s)) for at, s in batch.stretches.items()))
    session.apply([step("tensor", [[-2.0, 0.0], [0.0, 2.0]], to="s")])
    before = digest(session)
    with pytest.raises(StepFailed) as failed:
        send(session, batch)
    assert failed.value.members["step"] == 5
    assert digest(session) == before
    session.apply([step("tensor", [[2.0, 0.0], [0.0, 2.0]], to="s")])
    send(session, batch)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(session_nodes=5),
        Limits(session_tensors=8),
        Limits(session_bytes=120),
        Limits(batch_cost=30),
    ],
    ids=lambda found: next(n for n in found.__slots__ if getattr(found, n) != getattr(Limits(), n)),
)
def test_a_limit_names_the_step_that_passes_it(limits: Limits) -> None:
    wide = Limits()
    batch = Batch(CHAIN, 100)
    teacher = Session("teacher", seed=3, limits=wide)
    teacher.apply(LEAVES)
    for _ in range(2):
        send(teacher, batch)
    found = []
    for how in (batch, Batch(CHAIN, 100)):
        session = Session("test", seed=3, limits=wide)
        session.apply(LEAVES)
        session.limits = limits
        for stretch in how.stretches.values():
            stretch._limits = limits
        with pytest.raises(StepFailed) as failed:
            send(session, how)
        found.append((failed.value.members["step"], str(failed.value), digest(session)))
    assert found[0] == found[1]


class Counting(Patience):
    """Its time is up when it has been looked at so often."""

    __slots__ = ("looks",)

    def __init__(self, looks: int) -> None:
        super().__init__(60)
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise DeadlineExceeded("late", retry_after=1)


def late(steps: list[Step], looks: int, before: list[Step]) -> int | None:
    """The step that a batch, sent for the third time, is stopped at when its time is up; None where it is not."""
    batch, session = Batch(steps, 100), prepared()
    session.apply(before)
    for _ in range(2):
        send(session, batch)
    assert len(batch.stretches) == 1
    was = digest(session)
    token = PATIENCE.set(Counting(looks))
    try:
        send(session, batch)
    except StepFailed as failed:
        return int(failed.members["step"]) if digest(session) == was else -1
    finally:
        PATIENCE.reset(token)
    return None


def test_the_clock_is_looked_at_before_each_step_that_takes_long() -> None:
    """However the session has counted until then; the step that is named is one of the batch."""
    big, light = step("matmul", "big", "big", to="c"), step("neg", "x", to="a")
    for before in range(3):
        made = [step("ones", [200, 200], to="big"), *([light] * before)]
        steps = [big] * 6
        assert [late(steps, looks, made) for looks in range(7)] == [0, 1, 2, 3, 4, 5, None]
        steps = [light] * 40
        assert [late(steps, looks, made) for looks in range(4)] == [0, 16, 32, None]
        steps = [light, light, light, big, light, light]
        assert [late(steps, looks, made) for looks in range(4)] == [0, 3, 4, None]


def test_what_a_later_step_lets_go_of_is_free() -> None:
    steps = [step("add", "x" if k == 0 else "v", 1.0, to="v") for k in range(50)]
    batch = Batch(steps, 100)
    session = Session("test")
    session.apply([step("ones", [1000], to="x")])
    with session.begin(batch=True) as tx:
        for _ in range(3):
            carried_out(tx, batch, [], SHOWN)
        assert batch.stretches
        tx.commit()
    session.measure()
    assert session.held_bytes < 3 * 4_000


def test_a_restart_finds_what_stretches_did() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        sessions = manager(journal)
        session_id = await opened(sessions, seed=3)
        batch = Batch([*CHAIN, step("backward", "out"), *CHAIN], 100)

        def work(tx: Transaction) -> None:
            carried_out(tx, batch, [], SHOWN)

        def begin(tx: Transaction) -> None:
            for s in LEAVES:
                tx.step(s)

        await sessions.run(session_id, begin, batch=True)
        for _ in range(4):
            await sessions.run(session_id, work, batch=True, heavy=True)
        assert len(batch.stretches) == 2
        before = digest(sessions.find(session_id).session)
        again = manager(journal)
        await again.run(session_id, lambda tx: None)
        assert digest(again.find(session_id).session) == before
        await asyncio.sleep(0)

    play(scenario)
