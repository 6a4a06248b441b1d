"""What scripts have bound beside tensors, as rows of a flat table, and back: containers, functions, classes, objects, optimizers.

A function is the text of the statement that it stands in, its place there, its defaults and the names that it closes over; a class its
bases and members; an object its fields. What the interpreter offers is known by its name, or by the call that made it. Rows refer to each
other by place, so nothing recurses and everything may hold everything. What is left has no form here (a hook's handle, what ``vjp``
answers): a session that holds such is known by its records alone.
"""

from __future__ import annotations

import math
import weakref
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from engine.autograd.function import FunctionCtx
from engine.dtypes import DTYPES, dtype
from engine.grad_mode import _Mode
from engine.layout import FORMATS, Size, cpu, device, memory_format
from engine.node import AccumulateGrad, Node, Port
from engine.optim import Optimizer
from engine.optim.lr_scheduler import LRScheduler
from engine.return_types import of
from engine.tensor import Tensor
from service.scripts import MISSING, Budget, Namespace, Run, ScriptFunction, predefined
from service.scripts.calls import Member, Method, call
from service.scripts.cell import codes_of
from service.scripts.classes import CUSTOM, engine_function
from service.scripts.containers import View
from service.scripts.values import (
    Bound,
    Code,
    Frame,
    Kind,
    Module,
    Native,
    OrderedSet,
    Parameter,
    ScriptClass,
    ScriptObject,
    Super,
)
from service.sessions.plain import Unstorable
from service.steps.errors import ServiceError

__all__ = ["Reader", "Writer"]

_SIMPLE: Final = (type(None), bool, str, bytes)
_STATEFUL: Final = (Optimizer, LRScheduler, _Mode)
_EDGES: Final = (Node, AccumulateGrad, Port)


class Writer:
    """Numbers values in the order of their discovery, and writes each down once. tensor, edge: where these stand in tables of their own."""

    def __init__(self, space: Namespace, tensor: Callable[[Tensor], int], edge: Callable[[Any], Any]) -> None:
        self.table: list[Any] = []
        self._space = space
        self._tensor = tensor
        self._edge = edge
        self._places: dict[int, int] = {}
        self._alive: list[Any] = []
        self._waiting: list[tuple[int, Any]] = []

    def place(self, value: Any) -> int:
        """Where a value stands; written down by ``drain``."""
        found = self._places.get(id(value))
        if found is None:
            found = self._places[id(value)] = len(self.table)
            self._alive.append(value)
            self.table.append(None)
            self._waiting.append((found, value))
        return found

    def places(self, values: Any) -> list[int]:
        return [self.place(v) for v in values]

    def pairs(self, values: dict[Any, Any]) -> list[list[Any]]:
        """Names with the places of what they name."""
        return [[name, self.place(v)] for name, v in values.items()]

    def drain(self) -> None:
        """Write down what waits. Errors: Unstorable."""
        while self._waiting:
            at, value = self._waiting.pop()
            row = self._plain(value)
            self.table[at] = self._made_by_a_script(value) if row is None else row

    def _plain(self, value: Any) -> list[Any] | None:  # noqa: PLR0912 - one case a kind
        """Python's and the engine's own values; None for others."""
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
            return ["tensor", self._tensor(value)]
        if kind in (list, tuple, Size):
            return [kind.__name__, self.places(value)]
        if kind is View:
            return ["view", value.name, self.places(value)]
        if kind is dict or (kind is defaultdict and value.default_factory is dict):
            return [kind.__name__, [[self.place(k), self.place(v)] for k, v in value.items()]]
        if kind is OrderedSet:
            return ["set", self.places(value.items)]
        if isinstance(value, dtype):
            return ["dtype", value.name]
        if isinstance(value, memory_format):
            return ["format", value.name]
        if kind is device:
            return ["device"]
        if value is Ellipsis:
            return ["ellipsis"]
        if kind in (range, slice):
            return [kind.__name__, self.places((value.start, value.stop, value.step))]
        if isinstance(value, tuple) and kind.__module__ == "torch.return_types":
            fields = kind._fields
            if of(kind.__name__, fields) is kind:
                return ["named", kind.__name__, list(fields), self.places(value)]
        if isinstance(value, _EDGES):
            return ["edge", self._edge(value)]
        return None

    def _made_by_a_script(self, value: Any) -> list[Any]:  # noqa: PLR0912 - one case a kind
        kind = type(value)
        if kind is ScriptFunction:
            return self._function(value)
        if kind is Frame:
            if value.space is not self._space:
                raise Unstorable("a function of other global names")
            return ["frame", self._maybe(value.parent), self.pairs(value.names)]
        if kind is ScriptClass:
            wrapped = None if value.wrapped is None else self._wrapped(value.wrapped)
            return [
                "class",
                value.name,
                self.places(value.bases),
                self._maybe(value.native),
                self.pairs(value.fields),
                value.source,
                value.line,
                wrapped,
            ]
        if kind is ScriptObject:
            return ["object", self.place(value.cls), self.pairs(value.fields)]
        if kind is Method:
            return ["method", self.place(value.subject), self.place(value.function)]
        if kind is Bound:
            return ["bound", self.place(value.subject), value.name]
        if kind is Super:
            return ["super", self.place(value.subject), self.place(value.after)]
        if kind is Member:
            return ["member", value.kind, self.place(value.function)]
        if isinstance(value, (Native, Module)):
            return self._native(value)
        if isinstance(value, _STATEFUL) and kind in _classes().values():
            return ["stateful", kind.__name__, self.pairs(vars(value))]
        if kind is FunctionCtx:
            own = {k: v for k, v in vars(value).items() if k not in ("_node", "_records")}
            node = None if value._node is None else value._node()
            return ["context", self.pairs(own), None if node is None else self._edge(node)]
        if isinstance(value, BaseException) and kind in _exceptions():
            return ["exception", kind.__name__, self.place(value.args)]
        raise Unstorable(f"a value of type {kind.__name__}")

    def _maybe(self, value: Any) -> int | None:
        return None if value is None else self.place(value)

    def _function(self, value: ScriptFunction) -> list[Any]:
        if value.space is not self._space:
            raise Unstorable(f"the function {value.name}, of other global names")
        line, text = value.code.unit
        parameters = [
            [p.name, p.kind, None if p.default is MISSING else self.place(p.default)] for p in value.parameters
        ]
        at = [value.code.node.lineno, value.code.node.col_offset]
        return ["function", line, self.place(text), at, parameters, self._maybe(value.frame), self._maybe(value.owner)]

    def _wrapped(self, wrapped: Any) -> list[list[Any]]:
        own = vars(wrapped)
        return [[name, self.place(own[name].__func__)] for name in CUSTOM if name in own]

    def _native(self, value: Native | Module) -> list[Any]:
        if isinstance(value, Native) and value.made is not None:
            function, args, kwargs = value.made
            return ["made", value.name, self.place(function), self.places(args), self.pairs(kwargs)]
        path = value.name if _offered(value.name) is value else _path(value)
        if path is None or type(value) not in (Native, Module, Kind):
            raise Unstorable(f"a {type(value).__name__.lower()} {value.name}")
        return ["native", path]


