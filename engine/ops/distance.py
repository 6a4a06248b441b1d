"""Distances and directions: cosine similarity, pairwise distances, normalizing to length 1. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import common, spoken
from engine.errors import NoDerivativeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, reduced_shape, wrap_dims


def _floating(name: str, value: Any) -> None:
    if not value.dtype.name.startswith(("float", "complex")):
        raise TensorError(f"{name}: Expected a floating point or complex tensor as input. Got {spoken(value)}")


def _normalize_meta(input: Spec, p: float, dim: Any, eps: float) -> Spec:
    _floating("linalg.vector_norm", input)
    wrap_dims((dim,) if isinstance(dim, int) else dim, input.ndim)
    return input


@op(
    "normalize(Tensor input, float p=2.0, int[1] dim=1, float eps=1e-12) -> Tensor",
    meta=_normalize_meta,
    kind="composite",
    names=("nn.functional.normalize",),
    forms="function",
    samples=over(
        Sample(array(2, 3)),
        Sample(array(2, 3), 1.0, 0),
        Sample(array(2, 3), 3.0, -1, tags=("negative dim",)),
        Sample(np.array(0.7), 2.0, 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def normalize(input: Any, p: Any, dim: Any, eps: Any) -> Any:
    """The input divided by its norm of order ``p`` along ``dim``, which is taken to be at least ``eps``.

    Errors: RuntimeError for integers. Source: torch.nn.functional.normalize.

    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    _floating("linalg.vector_norm", input)
    return input / rules.clamp_min(
        rules.norm(input, p, dim[0] if isinstance(dim, tuple) and len(dim) == 1 else dim, True), eps
    )


def _two_meta(x1: Spec, x2: Spec, dim: Any, keepdim: bool) -> Spec:
    shape = broadcast_shapes(x1.shape, x2.shape)
    return Spec(reduced_shape(shape, (dim,), keepdim), dtypes.to_real(dtypes.of_numpy(common(x1, x2))))


def _cosine_meta(x1: Spec, x2: Spec, dim: int, eps: float) -> Estimate:
    d = dtypes.of_numpy(common(x1, x2))
    _common_floating(Spec((), d))
    out = Spec(_two_meta(x1, x2, dim, False).shape, d)
    numel = math.prod(broadcast_shapes(x1.shape, x2.shape))
    return Estimate((out,), 4 * numel * d.itemsize, 8 * numel)


def _common_floating(value: Any) -> None:
    if not value.dtype.name.startswith(("float", "complex")):
        raise TensorError(f"expected common dtype to be floating point, yet common dtype is {spoken(value)}")


def _spec(value: Any) -> Spec:
    d = value.dtype
    return Spec(tuple(value.shape), d if isinstance(d, dtypes.dtype) else dtypes.of_numpy(d))


def _at_least(length: Any, eps: float) -> Any:
    """A norm not below ``eps``, whose gradient is the norm's all the same, as PyTorch's is."""
    fixed = length.detach() if hasattr(length, "detach") else length
    return length + (rules.clamp_min(fixed, eps) - fixed)


@op(
    "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
    meta=_cosine_meta,
    kind="composite",
    names=("nn.functional.cosine_similarity", "cosine_similarity"),
    forms="function",
    samples=over(
        Sample(array(2, 3), array(2, 3, start=9)),
        Sample(array(2, 3), array(2, 3, start=9), -2, tags=("negative dim",)),
        Sample(array(1, 3), array(2, 1, start=9), tags=("broadcast",)),
        Sample(np.array(0.7), np.array(-1.3), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), array(3, 2), tags=("non-contiguous",)),
    ),
)
def cosine_similarity(x1: Any, x2: Any, dim: Any, eps: Any) -> Any:
    """The cosine of the angle between vectors along ``dim``; norms are taken to be at least ``eps``.

    Shapes: any two that broadcast. Errors: RuntimeError for integers. Source: torch.nn.functional.cosine_similarity.

    >>> torch.cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """
    d = common(*map(_spec, (x1, x2)))
    _common_floating(np.empty(0, d))
    x1, x2 = (v if v.dtype.name == d.name else rules.to(v, dtypes.of_numpy(d)) for v in (x1, x2))
    shape = broadcast_shapes(tuple(x1.shape), tuple(x2.shape))
    x1, x2 = (v if tuple(v.shape) == shape else rules.expand(v, shape) for v in (x1, x2))
    lengths = [_at_least(rules.linalg_vector_norm(v, 2, dim, True), eps) for v in (x1, x2)]
    return rules.sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


