"""A tensor as memory: where its values lie, in which order, of which kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine import dtypes
from engine.grad_mode import InferenceCell
from engine.layout import FORMATS, cpu, device, memory_format, owner_of

if TYPE_CHECKING:
    from engine.node import Value
    from engine.tensor import Tensor

__all__ = ["Storage"]

CONTIGUOUS: Final = FORMATS["contiguous_format"]
CHANNELS: Final = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


class Storage:
    """What ``Tensor`` says of its memory."""

    __slots__ = ()

    if TYPE_CHECKING:
        _array: Value
        _version_cell: list[Any]

        @property
        def dtype(self) -> dtypes.dtype: ...

    def _in_memory(self) -> np.ndarray[Any, Any]:
        from engine.tensor import array_of

        return array_of(self)  # type: ignore[arg-type]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.size * self._array.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dim, in elements."""
        step = self._array.dtype.itemsize
        strides = tuple(s // step for s in self._in_memory().strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format: memory_format = CONTIGUOUS) -> bool:
        """Whether elements lie in C order, or that of a memory format, without gaps."""
        array = self._in_memory()
        order = CHANNELS.get(memory_format.name)
        if order is None:
            return array.flags.c_contiguous
        return array.ndim == len(order) and array.transpose(order).flags.c_contiguous

    def data_ptr(self) -> int:
        """The address of the first element; 0 where there is none. Source: torch.Tensor.data_ptr."""
        array = self._in_memory()
        return array.ctypes.data if array.size else 0

    def storage_offset(self) -> int:
        """How many elements of the memory lie before the first. Source: torch.Tensor.storage_offset."""
        array = self._in_memory()
        return (array.ctypes.data - owner_of(array).ctypes.data) // array.dtype.itemsize if array.size else 0

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        return self.dtype.is_signed

    def is_same_size(self, other: Tensor) -> bool:
        return self._array.shape == other._array.shape

    def is_inference(self) -> bool:
        """Whether it was made in inference mode. Source: torch.Tensor.is_inference."""
        return type(self._version_cell) is InferenceCell

    @property
    def device(self) -> device:
        return cpu
