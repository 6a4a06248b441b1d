"""Layer, group and root-mean-square normalization. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, floating, in_single
from engine.errors import DtypeError, InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.reduced import row_sums
from engine.rules import lean, rules
from engine.samples import array, over, strided

LAYER = floating("LayerNormKernelImpl")
GROUP = floating("GroupNormKernelImpl")
RMS = floating("rms_norm", "")
WEIGHT = 8  # operations an element


# -- what the norms have in common -------------------------------------------------------------------------------------


def _sums(a: Any, dims: tuple[int, ...]) -> Any:
    return row_sums(a) if dims == (a.ndim - 1,) else np.add.reduce(a, axis=dims, keepdims=True)


def _moments(input: Any, dims: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """The input less its mean over ``dims``, divided by its deviation, and one over the deviation. Raw."""
    n = math.prod(input.shape[d] for d in dims)
    centred = input - _sums(input, dims) / n
    spread = _sums(centred * centred, dims) / n
    rate = 1 / np.sqrt(spread + eps)
    return np.multiply(centred, rate, out=centred), rate


def _standard(input: Any, dims: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """As ``_moments``, of tensors too."""
    centred = input - rules.mean(input, dims, True)
    rate = rules.rsqrt(rules.mean(centred * centred, dims, True) + eps)
    return centred * rate, rate


def _bend(grads: Any, grad_output: Any, input: Any, weight: Any, dim: Any, eps: float) -> tuple[Any, Any, Any]:
    """The gradients of ``_standardize_backward``: of the gradient it was given, of the input and of the weight."""
    a, b, c = grads
    x, rate = _standard(input, dim, eps)

    def straight(v: Any) -> Any:
        return v - rules.mean(v, dim, True) - x * rules.mean(v * x, dim, True)

    to_grad, to_input, to_weight = c, None, None
    if a is not None:
        h = grad_output if weight is None else grad_output * weight
        pa, ph = straight(a), straight(h)
        to_input = -(rate * rate) * (
            rules.mean(a * ph, dim, True) * x + pa * rules.mean(h * x, dim, True) + ph * rules.mean(a * x, dim, True)
        )
        back = rate * pa
        to_weight = back * grad_output
        through = back if weight is None else back * weight
        to_grad = through if to_grad is None else to_grad + through
    if b is not None:
        through = rate * straight(b)
        to_input = through if to_input is None else to_input + through
    return to_grad, to_input, to_weight


@op(
    "_standardize_backward(Tensor grad_output, Tensor input, Tensor? weight, int[] dim, float eps) "
    "-> (Tensor grad_input, Tensor standard, Tensor grad_bias)",
    meta=lambda grad_output, input, *rest: (input, input, grad_output),
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 3), array(2, 3, start=9), array(3, start=20), (1,), 1e-5)),
    vjp={
        "grad_output, input, weight": lambda grads, grad_output, input, weight, dim, eps: _bend(
            grads, grad_output, input, weight, dim, eps
        )
    },
)
def _standardize_backward(grad_output: Any, input: Any, weight: Any, dim: Any, eps: Any) -> Any:
    """The gradient of the input made mean 0 and variance 1 over some dims and weighted, that standard input, and what a bias gets."""
    x, rate = _moments(input, dim, eps)
    n = math.prod(input.shape[d] for d in dim)
    h = grad_output if weight is None else grad_output * weight
    slope = h - _sums(h, dim) / n
    slope -= x * (_sums(h * x, dim) / n)
    slope *= rate
    return slope, x, grad_output


# -- layer norm --------------------------------------------------------------------------------------------------------


def _layer_check(input: Any, normalized_shape: Any, weight: Any, bias: Any) -> None:
    shape = tuple(normalized_shape)
    if not shape:
        raise TensorError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape "
            "= []"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise ShapeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(value.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if input.shape[len(input.shape) - len(shape) :] != shape or len(input.shape) < len(shape):
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, {', '.join(map(str, shape))}], but got input of "
            f"size{list(input.shape)}"
        )


def _one_dtype(input: Any, *others: Any) -> None:
    for value in others:
        if value is not None and value.dtype != input.dtype and input.dtype.name != "float16":
            raise DtypeError("mixed dtype (CPU): expect parameter to have scalar type of Float")


def _layer_meta(input: Spec, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Estimate:
    _layer_check(input, normalized_shape, weight, bias)
    LAYER.check(input)
    _one_dtype(input, weight, bias)
    return Estimate((input,), 2 * input.nbytes, WEIGHT * input.numel)


def _last(ndim: int, normalized_shape: Any) -> tuple[int, ...]:
    return tuple(range(ndim - len(normalized_shape), ndim))


def _layer_rule(g: Any, input: Any, normalized_shape: Any, weight: Any, eps: float) -> Any:
    dims = _last(input.ndim, normalized_shape)
    to_input, x, to_bias = lean(_standardize_backward, g, input, weight, dims, eps)
    return to_input, None if weight is None else g * x, to_bias


def _layers() -> list[Sample]:
    a, w, b = array(2, 3), array(3, low=0.3), array(3, start=7)
    return [
        Sample(a, (3,), w, b),
        Sample(array(2, 3, 2), (3, 2)),
        Sample(a, (3,), w, eps=0.1),
        Sample(np.zeros((0, 3)), (3,), w, b, tags=("empty",)),
        Sample(strided(3, 2), (2,), array(2, low=0.3), tags=("non-contiguous",)),
    ]


@op(
    "layer_norm(Tensor input, int[1] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor",
    meta=_layer_meta,
    kind="opaque",
    grad_fn="NativeLayerNormBackward0",
    names=("nn.functional.layer_norm", "layer_norm"),
    forms="function",
    samples=_layers,
    vjp={"input, weight, bias": _layer_rule},
)
def layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: Any) -> Any:
    """Each sample made mean 0 and variance 1 over the last dims, then times ``weight``, plus ``bias``.

    Shapes: ``normalized_shape`` is the input's last sizes and the shape of weight and bias. Gradient: r·(h - mean(h) - x·mean(h·x)) with
    h = g·weight, the standard input x and one over the deviation r; g·x for weight; g for bias. Errors: RuntimeError for shapes that do
    not fit. Source: torch.nn.functional.layer_norm.

    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 2.0, 3.0]]), (3,))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """
    _layer_check(input, normalized_shape, weight, bias)
    LAYER.check(input)
    _one_dtype(input, weight, bias)
    return _layer(input, weight, bias, _last(input.ndim, normalized_shape), eps)


@in_single
def _layer(input: Any, weight: Any, bias: Any, dims: tuple[int, ...], eps: float) -> Any:
    x, _ = _moments(input, dims, eps)
    if weight is not None:
        x *= weight
    if bias is not None:
        x += bias
    return x


# -- root mean square --------------------------------------------------------------------------------------------------


def _rms_check(input: Any, normalized_shape: Any, weight: Any) -> None:
    shape = tuple(normalized_shape)
    _layer_check_rms(shape, weight)
    if input.shape[len(input.shape) - len(shape) :] != shape or len(input.shape) < len(shape):
        raise ShapeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{', '.join(map(str, shape))}], but got input of "
            f"size{list(input.shape)}"
        )


def _layer_check_rms(shape: tuple[int, ...], weight: Any) -> None:
    if not shape:
        raise TensorError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape "
            "= []"
        )
    if weight is not None and weight.shape != shape:
        raise ShapeError(
            f"Expected weight to be of same shape as normalized_shape, but got weight of shape {list(weight.shape)} and "
            f"normalized_shape = {list(shape)}"
        )


def _rms_meta(input: Spec, normalized_shape: Any, weight: Any, eps: Any) -> Estimate:
    _rms_check(input, normalized_shape, weight)
    if input.dtype.category < 2:
        RMS.check(input)
    d = input.dtype if weight is None else dtypes.of_numpy(common(input, weight))
    return Estimate((Spec(input.shape, d),), 2 * input.nbytes, WEIGHT * input.numel)


def _dtype_name(value: Any) -> str:
    return value.dtype.name  # type: ignore[no-any-return]


@op(
    "rms_norm(Tensor input, int[1] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
    meta=_rms_meta,
    kind="composite",
    names=("nn.functional.rms_norm", "rms_norm"),
    forms="function",
    samples=lambda: [Sample(*s.args[:3], tags=s.tags) for s in _layers()],
)
def rms_norm(input: Any, normalized_shape: Any, weight: Any, eps: Any) -> Any:
    """Each sample divided by the root of the mean of its squares over the last dims, then times ``weight``.

    Without ``eps`` the least step of the dtype is added to the mean. Errors: RuntimeError for shapes that do not fit.
    Source: torch.nn.functional.rms_norm.

    >>> torch.nn.functional.rms_norm(torch.tensor([[3.0, 4.0]]), (2,))
    tensor([[0.8485, 1.1314]])
    """
    _rms_check(input, normalized_shape, weight)
    name = _dtype_name(input)
    if not name.startswith(("float", "complex")):
        RMS.check(input)
    wide = rules.to(input, dtypes.float32) if name == "float16" else input
    if eps is None:
        eps = float(np.finfo(_dtype_name(wide)).eps)
    dims = _last(input.ndim, normalized_shape)
    out = wide * rules.rsqrt(rules.mean(rules.pow(wide, 2), dims, True) + eps)
    if weight is not None:
        out = out * weight
    return rules.to(out, dtypes.float16) if name == "float16" else out


# -- group norm --------------------------------------------------------------------------------------------------------


def _group_check(input: Any, num_groups: int, weight: Any, bias: Any) -> None:
    shape = input.shape
    if len(shape) < 2:
        raise TensorError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if num_groups <= 0:
        raise TensorError(f"Expected num groups to be greater than 0, got {num_groups}")
    if (shape[0] * shape[1] // num_groups) * math.prod(shape[2:]) == 1:
        sizes = [shape[0] * shape[1] // num_groups, num_groups, *shape[2:]]
        raise InvalidValueError(f"Expected more than 1 value per channel when training, got input size {sizes}")
    if shape[1] % num_groups:
        raise ShapeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(shape)} and "
            f"num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != (shape[1],):
            raise ShapeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of shape "
                f"{list(value.shape)} and input of shape {list(shape)}"
            )


def _group_meta(input: Spec, num_groups: int, weight: Any, bias: Any, eps: float) -> Estimate:
    _group_check(input, num_groups, weight, bias)
    GROUP.check(input)
    _one_dtype(input, weight, bias)
    return Estimate((input,), 2 * input.nbytes, WEIGHT * input.numel)


def _grouped(shape: tuple[int, ...], num_groups: int) -> tuple[int, ...]:
    return (shape[0], num_groups, shape[1] // num_groups * math.prod(shape[2:]))


def _channels(value: Any, ndim: int) -> Any:
    return rules.reshape(value, (1, value.shape[0], *(1,) * (ndim - 2)))


def _group_rule(g: Any, input: Any, num_groups: int, weight: Any, eps: float) -> Any:
    shape, ndim = input.shape, input.ndim
    split = _grouped(shape, num_groups)
    h = g if weight is None else g * _channels(weight, ndim)
    to_input, x, _ = lean(_standardize_backward, rules.reshape(h, split), rules.reshape(input, split), None, (2,), eps)
    others = tuple(d for d in range(ndim) if d != 1)
    to_weight = None if weight is None else rules.sum(g * rules.reshape(x, shape), others)
    return rules.reshape(to_input, shape), to_weight, rules.sum(g, others)


@op(
    "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor",
    meta=_group_meta,
    kind="opaque",
    grad_fn="NativeGroupNormBackward0",
    names=("nn.functional.group_norm", "group_norm"),
    forms="function",
    samples=over(
        Sample(array(2, 4, 3), 2, array(4, low=0.3), array(4, start=7)),
        Sample(array(2, 4), 2),
        Sample(np.zeros((0, 4, 3)), 2, array(4, low=0.3), tags=("empty",)),
        Sample(strided(3, 2), 1, array(2, low=0.3), tags=("non-contiguous",)),
    ),
    vjp={"input, weight, bias": _group_rule},
)
def group_norm(input: Any, num_groups: Any, weight: Any, bias: Any, eps: Any) -> Any:
    """Each sample made mean 0 and variance 1 over groups of channels (dim 1) and the dims behind, times ``weight``, plus ``bias``.

    Gradient: as for ``layer_norm``, over a group. Errors: RuntimeError for channels that do not divide into the groups, ValueError for
    a single value a group. Source: torch.nn.functional.group_norm.

    >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    _group_check(input, num_groups, weight, bias)
    GROUP.check(input)
    _one_dtype(input, weight, bias)
    return _group(input, weight, bias, num_groups, eps)


