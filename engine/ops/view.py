"""Views by stride: transposes, slices, diagonals, windows. Kernels answer a NumPy view. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import DimensionError, TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim

DIMS = over(
    Sample(array(2, 3), 0, 1),
    Sample(array(2, 3, 2), -1, 0, tags=("negative dim",)),
    Sample(np.array(1.5), 0, -1, tags=("0-d",)),
    Sample(array(0, 3), 0, 1, tags=("empty",)),
    Sample(strided(3, 2), 0, 1, tags=("non-contiguous",)),
)
WHOLE = over(
    Sample(array(2, 3)),
    Sample(array(0, 3), tags=("empty",)),
    Sample(strided(3, 2), tags=("non-contiguous",)),
)


def swapped(shape: tuple[int, ...], dim0: int, dim1: int) -> tuple[int, ...]:
    """A shape with two dims exchanged."""
    a, b = wrap_dim(dim0, len(shape)), wrap_dim(dim1, len(shape))
    out = list(shape)
    if shape:
        out[a], out[b] = out[b], out[a]
    return tuple(out)


@op(
    "transpose.int(Tensor input, int dim0, int dim1) -> Tensor",
    meta=lambda input, dim0, dim1: Spec(swapped(input.shape, dim0, dim1), input.dtype),
    kind="view",
    names=("transpose", "swapaxes", "swapdims"),
    samples=DIMS,
    vjp={"input": lambda g, dim0, dim1: rules.transpose(g, dim0, dim1)},
)
def transpose(input: Any, dim0: Any, dim1: Any) -> Any:
    """A view with two dims exchanged. Gradient: g with them exchanged back. Source: torch.transpose.

    >>> torch.ones(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    a, b = wrap_dim(dim0, input.ndim), wrap_dim(dim1, input.ndim)
    return np.swapaxes(input, a, b) if input.ndim else input[...]


def _order(ndim: int, dims: Any) -> tuple[int, ...]:
    if len(dims) != ndim:
        raise TensorError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of "
            f"dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = tuple(wrap_dim(d, ndim) for d in dims)
    if len(set(order)) != ndim:
        raise TensorError("permute(): duplicate dims are not allowed.")
    return order


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(i) for i in range(len(order)))


