"""Arithmetic against the algorithms: a call is said to cost at least what its textbook formula counts, and the cost grows as that does.

No clock: how long an operation takes on a machine is what ``make calibrate`` times. Here the estimate of every row is compared at two
sizes. Rows whose cost does not grow in proportion to what they read and write are named, with how it grows instead.
"""

from __future__ import annotations

import math
from typing import Any, Final

import pytest

import engine as torch
from engine.op import ROWS, Op, find
from engine.promotion import estimate
from engine.weights import WEIGHTS
from tests.engine.growing import WAYS, Grown, grow
from tests.engine.rows import TRIED, samples

ONE_DIM_MORE: Final = {
    "_cdist", "_cofactor", "_cofactor_change", "_convolution_weight", "_linalg_det", "_linalg_eigh", "_linalg_slogdet", "_linalg_svd",
    "_pdist_backward", "_rmatmul", "addbmm", "addmm", "baddbmm", "bilinear", "bmm", "cdist", "chain_matmul", "cholesky",
    "cholesky_inverse", "cholesky_solve", "corrcoef", "cov", "det", "einsum", "inner", "inverse", "linalg_cholesky",
    "linalg_cholesky_ex", "linalg_cond", "linalg_det", "linalg_eig", "linalg_eigh", "linalg_eigvals", "linalg_eigvalsh",
    "linalg_householder_product", "linalg_inv", "linalg_inv_ex", "linalg_lstsq", "linalg_lu", "linalg_lu_factor",
    "linalg_lu_factor_ex", "linalg_lu_solve", "linalg_matrix_exp", "linalg_matrix_power", "linalg_matrix_rank", "linalg_multi_dot",
    "linalg_pinv", "linalg_pinv.atol_rtol_float", "linalg_pinv.atol_rtol_tensor", "linalg_qr", "linalg_slogdet", "linalg_solve",
    "linalg_solve_ex", "linalg_solve_triangular", "linalg_svd", "linalg_svdvals", "linalg_tensorinv", "linalg_tensorsolve", "linear",
    "logdet", "lu", "lu_solve", "matmul", "mm", "multilabel_margin_loss", "multilabel_margin_loss_backward", "ormqr", "pdist",
    "pinverse", "qr", "scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu", "slogdet", "svd", "tensordot",
    "triangular_solve", "linear_cross_entropy", "conv1d", "conv1d.padding", "conv2d.padding", "conv3d.padding", "conv_transpose1d",
    "conv_transpose2d.input", "conv_transpose3d.input", "convolution",
}  # fmt: skip
"""Products, decompositions, all pairs: of doubled dims half as much again and more, up to once more for each dim of a window."""
SORTED: Final = {
    "kthvalue", "median.dim", "mode", "msort", "nanmedian.dim", "nanquantile", "nanquantile.scalar", "quantile",
    "quantile.scalar", "searchsorted.Tensor", "bucketize.Tensor", "sort", "sort.stable", "topk", "unique", "unique_consecutive",
}  # fmt: skip
"""What sorts or searches, and Fourier's transforms: by the logarithm of a dim more."""
OF_VIEWS: Final = {
    "split.sizes", "split_copy.Tensor", "unbind_copy.int", "unsafe_split.Tensor", "unsafe_split_with_sizes",
    "atleast_1d", "atleast_1d.Sequence", "atleast_2d", "atleast_2d.Sequence", "atleast_3d", "atleast_3d.Sequence",
    "broadcast_tensors", "chunk", "dsplit.array", "dsplit.int", "hsplit.array", "hsplit.int", "meshgrid.indexing",
    "tensor_split.indices", "tensor_split.sections", "tensor_split.tensor_indices_or_sections", "unsafe_chunk", "vsplit.array",
    "vsplit.int",
}  # fmt: skip
"""What is composed of views, or makes many parts: the number of these counts more than what they hold."""

UNREAD: Final = {"new_empty_strided"}
"""What looks at a tensor's dtype alone, and makes what its numbers say."""


def is_logarithmic(row: Op) -> bool:
    return row.id in SORTED or row.family in ("fourier", "fourier_dims", "fourier_short")


def twice(row: Op) -> tuple[Grown, Grown] | None:
    """A sample's call at a size and at twice that in every dim that grows; None where none of its samples grows so."""
    for way in WAYS:
        for sample in samples(row):
            one, other = (grow(row, sample, by, way) for by in (8, 16))
            if one is None or other is None or not one.expected.cost or one.read + one.written < 2_000:
                continue
            if other.read + other.written > one.read + one.written:
                return one, other
    return None


# What makes tensors of numbers alone, or is written for one size, is tried in test_estimates only.
GROWING: Final = [row for row in TRIED if twice(row) is not None]


