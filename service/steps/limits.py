"""Limits come before work: what a call would make and cost is known from its row's estimate, and refused before anything is allocated.

Sessions and functions ask the same meter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.op import Estimate
from service.steps.errors import LimitExceeded
from service.steps.patience import PATIENCE

__all__ = ["Limits", "Meter", "TooHeavy", "fitting", "holding", "too_much_to_say"]

STEP_COST = 20_000  # what a step costs by itself, in the operations of a kernel: about 20 µs
LIGHT_COST = 1_000_000  # what may be done on the event loop: about a millisecond


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of sessions and requests; defaults are those of a machine of 2 cores and 4 GiB."""

    tensor_elements: int = 4 * 2**20
    tensor_bytes: int = 32 * 2**20
    tensor_dims: int = 64
    session_bytes: int = 256 * 2**20
    session_nodes: int = 50_000
    session_tensors: int = 50_000
    batch_steps: int = 2_000
    step_outputs: int = 1_000
    request_cost: int = 5_000_000_000
    batch_cost: int = 20_000_000_000
    scopes: int = 64
    script_seconds: float = 10.0
    script_steps: int = 1_000_000
    script_source_bytes: int = 65_536
    function_source_bytes: int = 256 * 2**10
    script_output_bytes: int = 1_000_000
    script_data_bytes: int = 64 * 2**20
    script_depth: int = 200
    answer_bytes: int = 64 * 2**20


class TooHeavy(Exception):
    """Work on the event loop that turned out to be more than light: it is rolled back and done again in a thread."""


def fitting(limits: Limits, what: str, estimate: Estimate, batch: int = 1) -> int:
    """The bytes of a call's outputs, each of which passes no limit, nor does its workspace; ``batch``: for so many examples.

    Errors: LimitExceeded.
    """
    outputs = estimate.outputs
    if len(outputs) > limits.step_outputs:
        raise LimitExceeded("step_outputs", limits.step_outputs, len(outputs), "outputs", f"{what}()")
    total = 0
    for shape, dtype in outputs:
        if len(shape) > limits.tensor_dims:
            raise LimitExceeded("tensor_dims", limits.tensor_dims, len(shape), "dims", f"{what}()")
        size = held = batch
        for n in shape:
            size *= n or 1  # dims of what is empty are bounded, too
            held *= n
        if size > limits.tensor_elements:
            raise LimitExceeded("tensor_elements", limits.tensor_elements, size, "elements", _place(what, shape, batch))
        held *= dtype.itemsize
        if held > limits.tensor_bytes:
            raise LimitExceeded("tensor_bytes", limits.tensor_bytes, held, "bytes", _place(what, shape, batch))
        total += held
    if estimate.workspace:
        holding(limits, f"the workspace of {what}()", estimate.workspace * batch)
    return total


def holding(limits: Limits, whose: str, size: int, nodes: int = 0) -> None:
    """Refuse to hold more bytes or nodes than a session may; ``whose``: in words. Errors: LimitExceeded."""
    if size > limits.session_bytes:
        raise LimitExceeded("session_bytes", limits.session_bytes, size, "bytes", whose)
    if nodes > limits.session_nodes:
        raise LimitExceeded("session_nodes", limits.session_nodes, nodes, "nodes", whose)


def too_much_to_say(most: int, asked: int) -> LimitExceeded:
    """An answer over ``answer_bytes``."""
    return LimitExceeded(
        "answer_bytes", most, asked, "bytes", "the answer, which can be asked for in parts, or as binary,"
    )


def _place(what: str, shape: Sequence[int], batch: int) -> str:
    return f"{what}() of shape {list(shape)}" + (f" for {batch} examples" * (batch > 1))


class Meter:
    """What one request has asked for so far."""

    __slots__ = ("allowed_cost", "answer", "cost", "light", "limits", "patience", "spent")

    def __init__(self, limits: Limits, *, batch: bool, light: bool = False) -> None:
        self.limits = limits
        self.allowed_cost = limits.batch_cost if batch else limits.request_cost
        self.light = light
        self.answer = 0  # bytes of the answer so far
        self.cost = 0  # arithmetic asked for
        self.patience = PATIENCE.get()
        self.spent = 0  # the same and all else that takes time: steps, rendering

    def admit(self, what: str, estimate: Estimate) -> int:
        """Refuse a call that passes a limit by itself; answers the bytes that it will add. Errors: LimitExceeded."""
        total = fitting(self.limits, what, estimate)
        self.charge(what, estimate.cost)
        return total

    def charge(self, what: str, cost: int) -> None:
        """Add arithmetic, if there is time for it. Errors: LimitExceeded, DeadlineExceeded."""
        if self.patience is not None:
            self.patience.check()
        if self.cost + cost > self.allowed_cost:
            name = "batch_cost" if self.allowed_cost == self.limits.batch_cost else "request_cost"
            raise LimitExceeded(
                name, self.allowed_cost, self.cost + cost, "operations", f"the arithmetic up to {what}()"
            )
        self.cost += cost
        self.spend(cost + STEP_COST)

    def show(self, size: int) -> None:
        """Count bytes of the answer, before they are written. Errors: LimitExceeded."""
        self.answer += size
        if self.answer > self.limits.answer_bytes:
            raise too_much_to_say(self.limits.answer_bytes, self.answer)

    def spend(self, amount: int) -> None:
        """Count time that no limit bounds. Errors: TooHeavy on the event loop, once it is more than light."""
        self.spent += amount
        if self.light and self.spent > LIGHT_COST:
            raise TooHeavy
