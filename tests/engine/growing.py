"""Calls of a size at which arrays, and not Python, take memory and time: the samples of the table, grown.

Arrays are repeated along some or all of their dims, so that what fitted together still does; where that means nothing, the numbers of
the call grow, or both. What cannot be grown from its samples stands in ``WRITTEN``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from engine.errors import EngineError, InvalidValueError
from engine.op import Estimate, Op, Sample
from engine.promotion import estimate
from engine.tensor import Tensor
from tests.engine.rows import arguments, call, flat, samples, tensor

__all__ = ["BY", "WAYS", "Grown", "grow", "is_measurable", "measured_call"]

LARGEST: Final = 200_000  # elements of an argument
FEWEST, MOST = 2_000, 20_000  # elements that a measured call reads and writes, at least; and reads, at most
BY: Final = (1_500, 700, 400, 200, 100, 40, 20, 15, 12, 8, 6, 4, 3, 2)
Way = tuple[Callable[[int, int], bool], bool]
"""Which dims of an array grow, by their number and the array's dims; whether the call's whole numbers do."""

WAYS: Final[tuple[Way, ...]] = (
    (lambda k, n: True, False),
    *((lambda k, n, at=at: k == at, False) for at in (0, 1, 2)),
    *((lambda k, n, at=at: k == n - at, False) for at in (1, 2, 3)),
    (lambda k, n: k < n - 2, False),
    (lambda k, n: False, True),
    (lambda k, n: True, True),
    *((lambda k, n, at=at: k == n - at, True) for at in (1, 2)),
    (lambda k, n: k == 0, True),
)


def _many(*shape: int) -> np.ndarray[Any, Any]:
    return np.linspace(0.5, 1.5, math.prod(shape)).reshape(shape)


WRITTEN: Final[dict[str, Callable[[], Sample]]] = {
    "linalg_solve_ex": lambda: Sample(2 * np.eye(60) + _many(60, 60) / 60, _many(60, 3)),
    "_bags": lambda: Sample(np.arange(3_000), np.arange(0, 3_000, 3), False, -1),
    "_convolution_weight": lambda: Sample(_many(20, 6, 30), _many(20, 4, 40), [11], [1], [0], [1], 1),
    "_fft_c2r": lambda: Sample(_many(60, 61), [1], 1, 120),
    "_pad_enum_backward": lambda: Sample(_many(60, 90), [60], [10, 20], "reflect"),
    "fft_rfftfreq": lambda: Sample(9_000, 0.5),
    "linalg_tensorinv": lambda: Sample(np.eye(120).reshape(6, 20, 120), 2),
    "linalg_tensorsolve": lambda: Sample(np.eye(120).reshape(6, 20, 120), _many(6, 20)),
    "slice_backward": lambda: Sample(_many(60, 50), (120, 50), 0, 1, 61, 1),
    "tensor": lambda: Sample([[1.0] * 60] * 60),
    "unfold_backward": lambda: Sample(_many(60, 29, 3), (60, 60), 1, 3, 2),
}


DERIVED: Final[dict[str, Callable[[], Sample]]] = {
    "_cumprod_backward": lambda: Sample(_many(4, 24), _many(4, 24), 1),
    "_others_product": lambda: Sample(_many(4, 40), 1),
    "cumprod": lambda: Sample(_many(4, 24), 1),
    "linalg_lu_factor": lambda: Sample(_many(300, 3) + np.eye(300, 3)),
    "linalg_vander": lambda: Sample(_many(30), N=20),
    "prod": lambda: Sample(_many(300)),
}
"""Smaller ones, for derivatives that make so much more than they are given that they say so beforehand."""


class Grown(NamedTuple):
    """A call: its arguments, what is foreseen, and how much it reads and writes."""

    bound: list[Any]
    expected: Estimate
    read: int  # bytes of the arguments
    written: int  # bytes of the outputs

    @property
    def elements(self) -> int:
        return sum(t.numel() for t in flat(self.bound))


def _array(a: Any, by: int, way: Way) -> Tensor:
    times = [by if n > 1 and way[0](k, a.ndim) else 1 for k, n in enumerate(a.shape)]
    if a.size * math.prod(times) > LARGEST:
        raise InvalidValueError("too large to be tried")
    return tensor(np.tile(np.ascontiguousarray(a), times) if a.ndim else a)


def _number(value: Any, by: int) -> Any:
    if type(value) is int and value > 1:
        return value * by
    if isinstance(value, (tuple, list)) and value and all(type(v) is int for v in value):
        return type(value)(v * by if v > 1 else v for v in value)
    return value


def grow(row: Op, sample: Sample, by: int, way: Way = WAYS[0]) -> Grown | None:
    """A sample's call, grown; None where it means nothing then."""
    if way[1]:
        named = {name: _number(v, by) for name, v in sample.kwargs.items()}
        sample = Sample(*(_number(v, by) for v in sample.args), **named)
    try:
        bound = arguments(row, sample, lambda a: _array(a, by, way))
        found = estimate(row, list(bound))
    except EngineError:
        return None
    written = sum(spec.nbytes for spec in found.outputs) if len(found.outputs) <= 1_000 else 2**40
    return Grown(bound, found, sum(t.numel() * t.dtype.itemsize for t in flat(bound)), written)


def is_measurable(found: Grown, most: int) -> bool:
    """Whether a call is of a size at which arrays take the memory, and not of more: in arithmetic ``most``."""
    if found.expected.cost > most or found.written + found.expected.workspace > 2**23:
        return False
    return found.elements <= MOST and found.elements + found.written // 8 >= FEWEST


def _candidates(row: Op, derived: bool) -> Iterator[Grown]:
    written = {**WRITTEN, **DERIVED} if derived else WRITTEN
    if row.id in written:
        found = grow(row, written[row.id](), 1)
        assert found is not None
        yield found
        return
    for most in (10**7, 3 * 10**8):
        for way in WAYS:
            for sample in samples(row):
                for by in BY:
                    found = grow(row, sample, by, way)
                    if found is not None and is_measurable(found, most):
                        yield found
                        break


@cache
def measured_call(row: Op, derived: bool = False) -> Grown | None:
    """The first that can be carried out; None where there is none. derived: one whose derivatives are asked for."""
    for tried, found in enumerate(_candidates(row, derived)):
        if tried > 20:
            break
        try:
            call(row, found.bound)
        except EngineError:  # values that the grown sample may not have, a matrix that has no inverse
            continue
        return found
    return None
