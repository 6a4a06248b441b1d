"""Reading a request and making an answer: raw body → checked JSON object; plain data → bytes, encoded once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi import Request, Response

from service.sessions.manager import SessionManager
from service.settings import Settings
from service.steps.errors import InvalidInput
from service.wire.json_codec import decode, render

__all__ = ["Data", "Parts", "answer", "created", "data_mode", "integer", "parts", "read_object"]

Data = Literal["auto", "always", "never"]
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the composition root joined, for routes."""

    settings: Settings
    sessions: SessionManager


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
