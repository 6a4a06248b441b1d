"""Products with a sum: addmm, linear; and inner. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import same_dtype, spoken
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import mm, rules
from engine.samples import array, over, strided
from engine.shapes import expanded, matmul_estimate, product, rows


def _addmm_shape(input: Any, mat1: Any, mat2: Any) -> tuple[int, int]:
    if mat1.ndim != 2 or mat2.ndim != 2:
        which = 1 if mat1.ndim != 2 else 2
        raise TensorError(f"mat{which} must be a matrix, got {(mat1 if which == 1 else mat2).ndim}-D tensor")
    if mat1.shape[1] != mat2.shape[0]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({mat1.shape[0]}x{mat1.shape[1]} and "
            f"{mat2.shape[0]}x{mat2.shape[1]})"
        )
    if not input.dtype == mat1.dtype == mat2.dtype:
        if mat1.dtype != mat2.dtype:
            same_dtype(mat1, mat2)
        raise TensorError(f"self and mat2 must have the same dtype, but got {spoken(input)} and {spoken(mat2)}")
    shape = (mat1.shape[0], mat2.shape[1])
    expanded(tuple(input.shape), shape)
    return shape


def _addmm_meta(input: Spec, mat1: Spec, mat2: Spec, beta: Any, alpha: Any) -> Estimate:
    return product(_addmm_shape(input, mat1, mat2), input.dtype, mat1.shape[1])


def scaled(x: Any, factor: Any) -> Any:
    """``x`` times a number; ``x`` itself for 1."""
    if factor == 1:
        return x
    return x * (factor.conjugate() if isinstance(factor, complex) else factor)


@op(
    "addmm(Tensor input, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    meta=_addmm_meta,
    kind="opaque",
    forms="function method inplace",
    samples=over(
        Sample(array(2, 4), array(2, 3), array(3, 4)),
        Sample(array(4), array(2, 3), array(3, 4), beta=0.5, alpha=2.0, tags=("broadcast",)),
        Sample(array(0, 2), array(0, 3), array(3, 2), tags=("empty",)),
        Sample(np.array(1.5), array(2, 3), array(3, 4), tags=("0-d",)),
        Sample(strided(2, 4), strided(2, 3), strided(3, 4), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, beta: scaled(g, beta),
        "mat1": lambda g, mat2, alpha: scaled(mm(g, mat2.T.conj()), alpha),
        "mat2": lambda g, mat1, alpha: scaled(mm(mat1.T.conj(), g), alpha),
    },
)
def addmm(input: Any, mat1: Any, mat2: Any, beta: Any, alpha: Any) -> Any:
    """``beta·input + alpha·(mat1 @ mat2)``.

    Shapes: input broadcasts to (n, m). Gradient: beta·g; alpha·g·mat2ᴴ; alpha·mat1ᴴ·g. Source: torch.addmm.

    >>> torch.addmm(torch.ones(2), torch.eye(2), torch.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """
    _addmm_shape(input, mat1, mat2)
    out = mat1.dot(mat2)
    if alpha != 1:
        out = out * np.asarray(alpha).astype(out.dtype)
    if beta == 0:
        return out
    return np.add(out, input if beta == 1 else input * np.asarray(beta).astype(out.dtype))


def _linear_meta(input: Spec, weight: Spec, bias: Spec | None) -> Estimate:
    return matmul_estimate(input, Spec(weight.shape[::-1], weight.dtype))


@op(
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    meta=_linear_meta,
    kind="composite",
    names=("nn.functional.linear",),
    samples=over(
        Sample(array(2, 3), array(4, 3), array(4)),
        Sample(array(3), array(4, 3), array(4)),
        Sample(array(2, 2, 3), array(4, 3)),
        Sample(array(0, 3), array(4, 3), array(4), tags=("empty",)),
        Sample(strided(2, 3), strided(4, 3), strided(4), tags=("non-contiguous",)),
    ),
)
def linear(input: Any, weight: Any, bias: Any) -> Any:
    """``input @ weightᵀ + bias``: one layer of a network.

    Shapes: (…, k), (m, k) and (m,) give (…, m). Source: torch.nn.functional.linear.

    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]))
    tensor([[6.]])
    """
    turned = rules.t(weight)
    if bias is None:
        return rules.matmul(input, turned)
    if input.ndim == 2 and bias.ndim <= 1 and turned.ndim == 2:
        return rules.addmm(bias, input, turned)
    if input.ndim and bias.ndim == 1 and turned.ndim == 2 and (input.ndim == 3 or _contiguous(input)):
        flat = rules.addmm(bias, rules.reshape(input, (rows(input), input.shape[-1])), turned)
        return rules.view(flat, (*input.shape[:-1], flat.shape[1]))
    return rules.add(rules.matmul(input, turned), bias)


def _contiguous(input: Any) -> bool:
    return bool(input.flags.c_contiguous if isinstance(input, (np.ndarray, np.generic)) else input.is_contiguous())


@op(
    "inner(Tensor input, Tensor other) -> Tensor",
    meta=lambda input, other: _inner_meta(input, other),
    kind="composite",
    samples=over(
        Sample(array(2, 3), array(4, 3)),
        Sample(array(3), array(3, start=9)),
        Sample(np.array(1.5), array(2), tags=("0-d",)),
        Sample(array(0, 3), array(2, 3), tags=("empty",)),
        Sample(strided(2, 3), strided(4, 3), tags=("non-contiguous",)),
    ),
)
def inner(input: Any, other: Any) -> Any:
    """The sums of products over the last dims.

    Shapes: (…, k) and (…, k) give (…, …). Errors: RuntimeError where the last sizes differ. Source: torch.inner.

    >>> torch.inner(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _inner_check(input, other)
    if not input.ndim or not other.ndim:
        return rules.mul(input, other)
    if input.ndim == other.ndim == 1:
        return rules.view(rules.dot(input, other), ())
    k = input.shape[-1]
    left = rules.reshape(input, (rows(input), k))
    right = rules.reshape(other, (rows(other), k))
    return rules.reshape(rules.mm(left, rules.t(right)), (*input.shape[:-1], *other.shape[:-1]))


def _inner_check(input: Any, other: Any) -> None:
    if input.ndim and other.ndim and input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and "
            f"{list(other.shape)}"
        )


def _inner_meta(input: Spec, other: Spec) -> Estimate:
    _inner_check(input, other)
    if not input.ndim or not other.ndim:
        return product(input.shape or other.shape, input.dtype, 1)
    return product((*input.shape[:-1], *other.shape[:-1]), input.dtype, input.shape[-1])
