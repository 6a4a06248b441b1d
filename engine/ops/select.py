"""Choosing between values by a condition. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, strided
from engine.shapes import broadcast_shapes


def _condition(condition: Any) -> None:
    if condition.dtype.name not in {"bool", "uint8"}:
        raise TensorError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {spoken(condition)}"
        )


def _where_meta(condition: Spec, input: Spec, other: Spec) -> Spec:
    _condition(condition)
    return Spec(broadcast_shapes(condition.shape, input.shape, other.shape), input.dtype)


def _chosen() -> list[Sample]:
    a, b = array(2, 3), array(2, 3, start=20)
    return [
        Sample(a > 0, a, b),
        Sample(a > 0, a, 2.5),
        Sample(b[0] > 0, a, b[:, :1], tags=("broadcast",)),
        Sample(np.array(True), np.array(1.5), np.array(0.5), tags=("0-d",)),
        Sample(np.zeros((0, 3), bool), array(0, 3), array(3), tags=("empty",)),
        Sample(strided(3, 2) > 0, strided(3, 2), strided(3, 2, start=30), tags=("non-contiguous",)),
    ]


@op(
    "where.self(Tensor condition, Tensor|Scalar input, Tensor|Scalar other) -> Tensor",
    meta=_where_meta,
    kind="pointwise",
    promote=("input", "other"),
    samples=_chosen,
    forms="function",
    vjp={
        "input": lambda g, condition: rules.where(condition, g, 0),
        "other": lambda g, condition: rules.where(condition, 0, g),
    },
)
def where(condition: Any, input: Any, other: Any) -> Any:
    """``input`` where the condition holds, ``other`` elsewhere.

    Shapes: any three that broadcast. Gradient: g where the condition holds, for other where it does not. Errors: RuntimeError for a
    condition that is not bool. Source: torch.where.

    >>> x = torch.tensor([1.0, -2.0, 3.0])
    >>> torch.where(x > 0, x, 0.0)
    tensor([1., 0., 3.])
    """
    _condition(condition)
    return np.where(condition if condition.dtype.kind == "b" else condition.astype(bool), input, other)


def _indices_meta(condition: Spec) -> Estimate:
    from engine.dtypes import int64

    return Estimate((Spec((condition.numel,), int64),) * max(condition.ndim, 1), 0, condition.numel, bound=True)


@op(
    "where(Tensor condition) -> Tensor[]",
    meta=_indices_meta,
    kind="opaque",
    forms="function",
    samples=lambda: [
        Sample(array(2, 3) > 0),
        Sample(np.array(True), tags=("0-d",)),
        Sample(np.zeros((0, 3), bool), tags=("empty",)),
        Sample(strided(3, 2) > 0, tags=("non-contiguous",)),
    ],
)
def where_indices(condition: Any) -> Any:
    """The indices of the elements that hold, one tensor for each dim. Source: torch.where.

    >>> torch.where(torch.tensor([True, False, True]))
    (tensor([0, 2]),)
    """
    return tuple(np.nonzero(np.atleast_1d(condition)))


@op(
    "where.method(Tensor input, Tensor condition, Tensor|Scalar other) -> Tensor",
    meta=lambda input, condition, other: Spec(broadcast_shapes(condition.shape, input.shape, other.shape), input.dtype),
    kind="composite",
    promote=("input", "other"),
    names=("_where_method",),
    forms="",
)
def where_method(input: Any, condition: Any, other: Any) -> Any:
    """``x.where(condition, other)``: torch.where with the tensor second. Source: torch.Tensor.where.

    >>> x = torch.tensor([1.0, -2.0])
    >>> x.where(x > 0, x * 10)
    tensor([  1., -20.])
    """
    return rules.where(condition, input, other)
