"""Derivatives of a determinant, to the fourth order, of matrices of every rank, beside its expansion by rows."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import engine as torch

Array = np.ndarray

RANDOM = np.random.default_rng(7)
ONE, TWO = np.outer([1.0, 2, 3, 4], [1.0, -1, 2, 1]), np.outer([1.0, 0, 3, -4], [1.0, 1, 2, 1])
MATRICES = {
    "regular": RANDOM.standard_normal((4, 4)),
    "rank 2": ONE + TWO,
    "rank 1": ONE,
    "rank 0": np.zeros((4, 4)),
    "one row": np.zeros((1, 1)),
    "two rows": np.ones((2, 2)),
    "five rows": np.zeros((5, 5)),
    "large numbers": 1e4 * ONE[:3, :3],
}


def expanded(a: Array, along: list[Array]) -> float:
    """The derivative of det along each of ``along`` once: each takes the place of one row."""
    total = 0.0
    for rows in permutations(range(len(a)), len(along)):
        m = a.copy()
        for row, x in zip(rows, along, strict=True):
            m[row] = x[row]
        total += float(np.linalg.det(m))
    return total


@pytest.mark.parametrize("name", MATRICES)
def test_every_order_is_the_expansions(name: str) -> None:
    a = MATRICES[name]
    x = torch.from_numpy(a.copy()).requires_grad_()
    y = torch.linalg.det(x)
    along: list[Array] = []
    for _ in range(4):
        along.append(RANDOM.standard_normal(a.shape))
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        assert g is not None
        y = (g * torch.from_numpy(along[-1])).sum()
        np.testing.assert_allclose(y.item(), expanded(a, along), 1e-9, 1e-9 * max(1.0, float(np.abs(a).max()) ** 3))
