"""From the JSON of a request to a Call: inputs by name and path, read as their specs say, and nothing coerced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.dtypes import DTYPES, named
from service.functions.call import Call, Leaf
from service.functions.ports import ReadValues
from service.functions.program import Parameter
from service.functions.specs import MISSING, InputSpec, check_shape
from service.steps.errors import InvalidInput

if TYPE_CHECKING:
    from service.functions.function import Function

__all__ = ["TAKES", "Plain", "plain", "read_call", "value_of"]

_ALWAYS: Final = frozenset({"in_axes", "inputs", "seed"})
TAKES: Final[dict[str, frozenset[str]]] = {
    "value": _ALWAYS,
    "grad": _ALWAYS | {"wrt", "cotangents"},
    "value_and_grad": _ALWAYS | {"wrt", "cotangents"},
    "vjp": _ALWAYS | {"wrt", "cotangents"},
    "jvp": _ALWAYS | {"tangents"},
    "hvp": _ALWAYS | {"wrt", "cotangents", "tangents"},
    "jacobian": _ALWAYS | {"wrt"},
    "hessian": _ALWAYS | {"wrt", "cotangents"},
    "abstract": _ALWAYS,
    "check": frozenset({"inputs", "seed", "wrt", "eps", "atol", "rtol", "order"}),
}
"""The fields of a request, by verb."""
PLAIN_VERBS: Final = frozenset({"value", "grad", "value_and_grad", "vjp", "jacobian"})
_TYPED: Final = frozenset({"data", "dtype", "shape", "base64"})
_SPEC: Final = frozenset({"dtype", "shape"})
_MOST_LEAVES: Final = 10_000


class Plain:
    """How most calls are read: all inputs are tensors whose specs say what they are, each is given as numbers, and nothing else is said."""

    __slots__ = ("given", "leaves", "paths", "tree", "wrt")

    def __init__(self, specs: Sequence[InputSpec], default_dtype: str) -> None:
        self.given = frozenset(s.path for s in specs)
        self.paths = [s.path for s in specs]
        self.leaves = [(s.path, s.dtype or default_dtype, s, f"inputs.{s.path}") for s in specs]
        self.tree = {s.path: Leaf(k) for k, s in enumerate(specs)}
        self.wrt = [k for k, (_, dtype, _, _) in enumerate(self.leaves) if DTYPES[dtype].numpy.kind in "fc"]


def plain(function: Function) -> Plain | None:
    """How the function's plain calls are read; None where some input is no tensor, has parts, or is not said to be anything."""
    specs = [function.specs.get(name) for name in function.parameters]
    if function.children or not specs or any(s is None or s.static for s in specs):
        return None
    return Plain([s for s in specs if s is not None], function.definition.default_dtype)


def _read_plainly(function: Function, verb: str, inputs: Any, read: ReadValues) -> Call | None:
    """A plain call; None for any other. Errors: InvalidInput."""
    how = function.plain
    if how is None or type(inputs) is not dict or inputs.keys() != how.given or not how.wrt:
        return None
    default = function.definition.default_dtype
    arrays = []
    for path, dtype, _, where in how.leaves:
        value = inputs[path]
        if type(value) is not list and type(value) is not float:
            return None
        arrays.append(read(value, dtype, default, where))
    sizes: dict[str, tuple[int, str]] = {}
    for (_, _, spec, where), array in zip(how.leaves, arrays, strict=True):
        check_shape(spec, array.shape, sizes, where)
    call = Call(verb, read, how.paths, arrays, how.tree)
    if verb != "value":
        call.wrt = how.wrt
    call.settle((verb, *(array.shape for array in arrays)))  # dtypes are those of the specs
    return call


