"""Sessions."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from service.api.schemas.document import CURSOR, LIMIT, Model, described
from service.api.schemas.scopes import ScopeObject


class CreateSession(Model):
    """A new session; everything may be left out."""

    name: str | None = Field(None, description="a name for people", max_length=128)
    seed: int | None = Field(None, description="of the random numbers; drawn, and shown, if left out", ge=0)
    ttl_seconds: float | None = Field(
        None,
        description="how long it lives without a request; at most session_ttl, the server's limit, which is the default",
        gt=0,
    )
    default_dtype: Literal["float16", "float32", "float64"] = "float32"


class ForkSession(Model):
    """A copy of a session; everything may be left out."""

    name: str | None = Field(None, description="a name for people; if left out, that of the first", max_length=128)
    ttl_seconds: float | None = Field(None, description="as for a new session", gt=0)


class SessionObject(Model):
    """A session."""

    session_id: str
    name: str | None
    tensors: int = Field(description="ids it holds")
    nodes: int = Field(description="nodes of its graphs")
    bytes: int = Field(description="of values, gradients and what graphs keep")
    grad_enabled: bool
    scopes: list[ScopeObject]
    seed: int
    default_dtype: str
    created: float = Field(description="seconds since 1970-01-01T00:00:00Z")
    ttl_seconds: float
    expires_in_seconds: float


class SessionSummary(Model):
    """A session in a list."""

    session_id: str
    name: str | None
    tensors: int | None = Field(description="ids it holds; null while it is not in memory")
    created: float


class SessionList(Model):
    """A page of sessions."""

    sessions: list[SessionSummary]
    next_cursor: str | None


CREATE_FIELDS: Final = frozenset(CreateSession.model_fields)

CREATE = described(
    answer=SessionObject,
    status=201,
    text="The session; Location is its address.",
    body=CreateSession,
    examples={"as it comes": {}, "seeded and named": {"name": "lesson 1", "seed": 7}},
    problems=(400, 413, 415, 422),
    keyed=True,
)
LIST = described(answer=SessionList, text="A page of sessions.", query=[LIMIT, CURSOR], problems=(422,))
READ = described(answer=SessionObject, text="The session.")
END = described(status=204, text="Ended.", keyed=True)
FORK = described(
    answer=SessionObject,
    status=201,
    text="The new session; Location is its address.",
    body=ForkSession,
    examples={"as it is": {}, "named": {"name": "what if"}},
    problems=(400, 413, 415, 422),
    keyed=True,
)
