"""Batched tensors: what ``vmap`` hands to a function. One looks like a single example; behind it lies the whole batch.

A call on one goes through the general door, which asks here: the row's batch rule (``batch_rules``) makes one call on the whole batch.
The batch dim of ``physical`` is always the first. Levels nest: ``physical`` may be batched for an outer ``vmap``.
Source: torch.func.vmap, "JAX: autodidax" (docs.jax.dev) for the shape of the idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from engine.apply import batch_hooks, dispatch_inplace, run
from engine.duals import below, give, innermost, outside_levels, tangent_of
from engine.duals import hooks as forward_hooks
from engine.duals import levels as forward_levels
from engine.errors import TensorError
from engine.grad_mode import grad_enabled, refuse_in_transform
from engine.hollow import Listener, active_listener, hollowed, hollowed_inplace
from engine.layout import FORMATS, memory_format
from engine.op import OPS, Op
from engine.rules import rules
from engine.tensor import Tensor, node_of

__all__ = [
    "DYNAMIC",
    "Batched",
    "Level",
    "batched",
    "behind",
    "bottomed",
    "everywhere",
    "front",
    "hollowing",
    "level_of",
    "levels",
    "mapped",
    "size_of",
]


class Level(NamedTuple):
    """One active ``vmap``: its depth (1: the outermost), batch size, and what random rows may do."""

    depth: int
    size: int
    randomness: str


active: Final[ContextVar[tuple[Level, ...]]] = ContextVar("active_vmap_levels", default=())


def levels() -> tuple[Level, ...]:
    """The active levels, outermost first."""
    return active.get()


DYNAMIC: Final = {
    "nonzero": "nonzero",
    "argwhere": "nonzero",
    "unique": "_unique2",
    "unique_consecutive": "unique_consecutive",
    "masked_select": "masked_select",
}
"""Rows whose output's shape depends on values, which differ from example to example; and PyTorch's names of them."""


class Batched(Tensor):
    """One example of a batch. Shape, dtype and ndim are the example's; values cannot be read while the function is mapped."""

    __slots__ = ("level", "physical")

    physical: Tensor
    level: int

    @property
    def requires_grad(self) -> bool:
        return self.physical.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.physical.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        refuse_in_transform()
        self.physical.requires_grad_(requires_grad)
        self._node = node_of(self.physical)
        return self

    def detach(self) -> Tensor:
        return batched(self.physical.detach(), self.level)

    def is_contiguous(self, memory_format: memory_format = FORMATS["contiguous_format"]) -> bool:
        return self.physical.is_contiguous(memory_format)

    def _unreadable(self, what: str, why: str = "We don't support that yet.") -> TensorError:
        return TensorError(f"vmap: It looks like you're {what}. {why}\n(every example of a batch has its own values)")

    def item(self) -> Any:
        raise self._unreadable(
            "calling .item() on a Tensor",
            "We don't support vmap over calling .item() on a Tensor, please try to rewrite what you're doing with other operations. If "
            "error is occurring somewhere inside PyTorch internals, please file a bug report.",
        )

    def tolist(self) -> Any:
        raise self._unreadable("calling .tolist() on a Tensor")

    def numpy(self, *, force: bool = False) -> Any:  # noqa: ARG002 - PyTorch's signature
        raise self._unreadable("calling .numpy() on a Tensor")

    def __bool__(self) -> bool:
        raise self._unreadable(
            "attempting to use a Tensor in some data-dependent control flow",
            "We don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues .",
        )

    def __repr__(self) -> str:
        return f"BatchedTensor(lvl={self.level}, bdim=0, value=\n    {self.physical!r}\n)"


def batched(physical: Tensor, level: int) -> Batched:
    """A batch (first dim) as one example, for a level."""
    t: Batched = object.__new__(Batched)
    whole: Any = physical._array  # it has dims, so it is an array, or the ghost of one
    t._array = whole[0]
    t._node = node_of(physical)
    t._version_cell = physical._version_cell
    t._view = None
    t._meta = None
    t.physical = physical
    t.level = level
    return t