def read_call(function: Function, verb: str, body: Mapping[str, Any], read: ReadValues) -> Call:
    """The call that a body means. Errors: InvalidInput with the place, such as ``inputs.x[2]``."""
    if len(body) == 1 and verb in PLAIN_VERBS and "inputs" in body:
        call = _read_plainly(function, verb, body["inputs"], read)
        if call is not None:
            return call
    for key in body:
        if key not in TAKES[verb]:
            raise InvalidInput(
                f"{verb} has no such field: it takes {', '.join(sorted(TAKES[verb]))}",
                argument=key if key.isidentifier() and len(key) < 64 else None,
            )
    seed = body.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**64:
        raise InvalidInput("'seed' must be a whole number from 0 to 2**64 - 1", argument="seed")
    reader = _Reader(function, read, hollow=verb == "abstract")
    tree = reader.arguments(body.get("inputs", {}))
    call = Call(verb, read, reader.paths, reader.arrays, tree, seed=seed, hollow=reader.found_hollow)
    if body.get("in_axes") is not None:
        _read_axes(call, body["in_axes"])
    _check_shapes(call, function.specs)
    if verb not in {"value", "abstract", "jvp"}:
        call.wrt = _read_wrt(call, body.get("wrt"))
    for name in ("cotangents", "tangents"):
        if body.get(name) is not None:
            directions, several = _read_directions(body[name], name)
            setattr(call, name, directions)
            call.several = call.several or several
    _check_directions(call)
    if verb == "check":
        call.options = _read_options(body)
    return call


class _Reader:
    """Collects leaves on the way through the inputs."""

    def __init__(self, function: Function, read: ReadValues, *, hollow: bool) -> None:
        self.function = function
        self.default_dtype = function.definition.default_dtype
        self.read = read
        self.hollow = hollow
        self.found_hollow = False
        self.paths: list[str] = []
        self.arrays: list[np.ndarray[Any, Any]] = []

    def arguments(self, given: Any) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise InvalidInput("'inputs' must be an object from input to value", argument="inputs")
        if any("." in key for key in given):
            given = _nested(given)
        tree: dict[str, Any] = {}
        known = self.function.parameters
        if not given.keys() <= known.keys():
            unknown = next(k for k in given if k not in known)
            raise InvalidInput(
                f"the function has no such input: it takes {', '.join(known) or 'nothing'}",
                argument=f"inputs.{unknown}" if unknown.isidentifier() and len(unknown) <= 64 else "inputs",
            )
        for name, parameter in known.items():
            if name in given:
                tree[name] = self.part(name, given[name], parameter)
                continue
            filled = self.absent(name)
            if filled is not MISSING:
                tree[name] = filled
            elif parameter.default is MISSING:
                raise InvalidInput(f"input '{name}' is missing", argument=f"inputs.{name}")
        return tree

    def absent(self, path: str) -> Any:
        """What the specs give where a request gives nothing: a default, or a branch of defaults."""
        spec = self.function.specs.get(path)
        if spec is not None:
            return MISSING if spec.default is MISSING else self.part(path, spec.default, None)
        children = self.function.children.get(path)
        if not children or any(self.function.needed(f"{path}.{c}") for c in children):
            return MISSING
        return self.part(path, {}, None)

    def part(self, path: str, value: Any, parameter: Parameter | None) -> Any:
        spec = self.function.specs.get(path)
        if spec is not None:
            return _plain(value, path) if spec.static else self.leaf(path, value, spec)
        children = self.function.children.get(path)
        if children is not None:
            return self.branch(path, value, children)
        if parameter is not None and type(parameter.default) in (bool, int, str):
            if type(value) is not type(parameter.default):
                kind = {bool: "a boolean", int: "a whole number", str: "a string"}[type(parameter.default)]
                raise InvalidInput(f"inputs.{path} must be {kind}, as its default is", argument=f"inputs.{path}")
            return value
        if isinstance(value, dict) and not ("base64" in value or "data" in value or (self.hollow and "shape" in value)):
            return {key: self.part(_joined(path, key), v, None) for key, v in value.items()}
        if isinstance(value, list) and any(isinstance(v, dict) for v in value):
            return [self.part(_joined(path, str(k)), v, None) for k, v in enumerate(value)]
        if value is None and parameter is not None and parameter.default is None:
            return None
        return self.leaf(path, value, None)

    def branch(self, path: str, value: Any, children: Sequence[str]) -> Any:
        """Inputs below a path of which the specs name the parts."""
        where = f"inputs.{path}"
        listed = all(c.isdigit() for c in children)
        if isinstance(value, list) and listed:
            value = {str(k): v for k, v in enumerate(value)}
        if not isinstance(value, dict):
            raise InvalidInput(
                f"{where} must be {'a list' if listed else 'an object'} of {', '.join(children)}", argument=where
            )
        if any(k not in children for k in value):
            raise InvalidInput(
                f"{where} has a part that the function does not know: it has {', '.join(children)}", argument=where
            )
        out = {}
        for child in children:
            below = f"{path}.{child}"
            found = self.part(below, value[child], None) if child in value else self.absent(below)
            if found is MISSING:
                raise InvalidInput(f"input '{below}' is missing", argument=f"inputs.{below}")
            out[child] = found
        return [out[c] for c in sorted(out, key=int)] if listed else out

    def leaf(self, path: str, value: Any, spec: InputSpec | None) -> Leaf:
        where = f"inputs.{path}"
        wanted = None if spec is None else spec.dtype or self.default_dtype
        if self.hollow and isinstance(value, dict) and "shape" in value and value.keys() <= _SPEC:
            array = _stretched(value, wanted or self.default_dtype, where)
            self.found_hollow = True
        else:
            array = value_of(value, wanted, self.default_dtype, self.read, where)
        if len(self.arrays) >= _MOST_LEAVES:
            raise InvalidInput(f"a call has more than {_MOST_LEAVES} inputs", argument="inputs")
        self.paths.append(path)
        self.arrays.append(array)
        return Leaf(len(self.arrays) - 1)


