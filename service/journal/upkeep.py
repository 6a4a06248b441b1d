"""What an operator does with a data directory: look through it, copy it while it serves, put a copy in its place, make it small.

A backup is one SQLite file: the tables of the store as they were at one commit, and a table ``backup`` with the file of API keys. It is
read in one transaction, so a server may go on writing meanwhile; nothing of it is executed when it is restored, and every row keeps its
checksum on the way.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from service.journal.directory import Directory, Head, StoreError, read_head, sync_directory
from service.journal.function_store import LedgerStore
from service.journal.sqlite import SQLiteJournal
from service.journal.tables import UNREADABLE, Scan, connected, counters, log_of, scanned
from service.sessions.ledger import Ledger
from service.sessions.limits import Limits
from service.sessions.plain import Unstorable
from service.sessions.ports import Snapshot, Stored
from service.sessions.replay import build, replayed
from service.sessions.snapshots import taken
from service.steps.errors import Damaged, ServiceError

__all__ = ["Found", "Progress", "back_up", "compacted", "looked_through", "restored_to", "silent"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Of a label and how much there is to do: a context that is told how much more was done."""
NAME: Final = "gradwire.db"
PAGES: Final = 256  # copied at a time
KEYS: Final = "keys"  # the one file beside the store that cannot be made again


def silent(label: str, length: int) -> AbstractContextManager[Callable[[int], None]]:  # noqa: ARG001 - a Progress
    """A Progress that shows nothing."""
    return nullcontext(lambda done: None)


@dataclass(slots=True)
class Found:
    """What a store holds, and what is wrong with it: ``troubles`` of the whole, ``damaged`` logs and why."""

    commits: int = 0
    sessions: int = 0
    functions: int = 0
    records: int = 0  # snapshots too
    bytes: int = 0
    foreign: int = 0  # sessions that another build wrote, whose last bits may differ here
    troubles: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)  # logs that have no snapshot, and why

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.troubles and not self.damaged


class _OneLog:
    """As much of a journal as a ledger reads."""

    trouble = "it is only read"

    def __init__(self, connection: sqlite3.Connection, ends: dict[str, int]) -> None:
        self._connection = connection
        self._ends = ends

    def load(self, log: str) -> Stored | None:
        return None if log not in self._ends else log_of(self._connection, log, self._ends[log])


