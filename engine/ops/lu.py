"""LU factors with row exchanges, and systems solved by them. Rules and names: PyTorch's derivatives.yaml (linalg_lu_backward)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, TensorError, UnsupportedDtypeError
from engine.foresight import foresee
from engine.matrices import adjoint, cost, failed, heavy, plain, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes

FLOATING = ("Float", "Double", "ComplexFloat", "ComplexDouble")
SINGULAR = (
    "U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
    "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)


def _taken(A: Any, pivot: bool, name: str) -> None:
    if len(A.shape) < 2:
        raise ShapeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    if spoken(A) not in FLOATING:
        raise UnsupportedDtypeError(f"\"lu_cpu\" not implemented for '{spoken(A)}'")
    if not pivot:
        raise TensorError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def _factored(A: Any) -> tuple[Any, Any, Any]:
    """Both factors in one matrix, the row exchanges counted from 1, the first zero pivot."""
    *lead, m, n = A.shape
    k = min(m, n)
    packed = np.array(A)
    pivots = np.zeros((*lead, k), np.int32)
    info = np.zeros(tuple(lead), np.int32)
    if k:
        getrf: Any = get_lapack_funcs("getrf", (packed,))
        for i in np.ndindex(*lead):
            packed[i], pivots[i], info[i] = getrf(A[i])
    return packed, pivots + np.int32(1) if k else pivots, info


def _permutation(pivots: Any, m: int) -> Any:
    """The order of rows that the exchanges make, for each matrix."""
    lead = pivots.shape[:-1]
    flat = pivots.reshape(int(np.prod(lead)), pivots.shape[-1])
    order = np.tile(np.arange(m), (flat.shape[0], 1))
    rows = np.arange(flat.shape[0])
    for i in range(flat.shape[1]):
        other = flat[:, i] - 1
        held = order[rows, i]
        order[rows, i] = order[rows, other]
        order[rows, other] = held
    return order.reshape(*lead, m)


def _exchange(pivots: Any, m: int, d: Any) -> Any:
    """The P of A = P L U."""
    order = _permutation(pivots, m)
    return (order[..., None, :] == np.arange(m)[:, None]).astype(d)


def _padded(value: Any, rows: int, columns: int) -> Any:
    """Filled up with zeros below and to the right."""
    below, beside = rows - value.shape[-2], columns - value.shape[-1]
    return rules.constant_pad_nd(value, [0, beside, 0, below]) if below or beside else value


def _to_factored(to_l: Any, to_u: Any, p: Any, lower: Any, upper: Any) -> Any:
    """What changes A = P L U changes L and U by: L⁻ᴴ (tril(Lᴴ gL, -1) + triu(gU Uᴴ)) U⁻ᴴ, and the same for what is over."""
    m, k, n = lower.shape[-2], lower.shape[-1], upper.shape[-1]
    square_l, square_u = rules.narrow(lower, -2, 0, k), rules.narrow(upper, -1, 0, k)
    inner: Any = 0
    extra = None
    if to_l is not None:
        inner = rules.tril(adjoint(square_l) @ rules.narrow(to_l, -2, 0, k), -1)
        if m > k:
            rest, low = rules.narrow(to_l, -2, k, m - k), rules.narrow(lower, -2, k, m - k)
            inner = inner - rules.triu(adjoint(low) @ rest)
            extra = rules.linalg_solve_triangular(adjoint(square_u), rest, upper=False, left=False)
    if to_u is not None:
        inner = inner + rules.triu(rules.narrow(to_u, -1, 0, k) @ adjoint(square_u))
        if n > k:
            rest, up = rules.narrow(to_u, -1, k, n - k), rules.narrow(upper, -1, k, n - k)
            inner = inner - rules.tril(rest @ adjoint(up), -1)
            extra = rules.linalg_solve_triangular(adjoint(square_l), rest, upper=True, unitriangular=True)
    inner = rules.linalg_solve_triangular(adjoint(square_l), inner, upper=True, unitriangular=True)
    whole = rules.linalg_solve_triangular(adjoint(square_u), inner, upper=False, left=False)
    if extra is not None:
        whole = rules.cat([whole, extra], -2 if m > k else -1)
    elif m > k or n > k:
        whole = _padded(whole, m, n)
    return p @ whole


def _to_packed(grads: Any, result0: Any, result1: Any) -> Any:
    g = grads[0]
    if g is None:
        return None
    m, n = result0.shape[-2:]
    foresee("lu_factor", result0, 3 * (m // max(n, 1) + 1), n + 1)  # the exchanges as a matrix
    p, lower, upper = rules.lu_unpack(result0, result1)
    k = lower.shape[-1]
    return _to_factored(
        rules.tril(rules.narrow(g, -1, 0, k), -1), rules.triu(rules.narrow(g, -2, 0, k)), p, lower, upper
    )


def _factor_meta(A: Spec, pivot: bool = True, check_errors: bool = False) -> Estimate:
    _taken(A, pivot, "torch.lu_factor")
    *lead, m, n = A.shape
    pivots = Spec((*lead, min(m, n)), dtypes.int32)
    return heavy(A, 4, A, pivots, Spec(tuple(lead), dtypes.int32))


def _rectangles() -> tuple[Sample, ...]:
    return (
        Sample(array(3, 3) + np.eye(3)),
        Sample(array(2, 2, 3)),
        Sample(array(4, 2)),
        Sample(np.zeros((0, 3, 3)), tags=("empty",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    )


@op(
    "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)",
    meta=_factor_meta,
    kind="opaque",
    names=("linalg.lu_factor_ex",),
    samples=over(*_rectangles()),
    vjp={"A": _to_packed},
)
def linalg_lu_factor_ex(A: Any, pivot: Any, check_errors: Any) -> Any:
    """Both LU factors in one matrix, the row exchanges counted from 1, and for each 0 or the number of the pivot that was zero.

    Shapes: (*, m, n) → (*, m, n), (*, min(m, n)) int32, (*) int32. Gradient: P L⁻ᴴ (tril(Lᴴ g, -1) + triu(g Uᴴ)) U⁻ᴴ. Errors:
    RuntimeError
    without pivoting; for a zero pivot only with check_errors. Source: torch.linalg.lu_factor_ex.

    >>> torch.linalg.lu_factor_ex(torch.tensor([[2.0, 1.0], [1.0, 1.0]])).LU
    tensor([[2.0000, 1.0000],
            [0.5000, 0.5000]])
    """
    _taken(A, pivot, "torch.lu_factor")
    packed, pivots, info = _factored(A)
    if check_errors:
        failed("torch.linalg.lu_factor_ex", info, SINGULAR, TensorError)
    return packed, pivots, info


def _raised(info: Any, name: str) -> None:
    failed(name, getattr(info, "_array", info), SINGULAR, TensorError)


@op(
    "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
    meta=lambda A, pivot: (found := _factor_meta(A, pivot))._replace(outputs=found.outputs[:2]),
    kind="composite",
    names=("linalg.lu_factor",),
    samples=over(*_rectangles()),
)
def linalg_lu_factor(A: Any, pivot: Any) -> Any:
    """Both LU factors in one matrix and the row exchanges counted from 1.

    Gradient: P L⁻ᴴ (tril(Lᴴ g, -1) + triu(g Uᴴ)) U⁻ᴴ. Errors: RuntimeError for a zero pivot. Source: torch.linalg.lu_factor.

    >>> torch.linalg.lu_factor(torch.tensor([[2.0, 1.0], [1.0, 1.0]])).pivots
    tensor([1, 2], dtype=torch.int32)
    """
    packed, pivots, info = rules.linalg_lu_factor_ex(A, pivot=pivot)
    _raised(info, "torch.linalg.lu_factor")
    return packed, pivots


@op(
    "lu(Tensor input, bool pivot=True, bool get_infos=False) -> Tensor[]",
    meta=lambda input, pivot, get_infos: (found := _factor_meta(input, pivot))._replace(
        outputs=found.outputs[: 3 if get_infos else 2]
    ),
    kind="composite",
    samples=over(*_rectangles(), Sample(array(2, 2), True, True)),
)
def lu(input: Any, pivot: Any, get_infos: Any) -> Any:
    """``linalg.lu_factor`` under its old name; with ``get_infos`` also what ``lu_factor_ex`` tells.

    Gradient: P L⁻ᴴ (tril(Lᴴ g, -1) + triu(g Uᴴ)) U⁻ᴴ. Errors: RuntimeError without pivoting. Source: torch.lu.

    >>> torch.lu(torch.tensor([[2.0, 1.0], [1.0, 1.0]]))[0]
    tensor([[2.0000, 1.0000],
            [0.5000, 0.5000]])
    """
    packed, pivots, info = rules.linalg_lu_factor_ex(input, pivot=pivot)
    if get_infos:
        return packed, pivots, info
    return packed, pivots


def _apart_specs(input: Spec) -> tuple[Spec, Spec, Spec]:
    *lead, m, n = input.shape
    k = min(m, n)
    return (
        Spec((*lead, m, m), input.dtype),
        Spec((*lead, m, k), input.dtype),
        Spec((*lead, k, n), input.dtype),
    )


def _apart(packed: Any) -> tuple[Any, Any]:
    """L with its ones, and U."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower = np.tril(packed[..., :, :k], -1) + np.eye(m, k, dtype=packed.dtype)
    return lower, np.triu(packed[..., :k, :])


