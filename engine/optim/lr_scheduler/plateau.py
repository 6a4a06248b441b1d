"""A schedule that waits for a metric to stop improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, SupportsFloat

from engine.errors import InvalidValueError, TensorError
from engine.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer, set_lr, warn_of_epoch
from engine.optim.optimizer import Optimizer, number

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` once a metric has not improved for more than ``patience`` epochs; ``step`` takes the metric.

    Errors: ValueError for options out of range. Source: torch.optim.lr_scheduler.ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise InvalidValueError("Factor should be < 1.0.")
        check_optimizer(optimizer)
        count = len(optimizer.param_groups)
        several = isinstance(min_lr, (list, tuple))
        lowest: list[Any] = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * count
        if len(lowest) != count:
            raise InvalidValueError(f"expected {count} min_lrs, got {len(lowest)}")
        self.factor = factor
        self.optimizer = optimizer
        self.default_min_lr: Any = None if several else min_lr
        self.min_lrs = lowest
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._shown()
        self._judge(mode, threshold, threshold_mode)
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def _judge(self, mode: Any, threshold: float, threshold_mode: Any) -> None:
        if mode not in {"min", "max"}:
            raise InvalidValueError(f"mode {mode} is unknown!")
        if threshold_mode not in {"rel", "abs"}:
            raise InvalidValueError(f"threshold mode {threshold_mode} is unknown!")
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take the epoch's metric into account."""
        found = float(metrics)
        if epoch is not None:
            warn_of_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(found, self.best):
            self.best = found
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._shown()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise TensorError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when `ReduceLROnPlateau` was "
                    f"initialized ({len(self.min_lrs)}), usually due to a new param group being added to the optimizer. Please modify "
                    "the `min_lrs` field to match the length of the `optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            old = float(number(group["lr"]))
            lr = max(old * self.factor, lowest)
            if old - lr > self.eps:
                set_lr(group, lr)

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs are not judged yet since the last reduction."""
        return self.cooldown_counter > 0

    def _is_better(self, a: float, best: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        margin = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a < margin if self.mode == "min" else a > margin

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._judge(self.mode, self.threshold, self.threshold_mode)
