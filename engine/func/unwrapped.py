"""A look behind a transform, and the transform that is not here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

from engine.batching import Batched
from engine.errors import AutogradError
from engine.tensor import Tensor

__all__ = ["debug_unwrap", "functionalize"]


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What a tensor holds inside ``vmap``: all examples, the batch as a dim. Any other tensor itself. Source: torch.func.debug_unwrap.

    >>> import engine as torch
    >>> inside = torch.func.vmap(lambda x: print(torch.func.debug_unwrap(x)) or x)
    >>> _ = inside(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    while isinstance(tensor, Batched):
        tensor = tensor.physical
        if not recurse:
            break
    return tensor


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Never:  # noqa: ARG001 - PyTorch's signature
    """Not here: it makes traces without writes in place, and nothing here needs them. Errors: RuntimeError, always."""
    raise AutogradError(
        "torch.func.functionalize is not supported\nIt rewrites what a function writes in place for a tracer. engine.compile runs such "
        "functions eagerly instead, and derivatives take them as they are."
    )
