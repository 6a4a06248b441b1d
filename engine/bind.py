"""From the table to Python: functions under PyTorch's dotted names, methods, in-place forms and operators.

Called once, at the end of ``engine/__init__``; nothing here is written by hand for one operator except Python's own operator symbols.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine import saved
from engine.apply import dispatch, dispatch_inplace
from engine.doors import augmented, binary, inplace, matmul, unary
from engine.errors import ArgumentError
from engine.indexing import getitem, setitem
from engine.op import OPS, Op
from engine.refusal import as_function, as_method
from engine.tensor import Tensor

__all__ = ["function_of", "install"]

BINARY: Final = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "eq": "eq",
    "ne": "ne",
    "lt": "lt",
    "le": "le",
    "gt": "gt",
    "ge": "ge",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
REFLECTED: Final = {"add": "add", "mul": "mul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
REFLECTED_BY_ROW: Final = {
    "sub": "_rsub",
    "div": "_rdiv",
    "truediv": "_rdiv",
    "pow": "_rpow",
    "mod": "_rmod",
    "floordiv": "_rfloordiv",
    "matmul": "_rmatmul",
    "lshift": "_rlshift",
    "rshift": "_rrshift",
}
METHODS_BY_ROW: Final = {"where": "_where_method", "polygamma": "_polygamma_method"}
WRITTEN_BY_FLAG: Final = ("relu", "elu", "selu", "celu", "leaky_relu", "hardtanh", "threshold", "rrelu")
UNARY: Final = {"neg": "neg", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}


PRODUCTS: Final = frozenset({"mm", "mv", "dot"})


def _takes_one(op: Op) -> bool:
    return (
        op.kind in {"pointwise", "reduce"}
        and op.family not in {"random", "sampled"}
        and op.tensors == (0,)
        and op.parameters[0].is_tensor
        and len(op.schema.returns) == 1
        and all(not p.required for p in op.parameters[1:])
    )


def _takes_two(op: Op) -> bool:
    return (
        len(op.parameters) >= 2
        and all(p.is_tensor for p in op.parameters[:2])
        and len(op.tensors) == 2
        and (op.kind == "pointwise" or op.id in PRODUCTS)
    )


def function_of(name: str, method: bool = False) -> Callable[..., Any]:
    """The Python function of a public name, by the shortest door that its first row allows.

    method: its sentences count the arguments from the first after the tensor. The function's ``quick``, where it has one, is that door
    itself: it takes as many positional arguments as the door, and nothing else.
    """
    overloads = OPS[name]
    first = overloads[0]
    general = as_method(dispatch, overloads, name) if method else as_function(dispatch, overloads)
    if name == "conj":

        def door(*args: Any, **kwargs: Any) -> Any:
            if len(args) == 1 and type(args[0]) is Tensor and args[0]._array.dtype.kind != "c":
                return args[0]  # what is real is its own conjugate
            return general(*args, **kwargs)

    elif _takes_one(first):
        quick = door = unary(first, overloads, general)
        if len(overloads) > 1 or len(first.parameters) > 1:

            def door(*args: Any, **kwargs: Any) -> Any:
                if len(args) == 1 and not kwargs:
                    return quick(*args)
                return general(*args, **kwargs)

            door.quick = quick  # type: ignore[attr-defined]

    elif name == "matmul" or (_takes_two(first) and first.jvp is None):
        fast = matmul(overloads, general) if name == "matmul" else binary(first, overloads, general)

        def door(*args: Any, **kwargs: Any) -> Any:
            if len(args) == 2 and not kwargs:
                return fast(*args)
            return general(*args, **kwargs)

        door.quick = fast  # type: ignore[attr-defined]

    else:
        door = general
    _named(door, name, overloads)
    return door


def _named(f: Callable[..., Any], name: str, overloads: Sequence[Op]) -> None:
    f.__name__ = f.__qualname__ = name.rpartition(".")[2]
    f.__doc__ = overloads[0].doc
    f.__module__ = "engine"


def _inplace(name: str, overloads: Sequence[Op]) -> Callable[..., Any]:
    door: Callable[..., Any]
    if _takes_two(overloads[0]) and overloads[0].ufunc is not None:
        door = inplace(overloads[0], overloads, as_method(dispatch_inplace, overloads, f"{name}_"))
    else:
        door = as_method(dispatch_inplace, overloads, f"{name}_")
    _named(door, f"{name}_", overloads)
    return door


def _operator(name: str) -> Callable[[Any, Any], Any]:
    overloads = OPS[name]

    def fallback(a: Any, b: Any) -> Any:
        if not isinstance(a, Tensor):
            raise ArgumentError(f"{name}(): an operator of Tensor was called on {type(a).__name__}")
        try:
            return dispatch(overloads, (a, b), {})
        except ArgumentError:
            if isinstance(b, Tensor) or (
                name not in {"matmul", "_rmatmul"} and isinstance(b, (int, float, bool, complex))
            ):
                raise
            return NotImplemented

    if name == "matmul":
        return matmul(overloads, fallback)
    if _takes_two(overloads[0]):
        return binary(overloads[0], overloads, fallback)
    return fallback


def _augmented(name: str) -> Callable[[Any, Any], Any]:
    overloads = OPS[name]
    if _takes_two(overloads[0]) and overloads[0].ufunc is not None:
        return augmented(overloads[0], overloads)

    def door(a: Any, b: Any) -> Any:
        return dispatch_inplace(overloads, (a, b), {})

    return door


def install(module: types.ModuleType) -> None:
    """Put every name of the table where PyTorch has it: on the module, its submodules, Tensor, and the nodes of graphs."""
    saved.install()
    for name, overloads in OPS.items():
        if not overloads[0].forms:
            continue
        path, _, last = name.rpartition(".")
        door = function_of(name)
        forms = frozenset[str]().union(*(op.forms for op in overloads))
        if "function" in forms:
            owner = _submodule(module, path)
            if not hasattr(owner, last) or isinstance(getattr(owner, last), types.ModuleType):
                setattr(owner, last, door)
        if path:
            continue
        if "method" in forms and last not in vars(Tensor):
            setattr(Tensor, last, function_of(name, method=True))
        if "property" in forms:
            setattr(Tensor, last, property(door))
        if "inplace" in forms:
            own = OPS.get(f"{last}_")
            setattr(Tensor, f"{last}_", _inplace(last, [op for op in overloads if "inplace" in op.forms]))
            if own is None and "function" in forms and not hasattr(module, f"{last}_"):
                setattr(module, f"{last}_", getattr(Tensor, f"{last}_"))
    _operators()
    for name in WRITTEN_BY_FLAG:
        setattr(module.nn.functional, f"{name}_", _written_by_flag(getattr(module.nn.functional, name), name))


def _written_by_flag(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The in-place form of a function of networks that writes when it is told so."""

    def door(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs, inplace=True)

    _named(door, f"nn.functional.{name}_", OPS[f"nn.functional.{name}"])
    return door


