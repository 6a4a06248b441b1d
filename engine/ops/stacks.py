"""Tensors joined in blocks, brought to one number of dims or one shape. Rules: those of cat, expand and reshape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes

Shape = tuple[int, ...]


def _least(shape: Shape, n: int) -> Shape:
    """A shape with at least ``n`` dims, as atleast_1d, atleast_2d and atleast_3d give them."""
    if len(shape) >= n:
        return shape
    if not shape:
        return (1,) * n
    if len(shape) == 1:
        return (1, *shape) if n == 2 else (1, *shape, 1)
    return (*shape, 1)


def _raised(input: Any, n: int) -> Any:
    """The tensor itself, or a view of it with at least ``n`` dims."""
    if input.ndim >= n:
        return input
    if input.ndim == 0:
        return rules.reshape(input, (1,) * n)
    matrix = rules.unsqueeze(input, 0) if input.ndim == 1 else input
    return rules.unsqueeze(matrix, -1) if n == 3 else matrix


ONE = (
    Sample(array(2, 3)),
    Sample(array(3)),
    Sample(array(2, 1, 2)),
    Sample(np.array(1.5), tags=("0-d",)),
    Sample(array(0), tags=("empty",)),
    Sample(strided(4), tags=("non-contiguous",)),
)
SEVERAL = (
    Sample([array(2, 3), array(3, start=20)]),
    Sample([np.array(1.5), array(1, 2, 2)], tags=("0-d",)),
    Sample([array(0), array(2)], tags=("empty",)),
    Sample([strided(4), strided(3, 2)], tags=("non-contiguous",)),
)


def _one(n: int) -> Callable[..., Estimate]:
    return lambda input: Estimate((Spec(_least(input.shape, n), input.dtype),), 0, 1)


def _several(n: int) -> Callable[..., Estimate]:
    return lambda tensors: Estimate(tuple(Spec(_least(t.shape, n), t.dtype) for t in tensors), 0, 1)


@op("atleast_1d(Tensor input) -> Tensor", meta=_one(1), kind="composite", forms="function", samples=over(*ONE))
def atleast_1d(input: Any) -> Any:
    """The tensor; one without dims as a vector. Source: torch.atleast_1d.

    >>> torch.atleast_1d(torch.tensor(1.0))
    tensor([1.])
    """
    return _raised(input, 1)


@op(
    "atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]",
    meta=_several(1),
    kind="composite",
    forms="function",
    samples=over(*SEVERAL),
)
def atleast_1d_several(tensors: Any) -> Any:
    """Each of several tensors with at least one dim. Source: torch.atleast_1d.

    >>> torch.atleast_1d(torch.tensor(1.0), torch.tensor([2.0]))
    (tensor([1.]), tensor([2.]))
    """
    return tuple(_raised(t, 1) for t in tensors)


@op("atleast_2d(Tensor input) -> Tensor", meta=_one(2), kind="composite", forms="function", samples=over(*ONE))
def atleast_2d(input: Any) -> Any:
    """The tensor with at least two dims: a vector as one row. Source: torch.atleast_2d.

    >>> torch.atleast_2d(torch.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """
    return _raised(input, 2)


@op(
    "atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]",
    meta=_several(2),
    kind="composite",
    forms="function",
    samples=over(*SEVERAL),
)
def atleast_2d_several(tensors: Any) -> Any:
    """Each of several tensors with at least two dims. Source: torch.atleast_2d.

    >>> torch.atleast_2d(torch.tensor(1.0), torch.tensor([2.0]))
    (tensor([[1.]]), tensor([[2.]]))
    """
    return tuple(_raised(t, 2) for t in tensors)


@op("atleast_3d(Tensor input) -> Tensor", meta=_one(3), kind="composite", forms="function", samples=over(*ONE))
def atleast_3d(input: Any) -> Any:
    """The tensor with at least three dims: a matrix with one of size 1 behind. Source: torch.atleast_3d.

    >>> torch.atleast_3d(torch.tensor([1.0, 2.0]))
    tensor([[[1.],
             [2.]]])
    """
    return _raised(input, 3)


@op(
    "atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]",
    meta=_several(3),
    kind="composite",
    forms="function",
    samples=over(*SEVERAL),
)
def atleast_3d_several(tensors: Any) -> Any:
    """Each of several tensors with at least three dims. Source: torch.atleast_3d.

    >>> torch.atleast_3d(torch.tensor(1.0), torch.tensor([2.0]))
    (tensor([[[1.]]]), tensor([[[2.]]]))
    """
    return tuple(_raised(t, 3) for t in tensors)


def _joined(name: str, shapes: Sequence[Shape], dim: int) -> Shape:
    """The shape after cat along ``dim``; shapes have one number of dims or an error comes."""
    if not shapes:
        raise TensorError(f"{name} expects a non-empty TensorList")
    kept = [s for s in shapes if s != (0,)] or list(shapes[:1])
    first = kept[0]
    if len(first) != 1 and dim >= len(first):
        raise ShapeError(f"{name}: the tensors have too few dimensions")
    total = 0
    for i, shape in enumerate(kept):
        if len(shape) != len(first):
            raise ShapeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        for k, (a, b) in enumerate(zip(first, shape, strict=True)):
            if k != dim and a != b:
                raise ShapeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {a} but got size {b} for tensor number {i} in "
                    "the list."
                )
        total += shape[dim]
    return (*first[:dim], total, *first[dim + 1 :])


def _stack_meta(name: str, n: int, dim: int) -> Callable[..., Spec]:
    def meta(tensors: Sequence[Spec]) -> Spec:
        shapes = [_least(t.shape, n) for t in tensors]
        d = 0 if n == 1 and shapes and len(shapes[0]) == 1 else dim
        return Spec(_joined(name, shapes, d), tensors[0].dtype if tensors else dtypes.get_default_dtype())

    return meta


def _full(name: str, tensors: Any) -> None:
    if not tensors:
        raise TensorError(f"{name} expects a non-empty TensorList")


STACKED = (
    Sample([array(2, 3), array(2, 3, start=20)]),
    Sample([array(2), array(2, start=20)]),
    Sample([np.array(1.5), np.array(0.5)], tags=("0-d",)),
    Sample([array(0, 3), array(0, 3)], tags=("empty",)),
    Sample([strided(3, 2), array(3, 2, start=20)], tags=("non-contiguous",)),
)


@op(
    "hstack(Tensor[] tensors) -> Tensor",
    meta=_stack_meta("hstack", 1, 1),
    kind="composite",
    promote="common",
    forms="function",
    samples=over(*STACKED, Sample([array(2, 3), array(2, 1, start=20)])),
)
def hstack(tensors: Any) -> Any:
    """Tensors side by side: joined along the second dim, vectors along their only one.

    Errors: RuntimeError where other dims differ. Source: torch.hstack.

    >>> torch.hstack([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    _full("hstack", tensors)
    parts = [_raised(t, 1) for t in tensors]
    return rules.cat(parts, 0 if parts[0].ndim == 1 else 1)


@op(
    "vstack(Tensor[] tensors) -> Tensor",
    meta=_stack_meta("vstack", 2, 0),
    kind="composite",
    promote="common",
    names=("vstack", "row_stack"),
    forms="function",
    samples=over(*STACKED, Sample([array(2, 3), array(3, start=20)])),
)
def vstack(tensors: Any) -> Any:
    """Tensors one below the other: joined along the first dim, vectors as rows.

    Errors: RuntimeError where other dims differ. Source: torch.vstack.

    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    _full("vstack", tensors)
    return rules.cat([_raised(t, 2) for t in tensors], 0)


@op(
    "dstack(Tensor[] tensors) -> Tensor",
    meta=_stack_meta("dstack", 3, 2),
    kind="composite",
    promote="common",
    forms="function",
    samples=over(*STACKED, Sample([array(2, 3), array(2, 3, 2, start=20)])),
)
def dstack(tensors: Any) -> Any:
    """Tensors one behind the other: joined along the third dim.

    Errors: RuntimeError where other dims differ. Source: torch.dstack.

    >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    _full("dstack", tensors)
    return rules.cat([_raised(t, 3) for t in tensors], 2)


def _column_meta(tensors: Sequence[Spec]) -> Spec:
    shapes = [t.shape if t.ndim > 1 else (t.numel, 1) for t in tensors]
    dtype = tensors[0].dtype if tensors else dtypes.get_default_dtype()
    return Spec(_joined("column_stack", shapes, 1), dtype)


@op(
    "column_stack(Tensor[] tensors) -> Tensor",
    meta=_column_meta,
    kind="composite",
    promote="common",
    forms="function",
    samples=over(*STACKED, Sample([array(2, 3), array(2, start=20)])),
)
def column_stack(tensors: Any) -> Any:
    """Tensors side by side, vectors as columns.

    Errors: RuntimeError where other dims differ. Source: torch.column_stack.

    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    _full("column_stack", tensors)
    return rules.cat([t if t.ndim > 1 else rules.reshape(t, (_numel(t), 1)) for t in tensors], 1)


def _numel(t: Any) -> int:
    return t.shape[0] if t.ndim else 1


def _blocks(shapes: Sequence[Shape]) -> list[Shape]:
    for i, shape in enumerate(shapes):
        if len(shape) > 2:
            raise TensorError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {len(shape)} dimensions"
            )
    return [_least(s, 2) for s in shapes]


def _block_shape(shapes: Sequence[Shape]) -> Shape:
    blocks = _blocks(shapes)
    return (sum(b[0] for b in blocks), sum(b[1] for b in blocks)) if blocks else (1, 0)


def _block_meta(tensors: Sequence[Spec]) -> Spec:
    dtype = tensors[0].dtype if tensors else dtypes.get_default_dtype()
    return Spec(_block_shape([t.shape for t in tensors]), dtype)


def _unblocked(g: Any, shapes: Sequence[Shape]) -> list[Any]:
    out, row, col = [], 0, 0
    for shape, (n, m) in zip(shapes, _blocks(shapes), strict=True):
        part = rules.slice(rules.slice(g, 0, row, row + n), 1, col, col + m)
        out.append(part if len(shape) == 2 else rules.reshape(part, shape))
        row, col = row + n, col + m
    return out


@op(
    "block_diag(Tensor[] tensors) -> Tensor",
    meta=_block_meta,
    kind="linear",
    promote="common",
    forms="function",
    samples=over(
        Sample([array(2, 2), array(1, 2, start=20)]),
        Sample([array(2), np.array(0.5)], tags=("0-d",)),
        Sample([array(0, 2), array(1, 1)], tags=("empty",)),
        Sample([strided(2, 2), array(1)], tags=("non-contiguous",)),
    ),
    vjp={"tensors": lambda g, tensors_shape: _unblocked(g, tensors_shape)},
)
def block_diag(tensors: Any) -> Any:
    """A matrix of zeros with the tensors as blocks along its diagonal; vectors are rows.

    Gradient: the blocks of g. Errors: RuntimeError for more than two dims. Source: torch.block_diag.

    >>> torch.block_diag(torch.tensor([[1, 2], [3, 4]]), torch.tensor([5]))
    tensor([[1, 2, 0],
            [3, 4, 0],
            [0, 0, 5]])
    """
    if not tensors:
        return np.zeros((1, 0), dtypes.get_default_dtype().numpy)
    blocks = _blocks([t.shape for t in tensors])
    out = np.zeros(_block_shape(blocks), tensors[0].dtype)
    row = col = 0
    for t, (n, m) in zip(tensors, blocks, strict=True):
        out[row : row + n, col : col + m] = t
        row, col = row + n, col + m
    return out


def _broadcast_meta(tensors: Sequence[Spec]) -> Estimate:
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return Estimate(tuple(Spec(shape, t.dtype) for t in tensors), 0, 1)


@op(
    "broadcast_tensors(Tensor[] tensors) -> Tensor[]",
    meta=_broadcast_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample([array(2, 1), array(3, start=20)], tags=("broadcast",)),
        Sample([np.array(1.5), array(2)], tags=("0-d",)),
        Sample([array(0, 1), array(3)], tags=("empty",)),
        Sample([strided(3, 2), array(1, 2)], tags=("non-contiguous",)),
    ),
)
def broadcast_tensors(tensors: Any) -> Any:
    """Views of the tensors, expanded to the shape that all broadcast to.

    Errors: RuntimeError where they do not broadcast. Source: torch.broadcast_tensors.

    >>> torch.broadcast_tensors(torch.tensor([[1], [2]]), torch.tensor([3, 4]))
    (tensor([[1, 1],
            [2, 2]]), tensor([[3, 4],
            [3, 4]]))
    """
    shape = broadcast_shapes(*(tuple(t.shape) for t in tensors))
    return tuple(rules.expand(t, shape) for t in tensors)
