"""Losses with a margin: ranking, embeddings, triplets, classes. Rules and names: PyTorch's derivatives.yaml and Loss.cpp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common
from engine.errors import DimensionError, InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, strided
from engine.shapes import broadcast_shapes, loss_shape

TINY = 1e-12


def _spec(reduction: str, *values: Any, shape: tuple[int, ...] | None = None) -> Estimate:
    known = [v for v in values if isinstance(v, Spec)]
    whole = broadcast_shapes(*(v.shape for v in known))
    d = dtypes.of_numpy(common(*known))
    out = Spec(loss_shape(whole if shape is None else shape, reduction), d)
    return Estimate((out,), 4 * math.prod(whole) * d.itemsize, 8 * math.prod(whole))


def _signs(*shape: int) -> Any:
    return np.where(np.arange(math.prod(shape)) % 3 == 0, -1.0, 1.0).reshape(shape)


def _reductions(*args: Any, **kwargs: Any) -> list[Sample]:
    return [Sample(*args, reduction=r, **kwargs) for r in ("mean", "sum", "none")]


def _ranking_check(input1: Any, input2: Any, target: Any) -> None:
    if not len(input1.shape) == len(input2.shape) == len(target.shape):
        sizes = [f"torch.Size({list(v.shape)})" for v in (input1, input2, target)]
        raise ShapeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: {sizes[0]}, input2: {sizes[1]}, "
            f"target: {sizes[2]} "
        )


def _ranking_meta(input1: Spec, input2: Spec, target: Spec, margin: float, reduction: str) -> Estimate:
    _ranking_check(input1, input2, target)
    return _spec(reduction, input1, input2, target)


@op(
    "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, *, str reduction='mean') -> Tensor",
    meta=_ranking_meta,
    kind="composite",
    names=("nn.functional.margin_ranking_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(2, 3), array(2, 3, start=9), _signs(2, 3), 0.5),
        Sample(np.array(0.7), np.array(0.2), np.array(-1.0), tags=("0-d",)),
        Sample(array(1, 3), array(2, 1, start=9), _signs(2, 3), tags=("broadcast",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=9), _signs(3, 2), tags=("non-contiguous",)),
    ],
)
def margin_ranking_loss(input1: Any, input2: Any, target: Any, margin: Any, reduction: Any) -> Any:
    """``max(0, margin - target·(input1 - input2))``: the target is 1 where the first ought to rank higher, else -1.

    Errors: RuntimeError for different numbers of dims. Source: torch.nn.functional.margin_ranking_loss.

    >>> torch.nn.functional.margin_ranking_loss(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([1.0]))
    tensor(1.)
    """
    _ranking_check(input1, input2, target)
    return rules._settled(rules.clamp_min(-target * (input1 - input2) + margin, 0), reduction)


@op(
    "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, *, str reduction='mean') -> Tensor",
    meta=lambda input, target, margin, reduction: Estimate(
        (Spec(loss_shape(broadcast_shapes(input.shape, target.shape), reduction), input.dtype),),
        4 * math.prod(broadcast_shapes(input.shape, target.shape)) * input.dtype.itemsize,
        8 * math.prod(broadcast_shapes(input.shape, target.shape)),
    ),
    kind="composite",
    names=("nn.functional.hinge_embedding_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(2, 3), _signs(2, 3), 0.7),
        Sample(np.array(0.7), np.array(-1.0), tags=("0-d",)),
        Sample(array(1, 3), _signs(2, 3), tags=("broadcast",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), _signs(3, 2), tags=("non-contiguous",)),
    ],
)
def hinge_embedding_loss(input: Any, target: Any, margin: Any, reduction: Any) -> Any:
    """The input where the target is 1, ``max(0, margin - input)`` where it is -1.

    Source: torch.nn.functional.hinge_embedding_loss.

    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.3, 0.3]), torch.tensor([1.0, -1.0]))
    tensor(0.5000)
    """
    apart = rules.where(rules.ne(target, 1), rules.clamp_min(margin - input, 0), 0)
    return rules._settled(apart + rules.where(rules.ne(target, -1), input, 0), reduction)


def _cosine_check(input1: Any, input2: Any, target: Any) -> None:
    n = len(target.shape)
    if n > 1:
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported")
    if len(input1.shape) != n + 1 or len(input2.shape) != n + 1:
        raise ShapeError(
            f"{n}D target tensor expects {n + 1}D input tensors, but found inputs with sizes {list(input1.shape)} and "
            f"{list(input2.shape)}."
        )


def _cosine_meta(input1: Spec, input2: Spec, target: Spec, margin: float, reduction: str) -> Estimate:
    _cosine_check(input1, input2, target)
    whole = broadcast_shapes(input1.shape, input2.shape)
    d = dtypes.of_numpy(common(input1, input2))
    shape = loss_shape(broadcast_shapes(whole[:-1], target.shape), reduction)
    return Estimate((Spec(shape, d),), 4 * math.prod(whole) * d.itemsize, 8 * math.prod(whole))


@op(
    "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, *, str reduction='mean') -> Tensor",
    meta=_cosine_meta,
    kind="composite",
    names=("nn.functional.cosine_embedding_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(3, 2), array(3, 2, start=9), _signs(3), 0.1),
        Sample(array(3), array(3, start=9), np.array(1.0)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=9), _signs(3), tags=("non-contiguous",)),
    ],
)
def cosine_embedding_loss(input1: Any, input2: Any, target: Any, margin: Any, reduction: Any) -> Any:
    """``1 - cos`` of the angle between two vectors where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Shapes: (N, D) with targets (N), or (D) with one. Errors: RuntimeError for others. Source: torch.nn.functional.cosine_embedding_loss.

    >>> torch.nn.functional.cosine_embedding_loss(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0]), torch.tensor(1))
    tensor(0.0400)
    """
    _cosine_check(input1, input2, target)
    dim = len(target.shape)
    across = rules.sum(input1 * input2, dim)
    size = (rules.sum(input1 * input1, dim) + TINY) * (rules.sum(input2 * input2, dim) + TINY)
    cosine = across / rules.sqrt(size)
    near = rules.where(rules.eq(target, 1), 1 - cosine, 0)
    return rules._settled(near + rules.where(rules.eq(target, -1), rules.clamp_min(cosine - margin, 0), 0), reduction)


def _margin(margin: float) -> None:
    if margin <= 0:
        raise InvalidValueError(f"margin must be greater than 0, got {margin}")


def _triplet_check(anchor: Any, positive: Any, negative: Any, margin: float) -> None:
    _margin(margin)
    dims = [len(v.shape) for v in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise ShapeError(
            f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor {dims[0]}D, "
            f"positive {dims[1]}D, and negative {dims[2]}D inputs"
        )


def _triplet_meta(anchor: Spec, positive: Spec, negative: Spec, margin: float, *rest: Any) -> Estimate:
    _triplet_check(anchor, positive, negative, margin)
    shape = broadcast_shapes(anchor.shape, positive.shape, negative.shape)[:-1]
    out = _spec(rest[-1], anchor, positive, negative, shape=shape)
    real = Spec(out.outputs[0].shape, dtypes.to_real(out.outputs[0].dtype))
    return out._replace(outputs=(real,))


@op(
    "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float eps=1e-06, "
    "bool swap=False, *, str reduction='mean') -> Tensor",
    meta=_triplet_meta,
    kind="composite",
    names=("nn.functional.triplet_margin_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(3, 2), array(3, 2, start=9), array(3, 2, start=20), 2.0, 3.0),
        Sample(array(3, 2), array(3, 2, start=9), array(3, 2, start=20), swap=True),
        Sample(np.array(0.7), np.array(1.6), np.array(0.4), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=9), array(3, 2, start=20), tags=("non-contiguous",)),
    ],
)
def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: Any, p: Any, eps: Any, swap: Any, reduction: Any
) -> Any:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` with the distance of order ``p``.

    ``swap`` takes the nearer of anchor and positive to the negative. Errors: ValueError for a margin that is not positive.
    Source: torch.nn.functional.triplet_margin_loss.

    >>> torch.nn.functional.triplet_margin_loss(torch.tensor([[0.0]]), torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    tensor(2.)
    """
    _triplet_check(anchor, positive, negative, margin)
    near = rules.pairwise_distance(anchor, positive, p, eps)
    far = rules.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = rules.minimum(far, rules.pairwise_distance(positive, negative, p, eps))
    return rules._settled(rules.clamp_min(margin + near - far, 0), reduction)


