"""The graph from outside: nodes, edges, and what becomes of saved tensors. Source: torch.autograd.graph."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Final, Literal, Self

from engine.errors import AutogradError, InvalidValueError
from engine.grad_mode import detours
from engine.node import Edge, GradientEdge, Handle, Node, Port, saved_hooks
from engine.tensor import Tensor, node_of
from engine.transaction import current
from engine.walk import Walk, walking

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

disabled: Final[ContextVar[str | None]] = ContextVar("saved_tensors_hooks_disabled", default=None)


class saved_tensors_hooks:  # noqa: N801 - PyTorch's name
    """Inside, each tensor that is saved for backward goes through ``pack_hook``, and through ``unpack_hook`` when it is needed.

    The innermost pair is used. Its tensors are not looked at for changes in place.

    >>> import engine as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t * 1, lambda t: t * 10):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([20., 20.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        refused = disabled.get()
        if refused is not None:
            raise AutogradError(refused)
        saved_hooks.set((*saved_hooks.get(), (self.pack_hook, self.unpack_hook)))
        detours.append(saved_hooks)

    def __exit__(self, *exc: object) -> None:
        saved_hooks.set(saved_hooks.get()[:-1])
        detours.remove(saved_hooks)


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 - PyTorch's name
    """Saved tensors are kept by the CPU, where all are: changes in place are not seen, nothing else differs."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:  # noqa: ARG002 - PyTorch's signature
        super().__init__(lambda t: t.detach().clone(), lambda t: t)


class allow_mutation_on_saved_tensors(saved_tensors_hooks):  # noqa: N801 - PyTorch's name
    """Inside, what is saved is saved as a copy: it may be changed in place, and backward uses the values as they were."""

    def __init__(self) -> None:
        super().__init__(lambda t: t.detach().clone(), lambda t: t)


class disable_saved_tensors_hooks:  # noqa: N801 - PyTorch's name
    """Inside, hooks for saved tensors are refused with a sentence."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> Self:
        self.token = disabled.set(self.error_message)
        return self

    def __exit__(self, *exc: object) -> None:
        disabled.reset(self.token)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor arrives. Errors: RuntimeError for one that does not require grad."""
    edge = node_of(tensor)
    if edge is None:
        raise AutogradError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(edge.node, edge.number) if type(edge) is Port else GradientEdge(edge, 0)  # type: ignore[arg-type]


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell autograd that values were changed in place behind its back."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if t.is_inference():
            raise AutogradError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor "
                "before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
            )
        transaction = current.get()
        if transaction is not None:
            transaction.cell(t._version_cell)
        t._version_cell[0] += 1


class _Handles:
    """What registering hooks on several tensors answers: ``remove`` takes them all away."""

    def __init__(self, handles: tuple[Handle, ...]) -> None:
        self._handles = handles

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[[Any], None], *, mode: Literal["all", "any"] = "all"
) -> _Handles:
    """Call ``fn`` once in a backward, when the gradients of several tensors are there.

    mode: "all" waits for every tensor that this backward comes to, and gives a list with None for the others; "any" gives the first
    gradient. Errors: ValueError for another mode, RuntimeError for a tensor that does not require grad.
    Source: torch.autograd.graph.register_multi_grad_hook.

    >>> import engine as torch
    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> handle = register_multi_grad_hook([a, b], lambda grads: print([g is not None for g in grads]))
    >>> (a * b).sum().backward()
    [True, True]
    >>> (a * 2).sum().backward()
    [True, False]
    """
    if mode not in ("all", "any"):
        raise InvalidValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    many = tuple(tensors)
    if mode == "any":
        done: weakref.WeakSet[Walk] = weakref.WeakSet()

        def once(g: Tensor) -> None:
            walk = walking.get()
            if walk is not None and walk not in done:
                done.add(walk)
                fn(g)

        return _Handles(tuple(t.register_hook(once) for t in many if t.requires_grad))
    edges: list[Edge] = [e for t in many if (e := node_of(t)) is not None]
    waiting: weakref.WeakKeyDictionary[Walk, tuple[list[int], list[Tensor | None]]] = weakref.WeakKeyDictionary()

    def hook_of(place: int) -> Callable[[Tensor], None]:
        def each(g: Tensor) -> None:
            walk = walking.get()
            if walk is None:
                return
            if walk not in waiting:
                waiting[walk] = [walk.will_run(edges, edges[place])], [None] * len(many)
            left, found = waiting[walk]
            found[place] = g
            left[0] -= 1
            if not left[0]:
                del waiting[walk]
                fn(found)

        return each

    return _Handles(tuple(t.register_hook(hook_of(i)) for i, t in enumerate(many)))
