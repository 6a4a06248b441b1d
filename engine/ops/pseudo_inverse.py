"""Pseudo-inverses, ranks, condition numbers and least squares. Rules and names: PyTorch's derivatives.yaml (pinv_backward)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, TensorError
from engine.matrices import adjoint, cost, heavy, plain, real_of, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes

FLOATING = ("Float", "Double", "ComplexFloat", "ComplexDouble")


def _bound(input: Any, largest: Any, atol: Any, rtol: Any) -> Any:
    """Up to which singular values count as zero."""
    if rtol is None:
        rtol = (
            0.0
            if atol is not None and np.any(np.asarray(atol) > 0)
            else np.finfo(input.dtype).eps * max(input.shape[-2:])
        )
    return np.maximum(np.asarray(0.0 if atol is None else atol), np.asarray(rtol) * largest)


def _pinv_check(input: Any, hermitian: bool) -> None:
    if len(input.shape) < 2 or spoken(input) not in FLOATING:
        shape = ", ".join(map(str, input.shape))
        raise TensorError(
            f"linalg.pinv({spoken(input)}{{[{shape}]}}): expected a tensor with 2 or more dimensions of float, double, cfloat or cdouble "
            "types"
        )
    if hermitian:
        square(input, "linalg.eigh")


def _pinv(input: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """What inverts the singular values above the bound."""
    _pinv_check(input, hermitian)
    *lead, m, n = input.shape
    if not input.size:
        return np.zeros((*lead, n, m), input.dtype)
    try:
        if hermitian:
            s, u = np.linalg.eigh(input)
            vh = np.swapaxes(u, -1, -2).conj()
        else:
            u, s, vh = np.linalg.svd(input, full_matrices=False)
    except np.linalg.LinAlgError:
        raise TensorError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        ) from None
    size = np.absolute(s)
    keep = size > np.asarray(_bound(input, size.max(-1), atol, rtol))[..., None]
    inverse = np.divide(1, s, out=np.zeros_like(s), where=keep)
    out = (np.swapaxes(vh, -1, -2).conj() * inverse[..., None, :]) @ np.swapaxes(u, -1, -2).conj()
    return out.astype(input.dtype, copy=False)


def _to_pinv(g: Any, result: Any, input: Any) -> Any:
    """-Pᴴ g Pᴴ + (I - A P) gᴴ P Pᴴ + Pᴴ P gᴴ (I - P A), with the brackets where the matrices between are as small as the smaller dim."""
    ph, gh = adjoint(result), adjoint(g)
    if input.shape[-2] > input.shape[-1]:
        right = gh @ (result @ ph)
        left = ph @ (result @ gh)
        return right - input @ (result @ right) + left - left @ (result @ input) - ph @ (g @ ph)
    right = (gh @ result) @ ph
    left = (ph @ result) @ gh
    return right - (input @ result) @ right + left - (left @ result) @ input - (ph @ g) @ ph


def _pinv_meta(input: Spec, atol: Any, rtol: Any, hermitian: bool) -> Estimate:
    _pinv_check(input, hermitian)
    out = Spec((*input.shape[:-2], input.shape[-1], input.shape[-2]), input.dtype)
    return heavy(input, 70, out, copies=6)


def _rectangles() -> tuple[Sample, ...]:
    return (
        Sample(array(3, 3)),
        Sample(array(2, 2, 3)),
        Sample(array(4, 2)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    )


@op(
    "linalg_pinv.atol_rtol_float(Tensor input, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor",
    meta=_pinv_meta,
    kind="opaque",
    names=("linalg.pinv",),
    samples=over(*_rectangles(), Sample(array(3, 2), rtol=0.2, atol=0.1)),
    vjp={"input": lambda g, result, input: _to_pinv(g, result, input)},
)
def linalg_pinv(input: Any, atol: Any, rtol: Any, hermitian: Any) -> Any:
    """The pseudo-inverse: singular values up to max(atol, rtol·the largest) count as zero; rtol is eps·max(m, n) if neither is given.

    Shapes: (*, m, n) → (*, n, m). Gradient: -Pᴴ g Pᴴ + (I - A P) gᴴ P Pᴴ + Pᴴ P gᴴ (I - P A), P the result. Errors: RuntimeError for values
    that are not finite. Source: torch.linalg.pinv.

    >>> torch.linalg.pinv(torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000, 0.0000],
            [0.0000, 0.2500, 0.0000]])
    """
    return _pinv(input, atol, rtol, hermitian)


@op(
    "linalg_pinv.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor",
    meta=_pinv_meta,
    kind="opaque",
    promote=("input",),
    names=("linalg.pinv",),
    samples=over(
        Sample(array(3, 2), rtol=np.array(0.2), tags=("0-d",)),
        Sample(array(2, 3, 2), atol=np.full(2, 0.01)),
        Sample(np.zeros((0, 3)), rtol=np.array(0.2), tags=("empty",)),
        Sample(strided(3, 2), rtol=np.array(0.01), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, result, input: _to_pinv(g, result, input)},
)
def linalg_pinv_tensor(input: Any, atol: Any, rtol: Any, hermitian: Any) -> Any:
    """The pseudo-inverse, with a bound for each matrix.

    Gradient: as without tensors. Source: torch.linalg.pinv.

    >>> torch.linalg.pinv(torch.eye(2), rtol=torch.tensor(0.5))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _pinv(input, atol, rtol, hermitian)