@op(
    "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False) -> Tensor",
    meta=lambda x1, x2, p, eps, keepdim: _two_meta(x1, x2, -1, keepdim),
    kind="composite",
    names=("nn.functional.pairwise_distance", "pairwise_distance"),
    forms="function",
    samples=over(
        Sample(array(2, 3), array(2, 3, start=9)),
        Sample(array(2, 3), array(3, start=9), 1.0, keepdim=True, tags=("broadcast",)),
        Sample(np.array(0.7), np.array(-1.3), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), array(3, 2), tags=("non-contiguous",)),
    ),
)
def pairwise_distance(x1: Any, x2: Any, p: Any, eps: Any, keepdim: Any) -> Any:
    """The norm of order ``p`` of ``x1 - x2 + eps`` along the last dim.

    Shapes: any two that broadcast. Source: torch.nn.functional.pairwise_distance.

    >>> torch.pairwise_distance(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([5.0000])
    """
    return renamed(rules.norm(rules.add(rules.sub(x1, x2), eps), p, -1, keepdim), "NormBackward1")


# -- distances of all pairs of rows ------------------------------------------------------------------------------------


def _rows(input: Any, p: float) -> None:
    if len(input.shape) != 2:
        raise TensorError(f"pdist only supports 2D tensors, got: {len(input.shape)}D")
    if not input.dtype.name.startswith(("float", "complex")):
        raise TensorError("pdist only supports floating-point dtypes")
    if not p >= 0:
        raise TensorError("pdist only supports non-negative p values")
    if input.dtype.name not in ("float32", "float64"):
        raise UnsupportedDtypeError(f"\"pdist\" not implemented for '{spoken(input)}'")


def _pdist_meta(input: Spec, p: float) -> Estimate:
    _rows(input, p)
    n, width = input.shape
    pairs = n * (n - 1) // 2
    return Estimate((Spec((pairs,), input.dtype),), pairs * (3 * width * input.dtype.itemsize + 16), 10 * pairs * width)


def _pdist_backward_meta(grad: Spec, input: Spec, p: float, pdist: Spec) -> Estimate:
    n, width = input.shape
    pairs = n * (n - 1) // 2
    return Estimate((input,), pairs * (5 * width * input.dtype.itemsize + 16), 40 * max(pairs * width, 1))


def _apart(input: Any) -> tuple[Any, Any, Any]:
    first, second = np.triu_indices(input.shape[0], 1)
    return input[first] - input[second], first, second


def _missing(name: str) -> NoReturn:
    raise NoDerivativeError(f"derivative for aten::{name} is not implemented")


@op(
    "_pdist_backward(Tensor grad, Tensor input, float p, Tensor pdist) -> Tensor",
    meta=_pdist_backward_meta,
    kind="opaque",
    forms="",
    samples=over(Sample(array(3), array(3, 2), 2.0, array(3, low=0.5))),
    vjp={"grad, input, pdist": lambda g: _missing("_pdist_backward")},
)
def _pdist_backward(grad: Any, input: Any, p: Any, pdist: Any) -> Any:
    """The gradient of ``pdist``. Gradient: not implemented, in PyTorch neither. Source: aten."""
    out = np.zeros(input.shape, input.dtype)
    if p == 0 or not pdist.size or not input.size:
        return out
    apart, first, second = _apart(input)
    length = pdist[:, None]
    if p == 1:
        slope = np.sign(apart)
    elif p == 2:
        slope = np.where(length == 0, 0, apart / np.where(length == 0, 1, length))
    elif math.isinf(p):
        slope = np.sign(apart) * (np.abs(apart) == length)
    else:
        safe = np.where(length == 0, 1, length)
        size = np.where(apart == 0, 1, np.abs(apart))
        slope = np.where((length == 0) | (apart == 0), 0, np.sign(apart) * (size / safe) ** (p - 1))
    slope = (slope * grad[:, None]).astype(input.dtype)
    np.add.at(out, first, slope)
    np.subtract.at(out, second, slope)
    return out


@op(
    "pdist(Tensor input, float p=2) -> Tensor",
    meta=_pdist_meta,
    kind="opaque",
    names=("nn.functional.pdist", "pdist"),
    forms="function",
    samples=over(
        *(Sample(array(4, 2) * np.array([1.0, 1.7]), p) for p in (2.0, 1.0, 3.0, math.inf)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input, p, result: rules._pdist_backward(g, input, p, result)},
)
def pdist(input: Any, p: Any) -> Any:
    """The distances of order ``p`` of all pairs of rows, the first row's first.

    Shapes: (N, M) gives (N·(N - 1)/2). Gradient: g·sign(d)·(abs(d)/distance)^(p-1) for the row, minus that for its partner. Errors:
    RuntimeError for other than two dims and for a negative ``p``. Source: torch.pdist.

    >>> torch.pdist(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    _rows(input, p)
    apart = np.abs(_apart(input)[0])
    if p == 0:
        return np.add.reduce(apart != 0, axis=1).astype(input.dtype)
    if p == 1:
        return np.add.reduce(apart, axis=1)
    if p == 2:
        return np.sqrt(np.add.reduce(apart * apart, axis=1))
    if math.isinf(p):
        return np.maximum.reduce(apart, axis=1, initial=0)
    return np.add.reduce(apart**p, axis=1) ** (1 / p)
