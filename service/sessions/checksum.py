"""A checksum of all that a transaction's steps answered, and what they hold until it is taken."""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np

from engine.tensor import Tensor
from service.steps.limits import Meter
from service.steps.outcome import Done, Outcome

__all__ = ["Checksum"]

SMALL: Final = 2**16  # bytes of an array up to which copying it is the quicker way to them
MOST: Final = 16 * 2**20  # bytes that are held for it


class Checksum:
    """A CRC-32 of values and dtypes as they are when it is taken: once at the end, and in between where much waits for it.

    ``folds``: after how many entries it was taken in between; ``volume``: bytes of all answers.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.folds: list[int] = []
        self.volume = 0
        self._found = 0
        self._waiting = 0
        self._from = 0

    def add(self, done: list[Done], meter: Meter) -> None:
        """The newest entry was added; take the checksum of what waits, where that is much."""
        outcome = done[-1].outcome
        if outcome is not None and outcome.tensors:
            size = sum(t.nbytes for t in outcome.tensors)
            self.volume += size
            self._waiting += size
            if self._waiting > MOST:
                self.fold(done, meter)

    def fold(self, done: list[Done], meter: Meter) -> None:
        """Take it of what waits, and let go of the tensors."""
        self._found = self.value(done, meter)
        for k in range(self._from, len(done)):
            outcome = done[k].outcome
            if outcome is not None:
                done[k] = done[k]._replace(outcome=Outcome(outcome.ids, several=outcome.several))
        self._from, self._waiting = len(done), 0
        self.folds.append(len(done))

    def value(self, done: list[Done], meter: Meter) -> int:
        """The checksum, as things are now."""
        found = self._found
        seen: set[int] = set()
        for entry in done[self._from :]:
            if entry.outcome is None:
                continue
            answers: list[Any] = list(entry.outcome.tensors)
            if isinstance(entry.outcome.value, dict):
                answers += entry.outcome.value.get("gradients", {}).values()
            for t in answers:
                if not isinstance(t, Tensor) or id(t) in seen:
                    continue
                seen.add(id(t))
                array = t._array
                meter.spend(array.nbytes // 4)
                found = zlib.crc32(
                    f"{array.dtype.str}{array.shape}{0 if t.is_inference() else t._version}".encode(), found
                )
                small = array.nbytes <= SMALL
                whole = array.tobytes() if small else np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                found = zlib.crc32(whole, found)
        return found
