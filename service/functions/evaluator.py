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
from service.functions.work import Demand, Work
from service.steps.errors import DeadlineExceeded, InvalidInput, LimitExceeded, ServiceError

__all__ = ["EagerEvaluator", "Evaluator", "Plan", "setting"]

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
def setting(function: Function, call: Call) -> Iterator[None]:
    """The default dtype, the stream of random numbers of this request alone, and silence of NumPy."""
    dtype = dtypes.default_dtype.set(dtypes.DTYPES[function.definition.default_dtype])
    stream = current_generator.set(_Stream(call.seed))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
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
        with setting(function, call):
            made = _planned(function, call, work)
        function.plans.keep(signature, made)
        return made

    def evaluate(self, function: Function, call: Call, work: Work) -> Answer:
        """Plan, admit, compute."""
        plan = self.plan(function, call, work)
        work.batch = call.batch or 1
        with setting(function, call):
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
                course = Course(call, work, lambda tensors: _run(function, call, tensors, run), known)
                if known is not None:
                    admitted(call, work, forward, known, by_columns=course.by_columns)
                return _answer(course, plan)


Runs = Callable[[Mapping[str, Any]], Any]


def _answer(course: Course, plan: Plan) -> Answer:
    call = course.call
    if call.verb == "check":
        return checked(course)
    if call.batch:
        return _batched(course, plan)
    if call.verb in GRADS:
        return _gradients(course)
    answer: Answer = _arrays(derived(course, [_tensor(a) for a in call.arrays], None, None))
    return answer


def _run(function: Function, call: Call, tensors: list[Tensor], run: Runs) -> dict[str, Tensor]:
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
            outputs = _rehearsed(call, lambda tensors: _run(function, call, tensors, run))
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
            outputs = _run(function, call, [_tensor(a) for a in call.arrays], run)
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


def _gradients(course: Course) -> Answer:
    """The short way to gradients of one example: one recorded run, one walk back for each direction."""
    call = course.call
    tensors = [_tensor(a) for a in call.arrays]
    points = [tensors[k] for k in call.wrt]
    for point in points:
        point.requires_grad_()
    outputs = course.run(tensors)
    live = {name: t for name, t in outputs.items() if t.requires_grad}
    answer: Answer = {}
    if call.verb != "grad":
        answer["outputs"] = {name: np.asarray(t._array) for name, t in outputs.items()}
    found: list[dict[str, Any]] = []
    directions: Sequence[Any] = call.cotangents or (None,)
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
        if not chosen:
            found.append({call.paths[k]: np.zeros_like(call.arrays[k]) for k in call.wrt})
            continue
        pulled = grad(
            [live[n] for n in chosen],
            points,
            [weights[n] for n in chosen],
            retain_graph=number + 1 < len(directions),
            allow_unused=True,
        )
        found.append(
            {
                call.paths[k]: np.zeros_like(call.arrays[k]) if g is None else np.asarray(g._array)
                for k, g in zip(call.wrt, pulled, strict=True)
            }
        )
    answer["gradients"] = found if call.several else found[0]
    return answer


def _batched(course: Course, plan: Plan) -> Answer:
    """All examples at once, through vmap."""
    call = course.call
    if plan.dynamic is not None:
        raise InvalidInput(
            f"a batch goes through vmap, where every example has its own values: {plan.dynamic}", argument="in_axes"
        )
    assert call.axes is not None
    values = [_tensor(a) for a in call.arrays]
    axes: list[int | None] = list(call.axes)
    weights = _directions(
        course, call.cotangents, plan.outputs, "cotangents", dict.fromkeys(plan.outputs, 0), values, axes
    )
    inputs = dict(zip(call.paths, call.examples(), strict=True))
    places = dict(zip(call.paths, call.axes, strict=True))
    tangents = _directions(course, call.tangents, inputs, "tangents", places, values, axes)
    count = len(call.arrays)

    def one(*given: Tensor) -> Any:
        return derived(course, list(given[:count]), _placed(weights, given), _placed(tangents, given))

    answer: Answer = _arrays(vmap(one, tuple(axes), randomness="different")(*values))
    return answer


Places = list[dict[str, int]]


def _directions(
    course: Course,
    given: list[dict[str, Any]] | None,
    targets: dict[str, Spec],
    field: str,
    where: dict[str, int | None],
    values: list[Tensor],
    axes: list[int | None],
) -> Places | None:
    """Append directions to the values that are mapped over: of the shape of a batch, or of one example for all."""
    if given is None:
        return None
    batch = course.call.batch
    out: Places = []
    for number, direction in enumerate(given):
        places: dict[str, int] = {}
        for name, value in direction.items():
            path = f"{field}[{number}].{name}" if course.call.several else f"{field}.{name}"
            spec = targets.get(name)
            if spec is None:
                raise InvalidInput(
                    f"there is no such output: there are {', '.join(list(targets)[:20])}", argument=field
                )
            array = course.read(value, spec.dtype.name, path)
            axis = where[name]
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
            places[name] = len(values)
            values.append(_tensor(array))
            axes.append(axis)
        out.append(places)
    return out


def _placed(places: Places | None, given: tuple[Tensor, ...]) -> list[dict[str, Tensor]] | None:
    return None if places is None else [{name: given[k] for name, k in p.items()} for p in places]


def _arrays(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {k: _arrays(v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_arrays(v) for v in tree]
    return np.asarray(tree._array)