def value_of(value: Any, dtype: str | None, default_dtype: str, read: ReadValues, where: str) -> np.ndarray[Any, Any]:
    """A value as an array of a dtype; where none is given, numbers are of the default dtype, booleans are booleans.

    Errors: InvalidInput, also for a typed value of another dtype: nothing is converted.
    """
    if isinstance(value, np.ndarray):
        array = value.copy()  # a function may write to its inputs, and be called once more with them
    elif isinstance(value, dict):
        array = read(value, None if "dtype" in value else dtype, default_dtype, where)
    else:
        array = read(value, dtype, default_dtype, where)
        if dtype is None and array.dtype.kind in "iu":
            array = array.astype(DTYPES[default_dtype].numpy)
        return array
    if dtype is not None and array.dtype.name != dtype:
        raise InvalidInput(f"{where} must be {dtype}, got {array.dtype.name}", argument=where)
    return array


def _stretched(value: Mapping[str, Any], dtype: str, where: str) -> np.ndarray[Any, Any]:
    name = value.get("dtype", dtype)
    shape = value["shape"]
    kind = named(name)
    if kind is None:
        raise InvalidInput(f"'dtype' must be one of {', '.join(DTYPES)}", argument=where)
    if not isinstance(shape, list) or len(shape) > 64 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise InvalidInput("'shape' must be a list of at most 64 whole numbers", argument=where)
    count = 1
    for n in shape:
        count *= n or 1
    if count >= 2**48:
        raise InvalidInput(f"{where} has more elements than can be", argument=where)
    return np.broadcast_to(np.zeros((), kind.numpy), shape)


