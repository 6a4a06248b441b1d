"""Reading a request and making an answer: raw body → checked JSON object; plain data → bytes, encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from fastapi import Request, Response

from service.functions.manager import FunctionManager
from service.sessions.manager import SessionManager
from service.sessions.outcomes import Key, Reply
from service.sessions.transaction import Transaction
from service.settings import Settings
from service.steps.errors import InvalidInput
from service.wire.json_codec import decode, render

__all__ = [
    "Data",
    "Parts",
    "answer",
    "created",
    "data_mode",
    "idempotency_key",
    "integer",
    "parts",
    "read_object",
    "replied",
    "reply",
    "run",
]

T = TypeVar("T")

Data = Literal["auto", "always", "never"]
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root joined, for routes."""

    settings: Settings
    sessions: SessionManager
    functions: FunctionManager


def parts(request: Request) -> Parts:
    """The parts of the application that serves this request."""
    found: Parts = request.app.state.parts
    return found


async def read_object(request: Request, fields: Collection[str]) -> dict[str, Any]:
    """The body as a JSON object with none but these fields; no body is an empty one.

    Errors: UnsupportedMediaType for another type, InvalidJson for what is not JSON, InvalidInput for an unknown field.
    """
    body = await request.body()
    if not body:
        return {}
    found = decode(body, request.headers.get("content-type"), max_depth=parts(request).settings.json_depth)
    if not isinstance(found, dict):
        raise InvalidInput("the body must be a JSON object")
    if any(k not in fields for k in found):
        raise InvalidInput(f"the body has a field that is not known here: known are {', '.join(sorted(fields))}")
    return found


def answer(
    payload: bytes | dict[str, Any] | list[Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A ready response."""
    content = payload if isinstance(payload, bytes) else render(payload)
    return Response(content, status, headers, JSON)


def created(payload: bytes | dict[str, Any], location: str) -> Response:
    """201 with the address of what was made."""
    return answer(payload, 201, {"Location": location})


def data_mode(request: Request) -> Data:
    """The query's ``data``: auto (values of small tensors), always or never. Errors: InvalidInput."""
    value = request.query_params.get("data", "auto")
    if value not in ("auto", "always", "never"):
        raise InvalidInput("'data' must be auto, always or never", argument="data")
    return value  # type: ignore[return-value]


def integer(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query. Errors: InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high or len(text) > 12:
        raise InvalidInput(f"'{name}' must be a whole number from {low} to {high}", argument=name)
    return int(text)


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
    seen.update(await request.body())
    return Key(text, seen.hexdigest())


def reply(payload: Any, code: int = 200, location: str | None = None) -> Reply:
    """What a mutating request answers, ready to be remembered."""
    return Reply(code, payload if isinstance(payload, bytes) else render(payload), location)


def replied(found: Reply) -> Response:
    """A remembered reply as a response."""
    headers = None if found.location is None else {"Location": found.location}
    if found.code == 204:
        return Response(status_code=204, headers=headers)
    return answer(found.payload, found.code, headers)


async def run(
    request: Request, session_id: str, work: Callable[[Transaction], Reply], *, batch: bool = False, heavy: bool = False
) -> Response:
    """Carry out a request that may change a session, once for each Idempotency-Key."""
    key = await idempotency_key(request)
    return replied(await parts(request).sessions.run(session_id, work, batch=batch, heavy=heavy, key=key))
