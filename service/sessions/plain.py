"""Attributes and saved values of nodes as plain data: tagged lists for what JSON has no form of. Arrays are somebody else's to write."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from engine.dtypes import DTYPES, dtype
from engine.layout import FORMATS, Size, cpu, device, memory_format
from engine.op import Op
from engine.tensor import Tensor
from engine.view import Step

__all__ = ["Unstorable", "read_value", "written_value"]

_SMALL: Final = 2**63


class Unstorable(Exception):
    """Something in a session that has no form outside this process."""


def written_value(value: Any, array: Callable[[Any], Any], row: Callable[[Op], str]) -> Any:  # noqa: PLR0912 - one case a type
    """A value as plain data. Errors: Unstorable."""
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if -_SMALL <= value < _SMALL else ["int", str(value)]
    if type(value) is float:
        return value if math.isfinite(value) else ["float", repr(value)]
    if isinstance(value, (np.ndarray, np.generic)):
        return ["array", array(value)]
    if isinstance(value, Step):
        inner = [written_value(v, array, row) for v in value[1:]]
        return ["step", row(value.op), inner]
    for kind, name in ((Size, "size"), (tuple, "tuple"), (list, "list")):
        if type(value) is kind:
            return [name, [written_value(v, array, row) for v in value]]
    if type(value) is complex:
        return ["complex", written_value(value.real, array, row), written_value(value.imag, array, row)]
    if isinstance(value, dtype):
        return ["dtype", value.name]
    if isinstance(value, np.dtype):
        return ["numpy", value.str]
    if isinstance(value, memory_format):
        return ["format", value.name]
    if isinstance(value, device):
        return ["device"]
    if type(value) is slice:
        return ["slice", [written_value(v, array, row) for v in (value.start, value.stop, value.step)]]
    if value is Ellipsis:
        return ["ellipsis"]
    if isinstance(value, Tensor):
        raise Unstorable("a tensor among the attributes of a node")
    raise Unstorable(f"a value of type {type(value).__name__}")


def read_value(found: Any, array: Callable[[Any], Any], row: Callable[[str], Op]) -> Any:  # noqa: PLR0912 - one case a type
    """Back from ``written_value``."""
    if not isinstance(found, list):
        return found
    tag = found[0]
    if tag in ("size", "tuple", "list"):
        values = [read_value(v, array, row) for v in found[1]]
        return values if tag == "list" else Size(values) if tag == "size" else tuple(values)
    if tag == "array":
        return array(found[1])
    if tag == "dtype":
        return DTYPES[found[1]]
    if tag == "float":
        return float(found[1])
    if tag == "int":
        return int(found[1])
    if tag == "complex":
        return complex(read_value(found[1], array, row), read_value(found[2], array, row))
    if tag == "step":
        attrs, number, outputs, shape = (read_value(v, array, row) for v in found[2])
        return Step(row(found[1]), attrs, number, outputs, shape)
    if tag == "numpy":
        return np.dtype(found[1])
    if tag == "format":
        return FORMATS[found[1]]
    if tag == "device":
        return cpu
    if tag == "slice":
        return slice(*(read_value(v, array, row) for v in found[1]))
    if tag == "ellipsis":
        return Ellipsis
    raise Unstorable(f"a value tagged {tag}")
