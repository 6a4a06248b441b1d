"""Threads that tenants share: whoever has least work under way goes next, so nobody has more than a fair part while others wait."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.steps.errors import Overloaded, QueueFull, passed

__all__ = ["FairPool"]

LONGEST_WAIT = 30


class FairPool:
    """A pool of ``threads``. At most ``places`` pieces of work wait, at most ``share()`` of one tenant; None for any.

    All bookkeeping is done on the event loop.
    """

    def __init__(self, threads: int, name: str, *, places: int, share: Callable[[], int | None] = lambda: None) -> None:
        self.threads = threads
        self.places = places
        self.share = share
        self.waiting = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threads
        self._queues: dict[str, deque[tuple[Callable[[], Any], asyncio.Future[Any]]]] = {}  # the longest unserved first
        self._running: dict[str, int] = {}
        self._usual = 0.1  # seconds that work took lately

    def submit(self, work: Callable[[], Any], tenant: str, *, must: bool) -> asyncio.Future[Any]:
        """Have work done. must: also when too much waits already. Errors: QueueFull, Overloaded; then it was not begun."""
        queue = self._queues.get(tenant)
        if self._free == 0 and not must:
            share = self.share()
            if share is not None and queue is not None and len(queue) >= share:
                raise QueueFull(
                    f"{share} requests of this tenant wait for a thread",
                    **passed("tenant_work_places", share),
                    retry_after=self.retry_after(),
                )
            if self.waiting >= self.places:
                raise Overloaded(
                    f"{self.places} requests wait for a thread",
                    **passed("work_places", self.places),
                    retry_after=self.retry_after(),
                )
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if queue is None:
            queue = self._queues[tenant] = deque()
        queue.append((work, future))
        self.waiting += 1
        self._start()
        return future

    def retry_after(self) -> int:
        """Seconds in which the queue should be shorter, a little different for everybody."""
        seconds = self._usual * (self.waiting + self.threads) / self.threads * (1 + secrets.randbelow(256) / 512)
        return min(max(1, math.ceil(seconds)), LONGEST_WAIT)

    def _start(self) -> None:
        """Begin what waits, while there are threads."""
        while self._free and self.waiting:
            tenant = min(
                self._queues, key=lambda t: self._running.get(t, 0)
            )  # the first of equals: the longest unserved
            queue = self._queues.pop(tenant)
            work, future = queue.popleft()
            if queue:
                self._queues[tenant] = queue  # behind the others
            self.waiting -= 1
            if future.cancelled():
                continue
            self._free -= 1
            self._running[tenant] = self._running.get(tenant, 0) + 1
            self._begin(work, future, tenant)

    def _begin(self, work: Callable[[], Any], future: asyncio.Future[Any], tenant: str) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        inner = loop.run_in_executor(self._pool, work)

        def done(found: asyncio.Future[Any]) -> None:
            self._free += 1
            self._running[tenant] -= 1
            if not self._running[tenant]:
                del self._running[tenant]
            self._usual += 0.1 * (loop.time() - begun - self._usual)
            error = found.exception()
            if not future.done():
                if error is None:
                    future.set_result(found.result())
                else:
                    future.set_exception(error)
            self._start()

        inner.add_done_callback(done)

    def close(self) -> None:
        """Wait for what runs, then stop."""
        self._pool.shutdown(wait=True, cancel_futures=False)
