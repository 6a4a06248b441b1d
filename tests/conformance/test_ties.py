"""Which of equal elements is chosen: PyTorch's choice where it has a rule, in all sizes; else the rule that the docstring tells.

Unstable sorts and selections of PyTorch choose as their algorithm happens to (introsort, quickselect): there only values are compared with
PyTorch's, and our indices with our rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")

SIZES = (1, 2, 3, 8, 16, 17, 33, 100, 1000, 5000)
RULED: dict[str, Callable[[Any, Any], Any]] = {
    "sort stable": lambda t, x: t.sort(x, stable=True),
    "sort stable descending": lambda t, x: t.sort(x, stable=True, descending=True),
    "argsort stable": lambda t, x: t.argsort(x, stable=True),
    "median": lambda t, x: t.median(x, 0),
    "nanmedian": lambda t, x: t.nanmedian(x, 0),
    "max": lambda t, x: t.max(x, 0),
    "min": lambda t, x: t.min(x, 0),
    "argmax": lambda t, x: t.argmax(x),
    "argmin": lambda t, x: t.argmin(x),
    "cummax": lambda t, x: t.cummax(x, 0),
    "cummin": lambda t, x: t.cummin(x, 0),
    "unique": lambda t, x: t.unique(x, return_inverse=True, return_counts=True),
    "unique_consecutive": lambda t, x: t.unique_consecutive(x, return_inverse=True, return_counts=True),
    "searchsorted": lambda t, x: t.searchsorted(t.sort(x)[0], x),
}
SMALL: dict[str, Callable[[Any, Any], Any]] = {
    "sort": lambda t, x: t.sort(x),
    "sort descending": lambda t, x: t.sort(x, descending=True),
    "argsort": lambda t, x: t.argsort(x),
    "mode": lambda t, x: t.mode(x),
}
"""Ruled up to 16 elements."""


def inputs(sizes: tuple[int, ...]) -> Iterator[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(11)
    for n in sizes:
        for kinds in (1, 2, 5):
            yield rng.integers(0, kinds, n)
            yield rng.integers(0, kinds, n).astype(np.float32)


def listed(answer: Any) -> Any:
    return [v.tolist() for v in answer] if isinstance(answer, tuple) else answer.tolist()


@pytest.mark.parametrize("name", RULED)
def test_a_rule_of_pytorchs_holds_in_all_sizes(name: str) -> None:
    for a in inputs(SIZES):
        assert listed(RULED[name](engine, engine.tensor(a))) == listed(RULED[name](torch, torch.tensor(a)))


@pytest.mark.parametrize("name", SMALL)
def test_a_rule_of_pytorchs_holds_up_to_sixteen(name: str) -> None:
    for a in inputs((1, 2, 3, 7, 15, 16)):
        assert listed(SMALL[name](engine, engine.tensor(a))) == listed(SMALL[name](torch, torch.tensor(a)))


def test_beyond_the_rules_are_ours() -> None:
    for a in inputs(SIZES):
        n = len(a)
        order = np.argsort(a, kind="stable")
        falling = np.argsort(-a, kind="stable")
        ours, theirs = engine.tensor(a), torch.tensor(a)
        assert engine.sort(ours)[1].tolist() == order.tolist()
        assert engine.sort(ours, descending=True)[1].tolist() == falling.tolist()
        for k in sorted({1, (n + 1) // 2, n}):
            best, places = engine.topk(ours, k)
            assert best.tolist() == torch.topk(theirs, k)[0].tolist()
            assert places.tolist() == falling[:k].tolist()
            assert engine.topk(ours, k, largest=False)[1].tolist() == order[:k].tolist()
            value, place = engine.kthvalue(ours, k)
            assert value.tolist() == torch.kthvalue(theirs, k)[0].tolist()
            assert place.item() == order[k - 1]
        value, place = engine.mode(ours)
        assert value.tolist() == torch.mode(theirs)[0].tolist()
        assert place.item() == np.flatnonzero(a == value.item())[-1]
