"""A fingerprint of everything a session would remember: two sessions with one digest answer every request alike.

It covers names, values, versions, flags, gradients, sharing of memory, the graph with what is saved and freed, scopes, counters and the
generator. Iterative, so graphs of any depth may be read. For tests, recovery and comparison; not for secrets.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np

from engine.errors import ViewError
from engine.layout import owner_of
from engine.node import AccumulateGrad, Port
from engine.tensor import Tensor, node_of
from service.scripts.keeping import facts
from service.sessions.session import Session

__all__ = ["digest"]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def digest(session: Session) -> str:
    """The SHA-256 of the session's state, as hex digits."""
    reader = _Reader()
    for name, b in session.bindings():
        reader.add("name", name, b.number, reader.tensor(b.tensor), None if b.unrecorded is None else b.unrecorded.op)
    reader.script(session.values)
    reader.drain()
    state = session.generator.get_state()
    reader.add("generator", json.dumps(state, default=_plain, sort_keys=True))
    reader.add("scopes", [s.to_json() for s in session.scopes])
    reader.add("counters", session.next_auto, session.next_number, session.next_scope, session.default_dtype.name)
    return reader.hash.hexdigest()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


class _Reader:
    """Numbers tensors, nodes and memory in the order of their discovery, so that addresses play no part."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.numbers: dict[tuple[str, int], int] = {}
        self.alive: list[Any] = []  # what was numbered by address must live until the end
        self.waiting: list[Tensor] = []
        self.nodes: list[Any] = []

    def add(self, *facts: Any) -> None:
        self.hash.update(repr(facts).encode())

    def number(self, kind: str, thing: Any) -> tuple[int, bool]:
        key = (kind, id(thing))
        known = key in self.numbers
        if not known:
            self.numbers[key] = len(self.numbers)
            self.alive.append(thing)
        return self.numbers[key], not known

    def tensor(self, t: Tensor) -> int:
        number, fresh = self.number("tensor", t)
        if fresh:
            self.waiting.append(t)
        return number

    def script(self, values: dict[str, Any]) -> None:
        for fact in facts(values):
            self.add("value", self.tensor(fact) if isinstance(fact, Tensor) else fact)

    def values(self, array: Any) -> None:
        memory = self.number("memory", owner_of(array))[0] if isinstance(array, np.ndarray) else -1
        self.add("values", array.dtype.str, array.shape, getattr(array, "strides", ()), memory)
        self.hash.update(np.ascontiguousarray(array).tobytes())

    def edge(self, edge: Any) -> tuple[int, int] | None:
        if edge is None:
            return None
        node = edge.node if type(edge) is Port else edge
        number, fresh = self.number("node", node)
        if fresh:
            self.nodes.append(node)
        return number, edge.number if type(edge) is Port else 0

    def drain(self) -> None:
        while self.waiting or self.nodes:
            if self.waiting:
                self._tensor(self.waiting.pop())
            else:
                self._node(self.nodes.pop())

    def _tensor(self, t: Tensor) -> None:
        try:
            edge = self.edge(node_of(t))
        except ViewError as error:  # its base was written, and that it may not follow
            edge = None
            self.add("forbidden", str(error))
        self.add("tensor", None if t.is_inference() else t._version, self.number("cell", t._version_cell)[0], edge)
        self.values(t._array)
        if t._view is not None:
            view = t._view
            self.add("view", self.tensor(view.base), view.creation, [(s.op.id, s.attrs, s.number) for s in view.chain])
        self._meta(t._meta)

    def _meta(self, meta: Any) -> None:
        if meta is not None and (meta.retains_grad or meta.grad is not None):  # an empty one says what none says
            self.add("meta", meta.retains_grad, None if meta.grad is None else self.tensor(meta.grad))

    def _node(self, node: Any) -> None:
        if isinstance(node, AccumulateGrad):
            self.add("leaf", node.cell[0])
            self.values(node.array)
            self._meta(node.meta)
            return
        self.add(
            "node",
            node.name(),
            node.shape,
            str(node.dtype),
            _ADDRESS.sub("", repr(node.attrs)),
            [self.edge(e) for e in node.edges],
            node.freed,
        )
        for value in node.saved or ():
            for v in value if type(value) is list else (value,):
                if isinstance(v, (np.ndarray, np.generic)):
                    self.values(v)
                elif type(v) is tuple and len(v) == 3 and type(v[2]) is list:  # a custom function's (array, edge, cell)
                    self.values(v[0])
                    self.add("saved", v[1] if isinstance(v[1], int) else self.edge(v[1]), v[2][0])
                else:
                    self.add(v)
        self.add([c if isinstance(c, int) else c[0] for c in node.cells])
