"""Batches."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from service.api.schemas.document import DATA, ENCODING, Model, described
from service.api.schemas.tensors import TensorObject


class StepObject(Model):
    """One step: an operator or a verb."""

    op: str = Field(examples=["mul"])
    args: list[Any] = Field(default=[])
    kwargs: dict[str, Any] = Field(default={})
    id: str | list[str | None] | None = None


class Batch(Model):
    """Steps in one transaction."""

    steps: list[StepObject] = Field(min_length=1)
    return_: list[str] = Field(
        [], alias="return", description="references to answer in full; the last step's outputs if left out"
    )
    dry_run: bool = Field(False, description="say what would come out and cost, and do nothing")


class Foreseen(Model):
    """What a dry run knows of an output."""

    shape: list[int]
    dtype: str


class EstimateObject(Model):
    """What a batch would cost."""

    bytes: int
    cost: int = Field(description="weighted operations")


class BatchAnswer(Model):
    """What a batch made."""

    results: dict[str, TensorObject | None]
    outputs: list[list[str | None]] = Field(description="the ids that each step bound")
    values: dict[str, Any] = Field(description="what verbs answered, by the step's number")


class Rehearsed(Model):
    """What a batch would make."""

    outputs: list[list[Foreseen]]
    estimate: EstimateObject


RUN_FIELDS: Final = frozenset({"steps", "return", "dry_run"})

TUTORIAL: Final = [
    {"op": "ones", "args": [[2, 2]], "kwargs": {"requires_grad": True}, "id": "x"},
    {"op": "add", "args": ["x", 2], "id": "y"},
    {"op": "mul", "args": ["y", "y"], "id": "z0"},
    {"op": "add", "args": ["z0", 3], "id": "z"},
    {"op": "mean", "args": ["z"], "id": "out"},
    {"op": "backward", "args": ["out"]},
]

RUN = described(
    answer=BatchAnswer | Rehearsed,
    text="What was made; or, of a dry run, what would be.",
    body=Batch,
    examples={
        "the tutorial": {"steps": TUTORIAL, "return": ["out", "x.grad"]},
        "a dry run": {"steps": TUTORIAL, "dry_run": True},
    },
    query=[DATA, ENCODING],
    problems=(400, 409, 413, 415, 422),
    keyed=True,
)
