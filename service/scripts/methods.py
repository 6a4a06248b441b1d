"""Methods of strings, lists, tuples, dicts, sets and numbers: a closed list, each bounded before it makes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from service.scripts.containers import View
from service.scripts.formatting import format_text
from service.scripts.operators import compare, equal, hashable, truth, type_name
from service.scripts.values import OrderedSet, Run

__all__ = ["METHODS", "ordered"]

Method = Callable[..., Any]
METHODS: Final[dict[type, dict[str, Method]]] = {}


def _plain(name: str, kind: type, most: int = 4) -> Method:
    """A method of Python's that makes nothing longer than a few times what it has."""
    own = getattr(kind, name)

    def method(run: Run, self: Any, *args: Any, **kwargs: Any) -> Any:
        for a in (*args, *kwargs.values()):
            if type(a) not in (str, int, bool, float, type(None), bytes) and not (
                type(a) is tuple and all(type(p) is str for p in a)
            ):
                raise TypeError(f"{name}() argument must be {kind.__name__}, not {type_name(a)}")
        run.budget.make(most * (len(self) if isinstance(self, (str, bytes)) else 8) + 16)
        return own(self, *args, **kwargs)

    return method


def _padded(name: str) -> Method:
    own = getattr(str, name)

    def method(run: Run, self: str, width: Any, *fill: Any) -> Any:
        if type(width) is not int or any(type(f) is not str for f in fill):
            raise TypeError(f"'{type_name(width)}' object cannot be interpreted as an integer")
        run.budget.make(max(width, len(self)))
        return own(self, width, *fill)

    return method


def _split(name: str) -> Method:
    own = getattr(str, name)

    def method(run: Run, self: str, *args: Any, **kwargs: Any) -> Any:
        if any(type(a) not in (str, int, type(None), bool) for a in (*args, *kwargs.values())):
            raise TypeError(f"{name}(): must be str or None")
        run.budget.make(64 + 64 * len(self))
        return own(self, *args, **kwargs)

    return method


def _replace(run: Run, self: str, old: str, new: str, count: int = -1) -> str:
    if type(old) is not str or type(new) is not str or type(count) is not int:
        raise TypeError("replace() argument 1 must be str")
    hits = self.count(old)
    run.budget.make(len(self) + hits * len(new))
    return self.replace(old, new, count)


def _join(run: Run, self: str, parts: Any) -> str:
    from service.scripts.calls import iterate

    found = list(iterate(run, parts))
    for i, p in enumerate(found):
        if type(p) is not str:
            raise TypeError(f"sequence item {i}: expected str instance, {type_name(p)} found")
    run.budget.make(sum(map(len, found)) + len(self) * len(found))
    return self.join(found)


def _expandtabs(run: Run, self: str, tabsize: int = 8) -> str:
    if type(tabsize) is not int or tabsize > 100:
        raise ValueError("a tab is at most 100 wide here")
    run.budget.make(len(self) * max(tabsize, 1))
    return self.expandtabs(tabsize)


_STRINGS: Final = (
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable "
    "isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind rindex rpartition rstrip startswith strip swapcase "
    "title upper"
)
METHODS[str] = {
    **{n: _plain(n, str) for n in _STRINGS.split()},
    **{n: _padded(n) for n in ("center", "ljust", "rjust", "zfill")},
    **{n: _split(n) for n in ("split", "rsplit", "splitlines")},
    "replace": _replace,
    "join": _join,
    "expandtabs": _expandtabs,
    "format": lambda run, self, *args, **kwargs: format_text(run, self, args, kwargs),
}
METHODS[int] = {n: _plain(n, int) for n in ("bit_length", "bit_count", "conjugate")}
METHODS[bool] = METHODS[int]
METHODS[float] = {n: _plain(n, float) for n in ("is_integer", "conjugate", "hex")}
METHODS[complex] = {"conjugate": _plain("conjugate", complex)}


# --- lists ------------------------------------------------------------------------------------------------------------


def _items(run: Run, values: Any) -> Iterable[Any]:
    from service.scripts.calls import iterate

    return iterate(run, values)


def _append(run: Run, self: list[Any], item: Any) -> None:
    run.budget.make(8)
    run.touch(self)
    self.append(item)


def _extend(run: Run, self: list[Any], values: Any) -> None:
    found = list(_items(run, values))
    run.budget.make(8 * len(found))
    run.touch(self)
    self.extend(found)


def _insert(run: Run, self: list[Any], at: int, item: Any) -> None:
    run.budget.make(8)
    run.budget.tick(len(self) >> 12)
    run.touch(self)
    self.insert(at, item)


def _pop(run: Run, self: list[Any], at: int = -1) -> Any:
    run.budget.tick(len(self) >> 12)
    run.touch(self)
    return self.pop(at)


def _place(run: Run, self: Any, item: Any, *within: int) -> int:
    for i in range(*slice(*(within or (None,)), *((None,) if len(within) == 1 else ())).indices(len(self))):
        if equal(run, self[i], item):
            return i
    from service.scripts.showing import repr_of

    raise ValueError(
        f"{repr_of(run, item)} is not in list" if isinstance(self, list) else "tuple.index(x): x not in tuple"
    )


def _remove(run: Run, self: list[Any], item: Any) -> None:
    try:
        at = _place(run, self, item)
    except ValueError:
        raise ValueError("list.remove(x): x not in list") from None
    run.touch(self)
    del self[at]


def _clear(run: Run, self: Any) -> None:
    run.touch(self)
    (self.items if isinstance(self, OrderedSet) else self).clear()


