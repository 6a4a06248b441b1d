"""Losses between a prediction and a target of its shape. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, common, floating, in_single, spoken
from engine.errors import InvalidValueError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.shapes import broadcast, broadcast_shapes, loss_shape

MSE = floating("mse_cpu")
SMOOTH = floating("smooth_l1_cpu")
HUBER = floating("huber_cpu")
BCE = floating("binary_cross_entropy")
LOGITS = floating("log_sigmoid_cpu")
WEIGHTS = "Weights and input must have the same size."


def _settled(values: Any, reduction: str) -> Any:
    """The elements' losses, or their mean or sum."""
    if reduction == "mean":
        return np.add.reduce(values, axis=None) / values.size
    if reduction == "sum":
        return np.add.reduce(values, axis=None)
    loss_shape((), reduction)
    return values


def _per_element(g: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """What one element gets of the gradient of a loss over elements of this shape."""
    return g / (math.prod(shape) or math.nan) if reduction == "mean" else g


@op(
    "_settled(Tensor input, str reduction) -> Tensor",
    meta=lambda input, reduction: Spec(loss_shape(input.shape, reduction), input.dtype),
    kind="composite",
    forms="",
    samples=over(*(Sample(array(2, 3), r) for r in ("mean", "sum", "none"))),
)
def settled(input: Any, reduction: Any) -> Any:
    """The elements' losses, or their mean or sum, as nodes of the graph. Source: PyTorch's apply_loss_reduction."""
    if reduction == "mean":
        return rules.mean(input)
    if reduction == "sum":
        return rules.sum(input)
    loss_shape((), reduction)
    return input


def _loss_meta(domain: Domain) -> Any:
    def meta(input: Spec, target: Spec, *rest: Any) -> Spec:
        domain.check(input)
        out = broadcast(input, target)
        return Spec(loss_shape(out.shape, next(r for r in rest if isinstance(r, str))), out.dtype)

    return meta


def _two(low: float = -2.0, high: float = 2.0, **kwargs: Any) -> Any:
    """A prediction and a target for each reduction, a broadcast, no dims, no elements, strided memory."""
    a, b = array(2, 3, low=low, high=high), array(2, 3, low=low, high=high, start=50)
    return over(
        *(Sample(a, b, reduction=r, **kwargs) for r in ("mean", "sum", "none")),
        Sample(np.array(a[0, 0]), np.array(b[0, 1]), tags=("0-d",), **kwargs),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",), reduction="sum", **kwargs),
        Sample(array(3, 2, low=low, high=high).T, b, tags=("non-contiguous",), **kwargs),
    )


def _two_and_broadcast(**kwargs: Any) -> Any:
    return lambda: [*_two(**kwargs)(), Sample(array(2, 3), array(3, start=9), tags=("broadcast",), **kwargs)]


def _two_weighted() -> list[Sample]:
    return [Sample(*s.args, **s.kwargs, weight=array(*s.args[0].shape, low=0.2), tags=s.tags) for s in _two()()]


def _mse_rule(g: Any, input: Any, target: Any, reduction: str) -> Any:
    apart = input - target
    if reduction == "mean":
        return apart * (g * (2.0 / (math.prod(apart.shape) or math.nan)))
    return apart * (g * 2.0)


@op(
    "mse_loss(Tensor input, Tensor target, *, str reduction='mean') -> Tensor",
    meta=_loss_meta(MSE),
    kind="pointwise",
    names=("nn.functional.mse_loss",),
    forms="function",
    samples=_two_and_broadcast(),
    vjp={
        "input": _mse_rule,
        "target": lambda g, input, target, reduction: -_mse_rule(g, input, target, reduction),
    },
)
def mse_loss(input: Any, target: Any, reduction: Any) -> Any:
    """The squared error: its mean over all elements, its sum, or each element's ("none").

    Shapes: any two that broadcast. Gradient: 2·g·(input - target), over the number of elements for the mean. Errors: ValueError for
    another ``reduction``, NotImplementedError for integers and complex dtypes. Source: torch.nn.functional.mse_loss.

    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(2.5000)
    """
    MSE.check(input)
    if reduction == "mean" and input.dtype.char != "e":
        apart = np.subtract(input, target)
        flat = apart.reshape(-1)
        return np.dot(flat, flat) / flat.dtype.type(flat.size)
    return _mse(input, target, reduction)


@in_single
def _mse(input: Any, target: Any, reduction: str) -> Any:
    apart = input - target
    return _settled(apart * apart, reduction)


def _same_size(input: Any, weight: Any) -> None:
    if weight.shape != input.shape:
        raise InvalidValueError(WEIGHTS)


def _weighted_meta(domain: Domain) -> Any:
    def meta(input: Spec, target: Spec, *rest: Any) -> Spec:
        weight = next(r for r in rest if isinstance(r, Spec))
        _same_size(input, weight)
        domain.check(input)
        shape = broadcast_shapes(input.shape, target.shape)
        return Spec(
            loss_shape(shape, next(r for r in rest if isinstance(r, str))),
            dtypes.of_numpy(common(input, target, weight)),
        )

    return meta


def _weighted_mean(values: Any, weight: Any, reduction: str) -> Any:
    if reduction == "mean":
        return rules.sum(values * weight) / rules.sum(weight)
    return rules._settled(values * weight, reduction)


@op(
    "mse_loss.weight(Tensor input, Tensor target, *, str reduction='mean', Tensor weight) -> Tensor",
    meta=_weighted_meta(MSE),
    kind="composite",
    names=("nn.functional.mse_loss",),
    forms="function",
    samples=_two_weighted,
)
def mse_loss_weight(input: Any, target: Any, reduction: Any, weight: Any) -> Any:
    """The squared error weighted element by element; the mean is divided by the sum of the weights.

    Errors: ValueError for a weight of another size. Source: torch.nn.functional.mse_loss.

    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]), weight=torch.tensor([1.0, 3.0]))
    tensor(3.2500)
    """
    _same_size(input, weight)
    return _weighted_mean(rules.pow(rules.sub(input, target), 2), weight, reduction)


@op(
    "l1_loss(Tensor input, Tensor target, *, str reduction='mean') -> Tensor",
    meta=lambda input, target, reduction: _absolute_spec(input, target, None, reduction),
    kind="composite",
    names=("nn.functional.l1_loss",),
    forms="function",
    samples=_two_and_broadcast(),
)
def l1_loss(input: Any, target: Any, reduction: Any) -> Any:
    """The absolute error: its mean over all elements, its sum, or each element's ("none").

    Shapes: any two that broadcast. Errors: ValueError for another ``reduction``. Source: torch.nn.functional.l1_loss.

    >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(1.5000)
    """
    return rules._settled(rules.abs(rules.sub(input, target)), reduction)


def _absolute_spec(input: Spec, target: Spec, weight: Any, reduction: str) -> Spec:
    shape = loss_shape(broadcast_shapes(input.shape, target.shape), reduction)
    d = dtypes.to_real(dtypes.of_numpy(common(input, target)))
    if weight is not None:
        d = dtypes.of_numpy(common(Spec((1,), d), weight))
    if d.category < 2 and reduction == "mean":
        raise TensorError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            + spoken(Spec((), d))
        )
    return Spec(shape, dtypes.int64 if d.category < 2 and reduction == "sum" else d)


