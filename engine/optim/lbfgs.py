"""L-BFGS: steps along the gradient turned by an estimate of the inverse Hessian, from the last few steps and changes of gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine.errors import ArgumentError, InvalidValueError, TensorError
from engine.grad_mode import enable_grad
from engine.optim.line_search import Point, strong_wolfe
from engine.optim.optimizer import Optimizer, as_complex, as_real, change, number, put
from engine.tensor import Tensor, wrap

__all__ = ["LBFGS"]

CURVED = 1e-10
"""Of a change of gradient along a step, below which the pair says nothing of the curvature and is not kept."""


class LBFGS(Optimizer):
    """Steps against H·grad, with H from the last ``history_size`` pairs of steps and changes of gradient.

    A call makes several steps, each of which may evaluate the loss again: ``step`` needs a closure.
    max_iter: steps a call. max_eval: evaluations a call (default 1.25·max_iter). tolerance_grad: the largest element of a gradient that
    ends a call. tolerance_change: of a step or of the loss. line_search_fn: None or "strong_wolfe". All parameters are one group.
    Errors: ValueError for options out of range and for several groups, RuntimeError for another line search. Source: torch.optim.LBFGS;
    Nocedal and Wright, Numerical Optimization, algorithm 7.4.

    >>> import engine as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([w])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 3.0) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(5., grad_fn=<SumBackward0>)
    >>> w
    tensor([3.0000, 3.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise InvalidValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise InvalidValueError(f"Invalid learning rate: {lr}")
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise InvalidValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` steps; answers the loss that the closure computed first.

        Errors: TypeError without a closure.
        """
        if closure is None:
            raise ArgumentError("LBFGS.step() missing 1 required positional argument: 'closure'", "closure")
        return _Call(self, closure).run()


class _Call:
    """One call of ``step``: the options it goes by, and what it carries from step to step as flat real arrays."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.group = optimizer.param_groups[0]
        self.params: list[Tensor] = self.group["params"]
        self.state = optimizer._state_of(self.params[0])
        self.closure = closure
        if self.group["line_search_fn"] not in (None, "strong_wolfe"):
            raise TensorError("only 'strong_wolfe' is supported")

    def run(self) -> Any:
        group, state = self.group, dict(self.state)
        original = self._evaluated()
        loss, evaluations, steps = float(original), 1, 0
        state["func_evals"] = state.get("func_evals", 0) + 1
        grad = self._gradient()
        best_grad = group["tolerance_grad"]
        if _largest(grad) <= best_grad:
            self._keep(state)
            return original
        direction, t = _raw(state.get("d")), state.get("t")
        while steps < group["max_iter"]:
            steps += 1
            state["n_iter"] = state.get("n_iter", 0) + 1
            direction = self._direction(state, grad, direction, t)
            state["prev_flat_grad"] = wrap(grad.copy())
            state["prev_loss"] = before = loss
            lr = number(group["lr"])
            t = min(1.0, 1.0 / float(np.abs(grad).sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(grad.dot(direction))
            if slope > -group["tolerance_change"]:
                break
            calls = 0
            if group["line_search_fn"] is not None:
                found, calls = self._search(direction, Point(0.0, loss, grad, slope), t)
                t, loss, grad = found.t, found.loss, found.grad
            else:
                self._moved([p._array for p in self.params], t, direction)
                if steps != group["max_iter"]:
                    loss, grad, calls = float(self._evaluated()), self._gradient(), 1
            evaluations += calls
            state["func_evals"] += calls
            if steps == group["max_iter"] or evaluations >= group["max_eval"] or _largest(grad) <= best_grad:
                break
            change_size = group["tolerance_change"]
            if _largest(direction * direction.dtype.type(t)) <= change_size or abs(loss - before) < change_size:
                break
        state["d"], state["t"] = wrap(direction), t
        self._keep(state)
        return original

    def _keep(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            put(self.state, key, value)

    def _direction(self, state: dict[str, Any], grad: Any, direction: Any, t: Any) -> Any:
        """Where to go: against the gradient at first, then by the pairs that the state keeps."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        y, s = grad - _raw(state["prev_flat_grad"]), direction * direction.dtype.type(t)
        curved = float(y.dot(s))
        changes, steps, ro = (list(state[k]) for k in ("old_dirs", "old_stps", "ro"))
        if curved > CURVED:
            if len(changes) == self.group["history_size"]:
                changes, steps, ro = changes[1:], steps[1:], ro[1:]
            changes.append(wrap(y))
            steps.append(wrap(s))
            ro.append(wrap(y.dtype.type(1.0 / curved)))
            state["H_diag"] = wrap(y.dtype.type(curved / float(y.dot(y))))
        state.update(old_dirs=changes, old_stps=steps, ro=ro)
        q = -grad
        weights: list[Any] = [None] * self.group["history_size"]
        for i in range(len(changes) - 1, -1, -1):
            weights[i] = _raw(steps[i]).dot(q) * _raw(ro[i])
            q = q - weights[i] * _raw(changes[i])
        q = q * _raw(state["H_diag"])
        for i in range(len(changes)):
            q = q + _raw(steps[i]) * (weights[i] - _raw(changes[i]).dot(q) * _raw(ro[i]))
        state["al"] = [None if w is None else wrap(w) for w in weights]
        return q

    def _evaluated(self) -> Any:
        with enable_grad():
            return self.closure()

    def _gradient(self) -> Any:
        """All gradients in a row; zeros where there is none, pairs for complex ones."""
        parts = []
        for p in self.params:
            array = np.zeros_like(p._array) if p.grad is None else p.grad._array
            parts.append(as_real(np.asarray(array).reshape(-1)))
        return np.concatenate(parts)

    def _moved(self, origin: list[Any], t: float, direction: Any) -> None:
        """The parameters at ``origin + t·direction``."""
        start = 0
        for p, array in zip(self.params, origin, strict=True):
            flat = as_real(np.asarray(array).reshape(-1))
            part = direction[start : start + flat.size]
            start += flat.size
            like = np.asarray(array)
            change(p, as_complex((flat + t * part).astype(flat.dtype), like).reshape(like.shape))

    def _search(self, direction: Any, here: Point, t: float) -> tuple[Point, int]:
        """Go as far along a direction as the line search says."""
        origin = [np.array(p._array) for p in self.params]
        found, calls = strong_wolfe(lambda step: self._tried(origin, step, direction), direction, here, t)
        self._moved(origin, found.t, direction)
        return found, calls

    def _tried(self, origin: list[Any], t: float, direction: Any) -> tuple[float, Any]:
        """The loss and gradient a step away; the parameters are put back."""
        self._moved(origin, t, direction)
        loss, grad = float(self._evaluated()), self._gradient()
        for p, array in zip(self.params, origin, strict=True):
            change(p, array)
        return loss, grad


def _largest(values: Any) -> float:
    return float(np.abs(values).max()) if values.size else 0.0


def _raw(value: Any) -> Any:
    return value._array if isinstance(value, Tensor) else value
