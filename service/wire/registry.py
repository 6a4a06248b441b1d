"""The formats in which arrays travel, by media type. A new one is one file of this package: ``…_codec.py`` with FORMAT."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from service.wire.errors import BeyondBounds, InvalidBinary

__all__ = ["Array", "Bounds", "Contents", "Format", "array_of_bytes", "bytes_of_array", "format_of", "formats"]

Array = np.ndarray[Any, Any]


class Bounds(NamedTuple):
    """What one array may declare; the names are the settings that say so."""

    elements: int
    nbytes: int
    dims: int

    def check(self, shape: Iterable[int], itemsize: int) -> int:
        """The bytes of such an array, in Python's unbounded integers. Errors: BeyondBounds, before anything is allocated."""
        shape = tuple(shape)
        if len(shape) > self.dims:
            raise BeyondBounds("tensor_dims", self.dims, len(shape), "dims")
        counted = math.prod(max(n, 1) for n in shape)
        if counted > self.elements:
            raise BeyondBounds("tensor_elements", self.elements, counted, "elements")
        size = math.prod(shape) * itemsize
        if size > self.nbytes:
            raise BeyondBounds("tensor_bytes", self.nbytes, size, "bytes")
        return size


@dataclass(frozen=True, slots=True)
class Contents:
    """What a body holds: arrays by name (of a format for one array the name is empty), and the JSON text that travels with them."""

    arrays: Mapping[str, Array]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One format. ``read(body, parameters, bounds)`` and ``write(contents)``, which answers the content type and the bytes.

    several: whether it names its arrays. holds: the dtypes that it can say. parameters: what it needs from the content type or the
    query, since its bytes do not tell.
    """

    media_type: str
    several: bool
    holds: frozenset[str]
    read: Callable[[bytes, Mapping[str, str], Bounds], Contents]
    write: Callable[[Contents], tuple[str, bytes]]
    parameters: frozenset[str] = field(default_factory=frozenset)

    def can_hold(self, arrays: Iterable[Array], *, several: bool) -> bool:
        """Whether these arrays can be written."""
        return self.several >= several and all(a.dtype.name in self.holds for a in arrays)


@cache
def formats() -> Mapping[str, Format]:
    """Every format by media type, in the order of its file's name."""
    package = __name__.rpartition(".")[0]
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name.endswith("_codec"):
            format_ = getattr(importlib.import_module(f"{package}.{module.name}"), "FORMAT", None)
            if isinstance(format_, Format):
                found[format_.media_type] = format_
    return found


def format_of(media_type: str) -> Format | None:
    """The format of a media type, if there is one."""
    return formats().get(media_type)


def array_of_bytes(
    raw: bytes, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], *, fortran: bool = False
) -> Array:
    """A new array in C order from little-endian bytes, which are long enough.

    Errors: InvalidBinary for a bool that is neither true nor false.
    """
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype)
    flat = np.frombuffer(raw, dtype.newbyteorder("<"), count, offset)
    if dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise InvalidBinary("the values of bool are the bytes 0 and 1; others were sent")
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype, order="C")


def bytes_of_array(array: Array) -> memoryview:
    """The little-endian bytes of an array in C order; not copied where they lie so already."""
    if not array.size:
        return memoryview(b"")
    plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
    return plain.reshape(-1).view(np.uint8).data
