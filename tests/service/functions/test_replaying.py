"""Replays: whatever is asked for again and again answers the bits and the errors of the eager run; what cannot be replayed is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import EngineError
from service.api.functions import read_values
from service.executors.local import LocalExecutor, SystemClock
from service.functions.call import Call
from service.functions.evaluator import EagerEvaluator
from service.functions.function import Function
from service.functions.manager import FunctionManager
from service.functions.memory import MemoryStore
from service.functions.reading import read_call
from service.functions.replaying import ReplayingEvaluator
from service.functions.work import Work
from service.steps.errors import DeadlineExceeded, LimitExceeded, ServiceError
from service.steps.limits import Limits, TooHeavy

X = [0.4, -1.1, 0.7, 1.9]
V = [1.0, -0.5, 2.0, 0.25]
W = {"dtype": "float64", "data": [[0.5, -1.0, 2.0, 0.1], [1.5, 0.3, -0.7, 0.9]]}
CODES: dict[str, str] = {
    "rosenbrock": "def f(x):\n    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()\n",
    "softmax": "def f(x):\n    p = torch.softmax(x * 2, 0)\n    return -(p * p.log()).sum()\n",
    "a loop": "def f(x):\n    h = x\n    for k in range(3):\n        h = torch.tanh(h + k * x.roll(1)) * math.sqrt(k + 1)\n"
    "    return h.prod()\n",
    "a matrix": "def f(x):\n    m = x.reshape(2, 2) @ x.reshape(2, 2).T + torch.eye(2, dtype=x.dtype)\n    return torch.logdet(m)\n",
    "constants": "def f(x):\n    return torch.tanh(w @ x).sum() + w.mean() * x[0]\n",
    "no graph in part": "def f(x):\n    with torch.no_grad():\n        c = x.max()\n    return torch.exp(x - c).sum().log() + c\n",
    "gathered": "def f(x):\n    i = torch.tensor([3, 0, 0, 2])\n    return (x[i] * x.cumsum(0)).sin().sum()\n",
    "two outputs": "def f(x):\n    return {'a': (x * x).sum(), 'b': x.sum(), 'n': torch.argmax(x)}\n",
    "a constant output": "def f(x):\n    return x.sum(), torch.ones(2)\n",
    "an own gradient": "def f(x):\n    y = (x ** 3).sum()\n"
    "    g, = torch.autograd.grad(y, x, create_graph=True)\n    return (g * g).sum()\n",
    "a written copy": "def f(x):\n    y = x.clone()\n    y[1:] *= x[:-1]\n    return (y**3).mean()\n",
    "a branch": "def f(x):\n    return x.sum() if x.sum() > 0 else (x * x).sum()\n",
    "random": "def f(x):\n    return (x * torch.rand(4)).sum()\n",
    "appended": "seen = []\ndef f(x):\n    seen.append(x)\n    return (x * len(seen)).sum()\n",
}
EAGER = {"a branch", "a written copy", "an own gradient", "random"}
"""Those that can never be replayed."""
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "value": ("value", {}),
    "grad": ("grad", {}),
    "value_and_grad": ("value_and_grad", {}),
    "vjp": ("vjp", {"cotangents": {"output": 2.5}}),
    "several vjp": ("vjp", {"cotangents": [{"output": 2.5}, {"output": -1}]}),
    "jvp": ("jvp", {"tangents": {"x": V}}),
    "hvp": ("hvp", {"tangents": [{"x": V}, {"x": X}]}),
    "jacobian": ("jacobian", {}),
    "hessian": ("hessian", {}),
    "a batch": ("value_and_grad", {"in_axes": 0}),
    "a batch of tangents": ("jvp", {"in_axes": 0, "tangents": {"x": V}}),
}
POINTS = [X, V, [1e200, 1.0, -0.0, 3.0], ["NaN", 1.0, 2.0, "Infinity"], [0.0, 0.0, 0.0, 0.0]]
Asked = Callable[[str, dict[str, Any]], Any]


def bits(tree: Any) -> Any:
    """An answer, with arrays as dtype, shape and bytes; any NaN as good as another."""
    if isinstance(tree, dict):
        return {k: bits(v) for k, v in tree.items()}
    if isinstance(tree, list):
        return [bits(v) for v in tree]
    array = np.array(tree)
    if array.dtype.kind == "f":
        array[np.isnan(array)] = np.nan
    return array.dtype.str, array.shape, array.tobytes()


def asking(evaluator: EagerEvaluator, code: str, **definition: Any) -> tuple[Asked, Function, Callable[[], None]]:
    """What asks a function of one evaluator, and answers bits or an error as text."""
    executor = LocalExecutor(1)
    functions = FunctionManager(MemoryStore(), executor, SystemClock(), evaluator, read_values, Limits())
    function = asyncio.run(functions.define({"code": code, "default_dtype": "float64", **definition}))

    def asked(verb: str, body: dict[str, Any]) -> Any:
        try:
            return bits(asyncio.run(functions.evaluate(function, verb, body, lambda a: a)))
        except (EngineError, ServiceError) as error:
            return type(error).__name__, str(error)

    return asked, function, executor.close


def traced_kinds(evaluator: ReplayingEvaluator) -> list[bool]:
    return [kept.program is not None for kept in evaluator.programs._found.values()]


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("name", CODES)
def test_a_replay_has_the_bits_and_errors_of_the_eager_run(name: str, kind: str) -> None:
    verb, more = BODIES[kind]
    given = {"constants": {"w": W}} if name == "constants" else {}
    replaying = ReplayingEvaluator()
    eager, _, end = asking(EagerEvaluator(), CODES[name], **given)
    asked, _, end_too = asking(replaying, CODES[name], **given)
    try:
        for point in [*POINTS, *POINTS]:
            x = [point, V, X] if "in_axes" in more else point
            body = {"inputs": {"x": x}, "seed": 3, **more}
            assert asked(verb, dict(body)) == eager(verb, dict(body))
        first = eager(verb, {"inputs": {"x": [X, V, X] if "in_axes" in more else X}, "seed": 3, **more})
        failed = isinstance(first, tuple)
        assert any(traced_kinds(replaying)) == (name not in EAGER and not failed)
    finally:
        end()
        end_too()


STEPS = {
    "steps": [
        {"op": "mul", "args": ["x", "w"], "id": "y"},
        {"op": "getitem", "args": ["y", "1:"], "id": "z"},
        {"op": "sum", "args": ["z"]},
    ],
    "inputs": {"x": {}},
    "constants": {"w": [1.5, 2.0, -1.0]},
}


def test_steps_are_replayed_too() -> None:
    found = []
    for evaluator in (EagerEvaluator(), ReplayingEvaluator()):
        executor = LocalExecutor(1)
        functions = FunctionManager(MemoryStore(), executor, SystemClock(), evaluator, read_values, Limits())
        function = asyncio.run(functions.define(STEPS))
        bodies = [{"inputs": {"x": [k, 2.0, 3.0]}} for k in range(4)]
        asked = [asyncio.run(functions.evaluate(function, "value_and_grad", b, lambda a: a)) for b in bodies]
        found.append(bits(asked))
        executor.close()
        if isinstance(evaluator, ReplayingEvaluator):
            assert traced_kinds(evaluator) == [True]
    assert found[0] == found[1]


def test_another_shape_another_program_and_the_first_error_again() -> None:
    replaying = ReplayingEvaluator()
    asked, _, end = asking(replaying, "def f(x, y):\n    return (x @ y).sum()\n")
    good = {"inputs": {"x": [[1.0, 2.0]], "y": [3.0, 4.0]}}
    bad = {"inputs": {"x": [[1.0, 2.0]], "y": [3.0, 4.0, 5.0]}}
    answers = [asked("grad", dict(b)) for b in (good, bad, good, bad, good, bad)]
    end()
    assert answers[0] == answers[2] == answers[4]
    assert answers[1] == answers[3] == answers[5]
    assert answers[1][0] == "ScriptError"
    assert traced_kinds(replaying) == [True]


def test_a_kernel_that_fails_is_told_with_its_line() -> None:
    replaying = ReplayingEvaluator()
    asked, _, end = asking(replaying, "def f(x):\n    m = x.reshape(2, 2)\n    return torch.linalg.inv(m).sum()\n")
    eager, _, end_too = asking(
        EagerEvaluator(), "def f(x):\n    m = x.reshape(2, 2)\n    return torch.linalg.inv(m).sum()\n"
    )
    for _ in range(3):
        asked("grad", {"inputs": {"x": X}})
    singular = {"inputs": {"x": [1.0, 2.0, 2.0, 4.0]}}
    assert traced_kinds(replaying) == [True]
    assert asked("grad", dict(singular)) == eager("grad", dict(singular))
    assert "singular" in asked("grad", dict(singular))[1]
    end()
    end_too()


def test_why_says_why_not() -> None:
    replaying = ReplayingEvaluator()
    asked, function, end = asking(replaying, CODES["a branch"])
    body = {"inputs": {"x": X}}
    assert replaying.why(function, read_call(function, "grad", body, read_values)) is None
    for _ in range(2):
        asked("grad", dict(body))
    end()
    why = replaying.why(function, read_call(function, "grad", body, read_values))
    assert why is not None
    assert "values" in why


def test_what_is_heavy_runs_in_a_thread_and_what_a_replay_makes_light_does_not() -> None:
    replaying = ReplayingEvaluator()
    places: list[str] = []

    class Watched(LocalExecutor):
        async def run(self, work: Callable[[], Any], *, heavy: bool, **more: Any) -> Any:
            places.append("thread" if heavy else "loop")
            return await super().run(work, heavy=heavy, **more)

    executor = Watched(1)
    functions = FunctionManager(MemoryStore(), executor, SystemClock(), replaying, read_values, Limits())
    loop = "def f(x):\n    for _ in range(70):\n        x = x * 1.01\n    return x.sum()\n"
    function = asyncio.run(functions.define({"code": loop}))
    places.clear()
    for k in range(4):
        asyncio.run(
            functions.evaluate(function, "hvp", {"inputs": {"x": [k, 1.0]}, "tangents": {"x": [1, 1]}}, lambda a: a)
        )
    assert places == ["loop", "thread", "thread"]  # too much for the loop; traced; then at once
    heavy = asyncio.run(functions.define({"code": "def f(x):\n    return (x @ x.T).sum()\n"}))
    call = read_call(heavy, "value", {"inputs": {"x": np.ones((300, 300)).tolist()}}, read_values)
    for _ in range(2):
        replaying.evaluate(heavy, call, Work(Limits()))
    assert replaying.known(heavy, call) is None
    with pytest.raises(TooHeavy):
        replaying.evaluate(heavy, call, Work(Limits(), light=True))
    assert replaying.evaluate(heavy, call, Work(Limits()))["outputs"]["output"] == 300**3
    executor.close()


def test_limits_hold_before_a_program_is_known() -> None:
    replaying = ReplayingEvaluator()
    asked, _, end = asking(replaying, "def f(x):\n    return (x.expand(10**5, 4) @ x.expand(10**5, 4).T).sum()\n")
    answers = [asked("value", {"inputs": {"x": X}}) for _ in range(4)]
    end()
    assert {a[0] for a in answers} == {LimitExceeded.__name__}
    assert len(replaying.programs) == 0


def test_a_long_replay_looks_at_the_clock() -> None:
    replaying = ReplayingEvaluator()
    asked, function, end = asking(replaying, CODES["rosenbrock"])
    for _ in range(2):
        asked("grad", {"inputs": {"x": X}})
    end()
    call = read_call(function, "grad", {"inputs": {"x": X}}, read_values)
    moments = iter([0.0, *[100.0] * 9])
    with pytest.raises(DeadlineExceeded):
        replaying.evaluate(function, call, Work(Limits(), seconds=1.0, clock=lambda: next(moments)))


def test_threads_ask_one_evaluator() -> None:
    replaying = ReplayingEvaluator()
    asked, function, end = asking(replaying, CODES["rosenbrock"])
    wanted = asked("grad", {"inputs": {"x": X}})
    found: list[Any] = []

    def work() -> None:
        for _ in range(20):
            call: Call = read_call(function, "grad", {"inputs": {"x": X}}, read_values)
            found.append(bits(replaying.evaluate(function, call, Work(Limits()))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end()
    assert found == [wanted] * 80
