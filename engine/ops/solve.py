"""Determinants, inverses and linear systems. Rules and names: PyTorch's derivatives.yaml (linalg_solve_ex, linalg_inv_ex, _linalg_det)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from engine import dtypes
from engine.determinant import MOST_POINTS, along_circle
from engine.domain import spoken
from engine.errors import DtypeError, ShapeError
from engine.matrices import adjoint, cost, failed, floating, heavy, is_complex, real_of, square, transposed
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.shapes import broadcast_shapes

INVERSE = (
    "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is singular."
)
SOLVE = "The solver failed because the input matrix is singular."


def _well(*shape: int) -> Any:
    """Matrices far from singular."""
    return array(*shape) + 4 * np.eye(shape[-1])


def _squares() -> tuple[Sample, ...]:
    return (
        Sample(_well(3, 3)),
        Sample(_well(2, 2, 2)),
        Sample(np.zeros((0, 3, 3)), tags=("empty",)),
        Sample(np.zeros((0, 0)), tags=("empty",)),
        Sample(_well(3, 3).T, tags=("non-contiguous",)),
    )


def _zero_pivots(A: Any) -> Any:
    """For each matrix the number of the first zero on the diagonal of U, counted from 1; 0: it has an inverse."""
    info = np.zeros(A.shape[:-2], np.int32)
    getrf: Any = get_lapack_funcs("getrf", (A,))
    for i in np.ndindex(info.shape):
        info[i] = getrf(A[i])[2] if A.shape[-1] else 0
    return info


def _inverted(A: Any) -> tuple[Any, Any]:
    """Inverses, NaN where there is none, and what LAPACK tells of each."""
    try:
        return np.linalg.inv(A), np.zeros(A.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = _zero_pivots(A)
        good = np.where((info == 0)[..., None, None], A, np.eye(A.shape[-1], dtype=A.dtype))
        return np.where((info == 0)[..., None, None], np.linalg.inv(good), math.nan).astype(A.dtype), info


def _inverse_meta(A: Spec, check_errors: bool = False) -> Estimate:
    floating(A, "linalg.inv")
    square(A, "linalg.inv")
    return heavy(A, 10, A, Spec(A.shape[:-2], dtypes.int32))


@op(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
    meta=_inverse_meta,
    kind="opaque",
    names=("linalg.inv_ex",),
    samples=over(*_squares()),
    vjp={"A": lambda g, result0: -(adjoint(result0) @ (g @ adjoint(result0)))},
)
def linalg_inv_ex(A: Any, check_errors: Any) -> Any:
    """Inverses of square matrices, and for each 0 or the number of the pivot that was zero.

    Shapes: (*, n, n). Gradient: -Xᴴ g Xᴴ, X the inverse. Errors: RuntimeError for what is not square; for a singular matrix only with
    check_errors. Source: torch.linalg.inv_ex.

    >>> torch.linalg.inv_ex(torch.tensor([[2.0, 0.0], [0.0, 4.0]])).info
    tensor(0, dtype=torch.int32)
    """
    floating(A, "linalg.inv")
    square(A, "linalg.inv")
    inverse, info = _inverted(A)
    if check_errors:
        failed("linalg.inv", info, INVERSE)
    return inverse, info


@op(
    "linalg_inv(Tensor A) -> Tensor",
    meta=lambda A: _inverse_meta(A)._replace(outputs=(A,)),
    kind="composite",
    names=("linalg.inv",),
    samples=over(*_squares()),
)
def linalg_inv(A: Any) -> Any:
    """Inverses of square matrices.

    Shapes: (*, n, n). Gradient: -Xᴴ g Xᴴ, X the inverse. Errors: RuntimeError for a singular matrix. Source: torch.linalg.inv.

    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return rules.linalg_inv_ex(A, check_errors=True)[0]


