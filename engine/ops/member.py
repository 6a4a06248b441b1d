"""Membership: which elements are among others. No derivative, in PyTorch neither."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.samples import array, over, strided


def _check(*values: Any) -> None:
    for v in values:
        if spoken(v) == "Bool" or spoken(v).startswith("Complex"):
            raise TensorError(f"Unsupported input type encountered for isin(): {spoken(v)}")


def _meta(elements: Any, test_elements: Any, assume_unique: bool, invert: bool) -> Estimate:
    tensors = [v for v in (elements, test_elements) if isinstance(v, Spec)]
    _check(*tensors)
    total = sum(v.numel for v in tensors)
    shape = elements.shape if isinstance(elements, Spec) else ()
    return Estimate((Spec(shape, dtypes.bool_),), 40 * total, 20 * total)


def _isin(elements: Any, test_elements: Any, assume_unique: bool, invert: bool) -> Any:
    _check(*(v for v in (elements, test_elements) if isinstance(v, (np.ndarray, np.generic))))
    return np.isin(elements, test_elements, invert=invert)


OPTIONS = "*, bool assume_unique=False, bool invert=False"
_NUMBERS = np.array([2, 5])


@op(
    f"isin.Tensor_Tensor(Tensor elements, Tensor test_elements, {OPTIONS}) -> Tensor",
    meta=_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(np.arange(6).reshape(2, 3), _NUMBERS),
        Sample(np.arange(6), _NUMBERS, invert=True),
        Sample(array(3), array(2)),
        Sample(np.array(2), _NUMBERS, tags=("0-d",)),
        Sample(np.zeros((0, 2), np.int64), _NUMBERS, tags=("empty",)),
        Sample(strided(3, 2), array(4), tags=("non-contiguous",)),
    ),
)
def isin(elements: Any, test_elements: Any, assume_unique: Any, invert: Any) -> Any:
    """Which elements are among others: bools in the shape of ``elements``.

    assume_unique: that no element comes twice, which costs nothing here. invert: which are not. Errors: RuntimeError for bools and
    complex numbers. Source: torch.isin.

    >>> torch.isin(torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 3]))
    tensor([[False,  True],
            [ True, False]])
    """
    return _isin(elements, test_elements, assume_unique, invert)


@op(
    f"isin.Scalar_Tensor(Scalar element, Tensor test_elements, {OPTIONS}) -> Tensor",
    meta=_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(2, _NUMBERS),
        Sample(3.5, array(3)),
        Sample(2, np.zeros(0), tags=("empty",)),
        Sample(2, np.array(2), tags=("0-d",)),
        Sample(2.0, strided(3, 2), tags=("non-contiguous",)),
    ),
)
def isin_of_number(element: Any, test_elements: Any, assume_unique: Any, invert: Any) -> Any:
    """Whether a number is among elements. Source: torch.isin.

    >>> torch.isin(3, torch.tensor([2, 3]))
    tensor(True)
    """
    return _isin(element, test_elements, assume_unique, invert)


@op(
    f"isin.Tensor_Scalar(Tensor elements, Scalar test_element, {OPTIONS}) -> Tensor",
    meta=_meta,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(np.arange(4), 2),
        Sample(np.array(1.5), 1.5, tags=("0-d",)),
        Sample(np.zeros(0), 1, tags=("empty",)),
        Sample(strided(3, 2), 2.0, tags=("non-contiguous",)),
    ),
)
def isin_number(elements: Any, test_element: Any, assume_unique: Any, invert: Any) -> Any:
    """Which elements are a number. Source: torch.isin.

    >>> torch.isin(torch.tensor([2, 3]), 3)
    tensor([False,  True])
    """
    return _isin(elements, test_element, assume_unique, invert)
