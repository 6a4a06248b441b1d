"""Products with logarithms that are 0 where the factor is. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

from scipy import special

from engine.domain import in_single, real
from engine.op import Sample, op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import broadcast

FORMS = "function method inplace"
XLOGY = real("xlogy_cpu")
XLOG1PY = real("xlog1py_cpu")


def _numbered(first: bool, low: float, high: float) -> list[Sample]:
    """One tensor beside a number."""
    return [Sample(*((1.7, *s.args) if first else (*s.args, 1.7)), tags=s.tags) for s in unary(low, high)()]


@op(
    "xlogy.Tensor(Tensor input, Tensor other) -> Tensor",
    meta=XLOGY(broadcast),
    kind="pointwise",
    promote="float",
    forms=FORMS,
    names=("xlogy", "special.xlogy"),
    samples=pairs(0.3, 3.0),
    vjp={
        "input": lambda g, input, other: rules.where((input == 0) & (other <= 0), 0, rules.xlogy(g, other)),
        "other": lambda g, input, other: g * input / other,
    },
)
def xlogy(input: Any, other: Any) -> Any:
    """``input·log(other)`` element by element; 0 where input is 0, NaN where other is.

    Shapes: any two that broadcast. Gradient: g·log(other), 0 where the rule above made 0; g·input/other. Errors: NotImplementedError for
    complex tensors. Source: torch.xlogy.

    >>> torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 3.0]))
    tensor([0.0000, 2.1972])
    """
    XLOGY.check(input)
    return in_single(special.xlogy)(input, other)


@op(
    "xlogy.Scalar_Self(Tensor|Scalar input, Tensor other) -> Tensor",
    meta=XLOGY(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="XlogyBackward1",
    forms="function",
    names=("xlogy", "special.xlogy"),
    samples=lambda: _numbered(True, 0.3, 3.0),
    vjp={"other": lambda g, input, other: g * input / other},
)
def xlogy_number(input: Any, other: Any) -> Any:
    """One number times the logarithm of each element.

    Gradient: g·input/other. Errors: NotImplementedError for complex tensors. Source: torch.xlogy.

    >>> torch.xlogy(2, torch.tensor([1.0, 3.0]))
    tensor([0.0000, 2.1972])
    """
    XLOGY.check(other)
    return in_single(special.xlogy)(input, other)


@op(
    "xlogy.Scalar_Other(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=XLOGY(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="XlogyBackward2",
    forms=FORMS,
    names=("xlogy", "special.xlogy"),
    samples=lambda: _numbered(False, 0.3, 3.0),
    vjp={
        "input": lambda g, input, other: rules.where((input == 0) & (other <= 0), 0, rules.xlogy(g, other)),
    },
)
def xlogy_by_number(input: Any, other: Any) -> Any:
    """Each element times the logarithm of one number.

    Gradient: g·log(other), 0 where element and result are 0. Errors: NotImplementedError for complex tensors. Source: torch.xlogy.

    >>> torch.xlogy(torch.tensor([0.0, 2.0]), 3)
    tensor([0.0000, 2.1972])
    """
    XLOGY.check(input)
    return in_single(special.xlogy)(input, other)


@op(
    "special_xlog1py(Tensor input, Tensor other) -> Tensor",
    meta=XLOG1PY(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="SpecialXlog1PyBackward0",
    forms="function",
    names=("special.xlog1py",),
    samples=pairs(-0.6, 3.0),
    vjp={
        "input": lambda g, input, other: rules.where((input == 0) & (other <= -1), 0, rules.special_xlog1py(g, other)),
        "other": lambda g, input, other: g * input / (other + 1),
    },
)
def xlog1py(input: Any, other: Any) -> Any:
    """``input·log(other + 1)`` element by element; 0 where input is 0, NaN where other is.

    Shapes: any two that broadcast. Gradient: g·log(other + 1), 0 where the rule above made 0; g·input/(other + 1).
    Errors: NotImplementedError for complex tensors. Source: torch.special.xlog1py.

    >>> torch.special.xlog1py(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 3.0]))
    tensor([0.0000, 2.7726])
    """
    XLOG1PY.check(input)
    return in_single(special.xlog1py)(input, other)


@op(
    "special_xlog1py.self_scalar(Tensor|Scalar input, Tensor other) -> Tensor",
    meta=XLOG1PY(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="SpecialXlog1PyBackward1",
    forms="function",
    names=("special.xlog1py",),
    samples=lambda: _numbered(True, -0.6, 3.0),
    vjp={"other": lambda g, input, other: g * input / (other + 1)},
)
def xlog1py_number(input: Any, other: Any) -> Any:
    """One number times the logarithm of each element plus 1.

    Gradient: g·input/(other + 1). Errors: NotImplementedError for complex tensors. Source: torch.special.xlog1py.

    >>> torch.special.xlog1py(2, torch.tensor([1.0, 3.0]))
    tensor([1.3863, 2.7726])
    """
    XLOG1PY.check(other)
    return in_single(special.xlog1py)(input, other)


@op(
    "special_xlog1py.other_scalar(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=XLOG1PY(broadcast),
    kind="pointwise",
    promote="float",
    grad_fn="SpecialXlog1PyBackward2",
    forms="function",
    names=("special.xlog1py",),
    samples=lambda: _numbered(False, -0.6, 3.0),
    vjp={
        "input": lambda g, input, other: rules.where((input == 0) & (other <= -1), 0, rules.special_xlog1py(g, other)),
    },
)
def xlog1py_by_number(input: Any, other: Any) -> Any:
    """Each element times the logarithm of one number plus 1.

    Gradient: g·log(other + 1), 0 where element and result are 0. Errors: NotImplementedError for complex tensors.
    Source: torch.special.xlog1py.

    >>> torch.special.xlog1py(torch.tensor([0.0, 2.0]), 3)
    tensor([0.0000, 2.7726])
    """
    XLOG1PY.check(input)
    return in_single(special.xlog1py)(input, other)
