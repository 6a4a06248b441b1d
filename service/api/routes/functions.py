"""Served functions: kept under a name and a version, evaluated and differentiated by a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.api.drawing import Drawing
from service.api.exchange import answer, idempotency_key, integer, parts, replied, reply
from service.api.functions import description, entry, from_session, input_shapes, read_body, rendering, tags
from service.api.schemas import functions as schema
from service.functions.call import VERBS
from service.functions.manager import Held
from service.sessions.graphs import session_function
from service.sessions.ledger import Seal
from service.sessions.outcomes import Reply
from service.steps.errors import InvalidInput

__all__ = ["evaluations", "router"]


class _Lean(APIRoute):
    """A route whose endpoint reads the request itself: nothing is solved or validated before it."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        endpoint = self.endpoint

        async def handler(request: Request) -> Response:
            found: Response = await endpoint(request, **request.path_params)
            return found

        return handler


router = APIRouter(prefix="/v1/functions", tags=["functions"], route_class=_Lean)
evaluations = APIRouter(prefix="/v1/evaluate", tags=["functions"], route_class=_Lean)


def _tag(held: Held) -> dict[str, str]:
    """The version as an entity tag."""
    return {"ETag": f'"{held.version}"'}


@router.get("", **schema.LIST)
async def list_functions(request: Request) -> Response:
    """The functions by name, each in its newest version."""
    limit = integer(request, "limit", 1_000, 1, 10_000)
    after = request.query_params.get("cursor", "")
    page = [held for held in parts(request).functions.list() if held.name > after][: limit + 1]
    cursor = page[limit - 1].name if len(page) > limit else None
    return answer({"functions": [entry(held) for held in page[:limit]], "next_cursor": cursor})


@router.put("/{name}", status_code=201, **schema.PUT)
async def put_function(request: Request, name: str) -> Response:
    """Keep a function under a name: new (201), or as its newest version (200)."""
    body = await read_body(request, text=True)
    key = await idempotency_key(request)
    return replied(await parts(request).sessions.once(key, lambda seal: _put(request, name, body, seal)))


async def _put(request: Request, name: str, body: dict[str, Any], seal: Seal) -> Reply:
    functions = parts(request).functions
    if "from_session" in body:
        session_id, inputs, outputs, rest = from_session(body)
        found = await parts(request).sessions.run(session_id, lambda tx: session_function(tx, inputs, outputs))
        function = await functions.define({**found.definition, **rest})
        await functions.prove(function, found)
    else:
        function = await functions.define(body)
    made: list[Reply] = []

    def shown(held: Held, new: bool, versions: list[Held]) -> Reply:
        location = f"/v1/functions/{name}" if new else None
        made.append(replace(reply(description(held, versions), 201 if new else 200, location), tag=_tag(held)["ETag"]))
        return made[-1]

    match, none_match = tags(request, "if-match"), tags(request, "if-none-match")
    held, new = await functions.put(
        name, function, if_match=match, if_none_match=none_match, told=lambda *what: seal(shown(*what))
    )
    return made[-1] if made else shown(held, new, functions.versions(name))  # made by none: the same function again


@router.get("/{name}", **schema.READ)
async def read_function(request: Request, name: str) -> Response:
    """A function: inputs, outputs, constants' specs, source, versions. ``name@hash`` names a version."""
    functions = parts(request).functions
    held = functions.find(name)
    known = tags(request, "if-none-match")
    if known is not None and {"*", held.version} & known:
        return Response(status_code=304, headers=_tag(held))
    return answer(description(held, functions.versions(held.name)), headers=_tag(held))


@router.get("/{name}/graph", **schema.GRAPH)
async def draw_function(request: Request, name: str) -> Response:
    """The graph of a function, of its gradient or of its second derivative, as data or as a picture."""
    functions = parts(request).functions
    drawing = Drawing(request)
    of = request.query_params.get("of", "value")
    return drawing.response(
        await functions.draw(functions.find(name).function, of, input_shapes(request), drawing.encode)
    )


@router.delete("/{name}", status_code=204, **schema.FORGET)
async def forget_function(request: Request, name: str) -> Response:
    """Forget a function with all its versions."""

    async def forget(seal: Seal) -> Reply:
        gone = Reply(204)
        await parts(request).functions.delete(name, if_match=tags(request, "if-match"), told=seal(gone))
        return gone

    return replied(await parts(request).sessions.once(await idempotency_key(request), forget))


def _evaluation(verb: str) -> Callable[[Request, str], Awaitable[Response]]:
    """The endpoint of one verb."""

    async def endpoint(request: Request, name: str) -> Response:
        functions = parts(request).functions
        function = functions.find(name).function
        body = await read_body(request)
        return (await functions.evaluate(function, verb, body, rendering(request))).response()

    endpoint.__name__ = verb
    endpoint.__doc__ = schema.SENTENCES[verb]
    return endpoint


for _verb in VERBS:
    router.post(f"/{{name}}/{_verb}", **schema.evaluation(_verb))(_evaluation(_verb))


@evaluations.post("", **schema.ONCE)
async def evaluate(request: Request) -> Response:
    """Evaluate code or steps that are sent along, once; nothing is kept."""
    body: dict[str, Any] = await read_body(request)
    verb = body.pop("verb", "value")
    if verb not in VERBS:
        raise InvalidInput(f"'verb' must be one of {', '.join(VERBS)}", argument="verb")
    given = {key: body.pop(key) for key in ("code", "function") if key in body}
    if len(given) != 1:
        raise InvalidInput(
            "give either 'code', or a 'function' with code or steps, inputs, constants", argument="function"
        )
    definition: Any = given if "code" in given else given["function"]
    if not isinstance(definition, dict):
        raise InvalidInput("'function' must be an object", argument="function")
    functions = parts(request).functions
    found = await functions.evaluate(await functions.define(definition), verb, body, rendering(request))
    return found.response()
