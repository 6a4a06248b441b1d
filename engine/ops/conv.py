"""Convolutions in one, two and three dims, and their transposes. Raw kernels: ``engine.lowering``; checks: ``engine.convolution``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import lowering
from engine.convolution import batched_as, convolved, each, estimated, geometry
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided


def _to_input(
    g: Any, weight: Any, input_shape: Any, stride: Any, padding: Any, dilation: Any, transposed: Any, groups: Any
) -> Any:
    w = weight.conj()
    if transposed:
        return _cut(rules.convolution(g, w, None, stride, padding, dilation, False, [0], groups), input_shape)
    return rules.convolution(
        g, w, None, stride, padding, dilation, True, _missing(g, w, input_shape, stride, padding, dilation), groups
    )


def _missing(g: Any, weight: Any, shape: Any, stride: Any, padding: Any, dilation: Any) -> list[int]:
    """The output padding with which a transposed convolution gives back the wanted shape."""
    d = g.ndim - 2
    sizes = zip(
        shape[2:],
        g.shape[2:],
        weight.shape[2:],
        each(stride, d, ""),
        each(padding, d, ""),
        each(dilation, d, ""),
        strict=True,
    )
    return [m - ((q - 1) * s - 2 * p + e * (k - 1) + 1) for m, q, k, s, p, e in sizes]


def _cut(x: Any, shape: Any) -> Any:
    """Without what an output padding beyond the stride added."""
    for i in range(2, len(shape)):
        if x.shape[i] > shape[i]:
            x = rules.narrow(x, i, 0, shape[i])
    return x


def _to_weight(
    g: Any, input: Any, weight_shape: Any, stride: Any, padding: Any, dilation: Any, transposed: Any, groups: Any
) -> Any:
    small, large = (input.conj(), g) if transposed else (g, input.conj())
    return rules._convolution_weight(small, large, weight_shape[2:], stride, padding, dilation, groups)


_LINE = "int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups"


@op(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_LINE}) -> Tensor",
    meta=estimated,
    kind="opaque",
    forms="function",
    samples=over(
        Sample(array(2, 2, 5), array(3, 2, 2), array(3), [1], [0], [1], False, [0], 1),
        Sample(array(2, 2, 4, 5), array(4, 1, 3, 2), None, [1, 1], [1, 0], [1, 2], False, [0, 0], 2),
        Sample(array(2, 3, 3), array(3, 2, 2), array(2), [2], [1], [1], True, [1], 1),
        Sample(array(0, 2, 5), array(3, 2, 2), None, [2], [0], [1], False, [0], 1, tags=("empty",)),
        Sample(strided(1, 1, 4, 5), strided(2, 1, 2, 2), None, [2], [0], [1], False, [0], 1, tags=("non-contiguous",)),
    ),
    vjp={
        "input": _to_input,
        "weight": _to_weight,
        "bias": lambda g, input, weight: rules._convolution_bias(g, input, weight),
    },
)
def convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: Any,
    output_padding: Any,
    groups: Any,
) -> Any:
    """The convolution that all others call: (n, c, *spatial) with (o, c/groups, *taps); transposed: the gradient of one.

    Gradient: the transposed convolution of g with the weight; g correlated with input; g summed over all but its channels.
    Errors: RuntimeError in PyTorch's words for sizes that do not fit. Source: torch.convolution.

    >>> torch.convolution(torch.ones(1, 1, 3), torch.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    _, t = geometry(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    if input.dtype.char == "e":
        x, w, b = (None if v is None else v.astype(np.float32) for v in (input, weight, bias))
        return _run(x, w, b, transposed, t).astype(np.float16)
    return _run(input, weight, bias, transposed, t)


def _run(input: Any, weight: Any, bias: Any, transposed: bool, t: lowering.Geometry) -> Any:
    out = (lowering.spread if transposed else lowering.correlate)(input, weight, t)
    if bias is not None:
        np.add(out, bias.reshape(-1, *(1,) * (out.ndim - 2)), out=out)
    return out


def _weight_geometry(
    grad_output: Any, input: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> lowering.Geometry:
    d = input.ndim - 2
    return lowering.Geometry(
        input.shape[0],
        input.shape[1],
        grad_output.shape[1],
        tuple(input.shape[2:]),
        tuple(grad_output.shape[2:]),
        tuple(size),
        each(stride, d, "stride"),
        each(padding, d, "padding"),
        each(dilation, d, "dilation"),
        groups,
        input.dtype.itemsize,
    )


def _weight_meta(
    grad_output: Spec, input: Spec, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Estimate:
    t = _weight_geometry(grad_output, input, size, stride, padding, dilation, groups)
    shape = (grad_output.shape[1], input.shape[1] // groups, *size)
    return Estimate((Spec(shape, input.dtype),), t.workspace(), t.cost())


@op(
    "_convolution_weight(Tensor grad_output, Tensor input, int[] size, int[] stride, int[] padding, int[] dilation, int groups) -> Tensor",
    meta=_weight_meta,
    kind="opaque",
    forms="",
    grad_fn="ConvolutionBackwardBackward0",
    samples=over(
        Sample(array(2, 3, 4), array(2, 2, 5), [2], [1], [0], [1], 1),
        Sample(array(2, 4, 3, 2), array(2, 2, 4, 5), [2, 2], [1, 2], [0, 0], [1, 1], 2),
    ),
    vjp={
        "grad_output": lambda g, grad_output_shape, input, stride, padding, dilation, groups: _cut(
            rules.convolution(input.conj(), g, None, stride, padding, dilation, False, [0], groups), grad_output_shape
        ),
        "input": lambda g, grad_output, input_shape, stride, padding, dilation, groups: rules.convolution(
            grad_output.conj(),
            g,
            None,
            stride,
            padding,
            dilation,
            True,
            _missing(grad_output, g, input_shape, stride, padding, dilation),
            groups,
        ),
    },
)
def _convolution_weight(
    grad_output: Any, input: Any, size: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """The gradient of a convolution in its weight.

    Gradient: the two convolutions that it transposes. Source: PyTorch's convolution_backward.
    """
    t = _weight_geometry(grad_output, input, size, stride, padding, dilation, groups)
    if input.dtype.char == "e":
        return lowering.weigh(grad_output.astype(np.float32), input.astype(np.float32), t).astype(np.float16)
    return lowering.weigh(grad_output, input, t)


@op(
    "_convolution_bias(Tensor grad_output, Tensor input, Tensor weight) -> Tensor",
    meta=lambda grad_output, input, weight: Spec((grad_output.shape[1],), grad_output.dtype),
    kind="opaque",
    forms="",
    grad_fn="ConvolutionBackwardBackward0",
    samples=over(Sample(array(2, 3, 4), array(2, 2, 5), array(3, 2, 2))),
    vjp={
        "grad_output": lambda g, grad_output_shape: rules.expand(
            rules.reshape(g, (-1, *(1,) * (len(grad_output_shape) - 2))), grad_output_shape
        ),
        "input, weight": lambda g: (None, None),
    },
)
def _convolution_bias(grad_output: Any, input: Any, weight: Any) -> Any:
    """The gradient of a convolution in its bias: a sum. It has a graph wherever input or weight has one, as PyTorch's.

    Source: PyTorch's convolution_backward.
    """
    return np.add.reduce(grad_output, axis=(0, *range(2, grad_output.ndim)))


def _same_padding(weight: Any, stride: Any, padding: Any, dilation: Any, d: int) -> tuple[list[int], list[int]]:
    """Zeros before and after each dim for a padding that is a word. Errors: RuntimeError for another word, or "same" with a stride."""
    if padding == "valid":
        return [0] * d, [0] * d
    if padding != "same":
        raise TensorError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in each(stride, d, "stride")):
        raise TensorError("padding='same' is not supported for strided convolutions")
    total = [q * (k - 1) for q, k in zip(each(dilation, d, "dilation"), weight.shape[2:], strict=True)]
    return [n // 2 for n in total], [n - n // 2 for n in total]


def _forward(name: str, d: int) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The estimate, and the kernels with numbers and with a word for the padding."""

    def sized(input: Any, weight: Any) -> bool:
        batched = batched_as(input, name, d)
        if d == 1 and weight.ndim < 3:
            raise ShapeError("weight should have at least three dimensions")
        if weight.ndim != d + 2:
            raise ShapeError(
                f"expected stride to be a single integer value or a list of {weight.ndim - 2} values to match the convolution "
                f"dimensions, but got stride={[1] * d}"
            )
        return batched

    def meta(input: Spec, weight: Spec, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Estimate:
        batched = sized(input, weight)
        x = input if batched else Spec((1, *input.shape), input.dtype)
        more = 0
        if isinstance(padding, str):
            before, after = _same_padding(weight, stride, padding, dilation, d)
            if before != after:
                spatial = (m + a - b for m, a, b in zip(x.shape[2:], after, before, strict=True))
                x = Spec((*x.shape[:2], *spatial), x.dtype)
                more = x.nbytes
            padding = before
        out, workspace, cost, _ = estimated(x, weight, bias, stride, padding, dilation, False, (0,), groups)
        shape = out[0].shape if batched else out[0].shape[1:]
        return Estimate((Spec(shape, input.dtype),), workspace + more, cost + more)

    def numbers(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
        stride, padding, dilation = (v if isinstance(v, tuple) else (v,) for v in (stride, padding, dilation))
        if sized(input, weight):
            return convolved(input, weight, bias, stride, padding, dilation, False, (0,), groups)
        x = rules.unsqueeze(input, 0)
        return rules.squeeze(convolved(x, weight, bias, stride, padding, dilation, False, (0,), groups), 0)

    def word(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
        sized(input, weight)
        before, after = _same_padding(weight, stride, padding, dilation, d)
        if before != after:
            widths = [v for b, a in zip(reversed(before), reversed(after), strict=True) for v in (0, a - b)]
            x = rules.constant_pad_nd(input, widths)
        else:
            x = input
        return numbers(x, weight, bias, stride, tuple(before), dilation, groups)

    return meta, numbers, word


_CONV1D, _CONV2D, _CONV3D = _forward("conv1d", 1), _forward("conv2d", 2), _forward("conv3d", 3)


def _line(d: int, padding: str = "int") -> str:
    name, word = (
        (f"conv{d}d", f"int[{d}] padding=0") if padding == "int" else (f"conv{d}d.padding", 'str padding="valid"')
    )
    return f"{name}(Tensor input, Tensor weight, Tensor? bias=None, int[{d}] stride=1, {word}, int[{d}] dilation=1, int groups=1) -> Tensor"


@op(
    _line(1),
    meta=_CONV1D[0],
    kind="composite",
    names=("nn.functional.conv1d", "conv1d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 5), array(3, 2, 2), array(3)),
        Sample(array(2, 5), array(4, 1, 2), None, 2, 1, 1, 2),
        Sample(array(0, 2, 5), array(3, 2, 2), tags=("empty",)),
        Sample(strided(2, 2, 5), strided(3, 2, 2), None, 1, 0, 2, tags=("non-contiguous",)),
    ),
)
def conv1d(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The sum over taps and channels of input times weight, in 1 dim, plus a bias for each channel that comes out.

    Shapes: (n, c, length), or without n; weight (o, c/groups, taps); bias (o). A size that comes out is
    (m + 2·padding - dilation·(taps - 1) - 1)//stride + 1. Gradient: from ``convolution``. Errors: RuntimeError for sizes that do not
    fit. Source: torch.nn.functional.conv1d.

    >>> torch.nn.functional.conv1d(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[[1.0, -1.0]]]))
    tensor([[[-1., -2.]]])
    """
    return _CONV1D[1](input, weight, bias, stride, padding, dilation, groups)


@op(
    _line(1, "str"),
    meta=_CONV1D[0],
    kind="composite",
    names=("nn.functional.conv1d", "conv1d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 5), array(3, 2, 3), array(3), 1, "same"),
        Sample(array(2, 2, 5), array(3, 2, 2), array(3), 1, "same"),
        Sample(array(2, 2, 5), array(3, 2, 2), array(3), 1, "valid"),
        Sample(np.asfortranarray(array(2, 2, 5)), array(3, 2, 2), array(3), 1, "same", tags=("non-contiguous",)),
    ),
)
def conv1d_padding(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The same with a word for the padding: "valid" (none) or "same" (what comes out is as large as the input).

    Errors: RuntimeError for "same" with a stride, and for another word. Source: torch.nn.functional.conv1d.

    >>> torch.nn.functional.conv1d(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[[1.0, -1.0]]]), padding="same").shape
    torch.Size([1, 1, 3])
    """
    return _CONV1D[2](input, weight, bias, stride, padding, dilation, groups)


@op(
    _line(2),
    meta=_CONV2D[0],
    kind="composite",
    names=("nn.functional.conv2d", "conv2d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 4, 5), array(3, 2, 2, 3), array(3)),
        Sample(array(2, 4, 4), array(4, 1, 2, 2), None, 2, 1, 1, 2),
        Sample(array(0, 2, 4, 4), array(3, 2, 2, 2), tags=("empty",)),
        Sample(strided(1, 2, 4, 5), strided(3, 2, 2, 2), None, 1, 0, 2, tags=("non-contiguous",)),
    ),
)
def conv2d(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The sum over taps and channels of input times weight, in 2 dims, plus a bias for each channel that comes out.

    Shapes: (n, c, height, width), or without n; weight (o, c/groups, rows, columns); bias (o). A size that comes out is
    (m + 2·padding - dilation·(taps - 1) - 1)//stride + 1. Gradient: from ``convolution``. Errors: RuntimeError for sizes that do not
    fit. Source: torch.nn.functional.conv2d.

    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _CONV2D[1](input, weight, bias, stride, padding, dilation, groups)


@op(
    _line(2, "str"),
    meta=_CONV2D[0],
    kind="composite",
    names=("nn.functional.conv2d", "conv2d"),
    forms="function",
    samples=over(
        Sample(array(1, 2, 3, 4), array(3, 2, 3, 3), None, 1, "same"),
        Sample(array(1, 2, 3, 4), array(3, 2, 2, 3), None, 1, "same"),
        Sample(array(1, 2, 3, 4), array(3, 2, 2, 3), None, 1, "valid"),
        Sample(np.asfortranarray(array(1, 2, 2, 3)), array(1, 2, 2, 1), None, 1, "same", tags=("non-contiguous",)),
    ),
)
def conv2d_padding(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The same with a word for the padding: "valid" (none) or "same" (what comes out is as large as the input).

    Errors: RuntimeError for "same" with a stride, and for another word. Source: torch.nn.functional.conv2d.

    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2), padding="same").shape
    torch.Size([1, 1, 3, 3])
    """
    return _CONV2D[2](input, weight, bias, stride, padding, dilation, groups)


@op(
    _line(3),
    meta=_CONV3D[0],
    kind="composite",
    names=("nn.functional.conv3d", "conv3d"),
    forms="function",
    samples=over(
        Sample(array(1, 2, 2, 3, 4), array(2, 2, 1, 2, 3), array(2)),
        Sample(array(2, 2, 3, 3), array(2, 1, 2, 2, 2), None, 2, 1, 1, 2),
        Sample(array(0, 1, 2, 3, 3), array(3, 1, 2, 2, 2), tags=("empty",)),
        Sample(strided(1, 1, 3, 3, 4), strided(2, 1, 2, 2, 2), None, 1, 0, 1, tags=("non-contiguous",)),
    ),
)
def conv3d(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The sum over taps and channels of input times weight, in 3 dims, plus a bias for each channel that comes out.

    Shapes: (n, c, depth, height, width), or without n; weight (o, c/groups, planes, rows, columns); bias (o). A size that comes out is
    (m + 2·padding - dilation·(taps - 1) - 1)//stride + 1. Gradient: from ``convolution``. Errors: RuntimeError for sizes that do not
    fit. Source: torch.nn.functional.conv3d.

    >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 1))
    tensor([[[[[4., 4.]]]]])
    """
    return _CONV3D[1](input, weight, bias, stride, padding, dilation, groups)


@op(
    _line(3, "str"),
    meta=_CONV3D[0],
    kind="composite",
    names=("nn.functional.conv3d", "conv3d"),
    forms="function",
    samples=over(
        Sample(array(1, 1, 2, 3, 3), array(2, 1, 1, 3, 3), None, 1, "same"),
        Sample(array(1, 1, 2, 3, 3), array(2, 1, 1, 2, 3), None, 1, "same"),
        Sample(array(1, 1, 2, 3, 3), array(2, 1, 1, 2, 3), None, 1, "valid"),
        Sample(
            np.asfortranarray(array(1, 1, 2, 2, 2)), array(1, 1, 1, 2, 1), None, 1, "same", tags=("non-contiguous",)
        ),
    ),
)
def conv3d_padding(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """The same with a word for the padding: "valid" (none) or "same" (what comes out is as large as the input).

    Errors: RuntimeError for "same" with a stride, and for another word. Source: torch.nn.functional.conv3d.

    >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 1), padding="same").shape
    torch.Size([1, 1, 2, 2, 2])
    """
    return _CONV3D[2](input, weight, bias, stride, padding, dilation, groups)