def level_of(values: Sequence[Any]) -> int:
    """The innermost level at which any of the values (or lists of them) is batched; 0 for none."""
    found = 0
    for v in values:
        if type(v) is Batched:
            found = max(found, v.level)
        elif type(v) is list:
            found = max(found, level_of(v))
    return found


def mapped(v: Any, level: int) -> bool:
    """Whether a value is batched at a level."""
    return type(v) is Batched and v.level == level


def front(v: Tensor, level: int, size: int) -> Tensor:
    """The whole batch of a value at a level; of one that is the same for all examples, a view that repeats it."""
    if type(v) is Batched:
        if v.level == level:
            return v.physical
        if v.level > level:  # batched further in: that stays around the answer
            return batched(rules.movedim(front(v.physical, level, size), 0, 1), v.level)
    if not any(tangent_of(v, here) is not None for here in forward_levels.get()):
        return rules.expand(rules.unsqueeze(v, 0), (size, *v.shape))  # type: ignore[no-any-return]
    with outside_levels():
        whole: Tensor = rules.expand(rules.unsqueeze(v, 0), (size, *v.shape))
    for here in forward_levels.get():
        if (tangent := tangent_of(v, here)) is not None:
            with below(here):
                give(whole, here, front(tangent, level, size))
    return whole


def behind(t: Tensor, level: int) -> Batched:
    """A whole batch as one example at a level; where it is batched further in, that stays around it."""
    if type(t) is Batched and t.level > level:
        return batched(behind(rules.movedim(t.physical, 1, 0), level), t.level)
    return batched(t, level)


def everywhere(v: Tensor, bottom: Callable[[Tensor], Tensor]) -> Tensor:
    """The value batched at every active level, over what ``bottom`` makes of the innermost whole batch."""
    return _down(v, levels(), bottom)


def _down(t: Tensor, among: tuple[Level, ...], bottom: Callable[[Tensor], Tensor]) -> Tensor:
    if not among:  # a function of its own: one that calls itself from within another would hold itself
        return bottom(t)
    last = among[-1]
    return batched(_down(front(t, last.depth, last.size), among[:-1], bottom), last.depth)


def size_of(values: Sequence[Any], level: int) -> int:
    """The batch size at a level where some value is batched."""
    for v in values:
        if mapped(v, level):
            return int(v.physical._array.shape[0])
        if type(v) is list:
            found = size_of(v, level)
            if found:
                return found
    return 0


def _wrapped(out: Any, level: int, size: int) -> Any:
    """Results of a call on whole batches, as examples; an output that was not asked for is empty, and has no batch."""
    if isinstance(out, Tensor):
        return batched(out, level)
    pieces = [batched(o, level) if o.ndim and o.shape[0] == size else o for o in out]
    return type(out)(*pieces) if hasattr(out, "_fields") else tuple(pieces)


def _apply(op: Op, bound: list[Any]) -> Any:
    """The hook of the general door: NotImplemented where nothing is batched."""
    level = level_of(bound)
    if level == 0:
        if (varied := innermost(bound)) is not None:
            from engine.forward import pushed

            answer = pushed(op, bound, varied)
            if answer is not NotImplemented:
                return answer
        here = levels()
        if op.kind == "create" and op.family == "random" and here:
            return _drawn(op, bound, here[-1])
        return hollowed(op, bound)
    if op.family == "sampled":
        _refuse_draws(level)
    if op.name in DYNAMIC or (op.id == "index.Tensor" and _has_mask(bound[1])):
        raise TensorError(_dynamic(op))
    from engine.batch_rules import rule_of

    rule = rule_of(op)
    if rule is None:
        return NotImplemented
    size = size_of(bound, level)
    return _wrapped(rule(op, bound, level, size), level, size)


