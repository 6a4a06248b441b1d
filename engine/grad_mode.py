"""Grad modes: whether operators record. Context variables, so each thread and each task has its own.

Source: torch.no_grad, torch.enable_grad, torch.set_grad_enabled, torch.inference_mode (docs.pytorch.org, "Locally disabling
gradient computation").
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from engine.errors import ArgumentError, AutogradError

__all__ = [
    "InferenceCell",
    "allow",
    "enable_grad",
    "fresh_cell",
    "infer",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "refuse_in_transform",
    "set_grad_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])

grad_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)
inference_enabled: ContextVar[bool] = ContextVar("inference_enabled", default=False)
depth: ContextVar[int] = ContextVar(
    "transform_depth", default=0
)  # how many derivatives of functions (func.grad …) are being taken
shown: ContextVar[bool] = ContextVar(
    "shown_grad_mode", default=False
)  # in inference mode, where nothing records whatever is set
detours: list[
    object
] = []  # while any context is in inference mode or detects anomalies, the short doors hand over to the general one


class InferenceCell(list[Any]):
    """The version cell of a tensor made in inference mode: it holds no version, and says so where one is to be saved."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        raise AutogradError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation "
            "tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
            "`torch.no_grad()` instead of `torch.inference_mode()`."
        )


def fresh_cell() -> list[Any]:
    """The version cell of a tensor that is made here and now."""
    return InferenceCell() if inference_enabled.get() else [0]


def infer(mode: bool) -> None:
    """Set inference mode in this context. What sets it sets it back, or the short doors stay closed to all."""
    if inference_enabled.get() is not mode:
        inference_enabled.set(mode)
        if mode:
            detours.append(inference_enabled)
        else:
            detours.remove(inference_enabled)


def allow(grad: bool) -> None:
    """Set grad mode; in inference mode it is shown, and nothing records."""
    if inference_enabled.get():
        shown.set(grad)
        grad = False
    grad_enabled.set(grad)


def refuse_in_transform() -> None:
    """Errors: RuntimeError where a derivative of a function is being taken: there nobody calls ``requires_grad_``."""
    if depth.get():
        raise AutogradError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.* APIs) inside of a function "
            "being transformed by a functorch transform. This is unsupported, please attempt to use the functorch transforms (e.g. grad, "
            "vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside of a function being transformed instead."
        )


def is_grad_enabled() -> bool:
    """Whether operators record here and now.

    >>> is_grad_enabled()
    True
    """
    return shown.get() if inference_enabled.get() else grad_enabled.get()


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on here and now."""
    return inference_enabled.get()


class _Mode:
    """A context manager and decorator that sets the modes on entry and puts them back on exit."""

    grad: bool
    inference: bool | None = None

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((is_grad_enabled(), inference_enabled.get()))
        if self.inference is not None:
            infer(self.inference)
        allow(self.grad)

    def __exit__(self, *exc: object) -> None:
        grad, inference = self._before.pop()
        infer(inference)
        allow(grad)

    def _again(self) -> _Mode:
        return type(self)()

    def __call__(self, f: F) -> F:
        if inspect.isgeneratorfunction(f):
            return self._in_steps(f)

        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return f(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _in_steps(self, f: F) -> F:
        """A generator function whose steps run in the mode, and whose caller's steps do not."""

        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            walk = f(*args, **kwargs)
            step, given = walk.send, None
            while True:
                try:
                    with self._again():
                        answer = step(given)
                except StopIteration as end:
                    return end.value
                try:
                    step, given = walk.send, (yield answer)
                except GeneratorExit:
                    with self._again():
                        walk.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - what the caller throws in is the generator's to catch
                    step, given = walk.throw, error

        return wrapped  # type: ignore[return-value]


class _BareMode(_Mode):
    """A mode that also decorates without being called: ``@no_grad``, as PyTorch allows."""

    def __new__(cls, f: Callable[..., Any] | None = None) -> Any:
        self = object.__new__(cls)
        self._before = []
        return self if f is None else self(f)

    def __init__(self, f: None = None) -> None:
        """Nothing is left to do: ``__new__`` did it."""


class no_grad(_BareMode):  # noqa: N801 - PyTorch's name
    """Operators inside record nothing: results have ``requires_grad=False``.

    Exceptions: factories with ``requires_grad=True`` still make leaves. Use as ``with no_grad():``, ``@no_grad()`` or ``@no_grad``.
    """

    grad = False


class enable_grad(_BareMode):  # noqa: N801 - PyTorch's name
    """Operators inside record, also within ``no_grad``."""

    grad = True


class set_grad_enabled(_Mode):  # noqa: N801 - PyTorch's name
    """Set the mode at once; as a context manager put it back on exit.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__()
        if not isinstance(mode, bool):
            raise ArgumentError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}", "mode"
            )
        self.grad = mode
        self._before.append((is_grad_enabled(), inference_enabled.get()))
        allow(mode)

    def __enter__(self) -> None:
        allow(self.grad)

    def __call__(self, f: F) -> F:
        allow(self._before.pop()[0])
        return super().__call__(f)

    def _again(self) -> _Mode:
        return set_grad_enabled(self.grad)


class inference_mode(_Mode):  # noqa: N801 - PyTorch's name
    """As ``no_grad``, and results have no version: they are never saved for backward, and written in place only here.

    Views of tensors from outside stay normal tensors. ``mode=False`` is normal mode, with recording on.
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode
        self.grad = not mode
        self.inference = mode

    def _again(self) -> _Mode:
        return inference_mode(self.mode)
