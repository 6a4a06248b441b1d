"""What a transaction may cost and hold: arithmetic is metered, bytes and nodes are reserved in the session before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.op import Estimate
from engine.tensor import Tensor
from engine.transaction import Transaction as UndoLog
from service.sessions.costs import walk_size
from service.sessions.session import held_by
from service.steps.errors import LimitExceeded, Overloaded, QuotaExceeded
from service.steps.limits import holding

if TYPE_CHECKING:
    from service.sessions.session import Session
    from service.steps.limits import Meter

__all__ = ["SPARE", "Reserving"]

SPARE: Final = 64 * 2**10  # bytes that are reserved ahead
BACKWARD_COST: Final = 3  # a node's share of a walk, over the elements it holds
BACKWARD_GRAPH_COST: Final = 4  # and once more where the walk itself is recorded


class Reserving:
    """The limits' part of a transaction. What is too much raises LimitExceeded, or TooHeavy on the event loop, before anything is made.

    ahead: bytes that are reserved with a step for those that follow.
    """

    def __init__(self, session: Session, meter: Meter, *, ahead: int) -> None:
        self.session = session
        self.meter = meter
        self._log = UndoLog()
        self._row: str | None = None
        self._ahead = ahead
        self._spare = 0  # bytes that are reserved and not used yet

    def short(self, row: str, op: str, cost: int, size: int) -> None:
        """Admit a call whose cost and size are known, and note its row. Errors: LimitExceeded, TooHeavy."""
        self.meter.charge(op, cost)
        self._row = row
        if size > self._spare:
            self._spare += self._more(op, size)
        self._spare -= size

    def reserved(self, op: str, size: int) -> bool:
        """Reserve for many calls at once, the first of them ``op``; False, with nothing done, where there is not so much."""
        try:
            if size > self._spare:
                self._spare += self._more(op, size)
        except (LimitExceeded, QuotaExceeded, Overloaded):
            return False
        self._spare -= size
        return True

    def _more(self, op: str, size: int) -> int:
        """Reserve at least ``size`` bytes, and some for the steps that follow; what is left of them is given back at the end."""
        try:
            self._reserve(op, size + self._ahead)
        except (LimitExceeded, QuotaExceeded, Overloaded):
            self._reserve(op, size)
            return size
        return size + self._ahead

    def _measure(self, live: list[Tensor]) -> None:
        """Count anew what the session and a rollback hold, and let go of the rest; what was reserved ahead is not held."""
        self._log.compact()
        kept, arrays = held_by(self._log)
        self.session.measure_with([*live, *kept], arrays)
        self._spare = 0

    def give_back(self) -> None:
        """Return what was reserved ahead and not used."""
        if self._spare:
            self.session.held_bytes -= self._spare
            self._spare = 0

    def _reserve(self, what: str, size: int) -> None:
        session = self.session
        limit = session.limits.session_bytes
        if session.held_bytes + size > limit:
            self._measure([])
            holding(session.limits, _with(what), session.held_bytes + self._log.bytes + size)
        session.held_bytes += size

    def _check_nodes(self, what: str) -> None:
        session = self.session
        self._measure([])
        holding(session.limits, f"the graph with {what}()", 0, session.held_nodes)

    def admit_call(self, what: str, estimate: Estimate) -> int:
        """A script's call: refused where it passes a limit; answers the bytes that it will add. Errors: LimitExceeded."""
        return self.meter.admit(what, estimate)

    def reserve_bytes(self, what: str, size: int, nodes: int, live: Callable[[], list[Tensor]]) -> None:
        """What a script's call adds to the session; ``live`` are the tensors that the script holds. Errors: LimitExceeded."""
        session = self.session
        limits = session.limits
        if (
            session.held_bytes + self._log.bytes + size > limits.session_bytes
            or session.held_nodes + nodes > limits.session_nodes
        ):
            self._measure(live())
            holding(limits, _with(what), session.held_bytes + self._log.bytes + size, session.held_nodes + nodes)
        session.held_bytes += size
        session.held_nodes += nodes

    def charge_backward(self, roots: list[Tensor], create_graph: bool) -> None:
        """Refuse a walk that would pass a limit, before it starts."""
        size, cost, count, workspace = walk_size(roots)
        factor = BACKWARD_GRAPH_COST if create_graph else BACKWARD_COST
        self.meter.charge("backward", factor * cost)
        self._reserve("backward", size * (2 if create_graph else 1) + workspace)
        if create_graph:
            self.session.held_nodes += 3 * count
            if self.session.held_nodes > self.session.limits.session_nodes:
                self._check_nodes("backward")

    def charge(self, what: str, cost: int, size: int) -> None:
        """Refuse arithmetic and bytes that would pass a limit."""
        self.meter.charge(what, cost)
        self._reserve(what, size)


def _with(what: str) -> str:
    return f"what the session would hold with {what}()"
