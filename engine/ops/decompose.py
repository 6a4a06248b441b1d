"""Cholesky, eigenvalues of Hermitian matrices, singular values. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from engine import dtypes
from engine.domain import spoken
from engine.duals import differentiated
from engine.errors import TensorError, UnsupportedDtypeError
from engine.matrices import adjoint, failed, floating, heavy, is_complex, on_diagonal, plain, real_of, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over

DEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order {info} is not "
    "positive-definite)."
)


def _definite(*shape: int) -> Any:
    half = array(*shape)
    return half @ np.swapaxes(half, -1, -2) + np.eye(shape[-1])


def _definites() -> tuple[Sample, ...]:
    return (
        Sample(_definite(3, 3)),
        Sample(_definite(2, 2, 2)),
        Sample(np.zeros((0, 3, 3)), tags=("empty",)),
        Sample(np.zeros((0, 0)), tags=("empty",)),
        Sample(_definite(3, 3).T, tags=("non-contiguous",)),
    )


# -- Cholesky -----------------------------------------------------------------------------------------------------------


def _factored(A: Any, upper: bool) -> tuple[Any, Any]:
    """Factors, as far as they exist, and for each 0 or the order of the first minor that is not positive."""
    with np.errstate(invalid="ignore"):
        try:
            return np.linalg.cholesky(A, upper=upper), np.zeros(A.shape[:-2], np.int32)
        except np.linalg.LinAlgError:
            pass
    out, info = np.empty_like(A), np.zeros(A.shape[:-2], np.int32)
    potrf: Any = get_lapack_funcs("potrf", (A,))
    for i in np.ndindex(info.shape):
        out[i], info[i] = potrf(A[i], lower=not upper, clean=True)
    return out, info


def _to_definite(g: Any, result0: Any, upper: Any) -> Any:
    """L⁻ᴴ P L⁻¹, where P is the Hermitian matrix with the lower triangle of LᴴG, halved."""
    factor, slope = (adjoint(result0), adjoint(g)) if upper else (result0, g)
    lower = rules.tril(adjoint(factor) @ slope)
    inner = 0.5 * (lower + adjoint(rules.tril(lower, -1)))
    inner = rules.linalg_solve_triangular(adjoint(factor), inner, upper=True)
    return rules.linalg_solve_triangular(factor, inner, upper=False, left=False)


def _definite_tangent(input_t: Any, result0: Any, upper: Any) -> tuple[Any, None]:
    """L times the lower triangle, its diagonal halved, of L⁻¹ dA L⁻ᴴ; of all of dA, as PyTorch's."""
    factor = adjoint(result0) if upper else result0
    inner = rules.linalg_solve_triangular(factor, input_t, upper=False)
    inner = rules.linalg_solve_triangular(adjoint(factor), inner, upper=True, left=False)
    lower = factor @ rules.where(on_diagonal(inner.shape[-1]), 0.5 * inner, rules.tril(inner))
    return (adjoint(lower) if upper else lower), None


def _cholesky_meta(A: Spec, upper: bool = False, check_errors: bool = False) -> Estimate:
    square(A, "linalg.cholesky")
    floating(A, "linalg.cholesky", "cholesky_cpu")
    return heavy(A, 4, A, Spec(A.shape[:-2], dtypes.int32))


@op(
    "linalg_cholesky_ex(Tensor input, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)",
    meta=_cholesky_meta,
    kind="opaque",
    names=("linalg.cholesky_ex",),
    samples=over(*_definites(), Sample(_definite(3, 3), upper=True)),
    vjp={"input": _to_definite},
    jvp=_definite_tangent,
)
def linalg_cholesky_ex(input: Any, upper: Any, check_errors: Any) -> Any:
    """Cholesky factors of Hermitian positive-definite matrices, and for each 0 or the order of the minor that was not positive.

    Shapes: (*, n, n). Gradient: L⁻ᴴ P L⁻¹, P the Hermitian half of tril(Lᴴg). Errors: RuntimeError for what is not square; for a matrix
    that is not positive-definite only with check_errors. Source: torch.linalg.cholesky_ex.

    >>> torch.linalg.cholesky_ex(torch.tensor([[4.0, 2.0], [2.0, 5.0]])).L
    tensor([[2., 0.],
            [1., 2.]])
    """
    square(input, "linalg.cholesky")
    floating(input, "linalg.cholesky", "cholesky_cpu")
    factor, info = _factored(input, upper)
    if check_errors:
        failed("linalg.cholesky", info, DEFINITE)
    return factor, info


