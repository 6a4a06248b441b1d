"""How values print: as Python and PyTorch print them, each part a step, and with addresses that are the same whenever a run is repeated."""

from __future__ import annotations

from typing import Any, Final

from engine.layout import device
from engine.node import AccumulateGrad, Node
from engine.tensor import Tensor
from service.scripts.containers import View
from service.scripts.errors import Raised
from service.scripts.values import (
    MISSING,
    Bound,
    Kind,
    Module,
    Native,
    OrderedSet,
    Run,
    ScriptClass,
    ScriptFunction,
    ScriptObject,
)

__all__ = ["repr_of", "text_of"]

DEEPEST: Final = 60
_PLAIN: Final = (bool, int, float, complex, type(None), range, type(Ellipsis), bytes)


def text_of(run: Run, value: Any) -> str:
    """``str(value)``."""
    if type(value) is str:
        return value
    if type(value) is device:
        return value.type
    if type(value) is ScriptObject:
        found = value.cls.find("__str__")
        if found is not MISSING:
            return _string(found(value), "__str__")
        if value.cls.native_base is not None and "args" in value.fields:
            return _error_text(run, value.fields["args"])
    if isinstance(value, Raised):
        return text_of(run, value.value)
    if isinstance(value, BaseException):
        return _error_text(run, value.args) if type(value) is not KeyError else repr_of(run, value.args[0])
    return repr_of(run, value)


def _string(found: Any, name: str) -> str:
    if type(found) is not str:
        raise TypeError(f"{name} returned non-string (type {type(found).__name__})")
    return found


def _error_text(run: Run, args: tuple[Any, ...]) -> str:
    return "" if not args else text_of(run, args[0]) if len(args) == 1 else repr_of(run, args)


def repr_of(run: Run, value: Any, depth: int = 0) -> str:
    """``repr(value)``. Errors: RecursionError for what nests too deep, LimitExceeded for what would be too long."""
    run.budget.tick()
    if type(value) is str:
        run.budget.make(4 * len(value))
        return repr(value)
    if isinstance(value, Tensor):
        size = value.numel() if value.ndim == 0 or value.numel() <= 1_000 else 1_000
        run.budget.tick(1 + size // 8)
        return repr(value)
    if depth > DEEPEST:
        raise RecursionError("maximum recursion depth exceeded while getting the repr of an object")
    if type(value) in (list, OrderedSet, View) or type(value) is tuple:
        inner = ", ".join([repr_of(run, v, depth + 1) for v in value])
        run.budget.make(len(inner))
        if type(value) is View:
            return f"{value.name}([{inner}])"
        if type(value) is list:
            return f"[{inner}]"
        if type(value) is tuple:
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return f"{{{inner}}}" if value.items else "set()"
    if isinstance(value, dict):
        inner = ", ".join([f"{repr_of(run, k, depth + 1)}: {repr_of(run, v, depth + 1)}" for k, v in value.items()])
        run.budget.make(len(inner))
        return f"{{{inner}}}"
    if isinstance(value, _PLAIN):
        return repr(value)
    return _named(run, value)


def _named(run: Run, value: Any) -> str:  # noqa: PLR0912 - as above
    if isinstance(value, Node):
        return f"<{value.name().rpartition('::')[2]} object at {run.address(value):#x}>"
    if isinstance(value, AccumulateGrad):
        return f"<AccumulateGrad object at {run.address(value):#x}>"
    if type(value) is ScriptObject:
        found = value.cls.find("__repr__")
        if found is not MISSING:
            return _string(found(value), "__repr__")
        if value.cls.native_base is not None and "args" in value.fields:
            args = value.fields["args"]
            return f"{value.cls.name}{repr_of(run, args) if len(args) != 1 else f'({repr_of(run, args[0])})'}"
        return f"<__main__.{value.cls.name} object at {run.address(value):#x}>"
    if isinstance(value, ScriptFunction):
        return f"<function {value.name} at {run.address(value):#x}>"
    if isinstance(value, ScriptClass):
        return f"<class '__main__.{value.name}'>"
    if isinstance(value, Kind):
        return f"<class '{value.name}'>"
    if isinstance(value, Native):
        return f"<built-in function {value.name.rpartition('.')[2]}>"
    if isinstance(value, Bound):
        return f"<bound method {value.name}>"
    if isinstance(value, Module):
        return f"<module '{value.name}'>"
    if isinstance(value, BaseException):
        args = value.args
        name = "RuntimeError" if type(value).__module__ != "builtins" else type(value).__name__
        return f"{name}{repr_of(run, args) if len(args) != 1 else f'({repr_of(run, args[0])})'}"
    if type(value) is slice:
        return f"slice({repr_of(run, value.start)}, {repr_of(run, value.stop)}, {repr_of(run, value.step)})"
    if type(value).__module__.partition(".")[0] in ("engine", "torch"):
        shown = repr(value)
        return shown if " object at 0x" not in shown else f"<{type(value).__name__} object at {run.address(value):#x}>"
    return f"<{type(value).__name__} object at {run.address(value):#x}>"
