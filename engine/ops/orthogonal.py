"""QR, and products of Householder reflections. Rules and names: PyTorch's derivatives.yaml (linalg_qr_backward, ormqr_backward)."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import AutogradError, DtypeError, ShapeError, TensorError, UnsupportedDtypeError
from engine.foresight import foresee
from engine.matrices import adjoint, floating, heavy, on_diagonal, plain, real_of
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided

FLOATING = ("Float", "Double", "ComplexFloat", "ComplexDouble")


def _qr_check(A: Any, mode: str) -> None:
    plain(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise TensorError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    floating(A, "linalg.qr", "geqrf_cpu")


def _qr_meta(A: Spec, mode: str) -> Estimate:
    _qr_check(A, mode)
    *lead, m, n = A.shape
    k = m if mode == "complete" else min(m, n)
    q = Spec((0,) if mode == "r" else (*lead, m, k), A.dtype)
    found = heavy(A, 14, q, Spec((*lead, k, n), A.dtype), copies=3)
    return found._replace(cost=found.cost + 4 * q.numel * k)


def _completed(value: Any) -> Any:
    """What undoes taking the upper triangle of a Hermitian matrix with a real diagonal."""
    n = value.shape[-1]
    return rules.where(on_diagonal(n), rules.real(value), value + adjoint(rules.triu(value, 1)))


def _to_qr(grads: Any, result0: Any, result1: Any, mode: Any) -> Any:
    """(gQ + Q sym(triu(gR Rᴴ - Qᴴ gQ))) R⁻ᴴ; columns beyond the square are Q times theirs."""
    to_q, to_r = grads
    if to_q is None and to_r is None:
        return None
    q, r = result0, result1
    k, n = r.shape[-2:]
    if mode == "r":
        raise AutogradError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use linalg.qr(A, mode='reduced') "
            "if you are going to require gradients."
        )
    if mode == "complete" and k > n:
        raise AutogradError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    beside = None
    if n > k:
        if to_r is not None:
            over_r, more = rules.narrow(r, -1, k, n - k), rules.narrow(to_r, -1, k, n - k)
            extra = q @ (over_r @ adjoint(more))
            to_q = extra if to_q is None else to_q + extra
            to_r = rules.narrow(to_r, -1, 0, k)
            beside = q @ more
        r = rules.narrow(r, -1, 0, k)
    inner: Any = 0 if to_r is None else to_r @ adjoint(r)
    if to_q is not None:
        inner = inner - adjoint(q) @ to_q
    whole = q @ _completed(rules.triu(inner))
    whole = whole if to_q is None else whole + to_q
    whole = rules.linalg_solve_triangular(adjoint(r), whole, upper=False, left=False)
    if n > k:
        rest = rules.zeros_like(rules.narrow(result1, -1, k, n - k)) if beside is None else beside
        whole = rules.cat([whole, rest], -1)
    return whole


def _rectangles(*tail: Any) -> tuple[Sample, ...]:
    return (
        Sample(array(3, 3), *tail),
        Sample(array(2, 2, 3), *tail),
        Sample(array(4, 2), *tail),
        Sample(np.zeros((0, 3)), *tail, tags=("empty",)),
        Sample(np.zeros((0, 3, 2)), *tail, tags=("empty",)),
        Sample(strided(3, 3), *tail, tags=("non-contiguous",)),
    )


@op(
    "linalg_qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)",
    meta=_qr_meta,
    kind="opaque",
    names=("linalg.qr",),
    samples=over(*_rectangles(), Sample(array(2, 3), "complete")),
    vjp={"A": _to_qr},
)
def linalg_qr(A: Any, mode: Any) -> Any:
    """A = Q R: orthonormal columns, and an upper triangle. "complete" gives a square Q, "r" none.

    Shapes: (*, m, n) → (*, m, k), (*, k, n), k = min(m, n). Gradient: (gQ + Q sym(triu(gR Rᴴ - Qᴴ gQ))) R⁻ᴴ. Errors: RuntimeError for
    another mode, and in backward without Q or with a square Q of a tall matrix. Source: torch.linalg.qr.

    >>> torch.linalg.qr(torch.tensor([[3.0, 1.0], [0.0, 2.0]])).R.abs()
    tensor([[3., 1.],
            [0., 2.]])
    """
    _qr_check(A, mode)
    if mode == "r":
        return np.zeros(0, A.dtype), np.linalg.qr(A, "r")
    q, r = np.linalg.qr(A, mode)
    return q, r


@op(
    "qr(Tensor input, bool some=True) -> (Tensor Q, Tensor R)",
    meta=lambda input, some: _qr_meta(input, "reduced" if some else "complete"),
    kind="composite",
    samples=over(*_rectangles()),
)
def qr(input: Any, some: Any) -> Any:
    """``linalg.qr`` under its old name. Source: torch.qr.

    >>> torch.qr(torch.tensor([[3.0, 1.0], [0.0, 2.0]])).R.abs()
    tensor([[3., 1.],
            [0., 2.]])
    """
    return rules.linalg_qr(input, "reduced" if some else "complete")


def _svd_meta(input: Spec, some: bool, compute_uv: bool) -> Estimate:
    if len(input.shape) < 2:
        raise ShapeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {len(input.shape)} dimensions instead"
        )
    floating(input, "linalg.svd", "linalg_svd_cpu")
    *lead, m, n = input.shape
    k = min(m, n)
    small = some and compute_uv
    u, v = Spec((*lead, m, k if small else m), input.dtype), Spec((*lead, n, k if small else n), input.dtype)
    return heavy(input, 60, u, Spec((*lead, k), real_of(input.dtype)), v, copies=6)


@op(
    "svd(Tensor input, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)",
    meta=_svd_meta,
    kind="composite",
    samples=over(*_rectangles(), *_rectangles(False), *_rectangles(True, False)),
)
def svd(input: Any, some: Any, compute_uv: Any) -> Any:
    """``linalg.svd`` under its old name, with V for Vᴴ; without ``compute_uv`` both are zeros.

    Gradient: from its parts. Source: torch.svd.

    >>> torch.svd(torch.tensor([[3.0, 0.0], [0.0, 2.0]])).S
    tensor([3., 2.])
    """
    if len(input.shape) < 2:
        raise ShapeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {len(input.shape)} dimensions instead"
        )
    u, s, vh = rules.linalg_svd(input, full_matrices=not (some and compute_uv))
    if compute_uv:
        return u, s, adjoint(vh)
    return rules.zeros_like(u), s, rules.zeros_like(vh)


# -- Householder reflections --------------------------------------------------------------------------------------------


def _vectors(input: Any, k: int) -> Any:
    """The reflections' vectors as columns: below the diagonal as given, on it ones, above it zeros."""
    return rules.add(rules.tril(rules.narrow(input, -1, 0, k), -1), np.eye(input.shape[-2], k, dtype=input.dtype.name))


