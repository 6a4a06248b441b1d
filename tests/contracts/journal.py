"""What every journal must do. A backend subclasses ``JournalContract`` and says how it is made, and whether it outlives its process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.sessions.ports import Change, Deletion, Journal, Record, Snapshot
from service.steps.errors import NumberTaken, ReadOnly

DATA: dict[str, Any] = {
    "text": "naïve ∂", "numbers": [1, -2.5, 2**63, None, True], "bytes": b"\x00\xff", "nested": [[1.0, -0.0]] * 40,
    "special": [float("inf"), float("-inf")], "long": 2**80, "$": "a key like any other", "value": {"dtype": "uint8", "base64": "AAEC"},
}  # fmt: skip


def begun(log: str, *numbers: int) -> list[Change]:
    return [Record(log, 0, "created", {"created": 1.0}), *(Record(log, n, "work", {"n": n}) for n in numbers)]


class JournalContract:
    """The suite. ``path`` is a directory of the test's own."""

    def make(self, path: Path) -> Journal:
        raise NotImplementedError

    outlives = True

    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        made = self.make(tmp_path / "store")
        yield made
        made.close()

    def again(self, journal: Journal, path: Path) -> Journal:
        """The same journal after a restart, where that keeps anything."""
        if not self.outlives:
            return journal
        journal.close()
        return self.make(path / "store")

    def test_a_new_journal_is_empty_and_well(self, journal: Journal) -> None:
        assert list(journal.logs()) == []
        assert journal.load("a") is None
        assert journal.trouble is None
        assert journal.complete

    def test_data_comes_back_as_it_was(self, journal: Journal, tmp_path: Path) -> None:
        journal.commit([Record("a", 0, "created", DATA)]).result()
        journal.commit([Record("a", 1, "work", {"array": np.arange(6, dtype="<i2").reshape(2, 3)})]).result()
        journal = self.again(journal, tmp_path)
        stored = journal.load("a")
        assert stored is not None
        assert (stored.first.kind, stored.snapshot) == ("created", None)
        assert repr(dict(stored.first.data)) == repr(DATA)  # -0.0 and all types too
        array = stored.records[0].data["array"]
        assert (array.dtype.str, array.tolist()) == ("<i2", [[0, 1, 2], [3, 4, 5]])
        journal.close()

    def test_a_gap_and_a_repeat_are_refused(self, journal: Journal) -> None:
        journal.commit(begun("a", 1)).result()
        for number in (0, 1, 3):
            with pytest.raises(NumberTaken):
                journal.commit([Record("a", number, "work")]).result()
        with pytest.raises(NumberTaken):
            journal.commit([Record("b", 1, "work")]).result()
        journal.commit([Record("a", 2, "work")]).result()
        assert journal.load("b") is None

    def test_all_changes_or_none(self, journal: Journal, tmp_path: Path) -> None:
        journal.commit(begun("a")).result()
        with pytest.raises(NumberTaken):
            journal.commit([Record("a", 1, "work"), Deletion("a"), Record("b", 7, "work")]).result()
        with pytest.raises(TypeError):
            journal.commit([Record("a", 1, "work"), Record("c", 0, "created", {"no plain data": object()})]).result()
        journal = self.again(journal, tmp_path)
        stored = journal.load("a")
        assert stored is not None
        assert list(stored.records) == []
        assert list(journal.logs()) == ["a"]
        journal.close()

    def test_a_snapshot_stands_for_what_was_before(self, journal: Journal, tmp_path: Path) -> None:
        journal.commit(begun("a", 1, 2, 3)).result()
        journal.commit([Snapshot("a", 2, {"state": "two"})]).result()
        journal.commit([Record("a", 4, "work", {"n": 4})]).result()
        journal = self.again(journal, tmp_path)
        stored = journal.load("a")
        assert stored is not None
        assert stored.first.number == 0
        assert stored.snapshot == Snapshot("a", 2, {"state": "two"})
        assert [(r.number, r.data) for r in stored.records] == [(3, {"n": 3}), (4, {"n": 4})]
        journal.commit([Snapshot("a", 4, {"state": "four"})]).result()
        stored = journal.load("a")
        assert stored is not None
        assert (stored.snapshot, list(stored.records)) == (Snapshot("a", 4, {"state": "four"}), [])
        journal.close()

    def test_a_log_may_begin_with_a_snapshot(self, journal: Journal) -> None:
        journal.commit([*begun("a"), Snapshot("a", 0, {"state": 0})]).result()
        stored = journal.load("a")
        assert stored is not None
        assert stored.snapshot == Snapshot("a", 0, {"state": 0})

    def test_a_deleted_log_is_gone_and_may_begin_anew(self, journal: Journal, tmp_path: Path) -> None:
        journal.commit(begun("a", 1, 2)).result()
        journal.commit(begun("b", 1)).result()
        journal.commit([Snapshot("a", 1, {})]).result()
        journal.commit([Deletion("a"), Record("b", 2, "work", {"n": 2})]).result()
        journal = self.again(journal, tmp_path)
        assert journal.load("a") is None
        assert journal.first("b") == Record("b", 0, "created", {"created": 1.0})
        journal.commit(begun("a")).result()
        stored = journal.load("b")
        assert stored is not None
        assert [r.number for r in stored.records] == [1, 2]
        assert sorted(journal.logs()) == ["a", "b"]
        journal.compact()
        assert journal.load("a") is not None
        journal.close()

    def test_many_threads(self, journal: Journal, tmp_path: Path) -> None:
        def write(log: str) -> None:
            journal.commit(begun(log)).result()
            for n in range(1, 31):
                journal.commit([Record(log, n, "work", {"n": n})]).result()

        names = [f"log {i}" for i in range(6)]
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(write, names))
        journal = self.again(journal, tmp_path)
        assert sorted(journal.logs()) == names
        for name in names:
            stored = journal.load(name)
            assert stored is not None
            assert [r.data["n"] for r in stored.records] == list(range(1, 31))
        journal.close()

    def test_a_closed_journal_keeps_nothing_more(self, journal: Journal) -> None:
        journal.close()
        with pytest.raises(ReadOnly):
            journal.commit(begun("a")).result()
        assert journal.trouble is not None