class Reader:
    """Back from ``Writer``. Things are made first and filled afterwards, so they may hold each other."""

    def __init__(self, table: list[Any], space: Namespace, tensors: list[Tensor], edge: Callable[[Any], Any]) -> None:
        self._table = table
        self._space = space
        self._tensors = tensors
        self._edge = edge
        self.values: list[Any] = [MISSING] * len(table)
        stack = list(range(len(table)))
        while stack:
            at = stack[-1]
            if self.values[at] is not MISSING:
                stack.pop()
                continue
            row = table[at]
            needed = [k for k in _before(row) if self.values[k] is MISSING]
            if needed:
                stack += needed
                continue
            self.values[at] = self._plain(row) if row[0] in _PLAIN else self._empty(row)
            stack.pop()
        for value, row in zip(self.values, table, strict=True):
            self._fill(value, row)
        for tag, finish in (("class", self._wrap), ("made", self._make)):
            for value, row in zip(self.values, table, strict=True):
                if row[0] == tag:
                    finish(value, row)

    def _some(self, places: list[int]) -> list[Any]:
        return [self.values[k] for k in places]

    def _named(self, pairs: list[list[Any]]) -> dict[str, Any]:
        return {name: self.values[k] for name, k in pairs}

    def _maybe(self, place: int | None) -> Any:
        return None if place is None else self.values[place]

    def _plain(self, row: list[Any]) -> Any:  # noqa: PLR0912 - one case a kind
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
            return self._tensors[row[1]]
        if tag in ("tuple", "Size"):
            parts = self._some(row[1])
            return tuple(parts) if tag == "tuple" else Size(parts)
        if tag in ("range", "slice"):
            return {"range": range, "slice": slice}[tag](*self._some(row[1]))
        if tag == "named":
            return of(row[1], tuple(row[2]))(*self._some(row[3]))
        if tag == "dtype":
            return DTYPES[row[1]]
        if tag == "format":
            return FORMATS[row[1]]
        if tag == "device":
            return cpu
        if tag == "ellipsis":
            return Ellipsis
        if tag == "edge":
            return self._edge(row[1])
        assert tag == "native", tag
        return _offered(row[1])

    def _empty(self, row: list[Any]) -> Any:
        """What is filled later."""
        tag = row[0]
        if tag == "function":
            line, column = row[3]
            return ScriptFunction(_codes(row[1], self.values[row[2]])[line, column], [], None, self._space)
        if tag == "frame":
            return Frame(Run(Budget()), self._space, None, {})
        if tag == "class":
            return ScriptClass(row[1], [], None, {}, row[5], row[6])
        if tag == "object":
            return object.__new__(ScriptObject)
        if tag in ("method", "bound", "super", "member"):
            return object.__new__({"method": Method, "bound": Bound, "super": Super, "member": Member}[tag])
        if tag == "made":
            return Native(row[1], _unmade)
        if tag == "stateful":
            return object.__new__(_classes()[row[1]])
        if tag == "context":
            return FunctionCtx()
        if tag == "exception":
            cls = next(c for c in _exceptions() if c.__name__ == row[1])
            return cls.__new__(cls)
        if tag == "view":
            return View(row[1], ())
        if tag == "defaultdict":
            return defaultdict(dict)
        return {"list": list, "dict": dict, "set": OrderedSet}[tag]()

    def _fill(self, value: Any, row: list[Any]) -> None:  # noqa: PLR0912 - one case a kind
        tag = row[0]
        if tag in ("list", "view"):
            value.extend(self._some(row[-1]))
        elif tag in ("dict", "defaultdict"):
            value.update((self.values[k], self.values[v]) for k, v in row[1])
        elif tag == "set":
            value.items.update(dict.fromkeys(self._some(row[1])))
        elif tag == "function":
            value.parameters[:] = [
                Parameter(name, kind, MISSING if k is None else self.values[k]) for name, kind, k in row[4]
            ]
            value.frame, value.owner = self._maybe(row[5]), self._maybe(row[6])
        elif tag == "frame":
            value.parent = self._maybe(row[1])
            value.names.update(self._named(row[2]))
        elif tag == "class":
            value.bases[:], value.native = self._some(row[2]), self._maybe(row[3])
            value.fields.update(self._named(row[4]))
        elif tag == "object":
            value.cls, value.fields = self.values[row[1]], self._named(row[2])
        elif tag == "method":
            value.subject, value.function = self._some(row[1:])
            value.name = value.function.name
        elif tag == "bound":
            value.subject, value.name = self.values[row[1]], row[2]
        elif tag == "super":
            value.subject, value.after = self._some(row[1:])
        elif tag == "member":
            value.kind, value.function = row[1], self.values[row[2]]
        elif tag == "stateful":
            vars(value).update(self._named(row[2]))
        elif tag == "context":
            vars(value).update(self._named(row[1]))
            value._node = None if row[2] is None else weakref.ref(self._edge(row[2]))
        elif tag == "exception":
            value.args = self.values[row[2]]

    def _wrap(self, value: ScriptClass, row: list[Any]) -> None:
        if row[7] is not None:
            value.wrapped = engine_function(value, self._named(row[7]))

    def _make(self, value: Native, row: list[Any]) -> None:
        """Make a function of the interpreter's as it was made, in the place of the empty one that others hold already."""
        function, args, kwargs = self.values[row[2]], self._some(row[3]), self._named(row[4])
        run = Run(Budget())
        with run:
            found = call(run, function, tuple(args), kwargs)
        value.name, value.function, value.plain, value.made = found.name, found.function, found.plain, found.made