@op(
    "inverse(Tensor input) -> Tensor",
    meta=lambda input: _inverse_meta(input)._replace(outputs=(input,)),
    kind="composite",
    samples=over(*_squares()),
)
def inverse(input: Any) -> Any:
    """``linalg.inv`` under its old name. Source: torch.inverse.

    >>> torch.inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return rules.linalg_inv_ex(input, check_errors=True)[0]


# -- linear systems -----------------------------------------------------------------------------------------------------


def _is_vector(A: tuple[int, ...], B: tuple[int, ...]) -> bool:
    return len(B) == 1 or (len(A) - 1 == len(B) and A[:-1] == B)


def _solved_shape(A: Any, B: Any, left: bool) -> tuple[int, ...]:
    """The shape of the solution. Errors: RuntimeError in PyTorch's words."""
    floating(A, "linalg.solve")
    square(A, "linalg.solve")
    if A.dtype != B.dtype:
        raise DtypeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {spoken(A)} and B of type {spoken(B)} instead"
        )
    a, b = tuple(A.shape), tuple(B.shape)
    vector = _is_vector(a, b)
    if vector:
        if not left:
            raise ShapeError(
                f"linalg.solve: Incompatible shapes of A and B for the equation XA = B ({a[-2]}x{a[-1]} and {b[-1]}x1)"
            )
        b = (*b, 1)
    if len(b) < 2:
        raise ShapeError("linalg.solve: The input tensor B must have at least 2 dimensions.")
    if b[-2 if left else -1] != a[-1]:
        raise ShapeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({a[-2]}x{a[-1]} and {b[-2]}x{b[-1]})"
        )
    whole = (*broadcast_shapes(a[:-2], b[:-2]), *b[-2:])
    return whole[:-1] if vector else whole


def _solve_meta(A: Spec, B: Spec, left: bool = True, check_errors: bool = False) -> Estimate:
    shape = _solved_shape(A, B, left)
    out = Spec(shape, A.dtype)
    n = A.shape[-1]
    lead = shape[: -1 if _is_vector(A.shape, B.shape) else -2]
    factored = (*lead, n, n)  # a matrix of many systems is decomposed for each, and its gradient made for each
    each = math.prod(factored) * A.dtype.itemsize
    return Estimate(
        (out, Spec(A.shape[:-2], dtypes.int32)),
        2 * A.nbytes + 2 * out.nbytes + each,
        cost(factored, 4) + 2 * n * out.numel,
    )


def _to_system(g: Any, A: Any, B_shape: Any, result0: Any, left: Any) -> Any:
    side = rules.linalg_solve(adjoint(A), g, left=left)
    if not left:
        return -(adjoint(result0) @ side), side
    if _is_vector(tuple(A.shape), B_shape):
        return -(rules.unsqueeze(side, -1) * rules.unsqueeze(result0.conj(), -2)), side
    return -(side @ adjoint(result0)), side


@op(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)",
    meta=_solve_meta,
    kind="opaque",
    names=("linalg.solve_ex",),
    samples=over(
        Sample(_well(3, 3), array(3, 2)),
        Sample(_well(3, 3), array(3)),
        Sample(_well(3, 3), array(2, 3), left=False),
        Sample(_well(2, 2, 2), array(2, 2)),
        Sample(_well(2, 2), array(3, 2, 1), tags=("broadcast",)),
        Sample(_well(2, 2).T, array(2, 2).T, tags=("non-contiguous",)),
        Sample(np.zeros((0, 0)), np.zeros((0, 2)), tags=("empty",)),
    ),
    vjp={"A, B": _to_system},
)
def linalg_solve_ex(A: Any, B: Any, left: Any, check_errors: Any) -> Any:
    """The X with A X = B, or with X A = B where not ``left``, and for each matrix 0 or the number of the pivot that was zero.

    Shapes: (*, n, n) and (*, n, k), or vectors (*, n). Gradient: G = A⁻ᴴ g for B, -G Xᴴ for A. Errors: RuntimeError for shapes that do not
    fit; for a singular matrix only with check_errors. Source: torch.linalg.solve_ex.

    >>> torch.linalg.solve_ex(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.ones(2)).result
    tensor([0.5000, 0.2500])
    """
    shape = _solved_shape(A, B, left)
    vector = _is_vector(A.shape, B.shape)
    right = B[..., None] if vector else B if left else np.swapaxes(B, -1, -2)
    system = A if left else np.swapaxes(A, -1, -2)
    info = np.zeros(A.shape[:-2], np.int32)
    try:
        out = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        info = _zero_pivots(A)
        if check_errors:
            failed("torch.linalg.solve", info, SOLVE)
        good = (info == 0)[..., None, None]
        out = np.linalg.solve(np.where(good, system, np.eye(A.shape[-1], dtype=A.dtype)), right)
        out = np.where(good, out, math.nan).astype(A.dtype)
    out = out[..., 0] if vector else out if left else np.swapaxes(out, -1, -2)
    return np.asarray(out).reshape(shape), info


