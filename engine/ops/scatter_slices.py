"""Writing whole slices along a dim at the indices of a vector. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import DimensionError, DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.places import (
    along,
    check_index,
    code,
    combined,
    inside,
    ones,
    same_dtype,
    spoken_of,
    vector_places,
    working,
    zeros,
)
from engine.rules import rules
from engine.samples import array, strided
from engine.scalars import converted
from engine.shapes import wrap_dim

FORMS = "function method inplace"
VECTOR = np.array([2, 0, 2])
APART = np.array([2, 0])
MANY = 16384
WIDE = 8
"""From so many elements, in rows of such a width, a sparse product adds faster than a loop over flat memory."""


def _with(index: Any, *more: Any, **kwargs: Any) -> Any:
    """Samples with a source that fits the index in the place of ``...``."""

    def row(input: Any, dim: int, index: Any, source: Any, *tags: str) -> Sample:
        return Sample(input, dim, index, *(source if m is ... else m for m in more), tags=tags, **kwargs)

    def make() -> list[Sample]:
        n = index.size
        return [
            row(array(3, 4), 0, index, array(n, 4, start=70)),
            row(array(2, 3), -1, index, array(2, n, start=70), "negative dim"),
            row(array(2, 3, 2), 1, index.astype(np.int64), array(2, n, 2, start=70)),
            row(np.array(1.5), 0, np.array([0]), np.array(0.7), "0-d"),
            row(array(3, 0), 0, index, array(n, 0), "empty"),
            row(strided(3, 4), 0, index, strided(n, 4, start=70), "non-contiguous"),
        ]

    return make


def _slices(name: str, input: Any, dim: int, index: Any, source: Any) -> int:
    """The checks that adding and reducing share."""
    d = wrap_dim(dim, len(input.shape))
    if len(index.shape) > 1:
        raise DimensionError(
            f"{name}(): Index is supposed to be a vector, but got dim: {len(index.shape)} with type: {spoken_of(index)} and size: "
            f"{list(index.shape)}"
        )
    check_index(name, index, got=True)
    same_dtype(f"{name}(): self ({{a}}) and source ({{b}}) must have the same scalar type", input, source)
    n = index.shape[0] if index.shape else 1
    m = source.shape[d] if len(source.shape) > d else 1
    if n != m:
        raise ShapeError(f"{name}(): Number of indices ({n}) should be equal to source.size(dim): ({m}), for dim: {d}")
    ours, theirs = list(input.shape), list(source.shape)
    if len(ours) != len(theirs) or ours[:d] != theirs[:d] or ours[d + 1 :] != theirs[d + 1 :]:
        raise ShapeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {ours} source.shape = {theirs}"
        )
    return d


SCALARS = {"float32": "float", "float64": "double", "float16": "at::Half", "bool": "bool", "uint8": "uint8_t"}


def _factor(input: Any, alpha: Any) -> None:
    name = code(input)
    if type(alpha) is complex and alpha.imag and not name.startswith("complex"):
        raise TensorError(f"value cannot be converted to type {SCALARS.get(name, name + '_t')} without overflow")


def _places(input: Any, d: int, index: Any) -> Any:
    return vector_places(np.reshape(index, -1), d, input.shape or (1,))


def _picked(g: Any, dim: int, index: Any, shape: Any) -> Any:
    """What a gradient holds at the indices, in the source's shape."""
    return rules.reshape(rules.index_select(g, dim, index), shape)


def _rows_added(out: Any, index: Any, rows: Any) -> None:
    """Add rows (m, k) to those of a contiguous (n, k) that a vector names; one may come several times."""
    m, k = rows.shape
    if m * k >= MANY and k >= WIDE and rows.dtype.char in "fdFD":
        from scipy.sparse import csc_array

        out += csc_array((np.ones(m, rows.dtype), index, np.arange(m + 1)), shape=(len(out), m)) @ np.ascontiguousarray(
            rows
        )
    else:
        places = index * k if k == 1 else (index * k)[:, None] + np.arange(k)
        np.add.at(out.reshape(-1), places.reshape(-1), rows.reshape(-1))


