"""Custom operators: ``autograd.Function`` with ``forward`` and ``backward`` of one's own.

Source: torch.autograd.Function and "Extending PyTorch" (docs.pytorch.org/docs/stable/notes/extending.html).

>>> import engine as torch
>>> class Cube(torch.autograd.Function):
...     @staticmethod
...     def forward(ctx, x):
...         ctx.save_for_backward(x)
...         return x**3
...
...     @staticmethod
...     def backward(ctx, g):
...         (x,) = ctx.saved_tensors
...         return g * 3 * x**2
>>> x = torch.tensor(2.0, requires_grad=True)
>>> Cube.apply(x).backward()
>>> x.grad
tensor(12.)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from engine.autograd.custom import CustomPlan, FunctionCtx, own, push, record
from engine.batching import level_of, levels
from engine.duals import below, innermost, outside_levels
from engine.errors import AutogradError, TensorError
from engine.grad_mode import depth, grad_enabled, no_grad
from engine.hollow import UNKNOWN, active_listener
from engine.tensor import Tensor, node_of

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

EXTENDING = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class Function:
    """The base of custom operators.

    ``forward(ctx, …)`` (or ``forward(…)`` with ``setup_context``), ``backward(ctx, *grads)``, and ``apply`` to call it.
    """

    _plan: CustomPlan
    _internal = False  # one of ours, that stands in for another
    generate_vmap_rule = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - whatever it is called with
        raise AutogradError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
            "forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._plan = CustomPlan(cls)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; nothing is recorded inside."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Save what backward needs, where ``forward`` takes no ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient for each input of forward, None where there is none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """As ``backward``, under its other name."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs, given one for each input (None for what is no tensor)."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """What ``apply`` does on whole batches: answers (outputs, their batch dims)."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    @classmethod
    def _pull(cls) -> Callable[..., Any]:
        """What runs backward. Errors: RuntimeError where there are two."""
        if cls.vjp is Function.vjp:
            return cls.backward
        if cls.backward is not Function.backward:
            raise AutogradError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
            )
        return cls.vjp

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operator and record it."""
        if active_listener.get() is not None:
            raise TensorError(UNKNOWN)  # what its backward does, nobody foresees
        with_context = cls.setup_context is not Function.setup_context
        if kwargs or with_context:
            args = _bound(cls.forward, args, kwargs, 0 if with_context else 1)
        if (depth.get() or levels()) and not with_context and not cls._internal:
            raise AutogradError(
                "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
                f"setup_context staticmethod. {EXTENDING}"
            )
        level = level_of(args)
        if level:
            from engine.autograd.mapped_function import apply_mapped

            return apply_mapped(cls, args, level)
        ctx = FunctionCtx()
        tensors = [a for a in args if isinstance(a, Tensor)]
        edges = [node_of(t) for t in tensors]
        recording = grad_enabled.get() and any(e is not None for e in edges)
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and node_of(a) is not None for a in args)
        varied = innermost(args)
        with no_grad(), outside_levels():
            if with_context:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args)
        several = isinstance(out, tuple)
        outputs = list(out) if several else [out]
        for t in ctx._dirty:
            if not any(t is o for o in outputs):
                raise AutogradError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs "
                    "that are modified inplace must all be outputs of the Function."
                )
            if type(t._version_cell) is list:
                t._version_cell[0] += 1
        outputs = [own(o, tensors, ctx) for o in outputs]
        if recording and any(isinstance(o, Tensor) for o in outputs):
            record(cls, ctx, args, tensors, edges, outputs, several)
        while varied is not None:
            push(cls, ctx, args, outputs, varied)
            with below(varied):
                varied = innermost(args)
        ctx._for_forward = None
        return tuple(outputs) if several else outputs[0]


def _bound(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], skip: int) -> tuple[Any, ...]:
    """The arguments of forward by position, with its defaults."""
    bound = inspect.signature(forward).bind(*(None,) * skip, *args, **kwargs)
    bound.apply_defaults()
    return bound.args[skip:]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that cannot be differentiated itself: a second derivative through it is an error."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        recording = grad_enabled.get() and any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        with no_grad():
            answer = backward(ctx, *grads)
        if not recording:
            return answer
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(a if a is None else _Once.apply(a, *[g for g in grads if g is not None]) for a in answers)

    return wrapped


class _Once(Function):
    """Stands where a derivative ends."""

    _internal = True

    @staticmethod
    def forward(ctx: Any, value: Tensor, *grads: Tensor) -> Tensor:  # noqa: ARG004 - PyTorch's signature
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:  # noqa: ARG004 - PyTorch's signature
        raise AutogradError("trying to differentiate twice a function that was marked with @once_differentiable")


_Once._plan = CustomPlan(_Once, name="torch::autograd::Error")
