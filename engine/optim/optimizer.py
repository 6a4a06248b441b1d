"""Optimizer: groups of parameters with their options, a state for each parameter, and what all update rules share.

An update rule computes on raw arrays, and every change goes through ``write()`` (values, so versions are bumped) or ``put`` (state and
options): an open transaction can undo all of it. State tensors are replaced, never written, so a ``state_dict`` is a snapshot.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import ArgumentError, InvalidValueError, TensorError
from engine.grad_mode import enable_grad, no_grad
from engine.node import Handle
from engine.tensor import Tensor, array_of, set_attribute, wrap
from engine.transaction import current
from engine.write import check_writable, write

__all__ = [
    "Group",
    "Optimizer",
    "advance",
    "as_complex",
    "as_real",
    "change",
    "check_betas",
    "check_fused",
    "check_least",
    "check_lr",
    "descents",
    "evaluate",
    "kept",
    "number",
    "put",
]

Group = dict[str, Any]


def put(owner: dict[Any, Any], key: Any, value: Any) -> None:
    """Set what a dict holds; an open transaction remembers what it held."""
    transaction = current.get()
    if transaction is not None:
        transaction.item(owner, key)
    owner[key] = value


def number(value: Any) -> Any:
    """An option as a Python number, whose dtype never widens an array's."""
    return value if type(value) in {float, int} else value.item() if hasattr(value, "item") else value


def change(p: Tensor, values: Any) -> None:
    """Write a parameter's new values, as an in-place operator under ``no_grad`` does."""
    array = p._array
    if p._view is not None or 0 in getattr(array, "strides", ()):
        with no_grad():
            check_writable(p, records=False)
    write(p, values)
    view = p._view
    if view is not None and view.base._node is None:  # a leaf of its own: what it shares says nothing of its history
        set_attribute(view, "version", p._version_cell[0])


def advance(state: dict[str, Any]) -> float:
    """Count a step in a parameter's state (a float32 tensor, as PyTorch keeps it) and answer the count."""
    count = float(state["step"]._array) + 1 if "step" in state else 1.0
    put(state, "step", wrap(np.float32(count)))
    return count


def as_real(values: Any) -> Any:
    """Complex values as pairs of real ones along the last dim; real ones as they are."""
    return np.ascontiguousarray(values).view(values.real.dtype) if values.dtype.kind == "c" else values


def as_complex(values: Any, like: Any) -> Any:
    """The way back from ``as_real``, to the dtype and shape of ``like``."""
    return values.view(like.dtype).reshape(like.shape) if like.dtype.kind == "c" else values


def evaluate(closure: Callable[[], Any] | None) -> Any:
    """The loss that a closure computes, with grad mode on."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def check_lr(lr: Any) -> None:
    """Errors: ValueError for a tensor of several elements, and for what is below zero (or NaN)."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise InvalidValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise InvalidValueError(f"Invalid learning rate: {lr}")


def check_betas(betas: Any) -> None:
    """Errors: ValueError for a factor of a running mean that is not in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise InvalidValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_least(**options: Any) -> None:
    """Errors: ValueError for an option below zero (or NaN); ``eps`` is called epsilon."""
    for name, value in options.items():
        if not value >= 0.0:
            raise InvalidValueError(f"Invalid {'epsilon' if name == 'eps' else name} value: {value}")


def descents(group: Group) -> Iterator[tuple[Tensor, Any]]:
    """The parameters of a group that have a gradient, each with it as a raw array: where ``maximize``, the other way."""
    for p in group["params"]:
        meta = p._meta
        if meta is not None and meta.grad is not None:
            raw = meta.grad._array
            yield p, -raw if group["maximize"] else raw


def kept(state: dict[str, Any], name: str, like: Any) -> Any:
    """An array of a parameter's state, zeros at first; of a complex parameter as pairs of real numbers."""
    found = state.get(name)
    return np.zeros_like(like) if found is None else as_real(found._array)


def check_fused(*, foreach: Any, differentiable: Any, fused: Any) -> None:
    """Errors: RuntimeError for implementations of PyTorch's that exclude each other."""
    if fused and differentiable:
        raise TensorError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise TensorError("`fused` and `foreach` cannot be `True` together.")


