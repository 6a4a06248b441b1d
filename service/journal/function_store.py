"""Served functions in the ledger: a FunctionStore that outlives the process as sessions do."""

from __future__ import annotations

from typing import Any, Final

from service.functions.ports import Record
from service.sessions.ledger import Entries, Ledger

__all__ = ["LedgerStore"]

SPACE: Final = "function"


def _key(tenant: str, name: str, version: str) -> str:
    return f"{tenant}\n{name}\n{version}"


class LedgerStore:
    """Each version is named data of the ledger, in the order in which they were put. Errors: ReadOnly; then all is as it was."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def load(self) -> list[Record]:
        """All records."""
        return [Record(**found) for _, found in self._ledger.items(SPACE)]

    async def put(self, record: Record, told: Entries | None = None) -> None:
        """Keep a version as the newest of its name, and what is told with it."""
        data: dict[str, Any] = {
            "tenant": record.tenant,
            "name": record.name,
            "version": record.version,
            "created": record.created,
            "definition": record.definition,
        }
        kept = {"space": SPACE, "name": _key(record.tenant, record.name, record.version), "value": data}
        await self._ledger.commit([], [("put", kept), *(told or ())])

    async def forget(self, tenant: str, name: str, version: str | None = None, told: Entries | None = None) -> None:
        """Forget a version, or all of a name, and keep what is told with it."""
        start = f"{tenant}\n{name}\n"
        known = [key for key, _ in self._ledger.items(SPACE) if key.startswith(start)]
        wanted = known if version is None else [key for key in known if key == start + version]
        await self._ledger.commit([], [*(("drop", {"space": SPACE, "name": key}) for key in wanted), *(told or ())])
