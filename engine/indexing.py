"""``x[…]`` and ``x[…] = v``: Python's index, taken apart into select, slice, unsqueeze and index, as PyTorch's graph shows it.

Source: torch/csrc/autograd/python_variable_indexing.cpp (the rules, in our own words).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.apply import dispatch, dispatch_inplace, run
from engine.errors import ArgumentError, DimensionError, InvalidValueError
from engine.op import OPS
from engine.rules import rules
from engine.scalars import converted
from engine.tensor import Tensor, wrap

__all__ = ["getitem", "setitem"]

(SELECT,) = (row for row in OPS["select"] if row.schema.overload == "int")
(SLICE,) = OPS["slice"]
SCALAR_INDEX = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor "
    "to a number"
)
NO_INDEX = "slice indices must be integers or None or have an __index__ method"


def getitem(t: Tensor, index: Any) -> Tensor:
    """``t[index]``: a view for ints, slices, None and …; a copy where an index or mask tensor is among them.

    >>> import engine as torch
    >>> getitem(torch.tensor([[1, 2], [3, 4]]), (slice(None), 0))
    tensor([1, 3])
    """
    kind = type(index)
    if kind is int:
        return run(SELECT, [t, 0, _inside(t, 0, index)])  # type: ignore[no-any-return]
    if kind is slice:
        return _slice(t, 0, index, always=True)
    if index is None:
        return rules.unsqueeze(t, 0)  # type: ignore[no-any-return]
    result, tensors = _parts(t, _items(index))
    if tensors:
        return rules.index(result, tensors)  # type: ignore[no-any-return]
    return rules.alias(t) if result is t else result


def setitem(t: Tensor, index: Any, value: Any) -> None:
    """``t[index] = value``, in place; the history of ``t`` follows.

    Errors: RuntimeError for a value that does not broadcast, and what in-place operators refuse.

    >>> import engine as torch
    >>> x = torch.zeros(3)
    >>> setitem(x, slice(1, None), 5)
    >>> x
    tensor([0., 5., 5.])
    """
    number = not isinstance(value, Tensor)
    source = _value(t, value)
    if type(index) is int:
        target: Tensor = rules.select(t, 0, _inside(t, 0, index))
        tensors: list[Any] = []
    else:
        target, tensors = _parts(t, _items(index))
    if tensors:
        if number:
            source = rules.to(source, t.dtype)
        dispatch_inplace(OPS["index_put"], (target, tensors, _without_leading_ones(source)), {})
    elif number:
        dispatch_inplace(OPS["fill"], (target, source), {})
    else:
        source = _without_leading_ones(source, target.ndim)
        if target.shape != source.shape:
            source = rules.expand(source, tuple(target.shape))
        dispatch_inplace(OPS["copy"], (target, source), {})


def _value(t: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, complex, np.number, np.bool_)):
        number = value.item() if isinstance(value, np.generic) else value
        d = t.dtype.numpy
        if type(number) is int and not -(2**63) <= number < 2**63:
            raise InvalidValueError("Overflow when unpacking long long")
        if d.name != "float16":
            return wrap(converted(number, d))
        with np.errstate(over="ignore"):  # PyTorch goes through a double here: what is too big becomes inf
            return wrap(converted(number, np.dtype(np.float64)).astype(d))
    raise ArgumentError(f"can't assign a {type(value).__name__} to a torch.{_class(t)}")


def _class(t: Tensor) -> str:
    from engine.domain import spoken

    return f"{spoken(t)}Tensor"


def _without_leading_ones(source: Tensor, ndim: int = 0) -> Tensor:
    shape = tuple(source.shape)
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return source if len(shape) == source.ndim else rules.view(source, shape)


def _items(index: Any) -> list[Any]:
    """The parts of an index: a tuple's, a list's of anything but numbers, else the index alone."""
    if isinstance(index, tuple):
        return list(index)
    if isinstance(index, list) and any(
        isinstance(i, (slice, Tensor, list, tuple)) or i is None or i is Ellipsis for i in index
    ):
        return list(index)
    return [index]


def _takes(item: Any) -> int:
    """How many dims an item stands for."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    if isinstance(item, Tensor) and item.dtype.name in {"bool", "uint8"}:
        return item.ndim
    return 1


