"""Tracing: a function is run once on ghosts of its arguments, while every kernel that runs beside it, on the values, is written down.

Rules of this file: what the function sees are ghosts, so its course depends on shapes, dtypes and constants alone. Composites are taken
apart. A derivative that the function takes, or that is taken of it, is walked on traced tensors (``walk.py``): its rules are lines of
the same program. What cannot be repeated is refused: in-place writes, random numbers, values that are asked for, outputs whose shape
depends on values. A constant that was written after it was used is found by its version.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from engine import backward, batching, hollow
from engine.apply import shape_of
from engine.doors import OPERATORS
from engine.errors import EngineError
from engine.generator import Generator, current_generator
from engine.grad_mode import grad_enabled
from engine.node import Extra, Node, Port, sequence
from engine.op import Op
from engine.plan import Plan, plan_of
from engine.program.ghost import UNREADABLE, Ghost, Traced, Untraceable, traced
from engine.program.program import Line, Program, assembled
from engine.program.shortening import shortened
from engine.program.walk import TracedWalk
from engine.promotion import estimate, promoted
from engine.rules import rules
from engine.shapes import infer_size
from engine.tensor import Tensor, node_of, wrap

__all__ = ["Tracer", "trace", "tracing"]

HARMLESS: Final = frozenset({"linear", "pointwise", "reduce", "view"})
LIKE: Final = frozenset({"full_like", "new_full", "new_ones", "new_zeros", "ones_like", "zeros_like"})
"""Rows that look at their tensor's shape and dtype only: what they make is a constant."""
MOST_LINES: Final = 20_000
MOST_BYTES: Final = 128 * 2**20  # of all that a trace makes, which it holds to its end
FAILURES: Final = (
    EngineError, ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError,
)  # fmt: skip