def looked_through(path: Path, *, replay: bool = True, progress: Progress = silent) -> Found:
    """Find all damage of a store that a server would find, and change nothing; a server may be at work on it.

    replay: also carry out again what sessions did, and compare. Errors: StoreError where there is no store, or it cannot be opened.
    """
    head = read_head(path / "head")  # before the tables: what is committed meanwhile only adds
    with _reading(path / NAME) as connection:
        found, scan = _counted(connection, path / NAME, progress)
        if head is None:
            found.troubles.append("the file 'head' of the data directory is missing")
        elif found.commits < head:
            found.troubles.append(f"the store ends at commit {found.commits}, but commit {head} was acknowledged")
        _look_into(connection, scan, found, replay, progress)
    return found


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A store at one commit. Errors: StoreError."""
    if not file.is_file():
        raise StoreError(f"there is no store in {file.parent}: it has no file {file.name}")
    try:
        with closing(connected(file, read_only=True)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM counters").fetchone()
            yield connection
    except UNREADABLE as error:
        raise StoreError(
            f"the store {file} cannot be read: {error}; restore it from a backup, or look at the disk"
        ) from error


def _counted(connection: sqlite3.Connection, file: Path, progress: Progress) -> tuple[Found, Scan]:
    """Every row looked at. Errors: StoreError, sqlite3.Error."""
    log = file.with_name(f"{file.name}-wal")
    size = file.stat().st_size
    found = Found(commits=counters(connection), bytes=size + (log.stat().st_size if log.exists() else 0))
    tables = ("records", "snapshots")
    rows = sum(connection.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] for t in tables)  # noqa: S608 - one of two
    with progress("checksums", rows) as seen:
        scan = scanned(connection, size, whole=True, seen=seen)
    found.records = scan.rows
    found.troubles += scan.troubles
    found.damaged.update(scan.damaged)
    found.sessions = sum(not name.startswith("@") for name in scan.last)
    return found, scan


def _look_into(connection: sqlite3.Connection, scan: Scan, found: Found, replay: bool, progress: Progress) -> None:
    names = [name for name in scan.last if name not in scan.damaged]
    journal: Any = _OneLog(connection, scan.last)
    with progress("sessions", len(names)) as seen:
        for name in names:
            try:
                if name.startswith("@"):
                    found.functions += len(asyncio.run(LedgerStore(Ledger(journal, name[1:])).load()))
                else:
                    stored = log_of(connection, name, scan.last[name])
                    found.foreign += replay and replayed(name, stored, Limits())[3]
            except Damaged as error:
                found.damaged[name] = error.detail
            except (KeyError, TypeError, ValueError) as error:
                found.damaged[name] = f"what is stored of it cannot be understood: {error!r}"
            seen(1)


def back_up(path: Path, file: Path, progress: Progress = silent) -> Found:
    """Copy a store, as it is at one commit, into a file that there is not yet, and read the copy back; a server may be at work.

    Answers what the copy holds, damage included: that is copied as it is. Errors: StoreError; then there is no file.
    """
    if file.exists():
        raise StoreError(f"{file} exists already; name another file, or remove it")
    with _reading(path / NAME) as source, _made(file) as partial:
        keys = path / KEYS
        content = keys.read_bytes() if keys.exists() else None
        _copy(source, partial, progress)
        with closing(connected(partial)) as copy:
            copy.execute(
                "CREATE TABLE backup (name TEXT NOT NULL PRIMARY KEY, payload BLOB NOT NULL, crc BIGINT NOT NULL)"
            )
            if content is not None:
                copy.execute("INSERT INTO backup VALUES (?, ?, ?)", (KEYS, content, zlib.crc32(content)))
        with _reading(partial) as copy:
            return _counted(copy, partial, progress)[0]


@contextmanager
def _made(file: Path) -> Iterator[Path]:
    """A file beside ``file``, for its owner only, that takes its place in the end, on the disk and with its name; or is removed."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield partial
        descriptor = os.open(partial, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.rename(file)
        sync_directory(file.absolute().parent)
    except (OSError, *UNREADABLE) as error:
        raise StoreError(f"{file} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, file: Path, progress: Progress) -> None:
    """Copy the tables page by page, in the source's transaction; the copy is one file without a log of its own."""
    with closing(connected(file)) as target:
        total = source.execute("PRAGMA page_count").fetchone()[0]
        with progress("pages", total) as seen:
            left = total

            def told(_: int, remaining: int, __: int) -> None:
                nonlocal left
                seen(left - remaining)
                left = remaining

            source.backup(target, pages=PAGES, progress=told)
        target.execute("PRAGMA journal_mode = DELETE").fetchall()


def restored_to(file: Path, path: Path, progress: Progress = silent) -> Found:
    """Make a data directory of a backup. Answers what it holds; damaged sessions stay damaged ones.

    Errors: StoreError where the directory holds a store already, or the backup's structure is damaged; then nothing is there.
    """
    with _reading(file) as source:
        try:
            held = source.execute("SELECT name, payload, crc FROM backup").fetchall()
        except UNREADABLE as error:
            raise StoreError(f"{file} is no backup that gradwire made: {error}") from error
        found, _ = _counted(source, file, progress)
        if any(zlib.crc32(content) != crc for _, content, crc in held):
            found.troubles.append("the keys in it are damaged")
        if found.troubles:
            raise StoreError(f"{file} is damaged, and nothing was restored: {'; '.join(found.troubles)}")
        directory = Directory(path)
        try:
            left = [name for name in (NAME, f"{NAME}-wal", f"{NAME}-shm") if (path / name).exists()]
            if left:  # a log that is left would be taken for the new store's
                raise StoreError(
                    f"{path} holds a store already ({', '.join(left)}); name an empty directory, or empty it"
                )
            with _made(path / NAME) as partial:
                _copy(source, partial, progress)
                with closing(connected(partial)) as copy:
                    copy.execute("DROP TABLE backup")
                    copy.execute("PRAGMA journal_mode = WAL").fetchall()
                for name, content, _ in held:
                    if name == KEYS:
                        with _made(path / KEYS) as keys:
                            keys.write_bytes(content)
                (path / "head").unlink(missing_ok=True)
                head = Head(path / "head")
                head.write(found.commits, sync=True)
                head.close()
        finally:
            directory.close()
    return found


def compacted(path: Path, progress: Progress = silent) -> tuple[Found, int]:
    """Write a snapshot of everything, so that nothing has to be done again and nothing deleted is left, and the file anew.

    Answers what it holds then, and how many bytes it took before. Errors: StoreError where a server has the directory, or it is damaged.
    """
    if not (path / NAME).is_file():
        raise StoreError(f"there is no store in {path}: it has no file {NAME}")
    before = sum(f.stat().st_size for f in (path / NAME, path / f"{NAME}-wal") if f.exists())
    journal = SQLiteJournal(path)
    found = Found()
    try:
        if journal.trouble is not None:
            raise StoreError(f"nothing was changed: {journal.trouble}")
        names = list(journal.logs())
        with progress("snapshots", len(names)) as seen:
            for name in names:
                try:
                    _fold(journal, name)
                except Damaged as error:
                    found.damaged[name] = error.detail
                except Unstorable as error:
                    found.kept[name] = f"it holds {error}"
                seen(1)
        with progress("the file", 1) as seen:
            journal.compact(whole=True)
            seen(1)
        found.sessions = sum(not name.startswith("@") for name in names)
        found.commits = journal.commits
        found.bytes = (path / NAME).stat().st_size
    except (ServiceError, *UNREADABLE) as error:
        raise StoreError(f"the store {path} could not be written: {error}") from error
    finally:
        journal.close()
    return found, before


def _fold(journal: SQLiteJournal, name: str) -> None:
    """One log as a snapshot of where it ends. Errors: Damaged, Unstorable."""
    if name.startswith("@"):
        asyncio.run(Ledger(journal, name[1:]).fold())
        return
    stored = journal.load(name)
    if stored is None or not stored.records:
        return
    session, outcomes, number, _ = replayed(name, stored, Limits())
    whole = {"session": taken(session), "outcomes": outcomes.to_data(), "build": build()}
    journal.commit([Snapshot(name, number, whole)]).result()
