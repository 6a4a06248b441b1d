"""What scripts have bound beside tensors, as rows of a flat table, and back: Python's values and containers, functions, optimizers.

A function is its text, line and defaults; it must stand at the top level of its script. What closes over a frame, classes and their objects
have no form here: a session that holds them is known by its records alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from engine.dtypes import DTYPES, dtype
from engine.layout import Size
from engine.optim import Optimizer
from engine.optim.lr_scheduler import LRScheduler
from engine.tensor import Tensor
from service.scripts import MISSING, Budget, Cell, Namespace, Run, ScriptFunction, predefined
from service.scripts.values import Kind, Module, Native, OrderedSet, Parameter
from service.sessions.plain import Unstorable
from service.steps.errors import ServiceError

__all__ = ["read_values", "written_values"]

_SIMPLE: Final = (type(None), bool, str, bytes)
_STATEFUL: Final = (Optimizer, LRScheduler)


def written_values(values: dict[str, Any], space: Namespace, tensor: Callable[[Tensor], int]) -> dict[str, Any]:
    """The names with the place of their value, and the table of values. Errors: Unstorable."""
    places: dict[int, int] = {}
    alive: list[Any] = []
    table: list[Any] = []
    waiting: list[tuple[int, Any]] = []

    def place(value: Any) -> int:
        found = places.get(id(value))
        if found is None:
            found = places[id(value)] = len(table)
            alive.append(value)
            table.append(None)
            waiting.append((found, value))
        return found

    names = [[name, place(value)] for name, value in values.items()]
    while waiting:
        at, value = waiting.pop()
        table[at] = _row(value, space, place, tensor)
    return {"names": names, "table": table}


def _row(value: Any, space: Namespace, place: Callable[[Any], int], tensor: Callable[[Tensor], int]) -> list[Any]:  # noqa: PLR0912 - one case a kind
    kind = type(value)
    if kind in _SIMPLE:
        return ["plain", value]
    if kind is int:
        return ["int", str(value)]
    if kind is float:
        return ["plain", value] if math.isfinite(value) else ["float", repr(value)]
    if kind is complex:
        return ["complex", repr(value.real), repr(value.imag)]
    if isinstance(value, Tensor):
        return ["tensor", tensor(value)]
    if kind in (list, tuple, Size):
        return [kind.__name__, [place(v) for v in value]]
    if kind is dict or (kind is defaultdict and value.default_factory is dict):
        return [kind.__name__, [[place(k), place(v)] for k, v in value.items()]]
    if kind is OrderedSet:
        return ["set", [place(v) for v in value.items]]
    if isinstance(value, dtype):
        return ["dtype", value.name]
    if kind in (range, slice):
        return [kind.__name__, [place(v) for v in (value.start, value.stop, value.step)]]
    if isinstance(value, ScriptFunction):
        if value.frame is not None or value.owner is not None or value.space is not space:
            raise Unstorable(f"the function {value.name}, which closes over others")
        _function(value.source, value.line, Namespace(_nothing, predefined()))
        defaults = [None if p.default is MISSING else place(p.default) for p in value.parameters]
        return ["function", value.source, value.line, [[p.name, p.kind] for p in value.parameters], defaults]
    if isinstance(value, (Native, Module)):
        if kind not in (Native, Module, Kind) or _native(value.name) is not value:
            raise Unstorable(f"a {kind.__name__.lower()} {value.name}")
        return ["native", value.name]
    if isinstance(value, _STATEFUL):
        if kind not in _classes().values():
            raise Unstorable(f"an object of class {kind.__name__}")
        return ["stateful", kind.__name__, [[k, place(v)] for k, v in vars(value).items()]]
    raise Unstorable(f"a value of type {kind.__name__}")


def read_values(data: dict[str, Any], space: Namespace, tensors: list[Tensor]) -> dict[str, Any]:
    """Back from ``written_values``. Containers are made first and filled afterwards, so they may hold each other."""
    table = data["table"]
    made: list[Any] = [MISSING] * len(table)
    stack = list(range(len(table)))
    while stack:
        at = stack[-1]
        if made[at] is not MISSING:
            stack.pop()
            continue
        row = table[at]
        needed = [k for k in _before(row) if made[k] is MISSING]
        if needed:
            stack += needed
            continue
        made[at] = _made(row, made, space, tensors)
        stack.pop()
    for value, row in zip(made, table, strict=True):
        _filled(value, row, made)
    return {name: made[at] for name, at in data["names"]}


def _before(row: list[Any]) -> list[int]:
    """What must be there before a value can be made: the parts of what cannot be filled later."""
    return row[1] if row[0] in ("tuple", "Size", "range", "slice") else []


def _made(row: list[Any], made: list[Any], space: Namespace, tensors: list[Tensor]) -> Any:
    tag = row[0]
    if tag == "plain":
        return row[1]
    if tag == "int":
        return int(row[1])
    if tag == "float":
        return float(row[1])
    if tag == "complex":
        return complex(float(row[1]), float(row[2]))
    if tag == "tensor":
        return tensors[row[1]]
    if tag in ("tuple", "Size"):
        parts = [made[k] for k in row[1]]
        return tuple(parts) if tag == "tuple" else Size(parts)
    if tag in ("range", "slice"):
        return {"range": range, "slice": slice}[tag](*(made[k] for k in row[1]))
    if tag == "dtype":
        return DTYPES[row[1]]
    if tag == "function":
        return _function(row[1], row[2], space)
    if tag == "native":
        return _native(row[1])
    if tag == "stateful":
        return object.__new__(_classes()[row[1]])
    if tag == "defaultdict":
        return defaultdict(dict)
    return {"list": list, "dict": dict, "set": OrderedSet}[tag]()


def _filled(value: Any, row: list[Any], made: list[Any]) -> None:
    tag = row[0]
    if tag == "list":
        value.extend(made[k] for k in row[1])
    elif tag in ("dict", "defaultdict"):
        value.update((made[k], made[v]) for k, v in row[1])
    elif tag == "set":
        value.items.update(dict.fromkeys(made[k] for k in row[1]))
    elif tag == "stateful":
        vars(value).update({name: made[k] for name, k in row[2]})
    elif tag == "function":
        value.parameters[:] = [
            Parameter(name, kind, MISSING if k is None else made[k])
            for (name, kind), k in zip(row[3], row[4], strict=True)
        ]


def _nothing(name: str) -> Any:  # noqa: ARG001 - whatever a default names, it is replaced by what it was
    return None


def _function(source: str, line: int, space: Namespace) -> ScriptFunction:
    """The function that a text defines, which is to find its global names in ``space``. Errors: Unstorable."""
    aside = Namespace(_nothing, predefined())
    try:
        Cell("\n" * (line - 1) + source, most_bytes=2**62).run(Run(Budget(seconds=None)), aside)
    except ServiceError as error:
        raise Unstorable("a function that cannot be defined by its text alone") from error
    found = next(iter(aside.bound.values()), None)
    if len(aside.bound) != 1 or not isinstance(found, ScriptFunction):
        raise Unstorable("a function that its text alone does not define")
    found.space = space
    return found


def _native(name: str) -> Any:
    """What the interpreter offers under a name; MISSING for nothing."""
    found = predefined().get(name, MISSING)
    head, _, rest = name.partition(".")
    if found is MISSING and rest:
        found = predefined().get(head, MISSING)
        for part in rest.split("."):
            if not isinstance(found, Module):
                return MISSING
            found = found.find(part)
    return found


def _classes() -> dict[str, type]:
    """The optimizers and schedulers, by name."""
    from engine import optim
    from engine.optim import lr_scheduler

    everything = {**vars(optim), **vars(lr_scheduler)}
    return {k: v for k, v in everything.items() if isinstance(v, type) and issubclass(v, _STATEFUL)}
