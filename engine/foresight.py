"""Derivatives that make more than their inputs and outputs hold say so before they do.

The engine has no limits. Whoever has some sets ``guard``: it hears of such work, and may refuse it by raising.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from engine.op import Estimate

__all__ = ["Guard", "foresee", "guard"]

Guard: TypeAlias = Callable[[str, Estimate], object]
"""What hears of a rule's work: what it belongs to, and its workspace and arithmetic."""
guard: Final[ContextVar[Guard | None]] = ContextVar("foresight_guard", default=None)


def foresee(what: str, value: Any, times: int, work: int = 2) -> None:
    """Say that a rule of ``what`` is about to make ``times`` as much as a value holds, with ``work`` operations for each element of that.

    Of a batch all examples are counted.

    Errors: what the guard raises.

    >>> import engine as torch
    >>> token = guard.set(lambda what, estimate: print(what, estimate.workspace))
    >>> x = torch.tensor([2.0, 3.0, 4.0], requires_grad=True)
    >>> g = torch.autograd.grad(x.prod(), x, create_graph=True)[0].sum()
    >>> g.backward()
    prod 180
    >>> guard.reset(token)
    """
    listening = guard.get()
    if listening is None:
        return
    from engine.batching import Batched, levels

    count = value.numel() if hasattr(value, "numel") else value.size
    if isinstance(value, Batched):
        for level in levels():
            count *= max(level.size, 1)
    listening(what, Estimate((), times * count * value.dtype.itemsize, work * times * count))
