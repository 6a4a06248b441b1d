"""Memory beside PyTorch's: the same bytes as another dtype, ``resize_``, strides of one's own, membership."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")


def seen(v: Any) -> Any:
    return tuple(v.shape), v.stride(), str(v.dtype), v.storage_offset(), v.requires_grad, v._is_view()


def written(t: Any) -> Any:
    a = t.arange(6.0)
    a.view(t.int32).zero_()
    return a.tolist(), a._version


def resized(a: Any, *sizes: Any) -> Any:
    r = a.resize_(*sizes)
    return r is a, tuple(a.shape), a.stride(), a._version


CASES: dict[str, Callable[[Any], Any]] = {
    "smaller elements": lambda t: seen(t.arange(6.0).view(t.uint8)),
    "larger elements": lambda t: seen(t.arange(6.0).view(t.float64)),
    "bits": lambda t: t.tensor([1.0, -2.0]).view(t.int32).tolist(),
    "turned, of one size": lambda t: seen(t.ones(4, 4).t().view(t.int32)),
    "a number": lambda t: seen(t.tensor(1.0).view(t.int32)),
    "nothing": lambda t: tuple(t.ones(0).view(t.float64).shape),
    "complex": lambda t: t.ones(2, 2).view(t.complex64).tolist(),
    "by keyword": lambda t: seen(t.ones(2).view(dtype=t.int32)),
    "of a leaf": lambda t: seen(t.ones(2, requires_grad=True).view(t.float64)),
    "written": written,
    "resize_": lambda t: resized(t.arange(6.0), 2, 3),
    "resize_ to fewer": lambda t: resized(t.arange(6.0), (2, 2)),
    "resize_ to more": lambda t: resized(t.arange(6.0), 10),
    "resize_ of a view": lambda t: resized(t.arange(6.0)[1:], 3),
    "resize_ to itself": lambda t: resized(t.ones(2, 3).t(), 3, 2),
    "resize_ keeps": lambda t: t.arange(6.0).resize_(2, 2).tolist(),
    "resize_ there and back": lambda t: t.arange(6.0).resize_(2).resize_(6).tolist(),
    "resize_ keeps what was": lambda t: t.arange(3.0).resize_(5)[:3].tolist(),
    "resize_as_": lambda t: seen(t.arange(6.0).resize_as_(t.ones(2, 3))),
    "empty_strided": lambda t: seen(t.empty_strided((2, 3), (1, 2))),
    "empty_strided with gaps": lambda t: seen(t.empty_strided((2, 3), (4, 1), dtype=t.float64, requires_grad=True)),
    "new_empty_strided": lambda t: seen(t.ones(2, dtype=t.int64).new_empty_strided((2, 3), (1, 2))),
    "isin": lambda t: t.isin(t.tensor([[1, 2], [3, 4]]), t.tensor([2, 5])).tolist(),
    "isin inverted": lambda t: t.isin(t.tensor([1, 2]), t.tensor([2, 5]), invert=True).tolist(),
    "isin of a number": lambda t: t.isin(3, t.tensor([2, 3])).item(),
    "isin a number": lambda t: t.isin(t.tensor([2, 3]), 3).tolist(),
    "isin of NaN": lambda t: t.isin(t.tensor([1.0, float("nan")]), t.tensor([float("nan")])).tolist(),
    "isin of two dtypes": lambda t: t.isin(t.tensor([1.5, 2.0]), t.tensor([1, 2])).tolist(),
    "limits are equal": lambda t: (t.finfo(t.float32) == t.finfo(t.float32), t.iinfo(t.int8) == t.iinfo(t.uint8)),
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "a number of another size": lambda t: t.tensor(1.0).view(t.float64),
    "a last dim that does not divide": lambda t: t.ones(3).view(t.float64),
    "a last dim that is not dense": lambda t: t.ones(4, 4).t().view(t.int16),
    "a stride that does not divide": lambda t: t.ones(4, 5)[:, :4].view(t.float64),
    "an offset that does not divide": lambda t: t.ones(6)[1:5].view(t.float64),
    "resize_ of a leaf": lambda t: t.ones(3, requires_grad=True).resize_(3),
    "resize_ of what is recorded": lambda t: (t.ones(3, requires_grad=True) * 2).resize_(2),
    "resize_ below zero": lambda t: t.ones(3).resize_(-1),
    "strides of another length": lambda t: t.empty_strided((2, 3), (4,)),
    "negative strides": lambda t: t.empty_strided((2, 3), (-4, 1)),
    "isin of bools": lambda t: t.isin(t.ones(2).bool(), t.ones(1).bool()),
    "isin of complex numbers": lambda t: t.isin(t.ones(2, dtype=t.complex64), t.tensor([1])),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_pytorch(name: str) -> None:
    theirs, ours = (CASES[name](t) for t in (torch, engine))
    assert ours == theirs


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_by_pytorch(name: str) -> None:
    said = []
    for t in (torch, engine):
        with pytest.raises(RuntimeError) as refusal:
            REFUSED[name](t)
        said.append(str(refusal.value))
    assert said[1] == said[0]
