"""Counts, gauges and histograms, in the text format that Prometheus reads (version 0.0.4).

Every set of labels is bounded by who declares the metric; one that would be new beyond ``MOST`` is counted under "other".
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final

__all__ = ["BUCKETS", "CONTENT_TYPE", "Counter", "Gauge", "Histogram", "Registry"]

MOST: Final = 2_000  # sets of labels of one metric
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[str, ...]


class _Metric:
    """A name, a sentence, and the names of its labels."""

    kind = ""

    def __init__(self, name: str, sentence: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.sentence = sentence
        self.labels = tuple(labels)
        self._lock = threading.Lock()

    def _bounded(self, values: Labels, known: int) -> Labels:
        return values if known < MOST else ("other",) * len(values)

    def lines(self) -> Iterator[str]:
        """Its part of the text."""
        yield f"# HELP {self.name} {self.sentence}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self.samples()

    def samples(self) -> Iterator[str]:
        """One line for each value."""
        raise NotImplementedError


class Counter(_Metric):
    """What only grows."""

    kind = "counter"

    def __init__(self, name: str, sentence: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, sentence, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *values: str, amount: float = 1) -> None:
        """Count."""
        with self._lock:
            if values not in self._values:
                values = self._bounded(values, len(self._values))
            self._values[values] = self._values.get(values, 0) + amount

    def samples(self) -> Iterator[str]:
        for values, amount in sorted(self._values.items()):
            yield f"{self.name}{_labelled(self.labels, values)} {_number(amount)}"


class Gauge(_Metric):
    """What is as it is: asked for when somebody looks."""

    kind = "gauge"

    def __init__(self, name: str, sentence: str, look: Callable[[], float]) -> None:
        super().__init__(name, sentence)
        self._look = look

    def samples(self) -> Iterator[str]:
        yield f"{self.name} {_number(self._look())}"


class Histogram(_Metric):
    """How often what took how long."""

    kind = "histogram"

    def __init__(
        self, name: str, sentence: str, labels: Sequence[str] = (), buckets: Sequence[float] = BUCKETS
    ) -> None:
        super().__init__(name, sentence, labels)
        self._edges = tuple(buckets)
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, amount: float, *values: str) -> None:
        """Count one of this size."""
        with self._lock:
            if values not in self._counts:
                values = self._bounded(values, len(self._counts))
            counts = self._counts.setdefault(values, [0] * (len(self._edges) + 1))
            counts[bisect_left(self._edges, amount)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + amount

    def samples(self) -> Iterator[str]:
        for values, counts in sorted(self._counts.items()):
            total = 0
            for edge, count in zip((*self._edges, math.inf), counts, strict=True):
                total += count
                labels = _labelled((*self.labels, "le"), (*values, _number(edge)))
                yield f"{self.name}_bucket{labels} {total}"
            labels = _labelled(self.labels, values)
            yield f"{self.name}_sum{labels} {_number(self._sums[values])}"
            yield f"{self.name}_count{labels} {total}"


class Registry:
    """All metrics of one application."""

    def __init__(self, *metrics: _Metric) -> None:
        self._metrics = metrics

    def text(self) -> str:
        """What Prometheus reads."""
        return "\n".join(line for metric in self._metrics for line in metric.lines()) + "\n"


def _number(amount: float) -> str:
    if math.isinf(amount):
        return "+Inf" if amount > 0 else "-Inf"
    return str(int(amount)) if amount == int(amount) else repr(float(amount))


def _labelled(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
