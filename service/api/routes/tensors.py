"""Tensors: made from data or by a factory, read, changed, forgotten; backward and detach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from engine.tensor import Tensor
from service.api.exchange import JSON, answer, beside_json, data_mode, integer, parts, read_object, reply, run
from service.api.negotiation import Answer, read_sent, wanted
from service.api.rendering import listed, outcome_json, tensor_json
from service.api.schemas import tensors as schema
from service.sessions.outcomes import Reply
from service.sessions.transaction import Transaction
from service.steps.binder import find_operator
from service.steps.errors import InvalidInput, LimitExceeded, NotFound
from service.steps.step import AUTO, Step, check_id, read_ids
from service.wire.json_codec import render
from service.wire.numbers import Numbers
from service.wire.registry import Array

router = APIRouter(prefix="/v1/sessions/{session_id}/tensors", tags=["tensors"])


def held(tx: Transaction, tensor_id: str) -> Tensor:
    """The tensor that an address names. Errors: NotFound."""
    binding = tx.session.names.get(tensor_id)
    if binding is None:
        raise NotFound("the session holds no such tensor")
    return binding.tensor


@router.post("", status_code=201, **schema.CREATE)
async def create_tensor(request: Request, session_id: str) -> Response:
    """Make a tensor from data, by a factory such as ``ones`` or ``randn``, or from a binary body."""
    sent = await read_sent(request, schema.CREATE_FIELDS, several=False)
    if not sent.arrays:
        beside_json(request, {"id": None, "requires_grad": "false", "dtype": None, "shape": None})
    step = sent_tensor(request, sent.arrays[""]) if sent.arrays else creation(sent.fields)
    mode = data_mode(request)

    def work(tx: Transaction) -> Reply:
        outcome = tx.step(step)
        name = outcome.ids[0]
        return reply(tensor_json(name, outcome.tensors[0], mode, tx), 201, f"/v1/sessions/{session_id}/tensors/{name}")

    return await run(request, session_id, work)


def sent_tensor(request: Request, array: Array) -> Step:
    """The step that a binary body means; id and requires_grad stand in the query. Errors: InvalidInput."""
    query = request.query_params
    requires_grad = query.get("requires_grad", "false")
    if requires_grad not in ("true", "false"):
        raise InvalidInput("'requires_grad' must be true or false", argument="requires_grad")
    name = check_id(query["id"]) if "id" in query else AUTO
    return Step("tensor", (array,), {"requires_grad": requires_grad == "true"}, name)


def creation(body: dict[str, Any]) -> Step:
    """The step that a creation body means. Errors: InvalidInput."""
    if ("data" in body) == ("op" in body) and not ("dtype" in body and "base64" in body):
        raise InvalidInput(
            "give either 'data' (with 'dtype' and 'shape', if wanted) or a factory's 'op' with its 'args'",
            argument="data",
        )
    name = read_ids(body["id"]) if body.get("id") is not None else AUTO
    requires_grad = body.get("requires_grad", False)
    if type(requires_grad) is not bool:
        raise InvalidInput("'requires_grad' must be true or false", argument="requires_grad")
    if "op" not in body:
        value = {k: body[k] for k in ("data", "base64", "dtype", "shape") if k in body}
        return Step("tensor", (value if len(value) > 1 else body["data"],), {"requires_grad": requires_grad}, name)
    foreign = [k for k in ("dtype", "shape", "base64") if k in body]
    if foreign:
        raise InvalidInput(f"a factory takes '{foreign[0]}' in 'kwargs' or 'args'", argument=foreign[0])
    args, kwargs = body.get("args", []), body.get("kwargs", {})
    if not isinstance(args, (list, Numbers)) or not isinstance(kwargs, dict):
        raise InvalidInput("'args' must be a list and 'kwargs' an object", argument="args")
    if kwargs.get("requires_grad", requires_grad) is not requires_grad and "requires_grad" in body:
        raise InvalidInput("'requires_grad' and the one in 'kwargs' differ: give one of them", argument="requires_grad")
    if "requires_grad" in body:
        kwargs = {**kwargs, "requires_grad": requires_grad}
    step = Step.from_json({"op": body["op"], "args": args, "kwargs": kwargs})
    if step.op != "tensor" and find_operator(step.op)[0][0].kind != "create":
        raise InvalidInput(
            "'op' must be a factory here, such as ones, eye or randn; other operators have POST …/ops/{op}",
            argument="op",
        )
    return replace(step, id=name)


@router.get("", **schema.LIST)
async def list_tensors(request: Request, session_id: str) -> Response:
    """The session's tensors in the order of their creation."""
    limit = integer(request, "limit", 1_000, 1, 10_000)
    after = integer(request, "cursor", 0, 0, 10**12 - 1)
    mode = data_mode(request)

    def work(tx: Transaction) -> bytes:
        page, cursor = listed(tx.session.bindings(), after, limit)
        shown: list[dict[str, Any]] = []
        for name, binding in page:
            try:
                shown.append(tensor_json(name, binding.tensor, mode, tx))
            except LimitExceeded:
                if not shown:
                    raise
                cursor = str(page[len(shown) - 1][1].number)  # the page ends where the answer is full
                break
        return render({"tensors": shown, "next_cursor": cursor})

    return answer(await parts(request).sessions.run(session_id, work))