def _lu_meta(A: Spec, pivot: bool) -> Estimate:
    _taken(A, pivot, "linalg.lu")
    return heavy(A, 4, *_apart_specs(A))


@op(
    "linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
    meta=_lu_meta,
    kind="opaque",
    names=("linalg.lu",),
    samples=over(*_rectangles()),
    constant=("P",),
    vjp={
        "A": lambda grads, result0, result1, result2: (
            None if grads[1] is grads[2] is None else _to_factored(grads[1], grads[2], result0, result1, result2)
        )
    },
)
def linalg_lu(A: Any, pivot: Any) -> Any:
    """A = P L U: an exchange of rows, a lower triangle with ones on its diagonal, an upper one.

    Shapes: (*, m, n) → (*, m, m), (*, m, k), (*, k, n), k = min(m, n). Gradient: P L⁻ᴴ (tril(Lᴴ gL, -1) + triu(gU Uᴴ)) U⁻ᴴ. Errors:
    RuntimeError without pivoting. Source: torch.linalg.lu.

    >>> torch.linalg.lu(torch.tensor([[2.0, 1.0], [1.0, 1.0]])).U
    tensor([[2.0000, 1.0000],
            [0.0000, 0.5000]])
    """
    _taken(A, pivot, "linalg.lu")
    packed, pivots, _ = _factored(A)
    return _exchange(pivots, A.shape[-2], A.dtype), *_apart(packed)


