"""Real and imaginary parts and conjugates. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.op import Spec, op
from engine.rules import renamed, rules
from engine.samples import unary
from engine.shapes import same


@op(
    "_conj(Tensor input) -> Tensor",
    meta=same,
    kind="linear",
    grad_fn="ConjBackward0",
    forms="",
    names=("_conj",),
    samples=unary(),
    vjp={"input": lambda g: g.conj()},
)
def conj_complex(input: Any) -> Any:
    """The complex conjugate of each element (of a complex tensor). Gradient: conj(g). Source: torch.conj.

    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return np.conjugate(input)


@op("conj(Tensor input) -> Tensor", meta=same, kind="composite", samples=unary())
def conj(input: Any) -> Any:
    """The complex conjugate of each element; a real tensor is answered itself.

    Of a complex one it is a copy, made at once, where PyTorch's is a view with a mark: a later write into one is not seen in the other.
    Gradient: conj(g). Source: torch.conj.

    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return rules._conj(input) if input.dtype.name.startswith("complex") else input


@op(
    "conj_physical(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    forms="function method inplace",
    samples=unary(),
    vjp={"input": lambda g: g.conj()},
)
def conj_physical(input: Any) -> Any:
    """The complex conjugate of each element. Gradient: conj(g). Source: torch.conj_physical.

    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return np.conjugate(input) if input.dtype.kind == "c" else np.array(input)


@op("resolve_conj(Tensor input) -> Tensor", meta=same, kind="composite", samples=unary())
def resolve_conj(input: Any) -> Any:
    """The tensor itself: conjugation is never put off here. Source: torch.resolve_conj.

    >>> torch.resolve_conj(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return input


@op("resolve_neg(Tensor input) -> Tensor", meta=same, kind="composite", samples=unary())
def resolve_neg(input: Any) -> Any:
    """The tensor itself: negation is never put off here. Source: torch.resolve_neg.

    >>> torch.resolve_neg(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return input


@op(
    "_real(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape, dtypes.to_real(input.dtype)),
    kind="view",
    grad_fn="RealBackward0",
    forms="",
    names=("_real",),
    vjp={"input": lambda g: g},
)
def real_complex(input: Any) -> Any:
    """The real parts of a complex tensor, as a view. Source: torch.real.

    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return input.real


@op(
    "real(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape, dtypes.to_real(input.dtype)),
    kind="composite",
    forms="function property",
    samples=unary(),
)
def real(input: Any) -> Any:
    """The real part of each element, a view; a real tensor is answered itself.

    Gradient: g as a complex number. Source: torch.real.

    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return renamed(rules._real(input), "SelectBackward0") if input.dtype.name.startswith("complex") else input


def _complex_only(input: Any) -> None:
    if not str(getattr(input.dtype, "name", input.dtype)).startswith("complex"):
        raise TensorError("imag is not implemented for tensors with non-complex dtypes.")


def _imag_meta(input: Spec) -> Spec:
    _complex_only(input)
    return Spec(input.shape, dtypes.to_real(input.dtype))


@op(
    "imag(Tensor input) -> Tensor",
    meta=_imag_meta,
    kind="view",
    forms="function property",
    samples=lambda: [type(s)(s.args[0] * (1 + 2j), tags=s.tags) for s in unary()()],
    vjp={"input": lambda g: g * 1j},
)
def imag(input: Any) -> Any:
    """The imaginary part of each element, a view.

    Gradient: i·g. Errors: RuntimeError for a real tensor. Source: torch.imag.

    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    _complex_only(input)
    return input.imag
