"""Products and powers of vectors, and distances between rows. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, InvalidValueError, ShapeError, TensorError, UnsupportedDtypeError
from engine.matrices import floating
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, wrap_dim

# -- the cross product --------------------------------------------------------------------------------------------------


def _crossed(input: Any, other: Any, dim: int) -> tuple[tuple[int, ...], int]:
    """The shape of the result and the dim. Errors: RuntimeError in PyTorch's words."""
    if len(input.shape) != len(other.shape):
        raise ShapeError("linalg.cross: inputs must have the same number of dimensions.")
    d = wrap_dim(dim, len(input.shape))
    sizes = (input.shape[d], other.shape[d]) if input.shape else (1, 1)
    if sizes != (3, 3):
        raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and {sizes[1]}")
    if input.dtype != other.dtype:
        raise DtypeError(f"expected scalar type {spoken(input)} but found {spoken(other)}")
    if spoken(input) == "Bool":
        raise UnsupportedDtypeError("\"cross\" not implemented for 'Bool'")
    return broadcast_shapes(tuple(input.shape), tuple(other.shape)), d


def _cross_meta(input: Spec, other: Spec, dim: int) -> Estimate:
    out = Spec(_crossed(input, other, dim)[0], input.dtype)
    return Estimate((out,), 3 * out.nbytes, max(3 * out.numel, 1))


def _cross_samples(*more: Sample) -> Any:
    return over(
        Sample(array(3), array(3, start=5)),
        Sample(array(2, 3), array(1, 3, start=5), dim=-1, tags=("broadcast", "negative dim")),
        Sample(np.zeros((3, 0)), np.zeros((3, 0)), dim=0, tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=5), dim=0, tags=("non-contiguous",)),
        *more,
    )


@op(
    "linalg_cross(Tensor input, Tensor other, *, int dim=-1) -> Tensor",
    meta=_cross_meta,
    kind="opaque",
    names=("linalg.cross",),
    samples=_cross_samples(),
    vjp={
        "input": lambda g, other, dim: rules.linalg_cross(other.conj(), g, dim=dim),
        "other": lambda g, input, dim: rules.linalg_cross(g, input.conj(), dim=dim),
    },
)
def linalg_cross(input: Any, other: Any, dim: Any) -> Any:
    """The cross product of vectors of three, along a dim.

    Shapes: two that broadcast, with 3 in the dim. Gradient: other × g for input, g × input for other. Errors: RuntimeError for another
    size.
    Source: torch.linalg.cross.

    >>> torch.linalg.cross(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    _, d = _crossed(input, other, dim)
    return np.cross(input, other, axis=d).astype(input.dtype, copy=False)


def _first_three(input: Any, other: Any, dim: int | None) -> int:
    if dim is not None:
        return dim
    if len(input.shape) == len(other.shape):
        for i, n in enumerate(input.shape):
            if n == 3:
                return i
    raise ShapeError("no dimension of size 3 in input")


@op(
    "cross(Tensor input, Tensor other, int? dim=None) -> Tensor",
    meta=lambda input, other, dim: _cross_meta(input, other, _first_three(input, other, dim)),
    kind="composite",
    samples=_cross_samples(Sample(array(2, 3), array(2, 3, start=5))),
)
def cross(input: Any, other: Any, dim: Any) -> Any:
    """The cross product along a dim, or along the first that has size 3.

    Gradient: other × g for input, g × input for other. Source: torch.cross.

    >>> torch.cross(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    return rules.linalg_cross(input, other, dim=_first_three(input, other, dim))


# -- inner products and powers ------------------------------------------------------------------------------------------


def _vecdot_shape(x: Any, y: Any, dim: int) -> tuple[int, ...]:
    floating(x, "linalg.vecdot", "")
    if x.dtype != y.dtype:
        raise DtypeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found x of type {spoken(x)} and y of type {spoken(y)} instead"
        )
    if len(x.shape) == len(y.shape) == 1 and x.shape != y.shape:
        raise ShapeError(
            f"inconsistent tensor size, expected tensor [{x.shape[0]}] and src [{y.shape[0]}] to have the same number of elements, but got "
            f"{x.shape[0]} and {y.shape[0]} elements respectively"
        )
    shape = broadcast_shapes(tuple(x.shape), tuple(y.shape))
    d = wrap_dim(dim, len(shape))
    return tuple(n for i, n in enumerate(shape) if i != d)


def _vecdot_meta(x: Spec, y: Spec, dim: int) -> Estimate:
    out = Spec(_vecdot_shape(x, y, dim), x.dtype)
    work = math.prod(broadcast_shapes(x.shape, y.shape))
    return Estimate((out,), 2 * work * x.dtype.itemsize, max(3 * work, 1))


