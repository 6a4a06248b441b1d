"""Records and snapshots as bytes, and the checksum of a row. The form of the bytes is that of ``service.wire.frames``."""

from __future__ import annotations

import zlib
from typing import Final

from service.sessions.ports import Record, Snapshot
from service.wire.frames import Unreadable, pack, unpack

__all__ = ["Unreadable", "checksum", "packed", "read_record", "read_snapshot"]

SEED: Final = 0x47573031  # so that nothing, and zeros, have no valid checksum


def checksum(log: str, number: int, payload: bytes) -> int:
    """The CRC-32 that a row keeps: of where it stands and what it says."""
    return zlib.crc32(payload, zlib.crc32(f"{log}\x00{number}\x00{len(payload)}".encode(), SEED))


def packed(change: Record | Snapshot) -> bytes:
    """A record's or snapshot's payload."""
    return pack([change.kind, change.data] if isinstance(change, Record) else change.data)


def read_record(log: str, number: int, payload: bytes) -> Record:
    """Errors: Unreadable."""
    found = unpack(payload)
    if (
        not isinstance(found, list)
        or len(found) != 2
        or not isinstance(found[0], str)
        or not isinstance(found[1], dict)
    ):
        raise Unreadable("no record")
    return Record(log, number, found[0], found[1])


def read_snapshot(log: str, number: int, payload: bytes) -> Snapshot:
    """Errors: Unreadable."""
    found = unpack(payload)
    if not isinstance(found, dict):
        raise Unreadable("no snapshot")
    return Snapshot(log, number, found)
