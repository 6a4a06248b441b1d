"""The verbs as functions of functions: what each computes of one example, by ``engine.func``. Under ``vmap`` the same text does a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine import func
from engine.errors import AutogradError
from engine.op import Spec
from engine.rules import rules
from engine.tensor import Tensor, wrap
from service.functions.call import Call
from service.functions.reading import value_of
from service.functions.work import Demand, Work
from service.steps.errors import InvalidInput, LimitExceeded

__all__ = ["Course", "admitted", "derived", "weights_of"]

BACK: Final = 3  # a walk back, in forward runs
FORTH: Final = 9  # a push forward: two recorded walks back
DIRECTED: Final = frozenset({"grad", "value_and_grad", "vjp", "jvp", "hvp"})
TWICE: Final = 12  # a walk back through a recorded walk


class Course:
    """One evaluation under way: the call, what it may ask for, and the function as one of its leaves alone.

    outputs: what a plan foresees; without one the derivative is admitted after the forward run, before anything else.
    """

    __slots__ = ("_run", "admits", "by_columns", "call", "work")

    def __init__(
        self,
        call: Call,
        work: Work,
        run: Callable[[list[Tensor]], dict[str, Tensor]],
        outputs: Mapping[str, Spec] | None,
    ) -> None:
        self.call = call
        self.work = work
        self.admits = outputs is None
        self.by_columns = outputs is not None and call.verb == "jacobian" and _forwards(*_sizes(call, outputs))
        self._run = run

    def run(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        """The outputs, by name."""
        outputs = self._run(tensors)
        if self.admits:
            self.admits = False
            specs = {name: Spec(tuple(t.shape), t.dtype) for name, t in outputs.items()}
            admitted(self.call, self.work, self.work.demand, specs, by_columns=False)
        return outputs

    def read(self, value: Any, dtype: str, where: str) -> np.ndarray[Any, Any]:
        """A cotangent or tangent, in its target's dtype."""
        return value_of(value, dtype, dtype, self.call.read, where)


def admitted(call: Call, work: Work, forward: Demand, outputs: Mapping[str, Spec], *, by_columns: bool) -> None:
    """Ask for what the derivative of a run costs, before it is begun. Errors: LimitExceeded, TooHeavy."""
    directions = max(len(call.cotangents or ()), len(call.tangents or ()), 1)
    verb = call.verb
    if verb in ("value", "abstract"):
        return
    rows, columns = _sizes(call, outputs)
    batch = max(call.batch, 1)
    limit = work.limits.tensor_elements
    if verb in DIRECTED:
        made = directions * batch * (rows if verb == "jvp" else columns)
        if made > limit:
            raise LimitExceeded("tensor_elements", limit, made, "elements", f"what {verb} answers")
    if verb in ("grad", "value_and_grad", "vjp"):
        work.derive(verb, forward, BACK * directions, 2)
        return
    if verb == "jvp":
        work.derive(verb, forward, FORTH * directions, 4)
        return
    if verb == "hvp":
        work.derive(verb, forward, BACK + 1 + TWICE * directions, 5)
        return
    if verb == "check":
        again = call.options["order"]
        work.derive(
            verb, forward, (2 * columns + 2 * BACK * rows) * 4 ** (again - 1) * max(columns * (again - 1), 1), 2 * again
        )
        return
    made = columns * columns if verb == "hessian" else rows * columns if by_columns else rows * max(rows, columns)
    if made * batch > limit:
        raise LimitExceeded("tensor_elements", limit, made * batch, "elements", f"the {verb}")
    if verb == "hessian":
        work.derive(verb, forward, BACK + 1 + TWICE * columns, 4 + 4 * columns)
    elif by_columns:
        work.derive(verb, forward, FORTH * columns, 4 + 2 * columns)
    else:
        work.derive(verb, forward, BACK * rows, 2 + 2 * min(rows, CHUNK))


CHUNK: Final = 256  # rows of a Jacobian that are walked back at once


