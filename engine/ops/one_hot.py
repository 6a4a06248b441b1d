"""Class numbers as rows of zeros with a single one. Source: PyTorch's Onehot.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.samples import over


def _check(input: Any, num_classes: int) -> None:
    if input.dtype.name != "int64":
        raise TensorError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes < -1 or (num_classes == 0 and 0 in input.shape):
        raise TensorError("num_classes should be positive")
    if 0 in input.shape and num_classes == -1:
        raise TensorError("Can not infer total number of classes from empty tensor.")


def _meta(input: Spec, num_classes: int) -> Estimate:
    _check(input, num_classes)
    n = num_classes if num_classes >= 0 else 1  # else one more than the largest value, which an estimate does not know
    spec = Spec((*input.shape, n), dtypes.int64)
    return Estimate((spec,), 0, spec.numel)


@op(
    "one_hot(Tensor input, int num_classes=-1) -> Tensor",
    meta=_meta,
    kind="opaque",
    names=("nn.functional.one_hot",),
    forms="function",
    samples=over(
        Sample(np.array([0, 2, 1]), 4),
        Sample(np.array(1), 3, tags=("0-d",)),
        Sample(np.zeros((0, 2), np.int64), 3, tags=("empty",)),
        Sample(np.array([[0, 9], [1, 9], [2, 9]])[:, 0], 3, tags=("non-contiguous",)),
    ),
)
def one_hot(input: Any, num_classes: Any) -> Any:
    """For each class number a row of zeros with a one at that number.

    Shapes: input any, the result has ``num_classes`` (one more than the largest, if -1) as a last dim. Errors: RuntimeError for numbers
    that are no classes. Source: torch.nn.functional.one_hot.

    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    _check(input, num_classes)
    if input.size and input.min() < 0:
        raise TensorError("Class values must be non-negative.")
    n = num_classes if num_classes != -1 else int(input.max()) + 1
    if input.size and input.max() >= n:
        raise TensorError("Class values must be smaller than num_classes.")
    return np.asarray(np.asarray(input)[..., None] == np.arange(n)).astype(np.int64)
