"""Writing at indices along a dim, element by element. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import NoDerivativeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.places import along, check_index, combined, flat_places, no_larger, ones, same_dtype, working
from engine.rules import rules
from engine.samples import array, strided
from engine.scalars import converted
from engine.shapes import wrap_dim

FORMS = "function method inplace"
GRID = np.array([[1, 0], [2, 2]])
APART = np.array([[1, 0], [2, 1]])
BOXES = np.array([[[0, 1, 2, 1]], [[2, 2, 0, 0]]])


def _check(input: Any, dim: int, index: Any, src: Any = None) -> int:
    d = wrap_dim(dim, len(input.shape))
    if src is not None:
        same_dtype("scatter(): Expected self.dtype to be equal to src.dtype", input, src)
    if 0 not in index.shape:
        check_index("scatter", index)
        no_larger(index, d, input.shape, None if src is None else src.shape)
    return d


def _places(input: Any, d: int, index: Any) -> Any:
    """Where in the flat input the index points; checked."""
    n = input.shape[d] if input.ndim else 1
    along(d, index, n)
    if input.ndim == 0:
        return np.reshape(index, -1)
    return flat_places(index, d, input.shape) if index.ndim else np.atleast_1d(index)


def _cut(src: Any, index: Any) -> Any:
    """The corner of src that an index of the same number of dims covers."""
    if src.shape == index.shape:
        return src
    return src[tuple(slice(n) for n in index.shape)] if src.ndim == index.ndim else np.reshape(src, -1)[: index.size]


def _to_src(g: Any, dim: Any, index: Any, src_shape: Any) -> Any:
    """A gradient at the indices; zeros in the part of src beyond the corner that the index covers."""
    return _filled(rules.gather(g, dim, index), tuple(src_shape))


def _filled(corner: Any, shape: tuple[int, ...]) -> Any:
    """What belongs to the corner of a source, with zeros to the source's shape."""
    if tuple(corner.shape) == shape:
        return corner
    if len(corner.shape) != len(shape):
        return rules.reshape(_filled(rules.reshape(corner, (-1,)), (math.prod(shape),)), shape)
    pads = [k for m, n in zip(reversed(corner.shape), reversed(shape), strict=True) for k in (0, n - m)]
    return rules.constant_pad_nd(corner, pads)


def _corner(src: Any, shape: tuple[int, ...]) -> Any:
    """As ``_cut``, on record."""
    if len(src.shape) != len(shape):
        return rules.reshape(rules.narrow(rules.reshape(src, (-1,)), 0, 0, math.prod(shape)), shape)
    for d, n in enumerate(shape):
        src = src if src.shape[d] == n else rules.narrow(src, d, 0, n)
    return src


def _written(input: Any) -> Any:
    """A contiguous copy of the input."""
    return np.array(input, order="C")


def _with(*more: Any, grid: Any = GRID, **kwargs: Any) -> Any:
    """Samples with a source of the index's shape in the place of the first ``...``."""

    def row(input: Any, dim: int, index: Any, *tags: str, source: Any = None) -> Sample:
        made = array(*index.shape, start=70) if source is None else source
        filled = [made if m is ... else m for m in more]
        return Sample(input, dim, index, *filled, tags=tags, **kwargs)

    def make() -> list[Sample]:
        return [
            row(array(3, 4), 0, grid),
            row(array(3, 4), -1, grid, "negative dim"),
            row(array(2, 3, 4), 1, BOXES if grid is GRID else BOXES[..., :1]),
            row(np.array(1.5), 0, np.array(0), "0-d", source=np.array(0.7)),
            row(array(0, 3), 0, np.zeros((0, 2), np.int64), "empty"),
            row(strided(3, 4), 1, grid, "non-contiguous", source=strided(2, 2, start=70)),
        ]

    return make


def _src_meta(input: Spec, dim: int, index: Spec, src: Spec) -> Estimate:
    _check(input, dim, index, src)
    return working(input, index.numel, input)


