"""A session as plain data, and back.

It holds names, values with their strides and shared memory, the graph with what is saved and freed, views, version cells, scopes,
counters, the generator, and what scripts have bound. Everything is a row of a flat table and refers to others by their place, so
nothing recurses however deep a graph is. Bytes of values are arrays of uint8, one for each memory that tensors share. What nodes have in
common is named by the row of the operator table. Sequence numbers of nodes are given anew, in the old order: it is the order that
matters to a walk.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import dtypes
from engine.autograd.custom import CustomPlan, FunctionCtx
from engine.grad_mode import InferenceCell
from engine.layout import owner_of
from engine.node import AccumulateGrad, Extra, Meta, Node, Port, sequence
from engine.op import ROWS, Op
from engine.plan import WRITTEN, Plan, erasing, plan_of, renamed_plan, written_plan
from engine.tensor import Tensor, wrap
from engine.transaction import current
from engine.view import View
from engine.write import CopySlices
from service.sessions.limits import Limits
from service.sessions.plain import Unstorable, read_value, written_value
from service.sessions.script_values import Reader, Writer
from service.sessions.session import Binding, Session, Unrecorded
from service.steps.workspace import Scope

__all__ = ["forked", "restored", "taken"]

_KEYS: dict[int, str] = {}
_ROWS: dict[str, Op] = {}


def _key(op: Op) -> str:
    """A row's name for good: its public name and torch's, and a number where two rows share both."""
    if not _KEYS:
        for each in ROWS:
            key = f"{each.name}|{each.id}"
            while key in _ROWS:
                key += "+"
            _ROWS[key] = each
            _KEYS[id(each)] = key
    return _KEYS[id(op)]


def _row(key: str) -> Op:
    if not _ROWS:
        _key(ROWS[0])
    return _ROWS[key]


def taken(session: Session) -> dict[str, Any]:
    """The session as plain data with arrays of bytes. Errors: Unstorable for what has no form, such as a custom function."""
    return _Taker().take(session)


def forked(session: Session, session_id: str, limits: Limits | None = None) -> tuple[Session, dict[str, Any]]:
    """A session that holds the same over the same memory, and what ``taken`` says of both.

    From now on neither writes into that memory: the first that would meets SharedMemory, and gets memory of its own (``sharing.own``).
    """
    taker = _Taker()
    data = taker.take(session)
    twin = _Restorer(data, share=True).outside(session_id, limits)
    session.shared = twin.shared = {id(owner): weakref.ref(owner) for owner in taker.owners}
    return twin, data


class _Taker:
    """Numbers tensors, nodes, cells and memory in the order of their discovery."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int], int] = {}
        self.alive: list[Any] = []
        self.memory: list[Any] = []
        self.owners: list[np.ndarray[Any, Any]] = []
        self.starts: list[int] = []
        self.cells: list[Any] = []
        self.tensors: list[Any] = []
        self.metas: list[Any] = []
        self.nodes: list[Any] = []
        self.ports: list[Any] = []
        self.beside: list[Any] = []
        self.waiting: list[tuple[str, int, Any]] = []

    def take(self, session: Session) -> dict[str, Any]:
        names = [
            [name, b.number, self.tensor(b.tensor), None if b.unrecorded is None else self._unrecorded(b.unrecorded)]
            for name, b in session.bindings()
        ]
        self.script = Writer(session.space, self.tensor, self.edge)
        bound = self.script.pairs(session.values)
        self.script.drain()
        while self.waiting:
            kind, place, thing = self.waiting.pop()
            if kind == "tensor":
                self.tensors[place] = self._tensor(thing)
            elif kind == "meta":
                self.metas[place] = self._meta(thing)
            else:
                self.nodes[place] = self._leaf(thing) if isinstance(thing, AccumulateGrad) else self._node(thing)
                known = None if isinstance(thing, AccumulateGrad) else session.beside.get(thing)
                if known is not None:
                    self.beside.append([place, _key(known[0]), [self._aside(v) for v in known[1]]])
            self.script.drain()
        return {
            "name": session.name,
            "default_dtype": session.default_dtype.name,
            "counters": [session.next_auto, session.next_number, session.next_scope],
            "scopes": [s.to_json() for s in session.scopes],
            "generator": _generator_data(session.generator.get_state()),
            "names": names,
            "values": {"names": bound, "table": self.script.table},
            "tensors": self.tensors,
            "metas": self.metas,
            "nodes": self.nodes,
            "ports": self.ports,
            "beside": self.beside,
            "cells": self.cells,
            "memory": self.memory,
        }

    def _unrecorded(self, left_out: Unrecorded) -> list[Any]:
        return [left_out.op, [self.tensor(t) for t in left_out.inputs]]

    def place(self, kind: str, thing: Any, table: list[Any]) -> int:
        """Where a thing stands in its table; put there, to be filled in later, at its first sight."""
        key = (kind, id(thing))
        found = self.places.get(key)
        if found is None:
            found = self.places[key] = len(table)
            table.append(None)
            self.alive.append(thing)
            self.waiting.append((kind, found, thing))
        return found

    def tensor(self, t: Tensor) -> int:
        return self.place("tensor", t, self.tensors)

    def cell(self, cell: Any) -> int:
        if type(cell) is int:
            raise Unstorable("a version without a cell")
        key = ("cell", id(cell))
        if key not in self.places:
            self.places[key] = len(self.cells)
            self.cells.append(list(cell))
            self.alive.append(cell)
        return self.places[key]

    def edge(self, edge: Any) -> Any:
        """None, the place of a node, or [the place of a port]."""
        if edge is None:
            return None
        if type(edge) is not Port:
            return self.place("node", edge, self.nodes)
        key = ("port", id(edge))
        if key not in self.places:
            self.places[key] = len(self.ports)
            self.alive.append(edge)
            self.ports.append(
                [self.place("node", edge.node, self.nodes), edge.number, list(edge.shape), _dtype(edge.dtype)]
            )
        return [self.places[key]]

    def array(self, value: Any) -> Any:
        """[memory, offset, dtype, shape, strides, writeable], or [dtype, bytes] of a scalar."""
        if isinstance(value, np.generic):
            return [_dtype(value.dtype), value.tobytes()]
        owner = owner_of(value)
        low, high = np.lib.array_utils.byte_bounds(owner)
        first = value.__array_interface__["data"][0]
        inner = np.lib.array_utils.byte_bounds(value)
        if value.size and (high - low != owner.nbytes or inner[0] < low or inner[1] > high):
            raise Unstorable("memory with gaps")
        key = ("memory", id(owner))
        if key not in self.places:
            self.places[key] = len(self.memory)
            self.alive.append(owner)
            self.memory.append(owner.ravel(order="K").view(np.uint8) if owner.size else np.empty(0, np.uint8))
            self.owners.append(owner)
            self.starts.append(low)
        place = self.places[key]
        offset = first - self.starts[place] if value.size else 0
        return [place, offset, _dtype(value.dtype), list(value.shape), list(value.strides), value.flags.writeable]

    def _aside(self, value: Any) -> Any:
        """An argument of a call that is remembered beside the graph."""
        if type(value) is list:
            return ["list", [self._aside(v) for v in value]]
        if isinstance(value, Tensor):
            return ["tensor", self.tensor(value)]
        if isinstance(value, (Node, Port, AccumulateGrad)):
            return ["edge", self.edge(value)]
        return ["value", self.value(value)]

    def value(self, value: Any) -> Any:
        return written_value(value, self.array, _key)

    def _tensor(self, t: Tensor) -> list[Any]:
        view = None
        if t._view is not None:
            v = t._view
            view = [self.tensor(v.base), v.creation, v.version, [self.value(step) for step in v.chain]]
        meta = None if t._meta is None else self.place("meta", t._meta, self.metas)
        return [self.array(t._array), self.cell(t._version_cell), self.edge(t._node), view, meta]

    def _meta(self, meta: Meta) -> list[Any]:
        if meta.hooks or meta.post_hooks:
            raise Unstorable("a hook")
        grad = None if meta.grad is None else self.tensor(meta.grad)
        return [meta.retains_grad, grad, True] if meta.reshaped else [meta.retains_grad, grad]

    def _leaf(self, node: AccumulateGrad) -> list[Any]:
        held = None if node.tensor is None else node.tensor()
        place = None if held is None else self.places.get(("tensor", id(held)))
        return [
            node.seq,
            self.array(node.array),
            self.cell(node.cell),
            self.place("meta", node.meta, self.metas),
            place,
        ]

    def _node(self, node: Node) -> list[Any]:
        plan = self._plan(node.plan)
        extra = None
        if node.extra is not None:
            e = node.extra
            if e.node_hooks or e.node_pre_hooks or any(e.tensor_hooks.values()):
                raise Unstorable("a hook")
            outputs = None if e.outputs is None else [[list(shape), _dtype(d)] for shape, d in e.outputs]
            retained = [[number, self.place("meta", m, self.metas)] for number, m in e.retained.items()]
            extra = [outputs, retained]
        cells = node.cells
        return [
            node.seq,
            plan,
            [["script", self.script.place(a)] if isinstance(a, FunctionCtx) else self.value(a) for a in node.attrs],
            [self.edge(e) for e in node.edges],
            None if node.saved is None else [self._saved(s) for s in node.saved],
            [cells[i] if i % 2 else self.cell(cells[i]) for i in range(len(cells))],
            list(node.shape),
            None if node.dtype is None else _dtype(node.dtype),
            extra,
        ]

    def _saved(self, value: Any) -> Any:
        """What a node keeps; a custom function's keeps what was saved as (array, edge or number of the output, version cell)."""
        if type(value) is tuple and len(value) == 3 and type(value[2]) is list:
            array, edge, cell = value
            out = ["output", edge] if type(edge) is int else ["edge", self.edge(edge)]
            return ["saved", self.array(array), out, self.cell(cell)]
        return self.value(value)

    def _plan(self, plan: Plan) -> list[Any]:
        """[row, or place of a custom function's class, mask, how often a view of it was written].

        The mask of an in-place form with a name of its own is below zero; that of a custom function is which input was written.
        """
        depth = 0
        while type(plan) is CopySlices:
            plan, depth = plan.inner, depth + 1
        custom = getattr(getattr(plan, "function", None), "script_class", None)
        if custom is not None:
            return [self.script.place(custom), plan.first, depth]  # type: ignore[attr-defined]
        if type(plan) is not Plan:
            raise Unstorable(f"a node of {plan.name}")
        known = plan_of(plan.op, plan.mask)
        if known is None or plan.name not in (known.name, WRITTEN.get(plan.op.id)):  # written over, or called otherwise
            return [_key(plan.op), [plan.mask, plan.name], depth]
        return [_key(plan.op), plan.mask if plan is known else -1 - plan.mask, depth]


