"""How an operation is described in the OpenAPI document: request body, examples, answers and problems."""

from __future__ import annotations

import base64
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BINARY", "REFERRED", "Model", "Problem", "described", "query", "sent"]


class Model(BaseModel):
    """A described object: no other fields."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong, as RFC 9457 says it (application/problem+json)."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="the page of this kind of problem", examples=["/errors/invalid-argument"])
    title: str
    status: int
    detail: str = Field(description="PyTorch's sentence first where it has one")
    op: str | None = None
    argument: str | None = None
    step: int | None = Field(None, description="which step of a batch failed, from 0")
    line: int | None = None
    column: int | None = None
    limit: str | None = None


REFERRED: Final[dict[str, Any]] = {}
"""Schemas that bodies refer to, by the names of their models."""
BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
PROBLEMS = {
    400: "The body is not JSON, or not well formed.",
    404: "Nothing is there: an unknown session, tensor, scope or operator in the address.",
    406: "None of the media types of Accept can hold the answer.",
    409: "Not now: the graph was freed, a saved tensor was changed in place, scopes are left out of order, or the request "
    "of the same Idempotency-Key still runs.",
    410: "What was stored of the session is damaged: it answers nothing rather than something wrong.",
    412: "If-Match or If-None-Match does not hold for the version that is there.",
    413: "The body is larger than the limit.",
    415: "A content type or encoding that is not taken here.",
    422: "An argument that cannot be, an unknown id in the body, or more than a limit allows.",
    429: "Too many sessions, or too many requests wait; see Retry-After.",
    503: "Overloaded, waited too long, or nothing can be written now; see Retry-After.",
}


def described(
    *,
    answer: Any = None,
    status: int = 200,
    text: str = "Done.",
    body: type[BaseModel] | None = None,
    examples: dict[str, Any] | None = None,
    query: list[dict[str, Any]] | None = None,
    problems: tuple[int, ...] = (),
    media: dict[str, Any] | None = None,
    keyed: bool = False,
    binary: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Keyword arguments for a route's decorator.

    answer: the model of the success. body: the request's model. examples: name → body; a test sends each. problems: statuses beside
    404, 410, 429 and 503. media: further content of the answer. binary: media type → name → example of a binary body (``sent``).
    keyed: whether it changes something, and so takes an Idempotency-Key.
    """
    responses: dict[int | str, Any] = {}
    good: dict[str, Any] = {"description": text}
    if answer is not None:
        good["model"] = answer
    if media is not None:
        good["content"] = media
    responses[status] = good
    for code in sorted({*problems, 404, 410, 429, 503, *((409, 422) if keyed else ())}):
        responses[code] = {
            "description": PROBLEMS[code],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    extra: dict[str, Any] = {}
    if body is not None:
        content: dict[str, Any] = {"schema": body.model_json_schema(ref_template="#/components/schemas/{model}")}
        REFERRED.update(content["schema"].pop("$defs", {}))
        if examples:
            content["examples"] = {name: {"summary": name, "value": value} for name, value in examples.items()}
        others = {kind: BINARY | {"examples": named} for kind, named in (binary or {}).items()}
        extra["requestBody"] = {
            "content": {"application/json": content, **others},
            "required": any(f.is_required() for f in body.model_fields.values()),
        }
    if query or keyed:
        extra["parameters"] = [*(query or ()), *((KEY,) if keyed else ())]
    return {"responses": responses, "openapi_extra": extra}


def sent(summary: str, content: bytes, **parameters: str) -> dict[str, Any]:
    """An example of a binary body: its bytes in base64 under ``x-base64``, and what stands in the query beside it."""
    return {"summary": summary, "x-base64": base64.b64encode(content).decode(), "x-query": parameters}


def query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One parameter of the query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "a name for this request, chosen by the client: the same request with the same key is carried out once and answered "
    "alike, for a day and across restarts of a server with a data directory",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,126}[!-~])?$"},
}
DATA = query(
    "data",
    "values up to 10,000 elements (auto), in any case (always) or not (never)",
    {"enum": ["auto", "always", "never"], "default": "auto"},
)
ENCODING = query(
    "encoding",
    "how JSON writes values: as nested lists, or in base64 (little-endian bytes in C order)",
    {"enum": ["json", "base64"], "default": "json"},
)
LIMIT = query("limit", "how many at most", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000})
CURSOR = query("cursor", "where to go on: next_cursor of the page before", {"type": "string"})
