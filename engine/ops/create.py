"""Factories: tensors from data, of one value, and ranges. Nothing here has a derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.errors import ArgumentError, InvalidValueError, TensorError
from engine.op import Sample, Spec, op
from engine.samples import array, over, strided, unary
from engine.scalars import converted
from engine.tensor import Tensor


def _sizes(size: Any) -> tuple[int, ...]:
    for n in size:
        if n < 0:
            raise TensorError(f"Trying to create tensor with negative dimension {n}: {list(size)}")
    return tuple(size)


def _cpu(device: Any) -> None:
    if device is not None:
        layout.device(device)


def _default(dtype: Any) -> dtypes.dtype:
    return dtype or dtypes.get_default_dtype()


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
    kind = kind_of(flat)
    if dtype.category == 1 and flat and (kind == "f" or dtype is not dtypes.int64):
        _in_range(flat, dtype)
    if kind == "c" and dtype.category < 3:
        raise ArgumentError(
            "must be real number, not complex"
            if dtype.category == 2
            else "'complex' object cannot be interpreted as an integer",
            "data",
        )
    try:
        array = np.array(flat, dtype=_exact(kind, dtype))
    except OverflowError:
        raise InvalidValueError("Overflow when unpacking long long") from None
    array = array.astype(dtype.numpy, copy=False).reshape(shape)
    return array if shape else array[()]


def _in_range(flat: list[Any], dtype: dtypes.dtype) -> None:
    """Errors: RuntimeError for a number that an integer dtype cannot hold; a whole one below zero wraps in what is unsigned."""
    bounds = np.iinfo(dtype.numpy)
    low, high = int(bounds.min or -bounds.max), int(bounds.max)
    for v in flat:
        if isinstance(v, int) and not -(2**63) <= v < 2**63:
            raise InvalidValueError("Overflow when unpacking long long")
        if type(v) is complex:
            continue
        if (
            not (low if isinstance(v, int) else int(bounds.min)) - (type(v) is float)
            < v + (type(v) is int)
            < high + 1 + (type(v) is int)
        ):
            raise TensorError(f"value cannot be converted to type {dtype.name} without overflow")


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
            if not isinstance(item, str):
                raise TensorError(f"Could not infer dtype of {type(item).__name__}")
            if level and item and not flat:
                raise InvalidValueError(f"too many dimensions '{type(item).__name__}'")
            raise ArgumentError(f"new(): invalid data type '{type(item).__name__}'", "data")


@op(
    "tensor(Any data, *, ScalarType? dtype=None, str? device=None, bool requires_grad=False) -> Tensor",
    meta=lambda data, dtype, device, requires_grad: _data_spec(data, dtype),
    kind="create",
    forms="function",
    samples=over(
        Sample([[1.0, 2.0], [3.0, 4.0]]), Sample(2, tags=("0-d",)), Sample([], tags=("empty",)), Sample([True, False])
    ),
)
def tensor(data: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A new tensor with a copy of the data: numbers, nested lists, arrays.

    dtype: from the data unless given: bool, int64, or the default floating dtype. Errors: ValueError for ragged lists.
    Source: torch.tensor.

    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    _cpu(device)
    return from_data(data, dtype)


def _data_spec(data: Any, dtype: Any) -> Spec:
    array = data if isinstance(data, (np.ndarray, np.generic, Spec)) else from_data(data, dtype)
    d = array.dtype if isinstance(array.dtype, dtypes.dtype) else dtypes.of_numpy(array.dtype)
    return Spec(tuple(array.shape), dtype or d)


OPTIONS = "*, ScalarType? dtype=None, str? device=None, bool requires_grad=False"
SHAPES = over(Sample((2, 3)), Sample((), tags=("0-d",)), Sample((0, 3), tags=("empty",)))


def _sized(size: Any, dtype: Any, device: Any, requires_grad: Any) -> Spec:
    _cpu(device)
    return Spec(_sizes(size), _default(dtype))


@op(f"ones(int[] size, {OPTIONS}) -> Tensor", meta=_sized, kind="create", forms="function", samples=SHAPES)
def ones(size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of ones.

    size: the shape, as ints or one list. dtype: the default floating dtype unless given. Source: torch.ones.

    >>> torch.ones(2, 2)
    tensor([[1., 1.],
            [1., 1.]])
    """
    _cpu(device)
    return np.ones(_sizes(size), _default(dtype).numpy)


