"""A record done again, and a snapshot read back, give the same session: for every verb, every row, and graphs of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import dtypes
from engine.errors import EngineError
from engine.op import ROWS, Op
from service.scripts import Cell
from service.sessions.digest import digest
from service.sessions.limits import Limits
from service.sessions.plain import Unstorable
from service.sessions.ports import Record, Snapshot, Stored
from service.sessions.replay import created, described, replayed, stream
from service.sessions.running import OnError, Ran, budget_of, run_cell
from service.sessions.session import Session
from service.sessions.snapshots import restored, taken
from service.steps.errors import Damaged, ServiceError
from service.steps.step import AUTO, Step
from service.wire.frames import pack, unpack

SAMPLED = [row for row in ROWS if row.samples is not None and row.forms & {"function", "method"}]
STEPS = [
    Step("tensor", ([[1.0, 2.0], [3.0, 4.0]],), {"requires_grad": True}, "x"),
    Step("mul", ("x", 3.0)),
    Step("getitem", ("t1", "0"), {}, "row"),
    Step("split", ("t1", 1), {}, ("p", "q")),
    Step("mul", ("p", "q"), {}, "pq"),
    Step("exp", ("t1",), {}, "e"),
    Step("retain_grad", ("e",)),
    Step("sum", ("e",), {}, "out"),
    Step("backward", ("out",), {"retain_graph": True, "trace": True}),
    Step("add_", ("row", 1.0)),
    Step("sum", ("t1",), {}, "after"),
    Step("backward", ("after",), {"create_graph": True}),
    Step("tensor", (list(range(100)),), {"dtype": "float64"}, "long"),
    Step("tensor", ({"dtype": "int16", "base64": "AQACAAMA"},), {}, "typed"),
    Step("expand", ("x", 3, 2, 2), {}, "stretched"),
    Step("transpose", ("x", 0, 1), {}, "turned"),
    Step("randn", (3,), {}, "noise"),
    Step("enter", ("no_grad",)),
    Step("mul", ("x", 2), {}, "untracked"),
    Step("add_", ("x", 1.0)),
    Step("exit"),
    Step("manual_seed", (9,)),
    Step("rand", (2,), {}, None),
    Step("autograd.grad", (["after"], ["x"]), {"create_graph": True, "allow_unused": True}, ("g",)),
    Step("zero_grad", (["x"],), {"set_to_none": False}),
    Step("bind", ("again", "row")),
    Step("del", (["pq"],)),
    Step("optim.Adam", (["x"],), {"lr": 0.1}, "adam"),
    Step("optim.lr_scheduler.StepLR", ("adam", 1), {}, "plan"),
    Step("optim.step", ("adam",)),
    Step("optim.step", ("plan",)),
    Step("optim.zero_grad", ("adam",)),
    Step("optim.state", ("adam",)),
    Step("zeros", (0, 3), {}, "nothing"),
    Step("sum", ("noise",), {}, "scalar"),
    Step("detach", ("scalar",), {}, "shared"),
]


class Recorded:
    """A session whose transactions leave records, as the manager makes them."""

    def __init__(self) -> None:
        self.session = Session("s", name="n", seed=5)
        self.first = Record("s", 0, "created", plain(created(self.session)))
        self.records: list[Record] = []

    def run(self, *steps: Step) -> None:
        before = stream(self.session.generator)
        with self.session.begin(batch=True) as tx:
            for step in steps:
                tx.step(step)
            data = described(tx, before)
            tx.prepare()
        tx.commit()
        self.records.append(Record("s", len(self.records) + 1, "work", plain(data)))

    def script(self, code: str, on_error: OnError = "rollback", **limits: Any) -> Ran:
        before = stream(self.session.generator)
        self.session.limits = Limits(**limits)
        with self.session.begin(batch=True) as tx:
            ran = run_cell(tx, Cell(code), budget_of(tx), on_error)
            data = described(tx, before)
            tx.prepare()
        tx.commit()
        if tx.done:
            self.records.append(Record("s", len(self.records) + 1, "work", plain(data)))
        return ran

    def again(self) -> Session:
        return replayed("s", Stored(self.first, None, self.records), Limits())[0]


def plain(data: Any) -> Any:
    return unpack(pack(data))


def through_a_snapshot(session: Session) -> Session:
    return restored("s", plain(taken(session)))


def test_steps_are_done_again_and_every_state_between_has_a_snapshot() -> None:
    recorded = Recorded()
    for step in STEPS:
        recorded.run(step)
        assert digest(through_a_snapshot(recorded.session)) == digest(recorded.session), step
    found = recorded.again()
    assert digest(found) == digest(recorded.session)
    assert found.limits == Limits()


def test_a_batch_is_done_again() -> None:
    recorded = Recorded()
    recorded.run(*STEPS[:12])
    recorded.run(*STEPS[12:])
    assert digest(recorded.again()) == digest(recorded.session)


def test_a_snapshot_goes_on_as_the_session_does() -> None:
    """Further work gives the same on both: backward through saved values, writes into shared memory, random numbers, ids."""
    recorded = Recorded()
    recorded.run(*STEPS[:11])
    twin = through_a_snapshot(recorded.session)
    further = [
        Step("add_", ("t1", 1.0)),
        Step("sum", ("row",), {}, "s"),
        Step("backward", ("s",)),
        Step("randn", (2, 2)),
        Step("mul", ("e", 2)),
        Step("backward", ("out",)),
    ]
    for step in further:
        errors = []
        for session in (recorded.session, twin):
            try:
                session.apply([step])
            except ServiceError as error:
                errors.append(str(error))
        assert len(set(errors)) == len(errors) // 2
        assert digest(twin) == digest(recorded.session), step


@pytest.mark.parametrize("row", SAMPLED, ids=lambda row: f"{row.name}-{row.id}")
def test_every_row(row: Op) -> None:
    assert row.samples is not None
    for sample in list(row.samples())[:4]:
        recorded = Recorded()
        names: list[str] = []
        args = tuple(argument(a, recorded, names) for a in sample.args)
        kwargs = {k: argument(v, recorded, names) for k, v in sample.kwargs.items()}
        try:
            recorded.run(Step(row.name, args, kwargs, AUTO))
        except (EngineError, ServiceError):
            continue  # what a sample means to be refused, or what JSON does not say
        assert digest(through_a_snapshot(recorded.session)) == digest(recorded.session), sample
        assert digest(recorded.again()) == digest(recorded.session), sample


def argument(value: Any, recorded: Recorded, names: list[str]) -> Any:
    """A sample's argument as JSON: arrays become leaves."""
    if isinstance(value, (np.ndarray, np.generic)):
        name = f"a{len(names)}"
        names.append(name)
        d = dtypes.of_numpy(value.dtype)
        flat = np.stack([value.real, value.imag], -1) if value.dtype.kind == "c" else value
        data = {"dtype": d.name, "shape": list(value.shape), "data": spelled(flat.tolist())}
        if not value.size:
            data = {"dtype": d.name, "shape": list(value.shape), "base64": ""}
        recorded.run(Step("tensor", (data,), {"requires_grad": d.differentiable}, name))
        return name
    if isinstance(value, (list, tuple)):
        return [argument(v, recorded, names) for v in value]
    return value.name if isinstance(value, dtypes.dtype) else value


def spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [spelled(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


SCRIPT = """
import math
torch.manual_seed(3)
w = torch.randn(2, requires_grad=True)
def loss(x, scale=2.0, *, shift=1):
    return ((x * scale - shift) ** 2).sum()
optimizer = torch.optim.Adam([w], lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
history = []
for step in range(5):
    optimizer.zero_grad()
    value = loss(w)
    value.backward()
    optimizer.step()
    scheduler.step()
    history.append(value.item())
table = {"w": w, "history": history, (1, 2): {1, 2.5}, "shape": w.shape, "again": None}
table["again"] = table
nan, big, z, text, span = math.nan, 2**100, 1j, "é", slice(1, None)
view = w.detach()[:1]
"""
FURTHER = "optimizer.step()\nscheduler.step()\nhistory.append(float(loss(w, scale=3.0)))\nprint(history, table['shape'], big, view)\nw"


CUSTOM = """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2
y = F.apply(torch.ones(2, requires_grad=True))
"""


def test_what_scripts_bind_is_done_again_and_has_a_snapshot() -> None:
    recorded = Recorded()
    recorded.script(SCRIPT)
    recorded.run(Step("mul", ("w", 2.0), {}, "y"))
    twins = [through_a_snapshot(recorded.session), recorded.again()]
    printed = recorded.script(FURTHER).stdout
    for twin in twins:
        with twin.begin(batch=True) as tx:
            ran = run_cell(tx, Cell(FURTHER), budget_of(tx))
            tx.commit()
        assert ran.stdout == printed
        assert digest(twin) == digest(recorded.session)


def test_a_script_that_was_ended_early_is_done_again_as_far_as_it_came() -> None:
    recorded = Recorded()
    recorded.run(*STEPS[:3])
    ran = recorded.script(
        "a = x * 2\nr = torch.randn(2)\nfor i in range(10**9):\n    r += 1\nb = 1", "keep", script_steps=5_000
    )
    assert ran.error is not None
    assert recorded.script("c = 1\nd = nothing\ne = 2", "keep").names == ["c"]
    recorded.script("nothing", "keep")
    assert len(recorded.records) == 3  # what kept nothing leaves no record
    recorded.script(
        "def f(n):\n    return 1 + f(n)\ntry:\n    f(1)\nexcept RecursionError:\n    deep = True", script_depth=50
    )
    assert digest(recorded.again()) == digest(recorded.session)


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    pass\na = A()",
        "def outer(k):\n    def inner(x):\n        return x * k\n    return inner\nf = outer(2)",
        "f = [1, 2].append",
        CUSTOM,
    ],
)
def test_what_has_no_form_is_said_and_done_again(code: str) -> None:
    recorded = Recorded()
    recorded.script(code)
    with pytest.raises(Unstorable):
        taken(recorded.session)
    assert digest(recorded.again()) == digest(recorded.session)


