"""Views with dims in another order: transposes and their kin. Kernels answer a NumPy view. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import lean, rules
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
    forms="function method inplace",
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


def _inverse(dims: Any) -> tuple[int, ...]:
    if dims == (1, 0):
        return dims  # type: ignore[no-any-return]
    order = _order(len(dims), dims)
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
    vjp={"input": lambda g, dims: lean(permute, g, _inverse(dims))},  # type: ignore[has-type]
)
def permute(input: Any, dims: Any) -> Any:
    """A view with the dims in another order. Gradient: g with the dims ordered back. Source: torch.permute.

    >>> torch.ones(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    if dims == (1, 0) and input.ndim == 2:
        return input.T
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
    forms="function method inplace",
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
    return lean(permute, input, tuple(range(input.ndim))[::-1])


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