class _NoStream(Generator):
    """A stream from which nothing can be drawn."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def _refuse(self, *_: Any) -> Any:
        raise Untraceable("the function draws random numbers")

    numbers = get_state = set_state = manual_seed = seed = initial_seed = numbers_state = _refuse  # type: ignore[assignment]


class Tracer:
    """One trace: the values beside the ghosts, the constants, and the lines so far."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.constants: dict[int, Any] = {}
        self.lines: list[Line] = []
        self.nbytes = 0
        self._known: dict[int, int] = {}  # the place of a constant array, by its identity
        self._versions: list[tuple[list[Any], int]] = []

    # -- places --------------------------------------------------------------------------------------------------------

    def ghost(self, value: Any) -> Ghost:
        """A new place that holds a value, as a ghost."""
        self.values.append(value)
        return Ghost(value.shape, value.dtype, len(self.values) - 1)

    def _constant(self, value: Any) -> int:
        """The place of a value that is the same for all arguments."""
        shared = isinstance(value, (np.ndarray, np.generic))
        if shared and id(value) in self._known:
            return self._known[id(value)]
        self.values.append(value)
        place = len(self.values) - 1
        self.constants[place] = value
        if shared:
            self._known[id(value)] = place  # held by ``values``, so its identity is nobody else's
        return place

    def _place(self, ghost: Ghost) -> int:
        if ghost.slot is None:
            raise Untraceable(UNREADABLE)
        return ghost.slot

    def value(self, t: Tensor) -> Any:
        """What a tensor of the function stands for, as a raw array."""
        return self.values[self._place(t._array)] if type(t) is Traced else t._array

    def _line(
        self, function: Callable[..., Any], inputs: Sequence[int], value: Any, name: str, *, safe: bool, cost: int = 0
    ) -> int:
        if len(self.lines) >= MOST_LINES:
            raise Untraceable(f"the function makes more than {MOST_LINES:,} calls")
        self.values.append(value)
        place = len(self.values) - 1
        size = value.nbytes if isinstance(value, np.ndarray) and value.base is None else 0
        self.nbytes += size
        if self.nbytes > MOST_BYTES:
            raise Untraceable(f"what the function makes does not fit into {MOST_BYTES:,} bytes at once")
        self.lines.append(Line(function, tuple(inputs), place, name, safe, cost, size))
        return place

    def _made(self, place: int) -> Ghost:
        value = self.values[place]
        return Ghost(value.shape, value.dtype, place)

    # -- the door ------------------------------------------------------------------------------------------------------

    def inplace(self, op: Op, bound: list[Any]) -> Any:
        """The hook of the in-place door. What is no ghost's is written as ever."""
        if any(_is_traced(bound[i]) for i in op.tensors):
            raise Untraceable(f"the function writes in place: {op.name}_()")
        return NotImplemented

    def call(self, op: Op, bound: list[Any]) -> Any:
        """The hook of the general door: runs the kernel on the values, writes it down, and answers ghosts; as ``apply.run`` does."""
        if not any(_is_traced(bound[i]) for i in op.tensors):
            return NotImplemented
        if op.schema.line.endswith("-> bool"):
            raise Untraceable(UNREADABLE)
        if op.kind == "composite":
            return self._reshaped(*bound) if op.id == "reshape" else NotImplemented
        found = estimate(op, bound)
        if found.bound:
            raise Untraceable(f"the shape of what {op.name}() makes depends on values")
        raws, places = self._arguments(op, bound)
        out = op.kernel(*raws)
        if op.name in LIKE:
            return wrap(out if out.ndim else out[()])
        several = type(out) is tuple or type(out) is list
        first = out[0] if several else out
        safe = op.kind in HARMLESS and all(v.dtype.kind in "fc" for v in _arrays([first, *raws]))
        function, inputs = self._leanest(op, bound, raws, places, out)
        place = self._line(function, inputs, out, op.id, safe=safe, cost=found.cost)
        if not several:
            ghosts = [self._made(place)]
        else:
            ghosts = [
                self._made(self._line(operator.itemgetter(k), [place], o, f"{op.name}[{k}]", safe=True))
                for k, o in enumerate(out)
            ]
        tensors = [traced(g) for g in ghosts]
        self._record(op, bound, raws, places, tensors, several)
        if not several:
            return tensors[0]
        named = op.schema.returns
        if not named or named == ("",):
            return tuple(tensors)
        from engine.return_types import of

        return of(op.name, named)(*tensors)

    def _reshaped(self, input: Tensor, shape: Sequence[int]) -> Any:
        """A reshape is a view where the values' layout, which no ghost knows, allows one."""
        try:
            np.reshape(self.value(input), infer_size(shape, input.numel()), copy=False)
        except ValueError:
            return rules._unsafe_view(rules._clone_contiguous(input), infer_size(shape, input.numel()))
        return NotImplemented

    def _arguments(self, op: Op, bound: list[Any]) -> tuple[list[Any], list[Any]]:
        """Raw values for the kernel, of one dtype where the row wants it; and the place of each (of a list a list, of None None)."""
        raws, places = bound[:], list[Any](bound)
        for i in op.tensors:
            v = bound[i]
            if type(v) is list:
                pairs = [(None, None) if t is None else self._operand(t) for t in v]
                raws[i], places[i] = [p[0] for p in pairs], [p[1] for p in pairs]
            elif isinstance(v, Tensor):
                raws[i], places[i] = self._operand(v)
            else:
                places[i] = None
        before = [v[:] if type(v) is list else v for v in raws]
        promoted(op, raws)
        for i in op.tensors:
            if type(raws[i]) is list:
                for k, value in enumerate(raws[i]):
                    places[i][k] = self._cast(before[i][k], value, places[i][k])
            else:
                places[i] = self._cast(before[i], raws[i], places[i])
        for i in range(len(bound)):
            if i not in op.tensors:
                places[i] = self._constant(raws[i])
        return raws, places

    def _operand(self, t: Tensor) -> tuple[Any, int]:
        if type(t) is Traced:
            place = self._place(t._array)
            return self.values[place], place
        if type(t) is not Tensor:
            raise Untraceable(f"the function mixes what it is traced with and a {type(t).__name__}")
        self._versions.append((t._version_cell, t._version_cell[0]))
        return t._array, self._constant(t._array)

    def _cast(self, before: Any, after: Any, place: int | None) -> int | None:
        """The place of an argument after promotion."""
        if after is None:
            return None
        if after is before and place is not None:
            return place
        if place is None or place in self.constants or not isinstance(before, (np.ndarray, np.generic)):
            return self._constant(after)
        cast = operator.methodcaller("astype", after.dtype)
        return self._line(cast, [place], after, f"to_{after.dtype.name}", safe=True, cost=after.size)

    def _leanest(
        self, op: Op, bound: list[Any], raws: list[Any], places: list[Any], out: Any
    ) -> tuple[Callable[..., Any], list[int]]:
        """The shortest call that does what the kernel does, as the short doors know it, and the places of its arguments."""
        if (
            op.ufunc is not None
            and all(places[i] is not None and type(places[i]) is not list for i in op.tensors)
            and len({getattr(raws[i], "dtype", None) for i in op.tensors}) == 1
            and raws[op.tensors[0]].dtype.char in "fd"
            and all(bound[i] == op.defaults[i] for i in range(len(bound)) if i not in op.tensors)
        ):
            inputs = [places[i] for i in op.tensors]
            if not isinstance(out, np.ndarray):
                inputs = [
                    self._constant(self.values[k][()]) if k in self.constants else k for k in inputs
                ]  # a number of NumPy's is faster than an array without dims
                if all(isinstance(self.values[k], np.generic) for k in inputs):
                    return OPERATORS.get(op.ufunc, op.ufunc), inputs
            return op.ufunc, inputs
        short = shortened(op, raws, out)
        if short is not None:
            function, constants = short
            return function, [places[0], *map(self._constant, constants)]
        inputs = []
        for place, value in zip(places, raws, strict=True):
            if type(place) is list:
                parts = [self._constant(None) if k is None else k for k in place]
                inputs.append(self._line(_listed, parts, value, "list", safe=True))
            else:
                inputs.append(self._constant(None) if place is None else place)
        return op.kernel, inputs

    def _record(
        self, op: Op, bound: list[Any], raws: list[Any], places: list[Any], tensors: list[Traced], several: bool
    ) -> None:
        """The node of the call, where one of its inputs requires grad; what it saves are ghosts."""
        if not grad_enabled.get():
            return
        nodes: list[Any] = []
        mask = 0
        for k, i in enumerate(op.tensors):
            v = bound[i]
            found = (
                [None if t is None else node_of(t) for t in v]
                if type(v) is list
                else [node_of(v)]
                if isinstance(v, Tensor)
                else [None]
            )
            nodes += found
            mask |= any(n is not None for n in found) << k
        plan = plan_of(op, mask) if mask else None
        if plan is None:
            return
        if several:
            node = self._node(op, plan, bound, raws, places, nodes, tensors)
            node.extra = Extra()
            node.extra.outputs = tuple((t._array.shape, t._array.dtype) for t in tensors)
            node.shape = ()
            node.dtype = None
            for k, t in enumerate(tensors):
                if t._array.dtype.kind in "fc" and k not in op.constant:
                    t._node = Port(node, k, t._array.shape, t._array.dtype)
            return
        (t,) = tensors
        if t._array.dtype.kind in "fc":
            node = self._node(op, plan, bound, raws, places, nodes, tensors)
            node.shape = t._array.shape
            node.dtype = t._array.dtype
            t._node = node

    def _node(
        self,
        op: Op,
        plan: Plan,
        bound: list[Any],
        raws: list[Any],
        places: list[Any],
        nodes: list[Any],
        tensors: list[Traced],
    ) -> Node:
        saved: list[Any] = []
        for what, i in plan.saves:
            if what == "input":
                one = type(places[i]) is not list
                kept = [
                    self._saved(r, p)
                    for r, p in ([(raws[i], places[i])] if one else zip(raws[i], places[i], strict=True))
                ]
                saved.append(kept[0] if one else kept)
            elif what == "result":
                saved.append(tensors[i]._array)
            elif what == "shape":
                saved.append(shape_of(bound[i], raws[i]))
            else:
                saved.append(tensors[i]._array.shape)
        node = object.__new__(Node)
        node.plan = plan
        node.attrs = tuple(
            v if i not in op.tensors else len(v) if type(v) is list else None for i, v in enumerate(bound)
        )
        node.edges = tuple(nodes)
        node.saved = tuple(saved)
        node.cells = ()
        node.seq = next(sequence)
        node.extra = None
        return node

    def _saved(self, raw: Any, place: int | None) -> Any:
        return raw if place is None or place in self.constants else Ghost(raw.shape, raw.dtype, place)

    # -- the end -------------------------------------------------------------------------------------------------------

    def finished(self, count: int, outputs: Sequence[Tensor]) -> Program:
        """The program of what was written down. Errors: Untraceable."""
        places = []
        for t in outputs:
            if type(t) is Traced:
                places.append(self._place(t._array))
            elif type(t) is Tensor:
                self._versions.append((t._version_cell, t._version_cell[0]))
                places.append(self._constant(t._array))
            else:
                raise Untraceable("the function answers something that is no tensor")
        if any(cell[0] != version for cell, version in self._versions):
            raise Untraceable("the function writes in place into a tensor that it has used")
        return assembled(count, self.constants, self.lines, places)


