"""Triangular systems, and systems of a matrix whose Cholesky factor is known. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs

from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, UnsupportedDtypeError
from engine.matrices import adjoint, cost, failed, plain, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over
from engine.shapes import broadcast_shapes

SINGULAR = (
    "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is singular."
)


def _taken(value: Any, kernel: str) -> None:
    if spoken(value) not in ("Float", "Double", "ComplexFloat", "ComplexDouble"):
        raise UnsupportedDtypeError(f"\"{kernel}\" not implemented for '{spoken(value)}'")


def _solved_shape(A: Any, B: Any, left: bool, name: str = "linalg.solve_triangular") -> tuple[int, ...]:
    """The shape of the solution. Errors: RuntimeError in PyTorch's words."""
    square(A, name)
    plain(B, name, "B")
    a, b = tuple(A.shape), tuple(B.shape)
    if b[-2 if left else -1] != a[-1]:
        raise ShapeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({a[-2]}x{a[-1]} and {b[-2]}x{b[-1]})"
        )
    return (*broadcast_shapes(a[:-2], b[:-2]), *b[-2:])


def _substituted(A: Any, B: Any, upper: bool, left: bool, unitriangular: bool) -> Any:
    """One triangle of each matrix, solved by substitution; what divides by zero is infinite or NaN."""
    shape = _solved_shape(A, B, left)
    n = A.shape[-1]
    d = np.result_type(A, B)
    out = np.array(np.broadcast_to(B, shape), d)
    if not out.size:
        return out
    factors = np.broadcast_to(A, (*shape[:-2], n, n)).astype(d, copy=False)
    trsm: Any = get_blas_funcs("trsm", (out,))
    for i in np.ndindex(shape[:-2]):
        out[i] = trsm(1, factors[i], out[i], side=not left, lower=not upper, diag=unitriangular)
    return out


def _to_triangular(g: Any, input: Any, result: Any, upper: Any, left: Any, unitriangular: Any) -> Any:
    side = rules.linalg_solve_triangular(adjoint(input), g, upper=not upper, left=left, unitriangular=unitriangular)
    whole = -(side @ adjoint(result)) if left else -(adjoint(result) @ side)
    return rules.triu(whole, int(unitriangular)) if upper else rules.tril(whole, -int(unitriangular)), side


def _triangular_meta(A: Spec, B: Spec, upper: bool, left: bool, unitriangular: bool) -> Estimate:
    _taken(B, "triangular_solve_cpu")
    shape = _solved_shape(A, B, left)
    out = Spec(shape, B.dtype)
    n = A.shape[-1]
    each = math.prod(shape[:-2]) * n * n * A.dtype.itemsize  # its gradient is made for every system, and added up then
    return Estimate((out,), 2 * out.nbytes + A.nbytes + each, max(2 * n * out.numel, 1))


def _triangle(*shape: int) -> Any:
    return array(*shape) + 3 * np.eye(shape[-1])


@op(
    "linalg_solve_triangular(Tensor input, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor",
    meta=_triangular_meta,
    kind="opaque",
    promote="common",
    names=("linalg.solve_triangular",),
    samples=over(
        Sample(_triangle(3, 3), array(3, 2), upper=True),
        Sample(_triangle(3, 3), array(3, 2), upper=False, unitriangular=True),
        Sample(_triangle(2, 2), array(3, 1, 2), upper=False, left=False, tags=("broadcast",)),
        Sample(_triangle(2, 2).T, array(2, 2).T, upper=True, tags=("non-contiguous",)),
        Sample(np.zeros((0, 0)), np.zeros((0, 2)), upper=True, tags=("empty",)),
    ),
    vjp={"input, B": _to_triangular},
)
def linalg_solve_triangular(input: Any, B: Any, upper: Any, left: Any, unitriangular: Any) -> Any:
    """The X with A X = B (X A = B where not ``left``) where only a triangle of A is read; with ``unitriangular`` not its diagonal.

    Shapes: (*, n, n) and (*, n, k). Gradient: G = A⁻ᴴ g for B, the triangle of -G Xᴴ for A. Errors: RuntimeError for shapes that do
    not fit; a zero on the diagonal gives infinities. Source: torch.linalg.solve_triangular.

    >>> torch.linalg.solve_triangular(torch.tensor([[2.0, 1.0], [0.0, 4.0]]), torch.ones(2, 1), upper=True)
    tensor([[0.3750],
            [0.2500]])
    """
    _taken(B, "triangular_solve_cpu")
    return _substituted(input, B, upper, left, unitriangular)


