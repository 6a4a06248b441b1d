"""Views by stride: slices, rows, diagonals, pieces. Kernels answer a NumPy view. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import DimensionError, TensorError
from engine.op import Sample, Spec, Specs, op
from engine.rules import lean, rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim


def span(n: int, start: int | None, end: int | None, step: int) -> tuple[int, int]:
    """Where a slice of a dim of ``n`` begins and how long it is."""
    first, stop, _ = slice(start, end, None).indices(n)
    return first, max(0, -((first - stop) // step))


def _sliced(shape: tuple[int, ...], dim: int, start: Any, end: Any, step: int) -> tuple[int, ...]:
    if not shape:
        raise TensorError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise TensorError("slice step must be positive")
    d = wrap_dim(dim, len(shape))
    return (*shape[:d], span(shape[d], start, end, step)[1], *shape[d + 1 :])


SLICES = over(
    Sample(array(4, 3), 0, 1, 3),
    Sample(array(2, 5), -1, None, -1, 2, tags=("negative dim",)),
    Sample(array(0, 3), 1, 0, 2, tags=("empty",)),
    Sample(strided(3, 4), 1, 1, None, tags=("non-contiguous",)),
)


@op(
    "slice.Tensor(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    meta=lambda input, dim, start, end, step: Spec(_sliced(input.shape, dim, start, end, step), input.dtype),
    kind="view",
    forms="",
    samples=SLICES,
    vjp={
        "input": lambda g, input_shape, dim, start, end, step: lean(
            slice_backward,  # type: ignore[has-type]
            g,
            input_shape,
            dim,
            start,
            end,
            step,
        )
    },
)
def slice_dim(input: Any, dim: Any, start: Any, end: Any, step: Any) -> Any:
    """A view of a part of one dim: what ``x[a:b:c]`` calls. Gradient: g, among zeros. Source: torch.Tensor.__getitem__.

    >>> torch.arange(5)[1:4:2]
    tensor([1, 3])
    """
    if not input.ndim or step <= 0:
        _sliced(input.shape, dim, start, end, step)
    if not dim:
        return input[start:end:step]
    return input[(slice(None),) * wrap_dim(dim, input.ndim) + (slice(start, end, step),)]


def _slice_backward_samples() -> list[Sample]:
    return [
        Sample(array(2, 3), (4, 3), 0, 1, 3, 1),
        Sample(array(2, 2), (2, 5), -1, None, -1, 2, tags=("negative dim",)),
        Sample(array(0, 2), (0, 3), 1, 0, 2, 1, tags=("empty",)),
        Sample(strided(3, 2), (3, 3), 1, 1, None, 1, tags=("non-contiguous",)),
    ]


@op(
    "slice_backward(Tensor input, int[] sizes, int dim, int? start, int? end, int step) -> Tensor",
    meta=lambda input, sizes, dim, start, end, step: Spec(tuple(sizes), input.dtype),
    kind="linear",
    forms="",
    samples=_slice_backward_samples,
    vjp={"input": lambda g, dim, start, end, step: rules.slice(g, dim, start, end, step)},
)
def slice_backward(input: Any, sizes: Any, dim: Any, start: Any, end: Any, step: Any) -> Any:
    """Zeros, but for a part of one dim: the gradient of a slice. Gradient: g's slice. Source: PyTorch's slice_backward.

    >>> torch.arange(5)[1:4:2]
    tensor([1, 3])
    """
    out = np.zeros(sizes, input.dtype)
    if dim:
        out[(slice(None),) * wrap_dim(dim, len(sizes)) + (slice(start, end, step),)] = input
    else:
        out[start:end:step] = input
    return out


@op(
    "narrow(Tensor input, int dim, int start, int length) -> Tensor",
    meta=lambda input, dim, start, length: Spec(_narrowed(input.shape, dim, start, length)[1], input.dtype),
    kind="composite",
    samples=over(
        Sample(array(4, 3), 0, 1, 2),
        Sample(array(2, 5), -1, -3, 2, tags=("negative dim",)),
        Sample(array(0, 3), 1, 0, 2, tags=("empty",)),
        Sample(strided(3, 4), 1, 1, 3, tags=("non-contiguous",)),
    ),
)
def narrow(input: Any, dim: Any, start: Any, length: Any) -> Any:
    """A view of ``length`` elements of one dim from ``start`` on. Gradient: g, among zeros. Source: torch.narrow.

    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    begin, _ = _narrowed(input.shape, dim, start, length)
    return rules.slice(input, dim, begin, begin + length, 1)


