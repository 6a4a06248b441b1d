"""RAdam: Adam that does not trust the mean of the squared gradient before it has seen enough."""

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

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Steps as Adam's times a factor for the variance of v; while that is not known, p ← p − lr·m̂.

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.RAdam.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        beta1, beta2 = map(number, group["betas"])
        for p, descent in descents(group):
            raw = descent
            if decay and group["decoupled_weight_decay"]:
                change(p, p._array * (1 - lr * decay))
            elif decay:
                raw = descent + decay * p._array
            state = self._state_of(p)
            t = advance(state)
            g = as_real(raw)
            m, v = kept(state, "exp_avg", g), kept(state, "exp_avg_sq", g)
            m, v = m + (1 - beta1) * (g - m), beta2 * v + (1 - beta2) * g * g
            put(state, "exp_avg", wrap(as_complex(m, raw)))
            put(state, "exp_avg_sq", wrap(as_complex(v, raw)))
            update = m / (1 - beta1**t) * lr
            seen = 1 - beta2**t
            most = 2 / (1 - beta2) - 1
            length = most - 2 * t * beta2**t / seen
            if length > 5.0:
                factor = ((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)) ** 0.5
                update = update * (seen**0.5 / (np.sqrt(v) + eps)) * factor
            change(p, p._array - as_complex(update, raw))
