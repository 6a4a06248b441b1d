"""Batches: many steps in one request and one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from engine.errors import EngineError
from engine.tensor import Tensor
from service.api.exchange import Asked, Data, body_of, content_type_of, data_mode, parts, read_object, reply, run
from service.api.rendering import tensor_json, verb_json
from service.api.schemas import batch as schema
from service.sessions.outcomes import Reply
from service.sessions.rehearsal import rehearse
from service.sessions.stretch import Batch
from service.sessions.transaction import Transaction
from service.steps.errors import InvalidInput, LimitExceeded, ServiceError, StepFailed
from service.steps.outcome import Outcome
from service.steps.step import Step
from service.wire.errors import WireError

router = APIRouter(prefix="/v1/sessions/{session_id}/batch", tags=["batch"])

HEAVY_STEPS = 32


@router.post("", **schema.RUN)
async def run_batch(request: Request, session_id: str) -> Response:
    """Run steps in order: all of them, or none and the index of the one that failed."""
    body = await body_of(request)
    key = content_type_of(request), body
    known = parts(request).batches.get(key)
    if known is None:
        known = _asked(await read_object(request, schema.RUN_FIELDS), parts(request).settings.batch_steps, len(body))
        parts(request).batches.keep(key, known)
    batch, wanted, dry = known.batch, known.wanted, known.dry
    mode = data_mode(request)

    def work(tx: Transaction) -> Reply:
        return reply(rehearse(tx, batch.steps, wanted) if dry else carried_out(tx, batch, wanted, mode))

    return await run(request, session_id, work, batch=True, heavy=len(batch.steps) > HEAVY_STEPS)


def _asked(body: dict[str, Any], most: int, size: int) -> Asked:
    """What a body asks for. Errors: InvalidInput, StepFailed, LimitExceeded."""
    steps = read_steps(body.get("steps"), most)
    wanted = body.get("return", [])
    if not isinstance(wanted, list) or not all(isinstance(w, str) for w in wanted):
        raise InvalidInput("'return' must be a list of references", argument="return")
    if len(wanted) > most:
        raise LimitExceeded("batch_steps", most, len(wanted), "references", "'return'")
    dry = body.get("dry_run", False)
    if type(dry) is not bool:
        raise InvalidInput("'dry_run' must be true or false", argument="dry_run")
    return Asked(Batch(steps, size), tuple(wanted), dry)


def read_steps(value: Any, most: int) -> list[Step]:
    """The steps of a body. Errors: InvalidInput (StepFailed with its index), LimitExceeded."""
    if not isinstance(value, list) or not value:
        raise InvalidInput("'steps' must be a list of at least one step", argument="steps")
    if len(value) > most:
        raise LimitExceeded("batch_steps", most, len(value), "steps", "a batch")
    steps = []
    for i, item in enumerate(value):
        try:
            steps.append(Step.from_json(item))
        except InvalidInput as error:
            raise StepFailed(i, error) from error
    return steps


def carried_out(tx: Transaction, batch: Batch, wanted: Sequence[str], mode: Data) -> dict[str, Any]:
    """All steps' outcomes: what was asked for by reference, the ids by step, and what verbs say."""
    last = Outcome()  # of others no tensor is held: what a later step lets go of is free
    outputs: list[list[str | None]] = []
    values: dict[str, Any] = {}
    learner = batch.learner(tx)
    while len(outputs) < len(batch.steps):
        i = len(outputs)
        begun = batch.begins(i, tx)
        if begun is not None:
            stretch, last = begun
            outputs += stretch.ids
            continue
        step = batch.steps[i]
        if learner is not None:
            learner.see(i, step)
        try:
            last = tx.step(step)
        except (EngineError, ServiceError, WireError) as error:
            raise StepFailed(i, error) from error
        outputs.append(list(last.ids))
        if last.value is not None:
            values[str(i)] = verb_json(last.value, mode, tx)
    if learner is not None:
        learner.keep()
    results = {}
    for reference in wanted:
        found = tx.resolve(reference)
        results[reference] = None if found is None else tensor_json(reference, found, mode, tx)
    if not wanted and last.tensors and isinstance(last.tensors[0], Tensor):
        for name, tensor in zip(last.ids, last.tensors, strict=True):
            if name is not None:
                results[name] = tensor_json(name, tensor, mode, tx)
    return {"results": results, "outputs": outputs, "values": values}
