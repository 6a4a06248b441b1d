"""The older names of ``interpolate``, as torch.nn.functional still has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import TensorError
from engine.op import OPS, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over

_IMAGE = array(1, 2, 3, 4)


def _interpolate(input: Any, size: Any, scale_factor: Any, mode: str, align_corners: Any) -> Any:
    return getattr(rules, "nn.functional.interpolate")(input, size, scale_factor, mode, align_corners)


def _meta(mode: str, align_corners: Any) -> Any:
    def meta(input: Spec, size: Any, scale_factor: Any) -> Any:
        return _estimate(input, size, scale_factor, mode, align_corners)

    return meta


def _estimate(input: Spec, size: Any, scale_factor: Any, mode: str, align_corners: Any) -> Any:
    row = OPS["nn.functional.interpolate"][0]
    if row.meta is None:
        raise TensorError("interpolate has no estimate")
    return row.meta(input, size, scale_factor, mode, align_corners, None, False)


@op(
    'upsample(Tensor input, Any size=None, Any scale_factor=None, str mode="nearest", bool? align_corners=None) -> Tensor',
    meta=_estimate,
    kind="composite",
    names=("nn.functional.upsample",),
    forms="function",
    samples=over(
        Sample(_IMAGE, 2),
        Sample(_IMAGE, scale_factor=2, mode="bilinear", align_corners=True),
        Sample(_IMAGE[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(_IMAGE), 2, tags=("non-contiguous",)),
    ),
)
def upsample(input: Any, size: Any, scale_factor: Any, mode: Any, align_corners: Any) -> Any:
    """``interpolate`` by its older name. Source: torch.nn.functional.upsample.

    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return _interpolate(input, size, scale_factor, mode, align_corners)


@op(
    "upsample_nearest(Tensor input, Any size=None, Any scale_factor=None) -> Tensor",
    meta=_meta("nearest", None),
    kind="composite",
    names=("nn.functional.upsample_nearest",),
    forms="function",
    samples=over(
        Sample(_IMAGE, 2),
        Sample(_IMAGE, scale_factor=2),
        Sample(_IMAGE[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(_IMAGE), 2, tags=("non-contiguous",)),
    ),
)
def upsample_nearest(input: Any, size: Any, scale_factor: Any) -> Any:
    """``interpolate`` by the nearest neighbour. Source: torch.nn.functional.upsample_nearest.

    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), 4, mode="nearest")
    tensor([[[1., 1., 2., 2.]]])
    """
    return _interpolate(input, size, scale_factor, "nearest", None)


@op(
    "upsample_bilinear(Tensor input, Any size=None, Any scale_factor=None) -> Tensor",
    meta=_meta("bilinear", True),
    kind="composite",
    names=("nn.functional.upsample_bilinear",),
    forms="function",
    samples=over(
        Sample(_IMAGE, 2),
        Sample(_IMAGE, scale_factor=2),
        Sample(_IMAGE[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(_IMAGE), 2, tags=("non-contiguous",)),
    ),
)
def upsample_bilinear(input: Any, size: Any, scale_factor: Any) -> Any:
    """``interpolate`` linearly in two dims, corners on corners. Source: torch.nn.functional.upsample_bilinear.

    >>> torch.nn.functional.interpolate(torch.tensor([[[[1.0, 2.0]]]]), (1, 3), mode="bilinear", align_corners=True)
    tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    return _interpolate(input, size, scale_factor, "bilinear", True)
