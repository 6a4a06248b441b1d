"""Eigenvalues of any square matrix, and the matrix exponential. Rules and names: PyTorch's derivatives.yaml (linalg_eig_backward)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, TensorError, UnsupportedDtypeError
from engine.foresight import foresee
from engine.matrices import adjoint, floating, heavy, on_diagonal, square
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over

COMPLEX = {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}


def _squares() -> tuple[Sample, ...]:
    apart = np.diag([1.0, 4.0, 9.0])
    return (
        Sample(array(3, 3) + apart),
        Sample(array(2, 2, 2) + apart[:2, :2]),
        Sample(np.zeros((0, 3, 3)), tags=("empty",)),
        Sample(np.zeros((0, 0)), tags=("empty",)),
        Sample((array(3, 3) + apart).T, tags=("non-contiguous",)),
    )


def _eig_check(input: Any, name: str) -> None:
    square(input, name)
    told = spoken(input)
    if told in ("Bool", "Byte", "Char", "Short", "Int", "Long"):
        raise DtypeError(f"Unknown Complex ScalarType for {told}")
    if told == "Half":
        raise UnsupportedDtypeError("\"linalg_eig_out_cpu\" not implemented for 'Half'")


def _eig_meta(name: str) -> Any:
    def meta(input: Spec) -> Estimate:
        _eig_check(input, name)
        d = COMPLEX.get(input.dtype, input.dtype)
        values = Spec(input.shape[:-1], d)
        return heavy(input, 150, *((values, Spec(input.shape, d)) if name == "linalg.eig" else (values,)), copies=6)

    return meta


def _to_any(grads: Any, result0: Any, result1: Any) -> Any:
    """V⁻ᴴ (diag(gL) + (Vᴴ gV - Vᴴ V diag(Re(Vᴴ gV)))/conj(E)) Vᴴ, E the differences of the eigenvalues."""
    to_values, to_vectors = grads
    if to_vectors is None:
        if to_values is None:
            return None
        return rules.linalg_solve(adjoint(result1), rules.unsqueeze(to_values, -1) * adjoint(result1))
    star = adjoint(result1)
    turned = star @ to_vectors
    sizes = rules.real(rules.diagonal(turned, 0, -2, -1))
    gaps = (rules.unsqueeze(result0, -2) - rules.unsqueeze(result0, -1)).conj()
    diagonal = on_diagonal(result0.shape[-1])
    inner = (turned - (star @ result1) * rules.unsqueeze(sizes, -2)) / rules.where(diagonal, 1, gaps)
    inner = rules.where(diagonal, 0 if to_values is None else rules.unsqueeze(to_values, -2), inner)
    return rules.linalg_solve(star, inner @ star)


@op(
    "linalg_eig(Tensor input) -> (Tensor eigenvalues, Tensor eigenvectors)",
    meta=_eig_meta("linalg.eig"),
    kind="opaque",
    names=("linalg.eig",),
    samples=over(*_squares()),
    vjp={"input": _to_any},
)
def linalg_eig(input: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices, always complex, in no order.

    Shapes: (*, n, n) → (*, n), (*, n, n). Gradient: V⁻ᴴ (diag(gL) + (Vᴴ gV - Vᴴ V diag(Re(Vᴴ gV)))/E) Vᴴ, E the differences of the
    eigenvalues. Errors: RuntimeError for what is not square or not finite. Source: torch.linalg.eig.

    >>> torch.linalg.eig(torch.tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    tensor([2.+0.j, 3.+0.j])
    """
    _eig_check(input, "linalg.eig")
    try:
        values, vectors = np.linalg.eig(input)
    except np.linalg.LinAlgError:
        raise TensorError("torch.linalg.eig: input tensor should not contain infs or NaNs.") from None
    d = np.result_type(input.dtype, np.complex64)
    return values.astype(d, copy=False), vectors.astype(d, copy=False)


@op(
    "linalg_eigvals(Tensor input) -> Tensor",
    meta=_eig_meta("linalg.eigvals"),
    kind="composite",
    names=("linalg.eigvals",),
    samples=over(*_squares()),
)
def linalg_eigvals(input: Any) -> Any:
    """Eigenvalues of square matrices, always complex, in no order.

    Shapes: (*, n, n) → (*, n). Gradient: V⁻ᴴ diag(g) Vᴴ. Errors: RuntimeError for what is not square or not finite.
    Source: torch.linalg.eigvals.

    >>> torch.linalg.eigvals(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor([2.+0.j, 3.+0.j])
    """
    _eig_check(input, "linalg.eigvals")
    return rules.linalg_eig(input)[0]


# -- the matrix exponential ---------------------------------------------------------------------------------------------


def _exp_meta(input: Spec) -> Estimate:
    square(input, "linalg.matrix_exp")
    floating(input, "linalg.matrix_exp", "")
    return heavy(input, 60, input, copies=15)


def _to_exponent(g: Any, input: Any) -> Any:
    """The upper right block of exp([[Aᴴ, g], [0, Aᴴ]])."""
    n = input.shape[-1]
    foresee("matrix_exp", input, 40, 12 * n)
    star = adjoint(input)
    above = rules.cat([star, g], -1)
    below = rules.cat([rules.zeros_like(g), star], -1)
    whole = rules.linalg_matrix_exp(rules.cat([above, below], -2))
    return rules.narrow(rules.narrow(whole, -2, 0, n), -1, n, n)


@op(
    "linalg_matrix_exp(Tensor input) -> Tensor",
    meta=_exp_meta,
    kind="opaque",
    names=("linalg.matrix_exp", "matrix_exp"),
    samples=over(*_squares()),
    vjp={"input": _to_exponent},
)
def linalg_matrix_exp(input: Any) -> Any:
    """The exponential series of square matrices.

    Shapes: (*, n, n). Gradient: a block of the exponential of a matrix of twice the size. Errors: RuntimeError for what is not square.
    Source: torch.linalg.matrix_exp.

    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    square(input, "linalg.matrix_exp")
    floating(input, "linalg.matrix_exp", "")
    if not input.size:
        return np.array(input)
    wide = input.astype(np.float32) if input.dtype.char == "e" else input
    return scipy.linalg.expm(wide).astype(input.dtype, copy=False)
