"""Estimates against reality: every row has one, its outputs are exact at any size, and what a call and its derivatives really take in
memory is bounded by what was foreseen. How arithmetic grows: test_arithmetic.py.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import engine
from engine.errors import EngineError, NoDerivativeError
from engine.foresight import guard
from engine.op import ROWS, Estimate, Op, Sample
from engine.tensor import Tensor
from service.sessions.costs import RULES_WORKSPACE
from tests.engine.growing import BY, WAYS, Grown, grow, is_measurable, measured_call
from tests.engine.rows import TRIED, call, flat, leaves, outputs, samples, upstream

TEMPORARIES = 5
"""How many times what it reads and writes a kernel may take for temporaries; what goes beyond is the estimate's workspace."""
SECOND = 11
"""The same for derivatives of derivatives, whose graph lives on: robustness asks for four times a gradient's."""
SLACK = 64 * 2**10  # Python's own objects
OBJECT = 600  # one of many outputs
MOST_FORESEEN = 2**26

UNMEASURED: Final = {"scalar_tensor": "it makes one number, whatever it is given"}


def peak_of(work: Callable[[], Any]) -> int:
    """The bytes that are allocated at once while something is done."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with np.errstate(all="ignore"):
        kept = work()
    peak = tracemalloc.get_traced_memory()[1] - before
    del kept
    return peak


def shapes(found: Grown) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in flat(found.bound)]


@pytest.fixture(scope="module")
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_every_row_has_an_estimate() -> None:
    """One without a name to be called by, which only rebuilds the history of a view, has none."""
    assert [row.id for row in ROWS if row.meta is None] == ["as_strided_chain"]
    assert not next(row for row in ROWS if row.meta is None).forms


def test_every_row_is_measured() -> None:
    """Rows without samples are other rows under a name that only the engine uses."""
    assert [row.id for row in ROWS if row.samples is None] == ["as_strided_chain", "_real", "where.method"]
    assert {row.id for row in TRIED if measured_call(row) is None} == set(UNMEASURED)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("row", [row for row in TRIED if row.id not in UNMEASURED], ids=lambda row: row.id)
def test_the_workspace_bounds_what_a_call_takes(row: Op) -> None:
    found = measured_call(row)
    assert found is not None
    with engine.no_grad():
        peak = peak_of(lambda: call(row, found.bound))
    bound = found.expected.workspace + found.written + TEMPORARIES * (found.read + found.written) + SLACK
    assert peak <= bound, f"{shapes(found)}: {peak:,} bytes, {bound:,} foreseen"


# -- derivatives -------------------------------------------------------------------------------------------------------


class TooMuch(EngineError):
    """A rule foresees more than the test will have."""


class Foreseen:
    """What rules say that they are about to make: the most of it, refused where the test will not have it."""

    def __init__(self) -> None:
        self.most = 0

    def __call__(self, what: str, estimate: Estimate) -> None:
        self.most = max(self.most, estimate.workspace)
        if self.most >= MOST_FORESEEN:
            raise TooMuch(what)


@pytest.fixture
def foreseen() -> Iterator[Foreseen]:
    heard = Foreseen()
    token = guard.set(heard)
    yield heard
    guard.reset(token)


class Derived:
    """A measured call whose outputs have gradients: they, what is differentiated for, and gradients to begin with."""

    def __init__(self, row: Op, found: Grown | None = None) -> None:
        found = found or measured_call(row, derived=True)
        assert found is not None
        self.found = found
        self.leaves = leaves(row, found.bound)
        self.outputs = [o for o in outputs(call(row, found.bound)) if isinstance(o, Tensor) and o.requires_grad]
        self.given = upstream(self.outputs)

    def gradients(self, **how: bool) -> list[Tensor]:
        answer = engine.autograd.grad(self.outputs, self.leaves, self.given, allow_unused=True, **how)
        return [g for g in answer if g is not None]


def again(asked: Derived, gradients: list[Tensor]) -> Any:
    """The derivatives of gradients, for what they came from."""
    sources = [*asked.leaves, *asked.given]
    return engine.autograd.grad(gradients, sources, [engine.ones_like(g) for g in gradients], allow_unused=True)


NO_GRADIENT: Final = {
    "_rlshift", "_rrshift", "argwhere", "bincount", "bool", "byte", "char", "int", "long", "remainder.Scalar_Tensor", "short", "unique",
    "unique_consecutive",
}  # fmt: skip
"""Rows whose measured call answers what has no gradient: whole numbers, or nothing that is differentiated for."""
UNDERIVED: Final = {
    "_ctc_loss_backward", "_pdist_backward", "_rfloordiv", "_rmod", "floor_divide", "heaviside", "igamma", "igammac",
    "multi_margin_loss_backward", "multilabel_margin_loss_backward", "scatter.reduce", "scatter.value_reduce", "special_zeta",
}  # fmt: skip
"""Rows that have no derivative in what is differentiated for, in PyTorch neither."""
UNDERIVED_TWICE: Final = {
    "_ctc_loss", "ctc_loss.IntList", "ctc_loss.Tensor", "multi_margin_loss", "multilabel_margin_loss", "pdist",
}  # fmt: skip
"""The same of their derivative."""


def derivable(row: Op) -> bool:
    return row.differentiable and row.id not in UNMEASURED


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("row", [row for row in TRIED if derivable(row)], ids=lambda row: row.id)
def test_a_backward_takes_what_was_foreseen(row: Op, foreseen: Foreseen) -> None:
    """What the service reserves for a walk: its gradients, temporaries, and twice the workspace of the call."""
    asked = Derived(row)
    found = asked.found
    if not asked.outputs:
        assert row.id in NO_GRADIENT
        return
    try:
        peak = peak_of(asked.gradients)
    except NoDerivativeError:  # in PyTorch neither
        assert row.id in UNDERIVED
        return
    rules = max(RULES_WORKSPACE * found.expected.workspace, foreseen.most)
    bound = rules + TEMPORARIES * (found.read + found.written) + SLACK
    assert peak <= bound, f"{shapes(found)}: {peak:,} bytes, {bound:,} foreseen"


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("row", [row for row in TRIED if derivable(row)], ids=lambda row: row.id)
def test_a_backward_of_a_backward_takes_what_was_foreseen(row: Op, foreseen: Foreseen) -> None:
    asked = Derived(row)
    found = asked.found
    for g in asked.given:
        g.requires_grad_()
    kept: list[Tensor] = []

    def first() -> list[Tensor]:
        kept[:] = [g for g in asked.gradients(create_graph=True) if g.requires_grad]
        return kept

    try:
        peaks = [peak_of(first), peak_of(lambda: again(asked, kept)) if kept else 0] if asked.outputs else []
    except NoDerivativeError:
        assert row.id in UNDERIVED | UNDERIVED_TWICE
        return
    for peak in peaks:
        rules = max(RULES_WORKSPACE * found.expected.workspace, foreseen.most)
        bound = rules + SECOND * (found.read + found.written) + SLACK
        assert peak <= bound, f"{shapes(found)}: {peak:,} bytes, {bound:,} foreseen"


# -- any shape ---------------------------------------------------------------------------------------------------------

CALLS = [(row, sample) for row in TRIED for sample in samples(row)]
EXAMPLES = int(os.environ.get("ESTIMATE_EXAMPLES", "250"))


@pytest.mark.usefixtures("traced")
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.sampled_from(CALLS), st.sampled_from(WAYS[:8]))
def test_a_call_and_its_derivatives_take_what_was_foreseen_in_any_shape(
    foreseen: Foreseen, chosen: tuple[Op, Sample], way: Any
) -> None:
    """Long and narrow, wide, many small ones: what one shape hides another shows."""
    row, sample = chosen
    found = next((f for by in BY if (f := grow(row, sample, by, way)) is not None and is_measurable(f, 10**8)), None)
    assume(found is not None and row.id not in UNMEASURED)
    assert found is not None
    both, parts = found.read + found.written, OBJECT * len(found.expected.outputs)
    foreseen.most = 0
    derived: list[Tensor] = []
    with suppress(EngineError):  # what has no derivative, or values that the grown sample may not have
        with engine.no_grad():
            peak = peak_of(lambda: call(row, found.bound))
        assert peak <= found.expected.workspace + found.written + TEMPORARIES * both + parts + SLACK, shapes(found)
        asked = Derived(row, found)
        if not row.differentiable or not asked.outputs:
            return
        peak = peak_of(lambda: asked.gradients(retain_graph=True))
        rules = max(RULES_WORKSPACE * found.expected.workspace, foreseen.most)
        assert peak <= rules + TEMPORARIES * both + parts + SLACK, shapes(found)
        for g in asked.given:
            g.requires_grad_()
        peak = peak_of(lambda: derived.extend(g for g in asked.gradients(create_graph=True) if g.requires_grad))
        if derived:
            peak = max(peak, peak_of(lambda: again(asked, derived)))
        rules = max(RULES_WORKSPACE * found.expected.workspace, foreseen.most)
        assert peak <= rules + SECOND * both + parts + SLACK, shapes(found)


# -- outputs -----------------------------------------------------------------------------------------------------------


@settings(
    max_examples=300, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
@given(st.sampled_from(CALLS), st.sampled_from(WAYS[:8]), st.integers(2, 5), st.integers(1, 3))
def test_grown_calls_make_what_was_foreseen_and_cost_more(
    chosen: tuple[Op, Sample], way: Any, by: int, more: int
) -> None:
    row, sample = chosen
    found, larger = grow(row, sample, by, way), grow(row, sample, by * 2**more, way)
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
    assert sum(o.numel() * o.dtype.itemsize for o in made) <= found.written
    for spec, o in zip(found.expected.outputs, made, strict=True):
        fits = all(m >= n for m, n in zip(spec.shape, o.shape, strict=True))
        assert fits if found.expected.bound else spec.shape == tuple(o.shape)
        assert spec.dtype is o.dtype
