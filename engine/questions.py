"""Questions about dtypes, tensors and shapes: ``finfo``, ``can_cast``, ``result_type``, ``is_floating_point``, ``broadcast_shapes`` …."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine import dtypes, schema
from engine.apply import dispatch
from engine.errors import ArgumentError, TensorError
from engine.layout import Size
from engine.op import OPS
from engine.promotion import result_dtype
from engine.rules import rules
from engine.tensor import Tensor, from_numpy
from engine.violations import KINDS

__all__ = [
    "as_tensor",
    "asarray",
    "broadcast_shapes",
    "can_cast",
    "finfo",
    "get_num_threads",
    "iinfo",
    "is_complex",
    "is_floating_point",
    "is_inference",
    "is_nonzero",
    "is_same_size",
    "is_tensor",
    "numel",
    "result_type",
    "typename",
]
_REAL: Final = {"complex64": np.dtype(np.float32), "complex128": np.dtype(np.float64)}


class finfo:  # noqa: N801 - PyTorch's name
    """What a floating dtype can hold; of a complex one, its parts. Errors: TypeError for another. Source: torch.finfo.

    >>> finfo(dtypes.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtypes.dtype | None = None) -> None:
        d = type or dtypes.get_default_dtype()
        if d.category < 2:
            raise ArgumentError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        found: Any = np.finfo(_REAL.get(d.name, d.numpy))
        self.bits = int(found.bits)
        self.eps = float(found.eps)
        self.max = float(found.max)
        self.min = float(found.min)
        self.tiny = self.smallest_normal = float(found.smallest_normal)
        self.resolution = float(f"1e-{found.precision}")
        self.dtype = str(found.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:  # noqa: N801 - PyTorch's name
    """What an integer dtype can hold. Errors: TypeError for another. Source: torch.iinfo.

    >>> iinfo(dtypes.int8).max
    127
    """

    def __init__(self, type: dtypes.dtype) -> None:
        if type.category > 1:
            raise ArgumentError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        if type.category == 0:
            raise ArgumentError("torch.bool is not supported by torch.iinfo")
        found = np.iinfo(type.numpy)
        self.bits = int(found.bits)
        self.max = int(found.max)
        self.min = int(found.min)
        self.dtype = str(found.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether a result of one dtype can be written into a tensor of another. Source: torch.can_cast.

    >>> can_cast(dtypes.float64, dtypes.float32), can_cast(dtypes.float32, dtypes.int64)
    (True, False)
    """
    return from_.category <= to.category


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of what an operator makes of two tensors or numbers. Source: torch.result_type.

    >>> result_type(1, 2.0)
    torch.float32
    """
    row = OPS["add"][0]
    values: list[Any] = [v._array if isinstance(v, Tensor) else v for v in (tensor1, tensor2)]
    found = result_dtype(row, [*values, *[None] * (len(row.parameters) - 2)])
    assert found is not None
    return found


def as_tensor(data: Any, dtype: dtypes.dtype | None = None, device: Any = None) -> Tensor:
    """The data as a tensor: itself, or sharing the memory of an array, where nothing has to change. Source: torch.as_tensor.

    >>> import engine as torch
    >>> x = torch.ones(2)
    >>> as_tensor(x) is x
    True
    """
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype is dtype else rules.to(data, dtype)
    if isinstance(data, np.ndarray):
        t = from_numpy(data)
        return t if dtype is None or t.dtype is dtype else rules.to(t, dtype)
    return dispatch(OPS["tensor"], (data,), {"dtype": dtype, "device": device})  # type: ignore[no-any-return]


def asarray(
    obj: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """As ``as_tensor``; ``copy=True`` always copies. Errors: ValueError where ``copy=False`` cannot be. Source: torch.asarray."""
    made = as_tensor(obj, dtype, device)
    if copy is False and not isinstance(obj, (Tensor, np.ndarray)):
        raise ArgumentError("can't alias arbitrary sequence into a tensor.")
    if copy and isinstance(obj, (Tensor, np.ndarray)):
        made = made.clone()
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is floating. Source: torch.is_floating_point."""
    return _tensor(input, "is_floating_point").dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex. Source: torch.is_complex."""
    return _tensor(input, "is_complex").dtype.is_complex


def is_tensor(obj: object, /) -> bool:
    """Whether an object is a tensor. Source: torch.is_tensor."""
    return isinstance(obj, Tensor)


def is_inference(input: Tensor) -> bool:
    """Whether a tensor was made in inference mode. Source: torch.is_inference."""
    return input.is_inference()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero. Errors: RuntimeError for another number of elements. Source: torch.is_nonzero."""
    return _tensor(input, "is_nonzero").is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape. Source: torch.is_same_size."""
    return input.is_same_size(other)


def numel(input: Tensor) -> int:
    """The number of elements. Source: torch.numel."""
    return _tensor(input, "numel").numel()


def _tensor(value: Any, function: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ArgumentError(
            f"{function}(): argument 'input' (position 1) must be Tensor, not {schema.kind_name(value)}", "input"
        )
    return value


def typename(obj: Any) -> str:
    """The name of a tensor's kind, or of anything's type. Source: torch.typename.

    >>> import engine as torch
    >>> typename(torch.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return KINDS[obj.dtype.name]
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def get_num_threads() -> int:
    """How many threads an operator uses beside those of BLAS: one. Source: torch.get_num_threads."""
    return 1


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape to which shapes broadcast. Errors: RuntimeError where they do not. Source: torch.broadcast_shapes.

    >>> broadcast_shapes((2, 1), (3,), (1, 1, 1))
    torch.Size([1, 2, 3])
    """
    result: list[int] = []
    for k, given in enumerate(shapes):
        shape = (given,) if isinstance(given, int) else tuple(given)
        result = [1] * (len(shape) - len(result)) + result
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] < 0:
                raise TensorError(f"Trying to create tensor with negative dimension ({shape[i]}): ({shape[i]})")
            if shape[i] == 1 or shape[i] == result[i]:
                continue
            if result[i] != 1:
                raise TensorError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument at index {k} had {shape}; but "
                    f"expected shape should be broadcastable to {result}"
                )
            result[i] = shape[i]
    return Size(result)
