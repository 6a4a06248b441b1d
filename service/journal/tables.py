"""The tables of a store in SQLite, and how they are read: every row is looked at, and what does not fit is said, never guessed.

Nothing here writes. The journal reads its own store with these, and so do ``gradwire verify``, ``backup`` and ``restore`` another's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from service.journal.directory import StoreError
from service.journal.records import Unreadable, checksum, read_record, read_snapshot
from service.sessions.ports import Record, Stored
from service.steps.errors import Damaged

__all__ = ["SCHEMA", "UNREADABLE", "VERSION", "Scan", "connected", "counters", "first_of", "log_of", "scanned"]

UNREADABLE: Final = (sqlite3.Error, UnicodeError)
"""What reading a damaged store may raise; the latter where SQLite's sentence repeats damaged text."""
CHECKED: Final = 256 * 2**20  # bytes of a store up to which its whole structure is looked through
VERSION: Final = 1  # of the tables
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records
  (log TEXT NOT NULL, number BIGINT NOT NULL, payload BLOB NOT NULL, crc BIGINT NOT NULL, PRIMARY KEY (log, number));
CREATE TABLE IF NOT EXISTS snapshots
  (log TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL, payload BLOB NOT NULL, crc BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL);
"""


@dataclass(slots=True)
class Scan:
    """What a look at every row has found.

    last: where each log ends. damaged: logs that cannot be trusted, and why. troubles: what is wrong with the store as a whole.
    complete: whether every log that there was is named. rows: how many there are.
    """

    last: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    complete: bool = True
    rows: int = 0


def connected(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without transactions of its own accord, on which a damaged name is a wrong one and no error."""
    where, uri = (f"{file.absolute().as_uri()}?mode=ro", True) if read_only else (str(file), False)
    connection = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=10, uri=uri)
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        connection.execute("PRAGMA cell_size_check = ON")
    except UNREADABLE:
        connection.close()
        raise
    return connection


def counters(connection: sqlite3.Connection) -> int:
    """How many commits there were. Errors: StoreError for counters that are damaged, or of another release."""
    found = dict(connection.execute("SELECT name, amount FROM counters").fetchall())
    version, count = found.get("version"), found.get("commits")
    if type(version) is not int or type(count) is not int:
        raise StoreError("the counters of the store are damaged; restore the directory from a backup")
    if version != VERSION:
        raise StoreError(f"the store has tables of version {version}; this release knows version {VERSION}")
    return count


def scanned(
    connection: sqlite3.Connection, size: int, *, whole: bool = False, seen: Callable[[int], None] = lambda rows: None
) -> Scan:
    """Look at every row once. size: the file's bytes; whole: look through all of its structure however big it is.

    seen: told now and then how many rows more were looked at.
    """
    scan = Scan()
    numbers: dict[str, set[int]] = {}
    try:
        check = "integrity_check" if whole or size <= CHECKED else "quick_check"
        result = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
        if result != "ok":
            scan.troubles.append(f"the store is damaged: {result}")
        for table in ("records", "snapshots"):
            for name, number, payload, crc in connection.execute(f"SELECT log, number, payload, crc FROM {table}"):  # noqa: S608 - one of two
                scan.rows += 1
                if not scan.rows % 256:
                    seen(256)
                if not _fits(name, number, payload, crc):
                    _distrust(scan, table[:-1], name, number)
                elif table == "records":
                    numbers.setdefault(name, set()).add(number)
        seen(scan.rows % 256)
    except UNREADABLE as error:
        scan.complete = False
        scan.troubles.append(f"the store is damaged: {error}")
    if scan.troubles:
        _compare(connection, scan, numbers)
    scan.last = {name: max(found) for name, found in numbers.items()}
    for name in scan.damaged:
        scan.last.setdefault(name, 0)
    return scan


def _distrust(scan: Scan, what: str, name: Any, number: Any) -> None:
    """A row whose checksum does not fit. Where it is not even said whose it is, the log that misses it is one of those here."""
    if isinstance(name, str) and type(number) is int:
        scan.damaged.setdefault(name, f"{what} {number} is damaged")
    else:
        scan.complete = False
        scan.troubles.append("the store is damaged: a row has lost its name")


def _compare(connection: sqlite3.Connection, scan: Scan, seen: dict[str, set[int]]) -> None:
    """In a damaged store, rows and their index must tell of the same records; logs where they do not are not trusted."""
    indexed: dict[str, set[int]] = {}
    try:
        for name, number in connection.execute(
            "SELECT log, number FROM records INDEXED BY sqlite_autoindex_records_1 ORDER BY log, number"
        ):
            if isinstance(name, str):
                indexed.setdefault(name, set()).add(number)
            else:
                scan.complete = False
    except UNREADABLE:
        scan.complete = False
        for name in seen:
            scan.damaged.setdefault(name, "the index of the store cannot be read")
    for name in {*seen, *indexed}:
        if seen.get(name) != indexed.get(name):
            scan.damaged.setdefault(name, "the index of the store tells of other records")


def _fits(name: Any, number: Any, payload: Any, crc: Any) -> bool:
    return (
        isinstance(name, str)
        and type(number) is int
        and isinstance(payload, bytes)
        and checksum(name, number, payload) == crc
    )


def _rows(connection: sqlite3.Connection, statement: str, log: str) -> Iterator[tuple[int, bytes]]:
    for number, payload, crc in connection.execute(statement, (log,)):
        if not _fits(log, number, payload, crc):
            raise Damaged(f"record {number} of the session is damaged")
        yield number, payload


def log_of(connection: sqlite3.Connection, log: str, end: int) -> Stored:
    """What a log holds that ends with the record ``end``. Errors: Damaged, sqlite3.Error."""
    nested = connection.in_transaction
    if not nested:
        connection.execute("BEGIN")
    try:
        snapshots = list(_rows(connection, "SELECT number, payload, crc FROM snapshots WHERE log = ?", log))
        rows = dict(_rows(connection, "SELECT number, payload, crc FROM records WHERE log = ? ORDER BY number", log))
    finally:
        if not nested:
            connection.execute("ROLLBACK")
    since = snapshots[0][0] if snapshots else 0
    if list(rows) != sorted({0, *range(max(since, 1), end + 1)} if end else {0}):
        raise Damaged("a record of the session is missing")
    try:
        return Stored(
            read_record(log, 0, rows[0]),
            read_snapshot(log, *snapshots[0]) if snapshots else None,
            [read_record(log, number, payload) for number, payload in rows.items() if number > since],
        )
    except Unreadable as error:
        raise Damaged(f"a record of the session cannot be read: {error}") from error


def first_of(connection: sqlite3.Connection, log: str) -> Record | None:
    """The record that a log begins with; None where it cannot be trusted."""
    try:
        for number, payload in _rows(
            connection, "SELECT number, payload, crc FROM records WHERE log = ? AND number = 0", log
        ):
            return read_record(log, number, payload)
    except (*UNREADABLE, Unreadable, Damaged):
        return None
    return None
