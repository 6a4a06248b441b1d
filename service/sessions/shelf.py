"""Where stored sessions are while they are not in memory: read back from their log, and written down as snapshots."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from service.sessions.entry import Entry, Pace
from service.sessions.limits import Limits
from service.sessions.outcomes import Outcomes
from service.sessions.plain import Unstorable
from service.sessions.ports import Executor, Journal, Snapshot
from service.sessions.replay import build, replayed
from service.sessions.session import Session
from service.sessions.snapshots import taken
from service.steps.errors import Damaged, NotFound, ServiceError

__all__ = ["MISSING", "Shelf"]

log = logging.getLogger("gradwire")
MISSING: Final = "there is no such session: it was never opened, was ended, or expired"


class Shelf:
    """Stored sessions, through a journal. Each is touched in its lane only."""

    def __init__(self, journal: Journal, executor: Executor, limits: Limits, pace: Pace) -> None:
        self._journal = journal
        self._executor = executor
        self._limits = limits
        self._pace = pace

    async def read_back(self, entry: Entry) -> None:
        """Make a stored session live again. Errors: Damaged, and the session is so from then on."""

        def load() -> tuple[Session, Outcomes, int, bool, int]:
            stored = self._journal.load(entry.session_id)
            if stored is None:
                raise NotFound(MISSING)
            return (*replayed(entry.session_id, stored, self._limits), len(stored.records))

        try:
            session, outcomes, position, foreign, count = await self._executor.run(load, heavy=True)
        except Damaged as error:
            log.error("session %s… is damaged: %s", entry.session_id[:8], error.detail)  # noqa: TRY400 - no traceback
            entry.damage = error.detail
            raise
        entry.outcomes.replace(outcomes.to_data())
        entry.live, entry.position, entry.tensors = session, position, len(session.names)
        entry.records, entry.volume, entry.seconds = count, 0, 0.0
        if (foreign or entry.due(self._pace)) and self._journal.trouble is None:
            await self.write_snapshot(entry)

    async def write_snapshot(self, entry: Entry) -> None:
        """Write the session's state, so that nothing before it has to be done again. What has no form keeps its records."""
        session, begun = entry.session, time.perf_counter()

        def take() -> dict[str, Any]:
            return {"session": taken(session), "outcomes": entry.outcomes.to_data(), "build": build()}

        try:
            whole = await self._executor.run(take, heavy=True)
            await asyncio.wrap_future(self._journal.commit([Snapshot(entry.session_id, entry.position, whole)]))
        except Unstorable as error:
            log.info("session %s… has no snapshot: a script has bound %s", entry.session_id[:8], error)
        except ServiceError as error:
            log.warning("session %s… has no snapshot: %s", entry.session_id[:8], error.detail)
        entry.records, entry.volume, entry.seconds = 0, 0, 0.0
        entry.snapshot_seconds = time.perf_counter() - begun
