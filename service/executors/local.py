"""Work in this process: light work on the event loop, heavy work in a few threads.

A hop to a thread costs about 0.2 ms, so work of under a millisecond is done where it is.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import TypeVar

from service.executors.fair import FairPool
from service.steps.patience import PATIENCE

__all__ = ["LocalExecutor", "SystemClock", "TenantExecutor"]

T = TypeVar("T")


class LocalExecutor:
    """An Executor of threads, which tenants share: ``of`` one is what works for it.

    places: how much work may wait for a thread; share: how much of one tenant, None for any.
    """

    def __init__(
        self, threads: int, script_threads: int = 2, *, places: int = 64, share: Callable[[], int | None] = lambda: None
    ) -> None:
        self._pool = FairPool(threads, "gradwire", places=places, share=share)
        self._scripts = FairPool(script_threads, "gradwire-script", places=places, share=share)

    def of(self, tenant: str) -> TenantExecutor:
        """The executor of one tenant."""
        return TenantExecutor(self, tenant)

    @property
    def waiting(self) -> int:
        """How much work waits for a thread."""
        return self._pool.waiting + self._scripts.waiting

    async def run(
        self, work: Callable[[], T], *, heavy: bool, script: bool = False, must: bool = False, tenant: str = ""
    ) -> T:
        """Run work to its end; scripts in threads of their own, so that they never keep other work waiting.

        must: also when too much waits already. A cancelled caller still waits for it, so a lane is never left while its work goes on.
        Errors: QueueFull, Overloaded, Departed, DeadlineExceeded; then it was not begun.
        """
        context = contextvars.copy_context()
        if not heavy:
            return context.run(work)
        patience = None if must else PATIENCE.get()

        def begin() -> T:
            if patience is not None:
                patience.begin()
            return context.run(work)

        future = (self._scripts if script else self._pool).submit(begin, tenant, must=must)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """Wait for what runs, then stop."""
        self._pool.close()
        self._scripts.close()


class TenantExecutor:
    """An Executor for one tenant, in threads that all share."""

    def __init__(self, inner: LocalExecutor, tenant: str) -> None:
        self._inner = inner
        self._tenant = tenant

    async def run(self, work: Callable[[], T], *, heavy: bool, script: bool = False, must: bool = False) -> T:
        """As LocalExecutor."""
        return await self._inner.run(work, heavy=heavy, script=script, must=must, tenant=self._tenant)

    def close(self) -> None:
        """The threads are shared, and closed by who made them."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
