"""Pure ASGI middleware: whose request it is, known from the header alone, before a byte of the body is read or a route is looked for.

What is public is a closed list of paths, so a new route needs a key without anybody thinking of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import STATUSES, problem
from service.auth.api_keys import KeyFile, KeyFileError
from service.auth.principal import Principal
from service.auth.throttle import Throttle

__all__ = ["PAGES", "Authentication"]

PAGES: Final[dict[str, tuple[str, ...]]] = {
    "docs": ("/docs", "/openapi.json"),
    "guide": ("/guide",),
    "metrics": ("/metrics",),
    "playground": ("/playground",),
}
"""Pages by the names of the setting ``guarded``, with the paths that they and what lies under them stand for."""
ALWAYS: Final = ("/healthz", "/readyz", "/errors")
BASIC_UNDER: Final = "/compat"
NOBODY: Final = Principal()


class Authentication:
    """Puts the principal into the scope's state. guarded: names of ``PAGES`` that need a key too. failures: a minute and address."""

    def __init__(self, app: ASGIApp, *, keys: KeyFile | None, guarded: Collection[str], failures: int) -> None:
        self.app = app
        self.keys = keys
        self.throttle = Throttle(failures)
        self.public = tuple(p for name, paths in PAGES.items() if name not in guarded for p in paths) + ALWAYS
        self.front = "playground" not in guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = scope.setdefault("state", {})
            state["principal"] = NOBODY
            if self.keys is not None and self.keys.required and not self._is_public(scope["path"]):
                found, scheme = self._principal(scope, self.keys)
                if found is None:
                    await self._refuse(scope, receive, send, scheme)
                    return
                state["principal"] = found
        await self.app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        if path == "/":
            return self.front
        return any(path == p or path.startswith(p + "/") for p in self.public)

    @staticmethod
    def _principal(scope: Scope, keys: KeyFile) -> tuple[Principal | None, str]:
        """Who asks, and the scheme that is asked for here."""
        basic = scope["path"] == BASIC_UNDER or scope["path"].startswith(BASIC_UNDER + "/")
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        offered = _offered(given[0], basic=basic) if len(given) == 1 else None
        if offered is None:
            return None, "Basic" if basic else "Bearer"
        try:
            return keys.find(offered), "Basic" if basic else "Bearer"
        except KeyFileError:
            return None, "Bearer"

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, scheme: str) -> None:
        wait = self.throttle.failed(scope["client"][0] if scope.get("client") else "")
        if wait is not None:
            detail, members = "Too many requests without a valid key came from this address.", {"retry_after": wait}
            answer = problem(STATUSES[429], detail, members)
        else:
            how = "Authorization: Bearer KEY" + (", or Basic with the key as password" * (scheme == "Basic"))
            headers: dict[str, Any] = {"WWW-Authenticate": f'{scheme} realm="gradwire"'}
            answer = problem(STATUSES[401], f"A valid API key is needed: {how}.", headers=headers)
        answer.headers["Connection"] = "close"  # the body, if there is one, is not read
        await answer(scope, receive, send)


def _offered(header: bytes, *, basic: bool) -> str | None:
    """The key that a header offers; None where it offers none."""
    scheme, _, rest = header.decode("latin-1").partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest or None
    if scheme.lower() != "basic" or not basic:
        return None
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None
