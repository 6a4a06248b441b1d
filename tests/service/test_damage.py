"""A byte damaged anywhere in a small store: every log is as it was, or refused, or the store says that it is damaged.

``make damage`` does it for every byte of the database, its log and the head; here it is one in some hundred.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from service.journal.directory import StoreError
from service.journal.sqlite import SQLiteJournal
from service.journal.upkeep import looked_through
from service.sessions.ports import Stored
from service.steps.errors import Damaged
from tests.service.stores import FILES, written

EVERY = int(os.environ.get("DAMAGE_EVERY", "293"))  # a prime: pages and frames are met at all places
NOTICED = {"refused", "read-only", "not opened"}


@pytest.mark.parametrize(
    ("name", "closed"),
    [("gradwire.db", True), ("gradwire.db", False), ("gradwire.db-wal", False), ("head", True), ("head", False)],
)
def test_no_damaged_byte_gives_a_wrong_value(tmp_path: Path, name: str, closed: bool) -> None:
    held = written(tmp_path, logs=2, records=3, durability="none")
    source = tmp_path / ("first" if closed else "killed")  # with its log folded in, and with all of it in the log
    whole = {each: (source / each).read_bytes() for each in FILES if (source / each).exists()}
    target = tmp_path / "damaged"
    outcomes: Counter[str] = Counter()
    logging.getLogger("gradwire").setLevel(logging.CRITICAL)
    try:
        for at in range(0, len(whole[name]), EVERY if name != "head" else min(EVERY, 7)):
            if target.exists():
                shutil.rmtree(target)
            target.mkdir()
            content = bytearray(whole[name])
            content[at] ^= 1 << (at % 8)
            for each, before in whole.items():
                (target / each).write_bytes(content if each == name else before)
            found = verified(target)
            seen = damage_seen(target, held)
            assert found or seen not in NOTICED, f"byte {at}: {seen}, and verify has not found it"
            outcomes[seen] += 1
    finally:
        logging.getLogger("gradwire").setLevel(logging.NOTSET)
    print(f"\n{name} ({'ended' if closed else 'killed'}), {len(whole[name]):,} bytes: {dict(sorted(outcomes.items()))}")
    assert sum(outcomes.values()) > 10
    noticed = sum(outcomes[kind] for kind in NOTICED)
    assert (noticed > 0) == (name == ("gradwire.db" if closed else "gradwire.db-wal")), outcomes


def verified(path: Path) -> bool:
    """Whether ``gradwire verify`` finds damage."""
    try:
        return not looked_through(path, replay=False).whole
    except StoreError:
        return True


def damage_seen(path: Path, held: dict[str, Stored]) -> str:
    """What a server makes of a store. What it reads must be what was written."""
    try:
        journal = SQLiteJournal(path, durability="none")
    except StoreError:
        return "not opened"
    refused = False
    lost = journal.trouble is not None and "was acknowledged" in journal.trouble
    try:
        for name, stored in held.items():
            try:
                found = journal.load(name)
            except Damaged:
                refused = True
                continue
            if found is None:
                assert lost or not journal.complete, f"{name} is not there"
            elif lost:  # what was acknowledged is gone, and that is said; what is there is a beginning of it
                assert list(found.records) == list(stored.records)[: len(found.records)] or found.snapshot is None
            else:
                assert found == stored
        return "read-only" if journal.trouble is not None else "refused" if refused else "whole"
    finally:
        journal.close()
