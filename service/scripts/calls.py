"""Calling, iterating, and reaching into values: THE CLOSED LISTS of what has attributes, methods and items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from engine.autograd.function import FunctionCtx
from engine.dtypes import dtype
from engine.grad_mode import _Mode
from engine.layout import Size, device
from engine.node import AccumulateGrad, Handle, Node
from engine.optim import Optimizer
from engine.optim.lr_scheduler import LRScheduler
from engine.tensor import Tensor
from service.scripts import tensor_names, tensors
from service.scripts.errors import Raised
from service.scripts.methods import METHODS
from service.scripts.operators import hashable, type_name
from service.scripts.values import (
    MISSING,
    Bound,
    Kind,
    Lazy,
    Module,
    Native,
    OrderedSet,
    Run,
    ScriptClass,
    ScriptFunction,
    ScriptObject,
    Super,
    refused_arguments,
)  # fmt: skip

__all__ = [
    "Member",
    "Method",
    "call",
    "call_method",
    "del_item",
    "get_attribute",
    "get_item",
    "instantiate",
    "iterate",
    "raised",
    "set_attribute",
    "set_item",
]

MOST_VIEWS: Final = 1_000  # rows that one unbind may make; more come one by one
DUNDERS: Final = "names with two leading underscores cannot be reached from a script"


class Member:
    """What ``@staticmethod``, ``@classmethod`` and ``@property`` make of a function."""

    __slots__ = ("function", "kind")

    def __init__(self, kind: str, function: Any) -> None:
        self.kind = kind
        self.function = function


_NODE: Final = {"name", "register_hook", "register_prehook"}
PLAIN_ATTRIBUTES: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (Node, frozenset({"next_functions"})),
    (AccumulateGrad, frozenset({"next_functions", "variable"})),
    (Optimizer, frozenset({"param_groups", "defaults", "state"})),
    (LRScheduler, frozenset({"base_lrs", "last_epoch"})),
    (dtype, frozenset({"is_floating_point", "is_complex", "is_signed", "itemsize"})),
    (device, frozenset({"type", "index"})),
    (FunctionCtx, frozenset({"saved_tensors", "needs_input_grad"})),
    (complex, frozenset({"real", "imag"})),
    (float, frozenset({"real", "imag"})),
    (int, frozenset({"real", "imag", "numerator", "denominator"})),
    (slice, frozenset({"start", "stop", "step"})),
    (range, frozenset({"start", "stop", "step"})),
    (BaseException, frozenset({"args"})),
)
PLAIN_METHODS: Final[tuple[tuple[type, frozenset[str]], ...]] = (
    (Node, frozenset({"name"})),
    (AccumulateGrad, frozenset({"name"})),
    (Handle, frozenset({"remove"})),
    (Size, frozenset({"numel"})),
    (
        FunctionCtx,
        frozenset(
            {"save_for_backward", "save_for_forward", "mark_dirty", "mark_non_differentiable", "set_materialize_grads"}
        ),
    ),
)


# --- attributes -------------------------------------------------------------------------------------------------------


def get_attribute(run: Run, value: Any, name: str) -> Any:  # noqa: PLR0912 - a case for each kind of value
    """``value.name``. Errors: AttributeError in Python's words."""
    if isinstance(value, Tensor):
        if name in tensor_names.PROPERTIES:
            return tensor_names.get_property(run, value, name)
        if name in tensor_names.METHODS:
            return Bound(value, name)
        raise _lacks(value, name)
    if name.startswith("__"):
        raise AttributeError(f"'{type_name(value)}' object has no attribute '{name}' here: {DUNDERS}")
    kind = type(value)
    if kind is Module:
        found = value.find(name)
        if found is MISSING:
            raise AttributeError(f"module '{value.name}' has no attribute '{name}'")
        return found
    if kind is ScriptObject:
        return _of_object(run, value, name)
    if kind is Super:
        found = value.find(name)
        if found is MISSING:
            raise AttributeError(f"'super' object has no attribute '{name}'")
        return _bound_member(run, found, value.subject, name)
    if kind is ScriptClass:
        found = value.find(name)
        if found is not MISSING:
            return found.function if isinstance(found, Member) and found.kind == "staticmethod" else (
                Bound(value, name) if isinstance(found, Member) and found.kind == "classmethod" else found
            )  # fmt: skip
        if name == "apply" and value.wrapped is not None:
            return Bound(value, name)
        raise AttributeError(f"type object '{value.name}' has no attribute '{name}'")
    if kind is Kind:
        if name in value.members:
            return value.members[name]
        raise AttributeError(f"type object '{value.name}' has no attribute '{name}'")
    if isinstance(value, FunctionCtx) and name in vars(value) and not name.startswith("_"):
        return vars(value)[name]
    fields = getattr(kind, "_fields", None)
    if fields is not None and isinstance(value, tuple) and name in fields:
        return getattr(value, name)
    for types, names in PLAIN_ATTRIBUTES:
        if isinstance(value, types) and name in names:
            return getattr(value, name)
    if _method(value, name) is not None:
        return Bound(value, name)
    raise _lacks(value, name)


