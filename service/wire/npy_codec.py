"""``application/x-npy``: one array, as NumPy's files hold it (numpy.lib.format, versions 1.0 to 3.0).

The header is read here, strictly: the three keys once each, a dtype of the engine in little-endian order, at most 512 bytes. NumPy's own
reader is never asked: it may unpickle, and it trusts the header's length before it has looked at it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from service.wire.errors import InvalidBinary
from service.wire.registry import Array, Bounds, Contents, Format, array_of_bytes, bytes_of_array
from service.wire.values import DTYPES

__all__ = ["FORMAT", "read_npy", "write_npy"]

MEDIA_TYPE: Final = "application/x-npy"
MAGIC: Final = b"\x93NUMPY"
MOST_HEADER: Final = 512
ALIGNED: Final = 64
CODES: Final[dict[str, np.dtype[Any]]] = {("|" if d.itemsize == 1 else "<") + d.str[1:]: d for d in DTYPES.values()}
_ENTRY: Final = re.compile(
    r"""\s*(?P<mark>['"])(?:
    (?P<descr>descr)(?P=mark)\s*:\s*(?P<quote>['"])(?P<code>[|<>=]?\w{1,8})(?P=quote)
    |(?P<order>fortran_order)(?P=mark)\s*:\s*(?P<fortran>True|False)
    |(?P<shape>shape)(?P=mark)\s*:\s*\((?P<sizes>(?:\s*\d{1,15}\s*,)*(?:\s*\d{1,15})?\s*)\)
    )\s*(?P<end>,|(?=\}))""",
    re.VERBOSE,
)
_ONE: Final = re.compile(r"\s*\d+\s*")  # a number in brackets is no tuple


def read_npy(body: bytes, parameters: Mapping[str, str], bounds: Bounds) -> Contents:  # noqa: ARG001 - the bytes tell all
    """The array of a body. Errors: InvalidBinary, BeyondBounds."""
    if body[:6] != MAGIC:
        raise InvalidBinary("the body does not begin as an .npy file does")
    version = body[6:8]
    if version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise InvalidBinary("the .npy version must be 1.0, 2.0 or 3.0")
    start = 10 if version == b"\x01\x00" else 12
    if len(body) < start:
        raise InvalidBinary("the .npy header is cut off")
    length = int.from_bytes(body[8:start], "little")
    if length > MOST_HEADER:
        raise InvalidBinary(f"the .npy header says that it has {length:,} bytes; {MOST_HEADER} are the most")
    header = body[start : start + length]
    if len(header) < length:
        raise InvalidBinary("the .npy header is cut off")
    dtype, fortran, shape = _header(header)
    size = bounds.check(shape, dtype.itemsize)
    found = len(body) - start - length
    if found != size:
        raise InvalidBinary(f"{dtype.name} of shape {list(shape)} has {size:,} bytes; {found:,} came after the header")
    return Contents({"": array_of_bytes(body, start + length, dtype, shape, fortran=fortran)})


def _header(header: bytes) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    """Dtype, order and shape. Errors: InvalidBinary."""
    malformed = InvalidBinary("the .npy header is no dict of 'descr', 'fortran_order' and 'shape'")
    try:
        text = header.decode("ascii").strip()
    except UnicodeDecodeError:
        raise malformed from None
    if text[:1] != "{" or text[-1:] != "}":
        raise malformed
    seen: dict[str, str] = {}
    at = 1
    while text[at:].strip() != "}":
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise malformed
        key = "descr" if entry["descr"] else "fortran_order" if entry["order"] else "shape"
        if key in seen:
            raise InvalidBinary(f"the .npy header gives '{key}' twice")
        seen[key] = entry["code"] or entry["fortran"] or entry["sizes"]
        at = entry.end()
    if len(seen) < 3 or _ONE.fullmatch(seen["shape"]):
        raise malformed
    dtype = CODES.get(seen["descr"])
    if dtype is None:
        raise InvalidBinary(f"'descr' must be one of {', '.join(CODES)}: the dtypes of the engine, little-endian")
    return dtype, seen["fortran_order"] == "True", tuple(int(n) for n in seen["shape"].split(",") if n.strip())


def write_npy(contents: Contents) -> tuple[str, bytes]:
    """The one array of the contents as a body, version 1.0, in C order."""
    (array,) = contents.arrays.values()
    return MEDIA_TYPE, b"".join((_prefix(array), bytes_of_array(array)))


def _prefix(array: Array) -> bytes:
    code = ("|" if array.dtype.itemsize == 1 else "<") + array.dtype.str[1:]
    sizes = ", ".join(map(str, array.shape)) + ("," if array.ndim == 1 else "")
    header = f"{{'descr': '{code}', 'fortran_order': False, 'shape': ({sizes}), }}".encode()
    header += b" " * (-(len(MAGIC) + 4 + len(header) + 1) % ALIGNED) + b"\n"
    return MAGIC + b"\x01\x00" + len(header).to_bytes(2, "little") + header


FORMAT: Final = Format(MEDIA_TYPE, several=False, holds=frozenset(DTYPES), read=read_npy, write=write_npy)
