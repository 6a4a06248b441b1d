"""The batch rules of products with a summand, and of sampling by a grid: see ``engine.batch_rules``."""

from __future__ import annotations

from typing import Any

from engine.apply import run
from engine.batch_rules import RULES, pointwise, rule
from engine.batching import front
from engine.op import Op
from engine.rules import rules

__all__: list[str] = []


@rule("_squeeze_first")
def _squeeze_first(op: Op, bound: list[Any], level: int, size: int) -> Any:
    v = bound[0]
    return rules.reshape(front(v, level, size), (size, *v.shape[1:]))


def _summed(bound: list[Any], product: Any, shape: tuple[int, ...], level: int, size: int) -> Any:
    """beta·input + alpha·product, of all examples; an input times zero is not looked at, as in the row itself."""
    summand, beta, alpha = bound[0], bound[3], bound[4]
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return front(scaled, level, size)
    t = rules.expand(summand if beta == 1 else summand * beta, shape)
    return front(t + scaled, level, size)


@rule("addmv")
def _addmv(op: Op, bound: list[Any], level: int, size: int) -> Any:
    return _summed(bound, rules.mv(bound[1], bound[2]), (bound[1].shape[0],), level, size)


@rule("addr")
def _addr(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound[1], bound[2]
    product = rules.unsqueeze(a, 1) * rules.unsqueeze(b, 0)
    return _summed(bound, product, (a.shape[0], b.shape[0]), level, size)


@rule("baddbmm")
def _baddbmm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound[1], bound[2]
    return _summed(bound, rules.bmm(a, b), (*a.shape[:2], b.shape[2]), level, size)


@rule("addbmm")
def _addbmm(op: Op, bound: list[Any], level: int, size: int) -> Any:
    a, b = bound[1], bound[2]
    product = rules.sum(rules.bmm(a, b), 0, dtype=a.dtype)
    return _summed(bound, product, (a.shape[1], b.shape[2]), level, size)


RULES.update(dict.fromkeys(("_grid_places", "_grid_slopes"), pointwise))


@rule("_grid_flat")
def _grid_flat(op: Op, bound: list[Any], level: int, size: int) -> Any:
    return run(op, [[front(p, level, size) for p in bound[0]], *bound[1:]])


@rule("_grid_pick", "_grid_nearest", "_grid_still", "_grid_put")
def _grid(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """Pictures of all examples, one after another."""
    n = bound[0].shape[0]
    found = run(op, [rules.reshape(front(v, level, size), (size * n, *v.shape[1:])) for v in bound])
    return rules.reshape(found, (size, n, *found.shape[1:]))


@rule("cdist")
def _cdist(op: Op, bound: list[Any], level: int, size: int) -> Any:
    """Leading dims broadcast, so those of the shorter stand behind the batch."""
    rank = max(v.ndim for v in bound[:2])
    rows = [rules.reshape(front(v, level, size), (size, *(1,) * (rank - v.ndim), *v.shape)) for v in bound[:2]]
    return run(op, [*rows, *bound[2:]])
