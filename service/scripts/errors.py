"""What a script is refused for: where, and the reason in Python's or PyTorch's words."""

from __future__ import annotations

import ast
from typing import Any

from engine.errors import EngineError
from service.steps.errors import ServiceError

__all__ = ["CATCHABLE", "Raised", "ScriptCancelled", "ScriptError", "class_name", "located", "reason", "reported"]

_TEXT = 200  # characters of a source line that an error repeats


class ScriptError(ServiceError):
    """A script failed. ``detail``: the reason; members: ``line`` and ``column`` (from 1), ``source`` (the line's text)."""


class ScriptCancelled(ServiceError):
    """A script was cancelled while it ran; nothing of it was kept."""


class Raised(Exception):
    """An exception of a class that the script defined; ``value`` is its object."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def __str__(self) -> str:
        return str(self.value)


CATCHABLE = (
    EngineError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, RuntimeError,
    StopIteration, TypeError, ValueError, Raised,
)  # fmt: skip
"""What a script's ``except`` may catch; limits and cancellation pass it by."""
_NAMES = {"EngineError": "RuntimeError"}


def located(error: BaseException, node: ast.AST) -> None:
    """Note where in the text an error arose; the innermost place stays."""
    if not hasattr(error, "script_place"):
        error.script_place = (getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)  # type: ignore[attr-defined]


def class_name(error: BaseException) -> str:
    """The name of an error's class as Python and PyTorch know it."""
    if isinstance(error, Raised):
        return str(error.value.cls.name)
    for cls in type(error).__mro__:
        if cls.__module__ == "builtins":
            return cls.__name__
    return "RuntimeError"


def reason(error: BaseException) -> str:
    """``NameError: name 'x' is not defined``."""
    text = repr(error.args[0]) if type(error) is KeyError and error.args else str(error)
    name = class_name(error)
    return f"{name}: {text}" if text else name


def reported(error: BaseException, source: str) -> ServiceError:
    """The error that the caller of a script gets: a limit or a cancellation with its place, or a ScriptError."""
    line, column = getattr(error, "script_place", (1, 1))
    lines = source.splitlines()
    text = lines[line - 1].rstrip()[:_TEXT] if 0 < line <= len(lines) else ""
    if isinstance(error, ServiceError):
        error.members.setdefault("line", line)
        error.members.setdefault("column", column)
        if text:
            error.members.setdefault("source", text)
        return error
    return ScriptError(reason(error), line=line, column=column, source=text or None)
