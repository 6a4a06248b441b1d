"""Plain data as bytes: JSON, and what is binary in it (bytes, arrays, long lists of numbers) in frames after it.

    magic "GWR1" | length of the JSON (4 bytes, little-endian) | JSON | frame | frame | …

In the JSON an object of the one key "$" stands for a frame: ``{"$": [kind, number of bytes, …]}``, in the order of the frames.
Nothing that is read is ever executed; what does not parse exactly is damage. A later format has another magic; this one will go on
being read.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from service.wire.json_codec import parse, render
from service.wire.numbers import Numbers

__all__ = ["Unreadable", "pack", "unpack"]

MAGIC: Final = b"GWR1"
LONG: Final = 32  # a list of this many numbers goes into a frame
_HEAD: Final = struct.Struct("<4sI")


class Unreadable(Exception):
    """Bytes that are no record."""


def pack(data: Any) -> bytes:
    """Plain data as bytes. Errors: TypeError for what is not plain."""
    frames: list[Any] = []
    text = render(_out(data, frames))
    return b"".join([_HEAD.pack(MAGIC, len(text)), text, *frames])


def _out(value: Any, frames: list[Any]) -> Any:
    kind = type(value)
    if kind in (str, int, float, bool) or value is None:
        if kind is float and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
            return _framed("float", struct.pack("<d", value), frames)
        if kind is int and not -(2**63) <= value < 2**64:
            return _framed("int", str(value).encode(), frames)
        return value
    if kind in (list, tuple):
        if len(value) >= LONG or (value and type(value[0]) is list):
            found = _numbers(value)
            if found is not None:
                return _framed("list", found.tobytes(), frames, found.dtype.str, list(found.shape))
        return [_out(v, frames) for v in value]
    if isinstance(value, Mapping):
        if "$" in value:
            pairs = [[k, v] for k, v in value.items()]
            return {"$": ["object", 0, _out(pairs, frames)]}
        return {
            k: _base64(v, frames) if k == "base64" and type(v) is str else _out(v, frames) for k, v in value.items()
        }
    if kind in (bytes, bytearray, memoryview):
        return _framed("bytes", bytes(value), frames)
    if isinstance(value, np.ndarray):
        flat = np.ascontiguousarray(value)
        return _framed("array", flat.reshape(-1).view(np.uint8).data, frames, flat.dtype.str, list(value.shape))
    if kind is Numbers:
        flat = np.ascontiguousarray(value.array)
        return _framed("numbers", flat.tobytes(), frames, flat.dtype.str, list(value.shape))
    if isinstance(value, np.generic):
        return _out(value.item(), frames)
    raise TypeError(f"{kind.__name__} is no plain data")


def _base64(text: str, frames: list[Any]) -> Any:
    """Bytes that a client sent as base64, as they are; written anew they are the same text."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return text
    return _framed("base64", raw, frames) if base64.b64encode(raw).decode() == text else text


def _framed(kind: str, content: Any, frames: list[Any], *more: Any) -> dict[str, Any]:
    frames.append(content)
    return {"$": [kind, len(content), *more]}


def _numbers(value: Any) -> np.ndarray[Any, Any] | None:
    """Nested lists of nothing but floats, or nothing but ints: as an array that gives the very same lists again."""
    flat = value
    shape = [len(value)]
    while type(flat[0]) is list:
        size = len(flat[0])
        if not size or any(type(v) is not list or len(v) != size for v in flat):
            return None
        flat = [x for v in flat for x in v]
        shape.append(size)
    if len(flat) < LONG:
        return None
    kinds = set(map(type, flat))
    if kinds not in ({float}, {int}):
        return None
    try:
        return np.array(flat, np.float64 if kinds == {float} else np.int64).reshape(shape)
    except OverflowError:
        return None


def unpack(content: bytes) -> Any:
    """Back from ``pack``. Errors: Unreadable."""
    try:
        magic, length = _HEAD.unpack_from(content)
        if magic != MAGIC:
            raise Unreadable("another format")
        frames = memoryview(content)[_HEAD.size + length :]
        taken, data = _in(parse(content[_HEAD.size : _HEAD.size + length]), frames, 0)
    except (ValueError, TypeError, KeyError, IndexError, struct.error, AttributeError) as error:
        raise Unreadable(str(error)) from error
    if taken != len(frames):
        raise Unreadable("frames are missing, or left over")
    return data


def _in(value: Any, frames: memoryview, at: int) -> tuple[int, Any]:
    """A list or object that was parsed, with its frames in their places; it is filled in where it stands, as nobody else has it."""
    if type(value) is list:
        for i, v in enumerate(value):
            if type(v) in _NESTED:
                at, value[i] = _in(v, frames, at)
        return at, value
    if type(value) is not dict:
        return at, value
    if "$" not in value:
        for k, v in value.items():
            if type(v) in _NESTED:
                at, value[k] = _in(v, frames, at)
        return at, value
    kind, size, *more = value["$"]
    if kind == "object":
        at, pairs = _in(more[0], frames, at)
        return at, dict(pairs)
    if at + size > len(frames):
        raise Unreadable("a frame is cut off")
    return at + size, _FRAMES[kind](bytes(frames[at : at + size]), *more)


_NESTED: Final = (list, dict)
_FRAMES: Final[dict[str, Callable[..., Any]]] = {
    "bytes": lambda content: content,
    "base64": lambda content: base64.b64encode(content).decode(),
    "list": lambda content, d, shape: np.frombuffer(content, d).reshape(shape).tolist(),
    "numbers": lambda content, d, shape: Numbers(np.frombuffer(content, d).reshape(shape)),
    "array": lambda content, d, shape: np.frombuffer(content, d).reshape(shape),
    "float": lambda content: struct.unpack("<d", content)[0],
    "int": int,
}
