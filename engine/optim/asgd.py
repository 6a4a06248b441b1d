"""ASGD: stochastic descent that also keeps the mean of where it has been."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

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

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Steps p ← p·(1 − lambd·η) − η·g, η falling as lr/(1 + lambd·lr·t)^alpha; the state's ``ax`` is the mean of p from step t0 on.

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.ASGD.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_least(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, lambd, alpha, t0, decay = (number(group[k]) for k in ("lr", "lambd", "alpha", "t0", "weight_decay"))
        for p, descent in descents(group):
            raw = descent + decay * p._array if decay else descent
            state = self._state_of(p)
            t = advance(state)
            eta = float(state["eta"]._array if "eta" in state else np.float32(lr))
            mu = float(state["mu"]._array) if "mu" in state else 1.0
            g = as_real(raw)
            mean = kept(state, "ax", g)
            change(p, p._array * (1 - lambd * eta))
            change(p, p._array - eta * raw)
            mean = as_real(p._array) if mu == 1 else mean + (as_real(p._array) - mean) * mu
            put(state, "ax", wrap(as_complex(np.array(mean), raw)))
            put(state, "eta", wrap(np.float32(lr / (1 + lambd * lr * t) ** alpha)))
            put(state, "mu", wrap(np.float32(1 / max(1, t - t0))))
