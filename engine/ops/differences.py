"""Differences, integrals by trapezoids and running logarithms of sums. Composites of slices, but for ``logcumsumexp``."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, floating
from engine.errors import DimensionError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over, reductions, strided
from engine.shapes import broadcast_shapes, reduced_shape, wrap_dim


def part(x: Any, dim: int, start: int | None, stop: int | None) -> Any:
    """The elements from ``start`` to ``stop`` along a dim."""
    return rules.slice(x, dim, start, stop)


# -- logcumsumexp ------------------------------------------------------------------------------------------------------------

LOGS = floating("logcumsumexp_out_cpu")


def _logs_meta(input: Spec, dim: int) -> Estimate:
    wrap_dim(dim, input.ndim)
    if input.dtype.category < 2:
        LOGS.check(input)
    return Estimate((input,), 2 * input.nbytes, 30 * max(input.numel, 1))


def _reversed_logs(x: Any, dim: int) -> Any:
    return rules.flip(rules.logcumsumexp(rules.flip(x, (dim,)), dim), (dim,))


def _lowest(x: Any) -> float:
    return float(np.finfo(str(x.dtype).rpartition(".")[2]).min)


def _to_logs(g: Any, input: Any, result: Any, dim: int) -> Any:
    if not input.ndim or 0 in input.shape:
        return g
    if "complex" in str(input.dtype):
        return rules.exp(_reversed_logs(rules.log(g.conj()) - result, dim) + input).conj()
    lowest = _lowest(input)
    size = rules.log(rules.abs(g))
    up = rules.exp(_reversed_logs(rules.where(g > 0, size, lowest) - result, dim) + input)
    down = rules.exp(_reversed_logs(rules.where(g < 0, size, lowest) - result, dim) + input)
    return up - down


def _logs_tangent(input: Any, input_t: Any, result: Any, dim: int) -> Any:
    """The running sums of exp(input)·tangent over those of exp(input), both times exp(-max)."""
    if not input.ndim or 0 in input.shape:
        return input_t
    top = rules.amax(rules.real(input), dim, True)
    top = rules.where(rules.abs(top) == float("inf"), 0, top)
    parts = rules.exp(input - top)
    whole = rules.cumsum(parts, dim)
    empty = whole == 0
    slope = rules.cumsum(parts * input_t, dim) / rules.where(empty, 1, whole)
    return rules.where(empty | rules.isinf(rules.real(result)), 0, slope)


def _log_add(a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)) for complex numbers, from the one with the larger real part."""
    swap = b.real > a.real
    high, low = np.where(swap, b, a), np.where(swap, a, b)
    return np.where(np.isneginf(high.real), high, high + np.log1p(np.exp(low - high)))


@op(
    "logcumsumexp(Tensor input, int dim) -> Tensor",
    meta=_logs_meta,
    kind="opaque",
    samples=lambda: [Sample(*s.args[:2], tags=s.tags) for s in reductions()()],
    vjp={"input": _to_logs},
    jvp=_logs_tangent,
)
def logcumsumexp(input: Any, dim: Any) -> Any:
    """The logarithms of the running sums of exponentials along a dim, without overflow on the way.

    Gradient: exp(input) times the sums of g·exp(-result) from the end. Errors: NotImplementedError for integers.
    Source: torch.logcumsumexp.

    >>> torch.logcumsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor([1000.0000, 1000.6932])
    """
    wrap_dim(dim, input.ndim)
    if input.dtype.kind not in "fc":
        LOGS.check(input)
    if not input.ndim or not input.size:
        return np.positive(input)
    if input.dtype.kind == "f":
        return np.logaddexp.accumulate(input.astype(np.float64, copy=False), axis=dim).astype(input.dtype, copy=False)
    out = np.moveaxis(input.astype(np.complex128), dim, 0)
    for i in range(1, out.shape[0]):
        out[i] = _log_add(out[i - 1], out[i])
    return np.moveaxis(out, 0, dim).astype(input.dtype, copy=False)


# -- diff ---------------------------------------------------------------------------------------------------------------------


