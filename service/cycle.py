"""One request and its answer, as ASGI hands them on: ``receive`` and ``send``.

The head of an answer waits for the first of its body, so that a small answer leaves in one write. What was not sent yet can still be
replaced: an application that fails between head and body is answered like one that fails before.
"""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

__all__ = ["Cycle"]

TOGETHER: Final = 64 * 2**10  # bytes of a body that are put behind the head; more of them are written by themselves
STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}
BODILESS: Final = frozenset({204, 304})
LOG: Final = logging.getLogger("gradwire")


class Cycle:
    """What is on its way of one request. Made by the protocol, which feeds it; the application takes its ``receive`` and ``send``.

    before: headers that stand before those of any answer. done: called when the answer is written. failed: called, with nothing
    of an answer written yet, when the application raised; it answers.
    """

    __slots__ = (
        "_before",
        "_chunked",
        "_continue",
        "_done",
        "_failed",
        "_flow",
        "_head",
        "_left",
        "_pieces",
        "_size",
        "_transport",
        "_waiter",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(
        self,
        scope: Scope,
        transport: Any,
        flow: FlowControl,
        before: list[tuple[bytes, bytes]],
        *,
        keep_alive: bool,
        expects: bool,
        done: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self.scope = scope
        self._transport = transport
        self._flow = flow
        self._before = before
        self._done = done
        self._failed = failed
        self.keep_alive = keep_alive
        self._continue = expects  # "100-continue"
        self._pieces: list[bytes] = []  # of the body, not received yet
        self._size = 0
        self.more_body = True
        self._waiter: asyncio.Future[None] | None = None
        self.disconnected = False
        self._head: bytes | None = None  # of an answer whose body has not begun
        self._left = 0  # bytes of the body that the head promised
        self._chunked = False
        self.response_started = False
        self.response_complete = False

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer; whatever it raises, there is an answer or the connection ends."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException:
            if not self.response_complete:
                LOG.exception("the application failed")
        if self.response_complete or self.disconnected:
            return
        if self.response_started and self._head is None:
            self._transport.close()
            return
        self._head = None
        self._failed()

    # -- the request -------------------------------------------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """More of the body has come."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self.wake()

    def end(self) -> None:
        """The body has come to its end."""
        self.more_body = False
        self.wake()

    def leave(self) -> None:
        """The client has left."""
        if not self.response_complete:
            self.disconnected = True
        self.wake()

    def wake(self) -> None:
        """Let who waits for the request look again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def receive(self) -> Message:
        """The next of the body, all that has come so far; after its end, that the client has left or has its answer."""
        if self._continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._continue = False
        while not (self.disconnected or self.response_complete):
            if self._pieces or (self._size == 0 and not self.more_body):
                pieces = self._pieces
                body = b"" if not pieces else pieces[0] if len(pieces) == 1 else b"".join(pieces)
                self._pieces = []
                self._size = -1 if not self.more_body else 0  # at its end nothing comes any more
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    # -- the answer --------------------------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take the head of an answer, or more of its body. Errors: RuntimeError for what is no answer of HTTP."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.response_started and not self.response_complete:
            self._write(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start" and not self.response_started:
            self._begin(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} is not what comes next in an answer")

    def _begin(self, status: int, own: Any) -> None:
        headers = [*self._before, *own]
        known = dict(headers)
        length = known.get(b"content-length")
        if status in BODILESS or self.scope["method"] == "HEAD":
            self._left = 0
        elif length is not None:
            self._left = int(length)
        else:
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        if b"close" in known.get(b"connection", b"").lower():
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers) or b"\0" in lines:
            raise RuntimeError("a header of the answer has a line end in it")
        self._head = b"%b%b\r\n" % (STATUS[status], lines)
        self._continue = False
        self.response_started = True

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        else:
            self._left -= len(body)
            if self._left < 0 or (not more and self._left):
                raise RuntimeError("the body of the answer is not as long as its Content-Length")
        head, self._head = self._head, None
        if head is not None and len(body) <= TOGETHER:
            self._transport.write(head + body)
        else:
            if head is not None:
                self._transport.write(head)
            if body:
                self._transport.write(body)
        if not more:
            self.response_complete = True
            self.wake()
            if not self.keep_alive:
                self._transport.close()
            self._done()

    def flush(self) -> None:
        """Write a head that waits for its body, before the connection is closed."""
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)
