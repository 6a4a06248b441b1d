"""What a step answers: tensors under their ids, or a verb's own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Done", "Outcome"]


@dataclass(slots=True)
class Outcome:
    """The result of one step. Nobody changes it (frozen, it would take three times as long to make).

    ids: the names bound, None for an output that is not kept. tensors: the outputs. several: whether the operator has several outputs.
    value: what a verb answers instead (plain data; tensors inside it are rendered by whoever speaks to the client).
    made: what a verb has made that is no tensor and takes the step's id.
    """

    ids: tuple[str | None, ...] = ()
    tensors: tuple[Any, ...] = ()
    several: bool = False
    value: Any = None
    made: Any = None


class Done(NamedTuple):
    """What a transaction did: a step with its outcome and the overload that was chosen, or an entry of another kind with its data."""

    kind: str
    what: Any
    outcome: Outcome | None = None
    row: str | None = None
