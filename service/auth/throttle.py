"""A bound on failures: so many from one address within a minute, and further ones are turned away unheard."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final

__all__ = ["Throttle"]

ADDRESSES: Final = 10_000  # that are remembered; past it the one that has been quiet longest is forgotten
SPAN: Final = 60.0  # seconds


class Throttle:
    """Counts failures by address; of IPv6, by network of 64 bits, since one peer has all of it."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str) -> int | None:
        """Count a failure; answers after how many seconds to come again when there were too many, else None."""
        now, network = self._clock(), _network(address)
        times = self._failures.setdefault(network, deque(maxlen=self._most))
        self._failures.move_to_end(network)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        while times and times[0] <= now - SPAN:
            times.popleft()
        if len(times) < self._most:
            times.append(now)
            return None
        return max(1, int(times[0] + SPAN - now) + 1)


@lru_cache(1024)
def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