def _lacks(value: Any, name: str) -> AttributeError:
    return AttributeError(f"'{type_name(value)}' object has no attribute '{name}'")


def _of_object(run: Run, value: ScriptObject, name: str) -> Any:
    found = value.cls.find(name)
    if isinstance(found, Member) and found.kind == "property":
        return call(run, found.function, (value,), {})
    if name in value.fields:
        return value.fields[name]
    if found is MISSING:
        fallback = value.cls.find("__getattr__")
        if fallback is not MISSING:
            return fallback(value, name)
        raise AttributeError(f"'{value.cls.name}' object has no attribute '{name}'")
    return _bound_member(run, found, value, name)


def _bound_member(run: Run, found: Any, subject: Any, name: str) -> Any:
    made: tuple[Any, tuple[Any, ...], dict[str, Any]] = (_getattr(), (subject, name), {})
    if isinstance(found, Member):
        if found.kind == "property":
            return call(run, found.function, (subject,), {})
        if found.kind == "staticmethod":
            return found.function
        cls = subject.cls if isinstance(subject, ScriptObject) else subject
        return Native(
            name, lambda *args, **kwargs: call(run, found.function, (cls, *args), kwargs), plain=True, made=made
        )
    if isinstance(found, (ScriptFunction, Native)) and type(found) is not Kind:
        if isinstance(found, Native):
            return Native(name, lambda *args, **kwargs: found(subject, *args, **kwargs), plain=True, made=made)
        return Method(found, subject)
    return found


def _getattr() -> Native:
    from service.scripts.natives import NATIVES

    found: Native = NATIVES["getattr"]
    return found


class Method(Bound):
    """A script's function bound to its object."""

    __slots__ = ("function",)

    def __init__(self, function: ScriptFunction, subject: Any) -> None:
        super().__init__(subject, function.name)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.subject, *args, **kwargs)


def set_attribute(run: Run, value: Any, name: str, new: Any) -> None:
    """``value.name = new``. Errors: AttributeError."""
    if isinstance(value, Tensor):
        tensor_names.set_property(run, value, name, new)
        return
    if name.startswith("__"):
        raise AttributeError(f"{DUNDERS}: '{name}'")
    if isinstance(value, (ScriptObject, ScriptClass)):
        if isinstance(value, ScriptObject):
            found = value.cls.find(name)
            if isinstance(found, Member) and found.kind == "property":
                raise AttributeError(f"property '{name}' of '{value.cls.name}' object has no setter")
        run.budget.make(64)
        run.touch(value)
        value.fields[name] = new
        return
    if isinstance(value, FunctionCtx) and not name.startswith("_") and name not in vars(FunctionCtx):
        run.budget.make(64)
        run.touch(value)
        setattr(value, name, new)
        return
    raise AttributeError(f"'{type_name(value)}' object attribute '{name}' cannot be set")


# --- calls ------------------------------------------------------------------------------------------------------------