@op(
    "narrow.Tensor(Tensor input, int dim, Tensor start, int length) -> Tensor",
    meta=lambda input, dim, start, length: Spec(_narrowed(input.shape, dim, 0, length)[1], input.dtype),
    kind="composite",
    samples=over(
        Sample(array(4, 3), 0, np.array(1), 2),
        Sample(array(4, 3), -1, np.array(1), 2, tags=("negative dim",)),
        Sample(array(0, 3), 1, np.array(1), 2, tags=("empty",)),
        Sample(strided(3, 4), 0, np.array(1), 2, tags=("non-contiguous",)),
    ),
)
def narrow_tensor(input: Any, dim: Any, start: Any, length: Any) -> Any:
    """A view of ``length`` elements of one dim from a tensor's value on. Source: torch.narrow.

    >>> torch.arange(5).narrow(0, torch.tensor(1), 3)
    tensor([1, 2, 3])
    """
    if start.ndim or not str(start.dtype).removeprefix("torch.").startswith(("int", "uint")):
        raise TensorError("start must be an 0-dim integral Tensor.")
    return rules.narrow(input, dim, int(start), length)


def _narrowed(shape: tuple[int, ...], dim: int, start: int, length: int) -> tuple[int, tuple[int, ...]]:
    if not shape:
        raise TensorError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise TensorError("narrow(): length must be non-negative.")
    d = wrap_dim(dim, len(shape))
    n = shape[d]
    if not -n <= start <= n:
        raise DimensionError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    begin = start + n if start < 0 else start
    if begin > n - length:
        raise TensorError(f"start ({begin}) + length ({length}) exceeds dimension size ({n}).")
    return begin, (*shape[:d], length, *shape[d + 1 :])