@op(
    "linalg_cholesky(Tensor input, *, bool upper=False) -> Tensor",
    meta=lambda input, upper: _cholesky_meta(input)._replace(outputs=(input,)),
    kind="composite",
    names=("linalg.cholesky",),
    samples=over(*_definites(), Sample(_definite(3, 3), upper=True)),
)
def linalg_cholesky(input: Any, upper: Any) -> Any:
    """The lower triangular L with A = L Lᴴ, or with ``upper`` the U with A = Uᴴ U.

    Shapes: (*, n, n). Gradient: L⁻ᴴ P L⁻¹, P the Hermitian half of tril(Lᴴg). Errors: RuntimeError for what is not positive-definite.
    Source: torch.linalg.cholesky.

    >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return rules.linalg_cholesky_ex(input, upper=upper, check_errors=True)[0]


def _old_cholesky_check(input: Any) -> None:
    square(input, "cholesky")
    if spoken(input) not in ("Float", "Double", "ComplexFloat", "ComplexDouble"):
        raise UnsupportedDtypeError(f"\"cholesky_cpu\" not implemented for '{spoken(input)}'")


def _old_cholesky_meta(input: Spec, upper: bool) -> Estimate:
    _old_cholesky_check(input)
    return heavy(input, 4, input)


@op(
    "cholesky(Tensor input, bool upper=False) -> Tensor",
    meta=_old_cholesky_meta,
    kind="opaque",
    samples=over(*_definites(), Sample(_definite(3, 3), True)),
    vjp={"input": lambda g, result, upper: _to_definite(g, result, upper)},
)
def cholesky(input: Any, upper: Any) -> Any:
    """``linalg.cholesky`` under its old name.

    Gradient: L⁻ᴴ P L⁻¹, P the Hermitian half of tril(Lᴴg). Errors: RuntimeError for what is not positive-definite. Source: torch.cholesky.

    >>> torch.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    _old_cholesky_check(input)
    factor, info = _factored(input, upper)
    failed("linalg.cholesky", info, DEFINITE)
    return factor


# -- eigenvalues of Hermitian matrices ----------------------------------------------------------------------------------


def _gaps(values: Any) -> Any:
    """Differences of each two values, values[k] - values[j], with ones on the diagonal."""
    n = values.shape[-1]
    gaps = rules.unsqueeze(values, -2) - rules.unsqueeze(values, -1)
    return rules.where(on_diagonal(n), 1, gaps)


def _onto_diagonal(values: Any) -> Any:
    """Matrices with the values on their diagonal."""
    return rules.where(on_diagonal(values.shape[-1]), rules.unsqueeze(values, -2), 0)


def _to_hermitian(grads: Any, result0: Any, result1: Any) -> Any:
    """V (diag(gL) + skew(Vᴴ gV)/2E) Vᴴ, E the differences of the eigenvalues."""
    to_values, to_vectors = grads
    if to_vectors is None:
        if to_values is None:
            return None
        return (result1 * rules.unsqueeze(to_values, -2)) @ adjoint(result1)
    inner = _skew(adjoint(result1) @ to_vectors) / (2 * _gaps(result0))
    diagonal = on_diagonal(result0.shape[-1])
    inner = rules.where(diagonal, 0 if to_values is None else rules.unsqueeze(to_values, -2), inner)
    return result1 @ (inner @ adjoint(result1))


def _hermitian_tangent(A_t: Any, result0: Any, result1: Any) -> tuple[Any, Any]:
    """The diagonal of VᴴdA V, and V (VᴴdA V / E) without that diagonal; of all of dA, as PyTorch's."""
    inner = adjoint(result1) @ (A_t @ result1)
    values = rules.real(rules.diagonal(inner, 0, -2, -1))
    return values, result1 @ rules.where(on_diagonal(result0.shape[-1]), 0, inner / _gaps(result0))


def _eigh_check(A: Any, UPLO: str) -> None:
    square(A, "linalg.eigh")
    if UPLO.upper() not in ("L", "U"):
        raise TensorError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    if spoken(A) not in ("Float", "Double", "ComplexFloat", "ComplexDouble"):
        raise UnsupportedDtypeError(f"\"linalg_eigh_cpu\" not implemented for '{spoken(A)}'")


def _eigh_meta(A: Spec, UPLO: str, compute_v: bool = True) -> Estimate:
    _eigh_check(A, UPLO)
    values = Spec(A.shape[:-1], real_of(A.dtype))
    return heavy(A, 30, values, A if compute_v else Spec((0,), A.dtype), copies=4)