@op(
    "scatter.src(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
    meta=_src_meta,
    kind="opaque",
    forms=FORMS,
    samples=_with(..., grid=APART),
    vjp={
        "input": lambda g, dim, index: rules.scatter(g, dim, index, 0),
        "src": _to_src,
    },
)
def scatter(input: Any, dim: Any, index: Any, src: Any) -> Any:
    """A copy with elements replaced: ``out[index[i][j]][j] = src[i][j]`` for dim 0.

    Shapes: ``index`` has as many dims as the others and is nowhere larger, but along ``dim`` of ``input``. Where an index comes twice,
    one of the elements wins. Gradient: g with zeros where it was written; g at the indices for src. Errors: RuntimeError for an index
    out of range. Source: torch.scatter.

    >>> torch.zeros(2, 3).scatter(1, torch.tensor([[2], [0]]), torch.tensor([[5.0], [7.0]]))
    tensor([[0., 0., 5.],
            [7., 0., 0.]])
    """
    d = _check(input, dim, index, src)
    out = _written(input)
    if index.size:
        out.reshape(-1)[_places(input, d, index)] = _cut(src, index)
    return out


def _value_meta(input: Spec, dim: int, index: Spec, value: Any) -> Estimate:
    _check(input, dim, index)
    return working(input, index.numel, input)


@op(
    "scatter.value(Tensor input, int dim, Tensor index, Scalar value) -> Tensor",
    meta=_value_meta,
    kind="linear",
    grad_fn="ScatterBackward1",
    forms=FORMS,
    samples=_with(0.5),
    vjp={"input": lambda g, dim, index: rules.scatter(g, dim, index, 0)},
)
def scatter_value(input: Any, dim: Any, index: Any, value: Any) -> Any:
    """A copy with one number written at the indices.

    Gradient: g with zeros where it was written. Errors: RuntimeError for an index out of range. Source: torch.scatter.

    >>> torch.zeros(2, 3).scatter(1, torch.tensor([[2], [0]]), 1.5)
    tensor([[0.0000, 0.0000, 1.5000],
            [1.5000, 0.0000, 0.0000]])
    """
    d = _check(input, dim, index)
    out = _written(input)
    if index.size:
        out.reshape(-1)[_places(input, d, index)] = converted(value, input.dtype)
    return out


REDUCE = {"add": "sum", "multiply": "prod"}


def _reduction(reduce: str) -> str:
    if reduce not in REDUCE:
        raise TensorError("reduce argument must be either add or multiply.")
    return REDUCE[reduce]


def _reduce_meta(input: Spec, dim: int, index: Spec, src: Any, reduce: str) -> Estimate:
    _check(input, dim, index, src if isinstance(src, Spec) else None)
    _reduction(reduce)
    return working(input, index.numel, input)


@op(
    "scatter.reduce(Tensor input, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
    meta=_reduce_meta,
    kind="opaque",
    grad_fn="torch::autograd::NotImplemented",
    forms=FORMS,
    samples=_with(..., reduce="multiply"),
    vjp={"input, src": lambda g: _missing("scatter")},
)
def scatter_reducing(input: Any, dim: Any, index: Any, src: Any, reduce: Any) -> Any:
    """A copy to which elements are added, or by which it is multiplied, at the indices: ``reduce`` is "add" or "multiply".

    Gradient: not implemented, in PyTorch neither: use scatter_reduce. Source: torch.scatter.

    >>> torch.ones(1, 3).scatter(1, torch.tensor([[2, 2]]), torch.tensor([[5.0, 7.0]]), reduce="add")
    tensor([[ 1.,  1., 13.]])
    """
    how = _reduction(reduce)
    d = _check(input, dim, index, src)
    out = _written(input)
    if index.size:
        combined(how, out.reshape(-1), _places(input, d, index), _cut(src, index), include_self=True)
    return out


@op(
    "scatter.value_reduce(Tensor input, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
    meta=_reduce_meta,
    kind="opaque",
    grad_fn="torch::autograd::NotImplemented",
    forms=FORMS,
    samples=_with(0.5, reduce="add"),
    vjp={"input": lambda g: _missing("scatter")},
)
def scatter_value_reducing(input: Any, dim: Any, index: Any, value: Any, reduce: Any) -> Any:
    """A copy to which one number is added, or by which it is multiplied, at the indices: ``reduce`` is "add" or "multiply".

    Gradient: not implemented, in PyTorch neither. Source: torch.scatter.

    >>> torch.ones(1, 3).scatter(1, torch.tensor([[2, 2]]), 5.0, reduce="multiply")
    tensor([[ 1.,  1., 25.]])
    """
    how = _reduction(reduce)
    d = _check(input, dim, index)
    out = _written(input)
    if index.size:
        places = _places(input, d, index)
        combined(how, out.reshape(-1), places, np.full(places.shape, value, input.dtype), include_self=True)
    return out