@op(
    "linalg_pinv(Tensor input, float rcond, bool hermitian=False) -> Tensor",
    meta=lambda input, rcond, hermitian: _pinv_meta(input, None, rcond, hermitian),
    kind="composite",
    names=("linalg.pinv",),
    samples=lambda: [Sample(*s.args, 1e-3, tags=s.tags) for s in _rectangles()],
)
def linalg_pinv_rcond(input: Any, rcond: Any, hermitian: Any) -> Any:
    """The pseudo-inverse by an older signature: rcond is rtol. Source: torch.linalg.pinv.

    >>> torch.linalg.pinv(torch.eye(2), 0.5)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return rules.linalg_pinv(input, atol=0.0, rtol=rcond, hermitian=hermitian)


@op(
    "pinverse(Tensor input, float rcond=1e-15) -> Tensor",
    meta=lambda input, rcond: _pinv_meta(input, None, rcond, False),
    kind="composite",
    samples=over(*_rectangles()),
)
def pinverse(input: Any, rcond: Any) -> Any:
    """``linalg.pinv`` under its old name. Source: torch.pinverse.

    >>> torch.pinverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return rules.linalg_pinv(input, atol=0.0, rtol=rcond, hermitian=False)


# -- ranks and condition numbers ----------------------------------------------------------------------------------------


def _rank_check(input: Any) -> None:
    plain(input, "torch.linalg.matrix_rank", "input")
    if spoken(input) not in FLOATING:
        raise DtypeError("This function doesn't handle types other than float and double")


def _rank_meta(input: Spec, tol: Any, hermitian: bool, atol: Any, rtol: Any) -> Estimate:
    _rank_check(input)
    return heavy(input, 20, Spec(input.shape[:-2], dtypes.int64), copies=4)


