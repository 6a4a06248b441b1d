"""The bilinear map. Source: PyTorch's Linear.cpp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common
from engine.errors import ShapeError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided


def _check(input1: Any, input2: Any, weight: Any, bias: Any) -> None:
    one, two, w = tuple(input1.shape), tuple(input2.shape), tuple(weight.shape)
    if len(one) != len(two):
        raise ShapeError(f"bilinear(): input dimensions do not match: got {len(one)} and {len(two)}")
    for d, (m, n) in enumerate(zip(one[:-1], two[:-1], strict=True)):
        if m != n:
            raise ShapeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {m} and {n}")
    if len(w) != 3 or not one:
        raise ShapeError(f"bilinear(): weight must have 3 dims and the inputs at least 1, got {len(w)} and {len(one)}")
    for number, (shape, size) in enumerate(((one, w[1]), (two, w[2])), 1):
        if shape[-1] != size:
            raise ShapeError(
                f"bilinear(): input{number} size does not match weight size: got {shape[-1]} but expected {size}"
            )
    if bias is not None and tuple(bias.shape) != w[:1]:
        raise ShapeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0] if bias.shape else 1} but expected {w[0]}"
        )


def _meta(input1: Spec, input2: Spec, weight: Spec, bias: Any) -> Estimate:
    _check(input1, input2, weight, bias)
    known = [v for v in (input1, input2, weight, bias) if v is not None]
    d = dtypes.of_numpy(common(*known))
    rows = math.prod(input1.shape[:-1])
    return Estimate(
        (Spec((*input1.shape[:-1], weight.shape[0]), d),),
        rows * weight.shape[0] * weight.shape[2] * d.itemsize * 2,
        2 * rows * weight.numel + 2 * rows * weight.shape[0] * weight.shape[2],
    )


@op(
    "bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.bilinear", "bilinear"),
    forms="function",
    samples=over(
        Sample(array(2, 3), array(2, 2, start=9), array(4, 3, 2, start=20), array(4, start=50)),
        Sample(array(3), array(2, start=9), array(4, 3, 2, start=20)),
        Sample(np.zeros((0, 3)), np.zeros((0, 2)), array(4, 3, 2), tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=9), array(4, 2, 2, start=20), tags=("non-contiguous",)),
    ),
)
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any) -> Any:
    """``input1ᵀ·weight[k]·input2 + bias[k]`` for each k, along the last dims of the inputs.

    Shapes: (…, I), (…, J), (K, I, J), (K) give (…, K). Errors: RuntimeError for sizes that do not fit.
    Source: torch.nn.functional.bilinear.

    >>> torch.bilinear(torch.tensor([1.0, 2.0]), torch.tensor([3.0]), torch.ones(1, 2, 1))
    tensor([9.])
    """
    _check(input1, input2, weight, bias)
    lead = tuple(input1.shape[:-1])
    outs, size1, size2 = weight.shape
    rows = math.prod(lead)
    first = rules.reshape(input1, (rows, size1))
    second = rules.reshape(input2, (rows, 1, size2))
    half = rules.matmul(first, rules.reshape(rules.permute(weight, (1, 0, 2)), (size1, outs * size2)))
    out = rules.sum(rules.reshape(half, (rows, outs, size2)) * second, -1)
    out = rules.reshape(out, (*lead, outs))
    return out if bias is None else out + bias
