"""The undo log of an open transaction.

While one is open (a context variable), everything that changes what already exists says first how it was: array bytes, a version
cell, an attribute of a tensor, a node or a generator. ``rollback`` puts all of it back in reverse order; ``commit`` lets it go.
Nothing recurses. What is only created needs no entry: it dies with its names.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, Self

import numpy as np

from engine.layout import owner_of

__all__ = ["SharedMemory", "Transaction", "current", "numbers"]

numbers = itertools.count(1)  # of nodes
current: ContextVar[Transaction | None] = ContextVar("current_transaction", default=None)


_ABSENT = object()


class SharedMemory(Exception):  # no EngineError: nobody is to blame, and nobody is told
    """A write into memory that is not the writer's alone: it is to be given memory of its own, and to begin again."""


class _HasBitGenerator(Protocol):
    state: Any


class Transaction:
    """An undo log. Open it with ``with``: leaving without ``commit`` rolls back.

    ``bytes`` is what the log itself holds of overwritten values. ``shared`` is memory that must not be written, by identity of its owner.
    There is one mark, to which ``rewind`` goes back: what lies before it is kept, or undone as a whole.
    """

    __slots__ = ("_born", "_log", "_mark", "_token", "bytes", "shared")

    def __init__(self) -> None:
        self._log: list[tuple[Any, ...]] = []
        self._mark = 0
        self._born = (next(numbers),) * 2  # nodes are younger than this: when it began, and at the mark
        self._token: Any = None
        self.bytes = 0
        self.shared: Mapping[int, weakref.ref[np.ndarray[Any, Any]]] | None = None

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(self, *exc: object) -> None:
        self.pause()
        self.rollback()

    def resume(self) -> None:
        """Make this the transaction of the running context."""
        self._token = current.set(self)

    def pause(self) -> None:
        """Stop logging here; the log is kept."""
        if self._token is not None:
            current.reset(self._token)
            self._token = None

    def bytes_of(self, array: np.ndarray[Any, Any]) -> None:
        """Remember the values of ``array`` (a view is remembered as that view only). Errors: SharedMemory."""
        if self.shared is not None:
            owner = owner_of(array)
            held = self.shared.get(id(owner))
            if held is not None and held() is owner:
                raise SharedMemory
        old = array.copy()
        self.bytes += old.nbytes
        self._log.append(("bytes", array, old))

    def cell(self, cell: list[int]) -> None:
        """Remember a version cell."""
        if type(cell) is list:  # that of an inference tensor holds no version
            self._log.append(("cell", cell, cell[0]))

    def attribute(self, owner: object, name: str) -> None:
        """Remember an attribute of any object of the engine."""
        self._log.append(("attribute", owner, name, getattr(owner, name)))

    def item(self, owner: dict[Any, Any], key: Any) -> None:
        """Remember what a dict holds under a key, or that it holds nothing."""
        self._log.append(("item", owner, key, owner.get(key, _ABSENT)))

    def items(self, owner: dict[Any, Any], keys: Iterable[Any]) -> None:
        """Remember what a dict holds under many keys."""
        self._log += [("item", owner, key, owner.get(key, _ABSENT)) for key in keys]

    def state(self, owner: _HasBitGenerator) -> None:
        """Remember a bit generator's state."""
        self._log.append(("attribute", owner, "state", owner.state))

    def mark(self) -> None:
        """Set the mark here."""
        self._mark = len(self._log)
        self._born = (self._born[0], next(numbers))

    def compact(self) -> None:
        """Let go of what no rollback will need: the second of two old values of one thing, and what nodes held that were made meanwhile."""
        before, after = self._needed(self._log[: self._mark], 0), self._needed(self._log[self._mark :], 1)
        self._log[:] = before + after
        self._mark = len(before)
        self.bytes = sum(e[2].nbytes for e in self._log if e[0] == "bytes")

    def _needed(self, entries: list[tuple[Any, ...]], since: int) -> list[tuple[Any, ...]]:
        seen: set[Any] = set()
        found = []
        for entry in entries:
            kind, owner, what = entry[0], entry[1], entry[2]
            if kind == "bytes":
                layout = owner.__array_interface__
                key: Any = (kind, layout["data"], owner.shape, owner.strides, layout["typestr"])
            elif kind == "cell":
                key = (kind, id(owner))
            else:
                if kind == "attribute" and what == "saved" and owner.seq > self._born[since]:
                    continue
                key = (kind, id(owner), what)
            if key not in seen:
                seen.add(key)
                found.append(entry)
        return found

    def held(self) -> Iterator[Any]:
        """The old values that a rollback would put back, but for overwritten bytes."""
        for entry in self._log:
            if entry[0] in ("item", "attribute") and entry[3] is not _ABSENT:
                yield entry[3]

    def rewind(self) -> None:
        """Put everything back as it was at the mark."""
        self.rollback(self._mark)

    def rollback(self, mark: int = 0) -> None:
        """Put everything back as it was when it began."""
        log = self._log
        self._mark = min(self._mark, mark)
        while len(log) > mark:
            entry = log.pop()
            if entry[0] == "bytes":
                array, old = entry[1], entry[2]
                writeable = array.flags.writeable
                if not writeable:
                    array.flags.writeable = True
                array[...] = old
                if not writeable:
                    array.flags.writeable = False
                self.bytes -= old.nbytes
            elif entry[0] == "cell":
                entry[1][0] = entry[2]
            elif entry[0] == "item":
                if entry[3] is _ABSENT:
                    entry[1].pop(entry[2], None)
                else:
                    entry[1][entry[2]] = entry[3]
            else:
                setattr(entry[1], entry[2], entry[3])

    def commit(self) -> None:
        """Keep what was done: the log, and with it every freed value, is let go."""
        self._log.clear()
        self.bytes = self._mark = 0
        self._born = (next(numbers),) * 2
