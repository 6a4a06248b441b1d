"""``torch.optim`` in scripts: the engine's optimizers and schedulers, their work charged before it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import engine as torch
from engine.optim import Optimizer
from engine.optim import lr_scheduler as schedulers
from engine.tensor import Tensor
from service.scripts.operators import tree_size
from service.scripts.tensor_names import callback
from service.scripts.tensors import settled
from service.scripts.values import Kind, Lazy, Module, Native, Run

__all__ = ["METHODS", "optim", "utils"]

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
    "LBFGS",
)
CLOSURES: Final = frozenset({"LambdaLR", "MultiplicativeLR"})
WORK: Final = 16  # what an update rule does for each element


def _arguments(run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    from service.scripts.calls import iterate

    def plain(value: Any) -> Any:
        if isinstance(value, Lazy):
            value = list(iterate(run, value))
        run.budget.make(32 * tree_size(run, value))  # options are copied
        return value

    return tuple(map(plain, args)), {k: plain(v) for k, v in kwargs.items()}


def _optimizer(name: str) -> Kind:
    own = getattr(torch.optim, name)

    def make(run: Run, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _arguments(run, args, kwargs)
        run.budget.make(4_096)
        return own(*args, **kwargs)

    return Kind(f"torch.optim.{name}", (own,), make)


def _scheduler(name: str) -> Kind:
    own = getattr(schedulers, name)

    def make(run: Run, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _arguments(run, args, kwargs)
        run.budget.make(4_096)
        return own(optimizer, *args, **kwargs)

    return Kind(f"torch.optim.lr_scheduler.{name}", (own,), make)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if isinstance(p, Tensor)]


def _step(run: Run, self: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(self, Optimizer):
        parameters = _parameters(self)
        run.budget.charge("step", WORK * sum(p.numel() for p in parameters))
        kept = 6 if not isinstance(self, torch.optim.LBFGS) else 8 + 2 * self.param_groups[0]["history_size"]
        run.budget.hold("step", kept * sum(p.nbytes for p in parameters) + 256, 0)
        args = tuple(callback(run, a) if a is not None else None for a in args)
        kwargs = {k: callback(run, v) if k == "closure" and v is not None else v for k, v in kwargs.items()}
    else:
        run.budget.charge("step", 1_000)
        if any(not isinstance(a, (int, float, Tensor, type(None))) for a in (*args, *kwargs.values())):
            raise TypeError("step() takes a number")
    return self.step(*args, **kwargs)


def _forwarded(name: str) -> Callable[..., Any]:
    def method(run: Run, self: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _arguments(run, args, kwargs)
        run.budget.make(4_096)
        if isinstance(self, Optimizer):
            run.budget.tick(len(_parameters(self)) // 8)
        return getattr(self, name)(*args, **kwargs)

    return method


METHODS: Final[dict[str, Callable[..., Any]]] = {
    "step": _step,
    **{n: _forwarded(n) for n in ("zero_grad", "add_param_group", "state_dict", "load_state_dict", "get_last_lr")},
}


def optim() -> Module:
    """The module ``torch.optim``."""
    names = [n for n in schedulers.__all__ if n != "LRScheduler"]
    inner = Module("torch.optim.lr_scheduler", {n: _scheduler(n) for n in names})
    inner.members["LRScheduler"] = Kind("torch.optim.lr_scheduler.LRScheduler", (schedulers.LRScheduler,), _abstract)
    members: dict[str, Any] = {n: _optimizer(n) for n in OPTIMIZERS}
    members["Optimizer"] = Kind("torch.optim.Optimizer", (Optimizer,), _abstract)
    members["lr_scheduler"] = inner
    return Module("torch.optim", members)


def _abstract(run: Run, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - it takes anything, and refuses
    raise TypeError("this class is for isinstance only")


# --- what torch.nn.utils does between backward and a step ---------------------------------------------------------------


def _between(name: str, vector: bool = False) -> Native:
    """A function over parameters: they, and what they hold, are counted before anything is made."""
    own = getattr(torch.nn.utils, name)
    first = int(name == "vector_to_parameters")

    def call(run: Run, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _arguments(run, args, kwargs)
        given = args[first] if len(args) > first else kwargs.get("parameters", kwargs.get("tensors"))
        many = [t for t in (given if isinstance(given, (list, tuple)) else [given]) if isinstance(t, Tensor)]
        run.budget.charge(name, WORK * sum(t.numel() for t in many))
        run.budget.hold(name, 2 * sum(t.nbytes for t in many) + 256, 256 * len(many) if vector else 0)
        return settled(run, name, own(*args, **kwargs))

    return Native(f"torch.nn.utils.{name}", call)


def utils() -> Module:
    """The module ``torch.nn.utils``."""
    names = ("clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "vector_to_parameters")
    members = {name: _between(name) for name in names}
    members["parameters_to_vector"] = _between("parameters_to_vector", vector=True)
    return Module("torch.nn.utils", members)
