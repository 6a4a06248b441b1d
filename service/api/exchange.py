"""Reading a request and making an answer: raw body → checked JSON object; plain data → bytes, encoded once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeVar
from urllib.parse import quote

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.auth.principal import Principal
from service.functions.manager import FunctionManager
from service.sessions.manager import SessionManager
from service.sessions.outcomes import Key, Reply
from service.sessions.stretch import Batch
from service.sessions.transaction import Transaction
from service.settings import Settings
from service.steps.errors import InvalidInput
from service.steps.recent import Recent
from service.wire.json_codec import Strictness, decode, render

__all__ = [
    "JSON",
    "LARGE",
    "Asked",
    "Data",
    "Encoding",
    "Parts",
    "Ready",
    "Tenancy",
    "answer",
    "beside_json",
    "body_of",
    "checked_object",
    "content_type_of",
    "created",
    "data_mode",
    "encoding",
    "idempotency_key",
    "integer",
    "parts",
    "read_object",
    "replied",
    "reply",
    "run",
]

T = TypeVar("T")

JSON: Final = "application/json"
LARGE: Final = 256 * 2**10
"""Bytes of a body from which on it is read in a thread."""
Encoding = Literal["json", "base64"]


class Data(NamedTuple):
    """Whether values are shown, and how JSON writes them."""

    show: Literal["auto", "always", "never"]
    encoding: Encoding = "json"


_PLAIN: Final = Data("auto")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the body of a batch asks for, read."""

    batch: Batch
    wanted: tuple[str, ...]
    dry: bool

    @property
    def nbytes(self) -> int:
        """A bound of what it holds."""
        return self.batch.nbytes


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root joined for one tenant's requests. batches: of all tenants, by content type and body.

    strictness: what JSON may be like.
    """

    settings: Settings
    sessions: SessionManager
    functions: FunctionManager
    batches: Recent[Asked]
    strictness: Strictness


class Tenancy:
    """The parts of each tenant, made when they are first needed."""

    def __init__(self, make: Callable[[str], Parts], first: Collection[str]) -> None:
        self._make = make
        self._parts = {tenant: make(tenant) for tenant in first}

    def of(self, tenant: str) -> Parts:
        """One tenant's."""
        found = self._parts.get(tenant)
        if found is None:
            found = self._parts[tenant] = self._make(tenant)
        return found

    def all(self) -> list[Parts]:
        """Everybody's."""
        return list(self._parts.values())


def parts(request: Request) -> Parts:
    """The parts that serve this request: those of its tenant, which hold nothing of another."""
    principal: Principal = request.scope["state"]["principal"]
    found: Parts = request.scope["app"].tenancy.of(principal.tenant)
    return found


async def read_object(request: Request, fields: Collection[str] | None) -> dict[str, Any]:
    """The body as a JSON object with none but these fields (None: any); no body is an empty one.

    Errors: UnsupportedMediaType for another type, InvalidJson for what is not JSON, InvalidInput for an unknown field.
    """
    body = await body_of(request)
    if not body:
        return {}
    found = parts(request)
    kind, most = content_type_of(request), found.strictness
    if len(body) > LARGE:
        return await asyncio.to_thread(checked_object, body, kind, fields, most)
    return checked_object(body, kind, fields, most)


def content_type_of(request: Request) -> str | None:
    """The Content-Type, if one was sent."""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            return str(value, "latin-1")
    return None


async def body_of(request: Request) -> bytes:
    """The whole body. Errors: ClientDisconnect where the client left before its end."""
    if hasattr(request, "_body"):
        return await request.body()
    pieces: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        piece = message.get("body", b"")
        if message.get("more_body", False):
            pieces.append(piece)
            continue
        body = b"".join((*pieces, piece)) if pieces else bytes(piece)
        request._body = body  # where Starlette keeps it, for who asks again
        return body


def checked_object(
    body: bytes, content_type: str | None, fields: Collection[str] | None, most: Strictness
) -> dict[str, Any]:
    """A JSON object with none but these fields (None: any); nothing is an empty one. Errors: as ``read_object``."""
    if not body:
        return {}
    found = decode(body, content_type, most)
    if not isinstance(found, dict):
        raise InvalidInput("the body must be a JSON object")
    if fields is not None and any(k not in fields for k in found):
        raise InvalidInput(f"the body has a field that is not known here: known are {', '.join(sorted(fields))}")
    return found


