"""Recent: what was asked for last, bounded in number and in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

__all__ = ["Measured", "Recent"]


class Measured(Protocol):
    """What says how many bytes it holds."""

    @property
    def nbytes(self) -> int:
        """The bytes; they do not change while it is kept."""


V = TypeVar("V", bound=Measured)


class Recent(Generic[V]):
    """The values of the keys that were asked for last. Safe for several threads."""

    def __init__(self, most_bytes: int, most: int) -> None:
        self._found: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()
        self._most_bytes = most_bytes
        self._most = most
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: Hashable) -> V | None:
        """What is known of a key; it is the youngest now."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def keep(self, key: Hashable, value: V) -> None:
        """Remember; the oldest go where there is too much. What is larger than all may be is not kept."""
        with self._lock:
            before = self._found.pop(key, None)
            self.nbytes += value.nbytes - (0 if before is None else before.nbytes)
            self._found[key] = value
            while self.nbytes > self._most_bytes or len(self._found) > self._most:
                self.nbytes -= self._found.popitem(last=False)[1].nbytes
