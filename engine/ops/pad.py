"""Padding: with a constant, by reflection, by repeating the edge, around a circle. Sentences: PyTorch's PadNd.cpp, ReflectionPad.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Op, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.scalars import converted

_KERNELS = {"reflect": "reflection_pad", "replicate": "replication_pad"}


def _pairs(pad: Any, ndim: int) -> list[tuple[int, int]]:
    """Before and after of every dim, first dim first; ``pad`` counts from the last."""
    given = list(zip(pad[::2], pad[1::2], strict=True))
    return [(0, 0)] * (ndim - len(given)) + given[::-1]


def _constant_shape(shape: tuple[int, ...], pad: Any) -> tuple[int, ...]:
    if len(pad) % 2:
        raise TensorError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * len(shape):
        raise TensorError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {len(shape)} dimensions."
        )
    out = tuple(m + a + b for m, (a, b) in zip(shape, _pairs(pad, len(shape)), strict=True))
    for i, (m, (a, b)) in enumerate(zip(out, _pairs(pad, len(shape)), strict=True)):
        if m < 0:
            raise ShapeError(
                f"The input size {shape[i]}, plus negative padding {a} and {b} resulted in a negative output size, which is invalid. "
                f"Check dimension {i} of your input."
            )
    return out


@op(
    "constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor",
    meta=lambda input, pad, value: Spec(_constant_shape(input.shape, pad), input.dtype),
    kind="linear",
    forms="function",
    samples=over(
        Sample(array(2, 3), [1, 2]),
        Sample(array(2, 3), [1, 0, -1, 2], 1.5),
        Sample(np.array(1.5), [], tags=("0-d",)),
        Sample(array(0, 3), [0, 1], tags=("empty",)),
        Sample(strided(3, 2), [0, 0, 1, 1], tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, pad: rules.constant_pad_nd(g, [-p for p in pad])},
)
def constant_pad_nd(input: Any, pad: Any, value: Any) -> Any:
    """The input with elements of one value put around it; a negative width cuts.

    pad: before and after of the last dim, then of the one before it, and so on. Gradient: the part of g that the input fills.
    Errors: RuntimeError where more is cut than there is. Source: torch.constant_pad_nd.

    >>> torch.constant_pad_nd(torch.ones(2, 2), [1, 0], 5)
    tensor([[5., 1., 1.],
            [5., 1., 1.]])
    """
    shape = _constant_shape(input.shape, pad)
    fill = converted(value, input.dtype)
    if not shape:
        return input.copy()
    out = np.full(shape, fill) if fill else np.zeros(shape, input.dtype)
    put, take = [], []
    for (a, b), m, n in zip(_pairs(pad, input.ndim), input.shape, shape, strict=True):
        put.append(slice(max(a, 0), n - max(b, 0)))
        take.append(slice(max(-a, 0), m - max(-b, 0)))
    part = input[tuple(take)]
    if part.size:
        out[tuple(put)] = part
    return out


def _dims(pad: Any) -> int:
    return len(pad) // 2


def _pad_shape(input: Any, pad: Any, mode: str) -> tuple[int, ...]:
    """The size after padding. Errors: RuntimeError in PyTorch's words."""
    shape = tuple(input.shape)
    d = _dims(pad)
    if mode != "circular":
        name = _KERNELS[mode]
        if input.dtype.name == "bool":
            raise UnsupportedDtypeError(f"\"{name}{d}d\" not implemented for '{spoken(input)}'")
        if 0 in shape[1 if len(shape) == d + 2 else 0 :]:
            raise ShapeError(
                f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
                f"but got: {list(shape)}"
            )
    out = list(shape)
    for k, (a, b) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        i = len(shape) - 1 - k
        n = shape[i]
        if mode == "reflect" and (a >= n or b >= n):
            raise TensorError(
                f"Argument #{4 + 2 * k}: Padding size should be less than the corresponding input dimension, but got: padding ({a}, {b}) "
                f"at dimension {i} of input {list(shape)}"
            )
        if mode == "circular" and (a > n or b > n):
            raise TensorError("Padding value causes wrapping around more than once.")
        out[i] = n + a + b
        if mode == "circular" and out[i] < 0:
            raise TensorError("Negative padding value is resulting in an empty dimension")
        if mode != "circular" and out[i] < 1:
            raise ShapeError(f"input (size: {n}) is too small. Calculated output size: {out[i]}")
    return tuple(out)


def _places(n: int, a: int, b: int, mode: str) -> Any:
    """Of each element along a padded dim of size ``n``: which element of the input it is."""
    p = np.arange(-a, n + b)
    if mode == "reflect":
        p = np.abs(p)
        return np.where(p >= n, 2 * (n - 1) - p, p)
    if mode == "replicate":
        return np.clip(p, 0, n - 1)
    low, high = max(-a, 0), n + min(b, 0)
    return (p - low) % max(high - low, 1) + low


@op(
    "_pad_enum(Tensor input, int[] pad, str mode) -> Tensor",
    meta=lambda input, pad, mode: Spec(_pad_shape(input, pad, mode), input.dtype),
    kind="linear",
    forms="",
    grad_fn="torch::autograd::CopySlices",
    samples=over(Sample(array(2, 3), [1, 2], "circular"), Sample(array(1, 3, 4), [1, -1, 2, 1], "circular")),
    vjp={"input": lambda g, input_shape, pad, mode: rules._pad_enum_backward(g, input_shape[-_dims(pad) :], pad, mode)},
)
def _pad_enum(input: Any, pad: Any, mode: Any) -> Any:
    """The last dims gone on with their own elements. Gradient: each element's copies, summed. Source: torch.nn.functional.pad."""
    _pad_shape(input, pad, mode)
    out = input
    for k, (a, b) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        axis = input.ndim - 1 - k
        if a or b:
            out = np.take(out, _places(input.shape[axis], a, b, mode), axis)
    return np.array(out) if out is input else out


