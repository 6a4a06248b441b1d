"""Random numbers, drawn from the context's Philox stream or a generator given. PyTorch's numbers are not promised; its laws are."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.generator import Generator, default_generator
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided, unary

OPTIONS = "*, Generator? generator=None, ScalarType? dtype=None, str? device=None, bool requires_grad=False"
LIKE = "*, ScalarType? dtype=None, str? device=None, bool requires_grad=False"
SHAPES = over(Sample((2, 3)), Sample((), tags=("0-d",)), Sample((0, 3), tags=("empty",)))


def _stream(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator()).numbers()


def _sizes(size: Any) -> tuple[int, ...]:
    for n in size:
        if n < 0:
            raise TensorError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return tuple(size)


def _floating(name: str, dtype: Any) -> dtypes.dtype:
    d: dtypes.dtype = dtype or dtypes.get_default_dtype()
    if d.category < 2:
        raise TensorError(f"\"{name}\" not implemented for '{_SPOKEN[d.name]}'")
    return d


_SPOKEN = {"bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long"}


def _cost(shape: tuple[int, ...], d: dtypes.dtype) -> Estimate:
    spec = Spec(shape, d)
    return Estimate((spec,), 8 * spec.numel, 10 * spec.numel)


def _cast(drawn: Any, d: dtypes.dtype) -> Any:
    return np.asarray(drawn).astype(d.numpy)


def _uniform(stream: np.random.Generator, shape: tuple[int, ...], d: dtypes.dtype) -> Any:
    if d.category == 3:
        return _cast(stream.random(shape) + 1j * stream.random(shape), d)
    if d is dtypes.float64:
        return np.asarray(stream.random(shape))
    single = np.asarray(stream.random(shape, dtype=np.float32))
    return (
        single
        if d is dtypes.float32
        else np.minimum(single.astype(d.numpy), np.nextafter(d.numpy.type(1), d.numpy.type(0)))
    )


def _normal(stream: np.random.Generator, shape: tuple[int, ...], d: dtypes.dtype) -> Any:
    if d.category == 3:
        return _cast((stream.standard_normal(shape) + 1j * stream.standard_normal(shape)) * 0.5**0.5, d)
    return _cast(stream.standard_normal(shape, dtype=np.float32 if d is not dtypes.float64 else np.float64), d)


@op(
    f"rand(int[] size, {OPTIONS}) -> Tensor",
    meta=lambda size, generator, dtype, device, requires_grad: _cost(
        _sizes(size), _floating("check_uniform_bounds", dtype)
    ),
    kind="create",
    forms="function",
    samples=SHAPES,
)
def rand(size: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Numbers drawn evenly from [0, 1). Source: torch.rand.

    >>> torch.rand(2, 3).shape
    torch.Size([2, 3])
    """
    return _uniform(_stream(generator), _sizes(size), _floating("check_uniform_bounds", dtype))