def _diff_meta(input: Spec, n: int, dim: int, prepend: Spec | None, append: Spec | None) -> Estimate:
    _diffable(input.ndim, n)
    d = wrap_dim(dim, input.ndim)
    length = input.shape[d]
    for more in (prepend, append):
        if more is not None:
            if more.ndim not in (input.ndim, 0):
                raise TensorError("diff expects prepend or append to be the same dimension as input")
            for i, (p, q) in enumerate(zip(more.shape, input.shape, strict=True)):
                if i != d and p != q:
                    raise ShapeError(
                        f"diff expects the shape of tensor to prepend or append to match that of input except along the differencing "
                        f"dimension; input.size({i}) = {q}, but got tensor.size({i}) = {p}"
                    )
            length += more.shape[d]
    dtype = dtypes.of_numpy(common(*(s for s in (input, prepend, append) if s is not None)))
    shape = (*input.shape[:d], max(length - n, 0), *input.shape[d + 1 :]) if n else input.shape
    return Estimate((Spec(shape, dtype),), 2 * input.nbytes, max(n, 1) * max(input.numel, 1))


def _diffable(ndim: int, n: int) -> None:
    if not ndim:
        raise TensorError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise TensorError(f"order must be non-negative but got {n}")


@op(
    "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor",
    meta=_diff_meta,
    kind="composite",
    samples=over(
        Sample(array(2, 4)),
        Sample(array(2, 4), 2, 1),
        Sample(array(2, 4), 1, -2, tags=("negative dim",)),
        Sample(array(2, 4), 1, 1, array(2, 1), array(2, 2)),
        Sample(np.zeros((0, 3)), 1, 1, tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
)
def diff(input: Any, n: Any, dim: Any, prepend: Any, append: Any) -> Any:
    """The n-th differences of neighbours along a dim; of bools: whether they differ. Source: torch.diff.

    >>> torch.diff(torch.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    _diffable(input.ndim, n)
    d = wrap_dim(dim, input.ndim)
    for more in (prepend, append):
        if more is not None and more.ndim != input.ndim:
            raise TensorError("diff expects prepend or append to be the same dimension as input")
    if not n:
        return renamed(rules.clone(input), "torch::autograd::CopyBackwards")
    pieces = [x for x in (prepend, input, append) if x is not None]
    x = rules.cat(pieces, d) if len(pieces) > 1 else input
    for _ in range(min(n, x.shape[d])):
        left, right = part(x, d, None, -1), part(x, d, 1, None)
        x = rules.ne(right, left) if str(x.dtype).endswith("bool") else rules.sub(right, left)
    return x


# -- trapezoids ---------------------------------------------------------------------------------------------------------------


def _no_bools(name: str, *values: Any) -> None:
    if any(str(v.dtype).endswith("bool") or getattr(v.dtype, "name", "") == "bool" for v in values):
        which = "`x` or `y`" if len(values) > 1 else "`y`"
        raise TensorError(f"{name}: received a bool input for {which}, but bool is not supported")


def _points(y: tuple[int, ...], x: tuple[int, ...], d: int) -> tuple[int, ...]:
    """The shape in which ``x`` stands beside ``y``. Errors: RuntimeError where there is not one for each sample."""
    if len(x) == 1:
        if x[0] != y[d]:
            raise ShapeError("trapezoid: There must be one `x` value for each sample point")
        return tuple(x[0] if i == d else 1 for i in range(len(y)))
    return (1,) * (len(y) - len(x)) + x


def _widths(y: Any, x: Any, d: int) -> Any:
    x = rules.reshape(x, _points(tuple(y.shape), tuple(x.shape), d))
    d -= y.ndim
    return rules.sub(part(x, d, 1, None), part(x, d, None, -1))


def _float(*specs: Spec) -> dtypes.dtype:
    d = dtypes.of_numpy(common(*specs))
    return d if d.category >= 2 else dtypes.get_default_dtype()


def _sides(y: Any, d: int) -> Any:
    return rules.add(part(y, d, None, -1), part(y, d, 1, None))


def _area_meta(cumulative: bool) -> Any:
    def meta(y: Spec, x: Any = None, dx: Any = None, dim: int = -1) -> Estimate:
        specs = [s for s in (y, x) if isinstance(s, Spec)]
        d = _checked_dim("cumulative_trapezoid" if cumulative else "trapezoid", y, dim, *specs[1:])
        shape = tuple(n - 1 if i == d and n else n for i, n in enumerate(y.shape))
        if isinstance(x, Spec) and y.shape[d]:
            wide = _points(y.shape, x.shape, d)
            d = d - y.ndim + max(len(wide), y.ndim)
            narrow = tuple(
                n - 1 if i == d + len(wide) - max(len(wide), y.ndim) and n else n for i, n in enumerate(wide)
            )
            shape = broadcast_shapes(shape, narrow)
        if not cumulative:
            shape = reduced_shape(shape, (d,), False)
        empty = not cumulative and not y.shape[wrap_dim(dim, y.ndim)]
        whole = y.dtype if y.dtype.category >= 2 else dtypes.int64
        out = Spec(shape, whole if empty else _float(*specs))
        return Estimate((out,), 3 * y.numel * out.dtype.itemsize, 5 * max(y.numel, 1))

    return meta


_curves = (
    Sample(array(2, 4), array(4)),
    Sample(array(2, 4), array(2, 4, start=20), dim=-2, tags=("negative dim", "broadcast")),
    Sample(np.zeros((0, 3)), np.zeros((0, 3)), dim=1, tags=("empty",)),
    Sample(strided(3, 2), array(3, 2), dim=0, tags=("non-contiguous",)),
)
_steps = (
    Sample(array(2, 4)),
    Sample(array(2, 4), dx=0.5, dim=-2, tags=("negative dim",)),
    Sample(np.zeros((0, 3)), dim=1, tags=("empty",)),
    Sample(strided(3, 2), dx=2.0, dim=0, tags=("non-contiguous",)),
)


def _checked_dim(name: str, y: Any, dim: int, *more: Any) -> int:
    if not y.ndim:
        cumulative = name.startswith("c")
        raise DimensionError(
            "slice() cannot be applied to a 0-dim tensor."
            if cumulative
            else f"Dimension specified as {dim} but tensor has no dimensions"
        )
    d = wrap_dim(dim, y.ndim)
    if y.shape[d]:
        _no_bools(name, y, *more)
    return d


@op(
    "trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
    meta=lambda y, x, dim: _area_meta(False)(y, x, None, dim),
    kind="composite",
    names=("trapezoid", "trapz"),
    forms="function",
    samples=over(*_curves),
)
def trapezoid_x(y: Any, x: Any, dim: Any) -> Any:
    """The area under a curve along a dim, by the trapezoids between the samples ``y`` at the places ``x``.

    Source: torch.trapezoid.

    >>> torch.trapezoid(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0.0, 1.0, 3.0]))
    tensor(10.)
    """
    d = _checked_dim("trapezoid", y, dim, x)
    if not y.shape[d]:
        return rules.sum(y, d)
    return renamed(rules.sum(_sides(y, d) * _widths(y, x, d), d - y.ndim) / 2.0, "DivBackward1")


@op(
    "trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
    meta=lambda y, dx, dim: _area_meta(False)(y, None, dx, dim),
    kind="composite",
    names=("trapezoid", "trapz"),
    forms="function",
    samples=over(*_steps),
)
def trapezoid_dx(y: Any, dx: Any, dim: Any) -> Any:
    """The area under a curve along a dim, by trapezoids, for samples ``dx`` apart.

    Source: torch.trapezoid.

    >>> torch.trapezoid(torch.tensor([1.0, 3.0, 5.0]), dx=0.5)
    tensor(3.)
    """
    d = _checked_dim("trapezoid", y, dim)
    if not y.shape[d]:
        return rules.sum(y, d)
    return renamed((rules.sum(y, d) - (rules.select(y, d, 0) + rules.select(y, d, -1)) * 0.5) * dx, "MulBackward1")


@op(
    "cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
    meta=lambda y, x, dim: _area_meta(True)(y, x, None, dim),
    kind="composite",
    forms="function",
    samples=over(*_curves),
)
def cumulative_trapezoid_x(y: Any, x: Any, dim: Any) -> Any:
    """The running areas under a curve along a dim, by the trapezoids between the samples ``y`` at the places ``x``.

    Source: torch.cumulative_trapezoid.

    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([0.0, 1.0, 3.0]))
    tensor([ 2., 10.])
    """
    d = _checked_dim("cumulative_trapezoid", y, dim, x)
    return renamed(rules.cumsum(_widths(y, x, d) * _sides(y, d), d - y.ndim) / 2.0, "DivBackward1")


@op(
    "cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
    meta=lambda y, dx, dim: _area_meta(True)(y, None, dx, dim),
    kind="composite",
    forms="function",
    samples=over(*_steps),
)
def cumulative_trapezoid_dx(y: Any, dx: Any, dim: Any) -> Any:
    """The running areas under a curve along a dim, by trapezoids, for samples ``dx`` apart.

    Source: torch.cumulative_trapezoid.

    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 3.0, 5.0]), dx=0.5)
    tensor([1., 3.])
    """
    d = _checked_dim("cumulative_trapezoid", y, dim)
    return rules.cumsum(dx / 2.0 * _sides(y, d), d)
