"""Plans: for a row and the set of its inputs that require grad, what a node saves and the one function that runs its rules.

A rule names what it needs. From the names a plan derives which raw values a node keeps (only those that the gradients asked for need)
and writes a small Python function ``backward(g, saved, attrs) -> gradients``, compiled once: a call per rule and nothing else.
``compiled`` is the only place in the engine that compiles text; ``doors.py`` uses it too. The text holds nothing but positions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.op import Op

__all__ = ["WRITTEN", "Plan", "compiled", "erasing", "plan_of", "renamed_plan", "written_plan"]


class Plan:
    """What nodes of one row with one set of differentiable inputs have in common.

    saves: what ``saved`` holds, in order: ("input", position), ("shape", position), ("result", number) or ("result_shape", number).
    arrays: the positions in ``saved`` of raw values, which have version cells. backward: (g, saved, attrs) → one gradient a tensor
    parameter that has a rule asked for, None for others; several rules' results in the order of the parameters. one: the same for the
    only edge, at ``place``, to which a gradient flows; None where there are more. twin: the plan of calls whose inputs had the
    shape and dtype of the output, where the row's rules then give gradients that need no fitting (``exact``); else the plan itself.
    """

    __slots__ = (
        "arrays",
        "backward",
        "exact",
        "lists",
        "mask",
        "name",
        "one",
        "op",
        "place",
        "saves",
        "twin",
        "wants_all",
    )

    def __init__(
        self,
        op: Op,
        mask: int,
        name: str,
        saves: tuple[tuple[str, int], ...],
        backward: Callable[[Any, Any, Any], tuple[Any, ...]],
        wants_all: bool,
    ) -> None:
        self.op = op
        self.mask = mask
        self.name = name
        self.saves = saves
        self.lists = op.lists
        self.arrays = tuple(i for i, (what, _) in enumerate(saves) if what in ("input", "result"))
        self.backward = backward
        self.wants_all = wants_all  # the rule takes the gradients of all outputs, as a tuple
        self.one: Callable[[Any, Any, Any], Any] | None = None
        self.place = 0
        self.exact = False
        self.twin = self

    def __repr__(self) -> str:
        return f"<plan {self.op.id} {self.mask:b}>"


def plan_of(op: Op, mask: int) -> Plan | None:
    """The plan for the tensor parameters whose bit is set in ``mask`` (bit k: the k-th of ``op.tensors``); None: no gradient flows."""
    try:
        return op.plans[mask]
    except KeyError:
        plan = op.plans[mask] = _build(op, mask)
        return plan


def _build(op: Op, mask: int) -> Plan | None:
    if op.vjp is None:
        return None
    names = [p.name for p in op.parameters]
    asked = {names[i] for k, i in enumerate(op.tensors) if mask >> k & 1}
    saves: list[tuple[str, int]] = []
    scope: dict[str, Any] = {}
    lines: list[str] = []
    results: dict[str, str] = {}
    wants_all = False
    for r, (key, rule) in enumerate(op.vjp.items()):
        targets = key.split(", ")
        if not asked.intersection(targets):
            continue
        scope[f"rule{r}"] = rule
        parameters = list(inspect.signature(rule).parameters)
        wants_all = wants_all or parameters[0] == "grads"
        call = ", ".join(["g", *(_source(op, names, wanted, saves) for wanted in parameters[1:])])
        lines.append(f"    r{r} = rule{r}({call})")
        for t, target in enumerate(targets):
            results[target] = f"r{r}" if len(targets) == 1 else f"r{r}[{t}]"
    if not results:
        return None
    answer = ", ".join(results[names[i]] if names[i] in asked and names[i] in results else "None" for i in op.tensors)
    text = "\n".join(["def backward(g, s, a):", *lines, f"    return ({answer},)"])
    backward = compiled(text, scope, f"<backward of {op.id}>", "backward")

    def plan() -> Plan:
        return Plan(op, mask, op.grad_fn, tuple(saves), backward, wants_all)

    made = plan()
    flowing = [k for k, i in enumerate(op.tensors) if names[i] in asked and names[i] in results]
    one = None
    if len(flowing) == 1 and not op.lists and not wants_all:
        short = text.replace(f"    return ({answer},)", f"    return {results[names[op.tensors[flowing[0]]]]}")
        one = compiled(short, scope, f"<backward of {op.id}>", "backward")
    if op.exact:
        made.twin = plan()
        made.twin.exact = True
    for p in (made, made.twin):
        p.one, p.place = one, flowing[0]
    return made


WRITTEN: Final = {
    "conj_physical": "ConjPhysicalBackward1",
    "transpose.int": "TransposeBackward1",
    "t": "TBackward1",
    "fill.Scalar": "FillBackward2",
    "fill.Tensor": "FillBackward3",
    "index_fill.int_Tensor": "IndexFillBackward1",
    "unsqueeze": "UnsqueezeBackward1",
    "squeeze": "SqueezeBackward3",
    "squeeze.dim": "SqueezeBackward4",
    "squeeze.dims": "SqueezeBackward5",
    "asinh": "AsinhBackward1",
    "acosh": "AcoshBackward1",
    "atanh": "AtanhBackward1",
}
"""PyTorch's names of in-place forms whose nodes are not called as those of the functions."""
_written: Final[dict[tuple[str, int], Plan]] = {}
_renamed: Final[dict[tuple[str, int, bool, str], Plan]] = {}


