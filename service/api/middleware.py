"""Pure ASGI middleware: request id, size of bodies, content encodings, hosts on loopback, security headers."""

from __future__ import annotations

import ipaddress
import re
import secrets
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import STATUSES, problem
from service.steps.patience import PATIENCE, Patience

__all__ = ["Guard", "Passage", "TooLarge", "too_large"]

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_DRAWN: Final = 256
_TIMEOUT: Final = re.compile(rb"(?=[\d.]*[1-9])\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?\Z")
CSP: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_ADDED: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", CSP.encode()),
)
_REPLACEABLE: Final = frozenset({b"cache-control", b"content-security-policy"})  # a route may say otherwise
_NAME: Final = itemgetter(0)


class Passage:
    """What goes to and fro of one request: bodies are counted, and the head of the answer gets what every answer has.

    most: bytes of a body that did not say its length. bare: the answer goes without its body. status: 500 as long as there is none.
    """

    __slots__ = ("_receive", "_request_id", "_send", "bare", "came", "most", "status", "went")

    def __init__(self, receive: Receive, send: Send, request_id: str, most: int | None) -> None:
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self.most = most
        self.bare = False
        self.came = self.went = 0
        self.status = 500

    async def receive(self) -> Message:
        """The next of the request. Errors: TooLarge for a body that grows past the limit."""
        message = await self._receive()
        self.came += len(message.get("body", b""))
        if self.most is not None and self.came > self.most:
            raise TooLarge
        return message

    async def send(self, message: Message) -> None:
        """The next of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = message["headers"]
            added = _ADDED
            if not _REPLACEABLE.isdisjoint(map(_NAME, own)):
                present = {name for name, _ in own}
                added = tuple(h for h in _ADDED if h[0] not in present)
            message["headers"] = [*own, (b"x-request-id", self._request_id.encode()), *added]
        else:
            if self.bare:
                message = {**message, "body": b""}
            self.went += len(message.get("body", b""))
        await self._send(message)


class Guard:
    """Stands before everything else.

    loopback: answer only to hosts that name this machine (against DNS rebinding). seconds: how long a request may take, if it does not say;
    most_seconds: and if it does.
    """

    def __init__(
        self, app: ASGIApp, *, request_bytes: int, loopback: bool, seconds: float, most_seconds: float
    ) -> None:
        self.app = app
        self.seconds = seconds
        self.most_seconds = most_seconds
        self.request_bytes = request_bytes
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.match(given) else _drawn()
        sized = b"content-length" in headers and b"transfer-encoding" not in headers  # so the protocol sees to its end
        passage = Passage(receive, send, request_id, None if sized else self.request_bytes)
        state = scope.setdefault("state", {})
        state["request_id"], state["passage"] = request_id, passage
        refused = self._refused(headers)
        if refused is not None:
            answer = problem(STATUSES[refused[0]], refused[1], refused[2], {"Connection": "close"})
            await answer(scope, receive, passage.send)
            del state["passage"]
            return
        state["patience"] = patience = Patience(self._seconds(headers))
        left = state.get("left")  # the protocol's list of whom to tell that the client has left
        if left is not None:
            left.append(patience.leave)
        token = PATIENCE.set(patience)
        try:
            await self.app(scope, passage.receive, passage.send)
        finally:
            PATIENCE.reset(token)
            del state["passage"]  # it leads back to the scope: a cycle that would wait for Python's collector

    def _seconds(self, headers: dict[bytes, bytes]) -> float:
        """How long the client waits: what it says, at most as long as is allowed."""
        given = headers.get(b"request-timeout")
        return self.seconds if given is None else min(float(given), self.most_seconds)

    def _refused(self, headers: dict[bytes, bytes]) -> tuple[int, str, dict[str, Any] | None] | None:
        if self.loopback and not _is_local(headers.get(b"host", b"")):
            return 421, "This service listens on loopback and answers to localhost and loopback addresses only.", None
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return 415, "A compressed body is not taken: send it without Content-Encoding.", None
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            return 415, "A compressed body is not taken: the only Transfer-Encoding is chunked.", None
        if b"request-timeout" in headers and not _TIMEOUT.match(headers[b"request-timeout"]):
            return 400, "Request-Timeout is a number of seconds above 0.", None
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, "Content-Length is no number.", None
        if int(length) > self.request_bytes:
            return 413, *too_large(self.request_bytes, int(length))
        return None


_pool: list[str] = []


def _drawn() -> str:
    """A request id that nobody can foresee: 16 hexadecimal digits, drawn many at once."""
    try:
        return _pool.pop()
    except IndexError:
        drawn = secrets.token_hex(8 * _DRAWN)
        _pool.extend(drawn[16 * k : 16 * k + 16] for k in range(1, _DRAWN))
        return drawn[:16]


def too_large(most: int, asked: int | None = None) -> tuple[str, dict[str, Any]]:
    """The sentence for a body over the limit, and its members; ``asked``: its length, where that is known before it has come."""
    return f"The body is larger than request_bytes allows: {most:,} bytes.", {
        "limit": "request_bytes",
        "value": most,
        **({} if asked is None else {"asked": asked}),
        "unit": "bytes",
    }


@lru_cache(256)
def _is_local(host: bytes) -> bool:
    name = host.decode("latin-1").lower()
    name = name[1 : name.index("]")] if name.startswith("[") and "]" in name else name.partition(":")[0]
    if name in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "testserver"


class TooLarge(Exception):
    """A body without Content-Length that grew past the limit."""
