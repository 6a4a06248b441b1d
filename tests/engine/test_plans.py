"""Plans: what they promise of gradients holds for every row that makes the promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import engine
from engine.op import ROWS, Op
from engine.plan import plan_of

EXACT = [row for row in ROWS if row.exact]


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("d", [np.float32, np.float64])
@pytest.mark.parametrize("row", EXACT, ids=lambda row: row.id)
def test_gradients_that_are_not_fitted_need_no_fitting(row: Op, d: type[np.floating], shape: tuple[int, ...]) -> None:
    """For inputs of the output's shape and dtype, as the short doors know them to be, so is each gradient of an exact plan."""
    bound = list(row.defaults)
    for k, i in enumerate(row.tensors):
        bound[i] = (
            np.linspace(0.2, 0.7, max(int(np.prod(shape)), 1), dtype=d)[: int(np.prod(shape))] + d(k) / 8
        ).reshape(shape)[()]
    with np.errstate(all="ignore"):
        result = row.kernel(*bound)
    assert result.dtype == np.dtype(d)
    for mask in range(1, 1 << len(row.tensors)):
        plan = plan_of(row, mask)
        if plan is None:
            continue
        assert plan.twin.exact
        saved = tuple(bound[i] if what == "input" else result if what == "result" else shape for what, i in plan.saves)
        with np.errstate(all="ignore"):
            produced = plan.backward(np.ones(shape, d)[()], saved, tuple(bound))
            alone = None if plan.one is None else plan.one(np.ones(shape, d)[()], saved, tuple(bound))
        for k, g in enumerate(produced):
            if mask >> k & 1 and g is not None:
                assert (g.shape, g.dtype) == (shape, np.dtype(d)), (mask, k)
                if alone is not None:
                    assert plan.place == k
                    np.testing.assert_array_equal(alone, g)


def test_a_gradient_of_another_shape_is_fitted_on_its_way_to_a_node() -> None:
    """The plan that skips fitting is taken for equal shapes only."""
    wide = engine.ones(2, 3)
    makers: list[Callable[[engine.Tensor], engine.Tensor]] = [
        lambda a: a * wide,
        lambda a: wide + a,
        lambda a: (a * 2) * (a * 3).sum(),
    ]
    for make in makers:
        x = engine.ones(3, requires_grad=True)
        make(x * 1).sum().backward()
        assert x.grad is not None
        assert x.grad.shape == (3,)
