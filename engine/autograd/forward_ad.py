"""Forward mode by hand: dual tensors, made and taken apart inside a level. Source: torch.autograd.forward_ad.

>>> import engine as torch
>>> import engine.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
...     fwAD.unpack_dual(x * x)
UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from engine.duals import Level, below, close_level, give, new_level, tangent_of, unlike
from engine.errors import AutogradError, InvalidValueError
from engine.forward import alike
from engine.rules import rules
from engine.tensor import Tensor

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

current: Final[ContextVar[Level | None]] = ContextVar("dual_level", default=None)


class UnpackedDualTensor(NamedTuple):
    """The two parts of a dual tensor; tangent is None for a tensor that carries none."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin forward mode; answers the number of the level. Errors: RuntimeError inside another level."""
    if current.get() is not None:
        raise AutogradError("Nested forward mode AD is not supported at the moment")
    current.set(new_level())
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End forward mode: all tangents are gone. Errors: RuntimeError where ``level`` is not open, or none is."""
    here = current.get()
    if level is not None and level != (-1 if here is None else 0):
        raise AutogradError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    if here is None:
        raise AutogradError("Dual level must be a positive number.")
    current.set(None)
    close_level(here)


class dual_level:  # noqa: N801 - PyTorch's name
    """Forward mode for a while, as a context manager or a decorator; levels do not nest: ``func.jvp`` does.

    >>> import engine as torch
    >>> with dual_level():
    ...     y = make_dual(torch.ones(1), torch.ones(1)).exp()
    >>> unpack_dual(y).tangent is None
    True
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with dual_level():
                return f(*args, **kwargs)

        return inside


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` that carries ``tangent``: the tensor itself where it lies in memory as ``tensor`` does, else a copy.

    Errors: RuntimeError outside a level, for a tangent of another shape, and for a tensor that carries one already; ValueError for what
    is neither floating nor complex. Source: torch.autograd.forward_ad.make_dual.

    >>> import engine as torch
    >>> with dual_level():
    ...     make_dual(torch.tensor([1.0]), torch.tensor([5.0])).sin()
    tensor([0.8415], tangent=tensor([2.7015]))
    """
    here = current.get()
    if here is None or (level is not None and level < 0):
        raise AutogradError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if not t.dtype.differentiable:
            raise InvalidValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype!r}")
    if tangent_of(tensor, here) is not None:
        raise AutogradError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported."
        )
    if tuple(tensor.shape) != tuple(tangent.shape):
        raise AutogradError(unlike(tensor, tangent))
    with below(here):
        dual: Tensor = rules.view(tensor, tuple(tensor.shape))
        give(dual, here, alike(tangent, tensor))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A view of a dual tensor's values that carries no tangent, and the tangent itself.

    Outside a level: the tensor as it is, and None. Source: torch.autograd.forward_ad.unpack_dual.

    >>> import engine as torch
    >>> unpack_dual(torch.ones(1))
    UnpackedDualTensor(primal=tensor([1.]), tangent=None)
    """
    here = current.get()
    if here is None or (level is not None and level < 0):
        return UnpackedDualTensor(tensor, None)
    with below(here):
        primal: Tensor = rules.alias(tensor)
    return UnpackedDualTensor(primal, tangent_of(tensor, here))