@op(
    "linalg_matrix_rank(Tensor input, float? tol=None, bool hermitian=False, *, float? atol=None, float? rtol=None) -> Tensor",
    meta=_rank_meta,
    kind="opaque",
    names=("linalg.matrix_rank",),
    samples=over(*_rectangles()),
)
def linalg_matrix_rank(input: Any, tol: Any, hermitian: Any, atol: Any, rtol: Any) -> Any:
    """How many singular values are above max(atol, rtol·the largest), or above ``tol``.

    Shapes: (*, m, n) → (*), int64. No derivative. Source: torch.linalg.matrix_rank.

    >>> torch.linalg.matrix_rank(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    _rank_check(input)
    if hermitian:
        square(input, "linalg.eigh")
    if not input.size:
        return np.zeros(input.shape[:-2], np.int64)
    s = np.absolute(np.linalg.eigvalsh(input)) if hermitian else np.linalg.svd(input, compute_uv=False)
    bound = _bound(input, s.max(-1), tol if tol is not None else atol, 0.0 if tol is not None else rtol)
    return np.add.reduce(s > np.asarray(bound)[..., None], axis=-1, dtype=np.int64)


def _cond_check(input: Any, p: Any) -> bool:
    """Whether the condition number comes from singular values."""
    plain(input, "linalg.cond", "")
    if p is None or p in (2, -2):
        return True
    square(input, f"linalg.cond(ord={p})")
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise TensorError(f"linalg.cond got an invalid norm type: {p}")
    return False


def _cond_meta(input: Spec, p: Any) -> Estimate:
    _cond_check(input, p)
    return heavy(input, 24, Spec(input.shape[:-2], real_of(input.dtype)), copies=4)


@op(
    "linalg_cond(Tensor input, Any p=None) -> Tensor",
    meta=_cond_meta,
    kind="composite",
    names=("linalg.cond",),
    samples=lambda: [
        *_rectangles(),
        *(Sample(array(3, 3), p) for p in (2, -2, 1, -1, math.inf, -math.inf, "fro", "nuc")),
    ],
)
def linalg_cond(input: Any, p: Any) -> Any:
    """The condition number: the largest singular value by the smallest, or the norm of a matrix times that of its inverse.

    Shapes: (*, m, n) → (*). Gradient: from its parts. Errors: RuntimeError for another order. Source: torch.linalg.cond.

    >>> torch.linalg.cond(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(2.)
    """
    singular = _cond_check(input, p)
    if 0 in input.shape:
        return rules.zeros_like(rules.linalg_matrix_norm(input))
    if singular:
        values = rules.linalg_svdvals(input)
        first, last = rules.narrow(values, -1, 0, 1), rules.narrow(values, -1, values.shape[-1] - 1, 1)
        return rules.squeeze(last / first if p == -2 else first / last, -1)
    inverse, info = rules.linalg_inv_ex(input)
    whole = rules.linalg_matrix_norm(input, p) * rules.linalg_matrix_norm(inverse, p)
    return rules.where(info != 0, math.inf, whole)


# -- least squares ------------------------------------------------------------------------------------------------------

DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _fitted(input: Any, b: Any, driver: Any) -> tuple[tuple[int, ...], bool]:
    """The batch shape of both, and whether b is a vector. Errors: RuntimeError in PyTorch's words."""
    name = "torch.linalg.lstsq"
    if len(input.shape) < 2:
        raise ShapeError(f"{name}: input must have at least 2 dimensions.")
    if len(b.shape) < 1:
        raise ShapeError(f"{name}: other must have at least 1 dimension.")
    difference = len(input.shape) - len(b.shape)
    if difference not in (0, 1):
        raise ShapeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    if spoken(input) not in FLOATING:
        raise DtypeError("This function doesn't handle types other than float and double")
    if input.dtype != b.dtype:
        raise DtypeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {spoken(input)} and other's dtype {spoken(b)}"
        )
    if driver is not None and driver not in DRIVERS:
        raise TensorError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    vector = difference == 1
    rows = b.shape[-1] if vector else b.shape[-2]
    if rows != input.shape[-2]:
        raise ShapeError(f"{name}: input.size(-2) should match other.size({-1 if vector else -2})")
    lead = tuple(b.shape[:-1] if vector else b.shape[:-2])
    return broadcast_shapes(tuple(input.shape[:-2]), lead), vector


def _lstsq_meta(input: Spec, b: Spec, rcond: Any, driver: Any) -> Estimate:
    lead, vector = _fitted(input, b, driver)
    m, n = input.shape[-2:]
    d = input.dtype
    tail = () if vector else b.shape[-1:]
    kind = driver or "gelsy"
    residuals = (*lead, *tail) if m > n and kind != "gelsy" else (0,)
    outputs = (
        Spec((*lead, n, *tail), d),
        Spec(residuals, real_of(d)),
        Spec((0,) if kind == "gels" else lead, dtypes.int64),
        Spec((*lead, min(m, n)) if kind in ("gelsd", "gelss") else (0,), real_of(d)),
    )
    work = cost((*lead, m, n), 60) + 4 * m * n * math.prod(lead) * math.prod(tail)
    return Estimate(outputs, 4 * (input.nbytes + b.nbytes), work, bound=kind in ("gelsd", "gelss"))


