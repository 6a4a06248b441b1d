"""ReplayingEvaluator: what is asked for a second time is traced, and from then on replayed as a flat list of kernels on raw arrays.

The first call of a signature runs eagerly: it finds the errors, and passes the limits, which follow from the signature alone. So does the
second, which is then traced, and the trace is kept only if it answers the same bits. Whatever a replay meets that it does not know (a
kernel's own error, above all) is left to the eager run, whose errors name the line. What reads values, writes in place or draws random
numbers always runs eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.errors import EngineError
from engine.func.tree import leaves_of
from engine.program import Program, Untraceable, trace
from engine.tensor import Tensor
from service.functions.call import Answer, Call
from service.functions.derivatives import Course
from service.functions.evaluator import (
    Directions,
    EagerEvaluator,
    Plan,
    Runs,
    computed,
    read_directions,
    run_named,
    setting,
)
from service.functions.function import Function
from service.functions.work import Work
from service.steps.errors import DeadlineExceeded, InvalidInput, ServiceError
from service.steps.limits import LIGHT_COST, TooHeavy
from service.steps.recent import Recent

__all__ = ["ReplayingEvaluator"]

MOST_BYTES: Final = 64 * 2**20
MOST_PROGRAMS: Final = 4_096
REFUSED_BYTES: Final = 400  # of an entry that holds no program
LIGHT: Final = 3 * LIGHT_COST // 10  # a replay of up to about 0.3 ms is done on the event loop
SHOWN_COST: Final = 30  # of writing a number
TRACED: Final = frozenset({"value", "grad", "value_and_grad", "vjp", "jvp", "hvp", "jacobian", "hessian"})
FAILURES: Final = (EngineError, ArithmeticError, LookupError, MemoryError, TypeError, ValueError)
Key = Any


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of a signature.

    program: None before the second call, and where ``why`` says why there is none. axes: of all arrays. cost: of a replay, and of
    writing what it answers.
    """

    program: Program | None = None
    build: Callable[[list[Any]], Any] | None = None
    axes: list[int | None] | None = None
    cost: int = 0
    why: str | None = None

    @property
    def nbytes(self) -> int:
        return REFUSED_BYTES + (0 if self.program is None else self.program.nbytes)


class ReplayingEvaluator(EagerEvaluator):
    """The Evaluator that replays what it can, and runs the rest eagerly."""

    def __init__(self) -> None:
        self.programs: Recent[_Kept] = Recent(MOST_BYTES, MOST_PROGRAMS)  # of all functions together

    def known(self, function: Function, call: Call) -> Answer | None:
        """The answer of a call that is replayed at once; None for any other, and where the eager run must tell what is wrong."""
        kept = self.programs.get((function.version, call.key()))
        if kept is None or kept.program is None or kept.cost > LIGHT:
            return None
        return self._replayed(function, call, kept, None)

    def evaluate(self, function: Function, call: Call, work: Work) -> Answer:
        """Replay; where that cannot be, plan, admit, compute."""
        if call.verb not in TRACED:
            return super().evaluate(function, call, work)
        key = (function.version, call.key())
        kept = self.programs.get(key)
        if kept is not None and kept.program is not None:
            if work.light and kept.cost > LIGHT:
                raise TooHeavy
            answer = self._replayed(function, call, kept, None if work.light else work.tick)
            if answer is not None:
                return answer
        answer = super().evaluate(function, call, work)
        if kept is None:
            self.programs.keep(key, _Kept())
        elif kept.program is None and kept.why is None:
            self._learn(key, function, call, work, answer)
        return answer

    def why(self, function: Function, call: Call) -> str | None:
        """Why a call's signature is not replayed; None where it is, or was not asked for twice yet."""
        kept = self.programs.get((function.version, call.key()))
        return None if kept is None else kept.why

    @staticmethod
    def _replayed(function: Function, call: Call, kept: _Kept, tick: Callable[[], None] | None) -> Answer | None:
        """The answer; None where the eager run must tell what is wrong. Errors: DeadlineExceeded."""
        program, build = kept.program, kept.build
        assert program is not None
        assert build is not None
        arrays = [a if a.ndim else a[()] for a in call.arrays]
        default = function.definition.default_dtype
        token = None if default == "float32" else dtypes.default_dtype.set(dtypes.DTYPES[default])
        try:
            if call.cotangents is not None or call.tangents is not None:
                arrays, directions, _ = _with_directions(function, call)
                if directions.axes != kept.axes:
                    return None
            with np.errstate(all="ignore"):
                found: Answer = build(program.run(arrays, tick))
        except (*FAILURES, InvalidInput):
            return None
        finally:
            if token is not None:
                dtypes.default_dtype.reset(token)
        return found

    def _learn(self, key: Key, function: Function, call: Call, work: Work, answer: Answer) -> None:
        """Trace a call that was just answered."""
        try:
            kept = _traced(function, call, work, answer)
        except DeadlineExceeded:
            return  # the next call tries again
        except (*FAILURES, ServiceError) as error:
            kept = _Kept(why=str(error)[:300])
        self.programs.keep(key, kept)


