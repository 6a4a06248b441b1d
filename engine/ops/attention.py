"""Scaled dot product attention. Rules, names and the choice of the fused row: PyTorch's attention.cpp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import Domain, in_single
from engine.duals import differentiated
from engine.errors import DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import lean, rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, wrap_dim

FLOATS = Domain("bi", "expected scalar type Float but found {dtype}", DtypeError)


# -- softmax of rows that may be masked out ----------------------------------------------------------------------------


@in_single
def _soft(input: Any, dim: int) -> Any:
    if not input.size:
        return np.zeros(input.shape, input.dtype)
    top = np.maximum.reduce(input, axis=dim, keepdims=True)
    out = np.exp(input - np.where(np.isneginf(top), input.dtype.type(0), top))
    total = np.add.reduce(out, axis=dim, keepdims=True)
    return out / np.where(total == 0, input.dtype.type(1), total)


@op(
    "_safe_softmax(Tensor input, int dim) -> Tensor",
    meta=lambda input, dim: input,
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 3), 1)),
    vjp={"input": lambda g, result, dim: result * (g - rules.sum(g * result, dim, True))},
)
def _safe_softmax(input: Any, dim: Any) -> Any:
    """``softmax``, but zero where all along ``dim`` is minus infinity. Gradient: result·(g - sum(g·result)). Source: aten."""
    return _soft(input, wrap_dim(dim, input.ndim))


# -- the fused row -----------------------------------------------------------------------------------------------------


def _product(a: Any, b: Any) -> Any:
    return np.matmul(a, b) if type(a) is np.ndarray and type(b) is np.ndarray else rules.matmul(a, b)


def _turned(a: Any) -> Any:
    return a.swapaxes(-2, -1) if type(a) is np.ndarray else rules.transpose(a, -2, -1)


def _causal(length: int, source: int) -> Any:
    return np.tri(length, source, dtype=np.bool_)


def _scores(query: Any, key: Any, attn_mask: Any, is_causal: bool, scale: float) -> Any:
    """What the softmax is taken of."""
    scores = _product(query * math.sqrt(scale), _turned(key) * math.sqrt(scale))
    if is_causal:
        hidden = ~_causal(query.shape[-2], key.shape[-2])
        scores = rules.where(hidden, -math.inf, scores)
    if attn_mask is not None:
        scores = rules.where(attn_mask, scores, -math.inf) if _is_bool(attn_mask) else scores + attn_mask
    return scores


def _is_bool(mask: Any) -> bool:
    return bool(mask.dtype.name == "bool")


def _scale(query: Any, scale: float | None) -> float:
    return 1 / math.sqrt(query.shape[-1]) if scale is None else scale


def _fused_rule(
    g: Any, query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, scale: float | None
) -> tuple[Any, Any, Any]:
    factor = _scale(query, scale)
    shares = lean(_safe_softmax, _scores(query, key, attn_mask, is_causal, factor), -1)
    to_shares = _product(g, _turned(value))
    to_scores = shares * (to_shares - rules.sum(to_shares * shares, -1, True)) * factor
    return (
        _product(to_scores, key),
        _product(_turned(to_scores), query),
        _product(_turned(shares), g),
    )


def _size(query: Spec, key: Spec, value: Spec) -> tuple[tuple[int, ...], int, int]:
    """The result's shape, and the arithmetic and the elements of the scores."""
    lead = broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    length, width, source, depth = query.shape[-2], query.shape[-1], key.shape[-2], value.shape[-1]
    if key.shape[-1] != width or value.shape[-2] != source:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: {[math.prod(lead), width]} but got: "
            f"{[math.prod(lead), key.shape[-1]]}."
        )
    scores = math.prod(lead) * length * source
    return (*lead, length, depth), scores * (2 * width + 2 * depth + 30), scores


def _fused_meta(query: Spec, key: Spec, value: Spec, *rest: Any) -> Estimate:
    shape, cost, scores = _size(query, key, value)
    return Estimate((Spec(shape, query.dtype),), 3 * scores * query.dtype.itemsize, cost)


@op(
    "_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, bool is_causal, float? scale) "
    "-> Tensor",
    meta=_fused_meta,
    kind="opaque",
    grad_fn="ScaledDotProductFlashAttentionForCpuBackward0",
    forms="",
    samples=over(
        Sample(array(1, 2, 3, 2), array(1, 2, 4, 2, start=5), array(1, 2, 4, 3, start=9), None, False, None),
        Sample(array(1, 2, 3, 2), array(1, 2, 4, 2, start=5), array(1, 2, 4, 3, start=9), None, True, 0.5),
        Sample(array(1, 2, 3, 2), array(1, 2, 4, 2, start=5), array(1, 2, 4, 3, start=9), array(3, 4), False, None),
    ),
    vjp={"query, key, value": _fused_rule},
)
def _scaled_dot_product_flash_attention_for_cpu(
    query: Any, key: Any, value: Any, attn_mask: Any, is_causal: Any, scale: Any
) -> Any:
    """Attention of four dims in one node. The shares are computed again for the gradient rather than kept. Source: aten."""
    scores = _scores(query, key, attn_mask, is_causal, _scale(query, scale))
    return np.matmul(_soft(scores, scores.ndim - 1), value).astype(query.dtype, copy=False)


# -- the function ------------------------------------------------------------------------------------------------------


