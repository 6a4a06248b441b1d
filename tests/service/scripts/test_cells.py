"""Cells of one session: what one binds the next one sees, tensors are the session's, and a failure changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from service.scripts import Budget, Cell, ScriptCancelled, ScriptError
from service.scripts.values import Native
from service.sessions.digest import digest
from service.sessions.limits import Limits
from service.sessions.running import Ran, budget_of, run_cell
from service.sessions.session import Session
from service.steps.errors import LimitExceeded
from service.steps.step import Step


@pytest.fixture
def session() -> Session:
    return Session("s", seed=1)


def run(session: Session, code: str, **kwargs: Any) -> Ran:
    with session.begin(batch=True) as tx:
        ran = run_cell(tx, Cell(code), budget_of(tx), **kwargs)
        tx.commit()
    return ran


BOUND = """
n = 3
text = "t"
items = [1, {"k": torch.ones(2)}]
def scale(v, by=2):
    return v * by + n
class Counter:
    def __init__(self):
        self.count = 0
    def up(self):
        self.count += 1
        return self.count
counter = Counter()
w = torch.tensor([1.0, 2.0], requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1, momentum=0.9)
def make():
    total = 0
    def add(k):
        nonlocal total
        total += k
        return total
    return add
add = make()
distinct = {1, 2}
"""
FAILING = {
    "a list": "items.append(4)",
    "a list in a list": "items[1]['k'] = 1",
    "a list sorted": "items.clear()",
    "an item": "items[0] = 9",
    "an object": "counter.up()",
    "a class": "Counter.extra = 1",
    "a closure": "add(5)",
    "a set": "distinct.add(9)",
    "a set in place": "distinct |= {7}",
    "a name": "n = 4",
    "a tensor's name": "w = 5",
    "a value's name": "text = torch.ones(1)",
    "a deleted name": "del n",
    "a deleted tensor": "del w",
    "values": "with torch.no_grad(): w.mul_(2)",
    "data": "w.data = torch.zeros(2)",
    "a gradient": "(w * 2).sum().backward()",
    "an optimizer": "(w * 2).sum().backward()\nopt.step()",
    "an optimizer's options": "opt.param_groups[0]['lr'] = 5.0",
    "a flag": "w.requires_grad_(False)",
    "a hook": "w.register_hook(lambda g: g * 0)",
    "the generator": "torch.rand(3)",
    "a seed": "torch.manual_seed(99)",
    "a mode": "torch.set_grad_enabled(False)",
    "the default dtype": "torch.set_default_dtype(torch.float64)",
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("end", ["1 / 0", "while True: pass", "(w * 0).sum().backward(torch.ones(5))"])
def test_a_failure_changes_nothing(what: str, end: str) -> None:
    session = Session("s", seed=1, limits=Limits(script_steps=2_000))
    run(session, BOUND)
    before = digest(session)
    with pytest.raises((ScriptError, LimitExceeded)):
        run(session, f"{FAILING[what]}\n{end}")
    assert digest(session) == before
    run(session, "assert w.requires_grad and torch.is_grad_enabled() and torch.ones(1).dtype == torch.float32")


@pytest.mark.parametrize("what", [w for w in FAILING if w not in ("a mode", "the default dtype", "a hook")])
def test_the_digest_sees_each_of_these(session: Session, what: str) -> None:
    run(session, BOUND)
    before = digest(session)
    run(session, FAILING[what])
    assert digest(session) != before


def test_the_next_cell_sees_what_one_bound(session: Session) -> None:
    run(session, BOUND)
    ran = run(session, "n = 10\n(scale(1), counter.up(), counter.up(), add(2), add(3), items[0], text)")
    assert ran.value == (12, 1, 2, 2, 5, 1, "t")
    run(session, "opt.zero_grad()\n(w ** 2).sum().backward()\nopt.step()")
    assert session.names["w"].tensor.tolist() == pytest.approx([0.8, 1.6])


def test_one_namespace(session: Session) -> None:
    session.apply([Step("ones", ([2],), {"requires_grad": True}, "x")])
    assert run(session, "y = x * 3\nk = 2\ny").names == ["y", "k"]
    session.apply([Step("mul", ("y", 2), {}, "k")])
    assert "k" not in session.values
    assert run(session, "k.tolist()").value == [6.0, 6.0]
    run(session, "x = 'text'")
    assert "x" not in session.names
    assert session.values["x"] == "text"
    run(session, "del x, k")
    assert "x" not in session.values
    assert "k" not in session.names


def test_the_same_tensor_under_two_names(session: Session) -> None:
    run(session, "a = torch.ones(2)\nb = a\nb += 1")
    assert session.names["a"].tensor is session.names["b"].tensor
    assert run(session, "a.tolist()").value == [2.0, 2.0]


def test_a_session_s_scopes_hold_in_scripts_and_a_script_s_end_with_it(session: Session) -> None:
    session.apply([Step("enter", ("no_grad",))])
    assert run(session, "(torch.ones(1, requires_grad=True) * 2).requires_grad").value is False
    session.apply([Step("exit")])
    run(session, "torch.set_grad_enabled(False)")
    assert run(session, "torch.is_grad_enabled()").value is True


def test_keep_keeps_the_statements_before(session: Session) -> None:
    run(session, "items = [1]\nx = torch.zeros(2)")
    code = "a = 5\nitems.append(2)\nx += 1\nfor i in range(3):\n    items.append(i)\n    x += 1\n    b = i\n    1 / (1 - i)\nc = 1"
    ran = run(session, code, on_error="keep")
    assert ran.error is not None
    assert ran.error.members["line"] == 8
    assert ran.error.detail == "ZeroDivisionError: division by zero"
    assert ran.names == ["a", "x"]
    found = run(session, "(a, items, x.tolist())")
    assert found.value == (5, [1, 2], [1.0, 1.0])
    with pytest.raises(ScriptError, match="name 'b' is not defined"):
        run(session, "b")


def test_keep_keeps_what_came_before_a_limit_but_not_before_a_cancellation() -> None:
    session = Session("s", seed=1, limits=Limits(script_steps=1_000))
    assert run(session, "a = 1\nwhile True: pass", on_error="keep").names == ["a"]
    before = digest(session)
    with session.begin(batch=True) as tx:
        budget = budget_of(tx)
        tx.session.values["stop"] = Native("stop", lambda run: budget.cancel())
        with pytest.raises(ScriptCancelled):
            run_cell(tx, Cell("b = 1\nstop()\nwhile True: pass"), budget, "keep")
        del tx.session.values["stop"]
    assert digest(session) == before


def test_values_count_in_the_bytes(session: Session) -> None:
    run(session, "kept = [torch.ones(1000) for i in range(10)]\nmore = 'x' * 5000")
    session.measure()
    assert session.held_bytes >= 45_000
    run(session, "del kept, more")
    session.measure()
    assert session.held_bytes < 1_000


def test_copies_stop_at_what_is_the_interpreter_s(session: Session) -> None:
    run(
        session,
        BOUND
        + "\nopt.load_state_dict({'state': {}, 'param_groups': [{**opt.state_dict()['param_groups'][0], 'own': counter}]})",
    )
    assert run(session, "opt.param_groups[0]['own'].up(), counter.count").value == (1, 1)


def test_what_is_half_way_is_not_kept(session: Session) -> None:
    assert run(session, "g = (i for i in range(3))\nnext(g)").names == []
    with pytest.raises(ScriptError, match="name 'g' is not defined"):
        run(session, "g")


def test_a_run_is_repeated_exactly() -> None:
    code = "import torch\nx = torch.rand(3, requires_grad=True)\nprint(x, (x * 2).grad_fn, lambda: 0, {'b', 'a', 'c'}, {3, 1})\nx"
    answers = []
    for _ in range(2):
        session = Session("s", seed=5)
        ran = run(session, code)
        answers.append((ran.stdout, ran.text, ran.steps, digest(session)))
    assert answers[0] == answers[1]


def test_hooks_of_a_script_run_in_later_requests(session: Session) -> None:
    run(
        session,
        "x = torch.ones(2, requires_grad=True)\nh = x.register_hook(lambda g: g * 3)\ny = (x * 2).sum()",
    )
    session.apply([Step("backward", ("y",))])
    assert run(session, "x.grad.tolist()").value == [6.0, 6.0]
    run(session, "h.remove()\nx.grad = None\n(x * 2).sum().backward()")
    assert run(session, "x.grad.tolist()").value == [2.0, 2.0]


def test_custom_functions_live_in_the_graph(session: Session) -> None:
    run(
        session,
        "class Cube(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        ctx.save_for_backward(x)\n"
        "        return x ** 3\n    @staticmethod\n    def backward(ctx, g):\n        x, = ctx.saved_tensors\n"
        "        return 3 * x * x * g\n"
        "x = torch.tensor(2.0, requires_grad=True)\ny = Cube.apply(x)",
    )
    session.apply([Step("backward", ("y",))])
    assert run(session, "x.grad.item()").value == 12.0


def test_a_cancelled_run_changes_nothing(session: Session) -> None:
    run(session, "a = [1]")
    before = digest(session)
    with session.begin(batch=True) as tx:
        budget = Budget(ledger=tx)
        budget.cancel()
        with pytest.raises(ScriptCancelled) as found:
            run_cell(tx, Cell("a.append(2)\nx = 1"), budget)
    assert found.value.members["line"] == 1
    assert digest(session) == before


def test_output_is_capped(session: Session) -> None:
    small = Session("s", limits=Limits(script_output_bytes=10))
    ran = run(small, "print('ä' * 20)\nprint('more')")
    assert ran.truncated
    assert ran.stdout == "ä" * 5
    assert not run(session, "print('x')").truncated


def test_a_lone_surrogate_is_no_text(session: Session) -> None:
    assert run(session, "print('a\\ud800b')\n'\\udfff'").stdout == "a?b\n"


@pytest.mark.parametrize(
    ("code", "place", "says"),
    [
        ("x = 1\ny = x + zz", (2, 9), "NameError: name 'zz' is not defined"),
        ("def f(a):\n    return a / 0\nf(1)", (2, 12), "ZeroDivisionError: division by zero"),
        ("a = torch.ones(2)\nb = a @ torch.ones(3)", (2, 5), "RuntimeError: "),
        ("x = [1, 2]\nx[5]", (2, 1), "IndexError: list index out of range"),
        ("d = {}\nd['k']", (2, 1), "KeyError: 'k'"),
        ("a, b = 1, 2, 3", (1, 1), "ValueError: too many values to unpack (expected 2)"),
        ("import numpy as np", (1, 1), "ModuleNotFoundError: No module named 'numpy': numpy follows later"),
        ("class N(torch.nn.Module): pass", (1, 1), "NotImplementedError: torch.nn.Module follows later"),
        ("x = = 1", (1, 5), "SyntaxError: invalid syntax"),
        ("torch.nope(1)", (1, 1), "AttributeError: module 'torch' has no attribute 'nope'"),
        ("raise ValueError('own', 2)", (1, 1), "ValueError: ('own', 2)"),
        ("class E(Exception): pass\nraise E('mine')", (2, 1), "E: mine"),
        (
            "if torch.ones(2): pass",
            (1, 4),
            "RuntimeError: Boolean value of Tensor with more than one value is ambiguous",
        ),
        ("yield 1", (1, 1), "SyntaxError: generator functions (yield) cannot be used in a script"),
    ],
)
def test_errors_say_where_and_why(session: Session, code: str, place: tuple[int, int], says: str) -> None:
    with pytest.raises(ScriptError) as found:
        run(session, code)
    assert found.value.detail.startswith(says)
    assert (found.value.members["line"], found.value.members["column"]) == place
    assert found.value.members["source"] == code.splitlines()[place[0] - 1]
