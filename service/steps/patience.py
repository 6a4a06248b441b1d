"""How long whoever asked still waits: until a moment, and until it leaves. Known to a request's work, wherever that is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from service.steps.errors import DeadlineExceeded, Departed

__all__ = ["PATIENCE", "Patience"]


class Patience:
    """One request's. ``until``: a moment of the monotonic clock; ``seconds``: how long that was when it began."""

    __slots__ = ("_callbacks", "gone", "seconds", "until")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self.gone = False
        self._callbacks: list[Callable[[], object]] = []

    def leave(self) -> None:
        """The client has left: what waits for its turn is told."""
        self.gone = True
        for callback in self._callbacks:
            callback()

    def told(self, callback: Callable[[], object]) -> None:
        """Call back when the client leaves."""
        self._callbacks.append(callback)

    def forget(self, callback: Callable[[], object]) -> None:
        """Do not."""
        self._callbacks.remove(callback)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()

    def check(self) -> None:
        """Before a step is begun. Errors: DeadlineExceeded, once the time is up."""
        if time.monotonic() > self.until:
            raise DeadlineExceeded(
                f"the request was not done after {self.seconds:g} s; nothing of it was kept", retry_after=1
            )

    def begin(self) -> None:
        """Before anything is done. Errors: Departed, DeadlineExceeded."""
        if self.gone:
            raise Departed("the client left before its turn")
        self.check()


PATIENCE: Final[ContextVar[Patience | None]] = ContextVar("PATIENCE", default=None)
"""Of the request that is being served."""
