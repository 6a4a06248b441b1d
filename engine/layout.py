"""Where tensors live and how they lie: one device, PyTorch's names of memory formats, and whose memory an array looks at."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np

from engine.errors import TensorError

__all__ = ["FORMATS", "Size", "cpu", "device", "layout", "memory_format", "owner_of", "strided"]


class device(str):  # noqa: N801 - PyTorch's name
    """A device, as ``torch.device``; there is one: the CPU.

    Errors: RuntimeError for any other.

    >>> device("cpu")
    device(type='cpu')
    """

    __slots__ = ()

    def __new__(cls, type: str = "cpu", index: int | None = None) -> Self:
        if type not in {"cpu", "cpu:0"} or index not in {None, 0}:
            raise TensorError(f"Expected one of cpu device type at start of device string: {type}")
        return super().__new__(cls, "cpu")

    @property
    def type(self) -> str:
        return "cpu"

    @property
    def index(self) -> None:  # type: ignore[override] # PyTorch's, not the string's
        return None

    def __repr__(self) -> str:
        return "device(type='cpu')"


cpu: Final = device()


class memory_format:  # noqa: N801 - PyTorch's name
    """The order of elements in memory that is asked for: there is one object per format."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @property
    def reorders(self) -> bool:
        """Whether a tensor in C order would have to move for it."""
        return self.name.startswith("channels")


FORMATS: Final = {
    name: memory_format(name) for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
}


class layout:  # noqa: N801 - PyTorch's name
    """How elements are kept; there is one way: by strides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "torch.strided"


strided: Final = layout()


class Size(tuple[int, ...]):
    """A shape, printed as PyTorch prints it."""

    __slots__ = ()

    def numel(self) -> int:
        count = 1
        for n in self:
            count *= n
        return count

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__


def owner_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array whose memory another one looks at; it may be itself."""
    while array.base is not None:
        found: Any = array.base
        below = found if isinstance(found, np.ndarray) else getattr(found, "base", None)
        if not isinstance(below, np.ndarray):  # what as_strided puts between has a base too
            break
        array = below
    return array
