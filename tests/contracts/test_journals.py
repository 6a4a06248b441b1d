"""The journals of the service against their contract."""

from __future__ import annotations

from pathlib import Path

from service.journal.memory import MemoryJournal
from service.journal.sqlite import SQLiteJournal
from service.sessions.ports import Journal
from tests.contracts.journal import JournalContract


class TestMemory(JournalContract):
    outlives = False

    def make(self, path: Path) -> Journal:  # noqa: ARG002 - it needs none
        return MemoryJournal()


class TestSQLite(JournalContract):
    def make(self, path: Path) -> Journal:
        return SQLiteJournal(path)


class TestSQLiteInterval(JournalContract):
    def make(self, path: Path) -> Journal:
        return SQLiteJournal(path, durability="interval", interval=0.05)


class TestSQLiteWithoutSync(JournalContract):
    def make(self, path: Path) -> Journal:
        return SQLiteJournal(path, durability="none")
