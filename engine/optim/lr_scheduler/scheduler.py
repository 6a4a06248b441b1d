"""LRScheduler: what all schedules share. Each step of one sets ``lr`` of every group of an optimizer.

Attributes and options are set so that an open transaction can undo them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.errors import ArgumentError, InvalidValueError
from engine.grad_mode import no_grad
from engine.optim.optimizer import Group, Optimizer, number, put
from engine.tensor import Tensor

__all__ = ["LRScheduler", "check_optimizer", "per_group", "set_lr", "warn_of_epoch"]

ADVICE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def check_optimizer(value: Any) -> None:
    """Errors: TypeError for what is no optimizer."""
    if not isinstance(value, Optimizer):
        raise ArgumentError(f"{type(value).__name__} is not an Optimizer", "optimizer")


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """An option given once or once a group, as a list of one a group. Errors: ValueError for another number."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise InvalidValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, param_groups has {count}."
        )
    return list(value)


def set_lr(group: Group, value: Any) -> None:
    """Set a group's learning rate; one that is a tensor is written."""
    if isinstance(group["lr"], Tensor):
        with no_grad():
            group["lr"].fill_(number(value))
    else:
        put(group, "lr", value)


def warn_of_epoch() -> None:
    """The deprecation of ``step(epoch)``."""
    warnings.warn(
        "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
        "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed form is used "
        "instead of the new chainable form, where available. Please open an issue if you are unable to replicate your use case: "
        "https://github.com/pytorch/pytorch/issues/new/choose.",
        UserWarning,
        stacklevel=3,
    )


class LRScheduler:
    """The root of all schedules; one's own overrides ``get_lr``, which answers a learning rate a group.

    last_epoch: the epoch to go on from; -1 begins, and keeps each group's ``lr`` as ``initial_lr``. Source: torch.optim.lr_scheduler.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _unsaved: tuple[str, ...] = ("optimizer",)
    optimizer: Optimizer
    last_epoch: int
    base_lrs: list[Any]
    _last_lr: list[Any]
    _step_count: int

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if "initial_lr" in group:
                continue
            if last_epoch != -1:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= 0.\nThis "
                    "typically happens when:\n1. You're trying to resume training from a checkpoint but haven't properly loaded the "
                    "optimizer state\n2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
                )
            lr = group["lr"]
            put(group, "initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
        self.base_lrs = [number(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def __setattr__(self, name: str, value: Any) -> None:
        put(self.__dict__, name, value)

    def _initial_step(self) -> None:
        self._step_count = 0
        with self._during("_is_initial"):
            self.step()

    @contextmanager
    def _during(self, flag: str) -> Iterator[None]:
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, False)

    def _now(self) -> list[Any]:
        return [number(group["lr"]) for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[Any]:
        return [lr * factor for lr in self._now()]

    def _from_base(self, factor: float) -> list[Any]:
        return [lr * factor for lr in self.base_lrs]

    def get_last_lr(self) -> list[Any]:
        """The learning rates that the last step set."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rates of ``last_epoch``, from those of now."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go on by an epoch, or (deprecated) to one."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call them in "
                "the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result in PyTorch "
                f"skipping the first value of the learning rate schedule. {ADVICE}",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        closed: Callable[[], list[Any]] | None = getattr(self, "_get_closed_form_lr", None)
        with self._during("_get_lr_called_within_step"):
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            values = self.get_lr() if epoch is None or closed is None else closed()
        self._set(values)

    def _set(self, values: Iterable[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_lr(group, lr)
        self._last_lr = self._shown()

    def _shown(self) -> list[Any]:
        lrs = [group["lr"] for group in self.optimizer.param_groups]
        return [lr.clone() if isinstance(lr, Tensor) else lr for lr in lrs]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """Every attribute but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in self._unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` answered."""
        for key, value in state_dict.items():
            if key not in self._unsaved:
                setattr(self, key, value)