def _plain(value: Any, path: str) -> Any:
    """A plain Python value: numbers, strings, booleans, null, and lists and objects of them."""
    if isinstance(value, np.ndarray):
        raise InvalidInput(f"inputs.{path} is a plain value, not a tensor", argument=f"inputs.{path}")
    return value


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Keys such as ``params.w`` as objects in objects."""
    out: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        place = out
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InvalidInput("'inputs' gives an input and a part of it", argument="inputs")
        if last in place or not last:
            raise InvalidInput("'inputs' gives an input twice", argument="inputs")
        place[last] = value
    return out


def _joined(path: str, key: str) -> str:
    if not key or "." in key or len(path) + len(key) > 127:
        raise InvalidInput(
            "the parts of an input are named without dots, with at most 127 characters in all", argument="inputs"
        )
    return f"{path}.{key}"


def _read_axes(call: Call, value: Any) -> None:
    axes: list[int | None] = [None] * len(call.paths)
    if type(value) is int:
        value = dict.fromkeys(call.paths, value)
    if not isinstance(value, dict) or not all(v is None or type(v) is int for v in value.values()):
        raise InvalidInput("'in_axes' must be a number, or an object from input to number or null", argument="in_axes")
    for path, axis in value.items():
        for k in _below(call, path, "in_axes"):
            axes[k] = axis
    sizes: dict[int, str] = {}
    for k, axis in enumerate(axes):
        if axis is None:
            continue
        where, shape = f"inputs.{call.paths[k]}", call.arrays[k].shape
        if not -len(shape) <= axis < len(shape):
            raise InvalidInput(
                f"in_axes gives {where} axis {axis}, but it has {len(shape)} dims", argument=f"in_axes.{call.paths[k]}"
            )
        axes[k] = axis % len(shape)
        sizes.setdefault(shape[axis], where)
    if len(sizes) > 1:
        shown = ", ".join(f"{where} has {n}" for n, where in sizes.items())
        raise InvalidInput(f"all batches must have the same size: {shown}", argument="in_axes")
    if 0 in sizes:
        raise InvalidInput("a batch must have at least one example", argument="in_axes")
    if sizes:
        call.axes, call.batch = axes, next(iter(sizes))


def _below(call: Call, path: Any, field: str) -> list[int]:
    """The leaves that a path names: one, or all below it."""
    found = (
        [k for k, p in enumerate(call.paths) if p == path or p.startswith(f"{path}.")] if isinstance(path, str) else []
    )
    if not found:
        raise InvalidInput(
            f"'{field}' names no tensor among the inputs: there are {', '.join(call.paths[:20])}", argument=field
        )
    return found


def _check_shapes(call: Call, specs: Mapping[str, InputSpec]) -> None:
    sizes: dict[str, tuple[int, str]] = {}
    for k, path in enumerate(call.paths):
        spec = specs.get(path)
        if spec is not None and spec.shape is not None:
            shape = call.arrays[k].shape
            axis = None if call.axes is None else call.axes[k]
            if axis is not None:
                shape = shape[:axis] + shape[axis + 1 :]
            check_shape(spec, shape, sizes, f"inputs.{path}")


def _read_wrt(call: Call, value: Any) -> list[int]:
    if value is None:
        found = [k for k, a in enumerate(call.arrays) if a.dtype.kind in "fc"]
        if not found:
            raise InvalidInput(
                "no input can be differentiated: none is of floating point or complex dtype", argument="wrt"
            )
        return found
    found = []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise InvalidInput("'wrt' must name an input, or be a list of such names", argument="wrt")
    for name in names:
        found += [k for k in _below(call, name, "wrt") if k not in found]
    for k in found:
        if call.arrays[k].dtype.kind not in "fc":
            raise InvalidInput(
                "only Tensors of floating point or complex dtype can require gradients: "
                f"inputs.{call.paths[k]} is {call.arrays[k].dtype.name}",
                argument="wrt",
            )
    return found


def _read_directions(value: Any, field: str) -> tuple[list[dict[str, Any]], bool]:
    several = isinstance(value, list)
    directions = value if isinstance(value, list) else [value]
    if not 0 < len(directions) <= 1_000 or not all(isinstance(d, dict) and d for d in directions):
        raise InvalidInput(
            f"'{field}' must be an object from name to values, or a list of at most 1,000 such", argument=field
        )
    return directions, several


def _check_directions(call: Call) -> None:
    if call.verb in ("jvp", "hvp"):
        if call.tangents is None:
            raise InvalidInput(f"{call.verb} needs 'tangents': an object from input to direction", argument="tangents")
        named: list[int] = []
        for direction in call.tangents:
            for path in direction:
                if path not in call.paths:
                    raise InvalidInput(
                        f"'tangents' names no tensor among the inputs: there are {', '.join(call.paths[:20])}",
                        argument="tangents",
                    )
                k = call.paths.index(path)
                if call.arrays[k].dtype.kind not in "fc" or (call.verb == "hvp" and k not in call.wrt):
                    raise InvalidInput(
                        f"inputs.{path} is not differentiated, so it has no tangent", argument="tangents"
                    )
                if k not in named:
                    named.append(k)
        if call.verb == "jvp":
            call.wrt = sorted(named)
    if call.verb == "hvp" and call.cotangents is not None and len(call.cotangents) > 1:
        raise InvalidInput("hvp takes one object of cotangents: the weights of the outputs", argument="cotangents")
    if call.verb == "hessian" and call.cotangents is not None and len(call.cotangents) > 1:
        raise InvalidInput("hessian takes one object of cotangents: the weights of the outputs", argument="cotangents")
    if call.verb in ("hvp", "hessian"):
        call.several = isinstance(call.tangents, list) and call.several and call.verb == "hvp"


def _read_options(body: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, default in (("eps", 1e-6), ("atol", 1e-5), ("rtol", 1e-3)):
        value = body.get(name, default)
        if type(value) not in (int, float) or not 0 <= value <= 1 or (name == "eps" and value == 0):
            raise InvalidInput(f"'{name}' must be a number from 0 to 1", argument=name)
        out[name] = float(value)
    out["order"] = body.get("order", 1)
    if out["order"] not in (1, 2) or type(out["order"]) is not int:
        raise InvalidInput("'order' must be 1 or 2", argument="order")
    return out