def _generator_data(state: Mapping[str, Any]) -> dict[str, Any]:
    """A generator's state as plain data; its words as bytes."""
    philox = state["philox"]
    inner = philox["state"]
    return {
        "seed": state["seed"],
        "words": np.concatenate([inner["counter"], inner["key"], philox["buffer"]]).astype("<u8").tobytes(),
        "rest": [philox["buffer_pos"], philox["has_uint32"], philox["uinteger"]],
    }


def _generator_state(data: Mapping[str, Any]) -> dict[str, Any]:
    """Back from ``_generator_data``."""
    words = np.frombuffer(data["words"], "<u8").astype(np.uint64)
    position, has, last = data["rest"]
    return {
        "seed": data["seed"],
        "philox": {
            "bit_generator": "Philox",
            "state": {"counter": words[:4], "key": words[4:6]},
            "buffer": words[6:10],
            "buffer_pos": position,
            "has_uint32": has,
            "uinteger": last,
        },
    }


def _memory(content: Any) -> np.ndarray[Any, Any]:
    """Memory of its own; what holds nothing has a place all the same."""
    return np.array(np.frombuffer(content, np.uint8)) if len(content) else np.zeros(16, np.uint8)


def _dtype(d: np.dtype[Any]) -> str:
    return d.str


def restored(session_id: str, data: Mapping[str, Any], limits: Limits | None = None) -> Session:
    """The session that ``taken`` wrote down."""
    return _Restorer(data).outside(session_id, limits)