def written_plan(op: Op, plan: Plan) -> Plan:
    """The plan of an in-place form: that of its function, under its own name."""
    name = WRITTEN.get(op.id)
    if name is None:
        return plan
    found = _written.get((op.id, plan.mask))
    if found is None:
        found = _written[op.id, plan.mask] = Plan(op, plan.mask, name, plan.saves, plan.backward, plan.wants_all)
    return found


def renamed_plan(plan: Plan, name: str) -> Plan:
    """The same plan for nodes of another name: what a part of a composite is called in PyTorch, whose own operator it is there."""
    key = (plan.op.id, plan.mask, plan.exact, name)
    found = _renamed.get(key)
    if found is None:
        found = _renamed[key] = Plan(plan.op, plan.mask, name, plan.saves, plan.backward, plan.wants_all)
        found.one, found.place, found.exact = plan.one, plan.place, plan.exact
    return found


def erasing(op: Op, mask: int, name: str) -> Plan:
    """The plan of a row without derivative that was written over its first input: nothing flows through what is gone, so zeros do."""

    def backward(g: Any, *_: Any) -> tuple[Any, ...]:
        from engine.rules import rules

        return tuple(rules.zeros_like(g) if mask >> k & 1 else None for k in range(len(op.tensors)))

    return Plan(op, mask, name, (), backward, False)


def compiled(text: str, scope: dict[str, Any], filename: str, name: str) -> Any:
    """The function that a text of our own making defines. The text holds nothing that came from outside the engine."""
    scope.setdefault("__name__", "engine.compiled")
    exec(compile(text, filename, "exec"), scope)  # noqa: S102 - see the module's docstring
    return scope[name]


def _source(op: Op, names: list[str], wanted: str, saves: list[tuple[str, int]]) -> str:
    """The expression that gives a rule what it names."""
    if wanted.startswith("result"):
        what, number = ("result_shape", 0) if wanted == "result_shape" else ("result", int(wanted[6:] or 0))
    elif wanted.endswith("_shape") and wanted not in names:
        what, number = "shape", names.index(wanted.removesuffix("_shape"))
    else:
        number = names.index(wanted)
        if number not in op.tensors:
            return f"a[{number}]"
        what = "input"
    entry = (what, number)
    if entry not in saves:
        saves.append(entry)
    return f"s[{saves.index(entry)}]"
