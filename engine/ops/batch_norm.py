"""Batch and instance normalization, with running means and variances. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import floating, in_single
from engine.errors import DtypeError, InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import lean, rules
from engine.samples import array, over, strided

BATCH = floating("batch_norm")
WEIGHT = 8  # operations an element


def _others(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


def _shape(ndim: int) -> tuple[int, ...]:
    return (1, -1, *(1,) * (ndim - 2)) if ndim > 1 else (0,)


def _column(value: Any, ndim: int) -> Any:
    """One value a channel, in a shape that broadcasts."""
    return rules.reshape(value, _shape(ndim))


def _check(input: Any, *, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool) -> None:
    shape = tuple(input.shape)
    if (running_mean is None) != (running_var is None) and training:
        raise InvalidValueError("running_mean and running_var must either both be None or neither be None")
    if not training:
        for name, value in (("running_mean", running_mean), ("running_var", running_var)):
            if value is None:
                raise TensorError(f"{name} must be defined in evaluation mode")
    channels = shape[1] if len(shape) > 1 else 0
    values = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, value in values.items():
        if value is not None and math.prod(value.shape) != channels:
            raise ShapeError(f"{name} should contain {channels} elements not {math.prod(value.shape)}")
    BATCH.check(input)
    for value in values.values():
        if value is not None and value.dtype != input.dtype and input.dtype.name != "float16":
            raise DtypeError("mixed dtype (CPU): expect parameter to have scalar type of Float")


def _enough(shape: tuple[int, ...], eps: float, training: bool) -> None:
    if training and shape and math.prod((shape[0], *shape[2:])) == 1:
        raise InvalidValueError(
            f"Expected more than 1 value per channel when training, got input size torch.Size({list(shape)})"
        )
    if training and eps <= 0:
        raise InvalidValueError(f"batch_norm eps must be positive during training, but got {eps:g}")
    if eps < 0:
        raise InvalidValueError(f"batch_norm eps must be non-negative, but got {eps:g}")


# -- rows of the graph -------------------------------------------------------------------------------------------------


@op(
    "_linked(Tensor grad_output, Tensor input) -> Tensor",
    meta=lambda grad_output, input: grad_output,
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 3), array(2, 3, start=9))),
    vjp={"grad_output": lambda g: g, "input": lambda g, input: input * 0},
)
def _linked(grad_output: Any, input: Any) -> Any:
    """The gradient itself, which does not depend on the input but stands in a graph with it, as PyTorch's do.

    Gradient: g, and zeros for the input.
    """
    return grad_output


def _training_rule(g: Any, input: Any, weight: Any, eps: float) -> Any:
    ndim = input.ndim
    others = _others(ndim)
    column = None if weight is None else _column(weight, ndim)
    to_input, x, through = rules._standardize_backward(g, input, column, others, eps)
    return to_input, None if weight is None else rules.sum(g * x, others), rules.sum(through, others)


@op(
    "_batch_norm_training(Tensor input, Tensor? weight, Tensor? bias, float eps) -> Tensor",
    meta=lambda input, weight, bias, eps: Estimate((input,), 2 * input.nbytes, WEIGHT * input.numel),
    kind="opaque",
    grad_fn="NativeBatchNormBackward0",
    forms="",
    samples=over(
        Sample(array(4, 2), array(2, low=0.3), array(2, start=7), 1e-5),
        Sample(array(2, 2, 3), None, None, 1e-5),
    ),
    vjp={"input, weight, bias": _training_rule},
)
def _batch_norm_training(input: Any, weight: Any, bias: Any, eps: Any) -> Any:
    """Each channel made mean 0 and variance 1 over the batch. Gradient: as for ``layer_norm``, over a channel. Source: aten."""
    return _trained(input, weight, bias, eps)


@in_single
def _trained(input: Any, weight: Any, bias: Any, eps: float) -> Any:
    others = _others(input.ndim)
    n = math.prod(input.shape[d] for d in others)
    x = input - np.add.reduce(input, axis=others, keepdims=True) / n
    x *= 1 / np.sqrt(np.add.reduce(x * x, axis=others, keepdims=True) / n + eps)
    return _weighted(x, weight, bias)


def _weighted(x: Any, weight: Any, bias: Any) -> Any:
    column = _shape(x.ndim)
    if weight is not None:
        x *= weight.reshape(column)
    if bias is not None:
        x += bias.reshape(column)
    return x


def _evaluation_rule(g: Any, input: Any, weight: Any, running_mean: Any, running_var: Any, eps: float) -> Any:
    ndim = input.ndim
    others = _others(ndim)
    g = rules._linked(g, input)
    rate = _column(rules.rsqrt(running_var + eps), ndim)
    if weight is None:
        return g * rate, None, rules.sum(g, others)
    standard = (input - _column(running_mean, ndim)) * rate
    return g * (rate * _column(weight, ndim)), rules.sum(g * standard, others), rules.sum(g, others)


@op(
    "_batch_norm_evaluation(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float eps) "
    "-> Tensor",
    meta=lambda input, *rest: Estimate((input,), 2 * input.nbytes, WEIGHT * input.numel),
    kind="opaque",
    grad_fn="NativeBatchNormBackward0",
    forms="",
    samples=over(
        Sample(array(4, 2), array(2, low=0.3), array(2, start=7), array(2, start=3), array(2, low=0.2), 1e-5),
        Sample(array(2, 2, 3), None, None, array(2, start=3), array(2, low=0.2), 1e-5),
    ),
    vjp={"input, weight, bias": _evaluation_rule},
)
def _batch_norm_evaluation(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, eps: Any) -> Any:
    """Each channel less its running mean, over its running deviation. Gradient: g·weight over the deviation. Source: aten."""
    return _evaluated(input, weight, bias, running_mean, running_var, eps)


@in_single
def _evaluated(input: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> Any:
    column = _shape(input.ndim)
    x = input - mean.reshape(column)
    x *= (1 / np.sqrt(var + eps)).reshape(column)
    return _weighted(x, weight, bias)


# -- the functions -----------------------------------------------------------------------------------------------------


@op(
    "_batch_moments(Tensor input) -> (Tensor mean, Tensor var)",
    meta=lambda input: (Spec(input.shape[1:2], input.dtype),) * 2,
    kind="opaque",
    forms="",
    samples=over(Sample(array(4, 2))),
)
def _batch_moments(input: Any) -> Any:
    """The mean and the variance (of n - 1) of each channel. Source: aten::batch_norm_update_stats."""
    others = _others(input.ndim)
    n = math.prod(input.shape[d] for d in others)
    mean = np.add.reduce(input, axis=others, keepdims=True) / n
    centred = input - mean
    return mean.reshape(-1), np.add.reduce(centred * centred, axis=others) / max(n - 1, 0)


def _learn(running: Any, found: Any, momentum: float) -> None:
    """Move a running value toward what a batch shows, in place."""
    if hasattr(running, "lerp_"):
        running.lerp_(found if found.dtype == running.dtype else rules.to(found, running.dtype), momentum)
    else:
        running += (found - running) * momentum


def _values(input: Any) -> Any:
    return input.detach() if hasattr(input, "detach") else input


def _batch_meta(
    input: Spec,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Estimate:
    _enough(input.shape, eps, training)
    _check(input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var, training=training)
    return Estimate((input,), 3 * input.nbytes, 2 * WEIGHT * input.numel)


@op(
    "batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, "
    "float momentum=0.1, float eps=1e-05) -> Tensor",
    meta=_batch_meta,
    kind="composite",
    names=("nn.functional.batch_norm",),
    forms="function",
    samples=over(
        Sample(array(4, 2), None, None, array(2, low=0.3), array(2, start=7), True),
        Sample(array(2, 2, 3), array(2, start=3), array(2, low=0.2), array(2, low=0.3)),
        Sample(np.zeros((0, 2)), array(2, start=3), array(2, low=0.2), tags=("empty",)),
        Sample(strided(3, 2), None, None, training=True, tags=("non-contiguous",)),
    ),
)
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: Any,
    momentum: Any,
    eps: Any,
) -> Any:
    """Each channel (dim 1) made mean 0 and variance 1: over the batch in training, else by the running values.

    Then times ``weight``, plus ``bias``.
    In training the running values move toward the batch's by ``momentum``, in place. Errors: ValueError for a single value a channel in
    training, RuntimeError for sizes that are not the number of channels. Source: torch.nn.functional.batch_norm.

    >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    _enough(tuple(input.shape), eps, training)
    _check(input, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var, training=training)
    if not math.prod(input.shape):
        out = rules.clone(input)
        out = out if weight is None else out * rules.select(weight, 0, 0)
        return out if bias is None else out + rules.select(bias, 0, 0)
    if not training:
        return lean(_batch_norm_evaluation, input, weight, bias, running_mean, running_var, eps)
    out = lean(_batch_norm_training, input, weight, bias, eps)
    if running_mean is not None:
        mean, var = lean(_batch_moments, _values(input))
        _learn(running_mean, mean, momentum)
        _learn(running_var, var, momentum)
    return out