def _counted(step: Callable[..., Any]) -> Callable[..., Any]:
    """A rule's ``step`` with the hooks around it, which notes that it was called."""

    @functools.wraps(step)
    def counted(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if type(self).step is not counted:  # called by the step of a class below
            return step(self, *args, **kwargs)
        given: tuple[Any, ...] = (self, *args)
        for hook in self._called("step_pre"):
            changed = hook(self, given, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise TensorError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                given, kwargs = changed
        loss = step(*given, **kwargs)
        if not self._opt_called:
            self._opt_called = True
        for hook in self._called("step_post"):
            hook(self, given, kwargs)
        return loss

    return counted


class Optimizer:
    """The root of all optimizers. A rule of one's own overrides ``step``; those of the engine override ``_update``.

    params: tensors, (name, tensor) pairs, or dicts with "params" and options that go before ``defaults``. ``foreach``, ``fused`` and
    ``capturable`` choose between PyTorch's implementations; there is one here, so they are kept and change nothing.
    Errors: TypeError and ValueError for parameters that cannot be optimized. Source: torch.optim.Optimizer.
    """

    param_groups: list[Group]
    state: defaultdict[Any, dict[Any, Any]]
    defaults: dict[str, Any]
    _hooks: Mapping[str, OrderedDict[int, Callable[..., Any]]] = MappingProxyType({})  # its own with the first hook

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._opt_called = False
        if isinstance(params, Tensor):
            raise ArgumentError(
                f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {_typename(params)}",
                "params",
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise InvalidValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _counted(cls.__dict__["step"])  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        put(self.__dict__, name, value)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # -- a step ----------------------------------------------------------------------------------------------------

    @_counted
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients; those whose ``grad`` is None are left alone.

        closure: computes the loss anew, and is answered with it.
        """
        loss = evaluate(closure)
        for group in self.param_groups:
            if group.get("differentiable"):
                raise TensorError("a step is not recorded: differentiable=True is not supported [gradwire]")
            self._update(group)
        return loss

    def _update(self, group: Group) -> None:
        raise NotImplementedError

    def _state_of(self, p: Tensor) -> dict[str, Any]:
        found = self.state.get(p)
        if found is None:
            found = {}
            put(self.state, p, found)
        return found

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                    continue
                if grad.requires_grad:
                    p.grad = grad = grad.detach()
                grad.zero_()

    # -- groups ----------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize more parameters, with options of their own.

        Errors: TypeError for what is no tensor; ValueError for a non-leaf, and for a parameter of another group.
        """
        if not isinstance(param_group, dict):
            raise ArgumentError(f"param_group must be a dict, but got {type(param_group)}", "param_group")
        given = param_group["params"]
        if isinstance(given, set):
            raise ArgumentError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change "
                "between runs. Please use a list instead.",
                "params",
            )
        listed = [given] if isinstance(given, Tensor) else list(given)
        names = [p[0] for p in listed if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in listed]
        param_group["params"] = params
        if names and len(names) != len(params):
            raise InvalidValueError("all optimizer params should be with/without names. Some param names are missing")
        if names:
            param_group["param_names"] = names
        for p in params:
            self._check_parameter(p)
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        if len(set(params)) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        if any(("param_names" in group) != bool(names) for group in self.param_groups):
            raise InvalidValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if names else 'without'} names to the optimizer"
            )
        if not set(params).isdisjoint(chain.from_iterable(group["params"] for group in self.param_groups)):
            raise InvalidValueError("some parameters appear in more than one parameter group")
        self.param_groups = [*self.param_groups, param_group]

    def _check_parameter(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise ArgumentError(
                f"optimizer can only optimize Tensors, but one of the params is {_typename(p)}", "params"
            )
        if not (p.is_leaf or p.retains_grad):
            raise InvalidValueError("can't optimize a non-leaf Tensor")

    # -- saving and loading ----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and options with parameters numbered in order, as PyTorch lays them out."""
        for hook in self._called("state_dict_pre"):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            params = group["params"]
            for i, p in enumerate(params, start):
                numbers.setdefault(id(p), i)
            start += len(params)
            groups.append(
                {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in params]}
            )
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: dict(v) for k, v in self.state.items()}
        told: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._called("state_dict_post"):
            changed = hook(self, told)
            told = told if changed is None else changed
        return told

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what ``state_dict`` answered. Errors: ValueError where the groups differ in number or size."""
        state_dict = dict(state_dict)
        for hook in self._called("load_state_dict_pre"):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise InvalidValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved, strict=True)):
            raise InvalidValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        keys = chain.from_iterable(s["params"] for s in saved)
        params = dict(zip(keys, chain.from_iterable(g["params"] for g in groups), strict=True))
        state: defaultdict[Any, dict[Any, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            p = params.get(key)
            state[key if p is None else p] = value if p is None else _cast(p, value, None)
        for group, s in zip(groups, saved, strict=True):
            s["params"] = group["params"]
            if "param_names" in group:
                s.setdefault("param_names", group["param_names"])
            for name, default in self.defaults.items():
                s.setdefault(name, default)
        self.state = state
        self.param_groups = saved
        for hook in self._called("load_state_dict_post"):
            hook(self)

    # -- hooks -----------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; a pair that it answers replaces the arguments."""
        return self._hooked("step_pre", hook, False)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._hooked("step_post", hook, False)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer)`` before ``state_dict``; ``prepend``: before the hooks that there are."""
        return self._hooked("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; what it answers takes its place."""
        return self._hooked("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict``; what it answers is loaded instead."""
        return self._hooked("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return self._hooked("load_state_dict_post", hook, prepend)

    def _called(self, when: str) -> Iterable[Callable[..., Any]]:
        hooks = self._hooks.get(when)
        return tuple(hooks.values()) if hooks else ()

    def _hooked(self, when: str, hook: Callable[..., Any], prepend: bool) -> Handle:
        if "_hooks" not in self.__dict__:
            self._hooks = defaultdict(OrderedDict)
        hooks = self._hooks[when]
        handle = Handle(hooks, hook)
        if prepend:
            hooks.move_to_end(next(reversed(hooks)), last=False)
        return handle


def _cast(p: Tensor, value: Any, key: Any) -> Any:
    """A saved value as state of ``p``: floating state takes its dtype, but for counts of steps."""
    if isinstance(value, Tensor):
        if key == "step" or not p.is_floating_point():
            return value.detach()
        return wrap(array_of(value).astype(p._array.dtype, copy=False))
    if isinstance(value, dict):
        return {k: _cast(p, v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(p, v, None) for v in value)
    if key == "step":
        return wrap(np.float32(value))
    return value


def _typename(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"torch.{dtypes.spoken(value.dtype)}Tensor"
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