def _sizes(call: Call, outputs: Mapping[str, Spec]) -> tuple[int, int]:
    """The elements of all outputs that have a derivative, and of all inputs that are differentiated for, of one example."""
    examples = call.examples()
    rows = sum(math.prod(s.shape) for s in outputs.values() if s.dtype.differentiable)
    return rows, sum(math.prod(examples[k].shape) for k in call.wrt)


def _forwards(rows: int, columns: int) -> bool:
    """Whether a Jacobian of so many rows and columns is cheaper by columns."""
    return rows > 4 * columns


def derived(
    course: Course,
    leaves: list[Tensor],
    weights: list[dict[str, Tensor]] | None,
    tangents: list[dict[str, Tensor]] | None,
) -> dict[str, Any]:
    """What the verb answers for one example, as tensors.

    weights, tangents: directions given as tensors; where None, they are read from the call.
    """
    call = course.call
    if call.verb == "value":
        return {"outputs": course.run(leaves)}
    function = _Differentiated(course, leaves)
    points = [leaves[k] for k in call.wrt]
    if call.verb == "jvp":
        return _jvp(course, function, points, tangents)
    if call.verb == "jacobian":
        return {"jacobian": _jacobian(function, points)}
    if call.verb == "hessian":
        return {"hessian": _hessian(function, points, weights)}
    if call.verb == "hvp":
        return _hvp(course, function, points, weights, tangents)
    outputs, pull = func.vjp(function, *points)
    shown = function.shown(outputs)
    found = []
    directions: Sequence[Any] = weights or call.cotangents or (None,)
    for number, direction in enumerate(directions):
        chosen = weights_of(course, shown, direction, number)
        pulled = pull(*[chosen[n] if n in chosen else rules.zeros_like(shown[n]) for n in function.names])
        found.append(function.by_path(pulled))
    answer: dict[str, Any] = {} if call.verb == "grad" else {"outputs": shown}
    answer["gradients"] = found if call.several else found[0]
    return answer


class _Differentiated:
    """The function of the leaves that are differentiated for; answers the outputs that have a derivative, and remembers the others."""

    def __init__(self, course: Course, leaves: list[Tensor]) -> None:
        self.course = course
        self.leaves = leaves
        self.names: list[str] = []
        self.others: dict[str, Tensor] = {}
        self.order: list[str] = []

    def __call__(self, *points: Tensor) -> tuple[Tensor, ...]:
        leaves = list(self.leaves)
        for k, point in zip(self.course.call.wrt, points, strict=True):
            leaves[k] = point
        outputs = self.course.run(leaves)
        self.order = list(outputs)
        self.names = [n for n, t in outputs.items() if t.dtype.differentiable]
        self.others = {n: t for n, t in outputs.items() if not t.dtype.differentiable}
        return tuple(outputs[n] for n in self.names)

    def shown(self, outputs: Any) -> dict[str, Tensor]:
        """All outputs by name."""
        found = {**dict(zip(self.names, outputs, strict=True)), **self.others}
        return {name: found[name] for name in self.order}

    def by_path(self, parts: Any) -> dict[str, Any]:
        """Parts for each input, by path."""
        call = self.course.call
        return {call.paths[k]: part for k, part in zip(call.wrt, parts, strict=True)}


def weights_of(course: Course, outputs: Mapping[str, Tensor], direction: Any, number: int) -> dict[str, Tensor]:
    """The weight of each output: what is given, or 1 where nothing is and each output has one element.

    Errors: AutogradError in PyTorch's words for an output of several elements; InvalidInput for a name, a shape or a dtype.
    """
    if direction is None:
        found = {}
        for name, t in outputs.items():
            if not t.dtype.differentiable:
                continue
            if t.numel() != 1:
                raise AutogradError(
                    f"grad can be implicitly created only for scalar outputs (output '{name}' has shape {list(t.shape)}: give "
                    "'cotangents', or ask for the jacobian)"
                )
            if t.is_complex():
                raise AutogradError(f"grad can be implicitly created only for real scalar outputs but got {t.dtype}")
            found[name] = rules.ones_like(t.detach())
        return found
    weights = {}
    for name, value in direction.items():
        target = outputs.get(name)
        if target is None:
            raise InvalidInput(
                f"there is no such output: there are {', '.join(list(outputs)[:20])}", argument="cotangents"
            )
        weights[name] = (
            value if isinstance(value, Tensor) else _given(course, value, target, "cotangents", name, number)
        )
    return weights


