"""What the manager needs from outside, as protocols: a clock, and somewhere to run work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Clock", "Executor"]

T = TypeVar("T")


class Clock(Protocol):
    """Time in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class Executor(Protocol):
    """Runs a request's work: on the event loop when it is light, elsewhere when it is heavy."""

    async def run(self, work: Callable[[], T], *, heavy: bool, script: bool = False) -> T:
        """Run work (``script``: seconds of it, perhaps) to its end, whatever becomes of the caller; answer or raise what it does."""
        ...

    def close(self) -> None:
        """Wait for what runs, then stop."""
