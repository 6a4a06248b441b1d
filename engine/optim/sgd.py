"""Gradient descent, with momentum or without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errors import InvalidValueError
from engine.optim.optimizer import Group, Optimizer, change, check_fused, number, put
from engine.tensor import Tensor, wrap

__all__ = ["SGD"]


class SGD(Optimizer):
    """Steps against the gradient: p ← p − lr·b, where b ← momentum·b + (1 − dampening)·(grad + weight_decay·p).

    Errors: ValueError for options out of range. Source: torch.optim.SGD.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise InvalidValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise InvalidValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise InvalidValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise InvalidValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise InvalidValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(foreach=foreach, differentiable=differentiable, fused=fused)

    def _update(self, group: Group) -> None:
        lr, momentum, decay = number(group["lr"]), number(group["momentum"]), number(group["weight_decay"])
        maximize = group["maximize"]
        for p in group["params"]:
            meta = p._meta
            if meta is None or meta.grad is None:
                continue
            g = meta.grad._array
            if maximize:
                g = -g
            if decay:
                g = g + decay * p._array
            if momentum:
                g = self._moved(p, g, momentum, group)
            change(p, p._array - lr * g)

    def _moved(self, p: Tensor, g: Any, momentum: Any, group: Group) -> Any:
        state = self._state_of(p)
        before = state.get("momentum_buffer")
        b = g.copy() if before is None else momentum * before._array + (1 - number(group["dampening"])) * g
        put(state, "momentum_buffer", wrap(b))
        return g + momentum * b if group["nesterov"] else b
