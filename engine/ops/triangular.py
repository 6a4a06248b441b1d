"""Triangular systems, and systems of a matrix whose Cholesky factor is known. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs

from engine.domain import spoken
from engine.errors import ShapeError, UnsupportedDtypeError
from engine.matrices import adjoint, plain, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.shapes import broadcast_shapes


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
    (trsm,) = get_blas_funcs(("trsm",), (out,))
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
    return Estimate((out,), 2 * out.nbytes + A.nbytes, max(2 * A.shape[-1] * out.numel, 1))


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
