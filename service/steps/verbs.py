"""Verbs: steps that are not operators, a closed list, declared as rows are: a schema line and a function.

Each takes the open transaction (as a Workspace) and its bound arguments, and answers an Outcome.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine import autograd
from engine.backward import accumulate
from engine.errors import ArgumentError
from engine.graph import saved_names
from engine.node import AccumulateGrad, Node, Port
from engine.schema import Schema, bind, parse
from engine.tensor import Tensor, set_attribute
from engine.walk import Event
from service.steps.binder import Reader, convert_arguments, is_bulk, is_typed
from service.steps.errors import InvalidInput
from service.steps.outcome import Outcome
from service.steps.workspace import Workspace

__all__ = ["VERBS", "Verb", "run_verb", "trace_listener", "verb", "walk_json"]

MOST_TRACED: Final = 1_000
"""Nodes that a trace tells; of a longer walk it tells the first, and how many there were."""
MOST_TRACED_ELEMENTS: Final = 4_000_000
"""Elements that the values of one trace have together; past them a value is told by its shape and dtype alone."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its schema, function and doc.

    keeps: whether it makes a tensor that takes the step's id. binds: whether it makes something else that does (an optimizer, say).
    """

    name: str
    schema: Schema
    run: Callable[..., Outcome]
    keeps: bool
    binds: bool
    doc: str


VERBS: Final[dict[str, Verb]] = {}


def verb(
    line: str, *, name: str | None = None, keeps: bool = False, binds: bool = False
) -> Callable[[Callable[..., Outcome]], Verb]:
    """Declare a verb on its function."""
    schema = parse(line)

    def declare(f: Callable[..., Outcome]) -> Verb:
        row = Verb(name or schema.name, schema, f, keeps, binds, inspect.getdoc(f) or "")
        VERBS[row.name] = row
        return row

    return declare


def run_verb(
    row: Verb, workspace: Workspace, args: Sequence[Any], kwargs: Mapping[str, Any], reader: Reader
) -> Outcome:
    """Bind a verb's arguments and carry it out. Errors: the engine's ArgumentError for what does not fit."""
    if row.name in _TAKES_NAMES:
        converted, named = list(args), dict(kwargs)
    else:
        converted, named = convert_arguments(row.schema.parameters, args, kwargs, reader)
        parameters = row.schema.parameters
        _typed_like_target(row, converted, named, args, kwargs, reader)
        lists = [
            p.name for p in parameters if p.kind.startswith("Tensor[]")
        ]  # one tensor is a list of one: autograd.grad(out, x)
        converted[: len(parameters)] = [
            [v] if p.name in lists and isinstance(v, Tensor) else v for p, v in zip(parameters, converted, strict=False)
        ]
        named = {k: [v] if k in lists and isinstance(v, Tensor) else v for k, v in named.items()}
    return row.run(workspace, *bind(row.name, row.schema.parameters, converted, named))


def _typed_like_target(
    row: Verb,
    converted: list[Any],
    named: dict[str, Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    reader: Reader,
) -> None:
    """An upstream gradient given as data takes the dtype of the tensor it is for."""
    names = [p.name for p in row.schema.parameters]
    if "gradient" not in names:
        return
    target = converted[0] if converted else named.get("tensor")
    at = names.index("gradient")
    given = args[at] if len(args) > at else kwargs.get("gradient")
    plain = isinstance(given, (list, int, float)) or (is_bulk(given) and not is_typed(given))
    if not isinstance(target, Tensor) or not plain or isinstance(given, bool):
        return
    value = reader.literal({"dtype": target.dtype.name, "data": given})
    if len(args) > at:
        converted[at] = value
    else:
        named["gradient"] = value


@verb(
    "backward(Tensor tensor, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False, Tensor[]? inputs=None, "
    "*, bool trace=False) -> Tensor"
)
def backward(
    workspace: Workspace, tensor: Tensor, gradient: Any, retain_graph: Any, create_graph: bool, inputs: Any, trace: bool
) -> Outcome:
    """Add the gradient of a tensor to the ``.grad`` of the leaves it depends on; answers the gradients by name.

    With ``trace`` also the walk, node by node: upstream gradient, what the rule produced, what was accumulated.
    """
    workspace.charge_backward([tensor], create_graph)
    events: list[dict[str, Any]] = []
    passed: list[int] = [0]
    listen = trace_listener(events, passed) if trace else None
    metas = accumulate(tensor, gradient, retain_graph, create_graph, inputs, trace=listen)
    reached = workspace.names_of({id(m) for m in metas})
    value: dict[str, Any] = {"gradients": {name: workspace.lookup(name).grad for name in reached}}
    if trace:
        value |= walk_json(events, passed)
    return Outcome(value=value)


def walk_json(events: list[dict[str, Any]], passed: list[int]) -> dict[str, Any]:
    """A walk as it is answered: the nodes told, how many it passed, and whether that is more."""
    return {"trace": events, "nodes": passed[0], "truncated": passed[0] > len(events)}


def trace_listener(events: list[dict[str, Any]], passed: list[int]) -> Callable[[Event], None]:
    """What ``accumulate`` tells of each node goes into ``events``, as plain data and arrays: bounded in nodes and elements.

    passed: one number, to which each node is counted, also those that are not told.
    """
    room = MOST_TRACED_ELEMENTS

    def shown(g: Any) -> Any:
        nonlocal room
        array = _shown(g, room)
        room -= getattr(array, "size", 0)
        return array

    def listen(event: Event) -> None:
        node, upstream, produced = event
        passed[0] += 1
        if len(events) >= MOST_TRACED:
            return
        entry: dict[str, Any] = {"node": f"n{node.seq}", "name": node.name().removeprefix("torch::autograd::")}
        entry["op"] = node.plan.op.name if isinstance(node, Node) else None
        entry["saved"] = list(saved_names(node)) if isinstance(node, Node) else []
        entry["upstream"] = [shown(g) for g in upstream]
        if isinstance(node, AccumulateGrad):
            before = node.meta.grad
            entry["produced"] = []
            entry["accumulated"] = shown(upstream[0] if before is None else before._array + _raw(upstream[0]))
        else:
            entry["produced"] = [
                {
                    "to": None if e is None else f"n{e.seq}",
                    "output": e.number if type(e) is Port else 0,
                    "gradient": shown(p),
                }
                for e, p in zip(node.edges, produced, strict=True)
            ]
            entry["accumulated"] = None
        events.append(entry)

    return listen


def _raw(g: Any) -> Any:
    return g._array if isinstance(g, Tensor) else g


def _shown(g: Any, room: int) -> Any:
    if g is None:
        return None
    array = _raw(g)
    if array.size > room:
        return {"shape": list(array.shape), "dtype": array.dtype.name, "data_omitted": True}
    return array.copy()


@verb(
    "grad(Tensor[] outputs, Tensor[] inputs, Tensor[]? grad_outputs=None, bool? retain_graph=None, bool create_graph=False, "
    "bool? allow_unused=None, *, bool materialize_grads=False) -> Tensor[]",
    name="autograd.grad",
    keeps=True,
)
def autograd_grad(
    workspace: Workspace,
    outputs: list[Tensor],
    inputs: list[Tensor],
    grad_outputs: Any,
    retain_graph: Any,
    create_graph: bool,
    allow_unused: Any,
    materialize_grads: bool,
) -> Outcome:
    """The gradients of the outputs for each input, as new tensors; ``.grad`` is left alone."""
    workspace.charge_backward(outputs, create_graph)
    found = autograd.grad(
        outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads=materialize_grads
    )
    return Outcome(tensors=found, several=True)


@verb("tensor(Any data, *, ScalarType? dtype=None, bool requires_grad=False) -> Tensor", keeps=True)
def tensor(workspace: Workspace, data: Any, dtype: Any, requires_grad: bool) -> Outcome:
    """A new tensor from JSON data, or from a typed value ``{"dtype", "shape"?, "data" | "base64"}``.

    Data with ``requires_grad`` and no dtype is read in the default dtype, since many clients write 1.0 as 1.
    """
    if isinstance(data, dict):
        if dtype is not None:
            raise InvalidInput("a typed value has its dtype inside", argument="dtype")
        if "dtype" not in data and requires_grad:
            data = {**data, "dtype": workspace.default_dtype.name}
    elif not is_typed(data) and (dtype is not None or requires_grad):
        data = {"dtype": (dtype or workspace.default_dtype).name, "data": data}
    made = workspace.literal(data)
    return Outcome(tensors=(made.requires_grad_(requires_grad),))


@verb("detach(Tensor tensor) -> Tensor", keeps=True)
def detach(workspace: Workspace, tensor: Tensor) -> Outcome:
    """A tensor outside the graph that shares values and version."""
    return Outcome(tensors=(tensor.detach(),))


@verb("requires_grad_(Tensor tensor, bool requires_grad=True) -> Tensor")
def requires_grad_(workspace: Workspace, tensor: Tensor, requires_grad: bool) -> Outcome:
    """Set whether operators on this leaf are recorded."""
    return Outcome(tensors=(tensor.requires_grad_(requires_grad),))


@verb("retain_grad(Tensor tensor) -> Tensor")
def retain_grad(workspace: Workspace, tensor: Tensor) -> Outcome:
    """Keep the gradient of this non-leaf at the next backward."""
    tensor.retain_grad()
    return Outcome(tensors=(tensor,))


@verb("zero_grad(Tensor[] tensors, bool set_to_none=True) -> Tensor[]")
def zero_grad(workspace: Workspace, tensors: list[Tensor], set_to_none: bool) -> Outcome:
    """Forget the gradients, or set them to zero."""
    for t in tensors:
        if t.grad is None:
            continue
        if set_to_none:
            t.grad = None
        else:
            if t.grad.grad_fn is not None:
                set_attribute(t._meta, "grad", t.grad.detach())
            t.grad.zero_()
    return Outcome(tensors=tuple(tensors), several=True)


@verb("del(Any id) -> Tensor")
def delete(workspace: Workspace, name: Any) -> Outcome:
    """Forget one id or several; the graph keeps what it needs."""
    for each in name if isinstance(name, list) else [name]:
        if not isinstance(each, str):
            raise InvalidInput("del takes an id or a list of ids", argument="id")
        workspace.unbind(each)
    return Outcome()


@verb("bind(str id, Tensor tensor) -> Tensor")
def bind_name(workspace: Workspace, name: str, tensor: Tensor) -> Outcome:
    """Give a tensor one more name, as ``y = x`` does."""
    from service.steps.step import check_id

    workspace.bind(check_id(name), tensor)
    return Outcome(ids=(name,), tensors=(tensor,))


@verb("enter(str mode, bool? enabled=None) -> Tensor")
def enter(workspace: Workspace, mode: str, enabled: bool | None) -> Outcome:
    """Enter a grad-mode scope: no_grad, enable_grad, inference_mode or set_grad_enabled (with ``enabled``). It holds until it is left."""
    if mode not in ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled"):
        raise InvalidInput(
            "'mode' must be 'no_grad', 'enable_grad', 'inference_mode' or 'set_grad_enabled'", argument="mode"
        )
    if (mode == "set_grad_enabled") != (enabled is not None):
        raise ArgumentError("set_grad_enabled takes 'enabled', and only it does", "enabled")
    return Outcome(value=workspace.enter(mode, enabled))  # type: ignore[arg-type]


@verb("exit(str? scope_id=None) -> Tensor")
def leave(workspace: Workspace, scope_id: str | None) -> Outcome:
    """Leave the innermost scope (named or not)."""
    workspace.exit(scope_id)
    return Outcome()


@verb("manual_seed(int seed) -> Tensor")
def manual_seed(workspace: Workspace, seed: int) -> Outcome:
    """Start the session's stream of random numbers anew from a seed."""
    if not 0 <= seed < 2**64:
        raise InvalidInput("a seed is between 0 and 2**64 - 1", argument="seed")
    workspace.reseed(seed)
    return Outcome(value=seed)


_TAKES_NAMES: Final = frozenset({"del"})
