"""What the manager needs from outside, as protocols: a clock, somewhere to run work, and a journal that remembers.

A journal holds logs: one for each session, under its id, and one ledger for each tenant. A log is records numbered from 0 without a gap,
and at most one snapshot, which stands for all records up to its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

__all__ = ["Change", "Clock", "Deletion", "Executor", "Journal", "Record", "Snapshot", "Stored"]

T = TypeVar("T")


class Clock(Protocol):
    """Time in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class Executor(Protocol):
    """Runs a request's work: on the event loop when it is light, elsewhere when it is heavy."""

    async def run(self, work: Callable[[], T], *, heavy: bool, script: bool = False, must: bool = False) -> T:
        """Run work (``script``: seconds of it, perhaps) to its end, whatever becomes of the caller; answer or raise what it does.

        must: however much waits already. Errors: QueueFull, Overloaded, Departed, DeadlineExceeded; then it was not begun.
        """
        ...

    def close(self) -> None:
        """Wait for what runs, then stop."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log.

    kind: ``created`` and ``forked`` (number 0 of a session), ``work`` (what one request did), ``put`` and ``drop`` (of a ledger).
    data: plain data; bytes and arrays may stand in it.
    """

    log: str
    number: int
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A log's whole state after the record of this number; earlier records are no longer needed."""

    log: str
    number: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deletion:
    """The end of a log: its records and snapshot go."""

    log: str


Change: TypeAlias = Record | Snapshot | Deletion


@dataclass(frozen=True, slots=True)
class Stored:
    """What a log holds: its first record, the snapshot if there is one, and the records after it, in order."""

    first: Record
    snapshot: Snapshot | None
    records: Sequence[Record]


class Journal(Protocol):
    """Remembers changes. Safe for several threads.

    ``trouble``: why nothing more can be written, None while all is well. ``complete``: whether ``logs`` names every log; a damaged
    store may not know.
    """

    @property
    def trouble(self) -> str | None: ...

    @property
    def complete(self) -> bool: ...

    def commit(self, changes: Sequence[Change]) -> Future[None]:
        """Keep all of the changes or none; done once they would survive the loss of the process (and of power, if so set).

        Errors, in the future: ReadOnly when nothing can be written, NumberTaken for a record whose number the log has already.
        """

    def load(self, log: str) -> Stored | None:
        """What a log holds; None for one that there is not. Errors: Damaged for what cannot be trusted."""

    def logs(self) -> Iterable[str]:
        """The names of all logs, damaged ones too."""

    def first(self, log: str) -> Record | None:
        """The record that a log begins with; None where it cannot be trusted."""

    def compact(self) -> None:
        """Give back what was deleted, so that nothing of it can be read from the storage any more."""

    def close(self) -> None:
        """Finish what was begun, then let go."""
