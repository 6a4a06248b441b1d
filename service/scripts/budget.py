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


class Budget:
    """The limits of one run and what was used of them.

    steps: statements, iterations and calls. cost: arithmetic, where no ledger counts it. data_bytes: of strings, lists and dicts made, all
    together. output: bytes printed. seconds: None for a run that is replayed, which must end as it did. depth: calls within calls.
    request_seconds: where the time is that of a whole request.
    trusted: what the tensors of this run cost was foreseen and admitted as a whole, so calls on them are not admitted one by one.
    ``cancel()`` may be called from any thread. Errors: LimitExceeded with the setting's name; ScriptCancelled.

    >>> budget = Budget(steps=2)
    >>> budget.tick()
    >>> budget.steps
    1
    """

    def __init__(
        self,
        *,
        steps: int = 1_000_000,
        cost: int = 20_000_000_000,
        tensor_elements: int = 4 * 2**20,
        tensor_bytes: int = 32 * 2**20,
        held_bytes: int = 256 * 2**20,
        held_nodes: int = 50_000,
        data_bytes: int = 64 * 2**20,
        output: int = 1_000_000,
        seconds: float | None = 10.0,
        depth: int = 200,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_steps = steps
        self.most_cost = cost
        self.most_elements = tensor_elements
        self.most_tensor_bytes = tensor_bytes
        self.most_held = held_bytes
        self.most_nodes = held_nodes
        self.most_data = data_bytes
        self.most_output = output
        self.most_depth = depth
        self.ledger = ledger
        self.trusted = False
        self.steps = 0
        self.cost = 0
        self.data = 0
        self.output = 0
        self.depth = 0
        self.frames = 0
        self.held = 0
        self.nodes = 0
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
        if self.steps > self.most_steps:
            raise LimitExceeded("script_steps", self.most_steps, self.steps, "steps", "the script")
        if self._cancelled:
            raise ScriptCancelled("the script was cancelled; nothing of it was kept")
        if self._clock() > self._deadline:
            if self.request_seconds is not None:
                raise DeadlineExceeded(f"the evaluation was not done after {self.request_seconds:g} s", retry_after=1)
            assert self.seconds is not None
            limit = math.ceil(self.seconds)
            raise LimitExceeded("script_seconds", limit, limit + 1, "seconds", "the script")
        self._next_look = min(self.steps + LOOK_EVERY, self.most_steps + 1)

    def cancel(self) -> None:
        """End the run at its next step; from any thread."""
        self._cancelled = True
        self._next_look = 0

    def enter(self, height: int) -> None:
        """One call deeper, of a function whose statements nest ``height`` deep. Errors: RecursionError, which a script may catch."""
        self.tick()
        if self.depth >= self.most_depth or self.frames + height > self.most_depth * FRAMES:
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
        if self.data > self.most_data:
            raise LimitExceeded(
                "script_data_bytes", self.most_data, self.data, "bytes", f"{what} that the script makes"
            )
        if size > 4_096:
            self.tick(size >> 12)

    def printed(self, count: int) -> int:
        """Count bytes of output; answers how many of them may still be kept."""
        kept = max(0, min(count, self.most_output - self.output))
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
        if self.ledger is not None:
            return self.ledger.admit_call(what, estimate)
        total = 0
        for spec in estimate.outputs:
            if spec.numel > self.most_elements:
                asked = spec.numel
                raise LimitExceeded("tensor_elements", self.most_elements, asked, "elements", f"{what}()")
            if spec.nbytes > self.most_tensor_bytes:
                raise LimitExceeded("tensor_bytes", self.most_tensor_bytes, spec.nbytes, "bytes", f"{what}()")
            total += spec.nbytes
        if estimate.workspace > self.most_held:
            raise LimitExceeded(
                "session_bytes", self.most_held, estimate.workspace, "bytes", f"the workspace of {what}()"
            )
        self.cost += estimate.cost
        if self.cost > self.most_cost:
            raise LimitExceeded("batch_cost", self.most_cost, self.cost, "operations", f"the arithmetic up to {what}()")
        return total

    def admit_size(self, what: str, elements: int, itemsize: int) -> None:
        """Refuse something of so many elements. Errors: LimitExceeded."""
        from engine.dtypes import float64, uint8

        self.admit(what, Estimate((Spec((elements,), float64 if itemsize == 8 else uint8),), 0, elements))

    def hold(self, what: str, size: int, nodes: int = 1) -> None:
        """Count bytes of tensors and nodes of graphs that the run may go on to hold. Errors: LimitExceeded."""
        if self.ledger is not None:
            self.ledger.reserve_bytes(what, size, nodes, self.live)
            return
        self.held += size
        self.nodes += nodes
        if self.held > self.most_held or self.nodes > self.most_nodes:
            held, self.nodes = graph_bytes(self.live())
            self.held = held + size
            if self.held > self.most_held:
                raise LimitExceeded("session_bytes", self.most_held, self.held, "bytes", f"what is held with {what}()")
            if self.nodes > self.most_nodes:
                raise LimitExceeded("session_nodes", self.most_nodes, self.nodes, "nodes", f"the graph with {what}()")

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
        if self.ledger is not None:
            self.ledger.charge_backward(list(roots), create_graph)
            return
        size, count = graph_bytes(list(roots))
        self.tick(count // 8)
        self.charge("backward", 2 * size + 100 * count)
        self.hold("backward", size if create_graph else 0, 3 * count if create_graph else 0)