def _add_meta(input: Spec, dim: int, index: Spec, source: Spec, alpha: Any) -> Estimate:
    _slices("index_add_", input, dim, index, source)
    _factor(input, alpha)
    return working(input, source.numel, input, source)


@op(
    "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor",
    meta=_add_meta,
    kind="linear",
    forms=FORMS,
    samples=lambda: [*_with(VECTOR, ...)(), *_with(VECTOR, ..., alpha=2)()],
    vjp={
        "input": lambda g: g,
        "source": lambda g, dim, index, source_shape, alpha: (
            _picked(g, dim, index, source_shape) if alpha == 1 else _picked(g, dim, index, source_shape) * alpha
        ),
    },
)
def index_add(input: Any, dim: Any, index: Any, source: Any, alpha: Any) -> Any:
    """A copy with slices of ``source``, times ``alpha``, added to the slices along ``dim`` that a vector of indices names.

    Gradient: g; alpha times g at the indices for source. Errors: RuntimeError for an index out of range. Source: torch.index_add.

    >>> torch.ones(3, 2).index_add(0, torch.tensor([0, 2, 2]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    tensor([[ 2.,  3.],
            [ 1.,  1.],
            [ 9., 11.]])
    """
    d = _slices("index_add_", input, dim, index, source)
    along(d, index, input.shape[d] if input.ndim else 1)
    if alpha != 1:
        _factor(input, alpha)
        source = np.multiply(source, np.asarray(alpha).astype(source.dtype))
    out = np.array(input, order="C")
    if source.size and d == 0:
        vector = np.reshape(index, -1)
        _rows_added(out.reshape(input.shape[0] if input.ndim else 1, -1), vector, np.reshape(source, (vector.size, -1)))
    elif source.size:
        combined("sum", out.reshape(-1), _places(input, d, index), source, include_self=True)
    return out


def _copied(input: Any, dim: int, index: Any, source: Any) -> int:
    d = wrap_dim(dim, len(input.shape))
    name = "index_copy_()"
    if len(index.shape) > 1:
        raise DimensionError(f"{name}: Index should have dimension 1 or 0 (got {len(index.shape)})")
    n = index.shape[0] if index.shape else 1
    if not source.shape and n != 1:
        raise DimensionError(f"{name}: When source is scalar, index should have one element (got {n})")
    if source.shape and input.shape and len(source.shape) != len(input.shape):
        raise DimensionError(
            f"{name}: When source and destination are not scalars, their dimensionality must match. Source dimensionality "
            f"({len(source.shape)}), destination dimensionality ({len(input.shape)})"
        )
    if code(index) != "int64":
        raise DtypeError(f"{name}: Expected a long tensor for index, but got {spoken_of(index)}")
    same_dtype(
        f"{name}: self and source expected to have the same dtype, but got (self) {{a}} and (source) {{b}}",
        input,
        source,
    )
    ours = [*input.shape[:d], *input.shape[d + 1 :]]
    theirs = [*source.shape[:d], *source.shape[d + 1 :]]
    if ours != theirs:
        raise ShapeError(
            f"{name}: Source/destination tensor must have same slice shapes. Destination slice shape: {_listed(ours)} at dimension "
            f"{d} and source slice shape: {_listed(theirs)} at dimension 0."
        )
    if source.shape and n != source.shape[d]:
        raise DimensionError(f"{name}: Number of indices ({n}) should be equal to source.size(dim) ({source.shape[d]})")
    return d


def _listed(sizes: list[int]) -> str:
    return " ".join(map(str, sizes))


def _copy_meta(input: Spec, dim: int, index: Spec, source: Spec) -> Estimate:
    _copied(input, dim, index, source)
    return working(input, source.numel, input, source)


