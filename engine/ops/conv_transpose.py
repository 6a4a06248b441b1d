"""Transposed convolutions in one, two and three dims: composites of ``convolution``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.convolution import batched_as, convolved, estimated
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided


def _backward(name: str, d: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The estimate and the kernel of a transposed convolution."""

    def meta(
        input: Spec, weight: Spec, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
    ) -> Estimate:
        batched = batched_as(input, name, d)
        x = input if batched else Spec((1, *input.shape), input.dtype)
        out, workspace, cost, _ = estimated(x, weight, bias, stride, padding, dilation, True, output_padding, groups)
        return Estimate((Spec(out[0].shape if batched else out[0].shape[1:], input.dtype),), workspace, cost)

    def kernel(
        input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
    ) -> Any:
        rest = [v if isinstance(v, tuple) else (v,) for v in (stride, padding, dilation, output_padding)]
        batched = batched_as(input, name, d)
        x = input if batched else rules.unsqueeze(input, 0)
        out = convolved(x, weight, bias, *rest[:3], True, rest[3], groups)
        return out if batched else rules.squeeze(out, 0)

    return meta, kernel


_BACK1D, _BACK2D, _BACK3D = (
    _backward("conv_transpose1d", 1),
    _backward("conv_transpose2d", 2),
    _backward("conv_transpose3d", 3),
)


def _transposed_line(d: int, name: str) -> str:
    return (
        f"{name}(Tensor input, Tensor weight, Tensor? bias=None, int[{d}] stride=1, int[{d}] padding=0, int[{d}] output_padding=0, "
        f"int groups=1, int[{d}] dilation=1) -> Tensor"
    )


@op(
    _transposed_line(1, "conv_transpose1d"),
    meta=_BACK1D[0],
    kind="composite",
    names=("nn.functional.conv_transpose1d", "conv_transpose1d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 4), array(2, 3, 2), array(3)),
        Sample(array(4, 3), array(4, 2, 2), None, 2, 1, 1, 2),
        Sample(array(0, 2, 4), array(2, 3, 2), tags=("empty",)),
        Sample(strided(2, 2, 4), strided(2, 3, 2), None, 1, 0, 0, 1, 2, tags=("non-contiguous",)),
    ),
)
def conv_transpose1d(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    """Each element of the input puts the weight, times itself, where a convolution in 1 dim would have read.

    Shapes: (n, c, …), or without n; weight (c, o/groups, …); bias (o). A size that comes out is
    (m - 1)·stride - 2·padding + dilation·(taps - 1) + output_padding + 1. Gradient: from ``convolution``. Errors: RuntimeError for
    sizes that do not fit. Source: torch.nn.functional.conv_transpose1d.

    >>> torch.nn.functional.conv_transpose1d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0]]]))
    tensor([[[ 1., 12., 20.]]])
    """
    return _BACK1D[1](input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    _transposed_line(2, "conv_transpose2d.input"),
    meta=_BACK2D[0],
    kind="composite",
    names=("nn.functional.conv_transpose2d", "conv_transpose2d"),
    forms="function",
    samples=over(
        Sample(array(2, 2, 2, 3), array(2, 3, 2, 2), array(3)),
        Sample(array(4, 2, 3), array(4, 1, 2, 2), None, 2, 1, 1, 2),
        Sample(array(0, 2, 2, 3), array(2, 3, 2, 2), tags=("empty",)),
        Sample(strided(1, 2, 2, 3), strided(2, 3, 2, 2), None, 1, 0, 0, 1, 2, tags=("non-contiguous",)),
    ),
)
def conv_transpose2d(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    """Each element of the input puts the weight, times itself, where a convolution in 2 dims would have read.

    Shapes: (n, c, …), or without n; weight (c, o/groups, …); bias (o). A size that comes out is
    (m - 1)·stride - 2·padding + dilation·(taps - 1) + output_padding + 1. Gradient: from ``convolution``. Errors: RuntimeError for
    sizes that do not fit. Source: torch.nn.functional.conv_transpose2d.

    >>> torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return _BACK2D[1](input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    _transposed_line(3, "conv_transpose3d.input"),
    meta=_BACK3D[0],
    kind="composite",
    names=("nn.functional.conv_transpose3d", "conv_transpose3d"),
    forms="function",
    samples=over(
        Sample(array(1, 2, 2, 2, 2), array(2, 1, 2, 1, 2), array(1)),
        Sample(array(2, 2, 2, 2), array(2, 1, 2, 2, 2), None, 2, 1, 1, 2),
        Sample(array(0, 1, 2, 2, 2), array(1, 1, 2, 2, 2), tags=("empty",)),
        Sample(strided(1, 1, 2, 2, 2), strided(1, 2, 2, 1, 2), None, 1, 0, 0, 1, 1, tags=("non-contiguous",)),
    ),
)
def conv_transpose3d(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    """Each element of the input puts the weight, times itself, where a convolution in 3 dims would have read.

    Shapes: (n, c, …), or without n; weight (c, o/groups, …); bias (o). A size that comes out is
    (m - 1)·stride - 2·padding + dilation·(taps - 1) + output_padding + 1. Gradient: from ``convolution``. Errors: RuntimeError for
    sizes that do not fit. Source: torch.nn.functional.conv_transpose3d.

    >>> torch.nn.functional.conv_transpose3d(torch.ones(1, 1, 1, 2, 2), torch.ones(1, 1, 1, 2, 2))
    tensor([[[[[1., 2., 1.],
               [2., 4., 2.],
               [1., 2., 1.]]]]])
    """
    return _BACK3D[1](input, weight, bias, stride, padding, output_padding, groups, dilation)