@op(
    "_linalg_eigh(Tensor A, str UPLO='L', bool compute_v=True) -> (Tensor eigenvalues, Tensor eigenvectors)",
    meta=_eigh_meta,
    kind="opaque",
    grad_fn="LinalgEighBackward0",
    forms="",
    samples=over(*_definites(), Sample(_definite(3, 3), "U")),
    vjp={"A": _to_hermitian},
    jvp=_hermitian_tangent,
)
def _linalg_eigh(A: Any, UPLO: Any, compute_v: Any) -> Any:
    """Eigenvalues and, where asked for, eigenvectors. Gradient: V (diag(gL) + skew(Vᴴ gV)/2E) Vᴴ. Source: torch.linalg.eigh."""
    _eigh_check(A, UPLO)
    try:
        if not compute_v:
            return np.linalg.eigvalsh(A, UPLO.upper()), np.empty(0, A.dtype)
        values, vectors = np.linalg.eigh(A, UPLO.upper())
    except np.linalg.LinAlgError:
        raise TensorError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues"
        ) from None
    return values, vectors


@op(
    "linalg_eigh(Tensor input, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)",
    meta=lambda input, UPLO: _eigh_meta(input, UPLO),
    kind="composite",
    names=("linalg.eigh",),
    samples=over(*_definites(), Sample(_definite(3, 3), "U")),
)
def linalg_eigh(input: Any, UPLO: Any) -> Any:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, of which one triangle is read.

    Shapes: (*, n, n) → (*, n), (*, n, n). Gradient: V (diag(gL) + skew(Vᴴ gV)/2E) Vᴴ, E the differences of the eigenvalues; infinite where
    two are equal and the vectors count. Errors: RuntimeError for what is not square. Source: torch.linalg.eigh.

    >>> torch.linalg.eigh(torch.tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    tensor([2., 3.])
    """
    return rules._linalg_eigh(input, UPLO)


@op(
    "linalg_eigvalsh(Tensor input, str UPLO='L') -> Tensor",
    meta=lambda input, UPLO: heavy(input, 20, _eigh_meta(input, UPLO).outputs[0], copies=3),
    kind="composite",
    names=("linalg.eigvalsh",),
    samples=over(*_definites(), Sample(_definite(3, 3), "U")),
)
def linalg_eigvalsh(input: Any, UPLO: Any) -> Any:
    """Eigenvalues, ascending, of Hermitian matrices, of which one triangle is read.

    Shapes: (*, n, n) → (*, n). Gradient: V diag(g) Vᴴ. Errors: RuntimeError for what is not square. Source: torch.linalg.eigvalsh.

    >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    return rules._linalg_eigh(input, UPLO, differentiated(input))[0]


# -- singular values ----------------------------------------------------------------------------------------------------


def _skew(value: Any) -> Any:
    return value - adjoint(value)


def _to_rectangular(grads: Any, result0: Any, result1: Any, result2: Any, full_matrices: Any) -> Any:
    """What changes A changes U, S and Vᴴ by: the parts in the span of the singular vectors, then those outside."""
    to_u, to_s, to_vh = grads
    k = result1.shape[-1]
    u, s, vh = result0, result1, result2
    m, n = u.shape[-2], vh.shape[-1]
    if full_matrices:
        u, vh = rules.narrow(u, -1, 0, k), rules.narrow(vh, -2, 0, k)
        to_u = None if to_u is None else rules.narrow(to_u, -1, 0, k)
        to_vh = None if to_vh is None else rules.narrow(to_vh, -2, 0, k)
    if to_u is None and to_vh is None:
        if to_s is None:
            return None
        return (u * rules.unsqueeze(to_s, -2)) @ vh if m >= n else u @ (rules.unsqueeze(to_s, -1) * vh)
    column, row = rules.unsqueeze(s, -1), rules.unsqueeze(s, -2)
    gaps = rules.where(on_diagonal(k), 1, (row - column) * (row + column))
    inner: Any = 0 if to_s is None else _onto_diagonal(to_s)
    if to_u is not None:
        turn = adjoint(u) @ to_u
        inner = inner + _skew(turn) / gaps * row
        if is_complex(u):
            inner = inner + rules.where(on_diagonal(k), _skew(turn) / (2 * row), 0)
    if to_vh is not None:
        inner = inner + column * (_skew(vh @ adjoint(to_vh)) / gaps)
    whole = u @ inner @ vh
    if to_u is not None and m > k:
        outside = to_u / row
        whole = whole + (outside - u @ (adjoint(u) @ outside)) @ vh
    if to_vh is not None and n > k:
        outside = to_vh / column
        whole = whole + u @ (outside - outside @ adjoint(vh) @ vh)
    return whole


def _svd_check(A: Any, driver: str | None) -> None:
    plain(A, "linalg.svd")
    floating(A, "linalg.svd", "linalg_svd_cpu")
    if driver is not None:
        raise TensorError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


def _svd_meta(A: Spec, full_matrices: bool = True, compute_uv: bool = True, driver: str | None = None) -> Estimate:
    _svd_check(A, driver)
    *lead, m, n = A.shape
    k = min(m, n)
    s = Spec((*lead, k), real_of(A.dtype))
    if not compute_uv:
        return heavy(A, 20, Spec((0,), A.dtype), s, Spec((0,), A.dtype), copies=3)
    u = Spec((*lead, m, m if full_matrices else k), A.dtype)
    vh = Spec((*lead, n if full_matrices else k, n), A.dtype)
    found = heavy(A, 60, u, s, vh, copies=5)
    return found._replace(cost=found.cost + 10 * (u.numel * m + vh.numel * n))


def _rectangles() -> tuple[Sample, ...]:
    return (
        Sample(array(3, 3)),
        Sample(array(2, 2, 3)),
        Sample(array(4, 2)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(np.zeros((0, 3, 2)), tags=("empty",)),
        Sample(array(3, 2).T, tags=("non-contiguous",)),
    )


@op(
    "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
    meta=_svd_meta,
    kind="opaque",
    grad_fn="LinalgSvdBackward0",
    forms="",
    samples=over(*_rectangles(), *(Sample(*s.args, True, tags=s.tags) for s in _rectangles())),
    vjp={"A": _to_rectangular},
)
def _linalg_svd(A: Any, full_matrices: Any, compute_uv: Any, driver: Any) -> Any:
    """Singular values and, where asked for, vectors. Gradient: see ``linalg.svd``. Source: torch.linalg.svd."""
    _svd_check(A, driver)
    try:
        if not compute_uv:
            return np.empty(0, A.dtype), np.linalg.svd(A, compute_uv=False), np.empty(0, A.dtype)
        u, s, vh = np.linalg.svd(A, full_matrices=full_matrices)
    except np.linalg.LinAlgError:
        raise TensorError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        ) from None
    if math.prod(A.shape[:-2]) and not np.isfinite(s).all():
        raise TensorError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        )
    return u, s, vh