@in_single
def _group(input: Any, weight: Any, bias: Any, num_groups: int, eps: float) -> Any:
    shape = input.shape
    x, _ = _moments(input.reshape(_grouped(shape, num_groups)), (2,), eps)
    x = x.reshape(shape)
    column = (1, shape[1], *(1,) * (len(shape) - 2))
    if weight is not None:
        x *= weight.reshape(column)
    if bias is not None:
        x += bias.reshape(column)
    return x


# -- local response ----------------------------------------------------------------------------------------------------


def _enough_dims(input: Any) -> None:
    if len(input.shape) < 3:
        raise InvalidValueError(
            f"Expected 3D or higher dimensionality                          input (got {len(input.shape)} dimensions)"
        )


def _response_meta(input: Spec, size: int, alpha: float, beta: float, k: float) -> Estimate:
    _enough_dims(input)
    return Estimate((input,), 4 * input.nbytes, (30 + size) * input.numel)


@op(
    "local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0) -> Tensor",
    meta=_response_meta,
    kind="composite",
    names=("nn.functional.local_response_norm",),
    forms="function",
    samples=over(
        Sample(array(2, 4, 3), 2),
        Sample(array(2, 4, 3, 2), 3, 0.5, 0.6, 1.2),
        Sample(np.zeros((0, 4, 3)), 2, tags=("empty",)),
        Sample(strided(2, 4, 3), 3, tags=("non-contiguous",)),
    ),
)
def local_response_norm(input: Any, size: Any, alpha: Any, beta: Any, k: Any) -> Any:
    """Each channel divided by ``(k + alpha·mean)^beta`` of the mean square over ``size`` channels around it (zeros outside).

    Errors: ValueError for fewer than 3 dims. Source: torch.nn.functional.local_response_norm.

    >>> torch.nn.functional.local_response_norm(torch.tensor([[[1.0], [2.0]]]), 2, alpha=1.0)
    tensor([[[0.7378],
             [0.7816]]])
    """
    _enough_dims(input)
    if not math.prod(input.shape):
        return input
    square = rules.mul(input, input)
    n, channels, *behind = input.shape
    total = square
    for step in range(-(size // 2), (size - 1) // 2 + 1):
        if step and abs(step) < channels:
            start = max(step, 0)
            part = rules.narrow(square, 1, start, channels - abs(step))
            gap = np.zeros((n, abs(step), *behind), getattr(input.dtype, "numpy", input.dtype))
            total = total + rules.cat([part, gap] if step > 0 else [gap, part], 1)
    return rules.div(input, rules.pow(total * (alpha / size) + k, beta))
