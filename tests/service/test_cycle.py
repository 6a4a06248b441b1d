"""A request and its answer on a real connection, with applications that do what they should not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from service.app import create_app
from service.protocol import protocol
from service.settings import Settings

PLAIN = (b"content-type", b"text/plain")


def asked(app: ASGIApp, *pieces: bytes, pause: float = 0.02) -> bytes:
    """All that comes back for these pieces, sent one after the other on one connection, until it is closed or idle."""

    async def ask() -> bytes:
        kind = protocol(Settings())
        config = uvicorn.Config(app, http=kind, lifespan="off", log_level="critical", timeout_keep_alive=0.3)  # type: ignore[arg-type]
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        made = lambda: kind(config=config, server_state=state, app_state={}, _loop=loop)  # noqa: E731
        server = await loop.create_server(made, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        found = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.close()
        return found

    return asyncio.run(ask())


def request(path: bytes = b"/", method: bytes = b"GET", body: bytes = b"", head: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nhost: localhost\r\n%b%b\r\n%b" % (method, path, length, head, body)


def answering(*messages: Message) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [PLAIN, *headers]}


def body(text: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    found = b"%b %b?%b|" % (scope["method"].encode(), scope["path"].encode(), scope["query_string"])
    more = True
    while more:
        message = await receive()
        found += message["body"]
        more = message["more_body"]
    await send(start((b"content-length", b"%d" % len(found))))
    await send(body(found))


def test_a_body_in_pieces_arrives_whole() -> None:
    sent = request(b"/a%20b?q=1", b"POST", b"x" * 1000)
    found = asked(echo, sent[:7], sent[7:60], sent[60:400], sent[400:])
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b"\r\n\r\nPOST /a b?q=1|" + b"x" * 1000)


def test_requests_behind_each_other_are_answered_in_order() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1 if scope["path"] == "/1" else 0)
        await echo(scope, receive, send)

    found = asked(slow, b"".join(request(b"/%d" % k, b"PUT", b"%d" % (k * 7)) for k in (1, 2, 3)))
    assert found.count(b"HTTP/1.1 200 OK") == 3
    assert found.index(b"PUT /1?|7") < found.index(b"PUT /2?|14") < found.index(b"PUT /3?|21")


def test_what_follows_a_refused_request_is_not_carried_out() -> None:
    seen: list[str] = []

    async def notes(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await echo(scope, receive, send)

    long = request(b"/long", head=b"x: %b\r\n" % (b"y" * 20_000))
    found = asked(notes, request(b"/before") + long + request(b"/after", b"PUT", b"data"))
    assert found.count(b"HTTP/1.1") <= 2
    assert b"HTTP/1.1 431 " in found
    assert "/after" not in seen
    assert "/long" not in seen


def test_a_body_of_no_length_goes_in_chunks() -> None:
    found = asked(answering(start(), body(b"abc", more=True), body(b"", more=True), body(b"defg")), request())
    assert b"transfer-encoding: chunked" in found
    assert found.endswith(b"\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")


def test_a_head_alone_has_no_body() -> None:
    found = asked(answering(start((b"content-length", b"3")), body(b"abc")), request(method=b"HEAD"))
    assert b"content-length: 3" in found
    assert found.endswith(b"\r\n\r\n")
    assert asked(answering(start(status=204), body(b"")), request()).startswith(b"HTTP/1.1 204 No Content\r\n")


@pytest.mark.parametrize(
    "app",
    [
        answering(),  # no answer
        answering(start((b"content-length", b"3"))),  # a head alone
        answering(start((b"content-length", b"3")), body(b"abcd")),  # more than promised
        answering(start((b"content-length", b"9")), body(b"abcd")),  # less
        answering(start((b"location", b"/\r\nset-cookie: a=b"))),  # a head in a head
        answering(start((b"location", b"/\nx: y"))),
        answering(body(b"abc")),
    ],
)
def test_what_is_no_answer_is_answered_by_500(app: ASGIApp) -> None:
    found = asked(app, request())
    assert found.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"application/problem+json" in found
    assert b"connection: close" in found
    assert b"set-cookie" not in found


def test_an_application_that_raises_is_answered_for() -> None:
    async def fails(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start())
        raise ValueError("secret")

    found = asked(fails, request())
    assert found.startswith(b"HTTP/1.1 500 ")
    assert found.count(b"HTTP/1.1") == 1
    assert b"secret" not in found


def test_an_answer_that_breaks_off_is_seen_to_be_broken() -> None:
    async def fails(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"100")))
        await send(body(b"abc", more=True))
        raise ValueError

    found = asked(fails, request())
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert found.endswith(b"\r\n\r\nabc")


def test_who_waits_for_a_go_ahead_gets_it() -> None:
    head, rest = request(b"/", b"POST", b"data", b"expect: 100-continue\r\n").split(b"\r\n\r\n")
    found = asked(echo, head + b"\r\n\r\n", rest)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert found.endswith(b"POST /?|data")


def test_after_the_body_one_waits_for_the_client_to_leave() -> None:
    seen: list[Message] = []

    async def waits(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append(await receive())
        seen.append(await receive())

    async def ask() -> None:
        kind = protocol(Settings())
        config = uvicorn.Config(waits, http=kind, lifespan="off", log_level="critical")
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        made = lambda: kind(config=config, server_state=state, app_state={}, _loop=loop)  # noqa: E731
        server = await loop.create_server(made, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request(b"/", b"POST", b"data"))
        await _until(lambda: len(seen) == 1)
        writer.close()
        await _until(lambda: len(seen) == 2)
        server.close()

    asyncio.run(ask())
    assert [m["type"] for m in seen] == ["http.request", "http.disconnect"]
    assert (seen[0]["body"], seen[0]["more_body"]) == (b"data", False)


async def _until(true: Callable[[], bool]) -> Awaitable[None] | None:
    for _ in range(500):
        if true():
            return None
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_request_leaves_nothing_to_the_collector() -> None:
    async def ask() -> int:
        app = create_app(Settings())
        kind = protocol(Settings())
        config = uvicorn.Config(app, http=kind, lifespan="off", log_level="critical")
        config.load()
        state, loop = ServerState(), asyncio.get_running_loop()
        made = lambda: kind(config=config, server_state=state, app_state={}, _loop=loop)  # noqa: E731
        async with app.router.lifespan_context(app):
            server = await loop.create_server(made, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

            async def turn(count: int) -> None:
                for _ in range(count):
                    writer.write(request(b"/healthz"))
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.read(100)

            await turn(5)
            gc.collect()
            gc.disable()
            try:
                await turn(100)
                return gc.collect()
            finally:
                gc.enable()
                writer.close()
                server.close()

    assert asyncio.run(ask()) < 100