class _Restorer:
    """Makes empty things first, then fills them in: references may go anywhere."""

    def __init__(self, data: Mapping[str, Any], *, share: bool = False) -> None:
        self.data = data
        self.memory = [m if share and len(m) else _memory(m) for m in data["memory"]]
        self.cells = [list(c) if c else InferenceCell() for c in data["cells"]]
        self.tensors = [wrap(np.False_) for _ in data["tensors"]]
        self.metas = [Meta() for _ in data["metas"]]
        new = object.__new__
        self.nodes: list[Any] = [new(AccumulateGrad if len(row) == 5 else Node) for row in data["nodes"]]
        for place in sorted(range(len(self.nodes)), key=lambda k: data["nodes"][k][0]):
            self.nodes[place].seq = next(sequence)
        self.ports = [Port(self.nodes[k], number, tuple(shape), np.dtype(d)) for k, number, shape, d in data["ports"]]

    def outside(self, session_id: str, limits: Limits | None) -> Session:
        """Made in no transaction: whatever becomes of an open one, the new session is not its affair."""
        token = current.set(None)
        try:
            return self.restore(session_id, limits)
        finally:
            current.reset(token)

    def restore(self, session_id: str, limits: Limits | None) -> Session:
        data = self.data
        session = Session(
            session_id, name=data["name"], default_dtype=dtypes.DTYPES[data["default_dtype"]], limits=limits
        )
        self.script = Reader(data["values"]["table"], session.space, self.tensors, self.edge).values
        for meta, (retains, grad, *reshaped) in zip(self.metas, data["metas"], strict=True):
            meta.retains_grad = retains
            meta.reshaped = bool(reshaped)
            meta.grad = None if grad is None else self.tensors[grad]
        for node, row in zip(self.nodes, data["nodes"], strict=True):
            (self._leaf if len(row) == 5 else self._node)(node, row)
        for t, row in zip(self.tensors, data["tensors"], strict=True):
            self._tensor(t, row)
        session.generator.set_state(_generator_state(data["generator"]))
        session.next_auto, session.next_number, session.next_scope = data["counters"]
        session.scopes = tuple(Scope(s["id"], s["mode"], s.get("enabled")) for s in data["scopes"])
        for name, number, place, left_out in data["names"]:
            unrecorded = None
            if left_out is not None:
                unrecorded = Unrecorded(left_out[0], tuple(self.tensors[k] for k in left_out[1]))
            session.names[name] = Binding(self.tensors[place], number, unrecorded)
        session.values.update((name, self.script[k]) for name, k in data["values"]["names"])
        for place, key, row in data["beside"]:
            session.beside[self.nodes[place]] = (_row(key), [self._aside(v) for v in row])
        session.measure()
        return session

    def _aside(self, row: Any) -> Any:
        tag, inner = row
        if tag == "list":
            return [self._aside(v) for v in inner]
        return self.tensors[inner] if tag == "tensor" else self.edge(inner) if tag == "edge" else self.value(inner)

    def array(self, row: Any) -> Any:
        if len(row) == 2:
            return np.frombuffer(row[1], np.dtype(row[0]))[0]
        place, offset, d, shape, strides, writeable = row
        dtype, shape = np.dtype(d), tuple(shape)
        made = np.ndarray(shape, dtype, self.memory[place], offset, tuple(strides))
        if not writeable:
            made.flags.writeable = False
        return made

    def value(self, row: Any) -> Any:
        return read_value(row, self.array, _row)

    def edge(self, row: Any) -> Any:
        if row is None:
            return None
        return self.ports[row[0]] if isinstance(row, list) else self.nodes[row]

    def _tensor(self, t: Tensor, row: Any) -> None:
        array, cell, edge, view, meta = row
        t._array = self.array(array)
        t._version_cell = self.cells[cell]
        t._node = self.edge(edge)
        if view is not None:
            base, creation, version, chain = view
            t._view = View(self.tensors[base], tuple(self.value(s) for s in chain), version, creation)
        t._meta = None if meta is None else self.metas[meta]

    def _leaf(self, node: AccumulateGrad, row: Any) -> None:
        _, array, cell, meta, tensor = row
        node.array = self.array(array)
        node.cell = self.cells[cell]
        node.meta = self.metas[meta]
        node.shape, node.dtype = node.array.shape, node.array.dtype
        node.tensor = None if tensor is None else weakref.ref(self.tensors[tensor])

    def _node(self, node: Node, row: Any) -> None:
        _, plan, attrs, edges, saved, cells, shape, d, extra = row
        node.plan = self._plan(*plan)
        if isinstance(node.plan, CustomPlan):
            node.__class__ = node.plan.node_type
        node.attrs = tuple(self._attribute(a) for a in attrs)
        node.edges = tuple(self.edge(e) for e in edges)
        node.saved = None if saved is None else tuple(self._kept(s) for s in saved)
        node.cells = tuple(c if i % 2 else self.cells[c] for i, c in enumerate(cells))
        node.shape = tuple(shape)
        node.dtype = None if d is None else np.dtype(d)
        node.extra = None
        if extra is not None:
            outputs, retained = extra
            node.extra = Extra()
            node.extra.outputs = None if outputs is None else tuple((tuple(s), np.dtype(o)) for s, o in outputs)
            node.extra.retained = {number: self.metas[m] for number, m in retained}

    def _attribute(self, row: Any) -> Any:
        return self.script[row[1]] if isinstance(row, list) and row[0] == "script" else self.value(row)

    def _kept(self, row: Any) -> Any:
        if not isinstance(row, list) or row[0] != "saved":
            return self.value(row)
        _, array, (tag, edge), cell = row
        return self.array(array), edge if tag == "output" else self.edge(edge), self.cells[cell]

    def _innermost(self, key: str | int, mask: Any) -> Plan | None:
        if isinstance(key, int):
            wrapped = self.script[key].wrapped
            return CustomPlan(wrapped, mask) if mask else wrapped._plan
        row = _row(key)
        if isinstance(mask, list):
            known = plan_of(row, mask[0])
            return erasing(row, *mask) if known is None else renamed_plan(known, mask[1])
        plan = plan_of(row, mask if mask >= 0 else -1 - mask)
        return plan if mask >= 0 or plan is None else written_plan(row, plan)

    def _plan(self, key: str | int, mask: Any, depth: int) -> Plan:
        plan = self._innermost(key, mask)
        assert plan is not None, key
        for _ in range(depth):
            plan = CopySlices(plan)
        return plan
