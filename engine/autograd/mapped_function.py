"""Custom functions under ``vmap``: by their own rule, or by one that maps forward and backward.

Source: "Extending torch.func with autograd.Function" (docs.pytorch.org/docs/stable/notes/extending.func.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.autograd.custom import FunctionCtx
from engine.batching import Batched, Level, batched, front, levels, mapped, mapping, size_of, without
from engine.errors import AutogradError
from engine.rules import rules
from engine.tensor import Tensor

if TYPE_CHECKING:
    from engine.autograd.function import Function

__all__ = ["VmapInfo", "apply_mapped"]


class VmapInfo(NamedTuple):
    """What a function's own rule is told of the map."""

    batch_size: int
    randomness: str


def apply_mapped(cls: type[Function], args: Sequence[Any], depth: int) -> Any:
    """A call with arguments that are batched at a level. Errors: RuntimeError where the function has no rule, or two."""
    from engine.autograd.function import EXTENDING, Function

    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise AutogradError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please "
            f"set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity. {EXTENDING}"
        )
    if not own and not cls.generate_vmap_rule:
        raise AutogradError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the vmap "
            f"staticmethod or set generate_vmap_rule=True. {EXTENDING}"
        )
    level = next((one for one in levels() if one.depth == depth), Level(depth, size_of(list(args), depth), "error"))
    whole = [a.physical if mapped(a, depth) else a for a in args]
    with without(level):
        if own:
            dims = tuple(0 if mapped(a, depth) else None for a in args)
            answer = cls.vmap(VmapInfo(level.size, level.randomness), dims, *whole)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise AutogradError("Expected the vmap staticmethod to have two returns, an output and out_dims")
            out, where = answer
            several = isinstance(out, tuple)
            places = where if isinstance(where, tuple) else (where,) * (len(out) if several else 1)
            if several and len(places) != len(out):
                raise AutogradError(
                    f"Expected out_dims to have one entry for each of {len(out)} outputs, got {len(places)}"
                )
            found = [
                o if d is None or not isinstance(o, Tensor) else batched(rules.movedim(o, d, 0) if d else o, depth)
                for o, d in zip(out if several else (out,), places, strict=True)
            ]
        else:
            out = _mapped_class(cls, [mapped(a, depth) for a in args], level).apply(*whole)
            several = isinstance(out, tuple)
            found = [batched(o, depth) if isinstance(o, Tensor) else o for o in (out if several else (out,))]
    return tuple(found) if several else found[0]


def _mapped_class(cls: type[Function], places: list[bool], level: Level) -> type[Function]:
    """The function on whole batches: forward and backward each run once, on examples."""
    from engine.autograd.function import Function

    inner = FunctionCtx()

    def seen(values: Sequence[Any], flags: Sequence[bool], depth: int) -> tuple[Any, ...]:
        return tuple(batched(v, depth) if f and v is not None else v for v, f in zip(values, flags, strict=True))

    def forward(ctx: Any, *whole: Any) -> Any:
        with mapping(level.size, level.randomness) as here:
            examples = seen(whole, places, here.depth)
            out = cls.forward(*examples)
            inner.needs_input_grad = ctx.needs_input_grad
            cls.setup_context(inner, examples, out)
            several = isinstance(out, tuple)
            outs = [
                front(o, here.depth, here.size) if isinstance(o, Tensor) else o for o in (out if several else (out,))
            ]
            ctx.saved_places = [type(t) is Batched and t.level == here.depth for t in inner._to_save]
            ctx.save_for_backward(
                *(t.physical if type(t) is Batched and t.level == here.depth else t for t in inner._to_save)
            )
        return tuple(outs) if several else outs[0]

    def backward(ctx: Any, *grads: Any) -> Any:
        saved = ctx.saved_tensors
        with mapping(level.size, level.randomness) as here:
            inner._given = seen(saved, ctx.saved_places, here.depth)
            try:
                answer = cls._pull()(inner, *seen(grads, [True] * len(grads), here.depth))
            finally:
                inner._given = None
            answers = answer if isinstance(answer, tuple) else (answer,)
            whole = [None if a is None else front(a, here.depth, here.size) for a in answers]
        return tuple(a if a is None or k >= len(places) or places[k] else rules.sum(a, 0) for k, a in enumerate(whole))

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward), "_internal": True}
    return type(cls.__name__, (Function,), members)
