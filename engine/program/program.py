"""Program: a flat list of kernels over numbered places, replayed on raw arrays: no tensor, no node, no binding.

A step is (function, place, place or -1, getter or None, place of the result). Numbers, dims and the like stand in places of their own, so
that every step is a call on what stands in some places. Replaying holds nothing: threads may share a program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np

__all__ = ["Line", "Program", "assembled"]

LARGE: Final = 32 * 2**10  # bytes of an array that is let go as soon as nothing needs it
STEP_COST: Final = 1_000  # what a step costs by itself, in the operations of a kernel


@dataclass(slots=True)
class Line:
    """One call while a program is being made. safe: it cannot fail, whatever the values, so it may be left out where nothing needs it."""

    function: Callable[..., Any]
    inputs: tuple[int, ...]
    output: int
    name: str
    safe: bool
    cost: int = 0
    nbytes: int = 0


def _gone(_: Any) -> None:
    """What stands where an array was that nothing needs any more."""


class Program:
    """What ``assembled`` makes. cost: arithmetic of one replay and its steps' own; nbytes: what it holds of constants.

    >>> import numpy as np
    >>> from engine.program import trace
    >>> program, answer = trace(lambda x: [(x * x).sum()], [np.array([1.0, 2.0])])
    >>> program.run([np.array([3.0, 4.0])])
    [np.float64(25.0)]
    >>> print(program)
    v2 = mul.Tensor(v0, v0)
    v3 = sum(v2, None)
    return v3
    """

    __slots__ = ("_count", "_lines", "_outputs", "_start", "_steps", "cost", "nbytes")

    def __init__(
        self, count: int, start: list[Any], steps: tuple[Any, ...], outputs: list[int], lines: list[str], cost: int
    ) -> None:
        self._count = count
        self._start = start
        self._steps = steps
        self._outputs = outputs
        self._lines = lines
        self.cost = cost
        self.nbytes = sum(v.nbytes for v in start if isinstance(v, np.ndarray)) + 200 * (len(steps) + len(start))

    def __len__(self) -> int:
        return len(self._lines)

    def __str__(self) -> str:
        return "\n".join([*self._lines, f"return {', '.join(f'v{k}' for k in self._outputs)}"])

    def run(self, arrays: Sequence[Any], tick: Callable[[], None] | None = None) -> list[Any]:
        """The results for arrays of the shapes and dtypes that were traced, which is not checked here.

        Results may share memory with the arguments. tick: called before each step. Errors: what the kernels raise.
        """
        v = self._start.copy()
        v[: self._count] = arrays
        if tick is not None:
            for f, i, j, get, out in self._steps:
                tick()
                v[out] = f(*get(v)) if get is not None else f(v[i]) if j < 0 else f(v[i], v[j])
        else:
            for f, i, j, get, out in self._steps:
                v[out] = f(*get(v)) if get is not None else f(v[i]) if j < 0 else f(v[i], v[j])
        return [v[k] for k in self._outputs]


def assembled(count: int, constants: dict[int, Any], lines: list[Line], outputs: list[int]) -> Program:
    """A program of the lines that count: those that the outputs need, and those that may fail."""
    needed = set(outputs)
    kept: list[Line] = []
    for line in reversed(lines):
        if line.output in needed or not line.safe:
            kept.append(line)
            needed.update(line.inputs)
    kept.reverse()
    places = {k: k for k in range(count)}
    start: list[Any] = [None] * count
    for k, value in constants.items():
        if k in needed:
            places[k] = len(start)
            start.append(value)
    constant = set(range(count, len(start)))
    last: dict[int, int] = {}
    for number, line in enumerate(kept):
        places[line.output] = len(start)
        start.append(None)
        last.update(dict.fromkeys(line.inputs, number))
    large = {line.output for line in kept if line.nbytes >= LARGE} - set(outputs)
    steps: list[Any] = []
    shown: list[str] = []
    for number, line in enumerate(kept):
        at = [places[k] for k in line.inputs]
        steps.append(_step(line.function, at, places[line.output]))
        written = ", ".join(_written(start[p]) if p in constant else f"v{p}" for p in at)
        shown.append(f"v{places[line.output]} = {line.name}({written})")
        steps += [_step(_gone, [places[k]], places[k]) for k in set(line.inputs) & large if last[k] == number]
    cost = sum(line.cost + STEP_COST for line in kept)
    return Program(count, start, tuple(steps), [places[k] for k in outputs], shown, cost)


def _step(function: Callable[..., Any], at: list[int], out: int) -> tuple[Any, ...]:
    if len(at) == 1:
        return (function, at[0], -1, None, out)
    if len(at) == 2:
        return (function, at[0], at[1], None, out)
    return (function, -1, -1, itemgetter(*at), out)


def _written(value: Any) -> str:
    if isinstance(value, (np.ndarray, np.generic)):
        return str(value.item()) if value.size == 1 else f"<{value.dtype} {list(value.shape)}>"
    return str(value)
