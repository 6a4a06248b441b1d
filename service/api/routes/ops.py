"""Operators: one call of one operator."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.exchange import data_mode, read_object, reply, run
from service.api.rendering import outcome_json
from service.api.schemas import ops as schema
from service.sessions.outcomes import Reply
from service.sessions.transaction import Transaction
from service.steps.binder import INDEXING, find_operator
from service.steps.step import Step
from service.steps.verbs import VERBS

router = APIRouter(prefix="/v1/sessions/{session_id}/ops", tags=["operators"])


@router.post("/{op}", **schema.CALL)
async def call_operator(request: Request, session_id: str, op: str) -> Response:
    """Apply an operator (or a verb) to tensors of the session; answers the tensor, or several."""
    if op not in VERBS and op not in INDEXING:
        find_operator(op)
    body = await read_object(request, schema.CALL_FIELDS)
    mode = data_mode(request)
    step = Step.from_json({"op": op, **body})

    def work(tx: Transaction) -> Reply:
        return reply(outcome_json(tx.step(step), mode, tx))

    return await run(request, session_id, work)
