"""Evaluator: the seam between what is asked of a function and how it is computed. Here the eager one, on the engine's own tensors.

A plan is made first, on hollow tensors: what comes out, and what the run asks for, before anything is computed. A function whose course
depends on values has no plan: its calls are admitted one by one as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from engine import dtypes
from engine.backward import grad
from engine.batching import hollowing
from engine.errors import EngineError
from engine.foresight import guard
from engine.func import vmap
from engine.generator import Generator, current_generator
from engine.hollow import hollow
from engine.op import Estimate, Op, Spec
from engine.tensor import Tensor, wrap
from service.functions.call import Answer, Call
from service.functions.checking import checked
from service.functions.derivatives import Course, admitted, derived, weights_of
from service.functions.function import Function
from service.functions.program import named
from service.functions.reading import value_of
from service.functions.work import Demand, Work
from service.steps.errors import DeadlineExceeded, InvalidInput, LimitExceeded, ServiceError

__all__ = [
    "Directions",
    "EagerEvaluator",
    "Evaluator",
    "Plan",
    "Runs",
    "computed",
    "read_directions",
    "run_named",
    "setting",
]

GRADS: Final = frozenset({"grad", "value_and_grad", "vjp"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a signature comes to: the outputs of one example by name, and what the run asks for, of all examples together.

    dynamic: why that is not known before it runs; None where it is.
    """

    outputs: dict[str, Spec]
    demand: Demand
    dynamic: str | None = None


class Evaluator(Protocol):
    """Computes what a call asks for."""

    def plan(self, function: Function, call: Call, work: Work) -> Plan:
        """What the call would come to; nothing is computed. Errors: LimitExceeded for a call of an operator that passes a limit."""

    def known(self, function: Function, call: Call) -> Answer | None:
        """The answer where it is had at once, in far less than a millisecond; None: it must be evaluated."""

    def evaluate(self, function: Function, call: Call, work: Work) -> Answer:
        """Arrays by name, as the verb says. Errors: the engine's, InvalidInput, LimitExceeded, TooHeavy."""


class _Stream(Generator):
    """A stream that is not started before it is drawn from."""

    __slots__ = ()

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bits = None  # type: ignore[assignment]

    def numbers(self) -> np.random.Generator:
        bits: np.random.Generator | None = self._bits
        if bits is None:
            self.manual_seed(self._seed)
        return super().numbers()

    def get_state(self) -> dict[str, Any]:
        self.numbers()
        return super().get_state()


@contextmanager
def setting(function: Function, call: Call, work: Work) -> Iterator[None]:
    """The default dtype, the stream of random numbers of this request alone, its limits for derivatives, and silence of NumPy."""
    dtype = dtypes.default_dtype.set(dtypes.DTYPES[function.definition.default_dtype])
    stream = current_generator.set(_Stream(call.seed))
    limits = guard.set(lambda what, estimate: work.weigh(what, estimate, 1))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        guard.reset(limits)
        current_generator.reset(stream)
        dtypes.default_dtype.reset(dtype)


class EagerEvaluator:
    """The Evaluator that runs every operator as it comes."""

    def plan(self, function: Function, call: Call, work: Work) -> Plan:
        """What one example comes to; remembered for the signature."""
        signature = call.signature()
        found: Plan | None = function.plans.get(signature)
        if found is not None:
            return found
        with setting(function, call, work):
            made = _planned(function, call, work)
        function.plans.keep(signature, made)
        return made

    def known(self, function: Function, call: Call) -> Answer | None:  # noqa: ARG002 - the protocol's signature
        """Nothing is."""
        return None

    def evaluate(self, function: Function, call: Call, work: Work) -> Answer:
        """Plan, admit, compute."""
        plan = self.plan(function, call, work)
        work.batch = call.batch or 1
        with setting(function, call, work):
            if call.verb == "abstract":
                return _abstract(function, call, work, plan)
            forward = Demand()
            if plan.dynamic is None:
                forward = plan.demand
                trusted = function.program.predictable and call.verb != "check"  # which runs in another dtype
                work.expect(call.verb, forward, trusted=trusted)
            known = None if plan.dynamic is not None else plan.outputs
            work.double = call.verb == "check"
            with function.program.opened(work) as run:
                course = Course(call, work, lambda tensors: run_named(function, call, tensors, run), known)
                if known is not None:
                    admitted(call, work, forward, known, by_columns=course.by_columns)
                return _answer(course, plan)


Runs = Callable[[Mapping[str, Any]], Any]


def _answer(course: Course, plan: Plan) -> Answer:
    call = course.call
    if call.verb == "check":
        return checked(course)
    arrays = list(call.arrays)
    directions = _read_directions(course, plan, arrays) if call.batch else None
    answer: Answer = _arrays(computed(course, [_tensor(a) for a in arrays], directions))
    return answer


