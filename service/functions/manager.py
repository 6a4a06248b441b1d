"""FunctionManager: functions by tenant, name and version, and their evaluation. Every request to a function passes it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from engine.picture import Graph
from service.functions.call import Answer, Call
from service.functions.capture import Captured
from service.functions.definition import check_name, read_definition
from service.functions.evaluator import Evaluator
from service.functions.function import Function, Remembered
from service.functions.picture import DRAWN, drawn
from service.functions.ports import Clock, Executor, FunctionStore, ReadValues, Record
from service.functions.reading import read_call
from service.functions.work import Work
from service.steps.errors import Damaged, InvalidInput, LimitExceeded, NotFound, PreconditionFailed, QueueFull, passed
from service.steps.limits import Limits, TooHeavy
from service.steps.patience import PATIENCE

__all__ = ["DEFAULT_TENANT", "FunctionLimits", "FunctionManager", "Held", "elements"]

DEFAULT_TENANT: Final = "default"
LEAST_PREFIX: Final = 8
SHOWN_LIGHTLY: Final = 30_000  # elements that are rendered in about a millisecond
T = TypeVar("T")
Told: TypeAlias = Callable[["Held", bool, list["Held"]], Any]


@dataclass(frozen=True, slots=True)
class FunctionLimits:
    """The limits of functions beside those of sessions and requests."""

    functions: int = 1_000
    function_versions: int = 16
    functions_bytes: int = 256 * 2**20
    request_seconds: float = 10.0
    queue_places: int = 32


@dataclass(frozen=True, slots=True)
class Held:
    """One version of one function: when it was put (seconds since the epoch), and what runs it."""

    tenant: str
    name: str
    created: float
    function: Function

    @property
    def version(self) -> str:
        return self.function.version

    @property
    def size(self) -> int:
        """Bytes of the definition."""
        return len(self.function.definition.canonical)


def elements(answer: Any) -> int:
    """How many values an answer has."""
    if isinstance(answer, (np.ndarray, np.generic)):
        return answer.size
    if isinstance(answer, dict):
        return sum(elements(v) for v in answer.values())
    return sum(elements(v) for v in answer) if isinstance(answer, list) else 0


class FunctionManager:
    """All functions of this process, over a store that keeps them."""

    def __init__(
        self,
        store: FunctionStore,
        executor: Executor,
        clock: Clock,
        evaluator: Evaluator,
        read: ReadValues,
        limits: Limits,
        own: FunctionLimits | None = None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock
        self._evaluator = evaluator
        self._read = read
        self._limits = limits
        self._own = own or FunctionLimits()
        self._held: dict[tuple[str, str], dict[str, Held]] = {}  # versions, the newest last
        self._once: Remembered[Function] = Remembered(64)
        self._turn = asyncio.Lock()  # what changes names takes turns
        self._waiting = 0
        self._bytes = 0
        self._damage: str | None = None  # of what the store held

    def _check_whole(self) -> None:
        if self._damage is not None:
            raise Damaged(self._damage)

    # -- keeping -----------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Take up what the store holds. Where that is damaged, every request to a function hears so.

        What was kept is kept, also where a limit is lower now.
        """
        try:
            records = await self._store.load()
        except Damaged as error:
            self._damage = error.detail
            return
        any_size = dict.fromkeys(("function_source_bytes", "tensor_bytes", "batch_steps", "step_outputs"), sys.maxsize)
        for record in records:
            definition = read_definition(record.definition, self._read, replace(self._limits, **any_size))
            function = Function(definition, self._read)
            self._keep(Held(record.tenant, record.name, record.created, function))

    async def define(self, body: Mapping[str, Any]) -> Function:
        """A function of a body, not kept; its text is run once, in a thread. What was defined lately is found again.

        Errors: InvalidInput, StepFailed, ScriptError, LimitExceeded.
        """
        definition = read_definition(body, self._read, self._limits)
        found = self._once.get(definition.version)
        if found is not None:
            return found
        made = await self._executor.run(lambda: Function(definition, self._read), heavy=True, script=True)
        return self._once.keep(definition.version, made)

    async def prove(self, function: Function, found: Captured) -> None:
        """Refuse a captured function that does not answer what was recorded. Errors: InvalidInput."""
        answer = await self.evaluate(function, "value", {"inputs": dict(found.inputs)}, lambda a: a)
        for made, recorded in zip(answer["outputs"].values(), found.outputs, strict=True):
            if made.dtype != recorded.dtype or not np.array_equal(made, recorded, equal_nan=made.dtype.kind in "fc"):
                raise InvalidInput(
                    "the graph does not lead to the values that the session holds: a tensor of it was written in place since, or it draws "
                    "random numbers",
                    argument="outputs",
                )

    async def put(
        self,
        name: str,
        function: Function,
        *,
        tenant: str = DEFAULT_TENANT,
        if_match: frozenset[str] | None = None,
        if_none_match: frozenset[str] | None = None,
        told: Told | None = None,
    ) -> tuple[Held, bool]:
        """Keep a function under a name; answers it and whether the name is new.

        if_match, if_none_match: versions, or "*" for any. told: of that, and of the versions that there will be, the newest first, says
        what the store is to keep with it. Errors: PreconditionFailed, LimitExceeded, Damaged; then nothing has changed.
        """
        check_name(name)
        self._check_whole()
        async with self._turn:
            return await self._put(name, function, tenant, if_match, if_none_match, told)

    async def _put(
        self,
        name: str,
        function: Function,
        tenant: str,
        if_match: frozenset[str] | None,
        if_none_match: frozenset[str] | None,
        told: Told | None,
    ) -> tuple[Held, bool]:
        before = self._held.get((tenant, name))
        self._check_conditions(before, if_match, if_none_match)
        if before is None and sum(t == tenant for t, _ in self._held) >= self._own.functions:
            limit = self._own.functions
            raise LimitExceeded("functions", limit, limit + 1, "functions", "this tenant")
        held = Held(tenant, name, self._clock.now(), function)
        if before is not None and next(reversed(before)) == held.version:
            return before[held.version], False
        if self._bytes + held.size > self._own.functions_bytes:
            asked = self._bytes + held.size
            raise LimitExceeded("functions_bytes", self._own.functions_bytes, asked, "bytes", "what all functions hold")
        definition = function.definition.to_data()
        older = [h for h in reversed((before or {}).values()) if h.version != held.version]
        beside = None if told is None else told(held, before is None, [held, *older][: self._own.function_versions])
        await self._store.put(Record(tenant, name, held.version, held.created, definition), beside)
        for old in self._keep(held):
            await self._store.forget(tenant, name, old)
        return held, before is None

    def _keep(self, held: Held) -> list[str]:
        """Make a version the newest; answers those that are too many."""
        versions = self._held.setdefault((held.tenant, held.name), {})
        known = versions.pop(held.version, None)
        self._bytes += 0 if known is not None else held.size
        versions[held.version] = held
        old = list(versions)[: -self._own.function_versions]
        for version in old:
            self._bytes -= versions.pop(version).size
        return old

    def _check_conditions(
        self, before: dict[str, Held] | None, if_match: frozenset[str] | None, if_none_match: frozenset[str] | None
    ) -> None:
        current = None if before is None else next(reversed(before))
        if if_match is not None and (current is None or not ({"*", current} & if_match)):
            found = "there is no such function" if current is None else f"the version is {current}"
            raise PreconditionFailed(f"If-Match names another version: {found}; nothing was changed", version=current)
        if if_none_match is not None and current is not None and {"*", current} & if_none_match:
            raise PreconditionFailed(
                f"If-None-Match: the function exists, its version is {current}; nothing was changed", version=current
            )

    def find(self, reference: str, *, tenant: str = DEFAULT_TENANT) -> Held:
        """The newest version of ``name``, or the one that ``name@hash`` pins. Errors: NotFound, Damaged."""
        self._check_whole()
        name, at, version = reference.partition("@")
        versions = self._held.get((tenant, name))
        if versions is None:
            raise NotFound("there is no such function: GET /v1/functions lists them")
        if not at:
            return versions[next(reversed(versions))]
        found = versions.get(version)
        if found is None and len(version) >= LEAST_PREFIX:
            alike = [h for v, h in versions.items() if v.startswith(version)]
            found = alike[0] if len(alike) == 1 else None
        if found is None:
            raise NotFound(
                f"the function has no such version: the last {self._own.function_versions} are kept, and named by their hash "
                f"or at least {LEAST_PREFIX} digits of it"
            )
        return found

    def versions(self, name: str, *, tenant: str = DEFAULT_TENANT) -> list[Held]:
        """The versions of a name, the newest first. Errors: Damaged."""
        self._check_whole()
        return list(reversed(self._held.get((tenant, name), {}).values()))

    def list(self, *, tenant: str = DEFAULT_TENANT) -> list[Held]:
        """The newest version of each function, by name. Errors: Damaged."""
        self._check_whole()
        return [v[next(reversed(v))] for (t, _), v in sorted(self._held.items()) if t == tenant]

    async def delete(
        self, name: str, *, tenant: str = DEFAULT_TENANT, if_match: frozenset[str] | None = None, told: Any = None
    ) -> None:
        """Forget a function with all its versions, and keep what is told with that. Errors: NotFound, PreconditionFailed."""
        if "@" in name:
            raise InvalidInput("a function is deleted with all its versions: leave out the hash", argument="name")
        async with self._turn:
            self.find(name, tenant=tenant)
            self._check_conditions(self._held[tenant, name], if_match, None)
            await self._store.forget(tenant, name, None, told)
            for held in self._held.pop((tenant, name)).values():
                self._bytes -= held.size

    # -- evaluating --------------------------------------------------------------------------------------------------

    async def evaluate(
        self, function: Function, verb: str, body: Mapping[str, Any], render: Callable[[Answer], T]
    ) -> T:
        """Read a call, compute what it asks for, and render it: on the event loop when that is light, else in a thread.

        Errors: InvalidInput, the engine's, StepFailed, ScriptError, LimitExceeded; QueueFull where too many heavy calls wait.
        """
        call = read_call(function, verb, body, self._read)
        answer = self._evaluator.known(function, call)
        if answer is not None:
            return render(answer)
        key = call.key()

        def work(asked: Call, light: bool) -> T:
            patience = PATIENCE.get()
            seconds = self._own.request_seconds if patience is None else max(patience.left, 0.001)
            budget = Work(self._limits, seconds=seconds, light=light)
            answer = self._evaluator.evaluate(function, asked, budget)
            size = elements(answer)
            if size > self._limits.tensor_elements:
                raise LimitExceeded("tensor_elements", self._limits.tensor_elements, size, "elements", "the answer")
            if light and size > SHOWN_LIGHTLY:
                raise TooHeavy
            return render(answer)

        if not function.heavy.get(key):
            with suppress(TooHeavy):
                return await self._executor.run(lambda: work(call, True), heavy=False)
            function.heavy.keep(key, True)
            call = read_call(function, verb, body, self._read)  # a function may have written to its inputs
        return await self._in_turn(function, lambda: work(call, False))

    async def draw(
        self, function: Function, of: str, shapes: Mapping[str, tuple[int, ...]], render: Callable[[Graph], T]
    ) -> T:
        """A picture of the function or of one of its derivatives, in a thread (``picture.drawn`` says of what and how).

        Errors: InvalidInput, the engine's, StepFailed, ScriptError, LimitExceeded, QueueFull.
        """
        if of not in DRAWN:
            raise InvalidInput(f"'of' must be one of {', '.join(DRAWN)}", argument="of")

        def work() -> T:
            budget = Work(self._limits, seconds=self._own.request_seconds)
            graph = drawn(function, of, shapes, self._read, budget)
            budget.tick()
            return render(graph)

        return await self._in_turn(function, work)

    async def _in_turn(self, function: Function, work: Callable[[], T]) -> T:
        """Heavy work in a thread, of which only so much may wait. Errors: QueueFull."""
        if self._waiting >= self._own.queue_places:
            raise QueueFull(
                f"{self._own.queue_places} heavy evaluations run or wait already; ask again later",
                **passed("queue_places", self._own.queue_places),
                retry_after=1,
            )
        self._waiting += 1
        try:
            return await self._executor.run(work, heavy=True, script=function.definition.code is not None)
        finally:
            self._waiting -= 1