def _distances_meta(
    anchor: Spec,
    positive: Spec,
    negative: Spec,
    distance_function: Any,
    margin: float,
    swap: bool,
    reduction: str,
) -> Estimate:
    return _triplet_meta(anchor, positive, negative, margin, reduction)


@op(
    "triplet_margin_with_distance_loss(Tensor anchor, Tensor positive, Tensor negative, *, Any distance_function=None, "
    "float margin=1.0, bool swap=False, str reduction='mean') -> Tensor",
    meta=_distances_meta,
    kind="composite",
    names=("nn.functional.triplet_margin_with_distance_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(3, 2), array(3, 2, start=9), array(3, 2, start=20)),
        Sample(array(3, 2), array(3, 2, start=9), array(3, 2, start=20), swap=True),
        Sample(np.array(0.7), np.array(1.6), np.array(0.4), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=9), array(3, 2, start=20), tags=("non-contiguous",)),
    ],
)
def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, distance_function: Any, margin: Any, swap: Any, reduction: Any
) -> Any:
    """The triplet loss with any distance: a function of two tensors (``pairwise_distance`` by default).

    Errors: ValueError for a margin that is not positive, RuntimeError for different numbers of dims.
    Source: torch.nn.functional.triplet_margin_with_distance_loss.

    >>> torch.nn.functional.triplet_margin_with_distance_loss(torch.tensor([[0.0]]), torch.tensor([[2.0]]), torch.tensor([[1.0]]))
    tensor(2.)
    """
    loss_shape((), reduction)
    _triplet_check(anchor, positive, negative, margin)
    distance = distance_function or rules.pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = rules.minimum(far, distance(positive, negative))
    return rules._settled(rules.clamp_min(margin + near - far, 0), reduction)