def computed(course: Course, tensors: list[Tensor], directions: Directions | None) -> dict[str, Any]:
    """What a call asks for, as a tree of tensors. tensors: the call's, and after them those of ``directions``.

    directions: None where they are read from the call when the outputs are known.
    """
    call = course.call
    if call.batch:
        assert directions is not None
        return _batched(course, tensors, directions)
    count = len(call.arrays)
    weights = tangents = None
    if directions is not None:
        weights, tangents = _placed(directions.weights, tensors), _placed(directions.tangents, tensors)
    if call.verb in GRADS:
        return _gradients(course, tensors[:count], weights)
    return derived(course, tensors[:count], weights, tangents)


def run_named(function: Function, call: Call, tensors: list[Tensor], run: Runs) -> dict[str, Tensor]:
    """The outputs of a run, by name."""
    return named(run(call.arguments(tensors)), function.names)


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return wrap(array if array.ndim else array[()])


def _planned(function: Function, call: Call, work: Work) -> Plan:
    demand = Demand()
    dynamic: str | None = None
    rehearsal = Work(work.limits, seconds=work.seconds)

    def listen(op: Op, estimate: Estimate) -> None:
        nonlocal demand, dynamic
        rehearsal.tick()
        rehearsal.weigh(op.name, estimate, 1)
        size = sum(s.nbytes for s in estimate.outputs) + estimate.workspace
        demand = demand.plus(estimate.cost, 0 if op.kind == "view" else size)
        if estimate.bound:
            dynamic = dynamic or f"the shape of what {op.name}() makes depends on values"

    silent = Work(work.limits, seconds=work.seconds, light=work.light)
    silent.planned = silent.rehearses = True  # the listener admits
    try:
        with hollowing(listen), function.program.opened(silent) as run:
            outputs = _rehearsed(call, lambda tensors: run_named(function, call, tensors, run))
    except (DeadlineExceeded, LimitExceeded):
        raise
    except (EngineError, ServiceError) as error:
        return Plan({}, Demand(), f"the function reads values, or fails: {error}"[:300])
    if dynamic is not None:
        return Plan({}, Demand(), dynamic)
    first = 1 if call.batch else 0  # the batch stands before each example's dims
    specs = {name: Spec(tuple(t.shape)[first:], t.dtype) for name, t in outputs.items()}
    return Plan(specs, demand)


