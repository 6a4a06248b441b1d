"""Places by number: where elements are not zero, and from numbers in a row to indices of dims; and powers by column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import InvalidValueError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over


@op(
    "argwhere(Tensor input) -> Tensor",
    meta=lambda input: Estimate(
        (Spec((input.numel, input.ndim), dtypes.int64),), 8 * input.numel, input.numel, bound=True
    ),
    kind="composite",
    samples=over(
        Sample(np.array([[1.0, 0.0], [0.0, 2.0]])),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]]).T, tags=("non-contiguous",)),
    ),
)
def argwhere(input: Any) -> Any:
    """The indices of the elements that are not zero, one row each. Source: torch.argwhere.

    >>> torch.argwhere(torch.tensor([0, 1, 1]))
    tensor([[1],
            [2]])
    """
    return rules.nonzero(input)


def _powers(x: Any, n: Any) -> int:
    if len(x.shape) != 1:
        raise TensorError("x must be a one-dimensional tensor.")
    if n is not None and n < 0:
        raise TensorError("N must be non-negative.")
    return int(x.shape[0]) if n is None else int(n)


@op(
    "vander(Tensor x, int? N=None, bool increasing=False) -> Tensor",
    meta=lambda x, N, increasing: Spec((*x.shape, _powers(x, N)), x.dtype if x.dtype.category > 1 else dtypes.int64),
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(3)),
        Sample(array(3), 2, True),
        Sample(array(0), 2, tags=("empty",)),
        Sample(array(6)[::2], 4, tags=("non-contiguous",)),
    ),
)
def vander(x: Any, N: Any, increasing: Any) -> Any:
    """The powers of each element, the highest first unless ``increasing``. Source: torch.vander.

    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    n = _powers(x, N)
    column = rules.unsqueeze(x, 1)
    first = rules.ones_like(column) if x.dtype.category > 1 else rules.to(rules.ones_like(column), dtypes.int64)
    parts = [first] if n else []
    for _ in range(n - 1):
        parts.append(parts[-1] * column)
    if not parts:
        return rules.reshape(rules.narrow(first, 0, 0, 0), (0,)).new_zeros((x.shape[0], 0))
    return rules.cat(parts if increasing else parts[::-1], 1)


def _indices_meta(indices: Spec, shape: Any) -> tuple[Spec, ...]:
    return tuple(Spec(indices.shape, dtypes.int64) for _ in shape)


@op(
    "unravel_index(Tensor indices, int[] shape) -> Tensor[]",
    meta=_indices_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(np.array([3, 5]), (2, 3)),
        Sample(np.array(4), (2, 3), tags=("0-d",)),
        Sample(np.zeros(0, np.int64), (2, 3), tags=("empty",)),
        Sample(np.arange(6)[::2], (2, 3), tags=("non-contiguous",)),
    ),
)
def unravel_index(indices: Any, shape: Any) -> Any:
    """The indices in a tensor of a shape of elements numbered row by row.

    Errors: ValueError for a negative size. Source: torch.unravel_index.

    >>> torch.unravel_index(torch.tensor([3, 5]), (2, 3))
    (tensor([1, 1]), tensor([0, 2]))
    """
    if any(n < 0 for n in shape):
        raise InvalidValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    total = math.prod(shape)
    numbers = np.asarray(indices).astype(np.int64) % total if total else np.asarray(indices).astype(np.int64)
    return tuple(np.asarray(a, np.int64) for a in np.unravel_index(numbers, tuple(shape)))
