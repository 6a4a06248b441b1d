"""What the tests over all rows share: samples as tensors, calls that can be repeated, and which cases a row's samples cover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import engine
from engine.apply import run
from engine.errors import EngineError
from engine.op import ROWS, Op, Sample
from engine.tensor import Tensor, wrap

PUBLIC = [row for row in ROWS if row.forms]
TRIED = [row for row in ROWS if row.samples is not None]
DIMS = {"dim", "dims", "dim0", "dim1", "start_dim", "end_dim", "axis", "source", "destination"}

# Parameters without a derivative, in PyTorch neither: their rule says so, or what they weigh is not asked for them.
NO_DERIVATIVE = {
    "batch_norm": {"running_mean", "running_var"},
    "cross_entropy_loss": {"weight"},
    "instance_norm": {"running_mean", "running_var"},
    "nll_loss_nd": {"weight"},
    "remainder.Scalar_Tensor": {"other"},
}

SINGLE = {"float64": "float32", "complex128": "complex64"}


def samples(row: Op) -> list[Sample]:
    return list(row.samples()) if row.samples is not None else []


def tensor(array: Any, *, single: bool = False) -> Tensor:
    """A copy as a tensor, with the array's own gaps between elements."""
    d = array.dtype if not single else np.dtype(SINGLE.get(array.dtype.name, array.dtype.name))
    steps = tuple(s // array.itemsize for s in array.strides)
    if not array.size or array.flags.c_contiguous or min(steps) < 1:
        return wrap(np.array(array, dtype=d, order="C"))
    whole = np.zeros(1 + sum(s * (n - 1) for s, n in zip(steps, array.shape, strict=True)), d)
    view = np.lib.stride_tricks.as_strided(whole, array.shape, tuple(s * d.itemsize for s in steps))
    view[...] = array
    return wrap(view)


def converted(value: Any, make: Callable[[Any], Any]) -> Any:
    """An argument with every array in it replaced."""
    if isinstance(value, (np.ndarray, np.generic)):
        return make(np.asarray(value))
    if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, np.generic)) for v in value):
        return [converted(v, make) for v in value]
    return value


def arguments(row: Op, sample: Sample, make: Callable[[Any], Any] = tensor) -> list[Any]:
    """A sample's arguments, bound to the row's parameters."""
    kwargs = {name: converted(value, make) for name, value in sample.kwargs.items()}
    return row.bind([converted(value, make) for value in sample.args], kwargs)


def call(row: Op, bound: list[Any]) -> Any:
    """The row, with the same random numbers at every call."""
    engine.manual_seed(7)
    with np.errstate(all="ignore"):
        return run(row, list(bound))


def outputs(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, (tuple, list)) else [answer]


def flat(bound: list[Any]) -> Iterator[Tensor]:
    for value in bound:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Tensor):
                yield item


def leaves(row: Op, bound: list[Any]) -> list[Tensor]:
    """The arguments that the row has a rule for (a composite: all that can require grad), made to require grad."""
    ruled = {name for key in row.vjp or {} for name in key.split(", ")}
    found = []
    for parameter, value in zip(row.parameters, bound, strict=True):
        if parameter.name in NO_DERIVATIVE.get(row.id, ()) or (row.kind != "composite" and parameter.name not in ruled):
            continue
        found += [t.requires_grad_() for t in flat([value]) if t.dtype.differentiable]
    return found


def upstream(tensors: list[Tensor]) -> list[Tensor]:
    """A gradient for each tensor: fixed numbers, none of them 0 or 1."""
    found = []
    for k, t in enumerate(tensors):
        values = np.cos(np.arange(t.numel(), dtype=np.float64) + k + 0.5).reshape(t.shape)
        if t.is_complex():
            values = values * (1 + 0.5j)
        found.append(wrap(np.asarray(values).astype(t.dtype.numpy)))
    return found


def same_bits(a: Any, b: Any) -> bool:
    """Equal values of one dtype and shape; a NaN equals a NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


# -- cases ------------------------------------------------------------------------------------------------------------


def covered(row: Op, sample: Sample) -> set[str]:
    """The cases that a sample is, whatever its tags say."""
    bound = arguments(row, sample)
    arrays = [t._array for t in flat(bound)]
    answers = [t._array for t in outputs(call(row, bound)) if isinstance(t, Tensor)]
    if row.kind == "create" and not arrays:
        arrays = answers
    found = set()
    if any(a.ndim == 0 for a in arrays):
        found.add("0-d")
    if any(a.size == 0 for a in (*arrays, *answers)):
        found.add("empty")
    if any(a.ndim and not np.asarray(a).flags.c_contiguous for a in arrays):
        found.add("non-contiguous")
    shapes = {tuple(a.shape) for a in arrays}
    if len(shapes) > 1 or {tuple(a.shape) for a in answers} - shapes:
        found.add("broadcast")
    if any(_negative(v) for v in bound):
        found.add("negative dim")
    return found


def _negative(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_negative(v) for v in value)
    return type(value) is int and value < 0


def applicable(row: Op) -> set[str]:
    """The cases that a row's samples must cover, by its schema and by what it takes."""
    found = set()
    names = {p.name for p in row.parameters if p.kind.startswith("int")}
    if names & DIMS:
        found.add("negative dim")
    tensors = [p for p in row.parameters if p.is_tensor or p.is_tensor_list]
    if row.kind == "pointwise" and sum(p.kind == "Tensor" for p in tensors) > 1:
        found.add("broadcast")
    if not tensors:
        return found | ({"0-d", "empty"} if "size" in names and row.kind == "create" else set())
    tried = [s for s in samples(row) if any(t.ndim for t in flat(arguments(row, s)))]
    if tried:
        found.add("non-contiguous")
    if any(_takes(row, sample, lambda a: np.ones((), a.dtype)) for sample in samples(row)):
        found.add("0-d")
    if any(_takes(row, sample, _emptied) for sample in tried):
        found.add("empty")
    return found


def _emptied(a: Any) -> Any:
    return np.ones((0, *a.shape[1:]), a.dtype) if a.ndim else a


def _takes(row: Op, sample: Sample, change: Callable[[Any], Any]) -> bool:
    try:
        call(row, arguments(row, sample, lambda a: tensor(change(a))))
    except EngineError:
        return False
    return True