@router.get("/{tensor_id}", **schema.READ)
async def read_tensor(request: Request, session_id: str, tensor_id: str) -> Response:
    """One tensor."""
    mode = data_mode(request)
    return answer(
        await parts(request).sessions.run(
            session_id, lambda tx: render(tensor_json(tensor_id, held(tx, tensor_id), mode, tx))
        )
    )


@router.patch("/{tensor_id}", **schema.CHANGE)
async def change_tensor(request: Request, session_id: str, tensor_id: str) -> Response:
    """Set ``requires_grad`` of a leaf, or keep the gradient of a non-leaf with ``retain_grad``."""
    body = await read_object(request, {"requires_grad", "retain_grad"})
    mode = data_mode(request)
    if body.get("retain_grad") not in (None, True):
        raise InvalidInput("'retain_grad' can only be set to true", argument="retain_grad")

    def work(tx: Transaction) -> Reply:
        t = held(tx, tensor_id)
        if "requires_grad" in body:
            tx.step(Step("requires_grad_", (tensor_id, body["requires_grad"])))
        if "retain_grad" in body:
            tx.step(Step("retain_grad", (tensor_id,)))
        return reply(tensor_json(tensor_id, t, mode, tx))

    return await run(request, session_id, work)


@router.delete("/{tensor_id}", status_code=204, **schema.FORGET)
async def forget_tensor(request: Request, session_id: str, tensor_id: str) -> Response:
    """Forget the id; the graph keeps what it needs."""

    def work(tx: Transaction) -> Reply:
        held(tx, tensor_id)
        tx.step(Step("del", (tensor_id,)))
        return Reply(204)

    return await run(request, session_id, work)


@router.get("/{tensor_id}/data", **schema.DATA_READ)
async def read_data(request: Request, session_id: str, tensor_id: str) -> Response:
    """The values alone, as JSON or in the binary format that Accept asks for."""
    accept = wanted(request)

    def work(tx: Transaction) -> Answer:
        t = held(tx, tensor_id)
        tx.meter.spend(accept.cost(t._array))
        return accept.write_one(t._array, {"id": tensor_id, "shape": list(t.shape), "dtype": t.dtype.name})

    return (await parts(request).sessions.run(session_id, work)).response()


@router.get("/{tensor_id}/grad", **schema.GRAD)
async def read_grad(request: Request, session_id: str, tensor_id: str) -> Response:
    """The accumulated gradient as a tensor, or its values in the binary format that Accept asks for; 204 where there is none."""
    mode, accept = data_mode(request), wanted(request)

    def work(tx: Transaction) -> Answer | None:
        g = held(tx, tensor_id).grad
        if g is None:
            return None
        name = f"{tensor_id}.grad"
        if accept.choose((np.asarray(g._array),), several=False) is None:
            return Answer(JSON, render(tensor_json(name, g, mode, tx)))
        tx.meter.spend(accept.cost(g._array))
        return accept.write_one(g._array, {"id": name})

    found = await parts(request).sessions.run(session_id, work)
    return Response(status_code=204) if found is None else found.response()


@router.delete("/{tensor_id}/grad", status_code=204, **schema.CLEAR)
async def clear_grad(request: Request, session_id: str, tensor_id: str) -> Response:
    """Set the gradient to None."""

    def work(tx: Transaction) -> Reply:
        held(tx, tensor_id)
        tx.step(Step("zero_grad", ([tensor_id],)))
        return Reply(204)

    return await run(request, session_id, work)


@router.post("/{tensor_id}/backward", **schema.BACKWARD)
async def backward(request: Request, session_id: str, tensor_id: str) -> Response:
    """Add to the leaves' gradients that of this tensor; answers the accumulated gradients by name."""
    body = await read_object(request, schema.BACKWARD_FIELDS)
    mode = data_mode(request)

    def work(tx: Transaction) -> Reply:
        held(tx, tensor_id)
        return reply(outcome_json(tx.step(Step("backward", (tensor_id,), body)), mode, tx))

    return await run(request, session_id, work)


@router.post("/{tensor_id}/detach", **schema.DETACH)
async def detach(request: Request, session_id: str, tensor_id: str) -> Response:
    """A tensor outside the graph that shares the values."""
    body = await read_object(request, {"id"})
    mode = data_mode(request)
    name = check_id(body["id"]) if body.get("id") is not None else AUTO

    def work(tx: Transaction) -> Reply:
        held(tx, tensor_id)
        return reply(outcome_json(tx.step(Step("detach", (tensor_id,), {}, name)), mode, tx))

    return await run(request, session_id, work)
