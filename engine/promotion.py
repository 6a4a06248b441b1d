"""Arguments of one dtype: what the doors, the raw rules and the estimates all do before a kernel runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine import dtypes
from engine.errors import ArgumentError, DtypeError, EngineError, ShapeError, TensorError
from engine.op import Estimate, Spec, Specs
from engine.scalars import converted, held
from engine.weights import WEIGHTS

if TYPE_CHECKING:
    from engine.op import Op

__all__ = ["constant", "estimate", "explain", "promoted", "result_dtype"]

_CONSTANTS: dict[tuple[Any, type, Any], Any] = {}
_MOST = 4096
EACH = 2_000  # operations for one of many outputs, whatever its size


def constant(value: Any, d: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A bare number as a 0-d array of a dtype, cached: a Python number would double the time of a ufunc on few elements."""
    key = (value, type(value), d)
    found = _CONSTANTS.get(key)
    if found is None or value == 0:  # 0.0 == -0.0, and keys cannot tell them apart
        whole = type(value) is int and not -(2**63) <= value < 2**63
        if whole:
            held(value)
        kind: Any = np.uint64 if whole else np.int64 if type(value) is int and d.kind in "iu" else None
        found = np.array(value, dtype=kind).astype(d)
        found.flags.writeable = False
        if len(_CONSTANTS) >= _MOST:
            _CONSTANTS.clear()
        _CONSTANTS[key] = found
    return found


def result_dtype(op: Op, values: list[Any]) -> dtypes.dtype | None:
    """The common dtype of the promoting arguments: arrays, Specs or numbers, by PyTorch's three groups."""
    dims: list[dtypes.dtype] = []
    zeros: list[dtypes.dtype] = []
    numbers: list[dtypes.dtype] = []
    for i in op.promoting:
        value = values[i]
        for v in value if type(value) is list else (value,):
            if v is None:
                continue
            if isinstance(v, Spec):
                (dims if v.shape else zeros).append(v.dtype)
            elif isinstance(v, (np.ndarray, np.generic)):
                (dims if v.ndim else zeros).append(dtypes.of_numpy(v.dtype))
            else:
                numbers.append(dtypes.of_scalar(v))
    if not (dims or zeros or numbers):
        return None
    d = dtypes.promote(tuple(dims), tuple(zeros), tuple(numbers))
    if op.promote == "float" and d.category < 2:
        d = dtypes.get_default_dtype()
    return d


def promoted(op: Op, raws: list[Any]) -> None:
    """Cast the promoting raw arguments in place to their common dtype; turn bare numbers into 0-d arrays."""
    if not op.promoting:
        return
    first = None
    same = not op.lists
    if same:
        for i in op.promoting:
            value = raws[i]
            if value is None:
                continue
            if not isinstance(value, (np.ndarray, np.generic)):
                same = False
                break
            if first is None:
                first = value.dtype
            elif value.dtype != first:
                same = False
                break
        if same and (first is None or op.promote != "float" or first.kind in "fc"):
            return
    d = result_dtype(op, raws)
    if d is None:
        return
    for i in op.promoting:
        value = raws[i]
        if value is not None:
            raws[i] = [_cast(v, d.numpy) for v in value] if type(value) is list else _cast(value, d.numpy)
            if type(value) is int and d.category == 1 and op.name == "where":
                converted(value, d.numpy)


def _cast(value: Any, d: np.dtype[Any]) -> Any:
    if value is None:
        return None
    if isinstance(value, (np.ndarray, np.generic)):
        return value if value.dtype == d else value.astype(d)
    return constant(value, d)


def estimate(op: Op, bound: list[Any]) -> Estimate:
    """What a call would make and cost, from shapes and dtypes alone; raises PyTorch's sentence for what does not fit.

    bound: arguments in the row's order; tensors as tensors, raw values or Specs. cost defaults to the elements read and written.
    """
    specs = [_spec(v) if i in op.tensors else v for i, v in enumerate(bound)]
    given = [
        s for i in op.tensors for s in (specs[i] if type(specs[i]) is list else (specs[i],)) if isinstance(s, Spec)
    ]
    d = result_dtype(op, specs)
    if d is not None:
        for i in op.promoting:
            value = specs[i]
            if value is not None:
                specs[i] = [_promoted_spec(v, d) for v in value] if type(value) is list else _promoted_spec(value, d)
    if op.meta is None:
        raise DtypeError(f"{op.id} has no estimate")
    try:
        found = op.meta(*specs)
    except EngineError:
        raise
    except (
        AttributeError,
        ValueError,
        TypeError,
        IndexError,
        ArithmeticError,
    ) as error:  # what the row did not think of
        if isinstance(error, AttributeError) or "invalid literal" in str(error):
            raise ArgumentError(f"{op.name}(): an argument is of a type that it does not take") from error
        raise ShapeError(f"{op.name}(): {error}") from error
    weight = WEIGHTS.get(op.id, 1)
    if isinstance(found, Estimate):
        if isinstance(found.outputs, Specs):
            return found._replace(cost=max(weight * found.cost, EACH * len(found.outputs)))
        made = 0 if op.kind == "view" else sum(s.numel for s in found.outputs)
        return found if weight == 1 and found.cost >= made else found._replace(cost=weight * max(found.cost, made))
    outputs = (found,) if isinstance(found, Spec) else found if isinstance(found, Specs) else tuple(found)
    if op.kind == "view":
        return Estimate(outputs, 0, 1 if len(outputs) == 1 else EACH * len(outputs))
    if isinstance(outputs, Specs):  # parts of what is given, not to be counted one by one
        return Estimate(outputs, 0, 2 * weight * sum(s.numel for s in given) + EACH * len(outputs))
    return Estimate(outputs, 0, weight * (sum(s.numel for s in given) + sum(s.numel for s in outputs)))


def _spec(value: Any) -> Any:
    if type(value) is list:
        return [_spec(v) for v in value]
    if value is None or isinstance(value, (Spec, bool, int, float, complex)):
        return value
    return Spec(
        tuple(value.shape), value.dtype if isinstance(value.dtype, dtypes.dtype) else dtypes.of_numpy(value.dtype)
    )


def _promoted_spec(value: Any, d: dtypes.dtype) -> Spec | None:
    return None if value is None else Spec(value.shape if isinstance(value, Spec) else (), d)


def explain(op: Op, bound: list[Any], error: Exception) -> EngineError:
    """What to raise for a kernel's own error: the estimate's sentence where it sees the trouble, else the kernel's."""
    try:
        estimate(op, bound)
    except EngineError as found:
        return found
    if isinstance(error, TypeError):
        return ArgumentError(f"{op.name}(): {error}")
    return TensorError(f"{op.name}(): {error}")
