"""A journal in memory, as bytes: for tests, and to say what every journal does without a file in the way."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from service.journal.records import packed, read_record, read_snapshot
from service.sessions.ports import Change, Deletion, Record, Snapshot, Stored
from service.steps.errors import NumberTaken, ReadOnly

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """A Journal that dies with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logs: dict[str, dict[int, bytes]] = {}
        self._snapshots: dict[str, tuple[int, bytes]] = {}
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        return self._trouble

    @property
    def complete(self) -> bool:
        return True

    def commit(self, changes: Sequence[Change]) -> Future[None]:
        done: Future[None] = Future()
        try:
            self._commit(changes)
        except Exception as error:  # noqa: BLE001 - the future carries it
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def _commit(self, changes: Sequence[Change]) -> None:
        payloads = [b"" if isinstance(c, Deletion) else packed(c) for c in changes]
        with self._lock:
            if self._trouble is not None:
                raise ReadOnly(self._trouble, retry_after=30)
            last = {c.log: max(self._logs.get(c.log, {-1: b""})) for c in changes}
            for change in changes:
                if isinstance(change, Record):
                    if change.number != last[change.log] + 1:
                        raise NumberTaken(f"the log goes on with record {last[change.log] + 1}", retry_after=1)
                    last[change.log] = change.number
            for change, payload in zip(changes, payloads, strict=True):
                if isinstance(change, Record):
                    self._logs.setdefault(change.log, {})[change.number] = payload
                elif isinstance(change, Snapshot):
                    self._snapshots[change.log] = (change.number, payload)
                    rows = self._logs[change.log]
                    for number in [n for n in rows if 0 < n < change.number]:
                        del rows[number]
                else:
                    self._logs.pop(change.log, None)
                    self._snapshots.pop(change.log, None)

    def load(self, log: str) -> Stored | None:
        with self._lock:
            rows = dict(self._logs.get(log, {}))
            snapshot = self._snapshots.get(log)
        if not rows:
            return None
        since = 0 if snapshot is None else snapshot[0]
        return Stored(
            read_record(log, 0, rows[0]),
            None if snapshot is None else read_snapshot(log, *snapshot),
            [read_record(log, number, rows[number]) for number in sorted(rows) if number > since],
        )

    def logs(self) -> Iterable[str]:
        with self._lock:
            return list(self._logs)

    def first(self, log: str) -> Record | None:
        with self._lock:
            return read_record(log, 0, self._logs[log][0])

    def compact(self) -> None:
        """Nothing of what was deleted is left."""

    def close(self) -> None:
        self._trouble = "the journal was closed"
