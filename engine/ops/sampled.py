"""Tensors filled with random numbers in place. PyTorch's numbers are not promised; its laws are. Source: DistributionTemplates.h."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import DtypeError, TensorError, UnsupportedDtypeError
from engine.generator import Generator, default_generator
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, unary


def _stream(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator()).numbers()


def _meta(input: Spec, *_: Any) -> Estimate:
    return Estimate((input,), 8 * input.numel, 10 * input.numel)


def _samples(*args: Any) -> Any:
    return lambda: [Sample(*s.args, *args, tags=s.tags) for s in unary()()]


def _floating(input: Any, name: str) -> None:
    if input.dtype.kind not in "fc":
        raise UnsupportedDtypeError(f"\"{name}\" not implemented for '{spoken(input)}'")


def _real(input: Any, name: str) -> None:
    if input.dtype.kind != "f":
        raise UnsupportedDtypeError(f"\"{name}\" not implemented for '{spoken(input)}'")


def _kept(drawn: Any, input: Any) -> Any:
    return np.asarray(drawn).astype(input.dtype)


def _zero(g: Any) -> Any:
    return rules.zeros_like(g)


@op(
    "uniform(Tensor input, float from_=0.0, float to=1.0, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="inplace",
    samples=_samples(-1.0, 1.0),
    vjp={"input": _zero},
)
def uniform(input: Any, from_: Any, to: Any, generator: Any) -> Any:
    """Numbers drawn evenly from a range.

    Gradient: zero. Errors: RuntimeError for a range that is none. Source: torch.Tensor.uniform_.

    >>> torch.zeros(2, 3).uniform_(2, 5).shape
    torch.Size([2, 3])
    """
    _real(input, "check_uniform_bounds")
    if from_ > to:
        raise TensorError(f"uniform_ expects to return a [from, to) range, but found from={from_:g} > to={to:g}")
    wide = from_ + (to - from_) * _stream(generator).random(input.shape)
    drawn = _kept(wide, input)
    return np.where(drawn >= to, np.nextafter(input.dtype.type(to), input.dtype.type(from_)), drawn)


@op(
    "normal.inplace(Tensor input, float mean=0.0, float std=1.0, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="NormalBackward0",
    forms="inplace",
    samples=_samples(1.0, 2.0),
    vjp={"input": _zero},
)
def normal(input: Any, mean: Any, std: Any, generator: Any) -> Any:
    """Numbers drawn from a normal distribution.

    Gradient: zero. Errors: RuntimeError for a negative deviation. Source: torch.Tensor.normal_.

    >>> torch.zeros(2, 3).normal_().shape
    torch.Size([2, 3])
    """
    if std < 0:
        raise TensorError(f"normal expects std >= 0.0, but found std {std:g}")
    _floating(input, "normal_kernel_cpu")
    stream = _stream(generator)
    drawn = stream.standard_normal(input.shape)
    if input.dtype.kind == "c":
        drawn = (drawn + 1j * stream.standard_normal(input.shape)) / math.sqrt(2)
    return _kept(drawn * std + mean, input)


@op(
    "log_normal(Tensor input, float mean=1.0, float std=2.0, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="inplace",
    samples=_samples(),
    vjp={"input": _zero},
)
def log_normal(input: Any, mean: Any, std: Any, generator: Any) -> Any:
    """Numbers whose logarithms are drawn from a normal distribution.

    Gradient: zero. Errors: RuntimeError for a deviation that is not positive. Source: torch.Tensor.log_normal_.

    >>> bool((torch.zeros(9).log_normal_() > 0).all())
    True
    """
    if std <= 0:
        raise TensorError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    _real(input, "log_normal_cpu")
    return _kept(np.exp(_stream(generator).standard_normal(input.shape) * std + mean), input)


@op(
    "cauchy(Tensor input, float median=0.0, float sigma=1.0, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="inplace",
    samples=_samples(),
    vjp={"input": _zero},
)
def cauchy(input: Any, median: Any, sigma: Any, generator: Any) -> Any:
    """Numbers drawn from a Cauchy distribution.

    Gradient: zero. Errors: RuntimeError for a width that is not positive. Source: torch.Tensor.cauchy_.

    >>> torch.zeros(3).cauchy_().shape
    torch.Size([3])
    """
    if sigma <= 0:
        raise TensorError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _real(input, "cauchy_cpu")
    return _kept(_stream(generator).standard_cauchy(input.shape) * sigma + median, input)


@op(
    "exponential(Tensor input, float lambd=1.0, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="inplace",
    samples=_samples(),
    vjp={"input": _zero},
)
def exponential(input: Any, lambd: Any, generator: Any) -> Any:
    """Numbers drawn from an exponential distribution.

    Gradient: zero. Errors: RuntimeError for a rate that is not positive. Source: torch.Tensor.exponential_.

    >>> bool((torch.zeros(9).exponential_(2.0) >= 0).all())
    True
    """
    if lambd <= 0:
        raise TensorError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    _real(input, "exponential_kernel_cpu")
    return _kept(_stream(generator).standard_exponential(input.shape) / lambd, input)


@op(
    "geometric(Tensor input, float p, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="inplace",
    samples=_samples(0.5),
    vjp={"input": _zero},
)
def geometric(input: Any, p: Any, generator: Any) -> Any:
    """How many trials there were until the first success.

    Gradient: zero. Errors: RuntimeError for a probability outside (0, 1). Source: torch.Tensor.geometric_.

    >>> bool((torch.zeros(9).geometric_(0.5) >= 1).all())
    True
    """
    if not 0 < p < 1:
        raise TensorError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    return _kept(_stream(generator).geometric(p, input.shape), input)


@op(
    "bernoulli.float(Tensor input, float p=0.5, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="BernoulliBackward2",
    forms="inplace",
    samples=_samples(0.25),
    vjp={"input": _zero},
)
def bernoulli(input: Any, p: Any, generator: Any) -> Any:
    """1 with a probability, else 0.

    Gradient: zero. Errors: RuntimeError for a probability outside [0, 1]. Source: torch.Tensor.bernoulli_.

    >>> torch.zeros(3).bernoulli_(1.0)
    tensor([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise TensorError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    return _kept(_stream(generator).random(input.shape) < p, input)


@op(
    "bernoulli.Tensor(Tensor input, Tensor p, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="BernoulliBackward1",
    forms="inplace",
    samples=lambda: [
        *[Sample(*s.args, np.asarray(s.args[0]) * 0 + 0.25, tags=s.tags) for s in unary()()],
        Sample(array(2, 3), np.full(3, 0.25), tags=("broadcast",)),
    ],
    vjp={"input": _zero, "p": _zero},
)
def bernoulli_tensor(input: Any, p: Any, generator: Any) -> Any:
    """1 with the probability that stands in ``p``, else 0.

    Gradient: zero. Errors: RuntimeError for a probability outside [0, 1]. Source: torch.Tensor.bernoulli_.

    >>> torch.zeros(2).bernoulli_(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    if np.any((p < 0) | (p > 1)):
        raise TensorError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    return _kept(_stream(generator).random(input.shape) < p, input)


def _last(d: np.dtype[Any]) -> int:
    """One more than the greatest whole number up to which a dtype holds all."""
    if d.kind == "b":
        return 2
    return int(2 ** (np.finfo(d).nmant + 1)) + 1 if d.kind == "f" else int(np.iinfo(d).max) + 1


def _whole(input: Any, low: int, high: int, generator: Any) -> Any:
    if input.dtype.kind == "c":
        raise DtypeError(f"\"random_\" not implemented for '{spoken(input)}'")
    if low >= high:
        raise TensorError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _kept(
        _stream(generator).integers(low, high, input.shape, dtype=np.int64 if high < 2**63 else np.uint64), input
    )


@op(
    "random(Tensor input, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="RandomBackward2",
    forms="inplace",
    samples=_samples(),
    vjp={"input": _zero},
)
def random(input: Any, generator: Any) -> Any:
    """Whole numbers drawn evenly from 0 to the greatest that the dtype holds with all below it.

    Gradient: zero. Source: torch.Tensor.random_.

    >>> torch.zeros(3, dtype=torch.int8).random_().shape
    torch.Size([3])
    """
    return _whole(input, 0, _last(input.dtype), generator)


@op(
    "random.to(Tensor input, int to, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="RandomBackward1",
    forms="inplace",
    samples=_samples(5),
    vjp={"input": _zero},
)
def random_to(input: Any, to: Any, generator: Any) -> Any:
    """Whole numbers drawn evenly from 0 up to ``to``, which is left out.

    Gradient: zero. Errors: RuntimeError for an empty range. Source: torch.Tensor.random_.

    >>> torch.zeros(3).random_(1)
    tensor([0., 0., 0.])
    """
    return _whole(input, 0, to, generator)


@op(
    "random.from(Tensor input, int from_, int to, *, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    grad_fn="RandomBackward0",
    forms="inplace",
    samples=_samples(-2, 5),
    vjp={"input": _zero},
)
def random_from(input: Any, from_: Any, to: Any, generator: Any) -> Any:
    """Whole numbers drawn evenly from ``from_`` up to ``to``, which is left out.

    Gradient: zero. Errors: RuntimeError for an empty range. Source: torch.Tensor.random_.

    >>> torch.zeros(3).random_(4, 5)
    tensor([4., 4., 4.])
    """
    return _whole(input, from_, to, generator)


@op(
    "poisson(Tensor input, Generator? generator=None) -> Tensor",
    meta=_meta,
    kind="pointwise",
    promote="none",
    forms="function",
    samples=lambda: [Sample(*s.args, tags=s.tags) for s in unary(0.5, 3.0)()],
    vjp={"input": _zero},
)
def poisson(input: Any, generator: Any) -> Any:
    """Whole numbers drawn from Poisson distributions with these rates.

    Gradient: zero. Errors: RuntimeError for a negative rate. Source: torch.poisson.

    >>> torch.poisson(torch.zeros(3))
    tensor([0., 0., 0.])
    """
    _real(input, "poisson_cpu")
    if np.any(input < 0):
        raise TensorError("invalid Poisson rate, expected rate to be non-negative")
    return _kept(_stream(generator).poisson(input.astype(np.float64)), input)
