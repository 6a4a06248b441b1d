"""``application/vnd.safetensors``: several arrays by name, little-endian in C order, with a JSON header before them.

Read strictly, as the format's page asks: a header of at most 1 MiB without a key twice, every offset in range, every byte of the rest in
exactly one array. The JSON part of a request or an answer travels in ``__metadata__`` under ``request`` or ``answer``. The format knows
complex64 as C64 and has no word for complex128. Source: https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

from service.wire.errors import InvalidBinary, InvalidJson
from service.wire.json_codec import check_depth
from service.wire.registry import Bounds, Contents, Format, array_of_bytes, bytes_of_array
from service.wire.values import DTYPES

__all__ = ["FORMAT", "read_safetensors", "write_safetensors"]

MEDIA_TYPE: Final = "application/vnd.safetensors"
MOST_HEADER: Final = 2**20
MOST_NAME: Final = 128
ALIGNED: Final = 8
WORDS: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}
CODES: Final = {word: DTYPES[name] for name, word in WORDS.items()}
_FIELDS: Final = {"dtype", "shape", "data_offsets"}


def read_safetensors(body: bytes, parameters: Mapping[str, str], bounds: Bounds) -> Contents:  # noqa: ARG001 - the bytes tell all
    """The arrays of a body and its JSON part. Errors: InvalidBinary, BeyondBounds."""
    if len(body) < 8:
        raise InvalidBinary("a safetensors body begins with the length of its header, 8 bytes")
    length = int.from_bytes(body[:8], "little")
    if length > MOST_HEADER:
        raise InvalidBinary(f"the safetensors header says that it has {length:,} bytes; {MOST_HEADER:,} are the most")
    if len(body) < 8 + length:
        raise InvalidBinary("the safetensors header is cut off")
    header = _parsed(body[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise InvalidBinary("'__metadata__' must map strings to strings")
    places: list[tuple[int, int, str, np.dtype[Any], tuple[int, ...]]] = []
    for name, entry in header.items():
        dtype, shape, begin, end = _entry(name, entry)
        if end - begin != bounds.check(shape, dtype.itemsize):
            raise InvalidBinary(f"the offsets of '{name}' do not fit {dtype.name} of shape {list(shape)}")
        places.append((begin, end, name, dtype, shape))
    at = 0
    for begin, end, name, _, _ in sorted(places, key=lambda p: p[:2]):
        if begin != at:
            raise InvalidBinary(f"the offsets of '{name}' leave a gap or overlap: {at:,} was to come, not {begin:,}")
        at = end
    if at != len(body) - 8 - length:
        raise InvalidBinary(f"the arrays end at {at:,}; {len(body) - 8 - length:,} bytes came after the header")
    arrays = {n: array_of_bytes(body, 8 + length + begin, dtype, shape) for begin, _, n, dtype, shape in places}
    return Contents(arrays, metadata.get("request"))


def _parsed(header: bytes) -> dict[str, Any]:
    if header[:1] != b"{":
        raise InvalidBinary("the safetensors header must be a JSON object")
    try:
        check_depth(header, 3)
        found = json.loads(
            header.decode(), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_no_number
        )
    except (ValueError, InvalidJson):
        raise InvalidBinary(
            "the safetensors header is not JSON of names with 'dtype', 'shape' and 'data_offsets'"
        ) from None
    return found  # type: ignore[no-any-return]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidBinary("the safetensors header gives a name twice")
    return found


def _no_number(_: str) -> Any:
    raise ValueError


def _entry(name: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Dtype, shape and offsets of one array. Errors: InvalidBinary; a name is repeated only where it is a plain one."""
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise InvalidBinary(f"a name in a safetensors body has 1 to {MOST_NAME} printable characters")
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise InvalidBinary("an array in a safetensors header has 'dtype', 'shape' and 'data_offsets', nothing else")
    word, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    dtype = CODES.get(word) if isinstance(word, str) else None
    if dtype is None:
        raise InvalidBinary(f"a dtype in a safetensors body must be one of {', '.join(CODES)}")
    if not _counts(shape):
        raise InvalidBinary(f"the shape of '{name}' must be a list of whole numbers")
    if not _counts(offsets) or len(offsets) != 2:
        raise InvalidBinary(f"the offsets of '{name}' must be two whole numbers")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)


def write_safetensors(contents: Contents) -> tuple[str, bytes]:
    """The arrays of the contents as a body; their JSON text stands in ``__metadata__`` under ``answer``."""
    header: dict[str, Any] = {} if contents.text is None else {"__metadata__": {"answer": contents.text}}
    at = 0
    pieces: list[bytes | memoryview] = []
    ordered = sorted(contents.arrays.items(), key=lambda item: -item[1].dtype.alignment)  # so that each lies aligned
    for name, array in ordered:
        header[name] = {
            "dtype": WORDS[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
        pieces.append(bytes_of_array(array))
    text = orjson.dumps(header)
    text += b" " * (-len(text) % ALIGNED)
    return MEDIA_TYPE, b"".join((len(text).to_bytes(8, "little"), text, *pieces))


FORMAT: Final = Format(MEDIA_TYPE, several=True, holds=frozenset(WORDS), read=read_safetensors, write=write_safetensors)
