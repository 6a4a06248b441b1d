"""Values in JSON as arrays: numbers, nested lists, and typed values ``{"dtype", "shape"?, "data" | "base64"}``.

Nothing is coerced: fractions for integers, numbers for booleans and ragged lists are refused. No value passes a per-element check in
Python unless NumPy could not read the list at once.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final

import numpy as np

from service.wire.errors import InvalidValues
from service.wire.numbers import Numbers

__all__ = ["DTYPES", "array_from_json", "dtype_named", "literal", "typed_value"]

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    name: np.dtype(code)
    for name, code in {
        "bool": "?",
        "uint8": "u1",
        "int8": "i1",
        "int16": "i2",
        "int32": "i4",
        "int64": "i8",
        "float16": "f2",
        "float32": "f4",
        "float64": "f8",
        "complex64": "c8",
        "complex128": "c16",
    }.items()
}
ALIASES: Final = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}
SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FIELDS: Final = frozenset({"dtype", "shape", "data", "base64"})


def dtype_named(name: object) -> np.dtype[Any] | None:
    """The dtype of a name: the engine's, or PyTorch's other one, with or without ``torch.`` before it; None where there is none."""
    if type(name) is not str:
        return None
    plain = name.removeprefix("torch.")
    return DTYPES.get(ALIASES.get(plain, plain))


def literal(value: Any, default_dtype: str) -> np.ndarray[Any, Any]:
    """A JSON value as a new array; without a dtype: bool, int64, or the default dtype. An array of a binary body is one already.

    Errors: InvalidValues.
    """
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else value.copy()
    if not isinstance(value, dict):
        return array_from_json(value, None, default_dtype)
    if any(k not in _FIELDS for k in value) or ("data" in value) == ("base64" in value):
        raise InvalidValues("a typed value has 'dtype', 'shape' if wanted, and either 'data' or 'base64'")
    name = value.get("dtype")
    dtype = dtype_named(name)
    if name is not None and dtype is None:
        raise InvalidValues(f"'dtype' must be one of {', '.join(DTYPES)}")
    shape = value.get("shape")
    if shape is not None and not (isinstance(shape, list) and all(type(n) is int and 0 <= n < 2**48 for n in shape)):
        raise InvalidValues("'shape' must be a list of whole numbers")
    if "base64" in value:
        if dtype is None:
            raise InvalidValues("'base64' needs a 'dtype'")
        return _from_base64(value["base64"], dtype, shape)
    array = array_from_json(value["data"], dtype, default_dtype)
    if shape is not None and list(array.shape) != shape:
        if array.ndim > 1 or array.size != math.prod(shape):
            raise InvalidValues(f"'data' of shape {list(array.shape)} does not fit 'shape' {shape}")
        array = array.reshape(shape)
    return array


def _from_base64(text: Any, dtype: np.dtype[Any], shape: list[int] | None) -> np.ndarray[Any, Any]:
    if not isinstance(text, str):
        raise InvalidValues("'base64' must be a string")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValues("'base64' is not base64") from None
    if len(raw) % dtype.itemsize:
        raise InvalidValues(
            f"'base64' holds {len(raw)} bytes, no multiple of the {dtype.itemsize} bytes of {dtype.name}"
        )
    count = len(raw) // dtype.itemsize
    wanted = [count] if shape is None else shape
    if math.prod(wanted) != count:
        raise InvalidValues(f"'base64' holds {count} elements of {dtype.name}; shape {wanted} has {math.prod(wanted)}")
    if dtype.kind == "b" and raw.translate(None, b"\x00\x01"):
        raise InvalidValues("'base64' of bool has bytes other than 0 and 1")
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(wanted)


def typed_value(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """An array as ``{"dtype", "shape", "base64"}``: every bit of it, NaN payloads too.

    >>> typed_value(np.array([1.0, 2.0], np.float32))
    {'dtype': 'float32', 'shape': [2], 'base64': 'AACAPwAAAEA='}
    """
    raw = np.asarray(array, array.dtype.newbyteorder("<")).tobytes()
    text = binascii.b2a_base64(raw, newline=False).decode("ascii")
    return {"dtype": array.dtype.name, "shape": list(array.shape), "base64": text}


def array_from_json(data: Any, dtype: np.dtype[Any] | None, default_dtype: str) -> np.ndarray[Any, Any]:
    """Numbers and nested lists as an array of a dtype, or of the one that the data tells.

    Errors: InvalidValues for ragged lists (in PyTorch's words), strings other than NaN and the infinities, null and objects, and for
    what the dtype cannot hold.
    """
    array = _read(data)
    kind = array.dtype.kind
    if dtype is None:
        if kind == "b":
            return array
        if kind in "iu":
            return _integers(array, np.dtype(np.int64))
        return array.astype(DTYPES[default_dtype])
    if kind == "b" and array.size and dtype.kind != "b":
        raise InvalidValues(f"booleans are no values of {dtype.name}")
    if dtype.kind == "b":
        if kind != "b" and array.size:
            raise InvalidValues("values of bool are true and false")
        return array.astype(dtype)
    if dtype.kind in "iu":
        return _integers(array, dtype)
    if dtype.kind == "c":
        if array.size == 0:
            return array.astype(dtype)
        if array.ndim == 0 or array.shape[-1] != 2:
            raise InvalidValues("complex values are pairs [re, im]")
        part = array.astype(np.float32 if dtype.itemsize == 8 else np.float64)
        return np.ascontiguousarray(part).view(dtype)[..., 0]
    return array.astype(dtype)


def _integers(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if array.size == 0:
        return array.astype(dtype)
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.trunc(array)).all()):
        raise InvalidValues(f"fractions are no values of {dtype.name}")
    limits = np.iinfo(dtype)
    if array.min() < limits.min or array.max() > limits.max:
        raise InvalidValues(f"values of {dtype.name} lie between {limits.min} and {limits.max}")
    return array.astype(dtype)


def _read(data: Any) -> np.ndarray[Any, Any]:
    """Nested lists as NumPy reads them: bool, int64, uint64 or float64."""
    if isinstance(data, Numbers):
        return data.array
    try:
        array = np.array(data)
    except (ValueError, OverflowError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind in "biuf":
        return array
    shape = _shape(data)
    flat: list[Any] = []
    _flatten(data, shape, flat)
    found = np.array(flat) if flat else np.empty(0)
    if found.dtype.kind not in "biuf":
        raise InvalidValues(
            "values are integers of at most 64 bits, fractions, booleans, or NaN, Infinity and -Infinity in quotes"
        )
    return found.reshape(shape)


def _shape(data: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        if not data:
            break
        data = data[0]
    return tuple(shape)


def _flatten(data: Any, shape: tuple[int, ...], flat: list[Any]) -> None:
    stack: list[tuple[Any, int]] = [(data, 0)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, list):
            if level >= len(shape):
                raise InvalidValues(f"expected a number at dim {level}, got a list")
            if len(item) != shape[level]:
                raise InvalidValues(f"expected sequence of length {shape[level]} at dim {level} (got {len(item)})")
            stack.extend((piece, level + 1) for piece in reversed(item))
        elif level != len(shape):
            raise InvalidValues(f"expected a sequence of length {shape[level]} at dim {level}, got a number")
        elif isinstance(item, str):
            if item not in SPECIAL:
                raise InvalidValues("a string among values can only be NaN, Infinity or -Infinity")
            flat.append(SPECIAL[item])
        elif type(item) in (bool, int, float):
            flat.append(item)
        else:
            raise InvalidValues("null and objects are no values")