def _has_mask(indices: Any) -> bool:
    return any(type(i) is Batched and i._array.dtype.kind == "b" for i in indices)


def _dynamic(op: Op) -> str:
    if op.name == "index":
        return (
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over indexing with a boolean "
            "mask."
        )
    if op.name == "masked_select":
        return (
            "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this because for each batch this "
            "would return a differently shaped Tensor. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this "
            "feature."
        )
    return (
        f"vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::{DYNAMIC[op.name]}. "
        "Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
    )


def _refuse_draws(depth: int) -> None:
    """Errors: RuntimeError where filling a batch with random numbers is not what the map allows: each example gets its own."""
    randomness = next((a.randomness for a in levels() if a.depth == depth), "different")
    if randomness == "error":
        raise TensorError(NO_DRAWS)
    if randomness == "same":
        raise TensorError(
            "vmap: Cannot ask for same inplace randomness on a batched tensor: use randomness='different'"
        )


NO_DRAWS: Final = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags on vmap or "
    "perform the randomness operation out of vmap"
)


def _drawn(op: Op, bound: list[Any], level: Level) -> Any:
    if level.randomness == "error":
        raise TensorError(NO_DRAWS)
    names = [p.name for p in op.parameters]
    if level.randomness == "same" or "size" not in names:
        return NotImplemented
    at = names.index("size")
    whole = [*bound[:at], (level.size, *bound[at]), *bound[at + 1 :]]
    with without(level):
        return batched(run(op, whole), level.depth)


def _apply_inplace(op: Op, bound: list[Any]) -> Any:
    """The hook of the in-place door: the whole batch is written at once."""
    level = level_of(bound)
    if level == 0:
        if (varied := innermost(bound)) is not None:
            from engine.forward import pushed_inplace

            answer = pushed_inplace(op, bound, varied)
            if answer is not NotImplemented:
                return answer
        return hollowed_inplace(op, bound)
    target = bound[op.tensors[0]]
    if op.kind == "view":
        raise TensorError(f"vmap: {op.name}_ is not supported on what differs between examples: use {op.name}()")
    if not mapped(target, level):
        shape = list(target._array.shape)
        raise TensorError(
            f"output with shape {shape} doesn't match the broadcast shape {[size_of(bound, level), *shape]} (vmap: {op.name}_ cannot write "
            "what differs between examples into a tensor that is the same for all)"
        )
    if grad_enabled.get() and node_of(target.physical) is not None:  # what is overwritten is saved as it was
        bound = list(bound)
        bound[op.tensors[0]] = rules.clone(target)
    result = run(op, bound)
    dispatch_inplace(OPS["copy"], (target.physical, front(result, level, size_of(bound, level))), {})
    return target


@contextmanager
def mapping(size: int, randomness: str) -> Iterator[Level]:
    """A new innermost level."""
    level = Level(len(active.get()) + 1, size, randomness)
    token = active.set((*active.get(), level))
    batch_hooks.append((_apply, _apply_inplace))
    try:
        yield level
    finally:
        batch_hooks.pop()
        active.reset(token)


@contextmanager
def without(level: Level) -> Iterator[None]:
    """The levels outside one."""
    token = active.set(tuple(a for a in active.get() if a.depth < level.depth))
    try:
        yield
    finally:
        active.reset(token)


@contextmanager
def hollowing(listener: Listener) -> Iterator[None]:
    """Inside, nothing is computed: what meets a hollow tensor, and what makes tensors, answers hollow ones (``engine.hollow``).

    listener: called with the row and its estimate before each call; what it raises ends the run.
    """
    token = active_listener.set(listener)
    try:
        with bottomed():
            yield
    finally:
        active_listener.reset(token)


@contextmanager
def bottomed() -> Iterator[None]:
    """Inside, the doors ask here before they run a row, also where nothing is mapped."""
    batch_hooks.append((_apply, _apply_inplace))
    try:
        yield
    finally:
        batch_hooks.pop()


forward_hooks.append(bottomed)
