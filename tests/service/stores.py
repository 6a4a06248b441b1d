"""Small stores, as a process leaves them that ended, and as one leaves them that was killed."""

from __future__ import annotations

import shutil
from pathlib import Path

from service.journal.sqlite import Durability, SQLiteJournal
from service.sessions.ports import Record, Snapshot, Stored

__all__ = ["FILES", "written"]

FILES = ("gradwire.db", "gradwire.db-wal", "head")


def written(path: Path, logs: int = 3, records: int = 6, durability: Durability = "always") -> dict[str, Stored]:
    """A small store, and what it holds: in ``first`` as a process leaves it that ended, in ``killed`` with all of it in its log."""
    journal = SQLiteJournal(path / "first", durability=durability)
    for k in range(logs):
        name = f"session-{k}"
        journal.commit([Record(name, 0, "created", {"created": float(k)})]).result()
        for n in range(1, records + 1):
            journal.commit([Record(name, n, "work", {"n": n, "bytes": bytes([k, n]) * 20})]).result()
    journal.commit([Snapshot("session-1", max(2, records - 2), {"state": "after some"})]).result()
    held = {name: journal.load(name) for name in journal.logs()}
    (path / "killed").mkdir()
    for name in FILES:
        shutil.copy(path / "first" / name, path / "killed" / name)
    journal.close()
    return {name: stored for name, stored in held.items() if stored is not None}
