"""Losses with a margin over classes. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from engine.domain import Domain, spoken
from engine.errors import DtypeError, InvalidValueError, NoDerivativeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import loss_shape

MULTI = Domain("bihc", "\"multi_margin_loss_cpu_kernel\" not implemented for '{dtype}'")
LABELS = Domain("bihc", "\"multilabel_margin_loss_forward_out_frame\" not implemented for '{dtype}'")


def _missing(name: str) -> NoReturn:
    raise NoDerivativeError(f"derivative for aten::{name} is not implemented")


def _matrix(input: Any) -> tuple[int, int]:
    """Samples and classes of an input. Errors: RuntimeError for one that is neither a vector nor a matrix with classes."""
    shape = tuple(input.shape)
    if len(shape) > 2 or (shape and shape[-1] == 0):
        raise ShapeError(f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}")
    return (shape[0], shape[1]) if len(shape) == 2 else (1, math.prod(shape))


def _long(value: Any) -> None:
    if value.dtype.name != "int64":
        raise DtypeError(f"expected scalar type Long but found {spoken(value)}")


def _settled(values: Any, reduction: str) -> Any:
    if reduction == "none":
        return values
    total = np.add.reduce(values, axis=None)
    return total / (values.size or 1) if reduction == "mean" else total


def _in_range(target: Any, classes: int, sentence: str, least: int = 0) -> None:
    if target.size and not (target.min() >= least and target.max() < classes):
        raise TensorError(sentence)


# -- one class ---------------------------------------------------------------------------------------------------------


def _multi_check(input: Any, target: Any, p: int, weight: Any) -> tuple[int, int]:
    if p not in (1, 2):
        raise InvalidValueError("only p == 1 and p == 2 supported")
    if weight is not None and len(weight.shape) != 1:
        raise InvalidValueError("weight must be one-dimensional")
    n, classes = _matrix(input)
    if len(target.shape) > 1 or math.prod(target.shape) != n:
        raise ShapeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch size). Expected target "
            f"size [{n}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    _long(target)
    MULTI.check(input)
    if weight is not None and weight.dtype != input.dtype:
        raise DtypeError(f"expected scalar type {spoken(input)} but found {spoken(weight)}")
    return n, classes


def _multi_meta(input: Spec, target: Spec, p: int, margin: float, weight: Any, reduction: str) -> Estimate:
    n, _ = _multi_check(input, target, p, weight)
    shape = loss_shape((n,) if target.ndim else (), reduction)
    return Estimate((Spec(shape, input.dtype),), 3 * input.nbytes, 6 * input.numel)


def _excess(input: Any, target: Any, margin: float) -> Any:
    """How far each other class comes into the margin, and each sample's class."""
    n, classes = _matrix(input)
    x, t = input.reshape(n, classes), target.reshape(n)
    _in_range(t, classes, "target out of range")
    z = np.maximum(x - x[np.arange(n), t][:, None] + margin, 0)
    z[np.arange(n), t] = 0
    return z, t


@op(
    "multi_margin_loss_backward(Tensor grad_output, Tensor input, Tensor target, int p, float margin, Tensor? weight, str reduction) "
    "-> Tensor",
    meta=lambda grad_output, input, *rest: input,
    kind="opaque",
    forms="",
    samples=over(Sample(array(3), array(3, 4), np.array([1, 0, 3]), 1, 1.0, None, "none")),
    vjp={"grad_output, input": lambda g: _missing("multi_margin_loss_backward")},
)
def multi_margin_loss_backward(
    grad_output: Any, input: Any, target: Any, p: Any, margin: Any, weight: Any, reduction: Any
) -> Any:
    """The gradient of ``multi_margin_loss``. Gradient: not implemented, in PyTorch neither. Source: aten."""
    z, t = _excess(input, target, margin)
    n, classes = z.shape
    slope = (2 * z if p == 2 else (z > 0).astype(z.dtype)) / classes
    if weight is not None:
        slope *= weight[t][:, None]
    slope *= grad_output.reshape(-1, 1) if reduction == "none" else grad_output
    if reduction == "mean":
        slope /= n or 1
    slope[np.arange(n), t] = -np.add.reduce(slope, axis=1)
    return slope.reshape(input.shape)


@op(
    "multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? weight=None, *, str reduction='mean') -> Tensor",
    meta=_multi_meta,
    kind="opaque",
    names=("nn.functional.multi_margin_loss",),
    forms="function",
    samples=over(
        *(
            Sample(array(3, 4), np.array([1, 0, 3]), 1, 1.0, array(4, low=0.2), reduction=r)
            for r in ("mean", "sum", "none")
        ),
        Sample(array(3, 4), np.array([1, 0, 3]), 2, 0.5),
        Sample(array(4), np.array(2)),
        Sample(np.array(0.7), np.array(0), tags=("0-d",)),
        Sample(np.zeros((0, 4)), np.zeros(0, np.int64), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), np.array([1, 0, 1]), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input, target, p, margin, weight, reduction: rules.multi_margin_loss_backward(
            g, input, target, p, margin, weight, reduction
        )
    },
)
def multi_margin_loss(input: Any, target: Any, p: Any, margin: Any, weight: Any, reduction: Any) -> Any:
    """The mean over the classes of ``max(0, margin - input[target] + input[i])^p``, the target's own class left out.

    Shapes: (N, C) with targets (N), or (C) with one. Gradient: p·(…)^(p-1)·g·weight/C for the classes in the margin, minus their sum for
    the target. Errors: ValueError for ``p`` other than 1 and 2, RuntimeError for targets out of range.
    Source: torch.nn.functional.multi_margin_loss.

    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.1, 0.2, 0.4]]), torch.tensor([2]))
    tensor(0.5000)
    """
    loss_shape((), reduction)
    _multi_check(input, target, p, weight)
    z, t = _excess(input, target, margin)
    values = np.add.reduce(z * z if p == 2 else z, axis=1)
    if weight is not None:
        values *= weight[t]
    values = values / z.shape[1]
    return _settled(values if target.ndim or reduction != "none" else values[0], reduction)