# -- systems whose Cholesky factor is known -----------------------------------------------------------------------------


def _fits(B: Any, A: Any, name: str) -> tuple[int, ...]:
    """The shape of the solution of the old rows. Errors: RuntimeError in PyTorch's words."""
    square(A, name)
    n = A.shape[-1]
    if B.shape[-2] != n:
        raise ShapeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    if A.dtype != B.dtype:
        raise DtypeError(
            f"Expected b and A to have the same dtype, but found b of type {spoken(B)} and A of type {spoken(A)} instead."
        )
    _taken(B, f"{name}_cpu")
    return (*broadcast_shapes(tuple(A.shape[:-2]), tuple(B.shape[:-2])), *B.shape[-2:])


def _cholesky_shape(input: Any, input2: Any) -> tuple[int, ...]:
    for value, letter in ((input, "b"), (input2, "u")):
        if len(value.shape) < 2:
            raise ShapeError(
                f"{letter} should have at least 2 dimensions, but has {len(value.shape)} dimensions instead"
            )
    return _fits(input, input2, "cholesky_solve")


def _cholesky_meta(input: Spec, input2: Spec, upper: bool) -> Estimate:
    out = Spec(_cholesky_shape(input, input2), input.dtype)
    return Estimate((out,), 3 * out.nbytes, max(4 * out.numel * out.shape[-2], 1))


def _to_cholesky(g: Any, input2: Any, result: Any, upper: Any) -> Any:
    side = rules.cholesky_solve(g, input2, upper)
    both = side @ adjoint(result)
    both = both + adjoint(both)
    return side, -(input2 @ both) if upper else -(both @ input2)


def _system(*lead: int) -> tuple[Any, Any]:
    return array(*lead, 3, 2), np.tril(_triangle(3, 3))


@op(
    "cholesky_solve(Tensor input, Tensor input2, bool upper=False) -> Tensor",
    meta=_cholesky_meta,
    kind="opaque",
    samples=over(
        Sample(*_system()),
        Sample(array(3, 2), np.triu(_triangle(3, 3)), True),
        Sample(*_system(2), tags=("broadcast",)),
        Sample(np.zeros((3, 0)), np.tril(_triangle(3, 3)), tags=("empty",)),
        Sample(array(2, 3).T, np.tril(_triangle(3, 3)), tags=("non-contiguous",)),
    ),
    vjp={"input, input2": _to_cholesky},
)
def cholesky_solve(input: Any, input2: Any, upper: Any) -> Any:
    """The X with A X = B, where A = L Lᴴ (Uᴴ U where ``upper``) is given by its factor, the second argument.

    Shapes: (*, n, k) and (*, n, n). Gradient: G = A⁻¹ g, and -(G Xᴴ + X Gᴴ) L. Errors: RuntimeError for shapes that do not fit.
    Source: torch.cholesky_solve.

    >>> torch.cholesky_solve(torch.ones(2, 1), torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.2500],
            [0.0625]])
    """
    _cholesky_shape(input, input2)
    other = np.swapaxes(input2, -1, -2).conj()
    first, second = (other, input2) if upper else (input2, other)
    return _substituted(second, _substituted(first, input, False, True, False), True, True, False)


def _inverse_check(input: Any) -> None:
    square(input, "cholesky_inverse")
    _taken(input, "cholesky_inverse_out_cpu")


def _inverse_meta(input: Spec, upper: bool) -> Estimate:
    _inverse_check(input)
    return Estimate((input,), 3 * input.nbytes, cost(input.shape, 4))


