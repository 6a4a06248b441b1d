"""Sessions: opened, listed, described, ended."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from engine.dtypes import DTYPES
from service.api.exchange import answer, created, integer, parts, read_object
from service.api.schemas import sessions as schema
from service.sessions.manager import Entry
from service.steps.errors import InvalidInput
from service.wire.json_codec import render

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


@router.post("", status_code=201, **schema.CREATE)
async def create_session(request: Request) -> Response:
    """Open a session: an own namespace, graph, scopes and stream of random numbers."""
    body = await read_object(request, schema.CREATE_FIELDS)
    name, seed, ttl = body.get("name"), body.get("seed"), body.get("ttl_seconds")
    if name is not None and (not isinstance(name, str) or not 0 < len(name) <= 128 or not name.isprintable()):
        raise InvalidInput("'name' must be 1 to 128 printable characters", argument="name")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
        raise InvalidInput("'seed' must be a whole number from 0 to 2**63 - 1", argument="seed")
    if ttl is not None and (type(ttl) not in (int, float) or not 0 < ttl <= 10**9):
        raise InvalidInput("'ttl_seconds' must be a number above 0", argument="ttl_seconds")
    dtype = DTYPES.get(str(body.get("default_dtype", "float32")))
    if dtype is None or not dtype.is_floating_point:
        raise InvalidInput("'default_dtype' must be float16, float32 or float64", argument="default_dtype")
    manager = parts(request).sessions
    entry = manager.create(name=name, seed=seed, ttl_seconds=ttl, default_dtype=dtype)
    return created(render(entry.to_json(manager.clock)), f"/v1/sessions/{entry.session.session_id}")


@router.get("", **schema.LIST)
async def list_sessions(request: Request) -> Response:
    """Open sessions in the order of their creation."""
    limit = integer(request, "limit", 1_000, 1, 10_000)
    after = integer(request, "cursor", 0, 0, 10**12 - 1)
    manager = parts(request).sessions
    page = [e for e in manager.list() if e.number > after][: limit + 1]
    cursor = str(page[limit - 1].number) if len(page) > limit else None
    return answer({"sessions": [summary(e) for e in page[:limit]], "next_cursor": cursor})


def summary(entry: Entry) -> dict[str, object]:
    """A session in a list: what costs nothing to say."""
    session = entry.session
    return {
        "session_id": session.session_id,
        "name": session.name,
        "tensors": len(session.names),
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
    parts(request).sessions.delete(session_id)
    return Response(status_code=204)
