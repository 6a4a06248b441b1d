"""A record done again, and a snapshot read back, give the same session: for every verb, every row, and graphs of any shape."""

from __future__ import annotations

from typing import Any, Final

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
from service.sessions.sharing import own
from service.sessions.snapshots import forked, restored, taken
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
    Step("enter", ("inference_mode",)),
    Step("mul", ("long", 2), {}, "loose"),
    Step("exit"),
    Step("mul", ("x", 3.0), {}, "turning"),
    Step("t_", ("turning",)),
    Step("fill_", ("turning", 2.0)),
    Step("mul", ("x", 3.0), {}, "gone"),
    Step("eq_", ("gone", 3.0)),
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


BOUND: Final = {
    "closures": (
        """
def counter(start):
    count = start
    def more(by=1):
        nonlocal count
        count = count + by
        return count
    def read():
        return count
    return more, read
more, read = counter(torch.ones(2))
@torch.no_grad()
def quiet(x): return x * 2
x = 1; twice = lambda x, k=more: (lambda y: y + x)(k(x) * 2)
later = [lambda z: z * i for i in range(3)]
""",
        "print(more(2), read(), twice(3), more(), [f(5) for f in later], quiet(torch.ones(1, requires_grad=True)))",
    ),
    "recursion": (
        "def outer(n):\n    def fact(k):\n        return 1 if k < 2 else k * fact(k - 1)\n    return fact\nf = outer(1)",
        "print(f(20), outer(2)(5))",
    ),
    "classes": (
        """
class Base:
    count = 0
    def __init__(self, w):
        self.w = w
        self.seen = [self]
    def __call__(self, x):
        Base.count += 1
        return self.value(x)
    def value(self, x):
        return (self.w * x).sum()
    @property
    def double(self):
        return self.w * 2
    @staticmethod
    def plain(x):
        return x + 1
    @classmethod
    def made(cls, k):
        return cls(torch.full((2,), k, requires_grad=True))
class Derived(Base):
    def value(self, x):
        return super().value(x) * 10
    def scaled(self, x):
        return self(x) * 2
class Wrong(ValueError):
    pass
model = Derived.made(3.0)
make, apply, bound = model.made, model.scaled, model.w.sum
held = Wrong("held")
other = ValueError("kept", 2)
model(torch.ones(2)).backward()
""",
        """
model(torch.ones(2)).backward()
print(model.w.grad, model.double, Base.count, Derived.plain(1), make(2.0).w, apply(torch.ones(2)), bound(), other, other.args)
print(model.seen[0] is model, isinstance(make(1.0), Base), issubclass(Wrong, ValueError))
try:
    raise held
except ValueError as error:
    print(error.args)
""",
    ),
    "custom functions": (
        """
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.k = k
        ctx.save_for_backward(x, x * x)
        return x * x * x * k
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        x, square = ctx.saved_tensors
        return g * 3 * square * ctx.k, None
class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        out = torch.exp(x)
        ctx.save_for_backward(out)
        return out
    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]
x = torch.arange(3.0, requires_grad=True)
y = Cube.apply(x, 2.0)
z = Exp.apply(x).sum()
cube = Cube.apply
done = Cube.apply(x, 1.0).sum()
done.backward()
del Exp
""",
        """
y.sum().backward()
(first,) = torch.autograd.grad(z, x, create_graph=True)
(second,) = torch.autograd.grad(first.sum(), x)
print(x.grad, first, second, cube(x, 1.0), y.grad_fn.name())
try:
    done.backward()
except RuntimeError as error:
    print(error)
""",
    ),
    "what the interpreter offers": (
        """
from torch.func import grad, vmap
import torch.nn.functional as G
def f(x, k): return (x ** 3).sum() * k
slope = grad(f)
rows = vmap(slope, in_dims=(0, None))
curve = torch.func.hessian(f)
relu, long, sort, square = G.relu, torch.LongTensor, sorted, torch.special.expit
quiet, strict = torch.no_grad(), torch.inference_mode()
top = torch.tensor([3.0, 1.0]).max(0)
node = (torch.ones(2, requires_grad=True) * 2).grad_fn
keys, dots, place, kind = {"a": 1}.keys(), ..., torch.device("cpu"), torch.float64
schedule = torch.optim.lr_scheduler.LambdaLR(torch.optim.SGD([torch.ones(1)], lr=1.0), lambda e, b=0.5: b ** e)
add = [1, 2].append
""",
        """
with quiet:
    print(torch.is_grad_enabled())
with strict:
    print(torch.is_inference_mode_enabled())
print(len(schedule.base_lrs))
print(slope(torch.ones(2), 2.0), rows(torch.ones(2, 2), 1.0), curve(torch.ones(2), 1.0), schedule.get_last_lr(), add(3))
print(relu(torch.ones(1)), long([1]), sort([2, 1]), square(torch.zeros(1)), top.values, top, node.name(), keys, dots, place, kind)
""",
    ),
}


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


@pytest.mark.parametrize("kind", BOUND)
def test_what_closes_over_others_has_a_snapshot(kind: str) -> None:
    """Beside the session: one read from its snapshot, one that did all of it again, a fork of it, and a snapshot's snapshot."""
    code, further = BOUND[kind]
    recorded = Recorded()
    recorded.script(code)
    twin = through_a_snapshot(recorded.session)
    fork, data = forked(recorded.session, "fork")
    own(fork)
    twins = [twin, recorded.again(), fork, through_a_snapshot(twin), restored("s", unpack(pack(data)))]
    assert {digest(t) for t in twins} == {digest(recorded.session)}
    own(recorded.session)
    printed = recorded.script(further).stdout
    for each in twins:
        with each.begin(batch=True) as tx:
            assert run_cell(tx, Cell(further), budget_of(tx)).stdout == printed
            tx.commit()
    assert [digest(t) for t in twins] == [digest(recorded.session)] * len(twins)


def test_a_snapshot_holds_no_more_of_a_text_than_the_statement() -> None:
    recorded = Recorded()
    recorded.script("secret = 'nobody may find this'\nf = lambda x: x\ndel secret")
    assert b"nobody" not in pack(taken(recorded.session))


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
        "x = torch.ones(2, requires_grad=True)\nhandle = (x * 2).register_hook(lambda g: g * 2)",
        "value, pull = torch.func.vjp(torch.sin, torch.ones(2))",
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
