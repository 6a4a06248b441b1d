"""Diagonals put into matrices and taken out of them, triangles. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain
from engine.errors import DimensionError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim

FORMS = "function method inplace"


def _embedded(shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> tuple[tuple[int, ...], int, int]:
    n = len(shape) + 1
    a, b = (_wrapped(d, n) for d in (dim1, dim2))
    if a == b:
        raise TensorError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = shape[-1] + abs(offset)
    rest = iter(shape[:-1])
    return tuple(side if i in {a, b} else next(rest) for i in range(n)), a, b


def _wrapped(dim: int, ndim: int) -> int:
    if ndim == 1 and not -1 <= dim < 1:
        raise DimensionError(f"Dimension out of range (expected to be in range of [-1, 0], but got {dim})")
    return wrap_dim(dim, ndim)


@op(
    "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    meta=lambda input, offset, dim1, dim2: Spec(_embedded(input.shape, offset, dim1, dim2)[0], input.dtype),
    kind="linear",
    samples=over(
        Sample(array(3)),
        Sample(array(2, 2), 1, 0, -1, tags=("negative dim",)),
        Sample(array(2, 2), -1, 2, 1),
        Sample(array(2, 0), 1, tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, offset, dim1, dim2: rules.diagonal(g, offset, dim1, dim2)},
)
def diag_embed(input: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """Matrices of zeros with the last dim on a diagonal; ``dim1`` and ``dim2`` are the dims of the matrices.

    Gradient: that diagonal of g. Source: torch.diag_embed.

    >>> torch.diag_embed(torch.tensor([1, 2]), 1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    shape, a, b = _embedded(input.shape, offset, dim1, dim2)
    out = np.zeros(shape, input.dtype)
    region = np.diagonal(out, offset, a, b)
    region.flags.writeable = True
    region[...] = input
    return out


def _diag_meta(input: Spec, diagonal: int) -> Spec:
    if input.ndim == 1:
        return Spec((input.shape[0] + abs(diagonal),) * 2, input.dtype)
    if input.ndim != 2:
        raise TensorError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return Spec((_length(input.shape, diagonal),), input.dtype)


def _length(shape: tuple[int, ...], diagonal: int) -> int:
    return max(min(shape[0] + min(diagonal, 0), shape[1] - max(diagonal, 0)), 0)


@op(
    "diag(Tensor input, int diagonal=0) -> Tensor",
    meta=_diag_meta,
    kind="composite",
    samples=over(
        Sample(array(3)),
        Sample(array(3), -1),
        Sample(array(2, 3), 1),
        Sample(array(2, 3), 5),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), -1, tags=("non-contiguous",)),
    ),
)
def diag(input: Any, diagonal: Any) -> Any:
    """A matrix with the vector on its diagonal; of a matrix a copy of its diagonal.

    Errors: RuntimeError for other than one or two dims. Source: torch.diag.

    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    >>> torch.diag(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    if input.ndim == 1:
        return rules.diag_embed(input, diagonal)
    if input.ndim != 2:
        raise TensorError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return rules.diagonal_copy(input, diagonal)


@op(
    "diagflat(Tensor input, int offset=0) -> Tensor",
    meta=lambda input, offset: Spec((input.numel + abs(offset),) * 2, input.dtype),
    kind="composite",
    samples=over(
        Sample(array(3), 1),
        Sample(array(2, 2)),
        Sample(np.array(1.5), -1, tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def diagflat(input: Any, offset: Any) -> Any:
    """A matrix with the elements, flattened, on its diagonal.

    Source: torch.diagflat.

    >>> torch.diagflat(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 0, 0, 0],
            [0, 2, 0, 0],
            [0, 0, 3, 0],
            [0, 0, 0, 4]])
    """
    return rules.diag_embed(rules.reshape(input, (-1,)), offset)


def _matrices(name: str, input: Any) -> None:
    if len(input.shape) < 2:
        raise TensorError(f"{name}: input tensor must have at least 2 dimensions")


def _triangle_meta(name: str) -> Any:
    def meta(input: Spec, diagonal: int) -> Spec:
        _matrices(name, input)
        return input

    return meta


TRIANGLES = (
    Sample(array(3, 3)),
    Sample(array(2, 3), 1),
    Sample(array(2, 2, 3), -1),
    Sample(array(0, 3), tags=("empty",)),
    Sample(strided(3, 2), tags=("non-contiguous",)),
)


@op(
    "tril(Tensor input, int diagonal=0) -> Tensor",
    meta=_triangle_meta("tril"),
    kind="linear",
    forms=FORMS,
    samples=over(*TRIANGLES),
    vjp={"input": lambda g, diagonal: rules.tril(g, diagonal)},
)
def tril(input: Any, diagonal: Any) -> Any:
    """The lower triangle of each matrix, zeros elsewhere; ``diagonal``: how many diagonals more.

    Gradient: the lower triangle of g. Errors: RuntimeError for less than two dims. Source: torch.tril.

    >>> torch.tril(torch.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    _matrices("tril", input)
    return np.tril(input, diagonal)


@op(
    "triu(Tensor input, int diagonal=0) -> Tensor",
    meta=_triangle_meta("triu"),
    kind="linear",
    forms=FORMS,
    samples=over(*TRIANGLES),
    vjp={"input": lambda g, diagonal: rules.triu(g, diagonal)},
)
def triu(input: Any, diagonal: Any) -> Any:
    """The upper triangle of each matrix, zeros elsewhere; ``diagonal``: how many diagonals less.

    Gradient: the upper triangle of g. Errors: RuntimeError for less than two dims. Source: torch.triu.

    >>> torch.triu(torch.ones(2, 3))
    tensor([[1., 1., 1.],
            [0., 1., 1.]])
    """
    _matrices("triu", input)
    return np.triu(input, diagonal)


INTEGERS = {
    name: Domain("bfc", f"\"{name}\" not implemented for '{{dtype}}'") for name in ("tril_indices", "triu_indices")
}


def _sides(name: str, row: int, col: int, dtype: Any) -> Any:
    if row < 0:
        raise TensorError(f"row must be non-negative, got{row}")
    if col < 0:
        raise TensorError(f"col must be non-negative, got{col}")
    d = dtype or dtypes.int64
    INTEGERS[name].check(Spec((), d))
    return d


def _count(row: int, col: int, offset: int) -> int:
    """The elements of the lower triangle: row i has min(col, max(0, i + 1 + offset))."""
    first, last = 1 + offset, row + offset  # widths of the first and last row before they are cut to [0, col]

    def total(to: int) -> int:
        """Widths 1 … to, each cut to col."""
        to = max(to, 0)
        whole = min(to, col)
        return whole * (whole + 1) // 2 + (to - whole) * col

    return total(last) - total(first - 1)


def _lower_meta(row: int, col: int, offset: int, dtype: Any) -> Spec:
    d = _sides("tril_indices", row, col, dtype)
    return Spec((2, _count(row, col, offset)), d)


def _upper_meta(row: int, col: int, offset: int, dtype: Any) -> Spec:
    d = _sides("triu_indices", row, col, dtype)
    return Spec((2, row * col - _count(row, col, offset - 1)), d)


@op(
    "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor",
    meta=_lower_meta,
    kind="create",
    forms="function",
    samples=over(Sample(3, 3), Sample(2, 4, -1), Sample(4, 2, 1), Sample(0, 3), Sample(3, 2, 9, dtype=dtypes.int32)),
)
def tril_indices(row: Any, col: Any, offset: Any, dtype: Any) -> Any:
    """The indices of the lower triangle of a matrix, row by row: a row of row numbers, a row of column numbers.

    Errors: NotImplementedError for a dtype that is no integer. Source: torch.tril_indices.

    >>> torch.tril_indices(2, 3)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    d = _sides("tril_indices", row, col, dtype)
    return np.stack(np.nonzero(np.tri(row, col, offset, dtype=np.bool_))).astype(d.numpy, copy=False)


@op(
    "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=None) -> Tensor",
    meta=_upper_meta,
    kind="create",
    forms="function",
    samples=over(Sample(3, 3), Sample(2, 4, -1), Sample(4, 2, 1), Sample(0, 3), Sample(3, 2, 9, dtype=dtypes.int32)),
)
def triu_indices(row: Any, col: Any, offset: Any, dtype: Any) -> Any:
    """The indices of the upper triangle of a matrix, row by row: a row of row numbers, a row of column numbers.

    Errors: NotImplementedError for a dtype that is no integer. Source: torch.triu_indices.

    >>> torch.triu_indices(2, 3)
    tensor([[0, 0, 0, 1, 1],
            [0, 1, 2, 1, 2]])
    """
    d = _sides("triu_indices", row, col, dtype)
    return np.stack(np.nonzero(~np.tri(row, col, offset - 1, dtype=np.bool_))).astype(d.numpy, copy=False)
