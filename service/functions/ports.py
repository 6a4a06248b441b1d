"""What functions need from outside, as protocols: somewhere to keep definitions, somewhere to run, and a reader of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Clock", "Executor", "FunctionStore", "ReadValues", "Record"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one function, as it is stored. ``definition`` is plain data; ``created``: seconds since the epoch."""

    tenant: str
    name: str
    version: str
    created: float
    definition: dict[str, Any]


class FunctionStore(Protocol):
    """Keeps records. What ``put`` and ``forget`` did is durable when they answer.

    told: what the store is to keep with it, all or nothing; whoever calls knows what the store takes.
    """

    async def load(self) -> list[Record]:
        """All records, each name's in the order in which they were put."""
        ...

    async def put(self, record: Record, told: Any = None) -> None:
        """Keep a version; it is the newest of its name, also where it was put before."""
        ...

    async def forget(self, tenant: str, name: str, version: str | None = None, told: Any = None) -> None:
        """Forget a version, or all of a name."""
        ...


class Clock(Protocol):
    """Time in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class Executor(Protocol):
    """Runs work: on the event loop when it is light, elsewhere when it is heavy."""

    async def run(self, work: Callable[[], T], *, heavy: bool, script: bool = False, must: bool = False) -> T:
        """Run work (``script``: seconds of it, perhaps) to its end, whatever becomes of the caller; answer or raise what it does.

        must: however much waits already. Errors: QueueFull, Overloaded, Departed, DeadlineExceeded; then it was not begun.
        """
        ...


class ReadValues(Protocol):
    """Reads values as a client sends them."""

    def __call__(self, value: Any, dtype: str | None, default_dtype: str, where: str) -> np.ndarray[Any, Any]:
        """Numbers, nested lists or a typed value as a new array of a dtype; where none is given, of the one that the value tells.

        Errors: InvalidInput, with the place: ``where`` and an index after it.
        """
        ...
