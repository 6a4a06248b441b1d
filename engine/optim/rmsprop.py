"""RMSprop: steps scaled by a running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.errors import InvalidValueError
from engine.optim.optimizer import Group, Optimizer, advance, as_complex, as_real, change, check_lr, kept, number, put
from engine.tensor import Tensor, wrap

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps p ← p − lr·g/(√v + eps), where v ← alpha·v + (1 − alpha)·g².

    centered: v less the square of the gradient's running mean. momentum: of what is divided. Errors: ValueError for options out of
    range. Source: torch.optim.RMSprop.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not eps >= 0.0:
            raise InvalidValueError(f"Invalid epsilon value: {eps}")
        for name, value in (("momentum", momentum), ("weight_decay", weight_decay), ("alpha", alpha)):
            if not value >= 0.0:
                raise InvalidValueError(f"Invalid {name} value: {value}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        alpha, momentum = number(group["alpha"]), number(group["momentum"])
        for p in group["params"]:
            meta = p._meta
            if meta is None or meta.grad is None:
                continue
            raw = meta.grad._array
            if group["maximize"]:
                raw = -raw
            if decay:
                raw = raw + decay * p._array
            state = self._state_of(p)
            advance(state)
            g = as_real(raw)
            v = alpha * kept(state, "square_avg", g) + (1 - alpha) * g * g
            put(state, "square_avg", wrap(as_complex(v, raw)))
            buffer = kept(state, "momentum_buffer", g) if momentum > 0 else 0
            if group["centered"]:
                mean = kept(state, "grad_avg", g)
                mean = mean + (1 - alpha) * (g - mean) if alpha > 0.5 else g - (g - mean) * alpha
                v = v - mean * mean
            update = momentum * buffer + g / (np.sqrt(v) + eps) if momentum > 0 else g / (np.sqrt(v) + eps)
            if momentum > 0:
                put(state, "momentum_buffer", wrap(as_complex(update, raw)))
            if group["centered"]:
                put(state, "grad_avg", wrap(as_complex(mean, raw)))
            change(p, p._array - as_complex(lr * update, raw))
