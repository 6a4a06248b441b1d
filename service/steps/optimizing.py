"""Optimizers and schedules of the learning rate as steps: ``optim.SGD`` makes one under the step's id, ``optim.step`` makes it work.

Each class of ``engine.optim`` whose options are plain data is a verb; its schema line is read off its signature. Those that call back
(LBFGS, LambdaLR, MultiplicativeLR) are for scripts.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from engine import optim
from engine.errors import EngineError
from engine.optim import Optimizer
from engine.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from engine.tensor import Tensor
from service.steps.errors import InvalidInput
from service.steps.outcome import Outcome
from service.steps.verbs import verb
from service.steps.workspace import Workspace

__all__ = ["OPTIMIZERS", "SCHEDULERS"]

OPTIMIZERS: Final = (
    "SGD",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "Adadelta",
    "Adagrad",
    "RMSprop",
    "Rprop",
    "ASGD",
)
SCHEDULERS: Final = (
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "StepLR",
)
WORK: Final = 16  # what an update rule does for each element
KEPT: Final = 6  # arrays as large as a parameter that a rule makes and keeps, at most
SLIPS: Final = (TypeError, ValueError, AttributeError, ArithmeticError, LookupError)


def _option(p: inspect.Parameter) -> str:
    """An option of a constructor, as a parameter of a schema line."""
    if p.default is inspect.Parameter.empty:
        kind = {"int": "int", "float": "Scalar", "Iterable[int]": "int[]"}.get(str(p.annotation), "Any")
        return f"{kind} {p.name}"
    kind = {bool: "bool", int: "Scalar", float: "Scalar", str: "str"}.get(type(p.default), "Any")
    return f"{kind} {p.name}={p.default!r}"


def _line(made: type, first: str) -> str:
    parts = [first]
    options = list(inspect.signature(made).parameters.values())[1:]
    for p in options:
        if p.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(_option(p))
    return f"{made.__name__}({', '.join(parts)}) -> Tensor"


def _built(made: type, subject: Any, options: tuple[Any, ...]) -> Any:
    """An instance, from what the schema has bound. Errors: the engine's, InvalidInput for options of the wrong kind."""
    names = list(inspect.signature(made).parameters)[1:]
    with _reported(f"optim.{made.__name__}"):
        return made(subject, **dict(zip(names, options, strict=True)))


@contextmanager
def _reported(what: str) -> Iterator[None]:
    """Errors: InvalidInput where an option proves to be of the wrong kind."""
    try:
        yield
    except EngineError:
        raise
    except SLIPS as error:
        raise InvalidInput(f"{what}: an option is not of the kind it must be ({error})") from error


def _declare(made: type, name: str, first: str) -> None:
    def make(workspace: Workspace, subject: Any, *options: Any) -> Outcome:
        if first.startswith("str"):
            subject = _optimizer(workspace, subject)
        return Outcome(made=_built(made, subject, options))

    sentence = (inspect.getdoc(made) or "").partition("\n")[0]
    make.__doc__ = f"{sentence} Bound under the step's id; options as in torch.{name}."
    verb(_line(made, first), name=name, binds=True)(make)


for _name in OPTIMIZERS:
    _declare(getattr(optim, _name), f"optim.{_name}", "Tensor[] params")
for _name in SCHEDULERS:
    _declare(getattr(optim.lr_scheduler, _name), f"optim.lr_scheduler.{_name}", "str optimizer")


def _optimizer(workspace: Workspace, name: str) -> Optimizer:
    found = workspace.value(name)
    if not isinstance(found, Optimizer):
        raise InvalidInput(f"'{name}' is not an optimizer", argument="optimizer")
    return found


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


@verb("step(str id, Scalar? metrics=None) -> Tensor[]", name="optim.step")
def step(workspace: Workspace, name: str, metrics: Any) -> Outcome:
    """One step of an optimizer, from the gradients there are; answers its parameters. Or one of a schedule.

    metrics: what a ReduceLROnPlateau watches.
    """
    found = workspace.value(name)
    if isinstance(found, LRScheduler):
        if (metrics is not None) != isinstance(found, ReduceLROnPlateau):
            raise InvalidInput("'metrics' goes with ReduceLROnPlateau, and only with it", argument="metrics")
        workspace.charge("optim.step", 1_000, 0)
        with _reported("optim.step"):
            found.step() if metrics is None else found.step(metrics)
        return Outcome(value={"lr": [float(lr) for lr in found.get_last_lr()]})
    optimizer = _optimizer(workspace, name)
    if isinstance(optimizer, optim.LBFGS):
        raise InvalidInput("LBFGS evaluates a loss again and again: run it in a script", argument="id")
    parameters = _parameters(optimizer)
    elements, size = sum(p.numel() for p in parameters), sum(p.nbytes for p in parameters)
    workspace.charge("optim.step", WORK * elements, KEPT * size)
    with _reported("optim.step"):
        optimizer.step()
    return Outcome(tensors=tuple(parameters), several=True)


@verb("zero_grad(str id, bool set_to_none=True) -> Tensor[]", name="optim.zero_grad")
def zero_grad(workspace: Workspace, name: str, set_to_none: bool) -> Outcome:
    """Forget the gradients of an optimizer's parameters, or set them to zero."""
    optimizer = _optimizer(workspace, name)
    optimizer.zero_grad(set_to_none)
    return Outcome(tensors=tuple(_parameters(optimizer)), several=True)


@verb("state(str id) -> Tensor", name="optim.state")
def state(workspace: Workspace, name: str) -> Outcome:
    """An optimizer's options and the state of each parameter, by its number; or a schedule's."""
    found = workspace.value(name)
    if not isinstance(found, (Optimizer, LRScheduler)):
        raise InvalidInput(f"'{name}' is neither an optimizer nor a schedule", argument="id")
    return Outcome(value=_plain(found.state_dict()))


def _plain(value: Any) -> Any:
    """State as JSON's kinds, tensors as they are; numbers as keys become strings."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (Tensor, str, int, float, type(None))) else str(value)