class Ready(Response):
    """JSON that is bytes already: it is put together and sent here, without the general way."""

    media_type = JSON

    def __init__(
        self,
        content: bytes,
        status: int = 200,
        headers: dict[str, str] | None = None,
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = content
        self.raw_headers = [
            (b"content-length", b"%d" % len(content)),
            (b"content-type", b"application/json"),
            *more,
        ]
        if headers:
            self.raw_headers += [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(
    payload: bytes | dict[str, Any] | list[Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A ready response."""
    content = payload if isinstance(payload, bytes) else render(payload)
    return Ready(content, status, headers)


def _address(location: str) -> str:
    """An address in ASCII: what else stands in it, as in the name of a tensor, is percent-encoded."""
    return quote(location, safe="/:?=&@%+,;~")


def created(payload: bytes | dict[str, Any], location: str) -> Response:
    """201 with the address of what was made."""
    return answer(payload, 201, {"Location": _address(location)})


def data_mode(request: Request) -> Data:
    """The query's ``data``: auto (values of small tensors), always or never; and its ``encoding``. Errors: InvalidInput."""
    if not request.scope["query_string"]:
        return _PLAIN
    value = request.query_params.get("data", "auto")
    if value not in ("auto", "always", "never"):
        raise InvalidInput("'data' must be auto, always or never", argument="data")
    return Data(value, encoding(request))  # type: ignore[arg-type]


def encoding(request: Request) -> Encoding:
    """The query's ``encoding``: how JSON writes arrays, as nested lists or as base64 of their bytes. Errors: InvalidInput."""
    if not request.scope["query_string"]:
        return "json"
    value = request.query_params.get("encoding", "json")
    if value not in ("json", "base64"):
        raise InvalidInput("'encoding' must be json or base64", argument="encoding")
    return value  # type: ignore[return-value]


def integer(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query. Errors: InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high or len(text) > 12:
        raise InvalidInput(f"'{name}' must be a whole number from {low} to {high}", argument=name)
    return int(text)


def beside_json(request: Request, defaults: Mapping[str, str | None]) -> None:
    """Refuse parameters of the query that are fields of a JSON body, unless they say what goes without saying. Errors: InvalidInput.

    defaults: their names, with what is so if nothing is said (forms such as that of /docs send it).
    """
    for name, default in defaults.items():
        if request.query_params.get(name, default) != default:
            raise InvalidInput(
                f"'{name}' is a field of a JSON body; in the query it goes with other bodies", argument=name
            )


async def idempotency_key(request: Request) -> Key | None:
    """The request's Idempotency-Key with a digest of method, address and body; None without the header. Errors: InvalidInput."""
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    if not 0 < len(text) <= 128 or not text.isascii() or not text.isprintable():
        raise InvalidInput("an Idempotency-Key has 1 to 128 printable ASCII characters", argument="Idempotency-Key")
    seen = hashlib.sha256(f"{request.method} {request.scope['path']}?".encode())
    seen.update(
        request.scope.get("query_string", b"") + b"\n" + request.headers.get("content-type", "").encode() + b"\n"
    )
    seen.update(await body_of(request))
    return Key(text, seen.hexdigest())


def reply(payload: Any, code: int = 200, location: str | None = None) -> Reply:
    """What a mutating request answers, ready to be remembered."""
    return Reply(code, payload if isinstance(payload, bytes) else render(payload), location)


def replied(found: Reply) -> Response:
    """A remembered reply as a response."""
    headers = {} if found.location is None else {"Location": _address(found.location)}
    if found.tag is not None:
        headers["ETag"] = found.tag
    if found.code == 204:
        return Response(status_code=204, headers=headers)
    return answer(found.payload, found.code, headers)


async def run(
    request: Request, session_id: str, work: Callable[[Transaction], Reply], *, batch: bool = False, heavy: bool = False
) -> Response:
    """Carry out a request that may change a session, once for each Idempotency-Key."""
    heavy = heavy or len(getattr(request, "_body", b"")) > LARGE  # so many references are not read on the event loop
    key = await idempotency_key(request)
    return replied(await parts(request).sessions.run(session_id, work, batch=batch, heavy=heavy, key=key))
