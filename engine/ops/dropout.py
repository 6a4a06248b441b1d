"""Dropout: elements or whole channels set to zero at random. Source: PyTorch's Dropout.cpp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, InvalidValueError, TensorError
from engine.generator import default_generator
from engine.op import Sample, Spec, find, op
from engine.rules import rules, written
from engine.samples import array, over, unary

ALPHA = 1.7580993408473766  # the value that a saturated SELU takes, negated


def _probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise InvalidValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _meta(input: Spec, p: float, training: bool, *inplace: bool) -> Spec:
    _probability(p)
    if _drops(input, p, training) and input.dtype.category < 2:
        _refuse(input)
    return input


def _refuse(input: Any) -> None:
    raise DtypeError(f"result type Float can't be cast to the desired output type {spoken(input)}")


def _drops(input: Any, p: float, training: bool) -> bool:
    return training and p > 0 and math.prod(input.shape) > 0


def _kept(shape: tuple[int, ...], p: float) -> Any:
    """Which elements stay. The numbers come from the default generator."""
    return default_generator().numbers().random(shape, dtype=np.float32) >= p


def _numpy(input: Any) -> Any:
    d = input.dtype
    d = d.numpy if isinstance(d, dtypes.dtype) else d
    if d.kind not in "fc":
        _refuse(input)
    return d


def _times(input: Any, noise: Any, inplace: bool) -> Any:
    return written(find("mul")[0], input, noise) if inplace else rules.mul(input, noise)


def _dropped(input: Any, p: float, training: bool, shape: tuple[int, ...], inplace: bool) -> Any:
    """The input times what was drawn in this shape."""
    if not _drops(input, p, training):
        return input
    d = _numpy(input)
    noise = np.zeros(shape, d) if p == 1 else _kept(shape, p) * d.type(1 / (1 - p))
    return _times(input, noise, inplace)


def _saturated(input: Any, p: float, training: bool, shape: tuple[int, ...], inplace: bool) -> Any:
    """As ``_dropped``, but what is dropped becomes -ALPHA, and mean and variance are put back."""
    if not _drops(input, p, training):
        return input
    d = _numpy(input)
    if p == 1:
        return _times(input, np.zeros(shape, d), inplace)
    a = 1 / math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p))
    noise = _kept(shape, p).astype(d)
    shift = (noise - 1) * d.type(ALPHA * a) + d.type(ALPHA * a * p)
    scaled = _times(input, noise * d.type(a), inplace)
    return written(find("add")[0], scaled, shift, 1) if inplace else rules.add(scaled, shift)


def _channels(input: Any) -> tuple[int, ...]:
    if len(input.shape) < 2:
        raise TensorError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *(1,) * (len(input.shape) - 2))


def _feature_meta(input: Spec, p: float, training: bool, *inplace: bool) -> Spec:
    if _drops(input, p, training):
        _channels(input)
    return _meta(input, p, training)


def _spatial() -> list[Sample]:
    return [
        Sample(array(2, 3, 2), 0.5, False),
        Sample(np.zeros((0, 3, 2)), 0.5, True, tags=("empty",)),
        Sample(array(2, 3, 2).T, 0.0, True, tags=("non-contiguous",)),
        Sample(np.array(0.7), 0.5, False, tags=("0-d",)),
    ]


@op(
    "dropout(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.dropout", "dropout"),
    forms="function",
    samples=lambda: [
        Sample(*s.args, p, t, tags=s.tags) for s in unary()() for p, t in ((0.5, False), (0.0, True), (1.0, True))
    ],
)
def dropout(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """In training, each element is set to zero with probability ``p``; the others are divided by ``1 - p``.

    Errors: ValueError for ``p`` outside [0, 1]. Source: torch.nn.functional.dropout.

    >>> torch.nn.functional.dropout(torch.tensor([1.0, 2.0]), 1.0)
    tensor([0., 0.])
    """
    _probability(p)
    return _dropped(input, p, training, tuple(input.shape), inplace)


@op(
    "alpha_dropout(Tensor input, float p=0.5, bool training=False, bool inplace=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.alpha_dropout", "alpha_dropout"),
    forms="function",
    samples=lambda: [Sample(*s.args, 0.5, tags=s.tags) for s in unary()()],
)
def alpha_dropout(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """Dropout for SELU: what is dropped takes the value of its saturation, and mean and variance stay as they were.

    Errors: ValueError for ``p`` outside [0, 1]. Source: torch.nn.functional.alpha_dropout.

    >>> torch.nn.functional.alpha_dropout(torch.tensor([1.0, 2.0]), 0.5)
    tensor([1., 2.])
    """
    _probability(p)
    return _saturated(input, p, training, tuple(input.shape), inplace)


@op(
    "feature_alpha_dropout(Tensor input, float p=0.5, bool training=False, bool inplace=False) -> Tensor",
    meta=_feature_meta,
    kind="composite",
    names=("nn.functional.feature_alpha_dropout", "feature_alpha_dropout"),
    forms="function",
    samples=_spatial,
)
def feature_alpha_dropout(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """``alpha_dropout`` of whole channels (the first two dims tell them apart).

    Errors: ValueError for ``p`` outside [0, 1], RuntimeError for an input without channels.
    Source: torch.nn.functional.feature_alpha_dropout.

    >>> torch.nn.functional.feature_alpha_dropout(torch.tensor([[1.0, 2.0]]), 0.5)
    tensor([[1., 2.]])
    """
    _probability(p)
    return _saturated(input, p, training, _channels(input), inplace) if _drops(input, p, training) else input


@op(
    "feature_dropout(Tensor input, float p, bool train) -> Tensor",
    meta=_feature_meta,
    kind="composite",
    forms="function",
    samples=_spatial,
)
def feature_dropout(input: Any, p: Any, train: Any) -> Any:
    """``dropout`` of whole channels (the first two dims tell them apart).

    Errors: RuntimeError for an input without channels. Source: torch.feature_dropout.

    >>> torch.feature_dropout(torch.tensor([[1.0, 2.0]]), 1.0, True)
    tensor([[0., 0.]])
    """
    _probability(p)
    return _dropped(input, p, train, _channels(input), False) if _drops(input, p, train) else input


def _by_channel(input: Any, p: float, training: bool, inplace: bool) -> Any:
    return _dropped(input, p, training, _channels(input), inplace) if _drops(input, p, training) else input


def _unbatched(input: Any, p: float, training: bool, inplace: bool, batched: int) -> Any:
    """Channel-wise dropout, where an input of a dim less than ``batched`` is a single sample."""
    if len(input.shape) == batched:
        return _by_channel(input, p, training, inplace)
    return rules.squeeze(_by_channel(rules.unsqueeze(input, 0), p, training, inplace), 0)


def _one(input: Any) -> None:
    if len(input.shape) not in (2, 3):
        raise TensorError(
            f"dropout1d: Expected 2D or 3D input, but received a {len(input.shape)}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D "
            "inputs)."
        )


def _one_meta(input: Spec, p: float, training: bool, *inplace: bool) -> Spec:
    _probability(p)
    _one(input)
    return _meta(input, p, training)


@op(
    "dropout1d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    meta=_one_meta,
    kind="composite",
    names=("nn.functional.dropout1d",),
    forms="function",
    samples=over(
        Sample(array(2, 3, 2), 0.5, False),
        Sample(np.zeros((0, 3)), 0.5, True, tags=("empty",)),
        Sample(array(2, 3).T, 0.0, True, tags=("non-contiguous",)),
    ),
)
def dropout1d(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """``dropout`` of whole channels of (N, C, L) or (C, L).

    Errors: ValueError for ``p`` outside [0, 1], RuntimeError for other shapes. Source: torch.nn.functional.dropout1d.

    >>> torch.nn.functional.dropout1d(torch.tensor([[1.0, 2.0]]), 1.0)
    tensor([[0., 0.]])
    """
    _probability(p)
    _one(input)
    return _unbatched(input, p, training, inplace, 3)


@op(
    "dropout2d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    meta=_feature_meta,
    kind="composite",
    names=("nn.functional.dropout2d",),
    forms="function",
    samples=_spatial,
)
def dropout2d(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """``dropout`` of whole channels of (N, C, H, W).

    Errors: ValueError for ``p`` outside [0, 1], RuntimeError for an input without channels. Source: torch.nn.functional.dropout2d.

    >>> torch.nn.functional.dropout2d(torch.tensor([[[1.0, 2.0]]]), 1.0)
    tensor([[[0., 0.]]])
    """
    _probability(p)
    return _by_channel(input, p, training, inplace)


@op(
    "dropout3d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.dropout3d",),
    forms="function",
    samples=_spatial,
)
def dropout3d(input: Any, p: Any, training: Any, inplace: Any) -> Any:
    """``dropout`` of whole channels of (N, C, D, H, W), or of (C, D, H, W).

    Errors: ValueError for ``p`` outside [0, 1]. Source: torch.nn.functional.dropout3d.

    >>> torch.nn.functional.dropout3d(torch.tensor([[[[1.0, 2.0]]]]), 1.0)
    tensor([[[[0., 0.]]]])
    """
    _probability(p)
    return _unbatched(input, p, training, inplace, 5)
