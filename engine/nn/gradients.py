"""Gradients cut to size between backward and an optimizer's step. Source: torch.nn.utils.clip_grad."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import GeneratorType

from engine.apply import dispatch
from engine.errors import TensorError
from engine.grad_mode import no_grad
from engine.op import OPS
from engine.rules import rules
from engine.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _gradients(parameters: Tensors) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in given if p.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensors,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001 - PyTorch's choice of implementation
) -> Tensor:
    """The norm of all elements of all tensors together. Source: torch.nn.utils.get_total_norm.

    Errors: RuntimeError for a norm that is not finite, where ``error_if_nonfinite``.

    >>> import engine as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    many = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    if not many:
        return dispatch(OPS["tensor"], (0.0,), {})  # type: ignore[no-any-return]
    total = rules.linalg_vector_norm(rules.stack([rules.linalg_vector_norm(t, order) for t in many]), order)
    if error_if_nonfinite and not bool(rules.isfinite(total)):
        raise TensorError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this "
            "error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total  # type: ignore[no-any-return]


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors,
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,  # noqa: ARG001 - as above
) -> None:
    """Multiply the gradients, in place, by ``max_norm / (total_norm + 1e-6)``, never by more than 1.

    Source: torch.nn.utils.clip_grads_with_norm_.
    """
    gradients = _gradients(parameters)
    if gradients:
        factor = rules.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        for g in gradients:
            g.mul_(factor)


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients, in place, so that their norm together is at most ``max_norm``; answers what it was.

    Errors: RuntimeError for a norm that is not finite, where ``error_if_nonfinite``. Source: torch.nn.utils.clip_grad_norm_.

    >>> import engine as torch
    >>> w = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_(w, 1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if isinstance(parameters, GeneratorType) and not given:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(given, max_norm, total, foreach)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensors,
    clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001 - as above
) -> None:
    """Cut each element of the gradients, in place, to [-clip_value, clip_value]. Source: torch.nn.utils.clip_grad_value_.

    >>> import engine as torch
    >>> w = torch.tensor([3.0, -0.1], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([w], 0.5)
    >>> w.grad
    tensor([ 0.5000, -0.2000])
    """
    most = float(clip_value)
    for g in _gradients(parameters):
        g.clamp_(min=-most)
        g.clamp_(max=most)
