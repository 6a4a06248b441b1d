"""Reductions: sums, means, extremes, norms. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.apply import run
from engine.domain import Domain, real, spoken
from engine.errors import DimensionError, TensorError
from engine.op import OPS, Sample, Spec, op
from engine.reduced import counted, is_raw, restored, spread, stretched
from engine.rules import rules
from engine.samples import array, over, reductions, strided, unary
from engine.shapes import reduced_shape, wrap_dim, wrap_dims


def _sum_dtype(d: dtypes.dtype, wanted: dtypes.dtype | None) -> dtypes.dtype:
    return wanted or (d if d.category >= 2 else dtypes.int64)


def _everywhere(g: Any, input_shape: tuple[int, ...]) -> Any:
    return stretched(g, input_shape) if is_raw(g) else run(OPS["expand"][0], [g, input_shape, False])


@op(
    "sum(Tensor input, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dtype: Spec((), _sum_dtype(input.dtype, dtype)),
    kind="reduce",
    grad_fn="SumBackward0",
    samples=unary(),
    vjp={"input": _everywhere},
)
def sum_all(input: Any, dtype: Any) -> Any:
    """The sum of all elements.

    Gradient: g, expanded to the input's shape. Source: torch.sum.

    >>> torch.ones(2, 3).sum()
    tensor(6.)
    """
    if dtype is None and input.dtype.kind == "f":
        return np.add.reduce(input, None)
    return np.add.reduce(input, axis=None, dtype=_sum_dtype(dtypes.of_numpy(input.dtype), dtype).numpy)


@op(
    "sum.dim_IntList(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, keepdim, dtype: Spec(
        reduced_shape(input.shape, dim, keepdim), _sum_dtype(input.dtype, dtype)
    ),
    kind="reduce",
    grad_fn="SumBackward1",
    samples=reductions(),
    vjp={"input": spread},
)
def sum_dim(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The sum over some dims.

    Gradient: g, expanded along the dims. Source: torch.sum.

    >>> torch.ones(2, 3).sum(dim=1)
    tensor([3., 3.])
    """
    wanted = _sum_dtype(dtypes.of_numpy(input.dtype), dtype).numpy
    return np.add.reduce(input, axis=axes(input, dim), dtype=wanted, keepdims=keepdim)


def axes(input: Any, dim: Any) -> Any:
    """What NumPy takes as axes: None for all dims. NumPy itself refuses what is out of range; the estimate then says how."""
    if not dim:
        return None
    if not input.ndim:
        wrap_dims(dim, 0)
        return None
    return dim


# -- means -------------------------------------------------------------------------------------------------------------


def _mean_dtype(d: dtypes.dtype, wanted: dtypes.dtype | None, name: str = "mean") -> dtypes.dtype:
    if wanted is not None:
        if wanted.category < 2:
            raise TensorError(
                f"{name}(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. "
                f"Got: {_SPOKEN[wanted.category, wanted.itemsize]}"
            )
        return wanted
    if d.category < 2:
        raise TensorError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {_SPOKEN[d.category, d.itemsize] if d is not dtypes.uint8 else 'Byte'}"
        )
    return d


_SPOKEN: Final = {(0, 1): "Bool", (1, 1): "Char", (1, 2): "Short", (1, 4): "Int", (1, 8): "Long"}


