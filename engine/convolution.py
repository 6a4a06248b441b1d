"""What a convolution takes: PyTorch's checks and sentences (Convolution.cpp), the sizes of results, and what they cost."""

from __future__ import annotations

import math
from typing import Any

from engine import lowering
from engine.domain import spoken
from engine.dtypes import cpp_name
from engine.errors import ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Spec
from engine.rules import rules

__all__ = ["batched_as", "convolved", "each", "estimated", "geometry"]


def each(value: Any, d: int, what: str) -> tuple[int, ...]:
    """One number for each dim. Errors: RuntimeError for another count."""
    values = (value,) if isinstance(value, int) else tuple(value)
    if len(values) == 1:
        return values * d
    if len(values) != d:
        raise TensorError(
            f"expected {what} to be a single integer value or a list of {d} values to match the convolution dimensions, but got "
            f"{what}={list(values)}"
        )
    return values


def _name(value: Any) -> str:
    return str(value.dtype.name)


def _check(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    extra: Any,
    groups: int,
) -> None:
    """What PyTorch refuses. Errors: RuntimeError in its words."""
    if _name(input) != _name(weight):
        if _name(input).startswith("complex"):
            raise TensorError(
                f"Input type (CPU{spoken(input)}Type) and weight type (torch.{spoken(weight)}Tensor) should be the same"
            )
        raise TensorError(f"expected scalar type {spoken(input)} but found {spoken(weight)}")
    if bias is not None and _name(bias) != _name(input):
        raise TensorError(
            f"Input type ({cpp_name(input.dtype)}) and bias type ({cpp_name(bias.dtype)}) should be the same"
        )
    if _name(input) == "bool":
        raise UnsupportedDtypeError("\"slow_conv2d_cpu\" not implemented for 'Bool'")
    for values, least, sentence in (
        (padding, 0, "negative padding is not supported"),
        (extra, 0, "negative output_padding is not supported"),
        (stride, 1, "non-positive stride is not supported"),
        (dilation, 1, "dilation should be greater than zero"),
        ((groups,), 1, "non-positive groups is not supported"),
    ):
        if any(v < least for v in values):
            raise TensorError(sentence)
    shape, size = list(weight.shape), list(input.shape)
    if shape[0] < groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {shape} instead"
        )
    if shape[0] % groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{shape}] instead"
        )
    channels = shape[0] if transposed else shape[1] * groups
    if size[1] != channels:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise ShapeError(
            f"Given {given}, weight of size {shape}, expected input{size} to have {channels} channels, but got {size[1]} channels instead"
        )
    makes = shape[1] * groups if transposed else shape[0]
    if bias is not None and tuple(bias.shape) != (makes,):
        given = "transposed=1, " if transposed else ""
        raise ShapeError(
            f"Given {given}weight of size {shape}, expected bias to be 1-dimensional with {makes} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )


def geometry(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    extra: Any,
    groups: int,
) -> tuple[tuple[int, ...], lowering.Geometry]:
    """The shape of the result and how it is made; everything that does not fit is refused here."""
    if input.ndim < 3 or weight.ndim != input.ndim:
        raise ShapeError(f"weight should have {input.ndim} dimensions, but got {weight.ndim}")
    d = input.ndim - 2
    stride, padding = each(stride, d, "stride"), each(padding, d, "padding")
    dilation, extra = each(dilation, d, "dilation"), each(extra, d, "output_padding")
    _check(input, weight, bias, stride, padding, dilation, transposed, extra, groups)
    n, spatial, size = input.shape[0], tuple(input.shape[2:]), tuple(weight.shape[2:])
    reach = [q * (k - 1) + 1 for q, k in zip(dilation, size, strict=True)]
    itemsize = input.dtype.itemsize
    if transposed:
        if any(e >= s and e >= q for e, s, q in zip(extra, stride, dilation, strict=True)):
            raise TensorError(
                "output padding must be smaller than either stride or dilation, but got "
                + _listed(extra, stride, dilation)
            )
        out = tuple(
            (m - 1) * s - 2 * p + r + e for m, s, p, r, e in zip(spatial, stride, padding, reach, extra, strict=True)
        )
        if any(m < 1 for m in out):
            raise ShapeError(
                f"Given input size per channel: {_per(spatial)}. Calculated output size per channel: {_per(out)}. Output size is too small"
            )
        shape = (n, weight.shape[1] * groups, *out)
        return shape, lowering.Geometry(
            n, shape[1], weight.shape[0], out, spatial, size, stride, padding, dilation, groups, itemsize
        )
    room = tuple(m + 2 * p for m, p in zip(spatial, padding, strict=True))
    if any(m < r for m, r in zip(room, reach, strict=True)):
        raise ShapeError(
            f"Calculated padded input size per channel: {_per(room)}. Kernel size: {_per(size if max(dilation) == 1 else reach)}. Kernel "
            "size can't be greater than actual input size"
        )
    out = tuple((m - r) // s + 1 for m, r, s in zip(room, reach, stride, strict=True))
    shape = (n, weight.shape[0], *out)
    return shape, lowering.Geometry(
        n, input.shape[1], shape[1], spatial, out, size, stride, padding, dilation, groups, itemsize
    )


def _per(sizes: Any) -> str:
    return f"({' x '.join(map(str, sizes))})"


def _listed(extra: Any, stride: Any, dilation: Any) -> str:
    dims = ("depth", "height", "width")[-len(extra) :] if len(extra) > 1 else ("width",)
    return " ".join(
        f"{what}_{dim}: {v}"
        for what, values in (("output_padding", extra), ("stride", stride), ("dilation", dilation))
        for dim, v in zip(dims, values, strict=True)
    )


def estimated(input: Spec, weight: Spec, bias: Any, *rest: Any) -> Estimate:
    """What ``convolution`` makes and costs."""
    shape, t = geometry(input, weight, bias, *rest)
    out = Spec(shape, input.dtype)
    more = 2 * (out.nbytes + input.nbytes + weight.nbytes) if input.dtype.category > 2 else 0  # parts, and their sums
    return Estimate((out,), t.workspace() + more, t.cost() + (math.prod(shape) if bias else 0))


def convolved(input: Any, weight: Any, bias: Any, *rest: Any) -> Any:
    """``convolution``; of complex tensors, as PyTorch composes it, by three real ones (Gauss's trick)."""
    kinds = [str(v.dtype.name).startswith("complex") for v in (input, weight, bias) if v is not None]
    if not all(kinds):
        return rules.convolution(input, weight, bias, *rest)
    (x, ix), (w, iw) = ((rules.real(v), rules.imag(v)) for v in (input, weight))
    b, both = (None, None) if bias is None else (rules.real(bias), rules.real(bias) + rules.imag(bias))
    first = rules.convolution(x, w, b, *rest)
    second = rules.convolution(ix, iw, None, *rest)
    third = rules.convolution(x + ix, w + iw, both, *rest)
    return (first - second) + rules.mul(third - first - second, 1j)


def batched_as(input: Any, name: str, d: int) -> bool:
    """Whether an input has its dim of samples. Errors: RuntimeError for another number of dims."""
    if input.ndim not in (d + 1, d + 2):
        raise ShapeError(
            f"Expected {d + 1}D (unbatched) or {d + 2}D (batched) input to {name}, but got input of size: {list(input.shape)}"
        )
    return input.ndim == d + 2  # type: ignore[no-any-return]
