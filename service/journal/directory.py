"""The data directory: one process at a time, nobody else's eyes, and the head file that says how many commits were acknowledged."""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Directory", "Head", "StoreError", "read_head", "sync_directory", "sync_file"]

_SLOT: Final = struct.Struct("<4sQI")
_MAGIC: Final = b"GWH1"
_SECTOR: Final = 512


class StoreError(Exception):
    """A data directory that cannot be used; the sentence says why and what to do."""


def sync_file(descriptor: int) -> None:
    """Have a file's content on the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS has no fdatasync


def sync_directory(path: Path) -> None:
    """Have the names of a directory's files on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Directory:
    """A directory of mode 0700, locked for this process. Errors: StoreError where it cannot be, or another process has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(PermissionError):  # a volume that belongs to somebody else
                path.chmod(0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the data directory {path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StoreError(
                f"the data directory {path} is in use by another process; one at a time may serve it"
            ) from None

    def create(self, name: str) -> Path:
        """A file that only its owner may read, made if it is not there."""
        path = self.path / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        return path

    def sync(self) -> None:
        """Have the names of new files on the disk."""
        sync_directory(self.path)

    def close(self) -> None:
        """Let other processes in."""
        os.close(self._lock)


def read_head(path: Path) -> int | None:
    """The number in a head file: the larger one of the slots that are whole; None of a file that is new, or not there.

    Errors: StoreError where no slot is whole, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(2 * _SECTOR)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"the file {path} cannot be read: {error.strerror}") from error
    if not content:
        return None
    found: list[int] = []
    for at in (0, _SECTOR):
        slot = content[at : at + _SLOT.size]
        if len(slot) == _SLOT.size:
            magic, value, crc = _SLOT.unpack(slot)
            if magic == _MAGIC and crc == zlib.crc32(slot[:-4]):
                found.append(value)
    if not found:
        raise StoreError("the file 'head' of the data directory is damaged")
    return max(found)


class Head:
    """The number of the last acknowledged commit, in a file of two slots that are written by turns: one is always whole.

    A store whose own count is smaller has lost commits that were acknowledged.
    """

    def __init__(self, path: Path) -> None:
        self.value = read_head(path)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, value: int, *, sync: bool) -> None:
        """Errors: OSError."""
        slot = _SLOT.pack(_MAGIC, value, 0)[:-4]
        os.pwrite(self._file, slot + zlib.crc32(slot).to_bytes(4, "little"), value % 2 * _SECTOR)
        if sync:
            sync_file(self._file)
        self.value = value

    def close(self) -> None:
        os.close(self._file)