def _is_traced(value: Any) -> bool:
    return any(type(v) is Traced for v in value) if type(value) is list else type(value) is Traced


def _arrays(values: Sequence[Any]) -> Iterator[Any]:
    """The arrays among values, and in lists among them."""
    for v in values:
        if type(v) is list:
            yield from _arrays(v)
        elif isinstance(v, (np.ndarray, np.generic)):
            yield v


def _listed(*values: Any) -> list[Any]:
    return list(values)


@contextmanager
def tracing() -> Iterator[Tracer]:
    """Inside, calls on traced tensors are written down, also under ``vmap``, and walks carry traced tensors."""
    tracer = Tracer()
    tokens = hollow.active_tracer.set(tracer), backward.walks.set(TracedWalk), current_generator.set(_NoStream())
    try:
        with batching.bottomed(), np.errstate(all="ignore"):
            yield tracer
    finally:
        current_generator.reset(tokens[2])
        backward.walks.reset(tokens[1])
        hollow.active_tracer.reset(tokens[0])


def trace(function: Callable[..., Sequence[Tensor]], arrays: Sequence[Any]) -> tuple[Program, list[Any]]:
    """The program of a function of tensors that answers several, and what it answers for these arrays, as raw arrays.

    Errors: Untraceable, with the reason.
    """
    with tracing() as tracer:
        ghosts = [tracer.ghost(a) for a in arrays]
        try:
            tensors = list(function(*[traced(g) for g in ghosts]))
            program = tracer.finished(len(arrays), tensors)
        except Untraceable:
            raise
        except FAILURES as error:
            raise Untraceable(f"the function asks for more than shapes and dtypes: {error}"[:300]) from error
        return program, [tracer.value(t) for t in tensors]
