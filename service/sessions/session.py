"""Session: names, grad-mode scopes, a generator, and the tensors and graph behind the names. A pure state machine: steps in, outcomes out.

A request is one transaction: ``tx = session.begin(); tx.step(s); tx.commit()``. See ``transaction.py``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine import dtypes
from engine.errors import EngineError
from engine.generator import Generator
from engine.tensor import Tensor
from engine.transaction import Transaction as UndoLog
from service.scripts import MISSING, Namespace, predefined
from service.scripts.keeping import held
from service.sessions.beside import Beside
from service.sessions.limits import Limits
from service.steps.errors import ServiceError, StepFailed
from service.steps.holding import graph_bytes
from service.wire.errors import WireError

if TYPE_CHECKING:
    from service.sessions.account import Account
    from service.sessions.transaction import Transaction
    from service.steps.outcome import Outcome
    from service.steps.step import Step
    from service.steps.workspace import Scope

__all__ = ["Binding", "Session", "Unrecorded", "detached", "held_by"]


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """What a no_grad scope left out: the operator, and the graph nodes and names that its inputs came from."""

    op: str
    inputs: tuple[Tensor, ...]


def detached(step: Step, resolve: Callable[[str], Tensor | None]) -> Unrecorded | None:
    """What a step of ``detach`` leaves out of a history that there is; None for any other step."""
    source = step.args[0] if step.op == "detach" and step.args else None
    found = resolve(source) if isinstance(source, str) else None
    return Unrecorded("detach", (found,)) if found is not None and found.requires_grad else None


class Binding(NamedTuple):
    """One id: its tensor, its place in the order of creation, and what a no_grad scope left out of its history."""

    tensor: Tensor
    number: int
    unrecorded: Unrecorded | None = None


def held_by(log: UndoLog) -> tuple[list[Tensor], list[Any]]:
    """The tensors, and the arrays that nodes had saved, which an open transaction would put back."""
    tensors: list[Tensor] = []
    arrays: list[Any] = []
    stack = list(log.held())
    while stack:
        value = stack.pop()
        if type(value) is Binding:
            tensors.append(value.tensor)
        elif isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, np.ndarray):
            arrays.append(value)
        elif type(value) in (tuple, list):
            stack.extend(value)
    return tensors, arrays


class Session:
    """The state that a client's requests change. Not safe for two threads: the manager gives one request at a time its turn.

    ``held_bytes`` and ``held_nodes`` are upper bounds of what the session holds; ``measure`` makes them exact.
    """

    __slots__ = (
        "__weakref__",
        "_held",
        "account",
        "beside",
        "default_dtype",
        "generator",
        "held_nodes",
        "limits",
        "name",
        "names",
        "next_auto",
        "next_number",
        "next_scope",
        "scopes",
        "session_id",
        "shared",
        "space",
        "values",
    )

    def __init__(
        self,
        session_id: str,
        *,
        name: str | None = None,
        seed: int | None = None,
        default_dtype: dtypes.dtype = dtypes.float32,
        limits: Limits | None = None,
    ) -> None:
        self.session_id = session_id
        self.name = name
        self.generator = Generator()
        if seed is not None:
            self.generator.manual_seed(seed)
        self.default_dtype = default_dtype
        self.limits = limits or Limits()
        self.names: dict[str, Binding] = {}
        self.values: dict[
            str, Any
        ] = {}  # what scripts have bound beside tensors (service.scripts.values says what may be here)
        own = weakref.ref(self)  # not a cycle: an ended session goes at once
        self.space = Namespace(lambda name: MISSING if (s := own()) is None else s._before(name), predefined())
        self.scopes: tuple[Scope, ...] = ()
        self.next_auto = 1
        self.next_number = 1
        self.next_scope = 1
        self._held = 0
        self.account: Account | None = None
        self.held_nodes = 0
        self.shared: Mapping[int, weakref.ref[np.ndarray[Any, Any]]] | None = None  # memory of a fork too
        self.beside = Beside()

    def begin(self, *, batch: bool = False, light: bool = False, recorded: bool = True) -> Transaction:
        """Open a transaction. It must be committed or rolled back before the next is opened.

        batch: the limits of a batch. light: raise TooHeavy once the work is more than the event loop should do. recorded: whether a
        record may be made of it, which needs a checksum of all that its steps answer.
        """
        from service.sessions.transaction import Transaction

        return Transaction(self, batch=batch, light=light, recorded=recorded)

    def apply(self, steps: Iterable[Step]) -> list[Outcome]:
        """All steps in one transaction, or none. Errors: StepFailed with the index of the one that failed."""
        with self.begin(batch=True) as tx:
            outcomes = []
            for i, step in enumerate(steps):
                try:
                    outcomes.append(tx.step(step))
                except (EngineError, ServiceError, WireError) as error:
                    raise StepFailed(i, error) from error
            tx.commit()
        return outcomes

    def bindings(self) -> list[tuple[str, Binding]]:
        """Ids in the order of creation."""
        return sorted(self.names.items(), key=lambda item: item[1].number)

    def measure(self) -> None:
        """Make ``held_bytes`` and ``held_nodes`` exact."""
        self.measure_with([])

    def measure_with(self, live: list[Tensor], arrays: Iterable[Any] = ()) -> None:
        """The same, with tensors and arrays that what runs holds beside."""
        kept, size = held(self.values)
        found, self.held_nodes = graph_bytes(
            [*(b.tensor for b in self.names.values()), *kept, *live, *self.beside.tensors()], arrays
        )
        self.held_bytes = found + size

    @property
    def held_bytes(self) -> int:
        return self._held

    @held_bytes.setter
    def held_bytes(self, size: int) -> None:
        if self.account is not None:
            self.account.move(size - self._held)
        self._held = size

    def join(self, account: Account) -> None:
        """Count what the session holds in an account, as long as the session lives. Errors: QuotaExceeded, Overloaded."""
        account.move(self._held)
        self.account = account

    def __del__(self) -> None:
        if self.account is not None:
            self.account.move(-self._held)

    def _before(self, name: str) -> Any:
        """What a script's global name stands for when the script begins; MISSING for none."""
        binding = self.names.get(name)
        return self.values.get(name, MISSING) if binding is None else binding.tensor

    @property
    def grad_enabled(self) -> bool:
        """Whether the next operator would record, inference mode aside."""
        return self.scopes[-1].grad if self.scopes else True

    @property
    def inferring(self) -> bool:
        """Whether a scope of inference mode is open."""
        return any(s.mode == "inference_mode" for s in self.scopes)
