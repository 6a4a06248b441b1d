"""Bytes that many sessions hold together, bounded: reserved before anything is allocated, given back when it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from service.steps.errors import Overloaded, QuotaExceeded

__all__ = ["Account"]


class Account:
    """What a tenant's sessions hold, within what all of them may hold together. Safe for several threads.

    most: bytes, None for any number; setting: its name, for whoever is refused. within: the account of all, which counts too.
    """

    def __init__(self, most: Callable[[], int | None], setting: str, within: Account | None = None) -> None:
        self._most = most
        self._setting = setting
        self._within = within
        self._lock = threading.Lock()
        self.used = 0

    def move(self, change: int) -> None:
        """Add what a session holds more, or less. Errors: QuotaExceeded, Overloaded for more than there may be; then nothing is added."""
        if self._within is not None:
            self._within.move(change)
        with self._lock:
            most = self._most() if change > 0 else None
            if most is None or self.used + change <= most:
                self.used += change
                return
            asked = self.used + change
        if self._within is not None:
            self._within.move(-change)
        sort = Overloaded if self._within is None else QuotaExceeded
        whose = "all sessions" if self._within is None else "the sessions of this tenant"
        raise sort(
            f"{whose} would hold {asked:,} bytes, {self._setting} allows {most:,}; end one, or ask again later",
            limit=self._setting,
            value=most,
            asked=asked,
            unit="bytes",
            retry_after=30,
        )
