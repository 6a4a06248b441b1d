"""Comparisons, element by element, and tests for equality of whole tensors. Nothing here has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, real, spoken
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, pairs, strided
from engine.shapes import boolean

FORMS = "function method inplace"
LT = real("lt_cpu")
LE = real("le_cpu")
GT = real("gt_cpu")
GE = real("ge_cpu")


def _compared() -> list[Sample]:
    """Pairs of which some elements are equal."""
    out = [Sample(np.round(s.args[0] * 2), np.round(s.args[1] * 2), tags=s.tags) for s in pairs()()]
    return [*out, Sample(array(2, 3), 0.5), Sample(np.arange(3), np.array([2, 1, 0]))]


@op(
    "eq.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=boolean,
    kind="pointwise",
    forms=FORMS,
    samples=_compared,
    ufunc=np.equal,
)
def eq(input: Any, other: Any) -> Any:
    """Where ``input`` equals ``other``.

    Shapes: any two that broadcast. The result is bool. Source: torch.eq.

    >>> torch.tensor([1.0, 2.0]) == 2
    tensor([False,  True])
    """
    return np.equal(input, other)


@op(
    "ne.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=boolean,
    kind="pointwise",
    forms=FORMS,
    names=("ne", "not_equal"),
    samples=_compared,
    ufunc=np.not_equal,
)
def ne(input: Any, other: Any) -> Any:
    """Where ``input`` differs from ``other``.

    Shapes: any two that broadcast. The result is bool. Source: torch.ne.

    >>> torch.tensor([1.0, 2.0]) != 2
    tensor([ True, False])
    """
    return np.not_equal(input, other)


@op(
    "lt.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=LT(boolean),
    kind="pointwise",
    forms=FORMS,
    names=("lt", "less"),
    samples=_compared,
    ufunc=np.less,
)
def lt(input: Any, other: Any) -> Any:
    """Where ``input`` is less than ``other``.

    Shapes: any two that broadcast. The result is bool. Errors: NotImplementedError for complex tensors. Source: torch.lt.

    >>> torch.tensor([1.0, 2.0]) < 2
    tensor([ True, False])
    """
    LT.check(input)
    return np.less(input, other)


@op(
    "le.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=LE(boolean),
    kind="pointwise",
    forms=FORMS,
    names=("le", "less_equal"),
    samples=_compared,
    ufunc=np.less_equal,
)
def le(input: Any, other: Any) -> Any:
    """Where ``input`` is less than ``other`` or equal.

    Shapes: any two that broadcast. The result is bool. Errors: NotImplementedError for complex tensors. Source: torch.le.

    >>> torch.tensor([1.0, 2.0]) <= 1
    tensor([ True, False])
    """
    LE.check(input)
    return np.less_equal(input, other)


@op(
    "gt.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=GT(boolean),
    kind="pointwise",
    forms=FORMS,
    names=("gt", "greater"),
    samples=_compared,
    ufunc=np.greater,
)
def gt(input: Any, other: Any) -> Any:
    """Where ``input`` is greater than ``other``.

    Shapes: any two that broadcast. The result is bool. Errors: NotImplementedError for complex tensors. Source: torch.gt.

    >>> torch.tensor([1.0, 2.0]) > 1
    tensor([False,  True])
    """
    GT.check(input)
    return np.greater(input, other)


@op(
    "ge.Tensor(Tensor input, Tensor|Scalar other) -> Tensor",
    meta=GE(boolean),
    kind="pointwise",
    forms=FORMS,
    names=("ge", "greater_equal"),
    samples=_compared,
    ufunc=np.greater_equal,
)
def ge(input: Any, other: Any) -> Any:
    """Where ``input`` is greater than ``other`` or equal.

    Shapes: any two that broadcast. The result is bool. Errors: NotImplementedError for complex tensors. Source: torch.ge.

    >>> torch.tensor([1.0, 2.0]) >= 2
    tensor([False,  True])
    """
    GE.check(input)
    return np.greater_equal(input, other)


def _tolerances(input: Any, other: Any, rtol: float, atol: float) -> None:
    if input.dtype != other.dtype:
        raise TensorError(f"{spoken(input)} did not match {spoken(other)}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise TensorError(f"{name} must be greater than or equal to zero, but got {value:g}")


def _close_meta(input: Spec, other: Spec, rtol: float, atol: float, equal_nan: bool) -> Spec:
    _tolerances(input, other, rtol, atol)
    return boolean(input, other)


def _near() -> list[Sample]:
    a, b = array(2, 3), array(2, 3) + 1e-9
    return [
        Sample(a, b),
        Sample(a, b[0], 0.5, 0.1, tags=("broadcast",)),
        Sample(np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, np.inf]), equal_nan=True),
        Sample(np.array(1.5), np.array(1.5), tags=("0-d",)),
        Sample(array(0, 3), array(3), tags=("empty",)),
        Sample(strided(3, 2), np.ascontiguousarray(strided(3, 2)), tags=("non-contiguous",)),
    ]


@op(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor",
    meta=_close_meta,
    kind="opaque",
    samples=_near,
)
def isclose(input: Any, other: Any, rtol: Any, atol: Any, equal_nan: Any) -> Any:
    """Where ``|input - other| <= atol + rtol·|other|``; infinities are close to themselves, NaN to NaN if ``equal_nan``.

    Shapes: any two that broadcast, of one dtype. The result is bool. Errors: RuntimeError for dtypes that differ and for negative
    tolerances. Source: torch.isclose.

    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0000001, 2.1]))
    tensor([ True, False])
    """
    _tolerances(input, other, rtol, atol)
    close = np.equal(input, other)
    if input.dtype.kind in "fc" and equal_nan:
        close = close | (np.isnan(input) & np.isnan(other))
    if input.dtype.kind == "b" or (rtol == 0 and atol == 0):
        return close
    wide = np.float64 if input.dtype.kind in "iu" else input.dtype
    a, b = input.astype(wide), other.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.absolute(a - b)
        return close | (np.isfinite(error) & (error <= atol + np.absolute(rtol * b)))


@op(
    "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool",
    meta=lambda input, other, rtol, atol, equal_nan: Spec((), _close_meta(input, other, rtol, atol, equal_nan).dtype),
    kind="composite",
    samples=_near,
)
def allclose(input: Any, other: Any, rtol: Any, atol: Any, equal_nan: Any) -> Any:
    """Whether all elements are close, as ``isclose`` says: a Python bool.

    Errors: as ``isclose``. Source: torch.allclose.

    >>> torch.allclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]), atol=0.2)
    True
    """
    return bool(_raw(rules.isclose(input, other, rtol, atol, equal_nan)).all())


def _raw(x: Any) -> Any:
    return getattr(x, "_array", x)


@op(
    "equal(Tensor input, Tensor other) -> bool",
    meta=lambda input, other: Spec((), dtypes.bool_),
    kind="composite",
    samples=lambda: [
        *(
            Sample(*s.args, tags=tuple(t for t in s.tags if t != "broadcast"))
            for s in _compared()
            if np.ndim(s.args[1])
        ),
        Sample(np.array(1.5), np.array(1.5), tags=("0-d",)),
    ],
)
def equal(input: Any, other: Any) -> Any:
    """Whether both have one shape and the same elements: a Python bool. NaN equals nothing.

    Source: torch.equal.

    >>> torch.equal(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))
    True
    """
    a, b = _raw(input), _raw(other)
    if a.shape != b.shape:
        return False
    d = common(a, b)
    return bool(np.equal(a.astype(d), b.astype(d)).all())