def _instance_check(input: Any, running_mean: Any, running_var: Any, use_input_stats: bool) -> None:
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise InvalidValueError(
            f"Expected more than 1 spatial element when training, got input size torch.Size({list(shape)})"
        )
    if use_input_stats and math.prod(shape[2:]) == 1:
        raise InvalidValueError(
            f"Expected more than 1 spatial element when training, got input size torch.Size({list(shape)})"
        )
    if not use_input_stats and (running_mean is None or running_var is None):
        raise TensorError("Expected running_mean and running_var to be defined when use_input_stats is false")
    if (running_mean is None) != (running_var is None):
        raise InvalidValueError("running_mean and running_var must either both be None or neither be None")
    BATCH.check(input)


def _instance_sizes(shape: tuple[int, ...], **values: Any) -> None:
    for name, value in values.items():
        if value is not None and math.prod(value.shape) != shape[1]:
            raise ShapeError(
                f"{name} should contain {shape[0] * shape[1]} elements not {shape[0] * math.prod(value.shape)}"
            )


def _instance_meta(
    input: Spec,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
) -> Estimate:
    _instance_check(input, running_mean, running_var, use_input_stats)
    _instance_sizes(input.shape, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    return Estimate((input,), 3 * input.nbytes, 2 * WEIGHT * input.numel)


@op(
    "instance_norm(Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? weight=None, Tensor? bias=None, "
    "bool use_input_stats=True, float momentum=0.1, float eps=1e-05) -> Tensor",
    meta=_instance_meta,
    kind="composite",
    names=("nn.functional.instance_norm",),
    forms="function",
    samples=over(
        Sample(array(2, 2, 3), weight=array(2, low=0.3), bias=array(2, start=7)),
        Sample(array(2, 2, 3), array(2, start=3), array(2, low=0.2), use_input_stats=False),
        Sample(np.zeros((0, 2, 3)), tags=("empty",)),
        Sample(strided(2, 2, 3), tags=("non-contiguous",)),
    ),
)
def instance_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    use_input_stats: Any,
    momentum: Any,
    eps: Any,
) -> Any:
    """``batch_norm`` of each sample for itself.

    Errors: ValueError for a single value a channel, RuntimeError for sizes that are not the number of channels.
    Source: torch.nn.functional.instance_norm.

    >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0], [2.0, 2.5]]]))
    tensor([[[-1.0000,  1.0000],
             [-0.9999,  0.9999]]])
    """
    _instance_check(input, running_mean, running_var, use_input_stats)
    n, channels, *space = input.shape
    _instance_sizes((n, channels), running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    flat = rules.reshape(input, (1, n * channels, *space))
    weight, bias = (None if v is None else rules.repeat(v, (n,)) for v in (weight, bias))
    if use_input_stats:
        out = rules._batch_norm_training(flat, weight, bias, eps)
        if running_mean is not None and math.prod(input.shape):
            values, behind = _values(input), tuple(range(2, input.ndim))
            _learn(running_mean, rules.mean(values, (0, *behind)), momentum)
            _learn(running_var, rules.mean(rules.var(values, behind), 0), momentum)
    else:
        mean, var = rules.repeat(running_mean, (n,)), rules.repeat(running_var, (n,))
        out = rules._batch_norm_evaluation(flat, weight, bias, mean, var, eps)
    return rules.reshape(out, input.shape)
