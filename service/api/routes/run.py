"""Scripts: PyTorch's text, run by the interpreter in the session's turn; and cancelled out of turn."""

from __future__ import annotations

import math
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from engine.tensor import Tensor
from service.api.exchange import Data, beside_json, data_mode, idempotency_key, parts, read_object, replied, reply
from service.api.problems import let_go, problem_of
from service.api.rendering import tensor_json, verb_json
from service.api.schemas import run as schema
from service.sessions.outcomes import Reply
from service.sessions.running import OnError, Ran
from service.sessions.transaction import Transaction
from service.steps.errors import InvalidInput

router = APIRouter(prefix="/v1/sessions/{session_id}/run", tags=["run"])

TEXT: Final = frozenset({"text/x-python", "text/python", "application/x-python"})
MOST: Final = 10_000


@router.post("", **schema.RUN)
async def run_script(request: Request, session_id: str) -> Response:
    """Run a script: all of it, or nothing; with ``"on_error": "keep"`` the statements before the one that failed."""
    code, on_error, traced = await _read(request)
    mode = data_mode(request)

    def rendered(tx: Transaction, ran: Ran) -> Reply:
        return reply(_run_json(tx, ran, mode))

    key = await idempotency_key(request)
    return replied(
        await parts(request).sessions.run_script(session_id, code, on_error, rendered, key=key, traced=traced)
    )


@router.delete("", status_code=204, **schema.CANCEL)
async def cancel_script(request: Request, session_id: str) -> Response:
    """End the script that runs in the session at its next step; nothing of it is kept. Where none runs, there is nothing to do."""
    parts(request).sessions.cancel(session_id)
    return Response(status_code=204)


async def _read(request: Request) -> tuple[str, OnError, bool]:
    """The text, what to do on an error, and whether to trace, of a JSON body or of the text itself. Errors: InvalidInput, the codec's."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in TEXT:
        try:
            code: Any = (await request.body()).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput("the script must be UTF-8") from None
        on_error: Any = request.query_params.get("on_error", "rollback")
        traced: Any = {"true": True, "false": False}.get(request.query_params.get("trace", "false"))
    else:
        beside_json(request, {"on_error": "rollback", "trace": "false"})
        body = await read_object(request, schema.RUN_FIELDS)
        code, on_error, traced = body.get("code"), body.get("on_error", "rollback"), body.get("trace", False)
    if not isinstance(code, str):
        raise InvalidInput("'code' must be the script's text", argument="code")
    if on_error not in ("rollback", "keep"):
        raise InvalidInput("'on_error' must be rollback or keep", argument="on_error")
    if type(traced) is not bool:
        raise InvalidInput("'trace' must be true or false", argument="trace")
    return code, on_error, traced


def _run_json(tx: Transaction, ran: Ran, mode: Data) -> dict[str, Any]:
    """A run's answer."""
    found: dict[str, Any] = {
        "stdout": ran.stdout,
        "truncated": ran.truncated,
        "value": None,
        "names": ran.names,
        "steps": ran.steps,
    }
    value = ran.value
    if isinstance(value, Tensor):
        name = next((n for n, b in tx.session.bindings() if b.tensor is value), None)
        found["value"] = tensor_json(name, value, mode, tx)
    elif value is not None:
        text = (ran.text or "").encode("utf-8", "replace").decode()
        found["value"] = {"repr": text}
        room = [MOST]
        shown = _plain(value, room, 0)
        if room[0] >= 0:
            found["value"]["value"] = shown
    if ran.traces is not None:
        found["traces"] = verb_json(ran.traces, mode, tx)
    if ran.error is not None:
        found["error"] = problem_of(ran.error)
        let_go(ran.error)
    return found


def _plain(value: Any, room: list[int], depth: int) -> Any:
    """A value as JSON; where it is none, or there is too much of it, ``room`` ends below zero."""
    room[0] -= 1
    if room[0] < 0 or depth > 20:
        room[0] = -1
        return None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if isinstance(value, str):
        room[0] -= len(value) // 64
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return [_plain(v, room, depth + 1) for v in value[: MOST + 1]]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k.encode("utf-8", "replace").decode(): _plain(v, room, depth + 1) for k, v in value.items()}
    room[0] = -1
    return None
