"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    check_betas,
    check_fused,
    check_least,
    check_lr,
    number,
    put,
)
from engine.tensor import Tensor, wrap

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps p ← p − lr·m̂/(√v̂ + eps), where m and v are running means of the gradient and its square, corrected for their start at zero.

    amsgrad: divide by the largest v so far. decoupled_weight_decay: shrink p itself, rather than add to the gradient.
    A complex parameter is updated as pairs of real numbers. Errors: ValueError for options out of range. Source: torch.optim.Adam.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise InvalidValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        check_least(eps=eps)
        check_betas(betas)
        check_least(weight_decay=weight_decay)
        if not any(all(isinstance(b, kind) for b in betas[:2]) for kind in (float, Tensor)):
            raise InvalidValueError("betas must be either both floats or both Tensors")
        for i, b in enumerate(betas):
            if isinstance(b, Tensor) and foreach and not capturable:
                raise InvalidValueError(
                    f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
                )
            if isinstance(b, Tensor) and b.numel() != 1:
                raise InvalidValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {
            "lr": lr,
            "betas": tuple(map(number, betas)),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(foreach=foreach, differentiable=differentiable, fused=fused)

    def _update(self, group: Group) -> None:
        lr, eps, decay = number(group["lr"]), number(group["eps"]), number(group["weight_decay"])
        beta1, beta2 = map(number, group["betas"])
        for p in group["params"]:
            meta = p._meta
            if meta is None or meta.grad is None:
                continue
            g = meta.grad._array
            if group["maximize"]:
                g = -g
            if decay and group["decoupled_weight_decay"]:
                change(p, p._array * (1 - lr * decay))
            elif decay:
                g = g + decay * p._array
            state = self._state_of(p)
            t = advance(state)
            m, v = self._means(state, as_real(g), beta1, beta2)
            first, second = as_complex(m, g), as_complex(v, g)
            put(state, "exp_avg", wrap(first))
            put(state, "exp_avg_sq", wrap(second))
            if group["amsgrad"]:
                v = (
                    np.maximum(v, as_real(state["max_exp_avg_sq"]._array))
                    if "max_exp_avg_sq" in state
                    else np.maximum(v, 0)
                )
                put(state, "max_exp_avg_sq", wrap(as_complex(v, g)))
            denominator = np.sqrt(v) / (1 - beta2**t) ** 0.5 + eps
            change(p, p._array - as_complex(lr / (1 - beta1**t) * m / denominator, g))

    @staticmethod
    def _means(state: dict[str, Any], g: Any, beta1: float, beta2: float) -> tuple[Any, Any]:
        if "exp_avg" not in state:
            return (1 - beta1) * g, (1 - beta2) * g * g
        m, v = as_real(state["exp_avg"]._array), as_real(state["exp_avg_sq"]._array)
        return m + (1 - beta1) * (g - m), beta2 * v + (1 - beta2) * g * g


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself: p ← p·(1 − lr·weight_decay). Source: torch.optim.AdamW.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8500, 1.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As every optimizer's; what Adam saved is taken over with decoupled decay."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            put(group, "decoupled_weight_decay", True)
