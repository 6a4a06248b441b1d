"""Dual tensors: which tangent a tensor carries at which level of forward mode. State only; ``engine.forward`` computes with it.

A tangent lies beside its tensor, in its ``Meta``, under its level; so a tensor keeps its identity, its memory and its graph. What is
batched carries it one floor down, with the whole batch. While a level is open the short doors hand over to the general one, which asks
``batching``'s hook; with none open nothing here is looked at.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from engine.grad_mode import detours, inference_enabled

if TYPE_CHECKING:
    from engine.tensor import Tensor

__all__ = [
    "Level",
    "below",
    "carried",
    "close_level",
    "differentiated",
    "give",
    "innermost",
    "new_level",
    "opened",
    "outside_levels",
    "released",
    "tangent_of",
    "tangent_text",
    "unlike",
]

numbers = itertools.count(1)
levels: Final[ContextVar[tuple[Level, ...]]] = ContextVar("forward_levels", default=())
"""The levels that count here and now, outermost first."""
hooks: Final[list[Callable[[], Any]]] = []  # batching puts here what makes the doors ask


class _Tangents(dict["Level", "Tensor"]):
    """The tangents of one tensor by level."""

    __slots__ = ("__weakref__",)


class Level:
    """One forward derivative being taken. ``held`` and ``nodes`` find what still carries a tangent of it when it ends."""

    __slots__ = ("held", "leave", "nodes", "number")

    def __init__(self) -> None:
        self.number = next(numbers)
        self.held: weakref.WeakValueDictionary[int, _Tangents] = weakref.WeakValueDictionary()
        self.nodes: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self.leave: Any = None


def new_level() -> Level:
    """Open a level inside those that are open."""
    level = Level()
    levels.set((*levels.get(), level))
    detours.append(levels)
    level.leave = hooks[0]()
    level.leave.__enter__()
    return level


def close_level(level: Level) -> None:
    """End a level: its tangents are gone from every tensor."""
    levels.set(tuple(one for one in levels.get() if one is not level))
    detours.remove(levels)
    level.leave.__exit__(None, None, None)
    for tangents in list(level.held.values()):
        tangents.pop(level, None)
    for node in list(level.nodes.values()):
        node.extra.tangents.pop(level, None)


@contextmanager
def opened() -> Iterator[Level]:
    """A level for a while."""
    level = new_level()
    try:
        yield level
    finally:
        close_level(level)


@contextmanager
def below(level: Level) -> Iterator[None]:
    """Inside, only the levels outside ``level`` count."""
    here = levels.get()
    token = levels.set(here[: here.index(level)] if level in here else ())
    try:
        yield
    finally:
        levels.reset(token)


@contextmanager
def outside_levels() -> Iterator[None]:
    """Inside, no level counts."""
    token = levels.set(())
    try:
        yield
    finally:
        levels.reset(token)


def _held(t: Any) -> _Tangents | None:
    meta = t._meta
    return None if meta is None else getattr(meta, "tangents", None)


def tangent_of(t: Any, level: Level) -> Tensor | None:
    """What a tensor carries at a level; None where it does not depend on what is varied there."""
    depth = getattr(t, "level", 0)
    if depth:
        found = tangent_of(t.physical, level)
        if found is None:
            return None
        from engine.batching import behind

        return behind(found, depth)
    held = _held(t)
    return None if held is None else held.get(level)


def give(t: Any, level: Level, tangent: Tensor | None) -> None:
    """Let a tensor carry a tangent (None: no more)."""
    depth = getattr(t, "level", 0)
    if depth:
        from engine.batching import front

        give(t.physical, level, None if tangent is None else front(tangent, depth, t.physical._array.shape[0]))
        return
    held = _held(t)
    if tangent is None:
        if held is not None:
            held.pop(level, None)
        return
    if held is None:
        from engine.tensor import _meta_of

        held = _meta_of(t).tangents = _Tangents()
    if level not in held:
        level.held[id(held)] = held
    held[level] = tangent


def tangent_text(t: Tensor) -> str | None:
    """How the tangent of a dual tensor is printed; None for what carries none here."""
    for level in reversed(levels.get()):
        if (tangent := tangent_of(t, level)) is not None:
            return f"{tangent}"
    return None


def unlike(t: Tensor, tangent: Tensor) -> str:
    """PyTorch's sentence for a tangent of another shape than its tensor's."""
    return (
        "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
        f"Tensor is of size {list(t.shape)} while the given forward gradient is of size {list(tangent.shape)}."
    )


def innermost(values: Sequence[Any]) -> Level | None:
    """The innermost level that counts at which any of the values (or lists of them) carries a tangent."""
    here = levels.get()
    if not here or inference_enabled.get():
        return None
    place = _place(values, here)
    return here[place] if place >= 0 else None


def _place(values: Sequence[Any], here: tuple[Level, ...]) -> int:
    found = -1
    for v in values:
        if type(v) is list:
            found = max(found, _place(v, here))
        elif (meta := getattr(v, "_meta", None)) is not None and (held := getattr(meta, "tangents", None)):
            for k, level in enumerate(here):
                if k > found and level in held:
                    found = k
    return found


def differentiated(t: Any) -> bool:
    """Whether a derivative for a value is being taken: it requires grad, or carries a tangent. A raw value: no.

    >>> import engine as torch
    >>> differentiated(torch.ones(1))
    False
    """
    return getattr(t, "requires_grad", False) or any(tangent_of(t, level) is not None for level in levels.get())


def carried(source: Tensor, t: Tensor) -> Tensor:
    """``t``, which is ``source`` again, with the tangents that count of ``source``."""
    for level in levels.get():
        tangent = tangent_of(source, level)
        if tangent is not None:
            give(t, level, tangent)
    return t


def released(t: Tensor) -> Tensor:
    """``t`` outside the graph, with its tangents."""
    here = levels.get()
    if not here:
        return t.detach()
    return carried(t, t.detach())
