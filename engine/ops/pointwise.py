"""Arithmetic, powers, exponentials and trigonometry, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.op import op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import broadcast, same, weighted

FORMS = "function method inplace"


@op(
    "add.Tensor(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    forms=FORMS,
    samples=pairs(alpha=2.5),
    vjp={"input": lambda g: g, "other": lambda g, alpha: g if alpha == 1 else g * _conjugate(alpha)},
)
def add(input: Any, other: Any, alpha: Any) -> Any:
    """Add ``alpha`` times ``other`` element by element.

    Shapes: any two that broadcast. Gradient: g for input, alpha·g for other. Source: torch.add.

    >>> import engine as torch
    >>> torch.add(torch.tensor([1.0, 2.0]), 3)
    tensor([4., 5.])
    """
    return np.add(input, other) if alpha == 1 else np.add(input, np.multiply(other, _scaled(alpha, other)))


@op(
    "sub.Tensor(Tensor|Scalar input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    forms=FORMS,
    names=("sub", "subtract"),
    samples=pairs(alpha=2.5),
    vjp={"input": lambda g: g, "other": lambda g, alpha: -g if alpha == 1 else g * -_conjugate(alpha)},
)
def sub(input: Any, other: Any, alpha: Any) -> Any:
    """Subtract ``alpha`` times ``other`` element by element.

    Shapes: any two that broadcast. Gradient: g for input, -alpha·g for other. Source: torch.sub.

    >>> import engine as torch
    >>> torch.tensor([1.0, 2.0]) - 3
    tensor([-2., -1.])
    """
    _refuse_bool(input, other)
    return np.subtract(input, other) if alpha == 1 else np.subtract(input, np.multiply(other, _scaled(alpha, other)))


@op(
    "rsub.Tensor(Tensor input, Tensor|Scalar other, *, Scalar alpha=1) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    grad_fn="RsubBackward1",
    forms="function",
    samples=pairs(alpha=2.5),
    vjp={"input": lambda g, alpha: -g if alpha == 1 else g * -_conjugate(alpha), "other": lambda g: g},
)
def rsub(input: Any, other: Any, alpha: Any) -> Any:
    """``other - alpha·input`` element by element: what ``2 - x`` calls.

    Shapes: any two that broadcast. Gradient: -alpha·g for input, g for other. Source: torch.rsub.

    >>> import engine as torch
    >>> 2 - torch.tensor([1.0, 3.0])
    tensor([ 1., -1.])
    """
    _refuse_bool(input, other)
    return np.subtract(other, input if alpha == 1 else np.multiply(input, _scaled(alpha, input)))


@op(
    "mul.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    forms=FORMS,
    names=("mul", "multiply"),
    samples=pairs(),
    vjp={"input": lambda g, other: g * other.conj(), "other": lambda g, input: g * input.conj()},
)
def mul(input: Any, other: Any) -> Any:
    """Multiply element by element.

    Shapes: any two that broadcast. Gradient: g·conj(other) for input, g·conj(input) for other. Source: torch.mul.

    >>> import engine as torch
    >>> torch.tensor([1.0, 2.0]) * 3
    tensor([3., 6.])
    """
    return np.multiply(input, other)


@op(
    "div.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=broadcast,
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("div", "divide", "true_divide"),
    samples=pairs(0.5, 3.0),
    vjp={
        "input": lambda g, other: g / other.conj(),
        "other": lambda g, input, other: -g * ((input / other) / other).conj(),
    },
)
def div(input: Any, other: Any) -> Any:
    """Divide element by element; integers give the default floating dtype.

    Shapes: any two that broadcast. Gradient: g/conj(other) for input, -g·conj(input/other²) for other. Source: torch.div.

    >>> import engine as torch
    >>> torch.tensor([1, 2]) / 4
    tensor([0.2500, 0.5000])
    """
    return np.true_divide(input, other)


@op(
    "neg(Tensor input) -> Tensor",
    meta=same,
    kind="pointwise",
    forms=FORMS,
    names=("neg", "negative"),
    samples=unary(),
    vjp={"input": lambda g: -g},
)
def neg(input: Any) -> Any:
    """The negative of each element.

    Gradient: -g. Source: torch.neg.

    >>> import engine as torch
    >>> -torch.tensor([1.0, -2.0])
    tensor([-1.,  2.])
    """
    return np.negative(input)


@op(
    "exp(Tensor input) -> Tensor",
    meta=weighted(10),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    samples=unary(),
    vjp={"input": lambda g, result: g * result.conj()},
)
def exp(input: Any) -> Any:
    """e to the power of each element.

    Gradient: g·conj(result). Source: torch.exp.

    >>> import engine as torch
    >>> torch.exp(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    return np.exp(input)


@op(
    "pow.Tensor_Scalar(Tensor input, Scalar exponent) -> Tensor",
    meta=weighted(20),
    kind="pointwise",
    forms=FORMS,
    samples=lambda: [type(s)(*s.args, 3, tags=s.tags) for s in unary()()],
    vjp={
        "input": lambda g, input, exponent: rules.zeros_like(g)
        if exponent == 0
        else g * (rules.pow(input, exponent - 1) * exponent).conj()
    },
)
def pow_scalar(input: Any, exponent: Any) -> Any:
    """Each element to the power of ``exponent``.

    Gradient: g·conj(exponent·input^(exponent-1)); zero for the exponent 0. Source: torch.pow.

    >>> import engine as torch
    >>> torch.tensor([1.0, 2.0]) ** 3
    tensor([1., 8.])
    """
    if exponent == 2:
        return np.multiply(input, input)
    return np.power(input, exponent)


def _conjugate(alpha: Any) -> Any:
    return alpha.conjugate() if type(alpha) is complex else alpha


def _scaled(alpha: Any, like: Any) -> Any:
    return np.asarray(alpha).astype(like.dtype)


def _refuse_bool(input: Any, other: Any) -> None:
    if input.dtype.kind == "b" or other.dtype.kind == "b":
        from engine.errors import TensorError

        raise TensorError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        )


