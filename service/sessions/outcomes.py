"""Idempotency keys: what was answered to a request is remembered with what it did, so that the same request again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from service.steps.errors import KeyReused, StillRunning

__all__ = ["Key", "Outcomes", "Reply"]

MOST_KEYS: Final = 1_000  # of one session or ledger; the oldest go first
MOST_BYTES: Final = 16 * 2**20
LIFE: Final = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Key:
    """A client's name for one request, and the digest of what it asked: method, address and body."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it was sent: a code of the protocol, the bytes, the address of what was made, and the tag of its version."""

    code: int
    payload: bytes = b""
    location: str | None = None
    tag: str | None = None


class Outcomes:
    """The replies of the latest requests that had a key, and which of them still run."""

    __slots__ = ("_bytes", "_kept", "_running")

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Reply, float]] = {}
        self._running: set[str] = set()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @contextmanager
    def running(self, key: Key | None) -> Iterator[None]:
        """Hold a key while its request runs. Errors: StillRunning for one that is held."""
        if key is None:
            yield
            return
        if key.text in self._running:
            raise StillRunning("the request with this Idempotency-Key has not been answered yet", retry_after=1)
        self._running.add(key.text)
        try:
            yield
        finally:
            self._running.discard(key.text)

    def find(self, key: Key | None, now: float) -> Reply | None:
        """The reply that a key had. Errors: KeyReused where the request was another one."""
        found = None if key is None else self._kept.get(key.text)
        if found is None or key is None or found[2] + LIFE < now:
            return None
        if found[0] != key.digest:
            raise KeyReused(
                "this Idempotency-Key came before with another method, address or body; a key stands for one request",
                argument="Idempotency-Key",
            )
        return found[1]

    def keep(self, key: Key, reply: Reply, now: float) -> None:
        """Remember a reply; the oldest make place for it."""
        self._forget(key.text)
        self._kept[key.text] = (key.digest, reply, now)
        self._bytes += len(reply.payload)
        while len(self._kept) > MOST_KEYS or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            self._forget(next(iter(self._kept)))

    def _forget(self, text: str) -> None:
        found = self._kept.pop(text, None)
        if found is not None:
            self._bytes -= len(found[1].payload)

    def replace(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Forget all that is kept and read these. What runs stays."""
        self._kept.clear()
        self._bytes = 0
        for entry in entries:
            self.read(entry)

    def read(self, entry: Mapping[str, Any]) -> None:
        """Keep what ``written`` made of a reply."""
        reply = Reply(entry["code"], entry["payload"], entry["location"], entry["tag"])
        self.keep(Key(entry["key"], entry["digest"]), reply, entry["time"])

    def to_data(self) -> list[dict[str, Any]]:
        """All that is kept, as plain data."""
        return [self.written(Key(text, digest), reply, time) for text, (digest, reply, time) in self._kept.items()]

    @staticmethod
    def written(key: Key, reply: Reply, now: float) -> dict[str, Any]:
        """A reply with its key, as plain data."""
        return {
            "key": key.text,
            "digest": key.digest,
            "code": reply.code,
            "payload": reply.payload,
            "location": reply.location,
            "tag": reply.tag,
            "time": now,
        }
