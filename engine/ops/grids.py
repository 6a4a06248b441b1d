"""All pairs of what vectors hold: grids, products, combinations. Rules: those of view, expand and stack."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.errors import DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided

MOST_DIMS = 64  # of a tensor
SEVERAL = (
    Sample([array(3), array(2, start=20)]),
    Sample([array(2), array(2, start=20), array(3, start=40)]),
    Sample([np.array(1.5), array(2)], tags=("0-d",)),
    Sample([array(0), array(2)], tags=("empty",)),
    Sample([strided(3), array(2)], tags=("non-contiguous",)),
)


def _sides(tensors: Sequence[Any], indexing: str | None) -> tuple[int, ...]:
    """How many elements each vector has, in the order of the tensors."""
    if not tensors:
        raise TensorError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if len(t.shape) > 1:
            raise ShapeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(t.shape)}")
        if t.dtype != tensors[0].dtype:
            raise DtypeError("meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise TensorError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    return tuple(math.prod(t.shape) for t in tensors)


def _order(n: int, indexing: str | None) -> list[int]:
    """The dim along which each tensor varies."""
    order = list(range(n))
    return [1, 0, *order[2:]] if indexing == "xy" and n > 1 else order


def _mesh_meta(tensors: Sequence[Spec], indexing: str | None) -> Estimate:
    sides = _sides(tensors, indexing)
    shape = tuple(sides[k] for k in _order(len(sides), indexing))
    return Estimate(tuple(Spec(shape, t.dtype) for t in tensors), 0, 1)


@op(
    "meshgrid.indexing(Tensor[] tensors, *, str? indexing=None) -> Tensor[]",
    meta=_mesh_meta,
    kind="composite",
    forms="function",
    samples=over(*SEVERAL, Sample([array(3), array(2, start=20)], indexing="xy")),
)
def meshgrid(tensors: Any, indexing: Any) -> Any:
    """A tensor for each vector, in which it varies along a dim of its own: views of one shape.

    indexing: "ij" (the default): the dims in the order of the vectors; "xy": the first two swapped. Errors: RuntimeError for more than
    one dim or different dtypes. Source: torch.meshgrid.

    >>> torch.meshgrid(torch.tensor([1, 2, 3]), torch.tensor([4, 5]), indexing="ij")
    (tensor([[1, 1],
            [2, 2],
            [3, 3]]), tensor([[4, 5],
            [4, 5],
            [4, 5]]))
    """
    sides = _sides(tensors, indexing)
    order = _order(len(sides), indexing)
    shape = tuple(sides[k] for k in order)
    return tuple(
        rules.expand(rules.reshape(t, tuple(n if k == d else 1 for k, n in enumerate(shape))), shape)
        for t, d in zip(tensors, order, strict=True)
    )


def _vectors(tensors: Sequence[Any]) -> None:
    for t in tensors:
        if len(t.shape) != 1:
            raise ShapeError(f"Expect a 1D vector, but got shape {list(t.shape)}")


def _product_meta(tensors: Sequence[Spec]) -> Spec:
    _vectors(tensors)
    if len(tensors) == 1:
        return tensors[0]
    return Spec((math.prod(_sides(tensors, "ij")), len(tensors)), tensors[0].dtype)


@op(
    "cartesian_prod(Tensor[] tensors) -> Tensor",
    meta=_product_meta,
    kind="composite",
    forms="function",
    samples=over(*(s for s in SEVERAL if "0-d" not in s.tags), Sample([array(3)])),
)
def cartesian_prod(tensors: Any) -> Any:
    """All ways to take one element of each vector, a row each; of one vector itself.

    Errors: RuntimeError for what is no vector. Source: torch.cartesian_prod.

    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([4, 5]))
    tensor([[1, 4],
            [1, 5],
            [2, 4],
            [2, 5]])
    """
    _vectors(tensors)
    if len(tensors) == 1:
        return tensors[0]
    return rules.stack([rules.flatten(t) for t in rules.meshgrid(tensors, indexing="ij")], 1)


def _ways(input: Any, r: int, with_replacement: bool) -> int:
    if len(input.shape) != 1:
        raise ShapeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise TensorError(f"Expect a non-negative number, but got {r}")
    if r > MOST_DIMS:  # all of them are chosen from a grid of so many dims
        raise TensorError(f"combinations takes at most {MOST_DIMS} elements at a time, but got r={r}")
    n = input.shape[0]
    if with_replacement:
        return math.comb(n + r - 1, r) if n else 0
    return math.comb(n, r)


def _combinations_meta(input: Spec, r: int, with_replacement: bool) -> Estimate:
    ways = _ways(input, r, with_replacement)
    if r == 0:
        return Estimate((Spec((0,), input.dtype),), 0, 1)
    all_of_them = input.shape[0] ** r
    return Estimate((Spec((ways, r), input.dtype),), 10 * all_of_them, r * (all_of_them + ways) + 1)


@op(
    "combinations(Tensor input, int r=2, bool with_replacement=False) -> Tensor",
    meta=_combinations_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(4)),
        Sample(array(3), 2, True),
        Sample(array(4), 3),
        Sample(array(4), 1),
        Sample(array(4), 0),
        Sample(array(0), 2, tags=("empty",)),
        Sample(strided(3), tags=("non-contiguous",)),
    ),
)
def combinations(input: Any, r: Any, with_replacement: Any) -> Any:
    """All ways to take ``r`` elements of a vector, in its order, a row each; with replacement one may come several times.

    Errors: RuntimeError for what is no vector, for a negative ``r``. Source: torch.combinations.

    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    _ways(input, r, with_replacement)
    if r == 0:
        return rules.detach_copy(rules.slice(input, 0, 0, 0))
    n = input.shape[0]
    places = np.indices((n,) * r, sparse=True)
    chosen = np.ones((n,) * r, np.bool_)
    for a, b in itertools.pairwise(places):
        chosen &= (a <= b) if with_replacement else (a < b)
    return rules.stack([rules.masked_select(t, chosen) for t in rules.meshgrid([input] * r, indexing="ij")], 1)
