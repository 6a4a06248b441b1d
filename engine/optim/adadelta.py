"""Adadelta: steps as long as those before it, scaled by running means of squares."""

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
    check_least,
    check_lr,
    descents,
    kept,
    number,
    put,
)
from engine.tensor import Tensor, wrap

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps p ← p − lr·d with d = g·√(a + eps)/√(v + eps), where v and a are running means of g² and d².

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.Adadelta.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9968, 1.9968], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise InvalidValueError(f"Invalid rho value: {rho}")
        check_least(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        rho = number(group["rho"])
        for p, descent in descents(group):
            raw = descent + decay * p._array if decay else descent
            state = self._state_of(p)
            advance(state)
            g = as_real(raw)
            v = rho * kept(state, "square_avg", g) + (1 - rho) * g * g
            a = kept(state, "acc_delta", g)
            d = np.sqrt(a + eps) / np.sqrt(v + eps) * g
            put(state, "square_avg", wrap(as_complex(v, raw)))
            put(state, "acc_delta", wrap(as_complex(rho * a + (1 - rho) * d * d, raw)))
            change(p, p._array - as_complex(lr * d, raw))