def test_nearly_every_row_grows() -> None:
    left = {row.id for row in TRIED} - {row.id for row in GROWING}
    assert len(left) < 40, left


@pytest.mark.parametrize("row", GROWING, ids=lambda row: row.id)
def test_the_cost_grows_as_the_algorithm_does(row: Op) -> None:
    found = twice(row)
    assert found is not None
    one, other = found
    size = (other.read + other.written) / (one.read + one.written)
    growth = other.expected.cost / max(one.expected.cost, 1) / size
    if row.id in ONE_DIM_MORE:
        assert 1.4 <= growth <= 8, growth
    elif is_logarithmic(row):
        assert 0.5 <= growth <= 1.5, growth
    elif row.kind == "view" or row.id in OF_VIEWS | UNREAD or all(o.shape == () for o in one.expected.outputs):
        assert growth <= 1.2, growth
    else:
        assert 0.9 <= growth <= 1.2, growth


# -- against formulas --------------------------------------------------------------------------------------------------

N: Final = 96
SQUARE_MATRIX, MANY, LONG = torch.ones(N, N), torch.ones(5, N, N), torch.ones(2**12)
IMAGE, WINDOWS = torch.ones(2, 8, 30, 40), torch.ones(16, 4, 3, 5)

FORMULAS: Final[dict[str, tuple[list[Any], float]]] = {
    "mm": ([SQUARE_MATRIX, torch.ones(N, 7)], 2 * N * N * 7),
    "bmm": ([MANY, MANY], 5 * 2 * N**3),
    "einsum": (["ij,jk->ik", [SQUARE_MATRIX, SQUARE_MATRIX]], 2 * N**3),
    "linalg.inv": ([MANY], 5 * 2 * N**3),
    "linalg.cholesky": ([SQUARE_MATRIX], N**3 / 3),
    "linalg.lu_factor": ([SQUARE_MATRIX], 2 / 3 * N**3),
    "linalg.solve": ([SQUARE_MATRIX, SQUARE_MATRIX], 2 / 3 * N**3 + 2 * N**3),
    "linalg.qr": ([SQUARE_MATRIX], 8 / 3 * N**3),
    "linalg.svd": ([SQUARE_MATRIX], 22 * N**3),
    "linalg.eigh": ([SQUARE_MATRIX], 9 * N**3),
    "linalg.eig": ([SQUARE_MATRIX], 25 * N**3),
    "linalg.matrix_exp": ([SQUARE_MATRIX], 2 * 8 * N**3),
    "linalg.matrix_power": ([SQUARE_MATRIX, 1_023], 2 * 9 * N**3),
    "det": ([SQUARE_MATRIX], 2 / 3 * N**3),
    "fft.fft": ([LONG], 5 * 2**12 * 12),
    "sort": ([LONG], 2**12 * 12),
    "cdist": ([SQUARE_MATRIX, SQUARE_MATRIX], 3 * N**3),
    "pdist": ([SQUARE_MATRIX], 3 * N**2 * (N - 1) / 2),
    "nn.functional.conv2d": ([IMAGE, WINDOWS, None, 1, 0, 1, 2], 2 * 2 * 16 * 28 * 36 * 4 * 3 * 5),
    "nn.functional.scaled_dot_product_attention": ([MANY, MANY, MANY], 5 * 4 * N**3),
    "kron": ([SQUARE_MATRIX, torch.ones(5, 6)], N * N * 30),
    "cumsum": ([LONG, 0], 2**12),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_call_costs_at_least_what_its_formula_counts(name: str) -> None:
    given, operations = FORMULAS[name]
    row = find(name)[0]
    assert estimate(row, row.bind(given, {})).cost >= math.floor(operations)


def test_weights_are_of_rows_that_are_there() -> None:
    assert set(WEIGHTS) <= {row.id for row in ROWS}


def test_a_matrix_of_many_systems_is_counted_for_each() -> None:
    row = find("linalg.solve")[0]
    each = estimate(row, row.bind([torch.ones(40, 60, 60), torch.ones(40, 60, 1)], {}))
    shared = estimate(row, row.bind([torch.ones(60, 60), torch.ones(40, 60, 1)], {}))
    assert shared.cost == each.cost


def test_many_outputs_cost_something_each() -> None:
    """A view is free, but a thousand of them take a thousand times as long as one."""
    for name, given in (
        ("unbind", [torch.ones(900, 3)]),
        ("chunk", [torch.ones(900), 900]),
        ("split", [torch.ones(900), 1]),
    ):
        row = find(name)[0]
        assert estimate(row, row.bind(given, {})).cost >= 900_000


def test_what_is_made_of_nothing_costs_its_making() -> None:
    row = find("svd")[0]
    found = estimate(row, row.bind([torch.ones(0, 300), False], {}))
    assert found.cost >= 300 * 300
