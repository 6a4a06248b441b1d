"""A journal in SQLite: a write-ahead log that is synced at every commit, and one thread that writes.

The thread takes all that waits, commits it in one transaction, writes the count of commits into the head file, and only then are the
requests answered: a sync is shared by all sessions that wrote meanwhile. Each row has its own checksum over where it stands and what it
says, because SQLite by itself does not see every damage; what does not fit is refused to be read, never guessed.

An error while writing is final: the journal is read-only until the next start, since nobody knows what a failed sync has kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Literal

from service.journal.directory import Directory, Head, StoreError, sync_file
from service.journal.records import checksum, packed
from service.journal.tables import SCHEMA, UNREADABLE, VERSION, connected, counters, first_of, log_of, scanned
from service.journal.wal import frames_in
from service.sessions.ports import Change, Deletion, Record, Stored
from service.steps.errors import Damaged, NumberTaken, Overloaded, ReadOnly

__all__ = ["Durability", "SQLiteJournal"]

Durability = Literal["always", "interval", "none"]
log = logging.getLogger("gradwire")
GROUP: Final = 256  # commits that one sync may serve
_Job = tuple[Sequence[Change], Future[None]]
_Compaction = tuple[bool, Future[None]]  # whether the file is written anew in any case
_Ready = tuple[Sequence[Change], list[bytes], Future[None]]  # with what each change is as bytes


class SQLiteJournal:
    """A Journal in a directory of its own.

    durability: "always" syncs before a commit is done, "interval" every ``interval`` seconds, "none" leaves it to the operating
    system; none of them loses anything when only the process dies. reserve: bytes of the disk that are left free; below, ReadOnly.
    Errors: StoreError for a directory that is in use, or a store that cannot be opened at all.
    """

    def __init__(
        self, path: Path, *, durability: Durability = "always", interval: float = 1.0, reserve: int = 0
    ) -> None:
        self._durability = durability
        self._interval = interval
        self._reserve = reserve
        self._trouble: str | None = None
        self.complete = True
        self._last: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._queue: queue.SimpleQueue[_Job | _Compaction | None] = queue.SimpleQueue()
        self._reading = threading.Lock()
        self._dirty = False
        self._synced = 0.0
        self._closed = False
        self._directory = Directory(path)
        self._opened = contextlib.ExitStack()
        self._opened.callback(self._directory.close)
        try:
            self._open()
        except (*UNREADABLE, OSError, StoreError) as error:
            self._opened.close()
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"the store in {path} cannot be opened: {error}; restore the directory from a backup, or name an empty one"
            ) from error
        self._thread = threading.Thread(target=self._write, name="gradwire-journal", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        return self._trouble

    # -- open ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        file = self._directory.create("gradwire.db")
        self._wal = file.with_name("gradwire.db-wal")
        torn = frames_in(self._wal)
        self._head = Head(self._directory.path / "head")
        self._opened.callback(self._head.close)
        self._connection = self._connect(file)
        self._reader = self._connect(file)
        busy, whole, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if not busy and torn > max(whole, 0):
            log.warning(
                "the end of the store's log was torn: %d pages that belong to no commit are dropped", torn - whole
            )
        if self._head.value is None:
            self._create()
        self._count = counters(self._connection)
        head = self._head.value or 0
        self._scan(file)
        if self._count < head:
            self._fail(
                f"the store ends at commit {self._count}, but commit {head} was acknowledged: what came after is lost"
            )

    def _connect(self, file: Path) -> sqlite3.Connection:
        connection = connected(file)
        self._opened.callback(connection.close)
        full = {"always": "FULL", "interval": "NORMAL", "none": "OFF"}[self._durability]
        for pragma in ("journal_mode = WAL", f"synchronous = {full}", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _create(self) -> None:
        """The tables of a new store, all or none; then the head, so that a store without a head is one that holds nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, SCHEMA.split(";")):
            self._connection.execute(statement)
        if self._connection.execute("SELECT COUNT(*) FROM records").fetchone()[0]:
            raise StoreError("the file 'head' of the data directory is missing")
        self._connection.execute("DELETE FROM counters")
        rows = [("version", VERSION), ("commits", 0)]
        self._connection.executemany("INSERT INTO counters (name, amount) VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self._head.write(0, sync=True)
        self._directory.sync()

    def _scan(self, file: Path) -> None:
        """Look at every row once: which logs there are, where they end, and which cannot be trusted."""
        scan = scanned(self._connection, file.stat().st_size)
        self.complete = scan.complete
        self._last, self._damaged = scan.last, set(scan.damaged)
        for why in scan.damaged.values():
            log.error("%s: its session answers nothing more", why)
        for why in scan.troubles:
            self._fail(why)

    def _fail(self, why: str) -> None:
        """Nothing is written any more."""
        if self._trouble is None:
            self._trouble = f"{why}; it is read-only"
            log.error("%s", self._trouble)

    # -- write -----------------------------------------------------------------------------------------------------

    def commit(self, changes: Sequence[Change]) -> Future[None]:
        done: Future[None] = Future()
        if self._trouble is not None:
            done.set_exception(ReadOnly(self._trouble, retry_after=30))
        else:
            self._queue.put((changes, done))
        return done

    def _write(self) -> None:
        """The writer's thread."""
        while True:
            try:
                job = self._queue.get(timeout=self._interval if self._dirty else None)
            except queue.Empty:
                self._sync_now()
                continue
            jobs: list[_Job] = []
            while job is not None and not isinstance(job[0], bool):
                jobs.append(job)
                if len(jobs) >= GROUP:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            if jobs:
                self._commit(jobs)
            if job is None:
                return
            if isinstance(job[0], bool):
                self._compact(job[0], job[1])
            if self._dirty and time.monotonic() - self._synced >= self._interval:
                self._sync_now()

    def _commit(self, jobs: list[_Job]) -> None:
        """One transaction for all jobs; a job that cannot be fails by itself."""
        ready: list[_Ready] = []
        for changes, done in jobs:
            try:
                ready.append((changes, [b"" if isinstance(c, Deletion) else packed(c) for c in changes], done))
            except Exception as error:  # noqa: BLE001 - the future carries it
                done.set_exception(error)
        refused = self._trouble or self._no_room()
        if refused is not None:
            for _, _, done in ready:
                done.set_exception(ReadOnly(refused, retry_after=30))
            return
        try:
            last = self._transaction(ready)
        except Exception as error:  # noqa: BLE001 - whatever it was, what is kept now is not known
            self._fail(f"the store could not be written: {error}")
            with contextlib.suppress(*UNREADABLE):
                self._connection.execute("ROLLBACK")
            for _, _, done in ready:
                if not done.done():
                    done.set_exception(ReadOnly(self._trouble or "", retry_after=30))
            return
        for name, number in last.items():
            if number < 0:
                self._last.pop(name, None)
                self._damaged.discard(name)
            else:
                self._last[name] = number
        for _, _, done in ready:
            if not done.done():
                done.set_result(None)

    def _transaction(self, ready: list[_Ready]) -> dict[str, int]:
        """Answers where the logs end then (-1: they are no more). Errors: sqlite3.Error, OSError."""
        last: dict[str, int] = {}
        self._connection.execute("BEGIN IMMEDIATE")
        for changes, payloads, done in ready:
            try:
                numbers = self._numbers(changes, last)
                self._apply(changes, payloads)
            except NumberTaken as error:
                done.set_exception(error)
            else:
                last.update(numbers)
        self._connection.execute("UPDATE counters SET amount = ? WHERE name = 'commits'", (self._count + 1,))
        self._connection.execute("COMMIT")
        self._count += 1
        if self._durability != "interval":
            self._head.write(self._count, sync=self._durability == "always")
        elif not self._dirty:
            self._dirty, self._synced = True, time.monotonic()
        return last

    def _no_room(self) -> str | None:
        if not self._reserve:
            return None
        found = os.statvfs(self._directory.path)
        free = found.f_bavail * found.f_frsize
        if free >= self._reserve:
            return None
        return f"the disk of the data directory has {free:,} bytes left, less than {self._reserve:,}: nothing is written until it has more"

    def _numbers(self, changes: Sequence[Change], last: dict[str, int]) -> dict[str, int]:
        """Where the logs end after these changes. Errors: NumberTaken for a gap or a repeat."""
        numbers: dict[str, int] = {}
        for change in changes:
            end = numbers.get(change.log, last.get(change.log, self._last.get(change.log, -1)))
            if isinstance(change, Record):
                if change.number != end + 1:
                    raise NumberTaken(f"the log goes on with record {end + 1}, not {change.number}", retry_after=1)
                numbers[change.log] = change.number
            elif isinstance(change, Deletion):
                numbers[change.log] = -1
        return numbers

    def _apply(self, changes: Sequence[Change], payloads: list[bytes]) -> None:
        execute = self._connection.execute
        several = len(changes) > 1
        if several:
            execute("SAVEPOINT job")
        try:
            for change, payload in zip(changes, payloads, strict=True):
                name = change.log
                if isinstance(change, Deletion):
                    execute("DELETE FROM records WHERE log = ?", (name,))
                    execute("DELETE FROM snapshots WHERE log = ?", (name,))
                    continue
                crc = checksum(name, change.number, payload)
                row = (name, change.number, payload, crc)
                if isinstance(change, Record):
                    execute("INSERT INTO records (log, number, payload, crc) VALUES (?, ?, ?, ?)", row)
                    continue
                execute("DELETE FROM snapshots WHERE log = ?", (name,))
                execute("INSERT INTO snapshots (log, number, payload, crc) VALUES (?, ?, ?, ?)", row)
                # The record of the snapshot's own number stays: without the snapshot there is a gap before it.
                execute("DELETE FROM records WHERE log = ? AND number > 0 AND number < ?", (name, change.number))
        except sqlite3.IntegrityError:
            if several:
                execute("ROLLBACK TO job")
            raise NumberTaken("another process writes to this log", retry_after=1) from None
        finally:
            if several:
                with contextlib.suppress(sqlite3.OperationalError):
                    execute("RELEASE job")

    def _sync_now(self) -> None:
        """What ``interval`` puts off."""
        self._dirty = False
        try:
            if self._wal.exists():
                descriptor = os.open(self._wal, os.O_RDWR | os.O_CLOEXEC)
                try:
                    sync_file(descriptor)
                finally:
                    os.close(descriptor)
            self._head.write(self._count, sync=True)
        except OSError as error:
            self._fail(f"the store could not be synced: {error}")

    # -- read ------------------------------------------------------------------------------------------------------

    def load(self, log: str) -> Stored | None:
        end = self._last.get(log)
        if end is None:
            return None
        if log in self._damaged:
            raise Damaged("a record of the session is damaged")
        try:
            with self._reading:
                return log_of(self._reader, log, end)
        except UNREADABLE as error:
            self._fail(f"the store could not be read: {error}")
            raise Damaged(f"what is stored of the session cannot be read: {error}") from error

    def logs(self) -> Iterable[str]:
        return list(self._last)

    def first(self, log: str) -> Record | None:
        if log in self._damaged:
            return None
        with self._reading:
            return first_of(self._reader, log)

    # -- give back, let go -----------------------------------------------------------------------------------------

    @property
    def commits(self) -> int:
        """How many there were."""
        return self._count

    def compact(self, *, whole: bool = False) -> None:
        done: Future[None] = Future()
        self._queue.put((whole, done))
        done.result()

    def _compact(self, whole: bool, done: Future[None]) -> None:
        """Deleted rows were overwritten with zeros (secure_delete); here the log that may still hold them is emptied too.

        Where more than half of the file is free, and where ``whole`` says so, it is written anew, and smaller.
        """
        if self._trouble is not None:
            done.set_exception(ReadOnly(self._trouble, retry_after=30))
            return
        try:
            self._empty_log()
            execute = self._connection.execute
            if whole or 2 * execute("PRAGMA freelist_count").fetchone()[0] > execute("PRAGMA page_count").fetchone()[0]:
                execute("VACUUM")
                self._empty_log()
        except Exception as error:  # noqa: BLE001 - the future carries it
            done.set_exception(error)
        else:
            done.set_result(None)

    def _empty_log(self) -> None:
        """Nobody who writes waits long for somebody who reads, such as a backup. Errors: Overloaded; then it is tried again later."""
        self._connection.execute("PRAGMA busy_timeout = 100")
        try:
            if self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise Overloaded("the store is being read, and its log cannot be emptied now", retry_after=30)
        finally:
            self._connection.execute("PRAGMA busy_timeout = 10000")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self._dirty:
            self._sync_now()
        self._trouble = self._trouble or "the journal was closed"
        self._opened.close()
