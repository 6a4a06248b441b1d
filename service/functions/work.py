"""Work: what one evaluation may ask for. Every call of an operator is admitted here before it is made, unless a plan has said it all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from engine.op import Estimate
from engine.tensor import Tensor
from service.scripts import Budget
from service.steps.errors import DeadlineExceeded, LimitExceeded
from service.steps.holding import graph_bytes
from service.steps.limits import LIGHT_COST, Limits, TooHeavy, fitting, holding

__all__ = ["Demand", "Work"]

CALL_COST: Final = 4_000  # what a call costs by itself, in the operations of a kernel


@dataclass(frozen=True, slots=True)
class Demand:
    """What a run asks for: arithmetic, calls, the bytes that all calls make together, and the most that one makes."""

    cost: int = 0
    calls: int = 0
    bytes: int = 0
    largest: int = 0

    def plus(self, cost: int, size: int) -> Demand:
        return Demand(self.cost + cost, self.calls + 1, self.bytes + size, max(self.largest, size))


class Work:
    """One evaluation: its limits, its deadline, what it asked for so far.

    light: raise TooHeavy once it is more than the event loop should do. batch: how many examples a call works on. planned: a plan knows
    what the calls ask for, so they are not admitted one by one. rehearses: on hollow tensors.
    double: everything in double precision, constants too, as a check wants it.
    """

    __slots__ = (
        "_deadline",
        "_look",
        "batch",
        "demand",
        "derived",
        "double",
        "held",
        "light",
        "limits",
        "planned",
        "rehearses",
        "seconds",
    )

    def __init__(
        self,
        limits: Limits,
        *,
        seconds: float | None = None,
        light: bool = False,
        batch: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.light = light
        self.batch = batch
        self.planned = False
        self.double = False
        self.rehearses = False
        self.demand = Demand()
        self.held = 0  # bytes, of calls that are admitted one by one
        self.derived = 0  # arithmetic of derivatives
        self.seconds = seconds
        self._look = clock
        self._deadline = math.inf if seconds is None else clock() + seconds

    def admit(self, what: str, estimate: Estimate) -> int:
        """Admit one call by what it would make and cost; answers the bytes it adds. Errors: LimitExceeded, TooHeavy."""
        size = self.weigh(what, estimate, self.batch)
        self.held += size
        holding(self.limits, f"what all holds with {what}()", self.held)
        return size

    def weigh(self, what: str, estimate: Estimate, batch: int) -> int:
        """The same, without counting the bytes as held."""
        total = fitting(self.limits, what, estimate, batch)
        self.demand = self.demand.plus(estimate.cost * batch, total + estimate.workspace * batch)
        self._check(what)
        return total

    def derive(self, what: str, forward: Demand, factor: int, copies: int) -> None:
        """Admit a derivative: ``factor`` times the arithmetic of the forward run, ``copies`` of all that it made held at once.

        Errors: LimitExceeded, TooHeavy.
        """
        held = forward.bytes * copies
        holding(self.limits, f"what {what} would hold", held)
        self.derived += factor * (forward.cost + forward.calls * CALL_COST)
        self._check(what)

    def expect(self, what: str, forward: Demand, *, trusted: bool) -> None:
        """Admit a whole run that a plan foresees. Errors: LimitExceeded, TooHeavy.

        trusted: the run cannot go another way than the plan; otherwise, or where all that it makes would not fit at once, its
        calls are still admitted one by one.
        """
        self.demand = forward
        self._check(what)
        self.planned = trusted = trusted and forward.bytes <= self.limits.session_bytes
        if not trusted:
            self.demand = Demand()

    def tick(self) -> None:
        """Look at the clock. Errors: DeadlineExceeded."""
        if self.seconds is not None and self._look() > self._deadline:
            raise DeadlineExceeded(f"the evaluation was not done after {self.seconds:g} s", retry_after=1)

    def _check(self, what: str) -> None:
        allowed = self.limits.request_cost
        asked = self.demand.cost + self.derived
        if asked > allowed:
            raise LimitExceeded("request_cost", allowed, asked, "operations", f"the arithmetic up to {what}")
        if self.light and asked + self.demand.calls * CALL_COST > LIGHT_COST:
            raise TooHeavy

    # -- what scripts ask of whoever holds their tensors -------------------------------------------------------------

    def budget(self, light_steps: int) -> Budget:
        """The budget of a script that runs within this evaluation."""
        budget = Budget(
            replace(self.limits, script_steps=light_steps) if self.light else self.limits,
            seconds=None if self.seconds is None else max(self._deadline - self._look(), 0.001),
            ledger=self,
            clock=self._look,
        )
        budget.request_seconds = self.seconds
        budget.trusted = self.planned
        return budget

    def admit_call(self, what: str, estimate: Estimate) -> int:
        """Admit one call of a script, which has counted the examples of a batch itself."""
        return 0 if self.planned else self.weigh(what, estimate, 1)

    def reserve_bytes(self, what: str, size: int, nodes: int, live: Callable[[], list[Tensor]]) -> None:
        """Count what a script may go on to hold; what lives of it is measured when the bytes run short. Errors: LimitExceeded."""
        del nodes
        self.held += size
        if self.held > self.limits.session_bytes:
            self.held = graph_bytes(live())[0] + size
            holding(self.limits, f"what the function holds with {what}()", self.held)

    def charge_backward(self, roots: list[Tensor], create_graph: bool) -> None:
        """A walk inside the function: at most what was run so far, once more and a half."""
        del roots
        self.derive("backward", self.demand, 4 if create_graph else 2, 2)
