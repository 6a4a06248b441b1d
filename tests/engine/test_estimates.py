"""Estimates against reality: every row has one, its outputs are exact at any size, its workspace bounds what the call really takes.

The samples of the table are grown: every array is repeated along each of its dims, so that what fitted together still does.
"""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import engine
from engine.errors import EngineError, InvalidValueError
from engine.op import ROWS, Estimate, Op, Sample
from engine.promotion import estimate
from engine.tensor import Tensor
from tests.engine.rows import TRIED, arguments, call, flat, outputs, samples, tensor

TEMPORARIES = 4
"""How many times what it reads and writes a kernel may take for temporaries; what goes beyond is the estimate's workspace."""
SLACK = 64 * 2**10  # Python's own objects
LARGEST = 200_000  # elements of an argument
FEWEST, MOST = 2_000, 20_000  # elements of the arguments that are measured


def grown(by: int) -> Callable[[Any], Tensor]:
    """Makes tensors of arrays, each dim of more than one element repeated."""

    def make(a: Any) -> Tensor:
        times = [by if n > 1 else 1 for n in a.shape]
        if a.size * math.prod(times) > LARGEST:
            raise InvalidValueError("too large to be tried")
        return tensor(np.tile(np.ascontiguousarray(a), times) if a.ndim else a)

    return make


class Grown(NamedTuple):
    bound: list[Any]
    expected: Estimate
    read: int  # bytes of the arguments
    written: int  # bytes of the outputs


def grow(row: Op, sample: Sample, by: int) -> Grown | None:
    """A sample's call, grown; None where it means nothing then."""
    try:
        bound = arguments(row, sample, grown(by))
        found = estimate(row, list(bound))
    except EngineError:
        return None
    written = sum(spec.nbytes for spec in found.outputs) if len(found.outputs) <= 1_000 else 2**40
    return Grown(bound, found, sum(t.numel() * t.dtype.itemsize for t in flat(bound)), written)


def measured_calls(row: Op) -> Iterator[Grown]:
    """A call of the size at which arrays, and not Python, take the memory."""
    for sample in samples(row)[:1]:
        for by in (1_500, 400, 100, 40, 20, 12, 6, 3):
            found = grow(row, sample, by)
            if found is None or found.expected.cost > 10**7 or found.written + found.expected.workspace > 2**23:
                continue
            if FEWEST <= sum(t.numel() for t in flat(found.bound)) <= MOST:
                yield found
                break


def test_every_row_has_an_estimate() -> None:
    """One without a name to be called by, which only rebuilds the history of a view, has none."""
    assert [row.id for row in ROWS if row.meta is None] == ["as_strided_chain"]
    assert not next(row for row in ROWS if row.meta is None).forms


@pytest.fixture(scope="module")
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("row", TRIED, ids=lambda row: row.id)
def test_the_workspace_bounds_what_a_call_takes(row: Op) -> None:
    for found in measured_calls(row):
        with engine.no_grad():
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                kept = call(row, found.bound)
            except EngineError:  # values that the grown sample may not have, a matrix that has no inverse
                continue
            peak = tracemalloc.get_traced_memory()[1] - before
            del kept
        bound = found.expected.workspace + found.written + TEMPORARIES * (found.read + found.written) + SLACK
        assert peak <= bound, f"{[tuple(t.shape) for t in flat(found.bound)]}: {peak:,} bytes, {bound:,} foreseen"


CALLS = [(row, sample) for row in TRIED for sample in samples(row)]


@settings(
    max_examples=300, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
@given(st.sampled_from(CALLS), st.integers(2, 5), st.integers(1, 3))
def test_grown_calls_make_what_was_foreseen_and_cost_more(chosen: tuple[Op, Sample], by: int, more: int) -> None:
    row, sample = chosen
    found, larger = grow(row, sample, by), grow(row, sample, by * 2**more)
    assume(found is not None and found.expected.cost < 10**7 and found.written < 2**22)
    assert found is not None
    if larger is not None:
        assert larger.expected.cost >= found.expected.cost
        assert larger.written >= found.written
    with engine.no_grad():
        try:
            made = outputs(call(row, found.bound))
        except EngineError:
            assume(False)
    if not all(isinstance(o, Tensor) for o in made):
        return
    for spec, o in zip(found.expected.outputs, made, strict=True):
        fits = all(m >= n for m, n in zip(spec.shape, o.shape, strict=True))
        assert fits if found.expected.bound else spec.shape == tuple(o.shape)
        assert spec.dtype is o.dtype


def test_nearly_all_rows_are_measured() -> None:
    """The rest makes tensors of numbers alone, or has arguments that name sizes, which do not grow with the tensors."""
    assert sum(next(measured_calls(row), None) is not None for row in TRIED) >= 650
