"""What a step answers: tensors under their ids, or a verb's own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one step.

    ids: the names bound, None for an output that is not kept. tensors: the outputs. several: whether the operator has several outputs.
    value: what a verb answers instead (plain data; tensors inside it are rendered by whoever speaks to the client).
    made: what a verb has made that is no tensor and takes the step's id.
    """

    ids: tuple[str | None, ...] = ()
    tensors: tuple[Any, ...] = ()
    several: bool = False
    value: Any = None
    made: Any = None