def _parts(t: Tensor, items: list[Any]) -> tuple[Tensor, list[Any]]:
    """The view that the plain items give, and the index tensors that remain, by dim of that view."""
    items = [_tensor(i) if isinstance(i, (list, tuple, range, np.ndarray)) else i for i in items]
    given = sum(_takes(i) for i in items)
    if given > t.ndim:
        raise DimensionError(
            SCALAR_INDEX if t.ndim == 0 and len(items) == 1 else f"too many indices for tensor of dimension {t.ndim}"
        )
    result, dim = t, 0
    seen = 0  # dims of t that are spoken for
    tensors: dict[int, Any] = {}
    for item in items:
        if item is None:
            result, dim = rules.unsqueeze(result, dim), dim + 1
        elif item is Ellipsis:
            dim += t.ndim - given
        elif isinstance(item, (bool, np.bool_)):
            result = rules.unsqueeze(result, dim)
            tensors[dim] = wrap(np.array([bool(item)]))
            dim += 1
        elif isinstance(item, Tensor):
            result, dim = _by_tensor(result, dim, item, tensors, seen)
        elif isinstance(item, slice):
            result, dim = _slice(result, dim, item), dim + 1
        elif isinstance(item, str):
            raise ArgumentError(f"new(): invalid data type '{type(item).__name__}'")
        elif hasattr(item, "__index__"):
            result = rules.select(result, dim, _inside(result, dim, item.__index__(), seen))
        else:
            raise DimensionError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                f"(got {type(item).__name__})"
            )
        seen += t.ndim - given if item is Ellipsis else _takes(item)
    return result, _listed(tensors)


def _by_tensor(result: Tensor, dim: int, item: Tensor, tensors: dict[int, Any], seen: int) -> tuple[Tensor, int]:
    whole = item.dtype.category == 1 and item.dtype.name != "uint8"
    if item.ndim == 0 and whole and not hasattr(item, "physical"):  # one that is batched has a number for each example
        return rules.select(result, dim, _inside(result, dim, int(item), seen)), dim
    if item.ndim == 0 and item.dtype.category < 2 and not whole:
        tensors[dim] = wrap(np.array([bool(item)]))
        return rules.unsqueeze(result, dim), dim + 1
    tensors[dim] = item.detach()
    return result, dim + max(_takes(item), 1)


def _listed(tensors: dict[int, Any]) -> list[Any]:
    """Index tensors with None for each dim before the last that has none."""
    out: list[Any] = []
    at = 0
    for dim, item in tensors.items():
        out += [None] * (dim - at)
        out.append(item)
        at = dim + max(_takes(item), 1)
    return out


def _tensor(sequence: Any) -> Tensor:
    if isinstance(sequence, range):
        sequence = list(sequence)
    made: Tensor = (
        dispatch(OPS["tensor"], (sequence,), {}) if not isinstance(sequence, np.ndarray) else wrap(np.array(sequence))
    )
    if made.numel() == 0 and not isinstance(sequence, np.ndarray):
        return wrap(np.zeros(made.shape, np.int64))
    return made


def _inside(t: Tensor, dim: int, index: int, shown: int = 0) -> int:
    if t.ndim == 0:
        raise DimensionError(SCALAR_INDEX)
    n = t._array.shape[dim]
    if not -n <= index < n:
        raise DimensionError(f"index {index} is out of bounds for dimension {shown} with size {n}")
    return index


def _slice(t: Tensor, dim: int, item: slice, *, always: bool = False) -> Tensor:
    if t.ndim == 0:
        raise ArgumentError("slice() cannot be applied to a 0-dim tensor.")
    if item.step is not None and _bound(item.step) <= 0:
        raise InvalidValueError("step must be greater than zero")
    n = t._array.shape[dim]
    try:
        first, last, step = item.indices(n)
    except TypeError:
        raise ArgumentError(NO_INDEX) from None
    if not always and first == 0 and last == n and step == 1:
        return t
    return run(SLICE, [t, dim, first, max(first, last), step])  # type: ignore[no-any-return]


def _bound(value: Any) -> int:
    if not hasattr(value, "__index__"):
        raise ArgumentError(NO_INDEX)
    return int(value.__index__())
