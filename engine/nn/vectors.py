"""Parameters as one vector, and back. Source: torch.nn.utils.convert_parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errors import ArgumentError
from engine.rules import rules
from engine.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after another, on record. Source: torch.nn.utils.parameters_to_vector.

    >>> import engine as torch
    >>> torch.nn.utils.parameters_to_vector([torch.tensor([[1.0, 2.0]]), torch.tensor(3.0)])
    tensor([1., 2., 3.])
    """
    return rules.cat([rules.view(p, (-1,)) for p in parameters])  # type: ignore[no-any-return]


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Make each parameter's ``data`` the part of a vector that belongs to it, whose memory it shares from then on.

    Errors: TypeError for what is no tensor, RuntimeError for a vector that is too short. Source: torch.nn.utils.vector_to_parameters.

    >>> import engine as torch
    >>> w = torch.zeros(2, requires_grad=True)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0]), [w])
    >>> w
    tensor([1., 2.], requires_grad=True)
    """
    if not isinstance(vec, Tensor):
        kind = type(vec)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        raise ArgumentError(f"expected torch.Tensor, but got: {name}", "vec")
    start = 0
    for p in parameters:
        p.data = vec[start : start + p.numel()].view(p.shape).data
        start += p.numel()
