"""Parting a dim by a number of sections or at indices: tensor_split and its kin. Rules: those of slices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, Specs, op
from engine.places import code, spoken_of
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim

EVEN = (
    Sample(array(5, 3), 2),
    Sample(array(7), 3),
    Sample(array(2, 4), 2, -1, tags=("negative dim",)),
    Sample(array(1), 1),
    Sample(array(0, 3), 2, tags=("empty",)),
    Sample(strided(3, 4), 3, 1, tags=("non-contiguous",)),
)


MOST_READ = 10_000
"""Sections that a tensor may ask for: its value is not foreseen by an estimate, so nothing else bounds them."""


def _sections(shape: tuple[int, ...], sections: int, dim: int) -> tuple[int, list[tuple[int, int]]]:
    d = _counted(shape, sections, dim)
    small, more = divmod(shape[d], sections)
    starts = [i * small + min(i, more) for i in range(sections + 1)]
    return d, list(itertools.pairwise(starts))


def _counted(shape: tuple[int, ...], sections: int, dim: int) -> int:
    d = _dim_to_part(shape, dim)
    if sections <= 0:
        raise TensorError(f"number of sections must be larger than 0, got {sections}")
    return d


def _sectioned(shape: tuple[int, ...], sections: int, dim: int, dtype: Any) -> Estimate:
    d = _counted(shape, sections, dim)
    small, more = divmod(shape[d], sections)
    return Estimate(Specs(sections, lambda i: Spec((*shape[:d], small + (i < more), *shape[d + 1 :]), dtype)), 0, 1)


def _dim_to_part(shape: tuple[int, ...], dim: int) -> int:
    if not shape:
        raise TensorError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    return wrap_dim(dim, len(shape))


def _between(shape: tuple[int, ...], indices: Sequence[int], dim: int) -> tuple[int, list[tuple[int, int]]]:
    d = _dim_to_part(shape, dim)
    starts = [0, *indices]
    return d, list(zip(starts, [*indices, shape[d]], strict=True))


def _bounded(shape: tuple[int, ...], d: int, bounds: list[tuple[int, int]], dtype: Any) -> Estimate:
    def part(i: int) -> Spec:
        n = len(range(*slice(*bounds[i]).indices(shape[d])))
        return Spec((*shape[:d], n, *shape[d + 1 :]), dtype)

    return Estimate(Specs(len(bounds), part), 0, 1)


def _pieces(input: Any, d: int, bounds: list[tuple[int, int]]) -> tuple[Any, ...]:
    return tuple(rules.slice(input, d, start, end) for start, end in bounds)


@op(
    "tensor_split.sections(Tensor input, int sections, int dim=0) -> Tensor[]",
    meta=lambda input, sections, dim: _sectioned(input.shape, sections, dim, input.dtype),
    kind="composite",
    samples=over(*EVEN),
)
def tensor_split(input: Any, sections: Any, dim: Any) -> Any:
    """Views of exactly so many parts of a dim, which differ in size by one at most.

    Errors: RuntimeError for no sections. Source: torch.tensor_split.

    >>> torch.tensor_split(torch.arange(5), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    return _pieces(input, *_sections(tuple(input.shape), sections, dim))


CUTS = (
    Sample(array(5, 3), (1, 3)),
    Sample(array(2, 5), (-2,), -1, tags=("negative dim",)),
    Sample(array(1), ()),
    Sample(array(0, 3), (2, 9), tags=("empty",)),
    Sample(strided(3, 4), (2, 1), 1, tags=("non-contiguous",)),
)


@op(
    "tensor_split.indices(Tensor input, int[] indices, int dim=0) -> Tensor[]",
    meta=lambda input, indices, dim: _bounded(input.shape, *_between(input.shape, indices, dim), input.dtype),
    kind="composite",
    samples=over(*CUTS),
)
def tensor_split_indices(input: Any, indices: Any, dim: Any) -> Any:
    """Views of the parts of a dim between indices, as slices would give them.

    Source: torch.tensor_split.

    >>> torch.tensor_split(torch.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    return _pieces(input, *_between(tuple(input.shape), indices, dim))


def _checked_cuts(cuts: Any) -> None:
    if code(cuts) != "int64":
        raise TensorError(
            f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {spoken_of(cuts)}"
        )
    if len(cuts.shape) > 1:
        raise TensorError(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but got a tensor with "
            f"{len(cuts.shape)} dims"
        )


def _cuts_meta(input: Spec, tensor_indices_or_sections: Spec, dim: int) -> Estimate:
    _checked_cuts(tensor_indices_or_sections)
    _dim_to_part(input.shape, dim)
    return Estimate((input,) * (tensor_indices_or_sections.numel + 1), 0, 1, bound=True)


@op(
    "tensor_split.tensor_indices_or_sections(Tensor input, Tensor tensor_indices_or_sections, int dim=0) -> Tensor[]",
    meta=_cuts_meta,
    kind="composite",
    samples=over(
        Sample(array(5, 3), np.array([1, 3])),
        Sample(array(5, 3), np.array(2)),
        Sample(array(1), np.zeros(0, np.int64)),
        Sample(array(0, 3), np.array([2, 9]), tags=("empty",)),
        Sample(strided(3, 4), np.array([2, 1]), tags=("non-contiguous",)),
        Sample(array(5, 2), np.array([1, 3]), -2, tags=("negative dim",)),
    ),
)
def tensor_split_tensor(input: Any, tensor_indices_or_sections: Any, dim: Any) -> Any:
    """Views of the parts of a dim, by the values of an int64 tensor: indices in a vector, the number of sections without dims.

    Source: torch.tensor_split.

    >>> torch.tensor_split(torch.arange(5), torch.tensor([1, 3]))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    _checked_cuts(tensor_indices_or_sections)
    values = tensor_indices_or_sections.tolist()
    if type(values) is int and values > MOST_READ:
        raise TensorError(f"tensor_split makes at most {MOST_READ} parts by a number in a tensor, but got {values}")
    find: Callable[..., Any] = _between if type(values) is list else _sections
    return _pieces(input, *find(tuple(input.shape), values, dim))


NAMES = {"hsplit": 1, "vsplit": 2, "dsplit": 3}


def _axis(name: str, shape: tuple[int, ...]) -> int:
    need = NAMES[name]
    if len(shape) < need:
        raise TensorError(
            f"torch.{name} requires a tensor with at least {need} dimension, but got a tensor with {len(shape)} dimensions!"
        )
    return {"hsplit": 0 if len(shape) == 1 else 1, "vsplit": 0, "dsplit": 2}[name]


def _divisible(name: str, shape: tuple[int, ...], sections: int) -> int:
    d = _axis(name, shape)
    if sections == 0 or shape[d] % sections:
        raise TensorError(
            f"torch.{name} attempted to split along dimension {d}, but the size of the dimension {shape[d]} is not divisible by the "
            f"split_size {sections}!"
        )
    return d


def _even(name: str, shape: tuple[int, ...], sections: int) -> tuple[int, list[tuple[int, int]]]:
    return _sections(shape, sections, _divisible(name, shape, sections))


def _evenly(name: str) -> Callable[..., Estimate]:
    def meta(input: Spec, sections: int) -> Estimate:
        return _sectioned(input.shape, sections, _divisible(name, input.shape, sections), input.dtype)

    return meta


def _at(name: str) -> Callable[..., Estimate]:
    return lambda input, indices: _bounded(
        input.shape, *_between(input.shape, indices, _axis(name, input.shape)), input.dtype
    )


def _cubes(dims: int, argument: Any) -> Any:
    shape = (2, 4, 6)[-max(dims, 2) :]
    return over(
        Sample(array(*shape), argument),
        Sample(array(*(1,) * dims) if dims > 1 else array(2), argument if type(argument) is tuple else 1),
        Sample(array(*shape[:-1], 0) if dims < 3 else array(0, 4, 6), argument, tags=("empty",)),
        Sample(strided(*shape), argument, tags=("non-contiguous",)),
    )


@op(
    "hsplit.int(Tensor input, int sections) -> Tensor[]", meta=_evenly("hsplit"), kind="composite", samples=_cubes(1, 2)
)
def hsplit(input: Any, sections: Any) -> Any:
    """Equal parts of the second dim (of the only one for a vector), as views.

    Errors: RuntimeError where the sections do not divide the size. Source: torch.hsplit.

    >>> torch.hsplit(torch.arange(8).reshape(2, 4), 2)
    (tensor([[0, 1],
            [4, 5]]), tensor([[2, 3],
            [6, 7]]))
    """
    return _pieces(input, *_even("hsplit", tuple(input.shape), sections))


@op(
    "hsplit.array(Tensor input, int[] indices) -> Tensor[]",
    meta=_at("hsplit"),
    kind="composite",
    samples=_cubes(1, (1,)),
)
def hsplit_indices(input: Any, indices: Any) -> Any:
    """Parts of the second dim (of the only one for a vector) between indices, as views. Source: torch.hsplit.

    >>> torch.hsplit(torch.arange(4), (1,))
    (tensor([0]), tensor([1, 2, 3]))
    """
    return _pieces(input, *_between(tuple(input.shape), indices, _axis("hsplit", tuple(input.shape))))


@op(
    "vsplit.int(Tensor input, int sections) -> Tensor[]", meta=_evenly("vsplit"), kind="composite", samples=_cubes(2, 2)
)
def vsplit(input: Any, sections: Any) -> Any:
    """Equal parts of the first dim, as views.

    Errors: RuntimeError where the sections do not divide the size. Source: torch.vsplit.

    >>> torch.vsplit(torch.arange(4).reshape(2, 2), 2)
    (tensor([[0, 1]]), tensor([[2, 3]]))
    """
    return _pieces(input, *_even("vsplit", tuple(input.shape), sections))


@op(
    "vsplit.array(Tensor input, int[] indices) -> Tensor[]",
    meta=_at("vsplit"),
    kind="composite",
    samples=_cubes(2, (1,)),
)
def vsplit_indices(input: Any, indices: Any) -> Any:
    """Parts of the first dim between indices, as views. Source: torch.vsplit.

    >>> torch.vsplit(torch.arange(4).reshape(2, 2), (1,))
    (tensor([[0, 1]]), tensor([[2, 3]]))
    """
    return _pieces(input, *_between(tuple(input.shape), indices, _axis("vsplit", tuple(input.shape))))


@op(
    "dsplit.int(Tensor input, int sections) -> Tensor[]", meta=_evenly("dsplit"), kind="composite", samples=_cubes(3, 2)
)
def dsplit(input: Any, sections: Any) -> Any:
    """Equal parts of the third dim, as views.

    Errors: RuntimeError where the sections do not divide the size. Source: torch.dsplit.

    >>> torch.dsplit(torch.arange(4).reshape(1, 2, 2), 2)
    (tensor([[[0],
             [2]]]), tensor([[[1],
             [3]]]))
    """
    return _pieces(input, *_even("dsplit", tuple(input.shape), sections))


@op(
    "dsplit.array(Tensor input, int[] indices) -> Tensor[]",
    meta=_at("dsplit"),
    kind="composite",
    samples=_cubes(3, (1,)),
)
def dsplit_indices(input: Any, indices: Any) -> Any:
    """Parts of the third dim between indices, as views. Source: torch.dsplit.

    >>> torch.dsplit(torch.arange(4).reshape(1, 2, 2), (1,))
    (tensor([[[0],
             [2]]]), tensor([[[1],
             [3]]]))
    """
    return _pieces(input, *_between(tuple(input.shape), indices, _axis("dsplit", tuple(input.shape))))