def _selected(shape: tuple[int, ...], dim: int, index: int) -> tuple[int, ...]:
    if not shape:
        raise DimensionError("select() cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, len(shape))
    if not -shape[d] <= index < shape[d]:
        raise DimensionError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {d}")
    return (*shape[:d], *shape[d + 1 :])


SELECTS = over(
    Sample(array(4, 3), 0, 1),
    Sample(array(2, 5), -1, -2, tags=("negative dim",)),
    Sample(array(0, 3), 1, 0, tags=("empty",)),
    Sample(strided(3, 4), 1, 1, tags=("non-contiguous",)),
)


@op(
    "select.int(Tensor input, int dim, int index) -> Tensor",
    meta=lambda input, dim, index: Spec(_selected(input.shape, dim, index), input.dtype),
    kind="view",
    samples=SELECTS,
    vjp={"input": lambda g, input_shape, dim, index: lean(select_backward, g, input_shape, dim, index)},  # type: ignore[has-type]
)
def select(input: Any, dim: Any, index: Any) -> Any:
    """A view of one element of a dim, which goes: what ``x[i]`` calls. Gradient: g, among zeros. Source: torch.select.

    >>> torch.tensor([[1, 2], [3, 4]]).select(1, 0)
    tensor([1, 3])
    """
    _selected(input.shape, dim, index)
    return input[(slice(None),) * wrap_dim(dim, input.ndim) + (index, ...)]


@op(
    "select_backward(Tensor input, int[] sizes, int dim, int index) -> Tensor",
    meta=lambda input, sizes, dim, index: Spec(tuple(sizes), input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(3), (4, 3), 0, 1),
        Sample(array(2), (2, 5), -1, -2, tags=("negative dim",)),
        Sample(np.array(1.5), (3,), 0, 1, tags=("0-d",)),
        Sample(array(0), (0, 3), 1, 0, tags=("empty",)),
        Sample(strided(3, 4)[0], (3, 4), 0, 1, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim, index: rules.select(g, dim, index)},
)
def select_backward(input: Any, sizes: Any, dim: Any, index: Any) -> Any:
    """Zeros, but for one element of a dim: the gradient of a select. Source: PyTorch's select_backward.

    >>> torch.tensor([[1, 2], [3, 4]])[0]
    tensor([1, 2])
    """
    out = np.zeros(sizes, input.dtype)
    out[(slice(None),) * wrap_dim(dim, len(sizes)) + (index,)] = input
    return out


def _diagonal(shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> tuple[int, ...]:
    a, b = wrap_dim(dim1, len(shape)), wrap_dim(dim2, len(shape))
    if a == b:
        raise TensorError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    length = min(shape[a], shape[b] - offset) if offset >= 0 else min(shape[a] + offset, shape[b])
    return (*(n for i, n in enumerate(shape) if i not in {a, b}), max(0, length))


@op(
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    meta=lambda input, offset, dim1, dim2: Spec(_diagonal(input.shape, offset, dim1, dim2), input.dtype),
    kind="view",
    samples=over(
        Sample(array(3, 4)),
        Sample(array(2, 3, 4), 1, -2, -1, tags=("negative dim",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 4), -1, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, offset, dim1, dim2: rules.diagonal_backward(g, input_shape, offset, dim1, dim2)
    },
)
def diagonal(input: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """A view of the diagonal of two dims, as the last dim. Gradient: g on the diagonal. Source: torch.diagonal.

    >>> torch.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4])
    """
    _diagonal(input.shape, offset, dim1, dim2)
    out = np.diagonal(input, offset, wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim))
    if input.flags.writeable:
        out.flags.writeable = True
    return out


@op(
    "diagonal_backward(Tensor input, int[] sizes, int offset, int dim1, int dim2) -> Tensor",
    meta=lambda input, sizes, offset, dim1, dim2: Spec(tuple(sizes), input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(3), (3, 4), 0, 0, 1),
        Sample(array(2, 3), (2, 3, 4), 1, -2, -1, tags=("negative dim",)),
        Sample(array(0), (0, 3), 0, 0, 1, tags=("empty",)),
        Sample(array(4)[::2], (3, 4), -1, 0, 1, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, offset, dim1, dim2: rules.diagonal(g, offset, dim1, dim2)},
)
def diagonal_backward(input: Any, sizes: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """Zeros, but for a diagonal: the gradient of ``diagonal``. Source: PyTorch's diagonal_backward.

    >>> torch.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4])
    """
    out = np.zeros(sizes, input.dtype)
    part = np.diagonal(out, offset, wrap_dim(dim1, out.ndim), wrap_dim(dim2, out.ndim))
    part.flags.writeable = True
    part[...] = input
    return out


def _pieces(shape: tuple[int, ...], dim: int) -> tuple[int, tuple[int, ...]]:
    if not shape:
        raise DimensionError("Dimension specified as 0 but tensor has no dimensions")
    d = wrap_dim(dim, len(shape))
    return d, (*shape[:d], *shape[d + 1 :])


def _unbound(input: Spec, dim: int, shape: tuple[int, ...]) -> Specs:
    return Specs(input.shape[dim], lambda _: Spec(shape, input.dtype))


def _stacked(grads: Any, input_shape: tuple[int, ...], dim: int) -> Any:
    there = next(g for g in grads if g is not None)
    return rules.stack([rules.zeros_like(there) if g is None else g for g in grads], wrap_dim(dim, len(input_shape)))


@op(
    "unbind.int(Tensor input, int dim=0) -> Tensor[]",
    meta=lambda input, dim: _unbound(input, *_pieces(input.shape, dim)),
    kind="view",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(2, 3), -1, tags=("negative dim",)),
        Sample(array(2, 0), tags=("empty",)),
        Sample(strided(3, 2), 1, tags=("non-contiguous",)),
    ),
    vjp={"input": _stacked},
)
def unbind(input: Any, dim: Any) -> Any:
    """Views of all elements of a dim, which goes. Gradient: the pieces' gradients, stacked. Source: torch.unbind.

    >>> torch.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    d, _ = _pieces(input.shape, dim)
    front = np.moveaxis(input, d, 0)
    return tuple(front[i, ...] for i in range(input.shape[d]))