@op(
    "permute(Tensor input, int[] dims) -> Tensor",
    meta=lambda input, dims: Spec(tuple(input.shape[d] for d in _order(input.ndim, dims)), input.dtype),
    kind="view",
    samples=over(
        Sample(array(2, 3, 4), (2, 0, 1)),
        Sample(array(2, 3, 4), (-1, 0, 1), tags=("negative dim",)),
        Sample(np.array(1.5), (), tags=("0-d",)),
        Sample(array(0, 3), (1, 0), tags=("empty",)),
        Sample(strided(3, 2), (1, 0), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dims: rules.permute(g, _inverse(_order(len(dims), dims)))},
)
def permute(input: Any, dims: Any) -> Any:
    """A view with the dims in another order. Gradient: g with the dims ordered back. Source: torch.permute.

    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    return np.transpose(input, _order(input.ndim, dims))


def _matrix(name: str, ndim: int) -> None:
    if ndim > 2:
        raise TensorError(f"{name}() expects a tensor with <= 2 dimensions, but self is {ndim}D")


def _t_meta(input: Spec) -> Spec:
    _matrix("t", input.ndim)
    return Spec(input.shape[::-1], input.dtype)


@op(
    "t(Tensor input) -> Tensor",
    meta=_t_meta,
    kind="view",
    samples=lambda: [*WHOLE(), Sample(np.array(1.5), tags=("0-d",))],
    vjp={"input": lambda g: rules.t(g)},
)
def t(input: Any) -> Any:
    """The transpose of a matrix; a vector stays as it is. Gradient: g transposed. Source: torch.t.

    >>> torch.ones(2, 3).t().shape
    torch.Size([3, 2])
    """
    _matrix("t", input.ndim)
    return np.transpose(input)


@op(
    "T(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape[::-1], input.dtype),
    kind="composite",
    forms="property",
    samples=lambda: [*WHOLE(), Sample(np.array(1.5), tags=("0-d",))],
)
def reversed_dims(input: Any) -> Any:
    """A view with the dims in reverse order. Gradient: g with the dims reversed. Source: torch.Tensor.T.

    >>> torch.ones(2, 3).T.shape
    torch.Size([3, 2])
    """
    return rules.permute(input, tuple(range(input.ndim))[::-1])


def _matrices(name: str, shape: tuple[int, ...]) -> Any:
    if len(shape) < 2:
        raise TensorError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got {len(shape)}-D tensor."
        )
    return (*shape[:-2], shape[-1], shape[-2])


@op(
    "mT(Tensor input) -> Tensor",
    meta=lambda input: Spec(_matrices("mT", input.shape), input.dtype),
    kind="composite",
    forms="property",
    samples=WHOLE,
)
def matrix_transpose(input: Any) -> Any:
    """A view with the last two dims exchanged. Gradient: g with them exchanged back. Source: torch.Tensor.mT.

    >>> torch.ones(4, 2, 3).mT.shape
    torch.Size([4, 3, 2])
    """
    _matrices("mT", input.shape)
    return rules.transpose(input, -2, -1)


@op(
    "mH(Tensor input) -> Tensor",
    meta=lambda input: Spec(_matrices("mH", input.shape), input.dtype),
    kind="composite",
    forms="property",
    samples=WHOLE,
)
def matrix_adjoint(input: Any) -> Any:
    """The conjugate transpose of the last two dims. Source: torch.Tensor.mH.

    >>> torch.ones(4, 2, 3).mH.shape
    torch.Size([4, 3, 2])
    """
    _matrices("mH", input.shape)
    return rules.conj(rules.transpose(input, -2, -1))


def _h_meta(input: Spec) -> Spec:
    if input.ndim not in {0, 2}:
        raise TensorError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
    return Spec(input.shape[::-1], input.dtype)


@op(
    "H(Tensor input) -> Tensor",
    meta=_h_meta,
    kind="composite",
    forms="property",
    samples=lambda: [*WHOLE(), Sample(np.array(1.5), tags=("0-d",))],
)
def adjoint_matrix(input: Any) -> Any:
    """The conjugate transpose of a matrix. Source: torch.Tensor.H.

    >>> torch.ones(2, 3).H.shape
    torch.Size([3, 2])
    """
    if input.ndim not in {0, 2}:
        raise TensorError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
    return rules.conj(rules.transpose(input, 0, 1) if input.ndim else input)


@op(
    "adjoint(Tensor input) -> Tensor",
    meta=lambda input: Spec(_matrices("mH", input.shape), input.dtype),
    kind="composite",
    samples=WHOLE,
)
def adjoint(input: Any) -> Any:
    """The conjugate transpose of the last two dims. Source: torch.adjoint.

    >>> torch.adjoint(torch.ones(2, 3)).shape
    torch.Size([3, 2])
    """
    _matrices("mH", input.shape)
    return rules.conj(rules.transpose(input, -2, -1))


def _moved(ndim: int, source: Any, destination: Any) -> tuple[int, ...]:
    if len(source) != len(destination):
        raise TensorError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of dims as "
            f"destination ({list(destination)} dims)"
        )
    origin, goal = [wrap_dim(d, ndim) for d in source], [wrap_dim(d, ndim) for d in destination]
    for what, dims in (("source", origin), ("destination", goal)):
        if len(set(dims)) != len(dims):
            raise TensorError(
                f"movedim: repeated dim in `{what}` ({list(source if what == 'source' else destination)})"
            )
    order = [d for d in range(ndim) if d not in origin]
    for d, s in sorted(zip(goal, origin, strict=True)):
        order.insert(d, s)
    return tuple(order)


@op(
    "movedim.intlist(Tensor input, int[1] source, int[1] destination) -> Tensor",
    meta=lambda input, source, destination: Spec(
        tuple(input.shape[d] for d in _moved(input.ndim, source, destination)), input.dtype
    ),
    kind="composite",
    names=("movedim", "moveaxis"),
    samples=over(
        Sample(array(2, 3, 4), 0, 2),
        Sample(array(2, 3, 4), (0, 1), (-1, 0), tags=("negative dim",)),
        Sample(np.array(1.5), (), (), tags=("0-d",)),
        Sample(array(0, 3), 0, 1, tags=("empty",)),
        Sample(strided(3, 2), 0, 1, tags=("non-contiguous",)),
    ),
)
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """A view with some dims moved, the others in their order. Gradient: g with the dims moved back. Source: torch.movedim.

    >>> torch.ones(2, 3, 4).movedim(0, 2).shape
    torch.Size([3, 4, 2])
    """
    if not input.ndim:
        return rules.alias(input)
    return rules.permute(input, _moved(input.ndim, source, destination))


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
        "input": lambda g, input_shape, dim, start, end, step: rules.slice_backward(
            g, input_shape, dim, start, end, step
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
    out[(slice(None),) * wrap_dim(dim, len(sizes)) + (slice(start, end, step),)] = input
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
    vjp={"input": lambda g, input_shape, dim, index: rules.select_backward(g, input_shape, dim, index)},
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


def _stacked(grads: Any, input_shape: tuple[int, ...], dim: int) -> Any:
    there = next(g for g in grads if g is not None)
    return rules.stack([rules.zeros_like(there) if g is None else g for g in grads], wrap_dim(dim, len(input_shape)))


@op(
    "unbind.int(Tensor input, int dim=0) -> Tensor[]",
    meta=lambda input, dim: (
        [Spec(_pieces(input.shape, dim)[1], input.dtype)] * input.shape[_pieces(input.shape, dim)[0]]
    ),
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


def _windows(shape: tuple[int, ...], dimension: int, size: int, step: int) -> tuple[int, ...]:
    d = wrap_dim(dimension, len(shape))
    n = shape[d] if shape else 1
    if size < 0 or size > n:
        raise TensorError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise TensorError(f"step is {step} but must be > 0")
    if not shape:
        return (size,)
    return (*shape[:d], (n - size) // step + 1, *shape[d + 1 :], size)


@op(
    "unfold(Tensor input, int dimension, int size, int step) -> Tensor",
    meta=lambda input, dimension, size, step: Spec(_windows(input.shape, dimension, size, step), input.dtype),
    kind="view",
    forms="method",
    samples=over(
        Sample(array(6, 2), 0, 3, 2),
        Sample(array(2, 5), -1, 2, 1, tags=("negative dim",)),
        Sample(np.array(1.5), 0, 1, 1, tags=("0-d",)),
        Sample(array(0, 3), 1, 2, 1, tags=("empty",)),
        Sample(strided(3, 4), 1, 2, 2, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, input_shape, dimension, size, step: rules.unfold_backward(
            g, input_shape, dimension, size, step
        )
    },
)
def unfold(input: Any, dimension: Any, size: Any, step: Any) -> Any:
    """A view of all windows of ``size`` along a dim, ``step`` apart, as a last dim. Gradient: the windows' gradients, added up.

    Source: torch.Tensor.unfold.

    >>> torch.arange(5).unfold(0, 2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    shape = _windows(input.shape, dimension, size, step)
    if not input.ndim:
        return np.reshape(input, (1,))[:size]
    d = wrap_dim(dimension, input.ndim)
    strides = (*input.strides[:d], input.strides[d] * step, *input.strides[d + 1 :], input.strides[d])
    return np.lib.stride_tricks.as_strided(input, shape, strides)


@op(
    "unfold_backward(Tensor input, int[] sizes, int dim, int size, int step) -> Tensor",
    meta=lambda input, sizes, dim, size, step: Spec(tuple(sizes), input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 2, 3), (6, 2), 0, 3, 2),
        Sample(array(2, 4, 2), (2, 5), -1, 2, 1, tags=("negative dim",)),
        Sample(array(1), (), 0, 1, 1),
        Sample(array(0, 2, 2), (0, 3), 1, 2, 1, tags=("empty",)),
        Sample(strided(3, 2, 2), (3, 4), 1, 2, 2, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim, size, step: rules.unfold(g, dim, size, step)},
)
def unfold_backward(input: Any, sizes: Any, dim: Any, size: Any, step: Any) -> Any:
    """Windows added up where they came from: the gradient of ``unfold``. Source: PyTorch's unfold_backward.

    >>> torch.arange(5).unfold(0, 2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    out = np.zeros(sizes or (1,), input.dtype)
    d = wrap_dim(dim, out.ndim)
    lead = (slice(None),) * d
    for k in range(size):
        count = input.shape[d] if sizes else 1
        part = input[..., k]
        out[(*lead, slice(k, k + (count - 1) * step + 1, step))] += part
    return out.reshape(sizes) if sizes else out[0]


def _as_complex(input: Any) -> tuple[int, ...]:
    if input.dtype.name not in {"float16", "float32", "float64"}:
        raise TensorError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{input.dtype.name}"
        )
    if not input.ndim:
        raise TensorError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise TensorError("Tensor must have a last dimension of size 2")
    return tuple(input.shape[:-1])


def _as_complex_meta(input: Spec) -> Spec:
    return Spec(_as_complex(input), dtypes.complex128 if input.dtype is dtypes.float64 else dtypes.complex64)


@op(
    "view_as_complex(Tensor input) -> Tensor",
    meta=_as_complex_meta,
    kind="view",
    forms="function",
    samples=over(
        Sample(array(3, 2)), Sample(array(0, 2), tags=("empty",)), Sample(array(4, 2)[::2], tags=("non-contiguous",))
    ),
    vjp={"input": lambda g: rules.view_as_real(g)},
)
def view_as_complex(input: Any) -> Any:
    """A view of pairs of numbers in the last dim as complex numbers. Gradient: g as pairs. Source: torch.view_as_complex.

    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    shape = _as_complex(input)
    if input.strides[-1] != input.dtype.itemsize and input.size:
        raise TensorError("Tensor must have a last dimension with stride 1")
    return input.view(np.complex128 if input.dtype == np.float64 else np.complex64).reshape(shape)


def _as_real_meta(input: Spec) -> Spec:
    if input.dtype.category != 3:
        raise TensorError("view_as_real is only supported for complex tensors")
    return Spec((*input.shape, 2), dtypes.to_real(input.dtype))


@op(
    "view_as_real(Tensor input) -> Tensor",
    meta=_as_real_meta,
    kind="view",
    forms="function",
    samples=over(
        Sample(array(3, 2) * (1 + 2j)),
        Sample(np.array(1 + 2j), tags=("0-d",)),
        Sample(array(0, 2) * 1j, tags=("empty",)),
        Sample((array(4, 2) * (1 - 1j))[::2], tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g: rules.view_as_complex(rules.contiguous(g))},
)
def view_as_real(input: Any) -> Any:
    """A view of complex numbers as pairs in a new last dim. Gradient: g as complex numbers. Source: torch.view_as_real.

    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if input.dtype.kind != "c":
        raise TensorError("view_as_real is only supported for complex tensors")
    return np.expand_dims(input, -1).view(np.float64 if input.dtype == np.complex128 else np.float32)
