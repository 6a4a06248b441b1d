"""A lane: requests of one session take turns in the order of their arrival, and only so many may wait, only so long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

from service.steps.errors import Departed, Overloaded, QueueFull, passed
from service.steps.patience import PATIENCE

__all__ = ["Lane", "shielded"]

T = TypeVar("T")


class Lane:
    """A FIFO lock with a bounded queue. Use with ``async with``.

    Errors: QueueFull when ``places`` requests wait already, Overloaded after ``seconds`` of waiting or when the client's time is up,
    Departed when the client left; all before anything was done.
    """

    __slots__ = ("_lock", "_places", "_seconds", "_waiting")

    def __init__(self, places: int, seconds: float) -> None:
        self._lock = asyncio.Lock()
        self._places = places
        self._seconds = seconds
        self._waiting = 0

    @property
    def busy(self) -> bool:
        return self._lock.locked()

    async def __aenter__(self) -> None:
        if not self._lock.locked() and self._waiting == 0:
            await self._lock.acquire()
            return
        if self._waiting >= self._places:
            raise QueueFull(
                f"{self._places} requests of this session wait already; ask again later",
                **passed("queue_places", self._places),
                retry_after=1,
            )
        patience = PATIENCE.get()
        if patience is None:
            await self._wait(self._seconds)
            return
        task = asyncio.current_task()
        assert task is not None
        left = False

        def leave() -> None:
            nonlocal left
            left = True
            task.cancel()

        patience.told(leave)
        try:
            await self._wait(min(self._seconds, patience.left))
        except asyncio.CancelledError:
            if left and not task.uncancel():
                raise Departed("the client left before its turn") from None
            raise
        finally:
            patience.forget(leave)

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._lock.acquire()
        except TimeoutError:
            limit = {"limit": "queue_seconds", "value": seconds, "unit": "seconds"} if seconds == self._seconds else {}
            raise Overloaded(
                f"the session was busy for {seconds:.3g} s; nothing was done", retry_after=1, **limit
            ) from None
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


async def shielded(work: Awaitable[T]) -> T:
    """Wait for work to its end, even when the caller is cancelled: a lane is never left while its record is on its way."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
