"""What the manager keeps of one session: its lane, its times, and the session itself while it is in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.scripts import Budget
from service.sessions.lane import Lane
from service.sessions.outcomes import Outcomes
from service.sessions.ports import Clock
from service.sessions.session import Session

__all__ = ["Entry", "Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """When a journalled session gets a snapshot, and how long it is kept untouched."""

    records: int = 5_000  # since the last snapshot
    volume: int = 64 * 2**20  # bytes of outputs since then, and twice what the session holds
    seconds: float = 1.0  # of work since then, and ten times what the last snapshot took
    life: float = 7 * 86_400.0  # seconds without a request, after which a stored session is deleted
    stored: int = 10_000  # sessions, in memory or not


@dataclass(slots=True)
class Entry:
    """A session that is open here: its lane, when it was made (seconds since the epoch) and when it leaves if nobody asks.

    A journalled session leaves memory alone, and is read back at its next request: ``live`` is None meanwhile.
    """

    session_id: str
    name: str | None
    lane: Lane
    created: float
    ttl: float
    expires: float  # of the monotonic clock
    number: int  # in the order of creation
    live: Session | None
    outcomes: Outcomes = field(default_factory=Outcomes)
    damage: str | None = None  # why nothing of it is answered
    position: int = 0  # of the last record
    tensors: int = 0  # as of the last commit
    records: int = 0  # since the last snapshot; so the next three
    volume: int = 0
    seconds: float = 0.0
    snapshot_seconds: float = 0.0  # that the last one took
    script: Budget | None = None  # of the script that runs here now

    @property
    def session(self) -> Session:
        """The session, which must be in memory."""
        assert self.live is not None, "the session is not in memory"
        return self.live

    def touch(self, now: float) -> None:
        """Its time starts anew."""
        self.expires = now + self.ttl

    def due(self, pace: Pace) -> bool:
        """Whether it is time for a snapshot."""
        return (
            self.records >= pace.records
            or self.volume > max(pace.volume, 2 * self.session.held_bytes)
            or self.seconds > max(pace.seconds, 10 * self.snapshot_seconds)
        )

    def to_json(self, clock: Clock) -> dict[str, object]:
        """Counts, bytes, nodes, mode, seed, expiry."""
        session = self.session
        session.measure()
        return {
            "session_id": session.session_id,
            "name": session.name,
            "tensors": len(session.names),
            "nodes": session.held_nodes,
            "bytes": session.held_bytes,
            "grad_enabled": session.grad_enabled,
            "scopes": [scope.to_json() for scope in session.scopes],
            "seed": session.generator.initial_seed(),
            "default_dtype": session.default_dtype.name,
            "created": self.created,
            "ttl_seconds": self.ttl,
            "expires_in_seconds": max(0.0, round(self.expires - clock.monotonic(), 3)),
        }
