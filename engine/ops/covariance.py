"""Covariances and correlations, as PyTorch composes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import common, spoken
from engine.errors import DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided


def _category(x: Any) -> int:
    return (x.dtype if isinstance(x.dtype, dtypes.dtype) else dtypes.of_numpy(x.dtype)).category


def _name(x: Any) -> str:
    return spoken(Spec((), x.dtype if isinstance(x.dtype, dtypes.dtype) else dtypes.of_numpy(x.dtype)))


def _checked(input: Any, fweights: Any, aweights: Any) -> None:
    """Errors: RuntimeError in PyTorch's words for what does not fit, but for values."""
    if input.ndim > 2:
        raise TensorError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    if _category(input) == 0:
        raise DtypeError("cov(): bool dtype is not supported for input")
    n = input.shape[1] if input.ndim == 2 else (*input.shape, 1)[0]
    for name, w, category, kind in (("fweights", fweights, 1, "integral"), ("aweights", aweights, 2, "floating point")):
        if w is None:
            continue
        if w.ndim > 1:
            raise ShapeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.ndim} dimensions"
            )
        if _category(w) != category:
            raise DtypeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {_name(w)} dtype")
        if (*w.shape, 1)[0] != n:
            raise ShapeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got {(*w.shape, 1)[0]} != {n}"
            )


def _cov_meta(input: Spec, correction: int, fweights: Any, aweights: Any) -> Estimate:
    _checked(input, fweights, aweights)
    variables, n = input.shape if input.ndim == 2 else (1, (*input.shape, 1)[0])
    d = dtypes.of_numpy(common(*(s for s in (input, fweights, aweights) if s is not None)))
    d = d if d.category >= 2 else dtypes.get_default_dtype()
    shape = () if variables == 1 else (variables, variables)
    work = 3 * d.itemsize * variables * n + 2 * d.itemsize * variables**2
    return Estimate((Spec(shape, d),), work, 2 * max(variables * variables * n, 1))


def _any(condition: Any) -> bool:
    return bool(rules.any(condition))


def _covariance(input: Any, correction: int, fweights: Any, aweights: Any) -> Any:
    _checked(input, fweights, aweights)
    x = rules.reshape(input, (1, -1)) if input.ndim < 2 else input
    n = x.shape[1]
    w = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is not None:
            if _any(given < 0):
                raise TensorError(f"cov(): {name} cannot be negative")
            w = given if w is None else rules.mul(w, given)
    if w is None:
        mean = rules.div(rules.sum(x, 1), n)
        factor: Any = max(n - correction, 0)
    else:
        total = rules.sum(w)
        if not _any(total != 0):
            raise TensorError("cov(): weights sum to zero, can't be normalized")
        mean = rules.div(rules.sum(rules.mul(x, w), 1), total)
        factor = rules.sub(total, correction)
        if aweights is not None and correction:
            factor = rules.sub(total, rules.div(rules.mul(rules.sum(rules.mul(w, aweights)), correction), total))
        factor = rules.where(factor <= 0, 0, factor)
    off = rules.sub(x, rules.unsqueeze(mean, 1))
    right = off if w is None else rules.mul(off, w)
    return rules.squeeze(rules.div(rules.mm(off, rules.t(right).conj()), factor))


@op(
    "cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor",
    meta=_cov_meta,
    kind="composite",
    samples=over(
        Sample(array(3, 4)),
        Sample(array(3, 4), correction=0, fweights=np.array([1, 2, 1, 3]), aweights=array(4, low=0.3)),
        Sample(np.array(1.5), correction=0, tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(2, 4), tags=("non-contiguous",)),
    ),
)
def cov(input: Any, correction: Any, fweights: Any, aweights: Any) -> Any:
    """The covariances of variables (rows) over observations (columns), which may be weighted.

    Errors: RuntimeError for more than two dims and for weights that do not fit. Source: torch.cov.

    >>> torch.cov(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    return _covariance(input, correction, fweights, aweights)


def _corrcoef_meta(input: Spec) -> Estimate:
    _two_dims(input.ndim)
    return _cov_meta(input, 1, None, None)


def _two_dims(ndim: int) -> None:
    if ndim > 2:
        raise TensorError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {ndim} dimensions"
        )


@op(
    "corrcoef(Tensor input) -> Tensor",
    meta=_corrcoef_meta,
    kind="composite",
    samples=over(
        Sample(array(3, 4)),
        Sample(array(4, low=0.5)),
        Sample(np.array(1.5), tags=("0-d",)),
        Sample(array(0, 3), tags=("empty",)),
        Sample(strided(2, 4), tags=("non-contiguous",)),
    ),
)
def corrcoef(input: Any) -> Any:
    """The correlations of variables (rows) over observations (columns): covariances over the product of deviations.

    Errors: RuntimeError for more than two dims. Source: torch.corrcoef.

    >>> torch.corrcoef(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    _two_dims(input.ndim)
    c = _covariance(input, 1, None, None)
    if not c.ndim:
        return c / c
    d = rules.diagonal(c)
    whole = _category(c) == 3
    deviation = rules.sqrt(rules.real(d) if whole else d)
    c = rules.div(rules.div(c, rules.reshape(deviation, (-1, 1))), rules.reshape(deviation, (1, -1)))
    if whole:
        return rules.complex(rules.clamp(rules.real(c), -1, 1), rules.clamp(rules.imag(c), -1, 1))
    return rules.clamp(c, -1, 1)