@op(
    "index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor",
    meta=_copy_meta,
    kind="opaque",
    forms=FORMS,
    samples=_with(APART, ...),
    vjp={
        "input": lambda g, dim, index: rules.index_fill(g, dim, index, 0),
        "source": lambda g, dim, index, source_shape: _picked(g, dim, index, source_shape),
    },
)
def index_copy(input: Any, dim: Any, index: Any, source: Any) -> Any:
    """A copy with the slices along ``dim`` that a vector of indices names replaced by those of ``source``.

    Gradient: g with zeros where it was written; g at the indices for source. Errors: IndexError for an index out of range.
    Source: torch.index_copy.

    >>> torch.zeros(3).index_copy(0, torch.tensor([2, 0]), torch.tensor([5.0, 7.0]))
    tensor([7., 0., 5.])
    """
    d = _copied(input, dim, index, source)
    n = input.shape[d] if input.ndim else 1
    inside(index, n, f"index_copy_(): index {{index}} is out of bounds for dimension {d} with size {n}", DimensionError)
    out = np.array(input, order="C")
    if source.size:
        places = _places(input, d, index)
        out.reshape(-1)[places] = np.reshape(source, places.shape)
    return out


def _filled(input: Any, dim: int, index: Any) -> int:
    d = wrap_dim(dim, len(input.shape))
    if code(index) != "int64":
        raise DimensionError("index_fill_(): Expected dtype int64 for index.")
    if len(index.shape) > 1:
        raise TensorError("Index has to be a vector/scalar")
    return d


def _fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    d = _filled(input, dim, index)
    n = input.shape[d] if input.ndim else 1
    inside(index, n, f"index {{index}} is out of bounds for dimension {d} with size {n}", DimensionError, low=-n)
    out = np.array(input, order="C")
    if out.size and index.size:
        out.reshape(-1)[_places(input, d, index % n)] = value
    return out


def _real_into(input: Any, value: Any) -> None:
    if type(value) is complex and not code(input).startswith("complex"):
        raise TensorError("index_fill_(): Converting complex Scalar to non-complex type is not supported")


def _slice_numel(input: Spec, dim: int) -> int:
    return math.prod(n for d, n in enumerate(input.shape) if d != wrap_dim(dim, input.ndim))


def _fill_meta(input: Spec, dim: int, index: Spec, value: Any) -> Estimate:
    _filled(input, dim, index)
    _real_into(input, value)
    return working(input, _slice_numel(input, dim) * index.numel, input)


@op(
    "index_fill.int_Scalar(Tensor input, int dim, Tensor index, Scalar value) -> Tensor",
    meta=_fill_meta,
    kind="linear",
    forms=FORMS,
    samples=_with(VECTOR, 0.5),
    vjp={"input": lambda g, dim, index: rules.index_fill(g, dim, index, 0)},
)
def index_fill(input: Any, dim: Any, index: Any, value: Any) -> Any:
    """A copy with the slices along ``dim`` that a vector of indices names filled with one number.

    Gradient: g with zeros where it was written. Errors: IndexError for an index out of range. Source: torch.index_fill.

    >>> torch.zeros(2, 3).index_fill(1, torch.tensor([0, -1]), 4.0)
    tensor([[4., 0., 4.],
            [4., 0., 4.]])
    """
    _real_into(input, value)
    return _fill(input, dim, index, converted(value, input.dtype))


def _zero_dim(value: Any) -> None:
    if value.shape:
        raise TensorError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value.shape)} dimension(s)."
        )


def _fill_tensor_meta(input: Spec, dim: int, index: Spec, value: Spec) -> Estimate:
    _zero_dim(value)
    _filled(input, dim, index)
    return working(input, _slice_numel(input, dim) * index.numel, input)


def _to_fill(g: Any, dim: int, index: Any) -> Any:
    """The gradient over all slices that were filled, each once."""
    filled = rules.index_fill(zeros(tuple(g.shape), g), dim, index, 1)
    return rules.sum(rules.where(filled != 0, g, 0))


