"""Activations made of other functions, and the gated linear unit. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from engine import dtypes
from engine.domain import floating, in_single
from engine.errors import ShapeError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided, unary
from engine.shapes import wrap_dim

GLU = floating("glu_cpu")


@op(
    "tanhshrink(Tensor input) -> Tensor",
    meta=lambda input: _floating_spec(input),
    kind="composite",
    names=("nn.functional.tanhshrink",),
    forms="function",
    samples=unary(),
)
def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``. Source: torch.nn.functional.tanhshrink.

    >>> torch.nn.functional.tanhshrink(torch.tensor([0.5, -2.0]))
    tensor([ 0.0379, -1.0360])
    """
    return rules.sub(input, rules.tanh(input))


@op(
    "softsign(Tensor input) -> Tensor",
    meta=lambda input: _floating_spec(input),
    kind="composite",
    names=("nn.functional.softsign",),
    forms="function",
    samples=unary(),
)
def softsign(input: Any) -> Any:
    """``input/(|input| + 1)``. Source: torch.nn.functional.softsign.

    >>> torch.nn.functional.softsign(torch.tensor([1.0, -3.0]))
    tensor([ 0.5000, -0.7500])
    """
    return rules.div(input, rules.add(rules.abs(input), 1))


@op(
    "softmin(Tensor input, int dim, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dim, dtype: _softmin_meta(input, dim, dtype),
    kind="composite",
    names=("nn.functional.softmin",),
    forms="function",
    samples=over(
        Sample(array(2, 3), 0),
        Sample(array(2, 3), -1, tags=("negative dim",)),
        Sample(np.array(0.7), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), 1, tags=("empty",)),
        Sample(strided(3, 2), 1, tags=("non-contiguous",)),
    ),
)
def softmin(input: Any, dim: Any, dtype: Any) -> Any:
    """``softmax`` of minus the input. Source: torch.nn.functional.softmin.

    >>> torch.nn.functional.softmin(torch.tensor([1.0, 2.0]), 0)
    tensor([0.7311, 0.2689])
    """
    return rules.softmax(-input, dim, dtype=dtype)


def _softmin_meta(input: Spec, dim: int, dtype: Any) -> Spec:
    wrap_dim(dim, input.ndim)
    return Spec(input.shape, dtype or input.dtype)


def _floating_spec(input: Spec) -> Spec:
    return Spec(input.shape, input.dtype if input.dtype.category >= 2 else dtypes.get_default_dtype())


@op(
    "tanh(Tensor input) -> Tensor",
    meta=_floating_spec,
    kind="composite",
    names=("nn.functional.tanh",),
    forms="function",
    samples=unary(),
)
def tanh(input: Any) -> Any:
    """``torch.tanh``. Source: torch.nn.functional.tanh.

    >>> torch.nn.functional.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return rules.tanh(input)


@op(
    "sigmoid(Tensor input) -> Tensor",
    meta=_floating_spec,
    kind="composite",
    names=("nn.functional.sigmoid",),
    forms="function",
    samples=unary(),
)
def sigmoid(input: Any) -> Any:
    """``torch.sigmoid``. Source: torch.nn.functional.sigmoid.

    >>> torch.nn.functional.sigmoid(torch.tensor([0.0, 1.0]))
    tensor([0.5000, 0.7311])
    """
    return rules.sigmoid(input)


def _halved(input: Any, dim: int) -> int:
    """The dim of ``glu``. Errors: RuntimeError for one that has no halves."""
    ndim = len(input.shape)
    if not ndim:
        raise ShapeError("glu does not support scalars because halving size must be even")
    d = wrap_dim(dim, ndim)
    if input.shape[d] % 2:
        raise ShapeError(f"Halving dimension must be even, but dimension {d} is size {input.shape[d]}")
    return d


def _glu_meta(input: Spec, dim: int) -> Spec:
    d = _halved(input, dim)
    GLU.check(input)
    return Spec((*input.shape[:d], input.shape[d] // 2, *input.shape[d + 1 :]), input.dtype)


def _glu_rule(g: Any, input: Any, dim: int) -> Any:
    d = wrap_dim(dim, input.ndim)
    half = input.shape[d] // 2
    gate = rules.sigmoid(rules.narrow(input, d, half, half))
    through = g * gate
    return rules.cat([through, through * (1 - gate) * rules.narrow(input, d, 0, half)], d)


@op(
    "glu(Tensor input, int dim=-1) -> Tensor",
    meta=_glu_meta,
    kind="opaque",
    names=("nn.functional.glu",),
    forms="function",
    samples=over(
        Sample(array(4, 3), 0),
        Sample(array(3, 4), -1, tags=("negative dim",)),
        Sample(np.zeros((0, 4)), tags=("empty",)),
        Sample(strided(3, 2), 1, tags=("non-contiguous",)),
    ),
    vjp={"input": _glu_rule},
)
def glu(input: Any, dim: Any) -> Any:
    """The first half of the input along ``dim``, times the sigmoid of the second.

    Gradient: g·s for the first half, g·first·s·(1 - s) for the second. Errors: RuntimeError for an odd size.
    Source: torch.nn.functional.glu.

    >>> torch.nn.functional.glu(torch.tensor([1.0, 2.0, 0.0, -1.0]))
    tensor([0.5000, 0.5379])
    """
    d = _halved(input, dim)
    GLU.check(input)
    first, second = np.split(input, 2, d)
    return _gated(first, second)


@in_single
def _gated(first: Any, second: Any) -> Any:
    return first * special.expit(second)
