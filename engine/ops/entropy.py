"""Binary cross entropies and the Kullback-Leibler divergence. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, floating, in_single, spoken
from engine.errors import DtypeError, InvalidValueError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array
from engine.shapes import broadcast_shapes, loss_shape

BCE = floating("binary_cross_entropy")
LOGITS = floating("log_sigmoid_cpu")
LEAST = -100.0
NARROW = 1e-12


def _settled(values: Any, reduction: str) -> Any:
    if reduction == "mean":
        return np.add.reduce(values, axis=None) / values.size
    if reduction == "sum":
        return np.add.reduce(values, axis=None)
    loss_shape((), reduction)
    return values


def _size(shape: tuple[int, ...]) -> str:
    return f"torch.Size({list(shape)})"


def _spread(g: Any, weight: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """What each element gets of the gradient of a weighted loss over elements of this shape."""
    if reduction == "mean":
        g = g / (math.prod(shape) or math.nan)
    return g if weight is None else g * weight


def _bce_sizes(input: Any, target: Any, weight: Any) -> None:
    if target.shape != input.shape:
        raise InvalidValueError(
            f"Using a target size ({_size(target.shape)}) that is different to the input size ({_size(input.shape)}) is deprecated. "
            "Please ensure they have the same size."
        )
    for value in (target, weight):
        if value is not None and value.dtype != input.dtype:
            raise DtypeError(f"Found dtype {spoken(value)} but expected {spoken(input)}")
    if weight is not None and broadcast_shapes(target.shape, weight.shape) != input.shape:
        raise TensorError(
            f"output with shape {list(input.shape)} doesn't match the weight's shape {list(weight.shape)}"
        )


def _bce_meta(input: Spec, target: Spec, weight: Any, reduction: str) -> Spec:
    BCE.check(input)
    _bce_sizes(input, target, weight)
    return Spec(loss_shape(input.shape, reduction), input.dtype)


def _bce_rule(g: Any, input: Any, target: Any, weight: Any, reduction: str) -> Any:
    g = _spread(g, weight, reduction, input.shape)
    return g * (input - target) / rules.clamp(input * (1 - input), NARROW)


def _bce_target_rule(g: Any, input: Any, weight: Any, reduction: str) -> Any:
    odds = rules.clamp(rules.log1p(-input), LEAST) - rules.clamp(rules.log(input), LEAST)
    return _spread(g, weight, reduction, input.shape) * odds


def _probabilities(**kwargs: Any) -> list[Sample]:
    a, b = array(2, 3, low=0.1, high=0.9), array(2, 3, low=0.1, high=0.9, start=50)
    return [
        *(Sample(a, b, reduction=r, **kwargs) for r in ("mean", "sum", "none")),
        Sample(a, b, array(3, low=0.2), tags=("broadcast",), **kwargs),
        Sample(np.array(a[0, 0]), np.array(b[0, 1]), tags=("0-d",), **kwargs),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",), reduction="sum", **kwargs),
        Sample(array(3, 2, low=0.1, high=0.9).T, b, tags=("non-contiguous",), **kwargs),
    ]


@op(
    "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, *, str reduction='mean') -> Tensor",
    meta=_bce_meta,
    kind="pointwise",
    promote="none",
    names=("nn.functional.binary_cross_entropy",),
    forms="function",
    samples=_probabilities,
    vjp={"input": _bce_rule, "target": _bce_target_rule},
)
def binary_cross_entropy(input: Any, target: Any, weight: Any, reduction: Any) -> Any:
    """The cross entropy between probabilities and targets of the same shape; logarithms are cut off at -100.

    Gradient: g·weight·(input - target)/(input·(1 - input)). Errors: ValueError for another size of the target, RuntimeError for an
    input outside [0, 1] and for another dtype of the target. Source: torch.nn.functional.binary_cross_entropy.

    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.9, 0.2]), torch.tensor([1.0, 0.0]))
    tensor(0.1643)
    """
    BCE.check(input)
    _bce_sizes(input, target, weight)
    if not np.logical_and.reduce((input >= 0) & (input <= 1), axis=None):
        raise TensorError("all elements of input should be between 0 and 1")
    return _bce(input, target, weight, reduction)


@in_single
def _bce(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    values = (target - 1) * np.maximum(np.log1p(-input), LEAST) - target * np.maximum(np.log(input), LEAST)
    return _settled(values if weight is None else values * weight, reduction)


def _logits_meta(input: Spec, target: Spec, weight: Any, pos_weight: Any, reduction: str) -> Spec:
    if target.shape != input.shape:
        raise InvalidValueError(
            f"Target size ({_size(target.shape)}) must be the same as input size ({_size(input.shape)})"
        )
    LOGITS.check(input)
    if target.dtype.category < 2:
        raise TensorError(f"result type {spoken(input)} can't be cast to the desired output type {spoken(target)}")
    shape = broadcast_shapes(input.shape, *(w.shape for w in (weight, pos_weight) if w is not None))
    return Spec(loss_shape(shape, reduction), target.dtype)


def _logits_rule(g: Any, input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    if pos_weight is None:
        slope = rules.sigmoid(input) - target
    else:
        raised = target * pos_weight
        slope = (raised + 1 - target) * rules.sigmoid(input) - raised
    return slope * _spread(g, weight, reduction, slope.shape if weight is None else _widest(slope, weight))


def _widest(value: Any, weight: Any) -> tuple[int, ...]:
    return broadcast_shapes(value.shape, weight.shape)


def _logits_target_rule(g: Any, input: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    slope = -input if pos_weight is None else rules.log_sigmoid(-input) - pos_weight * rules.log_sigmoid(input)
    return slope * _spread(g, weight, reduction, slope.shape if weight is None else _widest(slope, weight))


def _logits() -> list[Sample]:
    a, b = array(2, 3), array(2, 3, low=0.1, high=0.9, start=50)
    return [
        *(Sample(a, b, reduction=r) for r in ("mean", "sum", "none")),
        Sample(a, b, array(3, low=0.2), tags=("broadcast",)),
        Sample(a, b, pos_weight=array(3, low=0.2)),
        Sample(np.array(a[0, 0]), np.array(b[0, 1]), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",), reduction="sum"),
        Sample(array(3, 2).T, b, tags=("non-contiguous",)),
    ]


@op(
    "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, *, Tensor? pos_weight=None, "
    "str reduction='mean') -> Tensor",
    meta=_logits_meta,
    kind="pointwise",
    promote="none",
    names=("nn.functional.binary_cross_entropy_with_logits",),
    forms="function",
    samples=_logits,
    vjp={"input": _logits_rule, "target": _logits_target_rule},
)
def binary_cross_entropy_with_logits(input: Any, target: Any, weight: Any, pos_weight: Any, reduction: Any) -> Any:
    """The cross entropy between logits and targets of the same shape; ``pos_weight`` weighs what ought to be 1.

    Gradient: g·weight·(sigmoid(input) - target). Errors: ValueError for another size of the target.
    Source: torch.nn.functional.binary_cross_entropy_with_logits.

    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]))
    tensor(0.2201)
    """
    if target.shape != input.shape or target.dtype.kind != "f":
        found: list[Any] = [
            v if v is None else Spec(v.shape, dtypes.of_numpy(v.dtype)) for v in (input, target, weight, pos_weight)
        ]
        _logits_meta(found[0], found[1], found[2], found[3], reduction)
    LOGITS.check(input)
    return _with_logits(input, target, weight, pos_weight, reduction).astype(target.dtype, copy=False)


@in_single
def _with_logits(input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    rise = np.log1p(np.exp(-np.abs(input))) - np.minimum(input, 0)
    if pos_weight is not None:
        rise = rise * ((pos_weight - 1) * target + 1)
    values = (1 - target) * input + rise
    return _settled(values if weight is None else values * weight, reduction)


def _kl_meta(input: Spec, target: Spec, reduction: str, log_target: bool) -> Spec:
    _kl_check(input, target)
    shape = broadcast_shapes(input.shape, target.shape)
    return Spec(
        loss_shape(shape, "sum" if reduction == "batchmean" else reduction), dtypes.of_numpy(common(input, target))
    )


def _kl_check(*values: Any) -> None:
    for value in values:
        d = value.dtype.name
        if d.startswith("complex"):
            raise TensorError("kl_div: Complex inputs not supported.")
        if not d.startswith("float"):
            raise TensorError("kl_div: Integral inputs not supported.")


@op(
    "kl_div(Tensor input, Tensor target, *, str reduction='mean', bool log_target=False) -> Tensor",
    meta=_kl_meta,
    kind="composite",
    names=("nn.functional.kl_div",),
    forms="function",
    samples=lambda: [*_probabilities_without_weight(), *_probabilities_without_weight(log_target=True)],
)
def kl_div(input: Any, target: Any, reduction: Any, log_target: Any) -> Any:
    """The Kullback-Leibler divergence of log-probabilities ``input`` from probabilities ``target``.

    Shapes: any two that broadcast. "batchmean" divides the sum by the first size. Errors: RuntimeError for dtypes that are not floating,
    ValueError for another ``reduction``. Source: torch.nn.functional.kl_div.

    >>> torch.nn.functional.kl_div(torch.tensor([[-0.5, -1.0]]), torch.tensor([[0.5, 0.5]]), reduction="batchmean")
    tensor(0.0569)
    """
    _kl_check(input, target)
    values = rules.exp(target) * (target - input) if log_target else rules.xlogy(target, target) - target * input
    if reduction == "mean":
        return rules.mean(values)
    if reduction in ("sum", "batchmean"):
        total = rules.sum(values)
        return total / input.shape[0] if reduction == "batchmean" and input.ndim else total
    loss_shape((), reduction)
    return values


def _probabilities_without_weight(**kwargs: Any) -> list[Sample]:
    plain = [Sample(*s.args[:2], **s.kwargs, **kwargs, tags=s.tags) for s in _probabilities() if len(s.args) == 2]
    a = array(2, 3, low=0.1, high=0.9)
    return [*plain, Sample(a, array(3, low=0.1, high=0.9), reduction="batchmean", tags=("broadcast",), **kwargs)]
