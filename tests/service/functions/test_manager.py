"""The manager of functions by itself: what it keeps, for whom, how much, and what becomes of work that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
import pytest

from service.api.functions import read_values
from service.executors.local import LocalExecutor, SystemClock
from service.functions.evaluator import EagerEvaluator
from service.functions.manager import FunctionLimits, FunctionManager
from service.functions.memory import MemoryStore
from service.steps.errors import DeadlineExceeded, LimitExceeded, NotFound, PreconditionFailed, QueueFull
from service.steps.limits import Limits

DOUBLE = {"code": "def f(x):\n    return x * 2\n"}
Make = Callable[..., FunctionManager]


@pytest.fixture
def make() -> Iterator[Make]:
    executor = LocalExecutor(2)

    def manager(store: MemoryStore | None = None, limits: Limits | None = None, **own: Any) -> FunctionManager:
        clock = SystemClock()
        return FunctionManager(
            store or MemoryStore(),
            executor,
            clock,
            EagerEvaluator(),
            read_values,
            limits or Limits(),
            FunctionLimits(**own),
        )

    yield manager
    executor.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def times(k: int) -> dict[str, Any]:
    return {"code": f"def f(x):\n    return x * {k}\n"}


def test_a_store_is_taken_up_as_it_was_left(make: Make) -> None:
    async def work() -> None:
        store = MemoryStore()
        first = make(store)
        held = [(await first.put("f", await first.define(times(k))))[0] for k in (1, 2, 1)]
        body = {"steps": [{"op": "mul", "args": ["x", "w"]}], "inputs": {"x": {}}, "constants": {"w": [1.5, "NaN"]}}
        kept = (await first.put("g", await first.define(body)))[0]
        second = make(store)
        await second.load()
        assert [h.version for h in second.versions("f")] == [held[0].version, held[1].version]
        assert second.find("g").version == kept.version
        found = await second.evaluate(second.find("g").function, "value", {"inputs": {"x": [2, 2]}}, lambda a: a)
        np.testing.assert_array_equal(found["outputs"]["output"], np.array([3, np.nan], np.float32))
        await second.delete("f")
        assert [r.name for r in await store.load()] == ["g"]

    run(work())


def test_tenants_do_not_see_each_other(make: Make) -> None:
    async def work() -> None:
        functions = make(functions=1)
        await functions.put("f", await functions.define(times(2)), tenant="a")
        await functions.put("f", await functions.define(times(3)), tenant="b")
        assert functions.find("f", tenant="a").version != functions.find("f", tenant="b").version
        with pytest.raises(NotFound):
            functions.find("f")
        with pytest.raises(NotFound):
            functions.find(f"f@{functions.find('f', tenant='a').version}", tenant="b")
        with pytest.raises(LimitExceeded) as refused:
            await functions.put("g", await functions.define(DOUBLE), tenant="a")
        assert refused.value.members["limit"] == "functions"
        await functions.delete("f", tenant="a")
        assert functions.list(tenant="a") == []
        assert [h.name for h in functions.list(tenant="b")] == ["f"]

    run(work())


def test_old_versions_and_too_many_bytes(make: Make) -> None:
    async def work() -> None:
        store = MemoryStore()
        functions = make(store, function_versions=2, functions_bytes=2_000)
        versions = [(await functions.put("f", await functions.define(times(k))))[0].version for k in range(3)]
        assert [h.version for h in functions.versions("f")] == versions[:0:-1]
        assert [r.version for r in await store.load()] == versions[1:]
        with pytest.raises(NotFound):
            functions.find(f"f@{versions[0]}")
        big = await functions.define({"code": DOUBLE["code"], "constants": {"w": [0.0] * 500}})
        with pytest.raises(LimitExceeded) as refused:
            await functions.put("big", big)
        assert refused.value.members["limit"] == "functions_bytes"
        with pytest.raises(NotFound):
            functions.find("big")
        for _ in range(40):  # what is forgotten is not counted for ever
            await functions.put("g", await functions.define(DOUBLE))
            await functions.delete("g")

    run(work())


def test_conditions_hold_for_requests_that_race(make: Make) -> None:
    async def work() -> None:
        class SlowStore(MemoryStore):
            async def put(self, record: Any, told: Any = None) -> None:
                await asyncio.sleep(0)
                await super().put(record, told)

        functions = make(SlowStore())
        held, new = await functions.put("f", await functions.define(times(1)))
        assert new
        made = [await functions.define(times(k)) for k in range(2, 6)]
        match = frozenset({held.version})
        outcomes = await asyncio.gather(*(functions.put("f", m, if_match=match) for m in made), return_exceptions=True)
        assert sum(isinstance(o, tuple) for o in outcomes) == 1
        assert sum(isinstance(o, PreconditionFailed) for o in outcomes) == 3

    run(work())


def test_work_that_takes_too_long_is_ended(make: Make) -> None:
    async def work() -> None:
        functions = make(
            limits=Limits(script_steps=10**9), request_seconds=0.2
        )  # time ends it, not the number of steps
        for code in (
            "def f(x):\n    while True:\n        x = x + 1\n",
            "def f(x):\n    while x.sum() > 0:\n        x = x + 1\n    return x\n",
            "def f(x):\n    while True:\n        pass\n",
        ):
            function = await functions.define({"code": code})
            with pytest.raises(DeadlineExceeded, match=r"not done after 0\.2 s"):
                await functions.evaluate(function, "value", {"inputs": {"x": [1.0]}}, lambda a: a)

    run(work())


def test_heavy_work_waits_in_a_bounded_queue(make: Make) -> None:
    async def work() -> None:
        functions = make(queue_places=1)
        function = await functions.define(
            {"code": "def f(x):\n    return (torch.ones(300, 300) * x) @ torch.ones(300, 300)\n"}
        )
        body = {"inputs": {"x": 1.0}}
        asked = (
            functions.evaluate(function, "abstract", body, lambda a: a),
            functions.evaluate(function, "value", body, lambda a: a),
        )
        light, heavy = await asyncio.gather(*asked)
        assert light["outputs"]["output"]["shape"] == [300, 300]
        assert heavy["outputs"]["output"].shape == (300, 300)
        several = tuple(functions.evaluate(function, "value", body, lambda a: a) for _ in range(3))
        outcomes = await asyncio.gather(*several, return_exceptions=True)
        assert sum(isinstance(o, QueueFull) for o in outcomes) == 2
        assert (await functions.evaluate(function, "value", body, lambda a: a))["outputs"]["output"].shape == (300, 300)

    run(work())


@pytest.mark.parametrize(
    ("code", "verb", "own", "limit"),
    [
        ("def f(x):\n    return torch.ones(100, 100).sum() + x\n", "value", {"tensor_elements": 5_000}, "tensor_elements"),
        ("def f(x):\n    return torch.ones(100, 100).sum() + x\n", "value", {"tensor_bytes": 30_000}, "tensor_bytes"),
        ("def f(x):\n    for _ in range(100):\n        x = x.sin()\n    return x\n", "grad", {"session_bytes": 500}, "session_bytes"),
        ("def f(x):\n    for _ in range(100):\n        x = x.sin()\n    return x\n", "grad", {"request_cost": 1_000}, "request_cost"),
        ("def f(x):\n    if x > 0:\n        return torch.ones(100, 100) + x\n", "value", {"tensor_elements": 5_000}, "tensor_elements"),
        ("def f(x):\n    if x > 0:\n        return x.expand(400).sin().sum()\n", "hessian", {"request_cost": 9_000}, "request_cost"),
    ],
)  # fmt: skip
def test_limits_come_before_work(make: Make, code: str, verb: str, own: dict[str, int], limit: str) -> None:
    async def work() -> None:
        functions = make(limits=Limits(**own))
        function = await functions.define({"code": code})
        with pytest.raises(LimitExceeded) as refused:
            await functions.evaluate(function, verb, {"inputs": {"x": 1.0}}, lambda a: a)
        assert refused.value.members["limit"] == limit

    run(work())


def test_plans_are_made_once_for_a_signature(make: Make) -> None:
    async def work() -> None:
        made = 0

        class Counting(EagerEvaluator):
            def plan(self, function: Any, call: Any, work: Any) -> Any:
                nonlocal made
                made += function.plans.get(call.signature()) is None
                return super().plan(function, call, work)

        functions = make()
        functions._evaluator = Counting()
        function = await functions.define({"code": "def f(x, n=2):\n    return (x**n).sum()\n"})
        for inputs in ({"x": [1, 2]}, {"x": [3, 4]}, {"x": [3, 4], "n": 3}, {"x": [5, 6], "n": 3}, {"x": [1, 2, 3]}):
            await functions.evaluate(function, "value", {"inputs": inputs}, lambda a: a)
        assert made == 3

    run(work())
