"""Factories: tensors from data, constants, ranges and random numbers. Nothing here has a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import ArgumentError, InvalidValueError, TensorError
from engine.op import Sample, Spec, op
from engine.samples import over, unary
from engine.tensor import Tensor


def _sizes(size: Any) -> tuple[int, ...]:
    for n in size:
        if n < 0:
            raise TensorError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return tuple(size)


def _default(dtype: Any) -> dtypes.dtype:
    return dtype or dtypes.get_default_dtype()  # type: ignore[no-any-return]


def from_data(data: Any, dtype: dtypes.dtype | None) -> np.ndarray[Any, Any]:
    """Nested sequences, numbers, NumPy arrays or tensors as a new array, with torch.tensor's dtypes and sentences."""
    if isinstance(data, Tensor):
        return np.array(data._array, dtype=None if dtype is None else dtype.numpy)
    if isinstance(data, (np.ndarray, np.generic)):
        dtypes.of_numpy(data.dtype)
        return np.array(data, dtype=None if dtype is None else dtype.numpy)
    flat: list[Any] = []
    shape = _measure(data)
    _collect(data, shape, 0, flat)
    if dtype is None:
        kinds = {type(v) for v in flat}
        dtype = dtypes.get_default_dtype()
        if flat:
            dtype = dtypes.of_scalar(True) if kinds == {bool} else _widest(flat)
    try:
        array = np.array(flat, dtype=_exact(kind_of(flat), dtype))
    except OverflowError:
        raise TensorError("Overflow when unpacking long long") from None
    array = array.astype(dtype.numpy, copy=False).reshape(shape)
    return array if shape else array[()]  # type: ignore[no-any-return]


def kind_of(flat: list[Any]) -> str:
    """The widest kind among Python numbers: "b", "i", "f" or "c"."""
    kinds = {type(v) for v in flat}
    return "c" if complex in kinds else "f" if float in kinds else "i" if int in kinds else "b"


def _exact(kind: str, dtype: dtypes.dtype) -> Any:
    """Where Python numbers land first: integers stay exact on their way to an integer dtype."""
    return dtype.numpy if kind != "i" or dtype.category != 1 else np.int64


def _widest(flat: list[Any]) -> dtypes.dtype:
    found = {dtypes.of_scalar(v) for v in flat}
    return dtypes.promote(tuple(found))


def _measure(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(data, (list, tuple)):
        shape.append(len(data))
        if len(shape) > 64:
            raise InvalidValueError("too many dimensions")
        if not data:
            break
        data = data[0]
    if isinstance(data, (np.ndarray, Tensor)) and data.ndim:
        shape += data.shape
    return tuple(shape)


def _collect(data: Any, shape: tuple[int, ...], depth: int, flat: list[Any]) -> None:
    stack: list[tuple[Any, int]] = [(data, depth)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, (list, tuple)):
            if level >= len(shape):
                raise InvalidValueError(f"expected scalar but got a sequence at dim {level}")
            if len(item) != shape[level]:
                raise InvalidValueError(f"expected sequence of length {shape[level]} at dim {level} (got {len(item)})")
            stack.extend((piece, level + 1) for piece in reversed(item))
        elif isinstance(item, (np.ndarray, np.generic, Tensor)):
            stack.append((item.tolist(), level))
        elif type(item) in (bool, int, float, complex):
            if level != len(shape):
                raise ArgumentError(f"expected a sequence at dim {level}, got {type(item).__name__}", "data")
            flat.append(item)
        else:
            raise ArgumentError(f"new(): invalid data type '{type(item).__name__}'", "data")


@op(
    "tensor(Any data, *, ScalarType? dtype=None, bool requires_grad=False) -> Tensor",
    meta=lambda data, dtype, requires_grad: _data_spec(data, dtype),
    kind="create",
    forms="function",
    samples=over(Sample([[1.0, 2.0], [3.0, 4.0]]), Sample(2, tags=("0-d",)), Sample([], tags=("empty",)), Sample([True, False])),
)
def tensor(data: Any, dtype: Any, requires_grad: Any) -> Any:
    """A new tensor with a copy of the data: numbers, nested lists, arrays.

    dtype: from the data unless given: bool, int64, or the default floating dtype. Errors: ValueError for ragged lists. Source: torch.tensor.

    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return from_data(data, dtype)


def _data_spec(data: Any, dtype: Any) -> Spec:
    array = data if isinstance(data, (np.ndarray, np.generic, Spec)) else from_data(data, dtype)
    d = array.dtype if isinstance(array.dtype, dtypes.dtype) else dtypes.of_numpy(array.dtype)
    return Spec(tuple(array.shape), dtype or d)


@op(
    "ones(int[] size, *, ScalarType? dtype=None, bool requires_grad=False) -> Tensor",
    meta=lambda size, dtype, requires_grad: Spec(_sizes(size), _default(dtype)),
    kind="create",
    forms="function",
    samples=over(Sample(2, 3), Sample((), tags=("0-d",)), Sample((0, 3), tags=("empty",))),
)
def ones(size: Any, dtype: Any, requires_grad: Any) -> Any:
    """A tensor of ones.

    size: the shape, as ints or one list. dtype: the default floating dtype unless given. Source: torch.ones.

    >>> torch.ones(2, 2)
    tensor([[1., 1.],
            [1., 1.]])
    """
    return np.ones(_sizes(size), _default(dtype).numpy)


@op(
    "zeros_like(Tensor input, *, ScalarType? dtype=None, bool requires_grad=False) -> Tensor",
    meta=lambda input, dtype, requires_grad: Spec(input.shape, dtype or input.dtype),
    kind="create",
    forms="function",
    samples=unary(),
)
def zeros_like(input: Any, dtype: Any, requires_grad: Any) -> Any:
    """A tensor of zeros in the shape (and dtype, unless given) of another. Source: torch.zeros_like.

    >>> torch.zeros_like(torch.ones(2))
    tensor([0., 0.])
    """
    return np.zeros(input.shape, input.dtype if dtype is None else dtype.numpy)
