"""The views again, as copies: ``x_copy`` has x's values in memory of its own. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.op import ROWS, Op, Sample, op
from engine.rules import rules
from engine.samples import unary
from engine.shapes import wrap_dim, wrap_dims


def _row(identity: str) -> Op:
    return next(row for row in ROWS if row.id == identity)


def _as(identity: str) -> Callable[..., Any]:
    """The estimate of a view row, for its copy."""
    return lambda *args: _row(identity).meta(*args)  # type: ignore[misc]


def _tried(identity: str) -> Callable[[], Sequence[Sample]]:
    """The samples of a view row, for its copy."""
    return lambda: _row(identity).samples()  # type: ignore[misc]


def _copy(view: Any) -> Any:
    """A view's values in memory of their own."""
    if type(view) is tuple:
        return tuple(np.array(part, order="C")[()] for part in view)
    return np.array(view, order="C")[()]


@op(
    "alias_copy(Tensor input) -> Tensor",
    meta=lambda input: input,
    kind="linear",
    grad_fn="AliasBackward0_copy",
    forms="function",
    samples=unary(),
    vjp={"input": lambda g: g},
)
def alias_copy(input: Any) -> Any:
    """A copy. Gradient: g. Source: torch.alias_copy.

    >>> torch.alias_copy(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    return _copy(input)


@op(
    "detach_copy(Tensor input) -> Tensor",
    meta=lambda input: input,
    kind="opaque",
    forms="function",
    samples=unary(),
)
def detach_copy(input: Any) -> Any:
    """A copy outside the graph. Source: torch.detach_copy.

    >>> torch.detach_copy(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    return _copy(input)


@op(
    "diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    meta=_as("diagonal"),
    kind="linear",
    grad_fn="DiagonalBackward0_copy",
    forms="function",
    samples=_tried("diagonal"),
    vjp={
        "input": lambda g, input_shape, offset, dim1, dim2: rules.diagonal_backward(g, input_shape, offset, dim1, dim2)
    },
)
def diagonal_copy(input: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """A copy of the diagonal of two dims, as the last dim. Gradient: g on the diagonal. Source: torch.diagonal_copy.

    >>> torch.diagonal_copy(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return _copy(rules.diagonal(input, offset, dim1, dim2))


@op(
    "expand_copy(Tensor input, int[] size, *, bool implicit=False) -> Tensor",
    meta=_as("expand"),
    kind="linear",
    grad_fn="ExpandBackward0_copy",
    forms="function",
    samples=_tried("expand"),
    vjp={"input": lambda g, input_shape: rules.sum_to_size(g, input_shape)},
)
def expand_copy(input: Any, size: Any, implicit: Any) -> Any:
    """A copy with dims of size 1 repeated; -1 keeps a size.

    Gradient: g, summed over the repeated dims. Source: torch.expand_copy.

    >>> torch.expand_copy(torch.tensor([[1], [2]]), (2, 2))
    tensor([[1, 1],
            [2, 2]])
    """
    return _copy(rules.expand(input, size))


@op(
    "narrow_copy(Tensor input, int dim, int start, int length) -> Tensor",
    meta=_as("narrow"),
    kind="linear",
    samples=_tried("narrow"),
    vjp={
        "input": lambda g, input_shape, dim, start, length: rules.slice_backward(
            g, input_shape, dim, *_from(input_shape, dim, start, length), 1
        )
    },
)
def narrow_copy(input: Any, dim: Any, start: Any, length: Any) -> Any:
    """A copy of ``length`` slices along ``dim`` from ``start`` on.

    Gradient: g where it was read, zero elsewhere. Source: torch.narrow_copy.

    >>> torch.narrow_copy(torch.tensor([1, 2, 3]), 0, 1, 2)
    tensor([2, 3])
    """
    return _copy(rules.narrow(input, dim, start, length))


def _from(shape: tuple[int, ...], dim: int, start: int, length: int) -> tuple[int, int]:
    n = shape[wrap_dim(dim, len(shape))]
    start = start + n if start < 0 else start
    return start, start + length


@op(
    "permute_copy(Tensor input, int[] dims) -> Tensor",
    meta=_as("permute"),
    kind="linear",
    grad_fn="PermuteBackward0_copy",
    forms="function",
    samples=_tried("permute"),
    vjp={"input": lambda g, dims: rules.permute(g, _inverse(dims))},
)
def permute_copy(input: Any, dims: Any) -> Any:
    """A copy with the dims in another order. Gradient: g with the dims put back. Source: torch.permute_copy.

    >>> torch.permute_copy(torch.tensor([[1, 2], [3, 4]]), (1, 0))
    tensor([[1, 3],
            [2, 4]])
    """
    return _copy(rules.permute(input, dims))


def _inverse(dims: Any) -> tuple[int, ...]:
    order = wrap_dims(dims, len(dims))
    return tuple(order.index(i) for i in range(len(order)))


@op(
    "select_copy.int(Tensor input, int dim, int index) -> Tensor",
    meta=_as("select.int"),
    kind="linear",
    grad_fn="SelectBackward0_copy",
    forms="function",
    samples=_tried("select.int"),
    vjp={"input": lambda g, input_shape, dim, index: rules.select_backward(g, input_shape, dim, index)},
)
def select_copy(input: Any, dim: Any, index: Any) -> Any:
    """A copy of the slice at one index of ``dim``.

    Gradient: g in that slice, zero elsewhere. Source: torch.select_copy.

    >>> torch.select_copy(torch.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    return _copy(rules.select(input, dim, index))


@op(
    "slice_copy.Tensor(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    meta=_as("slice.Tensor"),
    kind="linear",
    grad_fn="SliceBackward0_copy",
    forms="function",
    samples=_tried("slice.Tensor"),
    vjp={
        "input": lambda g, input_shape, dim, start, end, step: rules.slice_backward(
            g, input_shape, dim, start, end, step
        )
    },
)
def slice_copy(input: Any, dim: Any, start: Any, end: Any, step: Any) -> Any:
    """A copy of ``start:end:step`` of ``dim``. Gradient: g there, zero elsewhere. Source: torch.slice_copy.

    >>> torch.slice_copy(torch.arange(5), 0, 1, 5, 2)
    tensor([1, 3])
    """
    return _copy(rules.slice(input, dim, start, end, step))


@op(
    "split_with_sizes_copy(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]",
    meta=_as("split_with_sizes"),
    kind="linear",
    grad_fn="SplitWithSizesBackward0_copy",
    forms="function",
    samples=_tried("split_with_sizes"),
    vjp={"input": lambda grads, input_shape, split_sizes, dim: _joined(grads, input_shape, split_sizes, dim)},
)
def split_with_sizes_copy(input: Any, split_sizes: Any, dim: Any) -> Any:
    """Copies of parts of a dim with these sizes. Gradient: the parts', one after another. Source: torch.split_with_sizes_copy.

    >>> torch.split_with_sizes_copy(torch.arange(3), (1, 2))
    (tensor([0]), tensor([1, 2]))
    """
    return _copy(rules.split_with_sizes(input, split_sizes, dim))


def _joined(grads: Any, shape: tuple[int, ...], sizes: Sequence[int], dim: int) -> Any:
    there = next(g for g in grads if g is not None)
    kind = getattr(there.dtype, "numpy", there.dtype)
    d = wrap_dim(dim, len(shape))
    parts = [(*shape[:d], n, *shape[d + 1 :]) for n in sizes]
    return rules.cat([np.zeros(s, kind) if g is None else g for g, s in zip(grads, parts, strict=True)], d)


@op(
    "split_copy.Tensor(Tensor input, int split_size, int dim=0) -> Tensor[]",
    meta=_as("split.Tensor"),
    kind="linear",
    grad_fn="SplitBackward0_copy",
    forms="function",
    samples=_tried("split.Tensor"),
    vjp={"input": lambda grads, input_shape, split_size, dim: _joined_evenly(grads, input_shape, split_size, dim)},
)
def split_copy(input: Any, split_size: Any, dim: Any) -> Any:
    """Copies of parts of a dim, each of ``split_size`` but the last.

    Gradient: the parts', one after another. Source: torch.split_copy.

    >>> torch.split_copy(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _copy(rules.split(input, split_size, dim))


def _joined_evenly(grads: Any, shape: tuple[int, ...], size: int, dim: int) -> Any:
    n = shape[wrap_dim(dim, len(shape))]
    return _joined(grads, shape, [min(size, n - i * size) for i in range(len(grads))], dim)


@op(
    "squeeze_copy(Tensor input) -> Tensor",
    meta=_as("squeeze"),
    kind="linear",
    grad_fn="SqueezeBackward0_copy",
    forms="function",
    samples=_tried("squeeze"),
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def squeeze_copy(input: Any) -> Any:
    """A copy without the dims of size 1. Gradient: g with those dims put back. Source: torch.squeeze_copy.

    >>> torch.squeeze_copy(torch.tensor([[1, 2]]))
    tensor([1, 2])
    """
    return _copy(rules.squeeze(input))


@op(
    "squeeze_copy.dim(Tensor input, int dim) -> Tensor",
    meta=_as("squeeze.dim"),
    kind="linear",
    grad_fn="SqueezeBackward1_copy",
    forms="function",
    samples=_tried("squeeze.dim"),
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def squeeze_copy_dim(input: Any, dim: Any) -> Any:
    """A copy without the dim, if its size is 1. Gradient: g with that dim put back. Source: torch.squeeze_copy.

    >>> torch.squeeze_copy(torch.tensor([[1, 2]]), 0)
    tensor([1, 2])
    """
    return _copy(rules.squeeze(input, dim))


@op(
    "squeeze_copy.dims(Tensor input, int[] dim) -> Tensor",
    meta=_as("squeeze.dims"),
    kind="linear",
    grad_fn="SqueezeBackward2_copy",
    forms="function",
    samples=_tried("squeeze.dims"),
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def squeeze_copy_dims(input: Any, dim: Any) -> Any:
    """A copy without those of the dims whose size is 1. Gradient: g with them put back. Source: torch.squeeze_copy.

    >>> torch.squeeze_copy(torch.tensor([[[1], [2]]]), (0, 2))
    tensor([1, 2])
    """
    return _copy(rules.squeeze(input, dim))


@op(
    "t_copy(Tensor input) -> Tensor",
    meta=_as("t"),
    kind="linear",
    grad_fn="TBackward0_copy",
    forms="function",
    samples=_tried("t"),
    vjp={"input": lambda g: rules.t(g)},
)
def t_copy(input: Any) -> Any:
    """A copy of a matrix with its dims swapped. Gradient: g with its dims swapped. Source: torch.t_copy.

    >>> torch.t_copy(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    return _copy(rules.t(input))


@op(
    "transpose_copy.int(Tensor input, int dim0, int dim1) -> Tensor",
    meta=_as("transpose.int"),
    kind="linear",
    grad_fn="TransposeBackward0_copy",
    forms="function",
    samples=_tried("transpose.int"),
    vjp={"input": lambda g, dim0, dim1: rules.transpose(g, dim0, dim1)},
)
def transpose_copy(input: Any, dim0: Any, dim1: Any) -> Any:
    """A copy with two dims swapped. Gradient: g with them swapped. Source: torch.transpose_copy.

    >>> torch.transpose_copy(torch.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    return _copy(rules.transpose(input, dim0, dim1))


@op(
    "unbind_copy.int(Tensor input, int dim=0) -> Tensor[]",
    meta=_as("unbind.int"),
    kind="linear",
    grad_fn="UnbindBackward0_copy",
    forms="function",
    samples=_tried("unbind.int"),
    vjp={"input": lambda grads, input_shape, dim: _stacked(grads, input_shape, dim)},
)
def unbind_copy(input: Any, dim: Any) -> Any:
    """Copies of the slices along ``dim``. Gradient: the slices', side by side. Source: torch.unbind_copy.

    >>> torch.unbind_copy(torch.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    return _copy(rules.unbind(input, dim))


def _stacked(grads: Any, shape: tuple[int, ...], dim: int) -> Any:
    there = next(g for g in grads if g is not None)
    kind = getattr(there.dtype, "numpy", there.dtype)
    return rules.stack(
        [np.zeros(tuple(there.shape), kind) if g is None else g for g in grads], wrap_dim(dim, len(shape))
    )


@op(
    "unfold_copy(Tensor input, int dimension, int size, int step) -> Tensor",
    meta=_as("unfold"),
    kind="linear",
    grad_fn="UnfoldBackward0_copy",
    forms="function",
    samples=_tried("unfold"),
    vjp={
        "input": lambda g, input_shape, dimension, size, step: rules.unfold_backward(
            g, input_shape, dimension, size, step
        )
    },
)
def unfold_copy(input: Any, dimension: Any, size: Any, step: Any) -> Any:
    """Copies of all windows of a size along a dim, as a new last dim.

    Gradient: g added where it was read. Source: torch.unfold_copy.

    >>> torch.unfold_copy(torch.arange(4), 0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return _copy(rules.unfold(input, dimension, size, step))


@op(
    "unsqueeze_copy(Tensor input, int dim) -> Tensor",
    meta=_as("unsqueeze"),
    kind="linear",
    grad_fn="UnsqueezeBackward0_copy",
    forms="function",
    samples=_tried("unsqueeze"),
    vjp={"input": lambda g, dim: rules.squeeze(g, dim)},
)
def unsqueeze_copy(input: Any, dim: Any) -> Any:
    """A copy with a dim of size 1 put in. Gradient: g without that dim. Source: torch.unsqueeze_copy.

    >>> torch.unsqueeze_copy(torch.tensor([1, 2]), 1)
    tensor([[1],
            [2]])
    """
    return _copy(rules.unsqueeze(input, dim))


@op(
    "view_copy(Tensor input, int[] size) -> Tensor",
    meta=_as("view"),
    kind="linear",
    grad_fn="ViewBackward0_copy",
    forms="function",
    samples=_tried("view"),
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def view_copy(input: Any, size: Any) -> Any:
    """A copy of the same elements in another shape. Gradient: g in the input's shape. Source: torch.view_copy.

    >>> torch.view_copy(torch.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return _copy(rules.view(input, size))


@op(
    "view_as_real_copy(Tensor input) -> Tensor",
    meta=_as("view_as_real"),
    kind="linear",
    grad_fn="ViewAsRealBackward0_copy",
    forms="function",
    samples=_tried("view_as_real"),
    vjp={"input": lambda g: rules.view_as_complex(rules.contiguous(g))},
)
def view_as_real_copy(input: Any) -> Any:
    """A copy with real and imaginary parts in a new last dim.

    Gradient: g as complex numbers. Source: torch.view_as_real_copy.

    >>> torch.view_as_real_copy(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return _copy(rules.view_as_real(input))
