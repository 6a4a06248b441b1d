"""Metrics for Prometheus, by its own client library: a registry for each application, none of them global.

A request costs a look-up of its labels and five additions: what the library makes of a set of labels is kept. The sets are bounded
by who counts; one that would be new beyond ``MOST`` is counted under "other".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

__all__ = ["BUCKETS", "CONTENT_TYPE", "Metrics"]

MOST: Final = 2_000  # sets of labels of one application
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
OTHER: Final = ("other", "other", 0)
Add = Callable[[float], None]


class Metrics:
    """All metrics of one application: its requests, how it stands, and its process.

    >>> metrics = Metrics()
    >>> metrics.count("GET", "/healthz", 200, 0.0004, 0, 15)
    >>> 'gradwire_requests_total{method="GET",route="/healthz",status="200"} 1.0' in metrics.text()
    True
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "gradwire_requests",
            "Requests by method, route and status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "gradwire_request_seconds",
            "How long requests took.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=registry,
        )
        self._received: Add = Counter("gradwire_received_bytes", "Bytes of bodies that came.", registry=registry).inc
        self._sent: Add = Counter("gradwire_sent_bytes", "Bytes of bodies that went.", registry=registry).inc
        self._known: dict[tuple[str, str, int], tuple[Add, Add]] = {}
        ProcessCollector(registry=registry)

    def count(self, method: str, route: str, status: int, seconds: float, came: int, went: int) -> None:
        """Count a request under its labels, and the bytes of its body and of its answer's."""
        known = self._known.get((method, route, status))
        one, observe = known or self._learn(method, route, status)
        one(1)
        observe(seconds)
        if came:
            self._received(came)
        self._sent(went)

    def _learn(self, method: str, route: str, status: int) -> tuple[Add, Add]:
        """The children of a set of labels, kept from now on."""
        key = (method, route, status) if len(self._known) < MOST else OTHER
        if key not in self._known:
            labels = key[:2]
            count = self._requests.labels(*labels, str(status) if key is not OTHER else "other")
            self._known[key] = count.inc, self._seconds.labels(*labels).observe
        return self._known[key]

    def look(self, name: str, sentence: str, ask: Callable[[], float]) -> None:
        """A gauge: what is as it is, asked for when somebody looks."""
        Gauge(name, sentence, registry=self._registry).set_function(ask)

    def text(self) -> str:
        """What Prometheus reads."""
        return generate_latest(_Plain(self._registry)).decode()


class _Plain(Collector):
    """What a registry holds, without when each counter was begun: that is a series more for each set of labels, and tells nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
