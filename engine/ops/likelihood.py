"""Negative log likelihoods of counts and of normal variables, and the linear map joined with a cross entropy. Source: PyTorch's loss.h."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common
from engine.errors import InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, loss_shape


def _spec(reduction: str, *values: Any) -> Estimate:
    known = [v for v in values if isinstance(v, Spec)]
    shape = broadcast_shapes(*(v.shape for v in known))
    d = dtypes.of_numpy(common(*known, 1.0))
    out = Spec(loss_shape(shape, reduction), d)
    return Estimate((out,), 4 * math.prod(shape) * d.itemsize, 40 * math.prod(shape))


def _samples(*more: Any) -> list[Sample]:
    a, b = array(2, 3, low=0.2), array(2, 3, low=1.2, high=3.0, start=9)
    return [
        *(Sample(a, b, *more, reduction=r) for r in ("mean", "sum", "none")),
        *(Sample(a, b, *more, full=True) for _ in (0,)),
        Sample(np.array(0.7), np.array(1.6), *more, tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), *more, reduction="sum", tags=("empty",)),
        Sample(strided(3, 2, low=0.2), array(3, 2, low=1.2, high=3.0), *more, tags=("non-contiguous",)),
    ]


@op(
    "poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, *, float eps=1e-08, str reduction='mean') "
    "-> Tensor",
    meta=lambda input, target, log_input, full, eps, reduction: _spec(reduction, input, target),
    kind="composite",
    names=("nn.functional.poisson_nll_loss",),
    forms="function",
    samples=lambda: [
        *_samples(),
        Sample(array(2, 3, low=0.2), array(2, 3, low=1.2, high=3.0, start=9), False),
        Sample(array(2, 3), array(3, low=1.2, high=3.0), tags=("broadcast",)),
    ],
)
def poisson_nll_loss(input: Any, target: Any, log_input: Any, full: Any, eps: Any, reduction: Any) -> Any:
    """The negative log likelihood of counts: ``exp(input) - target·input``, or without ``log_input`` ``input - target·log(input + eps)``.

    ``full`` adds Stirling's approximation of log(target!) where the target exceeds 1. Shapes: any two that broadcast.
    Source: torch.nn.functional.poisson_nll_loss.

    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    tensor(0.8591)
    """
    loss_shape((), reduction)
    values = rules.exp(input) - target * input if log_input else input - target * rules.log(rules.add(input, eps))
    if full:
        stirling = target * rules.log(target) - target + rules.log(target * (2 * math.pi)) * 0.5
        values = values + rules.where(rules.le(target, 1), 0, stirling)
    return rules._settled(values, reduction)


def _fits(shape: tuple[int, ...], var: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which ``var`` is taken. Errors: ValueError for one that does not fit."""
    if var == shape:
        return var
    if shape[:-1] == var:
        return (*var, 1)
    if len(var) == len(shape) and sum(m for n, m in zip(shape, var, strict=True) if n != m) == 1:
        return var
    raise InvalidValueError("var is of incorrect size")


def _gaussian_meta(input: Spec, target: Spec, var: Any, full: bool, eps: float, reduction: str) -> Estimate:
    if not isinstance(var, Spec):
        _nonnegative(var < 0)
        return _spec(reduction, input, target)
    return _spec(reduction, input, target, Spec(_fits(input.shape, var.shape), var.dtype))


def _nonnegative(negative: Any) -> None:
    if negative:
        raise InvalidValueError("var has negative entry/entries")


@op(
    "gaussian_nll_loss(Tensor input, Tensor target, Tensor|Scalar var, bool full=False, float eps=1e-06, *, str reduction='mean') "
    "-> Tensor",
    meta=_gaussian_meta,
    kind="composite",
    names=("nn.functional.gaussian_nll_loss",),
    forms="function",
    samples=lambda: [
        *(
            Sample(*s.args, array(*s.args[0].shape, low=0.3), **s.kwargs, tags=s.tags)
            for s in _samples()
            if s.args[0].ndim
        ),
        Sample(array(2, 3), array(2, 3, start=9), array(2, low=0.3)),
        Sample(array(2, 3), array(2, 3, start=9), array(2, 1, low=0.3), tags=("broadcast",)),
        Sample(array(2, 3), array(2, 3, start=9), 0.6),
        Sample(np.array(0.7), np.array(1.6), np.array(0.4), tags=("0-d",)),
    ],
)
def gaussian_nll_loss(input: Any, target: Any, var: Any, full: Any, eps: Any, reduction: Any) -> Any:
    """``(log(var) + (input - target)²/var)/2``, where ``var`` is taken to be at least ``eps``; ``full`` adds ``log(2π)/2``.

    Shapes: ``var`` has the input's shape, or lacks its last dim, or has a 1 in one dim. Errors: ValueError for a negative or an unfit
    ``var``. Source: torch.nn.functional.gaussian_nll_loss.

    >>> torch.nn.functional.gaussian_nll_loss(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([2.0]))
    tensor(0.5966)
    """
    if reduction not in ("none", "mean", "sum"):
        raise InvalidValueError(f"{reduction} is not valid")
    if hasattr(var, "shape"):
        _nonnegative(bool(rules.any(rules.lt(var, 0))))
        shape = _fits(tuple(input.shape), tuple(var.shape))
        if len(shape) > len(var.shape):
            var = rules.unsqueeze(var, -1)
    else:
        _nonnegative(var < 0)
        var = rules.add(rules.zeros_like(input), var)
    fixed = var.detach() if hasattr(var, "detach") else var
    var = var + (rules.clamp_min(fixed, eps) - fixed)  # the gradient is not cut off, as PyTorch's is not
    values = (rules.log(var) + rules.pow(input - target, 2) / var) * 0.5
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return rules._settled(values, reduction)