def _to_fit(grads: Any, input: Any, b: Any, result0: Any) -> Any:
    """Through the pseudo-inverse for the solution; the residuals' part is that of a sum of squares."""
    g, to_residuals = grads[:2]
    vector = input.ndim == b.ndim + 1
    right = rules.unsqueeze(b, -1) if vector else b
    found = rules.unsqueeze(result0, -1) if vector else result0
    to_input, to_b = None, None
    if g is not None:
        up = rules.unsqueeze(g, -1) if vector else g
        inverse = rules.linalg_pinv(input)
        to_b = adjoint(inverse) @ up
        to_input = _to_pinv(up @ adjoint(right), inverse, input)
    if to_residuals is not None and 0 not in to_residuals.shape:
        up = rules.unsqueeze(to_residuals, -1) if vector else to_residuals
        miss = (input @ found - right) * rules.unsqueeze(2 * up, -2)
        to_b = -miss if to_b is None else to_b - miss
        outer = miss @ adjoint(found)
        to_input = outer if to_input is None else to_input + outer
    if vector and to_b is not None:
        to_b = rules.squeeze(to_b, -1)
    return to_input, to_b


@op(
    "linalg_lstsq(Tensor input, Tensor b, float? rcond=None, *, str? driver=None) -> "
    "(Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
    meta=_lstsq_meta,
    kind="opaque",
    names=("linalg.lstsq",),
    samples=over(
        Sample(array(4, 2), array(4, 3)),
        Sample(array(2, 4, 2), array(2, 4, 1), driver="gels"),
        Sample(array(2, 3, 3) + 4 * np.eye(3), array(2, 3), driver="gelsd"),
        Sample(array(4, 2), array(4), driver="gelss"),
        Sample(np.zeros((0, 4, 2)), np.zeros((0, 4, 1)), tags=("empty",)),
        Sample(strided(4, 2), array(4, 2), tags=("non-contiguous",)),
    ),
    constant=("singular_values",),
    vjp={"input, b": _to_fit},
)
def linalg_lstsq(input: Any, b: Any, rcond: Any, driver: Any) -> Any:
    """The shortest X that makes the sum of the squares of A X - B least; with it those sums, the ranks and the singular values.

    Shapes: (*, m, n) and (*, m, k) → (*, n, k), sums (*, k) where m > n and the driver tells, ranks (*), values (*, min(m, n)). Gradient:
    through the pseudo-inverse. Errors: RuntimeError for shapes that do not fit. Source: torch.linalg.lstsq.

    >>> torch.linalg.lstsq(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), torch.ones(3, 1)).solution
    tensor([[1.0000],
            [0.5000]])
    """
    lead, vector = _fitted(input, b, driver)
    m, n = input.shape[-2:]
    d, kind = input.dtype, driver or "gelsy"
    right = b[..., None] if vector else b
    k = right.shape[-1]
    left = np.broadcast_to(input, (*lead, m, n))
    right = np.broadcast_to(right, (*lead, m, k))
    real = np.finfo(d).dtype
    solution = np.zeros((*lead, n, k), d)
    rank = np.zeros(lead, np.int64)
    values = np.zeros((*lead, min(m, n)), real)
    if m and n:
        cut = np.finfo(d).eps * max(m, n) if rcond is None else rcond
        for i in np.ndindex(*lead):
            solution[i], _, rank[i], values[i] = np.linalg.lstsq(left[i], right[i], rcond=cut)
    none = np.zeros(0, real)
    told = m > n and kind != "gelsy" and (kind == "gels" or bool((rank == n).all()))
    residuals = np.add.reduce(np.absolute(left @ solution - right) ** 2, axis=-2).astype(real) if told else none
    if vector:
        solution = solution[..., 0]
        residuals = residuals[..., 0] if told else none
    ranks = np.zeros(0, np.int64) if kind == "gels" else rank
    return solution, residuals, ranks, values if kind in ("gelsd", "gelss") else none