def call(run: Run, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``. Errors: TypeError for what cannot be called."""
    kind = type(function)
    if kind is ScriptFunction or kind is Native or kind is Kind:
        return function.called(run, args, kwargs)
    if kind is ScriptClass:
        return instantiate(run, function, args, kwargs)
    if kind is Bound:
        return call_method(run, function.subject, function.name, args, kwargs)
    if kind is Method or (kind is ScriptObject and function.cls.find("__call__") is not MISSING):
        return function(*args, **kwargs)
    if isinstance(function, _Mode):
        return _decorated(function, *args)
    raise TypeError(f"'{type_name(function)}' object is not callable")


def _decorated(mode: _Mode, function: Any) -> Native:
    def within(run: Run, *args: Any, **kwargs: Any) -> Any:
        with mode._again():
            return call(run, function, args, kwargs)

    return Native(getattr(function, "name", "function"), within, made=(mode, (function,), {}))


def _method(value: Any, name: str) -> Callable[..., Any] | None:
    """A method of one of the closed lists, as a function of the run, the value and its arguments."""
    kind = type(value)
    table = METHODS.get(kind)
    if table is None:
        table = next((METHODS[k] for k in (dict, tuple, list) if isinstance(value, k)), None)
    if table is not None and name in table:
        return table[name]
    for types, names in PLAIN_METHODS:
        if isinstance(value, types) and name in names:
            return lambda run, self, *args: getattr(self, name)(*args)
    if isinstance(value, (Node, AccumulateGrad)) and name in _NODE:
        return lambda run, self, hook: getattr(self, name)(tensor_names.kept(hook))
    if isinstance(value, (Optimizer, LRScheduler)):
        from service.scripts.optimizers import METHODS as OPTIMIZING

        return OPTIMIZING.get(name) if hasattr(kind, name) else None
    return None


def call_method(run: Run, value: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``value.name(*args, **kwargs)``."""
    if isinstance(value, Tensor):
        found = tensor_names.METHODS.get(name)
        if found is None:
            return call(run, get_attribute(run, value, name), args, kwargs)
        try:
            return found(run, value, *args, **kwargs)
        except TypeError as error:
            raise refused_arguments(error, name) from None
    if isinstance(value, ScriptClass):
        member = value.find(name)
        if isinstance(member, Member) and member.kind == "classmethod":
            return call(run, member.function, (value, *args), kwargs)
        if member is MISSING and name == "apply" and value.wrapped is not None:
            if kwargs:
                raise TypeError("apply() takes no keyword arguments")
            return tensors.settled(run, "apply", value.wrapped.apply(*args))
    elif not isinstance(value, (ScriptObject, Module, Super)) and not name.startswith("__"):
        method = _method(value, name)
        if method is not None:
            try:
                return method(run, value, *args, **kwargs)
            except TypeError as error:
                raise refused_arguments(error, name) from None
    return call(run, get_attribute(run, value, name), args, kwargs)


def instantiate(run: Run, cls: ScriptClass, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A new object of a script's class."""
    native = cls.native_base
    run.budget.make(128)
    value = ScriptObject(cls)
    if native is not None and native.types and issubclass(native.types[0], BaseException):
        value.fields["args"] = args
    elif native is not None:
        raise TypeError(f"{native.name} is not instantiated: call {cls.name}.apply(...)")
    init = cls.find("__init__")
    if init is not MISSING:
        call(run, init, (value, *args), kwargs)
    elif (args or kwargs) and native is None:
        raise TypeError(f"{cls.name}() takes no arguments")
    return value


# --- iteration and items ----------------------------------------------------------------------------------------------


def iterate(run: Run, value: Any) -> Iterator[Any]:
    """The items of a value, each a step. Errors: TypeError, at once, for what cannot be iterated over."""
    if isinstance(value, Tensor):
        if value.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
    elif not isinstance(value, (list, tuple, dict, OrderedSet, range, str, bytes, Lazy, ScriptObject)):
        raise TypeError(f"'{type_name(value)}' object is not iterable")
    return _walk(run, value)


def _walk(run: Run, value: Any) -> Iterator[Any]:
    budget = run.budget
    if isinstance(value, Tensor):
        if len(value) > MOST_VIEWS:
            for i in range(len(value)):
                yield tensors.index(run, value, i)
            return
        for t in tensors.call_row(run, "unbind", (value, 0), {}):
            budget.tick()
            yield t
        return
    if isinstance(value, ScriptObject):
        yield from _object_items(run, value)
        return
    size = len(value) if isinstance(value, (dict, OrderedSet)) else None
    for item in value:
        budget.tick()
        yield item
        if isinstance(value, (dict, OrderedSet)) and len(value) != size:
            raise RuntimeError(f"{'dictionary' if isinstance(value, dict) else 'Set'} changed size during iteration")


def _object_items(run: Run, value: ScriptObject) -> Iterator[Any]:
    maker = value.cls.find("__iter__")
    if maker is not MISSING:
        made = maker(value)
        if not isinstance(made, ScriptObject):
            yield from iterate(run, made)
            return
        following = made.cls.find("__next__")
        if following is MISSING:
            raise TypeError(f"iter() returned non-iterator of type '{made.cls.name}'")
        while True:
            try:
                item = following(made)
            except StopIteration:
                return
            yield item
    getter = value.cls.find("__getitem__")
    if getter is MISSING:
        raise TypeError(f"'{value.cls.name}' object is not iterable")
    at = 0
    while True:
        try:
            item = getter(value, at)
        except IndexError:
            return
        yield item
        at += 1


def get_item(run: Run, value: Any, key: Any) -> Any:
    """``value[key]``."""
    if isinstance(value, Tensor):
        return tensors.index(run, value, _key(run, key))
    if isinstance(value, ScriptObject):
        found = value.cls.find("__getitem__")
        if found is MISSING:
            raise TypeError(f"'{value.cls.name}' object is not subscriptable")
        return found(value, key)
    if isinstance(value, dict):
        return value[hashable(run, key)]
    if isinstance(value, (list, tuple, str, bytes, range)):
        if isinstance(key, Tensor):
            key = _whole(key)
        if type(key) is slice:
            key = slice(*(_whole(k) if isinstance(k, Tensor) else k for k in (key.start, key.stop, key.step)))
            run.budget.make((1 if isinstance(value, (str, bytes)) else 8) * len(range(*key.indices(len(value)))))
        elif type(key) not in (int, bool):
            what = "string" if isinstance(value, str) else type_name(value)
            raise TypeError(f"{what} indices must be integers{' or slices' if what != 'string' else ''}, not {type_name(key)}"
                            if what != "string" else f"string indices must be integers, not '{type_name(key)}'")  # fmt: skip
        return value[key]
    raise TypeError(f"'{type_name(value)}' object is not subscriptable")


def _whole(key: Tensor) -> int:
    number = key.item() if key.numel() == 1 and not key.dtype.is_floating_point else None
    if type(number) is not int:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return number


def _key(run: Run, key: Any) -> Any:
    """A tensor's index: none but what the engine knows."""
    for item in key if type(key) is tuple else (key,):
        if not (item is None or item is Ellipsis or isinstance(item, (int, slice, Tensor, list, tuple, range))):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                f"(got {type_name(item)})"
            )
    if type(key) is tuple and any(type(k) is range for k in key):
        return tuple(_spelled(run, k) for k in key)
    return _spelled(run, key)


def _spelled(run: Run, key: Any) -> Any:
    if type(key) is not range:
        return key
    run.budget.make(32 * len(key))
    return list(key)


def set_item(run: Run, value: Any, key: Any, new: Any) -> None:
    """``value[key] = new``."""
    if isinstance(value, Tensor):
        tensors.store(run, value, _key(run, key), new)
        return
    if isinstance(value, ScriptObject):
        found = value.cls.find("__setitem__")
        if found is MISSING:
            raise TypeError(f"'{value.cls.name}' object does not support item assignment")
        found(value, key, new)
        return
    if isinstance(value, dict):
        run.budget.make(100)
        run.touch(value)
        value[hashable(run, key)] = new
        return
    if type(value) is list:
        run.touch(value)
        if type(key) is slice:
            items = list(iterate(run, new))
            run.budget.make(8 * len(items))
            value[key] = items
        elif isinstance(key, Tensor):
            value[_whole(key)] = new
        else:
            value[key] = new
        return
    raise TypeError(f"'{type_name(value)}' object does not support item assignment")


def del_item(run: Run, value: Any, key: Any) -> None:
    """``del value[key]``."""
    if isinstance(value, dict):
        run.touch(value)
        del value[hashable(run, key)]
    elif type(value) is list:
        run.touch(value)
        del value[key]
    elif isinstance(value, ScriptObject) and (found := value.cls.find("__delitem__")) is not MISSING:
        found(value, key)
    else:
        raise TypeError(f"'{type_name(value)}' object doesn't support item deletion")


def raised(value: Any) -> Any:
    """An exception as the script sees it."""
    return value.value if isinstance(value, Raised) else value