_PLAIN: Final = frozenset({
    "plain", "int", "float", "complex", "tensor", "tuple", "Size", "range", "slice", "named", "dtype", "format", "device", "ellipsis",
    "edge", "native",
})  # fmt: skip


def _before(row: list[Any]) -> list[int]:
    """What must be there before a value can be made: the parts of what cannot be filled later."""
    if row[0] in ("tuple", "Size", "range", "slice", "named"):
        return list(row[-1])
    return [row[2]] if row[0] == "function" else []


def _unmade(run: Run, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - as every native
    raise RuntimeError("this function is not there yet")


@lru_cache(maxsize=256)
def _codes(line: int, text: str) -> dict[tuple[int, int], Code]:
    try:
        return codes_of(line, text)
    except ServiceError as error:
        raise Unstorable("a function whose text cannot be read") from error


def _offered(name: str) -> Any:
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


def _path(value: Any) -> str | None:
    """Where the interpreter offers something that is called otherwise, such as ``torch.LongTensor``."""
    stack = [(name, found) for name, found in predefined().items()]
    seen: set[int] = set()
    while stack:
        name, found = stack.pop()
        if found is value:
            return name
        if isinstance(found, Module) and id(found) not in seen:
            seen.add(id(found))
            stack += [(f"{name}.{k}", v) for k, v in found.members.items()]
    return None


def _classes() -> dict[str, type]:
    """The optimizers, schedulers and grad modes, by name."""
    from engine import grad_mode, optim
    from engine.optim import lr_scheduler

    everything = {**vars(optim), **vars(lr_scheduler), **vars(grad_mode)}
    return {k: v for k, v in everything.items() if isinstance(v, type) and issubclass(v, _STATEFUL)}


def _exceptions() -> set[type[BaseException]]:
    """The exceptions that scripts know by name."""
    kinds = (v.types[0] for v in predefined().values() if isinstance(v, Kind) and v.types)
    return {k for k in kinds if issubclass(k, BaseException)}
