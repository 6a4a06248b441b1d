"""Operators on whatever a script's names stand for: tensors through the engine, numbers and containers with their sizes bounded before."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from engine.errors import ArgumentError
from engine.grad_mode import grad_enabled
from engine.tensor import Tensor
from service.scripts.tensors import call_row, quick, settled
from service.scripts.values import (
    MISSING,
    OrderedSet,
    Run,
    ScriptObject,
)

__all__ = [
    "AUGMENTED", "BINARY", "COMPARISONS", "INT_BITS", "augmented", "binary", "compare", "contains", "equal", "hashable", "tree_size",
    "truth",    "type_name", "unary",
]  # fmt: skip

INT_BITS: Final = 14_000  # what Python still writes out: 4,300 digits are 14,284 bits
KEY_BITS: Final = 60  # of longer ones many have one hash, and a dict of those is slow
DEEPEST: Final = 60  # how deep a value may nest where all of it is looked at
NUMBERS: Final = (int, float, bool, complex)
BINARY: Final[dict[str, tuple[str, str, str, Callable[[Any, Any], Any]]]] = {  # node → symbol, dunder, row, Python's
    "Add": ("+", "add", "add", operator.add),
    "Sub": ("-", "sub", "sub", operator.sub),
    "Mult": ("*", "mul", "mul", operator.mul),
    "Div": ("/", "truediv", "div", operator.truediv),
    "FloorDiv": ("//", "floordiv", "floor_divide", operator.floordiv),
    "Mod": ("%", "mod", "remainder", operator.mod),
    "Pow": ("**", "pow", "pow", operator.pow),
    "MatMult": ("@", "matmul", "matmul", operator.matmul),
    "BitAnd": ("&", "and", "bitwise_and", operator.and_),
    "BitOr": ("|", "or", "bitwise_or", operator.or_),
    "BitXor": ("^", "xor", "bitwise_xor", operator.xor),
    "LShift": ("<<", "lshift", "bitwise_left_shift", operator.lshift),
    "RShift": (">>", "rshift", "bitwise_right_shift", operator.rshift),
}
REFLECTED: Final = {
    "add": "add", "mul": "mul", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor", "sub": "_rsub",
    "div": "_rdiv", "pow": "_rpow", "remainder": "_rmod", "floor_divide": "_rfloordiv", "matmul": "_rmatmul",
    "bitwise_left_shift": "_rlshift", "bitwise_right_shift": "_rrshift",
}  # fmt: skip
COMPARISONS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "Lt": ("<", "lt", operator.lt),
    "LtE": ("<=", "le", operator.le),
    "Gt": (">", "gt", operator.gt),
    "GtE": (">=", "ge", operator.ge),
    "Eq": ("==", "eq", operator.eq),
    "NotEq": ("!=", "ne", operator.ne),
}
UNARY: Final[dict[str, tuple[str, str, str, Callable[[Any], Any]]]] = {
    "USub": ("-", "neg", "__neg__", operator.neg),
    "UAdd": ("+", "positive", "__pos__", operator.pos),
    "Invert": ("~", "bitwise_not", "__invert__", operator.invert),
}
SWAPPED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
AUGMENTED: Final = frozenset(BINARY) - {"MatMult"}
_FALLBACKS: Final = (Tensor, *NUMBERS)
_SETS: Final = {"BitAnd", "BitOr", "BitXor", "Sub"}


def type_name(value: Any) -> str:
    """The name of a value's type, as Python's sentences have it."""
    if isinstance(value, Tensor):
        return "Tensor"
    if isinstance(value, ScriptObject):
        return value.cls.name
    return type(value).__name__


def binary(run: Run, node: str, a: Any, b: Any) -> Any:
    """``a op b``. Errors: TypeError in Python's words, the engine's, LimitExceeded before anything large is made."""
    symbol, dunder, row, python = BINARY[node]
    if type(a) is str and node == "Mod":
        from service.scripts.formatting import percent

        return percent(run, a, b)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return _tensors(run, symbol, row, python, a, b)
    ta, tb = type(a), type(b)
    if ta in NUMBERS and tb in NUMBERS:
        if ta is not float and tb is not float:
            _bounded(run, node, a, b)
        return python(a, b)
    if ta is ScriptObject or tb is ScriptObject:
        return _objects(symbol, dunder, a, b)
    if ta is OrderedSet and tb is OrderedSet and node in _SETS:
        return _sets(run, node, a, b)
    if ta is dict and tb is dict and node == "BitOr":
        run.budget.make(100 * (len(a) + len(b)))
        return {**a, **b}
    if node == "Add" and ta in (list, tuple, str, bytes) and issubclass(tb, ta) | issubclass(ta, tb):
        run.budget.make((1 if ta in (str, bytes) else 8) * (len(a) + len(b)), "the values")
        return a + b
    if node == "Add" and isinstance(a, tuple) and isinstance(b, tuple):
        run.budget.make(8 * (len(a) + len(b)))
        return a + b
    if node == "Mult":
        if (isinstance(a, (list, tuple)) or ta in (str, bytes)) and tb in (int, bool):
            return _repeated(run, a, b)
        if (isinstance(b, (list, tuple)) or tb in (str, bytes)) and ta in (int, bool):
            return _repeated(run, b, a)
    raise _unsupported(symbol, a, b)


def _unsupported(symbol: str, a: Any, b: Any) -> TypeError:
    if symbol == "+" and type(a) in (str, list, tuple):
        if type(a) is str:
            return TypeError(f'can only concatenate str (not "{type_name(b)}") to str')
        return TypeError(f'can only concatenate {type_name(a)} (not "{type_name(b)}") to {type_name(a)}')
    named = "** or pow()" if symbol == "**" else symbol
    return TypeError(f"unsupported operand type(s) for {named}: '{type_name(a)}' and '{type_name(b)}'")


def _repeated(run: Run, sequence: Any, count: int) -> Any:
    size = len(sequence) * max(count, 0)
    run.budget.make(size if type(sequence) in (str, bytes) else 8 * size)
    return sequence * count


def _bounded(run: Run, node: str, a: Any, b: Any) -> None:
    """Refuse an integer that would be too long, before it is computed."""
    if type(a) is complex or type(b) is complex:
        return
    if node == "Pow":
        bits = abs(b) * a.bit_length() if abs(a) > 1 else 1
        if b < 0:
            bits = 1 if a.bit_length() < 1_024 else INT_BITS
    elif node == "LShift":
        bits = a.bit_length() + b if a and b > 0 else 1
    elif node == "Mult":
        bits = a.bit_length() + b.bit_length()
    else:
        bits = max(a.bit_length(), b.bit_length()) + 1
    if bits > INT_BITS:
        raise OverflowError(f"an integer may have at most {INT_BITS:,} bits here, and this would have about {bits:.3g}")
    if bits > 1_024:
        run.budget.tick(bits >> 10)


def _tensors(run: Run, symbol: str, row: str, python: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if isinstance(a, Tensor):
        if not run.left_out.took(a, b) and quick(run, symbol, a, b):
            result = settled(run, symbol, python(a, b))
            if not grad_enabled.get():
                run.left_out.note(row, result, (a, b))
            return result
        other = b
    else:
        other = a
    if isinstance(other, ScriptObject):
        return _objects(symbol, next(v[1] for v in BINARY.values() if v[0] == symbol), a, b)
    try:
        return call_row(run, row, (a, b), {}) if isinstance(a, Tensor) else call_row(run, REFLECTED[row], (b, a), {})
    except ArgumentError:
        if isinstance(other, _FALLBACKS):
            raise
        raise _unsupported(symbol, a, b) from None


def _objects(symbol: str, dunder: str, a: Any, b: Any) -> Any:
    if type(a) is ScriptObject and (found := a.cls.find(f"__{dunder}__")) is not MISSING:
        return found(a, b)
    if type(b) is ScriptObject and (found := b.cls.find(f"__r{dunder}__")) is not MISSING:
        return found(b, a)
    raise _unsupported(symbol, a, b)


def _sets(run: Run, node: str, a: OrderedSet, b: OrderedSet) -> OrderedSet:
    run.budget.make(100 * (len(a) + len(b)))
    if node == "BitAnd":
        return OrderedSet(i for i in a if i in b)
    if node == "Sub":
        return OrderedSet(i for i in a if i not in b)
    if node == "BitOr":
        return OrderedSet([*a, *b])
    return OrderedSet([*(i for i in a if i not in b), *(i for i in b if i not in a)])


def augmented(run: Run, node: str, a: Any, b: Any) -> Any:
    """``a op= b``: in place for tensors and lists, as Python has it; answers what the name stands for then."""
    if isinstance(a, Tensor) and node in AUGMENTED:
        symbol, _, row, _ = BINARY[node]
        if not isinstance(b, _FALLBACKS):
            raise _unsupported(f"{symbol}=", a, b)
        return call_row(run, row, (a, b), {}, inplace=True)
    if type(a) is list and node == "Add":
        from service.scripts.calls import iterate

        items = list(iterate(run, b))
        run.budget.make(8 * len(items))
        run.touch(a)
        a += items
        return a
    if type(a) is list and node == "Mult" and type(b) is int:
        run.budget.make(8 * len(a) * max(b, 0))
        run.touch(a)
        a *= b
        return a
    if type(a) is OrderedSet and type(b) is OrderedSet and node in _SETS:
        found = _sets(run, node, a, b)
        run.touch(a)
        a.items.clear()
        a.items.update(found.items)
        return a
    if type(a) is dict and type(b) is dict and node == "BitOr":
        run.budget.make(100 * len(b))
        run.touch(a)
        a.update(b)
        return a
    if type(a) is ScriptObject and (own := a.cls.find(f"__i{BINARY[node][1]}__")) is not MISSING:
        return own(a, b)
    return binary(run, node, a, b)


def unary(run: Run, node: str, a: Any) -> Any:
    """``-a``, ``+a``, ``~a``, ``not a``."""
    if node == "Not":
        return not truth(run, a)
    symbol, row, dunder, python = UNARY[node]
    if isinstance(a, Tensor):
        return call_row(run, row, (a,), {})
    if type(a) is ScriptObject and (found := a.cls.find(dunder)) is not MISSING:
        return found(a)
    if type(a) in (int, bool) or (type(a) in (float, complex) and node != "Invert"):
        return python(a if type(a) is not bool else int(a))
    raise TypeError(f"bad operand type for unary {symbol}: '{type_name(a)}'")


def truth(run: Run, a: Any) -> bool:
    """Whether a value counts as true. Errors: RuntimeError for a tensor of several elements."""
    if a is True or a is False:
        return a
    if type(a) is ScriptObject:
        found = a.cls.find("__bool__")
        if found is MISSING:
            found = a.cls.find("__len__")
        return True if found is MISSING else truth(run, found(a))
    return bool(a)


def compare(run: Run, node: str, a: Any, b: Any) -> Any:
    """One comparison of a chain."""
    if node in COMPARISONS:
        symbol, row, python = COMPARISONS[node]
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            return _compared_tensors(run, symbol, row, python, a, b)
        ta, tb = type(a), type(b)
        if (ta in NUMBERS and tb in NUMBERS) or (ta is tb is str):
            return python(a, b)
        if ta is ScriptObject or tb is ScriptObject:
            return _compared_objects(symbol, row, a, b)
        if row in ("eq", "ne"):
            return equal(run, a, b) is (row == "eq")
        if ta is OrderedSet and tb is OrderedSet:
            return python(a.items.keys(), b.items.keys())
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and isinstance(a, list) is isinstance(b, list):
            for x, y in zip(a, b, strict=False):
                run.budget.tick()
                if not equal(run, x, y):
                    return compare(run, node, x, y)
            return python(len(a), len(b))
        raise TypeError(f"'{symbol}' not supported between instances of '{type_name(a)}' and '{type_name(b)}'")
    if node in ("Is", "IsNot"):
        same = a is b or (type(a) is type(b) and type(a) in (int, str, bool) and a == b)
        return same is (node == "Is")
    return contains(run, b, a) is (node == "In")


def _compared_tensors(run: Run, symbol: str, row: str, python: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    other = b if isinstance(a, Tensor) else a
    if not isinstance(other, _FALLBACKS):
        if row in ("eq", "ne"):
            return row == "ne"
        raise TypeError(f"'{symbol}' not supported between instances of '{type_name(a)}' and '{type_name(b)}'")
    if isinstance(a, Tensor):
        if quick(run, symbol, a, b):
            return settled(run, symbol, python(a, b))
        return call_row(run, row, (a, b), {})
    return call_row(run, SWAPPED[row], (b, a), {})


def _compared_objects(symbol: str, row: str, a: Any, b: Any) -> Any:
    for x, y, name in ((a, b, row), (b, a, SWAPPED[row])):
        if type(x) is ScriptObject and (found := x.cls.find(f"__{name}__")) is not MISSING:
            return found(x, y)
    if row == "eq":
        return a is b
    if row == "ne":
        if type(a) is ScriptObject and (found := a.cls.find("__eq__")) is not MISSING:
            return not found(a, b)
        return a is not b
    raise TypeError(f"'{symbol}' not supported between instances of '{type_name(a)}' and '{type_name(b)}'")


def equal(run: Run, a: Any, b: Any, depth: int = 0) -> bool:
    """``a == b`` as a boolean, however the values nest: each pair that is looked at is a step."""
    run.budget.tick()
    if a is b:
        return True
    if isinstance(a, Tensor) or isinstance(b, Tensor) or type(a) is ScriptObject or type(b) is ScriptObject:
        return truth(run, compare(run, "Eq", a, b))
    if depth > DEEPEST:
        raise RecursionError("maximum recursion depth exceeded in comparison")
    if (isinstance(a, list) and isinstance(b, list)) or (isinstance(a, tuple) and isinstance(b, tuple)):
        return len(a) == len(b) and all(equal(run, x, y, depth + 1) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return len(a) == len(b) and all(k in b and equal(run, v, b[k], depth + 1) for k, v in a.items())
    if isinstance(a, (list, tuple, dict)) or isinstance(b, (list, tuple, dict)):
        return False
    return bool(a == b)


def contains(run: Run, container: Any, item: Any) -> bool:
    """``item in container``."""
    if isinstance(container, Tensor):
        if not isinstance(item, _FALLBACKS):
            raise TypeError(
                f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type_name(item)}."
            )
        return bool(call_row(run, "any", (call_row(run, "eq", (container, item), {}),), {}).item())
    if type(container) in (str, bytes):
        if type(item) is not type(container):
            raise TypeError(f"'in <string>' requires string as left operand, not {type_name(item)}")
        run.budget.tick(len(container) >> 10)
        return item in container
    if isinstance(container, (dict, OrderedSet)):
        return hashable(run, item) in (container if isinstance(container, dict) else container.items)
    if type(container) is range:
        return item in container if type(item) in (int, bool) else any(equal(run, item, i) for i in container)
    if isinstance(container, ScriptObject) and (found := container.cls.find("__contains__")) is not MISSING:
        return truth(run, found(container, item))
    from service.scripts.calls import iterate

    return any(equal(run, i, item) for i in iterate(run, container))


def hashable(run: Run, key: Any, depth: int = 0) -> Any:
    """The key itself, where it may be one of a dict. Errors: TypeError in Python's words."""
    if isinstance(key, tuple):
        run.budget.tick()
        if depth > DEEPEST:
            raise RecursionError("maximum recursion depth exceeded")
        for part in key:
            hashable(run, part, depth + 1)
    elif (type(key) is int and key.bit_length() > KEY_BITS) or type(key) is complex:
        raise OverflowError(
            f"a key of a dict or set is an integer of at most {KEY_BITS} bits here, or no complex number"
        )
    elif isinstance(key, (list, dict, OrderedSet, slice)):
        raise TypeError(f"unhashable type: '{type_name(key)}'")
    elif type(key) is ScriptObject and key.cls.find("__eq__") is not MISSING:
        raise TypeError(f"unhashable type: '{key.cls.name}'")
    return key


def tree_size(run: Run, value: Any, depth: int = 0) -> int:
    """How many leaves nested lists, tuples and dicts have; each is a step. Errors: RecursionError for what nests too deep."""
    if not isinstance(value, (list, tuple, dict)):
        return 1
    if depth > DEEPEST:
        raise RecursionError("maximum recursion depth exceeded: the values nest too deep")
    parts = value.values() if isinstance(value, dict) else value
    run.budget.tick(1 + len(parts) // 16)
    if all(type(p) in NUMBERS for p in parts):
        return len(parts)
    return sum(tree_size(run, p, depth + 1) for p in parts)
