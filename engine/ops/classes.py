"""Losses over classes: negative log likelihood and cross entropy. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, floating, in_single, spoken
from engine.errors import DimensionError, DtypeError, InvalidValueError, ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import lean, renamed, rules
from engine.samples import array, over
from engine.shapes import loss_shape

NLL = floating("nll_loss_out_frame")
CROSS = floating("log_softmax_lastdim_kernel_impl")


def _fits(input: Any, target: Any, weight: Any) -> None:
    """Errors: as PyTorch's for a target or a weight that does not belong to the input."""
    shape, wanted = input.shape, target.shape
    n = len(shape)
    if n == 0:
        raise InvalidValueError("Expected 1 or more dimensions (got 0)")
    if n == 1 and wanted not in ((), (1,)):
        raise InvalidValueError(f"For 1D input, 1D target must have size 1, but got target size: {wanted[0]}")
    if n > 1 and (wanted[:1] or (1,)) != shape[:1]:
        raise InvalidValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({wanted[0] if wanted else 1})."
        )
    if n == 2 and len(wanted) > 1:
        raise TensorError("0D or 1D target tensor expected, multi-target not supported")
    if n == 4 and len(wanted) != 3:
        raise ShapeError(
            f"only batches of spatial targets supported (3D tensors) but got targets of dimension: {len(wanted)}"
        )
    if n > 2 and wanted[1:] != shape[2:]:
        if n == 4:
            raise ShapeError(f"size mismatch (got input: {list(shape)} , target: {list(wanted)}")
        raise ShapeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(wanted)}")
    if target.dtype.name not in ("int64", "uint8"):
        raise DtypeError(f"expected target dtype to be Long or Byte, but got {spoken(target)}")
    classes = shape[0] if n == 1 else shape[1]
    if weight is not None:
        if weight.shape != (classes,):
            if n == 4:
                raise ShapeError("weight tensor should be defined either for all or no classes")
            raise ShapeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of shape: "
                f"{list(weight.shape)}"
            )
        if weight.dtype != input.dtype:
            raise DtypeError(f"expected scalar type {spoken(input)} but found {spoken(weight)}")


def _likelihood_meta(input: Spec, target: Spec, weight: Any, reduction: str, ignore_index: int) -> Spec:
    _fits(input, target, weight)
    NLL.check(input)
    shape = () if input.ndim == 1 else (input.shape[0], *input.shape[2:])
    return Spec(loss_shape(shape, reduction), input.dtype)


def _chosen(target: Any, classes: int, ignore_index: int) -> tuple[Any, Any]:
    """The targets with those to ignore made class 0, and a mask of what counts (None: all do). Errors: IndexError out of bounds."""
    if not target.size:
        return target, None
    low, high = target.min(), target.max()
    if low >= 0 and high < classes and not low <= ignore_index <= high:
        return target, None
    counts = np.not_equal(target, ignore_index)
    safe = np.where(counts, target, 0)
    for t in (safe.min(), safe.max()):
        if not 0 <= t < classes:
            raise DimensionError(f"Target {t} is out of bounds.")
    return safe, counts


def _weights(target: Any, counts: Any, weight: Any, d: Any) -> Any:
    """Each target's weight, zero where it does not count; None for all ones."""
    if weight is None:
        return None if counts is None else counts.astype(d)
    chosen = weight[target]
    return chosen if counts is None else np.where(counts, chosen, d.type(0))


def _total(weights: Any, target: Any) -> Any:
    return target.size if weights is None else np.add.reduce(weights, axis=None)


