"""NAdam: Adam with Nesterov's momentum."""

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

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Steps as Adam's, with the momentum of the next step mixed in: μₜ = β₁·(1 − 0.96^(t·momentum_decay)/2).

    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.NAdam.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8944, 1.8944], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_least(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        beta1, beta2 = map(number, group["betas"])
        slowing = number(group["momentum_decay"])
        for p, descent in descents(group):
            raw = descent
            if decay and group["decoupled_weight_decay"]:
                change(p, p._array * (1 - lr * decay))
            elif decay:
                raw = descent + decay * p._array
            state = self._state_of(p)
            t = advance(state)
            mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * slowing))
            following = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * slowing))
            product = np.float32(1) if "mu_product" not in state else state["mu_product"]._array
            put(state, "mu_product", wrap(np.float32(product * np.float32(mu))))
            through = float(state["mu_product"]._array)
            g = as_real(raw)
            m, v = kept(state, "exp_avg", g), kept(state, "exp_avg_sq", g)
            m, v = m + (1 - beta1) * (g - m), beta2 * v + (1 - beta2) * g * g
            put(state, "exp_avg", wrap(as_complex(m, raw)))
            put(state, "exp_avg_sq", wrap(as_complex(v, raw)))
            scale = np.sqrt(v / (1 - beta2**t)) + eps
            change(p, p._array - as_complex(lr * (1.0 - mu) / (1.0 - through) * (g / scale), raw))
            change(p, p._array - as_complex(lr * following / (1.0 - through * following) * (m / scale), raw))