def _dtype(value: Any) -> str:
    name: str = value.dtype.name
    return {"float32": "float", "float64": "double", "float16": "c10::Half"}.get(name, name)


def _check(query: Any, key: Any, value: Any, attn_mask: Any) -> None:
    dims = [len(v.shape) for v in (query, key, value)]
    if min(dims) < 2:
        raise TensorError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {dims[0]} key.dim: {dims[1]} and "
            f"value.dim: {dims[2]} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise DtypeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {_dtype(query)} key.dtype: {_dtype(key)} and "
            f"value.dtype: {_dtype(value)} instead."
        )
    if attn_mask is not None and attn_mask.dtype != query.dtype and attn_mask.dtype.name not in ("bool", "float32"):
        raise DtypeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {_dtype(attn_mask)} and  "
            f"query.dtype: {_dtype(query)} instead."
        )
    FLOATS.check(query)


def _fuses(query: Any, key: Any, value: Any, attn_mask: Any, dropout_p: float) -> bool:
    shapes = [v.shape for v in (query, key, value)]
    return (
        dropout_p == 0
        and all(len(s) == 4 and 0 not in s for s in shapes)
        and shapes[0][:2] == shapes[1][:2] == shapes[2][:2]
        and query.dtype.name.startswith("float")
        and (attn_mask is None or (len(attn_mask.shape) in (2, 4) and not differentiated(attn_mask)))
    )


def _repeated(query: Spec, value: Spec) -> Spec:
    heads = query.shape[-3] if query.ndim > 2 else 1
    return Spec((*value.shape[:-3], heads, *value.shape[-2:]), value.dtype)


def _meta(
    query: Spec,
    key: Spec,
    value: Spec,
    attn_mask: Any,
    dropout_p: float,
    is_causal: bool,
    scale: Any,
    enable_gqa: bool,
) -> Estimate:
    _check(query, key, value, attn_mask)
    if enable_gqa:
        _grouped(query, key, value)
        key, value = _repeated(query, key), _repeated(query, value)
    shape, cost, scores = _size(query, key, value)
    if attn_mask is not None:
        broadcast_shapes((*shape[:-1], key.shape[-2]), attn_mask.shape)
    return Estimate((Spec(shape, query.dtype),), 4 * scores * query.dtype.itemsize, cost)


def _grouped(query: Any, key: Any, value: Any) -> tuple[int, int]:
    """How often each head of key and of value is used. Errors: RuntimeError where that is no whole number."""
    heads = [v.shape[-3] if len(v.shape) > 2 else 0 for v in (query, key, value)]
    if 0 in heads or heads[0] % heads[1] or heads[0] % heads[2]:
        raise ShapeError("Number of heads in key and value must divide the number of heads in query")
    return heads[0] // heads[1], heads[0] // heads[2]


@op(
    "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, "
    "bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.scaled_dot_product_attention",),
    forms="function",
    samples=over(
        Sample(array(2, 3, 2), array(2, 4, 2, start=5), array(2, 4, 3, start=9)),
        Sample(array(2, 3, 2), array(2, 4, 2, start=5), array(2, 4, 3, start=9), is_causal=True, scale=0.5),
        Sample(array(3, 2), array(2, 4, 2, start=5), array(2, 4, 3, start=9), array(3, 4), tags=("broadcast",)),
        Sample(array(1, 2, 3, 2), array(1, 2, 4, 2, start=5), array(1, 2, 4, 3, start=9)),
        Sample(array(1, 2, 3, 2), array(1, 1, 4, 2, start=5), array(1, 1, 4, 3, start=9), enable_gqa=True),
        Sample(np.zeros((0, 3, 2)), np.zeros((0, 4, 2)), np.zeros((0, 4, 3)), tags=("empty",)),
        Sample(strided(3, 2), array(4, 2, start=5), array(4, 3, start=9), tags=("non-contiguous",)),
    ),
)
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any,
    dropout_p: Any,
    is_causal: Any,
    scale: Any,
    enable_gqa: Any,
) -> Any:
    """``softmax(query·keyᵀ·scale + attn_mask)·value`` over the last two dims; the scale is one over the root of the width.

    A bool mask says what takes part; a floating one is added. ``is_causal`` hides what comes later. ``dropout_p`` drops shares;
    ``enable_gqa`` repeats the heads of key and value. Errors: RuntimeError for fewer than 2 dims and for dtypes that differ.
    Source: torch.nn.functional.scaled_dot_product_attention.

    >>> q = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> torch.nn.functional.scaled_dot_product_attention(q, q, q)
    tensor([[0.6698, 0.3302],
            [0.3302, 0.6698]])
    """
    _check(query, key, value, attn_mask)
    if enable_gqa:
        times = _grouped(query, key, value)
        key, value = (
            v if n == 1 else rules.repeat_interleave(v, n, -3) for v, n in zip((key, value), times, strict=True)
        )
    if _fuses(query, key, value, attn_mask, dropout_p):
        return lean(_scaled_dot_product_flash_attention_for_cpu, query, key, value, attn_mask, is_causal, scale)
    if is_causal and attn_mask is not None:
        raise TensorError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    shares = lean(_safe_softmax, _scores(query, key, attn_mask, is_causal, _scale(query, scale)), -1)
    if dropout_p > 0:
        shares = rules.dropout(shares, dropout_p, True)
    return _product(shares, value)