def _rehearsed(call: Call, run: Callable[[list[Tensor]], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The outputs of hollow inputs: of a batch as vmap will have it, so that what is the same for all examples is counted once."""
    values = [hollow(Spec(a.shape, dtypes.of_numpy(a.dtype))) for a in call.arrays]
    if not call.batch:
        return run(list(values))
    assert call.axes is not None
    outputs: dict[str, Tensor] = vmap(lambda *given: run(list(given)), tuple(call.axes), randomness="different")(
        *values
    )
    return outputs


def _abstract(function: Function, call: Call, work: Work, plan: Plan) -> Answer:
    specs = plan.outputs
    if plan.dynamic is not None:
        if call.hollow or call.batch:
            raise InvalidInput(
                f"shapes alone do not tell what comes out: {plan.dynamic}. Give the inputs' values, without a batch",
                argument="inputs",
            )
        with function.program.opened(work) as run:
            outputs = run_named(function, call, [_tensor(a) for a in call.arrays], run)
        specs = {name: Spec(tuple(t.shape), t.dtype) for name, t in outputs.items()}
    head = [call.batch] if call.batch else []
    demand = plan.demand if plan.dynamic is None else work.demand
    return {
        "outputs": {name: {"shape": head + list(s.shape), "dtype": s.dtype.name} for name, s in specs.items()},
        "inputs": {
            p: {"shape": list(a.shape), "dtype": a.dtype.name} for p, a in zip(call.paths, call.arrays, strict=True)
        },
        "estimate": {"cost": demand.cost, "bytes": demand.bytes, "calls": demand.calls},
        "computed": plan.dynamic is not None,
    }


def _gradients(course: Course, tensors: list[Tensor], given: list[dict[str, Tensor]] | None) -> dict[str, Any]:
    """The short way to gradients of one example: one recorded run, one walk back for each direction."""
    call = course.call
    points = [tensors[k] for k in call.wrt]
    for point in points:
        point.requires_grad_()
    outputs = course.run(tensors)
    live = {name: t for name, t in outputs.items() if t.requires_grad}
    answer: dict[str, Any] = {}
    if call.verb != "grad":
        answer["outputs"] = {name: t.detach() for name, t in outputs.items()}
    found: list[dict[str, Any]] = []
    directions: Sequence[Any] = given or call.cotangents or (None,)
    for number, direction in enumerate(directions):
        weights: dict[str, Any]
        if (
            direction is None
            and all(t._array.size == 1 for t in outputs.values() if t._array.dtype.kind == "f")
            and not any(t._array.dtype.kind == "c" for t in outputs.values())
        ):
            weights = dict.fromkeys(live)  # the walk begins at 1 by itself
        else:
            weights = weights_of(course, outputs, direction, number)
        chosen = [name for name in live if name in weights]
        pulled: Sequence[Any] = [None] * len(points)
        if chosen:
            pulled = grad(
                [live[n] for n in chosen],
                points,
                [weights[n] for n in chosen],
                retain_graph=number + 1 < len(directions),
                allow_unused=True,
            )
        found.append(
            {
                call.paths[k]: _tensor(np.zeros_like(call.arrays[k])) if g is None else g
                for k, g in zip(call.wrt, pulled, strict=True)
            }
        )
    answer["gradients"] = found if call.several else found[0]
    return answer


def _batched(course: Course, tensors: list[Tensor], directions: Directions) -> dict[str, Any]:
    """All examples at once, through vmap."""
    count = len(course.call.arrays)

    def one(*given: Tensor) -> Any:
        return derived(
            course, list(given[:count]), _placed(directions.weights, given), _placed(directions.tangents, given)
        )

    answer: dict[str, Any] = vmap(one, tuple(directions.axes), randomness="different")(*tensors)
    return answer


@dataclass(frozen=True, slots=True)
class Directions:
    """Cotangents and tangents among the arrays that a call works on: for each direction the place by name. axes: of all arrays."""

    weights: list[dict[str, int]] | None
    tangents: list[dict[str, int]] | None
    axes: list[int | None]


def read_directions(call: Call, plan: Plan, arrays: list[Any]) -> Directions:
    """Read a call's directions, and append them to the arrays. Errors: InvalidInput."""
    axes: list[int | None] = list(call.axes or [None] * len(call.arrays))
    weights = _placed_in(
        call, call.cotangents, plan.outputs, "cotangents", dict.fromkeys(plan.outputs, 0), arrays, axes
    )
    inputs = dict(zip(call.paths, call.examples(), strict=True))
    places = dict(zip(call.paths, call.axes or [None] * len(call.paths), strict=True))
    tangents = _placed_in(call, call.tangents, inputs, "tangents", places, arrays, axes)
    return Directions(weights, tangents, axes)


def _read_directions(course: Course, plan: Plan, arrays: list[Any]) -> Directions:
    if plan.dynamic is not None:
        raise InvalidInput(
            f"a batch goes through vmap, where every example has its own values: {plan.dynamic}", argument="in_axes"
        )
    return read_directions(course.call, plan, arrays)


def _placed_in(
    call: Call,
    given: list[dict[str, Any]] | None,
    targets: Mapping[str, Spec],
    field: str,
    where: Mapping[str, int | None],
    arrays: list[Any],
    axes: list[int | None],
) -> list[dict[str, int]] | None:
    """Append directions to the arrays: of the shape of a batch, or of one example for all."""
    if given is None:
        return None
    batch = call.batch
    out: list[dict[str, int]] = []
    for number, direction in enumerate(given):
        places: dict[str, int] = {}
        for name, value in direction.items():
            path = f"{field}[{number}].{name}" if call.several else f"{field}.{name}"
            spec = targets.get(name)
            if spec is None:
                raise InvalidInput(
                    f"there is no such output: there are {', '.join(list(targets)[:20])}", argument=field
                )
            array = value_of(value, spec.dtype.name, spec.dtype.name, call.read, path)
            axis = where[name] if batch else None
            whole = None if axis is None else (*spec.shape[:axis], batch, *spec.shape[axis:])
            if array.shape == spec.shape:
                axis = None
            elif array.shape != whole:
                raise InvalidInput(
                    f"{path} must have the shape of one example, {list(spec.shape)}"
                    + ("" if whole is None else f", or of all, {list(whole)}")
                    + f"; got {list(array.shape)}",
                    argument=path,
                )
            places[name] = len(arrays)
            arrays.append(array)
            axes.append(axis)
        out.append(places)
    return out


def _placed(places: list[dict[str, int]] | None, given: Sequence[Tensor]) -> list[dict[str, Tensor]] | None:
    return None if places is None else [{name: given[k] for name, k in p.items()} for p in places]


def _arrays(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: _arrays(v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_arrays(v) for v in tree]
    return np.asarray(tree._array)
