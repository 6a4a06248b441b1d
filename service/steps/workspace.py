"""What steps act on: the names, scopes and generator of a session, as verbs see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from engine.dtypes import dtype
from engine.generator import Generator
from engine.tensor import Tensor

__all__ = ["Mode", "Scope", "Workspace"]

Mode = Literal["no_grad", "enable_grad", "inference_mode", "set_grad_enabled"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One entered grad-mode scope. ``enabled`` is set_grad_enabled's argument."""

    id: str
    mode: Mode
    enabled: bool | None = None

    @property
    def grad(self) -> bool:
        """Whether operators record inside."""
        return bool(self.enabled) if self.mode == "set_grad_enabled" else self.mode == "enable_grad"

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"id": self.id, "mode": self.mode}
        if self.enabled is not None:
            out["enabled"] = self.enabled
        return out


class Workspace(Protocol):
    """The part of an open transaction that a verb may use. Every change it makes is undone by a rollback."""

    @property
    def generator(self) -> Generator: ...

    @property
    def default_dtype(self) -> dtype: ...

    @property
    def scopes(self) -> tuple[Scope, ...]: ...

    def lookup(self, name: str) -> Tensor:
        """The tensor of an id. Errors: UnknownReference."""

    def value(self, name: str) -> Any:
        """What an id names that is no tensor. Errors: UnknownReference."""

    def charge(self, what: str, cost: int, size: int) -> None:
        """Refuse arithmetic and bytes that would pass a limit, before they are spent. Errors: LimitExceeded."""

    def literal(self, value: Any) -> Tensor:
        """A new tensor from JSON data or a typed value. Errors: InvalidInput, LimitExceeded."""

    def bind(self, name: str, tensor: Tensor) -> None:
        """Bind an id, anew where it is bound."""

    def unbind(self, name: str) -> None:
        """Forget an id. Errors: UnknownReference."""

    def names_of(self, metas: set[int]) -> list[str]:
        """The ids of the tensors whose ``_meta`` has one of these identities, in creation order."""

    def enter(self, mode: Mode, enabled: bool | None) -> Scope:
        """Enter a scope: it holds until it is left."""

    def exit(self, scope_id: str | None) -> None:
        """Leave the innermost scope. Errors: Conflict for another one, NotFound for an unknown one."""

    def reseed(self, seed: int) -> None:
        """Start the stream of a seed."""

    def charge_backward(self, roots: list[Tensor], create_graph: bool) -> None:
        """Refuse a walk that would pass a limit, before it starts. Errors: LimitExceeded."""
