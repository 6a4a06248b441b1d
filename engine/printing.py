"""A tensor as text, character for character as PyTorch prints it, from a NumPy array and what autograd knows of it.

The rules, in the order they are applied:

1. More elements than ``threshold``: only ``edgeitems`` at both ends of each dim are read, formatted and measured.
2. The nonzero finite floats decide the form of all: whole numbers print as ``1.``, otherwise ``precision`` digits follow the
   point; scientific when the largest is over 1e8 or over 1000 times the smallest, or the smallest is below 1e-4.
3. The longest text of those sets the column: the rest is padded to it and may stick out (``nan`` in a column of zeros).
   Integers and bools are all measured; a complex number's two parts are formatted apart, and only the real one is padded.
4. Rows break at ``linewidth``; what follows the values (size, dtype, grad_fn) moves to a new line when it does not fit.

Source: torch.set_printoptions (docs.pytorch.org), and the printing of PyTorch 2.13.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["format_tensor", "get_printoptions", "printoptions", "set_printoptions"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Options:
    """How to print; the defaults are PyTorch's."""

    precision: int = 4  # digits after the point
    threshold: float = 1000  # more elements than this are summarised
    edgeitems: int = 3  # elements shown at each end of a summarised dim
    linewidth: float = 80  # characters
    sci_mode: bool | None = None  # None: the values decide


PROFILES: Final = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}

options: ContextVar[_Options] = ContextVar("print_options", default=PROFILES["default"])


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: float | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how this thread and task prints tensors. Source: torch.set_printoptions.

    ``profile`` (``default``, ``short``, ``full``; any other is ignored, as PyTorch does) comes first, the rest overrides it.
    What is left out stays as it was, except ``sci_mode``: every call sets it, and without one the values decide again.

    Errors: TypeError or ValueError for what PyTorch takes and then cannot print with, such as a negative ``precision``.

    >>> set_printoptions(precision=2)
    >>> format_tensor(np.array([1.12345]), default_dtype="float64")
    'tensor([1.12])'
    >>> set_printoptions(profile="default")
    """
    base = PROFILES.get(profile, options.get()) if profile is not None else options.get()
    options.set(
        _Options(
            precision=base.precision if precision is None else _count("precision", precision),
            threshold=base.threshold if threshold is None else _real("threshold", threshold),
            edgeitems=base.edgeitems if edgeitems is None else _count("edgeitems", edgeitems),
            linewidth=base.linewidth if linewidth is None else _finite("linewidth", linewidth),
            sci_mode=sci_mode,
        )
    )


def get_printoptions() -> dict[str, Any]:
    """The options in force here, as keyword arguments of ``set_printoptions``.

    >>> get_printoptions()["edgeitems"]
    3
    """
    return dataclasses.asdict(options.get())


@contextmanager
def printoptions(**changes: Any) -> Iterator[None]:
    """Print otherwise inside a block; takes what ``set_printoptions`` takes.

    >>> with printoptions(sci_mode=True):
    ...     format_tensor(np.array([0.5]), default_dtype="float64")
    'tensor([5.0000e-01])'
    """
    before = options.get()
    set_printoptions(**changes)
    try:
        yield
    finally:
        options.set(before)


def format_tensor(
    array: Array | np.generic,
    *,
    requires_grad: bool = False,
    grad_fn_name: str | None = None,
    default_dtype: str = "float32",
    type_name: str = "tensor",
    tangent: str | None = None,
) -> str:
    """The text of a tensor, ``repr`` and ``str`` alike.

    Shapes: any. The dtype is named unless it is the default one, its complex, int64 or bool; of an empty tensor, unless it is the
    default one. ``grad_fn_name`` stands in for ``requires_grad``. A subclass of Tensor gives its own ``type_name``; a
    dual tensor the text of its ``tangent``.
    Source: torch.Tensor.__repr__.

    >>> print(format_tensor(np.array([[1.0, 2.5], [-3.0, np.nan]]), grad_fn_name="AddBackward0"))
    tensor([[ 1.0000,  2.5000],
            [-3.0000,     nan]], dtype=torch.float64, grad_fn=<AddBackward0>)
    >>> format_tensor(np.zeros((0, 3), np.int64))
    'tensor([], size=(0, 3), dtype=torch.int64)'
    """
    how = options.get()
    prefix = f"{type_name}("
    dtype = _name(array.dtype)
    suffixes = []
    if array.size == 0:
        text = "[]"
        sized = array.ndim != 1
        plain = dtype == default_dtype
    else:
        text = _values(array, len(prefix), how)
        sized = how.edgeitems == 0
        plain = dtype in (default_dtype, "int64", "bool", "complex128" if default_dtype == "float64" else "complex64")
    if sized:
        suffixes.append(f"size={array.shape}")
    if not plain:
        suffixes.append(f"dtype=torch.{dtype}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _end(prefix + text, suffixes, len(prefix), how.linewidth)


@cache
def _name(d: np.dtype[Any]) -> str:
    """NumPy spells a dtype's name anew each time."""
    return d.name


