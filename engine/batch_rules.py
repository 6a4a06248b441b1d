"""How rows are called on whole batches, by ``engine.batching``: (row, bound arguments, level, batch size) → whole batches.

Most rows need none of their own: elementwise rows broadcast, and others take leading dims, so that dims and sizes among their
attributes move by one. ``LOOPED`` lists those that are called once an example; a test keeps that list free of core operators and true.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from engine.apply import run
from engine.batching import front, mapped
from engine.errors import TensorError
from engine.op import Op
from engine.rules import rules
from engine.shapes import wrap_dim

__all__ = ["LOOPED", "RULES", "looped", "pointwise", "rule", "rule_of"]

Rule: TypeAlias = Callable[[Op, list[Any], int, int], Any]

DIMS: Final = frozenset({"dim", "dims", "dim0", "dim1", "dim2", "dimension", "start_dim", "end_dim"})
SIZES: Final = frozenset({"size", "sizes", "shape"})
WITH_NEW_DIM: Final = frozenset({"unsqueeze", "stack"})
"""Rows whose dim counts among the result's dims, one more than the input's."""

RULES: Final[dict[str, Rule]] = {}
LOOPED: Final = frozenset(
    {
        "_adaptive_avg_backward",
        "_avg_pool_backward",
        "_bag_places",
        "_bag_sizes",
        "_bags",
        "_batch_moments",
        "_batch_norm_evaluation",
        "_convolution_bias",
        "_convolution_weight",
        "_ctc_loss",
        "_ctc_loss_backward",
        "_embedding_kept",
        "_embedding_renorm",
        "_index_put_zeros",
        "_max_pool_backward",
        "_max_pool_pick",
        "_max_pool_values",
        "_pdist_backward",
        "_put",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_standardize_backward",
        "adaptive_avg_pool1d",
        "all.dims",
        "allclose",
        "any.dims",
        "as_strided_scatter",
        "bincount",
        "block_diag",
        "bucketize.Tensor",
        "channel_shuffle",
        "cholesky_solve",
        "combinations",
        "cov",
        "ctc_loss",
        "dist",
        "embedding_bag",
        "embedding_dense_backward",
        "equal",
        "fill_diagonal",
        "gaussian_nll_loss",
        "group_norm",
        "histc",
        "index_copy",
        "index_fill",
        "index_reduce",
        "instance_norm",
        "interpolate",
        "isclose",
        "isin",
        "linalg_lu_solve",
        "linalg_solve_triangular",
        "log_softmax_functional",
        "lu_solve",
        "lu_unpack",
        "masked_scatter",
        "masked_select",
        "max_unpool1d",
        "max_unpool2d",
        "max_unpool3d",
        "multi_margin_loss",
        "multi_margin_loss_backward",
        "multilabel_margin_loss",
        "multilabel_margin_loss_backward",
        "nanmean",
        "nanquantile",
        "narrow.Tensor",
        "nll_loss2d_forward",
        "nll_loss_backward",
        "nonzero",
        "pdist",
        "put",
        "quantile",
        "renorm",
        "repeat_interleave",
        "searchsorted",
        "softmax_functional",
        "take",
        "tensor_split",
        "unfold",
        "unfold_backward",
        "unfold_copy",
        "unique",
        "unique_consecutive",
        "unravel_index",
        "upsample",
        "upsample_bilinear",
        "upsample_nearest",
        "where",
    }
)


def rule_of(op: Op) -> Rule | None:
    """The batch rule of a row; None for a composite, whose parts have theirs."""
    if not RULES:
        from engine import batch_products, batch_rows

        assert (batch_products.__all__, batch_rows.__all__) == ([], [])  # importing them declares their rules
    found = RULES.get(op.id) or RULES.get(op.schema.name)
    if found is not None:
        return found
    if op.id in LOOPED or op.schema.name in LOOPED:
        return looped
    if op.kind == "composite":
        return None
    if op.kind == "pointwise":
        return pointwise
    if op.kind == "reduce" and not any(p.name in DIMS for p in op.parameters):
        return _whole
    return _leading


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare the rule of rows, by id or by torch's name."""

    def declare(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        return f

    return declare


def pointwise(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """Batches in front of dims that broadcast."""
    rank = max(bound[i].ndim for i in op.tensors if hasattr(bound[i], "ndim"))
    out = bound[:]
    for i in op.tensors:
        v = bound[i]
        if mapped(v, level):
            t = v.physical
            missing = rank - v.ndim
            out[i] = rules.reshape(t, (size, *(1,) * missing, *v.shape)) if missing else t
    return run(op, out)


def _fronted(v: Any, level: int, size: int) -> Any:
    """A tensor or a list of them as whole batches."""
    if v is None:
        return None
    if type(v) is list:
        return [_fronted(t, level, size) for t in v]
    return front(v, level, size)


def _leading(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """Batches in front; dims among the attributes count one more, sizes get the batch's."""
    first = bound[op.tensors[0]]
    example = first[0] if type(first) is list else first
    names = [p.name for p in op.parameters]
    backward = "sizes" in names  # the gradient of a view: its dims are those of what it becomes
    rank = len(bound[names.index("sizes")]) if backward else example.ndim
    out = bound[:]
    for i in op.tensors:
        out[i] = _fronted(bound[i], level, size)
    if rank == 0 and not backward and any(getattr(bound[i], "ndim", 0) for i in op.tensors):
        return looped(op, bound, level, size)
    flat = rank == 0 and not backward and not DIMS.isdisjoint(names) and op.schema.name not in WITH_NEW_DIM
    if flat:
        for i in op.tensors:
            out[i] = _with_one(out[i])
    for i, p in enumerate(op.parameters):
        if i in op.tensors:
            continue
        if p.name in DIMS:
            out[i] = _shifted(op, bound[i], 1 if flat else rank + (op.schema.name in WITH_NEW_DIM))
        elif p.name in SIZES and bound[i] is not None:
            out[i] = (size, *bound[i])
    found = run(op, out)
    return _without_one(found) if flat else found


def _with_one(v: Any) -> Any:
    if type(v) is list:
        return [_with_one(t) for t in v]
    return rules.reshape(v, (v.shape[0], 1)) if v is not None and v.ndim == 1 else v


def _without_one(found: Any) -> Any:
    if isinstance(found, tuple):
        pieces = [_without_one(f) for f in found]
        return type(found)(*pieces) if hasattr(found, "_fields") else tuple(pieces)
    return rules.reshape(found, (found.shape[0],)) if found.ndim == 2 else found


def _shifted(op: Op, dim: Any, rank: int) -> Any:
    if dim is None or dim == ():
        return tuple(range(1, rank + 1)) if op.kind == "reduce" else dim
    if isinstance(dim, tuple):
        return tuple(wrap_dim(d, rank) + 1 for d in dim)
    return wrap_dim(dim, rank) + 1


def looped(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """One call an example, and the results side by side."""
    found = [run(op, [_example(v, level, k) for v in bound]) for k in range(size)]
    if not isinstance(found[0], tuple):
        return _stacked(op, found)
    columns = [_stacked(op, list(column)) for column in zip(*found, strict=True)]
    return type(found[0])(*columns) if hasattr(found[0], "_fields") else tuple(columns)


def _stacked(op: Op, examples: list[Any]) -> Any:
    if not all(hasattr(e, "shape") and e.shape == examples[0].shape for e in examples):
        raise TensorError(
            f"vmap: It looks like you're attempting to use {op.name}, whose output's shape depends on values: examples differ"
        )
    return rules.stack(examples)


def _example(v: Any, level: int, k: int) -> Any:
    if type(v) is list:
        return [_example(t, level, k) for t in v]
    return rules.select(v.physical, 0, k) if mapped(v, level) else v


# -- rows that reduce all --------------------------------------------------------------------------------------------------

OVER_ALL: Final = {"max": "amax", "min": "amin"}


def _whole(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """A reduction of everything: over one flat dim of each example."""
    if 0 in bound[0].shape:
        return looped(op, bound, level, size)
    t = rules.reshape(front(bound[0], level, size), (size, math.prod(bound[0].shape)))
    name = op.schema.name
    call = getattr(rules, OVER_ALL.get(name, name))
    options = {p.name: v for p, v in zip(op.parameters[1:], bound[1:], strict=True)}
    found = call(t, 1, **options)
    return found[0] if isinstance(found, tuple) else found