def _averaged(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    d = input.dtype
    if dtype is not None or d.kind not in "fc":
        d = _mean_dtype(dtypes.of_numpy(d), dtype).numpy
    accumulator: Any = np.float32 if d.char == "e" else d
    total = np.add.reduce(input, axis=dim, dtype=accumulator, keepdims=keepdim)
    mean = total / (input.size // (total.size or 1) if total.size else 1)
    return mean.astype(d) if mean.dtype != d else mean


@op(
    "mean(Tensor input, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dtype: Spec((), _mean_dtype(input.dtype, dtype)),
    kind="reduce",
    samples=unary(),
    vjp={"input": lambda g, input_shape: _everywhere(g / (math.prod(input_shape) or 1), input_shape)},
)
def mean_all(input: Any, dtype: Any) -> Any:
    """The mean of all elements; NaN of none.

    Gradient: g divided by the number of elements, expanded. Errors: RuntimeError for integers without a floating ``dtype``.
    Source: torch.mean.

    >>> torch.tensor([1.0, 2.0, 6.0]).mean()
    tensor(3.)
    """
    return _averaged(input, None, False, dtype)


def count(shape: tuple[int, ...], dim: Any) -> int:
    """How many elements make one of the result."""
    return math.prod(shape[d] for d in wrap_dims(dim, len(shape))) if shape else 1


def _mean_meta(input: Spec, dim: Any, keepdim: bool, dtype: Any) -> Spec:
    d = _mean_dtype(input.dtype, dtype)
    return Spec(reduced_shape(input.shape, dim, keepdim), d)


@op(
    "mean.dim(Tensor input, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=_mean_meta,
    kind="reduce",
    grad_fn="MeanBackward1",
    samples=reductions(),
    vjp={
        "input": lambda g, input_shape, dim, keepdim: spread(
            g / (count(input_shape, dim) or 1), input_shape, dim, keepdim
        )
    },
)
def mean_dim(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The mean over some dims.

    Gradient: g divided by the number of elements in a mean, expanded along the dims. Errors: RuntimeError for integers without a
    floating ``dtype``. Source: torch.mean.

    >>> torch.tensor([[1.0, 2.0], [3.0, 6.0]]).mean(1)
    tensor([1.5000, 4.5000])
    """
    if input.dtype.kind not in "fc":
        _mean_dtype(dtypes.of_numpy(input.dtype), dtype)
    return _averaged(input, axes(input, dim), keepdim, dtype)


def _extremes() -> list[Sample]:
    return [
        *(Sample(*s.args, tags=s.tags) for s in reductions()()),
        Sample(array(2, 3)),
        Sample(array(2, 3), (0, -1), True),
    ]


def _over_dims(shape: tuple[int, ...], dim: Any, keepdim: bool) -> tuple[int, ...]:
    return shape if dim is not None and not dim else reduced_shape(shape, dim, keepdim)


_several_dims = over(
    Sample(array(2, 3), (0, 1)),
    Sample(array(2, 3), (-1,), True, tags=("negative dim",)),
    Sample(array(2, 3), ()),
    Sample(np.array(1.5), (0,), tags=("0-d",)),
    Sample(np.zeros((0, 3)), (1,), tags=("empty",)),
    Sample(strided(3, 2), (0,), tags=("non-contiguous",)),
)


# -- extremes over dims ------------------------------------------------------------------------------------------------


def _shared(g: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    """The gradient of an extreme, shared evenly among the elements that are equal to it."""
    g, result = restored(g, input.ndim, dim, keepdim), restored(result, input.ndim, dim, keepdim)
    mask = input == result
    return g * mask / counted(mask, dim, g)


def nonempty(name: str, shape: tuple[int, ...], dim: Any) -> None:
    """Errors: RuntimeError, or IndexError with dims, where an extreme would be of no elements."""
    if not dim:
        if 0 in shape:
            raise TensorError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument."
            )
        return
    for d in dim:
        if shape and shape[wrap_dim(d, len(shape))] == 0:
            raise DimensionError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _spec(input: Any) -> Spec:
    return Spec(input.shape, dtypes.of_numpy(input.dtype))


def _extreme_meta(name: str) -> Any:
    def meta(input: Spec, dim: Any, keepdim: bool) -> Spec:
        nonempty(name, input.shape, dim)
        shape = reduced_shape(input.shape, dim, keepdim)
        (LARGEST if name == "amax" else LEAST).check(input)
        return Spec(shape, input.dtype)

    return meta


LARGEST = real("max_values_cpu")
LEAST = real("min_values_cpu")


@op(
    "amax(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor",
    meta=_extreme_meta("amax"),
    kind="reduce",
    samples=_extremes,
    vjp={"input": _shared},
)
def amax(input: Any, dim: Any, keepdim: Any) -> Any:
    """The largest element over some dims; NaN where one is.

    Gradient: g, shared evenly among the elements that are largest. Errors: IndexError for a dim of size 0. Source: torch.amax.

    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).amax(1)
    tensor([5., 4.])
    """
    if input.dtype.kind == "c":
        _extreme_meta("amax")(_spec(input), dim, keepdim)
    return np.maximum.reduce(input, axis=axes(input, dim), keepdims=keepdim)


@op(
    "amin(Tensor input, int[1]? dim=[], bool keepdim=False) -> Tensor",
    meta=_extreme_meta("amin"),
    kind="reduce",
    samples=_extremes,
    vjp={"input": _shared},
)
def amin(input: Any, dim: Any, keepdim: Any) -> Any:
    """The smallest element over some dims; NaN where one is.

    Gradient: g, shared evenly among the elements that are smallest. Errors: IndexError for a dim of size 0. Source: torch.amin.

    >>> torch.tensor([[1.0, 5.0], [4.0, 2.0]]).amin(1)
    tensor([1., 2.])
    """
    if input.dtype.kind == "c":
        _extreme_meta("amin")(_spec(input), dim, keepdim)
    return np.minimum.reduce(input, axis=axes(input, dim), keepdims=keepdim)


# -- truth -------------------------------------------------------------------------------------------------------------


def _truth(input: Spec) -> dtypes.dtype:
    return dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_


def _held(input: Any, out: Any) -> Any:
    return out.astype(np.uint8) if input.dtype.char == "B" else out


@op(
    "any(Tensor input) -> Tensor",
    meta=lambda input: Spec((), _truth(input)),
    kind="reduce",
    samples=unary(),
)
def any_all(input: Any) -> Any:
    """Whether any element is not zero; False of none. Of uint8 the answer is uint8.

    Source: torch.any.

    >>> torch.any(torch.tensor([True, False]))
    tensor(True)
    """
    return _held(input, np.logical_or.reduce(input, axis=None))


@op(
    "any.dim(Tensor input, int dim, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, keepdim: Spec(reduced_shape(input.shape, (dim,), keepdim), _truth(input)),
    kind="reduce",
    samples=reductions(),
)
def any_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """Whether any element is not zero along one dim.

    Source: torch.any.

    >>> torch.any(torch.tensor([[True, False], [True, True]]), 0)
    tensor([True, True])
    """
    return _held(input, np.logical_or.reduce(input, axis=axes(input, (dim,)), keepdims=keepdim))


@op(
    "any.dims(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, keepdim: Spec(_over_dims(input.shape, dim, keepdim), _truth(input)),
    kind="reduce",
    samples=_several_dims,
)
def any_dims(input: Any, dim: Any, keepdim: Any) -> Any:
    """Whether any element is not zero along some dims: None means all, an empty list none.

    Source: torch.any.

    >>> torch.any(torch.tensor([[True, False], [True, True]]), dim=(0, 1))
    tensor(True)
    """
    if dim is not None and not dim:
        return _held(input, input.astype(np.bool_))
    return _held(input, np.logical_or.reduce(input, axis=axes(input, dim), keepdims=keepdim))


@op(
    "all(Tensor input) -> Tensor",
    meta=lambda input: Spec((), _truth(input)),
    kind="reduce",
    samples=unary(),
)
def all_all(input: Any) -> Any:
    """Whether no element is zero; True of none. Of uint8 the answer is uint8.

    Source: torch.all.

    >>> torch.all(torch.tensor([True, False]))
    tensor(False)
    """
    return _held(input, np.logical_and.reduce(input, axis=None))


@op(
    "all.dim(Tensor input, int dim, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, keepdim: Spec(reduced_shape(input.shape, (dim,), keepdim), _truth(input)),
    kind="reduce",
    samples=reductions(),
)
def all_dim(input: Any, dim: Any, keepdim: Any) -> Any:
    """Whether no element is zero along one dim.

    Source: torch.all.

    >>> torch.all(torch.tensor([[True, False], [True, True]]), 0)
    tensor([ True, False])
    """
    return _held(input, np.logical_and.reduce(input, axis=axes(input, (dim,)), keepdims=keepdim))


@op(
    "all.dims(Tensor input, int[]? dim=None, bool keepdim=False) -> Tensor",
    meta=lambda input, dim, keepdim: Spec(_over_dims(input.shape, dim, keepdim), _truth(input)),
    kind="reduce",
    samples=_several_dims,
)
def all_dims(input: Any, dim: Any, keepdim: Any) -> Any:
    """Whether no element is zero along some dims: None means all, an empty list none.

    Source: torch.all.

    >>> torch.all(torch.tensor([[True, False], [True, True]]), dim=(0, 1))
    tensor(False)
    """
    if dim is not None and not dim:
        return _held(input, input.astype(np.bool_))
    return _held(input, np.logical_and.reduce(input, axis=axes(input, dim), keepdims=keepdim))


# -- without NaN -------------------------------------------------------------------------------------------------------


def _nan_dtype(input: Any, dtype: Any, wants: bool) -> dtypes.dtype:
    d = input.dtype if isinstance(input, Spec) else dtypes.of_numpy(input.dtype)
    if wants and d.category < 2:
        raise TensorError(f"nanmean(): expected input to have floating point or complex dtype but got {spoken(input)}")
    if wants and dtype:
        _mean_dtype(d, dtype, "nanmean")
    NANSUM.check(input)
    return _sum_dtype(d, dtype)


NANSUM = Domain("c", "nansum on CPU does not support complex inputs", TensorError)


def _to_present(g: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    full = (
        rules.expand(g, tuple(input.shape)) if not dim and not keepdim else spread(g, tuple(input.shape), dim, keepdim)
    )
    return rules.where(input == input, full, 0)  # noqa: PLR0124 - not NaN


@op(
    "nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, keepdim, dtype: Spec(
        reduced_shape(input.shape, dim, keepdim), _nan_dtype(input, dtype, False)
    ),
    kind="reduce",
    samples=_extremes,
    vjp={"input": _to_present},
)
def nansum(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The sum over some dims, with NaN taken as zero.

    Gradient: g, expanded along the dims; zero where the input is NaN. Errors: RuntimeError for complex tensors. Source: torch.nansum.

    >>> torch.nansum(torch.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    reduced_shape(input.shape, dim, keepdim)
    wanted = _nan_dtype(input, dtype, False).numpy
    x = np.where(np.isnan(input), 0, input) if input.dtype.kind == "f" else input
    return np.add.reduce(x, axis=axes(input, dim), dtype=wanted, keepdims=keepdim)


@op(
    "nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, keepdim, dtype: Spec(
        reduced_shape(input.shape, dim, keepdim), _nan_dtype(input, dtype, True)
    ),
    kind="composite",
    samples=_extremes,
)
def nanmean(input: Any, dim: Any, keepdim: Any, dtype: Any) -> Any:
    """The mean over some dims of the elements that are not NaN.

    Errors: RuntimeError for integers and complex tensors. Source: torch.nanmean.

    >>> torch.nanmean(torch.tensor([1.0, 3.0, float("nan")]))
    tensor(2.)
    """
    raw = input if isinstance(input, (np.ndarray, np.generic)) else input.detach().numpy()
    if raw.dtype.kind == "c":
        reduced_shape(raw.shape, dim, keepdim)
    _nan_dtype(raw, dtype, True)
    reduced_shape(raw.shape, dim, keepdim)
    present = np.add.reduce(~np.isnan(raw), axis=axes(raw, dim), dtype=np.int64, keepdims=keepdim)
    return rules.div(rules.nansum(input, dim, keepdim, dtype=dtype), present)
