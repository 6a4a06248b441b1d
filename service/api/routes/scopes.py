"""Grad-mode scopes: entered and left in order; they hold for later requests too."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.exchange import answer, parts, read_object, reply, run
from service.api.schemas import scopes as schema
from service.sessions.outcomes import Reply
from service.sessions.transaction import Transaction
from service.steps.step import Step
from service.wire.json_codec import render

router = APIRouter(prefix="/v1/sessions/{session_id}/scopes", tags=["scopes"])


@router.post("", status_code=201, **schema.ENTER)
async def enter_scope(request: Request, session_id: str) -> Response:
    """Enter ``no_grad``, ``enable_grad``, ``inference_mode`` or ``set_grad_enabled``."""
    body = await read_object(request, {"mode", "enabled"})

    def work(tx: Transaction) -> Reply:
        scope = tx.step(Step("enter", (), body)).value
        return reply(scope.to_json(), 201, f"/v1/sessions/{session_id}/scopes/{scope.id}")

    return await run(request, session_id, work)


@router.get("", **schema.LIST)
async def list_scopes(request: Request, session_id: str) -> Response:
    """The open scopes, outermost first."""

    def work(tx: Transaction) -> bytes:
        return render({"scopes": [s.to_json() for s in tx.scopes], "grad_enabled": tx.session.grad_enabled})

    return answer(await parts(request).sessions.run(session_id, work))


@router.delete("/{scope_id}", status_code=204, **schema.LEAVE)
async def leave_scope(request: Request, session_id: str, scope_id: str) -> Response:
    """Leave the innermost scope; another one is a conflict."""

    def work(tx: Transaction) -> Reply:
        tx.step(Step("exit", (scope_id,)))
        return Reply(204)

    return await run(request, session_id, work)
