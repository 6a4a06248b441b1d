"""The batch rules of rows that need their own: see ``engine.batch_rules``."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from engine.apply import run
from engine.batch_rules import RULES, looped, pointwise, rule
from engine.batching import batched, front, mapped
from engine.dtypes import bool_, uint8
from engine.op import Op
from engine.rules import rules
from engine.shapes import infer_size, wrap_dim
from engine.tensor import wrap

__all__: list[str] = []


# -- shapes ----------------------------------------------------------------------------------------------------------------


@rule("view", "_unsafe_view")
def _view(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, wanted = bound[0], bound[1]
    return rules.reshape(front(v, level, size), (size, *infer_size(wanted, math.prod(v.shape))))


@rule("view.dtype")
def _view_dtype(op: Op, bound: list[Any], level: int, size: int) -> Any:
    if not bound[0].ndim:
        return looped(op, bound, level, size)  # the batch is no dim that could be cut up
    return run(op, [front(bound[0], level, size), bound[1]])


@rule("expand")
def _expand(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, wanted = bound[0], bound[1]
    lead = len(wanted) - v.ndim
    t = rules.reshape(front(v, level, size), (size, *(1,) * lead, *v.shape)) if lead > 0 else front(v, level, size)
    return rules.expand(t, (size, *wanted))


@rule("squeeze")
def _squeeze(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, *dims = bound
    asked = list(range(v.ndim))
    if dims:
        asked = [wrap_dim(d, v.ndim) for d in (dims[0] if isinstance(dims[0], tuple) else dims)]
    gone = tuple(i + 1 for i in asked if v.ndim and v.shape[i] == 1)
    t = front(v, level, size)
    return rules.squeeze(t, gone) if gone else rules.alias(t)


@rule("permute")
def _permute(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, dims = bound
    return rules.permute(front(v, level, size), (0, *(wrap_dim(d, v.ndim) + 1 for d in dims)))


@rule("t")
def _t(op: Op, bound: list[Any], level: int, size: int) -> Any:
    t = front(bound[0], level, size)
    return rules.transpose(t, 1, 2) if bound[0].ndim == 2 else rules.alias(t)


@rule("select.int", "slice.Tensor", "unbind.int", "split_with_sizes")
def _pieces(op: Op, bound: list[Any], level: int, size: int) -> Any:
    at = [p.name for p in op.parameters].index("dim")
    out = bound[:]
    out[0] = front(bound[0], level, size)
    out[at] = wrap_dim(bound[at], bound[0].ndim) + 1
    return run(op, out)


# -- products --------------------------------------------------------------------------------------------------------------


@rule("mm", "bmm")
def _mm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound
    if op.schema.name == "mm" and not mapped(b, level):  # one matrix for all: rows of one product
        t = a.physical
        n, k = a.shape
        return rules.reshape(rules.mm(rules.reshape(t, (size * n, k)), b), (size, n, b.shape[1]))
    return rules.matmul(front(a, level, size), front(b, level, size))


@rule("mv")
def _mv(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound
    if not mapped(a, level):
        return rules.mm(b.physical, rules.t(a))
    product = rules.matmul(a.physical, rules.unsqueeze(front(b, level, size), 2))
    return rules.squeeze(product, 2)


@rule("dot", "vdot")
def _dot(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = (front(v, level, size) for v in bound)
    return rules.sum((a.conj() if op.schema.name == "vdot" else a) * b, 1)


@rule("addmm")
def _addmm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    bias, a, b, beta, alpha = bound
    n, m = a.shape[0], b.shape[1]
    if not mapped(b, level) and mapped(a, level):
        product = rules.reshape(rules.mm(rules.reshape(a.physical, (size * n, a.shape[1])), b), (size, n, m))
    else:
        product = rules.matmul(front(a, level, size), front(b, level, size))
    t = front(bias, level, size)
    t = rules.reshape(t, (size, *(1,) * (2 - bias.ndim), *bias.shape))
    product = product if alpha == 1 else product * alpha
    return product + (t if beta == 1 else t * beta)


# -- indices ---------------------------------------------------------------------------------------------------------------


@rule("index.Tensor")
def _index(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, indices = bound
    if any(mapped(i, level) and i.dtype in {bool_, uint8} for i in indices if i is not None):
        return looped(op, bound, level, size)
    if not any(mapped(i, level) for i in indices if i is not None):
        return _index_all(v.physical, indices)
    taken = [k for k, i in enumerate(indices) if i is not None]
    if taken != list(range(taken[0], taken[-1] + 1)) or any(
        i.dtype in {bool_, uint8} for i in indices if i is not None
    ):
        return looped(op, bound, level, size)
    rank = max(i.ndim for i in indices if i is not None)
    moved = [
        None
        if i is None
        else rules.reshape(i.physical, (size, *(1,) * (rank - i.ndim), *i.shape))
        if mapped(i, level)
        else i
        for i in indices
    ]
    numbers = _batch_numbers(size, rank)
    found = rules.index(front(v, level, size), [numbers, *moved])
    lead = taken[0]
    if lead == 0:
        return found
    # indices of the batch and of later dims are no neighbours: the indexed dims came first
    shape = tuple(range(1, rank + 1))
    return rules.movedim(found, shape, tuple(d + lead for d in shape))


def _index_all(t: Any, indices: list[Any]) -> Any:
    taken = [k for k, i in enumerate(indices) if i is not None]
    found = rules.index(t, [None, *indices])
    if taken == list(range(taken[0], taken[-1] + 1)):
        return found
    rank = max(i.ndim if i.dtype.name not in {"bool", "uint8"} else 1 for i in indices if i is not None)
    return rules.movedim(found, rank, 0)  # the batch stood behind the indexed dims


def _batch_numbers(size: int, rank: int) -> Any:
    return wrap(np.arange(size).reshape(size, *(1,) * rank))


@rule("embedding")
def _embedding(op: Op, bound: list[Any], level: int, size: int) -> Any:
    weight, indices = bound[0], bound[1]
    if mapped(weight, level):
        return looped(op, bound, level, size)
    return run(op, [weight, indices.physical, *bound[2:]])


@rule("embedding.functional")
def _embedding_functional(op: Op, bound: list[Any], level: int, size: int) -> Any:
    if bound[3] is not None:  # max_norm: rows of the weight are written
        return looped(op, bound, level, size)
    return front(op.kernel(*bound), level, size)


@rule("copy", "fill.Tensor")
def _copy(op: Op, bound: list[Any], level: int, size: int) -> Any:
    target, source = bound[0], bound[1]
    t = front(source, level, size)
    t = rules.reshape(t, (size, *(1,) * (target.ndim - source.ndim), *source.shape))
    return rules.clone(rules.expand(t, (size, *target.shape))).to(target.dtype)


@rule("index_select")
def _index_select(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, dim, index = bound
    if not v.ndim:
        return looped(op, bound, level, size)
    d = wrap_dim(dim, v.ndim)
    if not mapped(index, level):
        return run(op, [v.physical, d + 1, index])
    flat = index if index.ndim else rules.reshape(index, (1,))
    return _index(op, [v, [*(None,) * d, flat]], level, size)


@rule("index_put")
def _index_put(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, indices, values, accumulate = bound
    present = [i for i in indices if i is not None]
    taken = [k for k, i in enumerate(indices) if i is not None]
    if any(i.dtype in {bool_, uint8} for i in present) or taken != list(range(taken[0], taken[-1] + 1)):
        return looped(op, bound, level, size)
    rank = max(i.ndim for i in present)
    lead = taken[0]
    dims = tuple(range(1 + lead, 1 + lead + len(taken)))
    first = tuple(range(1, 1 + len(taken)))
    t = rules.movedim(front(v, level, size), dims, first)
    moved = [
        rules.reshape(i.physical, (size, *(1,) * (rank - i.ndim), *i.shape)) if mapped(i, level) else i for i in present
    ]
    whole_rank = rank + v.ndim - len(taken)
    put = rules.reshape(front(values, level, size), (size, *(1,) * (whole_rank - values.ndim), *values.shape))
    put = rules.movedim(put, tuple(range(1 + lead, 1 + lead + rank)), tuple(range(1, 1 + rank)))
    found = rules.index_put(t, [_batch_numbers(size, rank), *moved], put, accumulate)
    return rules.movedim(found, first, dims)


@rule("index_add")
def _index_add(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, dim, index, source, alpha = bound
    if not v.ndim or not index.ndim or not source.ndim:
        return looped(op, bound, level, size)
    d = wrap_dim(dim, v.ndim)
    if not mapped(index, level):
        return run(op, [front(v, level, size), d + 1, index, front(source, level, size), alpha])
    scaled = source if alpha == 1 else source * alpha
    return _index_put(op, [v, [*(None,) * d, index], scaled, True], level, size)


@rule("masked_fill.Tensor")
def _masked_fill(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, mask, value = bound
    found = rules.where(mask, rules.to(value, v.dtype), v)
    return rules.expand(front(found, level, size), (size, *found.shape))


# -- repeating, rolling, diagonals ----------------------------------------------------------------------------------------------


@rule("repeat")
def _repeat(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, repeats = bound
    t = rules.reshape(front(v, level, size), (size, *(1,) * (len(repeats) - v.ndim), *v.shape))
    return rules.repeat(t, (1, *repeats))


@rule("roll")
def _roll(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, shifts, dims = bound
    t = front(v, level, size)
    if dims:
        return rules.roll(t, shifts, tuple(wrap_dim(d, v.ndim) + 1 for d in dims))
    flat = rules.reshape(t, (size, math.prod(v.shape)))
    return rules.reshape(rules.roll(flat, shifts, (1,)), (size, *v.shape))


@rule("trace")
def _trace(op: Op, bound: list[Any], level: int, size: int) -> Any:
    return rules.sum(rules.diagonal(front(bound[0], level, size), 0, 1, 2), 1)


@rule("argmax", "argmin")
def _arg(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, dim, keepdim = bound
    call = getattr(rules, op.schema.name)
    t = front(v, level, size)
    if dim is not None and v.ndim:
        return call(t, wrap_dim(dim, v.ndim) + 1, keepdim)
    found = call(rules.reshape(t, (size, math.prod(v.shape))), 1)
    return rules.reshape(found, (size, *(1,) * v.ndim)) if keepdim else found


RULES.update(dict.fromkeys(("complex", "polar"), pointwise))


# -- losses ------------------------------------------------------------------------------------------------------------------


@rule(
    "mse_loss",
    "_smooth_l1_loss",
    "huber_loss",
    "soft_margin_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
def _loss(op: Op, bound: list[Any], level: int, size: int) -> Any:
    if op.kind == "composite":
        return looped(op, bound, level, size)
    at = [p.name for p in op.parameters].index("reduction")
    reduction = bound[at]
    first = bound[0]
    alike = [
        batched(front(v, level, size), level) if hasattr(v, "shape") and v.shape == first.shape else v for v in bound
    ]
    each = pointwise(op, [*alike[:at], "none", *alike[at + 1 :]], level, size)
    if reduction == "none":
        return each
    flat = rules.reshape(each, (size, math.prod(each.shape[1:])))
    return rules.mean(flat, 1) if reduction == "mean" else rules.sum(flat, 1)


@rule("nll_loss_forward")
def _nll_loss(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, target, weight, reduction, ignored = bound
    if mapped(weight, level) or v.ndim > 2:
        return looped(op, bound, level, size)
    t, goals = front(v, level, size), front(target, level, size)
    shape = goals.shape
    flat, classes = rules.reshape(t, (-1, v.shape[-1])), rules.reshape(goals, (-1,))
    each = rules.reshape(run(op, [flat, classes, weight, "none", ignored]), tuple(shape))
    if reduction == "none":
        return each
    rows = rules.reshape(each, (size, -1))
    total = rules.sum(rows, 1)
    if reduction == "sum":
        return total
    counted = rules.ne(classes, ignored)
    safe = rules.where(counted, classes, 0)
    weights = (
        rules.ones_like(rows.detach())
        if weight is None
        else rules.reshape(rules.index_select(weight, 0, safe), tuple(rows.shape))
    )
    kept = rules.where(rules.reshape(counted, tuple(rows.shape)), weights, 0.0)
    return total / rules.sum(kept, 1)


# -- networks --------------------------------------------------------------------------------------------------------------------

SPATIAL: Final = {"1d": 1, "2d": 2, "3d": 3, "im2col": 2, "col2im": 1}


def _folded(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """A row over (N, C, …): the batch goes into N."""
    dims = next(n for name, n in SPATIAL.items() if name in op.schema.name)
    v = bound[op.tensors[0]]
    tensors = [bound[i] for i in op.tensors]
    if any(t is not None and t.ndim != v.ndim for t in tensors):
        return looped(op, bound, level, size)
    out = bound[:]
    for i in op.tensors:
        t = front(bound[i], level, size)
        out[i] = rules.reshape(t, (size * v.shape[0], *v.shape[1:])) if v.ndim == dims + 2 else t
    found = run(op, out)
    if v.ndim != dims + 2:
        return found
    pieces = [
        rules.reshape(f, (size, v.shape[0], *f.shape[1:])) for f in (found if isinstance(found, tuple) else (found,))
    ]
    return tuple(pieces) if isinstance(found, tuple) else pieces[0]


for _name in (
    *(f"{kind}_pool{d}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for d in (1, 2, 3)),
    *(f"max_pool{d}d_with_indices" for d in (1, 2, 3)),
    "im2col",
    "col2im",
):
    RULES[_name] = _folded
del RULES["adaptive_avg_pool1d"]


@rule("convolution")
def _convolution(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, weight, bias = bound[:3]
    rest, groups, transposed = bound[3:], bound[8], bound[6]
    if v.ndim != weight.ndim:
        return looped(op, bound, level, size)
    n = v.shape[0]
    if not mapped(weight, level) and not mapped(bias, level):
        found = run(op, [rules.reshape(v.physical, (size * n, *v.shape[1:])), weight, bias, *rest])
        return rules.reshape(found, (size, n, *found.shape[1:]))
    # a weight for each example: as many groups of channels, each with its own
    t = rules.movedim(front(v, level, size), 0, 1)
    t = rules.reshape(t, (n, size * v.shape[1], *v.shape[2:]))
    w = front(weight, level, size)
    w = rules.reshape(w, (size * weight.shape[0], *weight.shape[1:]))
    b = None if bias is None else rules.reshape(front(bias, level, size), (size * bias.shape[0],))
    found = run(op, [t, w, b, *rest[:-1], size * groups])
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return rules.movedim(rules.reshape(found, (n, size, channels, *found.shape[2:])), 1, 0)


@rule("layer_norm")
def _layer_norm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, shape, weight, bias, eps = bound
    found = run(op, [front(v, level, size), shape, None, None, eps])
    for factor, combine in ((weight, rules.mul), (bias, rules.add)):
        if mapped(factor, level):
            ones = (1,) * (v.ndim - factor.ndim)
            found = combine(found, rules.reshape(factor.physical, (size, *ones, *factor.shape)))
        elif factor is not None:
            found = combine(found, factor)
    return found


@rule("_batch_norm_training")
def _batch_norm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, weight, bias, eps = bound
    n, channels = v.shape[0], v.shape[1]
    t = rules.reshape(rules.movedim(front(v, level, size), 0, 1), (n, size * channels, *v.shape[2:]))
    vectors = [None if w is None else rules.reshape(front(w, level, size), (size * channels,)) for w in (weight, bias)]
    found = run(op, [t, *vectors, eps])
    return rules.movedim(rules.reshape(found, (n, size, channels, *v.shape[2:])), 1, 0)


@rule("linalg_solve_ex")
def _solve(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound[0], bound[1]
    if b.ndim != 1 and (b.ndim != a.ndim - 1 or b.shape != a.shape[:-1]):
        t = front(a, level, size)
        t = rules.reshape(t, (size, *(1,) * (b.ndim - a.ndim), *a.shape)) if b.ndim > a.ndim else t
        found = run(op, [t, front(b, level, size), *bound[2:]])
        return type(found)(found[0], rules.reshape(found[1], (size, *a.shape[:-2])))
    found = run(op, [front(a, level, size), rules.unsqueeze(front(b, level, size), -1), *bound[2:]])
    return type(found)(rules.squeeze(found[0], -1), found[1])


@rule("diag_embed")
def _diag_embed(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, offset, dim1, dim2 = bound
    rank = v.ndim + 1
    return rules.diag_embed(front(v, level, size), offset, wrap_dim(dim1, rank) + 1, wrap_dim(dim2, rank) + 1)


@rule("expand_copy", "permute_copy", "t_copy", "unsqueeze_copy")
def _copies(op: Op, bound: list[Any], level: int, size: int) -> Any:
    plain = getattr(rules, op.schema.name.removesuffix("_copy"))
    return rules.clone(plain(*(v for v in bound if v is not False)).physical)


@rule("_as_strided", "_as_strided_copy")
def _as_strided(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v, sizes, stride, offset, strides = bound
    whole = front(v, level, size)
    if hasattr(whole, "physical"):
        return looped(op, bound, level, size)
    step = whole.stride(0)
    return run(op, [whole, (size, *sizes), (step, *stride), offset, (step, *strides)])
