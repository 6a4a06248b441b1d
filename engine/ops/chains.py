"""Chains of matrix products, powers, and inverses of tensors as maps. The parts are PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, TensorError
from engine.matrices import cost, floating, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over, strided


def _chain_check(tensors: Any) -> None:
    n = len(tensors)
    if n < 2:
        raise TensorError(f"multi_dot(): expected at least 2 tensors but got {n}")
    for which, t in (("first", tensors[0]), ("last", tensors[-1])):
        if len(t.shape) not in (1, 2):
            raise ShapeError(f"multi_dot(): the {which} tensor must be 1D or 2D but got {len(t.shape)}D")
    for i, t in enumerate(tensors[1:-1], 1):
        if len(t.shape) != 2:
            raise ShapeError(f"multi_dot(): tensor {i} must be 2D but got {len(t.shape)}D")
    for i, t in enumerate(tensors):
        if t.dtype != tensors[0].dtype:
            raise DtypeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {spoken(tensors[0]).lower()} and tensor {i} "
                f"{spoken(t).lower()}"
            )
    shapes = _as_matrices(tensors)
    for i in range(n - 1):
        if shapes[i][1] != shapes[i + 1][0]:
            raise ShapeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(shapes[i])} and {list(shapes[i + 1])} cannot be multiplied"
            )


def _as_matrices(tensors: Any) -> list[tuple[int, ...]]:
    """The shapes, a vector in front as a row, one at the end as a column."""
    out = [tuple(t.shape) for t in tensors]
    if len(out[0]) == 1:
        out[0] = (1, *out[0])
    if len(out[-1]) == 1:
        out[-1] = (*out[-1], 1)
    return out


def _best(shapes: list[tuple[int, ...]]) -> tuple[int, dict[tuple[int, int], int]]:
    """The least number of multiplications, and for each part of the chain where it is split."""
    n = len(shapes)
    p = [shapes[0][0], *(s[1] for s in shapes)]
    least = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            found = min((least[i, k] + least[k + 1, j] + p[i] * p[k + 1] * p[j + 1], k) for k in range(i, j))
            least[i, j], split[i, j] = found
    return least[0, n - 1], split


def _chain_shape(tensors: Any) -> tuple[int, ...]:
    first, last = tensors[0].shape, tensors[-1].shape
    return (*(first[:1] if len(first) == 2 else ()), *(last[1:] if len(last) == 2 else ()))


def _chain_meta(tensors: list[Spec]) -> Estimate:
    _chain_check(tensors)
    shapes = _as_matrices(tensors)
    out = Spec(_chain_shape(tensors), tensors[0].dtype)
    count, _ = _best(shapes)
    widest = max(s[0] for s in shapes) * max(s[1] for s in shapes)
    return Estimate((out,), len(tensors) * widest * out.dtype.itemsize, max(2 * count, 1))


def _multiplied(tensors: list[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return tensors[i]
    k = split[i, j]
    return rules.mm(_multiplied(tensors, split, i, k), _multiplied(tensors, split, k + 1, j))


@op(
    "linalg_multi_dot(Tensor[] tensors) -> Tensor",
    meta=_chain_meta,
    kind="composite",
    forms="function",
    names=("linalg.multi_dot",),
    samples=over(
        Sample([array(2, 3), array(3, 2)]),
        Sample([array(2), array(2, 3), array(3, 2), array(2)]),
        Sample([array(4, 2), array(2, 5), array(5, 3)]),
        Sample([np.zeros((0, 3)), array(3, 2)], tags=("empty",)),
        Sample([strided(3, 2), array(2, 2), array(2)], tags=("non-contiguous",)),
    ),
)
def linalg_multi_dot(tensors: Any) -> Any:
    """The product of two and more matrices, in the order that multiplies least; a vector may stand first and last.

    Shapes: (n) or (m, n), then matrices, then (k) or (k, l). Gradient: from its parts. Errors: RuntimeError for shapes that do not fit.
    Source: torch.linalg.multi_dot.

    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 1), torch.ones(1, 2)])
    tensor([[3., 3.],
            [3., 3.]])
    """
    _chain_check(tensors)
    shapes = _as_matrices(tensors)
    matrices = list(tensors)
    if tensors[0].ndim == 1:
        matrices[0] = rules.unsqueeze(tensors[0], 0)
    if tensors[-1].ndim == 1:
        matrices[-1] = rules.unsqueeze(tensors[-1], -1)
    _, split = _best(shapes)
    return rules.view(_multiplied(matrices, split, 0, len(matrices) - 1), _chain_shape(tensors))


@op(
    "chain_matmul(Tensor[] matrices) -> Tensor",
    meta=lambda matrices: matrices[0] if len(matrices) == 1 else _chain_meta(matrices),
    kind="composite",
    forms="function",
    samples=over(
        Sample([array(2, 3), array(3, 2)]),
        Sample([array(4, 2), array(2, 5), array(5, 3)]),
        Sample([np.zeros((0, 3)), array(3, 2)], tags=("empty",)),
        Sample([strided(3, 2), array(2, 2)], tags=("non-contiguous",)),
    ),
)
def chain_matmul(matrices: Any) -> Any:
    """``linalg.multi_dot`` under its old name. Source: torch.chain_matmul.

    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    return matrices[0] if len(matrices) == 1 else rules.linalg_multi_dot(matrices)