# -- soft margins ------------------------------------------------------------------------------------------------------


def _soft_check(input: Any, target: Any) -> None:
    shape = broadcast_shapes(tuple(input.shape), tuple(target.shape))
    if shape != tuple(input.shape):
        raise ShapeError(f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(shape)}")
    if not input.dtype.name.startswith(("float", "complex")):
        raise TensorError("result type Float can't be cast to the desired output type Long")


def _soft_meta(input: Spec, target: Spec, reduction: str) -> Spec:
    _soft_check(input, target)
    return Spec(loss_shape(input.shape, reduction), input.dtype)


def _soft_rule(g: Any, input: Any, target: Any, reduction: str) -> Any:
    turned = target * -1
    slope = turned * rules.sigmoid(turned * input)
    return slope * (g / (math.prod(input.shape) or math.nan) if reduction == "mean" else g)


@op(
    "soft_margin_loss(Tensor input, Tensor target, *, str reduction='mean') -> Tensor",
    meta=_soft_meta,
    kind="pointwise",
    promote="none",
    names=("nn.functional.soft_margin_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(2, 3), _signs(2, 3)),
        Sample(np.array(0.7), np.array(-1.0), tags=("0-d",)),
        Sample(array(2, 3), _signs(3), tags=("broadcast",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), _signs(3, 2), tags=("non-contiguous",)),
    ],
    vjp={"input": _soft_rule},
)
def soft_margin_loss(input: Any, target: Any, reduction: Any) -> Any:
    """``log(1 + exp(-target·input))`` for targets of 1 and -1.

    Gradient: -g·target·sigmoid(-target·input). Source: torch.nn.functional.soft_margin_loss.

    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0.5, -2.0]), torch.tensor([1.0, -1.0]))
    tensor(0.3005)
    """
    _soft_check(input, target)
    values = np.log1p(np.exp(target * -1 * input)).astype(input.dtype)
    if reduction == "mean":
        return np.add.reduce(values, axis=None) / values.size
    loss_shape((), reduction)
    return np.add.reduce(values, axis=None) if reduction == "sum" else values


def _classes(input: Any) -> None:
    if not len(input.shape):
        raise DimensionError("Dimension specified as -1 but tensor has no dimensions")


def _labels_meta(input: Spec, target: Spec, weight: Any, reduction: str) -> Estimate:
    _classes(input)
    whole = broadcast_shapes(input.shape, target.shape, *(() if weight is None else (weight.shape,)))
    return _spec(reduction, input, target, weight, shape=whole[:-1])


@op(
    "multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, *, str reduction='mean') -> Tensor",
    meta=_labels_meta,
    kind="composite",
    names=("nn.functional.multilabel_soft_margin_loss",),
    forms="function",
    samples=lambda: [
        *_reductions(array(2, 3), array(2, 3, low=0.1, high=0.9), array(3, low=0.2)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, low=0.1, high=0.9), tags=("non-contiguous",)),
    ],
)
def multilabel_soft_margin_loss(input: Any, target: Any, weight: Any, reduction: Any) -> Any:
    """The binary cross entropy with logits of each class, averaged over the classes (the last dim).

    Source: torch.nn.functional.multilabel_soft_margin_loss.

    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.tensor([[0.5, -2.0]]), torch.tensor([[1.0, 0.0]]))
    tensor(0.3005)
    """
    loss_shape((), reduction)
    _classes(input)
    values = -(target * rules.log_sigmoid(input) + (1 - target) * rules.log_sigmoid(-input))
    if weight is not None:
        values = values * weight
    dim = input.ndim - 1
    return rules._settled(rules.sum(values, dim) / input.shape[dim], reduction)
