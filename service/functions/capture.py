"""From a recorded graph to the steps of a function: what was computed once, on some values, as something that can be called.

The graph keeps what derivatives need, not more: of ``x + 2`` not the 2. So whoever recorded it hands over what came in beside the graph
(``beside``). What is no input becomes a constant, with the value that it has now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.dtypes import dtype
from engine.node import AccumulateGrad, Node, Port
from engine.op import OPS, Op
from engine.tensor import Tensor, node_of
from service.functions.definition import plain
from service.steps.errors import InvalidInput

__all__ = ["Captured", "captured"]

SWAPPED: Final = {"_rdiv": "div", "_rpow": "pow"}  # rows of Python's reflected operators
MOST_NODES: Final = 2_000
EDGES: Final = (Node, AccumulateGrad, Port)


@dataclass(slots=True)
class Captured:
    """A definition in steps, as plain data, and the values on which it was recorded: of its inputs and of its outputs."""

    definition: dict[str, Any]
    inputs: dict[str, np.ndarray[Any, Any]]
    outputs: list[np.ndarray[Any, Any]]


def captured(
    outputs: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
    named: Mapping[str, Tensor],
    beside: Mapping[Node, tuple[Op, list[Any]]],
) -> Captured:
    """The steps that lead from inputs to outputs.

    outputs, inputs: by id. named: all tensors with ids; constants among them keep theirs. beside: for a node the row and arguments of the
    call that left it, with an edge of the graph where a recorded tensor stood. Iterative.
    Errors: InvalidInput that says which part of the graph is not a step.
    """
    walk = _Walk(dict(inputs), dict(named), beside)
    chosen = {name: walk.reference(t, name) for name, t in outputs.items()}
    missing = [name for name in inputs if name not in walk.used]
    if missing:
        raise InvalidInput(f"the outputs do not depend on '{missing[0]}'", argument="inputs")
    shown: Any = list(chosen.values())
    return Captured(
        {
            "inputs": {name: {"dtype": t.dtype.name, "shape": list(t.shape)} for name, t in inputs.items()},
            "steps": walk.steps,
            "constants": walk.constants,
            "outputs": shown[0] if len(shown) == 1 else chosen,
        },
        {name: np.array(t._array) for name, t in inputs.items()},
        [np.array(t._array) for t in outputs.values()],
    )


@dataclass(slots=True)
class _Walk:
    """The steps so far, and under which names they go."""

    inputs: dict[str, Tensor]
    named: dict[str, Tensor]
    beside: Mapping[Node, tuple[Op, list[Any]]]
    steps: list[dict[str, Any]] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    names: dict[tuple[int, int], str] = field(default_factory=dict)  # of nodes' outputs
    values: dict[int, str] = field(default_factory=dict)  # of tensors beside the graph
    held: list[Any] = field(default_factory=list)
    done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, t in self.inputs.items():
            edge = node_of(t)
            if edge is None:
                self.values[id(t)] = name
            else:
                self.names[_place(edge)] = name

    def reference(self, t: Tensor, name: str) -> str:
        """What an output is called. Errors: InvalidInput for one without a graph."""
        edge = node_of(t)
        if edge is None:
            raise InvalidInput(f"'{name}' has no graph: nothing that it came from requires grad", argument="outputs")
        self.follow(edge)
        return self.name(edge)

    def name(self, edge: Any) -> str:
        found = self.names[_place(edge)]
        if found in self.inputs:
            self.used.add(found)
        return found

    def follow(self, root: Any) -> None:
        """Make the steps of everything behind an edge that is not there yet, in order."""
        stack = [root]
        found: dict[int, Any] = {}
        while stack:
            edge = stack.pop()
            if _place(edge) in self.names or edge.seq in found or edge.seq in self.done:
                continue
            node = edge.node if type(edge) is Port else edge
            found[edge.seq] = node
            if len(found) > MOST_NODES:
                raise InvalidInput(f"the graph has more than {MOST_NODES} nodes, as many as a function may have steps")
            stack.extend(self.edges(node))
        for seq in sorted(found):
            node = found[seq]
            self.done.add(seq)
            if isinstance(node, AccumulateGrad):
                self.names[seq, 0] = self.constant(node.array, self.id_of(node))
            else:
                self.step(node)

    def id_of(self, node: AccumulateGrad) -> str | None:
        return next((n for n, t in self.named.items() if node_of(t) is node), None)

    def constant(self, array: Any, name: str | None) -> str:
        if name is None or name in self.constants or name in self.inputs:
            name = self.fresh("c")
        self.constants[name] = plain(np.asarray(array))
        return name

    def fresh(self, letter: str) -> str:
        k = len(self.steps) + len(self.constants) + 1
        while f"{letter}{k}" in self.named or f"{letter}{k}" in self.constants or f"{letter}{k}" in self.names.values():
            k += 1
        return f"{letter}{k}"

    # -- one node ----------------------------------------------------------------------------------------------------

    def edges(self, node: Any) -> list[Any]:
        """What a step of this node takes from the graph."""
        call = self.beside.get(node) if isinstance(node, Node) else None
        if call is None:
            return [e for e in node.edges if e is not None]
        op, values = call
        given = [v for i in op.tensors for v in (values[i] if type(values[i]) is list else (values[i],))]
        return [v for v in given if isinstance(v, EDGES)]

    def step(self, node: Node) -> None:
        call = self.beside.get(node)
        op = getattr(node.plan, "op", None) if call is None else call[0]
        if not isinstance(op, Op):
            raise InvalidInput(f"{node.name()} is no operator of the catalogue: a function cannot repeat it")
        arguments = self.arguments(node, op) if call is None else self.recalled(node, op, call[1])
        several = None if node.extra is None else node.extra.outputs
        names = [self.fresh("v")]
        if several is not None:
            names = [f"{names[0]}_{k}" for k in range(len(several))]
        for k, name in enumerate(names):
            self.names.setdefault((node.seq, k), name)
        self.steps.append({**_written(op, arguments), "id": names[0] if several is None else names})

    def recalled(self, node: Node, op: Op, values: list[Any]) -> list[Any]:
        """The arguments of a call that was remembered."""
        out = []
        for i, value in enumerate(values):
            if i not in op.tensors:
                out.append(_plain(value, node))
            elif type(value) is list:
                out.append([self.operand(v) for v in value])
            else:
                out.append(self.operand(value))
        return out

    def operand(self, value: Any) -> Any:
        """A reference, or a number."""
        if isinstance(value, EDGES):
            return self.name(value)
        if not isinstance(value, Tensor):
            return value
        found = self.values.get(id(value))
        if found is None:
            name = next((n for n, t in self.named.items() if t is value), None)
            found = self.values[id(value)] = self.constant(value._array, name)
            self.held.append(value)  # so that its identity is nobody else's
        elif found in self.inputs:
            self.used.add(found)
        return found

    def arguments(self, node: Node, op: Op) -> list[Any]:
        """The arguments as far as the graph has them: what requires grad, what a derivative needs, what is no tensor."""
        saved = {}
        if node.saved is not None:
            saved = {i: v for (what, i), v in zip(node.plan.saves, node.saved, strict=True) if what == "input"}
        edges = iter(node.edges)
        out: list[Any] = []
        for i, p in enumerate(op.parameters):
            count = node.attrs[i]
            if i not in op.tensors:
                out.append(_plain(count, node))
            elif count is None:
                out.append(self.argument(node, next(edges), saved.get(i), p.name, required=p.required))
            else:
                members = saved.get(i) or [None] * count
                out.append([self.argument(node, next(edges), m, p.name, required=op.name != "index") for m in members])
        return out

    def argument(self, node: Node, edge: Any, saved: Any, name: str, *, required: bool) -> Any:
        if edge is not None:
            return self.name(edge)
        if saved is not None:
            return self.constant(saved, None)
        if not required:
            return None
        raise InvalidInput(
            f"what stood at '{name}' of {node.name()} is not in the graph, as no derivative needs it; serve the text as code, or make the "
            "graph by operators and batches"
        )


def _place(edge: Any) -> tuple[int, int]:
    return (edge.seq, edge.number if type(edge) is Port else 0)


def _plain(value: Any, node: Node) -> Any:
    if isinstance(value, dtype):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(v, node) for v in value]
    raise InvalidInput(f"an argument of {node.name()} cannot be written as JSON: a {type(value).__name__}")


def _written(op: Op, arguments: list[Any]) -> dict[str, Any]:
    """The call as a step. Views that Python's index makes are written as an index."""
    if op.name == "slice":
        x, dim, start, stop, step = arguments
        return {"op": "getitem", "args": [x, ":, " * dim + f"{start}:{stop}:{step}"]}
    if op.name == "alias":
        return {"op": "getitem", "args": [arguments[0], "..."]}
    if op.name == "index":
        return {"op": "getitem", "args": [arguments[0], ", ".join(":" if i is None else str(i) for i in arguments[1])]}
    if op.name in SWAPPED:
        return {"op": SWAPPED[op.name], "args": arguments[1::-1]}
    if not (OPS[op.name][0].forms):
        raise InvalidInput(f"{op.id} is no operator of the catalogue: a function cannot repeat it")
    args = [a for a, p in zip(arguments, op.parameters, strict=True) if not p.keyword_only]
    kwargs = {p.name: a for a, p in zip(arguments, op.parameters, strict=True) if p.keyword_only and a != p.default}
    while (
        args
        and len(args) > 1
        and not op.parameters[len(args) - 1].required
        and args[-1] == op.parameters[len(args) - 1].default
    ):
        args.pop()
    return {"op": op.name, "args": args, "kwargs": kwargs}