def _copy(run: Run, self: Any) -> Any:
    run.budget.make(16 * len(self))
    return OrderedSet(self.items) if isinstance(self, OrderedSet) else self.copy()


def _reverse(run: Run, self: list[Any]) -> None:
    run.touch(self)
    self.reverse()


def _keyed(run: Run, key: Any, item: Any) -> Any:
    from service.scripts.calls import call

    return call(run, key, (item,), {})


def ordered(run: Run, values: Iterable[Any], key: Any = None, reverse: bool = False) -> list[Any]:
    """Sorted, stable; each comparison is a step."""
    items = list(values)
    run.budget.make(16 * len(items))
    keys = items if key is None else [_keyed(run, key, i) for i in items]

    class Place:
        __slots__ = ("at",)

        def __init__(self, at: int) -> None:
            self.at = at

        def __lt__(self, other: Place) -> bool:
            run.budget.tick()
            return truth(run, compare(run, "Lt", keys[self.at], keys[other.at]))

    return [items[p.at] for p in sorted(map(Place, range(len(items))), reverse=truth(run, reverse))]


def _sort(run: Run, self: list[Any], *, key: Any = None, reverse: bool = False) -> None:
    found = ordered(run, self, key, reverse)
    run.touch(self)
    self[:] = found


def _count(run: Run, self: Any, item: Any) -> int:
    return sum(equal(run, i, item) for i in self)


METHODS[list] = {
    "append": _append, "extend": _extend, "insert": _insert, "pop": _pop, "remove": _remove, "clear": _clear, "copy": _copy,
    "index": _place, "count": _count, "reverse": _reverse, "sort": _sort,
}  # fmt: skip
METHODS[tuple] = {"index": _place, "count": _count}
METHODS[range] = {"index": _place, "count": _count}


# --- dicts ------------------------------------------------------------------------------------------------------------


def _listed(what: str) -> Method:
    def method(run: Run, self: dict[Any, Any]) -> Any:
        run.budget.make(16 * len(self))
        return View(f"dict_{what}", getattr(self, what)())

    return method


def _dict_pop(run: Run, self: dict[Any, Any], key: Any, *default: Any) -> Any:
    run.touch(self)
    return self.pop(hashable(run, key), *default)


def _setdefault(run: Run, self: dict[Any, Any], key: Any, default: Any = None) -> Any:
    run.budget.make(100)
    run.touch(self)
    return self.setdefault(hashable(run, key), default)


def _update(run: Run, self: dict[Any, Any], other: Any = (), **kwargs: Any) -> None:
    found = other if isinstance(other, dict) else {hashable(run, k): v for k, v in map(tuple, _items(run, other))}
    run.budget.make(100 * (len(found) + len(kwargs)))
    run.touch(self)
    self.update(found, **kwargs)


def _popitem(run: Run, self: dict[Any, Any]) -> Any:
    run.touch(self)
    return self.popitem()


METHODS[dict] = {
    "keys": _listed("keys"), "values": _listed("values"), "items": _listed("items"), "clear": _clear, "copy": _copy, "pop": _dict_pop,
    "get": lambda run, self, key, default=None: self.get(hashable(run, key), default), "setdefault": _setdefault, "update": _update,
    "popitem": _popitem,
}  # fmt: skip


# --- sets -------------------------------------------------------------------------------------------------------------


def _add(run: Run, self: OrderedSet, item: Any) -> None:
    run.budget.make(100)
    run.touch(self)
    self.items[hashable(run, item)] = None


def _discard(run: Run, self: OrderedSet, item: Any) -> None:
    run.touch(self)
    self.items.pop(hashable(run, item), None)


def _set_remove(run: Run, self: OrderedSet, item: Any) -> None:
    if hashable(run, item) not in self.items:
        raise KeyError(item)
    _discard(run, self, item)


def _set_pop(run: Run, self: OrderedSet) -> Any:
    if not self.items:
        raise KeyError("pop from an empty set")
    item = next(iter(self))
    _discard(run, self, item)
    return item


def _joined(keep: Callable[[Any, OrderedSet, OrderedSet], bool], *, both: bool) -> Method:
    def method(run: Run, self: OrderedSet, *others: Any) -> OrderedSet:
        found = self
        for other in others:
            right = OrderedSet()
            for item in _items(run, other):
                run.budget.make(100)
                right.items[hashable(run, item)] = None
            run.budget.make(100 * len(found))
            found = OrderedSet(i for i in ([*found, *right] if both else found) if keep(i, found, right))
        return found if found is not self else OrderedSet(self.items)

    return method


def _set_update(run: Run, self: OrderedSet, *others: Any) -> None:
    for other in others:
        for item in _items(run, other):
            _add(run, self, item)


METHODS[OrderedSet] = {
    "add": _add, "discard": _discard, "remove": _set_remove, "pop": _set_pop, "clear": _clear, "copy": _copy, "update": _set_update,
    "union": _joined(lambda i, a, b: True, both=True),
    "intersection": _joined(lambda i, a, b: i in b, both=False),
    "difference": _joined(lambda i, a, b: i not in b, both=False),
    "symmetric_difference": _joined(lambda i, a, b: (i in a) is not (i in b), both=True),
    "issubset": lambda run, self, other: all(i in OrderedSet(_items(run, other)) for i in self),
    "issuperset": lambda run, self, other: all(i in self for i in _items(run, other)),
    "isdisjoint": lambda run, self, other: not any(i in self for i in _items(run, other)),
}  # fmt: skip