@op(
    "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)",
    meta=lambda A, full_matrices, driver: _svd_meta(A, full_matrices, True, driver),
    kind="composite",
    names=("linalg.svd",),
    samples=over(*_rectangles(), *(Sample(*s.args, False, tags=s.tags) for s in _rectangles())),
)
def linalg_svd(A: Any, full_matrices: Any, driver: Any) -> Any:
    """A = U diag(S) Vᴴ, the singular values descending; with ``full_matrices`` U and Vᴴ are square.

    Shapes: (*, m, n) → (*, m, k), (*, k), (*, k, n). Gradient: U (skew(Uᴴ gU)/E S + S skew(Vᴴ gV)/E + diag(gS)) Vᴴ and what
    lies outside the span of the vectors, E the differences of the squares. Errors: RuntimeError for values that are not finite.
    Source: torch.linalg.svd.

    >>> torch.linalg.svd(torch.tensor([[3.0, 0.0], [0.0, 2.0]])).S
    tensor([3., 2.])
    """
    return rules._linalg_svd(A, full_matrices, driver=driver)


def _values_meta(A: Spec, driver: Any) -> Estimate:
    found = _svd_meta(A, False, False, driver)
    return found._replace(outputs=found.outputs[1:2])


@op(
    "linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor",
    meta=_values_meta,
    kind="composite",
    names=("linalg.svdvals",),
    samples=over(*_rectangles()),
)
def linalg_svdvals(A: Any, driver: Any) -> Any:
    """Singular values, descending.

    Shapes: (*, m, n) → (*, min(m, n)). Gradient: U diag(g) Vᴴ. Errors: RuntimeError for values that are not finite.
    Source: torch.linalg.svdvals.

    >>> torch.linalg.svdvals(torch.tensor([[3.0, 0.0], [0.0, 2.0]]))
    tensor([3., 2.])
    """
    return rules._linalg_svd(A, False, differentiated(A), driver=driver)[1]