def _column(vectors: Any, i: int) -> Any:
    return rules.narrow(vectors, -1, i, 1)


def _factor(tau: Any, i: int) -> Any:
    return rules.unsqueeze(rules.narrow(tau, -1, i, 1), -1)


def _reflect(v: Any, t: Any, value: Any) -> Any:
    """(I - t v vᴴ) value."""
    return value - v @ (t * (adjoint(v) @ value))


def _to_reflections(g: Any, input: Any, tau: Any, value: Any, order: Any, conjugated: bool) -> tuple[Any, Any, Any]:
    """The gradients of H₁ H₂ … value: of what is below the diagonal, of the factors, and of ``value``."""
    k = tau.shape[-1]
    foresee(
        "householder_product", value, k * (3 if isinstance(value, np.ndarray) else 8)
    )  # the value before each reflection
    vectors = _vectors(input, k)
    order = list(order)
    after = [value]
    for i in reversed(order):
        t = _factor(tau, i)
        after.append(_reflect(_column(vectors, i), t.conj() if conjugated else t, after[-1]))
    after.pop()
    to_vectors: dict[int, Any] = {}
    to_tau: dict[int, Any] = {}
    for i in order:
        v, t, held = _column(vectors, i), _factor(tau, i), after.pop()
        t = t.conj() if conjugated else t
        right = g @ (adjoint(held) @ v)
        slope = -(adjoint(v) @ right)
        to_tau[i] = rules.squeeze(slope.conj() if conjugated else slope, -1)
        to_vectors[i] = -(t.conj() * right) - t * (held @ (adjoint(g) @ v))
        g = _reflect(v, t.conj(), g)
    if not order:
        return input * 0, tau * 0, g
    below = rules.tril(rules.cat([to_vectors[i] for i in range(k)], -1), -1)
    missing = input.shape[-1] - k
    below = rules.constant_pad_nd(below, [0, missing]) if missing else below
    return below, rules.cat([to_tau[i] for i in range(k)], -1), g


