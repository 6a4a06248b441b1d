"""What every FunctionStore does. A backend's test subclasses this and says how to make one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from service.functions.ports import FunctionStore, Record

__all__ = ["FunctionStoreContract"]


def record(name: str, version: str, tenant: str = "default", created: float = 1.5) -> Record:
    definition = {
        "code": "def f(x):\n    return x\n",
        "constants": {"w": {"dtype": "float32", "shape": [1], "base64": "AACAPw=="}},
    }
    return Record(tenant, name, version, created, definition)


def waited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is run to its end by a loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class FunctionStoreContract:
    """Records come back as they were put, each name's in order; what is forgotten is gone."""

    @pytest.fixture
    def store(self) -> FunctionStore:
        """An empty store."""
        raise NotImplementedError

    @waited
    async def test_what_is_put_comes_back(self, store: FunctionStore) -> None:
        assert await store.load() == []
        given = [record("f", "a"), record("g", "a"), record("f", "b")]
        for r in given:
            await store.put(r)
        found = await store.load()
        assert sorted(found, key=lambda r: (r.name, r.version)) == sorted(given, key=lambda r: (r.name, r.version))
        assert [r.version for r in found if r.name == "f"] == ["a", "b"]

    @waited
    async def test_a_version_put_again_is_the_newest(self, store: FunctionStore) -> None:
        for version in ("a", "b", "a"):
            await store.put(record("f", version))
        assert [r.version for r in await store.load()] == ["b", "a"]

    @waited
    async def test_versions_and_names_are_forgotten(self, store: FunctionStore) -> None:
        for r in (record("f", "a"), record("f", "b"), record("g", "a"), record("f", "a", tenant="other")):
            await store.put(r)
        await store.forget("default", "f", "a")
        assert [(r.tenant, r.name, r.version) for r in await store.load()] == [
            ("default", "f", "b"), ("default", "g", "a"), ("other", "f", "a"),
        ]  # fmt: skip
        await store.forget("default", "f")
        await store.forget("default", "nobody")
        assert {(r.tenant, r.name) for r in await store.load()} == {("default", "g"), ("other", "f")}
