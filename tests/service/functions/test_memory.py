"""Functions kept in memory."""

from __future__ import annotations

import pytest

from service.functions.memory import MemoryStore
from tests.contracts.function_stores import FunctionStoreContract


class TestMemoryStore(FunctionStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
