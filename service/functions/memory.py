"""A FunctionStore that keeps nothing beyond the process."""

from __future__ import annotations

from typing import Any

from service.functions.ports import Record

__all__ = ["MemoryStore"]


class MemoryStore:
    """Records in a list, in the order in which they were put."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    async def load(self) -> list[Record]:
        """All records."""
        return list(self._records)

    async def put(self, record: Record, told: Any = None) -> None:  # noqa: ARG002 - nothing outlives the process
        """Keep a version as the newest of its name."""
        await self.forget(record.tenant, record.name, record.version)
        self._records.append(record)

    async def forget(self, tenant: str, name: str, version: str | None = None, told: Any = None) -> None:  # noqa: ARG002 - as above
        """Forget a version, or all of a name."""
        self._records = [
            r
            for r in self._records
            if (r.tenant, r.name) != (tenant, name) or (version is not None and r.version != version)
        ]
