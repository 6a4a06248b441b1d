"""Shapes: view, reshape, expand, squeeze and their kin. Kernels of kind "view" answer a NumPy view of their input."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import ShapeError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import expanded, infer_size, wrap_dim, wrap_dims
from engine.tensor import Tensor


@op(
    "expand(Tensor input, int[] size, *, bool implicit=False) -> Tensor",
    meta=lambda input, size, implicit: Spec(expanded(input.shape, size), input.dtype),
    kind="view",
    forms="method",
    samples=over(
        Sample(array(2, 1), 2, 3, tags=("broadcast",)),
        Sample(np.array(1.5), 2, tags=("0-d",)),
        Sample(array(1, 3), 0, -1, tags=("negative dim",)),
        Sample(array(0, 1), 0, 2, tags=("empty",)),
        Sample(strided(3, 2, 2)[:, :1], 3, 4, 2, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape: rules.sum_to_size(g, input_shape)},
)
def expand(input: Any, size: Any, implicit: Any) -> Any:
    """A view with dims of size 1 repeated; -1 keeps a size.

    Gradient: g, summed over the repeated dims. Source: torch.Tensor.expand.

    >>> torch.ones(2, 1).expand(-1, 3).shape
    torch.Size([2, 3])
    """
    shape = expanded(input.shape, size)
    array = np.asarray(input)
    if array.flags.c_contiguous:  # NumPy's own function takes ten times as long
        lead = len(shape) - array.ndim
        strides = tuple(0 if n != m else s for n, m, s in zip(shape[lead:], array.shape, array.strides, strict=True))
        out: Any = np.ndarray(shape, array.dtype, array, 0, (*(0,) * lead, *strides))
        out.flags.writeable = array.flags.writeable
        return out
    return np.broadcast_to(array, shape)


@op(
    "unsqueeze(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: Spec(
        (*input.shape[: wrap_dim(dim, input.ndim + 1)], 1, *input.shape[wrap_dim(dim, input.ndim + 1) :]), input.dtype
    ),
    kind="view",
    forms="function method inplace",
    samples=over(
        Sample(array(2, 3), 1),
        Sample(array(2, 3), -1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), 0, tags=("empty",)),
        Sample(strided(3, 2), 2, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim: rules.squeeze(g, dim)},
)
def unsqueeze(input: Any, dim: Any) -> Any:
    """A view with a dim of size 1 put in at ``dim``.

    Gradient: g without that dim. Source: torch.unsqueeze.

    >>> torch.ones(2).unsqueeze(0).shape
    torch.Size([1, 2])
    """
    d = wrap_dim(dim, input.ndim + 1)
    return input.reshape((*input.shape[:d], 1, *input.shape[d:]))


def _squeezed(shape: tuple[int, ...], dims: Any) -> tuple[int, ...]:
    gone = set(range(len(shape))) if dims is None else {wrap_dim(d, len(shape)) for d in dims}
    return tuple(n for i, n in enumerate(shape) if i not in gone or n != 1)


def unsqueezed(g: Any, shape: tuple[int, ...], dims: Any) -> Any:
    """A gradient with the dims put back that a squeeze took."""
    gone = range(len(shape)) if dims is None else sorted(wrap_dim(d, len(shape)) for d in dims)
    for d in gone:
        if shape and shape[d] == 1:
            g = rules.unsqueeze(g, d)
    return g


@op(
    "squeeze(Tensor input) -> Tensor",
    meta=lambda input: Spec(_squeezed(input.shape, None), input.dtype),
    kind="view",
    forms="function method inplace",
    samples=over(
        Sample(array(2, 1)),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(np.zeros((0, 1)), tags=("empty",)),
        Sample(strided(3, 2, 2)[:, :1], tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape: unsqueezed(g, input_shape, None)},
)
def squeeze(input: Any) -> Any:
    """A view without the dims of size 1.

    Gradient: g with those dims put back. Source: torch.squeeze.

    >>> torch.ones(2, 1, 3).squeeze().shape
    torch.Size([2, 3])
    """
    return np.reshape(input, _squeezed(input.shape, None))


SQUEEZES = over(
    Sample(array(2, 1), 1),
    Sample(array(2, 1), -1, tags=("negative dim",)),
    Sample(np.array(1.5), 0, tags=("0-d",)),
    Sample(np.zeros((0, 1)), 1, tags=("empty",)),
    Sample(strided(3, 2, 2)[:, :1], 1, tags=("non-contiguous",)),
)


@op(
    "squeeze.dim(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: Spec(_squeezed(input.shape, (dim,)), input.dtype),
    kind="view",
    forms="function method inplace",
    grad_fn="SqueezeBackward1",
    samples=SQUEEZES,
    vjp={"input": lambda g, input_shape, dim: unsqueezed(g, input_shape, (dim,))},
)
def squeeze_dim(input: Any, dim: Any) -> Any:
    """A view without the dim, if its size is 1.

    Gradient: g with that dim put back. Source: torch.squeeze.

    >>> torch.ones(2, 1).squeeze(1).shape
    torch.Size([2])
    """
    return np.reshape(input, _squeezed(input.shape, (dim,)))


@op(
    "squeeze.dims(Tensor input, int[] dim) -> Tensor",
    meta=lambda input, dim: Spec(_squeezed(input.shape, wrap_dims(dim, input.ndim) if dim else ()), input.dtype),
    kind="view",
    forms="function method inplace",
    grad_fn="SqueezeBackward2",
    samples=lambda: [Sample(s.args[0], (s.args[1],), tags=s.tags) for s in SQUEEZES()],
    vjp={"input": lambda g, input_shape, dim: unsqueezed(g, input_shape, dim)},
)
def squeeze_dims(input: Any, dim: Any) -> Any:
    """A view without those of the dims whose size is 1.

    Gradient: g with those dims put back. Source: torch.squeeze.

    >>> torch.ones(2, 1, 1).squeeze((0, 1)).shape
    torch.Size([2, 1])
    """
    return np.reshape(input, _squeezed(input.shape, wrap_dims(dim, input.ndim) if dim else ()))


def _summable(shape: tuple[int, ...], size: Any) -> int:
    lead = len(shape) - len(size)
    if lead < 0 or any(n not in {1, m} for n, m in zip(size, shape[lead:], strict=True)):
        raise TensorError(f"size {{{list(size)}}} is not expandable to size {{{list(shape)}}}.")
    return lead


def _summed_meta(input: Spec, size: Any) -> Spec:
    _summable(input.shape, size)
    return Spec(tuple(size), input.dtype)


@op(
    "sum_to_size(Tensor input, int[] size) -> Tensor",
    kind="composite",
    forms="method",
    meta=_summed_meta,
    samples=over(
        Sample(array(2, 3), 1, 3),
        Sample(array(2, 3), 3, tags=("broadcast",)),
        Sample(np.array(1.5), (), tags=("0-d",)),
        Sample(array(0, 3), 1, 3, tags=("empty",)),
        Sample(strided(3, 2), 3, 1, tags=("non-contiguous",)),
    ),
)
def sum_to_size(input: Any, size: Any) -> Any:
    """Sum over the dims in which ``size`` is smaller: what undoes a broadcast.

    Errors: RuntimeError for a size that does not broadcast to the shape. Source: torch.Tensor.sum_to_size.

    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    lead = _summable(input.shape, size)
    if not size:
        return rules.sum(input)
    dims = [i for i in range(input.ndim) if i < lead or (size[i - lead] == 1 and input.shape[i] != 1)]
    if dims:
        input = rules.sum(input, dims, True)
    return rules.reshape(input, size) if lead else input


