"""What a request makes and lets go of is not held until it ends: neither by its undo log nor for its record."""

from __future__ import annotations

import gc

import pytest

from engine.tensor import Tensor
from service.sessions import checksum
from service.sessions.digest import digest
from service.sessions.limits import Limits
from service.sessions.session import Session
from service.sessions.transaction import Transaction
from service.steps.errors import LimitExceeded, StepFailed
from service.steps.step import Step
from tests.service.test_replay import STEPS, Recorded
from tests.service.test_transactions import FAILS

SMALL = Limits(session_bytes=64 * 2**10)  # four tensors of 64 by 64
AGAIN = Step("ones", (64, 64), {}, "t")
TRAINING = [
    Step("mul", ("w", "w"), {}, "z"),
    Step("sum", ("z",), {}, "loss"),
    Step("zero_grad", (["w"],)),
    Step("backward", ("loss",)),
]


def session(*steps: Step) -> Session:
    made = Session("s", seed=5, limits=SMALL)
    made.apply(steps)
    return made


def alive() -> int:
    """How many tensors of the size there are."""
    return sum(issubclass(type(o), Tensor) and o.shape == (64, 64) for o in gc.get_objects())


@pytest.mark.parametrize("recorded", [False, True])
def test_an_id_bound_anew_holds_what_fits(recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksum, "MOST", 32 * 2**10)
    one = session()
    most = 0
    with one.begin(batch=True, recorded=recorded) as tx:
        for k in range(40):
            tx.step(AGAIN)
            if k % 5 == 0:
                most = max(most, alive())
        tx.commit()
    assert 1 <= most <= 5


def test_a_gradient_descent_in_one_batch_holds_what_fits() -> None:
    one = session(Step("ones", (64, 64), {"requires_grad": True}, "w"))
    one.limits = Limits(session_bytes=8 * 64 * 64 * 4)
    with one.begin(batch=True) as tx:
        for step in TRAINING * 25:
            tx.step(step)
        tx.commit()
    assert one.names["w"].tensor.grad is not None


def test_a_value_written_again_and_again_is_logged_once() -> None:
    one = session(AGAIN)
    one.apply([Step("add_", ("t", 1.0))] * 100)
    assert one.names["t"].tensor[0, 0].item() == 101


def test_what_an_end_without_success_would_put_back_counts() -> None:
    """Three tensors that the batch unbinds are there until it is over."""
    one = session(*(Step("ones", (64, 64), {}, name) for name in "abc"))
    before = digest(one)
    with pytest.raises(StepFailed) as failed:
        one.apply([Step("del", (["a", "b", "c"],)), AGAIN, Step("ones", (64, 64), {}, "u")])
    assert isinstance(failed.value.__cause__, LimitExceeded)
    assert failed.value.__cause__.members["limit"] == "session_bytes"
    assert digest(one) == before


@pytest.fixture
def compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are compacted at every step."""
    plain = Transaction.step

    def step(self: Transaction, given: Step) -> object:
        found = plain(self, given)
        self._log.compact()
        return found

    monkeypatch.setattr(Transaction, "step", step)


@pytest.mark.usefixtures("compacted")
def test_a_compacted_log_undoes_everything() -> None:
    one = Session("s", seed=5)
    one.apply(STEPS[:9])
    before = digest(one)
    with pytest.raises(StepFailed):
        one.apply([*STEPS[9:], *TRAINING, FAILS])
    with pytest.raises(StepFailed):
        one.apply([*(Step("add_", ("row", 1.0)), Step("mul", ("x", 2.0), {}, "x")) * 3, FAILS])
    assert digest(one) == before


def test_a_record_of_much_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum is taken in between, at the same places."""
    monkeypatch.setattr(checksum, "MOST", 32)
    log = Recorded()
    log.run(*STEPS)
    assert len(log.records[0].data["folds"]) > 3
    monkeypatch.setattr(checksum, "MOST", 2**20)
    assert digest(log.again()) == digest(log.session)
