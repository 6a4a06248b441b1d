"""Logic on truth values and on bits, element by element. Nothing here has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import integral
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import boolean, broadcast, same

FORMS = "function method inplace"
AND = integral("bitwise_and_cpu")
OR = integral("bitwise_or_cpu")
XOR = integral("bitwise_xor_cpu")
NOT = integral("bitwise_not_cpu")
LSHIFT = integral("lshift_cpu", "b")
RSHIFT = integral("rshift_cpu", "b")
GCD = integral("gcd_cpu", "b")
LCM = integral("lcm_cpu", "b")


def _truths() -> list[Sample]:
    """Pairs with zeros among them."""
    return [Sample(np.floor(s.args[0]), np.floor(s.args[1]), tags=s.tags) for s in pairs()()]


def _whole() -> list[Sample]:
    """Pairs of integers."""
    tensors = [Sample(*((a * 10).astype(np.int64) for a in s.args), tags=s.tags) for s in pairs()()]
    return [*tensors, Sample(np.arange(6).reshape(2, 3), 5)]


def _shifts() -> list[Sample]:
    """Integers and how far to shift them."""
    return [
        *(Sample(s.args[0], np.absolute(s.args[1]) % 7, tags=s.tags) for s in _whole()),
        Sample(np.array([5, -5]), np.array([70, -1])),
    ]


def _integers() -> list[Sample]:
    """One tensor of integers."""
    return [Sample((s.args[0] * 10).astype(np.int64), tags=s.tags) for s in unary()()]


@op(
    "logical_and(Tensor input, Tensor other) -> Tensor",
    meta=boolean,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    samples=_truths,
    ufunc=np.logical_and,
)
def logical_and(input: Any, other: Any) -> Any:
    """Where both are not zero.

    Shapes: any two that broadcast. The result is bool. Source: torch.logical_and.

    >>> torch.logical_and(torch.tensor([True, True]), torch.tensor([1, 0]))
    tensor([ True, False])
    """
    return np.logical_and(input, other)


@op(
    "logical_or(Tensor input, Tensor other) -> Tensor",
    meta=boolean,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    samples=_truths,
    ufunc=np.logical_or,
)
def logical_or(input: Any, other: Any) -> Any:
    """Where either is not zero.

    Shapes: any two that broadcast. The result is bool. Source: torch.logical_or.

    >>> torch.logical_or(torch.tensor([True, False]), torch.tensor([1, 0]))
    tensor([ True, False])
    """
    return np.logical_or(input, other)


@op(
    "logical_xor(Tensor input, Tensor other) -> Tensor",
    meta=boolean,
    kind="pointwise",
    promote="none",
    forms=FORMS,
    samples=_truths,
    ufunc=np.logical_xor,
)
def logical_xor(input: Any, other: Any) -> Any:
    """Where one of both is not zero, and the other is.

    Shapes: any two that broadcast. The result is bool. Source: torch.logical_xor.

    >>> torch.logical_xor(torch.tensor([True, False]), torch.tensor([1, 1]))
    tensor([False,  True])
    """
    return np.logical_xor(input, other)


@op(
    "logical_not(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape, dtypes.bool_),
    kind="pointwise",
    forms=FORMS,
    samples=lambda: [Sample(np.floor(s.args[0]), tags=s.tags) for s in unary()()],
    ufunc=np.logical_not,
)
def logical_not(input: Any) -> Any:
    """Where an element is zero.

    The result is bool. Source: torch.logical_not.

    >>> torch.logical_not(torch.tensor([0, 2]))
    tensor([ True, False])
    """
    return np.logical_not(input)


@op(
    "bitwise_and.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=AND(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_whole,
)
def bitwise_and(input: Any, other: Any) -> Any:
    """The bits that both have; ``&`` on tensors.

    Shapes: any two that broadcast. Errors: NotImplementedError for floating tensors. Source: torch.bitwise_and.

    >>> torch.tensor([6, 3]) & 2
    tensor([2, 2])
    """
    AND.check(input)
    return np.bitwise_and(input, other)


@op(
    "bitwise_or.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=OR(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_whole,
)
def bitwise_or(input: Any, other: Any) -> Any:
    """The bits that either has; ``|`` on tensors.

    Shapes: any two that broadcast. Errors: NotImplementedError for floating tensors. Source: torch.bitwise_or.

    >>> torch.tensor([6, 3]) | 1
    tensor([7, 3])
    """
    OR.check(input)
    return np.bitwise_or(input, other)


@op(
    "bitwise_xor.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=XOR(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_whole,
)
def bitwise_xor(input: Any, other: Any) -> Any:
    """The bits that one of both has, and the other has not; ``^`` on tensors.

    Shapes: any two that broadcast. Errors: NotImplementedError for floating tensors. Source: torch.bitwise_xor.

    >>> torch.tensor([6, 3]) ^ 2
    tensor([4, 1])
    """
    XOR.check(input)
    return np.bitwise_xor(input, other)


@op(
    "bitwise_not(Tensor input) -> Tensor",
    meta=NOT(same),
    kind="pointwise",
    forms=FORMS,
    samples=_integers,
)
def bitwise_not(input: Any) -> Any:
    """Every bit flipped; of bools the opposite. ``~`` on tensors.

    Errors: NotImplementedError for floating tensors. Source: torch.bitwise_not.

    >>> ~torch.tensor([True, False])
    tensor([False,  True])
    """
    NOT.check(input)
    return np.invert(input)


def _far(input: Any, other: Any) -> Any:
    """Where a shift is by a negative number of bits or by more than there are."""
    return (other < 0) | (other >= input.dtype.itemsize * 8)


@op(
    "bitwise_left_shift.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=LSHIFT(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_shifts,
)
def bitwise_left_shift(input: Any, other: Any) -> Any:
    """``input·2^other`` on integers; ``<<`` on tensors. A shift by more bits than there are gives 0.

    Shapes: any two that broadcast. Errors: NotImplementedError for other dtypes. Source: torch.bitwise_left_shift.

    >>> torch.tensor([1, 3]) << 2
    tensor([ 4, 12])
    """
    LSHIFT.check(input)
    far = _far(input, other)
    return np.where(far, 0, np.left_shift(input, np.where(far, 0, other))).astype(input.dtype)


@op(
    "bitwise_right_shift.Tensor(Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=RSHIFT(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=_shifts,
)
def bitwise_right_shift(input: Any, other: Any) -> Any:
    """``input`` divided by ``2^other`` and rounded down; ``>>`` on tensors.

    Shapes: any two that broadcast. Errors: NotImplementedError for other dtypes. Source: torch.bitwise_right_shift.

    >>> torch.tensor([8, -3]) >> 1
    tensor([ 4, -2])
    """
    RSHIFT.check(input)
    most = input.dtype.itemsize * 8 - (input.dtype.kind == "i")
    far = _far(input, other)
    if input.dtype.kind == "u":
        return np.where(far, 0, np.right_shift(input, np.where(far, 0, other))).astype(input.dtype)
    return np.right_shift(input, np.where(far, most, other)).astype(input.dtype)


@op(
    "gcd(Tensor input, Tensor other) -> Tensor",
    meta=GCD(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=lambda: _whole()[:-1],
)
def gcd(input: Any, other: Any) -> Any:
    """The greatest common divisor, element by element; never negative.

    Shapes: any two that broadcast. Errors: NotImplementedError for other dtypes than integers. Source: torch.gcd.

    >>> torch.gcd(torch.tensor([12, -9]), torch.tensor([8, 6]))
    tensor([4, 3])
    """
    GCD.check(input)
    return np.gcd(input, other)


@op(
    "lcm(Tensor input, Tensor other) -> Tensor",
    meta=LCM(broadcast),
    kind="pointwise",
    forms=FORMS,
    samples=lambda: _whole()[:-1],
)
def lcm(input: Any, other: Any) -> Any:
    """The least common multiple, element by element; never negative.

    Shapes: any two that broadcast. Errors: NotImplementedError for other dtypes than integers. Source: torch.lcm.

    >>> torch.lcm(torch.tensor([4, -3]), torch.tensor([6, 5]))
    tensor([12, 15])
    """
    LCM.check(input)
    return np.lcm(input, other)


@op(
    "_rlshift(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=LSHIFT(broadcast),
    kind="composite",
    promote="common",
    names=("_rlshift",),
    forms="",
    samples=lambda: [Sample(s.args[0] % 7, 20, tags=s.tags) for s in _integers()],
)
def _rlshift(input: Any, other: Any) -> Any:
    """``other << input``. Source: torch.Tensor.__rlshift__.

    >>> 2 << torch.tensor([1, 3])
    tensor([ 4, 16])
    """
    return rules.bitwise_left_shift(other, input)


@op(
    "_rrshift(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=RSHIFT(broadcast),
    kind="composite",
    promote="common",
    names=("_rrshift",),
    forms="",
    samples=lambda: [Sample(s.args[0] % 7, 20, tags=s.tags) for s in _integers()],
)
def _rrshift(input: Any, other: Any) -> Any:
    """``other >> input``. Source: torch.Tensor.__rrshift__.

    >>> 16 >> torch.tensor([1, 3])
    tensor([8, 2])
    """
    return rules.bitwise_right_shift(other, input)
