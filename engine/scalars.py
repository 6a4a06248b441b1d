"""A tensor as Python numbers: item, tolist, and what float(), int(), complex(), bool() and an index make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import ArgumentError, TensorError

if TYPE_CHECKING:
    from engine import dtypes
    from engine.node import Value

__all__ = ["Scalars"]


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
        value = self.item()
        if isinstance(value, complex) and kind is not complex:
            raise TensorError(f"value cannot be converted to type {kind.__name__} without overflow")
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