def _reflected(vectors: Any, tau: Any, value: Any, order: Any) -> Any:
    for i in reversed(list(order)):
        v = vectors[..., i : i + 1]
        value = value - v @ (tau[..., i, None, None] * (np.swapaxes(v, -1, -2).conj() @ value))
    return value


def _product_check(input: Any, tau: Any) -> None:
    name = "torch.linalg.householder_product"
    if len(input.shape) < 2:
        raise ShapeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise ShapeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if input.shape[-1] < (tau.shape[-1] if len(tau.shape) else 1):
        raise ShapeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if len(input.shape) - len(tau.shape) != 1:
        raise ShapeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {len(tau.shape)} "
            f"and input.ndim is equal to {len(input.shape)}"
        )
    if tuple(input.shape[:-2]) != tuple(tau.shape[:-1]):
        raise ShapeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if input.dtype != tau.dtype:
        raise DtypeError(f"{name}: tau dtype {spoken(tau)} does not match input dtype {spoken(input)}")
    if spoken(input) not in FLOATING:
        raise UnsupportedDtypeError(f"\"orgqr_cpu\" not implemented for '{spoken(input)}'")


def _product_meta(input: Spec, tau: Spec) -> Estimate:
    _product_check(input, tau)
    return Estimate(
        (input,), 3 * input.nbytes, max(40 * input.numel * tau.shape[-1], 1)
    )  # vector by vector: memory sets the pace


def _to_product(g: Any, input: Any, tau: Any) -> Any:
    start = rules.where(on_diagonal(*input.shape[-2:]), 1, rules.zeros_like(input))
    below, factors, _ = _to_reflections(g, input, tau, start, range(tau.shape[-1]), False)
    return below, factors


@op(
    "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
    meta=_product_meta,
    kind="opaque",
    names=("linalg.householder_product", "orgqr"),
    samples=over(
        Sample(array(3, 3), array(3)),
        Sample(array(2, 4, 2), array(2, 2)),
        Sample(array(3, 2), array(1)),
        Sample(np.zeros((0, 3, 2)), np.zeros((0, 2)), tags=("empty",)),
        Sample(strided(3, 2), array(2), tags=("non-contiguous",)),
    ),
    vjp={"input, tau": _to_product},
)
def linalg_householder_product(input: Any, tau: Any) -> Any:
    """The first columns of the product of the reflections I - tau v vᴴ, whose vectors stand below the diagonal.

    Shapes: (*, m, n) and (*, k) → (*, m, n). Gradient: through each reflection in turn. Errors: RuntimeError for shapes that do not fit.
    Source: torch.linalg.householder_product.

    >>> torch.linalg.householder_product(torch.tensor([[1.0], [2.0]]), torch.tensor([2.0]))
    tensor([[-1.],
            [-4.]])
    """
    _product_check(input, tau)
    k = tau.shape[-1]
    start = np.broadcast_to(np.eye(*input.shape[-2:], dtype=input.dtype), input.shape)
    return np.array(_reflected(_vectors(input, k), tau, start, range(k)))