@op(
    "l1_loss.weight(Tensor input, Tensor target, *, str reduction='mean', Tensor weight) -> Tensor",
    meta=lambda input, target, reduction, weight: _absolute_spec(input, target, weight, reduction),
    kind="composite",
    names=("nn.functional.l1_loss",),
    forms="function",
    samples=_two_weighted,
)
def l1_loss_weight(input: Any, target: Any, reduction: Any, weight: Any) -> Any:
    """The absolute error weighted element by element; the mean is divided by the sum of the weights.

    Errors: ValueError for a weight of another size. Source: torch.nn.functional.l1_loss.

    >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]), weight=torch.tensor([1.0, 3.0]))
    tensor(1.7500)
    """
    _same_size(input, weight)
    return _weighted_mean(rules.abs(rules.sub(input, target)), weight, reduction)


def _bent(g: Any, apart: Any, most: float, scale: float, reduction: str) -> Any:
    """The gradient of a loss that is a parabola within ``most`` of zero and straight from there on: its own ends there."""
    return rules.hardtanh(apart, -most, most) * (_per_element(g, reduction, apart.shape) * scale)


@op(
    "_smooth_l1_loss(Tensor input, Tensor target, str reduction, float beta) -> Tensor",
    meta=_loss_meta(SMOOTH),
    kind="pointwise",
    grad_fn="SmoothL1LossBackward0",
    forms="",
    samples=over(Sample(array(2, 3), array(2, 3, start=50), "mean", 1.0)),
    vjp={
        "input": lambda g, input, target, reduction, beta: _bent(g, input - target, beta, 1 / beta, reduction),
        "target": lambda g, input, target, reduction, beta: _bent(g, target - input, beta, 1 / beta, reduction),
    },
)
def _smooth_l1_loss(input: Any, target: Any, reduction: Any, beta: Any) -> Any:
    """``smooth_l1_loss`` for a positive ``beta``. Source: aten::smooth_l1_loss."""
    SMOOTH.check(input)
    return _smooth(input, target, reduction, beta)