UNVIEWABLE = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). "
    "Use .reshape(...) instead."
)
VIEWS = over(
    Sample(array(2, 3), 3, 2),
    Sample(array(2, 3), -1),
    Sample(np.array(1.5), 1, 1, tags=("0-d",)),
    Sample(array(0, 3), 3, 0, tags=("empty",)),
    Sample(strided(3, 4)[::2], 2, 2, 2, tags=("non-contiguous",)),
)


@op(
    "view(Tensor input, int[] size) -> Tensor",
    meta=lambda input, size: Spec(infer_size(size, input.numel), input.dtype),
    kind="view",
    forms="method",
    samples=lambda: [
        *VIEWS()[:-1],
        Sample(array(4, 3)[::2], 2, 1, 3, tags=("non-contiguous",)),
    ],
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def view(input: Any, size: Any) -> Any:
    """The same elements in another shape, sharing memory; one size may be -1.

    Gradient: g in the input's shape. Errors: RuntimeError where the elements do not lie so that a view can show them.
    Source: torch.Tensor.view.

    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    shape = infer_size(size, input.size)
    try:
        return np.reshape(input, shape, copy=False)
    except ValueError:
        raise TensorError(UNVIEWABLE) from None


@op(
    "_unsafe_view(Tensor input, int[] size) -> Tensor",
    meta=lambda input, size: Spec(infer_size(size, input.numel), input.dtype),
    kind="linear",
    forms="",
    names=("_unsafe_view",),
    grad_fn="UnsafeViewBackward0",
    samples=VIEWS,
    vjp={"input": lambda g, input_shape: rules.reshape(g, input_shape)},
)
def unsafe_view(input: Any, size: Any) -> Any:
    """What nobody else holds, in another shape. Gradient: g in the input's shape. Source: torch.Tensor.view.

    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return np.reshape(input, infer_size(size, input.size))


def _viewable(t: Tensor, shape: tuple[int, ...]) -> bool:
    array = t._array
    if type(array) is not np.ndarray or array.flags.c_contiguous:
        return True
    try:
        np.reshape(array, shape, copy=False)
    except ValueError:
        return False
    return True


@op(
    "reshape(Tensor input, int[] shape) -> Tensor",
    kind="composite",
    meta=lambda input, shape: Spec(infer_size(shape, input.numel), input.dtype),
    samples=VIEWS,
)
def reshape(input: Any, shape: Any) -> Any:
    """The same elements in another shape: a view where that is possible, else a copy; one size may be -1.

    Gradient: g in the input's shape. Errors: RuntimeError where the number of elements differs. Source: torch.reshape.

    >>> torch.arange(6).reshape(3, -1)
    tensor([[0, 1],
            [2, 3],
            [4, 5]])
    """
    if not isinstance(input, Tensor):
        return np.reshape(input, infer_size(shape, input.size))
    shape = infer_size(shape, input.numel())
    return (
        rules.view(input, shape)
        if _viewable(input, shape)
        else rules._unsafe_view(rules._clone_contiguous(input), shape)
    )


def _flat(shape: tuple[int, ...], start_dim: int, end_dim: int) -> tuple[int, ...]:
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        raise TensorError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return (1,)
    middle = 1
    for n in shape[start : end + 1]:
        middle *= n
    return (*shape[:start], middle, *shape[end + 1 :])


@op(
    "flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor",
    kind="composite",
    meta=lambda input, start_dim, end_dim: Spec(_flat(input.shape, start_dim, end_dim), input.dtype),
    samples=over(
        Sample(array(2, 3)),
        Sample(array(2, 3, 2), 0, -2, tags=("negative dim",)),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def flatten(input: Any, start_dim: Any, end_dim: Any) -> Any:
    """The dims from ``start_dim`` to ``end_dim`` as one. Gradient: g in the input's shape. Source: torch.flatten.

    >>> torch.ones(2, 3).flatten().shape
    torch.Size([6])
    """
    shape = _flat(input.shape, start_dim, end_dim)
    return input if shape == tuple(input.shape) else rules.reshape(input, shape)


@op(
    "ravel(Tensor input) -> Tensor",
    kind="composite",
    meta=lambda input: Spec((input.numel,), input.dtype),
    samples=over(
        Sample(array(2, 3)),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def ravel(input: Any) -> Any:
    """All elements in one dim. Gradient: g in the input's shape. Source: torch.ravel.

    >>> torch.ones(2, 3).ravel().shape
    torch.Size([6])
    """
    return rules.reshape(rules.contiguous(input), (-1,))


def _unflat(shape: tuple[int, ...], dim: int, sizes: Any) -> tuple[int, ...]:
    d = wrap_dim(dim, len(shape))
    if not sizes:
        raise TensorError("unflatten: sizes must be non-empty")
    if not shape:
        raise TensorError("unflatten: cannot be called on a tensor without dims")
    try:
        inner = infer_size(sizes, shape[d])
    except TensorError:
        raise ShapeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) in the input tensor"
        ) from None
    return (*shape[:d], *inner, *shape[d + 1 :])


@op(
    "unflatten(Tensor input, int dim, int[] sizes) -> Tensor",
    kind="composite",
    meta=lambda input, dim, sizes: Spec(_unflat(input.shape, dim, sizes), input.dtype),
    samples=over(
        Sample(array(6, 2), 0, (2, 3)),
        Sample(array(2, 6), -1, (2, -1), tags=("negative dim",)),
        Sample(array(0, 3), 1, (3, 1), tags=("empty",)),
        Sample(strided(3, 4), 1, (2, 2), tags=("non-contiguous",)),
    ),
)
def unflatten(input: Any, dim: Any, sizes: Any) -> Any:
    """One dim as several. Gradient: g in the input's shape. Source: torch.unflatten.

    >>> torch.ones(6).unflatten(0, (2, 3)).shape
    torch.Size([2, 3])
    """
    return rules.view(input, _unflat(input.shape, dim, sizes))


@op(
    "broadcast_to(Tensor input, int[] size) -> Tensor",
    kind="composite",
    meta=lambda input, size: Spec(expanded(input.shape, size), input.dtype),
    samples=over(
        Sample(array(2, 1), 2, 3, tags=("broadcast",)),
        Sample(np.array(1.5), 2, tags=("0-d",)),
        Sample(array(1, 3), 0, 3, tags=("empty",)),
        Sample(array(0, 1), 0, 2, tags=("empty",)),
        Sample(strided(3, 2, 2)[:, :1], 3, 4, 2, tags=("non-contiguous",)),
    ),
)
def broadcast_to(input: Any, size: Any) -> Any:
    """``expand`` under NumPy's name. Gradient: g, summed over the repeated dims. Source: torch.broadcast_to.

    >>> torch.ones(3).broadcast_to(2, 3).shape
    torch.Size([2, 3])
    """
    return rules.expand(input, size)


@op(
    "expand_as(Tensor input, Tensor other) -> Tensor",
    kind="composite",
    forms="method",
    meta=lambda input, other: Spec(expanded(input.shape, other.shape), input.dtype),
    samples=over(
        Sample(array(2, 1), array(2, 3), tags=("broadcast",)),
        Sample(np.array(1.5), array(2), tags=("0-d",)),
        Sample(array(1, 3), array(0, 3), tags=("empty",)),
        Sample(strided(3, 2, 2)[:, :1], array(3, 4, 2), tags=("non-contiguous",)),
    ),
)
def expand_as(input: Any, other: Any) -> Any:
    """``expand`` to the shape of another tensor. Source: torch.Tensor.expand_as.

    >>> torch.ones(3).expand_as(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    return rules.expand(input, other.shape)


@op(
    "reshape_as(Tensor input, Tensor other) -> Tensor",
    kind="composite",
    forms="method",
    meta=lambda input, other: Spec(infer_size(other.shape, input.numel), input.dtype),
    samples=over(
        Sample(array(2, 3), array(3, 2)),
        Sample(np.array(1.5), array(1), tags=("0-d",)),
        Sample(array(0, 3), array(3, 0), tags=("empty",)),
        Sample(strided(3, 2), array(6), tags=("non-contiguous",)),
    ),
)
def reshape_as(input: Any, other: Any) -> Any:
    """``reshape`` to the shape of another tensor. Source: torch.Tensor.reshape_as.

    >>> torch.ones(6).reshape_as(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    return rules.reshape(input, other.shape)
