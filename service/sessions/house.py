"""A house: what the sessions of all tenants share. How many may be open and in memory, how many bytes they may hold.

Each tenant has a SessionManager of its own, which knows that tenant's sessions and no others: no look-up can forget whose they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from service.functions.manager import DEFAULT_TENANT
from service.sessions.account import Account
from service.sessions.entry import Entry
from service.sessions.ports import Journal, Record
from service.sessions.session import Session
from service.steps.errors import Overloaded, QuotaExceeded, ServiceError, StepFailed, TooManySessions

__all__ = ["DEFAULT_TENANT", "Found", "House", "ledger_of", "stored_by_tenant"]

Found: TypeAlias = list[tuple[float, str, Record | None]]


class House:
    """Counts over all tenants.

    most: sessions in memory; stored: those and what only the journal has; share: how many of one tenant, None for any.
    """

    def __init__(
        self,
        most: int,
        stored: int | None = None,
        share: Callable[[], int | None] = lambda: None,
        *,
        tenant_bytes: Callable[[], int | None] = lambda: None,
        total_bytes: int | None = None,
    ) -> None:
        self.most = most
        self._tenant_bytes = tenant_bytes
        self.account = Account(lambda: total_bytes, "total_bytes")
        self._accounts: dict[str, Account] = {}
        self.stored = stored
        self.share = share
        self._tenants: dict[str, dict[str, Entry]] = {}

    def join(self, tenant: str, entries: dict[str, Entry]) -> None:
        """A tenant's sessions, by id, from now on counted here."""
        self._tenants[tenant] = entries
        self._accounts[tenant] = Account(self._tenant_bytes, "tenant_bytes", self.account)

    def count(self, tenant: str, entry: Entry, *, new: bool = False) -> None:
        """Count the bytes of a session that came into memory; idle ones leave it where there is no room.

        Errors: QuotaExceeded, Overloaded; then it leaves memory again, and one that is new is none.
        """
        while True:
            try:
                entry.session.join(self._accounts[tenant])
            except ServiceError as error:
                if not self.relieved(tenant, entry.session, error):
                    entry.live = None
                    if new:
                        del self._tenants[tenant][entry.session_id]
                    raise
            else:
                return

    def relieved(self, tenant: str, session: Session, error: ServiceError) -> bool:
        """After an error: whether it was for want of room, and room was found by measuring sessions, and sending stored ones away."""
        cause = error.__cause__ if isinstance(error, StepFailed) else error
        if not isinstance(cause, (QuotaExceeded, Overloaded)) or not str(cause.members.get("limit")).endswith("_bytes"):
            return False
        before = self.account.used
        session.measure()
        everybody = isinstance(cause, Overloaded)
        entries = [e for t, found in self._tenants.items() if everybody or t == tenant for e in found.values()]
        idle = [e for e in entries if e.live is not None and e.live is not session and not e.lane.busy]
        for e in idle:
            e.session.measure()
        if self.stored is not None and everybody:
            for e in sorted(idle, key=lambda e: e.expires - e.ttl)[: (len(idle) + 1) // 2]:
                e.live = None
        return self.account.used < before

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))

    @property
    def live(self) -> int:
        """How many sessions are in memory."""
        return sum(e.live is not None for entries in self._tenants.values() for e in entries.values())

    def room(self, tenant: str) -> None:
        """Whether a tenant may open one more session. Errors: TooManySessions."""
        share = self.share()
        if share is not None and len(self._tenants[tenant]) >= share:
            raise _full(share, "tenant_sessions")
        if self.stored is None:
            if len(self) >= self.most:
                raise _full(self.most, "sessions")
            return
        self.evict(self.most - 1)
        if len(self) >= self.stored or self.live >= self.most:
            raise _full(self.stored, "stored_sessions")

    def evict(self, most: int) -> None:
        """Let stored sessions leave memory, the longest untouched first, until there are at most ``most``."""
        live = [e for entries in self._tenants.values() for e in entries.values() if e.live is not None]
        if len(live) <= most:
            return
        idle = sorted((e for e in live if not e.lane.busy), key=lambda e: e.expires - e.ttl)
        for e in idle[: len(live) - most]:
            e.live = None


def _full(most: int, limit: str) -> TooManySessions:
    return TooManySessions(
        f"{most} sessions are open, as many as there may be; end one or ask again later",
        limit=limit,
        value=most,
        asked=most + 1,
        unit="sessions",
        retry_after=30,
    )


def stored_by_tenant(journal: Journal) -> dict[str, Found]:
    """What a journal holds: for each tenant the moment of creation, the id and the first record of its sessions, the oldest first.

    A session whose first record is damaged has lost its tenant too; it stands under the default one.
    """
    found: dict[str, Found] = {}
    for name in journal.logs():
        if name.startswith("@"):
            found.setdefault(name[1:] or DEFAULT_TENANT, [])
            continue
        first = journal.first(name)
        tenant, moment = (DEFAULT_TENANT, 0.0) if first is None else _told(first)
        found.setdefault(tenant, []).append((moment, name, first))
    for rows in found.values():
        rows.sort(key=lambda row: row[:2])
    return found


def _told(first: Record) -> tuple[str, float]:
    return str(first.data.get("tenant", DEFAULT_TENANT)), float(first.data["created"])


def ledger_of(tenant: str) -> str:
    """What a tenant's ledger is called in the journal."""
    return "" if tenant == DEFAULT_TENANT else tenant