def _unpack_check(LU_data: Any, LU_pivots: Any) -> None:
    if len(LU_data.shape) < 2:
        raise ShapeError(
            f"torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: {list(LU_data.shape)} instead"
        )
    if spoken(LU_pivots) != "Int":
        raise DtypeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\n"
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )


def _unpack_meta(LU_data: Spec, LU_pivots: Spec, unpack_data: bool, unpack_pivots: bool) -> tuple[Spec, ...]:
    _unpack_check(LU_data, LU_pivots)
    p, lower, upper = _apart_specs(LU_data)
    none = Spec((0,), LU_data.dtype)
    return (p if unpack_pivots else none, *((lower, upper) if unpack_data else (none, none)))


def _to_unpacked(grads: Any, LU_data_shape: Any) -> Any:
    m, n = LU_data_shape[-2:]
    to_l = None if grads[1] is None else _padded(rules.tril(grads[1], -1), m, n)
    to_u = None if grads[2] is None else _padded(rules.triu(grads[2]), m, n)
    return to_u if to_l is None else to_l if to_u is None else to_l + to_u


@op(
    "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)",
    meta=_unpack_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(array(2, 2), np.array([2, 2], np.int32)),
        Sample(array(2, 3), np.array([1, 2], np.int32), unpack_pivots=False),
        Sample(np.zeros((0, 2)), np.zeros(0, np.int32), tags=("empty",)),
        Sample(strided(3, 2), np.array([2, 3], np.int32), tags=("non-contiguous",)),
    ),
    constant=("P",),
    vjp={"LU_data": _to_unpacked},
)
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: Any, unpack_pivots: Any) -> Any:
    """P, L and U out of what ``linalg.lu_factor`` gives.

    Gradient: the lower triangle of gL and the upper one of gU. Source: torch.lu_unpack.

    >>> torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[2.0, 1.0], [1.0, 1.0]]))).L
    tensor([[1.0000, 0.0000],
            [0.5000, 1.0000]])
    """
    _unpack_check(LU_data, LU_pivots)
    none = np.zeros(0, LU_data.dtype)
    p = _exchange(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else none
    return p, *(_apart(LU_data) if unpack_data else (none, none))


# -- systems whose matrix is factored -----------------------------------------------------------------------------------


def _system_shape(LU: Any, pivots: Any, B: Any, left: bool) -> tuple[int, ...]:
    """The shape of the solution. Errors: RuntimeError in PyTorch's words."""
    if LU.dtype != B.dtype:
        raise DtypeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {spoken(LU)} and B of type {spoken(B)} "
            "instead"
        )
    if spoken(pivots) != "Int":
        raise DtypeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    square(LU, "torch.linalg.lu_solve")
    plain(B, "linalg.lu_solve", "B")
    n = LU.shape[-1]
    if B.shape[-2 if left else -1] != n:
        raise ShapeError(
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({n}x{n} and {B.shape[-2]}x{B.shape[-1]})"
        )
    if tuple(pivots.shape) != tuple(LU.shape[:-1]):
        raise ShapeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    return (*broadcast_shapes(tuple(LU.shape[:-2]), tuple(B.shape[:-2])), *B.shape[-2:])


