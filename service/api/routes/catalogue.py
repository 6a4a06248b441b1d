"""The catalogue of operators and verbs."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.catalogue import catalogue, entry
from service.api.exchange import answer
from service.api.schemas import catalogue as schema
from service.steps.errors import NotFound

router = APIRouter(prefix="/v1/ops", tags=["catalogue"])


@router.get("", **schema.LIST)
async def list_operators(request: Request) -> Response:
    """Every operator and verb in short."""
    family = request.query_params.get("family")
    return answer({"ops": [e for e in catalogue() if family is None or e["family"] == family]})


@router.get("/{op}", **schema.READ)
async def read_operator(op: str) -> Response:
    """One operator: its overloads, a JSON Schema of its arguments, and its doc."""
    found = entry(op)
    if found is None:
        raise NotFound("there is no such operator: GET /v1/ops lists them")
    return answer(found)
