"""Whole numbers near each element, and the parts of a floating number. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, floating
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, pairs, unary
from engine.shapes import broadcast, same

FORMS = "function method inplace"
ROUND = Domain("bc", "\"round_vml_cpu\" not implemented for '{dtype}'")
DECIMALS = floating("round_cpu")
FLOOR = Domain("bc", "\"floor_vml_cpu\" not implemented for '{dtype}'")
CEIL = Domain("bc", "\"ceil_vml_cpu\" not implemented for '{dtype}'")
TRUNC = Domain("bc", "\"trunc_vml_cpu\" not implemented for '{dtype}'")
FREXP = Domain("bic", "torch.frexp() only supports floating-point dtypes", TensorError)
NEXTAFTER = floating("nextafter_cpu")


@op(
    "round(Tensor input) -> Tensor",
    meta=ROUND(same),
    kind="pointwise",
    forms=FORMS,
    names=("round", "special.round"),
    samples=unary(),
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def round_whole(input: Any) -> Any:
    """The whole number nearest to each element; halves go to the even one.

    Gradient: zero. Errors: NotImplementedError for bools and complex tensors. Source: torch.round.

    >>> torch.round(torch.tensor([0.5, 1.5, -1.7]))
    tensor([ 0.,  2., -2.])
    """
    ROUND.check(input)
    return np.rint(input) if input.dtype.kind == "f" else np.positive(input)


def _decimals_meta(input: Spec, decimals: int) -> Spec:
    (DECIMALS if decimals else ROUND).check(input)
    return input


@op(
    "round.decimals(Tensor input, *, int decimals) -> Tensor",
    meta=_decimals_meta,
    kind="pointwise",
    grad_fn="RoundBackward1",
    forms=FORMS,
    names=("round", "special.round"),
    samples=lambda: [
        *(Sample(*s.args, decimals=1, tags=s.tags) for s in unary(-1.93, 1.97)()),
        Sample(array(2, 3) * 77.7, decimals=-1),
        Sample(array(2, 3), decimals=0),
    ],
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def round_decimals(input: Any, decimals: Any) -> Any:
    """Each element rounded to so many decimals; a negative number counts before the point.

    Gradient: zero. Errors: NotImplementedError for other than floating tensors. Source: torch.round.

    >>> torch.round(torch.tensor([0.125, 1.55]), decimals=2)
    tensor([0.1200, 1.5500])
    """
    _decimals_meta(input, decimals)
    if decimals == 0:
        return np.rint(input) if input.dtype.kind == "f" else np.positive(input)
    power = input.dtype.type(10.0 ** abs(decimals))
    return np.rint(input * power) / power if decimals > 0 else np.rint(input / power) * power


def _no_complex(name: str, domain: Domain) -> Domain:
    """The same dtypes refused, complex ones in words of their own."""
    return _Two("c", f"{name} is not supported for complex inputs", domain)


class _Two(Domain):
    __slots__ = ("then",)

    def __init__(self, refused: str, sentence: str, then: Domain) -> None:
        super().__init__(refused, sentence)
        self.then = then

    def check(self, *values: Any) -> None:
        super().check(*values)
        self.then.check(*values)


FLOORED = _no_complex("floor", FLOOR)
CEILED = _no_complex("ceil", CEIL)
TRUNCATED = _no_complex("trunc", TRUNC)


@op(
    "floor(Tensor input) -> Tensor",
    meta=FLOORED(same),
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    ufunc=np.floor,
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def floor(input: Any) -> Any:
    """The greatest whole number not above each element.

    Gradient: zero. Errors: NotImplementedError for bools and complex tensors. Source: torch.floor.

    >>> torch.floor(torch.tensor([1.7, -1.2]))
    tensor([ 1., -2.])
    """
    FLOORED.check(input)
    return np.floor(input) if input.dtype.kind == "f" else np.positive(input)


@op(
    "ceil(Tensor input) -> Tensor",
    meta=CEILED(same),
    kind="pointwise",
    forms=FORMS,
    samples=unary(),
    ufunc=np.ceil,
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def ceil(input: Any) -> Any:
    """The least whole number not below each element.

    Gradient: zero. Errors: NotImplementedError for bools and complex tensors. Source: torch.ceil.

    >>> torch.ceil(torch.tensor([1.2, -1.7]))
    tensor([ 2., -1.])
    """
    CEILED.check(input)
    return np.ceil(input) if input.dtype.kind == "f" else np.positive(input)


@op(
    "trunc(Tensor input) -> Tensor",
    meta=TRUNCATED(same),
    kind="pointwise",
    forms=FORMS,
    names=("trunc", "fix"),
    samples=unary(),
    ufunc=np.trunc,
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def trunc(input: Any) -> Any:
    """Each element without what is behind the point.

    Gradient: zero. Errors: NotImplementedError for bools and complex tensors. Source: torch.trunc.

    >>> torch.trunc(torch.tensor([1.7, -1.7]))
    tensor([ 1., -1.])
    """
    TRUNCATED.check(input)
    return np.trunc(input) if input.dtype.kind == "f" else np.positive(input)


def _frexp_meta(input: Spec) -> tuple[Spec, Spec]:
    FREXP.check(input)
    return input, Spec(input.shape, dtypes.int32)


@op(
    "frexp.Tensor(Tensor input) -> (Tensor mantissa, Tensor exponent)",
    meta=_frexp_meta,
    kind="opaque",
    samples=unary(),
    vjp={"input": lambda grads, result1: grads[0] / rules.exp2(result1)},
)
def frexp(input: Any) -> Any:
    """A mantissa in [0.5, 1) and a whole exponent, so that ``input = mantissa·2^exponent``.

    Gradient: g/2^exponent of the mantissa. Errors: RuntimeError for other than floating tensors. Source: torch.frexp.

    >>> torch.frexp(torch.tensor([3.0, -0.25]))
    torch.return_types.frexp(
    mantissa=tensor([ 0.7500, -0.5000]),
    exponent=tensor([ 2, -1], dtype=torch.int32))
    """
    FREXP.check(input)
    mantissa, exponent = np.frexp(input)
    return mantissa, np.where(np.isfinite(input), exponent, 0).astype(np.int32)


def _steps() -> list[Sample]:
    return [Sample(*s.args, tags=s.tags) for s in pairs()()]


@op(
    "nextafter(Tensor input, Tensor other) -> Tensor",
    meta=NEXTAFTER(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_steps,
    vjp={
        "input": lambda g, input, other: rules.where(input != other, g, 0),
        "other": lambda g: rules.zeros_like(g),
    },
)
def nextafter(input: Any, other: Any) -> Any:
    """The floating number after ``input`` on the way to ``other``.

    Shapes: any two that broadcast. Gradient: g where both differ; zero for other. Errors: NotImplementedError for other than floating
    tensors. Source: torch.nextafter.

    >>> torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0])) > 1
    tensor([True])
    """
    NEXTAFTER.check(input)
    return np.nextafter(input, other)
