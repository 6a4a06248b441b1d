"""A tensor as Python numbers: item, tolist, and what float(), int(), complex(), bool() and an index make of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ArgumentError, HugeNumberError, InvalidValueError, TensorError

if TYPE_CHECKING:
    from engine import dtypes
    from engine.node import Value

__all__ = ["Scalars", "converted", "held"]

_CPP = {
    "uint8": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int",
    "int64": "int64_t",
    "float16": "c10::Half",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def held(number: int) -> None:
    """Errors: OverflowError for an int that neither a signed nor an unsigned word of 64 bits holds."""
    if number < -(2**63):
        raise HugeNumberError("can't convert negative int to unsigned")
    if number >= 2**64:
        raise HugeNumberError("int too big to convert")


def converted(number: Any, d: np.dtype[Any], half: bool = True) -> Any:
    """A Python number in a dtype. Errors: RuntimeError, OverflowError for a huge int, where the dtype cannot hold it.

    half: whether a number beyond float16 is refused, too; else it is infinite there (PyTorch writes a single element so).

    Source: c10::Scalar's conversions: a negative int wraps in what is unsigned, a float is cut to an int, inf and nan are floats only.

    >>> import numpy as np
    >>> converted(2.5, np.dtype("int64")).item()
    2
    """
    if type(number) is int:
        held(number)
    if d.kind == "b":
        return np.bool_(number)
    if type(number) is complex and d.kind != "c":
        number = number.real if number.imag == 0 else None
    if number is None or not ((d.char == "e" and not half) or _holds(d, number)):
        raise TensorError(f"value cannot be converted to type {_CPP.get(d.name, d.name)} without overflow")
    if d.kind == "u":
        return np.asarray(int(number)).astype(d)[()]
    return np.asarray(number).astype(d)[()]


def _holds(d: np.dtype[Any], number: Any) -> bool:
    if d.kind in "iu":
        bounds = np.iinfo(d)
        if isinstance(number, int):
            return int(bounds.min or -bounds.max) <= number <= int(bounds.max)
        return bool(int(bounds.min) <= number < int(bounds.max) + 1)
    most = float(np.finfo(d).max)
    return all(not math.isfinite(part) or abs(part) <= most for part in (number.real, number.imag))


class Scalars:
    """The part of Tensor that answers Python numbers."""

    __slots__ = ()

    if TYPE_CHECKING:
        _array: Value

        @property
        def dtype(self) -> dtypes.dtype: ...

    def item(self) -> Any:
        """The one element as a Python number. Errors: RuntimeError for another number of elements."""
        if self._array.size != 1:
            raise TensorError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._array.tolist()

    def __bool__(self) -> bool:
        if self._array.size != 1:
            many = "more than one value" if self._array.size else "no values"
            raise TensorError(f"Boolean value of Tensor with {many} is ambiguous")
        return bool(self._array.item())

    def _convertible(self, kind: type) -> Any:
        if self._array.size != 1:
            raise InvalidValueError("only one element tensors can be converted to Python scalars")
        value = self.item()
        if isinstance(value, complex) and kind is not complex:
            if value.imag:
                name = "double" if kind is float else "int64_t"
                raise TensorError(f"value cannot be converted to type {name} without overflow")
            value = value.real
        return kind(value)

    def __float__(self) -> float:
        return self._convertible(float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return self._convertible(int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._convertible(complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        if self.dtype.category > 1 or self._array.size != 1:
            raise ArgumentError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())
