"""THE ONE TABLE: error class → status, slug, title, explanation; and its rendering as RFC 9457 problem documents.

An error finds its row by its class's ancestry, so a row covers a family. Bodies stay under 4 KiB and never repeat the input.
"""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from engine import errors as engine
from service.scripts import ScriptCancelled, ScriptError
from service.steps import errors as steps
from service.wire import errors as wire

__all__ = ["PAGES", "TABLE", "Kind", "install", "kind_of", "let_go", "members_of", "problem", "problem_of"]

log = logging.getLogger("gradwire")
MOST: Final = 4_000
DETAIL: Final = 1_500
METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: what HTTP says, and what its page says."""

    status: int
    slug: str
    title: str
    explanation: str


INVALID_ARGUMENT = Kind(
    422,
    "invalid-argument",
    "Invalid argument",
    "An argument is missing, unknown, of the wrong kind or of a value that cannot be. "
    "Look the operator up under /v1/ops/{op}: it lists the parameters and a JSON Schema.",
)
LIMIT_EXCEEDED = Kind(
    422,
    "limit-exceeded",
    "More than a limit allows",
    "The request asks for more than a limit allows; nothing was allocated. The members "
    "limit, value, asked and unit say which. Use smaller tensors, fewer steps, or raise the setting of that name.",
)
TABLE: Final[dict[type[Exception], Kind]] = {
    engine.EngineError: INVALID_ARGUMENT,
    engine.ArgumentError: INVALID_ARGUMENT,
    engine.InvalidValueError: INVALID_ARGUMENT,
    engine.DimensionError: Kind(
        422,
        "dimension-out-of-range",
        "Dimension or index out of range",
        "A dim or an index lies outside the tensor. Dims count from 0, or from -1 backwards.",
    ),
    engine.TensorError: INVALID_ARGUMENT,
    engine.ShapeError: Kind(
        422,
        "shape-mismatch",
        "Shapes do not fit",
        "The shapes do not fit each other or the operator. The detail names both; reshape, "
        "expand or transpose one of them.",
    ),
    engine.DtypeError: Kind(
        422,
        "dtype-mismatch",
        "Dtypes do not fit",
        "The operator does not take this dtype, or its result cannot be stored in it. "
        "Convert with the operator to, or give a dtype.",
    ),
    engine.AutogradError: Kind(
        422,
        "autograd",
        "The graph does not allow it",
        "The tensor has no graph, or not the one that was asked for: it does not require "
        "grad, has more than one element and no gradient was given, or an input was not used.",
    ),
    engine.GraphFreedError: Kind(
        409,
        "graph-freed",
        "The graph was freed",
        "An earlier backward let the saved values go. Give retain_graph: true to the first one, "
        "or compute the result again.",
    ),
    engine.VersionError: Kind(
        409,
        "version-conflict",
        "A saved tensor was changed",
        "A tensor that backward needs was written in place after it was saved. "
        "Use the operator without the trailing underscore, or clone the tensor before.",
    ),
    engine.LeafError: Kind(
        422,
        "leaf",
        "A leaf that requires grad",
        "A leaf that requires grad cannot be written in place while operators are recorded, and "
        "only a leaf's requires_grad can be changed. Enter a no_grad scope, or detach.",
    ),
    engine.ViewError: Kind(
        422,
        "view",
        "A view that cannot be written",
        "This view cannot be written in place: it was made without recording, or by an "
        "operator of several views. Clone it before.",
    ),
    engine.NoDerivativeError: Kind(
        422,
        "no-derivative",
        "No derivative",
        "The operator has no derivative for this input. Detach the input, or use another operator.",
    ),
    steps.ServiceError: Kind(
        500, "internal", "Internal error", "The service failed. Please report it with the X-Request-Id of the answer."
    ),
    steps.InvalidInput: INVALID_ARGUMENT,
    steps.UnknownReference: Kind(
        422,
        "unknown-reference",
        "Unknown id",
        "The body names an id that the session does not hold. GET …/tensors lists them.",
    ),
    steps.NotFound: Kind(
        404,
        "not-found",
        "Not found",
        "Nothing is at this address: the session, tensor, scope or operator does not exist, or no longer.",
    ),
    steps.Conflict: Kind(
        409, "conflict", "Not now", "The request is right in itself but not now: scopes are left innermost first."
    ),
    steps.PreconditionFailed: Kind(
        412,
        "precondition-failed",
        "Another version",
        "If-Match or If-None-Match does not hold for the version that is there. Read it, and decide anew; the member version names it.",
    ),
    steps.LimitExceeded: LIMIT_EXCEEDED,
    steps.TooManySessions: Kind(
        429,
        "too-many-sessions",
        "Too many sessions",
        "No further session can be opened now. End one that is not needed, or wait.",
    ),
    steps.QueueFull: Kind(
        429,
        "queue-full",
        "Too many requests wait",
        "Requests of one session run one at a time, and too many wait already. Wait for answers.",
    ),
    steps.QuotaExceeded: Kind(
        429,
        "quota",
        "More than a tenant may hold",
        "The sessions of the tenant hold as much as they may, all together. End one that is not needed, or forget tensors.",
    ),
    steps.Overloaded: Kind(
        503,
        "overloaded",
        "Overloaded",
        "The request waited too long and was not begun. Ask again after Retry-After seconds.",
    ),
    steps.DeadlineExceeded: Kind(
        503,
        "deadline",
        "Not done in time",
        "The request was not done in the time of its Request-Timeout, or of the setting request_seconds; nothing of it was kept. "
        "Ask for less at a time.",
    ),
    steps.Departed: Kind(
        499, "departed", "The client left", "The client closed the connection before its turn; nothing was done."
    ),
    steps.ReadOnly: Kind(
        503,
        "read-only",
        "Read-only",
        "Nothing can be written now: the store is full, damaged, or could not be synced. Nothing of this request was kept; "
        "reads are answered.",
    ),
    steps.Damaged: Kind(
        410,
        "quarantined",
        "Damaged",
        "What was stored of this session, or of functions and Idempotency-Keys, is damaged, so it answers nothing rather than "
        "something wrong. Delete it, or restore the data directory from a backup.",
    ),
    steps.KeyReused: Kind(
        422,
        "idempotency-key-reused",
        "Idempotency-Key reused",
        "The key came before with another method, address or body. A key stands for one request.",
    ),
    steps.StillRunning: Kind(
        409,
        "still-running",
        "Still running",
        "The request with this Idempotency-Key has not been answered yet. Ask again with the same key.",
    ),
    steps.StepFailed: Kind(
        422,
        "step-failed",
        "A step failed",
        "A step of a batch failed and nothing of the batch was kept. The member step says which, from 0.",
    ),
    ScriptError: Kind(
        422,
        "script",
        "The script failed",
        "The script was refused or raised an error; unless it asked to keep what came before, nothing of it was kept. The members "
        "line and column (from 1) and source say where, detail says why in Python's or PyTorch's words.",
    ),
    ScriptCancelled: Kind(
        409,
        "script-cancelled",
        "The script was cancelled",
        "DELETE …/run ended the script while it ran; nothing of it was kept.",
    ),
    wire.WireError: Kind(400, "malformed", "Malformed body", "The body could not be read."),
    wire.InvalidJson: Kind(
        400,
        "malformed-json",
        "Not JSON",
        "The body is not strict JSON in UTF-8: no NaN or Infinity without quotes, no key twice, no number of "
        "more than 64 bits, not too deep.",
    ),
    wire.InvalidBinary: Kind(
        400,
        "malformed-binary",
        "Not the format it says it is",
        "The body is not well formed for its Content-Type, or does not have the length that its header says. Nothing was "
        "allocated. An .npy body has one array, a safetensors body several by name, raw bytes need ?dtype= and ?shape=.",
    ),
    wire.BeyondBounds: LIMIT_EXCEEDED,
    wire.NotAcceptable: Kind(
        406,
        "not-acceptable",
        "None of the formats asked for",
        "None of the media types of Accept can hold the answer. The detail lists those that can; */* or no Accept is JSON.",
    ),
    wire.UnsupportedMediaType: Kind(
        415,
        "unsupported-media-type",
        "Unsupported content",
        "The body must be application/json, or where arrays are sent one of the formats that the detail lists; not compressed.",
    ),
    wire.InvalidValues: Kind(
        422,
        "invalid-values",
        "Not the values of a tensor",
        'Values are numbers, booleans and nested lists of equal length; "NaN", '
        '"Infinity" and "-Infinity" in quotes; complex numbers as [re, im]. Nothing is coerced.',
    ),
}
STATUSES: Final[dict[int, Kind]] = {
    400: Kind(400, "bad-request", "Bad request", "The request could not be read."),
    401: Kind(
        401,
        "unauthorized",
        "A valid API key is needed",
        "Send Authorization: Bearer KEY. Keys are made and revoked by whoever runs the service: gradwire keys create.",
    ),
    403: Kind(
        403,
        "forbidden",
        "Not for pages of this origin",
        "A browser asked for a page of another origin: cors_origins lists the origins whose pages may send requests.",
    ),
    404: TABLE[steps.NotFound],
    405: Kind(
        405, "method-not-allowed", "Method not allowed", "The address has other methods: the header Allow lists them."
    ),
    406: TABLE[wire.NotAcceptable],
    408: Kind(
        408,
        "timeout",
        "The request came too slowly",
        "Its head or its body was not here in time: header_seconds, body_seconds, body_rate.",
    ),
    413: Kind(
        413, "too-large", "Body too large", "The body is larger than the setting request_bytes. Send less at a time."
    ),
    414: Kind(414, "url-too-long", "Address too long", "The address is longer than the setting url_bytes."),
    415: TABLE[wire.UnsupportedMediaType],
    421: Kind(
        421,
        "misdirected",
        "Unknown host",
        "The Host header names another server. A service on loopback answers to localhost and loopback addresses only.",
    ),
    422: INVALID_ARGUMENT,
    429: Kind(
        429,
        "too-many-attempts",
        "Too many attempts",
        "Too many requests without a valid key came from this address within a minute. A valid key is answered at once.",
    ),
    431: Kind(
        431,
        "headers-too-large",
        "Headers too large",
        "The headers together are larger than the setting header_bytes. Send fewer, or shorter ones.",
    ),
    503: Kind(
        503,
        "too-many-connections",
        "Too many connections",
        "As many connections are open as there may be: the setting connections.",
    ),
    500: TABLE[steps.ServiceError],
}
PAGES: Final[dict[str, Kind]] = {k.slug: k for k in (*TABLE.values(), *STATUSES.values())}


def kind_of(error: BaseException) -> Kind:
    """The row of an error, by its class's ancestry; a failed step has its cause's."""
    if isinstance(error, steps.StepFailed) and error.__cause__ is not None:
        kind = kind_of(error.__cause__)
        return TABLE[steps.UnknownReference] if kind.status == 404 else kind  # what a body names is never 404
    for cls in type(error).__mro__:
        if cls in TABLE:
            return TABLE[cls]
    return TABLE[steps.ServiceError]


def members_of(error: BaseException) -> dict[str, Any]:
    """The facts that an error carries beside its sentence."""
    found: dict[str, Any] = {}
    if isinstance(error, steps.StepFailed) and error.__cause__ is not None:
        found.update(members_of(error.__cause__))
    if isinstance(error, (steps.ServiceError, wire.WireError)):
        found.update(error.members)
    argument = getattr(error, "argument", None)
    if isinstance(argument, str):
        found["argument"] = argument
    return found


def problem(
    kind: Kind, detail: str, members: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A problem document."""
    headers = dict(headers or {})
    extra = dict(members or {})
    retry = extra.pop("retry_after", None)
    if retry is not None:
        headers["Retry-After"] = str(retry)
    body = {
        "type": f"/errors/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": _short(detail),
        **extra,
    }
    content = _encoded(body)
    if len(content) > MOST:
        content = _encoded({k: body[k] for k in ("type", "title", "status")} | {"detail": _short(detail, 300)})
    return Response(content, kind.status, headers, "application/problem+json")