def _to_system(g: Any, LU: Any, pivots: Any, result: Any, left: Any, adjoint_: Any) -> Any:
    to_b = rules.linalg_lu_solve(LU, pivots, g, left=left, adjoint=not adjoint_)
    if left:
        to_a = -(result @ adjoint(to_b)) if adjoint_ else -(to_b @ adjoint(result))
    else:
        to_a = -(adjoint(to_b) @ result) if adjoint_ else -(adjoint(result) @ to_b)
    p, lower, upper = rules.lu_unpack(LU, pivots)
    inner = adjoint(p) @ to_a
    return rules.tril(inner @ adjoint(upper), -1) + rules.triu(adjoint(lower) @ inner), to_b


def _system_meta(LU: Spec, pivots: Spec, B: Spec, left: bool, adjoint: bool) -> Estimate:
    out = Spec(_system_shape(LU, pivots, B, left), B.dtype)
    n = LU.shape[-1]
    each = (
        math.prod(out.shape[:-2]) * n * n * LU.dtype.itemsize
    )  # its gradient is made for every system, and added up then
    return Estimate((out,), 3 * out.nbytes + LU.nbytes + 3 * each, max(4 * n * out.numel, cost(LU.shape, 0)))


def _systems() -> tuple[Any, Any]:
    packed, pivots, _ = _factored(array(3, 3) + np.eye(3))
    return packed, pivots


@op(
    "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor",
    meta=_system_meta,
    kind="opaque",
    names=("linalg.lu_solve",),
    samples=lambda: [
        Sample(*_systems(), array(3, 2)),
        Sample(*_systems(), array(2, 3, 1), adjoint=True, tags=("broadcast",)),
        Sample(*_systems(), array(2, 3), left=False),
        Sample(*_systems(), array(2, 3), left=False, adjoint=True),
        Sample(*_systems(), np.zeros((3, 0)), tags=("empty",)),
        Sample(*_systems(), array(2, 3).T, tags=("non-contiguous",)),
    ],
    vjp={"LU, B": lambda g, LU, pivots, result, left, adjoint: _to_system(g, LU, pivots, result, left, adjoint)},
)
def linalg_lu_solve(LU: Any, pivots: Any, B: Any, left: Any, adjoint: Any) -> Any:
    """The X with A X = B (X A = B where not ``left``; Aᴴ for A with ``adjoint``), A given by what ``linalg.lu_factor`` gives.

    Shapes: (*, n, n), (*, n), (*, n, k). Gradient: the system with the other adjoint for B; through both triangles for LU. Errors:
    RuntimeError for shapes that do not fit. Source: torch.linalg.lu_solve.

    >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]])), torch.ones(2, 1))
    tensor([[0.5000],
            [0.2500]])
    """
    shape = _system_shape(LU, pivots, B, left)
    out = np.array(np.broadcast_to(B, shape))
    if not out.size:
        return out
    n = LU.shape[-1]
    packed = np.broadcast_to(LU, (*shape[:-2], n, n))
    exchanges = np.broadcast_to(pivots, (*shape[:-2], n)) - 1
    getrs: Any = get_lapack_funcs("getrs", (out,))
    complex_ = out.dtype.kind == "c"
    for i in np.ndindex(shape[:-2]):
        if left:
            out[i] = getrs(packed[i], exchanges[i], out[i], trans=(2 if complex_ else 1) if adjoint else 0)[0]
        elif adjoint:  # X Aᴴ = B is A Xᴴ = Bᴴ
            out[i] = getrs(packed[i], exchanges[i], out[i].conj().T)[0].conj().T
        else:
            out[i] = getrs(packed[i], exchanges[i], out[i].T, trans=1)[0].T
    return out


@op(
    "lu_solve(Tensor input, Tensor LU_data, Tensor LU_pivots) -> Tensor",
    meta=lambda input, LU_data, LU_pivots: _system_meta(LU_data, LU_pivots, input, True, False),
    kind="composite",
    samples=lambda: [
        Sample(array(3, 2), *_systems()),
        Sample(array(2, 3, 1), *_systems(), tags=("broadcast",)),
        Sample(np.zeros((3, 0)), *_systems(), tags=("empty",)),
        Sample(array(2, 3).T, *_systems(), tags=("non-contiguous",)),
    ],
)
def lu_solve(input: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """``linalg.lu_solve`` under its old name, the right side first. Source: torch.lu_solve.

    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(torch.tensor([[2.0, 0.0], [0.0, 4.0]])))
    tensor([[0.5000],
            [0.2500]])
    """
    return rules.linalg_lu_solve(LU_data, LU_pivots, input)