@in_single
def _smooth(input: Any, target: Any, reduction: str, beta: float) -> Any:
    apart = np.abs(input - target)
    near = np.minimum(apart, beta)
    return _settled(near * near * (0.5 / beta) + (apart - near), reduction)


def _smooth_meta(input: Spec, target: Spec, reduction: str, beta: float) -> Spec:
    if beta < 0:
        raise TensorError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _absolute_spec(input, target, None, reduction)
    out = Spec(broadcast_shapes(input.shape, target.shape), dtypes.of_numpy(common(input, target)))
    SMOOTH.check(out)
    return Spec(loss_shape(out.shape, reduction), out.dtype)


@op(
    "smooth_l1_loss(Tensor input, Tensor target, *, str reduction='mean', float beta=1.0) -> Tensor",
    meta=_smooth_meta,
    kind="composite",
    names=("nn.functional.smooth_l1_loss",),
    forms="function",
    samples=lambda: [*_two_and_broadcast()(), *_two(beta=0.4)(), *_two(beta=0.0)()],
)
def smooth_l1_loss(input: Any, target: Any, reduction: Any, beta: Any) -> Any:
    """The squared error over ``2·beta`` where it is nearer than ``beta``, the absolute error less ``beta/2`` beyond.

    Shapes: any two that broadcast. Errors: RuntimeError for a negative ``beta``, ValueError for another ``reduction``.
    Source: torch.nn.functional.smooth_l1_loss.

    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 4.0]))
    tensor(0.8125)
    """
    if beta < 0:
        raise TensorError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return rules.l1_loss(input, target, reduction=reduction)
    return rules._smooth_l1_loss(input, target, reduction, beta)


def _delta(delta: float) -> None:
    if not delta > 0:
        raise TensorError("huber_loss does not support non-positive values for delta.")


def _huber_meta(input: Spec, target: Spec, reduction: str, delta: float) -> Spec:
    _delta(delta)
    HUBER.check(input)
    return Spec(loss_shape(broadcast_shapes(input.shape, target.shape), reduction), input.dtype)


@op(
    "huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0) -> Tensor",
    meta=_huber_meta,
    kind="pointwise",
    promote="none",
    names=("nn.functional.huber_loss",),
    forms="function",
    samples=lambda: [*_two_and_broadcast()(), *_two(delta=0.4)()],
    vjp={
        "input": lambda g, input, target, reduction, delta: _bent(g, input - target, delta, 1.0, reduction),
        "target": lambda g, input, target, reduction, delta: _bent(g, target - input, delta, 1.0, reduction),
    },
)
def huber_loss(input: Any, target: Any, reduction: Any, delta: Any) -> Any:
    """Half the squared error where it is nearer than ``delta``, ``delta`` times the absolute error less ``delta/2`` beyond.

    Shapes: any two that broadcast. Gradient: g·(input - target), cut off at ±delta. Errors: RuntimeError for a ``delta`` that is not
    positive, ValueError for another ``reduction``. Source: torch.nn.functional.huber_loss.

    >>> torch.nn.functional.huber_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 4.0]))
    tensor(0.8125)
    """
    HUBER.check(input)
    _delta(delta)
    return _huber(input, target, reduction, delta).astype(input.dtype, copy=False)


@in_single
def _huber(input: Any, target: Any, reduction: str, delta: float) -> Any:
    apart = np.abs(input - target)
    near = np.minimum(apart, delta)
    return _settled(near * near * 0.5 + (apart - near) * delta, reduction)


@op(
    "huber_loss.weight(Tensor input, Tensor target, str reduction='mean', float delta=1.0, *, Tensor weight) -> Tensor",
    meta=lambda input, target, reduction, delta, weight: _huber_weight_meta(input, target, reduction, delta, weight),
    kind="composite",
    names=("nn.functional.huber_loss",),
    forms="function",
    samples=_two_weighted,
)
def huber_loss_weight(input: Any, target: Any, reduction: Any, delta: Any, weight: Any) -> Any:
    """The Huber loss weighted element by element.

    Errors: ValueError for a weight of another size. Source: torch.nn.functional.huber_loss.

    >>> torch.nn.functional.huber_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]), weight=torch.tensor([1.0, 3.0]))
    tensor(2.5000)
    """
    _same_size(input, weight)
    return rules._settled(rules.huber_loss(input, target, "none", delta) * weight, reduction)


def _huber_weight_meta(input: Spec, target: Spec, reduction: str, delta: float, weight: Spec) -> Spec:
    _same_size(input, weight)
    out = _huber_meta(input, target, "none", delta)
    return Spec(loss_shape(out.shape, reduction), dtypes.of_numpy(common(out, weight)))