def _encoded(body: dict[str, Any]) -> bytes:
    """JSON of a problem; what was asked may be a whole number past 64 bits, which the fast encoder refuses."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def problem_of(error: BaseException) -> dict[str, Any]:
    """An error as the members of a problem document, for an answer that tells of one."""
    kind = kind_of(error)
    members = {k: v for k, v in members_of(error).items() if k != "retry_after"}
    return {
        "type": f"/errors/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": _short(str(error) or kind.explanation),
        **members,
    }


def _short(text: str, most: int = DETAIL) -> str:
    clean = "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def let_go(error: BaseException | None) -> None:
    """Clear the frames that an error and its causes came through.

    A frame that names its own error would keep all it knew, tensors too, until a collection of cycles.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def _refused(_: Request, error: Exception) -> Response:
    answer = problem(kind_of(error), str(error) or kind_of(error).explanation, members_of(error))
    let_go(error)
    return answer


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    causes = [f"{'.'.join(str(p) for p in e['loc'])[:80]}: {str(e['msg'])[:120]}" for e in error.errors()[:5]]
    return problem(INVALID_ARGUMENT, "; ".join(causes))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = STATUSES.get(error.status_code, Kind(error.status_code, "bad-request", "Bad request", ""))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_allowed(request)))
    detail = {404: "There is nothing at this address.", 405: "The address has no such method."}.get(
        error.status_code, kind.title
    )
    return problem(kind, detail, headers=headers)


def _allowed(request: Request) -> set[str]:
    """Every method that the address has: each is tried, since a group of routes does not list its own."""
    scope = dict(request.scope)
    found = {
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    }
    return found | {"HEAD"} if "GET" in found else found


async def _left(_: Request, __: Exception) -> Response:
    return problem(TABLE[steps.Departed], "The client left before its request was whole.")


async def _failed(_: Request, error: Exception) -> Response:
    log.error("unhandled error", exc_info=error)
    let_go(error)
    return problem(STATUSES[500], "The service failed. Nothing of this request was kept.")


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    for family in (engine.EngineError, steps.ServiceError, wire.WireError):
        app.add_exception_handler(family, _refused)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)
