"""Budget: what one run of a script may use, and has used. Everything that takes time or memory is charged here, before it is done."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from engine.op import Estimate, Spec
from engine.tensor import Tensor
from service.scripts.errors import ScriptCancelled
from service.steps.errors import DeadlineExceeded, LimitExceeded
from service.steps.holding import graph_bytes
from service.steps.limits import Limits, Meter, holding

__all__ = ["Budget", "Ledger"]

LOOK_EVERY: Final = 64  # ticks between two looks at the clock
PRUNE_EVERY: Final = 4_096  # tensors made between two looks at which of them live
FRAMES: Final = 24  # Python's frames that one level of a script's calls may take, at most on average


class Ledger(Protocol):
    """Who keeps the limits of tensors where a script runs inside something larger: a session's transaction."""

    def admit_call(self, what: str, estimate: Estimate) -> int:
        """Refuse a call that passes a limit; answers the bytes it will add. Errors: LimitExceeded."""

    def reserve_bytes(self, what: str, size: int, nodes: int, live: Callable[[], list[Tensor]]) -> None:
        """Add bytes and nodes to what is held. Errors: LimitExceeded."""

    def charge_backward(self, roots: list[Tensor], create_graph: bool) -> None:
        """Refuse a walk that would pass a limit, before it starts. Errors: LimitExceeded."""


class _Alone:
    """The ledger of a script that runs by itself."""

    def __init__(self, limits: Limits) -> None:
        self._meter = Meter(limits, batch=True)
        self._held = self._nodes = 0

    def admit_call(self, what: str, estimate: Estimate) -> int:
        return self._meter.admit(what, estimate)

    def reserve_bytes(self, what: str, size: int, nodes: int, live: Callable[[], list[Tensor]]) -> None:
        limits = self._meter.limits
        self._held += size
        self._nodes += nodes
        if self._held > limits.session_bytes or self._nodes > limits.session_nodes:
            held, self._nodes = graph_bytes(live())
            self._held = held + size
            holding(limits, f"what is held with {what}()", self._held, self._nodes)

    def charge_backward(self, roots: list[Tensor], create_graph: bool) -> None:
        size, count = graph_bytes(roots)
        self._meter.charge("backward", 2 * size + 100 * count)
        if create_graph:
            self.reserve_bytes("backward", size, 3 * count, lambda: roots)


class Budget:
    """The limits of one run and what was used of them.

    limits: of steps (statements, iterations and calls), of bytes of strings, lists and dicts made all together, of bytes printed, of calls
    within calls; of tensors, too, where no ledger keeps them. seconds: None for a run that is replayed, which must end as it did.
    request_seconds: where the time is that of a whole request.
    trusted: what the tensors of this run cost was foreseen and admitted as a whole, so calls on them are not admitted one by one.
    ``cancel()`` may be called from any thread. Errors: LimitExceeded with the setting's name; ScriptCancelled.

    >>> budget = Budget(Limits(script_steps=2))
    >>> budget.tick()
    >>> budget.steps
    1
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        seconds: float | None = 10.0,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or Limits()
        self.limits = limits
        self.ledger = ledger or _Alone(limits)
        self.trusted = False
        self.steps = 0
        self.data = 0
        self.output = 0
        self.depth = 0
        self.frames = 0
        self.seconds = seconds
        self.request_seconds: float | None = None
        self._clock = clock
        self._deadline = math.inf if seconds is None else clock() + seconds
        self._cancelled = False
        self._next_look = LOOK_EVERY
        self._made: list[weakref.ref[Tensor]] = []
        self._prune_at = PRUNE_EVERY

    # -- steps and time --------------------------------------------------------------------------------------------

    def tick(self, count: int = 1) -> None:
        """Count steps; now and then look at the clock and at whether somebody wants the run to end."""
        self.steps += count
        if self.steps >= self._next_look:
            self.look()

    def look(self) -> None:
        """Check the steps, the clock and the flag now."""
        if self.steps > self.limits.script_steps:
            raise LimitExceeded("script_steps", self.limits.script_steps, self.steps, "steps", "the script")
        if self._cancelled:
            raise ScriptCancelled("the script was cancelled; nothing of it was kept")
        if self._clock() > self._deadline:
            if self.request_seconds is not None:
                raise DeadlineExceeded(f"what was asked was not done after {self.request_seconds:g} s", retry_after=1)
            assert self.seconds is not None
            limit = math.ceil(self.seconds)
            raise LimitExceeded("script_seconds", limit, limit + 1, "seconds", "the script")
        self._next_look = min(self.steps + LOOK_EVERY, self.limits.script_steps + 1)

    def cancel(self) -> None:
        """End the run at its next step; from any thread."""
        self._cancelled = True
        self._next_look = 0

    def enter(self, height: int) -> None:
        """One call deeper, of a function whose statements nest ``height`` deep. Errors: RecursionError, which a script may catch."""
        self.tick()
        if self.depth >= self.limits.script_depth or self.frames + height > self.limits.script_depth * FRAMES:
            raise RecursionError("maximum recursion depth exceeded")
        self.depth += 1
        self.frames += height

    def leave(self, height: int) -> None:
        """Back from a call."""
        self.depth -= 1
        self.frames -= height

    # -- data ------------------------------------------------------------------------------------------------------

    def make(self, size: int, what: str = "the values") -> None:
        """Count bytes of Python data before they are made, and the time that making them takes."""
        self.data += size
        if self.data > self.limits.script_data_bytes:
            raise LimitExceeded(
                "script_data_bytes", self.limits.script_data_bytes, self.data, "bytes", f"{what} that the script makes"
            )
        if size > 4_096:
            self.tick(size >> 12)

    def printed(self, count: int) -> int:
        """Count bytes of output; answers how many of them may still be kept."""
        kept = max(0, min(count, self.limits.script_output_bytes - self.output))
        self.output += kept
        self.make(count)
        return kept

    # -- tensors ---------------------------------------------------------------------------------------------------

    def charge(self, what: str, cost: int) -> None:
        """Count arithmetic. Errors: LimitExceeded."""
        self.admit(what, Estimate((), 0, cost))

    def admit(self, what: str, estimate: Estimate) -> int:
        """Refuse a call that passes a limit; answers the bytes that it will add. Errors: LimitExceeded."""
        self.tick()
        return self.ledger.admit_call(what, estimate)

    def admit_size(self, what: str, elements: int, itemsize: int) -> None:
        """Refuse something of so many elements. Errors: LimitExceeded."""
        from engine.dtypes import float64, uint8

        self.admit(what, Estimate((Spec((elements,), float64 if itemsize == 8 else uint8),), 0, elements))

    def hold(self, what: str, size: int, nodes: int = 1) -> None:
        """Count bytes of tensors and nodes of graphs that the run may go on to hold. Errors: LimitExceeded."""
        self.ledger.reserve_bytes(what, size, nodes, self.live)

    def made(self, t: Tensor) -> None:
        """Remember a tensor, weakly: what lives of them is measured when the bytes run short."""
        self._made.append(weakref.ref(t))
        if len(self._made) >= self._prune_at:
            self.live()

    def live(self) -> list[Tensor]:
        """The tensors of this run that are still alive."""
        found = [t for r in self._made if (t := r()) is not None]
        self._made = [weakref.ref(t) for t in found]
        self._prune_at = 2 * len(found) + PRUNE_EVERY
        return found

    def walk(self, roots: Sequence[Tensor], create_graph: bool) -> None:
        """Refuse a backward that would pass a limit, before it starts. Errors: LimitExceeded."""
        self.tick()
        self.ledger.charge_backward(list(roots), create_graph)