@op(f"zeros(int[] size, {OPTIONS}) -> Tensor", meta=_sized, kind="create", forms="function", samples=SHAPES)
def zeros(size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of zeros.

    size: the shape, as ints or one list. dtype: the default floating dtype unless given. Source: torch.zeros.

    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    _cpu(device)
    return np.zeros(_sizes(size), _default(dtype).numpy)


@op(f"empty(int[] size, {OPTIONS}) -> Tensor", meta=_sized, kind="create", forms="function", samples=SHAPES)
def empty(size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor without values of its own: here always zeros, so that nothing of another session is ever seen.

    size: the shape, as ints or one list. dtype: the default floating dtype unless given. Source: torch.empty.

    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    _cpu(device)
    return np.zeros(_sizes(size), _default(dtype).numpy)


def _of_value(fill_value: Any, dtype: Any) -> dtypes.dtype:
    return dtype or dtypes.of_scalar(fill_value)


def _filled(shape: tuple[int, ...], fill_value: Any, d: dtypes.dtype) -> Any:
    return np.full(shape, converted(fill_value, d.numpy, half=math.prod(shape) != 1))


@op(
    f"full(int[] size, Scalar fill_value, {OPTIONS}) -> Tensor",
    meta=lambda size, fill_value, dtype, device, requires_grad: Spec(_sizes(size), _of_value(fill_value, dtype)),
    kind="create",
    forms="function",
    samples=over(Sample((2, 3), 1.5), Sample((), 2, tags=("0-d",)), Sample((0, 3), True, tags=("empty",))),
)
def full(size: Any, fill_value: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of one value everywhere.

    size: the shape, as one list. dtype: the value's (bool, int64, the default floating dtype) unless given. Source: torch.full.

    >>> torch.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    _cpu(device)
    return _filled(_sizes(size), fill_value, _of_value(fill_value, dtype))


@op(
    f"scalar_tensor(Scalar s, {OPTIONS}) -> Tensor",
    meta=lambda s, dtype, device, requires_grad: Spec((), _default(dtype)),
    kind="create",
    forms="function",
    samples=over(Sample(1.5, tags=("0-d",))),
)
def scalar_tensor(s: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor without dims, in the default dtype unless given. Source: torch.scalar_tensor.

    >>> torch.scalar_tensor(2)
    tensor(2.)
    """
    _cpu(device)
    return _filled((), s, _default(dtype))


@op(
    f"eye(int n, int? m=None, {OPTIONS}) -> Tensor",
    meta=lambda n, m, dtype, device, requires_grad: Spec(_eye(n, m), _default(dtype)),
    kind="create",
    forms="function",
    samples=over(Sample(3), Sample(2, 3), Sample(0, tags=("empty",))),
)
def eye(n: Any, m: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Ones on the diagonal of an n by m matrix (m: as n unless given), zeros elsewhere. Source: torch.eye.

    >>> torch.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    _cpu(device)
    return np.eye(*_eye(n, m), dtype=_default(dtype).numpy)


def _eye(n: int, m: int | None) -> tuple[int, int]:
    for what, value in (("n", n), ("m", m)):
        if value is not None and value < 0:
            raise TensorError(f"{what} must be greater or equal to 0, got {value}")
    return (n, n if m is None else m)


def _range(start: Any, end: Any, step: Any, dtype: Any) -> Spec:
    if any(isinstance(v, complex) for v in (start, end, step)):
        raise TensorError("arange is not implemented for complex numbers")
    if step == 0:
        raise TensorError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise TensorError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise TensorError("upper bound and lower bound inconsistent with step sign")
    whole = all(type(v) is int for v in (start, end, step))
    n = -((start - end) // step) if whole else math.ceil((end - start) / step)
    return Spec((int(n),), dtype or (dtypes.int64 if whole else dtypes.get_default_dtype()))


def _arange(start: Any, end: Any, step: Any, dtype: Any) -> Any:
    spec = _range(start, end, step, dtype)
    if spec.dtype.category == 1 and all(type(v) is int for v in (start, end, step)):
        return (np.arange(spec.numel, dtype=np.int64) * step + start).astype(spec.dtype.numpy)
    return (np.arange(spec.numel, dtype=np.float64) * step + start).astype(spec.dtype.numpy)


@op(
    f"arange(Scalar end, {OPTIONS}) -> Tensor",
    meta=lambda end, dtype, device, requires_grad: _range(0, end, 1, dtype),
    kind="create",
    forms="function",
    samples=over(Sample(5), Sample(2.5), Sample(0, tags=("empty",))),
)
def arange(end: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """The numbers 0, 1, 2, … below ``end``: int64 for whole numbers, else the default dtype. Source: torch.arange.

    >>> torch.arange(5)
    tensor([0, 1, 2, 3, 4])
    """
    _cpu(device)
    return _arange(0, end, 1, dtype)


@op(
    f"arange.start_step(Scalar start, Scalar end, Scalar step=1, {OPTIONS}) -> Tensor",
    meta=lambda start, end, step, dtype, device, requires_grad: _range(start, end, step, dtype),
    kind="create",
    forms="function",
    samples=over(Sample(1, 5), Sample(1, 2.5, 0.5), Sample(5, 0, -2), Sample(1, 1, tags=("empty",))),
)
def arange_step(start: Any, end: Any, step: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """The numbers from ``start`` in steps, below ``end``. Errors: RuntimeError for a step of zero or the wrong sign.

    Source: torch.arange.

    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    _cpu(device)
    return _arange(start, end, step, dtype)


def _spaced(start: Any, end: Any, steps: Any, dtype: Any) -> Spec:
    if steps < 0:
        raise TensorError("number of steps must be non-negative")
    complexes = any(isinstance(v, complex) for v in (start, end))
    return Spec((steps,), dtype or (dtypes.of_scalar(1j) if complexes else dtypes.get_default_dtype()))


@op(
    f"linspace(Scalar start, Scalar end, int steps, {OPTIONS}) -> Tensor",
    meta=lambda start, end, steps, dtype, device, requires_grad: _spaced(start, end, steps, dtype),
    kind="create",
    forms="function",
    samples=over(Sample(0, 1, 5), Sample(-1.5, 2.5, 1), Sample(0.0, 1.0, 0, tags=("empty",))),
)
def linspace(start: Any, end: Any, steps: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included. Source: torch.linspace.

    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    _cpu(device)
    d = _spaced(start, end, steps, dtype).dtype
    if d.category == 1:
        start, end = converted(start, d.numpy), converted(end, d.numpy)
    return np.linspace(start, end, steps, dtype=d.numpy if d.category > 1 else np.float64).astype(d.numpy)


@op(
    f"logspace(Scalar start, Scalar end, int steps, float base=10.0, {OPTIONS}) -> Tensor",
    meta=lambda start, end, steps, base, dtype, device, requires_grad: _spaced(start, end, steps, dtype),
    kind="create",
    forms="function",
    samples=over(Sample(0, 2, 3), Sample(0.0, 1.0, 0, tags=("empty",))),
)
def logspace(start: Any, end: Any, steps: Any, base: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """``base`` to the power of ``steps`` numbers evenly spaced from ``start`` to ``end``. Source: torch.logspace.

    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    _cpu(device)
    d = _spaced(start, end, steps, dtype).dtype
    return np.power(base, np.linspace(start, end, steps)).astype(d.numpy)


LIKE = "*, ScalarType? dtype=None, str? device=None, bool requires_grad=False"


def _like(input: Spec, dtype: Any, device: Any, requires_grad: Any) -> Spec:
    _cpu(device)
    return Spec(input.shape, dtype or input.dtype)


@op(f"zeros_like(Tensor input, {LIKE}) -> Tensor", meta=_like, kind="create", forms="function", samples=unary())
def zeros_like(input: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of zeros in the shape (and dtype, unless given) of another. Source: torch.zeros_like.

    >>> torch.zeros_like(torch.ones(2))
    tensor([0., 0.])
    """
    return np.zeros(input.shape, input.dtype if dtype is None else dtype.numpy)


@op(f"ones_like(Tensor input, {LIKE}) -> Tensor", meta=_like, kind="create", forms="function", samples=unary())
def ones_like(input: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of ones in the shape (and dtype, unless given) of another. Source: torch.ones_like.

    >>> torch.ones_like(torch.zeros(2))
    tensor([1., 1.])
    """
    return np.ones(input.shape, input.dtype if dtype is None else dtype.numpy)


@op(f"empty_like(Tensor input, {LIKE}) -> Tensor", meta=_like, kind="create", forms="function", samples=unary())
def empty_like(input: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor without values of its own (here: zeros) in the shape of another. Source: torch.empty_like.

    >>> torch.empty_like(torch.ones(2)).shape
    torch.Size([2])
    """
    return np.zeros(input.shape, input.dtype if dtype is None else dtype.numpy)


@op(
    f"full_like(Tensor input, Scalar fill_value, {LIKE}) -> Tensor",
    meta=lambda input, fill_value, dtype, device, requires_grad: _like(input, dtype, device, requires_grad),
    kind="create",
    forms="function",
    samples=lambda: [Sample(*s.args, 1.5, tags=s.tags) for s in unary()()],
)
def full_like(input: Any, fill_value: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor of one value in the shape (and dtype, unless given) of another. Source: torch.full_like.

    >>> torch.full_like(torch.ones(2), 7)
    tensor([7., 7.])
    """
    return _filled(input.shape, fill_value, dtype or dtypes.of_numpy(input.dtype))


def _new(input: Spec, size: Any, dtype: Any, device: Any, requires_grad: Any) -> Spec:
    _cpu(device)
    return Spec(_sizes(size), dtype or input.dtype)


NEW = over(
    Sample(array(2), (2, 3)),
    Sample(np.array(1.5), (), tags=("0-d",)),
    Sample(array(0, 2), (0,), tags=("empty",)),
    Sample(strided(3, 2), (2,), tags=("non-contiguous",)),
)


@op(f"new_zeros(Tensor input, int[] size, {LIKE}) -> Tensor", meta=_new, kind="create", forms="method", samples=NEW)
def new_zeros(input: Any, size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Zeros in the dtype of this tensor. Source: torch.Tensor.new_zeros.

    >>> torch.tensor([1, 2]).new_zeros(2)
    tensor([0, 0])
    """
    return np.zeros(_sizes(size), input.dtype if dtype is None else dtype.numpy)


@op(f"new_ones(Tensor input, int[] size, {LIKE}) -> Tensor", meta=_new, kind="create", forms="method", samples=NEW)
def new_ones(input: Any, size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """Ones in the dtype of this tensor. Source: torch.Tensor.new_ones.

    >>> torch.tensor([1, 2]).new_ones(2)
    tensor([1, 1])
    """
    return np.ones(_sizes(size), input.dtype if dtype is None else dtype.numpy)


@op(f"new_empty(Tensor input, int[] size, {LIKE}) -> Tensor", meta=_new, kind="create", forms="method", samples=NEW)
def new_empty(input: Any, size: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor without values of its own (here: zeros) in the dtype of this one. Source: torch.Tensor.new_empty.

    >>> torch.tensor([1, 2]).new_empty(2).shape
    torch.Size([2])
    """
    return np.zeros(_sizes(size), input.dtype if dtype is None else dtype.numpy)


@op(
    f"new_full(Tensor input, int[] size, Scalar fill_value, {LIKE}) -> Tensor",
    meta=lambda input, size, fill_value, dtype, device, requires_grad: _new(input, size, dtype, device, requires_grad),
    kind="create",
    forms="method",
    samples=lambda: [Sample(*s.args, 1.5, tags=s.tags) for s in NEW()],
)
def new_full(input: Any, size: Any, fill_value: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """One value everywhere in the dtype of this tensor. Source: torch.Tensor.new_full.

    >>> torch.tensor([1, 2]).new_full((2,), 7)
    tensor([7, 7])
    """
    return _filled(_sizes(size), fill_value, dtype or dtypes.of_numpy(input.dtype))
