"""Adamax: Adam with the largest gradient of late in place of the mean of its square."""

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
    check_betas,
    check_least,
    check_lr,
    descents,
    kept,
    number,
    put,
)
from engine.tensor import Tensor, wrap

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Steps p ← p − lr/(1 − β₁ᵗ)·m/u, where m is a running mean of the gradient and u ← max(β₂·u, |g| + eps).

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.Adamax.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_least(eps=eps)
        check_betas(betas)
        check_least(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        beta1, beta2 = map(number, group["betas"])
        for p, descent in descents(group):
            raw = descent + decay * p._array if decay else descent
            state = self._state_of(p)
            t = advance(state)
            g = as_real(raw)
            m = kept(state, "exp_avg", g)
            m = m + (1 - beta1) * (g - m)
            u = np.maximum(beta2 * kept(state, "exp_inf", g), np.abs(g) + eps)
            put(state, "exp_avg", wrap(as_complex(m, raw)))
            put(state, "exp_inf", wrap(as_complex(u, raw)))
            change(p, p._array - as_complex(lr / (1 - beta1**t) * (m / u), raw))
