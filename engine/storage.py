"""A tensor as memory: where its values lie, in which order, of which kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine import dtypes
from engine.grad_mode import InferenceCell
from engine.layout import FORMATS, cpu, device, layout, memory_format, owner_of, strided

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

    def numel(self) -> int:
        """The number of elements."""
        return int(self._array.size)

    nelement = numel

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

    def resize_(self, *sizes: Any, memory_format: memory_format = CONTIGUOUS) -> Tensor:  # noqa: ARG002 - PyTorch's signature
        """Give this tensor another shape in C order over its memory, in place; more memory is taken where it does not reach.

        What is new holds zeros; other tensors over the old memory keep it to themselves then. Errors: RuntimeError for a tensor that
        requires grad, and for a negative size. Source: torch.Tensor.resize_.
        """
        from engine.memory import resized

        return resized(self, sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes)  # type: ignore[arg-type]

    def resize_as_(self, the_template: Tensor, *, memory_format: memory_format = CONTIGUOUS) -> Tensor:  # noqa: ARG002 - PyTorch's signature
        """As ``resize_``, to the shape of another tensor. Source: torch.Tensor.resize_as_."""
        return self.resize_(tuple(the_template.shape))

    def is_set_to(self, tensor: Tensor) -> bool:
        """Whether another tensor sees the same memory in the same way. Source: torch.Tensor.is_set_to."""
        a, b = self._in_memory(), tensor._in_memory()
        return (a.shape, a.strides, a.dtype, a.ctypes.data) == (b.shape, b.strides, b.dtype, b.ctypes.data)

    def is_nonzero(self) -> bool:
        """Whether the one element is not zero. Errors: RuntimeError for another number. Source: torch.Tensor.is_nonzero."""
        return bool(self)

    def cpu(self) -> Tensor:
        """Itself: there is no other device."""
        return self  # type: ignore[return-value]

    def get_device(self) -> int:
        """The number of the device: -1, as for the CPU."""
        return -1

    def is_conj(self) -> bool:
        """Whether a conjugation is still to be done: never, it is done at once."""
        return False

    def is_neg(self) -> bool:
        """Whether a negation is still to be done: never, it is done at once."""
        return False

    @property
    def layout(self) -> layout:
        """How elements are kept: by strides."""
        return strided

    is_cpu: Final = True
    is_cuda: Final = False
    is_meta: Final = False
    is_quantized: Final = False
    is_sparse: Final = False
    name: Final = None

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