def _with_directions(function: Function, call: Call) -> tuple[list[Any], Directions, Plan]:
    """All arrays of a call as the engine holds them, and where its directions are among them. Errors: InvalidInput."""
    plan: Plan | None = function.plans.get(call.signature())
    if plan is None or plan.dynamic is not None:
        raise Untraceable("what comes out is not known before it runs" if plan is None else str(plan.dynamic))
    arrays: list[Any] = list(call.arrays)
    directions = read_directions(call, plan, arrays)
    return [a if a.ndim else a[()] for a in arrays], directions, plan


def _traced(function: Function, call: Call, work: Work, answer: Answer) -> _Kept:
    """The program of a call, proven on its answer. Errors: Untraceable, and what the function raises."""
    if not function.program.predictable:
        raise Untraceable("the function may go on after an error, or tell tensors apart")
    arrays, directions, plan = _with_directions(function, call)
    silent = Work(work.limits, seconds=work.seconds)
    silent.planned = True
    trees: list[Any] = []
    with setting(function, call, silent), function.program.opened(silent) as run:
        course = Course(call, silent, _runner(function, call, run), plan.outputs)

        def asked(*tensors: Tensor) -> list[Tensor]:
            trees.append(computed(course, list(tensors), directions))
            return leaves_of(trees[-1])

        program, values = trace(asked, arrays)
    build = _builder(trees[0], iter(range(len(values))))
    if not _same(build(values), answer):
        raise Untraceable("the trace does not answer what the function does")
    return _Kept(program, build, directions.axes, program.cost + SHOWN_COST * sum(v.size for v in values))


def _builder(tree: Any, places: Iterator[int]) -> Callable[[list[Any]], Any]:
    """What makes a tree like this one of a list of its leaves."""
    if isinstance(tree, dict):
        parts = [(key, _builder(value, places)) for key, value in tree.items()]
        return lambda values: {key: part(values) for key, part in parts}
    if isinstance(tree, (list, tuple)):
        pieces = [_builder(value, places) for value in tree]
        return lambda values: [piece(values) for piece in pieces]
    place = next(places)
    return itemgetter(place)


def _runner(function: Function, call: Call, run: Runs) -> Callable[[list[Tensor]], dict[str, Tensor]]:
    return lambda tensors: run_named(function, call, tensors, run)


def _same(a: Any, b: Any) -> bool:
    """Whether two answers have the same bits; any NaN is as good as another."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(v, w) for v, w in zip(a, b, strict=True))
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.tobytes() == b.tobytes() or (
        a.dtype.kind in "fc"
        and bool(((a == b) & (np.signbit(a.real) == np.signbit(b.real)) | (a != a) & (b != b)).all())  # noqa: PLR0124
    )
