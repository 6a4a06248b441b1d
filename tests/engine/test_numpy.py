"""Values against NumPy's, for every row that NumPy has too."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from engine.op import OPS, Op, Sample
from tests.engine.numpy_twins import TWINS
from tests.engine.rows import call, converted, samples, tensor

ROWS = [(name, row) for name in sorted(TWINS.keys() & OPS.keys()) for row in OPS[name] if row.samples is not None]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=lambda value: value.id if isinstance(value, Op) else value)
def test_values_are_numpys(name: str, row: Op) -> None:
    for sample in samples(row):
        found = call(row, row.bind([converted(a, tensor) for a in sample.args], named(sample, tensor)))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is a NaN here, and a NaN there
            expected = TWINS[name](*sample.args, **named(sample, np.asarray))
        for got, wanted in zip(listed(found), listed(expected), strict=True):
            assert tuple(got.shape) == np.shape(wanted), sample
            np.testing.assert_allclose(
                np.asarray(got._array, got._array.dtype), wanted, rtol=1e-11, atol=1e-13, err_msg=str(sample)
            )


def named(sample: Sample, make: Any) -> dict[str, Any]:
    return {name: converted(value, make) for name, value in sample.kwargs.items()}


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def test_many_rows_are_compared() -> None:
    assert len({name for name, _ in ROWS}) >= 60
