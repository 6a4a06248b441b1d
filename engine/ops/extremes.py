"""Largest and smallest elements, with their places. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import Domain, real
from engine.errors import DimensionError, TensorError
from engine.op import Sample, Spec, op
from engine.reduced import along, counted, restored
from engine.rules import rules
from engine.samples import array, over, pairs, reductions, strided
from engine.shapes import broadcast, reduced_shape, wrap_dim, wrap_dims

MAX_ALL = real("max_all")
MIN_ALL = real("min_all")
MAX_DIM = Domain("c", "max(): does not support complex input", TensorError)
MIN_DIM = Domain("c", "min(): does not support complex input", TensorError)


# -- elements chosen along a dim, and gradients put back to them -------------------------------------------------------------


@op(
    "_chosen(Tensor input, int dim, Tensor index) -> Tensor",
    meta=lambda input, dim, index: Spec(index.shape, input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 3), 1, np.array([[0], [2]])),
        Sample(array(2, 3), -1, np.array([[0], [2]]), tags=("negative dim",)),
        Sample(np.array(1.5), 0, np.array(0), tags=("0-d",)),
        Sample(array(0, 3), 1, np.zeros((0, 2), np.int64), tags=("empty",)),
        Sample(strided(3, 2), 0, np.array([[2, 0]]), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape, dim, index: rules._put(g, dim, index, input_shape, True)},
)
def _chosen(input: Any, dim: Any, index: Any) -> Any:
    """The elements at ``index`` along ``dim``.

    Gradient: g, added back at those places. Source: torch.gather.

    >>> torch.tensor([[1.0, 5.0]]).max(1).values
    tensor([5.])
    """
    return input[along(index, dim)] if input.ndim else input


@op(
    "_put(Tensor input, int dim, Tensor index, int[] size, bool add=False) -> Tensor",
    meta=lambda input, dim, index, size, add: Spec(tuple(size), input.dtype),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 1), 1, np.array([[0], [2]]), (2, 3)),
        Sample(array(2, 1), -1, np.array([[0], [2]]), (2, 3), tags=("negative dim",)),
        Sample(np.array(1.5), 0, np.array(0), (), tags=("0-d",)),
        Sample(array(0, 2), 1, np.zeros((0, 2), np.int64), (0, 3), True, tags=("empty",)),
        Sample(strided(2, 2), 0, np.array([[2, 0], [2, 1]]), (3, 2), True, tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, dim, index: rules._chosen(g, dim, index)},
)
def _put(input: Any, dim: Any, index: Any, size: Any, add: Any) -> Any:
    """Zeros with the elements put to the places ``index`` along ``dim``; added up there with ``add``.

    Gradient: g at those places. Source: torch.scatter.

    >>> torch.tensor([[1.0, 5.0]]).max(1).indices
    tensor([1])
    """
    if not size:
        return input
    out = np.zeros(size, input.dtype)
    if not add:
        out[along(index, dim)] = input
        return out
    np.add.at(out, along(index, dim), input)
    return out


def placed(g: Any, indices: Any, input_shape: tuple[int, ...], dim: int, keepdim: bool) -> Any:
    """The gradient of elements chosen along a dim, put back to their places."""
    n = len(input_shape)
    return rules._put(restored(g, n, (dim,), keepdim), dim, restored(indices, n, (dim,), keepdim), input_shape)


def _to_chosen(grads: Any, input_shape: Any, dim: Any, keepdim: Any, result1: Any) -> Any:
    return placed(grads[0], result1, input_shape, dim, keepdim)


# -- over all elements -------------------------------------------------------------------------------------------------------


def _all_meta(name: str, domain: Domain) -> Any:
    def meta(input: Spec) -> Spec:
        if 0 in input.shape:
            raise TensorError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
        return Spec((), input.dtype)

    return domain(meta)


def _evenly(g: Any, input: Any, result: Any) -> Any:
    mask = (input == result) | (input != input)  # noqa: PLR0124 - NaN
    return g / counted(mask, None, g) * mask


_full = over(
    Sample(array(2, 3)),
    Sample(np.array(1.5), tags=("0-d",)),
    Sample(strided(3, 2), tags=("non-contiguous",)),
)


@op(
    "max(Tensor input) -> Tensor",
    meta=_all_meta("max", MAX_ALL),
    kind="reduce",
    grad_fn="MaxBackward1",
    samples=_full,
    vjp={"input": _evenly},
)
def max_all(input: Any) -> Any:
    """The largest element; NaN where there is one.

    Gradient: g, shared evenly among the elements that are largest. Errors: RuntimeError for no elements. Source: torch.max.

    >>> torch.tensor([1.0, 5.0, 3.0]).max()
    tensor(5.)
    """
    if input.dtype.kind == "c":
        MAX_ALL.check(input)
    return np.maximum.reduce(input, axis=None)


@op(
    "min(Tensor input) -> Tensor",
    meta=_all_meta("min", MIN_ALL),
    kind="reduce",
    grad_fn="MinBackward1",
    samples=_full,
    vjp={"input": _evenly},
)
def min_all(input: Any) -> Any:
    """The smallest element; NaN where there is one.

    Gradient: g, shared evenly among the elements that are smallest. Errors: RuntimeError for no elements. Source: torch.min.

    >>> torch.tensor([4.0, 1.0, 3.0]).min()
    tensor(1.)
    """
    if input.dtype.kind == "c":
        MIN_ALL.check(input)
    return np.minimum.reduce(input, axis=None)


# -- along a dim -------------------------------------------------------------------------------------------------------------


def _sized(name: str, shape: tuple[int, ...], dim: int) -> None:
    d = wrap_dim(dim, len(shape))
    if shape and shape[d] == 0:
        raise DimensionError(f"{name}: Expected reduction dim {d} to have non-zero size.")


def _dim_meta(name: str, domain: Domain) -> Any:
    def meta(input: Spec, dim: int, keepdim: bool) -> tuple[Spec, Spec]:
        _sized(f"{name}()", input.shape, dim)
        shape = reduced_shape(input.shape, (dim,), keepdim)
        domain.check(input)
        return Spec(shape, input.dtype), Spec(shape, dtypes.int64)

    return meta


def _with_places(input: Any, dim: int, keepdim: bool, ufunc: Any, place: Any) -> Any:
    if not input.ndim:
        wrap_dim(dim, 0)
        return input, np.int64(0)
    values = ufunc.reduce(input, axis=dim, keepdims=keepdim)
    return values, place(input, dim, None, keepdims=keepdim)


@op(
    "max.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_dim_meta("max", MAX_DIM),
    kind="reduce",
    samples=reductions(),
    vjp={"input": _to_chosen},
)
def max_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """The largest elements along a dim and the indices of the first of each.

    Gradient: g to the elements at the indices. Errors: IndexError for a dim of size 0. Source: torch.max.

    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).max(1)
    torch.return_types.max(
    values=tensor([5., 4.]),
    indices=tensor([1, 0]))
    """
    if input.dtype.kind == "c":
        _sized("max()", input.shape, dim)
        MAX_DIM.check(input)
    return _with_places(input, dim, keepdim, np.maximum, np.ndarray.argmax)


@op(
    "min.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    meta=_dim_meta("min", MIN_DIM),
    kind="reduce",
    samples=reductions(),
    vjp={"input": _to_chosen},
)
def min_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """The smallest elements along a dim and the indices of the first of each.

    Gradient: g to the elements at the indices. Errors: IndexError for a dim of size 0. Source: torch.min.

    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).min(1)
    torch.return_types.min(
    values=tensor([1., 2.]),
    indices=tensor([0, 1]))
    """
    if input.dtype.kind == "c":
        _sized("min()", input.shape, dim)
        MIN_DIM.check(input)
    return _with_places(input, dim, keepdim, np.minimum, np.ndarray.argmin)


@op(
    "max.other(Tensor input, Tensor other) -> Tensor",
    meta=Domain("c", "maximum not implemented for complex tensors.", TensorError)(broadcast),
    kind="composite",
    promote="common",
    samples=pairs(),
)
def max_other(input: Any, other: Any) -> Any:
    """The larger of two elements: ``maximum``.

    Shapes: any two that broadcast. Source: torch.max.

    >>> torch.max(torch.tensor([1.0, 5.0]), torch.tensor([3.0]))
    tensor([3., 5.])
    """
    return rules.maximum(input, other)


@op(
    "min.other(Tensor input, Tensor other) -> Tensor",
    meta=Domain("c", "minimum not implemented for complex tensors.", TensorError)(broadcast),
    kind="composite",
    promote="common",
    samples=pairs(),
)
def min_other(input: Any, other: Any) -> Any:
    """The smaller of two elements: ``minimum``.

    Shapes: any two that broadcast. Source: torch.min.

    >>> torch.min(torch.tensor([1.0, 5.0]), torch.tensor([3.0]))
    tensor([1., 3.])
    """
    return rules.minimum(input, other)


def _both_meta(input: Spec, dim: int | None, keepdim: bool) -> tuple[Spec, Spec]:
    BOTH.check(input)
    if dim is None:
        if 0 in input.shape:
            raise TensorError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        spec = Spec((1,) * input.ndim if keepdim else (), input.dtype)
    else:
        _sized("aminmax", input.shape, dim)
        spec = Spec(reduced_shape(input.shape, (dim,), keepdim), input.dtype)
    return spec, spec


BOTH = real("aminmax_cpu")


def _to_both(grads: Any, input: Any, result0: Any, result1: Any, dim: Any, keepdim: Any) -> Any:
    total = None
    dims = None if dim is None else (dim,)
    for g, result in zip(grads, (result0, result1), strict=True):
        if g is None:
            continue
        mask = input == restored(result, input.ndim, dims, keepdim)
        part = restored(g, input.ndim, dims, keepdim) * mask / counted(mask, dims, g)
        total = part if total is None else total + part
    return total


@op(
    "aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
    meta=_both_meta,
    kind="reduce",
    samples=lambda: [*_full(), *(Sample(s.args[0], dim=s.args[1], tags=s.tags) for s in reductions()())],
    vjp={"input": _to_both},
)
def aminmax(input: Any, dim: Any, keepdim: Any) -> Any:
    """The smallest and the largest elements, of all or along a dim.

    Gradient: as ``amin`` and ``amax``. Errors: RuntimeError for no elements. Source: torch.aminmax.

    >>> torch.aminmax(torch.tensor([4.0, 1.0, 3.0]))
    torch.return_types.aminmax(
    min=tensor(1.),
    max=tensor(4.))
    """
    if input.dtype.kind == "c":
        BOTH.check(input)
    if not input.ndim:
        wrap_dim(dim or 0, 0)
        return input, input
    return np.minimum.reduce(input, axis=dim, keepdims=keepdim), np.maximum.reduce(input, axis=dim, keepdims=keepdim)


# -- places ------------------------------------------------------------------------------------------------------------------


def _ordered(name: str, input: Any) -> None:
    for letter, spoken in (("c", "complex"), ("b", "bool")):
        Domain(letter, f"{name}(): does not support {spoken} input", TensorError).check(input)


def _place_meta(name: str) -> Any:
    def meta(input: Spec, dim: int | None, keepdim: bool) -> Spec:
        _ordered(name, input)
        if dim is None:
            if 0 in input.shape:
                raise DimensionError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
            return Spec((1,) * input.ndim if keepdim else (), dtypes.int64)
        _sized(f"{name}()", input.shape, dim)
        return Spec(reduced_shape(input.shape, (dim,), keepdim), dtypes.int64)

    return meta


def _place(name: str, input: Any, dim: Any, keepdim: bool, function: Any) -> Any:
    if input.dtype.kind in "bc":
        _ordered(name, input)
    if not input.ndim:
        wrap_dim(dim or 0, 0)
        return np.int64(0)
    return function(input, dim, None, keepdims=keepdim)


def _places() -> list[Sample]:
    return [*_full(), *(Sample(*s.args, tags=s.tags) for s in reductions()())]


@op(
    "argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
    meta=_place_meta("argmax"),
    kind="reduce",
    samples=_places,
)
def argmax(input: Any, dim: Any, keepdim: Any) -> Any:
    """The index of the first largest element, of all (counted in row order) or along a dim.

    Errors: IndexError for a dim of size 0; RuntimeError for bool and complex tensors. Source: torch.argmax.

    >>> torch.argmax(torch.tensor([[1.0, 5.0], [4.0, 2.0]]), 1)
    tensor([1, 0])
    """
    return _place("argmax", input, dim, keepdim, np.ndarray.argmax)


@op(
    "argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
    meta=_place_meta("argmin"),
    kind="reduce",
    samples=_places,
)
def argmin(input: Any, dim: Any, keepdim: Any) -> Any:
    """The index of the first smallest element, of all (counted in row order) or along a dim.

    Errors: IndexError for a dim of size 0; RuntimeError for bool and complex tensors. Source: torch.argmin.

    >>> torch.argmin(torch.tensor([[1.0, 5.0], [4.0, 2.0]]), 1)
    tensor([0, 1])
    """
    return _place("argmin", input, dim, keepdim, np.ndarray.argmin)


@op(
    "count_nonzero.dim_IntList(Tensor input, int[1]? dim=None) -> Tensor",
    meta=lambda input, dim: Spec(reduced_shape(input.shape, dim, False), dtypes.int64),
    kind="reduce",
    samples=lambda: [Sample(*s.args[:2], tags=s.tags) for s in _places()],
)
def count_nonzero(input: Any, dim: Any) -> Any:
    """How many elements are not zero, of all or over some dims. Source: torch.count_nonzero.

    >>> torch.count_nonzero(torch.tensor([[0.0, 5.0], [4.0, 2.0]]), 0)
    tensor([1, 2])
    """
    if not input.ndim:
        wrap_dims(dim, 0)
    return np.add.reduce(input != 0, axis=tuple(dim) if dim and input.ndim else None, dtype=np.int64)