def _count(name: str, value: int) -> int:
    count = operator.index(value)
    if count < 0:
        raise ValueError(f"set_printoptions(): {name} must not be negative, but got {count}")
    return count


def _real(name: str, value: Any) -> float:
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"set_printoptions(): {name} must be a number, but got {type(value).__name__}")
    return float(value)


def _finite(name: str, value: float) -> float:
    if not math.isfinite(_real(name, value)):
        raise ValueError(f"set_printoptions(): {name} must be finite, but got {value}")
    return value


def _values(array: Array | np.generic, indent: int, how: _Options) -> str:
    """The brackets and all between them, of an array that is not empty."""
    if array.ndim == 0:
        return _column([array.item()], array.dtype.kind, how)[0][0]
    cut = [False] * array.ndim
    if array.size > how.threshold:
        if how.edgeitems == 0:
            return "[...]"
        array, cut = _edges(np.asarray(array), how.edgeitems)
    texts, width = _column(array.ravel().tolist(), array.dtype.kind, how)
    return _nested(texts, array.shape, cut, width, indent, how)


def _edges(array: Array, edgeitems: int) -> tuple[Array, list[bool]]:
    """The elements a summary shows, as a small array, and which dims lost their middle. Reads nothing else."""
    cut = [n > 2 * edgeitems for n in array.shape]
    kept = [
        [*range(edgeitems), *range(n - edgeitems, n)] if c else range(n) for n, c in zip(array.shape, cut, strict=True)
    ]
    return array[np.ix_(*kept)], cut


def _column(values: list[Any], kind: str, how: _Options) -> tuple[list[str], int]:
    """The texts of the elements, padded, and the width a row reserves for each."""
    if kind == "f":
        texts, width = _floats(values, how)
        if min(map(len, texts)) == width:
            return texts, width
    elif kind == "c":
        return _complexes(values, how)
    else:
        texts = [str(v) for v in values]
        width = max(map(len, texts))
    return [t.rjust(width) for t in texts], width


def _floats(values: list[float], how: _Options) -> tuple[list[str], int]:
    """The texts of real numbers, not yet padded, and the width of the nonzero finite ones (1 if there are none)."""
    if all(values) and math.isfinite(sum(values)):  # the sum of finite ones may overflow: then each is looked at
        texts = list(map(_form(values, how), values))
        return texts, max(map(len, texts))
    deciding = [v for v in values if v and math.isfinite(v)]
    form = _form(deciding, how)
    texts = [form(v) for v in values]
    if len(deciding) == len(values):
        return texts, max(map(len, texts))
    return texts, max((len(t) for t, v in zip(texts, values, strict=True) if v and math.isfinite(v)), default=1)


def _form(deciding: list[float], how: _Options) -> Callable[[float], str]:
    """How to write one number, given the nonzero finite ones of the column."""
    if not deciding:
        return _whole
    scientific = how.sci_mode
    if scientific is None:
        sizes = list(map(abs, deciding))
        smallest, largest = min(sizes), max(sizes)
        scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
    if not scientific and all(map(float.is_integer, deciding)):
        return _whole
    return _written(how.precision, scientific)


@cache
def _written(precision: int, scientific: bool) -> Callable[[float], str]:
    return f"{{:.{precision}{'e' if scientific else 'f'}}}".format


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _complexes(values: list[complex], how: _Options) -> tuple[list[str], int]:
    """The texts of complex numbers: a padded real part, a sign, and an imaginary part that is not padded."""
    reals, real_width = _floats([v.real for v in values], how)
    imags, imag_width = _floats([v.imag for v in values], how)
    texts = [f"{r.rjust(real_width)}{'' if i[0] == '-' else '+'}{i}j" for r, i in zip(reals, imags, strict=True)]
    return texts, real_width + imag_width + 1


def _nested(texts: list[str], shape: Sequence[int], cut: Sequence[bool], width: int, indent: int, how: _Options) -> str:
    """Brackets, commas and line breaks around the texts of one block, row-major; ``cut`` dims get their dots."""
    edge = how.edgeitems
    if len(shape) == 1:
        parts = [*texts[:edge], " ...", *texts[edge:]] if cut[0] else texts
        per_line = max(1, math.floor((how.linewidth - indent) / (width + 2)))
        if len(parts) <= per_line:
            return f"[{', '.join(parts)}]"
        lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
        newlines = "\n"
    else:
        step = len(texts) // shape[0]
        if len(shape) == 2 and not cut[1] and step * (width + 2) <= how.linewidth - indent - 1:
            lines = [f"[{', '.join(texts[i : i + step])}]" for i in range(0, len(texts), step)]
        else:
            lines = [
                _nested(texts[i : i + step], shape[1:], cut[1:], width, indent + 1, how)
                for i in range(0, len(texts), step)
            ]
        if cut[0]:
            lines.insert(edge, "...")
        newlines = "\n" * (len(shape) - 1)
    return "[" + ("," + newlines + " " * (indent + 1)).join(lines) + "]"


def _end(text: str, suffixes: list[str], indent: int, linewidth: float) -> str:
    """The text with its suffixes, each on a new line when the last is too full, and the closing parenthesis."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"
