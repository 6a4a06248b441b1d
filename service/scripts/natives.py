"""Python's own functions as far as scripts have them: a closed list, each bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from engine.optim import Optimizer
from engine.tensor import Tensor
from service.scripts.calls import Member, call, get_attribute, iterate, set_attribute
from service.scripts.errors import Raised
from service.scripts.formatting import formatted
from service.scripts.methods import ordered
from service.scripts.operators import binary, compare, hashable, truth, type_name
from service.scripts.showing import repr_of, text_of
from service.scripts.values import (
    MISSING,
    Bound,
    Kind,
    Lazy,
    Native,
    OrderedSet,
    Run,
    ScriptClass,
    ScriptFunction,
    ScriptObject,
)  # fmt: skip

__all__ = ["NATIVES", "is_instance", "prod"]


def _print(run: Run, *args: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: Any = False) -> None:  # noqa: ARG001
    if file is not None:
        raise TypeError("print() writes to the answer's stdout only: leave file out")
    for what, name in ((sep, "sep"), (end, "end")):
        if what is not None and type(what) is not str:
            raise TypeError(f"{name} must be None or a string, not {type_name(what)}")
    run.write((" " if sep is None else sep).join(text_of(run, a) for a in args) + ("\n" if end is None else end))


def _range(run: Run, *args: Any) -> range:  # noqa: ARG001 - as every native
    plain = [a.item() if isinstance(a, Tensor) else a for a in args]
    for a in plain:
        if type(a) not in (int, bool):
            raise TypeError(f"'{type_name(a)}' object cannot be interpreted as an integer")
    return range(*plain)


def _len(run: Run, value: Any) -> int:  # noqa: ARG001 - as every native
    if isinstance(value, ScriptObject) and (found := value.cls.find("__len__")) is not MISSING:
        return int(found(value))
    if isinstance(value, range) and value and abs(value[-1] - value[0]) > 2**62:
        raise OverflowError("Python int too large to convert to C ssize_t")
    if isinstance(value, (str, bytes, list, tuple, dict, OrderedSet, range, Tensor)):
        return len(value)
    raise TypeError(f"object of type '{type_name(value)}' has no len()")


def _sum(run: Run, values: Any, start: Any = 0) -> Any:
    if type(start) is str:
        raise TypeError("sum() can't sum strings [use ''.join(seq) instead]")
    total = start
    for v in iterate(run, values):
        total = binary(run, "Add", total, v)
    return total


def prod(run: Run, values: Any, *, start: Any = 1) -> Any:
    """``math.prod``."""
    total = start
    for v in iterate(run, values):
        total = binary(run, "Mult", total, v)
    return total


def _extreme(name: str, node: str) -> Callable[..., Any]:
    def function(run: Run, *args: Any, key: Any = None, default: Any = MISSING) -> Any:
        values = iterate(run, args[0]) if len(args) == 1 else iter(args)
        best = MISSING
        held = None
        for v in values:
            k = v if key is None else call(run, key, (v,), {})
            if best is MISSING or truth(run, compare(run, node, k, held)):
                best, held = v, k
        if best is MISSING:
            if default is MISSING:
                raise ValueError(f"{name}() arg is an empty sequence")
            return default
        return best

    return function


def _enumerate(run: Run, values: Any, start: int = 0) -> Iterator[Any]:
    return Lazy(run.budget, enumerate(iterate(run, values), start))


def _zip(run: Run, *values: Any, strict: Any = False) -> Iterator[Any]:
    return Lazy(run.budget, zip(*[iterate(run, v) for v in values], strict=bool(strict)))


def _map(run: Run, function: Any, *values: Any) -> Iterator[Any]:
    walks = [iterate(run, v) for v in values]

    def steps() -> Iterator[Any]:
        for args in zip(*walks, strict=False):
            yield call(run, function, args, {})

    return Lazy(run.budget, steps())


def _filter(run: Run, function: Any, values: Any) -> Iterator[Any]:
    walk = iterate(run, values)

    def steps() -> Iterator[Any]:
        for v in walk:
            if truth(run, v if function is None else call(run, function, (v,), {})):
                yield v

    return Lazy(run.budget, steps())


def _reversed(run: Run, values: Any) -> Iterator[Any]:
    if not isinstance(values, (list, tuple, range, str, dict)):
        raise TypeError(f"'{type_name(values)}' object is not reversible")

    def steps() -> Iterator[Any]:
        for v in reversed(values):
            run.budget.tick()
            yield v

    return Lazy(run.budget, steps())


def _iter(run: Run, values: Any) -> Iterator[Any]:
    return values if isinstance(values, Lazy) else Lazy(run.budget, iterate(run, values))


def _next(run: Run, values: Any, *default: Any) -> Any:
    run.budget.tick()
    if isinstance(values, ScriptObject) and (found := values.cls.find("__next__")) is not MISSING:
        return found(values)
    if not isinstance(values, Lazy):
        raise TypeError(f"'{type_name(values)}' object is not an iterator")
    return next(values, *default)


def _abs(run: Run, value: Any) -> Any:
    if isinstance(value, Tensor):
        from service.scripts.tensors import call_row

        return call_row(run, "abs", (value,), {})
    if isinstance(value, ScriptObject) and (found := value.cls.find("__abs__")) is not MISSING:
        return found(value)
    if type(value) in (int, float, bool, complex):
        return abs(value)
    raise TypeError(f"bad operand type for abs(): '{type_name(value)}'")


def _round(run: Run, value: Any, digits: Any = None) -> Any:
    if isinstance(value, Tensor):
        from service.scripts.tensors import call_row

        return call_row(run, "round", (value,), {} if digits is None else {"decimals": digits})
    if type(value) not in (int, float, bool) or type(digits) not in (int, type(None)):
        raise TypeError(f"type {type_name(value)} doesn't define __round__ method")
    if digits is not None and abs(digits) > 5_000:
        raise OverflowError("too many digits to round to")
    return round(value, digits)


def _pow(run: Run, base: Any, exponent: Any, modulus: Any = None) -> Any:
    if modulus is None:
        return binary(run, "Pow", base, exponent)
    if any(type(v) is not int for v in (base, exponent, modulus)):
        raise TypeError("pow() 3rd argument not allowed unless all arguments are integers")
    if max(v.bit_length() for v in (base, exponent, modulus)) > 2_048:
        raise OverflowError("pow() with a modulus takes numbers of at most 2,048 bits here")
    run.budget.tick(100)
    return pow(base, exponent, modulus)


def _divmod(run: Run, a: Any, b: Any) -> Any:
    return binary(run, "FloorDiv", a, b), binary(run, "Mod", a, b)


def _any(run: Run, values: Any) -> bool:
    return any(truth(run, v) for v in iterate(run, values))


def _all(run: Run, values: Any) -> bool:
    return all(truth(run, v) for v in iterate(run, values))


def _sorted(run: Run, values: Any, *, key: Any = None, reverse: Any = False) -> list[Any]:
    return ordered(run, iterate(run, values), key, reverse)


def _getattr(run: Run, value: Any, name: Any, *default: Any) -> Any:
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    try:
        return get_attribute(run, value, name)
    except AttributeError:
        if default:
            return default[0]
        raise


def _hasattr(run: Run, value: Any, name: Any) -> bool:
    missing = object()
    return _getattr(run, value, name, missing) is not missing


def _setattr(run: Run, value: Any, name: Any, new: Any) -> None:
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    set_attribute(run, value, name, new)


def _callable(run: Run, value: Any) -> bool:  # noqa: ARG001 - as every native
    return isinstance(value, (ScriptFunction, ScriptClass, Native, Bound)) or (
        isinstance(value, ScriptObject) and value.cls.find("__call__") is not MISSING
    )


def is_instance(run: Run, value: Any, kinds: Any, depth: int = 0) -> bool:
    """``isinstance(value, kinds)``, for the interpreter's classes and the script's."""
    if isinstance(kinds, tuple) and depth < 8:
        return any(is_instance(run, value, k, depth + 1) for k in kinds)
    if isinstance(value, Raised):
        value = value.value
    if isinstance(kinds, ScriptClass):
        return isinstance(value, ScriptObject) and value.cls.derives(kinds)
    if isinstance(kinds, Kind):
        if kinds.name == "object":
            return True
        if isinstance(value, ScriptObject):
            native = value.cls.native_base
            return native is not None and any(issubclass(t, kinds.types) for t in native.types)
        return isinstance(value, kinds.types) or (kinds.name == "function" and isinstance(value, ScriptFunction))
    raise TypeError("isinstance() arg 2 must be a type, a tuple of types, or a union")


def _issubclass(run: Run, cls: Any, kinds: Any) -> bool:
    if isinstance(kinds, tuple):
        return any(_issubclass(run, cls, k) for k in kinds)
    if isinstance(cls, ScriptClass):
        native = cls.native_base
        return (
            cls.derives(kinds)
            if isinstance(kinds, ScriptClass)
            else native is not None and issubclass(native.types[0], kinds.types)
        )
    if isinstance(cls, Kind):
        return isinstance(kinds, Kind) and issubclass(cls.types[0], kinds.types)
    raise TypeError("issubclass() arg 1 must be a class")


# --- classes ----------------------------------------------------------------------------------------------------------


def _int(run: Run, value: Any = 0, base: Any = 10) -> int:  # noqa: ARG001 - as every native
    if isinstance(value, Tensor):
        return int(value.item())
    if type(value) is str:
        if len(value) > 4_000:
            raise ValueError("Exceeds the limit (4,000 digits) for integer string conversion")
        return int(value, base)
    if type(value) in (int, float, bool):
        return int(value)
    if isinstance(value, ScriptObject) and (found := value.cls.find("__int__")) is not MISSING:
        return int(found(value))
    raise TypeError(f"int() argument must be a string, a bytes-like object or a real number, not '{type_name(value)}'")


def _float(run: Run, value: Any = 0.0) -> float:
    if isinstance(value, Tensor):
        return float(value.item())
    if type(value) is str:
        run.budget.make(len(value))
        return float(value)
    if type(value) in (int, float, bool):
        return float(value)
    if isinstance(value, ScriptObject) and (found := value.cls.find("__float__")) is not MISSING:
        return float(found(value))
    raise TypeError(f"float() argument must be a string or a real number, not '{type_name(value)}'")


def _complex(run: Run, real: Any = 0, imag: Any = 0) -> complex:  # noqa: ARG001 - as every native
    return complex(real.item() if isinstance(real, Tensor) else real, imag)


def _list(run: Run, values: Any = ()) -> list[Any]:
    found: list[Any] = []
    for v in iterate(run, values):
        run.budget.make(8)
        found.append(v)
    return found


def _dict(run: Run, values: Any = (), **kwargs: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    if isinstance(values, dict):
        run.budget.make(100 * len(values))
        found.update(values)
    else:
        for pair in iterate(run, values):
            run.budget.make(100)
            k, v = tuple(iterate(run, pair))
            found[hashable(run, k)] = v
    found.update(kwargs)
    return found


def _set(run: Run, values: Any = ()) -> OrderedSet:
    found = OrderedSet()
    for v in iterate(run, values):
        run.budget.make(100)
        found.items[hashable(run, v)] = None
    return found


def _type(run: Run, value: Any, *more: Any) -> Any:  # noqa: ARG001 - as every native
    if more:
        raise TypeError("type() takes 1 argument: classes are made with 'class'")
    if isinstance(value, ScriptObject):
        return value.cls
    for name in ("bool", "int", "float", "str", "list", "tuple", "dict", "set", "complex", "range", "bytes"):
        kind = NATIVES[name]
        if type(value) in kind.types:
            return kind
    if isinstance(value, Tensor):
        from service.scripts.modules import TENSOR

        return TENSOR
    if isinstance(value, BaseException):
        for cls in type(value).__mro__:
            if cls.__name__ in NATIVES:
                return NATIVES[cls.__name__]
    if isinstance(value, Optimizer):
        return Kind(f"torch.optim.{type(value).__name__}", (type(value),), _type)
    return Kind(type_name(value), (type(value),), _type)


def _error(cls: type[BaseException]) -> Kind:
    def make(run: Run, *args: Any) -> BaseException:  # noqa: ARG001 - as every native
        return cls(*args)

    return Kind(cls.__name__, (cls,), make)


ERRORS: Final = (
    Exception, ArithmeticError, AssertionError, AttributeError, FloatingPointError, ImportError, IndexError, KeyError, LookupError,
    ModuleNotFoundError, NameError, NotImplementedError, OverflowError, RecursionError, RuntimeError, StopIteration, TypeError,
    UnboundLocalError, ValueError, ZeroDivisionError,
)  # fmt: skip
NATIVES: Final[dict[str, Any]] = {
    "abs": Native("abs", _abs), "all": Native("all", _all), "any": Native("any", _any), "callable": Native("callable", _callable),
    "divmod": Native("divmod", _divmod), "enumerate": Native("enumerate", _enumerate), "filter": Native("filter", _filter),
    "format": Native("format", lambda run, value, spec="": formatted(run, value, spec)), "getattr": Native("getattr", _getattr),
    "hasattr": Native("hasattr", _hasattr), "id": Native("id", lambda run, value: run.address(value)),
    "isinstance": Native("isinstance", is_instance), "issubclass": Native("issubclass", _issubclass), "iter": Native("iter", _iter),
    "len": Native("len", _len), "map": Native("map", _map), "max": Native("max", _extreme("max", "Gt")),
    "min": Native("min", _extreme("min", "Lt")), "next": Native("next", _next), "pow": Native("pow", _pow),
    "print": Native("print", _print),
    "repr": Native("repr", repr_of), "reversed": Native("reversed", _reversed), "round": Native("round", _round),
    "setattr": Native("setattr", _setattr), "sorted": Native("sorted", _sorted), "sum": Native("sum", _sum), "zip": Native("zip", _zip),
    "staticmethod": Native("staticmethod", lambda run, f: Member("staticmethod", f)),
    "classmethod": Native("classmethod", lambda run, f: Member("classmethod", f)),
    "property": Native("property", lambda run, f: Member("property", f)),
    "bool": Kind("bool", (bool,), lambda run, value=False: truth(run, value)), "int": Kind("int", (int,), _int),
    "float": Kind("float", (float,), _float), "complex": Kind("complex", (complex,), _complex),
    "str": Kind("str", (str,), lambda run, value="": text_of(run, value)), "list": Kind("list", (list,), _list),
    "tuple": Kind("tuple", (tuple,), lambda run, values=(): tuple(_list(run, values))), "dict": Kind("dict", (dict,), _dict),
    "set": Kind("set", (OrderedSet,), _set), "range": Kind("range", (range,), _range), "type": Kind("type", (ScriptClass, Kind), _type),
    "bytes": Kind("bytes", (bytes,), lambda run, value=b"": value), "object": Kind("object", (object,), _type),
    "slice": Kind("slice", (slice,), lambda run, *args: slice(*args)), "NotImplemented": NotImplemented, "Ellipsis": Ellipsis,
    "__name__": "__main__", **{cls.__name__: _error(cls) for cls in ERRORS},
}  # fmt: skip