@op(
    "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor",
    meta=_vecdot_meta,
    kind="composite",
    names=("linalg.vecdot",),
    samples=over(
        Sample(array(3), array(3, start=5)),
        Sample(array(2, 3), array(3, start=5), tags=("broadcast",)),
        Sample(array(2, 3), array(2, 3, start=5), dim=-2, tags=("negative dim",)),
        Sample(np.array(1.5), np.array(2.5), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), array(3, 2, start=5), tags=("non-contiguous",)),
    ),
)
def linalg_vecdot(x: Any, y: Any, dim: Any) -> Any:
    """The inner product of vectors along a dim; the first is conjugated.

    Shapes: two that broadcast, without the dim. Gradient: from its parts. Errors: RuntimeError for integers. Source: torch.linalg.vecdot.

    >>> torch.linalg.vecdot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _vecdot_shape(x, y, dim)
    if x.ndim == 1 and y.ndim == 1:
        return rules.vdot(x, y)
    return rules.sum(x.conj() * y, [dim])


def _columns(x: Any, N: int | None) -> int:
    if spoken(x) == "Bool":
        raise DtypeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    n = (x.shape[-1] if x.shape else 1) if N is None else N
    if n <= 1:
        raise TensorError("N must be greater than 1.")
    return n


def _vander_meta(x: Spec, N: int | None) -> Spec:
    n = _columns(x, N)
    return Spec((*(x.shape or (1,)), n), x.dtype if x.dtype.category >= 2 else dtypes.int64)


@op(
    "linalg_vander(Tensor x, *, int? N=None) -> Tensor",
    meta=_vander_meta,
    kind="composite",
    names=("linalg.vander",),
    samples=over(
        Sample(array(3)),
        Sample(array(2, 3), N=4),
        Sample(np.array(1.5), N=2, tags=("0-d",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def linalg_vander(x: Any, N: Any) -> Any:
    """The powers 0, 1, … N - 1 of each element: a Vandermonde matrix.

    Shapes: (*, n) → (*, n, N). Gradient: from its parts. Errors: RuntimeError for N < 2. Source: torch.linalg.vander.

    >>> torch.linalg.vander(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 1., 1.],
            [1., 2., 4.],
            [1., 3., 9.]])
    """
    n = _columns(x, N)
    column = rules.unsqueeze(x if x.ndim else rules.unsqueeze(x, 0), -1)
    powers = rules.cumprod(rules.expand(column, (*column.shape[:-1], n - 1)), -1)
    return rules.cat([rules.ones_like(rules.narrow(powers, -1, 0, 1)), powers], -1)


@op(
    "linalg_diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    meta=lambda A, offset, dim1, dim2: _diagonal_meta(A, offset, dim1, dim2),
    kind="composite",
    names=("linalg.diagonal",),
    samples=over(
        Sample(array(3, 3)),
        Sample(array(2, 3, 2), offset=1, dim1=0, dim2=-1, tags=("negative dim",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), offset=-1, tags=("non-contiguous",)),
    ),
)
def linalg_diagonal(A: Any, offset: Any, dim1: Any, dim2: Any) -> Any:
    """A view of the diagonals of matrices.

    Shapes: without the two dims, the diagonal last. Gradient: g on the diagonal. Source: torch.linalg.diagonal.

    >>> torch.linalg.diagonal(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    return rules.diagonal(A, offset, dim1, dim2)


def _diagonal_meta(A: Spec, offset: int, dim1: int, dim2: int) -> Spec:
    one, two = wrap_dim(dim1, A.ndim), wrap_dim(dim2, A.ndim)
    if one == two:
        raise TensorError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rows, columns = A.shape[one], A.shape[two]
    length = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    return Spec((*(n for i, n in enumerate(A.shape) if i not in (one, two)), length), A.dtype)


# -- distances between rows ---------------------------------------------------------------------------------------------


_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def _rows_shape(x1: Any, x2: Any, p: float, compute_mode: Any) -> tuple[int, ...]:
    """The shape of the result. Errors: RuntimeError in PyTorch's words."""
    for name, x in (("X1", x1), ("X2", x2)):
        if len(x.shape) < 2:
            raise ShapeError(f"cdist only supports at least 2D tensors, {name} got: {len(x.shape)}D")
        if spoken(x) not in ("Half", "Float", "Double"):
            raise DtypeError(f"cdist only supports floating-point dtypes, {name} got: {spoken(x)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise TensorError("cdist only supports non-negative p values")
    if compute_mode is not None and compute_mode not in (*_MODES, 0, 1, 2):
        raise InvalidValueError(f"{compute_mode} is not a valid value for compute_mode")
    lead = broadcast_shapes(tuple(x1.shape[:-2]), tuple(x2.shape[:-2]))
    if x1.dtype != x2.dtype:
        raise DtypeError(f"expected scalar type {spoken(x1)} but found {spoken(x2)}")
    if spoken(x1) == "Half":
        raise UnsupportedDtypeError("\"cdist\" not implemented for 'Half'")
    return (*lead, x1.shape[-2], x2.shape[-2])


def _cdist_meta(x1: Spec, x2: Spec, p: float, compute_mode: Any) -> Estimate:
    out = Spec(_rows_shape(x1, x2, p, compute_mode), x1.dtype)
    work = out.numel * x1.shape[-1]
    return Estimate((out,), 4 * work * out.dtype.itemsize, max((4 if p in (0, 1, 2, math.inf) else 30) * work, 1))


def _to_rows(g: Any, x1: Any, x2: Any, result: Any, p: Any) -> Any:
    """Each difference's share of its distance."""
    difference = rules.unsqueeze(x1, -2) - rules.unsqueeze(x2, -3)
    up, far = rules.unsqueeze(g, -1), rules.unsqueeze(result, -1)
    if p == 0:
        share = difference * 0
    elif p == 1:
        share = up * rules.sign(difference)
    elif p == math.inf:
        share = up * rules.where(rules.abs(difference) == far, rules.sign(difference), 0)
    else:
        away = rules.where(far == 0, 1, far)
        size = rules.abs(difference)
        inner = difference if p == 2 else rules.sign(difference) * rules.pow(size, p - 1)
        if p < 2:
            inner = rules.where(size == 0, 0, inner)
        share = up * rules.where(far == 0, 0, inner / (away if p == 2 else rules.pow(away, p - 1)))
    return rules.sum(share, [-2]), -rules.sum(share, [-3])


def _nearby(x1: Any, x2: Any, p: float) -> Any:
    size = np.absolute(x1[..., :, None, :] - x2[..., None, :, :])
    if p == 0:
        return np.add.reduce(size != 0, axis=-1, dtype=x1.dtype)
    if p == 1:
        return np.add.reduce(size, axis=-1)
    if p == 2:
        return np.sqrt(np.add.reduce(size * size, axis=-1))
    if p == math.inf:
        return np.maximum.reduce(size, axis=-1, initial=0)
    return np.power(np.add.reduce(np.power(size, x1.dtype.type(p)), axis=-1), x1.dtype.type(1 / p))


@op(
    "_cdist(Tensor x1, Tensor x2, float p) -> Tensor",
    meta=lambda x1, x2, p: _cdist_meta(x1, x2, p, None),
    kind="opaque",
    forms="",
    grad_fn="CdistBackward0",
    samples=over(Sample(array(2, 3), array(4, 3, start=9), 2.0)),
    vjp={"x1, x2": _to_rows},
)
def _cdist(x1: Any, x2: Any, p: Any) -> Any:
    """The p-norm distance of each row of x1 from each row of x2. Source: PyTorch's _cdist_forward."""
    return _nearby(x1, x2, p).astype(x1.dtype, copy=False)


@op(
    "cdist(Tensor x1, Tensor x2, float p=2.0, Any compute_mode=None) -> Tensor",
    meta=_cdist_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(2, 3), array(4, 3, start=9)),
        *(Sample(array(2, 3), array(2, 3, start=9) * 1.3, p) for p in (0.0, 1.0, 1.5, 3.0, math.inf)),
        Sample(array(2, 2, 3), array(1, 3, start=30), tags=("broadcast",)),
        Sample(np.zeros((0, 3)), array(2, 3), tags=("empty",)),
        Sample(strided(3, 2), array(2, 2, start=9), tags=("non-contiguous",)),
    ),
)
def cdist(x1: Any, x2: Any, p: Any, compute_mode: Any) -> Any:
    """The p-norm distance of each row of x1 from each row of x2.

    Shapes: (*, n, d) and (*, m, d) → (*, n, m). Gradient: g·sign(x1 - x2)·(size of x1 - x2 / distance)^(p-1); zero where the distance is
    zero.
    Errors: RuntimeError for widths that differ and p < 0. Source: torch.cdist.

    >>> torch.cdist(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    shape = _rows_shape(x1, x2, p, compute_mode)
    out = rules._cdist(x1, x2, p)
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    by_product = compute_mode in (1, _MODES[1]) or (many and compute_mode in (None, 0, _MODES[0]))
    return rules.view(out, shape) if p == 2 and by_product and 0 not in (*x1.shape, *x2.shape) else out