def _missing(name: str) -> Any:
    raise NoDerivativeError(f"derivative for aten::{name} is not implemented")


def _add_meta(input: Spec, dim: int, index: Spec, src: Spec) -> Estimate:
    _check(input, dim, index, src)
    return working(input, index.numel, input)


@op(
    "scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
    meta=_add_meta,
    kind="linear",
    forms=FORMS,
    samples=_with(...),
    vjp={"input": lambda g: g, "src": _to_src},
)
def scatter_add(input: Any, dim: Any, index: Any, src: Any) -> Any:
    """A copy with elements added: ``out[index[i][j]][j] += src[i][j]`` for dim 0; an index may come several times.

    Shapes: as scatter. Gradient: g; g at the indices for src. Errors: RuntimeError for an index out of range.
    Source: torch.scatter_add.

    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 2, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    d = _check(input, dim, index, src)
    out = _written(input)
    if index.size:
        combined("sum", out.reshape(-1), _places(input, d, index), _cut(src, index), include_self=True)
    return out


REDUCTIONS = frozenset({"sum", "prod", "mean", "amax", "amin"})


def _two(input: Any, dim: int, index: Any, src: Any, reduce: str) -> int:
    if reduce not in REDUCTIONS:
        raise TensorError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    return _check(input, dim, index, src)


def _two_meta(input: Spec, dim: int, index: Spec, src: Spec, reduce: str, include_self: bool) -> Estimate:
    _two(input, dim, index, src, reduce)
    return working(input, index.numel, input)


def _reduced(
    g: Any, input: Any, dim: Any, index: Any, src: Any, reduce: Any, include_self: Any, result: Any
) -> tuple[Any, Any]:
    whole, src = tuple(src.shape), _corner(src, tuple(index.shape))

    def at(x: Any) -> Any:
        return rules.gather(x, dim, index)

    if reduce == "sum":
        to_input, to_src = g, at(g)
    elif reduce == "mean":
        start = ones(input.shape, g) * (1 if include_self else 0)
        count = rules.scatter_add(start, dim, index, ones(src.shape, g))
        count = rules.where(count == 0, 1, count)
        to_input, to_src = g / count, at(g) / at(count)
    elif reduce == "prod":
        full = rules.where(input == 0, 1, input)
        to_input = g * rules.scatter_reduce(full, dim, index, src, reduce, include_self=include_self) / full
        zero = src == 0
        many = at(rules.scatter_add(0 * ones(input.shape, g), dim, index, rules.where(zero, ones(src.shape, g), 0)))
        single = zero & (many == 1)
        others = rules.scatter_reduce(input, dim, index, rules.where(single, 1, src), reduce, include_self=include_self)
        to_src = rules.where(single, at(g * others), at(g * result) / rules.where(zero, 1, src))
    else:
        hit = rules.where(input == result, ones(input.shape, g), 0)
        src_hit = rules.where(src == at(result), ones(src.shape, g), 0)
        share = g / rules.scatter_add(hit, dim, index, src_hit)
        to_input, to_src = hit * share, src_hit * at(share)
    return to_input if include_self else rules.scatter(to_input, dim, index, 0), _filled(to_src, whole)


@op(
    "scatter_reduce.two(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor",
    meta=_two_meta,
    kind="opaque",
    forms=FORMS,
    samples=lambda: [
        s
        for reduce in ("sum", "mean", "prod", "amax", "amin")
        for keep in (True, False)
        for s in _with(..., reduce, include_self=keep)()
    ],
    vjp={"input, src": _reduced},
)
def scatter_reduce(input: Any, dim: Any, index: Any, src: Any, reduce: Any, include_self: Any) -> Any:
    """A copy with the elements of ``src`` reduced into it at the indices: by "sum", "prod", "mean", "amax" or "amin".

    include_self: whether the old elements take part. Shapes: as scatter. Gradient: of the reduction; extremes that tie share it evenly.
    Errors: RuntimeError for an index out of range. Source: torch.scatter_reduce.

    >>> torch.ones(3).scatter_reduce(0, torch.tensor([0, 2, 2]), torch.tensor([4.0, 2.0, 3.0]), "amax")
    tensor([4., 1., 3.])
    """
    d = _two(input, dim, index, src, reduce)
    out = _written(input)
    if index.size:
        combined(reduce, out.reshape(-1), _places(input, d, index), _cut(src, index), include_self=include_self)
    return out
