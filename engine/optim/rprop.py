"""Rprop: a step size for each element, which only the signs of gradients change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.errors import InvalidValueError
from engine.optim.optimizer import (
    Group,
    Optimizer,
    advance,
    as_complex,
    as_real,
    change,
    check_lr,
    descents,
    kept,
    number,
    put,
)
from engine.tensor import Tensor, wrap

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps p ← p − s·sign(g); s grows by etas[1] while the sign stays and shrinks by etas[0] where it turns, where p waits.

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.Rprop.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Rprop([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9900, 1.9900], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise InvalidValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr = number(group["lr"])
        shrinking, growing = map(number, group["etas"])
        least, most = map(number, group["step_sizes"])
        for p, raw in descents(group):
            state = self._state_of(p)
            advance(state)
            g = as_real(raw)
            sign = np.sign(g * kept(state, "prev", g))
            size = as_real(state["step_size"]._array) if "step_size" in state else np.full_like(g, lr)
            factor = np.where(sign > 0, growing, np.where(sign < 0, shrinking, 1)).astype(g.dtype)
            size = np.clip(size * factor, g.dtype.type(least), g.dtype.type(most))
            g = np.where(sign < 0, 0, g).astype(g.dtype)
            put(state, "prev", wrap(as_complex(g, raw)))
            put(state, "step_size", wrap(as_complex(size, raw)))
            change(p, p._array - as_complex(np.sign(g) * size, raw))