@op(
    "index_fill.int_Tensor(Tensor input, int dim, Tensor index, Tensor value) -> Tensor",
    meta=_fill_tensor_meta,
    kind="linear",
    grad_fn="IndexFillBackward1",
    forms=FORMS,
    samples=_with(VECTOR, np.array(0.5)),
    vjp={"input": lambda g, dim, index: rules.index_fill(g, dim, index, 0), "value": _to_fill},
)
def index_fill_tensor(input: Any, dim: Any, index: Any, value: Any) -> Any:
    """A copy with the slices along ``dim`` that a vector of indices names filled with the value of a tensor without dims.

    Gradient: g with zeros where it was written; the sum of g over what was filled for value. Source: torch.index_fill.

    >>> torch.zeros(3).index_fill(0, torch.tensor([1, 1]), torch.tensor(4.0))
    tensor([0., 4., 0.])
    """
    _zero_dim(value)
    return _fill(input, dim, index, value)


REDUCTIONS = frozenset({"prod", "mean", "amax", "amin"})


def _reducing(input: Any, dim: int, index: Any, source: Any, reduce: str) -> int:
    if reduce not in REDUCTIONS:
        raise TensorError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    return _slices("index_reduce_", input, dim, index, source)


def _reduce_meta(input: Spec, dim: int, index: Spec, source: Spec, reduce: str, include_self: bool) -> Estimate:
    _reducing(input, dim, index, source, reduce)
    return working(input, source.numel, input, source)


def _reduced(
    g: Any, input: Any, dim: Any, index: Any, source: Any, reduce: Any, include_self: Any, result: Any
) -> tuple[Any, Any]:
    def at(x: Any) -> Any:
        return _picked(x, dim, index, tuple(source.shape))

    if reduce == "mean":
        start = ones(input.shape, g) * (1 if include_self else 0)
        count = rules.index_add(start, dim, index, ones(source.shape, g))
        count = rules.where(count == 0, 1, count)
        to_input, to_source = g / count, at(g) / at(count)
    elif reduce == "prod":
        full = rules.where(input == 0, 1, input)
        to_input = g * rules.index_reduce(full, dim, index, source, reduce, include_self=include_self) / full
        zero = source == 0
        many = at(rules.index_add(0 * ones(input.shape, g), dim, index, rules.where(zero, ones(source.shape, g), 0)))
        single = zero & (many == 1)
        masked = rules.where(single, 1, source)
        others = rules.index_reduce(input, dim, index, masked, reduce, include_self=include_self)
        to_source = rules.where(single, at(g * others), at(g * result) / rules.where(zero, 1, source))
    else:
        hit = rules.where(input == result, ones(input.shape, g), 0)
        source_hit = rules.where(source == at(result), ones(source.shape, g), 0)
        share = g / rules.index_add(hit, dim, index, source_hit)
        to_input, to_source = hit * share, source_hit * at(share)
    return to_input if include_self else rules.index_fill(to_input, dim, index, 0), to_source


@op(
    "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
    meta=_reduce_meta,
    kind="opaque",
    forms=FORMS,
    samples=lambda: [
        s
        for reduce in ("mean", "prod", "amax", "amin")
        for keep in (True, False)
        for s in _with(VECTOR, ..., reduce, include_self=keep)()
    ],
    vjp={"input, source": _reduced},
)
def index_reduce(input: Any, dim: Any, index: Any, source: Any, reduce: Any, include_self: Any) -> Any:
    """A copy with slices of ``source`` reduced into those that a vector of indices names: by "prod", "mean", "amax" or "amin".

    include_self: whether the old slices take part. Gradient: of the reduction; extremes that tie share it evenly.
    Errors: IndexError for an index out of range. Source: torch.index_reduce.

    >>> torch.ones(3).index_reduce(0, torch.tensor([0, 2, 2]), torch.tensor([4.0, 2.0, 3.0]), "prod")
    tensor([4., 1., 6.])
    """
    d = _reducing(input, dim, index, source, reduce)
    inside(index, input.shape[d] if input.ndim else 1, "index out of range in self", DimensionError)
    out = np.array(input, order="C")
    if source.size:
        combined(reduce, out.reshape(-1), _places(input, d, index), source, include_self=include_self)
    return out