def _to_inverse(g: Any, input: Any, result: Any, upper: Any) -> Any:
    both = result @ (g + adjoint(g)) @ result
    return -(input @ both) if upper else -(both @ input)


@op(
    "cholesky_inverse(Tensor input, bool upper=False) -> Tensor",
    meta=_inverse_meta,
    kind="opaque",
    samples=over(
        Sample(np.tril(_triangle(3, 3))),
        Sample(np.triu(_triangle(3, 3)), True),
        Sample(np.zeros((0, 0)), tags=("empty",)),
        Sample(np.triu(_triangle(3, 3)).T, tags=("non-contiguous",)),
    ),
    vjp={"input": _to_inverse},
)
def cholesky_inverse(input: Any, upper: Any) -> Any:
    """The inverse of L Lᴴ (Uᴴ U where ``upper``), given the factor.

    Shapes: (*, n, n). Gradient: -X (g + gᴴ) X L, X the result. Errors: RuntimeError for a zero on the diagonal.
    Source: torch.cholesky_inverse.

    >>> torch.cholesky_inverse(torch.tensor([[2.0, 0.0], [1.0, 4.0]]))
    tensor([[ 0.2656, -0.0312],
            [-0.0312,  0.0625]])
    """
    _inverse_check(input)
    zeros = np.diagonal(input, 0, -2, -1) == 0
    failed("cholesky_inverse", np.where(zeros.any(-1), zeros.argmax(-1) + 1, 0) if zeros.size else 0, SINGULAR)
    eye = np.eye(input.shape[-1], dtype=input.dtype)
    factor = np.swapaxes(input, -1, -2).conj() if upper else input
    half = _substituted(factor, eye, False, True, False)
    return np.swapaxes(half, -1, -2).conj() @ half


def _old_shape(input: Any, A: Any) -> tuple[int, ...]:
    for value, letter in ((input, "b"), (A, "A")):
        if len(value.shape) < 2:
            raise ShapeError(
                f"torch.triangular_solve: Expected {letter} to have at least 2 dimensions, but it has {len(value.shape)} dimensions instead"
            )
    return _fits(input, A, "triangular_solve")


def _old_meta(input: Spec, A: Spec, upper: bool, transpose: bool, unitriangular: bool) -> Estimate:
    shape = _old_shape(input, A)
    out = Spec(shape, input.dtype)
    n = A.shape[-1]
    return Estimate((out, Spec((*shape[:-2], n, n), A.dtype)), 2 * out.nbytes + A.nbytes, max(2 * n * out.numel, 1))


@op(
    "triangular_solve(Tensor input, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> "
    "(Tensor solution, Tensor cloned_coefficient)",
    meta=_old_meta,
    kind="composite",
    samples=over(
        Sample(array(3, 2), _triangle(3, 3)),
        Sample(array(2, 3, 2), _triangle(3, 3), False, True, tags=("broadcast",)),
        Sample(np.zeros((3, 0)), _triangle(3, 3), tags=("empty",)),
        Sample(array(2, 3).T, _triangle(3, 3), tags=("non-contiguous",)),
    ),
)
def triangular_solve(input: Any, A: Any, upper: Any, transpose: Any, unitriangular: Any) -> Any:
    """``linalg.solve_triangular`` under its old name, the right side first; with it a copy of A.

    Gradient: from its parts. Source: torch.triangular_solve.

    >>> torch.triangular_solve(torch.ones(2, 1), torch.tensor([[2.0, 1.0], [0.0, 4.0]])).solution
    tensor([[0.3750],
            [0.2500]])
    """
    shape = _old_shape(input, A)
    copy = rules.clone(rules.expand(A, (*shape[:-2], *A.shape[-2:])))
    if transpose:
        A, upper = rules.transpose(A, -2, -1), not upper  # noqa: N806 - PyTorch's name
    solution = rules.linalg_solve_triangular(A, input, upper=upper, unitriangular=unitriangular)
    return renamed(solution, "TriangularSolveBackward0"), renamed(copy, "TriangularSolveBackward0")