def _operators() -> None:
    for symbol, name in BINARY.items():
        if name in OPS:
            setattr(Tensor, f"__{symbol}__", _operator(name))
            if symbol not in ("eq", "ne", "lt", "le", "gt", "ge", "matmul") and any(
                "inplace" in op.forms for op in OPS[name]
            ):
                setattr(Tensor, f"__i{symbol}__", _augmented(name))
    for symbol, name in REFLECTED.items():
        if name in OPS:
            setattr(Tensor, f"__r{symbol}__", _operator(name))
    for symbol, name in REFLECTED_BY_ROW.items():
        if name in OPS:
            setattr(Tensor, f"__r{symbol}__", _operator(name))
    for symbol, name in UNARY.items():
        if name in OPS:
            setattr(Tensor, f"__{symbol}__", function_of(name))
    Tensor.__getitem__ = getitem  # type: ignore[method-assign]
    Tensor.__setitem__ = setitem  # type: ignore[method-assign]
    Tensor.__invert__ = _inverted(Tensor.__invert__)  # type: ignore[method-assign]
    for method, name in METHODS_BY_ROW.items():
        setattr(Tensor, method, function_of(name))


def _inverted(door: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``~``, which says in words of its own what it does not take."""

    def invert(a: Any) -> Any:
        if a.dtype.category > 1:
            raise ArgumentError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
        return door(a)

    return invert


def _submodule(module: types.ModuleType, path: str) -> types.ModuleType:
    for part in path.split(".") if path else ():
        module = getattr(module, part)
    return module
