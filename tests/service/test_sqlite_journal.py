"""The SQLite journal alone: its directory, what it does when the disk fails, and what it says of damage."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from service.journal.directory import Head, StoreError
from service.journal.sqlite import SQLiteJournal
from service.sessions.ports import Deletion, Record
from service.steps.errors import Damaged, NumberTaken, ReadOnly
from tests.service.stores import written


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    journal = SQLiteJournal(tmp_path / "store")
    journal.commit([Record("a", 0, "created")]).result()
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
    files = list((tmp_path / "store").iterdir())
    assert {f.name for f in files} >= {"gradwire.db", "gradwire.db-wal", "head", "lock"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    journal.close()


def test_a_directory_is_for_one_at_a_time(tmp_path: Path) -> None:
    first = SQLiteJournal(tmp_path)
    with pytest.raises(StoreError, match="in use by another process"):
        SQLiteJournal(tmp_path)
    first.close()
    SQLiteJournal(tmp_path).close()


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        SQLiteJournal(tmp_path / "file")
    (tmp_path / "gradwire.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        SQLiteJournal(tmp_path)


def test_a_full_disk_makes_it_read_only(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path)
    journal.commit([Record("a", 0, "created")]).result()
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ReadOnly, match="disk is full"):
        journal.commit([Record("a", 1, "work", {"much": bytes(100_000)})]).result()
    with pytest.raises(ReadOnly):
        journal.commit([Record("a", 1, "work")]).result()
    stored = journal.load("a")
    assert stored is not None
    assert list(stored.records) == []
    journal.close()
    again = SQLiteJournal(tmp_path)
    again.commit([Record("a", 1, "work")]).result()
    again.close()


def test_a_failed_sync_makes_it_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SQLiteJournal(tmp_path)
    journal.commit([Record("a", 0, "created")]).result()

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("service.journal.directory.sync_file", fails)
    for _ in range(2):
        with pytest.raises(ReadOnly):
            journal.commit([Record("a", 1, "work")]).result()
    assert journal.trouble is not None
    assert "Input/output error" in journal.trouble
    monkeypatch.undo()
    journal.close()


def test_a_little_of_the_disk_is_left_free(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path, reserve=2**62)
    with pytest.raises(ReadOnly, match="bytes left"):
        journal.commit([Record("a", 0, "created")]).result()
    assert journal.trouble is None  # it may have room again
    journal._reserve = 0
    journal.commit([Record("a", 0, "created")]).result()
    journal.close()


def test_another_writer_on_the_same_log_is_refused(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path)
    journal.commit([Record("a", 0, "created")]).result()
    with sqlite3.connect(tmp_path / "gradwire.db") as other:
        other.execute("INSERT INTO records VALUES ('a', 1, x'00', 0)")
    other.close()
    with pytest.raises(NumberTaken):
        journal.commit([Record("a", 1, "work")]).result()
    journal.close()


def test_what_was_deleted_is_nowhere_after_compaction(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path)
    secret = b"a value that nobody may find"
    journal.commit([Record("a", 0, "created"), Record("a", 1, "work", {"secret": secret * 50})]).result()
    journal.commit([Record("b", 0, "created")]).result()
    assert any(secret in f.read_bytes() for f in tmp_path.iterdir())
    journal.commit([Deletion("a")]).result()
    journal.compact()
    assert not any(secret in f.read_bytes() for f in tmp_path.iterdir())
    assert journal.load("b") is not None
    journal.close()


def test_a_torn_end_is_dropped_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = written(tmp_path)
    log = tmp_path / "killed" / "gradwire.db-wal"
    whole = log.read_bytes()
    frame = 24 + 4096
    last = whole[-frame:]
    torn = last[:16] + bytes(8) + last[24:]  # a frame of this generation whose checksum is not written yet
    log.write_bytes(whole + torn)
    journal = SQLiteJournal(tmp_path / "killed")
    assert "torn" in caplog.text
    assert journal.trouble is None
    assert {name: journal.load(name) for name in journal.logs()} == held
    journal.close()


def test_a_store_behind_its_head_says_so(tmp_path: Path) -> None:
    written(tmp_path)
    log = tmp_path / "killed" / "gradwire.db-wal"
    log.write_bytes(log.read_bytes()[: -2 * (24 + 4096)])
    journal = SQLiteJournal(tmp_path / "killed")
    assert journal.trouble is not None
    assert "was acknowledged" in journal.trouble
    with pytest.raises(ReadOnly):
        journal.commit([Record("new", 0, "created")]).result()
    journal.close()


def test_a_row_that_says_too_much_of_another_is_refused(tmp_path: Path) -> None:
    """A payload moved to another place: its checksum is of where it stood."""
    journal = SQLiteJournal(tmp_path)
    for name in ("a", "b"):
        journal.commit([Record(name, 0, "created"), Record(name, 1, "work", {"of": name})]).result()
    journal.close()
    with sqlite3.connect(tmp_path / "gradwire.db") as other:
        other.execute(
            "UPDATE records SET (payload, crc) = (SELECT payload, crc FROM records WHERE log = 'b' AND number = 1) WHERE log = 'a'"
        )
    other.close()
    again = SQLiteJournal(tmp_path)
    with pytest.raises(Damaged):
        again.load("a")
    assert again.first("a") is None
    assert again.load("b") is not None
    again.commit([Deletion("a")]).result()
    again.commit([Record("a", 0, "created")]).result()
    assert again.load("a") is not None
    again.close()


def test_tables_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    SQLiteJournal(tmp_path).close()
    with sqlite3.connect(tmp_path / "gradwire.db") as other:
        other.execute("UPDATE counters SET amount = 99 WHERE name = 'version'")
    other.close()
    with pytest.raises(StoreError, match="version 99"):
        SQLiteJournal(tmp_path)


def test_commits_are_grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real: Any = Head.write

    def counting(self: Any, value: int, *, sync: bool) -> None:
        syncs.append(value)
        real(self, value, sync=sync)

    monkeypatch.setattr(Head, "write", counting)
    journal = SQLiteJournal(tmp_path)
    for done in [journal.commit([Record(f"s{k}", 0, "created")]) for k in range(200)]:
        done.result()
    assert len(syncs) < 150
    journal.close()
