"""One cycle: up to the largest learning rate and down to the smallest, with the momentum the other way."""

from __future__ import annotations

import math
from typing import Any, Literal

from engine.errors import InvalidValueError
from engine.optim.lr_scheduler.scheduler import LRScheduler, check_optimizer, per_group
from engine.optim.optimizer import Group, Optimizer, put

__all__ = ["OneCycleLR"]


class OneCycleLR(LRScheduler):
    """From max_lr/div_factor up to max_lr in the first ``pct_start`` of all steps, then down to that over ``final_div_factor``.

    ``cycle_momentum`` moves momentum (or the first beta) the other way; with ``three_phase`` the way down first mirrors the way up.
    Errors: ValueError for options out of range, and for a step too many. Source: torch.optim.lr_scheduler.OneCycleLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _count(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise InvalidValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in {"cos", "linear"}:
            raise InvalidValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                put(group, "initial_lr", lr / div_factor)
                put(group, "max_lr", lr)
                put(group, "min_lr", group["initial_lr"] / final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise InvalidValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
            self.use_beta1 = "betas" in optimizer.defaults
            high = per_group("max_momentum", optimizer, max_momentum)
            low = per_group("base_momentum", optimizer, base_momentum)
            for group, most, least in zip(optimizer.param_groups, high, low, strict=True):
                if last_epoch == -1:
                    self._set_momentum(group, most)
                    put(group, "max_momentum", most)
                    put(group, "base_momentum", least)
        super().__init__(optimizer, last_epoch)

    def _set_momentum(self, group: Group, value: float) -> None:
        if self.use_beta1:
            put(group, "betas", (value, *group["betas"][1:]))
        else:
            put(group, "momentum", value)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        now = self.last_epoch
        if now > self.total_steps:
            raise InvalidValueError(
                f"Tried to step {now} times. The specified number of total steps is {self.total_steps}"
            )
        start = 0.0
        phase = self._schedule_phases[-1]
        for phase in self._schedule_phases:
            if now <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        done = (now - start) / (phase["end_step"] - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                self._set_momentum(
                    group, self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], done)
                )
        return [self._between(group[phase["start_lr"]], group[phase["end_lr"]], done) for group in groups]

    def _between(self, start: float, end: float, done: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)


def _count(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is None and (epochs is None or steps_per_epoch is None):
        raise InvalidValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch} if total is None else {"total_steps": total}
    count = 1
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise InvalidValueError(f"Expected positive integer {name}, but got {value}")
        count *= value
    return count


def _phases(total: int, share: float, three: bool) -> list[dict[str, Any]]:
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    rows: list[tuple[Any, ...]] = [
        (float(share * total) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        (total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
    ]
    if three:
        rows[1:] = [
            (float(2 * share * total) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    return [dict(zip(names, row, strict=True)) for row in rows]
