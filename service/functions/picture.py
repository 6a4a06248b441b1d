"""A function's graph, and that of what its derivatives record: it is run once on made-up inputs, whose values the picture does not show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from engine.backward import grad
from engine.dtypes import DTYPES
from engine.errors import EngineError
from engine.func import vmap
from engine.graph import graph_of
from engine.picture import Graph
from engine.rules import rules
from engine.tensor import Tensor, wrap
from service.functions.call import Call
from service.functions.evaluator import setting
from service.functions.function import Function
from service.functions.ports import ReadValues
from service.functions.program import named
from service.functions.reading import read_call
from service.functions.specs import MISSING, InputSpec
from service.functions.work import Work
from service.steps.errors import InvalidInput, LimitExceeded, ServiceError

__all__ = ["DRAWN", "drawn"]

DRAWN: Final = ("value", "grad", "vjp", "jvp", "jacobian", "hvp")
"""What can be drawn of a function."""
GUESSES: Final[tuple[tuple[int, ...], ...]] = ((3,), (), (3, 3))
"""Shapes that are tried for inputs of which neither the function nor the request says one."""
ANY_SIZE: Final = 3
GOLDEN: Final = 0.6180339887498949
ASKED: Final = {"grad": (4, 3), "vjp": (4, 3), "jvp": (16, 6), "jacobian": (4, 3), "hvp": (16, 6)}
"""Of a walk that is recorded: its arithmetic in forward runs, and how much of all that one makes is held; of a Jacobian, of each row."""


def drawn(function: Function, of: str, shapes: Mapping[str, tuple[int, ...]], read: ReadValues, work: Work) -> Graph:
    """The graph of the outputs (``value``), or of what a derivative of them records.

    ``grad`` and ``hvp``: the gradient, and the Hessian times a vector; outputs of several elements are summed. ``vjp`` and ``jvp``: with
    cotangents or tangents as leaves of their own. ``jacobian``: all its rows in one batched walk. shapes: of inputs, by path; others have
    the shapes that the function declares, each free size being ``ANY_SIZE``, or one that it takes. Errors: InvalidInput where no shape was
    found, or nothing can be differentiated; the engine's and the script's for what a given shape leads to.
    """
    unknown = [path for path in shapes if path.partition(".")[0] not in function.parameters]
    if unknown:
        raise InvalidInput(
            f"the function has no such input: it takes {', '.join(function.parameters) or 'nothing'}", argument="shape"
        )
    last: Exception | None = None
    for inputs, guessed in _examples(function, shapes, work):
        try:
            return _recorded(function, of, read_call(function, "value", {"inputs": inputs}, read), work)
        except LimitExceeded:
            raise
        except (EngineError, ServiceError) as error:
            if not guessed or (isinstance(error, ServiceError) and error.members.get("argument") == "of"):
                raise
            last = last or error
    raise InvalidInput(
        f"no shape was found that the function takes: {last}. Say them in the query, such as shape={next(iter(function.parameters))}:2,3",
        argument="shape",
    )


def _examples(
    function: Function, shapes: Mapping[str, tuple[int, ...]], work: Work
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Inputs to try, by path, and whether a shape of them is a guess."""
    declared: dict[str, InputSpec] = {p: s for p, s in function.specs.items() if s.default is MISSING or p in shapes}
    heads = {path.partition(".")[0] for path in (*function.specs, *shapes)}
    free = [n for n, p in function.parameters.items() if n not in heads and p.default is MISSING]
    fixed: dict[str, tuple[int, ...]] = dict(shapes)
    sizes: dict[str, int] = {}
    for path, spec in declared.items():
        if spec.static:
            raise InvalidInput(
                f"'{path}' is a plain value without a default, and a picture is of a function with its plain values",
                argument="shape",
            )
        if spec.shape is None:
            free += [path] * (path not in shapes)
            continue
        made = [
            s if type(s) is int else sizes.setdefault(s, ANY_SIZE + len(sizes)) if isinstance(s, str) else ANY_SIZE
            for s in spec.shape
        ]
        fixed.setdefault(path, tuple(made))
    for guess in GUESSES if free else ((),):
        chosen = {**fixed, **dict.fromkeys(free, guess)}
        yield {path: _values(function, path, shape, work) for path, shape in chosen.items()}, bool(free)


def _values(function: Function, path: str, shape: tuple[int, ...], work: Work) -> np.ndarray[Any, Any]:
    """Numbers between a quarter and three quarters, no two alike, or zeros of a dtype without a derivative."""
    count, limit = math.prod(shape), work.limits.tensor_elements
    if count > limit:
        raise LimitExceeded("tensor_elements", limit, count, "elements", f"input '{path}'")
    spec = function.specs.get(path)
    dtype = DTYPES[(spec.dtype if spec is not None else None) or function.definition.default_dtype]
    if not dtype.differentiable:
        return np.zeros(shape, dtype.numpy)
    return (0.25 + 0.5 * ((np.arange(1, count + 1) * GOLDEN) % 1)).reshape(shape).astype(dtype.numpy)


