"""The graph from outside: nodes, edges, and what becomes of saved tensors. Source: torch.autograd.graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final, Self

from engine.errors import AutogradError
from engine.grad_mode import detours
from engine.node import GradientEdge, Node, Port, saved_hooks
from engine.tensor import Tensor, node_of
from engine.transaction import current

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
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