@op(
    "linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
    meta=lambda A, B, left: _solve_meta(A, B, left)._replace(outputs=(Spec(_solved_shape(A, B, left), A.dtype),)),
    kind="composite",
    names=("linalg.solve",),
    samples=over(
        Sample(_well(3, 3), array(3, 2)),
        Sample(_well(2, 2, 2), array(2, 2), left=True),
        Sample(_well(2, 2).T, array(2, 3), left=True, tags=("non-contiguous",)),
        Sample(np.zeros((0, 0)), np.zeros((0, 2)), tags=("empty",)),
    ),
)
def linalg_solve(A: Any, B: Any, left: Any) -> Any:
    """The X with A X = B, or with X A = B where not ``left``.

    Shapes: (*, n, n) and (*, n, k), or vectors (*, n). Gradient: G = A⁻ᴴ g for B, -G Xᴴ for A. Errors: RuntimeError for a singular matrix
    and shapes that do not fit. Source: torch.linalg.solve.

    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.ones(2))
    tensor([0.5000, 0.2500])
    """
    return rules.linalg_solve_ex(A, B, left=left, check_errors=True)[0]


# -- determinants -------------------------------------------------------------------------------------------------------


def _wide(scalars: Any) -> Any:
    """One number a matrix, ready to be multiplied with the matrices."""
    return rules.unsqueeze(rules.unsqueeze(scalars, -1), -1)


def _third(h: Any, g: Any, A: Any) -> Any:
    """conj(D³det(A)[h, conj(g)]), with S = A⁻ᴴ: of large matrices NaN for a singular one."""
    if 0 not in A.shape and A.shape[-1] <= MOST_POINTS:
        return along_circle(h, g, A)
    star = adjoint(rules.linalg_inv_ex(A)[0])
    scale, x = rules._linalg_det(A).conj(), h.conj()
    to_x, to_g = star @ transposed(x) @ star, star @ transposed(g) @ star
    of_x, of_g = (_wide(rules.sum(v * star, (-2, -1))) for v in (x, g))
    both = _wide(rules.sum(x * to_g, (-2, -1)))
    mixed = to_x @ transposed(g) @ star + to_g @ transposed(x) @ star
    return _wide(scale) * ((of_x * of_g - both) * star - of_g * to_x - of_x * to_g + mixed)


def _tame(A: Any) -> tuple[Any, Any]:
    """Inverses, and which of them are to be trusted."""
    inverse, info = _inverted(A)
    with np.errstate(invalid="ignore", over="ignore"):
        span = np.linalg.norm(A, 1, (-2, -1)) * np.linalg.norm(inverse, 1, (-2, -1))
        return inverse, np.isfinite(span) & (span * A.shape[-1] * np.finfo(A.dtype).eps < 1e-3) & (info == 0)


