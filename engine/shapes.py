"""Shapes and dims: what estimates and kernels share. Every function takes plain tuples and raises PyTorch's sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from engine import dtypes
from engine.domain import same_dtype
from engine.errors import DimensionError, InvalidValueError, ShapeError, TensorError
from engine.op import Estimate, Spec

__all__ = [
    "boolean",
    "broadcast",
    "broadcast_shapes",
    "expanded",
    "infer_size",
    "loss_shape",
    "matmul_estimate",
    "matmul_shape",
    "product",
    "reduced",
    "reduced_shape",
    "rows",
    "same",
    "weighted",
    "wrap_dim",
    "wrap_dims",
]


def wrap_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front. A tensor without dims takes 0 and -1.

    >>> wrap_dim(-1, 3)
    2
    """
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise DimensionError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def wrap_dims(dims: Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Several dims counted from the front; None or an empty list means all. Errors: RuntimeError for one given twice."""
    if dims is None or len(dims) == 0:
        return tuple(range(ndim))
    wrapped = tuple(wrap_dim(d, ndim) for d in dims)
    for d in wrapped:
        if wrapped.count(d) > 1:
            raise TensorError(f"dim {d} appears multiple times in the list of dims")
    return wrapped


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to. Errors: RuntimeError in PyTorch's words.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    out: tuple[int, ...] = ()
    for shape in shapes:
        n = max(len(out), len(shape))
        a = (1,) * (n - len(out)) + out
        b = (1,) * (n - len(shape)) + shape
        for i, (p, q) in enumerate(zip(a, b, strict=True)):
            if p != q and 1 not in (p, q):
                raise ShapeError(
                    f"The size of tensor a ({p}) must match the size of tensor b ({q}) at non-singleton dimension {i}\n"
                    f"(shapes {out} and {shape} do not broadcast)"
                )
        out = tuple(q if p == 1 else p for p, q in zip(a, b, strict=True))
    return out


def expanded(shape: tuple[int, ...], size: Any) -> tuple[int, ...]:
    """The shape that ``expand`` gives; -1 keeps a size."""
    if len(size) < len(shape):
        raise TensorError(
            f"expand(torch.FloatTensor{{{list(shape)}}}, size={list(size)}): the number of sizes provided ({len(size)}) must be greater "
            f"or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    lead = len(size) - len(shape)
    out = []
    for i, n in enumerate(size):
        old = shape[i - lead] if i >= lead else None
        if n == -1:
            if old is None:
                raise TensorError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            out.append(old)
        elif old is not None and old not in (1, n):
            raise ShapeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({old}) at non-singleton dimension {i}.  "
                f"Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
            )
        else:
            out.append(n)
    return tuple(out)


def reduced_shape(shape: tuple[int, ...], dims: Sequence[int] | None, keepdim: bool) -> tuple[int, ...]:
    """The shape after reducing ``dims`` (None or empty: all)."""
    gone = set(wrap_dims(dims, len(shape)))
    if keepdim:
        return tuple(1 if i in gone else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def loss_shape(shape: tuple[int, ...], reduction: str) -> tuple[int, ...]:
    """The shape of a loss: the elements' own for "none", none for "mean" and "sum". Errors: ValueError for another word.

    >>> loss_shape((2, 3), "none")
    (2, 3)
    """
    if reduction == "none":
        return shape
    if reduction not in ("mean", "sum"):
        raise InvalidValueError(f"{reduction} is not a valid value for reduction")
    return ()


def infer_size(shape: Sequence[int], numel: int) -> tuple[int, ...]:
    """A wanted shape with its one -1 filled in.

    >>> infer_size((2, -1), 6)
    (2, 3)
    """
    known = 1
    hole = None
    for i, n in enumerate(shape):
        if n == -1:
            if hole is not None:
                raise TensorError("only one dimension can be inferred")
            hole = i
        elif n < 0:
            raise TensorError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
        else:
            known *= n
    if hole is None:
        if known != numel:
            raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
        return tuple(shape)
    if known == 0 and not numel:
        raise TensorError(
            f"cannot reshape tensor of {numel} elements into shape {list(shape)} because the unspecified dimension size -1 can be "
            "any value and is ambiguous"
        )
    if not known or numel % known:
        raise ShapeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return tuple(numel // known if i == hole else n for i, n in enumerate(shape))


# -- estimates that many rows share ------------------------------------------------------------------------------------


def _specs(args: Sequence[Any]) -> list[Spec]:
    return [a for a in args if isinstance(a, Spec)]


def broadcast(*args: Any) -> Spec:
    """The broadcast shape of all tensors among the arguments, in their common dtype."""
    specs = _specs(args)
    return Spec(broadcast_shapes(*(s.shape for s in specs)), specs[0].dtype)


def boolean(*args: Any) -> Spec:
    """As ``broadcast``, in bool: what comparisons answer."""
    return Spec(broadcast(*args).shape, dtypes.bool_)


def same(input: Spec, *args: Any) -> Spec:
    """The first argument's own shape and dtype."""
    return input


def weighted(weight: int) -> Any:
    """As ``broadcast``, with so many weighted operations an element."""

    def meta(*args: Any) -> Estimate:
        out = broadcast(*args)
        return Estimate((out,), 0, weight * max(out.numel, 1))

    return meta


def reduced(input: Spec, dim: Any = None, keepdim: bool = False, *rest: Any) -> Spec:
    """The first argument reduced over ``dim`` (an int, several, or None for all)."""
    dims = (dim,) if isinstance(dim, int) else dim
    return Spec(reduced_shape(input.shape, dims, keepdim), input.dtype)


def product(shape: tuple[int, ...], d: Any, inner: int) -> Estimate:
    """One output, each of whose elements is a sum of ``inner`` products."""
    out = Spec(shape, d)
    return Estimate((out,), 0, 2 * out.numel * max(inner, 1) + out.numel)


def rows(x: Any) -> int:
    """How many rows a batch of matrices has in all.

    >>> import numpy as np
    >>> rows(np.ones((2, 3, 4)))
    6
    """
    return math.prod(x.shape[:-1])


def matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of ``matmul``. Errors: RuntimeError for shapes that cannot be multiplied."""
    if not a or not b:
        raise TensorError(f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D")
    left, right = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if left[-1] != right[-2]:
        if len(a) <= 2 and len(b) <= 2:
            if len(a) == len(b) == 1:
                raise ShapeError(
                    f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same number of elements, but got "
                    f"{a[0]} and {b[0]} elements respectively"
                )
            if len(b) == 1:
                raise ShapeError(f"size mismatch, got input ({a[0]}), mat ({a[0]}x{a[1]}), vec ({b[0]})")
        if len(b) <= 2 or len(a) <= 2:
            rows = left[-2]
            for n in left[:-2]:
                rows *= n
            raise ShapeError(
                f"mat1 and mat2 shapes cannot be multiplied ({rows}x{left[-1]} and {right[-2]}x{right[-1]})"
            )
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{left[0]}, {left[-1]}] but got: "
            f"[{right[0]}, {right[-2]}]."
        )
    batch = broadcast_shapes(left[:-2], right[:-2])
    return (*batch, *(left[-2:-1] if len(a) > 1 else ()), *(right[-1:] if len(b) > 1 else ()))


def matmul_estimate(input: Spec, other: Spec) -> Estimate:
    """What ``matmul`` costs."""
    shape = matmul_shape(input.shape, other.shape)
    same_dtype(input, other)
    out = product(shape, input.dtype, input.shape[-1])
    return Estimate(out.outputs, input.nbytes + other.nbytes + out.outputs[0].nbytes, out.cost)
