"""API keys: 32 random bytes that are shown once. A file keeps their SHA-256; whoever reads it cannot use it.

A key has as much entropy as its hash, so the hash is a fast one. A key that is offered is compared with every entry, in the same time
wherever it stands. The file is looked at with every request and read anew when it has changed, so that a revoked key ends at once;
it is replaced as a whole, never written into, and a file that cannot be read admits nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from service.auth.principal import TENANT, Principal

__all__ = ["ApiKey", "KeyFile", "KeyFileError", "NoSuchKey"]

PREFIX: Final = "gw_"
LONGEST: Final = 256  # characters of what is offered; a longer one is no key
FIELDS: Final[dict[str, Any]] = {"created": (int, float), "key_id": str, "note": str, "sha256": str, "tenant": str}


class KeyFileError(Exception):
    """The file of keys cannot be read or written; nobody is admitted by it."""


class NoSuchKey(Exception):
    """No key has this id."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: never the key itself. ``created``: seconds since the epoch."""

    key_id: str
    tenant: str
    sha256: str
    created: float
    note: str = ""


class KeyFile:
    """The keys in a file of JSON, mode 0600. Without the file no key is asked for; once it was there, always."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[ApiKey, ...] = ()
        self._digests: tuple[tuple[bytes, Principal], ...] = ()
        self._required = False

    @property
    def required(self) -> bool:
        """Whether a request needs a key."""
        if not self._required:
            self._required = self.path.exists()
        return self._required

    def all(self) -> tuple[ApiKey, ...]:
        """All keys, the oldest first. Errors: KeyFileError."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._take(None, ())
            return ()
        except OSError as error:
            self._take(None, ())
            raise KeyFileError(f"the keys in {self.path} cannot be read: {error.strerror}") from error
        self._required = True
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen != self._seen:
            self._take(None, ())
            self._take(seen, _read(self.path))
        return self._keys

    def _take(self, seen: tuple[int, int, int] | None, keys: tuple[ApiKey, ...]) -> None:
        self._seen, self._keys = seen, keys
        self._digests = tuple((bytes.fromhex(k.sha256), Principal(k.tenant, k.key_id)) for k in keys)

    def find(self, offered: str) -> Principal | None:
        """Whose key this is; None for no key. Errors: KeyFileError."""
        self.all()
        digest = hashlib.sha256(offered[:LONGEST].encode("utf-8", "replace")).digest()
        found = None
        for known, principal in self._digests:  # every entry: how long it takes says nothing
            if hmac.compare_digest(known, digest):
                found = principal
        return found if len(offered) <= LONGEST else None

    # -- change ----------------------------------------------------------------------------------------------------

    def create(self, tenant: str, note: str = "") -> tuple[ApiKey, str]:
        """A new key of a tenant, and its text, which is nowhere else. Errors: ValueError, KeyFileError."""
        if not TENANT.match(tenant):
            raise ValueError("a tenant is called by 1 to 63 of a-z, 0-9, _ and -, a letter or digit first")
        if len(note) > 128 or not note.isprintable():
            raise ValueError("a note has at most 128 printable characters")
        text = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(secrets.token_hex(4), tenant, hashlib.sha256(text.encode()).hexdigest(), time.time(), note)
        with self._changing():
            self._write([*self.all(), key])
        return key, text

    def revoke(self, key_id: str) -> ApiKey:
        """Forget a key: a server that runs refuses it from its next request on. Errors: NoSuchKey, KeyFileError."""
        with self._changing():
            keys = self.all()
            gone = [k for k in keys if k.key_id == key_id]
            if not gone:
                raise NoSuchKey(f"no key has the id {key_id}")
            self._write([k for k in keys if k.key_id != key_id])
        return gone[0]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """One process changes the file at a time."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise KeyFileError(f"the keys in {self.path} cannot be changed: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, keys: list[ApiKey]) -> None:
        """Replace the file: whole and synced, or not at all."""
        new = self.path.with_name(self.path.name + ".new")
        content = json.dumps({"version": 1, "keys": [asdict(k) for k in keys]}, indent=1) + "\n"
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, content.encode())
                os.fsync(handle)
            finally:
                os.close(handle)
            new.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise KeyFileError(f"the keys in {self.path} cannot be written: {error.strerror}") from error
        self._seen = None
        self._required = True


def _read(path: Path) -> tuple[ApiKey, ...]:
    """Errors: KeyFileError, which repeats nothing of the file."""
    try:
        content: Any = json.loads(path.read_bytes())
        return tuple(_key(entry) for entry in content["keys"])
    except OSError as error:
        raise KeyFileError(f"the keys in {path} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError):
        raise KeyFileError(
            f"the file of keys {path} is damaged: restore it, or remove it and create new keys"
        ) from None


def _key(entry: Any) -> ApiKey:
    if not isinstance(entry, dict) or entry.keys() != FIELDS.keys():
        raise ValueError
    if not all(isinstance(entry[name], kind) for name, kind in FIELDS.items()):
        raise TypeError
    key = ApiKey(**entry)
    if len(bytes.fromhex(key.sha256)) != 32 or not TENANT.match(key.tenant):
        raise ValueError
    return key