def _singular(A: Any, tame: Any) -> tuple[Any, Any, Any, Any]:
    """U, S, Vᴴ and the determinant of U Vᴴ; of the identity for matrices that are tame."""
    u, s, vh = np.linalg.svd(np.where(tame[..., None, None], np.eye(A.shape[-1], dtype=A.dtype), A))
    return u, s, vh, (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]


@op(
    "_cofactor_change(Tensor g, Tensor A) -> Tensor",
    meta=lambda g, A: heavy(A, 90, A, copies=16),
    kind="opaque",
    forms="",
    samples=over(
        Sample(array(3, 3), _well(3, 3)),
        Sample(array(2, 2, 2), _well(2, 2, 2)),
        Sample(np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), tags=("empty",)),
    ),
    vjp={"g": lambda h, A: rules._cofactor_change(h.conj(), A).conj(), "A": _third},
)
def _cofactor_change(g: Any, A: Any) -> Any:
    """What the cofactors' gradient g is for the matrices, singular ones too: the second derivative of a determinant. Source: engine.

    With A = U S Vᴴ the second derivative at S is that of a diagonal matrix: products of all but two singular values.
    """
    n = A.shape[-1]
    if A.size == 0:
        return np.zeros_like(A)
    inverse, tame = _tame(A)
    star = np.swapaxes(inverse, -1, -2).conj()
    trace = (g * star).sum((-2, -1))[..., None, None]
    direct = np.linalg.det(A).conj()[..., None, None] * (trace * star - star @ np.swapaxes(g, -1, -2) @ star)
    if tame.all():
        return direct.astype(A.dtype)
    u, s, vh, phase = _singular(A, tame)
    own = np.eye(n, dtype=bool)
    left = np.empty_like(A, s.dtype)
    for i in range(n):
        left[..., i, :] = np.where(own | own[i], 1, s[..., None, :]).prod(-1)
    left[..., own] = 0
    turned = np.swapaxes(u, -1, -2) @ g @ np.swapaxes(vh, -1, -2)
    diagonal = left @ np.diagonal(turned, axis1=-2, axis2=-1)[..., None]
    careful = phase.conj() * (u @ (np.where(own, diagonal, 0) - left * np.swapaxes(turned, -1, -2)) @ vh)
    return np.where(tame[..., None, None], direct, careful).astype(A.dtype)


@op(
    "_cofactor(Tensor A) -> Tensor",
    meta=lambda A: heavy(A, 60, A, copies=6),
    kind="opaque",
    forms="",
    samples=over(*_squares()),
    vjp={"A": lambda g, A: rules._cofactor_change(g, A)},
)
def _cofactor(A: Any) -> Any:
    """The cofactors of square matrices, of singular ones too: what a determinant changes by. Source: engine."""
    n = A.shape[-1]
    if A.size == 0:
        return np.zeros_like(A)
    inverse, tame = _tame(A)
    direct = np.linalg.det(A)[..., None, None] * np.swapaxes(inverse, -1, -2)
    if tame.all():
        return direct.astype(A.dtype)
    u, s, vh, phase = _singular(A, tame)
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    careful = phase * ((u * others[..., None, :]).conj() @ vh.conj())
    return np.where(tame[..., None, None], direct, careful).astype(A.dtype)


def _det_meta(A: Spec) -> Estimate:
    floating(A, "linalg.det", "lu_cpu")
    square(A, "linalg.det")
    return heavy(A, 4, Spec(A.shape[:-2], A.dtype), copies=3)


@op(
    "_linalg_det(Tensor A) -> Tensor",
    meta=_det_meta,
    kind="opaque",
    grad_fn="LinalgDetBackward0",
    forms="",
    samples=over(*_squares()),
    vjp={"A": lambda g, A: _wide(g) * rules._cofactor(A).conj()},
)
def _linalg_det(A: Any) -> Any:
    """Determinants. Gradient: g·conj(C), C the cofactors. Source: torch.linalg.det.

    >>> torch.linalg.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    floating(A, "linalg.det", "lu_cpu")
    square(A, "linalg.det")
    return np.linalg.det(A)


@op(
    "linalg_det(Tensor A) -> Tensor",
    meta=_det_meta,
    kind="composite",
    names=("linalg.det",),
    samples=over(*_squares()),
)
def linalg_det(A: Any) -> Any:
    """Determinants of square matrices.

    Shapes: (*, n, n) → (*). Gradient: g·conj(C), C the cofactors, so singular matrices have one. Errors: RuntimeError for
    what is not square. Source: torch.linalg.det.

    >>> torch.linalg.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return rules._linalg_det(A)


