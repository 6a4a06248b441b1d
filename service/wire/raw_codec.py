"""``application/octet-stream``: the bytes of one array, little-endian in C order; ``dtype`` and ``shape`` stand beside them.

They come in the query (``?dtype=float32&shape=2,3``) or as parameters of the content type, where answers have them. No shape is one dim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from service.wire.errors import InvalidBinary
from service.wire.registry import Bounds, Contents, Format, array_of_bytes, bytes_of_array
from service.wire.values import DTYPES, dtype_named

__all__ = ["FORMAT", "read_raw", "write_raw"]

MEDIA_TYPE: Final = "application/octet-stream"
MOST: Final = 1_024
_SHAPE: Final = re.compile(r"(?:\d{1,15}(?:,\d{1,15})*)?\Z", re.ASCII)


def read_raw(body: bytes, parameters: Mapping[str, str], bounds: Bounds) -> Contents:
    """The array of a body. Errors: InvalidBinary, BeyondBounds."""
    dtype = dtype_named(parameters.get("dtype"))
    if dtype is None:
        raise InvalidBinary(f"raw bytes need ?dtype=, one of {', '.join(DTYPES)}")
    text = parameters.get("shape")
    if text is None:
        count, rest = divmod(len(body), dtype.itemsize)
        if rest:
            raise InvalidBinary(f"{len(body):,} bytes are no multiple of the {dtype.itemsize} bytes of {dtype.name}")
        shape: tuple[int, ...] = (count,)
    elif len(text) > MOST or not _SHAPE.match(text):
        raise InvalidBinary("'shape' must be whole numbers with commas between, such as 2,3; empty for a 0-d tensor")
    else:
        shape = tuple(int(n) for n in text.split(",") if n)
    size = bounds.check(shape, dtype.itemsize)
    if len(body) != size:
        raise InvalidBinary(f"{dtype.name} of shape {list(shape)} has {size:,} bytes; {len(body):,} were sent")
    return Contents({"": array_of_bytes(body, 0, dtype, shape)})


def write_raw(contents: Contents) -> tuple[str, bytes]:
    """The one array of the contents; its content type says dtype and shape."""
    (array,) = contents.arrays.values()
    shape = ",".join(map(str, array.shape))
    return f'{MEDIA_TYPE}; dtype={array.dtype.name}; shape="{shape}"', bytes(bytes_of_array(array))


FORMAT: Final = Format(
    MEDIA_TYPE,
    several=False,
    holds=frozenset(DTYPES),
    read=read_raw,
    write=write_raw,
    parameters=frozenset({"dtype", "shape"}),
)