@op(
    "_pad_enum_backward(Tensor grad_output, int[] size, int[] pad, str mode, Tensor? input=None) -> Tensor",
    meta=lambda grad_output, size, pad, mode, input: Spec((*grad_output.shape[: -len(size)], *size), grad_output.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 6), [3], [1, 2], "circular"),
        Sample(array(2, 6), [3], [1, 2], "reflect"),
        Sample(array(2, 5, 6), [3, 4], [1, 1, 3, -1], "replicate"),
    ),
    vjp={"grad_output": lambda g, pad, mode: rules._pad_enum(g, pad, mode), "input": lambda g: None},
)
def _pad_enum_backward(grad_output: Any, size: Any, pad: Any, mode: Any, input: Any) -> Any:
    """Padded elements added to those that they copy. ``input`` only gives the result a graph where it has one, as PyTorch's.

    Gradient: the padding. Source: PyTorch's reflection_pad2d_backward and its kin.
    """
    g = grad_output
    for k, (a, b) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        if not a and not b:
            continue
        axis, n = grad_output.ndim - 1 - k, size[-1 - k]
        lead = (slice(None),) * axis
        places = _places(n, a, b, mode)
        first, last = max(-a, 0), n - max(-b, 0)
        start, stop = first + a, last + a
        if last <= first:
            start = stop = first = last = 0
        total = np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)
        total[(*lead, slice(first, last))] = g[(*lead, slice(start, stop))]
        for j in (*range(start), *range(stop, len(places))):
            total[(*lead, places[j])] += g[(*lead, j)]
        g = total
    return np.array(g) if g is grad_output else g


def _named(mode: str, d: int) -> Op:
    """The row of one mode and number of dims."""

    def kernel(input: Any, padding: Any) -> Any:
        return _pad_enum.kernel(input, padding, mode)

    kernel.__doc__ = f"The last {d} dims gone on by ``{mode}``. Gradient: each element's copies, summed. Source: torch.nn.functional.pad."
    x, pad = array(2, *(4, 3, 5)[-d:]), [1, 2, 0, 1, 1, -1][: 2 * d]
    return op(
        f"{_KERNELS[mode]}{d}d(Tensor input, int[] padding) -> Tensor",
        meta=lambda input, padding: Spec(_pad_shape(input, padding, mode), input.dtype),
        kind="linear",
        forms="",
        grad_fn=f"{_KERNELS[mode].title().replace('_', '')}{d}DBackward0",
        samples=over(Sample(x, pad), Sample(np.asfortranarray(x), pad, tags=("non-contiguous",))),
        vjp={"input": lambda g, input, padding: rules._pad_enum_backward(g, input.shape[-d:], padding, mode, input)},
    )(kernel)


_ENUM = {(mode, d): _named(mode, d) for mode in _KERNELS for d in (1, 2, 3)}

_COMBINATIONS = """Padding size {given} is not supported for {ndim}D input tensor.
Supported combinations for non-constant padding:
  - 2D or 3D input: padding size = 2 (pads last dimension)
  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)
  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"""


def _fits(input: Any, pad: Any, mode: str, value: Any) -> None:
    if len(pad) % 2:
        raise TensorError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise TensorError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length {len(pad)} and input of "
            f"dimension {input.ndim}"
        )
    if mode == "constant":
        return
    if value is not None and value != 0:
        raise TensorError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise UnsupportedDtypeError(f"Unrecognised padding mode {mode}")
    if not pad or input.ndim - _dims(pad) not in (1, 2) or _dims(pad) > 3:
        raise UnsupportedDtypeError(_COMBINATIONS.format(given=len(pad), ndim=input.ndim))


def _pad_meta(input: Spec, pad: Any, mode: str, value: Any) -> Spec:
    _fits(input, pad, mode, value)
    shape = _constant_shape(input.shape, pad) if mode == "constant" else _pad_shape(input, pad, mode)
    return Spec(shape, input.dtype)


@op(
    'pad(Tensor input, int[] pad, str mode="constant", float? value=None) -> Tensor',
    meta=_pad_meta,
    kind="composite",
    names=("nn.functional.pad",),
    forms="function",
    samples=over(
        Sample(array(2, 3), [1, 2]),
        Sample(array(2, 3), [1, 1, -1, 1], "constant", 2.0),
        Sample(np.array(1.5), [], tags=("0-d",)),
        Sample(array(0, 3), [1, 1], tags=("empty",)),
        Sample(array(2, 3), [1, 2], "reflect"),
        Sample(array(2, 3, 4), [1, 2, 3, 0], "replicate"),
        Sample(strided(1, 3, 4), [1, 2, 3, 0], "circular", tags=("non-contiguous",)),
    ),
)
def pad(input: Any, pad: Any, mode: Any, value: Any) -> Any:
    """The input made larger: by a constant ("constant"), by mirroring ("reflect"), by its edge ("replicate"), by going round ("circular").

    pad: before and after of the last dim, then of the one before it, and so on; negative cuts. Errors: NotImplementedError for another
    mode or count, RuntimeError for a width beyond the input. Source: torch.nn.functional.pad.

    >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    _fits(input, pad, mode, value)
    if mode == "constant":
        return rules.constant_pad_nd(input, pad, 0 if value is None else value)
    if mode == "circular":
        return rules._pad_enum(input, pad, mode)
    return getattr(rules, f"{_KERNELS[mode]}{_dims(pad)}d")(input, pad)