# -- powers -------------------------------------------------------------------------------------------------------------


def _power_meta(input: Spec, n: int) -> Estimate:
    square(input, "linalg.matrix_power")
    if n < 0:
        floating(input, "linalg.inv")
    steps = 2 * abs(n).bit_length() + (10 if n < 0 else 0)
    return Estimate((input,), 4 * input.nbytes, cost(input.shape, 2 * steps + 1))


def _powered(input: Any, n: int) -> Any:
    """By squaring, from the lowest bit."""
    out, square_ = None, None
    while n:
        square_ = input if square_ is None else rules.matmul(square_, square_)
        n, bit = divmod(n, 2)
        if bit:
            out = square_ if out is None else rules.matmul(out, square_)
    return out


@op(
    "linalg_matrix_power(Tensor input, int n) -> Tensor",
    meta=_power_meta,
    kind="composite",
    names=("linalg.matrix_power", "matrix_power"),
    samples=over(
        *(Sample(array(3, 3) + 3 * np.eye(3), n) for n in (0, 1, 2, 3, 5, -1, -2)),
        Sample(np.zeros((0, 2, 2)), 3, tags=("empty",)),
        Sample(array(3, 3).T, 2, tags=("non-contiguous",)),
    ),
)
def linalg_matrix_power(input: Any, n: Any) -> Any:
    """Square matrices to a whole power; a negative one of the inverse.

    Shapes: (*, n, n). Gradient: from its parts. Errors: RuntimeError for what is not square or, to a negative power, singular.
    Source: torch.linalg.matrix_power.

    >>> torch.linalg.matrix_power(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    square(input, "linalg.matrix_power")
    if n == 0:
        one = rules.where(np.ones((), bool), np.eye(input.shape[-1]).astype(_name(input)), input)
        return renamed(one, "torch::autograd::CopyBackwards")
    if n < 0:
        input = rules.linalg_inv(input)
    if abs(n) == 1:
        return input if n < 0 else rules.clone(input)
    if abs(n) == 3:
        return rules.matmul(rules.matmul(input, input), input)
    return _powered(input, abs(n))


def _name(value: Any) -> str:
    return str(value.dtype.name)


# -- tensors as maps ----------------------------------------------------------------------------------------------------


def _inverted_shape(input: Any, ind: int) -> tuple[int, ...]:
    if ind <= 0:
        raise TensorError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    if ind > len(input.shape):
        raise TensorError(f"ArrayRef: invalid slice, N = {ind}; size = {len(input.shape)}")
    rows, columns = math.prod(input.shape[:ind]), math.prod(input.shape[ind:])
    if rows != columns:
        raise ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        )
    return (*input.shape[ind:], *input.shape[:ind])


def _tensorinv_meta(input: Spec, ind: int) -> Estimate:
    out = Spec(_inverted_shape(input, ind), input.dtype)
    n = math.prod(input.shape[:ind])
    return Estimate((out,), 4 * out.nbytes, cost((n, n), 10))


@op(
    "linalg_tensorinv(Tensor input, int ind=2) -> Tensor",
    meta=_tensorinv_meta,
    kind="composite",
    names=("linalg.tensorinv",),
    samples=over(
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(2, 2, 4)),
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(4, 2, 2), 1),
        Sample(np.zeros((0, 0)), 1, tags=("empty",)),
        Sample((array(3, 3) + 4 * np.eye(3)).T, 1, tags=("non-contiguous",)),
    ),
)
def linalg_tensorinv(input: Any, ind: Any) -> Any:
    """The inverse of a tensor as a map from its last dims to its first ``ind``.

    Shapes: the last dims, then the first. Gradient: from its parts. Errors: RuntimeError where the dims have other products.
    Source: torch.linalg.tensorinv.

    >>> torch.linalg.tensorinv(2 * torch.eye(4).reshape(2, 2, 4)).shape
    torch.Size([4, 2, 2])
    """
    shape = _inverted_shape(input, ind)
    rows = math.prod(input.shape[:ind])
    return renamed(rules.reshape(rules.linalg_inv(rules.reshape(input, (rows, rows))), shape), "ReshapeAliasBackward0")


def _solved(input: Any, other: Any, dims: Any) -> tuple[list[int], tuple[int, ...]]:
    """The order of the input's dims, and the shape of the solution."""
    n = len(input.shape)
    moved = [] if dims is None else [d % n for d in dims]
    order = [d for d in range(n) if d not in moved] + moved
    shape = tuple(input.shape[d] for d in order)
    rows, columns = math.prod(other.shape), math.prod(shape[len(other.shape) :])
    first = math.prod(shape[: len(other.shape)])
    if columns != rows or first != rows:
        raise ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got "
            f"{columns} != {rows}"
        )
    return order, shape[len(other.shape) :]