def _applied_check(input: Any, tau: Any, other: Any, left: bool) -> None:
    if len(input.shape) < 2:
        raise ShapeError("torch.ormqr: input must have at least 2 dimensions.")
    if len(other.shape) < 2:
        raise ShapeError("torch.ormqr: other must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] != input.shape[-2]:
        raise ShapeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise ShapeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if len(input.shape) - len(tau.shape) != 1 or len(input.shape) != len(other.shape):
        raise ShapeError("torch.ormqr: Expected tau to have one dimension less than input, and other as many")
    if tuple(input.shape[:-2]) != tuple(tau.shape[:-1]) or tuple(input.shape[:-2]) != tuple(other.shape[:-2]):
        raise ShapeError("torch.ormqr: Expected batch dimensions of tau and other to be equal to input.shape[:-2]")
    if not input.dtype == tau.dtype == other.dtype:
        raise DtypeError("torch.ormqr: Expected input, tau and other to have the same dtype")
    if spoken(input) not in FLOATING:
        raise UnsupportedDtypeError(f"\"ormqr_cpu\" not implemented for '{spoken(input)}'")


def _applied_meta(input: Spec, tau: Spec, other: Spec, left: bool, transpose: bool) -> Estimate:
    _applied_check(input, tau, other, left)
    return Estimate((other,), 3 * other.nbytes + input.nbytes, max(40 * other.numel * tau.shape[-1], 1))


def _order(k: int, left: bool, transpose: bool) -> tuple[range, bool]:
    """In which order reflections act from the left, and whether their factors are conjugated."""
    backward = transpose == left
    return (range(k - 1, -1, -1) if backward else range(k)), backward


def _to_applied(g: Any, input: Any, tau: Any, other: Any, left: Any, transpose: Any) -> Any:
    if not tau.shape[-1]:
        return input * 0, tau * 0, rules.ormqr(input, tau, g, left, not transpose)
    order, conjugated = _order(tau.shape[-1], left, transpose)
    if left:
        return _to_reflections(g, input, tau, other, order, conjugated)
    below, factors, to_other = _to_reflections(adjoint(g), input, tau, adjoint(other), order, conjugated)
    return below, factors, adjoint(to_other)


@op(
    "ormqr(Tensor input, Tensor tau, Tensor other, bool left=True, bool transpose=False) -> Tensor",
    meta=_applied_meta,
    kind="opaque",
    samples=over(
        Sample(array(3, 3), array(3), array(3, 2)),
        Sample(array(2, 3, 2), array(2, 2), array(2, 3, 2), transpose=True),
        Sample(array(3, 2), array(2), array(2, 3), left=False),
        Sample(np.zeros((0, 3, 2)), np.zeros((0, 2)), np.zeros((0, 3, 2)), tags=("empty",)),
        Sample(strided(3, 2), array(2), array(2, 3), left=False, transpose=True, tags=("non-contiguous",)),
    ),
    vjp={"input, tau, other": _to_applied},
)
def ormqr(input: Any, tau: Any, other: Any, left: Any, transpose: Any) -> Any:
    """Q other, other Q, or with Qᴴ where ``transpose``; Q is the whole product of the reflections given by input and tau.

    Shapes: (*, m, k), (*, k), (*, m, n) → (*, m, n). Gradient: through each reflection in turn. Errors: RuntimeError for shapes that do
    not
    fit. Source: torch.ormqr.

    >>> torch.ormqr(torch.tensor([[1.0], [0.0]]), torch.tensor([2.0]), torch.eye(2))
    tensor([[-1.,  0.],
            [ 0.,  1.]])
    """
    _applied_check(input, tau, other, left)
    k = tau.shape[-1]
    order, conjugated = _order(k, left, transpose)
    vectors = _vectors(input, k)
    factors = tau.conj() if conjugated else tau
    value = other if left else np.swapaxes(other, -1, -2).conj()
    out = _reflected(vectors, factors, value, order)
    return np.array(out if left else np.swapaxes(out, -1, -2).conj())