@op("det(Tensor input) -> Tensor", meta=_det_meta, kind="composite", samples=over(*_squares()))
def det(input: Any) -> Any:
    """``linalg.det`` under its old name. Source: torch.det.

    >>> torch.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return rules._linalg_det(input)


def _slogdet_meta(name: str) -> Any:
    def meta(A: Spec) -> Estimate:
        floating(A, name)
        square(A, name)
        out = Spec(A.shape[:-2], A.dtype)
        return heavy(A, 4, out, Spec(out.shape, real_of(out.dtype)), copies=1)

    return meta


def _to_slogdet(grads: Any, A: Any, result0: Any) -> Any:
    """A⁻ᴴ times g of the logarithm, less i·Im(conj(g of the sign)·sign) for complex matrices."""
    to_sign, g = grads
    if is_complex(A) and to_sign is not None:
        turn = rules.imag(to_sign.conj() * result0) * 1j
        g = -turn if g is None else g - turn
    if g is None:
        return None
    return _wide(g) * adjoint(rules.linalg_inv_ex(A)[0])


@op(
    "_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
    meta=_slogdet_meta("linalg.slogdet"),
    kind="opaque",
    grad_fn="LinalgSlogdetBackward0",
    names=("linalg.slogdet",),
    samples=over(*_squares()),
    vjp={"A": _to_slogdet},
)
def linalg_slogdet(A: Any) -> Any:
    """The sign (or phase) of determinants and the logarithm of their modulus.

    Shapes: (*, n, n) → (*), (*). Gradient: (g - i·Im(conj(g_sign)·sign))·A⁻ᴴ. Errors: RuntimeError for what is not square.
    Source: torch.linalg.slogdet.

    >>> torch.linalg.slogdet(torch.tensor([[2.0, 0.0], [0.0, -4.0]])).logabsdet
    tensor(2.0794)
    """
    floating(A, "linalg.slogdet")
    square(A, "linalg.slogdet")
    sign, logabsdet = np.linalg.slogdet(A)
    return sign, logabsdet


@op(
    "slogdet(Tensor input) -> (Tensor sign, Tensor logabsdet)",
    meta=_slogdet_meta("linalg.slogdet"),
    kind="composite",
    samples=over(*_squares()),
)
def slogdet(input: Any) -> Any:
    """``linalg.slogdet`` under its old name. Source: torch.slogdet.

    >>> torch.slogdet(torch.tensor([[2.0, 0.0], [0.0, -4.0]])).sign
    tensor(-1.)
    """
    return rules._linalg_slogdet(input)


def _logdet_meta(input: Spec) -> Estimate:
    found: Estimate = _slogdet_meta("logdet")(input)
    return found._replace(outputs=found.outputs[:1])


@op("logdet(Tensor input) -> Tensor", meta=_logdet_meta, kind="composite", samples=over(*_squares()))
def logdet(input: Any) -> Any:
    """The logarithm of determinants; NaN where one is negative.

    Shapes: (*, n, n) → (*). Gradient: g·A⁻ᴴ. Errors: RuntimeError for what is not square. Source: torch.logdet.

    >>> torch.logdet(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(2.0794)
    """
    floating(input, "logdet")
    square(input, "logdet")
    sign, logabsdet = rules._linalg_slogdet(input)
    if is_complex(input):
        return rules.log(sign) + logabsdet
    return rules.where(sign == -1, math.nan, logabsdet)
