"""A ledger: what a tenant has beside sessions, as named plain data in spaces, and replies to keys; kept in a log of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from service.sessions.lane import shielded
from service.sessions.outcomes import Key, Outcomes, Reply
from service.sessions.ports import Change, Journal, Record, Snapshot
from service.steps.errors import Damaged, ServiceError

__all__ = ["Entries", "Ledger", "Seal"]

Entries: TypeAlias = Sequence[tuple[str, Mapping[str, Any]]]
"""What a ledger is to keep: kinds and data."""
Seal: TypeAlias = Callable[[Reply], Entries]
"""What keeps a reply to a key, to be committed with what was done."""
LONG: Final = 1_000  # records, after which the next start begins with a snapshot


class Ledger:
    """Named data in spaces. Without a journal it lives in memory.

    One that is damaged answers nothing and keeps nothing (Damaged), rather than doing twice what a lost reply stood for.
    """

    def __init__(self, journal: Journal | None, tenant: str = "") -> None:
        self.log = f"@{tenant}"
        self.outcomes = Outcomes()
        self._journal = journal
        self._spaces: dict[str, dict[str, Any]] = {}
        self._next = 0
        self._since = 0  # records after the snapshot
        self.stale = False  # whether they hold what was dropped
        self._turn = asyncio.Lock()
        self._damage: str | None = None
        if journal is not None:
            try:
                self._read(journal)
            except Damaged as error:
                self._damage = (
                    f"the functions and the replies to Idempotency-Keys of this tenant cannot be read: {error.detail}"
                )
                self._spaces, self._since, self.stale = {}, 0, False

    def check(self) -> None:
        """Errors: Damaged where what it held is not known."""
        if self._damage is not None:
            raise Damaged(self._damage)

    def _read(self, journal: Journal) -> None:
        """Errors: Damaged."""
        stored = journal.load(self.log)
        if stored is None:
            return
        self._next = 1
        if stored.snapshot is not None:
            self._spaces = {space: dict(found) for space, found in stored.snapshot.data["spaces"].items()}
            self.outcomes.replace(stored.snapshot.data["outcomes"])
            self._next = stored.snapshot.number + 1
        for record in stored.records:
            self._apply(record)
            self._next = record.number + 1
        if len(stored.records) > LONG and journal.trouble is None:
            journal.commit([self._snapshot()]).result()
            self._since, self.stale = 0, False

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.log, self._next - 1, {"spaces": self._spaces, "outcomes": self.outcomes.to_data()})

    async def fold(self) -> None:
        """Put a snapshot in place of the records, so that nothing is left of what was dropped. Errors: ReadOnly, Damaged."""
        self.check()
        async with self._turn:
            if self._journal is not None and self._since:
                await shielded(asyncio.wrap_future(self._journal.commit([self._snapshot()])))
                self._since, self.stale = 0, False

    async def close(self) -> None:
        """Leave nothing of what was dropped, where that can be written."""
        if self.stale:
            with suppress(ServiceError):
                await self.fold()

    def _apply(self, record: Record) -> None:
        data = record.data
        self._since += 1
        if record.kind == "put":
            space = self._spaces.setdefault(data["space"], {})
            self.stale |= space.pop(data["name"], None) is not None  # what is put again is the newest
            space[data["name"]] = data["value"]
        elif record.kind == "drop":
            self.stale = True
            self._spaces.get(data["space"], {}).pop(data["name"], None)
        elif record.kind == "outcome":
            self.outcomes.read(data)

    def get(self, space: str, name: str) -> Any:
        """What is kept under a name; None where nothing is. Errors: Damaged."""
        self.check()
        return self._spaces.get(space, {}).get(name)

    def items(self, space: str) -> Iterator[tuple[str, Any]]:
        """All names of a space with what is kept under them. Errors: Damaged."""
        self.check()
        yield from self._spaces.get(space, {}).items()

    async def put(self, space: str, name: str, value: Mapping[str, Any]) -> None:
        """Keep plain data under a name. Errors: ReadOnly; then it is not kept."""
        await self.commit([], [("put", {"space": space, "name": name, "value": value})])

    async def drop(self, space: str, name: str) -> None:
        """Forget a name. Errors: ReadOnly; then it is still kept."""
        await self.commit([], [("drop", {"space": space, "name": name})])

    async def commit(self, changes: Sequence[Change], entries: Entries = ()) -> None:
        """Commit changes to other logs together with entries of this one. A cancelled caller still waits for it."""
        await shielded(self._commit(list(changes), entries))

    async def _commit(self, changes: list[Change], entries: Entries) -> None:
        if not entries:
            if self._journal is not None and changes:
                await asyncio.wrap_future(self._journal.commit(changes))
            return
        self.check()
        async with self._turn:  # numbers follow each other only if what came before was kept
            begins = [Record(self.log, 0, "ledger")] if self._next == 0 else []
            first = self._next + len(begins)
            records = [Record(self.log, first + k, kind, data) for k, (kind, data) in enumerate(entries)]
            if self._journal is not None:
                await asyncio.wrap_future(self._journal.commit([*changes, *begins, *records]))
            for record in records:
                self._apply(record)
            self._next = first + len(records)

    async def sealed(self, key: Key | None, act: Callable[[Seal], Awaitable[Reply]], now: Callable[[], float]) -> Reply:
        """Act, and keep the reply to a key: with what was done, where ``act`` lets that be kept with it; else after it."""
        done = False

        def seal(reply: Reply) -> Entries:
            nonlocal done
            done = True
            return self.outcome(key, reply, now())

        reply = await act(seal)
        if not done:
            await self.commit([], self.outcome(key, reply, now()))
        return reply

    @staticmethod
    def outcome(key: Key | None, reply: Reply, now: float) -> Entries:
        """The entry that keeps the reply to a key; none without a key."""
        return [] if key is None else [("outcome", Outcomes.written(key, reply, now))]