def test_a_deep_graph_has_a_snapshot() -> None:
    session = Session("s", seed=1)
    session.limits = Limits(batch_steps=10**6)
    session.apply([Step("tensor", (1.0,), {"requires_grad": True}, "x"), Step("mul", ("x", 1.0), {}, "y")])
    session.apply([Step("mul", ("y", 1.0), {}, "y") for _ in range(20_000)])
    twin = through_a_snapshot(session)
    assert digest(twin) == digest(session)
    for each in (session, twin):
        each.apply([Step("backward", ("y",))])
    assert digest(twin) == digest(session)


@pytest.mark.parametrize("what", ["sum", "ids", "row", "stream", "kind", "op", "missing"])
def test_a_record_that_comes_out_different_is_damage(what: str) -> None:
    recorded = Recorded()
    recorded.run(*STEPS[:3])
    recorded.run(Step("mul", ("x", 2)))
    data = plain(recorded.records[1].data)
    if what == "sum":
        data["sum"] ^= 1
    elif what in ("ids", "row", "op"):
        data["done"][0][what] = {"ids": ["t9"], "row": "mul.Scalar", "op": "no_such"}[what]
    elif what == "stream":
        data["stream"] = bytes(len(data["stream"]))
    number, kind = (4, "work") if what == "missing" else (2, "other" if what == "kind" else "work")
    recorded.records[1] = Record("s", number, kind, data)
    with pytest.raises(Damaged):
        recorded.again()


def test_other_bits_of_another_build_are_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    recorded = Recorded()
    recorded.run(*STEPS[:3])
    data = {**recorded.records[0].data, "sum": 1, "build": "another"}
    stored = Stored(recorded.first, None, [Record("s", 1, "work", data)])
    session, _, number, foreign = replayed("s", stored, Limits())
    assert (number, foreign) == (1, True)
    assert digest(session) == digest(recorded.session)
    assert "another gives other bits" in caplog.text


def test_a_snapshot_with_records_after_it() -> None:
    recorded = Recorded()
    recorded.run(*STEPS[:8])
    state = {"session": taken(recorded.session), "outcomes": [], "build": "any"}
    snapshot = Snapshot("s", 1, plain(state))
    recorded.run(Step("backward", ("out",)))
    found, _, number, foreign = replayed("s", Stored(recorded.first, snapshot, recorded.records[1:]), Limits())
    assert (number, foreign) == (2, True)
    assert digest(found) == digest(recorded.session)
