"""Classes of scripts: plain ones, exceptions, and ``autograd.Function`` subclasses, which become the engine's own."""

from __future__ import annotations

from typing import Any, Final

from engine.autograd.function import Function
from service.scripts.calls import Member
from service.scripts.values import Bound, Kind, Native, ScriptClass, ScriptFunction

__all__ = ["CUSTOM", "engine_function", "make_class"]

CUSTOM: Final = ("forward", "backward", "setup_context", "vjp", "jvp")


def make_class(name: str, parents: tuple[Any, ...], fields: dict[str, Any], source: str, line: int) -> ScriptClass:
    """The class of a definition. Errors: TypeError for a base that cannot be one."""
    native: Any = None
    bases: list[ScriptClass] = []
    for parent in parents:
        if isinstance(parent, ScriptClass):
            bases.append(parent)
        elif isinstance(parent, Kind) and parent.name == "object":
            continue
        elif isinstance(parent, Kind) and parent.types and issubclass(parent.types[0], (BaseException, Function)):
            native = parent
        elif isinstance(parent, Native) and parent.name == "torch.nn.Module":
            parent.function(None)
        else:
            raise TypeError("a class derives from a script's class, an exception or torch.autograd.Function here")
    cls = ScriptClass(name, bases, native, fields, source, line)
    for value in fields.values():
        found = value.function if isinstance(value, Member) else value
        if isinstance(found, ScriptFunction) and found.owner is None:
            found.owner = cls
    base = cls.native_base
    if base is not None and issubclass(base.types[0], Function):
        cls.wrapped = engine_function(cls, _members(cls))
    return cls


def _members(cls: ScriptClass) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name in CUSTOM:
        found = cls.find(name)
        if isinstance(found, Member):
            found = found.function
        if isinstance(found, (ScriptFunction, Native, Bound)):
            members[name] = found
    return members


def engine_function(cls: ScriptClass, members: dict[str, Any]) -> type[Function]:
    """The engine's custom function that a class stands for: its nodes lead back to the class by ``script_class``."""
    return type(cls.name, (Function,), {"script_class": cls, **{k: staticmethod(v) for k, v in members.items()}})