def _given(course: Course, value: Any, target: Tensor, field: str, name: str, number: int) -> Tensor:
    where = f"{field}[{number}].{name}" if course.call.several else f"{field}.{name}"
    if not target.dtype.differentiable:
        raise InvalidInput(f"'{name}' is {target.dtype.name}: it has no derivative", argument=where)
    array = course.read(value, target.dtype.name, where)
    if array.shape != tuple(target.shape):
        raise InvalidInput(f"{where} must have shape {list(target.shape)}, got {list(array.shape)}", argument=where)
    return wrap(array if array.ndim else array[()])


def _tangents(course: Course, points: list[Tensor], given: list[dict[str, Tensor]] | None) -> list[list[Tensor]]:
    """For each direction one tangent for each point; zeros where nothing is given."""
    call = course.call
    assert call.tangents is not None
    out = []
    for number, direction in enumerate(given or call.tangents):
        row: list[Tensor] = []
        for k, point in zip(call.wrt, points, strict=True):
            path = call.paths[k]
            value: Any = direction.get(path)
            if value is None:
                row.append(rules.zeros_like(point.detach()))
            else:
                row.append(
                    value if isinstance(value, Tensor) else _given(course, value, point, "tangents", path, number)
                )
        out.append(row)
    return out


def _jvp(
    course: Course, function: _Differentiated, points: list[Tensor], given: list[dict[str, Tensor]] | None
) -> dict[str, Any]:
    rows = _tangents(course, points, given)
    outputs, push = func.linearize(function, *points)
    moved = [dict(zip(function.names, push(*row), strict=True)) for row in rows]
    return {"outputs": function.shown(outputs), "tangents": moved if course.call.several else moved[0]}


def _scalar(function: _Differentiated, weights: list[dict[str, Tensor]] | None) -> Callable[..., Tensor]:
    """The weighted sum of the outputs, as one number."""
    course = function.course

    def value(*points: Tensor) -> Tensor:
        found = function(*points)
        outputs = dict(zip(function.names, found, strict=True))
        direction = weights[0] if weights else (course.call.cotangents[0] if course.call.cotangents else None)
        chosen = weights_of(course, outputs, direction, 0)
        total: Any = None
        for name, weight in chosen.items():
            t = outputs[name]
            part = rules.sum(t * rules.conj(weight) if t.is_complex() else t * weight)
            part = rules.real(part) if t.is_complex() else part
            total = part if total is None else total + part
        if total is None:
            raise InvalidInput("no output has a derivative: none is of floating point or complex dtype")
        return rules.reshape(total, ())  # type: ignore[no-any-return]

    return value


def _hvp(
    course: Course,
    function: _Differentiated,
    points: list[Tensor],
    weights: list[dict[str, Tensor]] | None,
    given: list[dict[str, Tensor]] | None,
) -> dict[str, Any]:
    rows = _tangents(course, points, given)
    gradient = func.grad(_scalar(function, weights), argnums=tuple(range(len(points))))
    _, pull = func.vjp(gradient, *points)
    found = [function.by_path(pull(tuple(row))) for row in rows]
    return {"hvp": found if course.call.several else found[0]}


def _jacobian(function: _Differentiated, points: list[Tensor]) -> dict[str, Any]:
    numbers = tuple(range(len(points)))
    if function.course.by_columns:
        blocks = func.jacfwd(function, numbers)(*points)
    else:
        blocks = func.jacrev(function, numbers, chunk_size=CHUNK)(*points)
    if not function.names:
        raise InvalidInput("no output has a derivative: none is of floating point or complex dtype")
    return {name: function.by_path(block) for name, block in zip(function.names, blocks, strict=True)}


def _hessian(
    function: _Differentiated, points: list[Tensor], weights: list[dict[str, Tensor]] | None
) -> dict[str, Any]:
    blocks = func.hessian(_scalar(function, weights), tuple(range(len(points))))(*points)
    return function.by_path([function.by_path(block) for block in blocks])
