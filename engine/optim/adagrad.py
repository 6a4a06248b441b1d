"""Adagrad: steps scaled by the sum of all squared gradients so far."""

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
    check_fused,
    check_lr,
    number,
    put,
)
from engine.tensor import Tensor, wrap

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps p ← p − lr/(1 + (t − 1)·lr_decay)·g/(√s + eps), where s ← s + g².

    The state of every parameter is made at once. Errors: ValueError for options out of range. Source: torch.optim.Adagrad.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        for name, value in (
            ("lr_decay", lr_decay),
            ("weight_decay", weight_decay),
            ("initial_accumulator_value", initial_accumulator_value),
            ("epsilon", eps),
        ):
            if not value >= 0.0:
                raise InvalidValueError(f"Invalid {name} value: {value}")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(foreach=foreach, differentiable=differentiable, fused=fused)
        for group in self.param_groups:
            for p in group["params"]:
                self._begin(p)

    def _begin(self, p: Tensor) -> dict[str, Any]:
        state = self._state_of(p)
        if not state:
            start = self.defaults["initial_accumulator_value"]
            put(state, "step", wrap(np.float32(0)))
            value = complex(start, start) if p.is_complex() else start
            put(state, "sum", wrap(np.full(p._array.shape, value, p._array.dtype)))
        return state

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        for p in group["params"]:
            meta = p._meta
            if meta is None or meta.grad is None:
                continue
            raw = meta.grad._array
            if group["maximize"]:
                raw = -raw
            if decay:
                raw = raw + decay * p._array
            state = self._begin(p)
            rate = lr / (1 + (advance(state) - 1) * number(group["lr_decay"]))
            g = as_real(raw)
            total = as_real(state["sum"]._array) + g * g
            put(state, "sum", wrap(as_complex(total, raw)))
            change(p, p._array - as_complex(rate * (g / (np.sqrt(total) + eps)), raw))
