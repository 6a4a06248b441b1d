"""Sessions: opened, listed, described, ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from engine.dtypes import named
from service.api.exchange import answer, idempotency_key, integer, parts, read_object, replied, reply
from service.api.schemas import sessions as schema
from service.sessions.manager import Entry, SessionManager
from service.sessions.outcomes import Reply
from service.steps.errors import InvalidInput, LimitExceeded
from service.wire.json_codec import render

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


@router.post("", status_code=201, **schema.CREATE)
async def create_session(request: Request) -> Response:
    """Open a session: an own namespace, graph, scopes and stream of random numbers."""
    body = await read_object(request, schema.CREATE_FIELDS)
    seed = body.get("seed")
    name, ttl = labelled(body, parts(request).settings.session_ttl)
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**64):
        raise InvalidInput("'seed' must be a whole number from 0 to 2**64 - 1", argument="seed")
    dtype = named(body.get("default_dtype", "float32"))
    if dtype is None or not dtype.is_floating_point:
        raise InvalidInput("'default_dtype' must be float16, float32 or float64", argument="default_dtype")
    manager = parts(request).sessions
    key = await idempotency_key(request)
    shown = shown_by(manager)
    return replied(await manager.open(key, shown, name=name, seed=seed, ttl_seconds=ttl, default_dtype=dtype))


def shown_by(manager: SessionManager) -> Callable[[Entry], Reply]:
    """How a new session is answered."""
    return lambda entry: reply(entry.to_json(manager.clock), 201, f"/v1/sessions/{entry.session_id}")


@router.get("", **schema.LIST)
async def list_sessions(request: Request) -> Response:
    """Open sessions in the order of their creation."""
    limit = integer(request, "limit", 1_000, 1, 10_000)
    after = integer(request, "cursor", 0, 0, 10**12 - 1)
    manager = parts(request).sessions
    page = [e for e in manager.list() if e.number > after][: limit + 1]
    cursor = str(page[limit - 1].number) if len(page) > limit else None
    return answer({"sessions": [summary(e) for e in page[:limit]], "next_cursor": cursor})


def labelled(body: dict[str, Any], most: float) -> tuple[str | None, float | None]:
    """``name`` and ``ttl_seconds`` of a body. Errors: InvalidInput, LimitExceeded where it is longer than ``most``."""
    name, ttl = body.get("name"), body.get("ttl_seconds")
    if name is not None and (not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable()):
        raise InvalidInput("'name' must be 1 to 128 printable characters", argument="name")
    if ttl is not None and (type(ttl) not in (int, float) or not ttl > 0):
        raise InvalidInput("'ttl_seconds' must be a number above 0", argument="ttl_seconds")
    if ttl is not None and ttl > most:
        asked = math.ceil(min(ttl, 10.0**18))
        raise LimitExceeded("session_ttl", math.floor(most), asked, "seconds", "the life of the session")
    return name, ttl


def summary(entry: Entry) -> dict[str, object]:
    """A session in a list: what costs nothing to say."""
    return {
        "session_id": entry.session_id,
        "name": entry.name,
        "tensors": entry.tensors if entry.live is not None else None,
        "created": entry.created,
    }


@router.get("/{session_id}", **schema.READ)
async def read_session(request: Request, session_id: str) -> Response:
    """Counts, bytes, nodes, grad mode, seed and expiry."""
    manager = parts(request).sessions
    entry = manager.find(session_id)
    return answer(await manager.run(session_id, lambda tx: render(entry.to_json(manager.clock))))


@router.delete("/{session_id}", status_code=204, **schema.END)
async def end_session(request: Request, session_id: str) -> Response:
    """End a session and let everything go that it holds."""
    return replied(await parts(request).sessions.end(session_id, await idempotency_key(request)))


@router.post("/{session_id}/fork", status_code=201, **schema.FORK)
async def fork_session(request: Request, session_id: str) -> Response:
    """A new session that begins where this one is now: names, values, graph, gradients, scopes and random numbers."""
    body = await read_object(request, {"name", "ttl_seconds"})
    name, ttl = labelled(body, parts(request).settings.session_ttl)
    manager = parts(request).sessions
    key = await idempotency_key(request)
    return replied(await manager.fork(session_id, key, shown_by(manager), name=name, ttl_seconds=ttl))
