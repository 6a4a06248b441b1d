"""Plans: what a run asks for is known before it, and no text can make the run go another way unseen."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from service.api.functions import read_values
from service.executors.local import LocalExecutor, SystemClock
from service.functions.evaluator import EagerEvaluator, Plan
from service.functions.manager import FunctionManager
from service.functions.memory import MemoryStore
from service.functions.reading import read_call
from service.functions.work import Work
from service.steps.errors import LimitExceeded
from service.steps.limits import Limits

BIG = "torch.ones(10**5, 10**5).sum()"


def when(condition: str, *before: str) -> str:
    """A function that does far too much if a condition holds, and next to nothing otherwise."""
    lines = [*before, f"if {condition}:", f"    return x + {BIG}", "return x * 2"]
    return "def f(x):\n" + "".join(f"    {line}\n" for line in lines)


def unless_caught(attempt: str, error: str) -> str:
    """The same, if an attempt does not fail."""
    return f"def f(x):\n    try:\n        {attempt}\n    except {error}:\n        return x\n    return x + {BIG}\n"


SWALLOWS = """class S:
    def __enter__(self):
        return self
    def __exit__(self, *e):
        return True
"""
OWN_BACKWARD = f"""class Big(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1
    @staticmethod
    def backward(ctx, g):
        return g + {BIG}
def f(x):
    return Big.apply(x)
"""
DIFFERS = {
    "by requires_grad": when("x.requires_grad"),
    "by a value that is caught": unless_caught("v = float(x)", "RuntimeError"),
    "by any error that is caught": unless_caught("v = float(x)", "Exception"),
    "by finally": f"def f(x):\n    y = 0\n    try:\n        y = float(x)\n    finally:\n        return x if y == 0 else x + {BIG}\n",
    "by identity": when("x.contiguous() is x"),
    "by membership": when("x.contiguous() in [x]"),
    "by layout": when("y.is_contiguous()", "y = x.reshape(1).repeat(4)"),
    "by strides": when("y.stride()[0] > 0", "y = x.reshape(1).repeat(4)"),
    "by text": when("str(x)[0] == 't'"),
    "by a formatted text": when("f'{x}' != ''"),
    "by the text of a list": when("'[tensor' in str([x])"),
    "by a leaf": when("x.is_leaf"),
    "by grad": when("x.grad is None"),
    "by getattr": when("getattr(x, 'grad', 1) is None"),
    "by data": when("x.data.item() > 0"),
    "by a version": when("y._version > 0", "y = x * 1", "y.add_(1)"),
    "by a constant": when("w[0] > 0"),
    "by a constant that was written": when("v[0] > 0", "v = w * 1", "v += x"),
    "by a class that swallows": SWALLOWS + when("seen", "seen = []", "with S():", "    seen.append(float(x))"),
    "by a kernel that fails": "def f(x):\n    try:\n        torch.linalg.cholesky(-x.reshape(1, 1))\n    except RuntimeError:\n"
    f"        return x + {BIG}\n    return x\n",
    "by a shape that depends on values": when("torch.nonzero(x.reshape(1)).shape[0] == 1"),
    "with constants alone": "def f(x):\n    return (w.expand(10**5, 2) @ w.expand(10**5, 2).T).sum() + x\n",
    "by a backward of its own": OWN_BACKWARD,
    "by a loop that grows": "def f(x):\n    y = x.reshape(1)\n    while y.sum() < 10**12:\n        y = torch.cat([y, y])\n"
    "    return y.sum()\n",
}


def evaluated(code: str, verb: str, inputs: Any = None, **body: Any) -> Any:
    async def work() -> Any:
        executor = LocalExecutor(1)
        try:
            functions = FunctionManager(MemoryStore(), executor, SystemClock(), EagerEvaluator(), read_values, Limits())
            function = await functions.define({"code": code, "constants": {"w": [1.0, 2.0]}})
            body.setdefault("inputs", {"x": 1.0} if inputs is None else inputs)
            return await functions.evaluate(function, verb, body, lambda a: a)
        finally:
            executor.close()

    return asyncio.run(work())


@pytest.mark.parametrize("name", list(DIFFERS))
def test_a_run_cannot_leave_its_plan_unseen(name: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        evaluated(DIFFERS[name], "grad")
    assert refused.value.members["limit"] in ("tensor_elements", "tensor_bytes", "request_cost")


def test_a_check_in_double_precision_is_metered() -> None:
    code = f"def f(x):\n    if x.dtype == torch.float64:\n        return x + {BIG}\n    return x * 2\n"
    assert evaluated(code, "grad")["gradients"]["x"] == 2
    with pytest.raises(LimitExceeded):
        evaluated(code, "check")


def planned(code: str, inputs: Any) -> Plan:
    async def work() -> Plan:
        executor = LocalExecutor(1)
        try:
            functions = FunctionManager(MemoryStore(), executor, SystemClock(), EagerEvaluator(), read_values, Limits())
            function = await functions.define({"code": code, "constants": {"w": [1.0, 2.0]}})
            call = read_call(function, "value", {"inputs": inputs}, read_values)
            return EagerEvaluator().plan(function, call, Work(Limits()))
        finally:
            executor.close()

    return asyncio.run(work())


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()\n",
        "def f(x):\n    y = x * w[0]\n    y[1:] = 3\n    return y.sum() + torch.zeros(3).sum()\n",
        "def f(x):\n    with torch.no_grad():\n        m = x.mean()\n    return ((x - m) ** 2).sum()\n",
        "def f(x, n=3):\n    for _ in range(n):\n        x = torch.tanh(x)\n    return x.sum()\n",
        "def f(x):\n    return torch.stack([row.sum() for row in x.reshape(-1, 1)]).prod()\n",
        "def f(x):\n    return x[[0, 1]].sum() if x.shape[0] > 1 else x.sum()\n",
        "k = 3\ndef g(v):\n    return v * k\ndef f(x):\n    return g(x).sum() + torch.randn(2).sum()\n",
    ],
)
def test_what_reads_no_values_is_planned_and_computed_as_planned(code: str) -> None:
    plan = planned(code, {"x": [1.0, 2.0, 3.0]})
    assert plan.dynamic is None
    assert plan.demand.calls > 1
    answer = evaluated(code, "value", {"x": [1.0, 2.0, 3.0]})["outputs"]
    assert {n: (s.shape, s.dtype.name) for n, s in plan.outputs.items()} == {
        n: (a.shape, a.dtype.name) for n, a in answer.items()
    }


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def f(x):\n    return x * float(x.sum())\n", "not known"),
        ("def f(x):\n    return x[x > 0].sum()\n", "depends on values"),
        ("def f(x):\n    y = x.sum()\n    y.backward()\n    return x.grad\n", "not known"),
        ("def f(x):\n    print(x)\n    return x\n", "not known"),
    ],
)
def test_what_reads_values_has_no_plan_and_says_why(code: str, why: str) -> None:
    plan = planned(code, {"x": [1.0, 2.0, 3.0]})
    assert plan.dynamic is not None
    assert why in plan.dynamic


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    kept = [torch.ones(2**20) * x for _ in range(100)]\n    return kept[0].sum()\n",
        "def f(x):\n    kept = [torch.ones(2**20) * x for _ in range(100)]\n    return kept[0].sum() * float(x)\n",
        "def f(x):\n    return tuple(x.expand(2**20) for _ in range(100))\n",
        "def f(x):\n    return x.expand(2**21), x.expand(2**21), x.expand(2**21)\n",
    ],
)
def test_what_is_held_and_answered_is_bounded(code: str) -> None:
    with pytest.raises(LimitExceeded):
        evaluated(code, "value")


def test_what_is_let_go_of_may_be_more_in_all() -> None:
    code = "def f(x):\n    for _ in range(100):\n        x = x * torch.ones(2**20)\n    return x.sum()\n"
    assert evaluated(code, "value")["outputs"]["output"] == 2**20
    with pytest.raises(LimitExceeded):  # a graph would keep it all
        evaluated(code, "grad")


def test_much_to_show_is_not_shown_on_the_event_loop() -> None:
    async def work() -> None:
        executor = LocalExecutor(1)
        try:
            functions = FunctionManager(MemoryStore(), executor, SystemClock(), EagerEvaluator(), read_values, Limits())
            function = await functions.define({"code": "def f(x):\n    return x.expand(100_000)\n"})
            names = set()
            for _ in range(2):
                names.add(
                    await functions.evaluate(
                        function, "value", {"inputs": {"x": 1.0}}, lambda _: threading.current_thread().name
                    )
                )
            assert threading.current_thread().name not in names
        finally:
            executor.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("vjp", {"inputs": {"x": [1.0] * 5_000}, "cotangents": [{"output": 1.0}] * 1_000}),
        ("hvp", {"inputs": {"x": [1.0] * 5_000}, "tangents": [{"x": [1.0] * 5_000}] * 1_000}),
        ("grad", {"inputs": {"x": [1.0] * 5_000, "y": [1.0] * 1_000}, "in_axes": {"y": 0}}),
    ],
)
def test_many_gradients_of_much_are_refused_before_they_are_made(verb: str, body: Any) -> None:
    with pytest.raises(LimitExceeded, match=f"what {verb} answers"):
        evaluated("def f(x, y=1.0):\n    return x[0] ** 2 * y\n", verb, **body)


def test_what_is_the_same_for_all_examples_is_counted_once() -> None:
    code = "def f(v, x):\n    return torch.tanh(x @ v.T + v.sum()).sum()\n"
    inputs = {"v": [[0.01] * 100] * 100, "x": [[0.5] * 100] * 1_000}
    whole = evaluated(code, "abstract", inputs, in_axes={"x": 0})
    one = evaluated(code, "abstract", {"v": inputs["v"], "x": inputs["x"][0]})
    assert whole["outputs"]["output"]["shape"] == [1_000]
    assert whole["estimate"]["bytes"] < 1_000 * one["estimate"]["bytes"]
    found = evaluated(code, "value_and_grad", inputs, in_axes={"x": 0}, wrt="x")
    assert found["gradients"]["x"].shape == (1_000, 100)
    with pytest.raises(LimitExceeded, match="what grad answers"):  # of v there would be a thousand
        evaluated(code, "grad", inputs, in_axes={"x": 0})