# -- linear map and cross entropy --------------------------------------------------------------------------------------


def _joined(input: Any, linear_weight: Any, target: Any, linear_bias: Any, ignore_index: Any) -> tuple[int, ...]:
    """The logits' shape. Errors: RuntimeError for what does not fit."""
    shape, weight = tuple(input.shape), tuple(linear_weight.shape)
    if len(shape) not in (1, 2):
        raise ShapeError(f"expected input with dimensionality 1 or 2, got {len(shape)}")
    if len(weight) < 2:
        raise ShapeError(f"expected linear_weight with dimensionality at least 2, got {len(weight)}")
    if weight[-1] != shape[-1]:
        raise ShapeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {shape[-1]} and {weight[-1]}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != weight[:-1]:
        raise ShapeError(f"expected linear_bias shape {weight[:-1]}, got {tuple(linear_bias.shape)}")
    if len(weight) > 2 and len(shape) == 1:
        raise ShapeError(
            f"K-dimensional loss defined by linear_weight shape {weight} requires batched input, (N, {shape[-1]}), got unbatched input "
            f"with shape {shape}"
        )
    logits = (*shape[:-1], *weight[:-1])
    if tuple(target.shape) == logits and ignore_index is not None:
        raise TensorError("ignore_index cannot be specified when target contains probabilities")
    return logits


def _joined_meta(
    input: Spec,
    linear_weight: Spec,
    target: Spec,
    linear_bias: Any,
    weight: Any,
    reduction: str,
    ignore_index: Any,
    label_smoothing: float,
    options: Any,
) -> Estimate:
    logits = _joined(input, linear_weight, target, linear_bias, ignore_index)
    numel = math.prod(logits)
    dim = input.ndim - 1
    shape = loss_shape((*logits[:dim], *logits[dim + 1 :]), reduction)
    return Estimate(
        (Spec(shape, input.dtype),), 3 * numel * input.dtype.itemsize, 2 * numel * input.shape[-1] + 40 * numel
    )


@op(
    "linear_cross_entropy(Tensor input, Tensor linear_weight, Tensor target, *, Tensor? linear_bias=None, Tensor? weight=None, "
    "str reduction='mean', int? ignore_index=None, float label_smoothing=0.0, Any options=None) -> Tensor",
    meta=_joined_meta,
    kind="composite",
    names=("nn.functional.linear_cross_entropy",),
    forms="function",
    samples=over(
        *(
            Sample(array(3, 2), array(4, 2), np.array([1, 0, 3]), linear_bias=array(4), reduction=r)
            for r in ("mean", "sum", "none")
        ),
        Sample(array(2), array(4, 2), np.array(1)),
        Sample(array(3, 2), array(4, 2, 2), np.array([[1, 0], [2, 3], [0, 0]])),
        Sample(np.zeros((0, 2)), array(4, 2), np.zeros(0, np.int64), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), array(4, 2), np.array([1, 0, 3]), tags=("non-contiguous",)),
    ),
)
def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    linear_bias: Any,
    weight: Any,
    reduction: Any,
    ignore_index: Any,
    label_smoothing: Any,
    options: Any,
) -> Any:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``; further dims of the weight become dims of the logits.

    ``options``, PyTorch's choice of how to save memory, changes nothing. Errors: RuntimeError for shapes that do not fit.
    Source: torch.nn.functional.linear_cross_entropy.

    >>> torch.nn.functional.linear_cross_entropy(torch.tensor([1.0, 0.0]), torch.eye(2), torch.tensor(0))
    tensor(0.3133)
    """
    shape = _joined(input, linear_weight, target, linear_bias, ignore_index)
    outs = math.prod(linear_weight.shape[:-1])
    if linear_weight.ndim > 2:
        linear_weight = rules.reshape(linear_weight, (outs, input.shape[-1]))
        linear_bias = None if linear_bias is None else rules.reshape(linear_bias, (outs,))
    logits = rules.reshape(rules.linear(input, linear_weight, linear_bias), shape)
    return rules.cross_entropy_loss(
        logits,
        target,
        weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )
