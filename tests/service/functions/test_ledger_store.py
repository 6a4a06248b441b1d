"""Functions kept in the ledger: as the contract says, and after a restart."""

from __future__ import annotations

import asyncio

import pytest

from service.journal.function_store import LedgerStore
from service.journal.memory import MemoryJournal
from service.sessions.ledger import Ledger
from service.steps.errors import ReadOnly
from tests.contracts.function_stores import FunctionStoreContract, record


class TestLedgerStore(FunctionStoreContract):
    @pytest.fixture
    def store(self) -> LedgerStore:
        return LedgerStore(Ledger(MemoryJournal()))


def test_functions_outlive_the_process() -> None:
    async def scenario() -> None:
        journal = MemoryJournal()
        store = LedgerStore(Ledger(journal))
        for version in ("a", "b", "a"):
            await store.put(record("f", version))
        await store.put(record("g", "c"))
        await store.forget("default", "g")
        again = LedgerStore(Ledger(journal))
        assert await again.load() == await store.load() == [record("f", "b"), record("f", "a")]
        journal.close()
        with pytest.raises(ReadOnly):
            await store.put(record("h", "d"))
        assert len(await store.load()) == 2

    asyncio.run(scenario())
