"""Sets and iterators of scripts: a set in an order that repeats, and values that come one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Self

from service.scripts.budget import Budget

__all__ = ["Lazy", "Opaque", "OrderedSet", "View"]

HEIGHT: Final = 12


class Opaque:
    """A value that whoever copies what holds it takes as it is: nothing of the interpreter is ever copied through it."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Lazy(Opaque):
    """A generator expression, ``zip``, ``map`` and the like. Taking an item is a call: one within the other is bounded as calls are."""

    __slots__ = ("__weakref__", "_budget", "_items")

    def __init__(self, budget: Budget, items: Iterator[Any]) -> None:
        budget.make(256)
        self._budget = budget
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        budget = self._budget
        budget.enter(HEIGHT)
        try:
            return next(self._items)
        finally:
            budget.leave(HEIGHT)


class View(list[Any]):
    """What ``keys``, ``values`` and ``items`` of a dict answer: as it was then. ``name``: how it prints."""

    __slots__ = ("name",)

    def __init__(self, name: str, items: Any) -> None:
        super().__init__(items)
        self.name = name


class OrderedSet(Opaque):
    """A set whose order depends on nothing but what was put in: numbers alone as Python orders them, else in the order of arrival."""

    __slots__ = ("items",)

    def __init__(self, items: Any = ()) -> None:
        self.items: dict[Any, None] = dict.fromkeys(items)

    def __iter__(self) -> Iterator[Any]:
        if all(type(i) in (int, float, bool) for i in self.items):
            return iter(set(self.items))
        return iter(list(self.items))

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, item: Any) -> bool:
        return item in self.items

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderedSet) and self.items.keys() == other.items.keys()

    __hash__ = None  # type: ignore[assignment]


Lazy.__name__ = "generator"  # the engine's sentences name a value's type as Python does
OrderedSet.__name__ = "set"
