"""Calls of operators."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from service.api.schemas.document import DATA, ENCODING, Model, described
from service.api.schemas.tensors import Gradients, TensorObject


class Call(Model):
    """The arguments of one call; GET /v1/ops/{op} has the JSON Schema of each operator's."""

    args: list[Any] = Field([], description="in PyTorch's order: references, numbers, nested lists, typed values")
    kwargs: dict[str, Any] = Field({}, description="by PyTorch's names")
    id: str | list[str | None] | None = Field(
        None, description="the result's name; assigned if left out, not kept if null; a list for several"
    )


class SeveralTensors(Model):
    """The outputs of an operator that has several."""

    tensors: list[TensorObject]


CALL_FIELDS: Final = frozenset(Call.model_fields)

CALL = described(
    answer=TensorObject | SeveralTensors | Gradients | None,
    text="The tensor, the tensors, or what the verb answers.",
    body=Call,
    examples={
        "add a number": {"args": ["x", 2], "id": "y2"},
        "not kept": {"args": ["x", 2], "id": None},
        "two tensors": {"args": ["x", "y"]},
    },
    query=[DATA, ENCODING],
    problems=(400, 409, 413, 415, 422),
    keyed=True,
)