@op(
    f"randn(int[] size, {OPTIONS}) -> Tensor",
    meta=lambda size, generator, dtype, device, requires_grad: _cost(
        _sizes(size), _floating("normal_kernel_cpu", dtype)
    ),
    kind="create",
    forms="function",
    samples=SHAPES,
)
def randn(size: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Numbers drawn from the normal distribution of mean 0 and variance 1. Source: torch.randn.

    >>> torch.randn(2, 3).shape
    torch.Size([2, 3])
    """
    return _normal(_stream(generator), _sizes(size), _floating("normal_kernel_cpu", dtype))


def _between(low: Any, high: Any) -> None:
    if low >= high:
        raise TensorError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")


@op(
    f"randint(int high, int[] size, {OPTIONS}) -> Tensor",
    meta=lambda high, size, generator, dtype, device, requires_grad: _cost(_sizes(size), dtype or dtypes.int64),
    kind="create",
    forms="function",
    samples=over(Sample(5, (2, 3)), Sample(5, (), tags=("0-d",)), Sample(5, (0,), tags=("empty",))),
)
def randint(high: Any, size: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Whole numbers drawn evenly from 0 up to ``high``, which is left out. Source: torch.randint.

    >>> torch.randint(5, (2, 3)).shape
    torch.Size([2, 3])
    """
    _between(0, high)
    return _cast(_stream(generator).integers(0, high, _sizes(size)), dtype or dtypes.int64)


@op(
    f"randint.low(int low, int high, int[] size, {OPTIONS}) -> Tensor",
    meta=lambda low, high, size, generator, dtype, device, requires_grad: _cost(_sizes(size), dtype or dtypes.int64),
    kind="create",
    forms="function",
    samples=over(Sample(-2, 5, (2, 3)), Sample(1, 5, (), tags=("0-d",)), Sample(1, 5, (0,), tags=("empty",))),
)
def randint_low(low: Any, high: Any, size: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Whole numbers drawn evenly from ``low`` up to ``high``, which is left out. Source: torch.randint.

    >>> torch.randint(1, 5, (2, 3)).shape
    torch.Size([2, 3])
    """
    _between(low, high)
    return _cast(_stream(generator).integers(low, high, _sizes(size)), dtype or dtypes.int64)


@op(
    f"randperm(int n, {OPTIONS}) -> Tensor",
    meta=lambda n, generator, dtype, device, requires_grad: _cost(_sizes((n,)), dtype or dtypes.int64),
    kind="create",
    forms="function",
    samples=over(Sample(5), Sample(0, tags=("empty",))),
)
def randperm(n: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """The numbers 0 … n-1 in a random order. Source: torch.randperm.

    >>> torch.randperm(4).sum()
    tensor(6)
    """
    return _cast(_stream(generator).permutation(*_sizes((n,))), dtype or dtypes.int64)


def _as(input: Spec, dtype: Any) -> Estimate:
    return _cost(input.shape, dtype or input.dtype)


@op(
    f"rand_like(Tensor input, {LIKE}) -> Tensor",
    meta=lambda input, dtype, device, requires_grad: _as(input, dtype),
    kind="create",
    forms="function",
    samples=unary(),
)
def rand_like(input: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """As ``rand`` in the shape and dtype of another tensor. Source: torch.rand_like.

    >>> torch.rand_like(torch.ones(2)).shape
    torch.Size([2])
    """
    return _uniform(
        _stream(None), input.shape, _floating("check_uniform_bounds", dtype or dtypes.of_numpy(input.dtype))
    )


@op(
    f"randn_like(Tensor input, {LIKE}) -> Tensor",
    meta=lambda input, dtype, device, requires_grad: _as(input, dtype),
    kind="create",
    forms="function",
    samples=unary(),
)
def randn_like(input: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """As ``randn`` in the shape and dtype of another tensor. Source: torch.randn_like.

    >>> torch.randn_like(torch.ones(2)).shape
    torch.Size([2])
    """
    return _normal(_stream(None), input.shape, _floating("normal_kernel_cpu", dtype or dtypes.of_numpy(input.dtype)))


@op(
    f"randint_like(Tensor input, int low, int? high=None, {LIKE}) -> Tensor",
    meta=lambda input, low, high, dtype, device, requires_grad: _as(input, dtype),
    kind="create",
    forms="function",
    samples=lambda: [Sample(*s.args, 5, tags=s.tags) for s in unary()()],
)
def randint_like(input: Any, low: Any, high: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """As ``randint`` in the shape and dtype of another tensor. Source: torch.randint_like.

    >>> torch.randint_like(torch.ones(2), 5).shape
    torch.Size([2])
    """
    low, high = (0, low) if high is None else (low, high)
    _between(low, high)
    return _cast(_stream(None).integers(low, high, input.shape), dtype or dtypes.of_numpy(input.dtype))


def _deviation(std: Any) -> None:
    if std < 0:
        raise TensorError(f"normal expects std >= 0.0, but found std {std:g}")


@op(
    "normal.float(float mean, float std, int[] size, *, Generator? generator=None, ScalarType? dtype=None, str? device=None, "
    "bool requires_grad=False) -> Tensor",
    meta=lambda mean, std, size, generator, dtype, device, requires_grad: _cost(
        _sizes(size), _floating("normal_kernel_cpu", dtype)
    ),
    kind="create",
    forms="function",
    samples=over(
        Sample(1.0, 2.0, (2, 3)), Sample(0.0, 1.0, (), tags=("0-d",)), Sample(0.0, 1.0, (0,), tags=("empty",))
    ),
)
def normal(mean: Any, std: Any, size: Any, generator: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Numbers drawn from a normal distribution. Errors: RuntimeError for a negative deviation. Source: torch.normal.

    >>> torch.normal(2.0, 3.0, (1, 4)).shape
    torch.Size([1, 4])
    """
    _deviation(std)
    d = _floating("normal_kernel_cpu", dtype)
    return _cast(_normal(_stream(generator), _sizes(size), d) * d.numpy.type(std) + d.numpy.type(mean), d)


@op(
    "normal.Tensor_Tensor(Tensor mean, Tensor|Scalar std=1.0, *, Generator? generator=None) -> Tensor",
    meta=lambda mean, std, generator: _cost(
        np.broadcast_shapes(mean.shape, std.shape if isinstance(std, Spec) else ()), mean.dtype
    ),
    kind="opaque",
    forms="function",
    samples=over(
        Sample(array(2, 3), array(3, low=0.5)),
        Sample(np.array(1.5), np.array(0.5), tags=("0-d",)),
        Sample(array(0, 3), 1.0, tags=("empty",)),
        Sample(array(3, 2).T, 2.0, tags=("non-contiguous",)),
    ),
)
def normal_tensors(mean: Any, std: Any, generator: Any) -> Any:
    """Numbers drawn from normal distributions with these means and deviations. Source: torch.normal.

    >>> torch.normal(torch.zeros(3), 1.0).shape
    torch.Size([3])
    """
    if np.any(np.less(std, 0)):
        raise TensorError("normal expects all elements of std >= 0.0")
    d = _floating("normal_kernel_cpu", dtypes.of_numpy(mean.dtype))
    shape = np.broadcast_shapes(mean.shape, np.shape(std))
    return _cast(_normal(_stream(generator), shape, d) * std + mean, d)


@op(
    "bernoulli(Tensor input, *, Generator? generator=None) -> Tensor",
    meta=lambda input, generator: _cost(input.shape, input.dtype),
    kind="pointwise",
    promote="none",
    samples=unary(0.1, 0.9),
    vjp={"input": lambda g: rules.zeros_like(g)},
)
def bernoulli(input: Any, generator: Any) -> Any:
    """1 with the probability that the element gives, else 0.

    Gradient: zero. Errors: RuntimeError for a probability outside [0, 1]. Source: torch.bernoulli.

    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if np.any((input < 0) | (input > 1)):
        raise TensorError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    return _cast(_stream(generator).random(input.shape) < input, dtypes.of_numpy(input.dtype))


def _drawn_meta(input: Spec, num_samples: int, replacement: bool, generator: Any) -> Estimate:
    drawn, workspace, cost, _ = _cost(_drawn(input, num_samples, replacement), dtypes.int64)
    return Estimate(drawn, workspace + 3 * input.nbytes, cost + 40 * input.numel)  # a weight draws, is summed or sorted


@op(
    "multinomial(Tensor input, int num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor",
    meta=_drawn_meta,
    kind="opaque",
    samples=over(
        Sample(array(4, low=0.1, high=0.9), 2),
        Sample(array(2, 4, low=0.1, high=0.9), 3, True),
        Sample(np.zeros((0, 4)), 2, tags=("empty",)),
        Sample(strided(3, 2, low=0.1, high=0.9), 1, tags=("non-contiguous",)),
    ),
)
def multinomial(input: Any, num_samples: Any, replacement: Any, generator: Any) -> Any:
    """Indices drawn with the (unnormalised) probabilities in each row.

    Errors: RuntimeError for negative weights, and for more draws than there are without replacement. Source: torch.multinomial.

    >>> torch.multinomial(torch.tensor([0.0, 1.0]), 1)
    tensor([1])
    """
    _drawn(input, num_samples, replacement)
    rows = np.atleast_2d(input).astype(np.float64)
    if np.any(rows < 0) or not np.all(np.isfinite(rows)):
        raise TensorError("probability tensor contains either `inf`, `nan` or element < 0")
    stream = _stream(generator)
    drawn = np.empty((rows.shape[0], num_samples), np.int64)
    for i, row in enumerate(rows):
        total = row.sum()
        if total <= 0:
            raise TensorError("invalid multinomial distribution (sum of probabilities <= 0)")
        if replacement:
            drawn[i] = np.searchsorted(np.cumsum(row) / total, stream.random(num_samples), side="right").clip(
                0, row.size - 1
            )
        else:  # the largest of exponential races: Efraimidis and Spirakis
            drawn[i] = np.argsort(stream.exponential(size=row.size) / np.maximum(row, 1e-300), kind="stable")[
                :num_samples
            ]
    return drawn if input.ndim == 2 else drawn[0]


def _drawn(input: Any, num_samples: int, replacement: bool) -> tuple[int, ...]:
    if input.ndim not in {1, 2}:
        raise TensorError("prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise TensorError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > input.shape[-1]:
        raise TensorError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    return (*input.shape[:-1], num_samples)