@in_single
def _likelihood(input: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    logs = input if input.ndim > 1 else input[None]
    if input.ndim == 1 or target.ndim == 0:
        target = target.reshape(1)
    safe, counts = _chosen(target, logs.shape[1], ignore_index)
    picked = (
        logs[np.arange(logs.shape[0]), safe]
        if logs.ndim == 2
        else np.take_along_axis(logs, safe[:, None].astype(np.int64), 1)[:, 0]
    )
    weights = _weights(safe, counts, weight, logs.dtype)
    values = np.negative(picked if weights is None else np.where(weights == 0, 0, picked * weights))
    if reduction == "mean":
        return np.add.reduce(values, axis=None) / logs.dtype.type(_total(weights, target))
    if reduction == "sum":
        return np.add.reduce(values, axis=None)
    return values if input.ndim > 1 else values[0]


def _spots() -> list[Sample]:
    a, t = array(3, 4), np.array([1, 0, 3])
    return [
        *(Sample(a, t, None, r, -100) for r in ("mean", "sum", "none")),
        Sample(a, t, array(4, low=0.2), "mean", 0),
        Sample(a[0], np.array(1), None, "mean", -100, tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros(0, np.int64), None, "sum", -100, tags=("empty",)),
        Sample(array(4, 3).T, t, array(4, low=0.2), "none", -100, tags=("non-contiguous",)),
    ]


def _areas() -> list[Sample]:
    a, t = array(2, 3, 2, 2), np.array([[[1, 0], [2, 2]], [[0, 0], [1, 2]]])
    return [
        *(Sample(a, t, array(3, low=0.2), r, 0) for r in ("mean", "sum", "none")),
        Sample(np.zeros((0, 3, 2, 2)), np.zeros((0, 2, 2), np.int64), None, "sum", -100, tags=("empty",)),
        Sample(array(2, 2, 2, 3).transpose(0, 3, 1, 2), t, None, "mean", -100, tags=("non-contiguous",)),
    ]


@op(
    "nll_loss_backward(Tensor grad_output, Tensor input, Tensor target, Tensor? weight, str reduction, int ignore_index) -> Tensor",
    meta=lambda grad_output, input, *rest: Spec(input.shape, grad_output.dtype),
    kind="opaque",
    forms="",
    samples=over(
        Sample(array(3), array(3, 4), np.array([1, 0, 3]), None, "none", -100),
        Sample(np.array(0.7), array(3, 4), np.array([1, 0, 3]), array(4, low=0.2), "mean", 0),
    ),
    vjp={
        "grad_output": lambda g, target, weight, reduction, ignore_index: rules.nll_loss_forward(
            g, target, weight, reduction, ignore_index
        ),
        "input": lambda g: g * 0,
    },
)
def nll_loss_backward(grad_output: Any, input: Any, target: Any, weight: Any, reduction: Any, ignore_index: Any) -> Any:
    """The gradient of ``nll_loss``: minus the gradient times the weight at the target, zero elsewhere. Source: aten."""
    d, size = grad_output.dtype, input.shape
    shape = (1, *size) if len(size) == 1 else size
    if len(size) == 1 or target.ndim == 0:
        target = target.reshape(1)
        if reduction == "none":
            grad_output = grad_output.reshape(1)
    safe, counts = _chosen(target, shape[1], ignore_index)
    weights = _weights(safe, counts, weight, d)
    if reduction == "mean":
        grad_output = grad_output / d.type(_total(weights, target))
    values = np.negative(grad_output if weights is None else grad_output * weights)
    out = np.zeros(shape, d)
    if len(shape) == 2:
        out[np.arange(shape[0]), safe] = values
    else:
        np.put_along_axis(out, safe[:, None].astype(np.int64), np.broadcast_to(values, safe.shape)[:, None], 1)
    return out.reshape(size)


def _likelihood_rule(g: Any, input: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    return lean(nll_loss_backward, g, input, target, weight, reduction, ignore_index)


@op(
    "nll_loss_forward(Tensor input, Tensor target, Tensor? weight, str reduction, int ignore_index) -> Tensor",
    meta=_likelihood_meta,
    kind="opaque",
    grad_fn="NllLossBackward0",
    forms="",
    samples=_spots,
    vjp={"input": _likelihood_rule},
)
def nll_loss_forward(input: Any, target: Any, weight: Any, reduction: Any, ignore_index: Any) -> Any:
    """``nll_loss`` of one or many samples without spatial dims. Gradient: -g·weight at the target. Source: aten."""
    return _likelihood(input, target, weight, reduction, ignore_index)


@op(
    "nll_loss2d_forward(Tensor input, Tensor target, Tensor? weight, str reduction, int ignore_index) -> Tensor",
    meta=_likelihood_meta,
    kind="opaque",
    grad_fn="NllLoss2DBackward0",
    forms="",
    samples=_areas,
    vjp={"input": _likelihood_rule},
)
def nll_loss2d_forward(input: Any, target: Any, weight: Any, reduction: Any, ignore_index: Any) -> Any:
    """``nll_loss`` with two spatial dims. Gradient: -g·weight at the target. Source: aten."""
    return _likelihood(input, target, weight, reduction, ignore_index)


@op(
    "nll_loss_nd(Tensor input, Tensor target, Tensor? weight=None, *, int ignore_index=-100, str reduction='mean') -> Tensor",
    meta=lambda input, target, weight, ignore_index, reduction: _likelihood_meta(
        input, target, weight, reduction, ignore_index
    ),
    kind="composite",
    names=("nn.functional.nll_loss",),
    forms="function",
    samples=lambda: [
        Sample(*s.args[:3], reduction=s.args[3], ignore_index=s.args[4], tags=s.tags)
        for s in (*_spots(), *_areas(), Sample(array(2, 3, 2), np.array([[0, 2], [1, 1]]), None, "none", -100))
    ],
)
def nll_loss(input: Any, target: Any, weight: Any, ignore_index: Any, reduction: Any) -> Any:
    """The negative log likelihood of the target classes, given log-probabilities.

    Shapes: (N, C) or (C) or (N, C, d…) and targets (N), () or (N, d…) of class numbers; the mean is over the weights of the targets that
    are not ``ignore_index``. Errors: IndexError for a target out of bounds, ValueError and RuntimeError for shapes that do not fit.
    Source: torch.nn.functional.nll_loss.

    >>> torch.nn.functional.nll_loss(torch.tensor([[-0.1, -2.4], [-1.6, -0.2]]), torch.tensor([0, 1]))
    tensor(0.1500)
    """
    loss_shape((), reduction)
    _fits(input, target, weight)
    NLL.check(input)
    n = input.ndim
    if n <= 2:
        return lean(nll_loss_forward, input, target, weight, reduction, ignore_index)
    if n == 4:
        return lean(nll_loss2d_forward, input, target, weight, reduction, ignore_index)
    rest = math.prod(input.shape[2:])
    flat = rules.reshape(input, (*input.shape[:2], 1, rest))
    spots = rules.reshape(target, (target.shape[0], 1, rest))
    out = lean(nll_loss2d_forward, flat, spots, weight, reduction, ignore_index)
    return rules.reshape(out, target.shape) if reduction == "none" else out


def _is_probabilities(input: Any, target: Any) -> bool:
    return bool(input.shape == target.shape)


def _cross_check(input: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float) -> None:
    if not 0.0 <= label_smoothing <= 1.0:
        raise TensorError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    if not len(input.shape):
        raise DimensionError("Dimension specified as 0 but tensor has no dimensions")
    if not _is_probabilities(input, target):
        _fits(input, target, weight)
    else:
        if not target.dtype.name.startswith(("float", "complex")):
            raise DtypeError(f"Expected floating point type for target with class probabilities, got {spoken(target)}")
        if ignore_index >= 0:
            raise TensorError("ignore_index is not supported for floating point target")
        classes = input.shape[1 if input.ndim > 1 else 0]
        if weight is not None and weight.shape != (classes,):
            raise ShapeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
                f"of shape: {list(weight.shape)}"
            )
    CROSS.check(input)


def _cross_meta(
    input: Spec, target: Spec, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Spec:
    _cross_check(input, target, weight, ignore_index, label_smoothing)
    shape = () if input.ndim == 1 else (input.shape[0], *input.shape[2:])
    known = [v for v in (input, target, weight) if v is not None] if _is_probabilities(input, target) else [input]
    return Spec(loss_shape(shape, reduction), dtypes.of_numpy(common(*known)))


def _by_class(weight: Any, ndim: int) -> Any:
    return rules.reshape(weight, (1, -1, *(1,) * (ndim - 2))) if ndim > 1 else weight


def _with_probabilities(
    logs: Any, target: Any, weight: Any, reduction: str, label_smoothing: float, classes: int, dim: int
) -> Any:
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    values = logs * target
    if weight is not None:
        values = values * _by_class(weight, logs.ndim)
    if reduction == "none":
        return -rules.sum(values, dim)
    total = -rules.sum(values)
    if reduction != "mean":
        return total
    return renamed(total / (math.prod(logs.shape) / classes or math.nan), "DivBackward1")


def _smooth(logs: Any, target: Any, weight: Any, ignore_index: int, reduction: str, dim: int) -> Any:
    """The loss against all classes alike, which label smoothing mixes in."""
    values = -rules.sum(logs, dim) if weight is None else -rules.sum(logs * _by_class(weight, logs.ndim), dim)
    if logs.ndim == 1 and target.ndim:
        target = rules.reshape(target, ())
    ignored = rules.eq(target, ignore_index)
    values = rules.where(ignored, 0, values)
    if reduction != "mean":
        return rules.sum(values) if reduction == "sum" else values
    if weight is None:
        return rules.sum(values) / rules.sum(rules.logical_not(ignored))
    of_target = rules.take(weight, rules.where(ignored, 0, target))
    return rules.sum(values) / rules.sum(rules.where(ignored, 0, of_target))


def _cross_samples() -> list[Sample]:
    a = array(3, 4)
    likely = array(3, 4, low=0.1, high=0.9)
    return [
        *(
            Sample(*s.args[:3], reduction=s.args[3], ignore_index=s.args[4], tags=s.tags)
            for s in (*_spots(), *_areas())
        ),
        *(Sample(a, np.array([1, 0, 3]), reduction=r, label_smoothing=0.1) for r in ("mean", "sum", "none")),
        Sample(a, np.array([1, 0, 3]), array(4, low=0.2), ignore_index=0, label_smoothing=0.1),
        *(Sample(a, likely, array(4, low=0.2), reduction=r, label_smoothing=0.1) for r in ("mean", "sum", "none")),
        Sample(a, likely),
    ]


@op(
    "cross_entropy_loss(Tensor input, Tensor target, Tensor? weight=None, *, int ignore_index=-100, str reduction='mean', "
    "float label_smoothing=0.0) -> Tensor",
    meta=_cross_meta,
    kind="composite",
    names=("nn.functional.cross_entropy",),
    forms="function",
    samples=_cross_samples,
)
def cross_entropy(input: Any, target: Any, weight: Any, ignore_index: Any, reduction: Any, label_smoothing: Any) -> Any:
    """The cross entropy between logits and targets: ``nll_loss`` of ``log_softmax``.

    Shapes: logits (N, C), (C) or (N, C, d…); targets are class numbers as for ``nll_loss``, or probabilities of the logits' shape. Label
    smoothing mixes the target with the same probability for all classes. Errors: as for ``nll_loss``; RuntimeError for a
    ``label_smoothing`` outside [0, 1]. Source: torch.nn.functional.cross_entropy.

    >>> torch.nn.functional.cross_entropy(torch.tensor([[2.0, 0.5], [-1.0, 1.0]]), torch.tensor([0, 1]))
    tensor(0.1642)
    """
    loss_shape((), reduction)
    _cross_check(input, target, weight, ignore_index, label_smoothing)
    dim = 1 if input.ndim > 1 else 0
    logs = rules.log_softmax(input, dim)
    classes = input.shape[dim]
    if _is_probabilities(input, target):
        return _with_probabilities(logs, target, weight, reduction, label_smoothing, classes, dim)
    if input.ndim <= 2:
        likelihood = lean(nll_loss_forward, logs, target, weight, reduction, ignore_index)
    else:
        likelihood = rules.nll_loss_nd(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if label_smoothing == 0:
        return likelihood
    smooth = _smooth(logs, target, weight, ignore_index, reduction, dim)
    return likelihood * (1 - label_smoothing) + smooth * (label_smoothing / classes)