# -- several classes ---------------------------------------------------------------------------------------------------


def _labels_check(input: Any, target: Any) -> None:
    _matrix(input)
    if tuple(target.shape) != tuple(input.shape):
        raise ShapeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    _long(target)
    LABELS.check(input)


def _labels_meta(input: Spec, target: Spec, reduction: str) -> Estimate:
    _labels_check(input, target)
    n, classes = _matrix(input)
    shape = loss_shape((n,) if input.ndim == 2 else (), reduction)
    pairs = n * classes * classes
    return Estimate((Spec(shape, input.dtype),), 4 * pairs * input.dtype.itemsize, 6 * pairs)


def _labels_backward_meta(grad_output: Spec, input: Spec, target: Spec, reduction: str) -> Estimate:
    _, workspace, cost, _ = _labels_meta(input, target, reduction)
    return Estimate((input,), workspace, cost)


def _pairs(input: Any, target: Any) -> tuple[Any, Any]:
    """How far each class that is no target comes into the margin of each listed target, and the targets."""
    n, classes = _matrix(input)
    x, t = input.reshape(n, classes), target.reshape(n, classes)
    _in_range(t, classes, "argument #2 'target' is out of range", -1)
    listed = np.logical_and.accumulate(t >= 0, axis=1)
    safe = np.where(listed, t, 0)
    chosen = np.zeros((n, classes), bool)
    rows = np.broadcast_to(np.arange(n)[:, None], t.shape)
    chosen[rows[listed], t[listed]] = True
    z = 1 - np.take_along_axis(x, safe, 1)[:, :, None] + x[:, None, :]
    return np.where(listed[:, :, None] & ~chosen[:, None, :], np.maximum(z, 0), 0), safe


@op(
    "multilabel_margin_loss_backward(Tensor grad_output, Tensor input, Tensor target, str reduction) -> Tensor",
    meta=_labels_backward_meta,
    kind="opaque",
    forms="",
    samples=over(Sample(array(2), array(2, 3), np.array([[1, -1, 0], [0, 2, -1]]), "none")),
    vjp={"grad_output, input": lambda g: _missing("multilabel_margin_loss_backward")},
)
def multilabel_margin_loss_backward(grad_output: Any, input: Any, target: Any, reduction: Any) -> Any:
    """The gradient of ``multilabel_margin_loss``. Gradient: not implemented, in PyTorch neither. Source: aten."""
    z, safe = _pairs(input, target)
    n, classes = safe.shape
    inside = (z > 0).astype(input.dtype) / input.dtype.type(classes)
    inside *= grad_output.reshape(-1, 1, 1) if reduction == "none" else grad_output
    if reduction == "mean":
        inside /= n or 1
    out = np.add.reduce(inside, axis=1)
    np.subtract.at(out, (np.arange(n)[:, None], safe), np.add.reduce(inside, axis=2))
    return out.reshape(input.shape)


@op(
    "multilabel_margin_loss(Tensor input, Tensor target, *, str reduction='mean') -> Tensor",
    meta=_labels_meta,
    kind="opaque",
    names=("nn.functional.multilabel_margin_loss",),
    forms="function",
    samples=over(
        *(Sample(array(2, 3), np.array([[1, -1, 0], [0, 2, -1]]), reduction=r) for r in ("mean", "sum", "none")),
        Sample(np.array(0.7), np.array(0), tags=("0-d",)),
        Sample(np.zeros((0, 4)), np.zeros((0, 4), np.int64), reduction="sum", tags=("empty",)),
        Sample(strided(3, 2), np.array([[1, -1], [0, -1], [1, 0]]), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input, target, reduction: rules.multilabel_margin_loss_backward(g, input, target, reduction)
    },
)
def multilabel_margin_loss(input: Any, target: Any, reduction: Any) -> Any:
    """The sum over targets j and other classes i of ``max(0, 1 - input[j] + input[i])``, divided by the number of classes.

    A row of targets lists classes; the first -1 ends it. Gradient: g/C for each pair in the margin, minus that for its target. Errors:
    RuntimeError for targets of another shape or out of range. Source: torch.nn.functional.multilabel_margin_loss.

    >>> torch.nn.functional.multilabel_margin_loss(torch.tensor([[0.1, 0.2, 0.4]]), torch.tensor([[2, -1, 0]]))
    tensor(0.5000)
    """
    loss_shape((), reduction)
    _labels_check(input, target)
    z, _ = _pairs(input, target)
    values = (np.add.reduce(z, axis=(1, 2)) / input.dtype.type(z.shape[2])).astype(input.dtype)
    return _settled(values if input.ndim == 2 or reduction != "none" else values[0], reduction)