def _tensorsolve_meta(input: Spec, other: Spec, dims: Any) -> Estimate:
    _, shape = _solved(input, other, dims)
    n = math.prod(shape)
    return Estimate((Spec(shape, input.dtype),), 3 * input.nbytes, cost((n, n), 4))


@op(
    "linalg_tensorsolve(Tensor input, Tensor other, int[]? dims=None) -> Tensor",
    meta=_tensorsolve_meta,
    kind="composite",
    names=("linalg.tensorsolve",),
    samples=over(
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(2, 2, 4), array(2, 2)),
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(4, 2, 2), array(2, 2), (0,)),
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(2, 4, 2), array(2, 2), (-2,), tags=("negative dim",)),
        Sample(np.full((1, 1), 1.5), np.array(0.5), (), tags=("0-d",)),
        Sample((array(4, 4) + 4 * np.eye(4)).reshape(4, 2, 2), array(2, 2), (-3,), tags=("negative dim",)),
        Sample(np.array(1.5), np.array(0.5), tags=("0-d",)),
        Sample(np.zeros((0, 0)), np.zeros(0), tags=("empty",)),
        Sample((array(3, 3) + 4 * np.eye(3)).T, array(3), tags=("non-contiguous",)),
    ),
)
def linalg_tensorsolve(input: Any, other: Any, dims: Any) -> Any:
    """The X with tensordot(input, X, X.ndim) = other; ``dims`` of the input are moved to the end first.

    Shapes: the input's dims beyond other's. Gradient: from its parts. Errors: RuntimeError where the dims have other products.
    Source: torch.linalg.tensorsolve.

    >>> torch.linalg.tensorsolve(2 * torch.eye(4).reshape(2, 2, 4), torch.ones(2, 2))
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    order, shape = _solved(input, other, dims)
    if dims is not None:
        input = rules.permute(input, order)
    n = math.prod(shape)
    found = rules.linalg_solve(rules.reshape(input, (n, n)), rules.reshape(other, (n,)))
    return rules.reshape(found, shape)