def _recorded(function: Function, of: str, call: Call, work: Work) -> Graph:
    with setting(function, call, work), function.program.opened(work) as run:
        tensors = [wrap(a if a.ndim else a[()]) for a in call.arrays]
        points = {p: t for p, t in zip(call.paths, tensors, strict=True) if t.dtype.differentiable}
        for point in points.values():
            point.requires_grad_()
        outputs = named(run(call.arguments(tensors)), function.names)
        known = {**points, **outputs}
        roots: Tensors = outputs
        if of != "value":
            _admit(of, outputs, points, work)
            roots, leaves = DERIVED[of](outputs, points)
            known = {**known, **leaves}
        graph = graph_of(roots, known)
    limit = work.limits.session_nodes
    if len(graph.nodes) > limit:
        raise LimitExceeded("session_nodes", limit, len(graph.nodes), "nodes", "the graph")
    return Graph(tuple(replace(n, value=None, grad=None) for n in graph.nodes), graph.edges)


Tensors = Mapping[str, Tensor]


def _admit(of: str, outputs: Tensors, points: Tensors, work: Work) -> None:
    """Ask for what the derivative costs, before it is begun. Errors: LimitExceeded."""
    cost, held = ASKED[of]
    rows = sum(o.numel() for o in outputs.values() if o.requires_grad) if of == "jacobian" else 1
    limit, made = work.limits.tensor_elements, rows * sum(p.numel() for p in points.values())
    if made > limit:
        raise LimitExceeded("tensor_elements", limit, made, "elements", f"the {of}")
    work.derive(of, work.demand, cost * rows, held * rows)


def _live(found: Tensors, otherwise: str) -> dict[str, Tensor]:
    live = {name: t for name, t in found.items() if t.requires_grad}
    if not live:
        raise InvalidInput(f"{otherwise}, and there is nothing to draw", argument="of")
    return live


FLAT: Final = "no output depends on an input of floating point: its derivative is zero"


def _pulled(live: Tensors, points: Tensors, weights: Sequence[Tensor]) -> dict[str, Tensor]:
    """The weights times the Jacobian, recorded, by input; what no output depends on is left out."""
    inputs = list(points.values())
    pulled = grad(list(live.values()), inputs, list(weights), retain_graph=True, create_graph=True, allow_unused=True)
    return {path: g for path, g in zip(points, pulled, strict=True) if g is not None}


def _gradient(outputs: Tensors, points: Tensors) -> tuple[Tensors, Tensors]:
    live = _live(outputs, FLAT)
    pulled = _pulled(live, points, [rules.ones_like(t.detach()) for t in live.values()])
    return {f"grad.{path}": g for path, g in pulled.items()}, {}


def _hvp(outputs: Tensors, points: Tensors) -> tuple[Tensors, Tensors]:
    gradient = _live(_gradient(outputs, points)[0], "the gradient depends on no input: its derivative is zero")
    pulled = _pulled(gradient, points, [rules.ones_like(t.detach()) for t in gradient.values()])
    return {f"hvp.{path}": g for path, g in pulled.items()}, {}


def _vjp(outputs: Tensors, points: Tensors) -> tuple[Tensors, Tensors]:
    live = _live(outputs, FLAT)
    weights = {f"cotangents.{name}": _leaf(t) for name, t in live.items()}
    pulled = _pulled(live, points, list(weights.values()))
    return {f"vjp.{path}": g for path, g in pulled.items()}, weights


def _jvp(outputs: Tensors, points: Tensors) -> tuple[Tensors, Tensors]:
    """The pull-back is linear in its weights, and its own pull-back is the push-forward: the nodes are those of the second."""
    live = _live(outputs, FLAT)
    weights = {name: _leaf(t) for name, t in live.items()}
    pulled = _live(_pulled(live, points, list(weights.values())), FLAT)
    tangents = {path: _leaf(points[path]) for path in pulled}
    pushed = _pulled(pulled, weights, list(tangents.values()))
    return {f"jvp.{name}": t for name, t in pushed.items()}, {f"tangents.{path}": t for path, t in tangents.items()}


def _jacobian(outputs: Tensors, points: Tensors) -> tuple[Tensors, Tensors]:
    live = _live(outputs, FLAT)
    found: dict[str, Tensor] = {}
    for name, output in live.items():
        count = output.numel()
        rows = wrap(np.eye(count, dtype=output.dtype.numpy).reshape(count, *output.shape))
        batched: dict[str, Tensor] = vmap(lambda row, o=output: _pulled({"": o}, points, [row]))(rows)
        for path, part in batched.items():
            shape = (*output.shape, *points[path].shape)
            found[f"jacobian.{name}.{path}"] = part if tuple(part.shape) == shape else rules.reshape(part, shape)
    return found, {}


def _leaf(like: Tensor) -> Tensor:
    leaf: Tensor = rules.ones_like(like.detach())
    return leaf.requires_grad_()


DERIVED: Final[dict[str, Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]]] = {
    "grad": _gradient, "vjp": _vjp, "jvp": _jvp, "jacobian": _jacobian, "hvp": _hvp,
}  # fmt: skip
