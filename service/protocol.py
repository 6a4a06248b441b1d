"""One connection: uvicorn's protocol, bounded. Heads have a size and a time, bodies a pace, connections a number.

What is refused here never reaches the application; it is answered like everything else, as a problem document. A connection that is
closed while the client still sends is closed gently: the answer first, then what comes is read and dropped for a moment, because a
closed socket with unread bytes resets, and the client would never see why.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any, Final
from urllib.parse import unquote

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.problems import STATUSES, problem
from service.cycle import Cycle
from service.settings import Settings

__all__ = ["Protocol", "protocol"]

DROPPING: Final = 2.0  # seconds in which what a refused client still sends is dropped
ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
ALWAYS_ANSWERED: Final = (b"/healthz", b"/readyz")
SLACK: Final = 1_024  # of a head: its first line's other words, colons and line ends
REASONS: Final = {
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
    400: b"Bad Request",
    500: b"Internal Server Error",
}


class _Gentle:
    """A transport whose ``close`` lets the client hear the answer, while it still sends."""

    __slots__ = ("_inner", "_owner", "closing")

    def __init__(self, inner: asyncio.Transport, owner: Protocol) -> None:
        self._inner = inner
        self._owner = owner
        self.closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def is_closing(self) -> bool:
        return self.closing or self._inner.is_closing()

    def write(self, data: bytes) -> None:
        if not self.closing:
            self._inner.write(data)

    def close(self) -> None:
        if self.closing or self._inner.is_closing():
            return
        if self._owner.cycle is not None:
            self._owner.cycle.flush()
        self.closing = True
        if not self._owner.sending:
            self._inner.close()
            return
        self._owner.flow.resume_reading()
        if self._inner.can_write_eof():
            self._inner.write_eof()
        self._owner.loop.call_later(DROPPING, self._inner.close)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 within limits; ``protocol`` says which."""

    settings: Settings
    draining = False
    cycle: Cycle  # type: ignore[assignment] # of the newest request
    pipeline: deque[tuple[Cycle, None]]  # type: ignore[assignment] # requests that wait for an answer before theirs

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.sending = False  # whether the client is in the middle of a request
        self._head_done = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._refusal = 0
        self._idle_since = 0.0
        self._left: list[list[Any]] = []  # of unfinished requests: whom to tell when the client leaves
        self._timer: asyncio.TimerHandle | None = None
        self._gentle = _Gentle(transport, self)
        super().connection_made(self._gentle)  # type: ignore[arg-type]
        self.flow = FlowControl(transport)
        self._over = len(self.connections) > self.settings.connections  # whoever was here before goes on
        if len(self.connections) > 2 * self.settings.connections:
            transport.abort()
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch(None)
        self.connections.discard(self)
        if self.cycle is not None:
            self.cycle.leave()
        for waiting, _ in self.pipeline:
            waiting.leave()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self._unset_keepalive_if_required()
        self.parser = None  # type: ignore[assignment] # it holds this protocol, as this holds it
        for told in self._left:
            for leave in told:
                leave()
        self._left.clear()

    # -- what comes ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._head_done:
            self._head_bytes += len(data)
        elif self.sending:
            self._body_bytes += len(data)
        if not self.sending and not self._head_done:
            self.sending = True
            self._watch(None)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # to what we do not speak: the request is answered as it is
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if not self._head_done and self._head_bytes > self.settings.header_bytes + self.settings.url_bytes + SLACK:
            self._refuse(431)
        elif (
            self.sending and self._timer is None and not self.transport.is_closing()
        ):  # most come whole, and are not watched
            if self._head_done:
                self._watch_body(self._body_bytes)
            else:
                self._watch_head()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_done = False
        self._head_size = 0
        self._hosts = 0
        self._refusal = 400 if self.transport.is_closing() else 0  # what follows a refused request is not carried out

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.settings.url_bytes:
            self._refusal = self._refusal or 414

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers.append((name, value))
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self.settings.header_bytes:
            self._refusal = self._refusal or 431
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        self._head_done = True
        self._body_bytes = 0
        if (
            self._over
            and len(self.connections) > self.settings.connections
            and not self.url.startswith(ALWAYS_ANSWERED)
        ):
            self._refusal = self._refusal or 503
        version = self.parser.get_http_version()
        if self._hosts > 1 or (not self._hosts and version == "1.1"):  # RFC 9112, section 3.2
            self._refusal = self._refusal or 400
        if self._refusal:
            self._refuse(self._refusal)
            return
        before, self.cycle = (
            self.cycle,
            Cycle(
                self._scope(version),
                self._gentle,
                self.flow,
                self.server_state.default_headers,
                keep_alive=version != "1.0" and self.parser.should_keep_alive() and not self.draining,
                expects=self.expect_100_continue,
                done=self.on_response_complete,
                failed=self._failed,
            ),
        )
        if before is None or before.response_complete:
            self._begin(self.cycle)
        else:  # a request behind another: it waits for its turn, and what follows it waits unread
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, None))
        self._watch(None)

    def _scope(self, version: str) -> Scope:
        """What ASGI tells of a request."""
        raw, _, query = self.url.partition(b"?")
        if raw[:1] != b"/" or b"#" in self.url:
            parsed = httptools.parse_url(self.url)
            raw, query = parsed.path, parsed.query or b""
        path = raw.decode("ascii")
        told: list[Any] = []
        self._left.append(told)
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + (unquote(path) if "%" in path else path),
            "raw_path": self.root_path.encode("ascii") + raw,
            "query_string": query,
            "headers": self.headers,
            "state": {**self.app_state, "left": told},
        }

    def _begin(self, cycle: Cycle) -> None:
        task = self.loop.create_task(cycle.run(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        if not self._refusal and not self.cycle.response_complete:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        self.sending = False
        self._head_done = False
        self._head_bytes = 0
        self._watch(None)
        if not self._refusal and not self.cycle.response_complete:
            self.cycle.end()

    def on_response_complete(self) -> None:
        if self._left:
            self._left.pop(0)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._begin(self.pipeline.pop()[0])
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close what has been idle for so long. One timer looks now and then: to set one anew for each request would take longer."""
        self.timeout_keep_alive_task = None
        if self.sending or not self.cycle.response_complete or self.transport.is_closing():
            return  # it is looked at again after the answer
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    # -- what is refused -------------------------------------------------------------------------------------------

    def _failed(self) -> None:
        """Nothing of an answer was written, and nothing will be."""
        self._refusal = 500
        self._refuse(500)

    def _refuse(self, status: int) -> None:
        """Answer here, and close."""
        self._watch(None)
        if self.transport.is_closing():
            return
        busy = self.cycle is not None and not self.cycle.response_complete
        answered = self._head_done and self.cycle is not None and self.cycle.response_started
        if not answered or self._refusal:
            kind = STATUSES[status]
            answer = problem(kind, kind.explanation, self._members(status))
            headers = [
                *self.server_state.default_headers,
                *answer.raw_headers,
                (b"x-request-id", secrets.token_hex(8).encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
            ]
            lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, REASONS[status], lines, answer.body))
        if busy:  # the application waits for the rest of a body
            self.cycle.leave()
        self.sending = True
        self.transport.close()

    def _members(self, status: int) -> dict[str, Any]:
        """Which limit was passed, its value, and what was asked, as far as it was read."""
        if status == 414:
            return {"limit": "url_bytes", "value": self.settings.url_bytes, "asked": len(self.url), "unit": "bytes"}
        if status == 431:
            asked = self._head_size if self._head_done else self._head_bytes
            return {"limit": "header_bytes", "value": self.settings.header_bytes, "asked": asked, "unit": "bytes"}
        if status == 503:
            asked, most = len(self.connections), self.settings.connections
            return {"limit": "connections", "value": most, "asked": asked, "unit": "connections", "retry_after": 1}
        return {}

    # -- how long it takes -----------------------------------------------------------------------------------------

    def _watch(self, seconds: float | None, *act: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, *act)

    def _watch_head(self) -> None:
        self._watch(self.settings.header_seconds, self._late_head)

    def _late_head(self) -> None:
        if self._head_bytes:
            self._refuse(408)
        else:
            self.transport.close()

    def _watch_body(self, seen: int) -> None:
        self._watch(self.settings.body_seconds, self._look_at_body, seen)

    def _look_at_body(self, seen: int) -> None:
        """A body that comes too slowly is refused; one that is not read, because there is enough of it to work on, is not late."""
        if not self.sending or self.transport.is_closing():
            return
        slow = self._body_bytes - seen < self.settings.body_rate * self.settings.body_seconds
        if slow and not self.flow.read_paused:
            self._refuse(408)
        else:
            self._watch_body(self._body_bytes)

    # -- the end ---------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Close when nothing is under way any more. What is on its way while the server says good-bye is answered, too."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self.sending:
            # in two waits: on a busy machine both may be over at once, but what has come is read between them
            self.loop.call_later(0.2, self.loop.call_later, 0.05, self._close_idle)

    def _close_idle(self) -> None:
        if not self.sending and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


def protocol(settings: Settings) -> type[Protocol]:
    """The protocol with its limits."""
    return type("BoundProtocol", (Protocol,), {"settings": settings})
