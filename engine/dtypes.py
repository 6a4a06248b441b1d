"""The dtypes, and PyTorch's promotion (https://docs.pytorch.org/docs/stable/tensor_attributes.html).

NumPy's own promotion is never asked: it widens int64 with float32 to float64 where PyTorch keeps float32.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Final, Literal

import numpy as np

from engine.errors import ArgumentError

__all__ = [
    "ALIASES",
    "DTYPES",
    "bool_",
    "complex64",
    "complex128",
    "cpp_name",
    "default_dtype",
    "dtype",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "int8",
    "int16",
    "int32",
    "int64",
    "named",
    "of_numpy",
    "of_scalar",
    "promote",
    "promote_types",
    "set_default_dtype",
    "spoken",
    "to_real",
    "uint8",
]

Category = Literal[0, 1, 2, 3]  # bool < integer < floating < complex


class dtype:  # noqa: N801 - PyTorch's name
    """A tensor's element type, as ``torch.dtype``: there is one object per dtype, compared by identity.

    >>> float32.is_floating_point, float32.itemsize, float32
    (True, 4, torch.float32)
    """

    __slots__ = ("category", "is_complex", "is_floating_point", "itemsize", "name", "numpy", "rank")

    def __init__(self, name: str, numpy: str, category: Category, rank: int) -> None:
        self.name: Final = name
        self.numpy: Final = np.dtype(numpy)
        self.category: Final = category
        self.rank: Final = rank
        self.itemsize: Final = self.numpy.itemsize
        self.is_floating_point: Final = category == 2
        self.is_complex: Final = category == 3

    @property
    def is_signed(self) -> bool:
        return self.numpy.kind not in "bu"

    @property
    def differentiable(self) -> bool:
        """Whether a tensor of this dtype can require grad."""
        return self.category >= 2

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name


bool_ = dtype("bool", "?", 0, 0)
uint8 = dtype("uint8", "u1", 1, 1)
int8 = dtype("int8", "i1", 1, 1)
int16 = dtype("int16", "i2", 1, 2)
int32 = dtype("int32", "i4", 1, 3)
int64 = dtype("int64", "i8", 1, 4)
float16 = dtype("float16", "f2", 2, 1)
float32 = dtype("float32", "f4", 2, 2)
float64 = dtype("float64", "f8", 2, 3)
complex64 = dtype("complex64", "c8", 3, 2)
complex128 = dtype("complex128", "c16", 3, 3)

DTYPES: Final[dict[str, dtype]] = {
    d.name: d
    for d in (
        bool_,
        uint8,
        int8,
        int16,
        int32,
        int64,
        float16,
        float32,
        float64,
        complex64,
        complex128,
    )
}
ALIASES: Final = {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
    "cfloat": complex64,
    "cdouble": complex128,
}
"""PyTorch's other names of dtypes. Source: docs.pytorch.org, "torch.dtype"."""

_NAMES: Final = {  # as PyTorch's sentences have them: of kernels, and of C++
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short int"),
    "int32": ("Int", "int"),
    "int64": ("Long", "long int"),
    "float16": ("Half", "c10::Half"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
}
_OF_NUMPY: Final[dict[np.dtype[np.generic], dtype]] = {d.numpy: d for d in DTYPES.values()}
_COMPLEX_OF: Final = {float16: complex64, float32: complex64, float64: complex128}
_REAL_OF: Final = {complex64: float32, complex128: float64}
_CATEGORY_DEFAULT: Final = {bool: bool_, int: int64}

default_dtype: ContextVar[dtype] = ContextVar("default_dtype", default=float32)


def named(name: object) -> dtype | None:
    """The dtype of a name, with or without ``torch.`` before it; None where there is none.

    >>> named("torch.double")
    torch.float64
    """
    if type(name) is not str:
        return None
    plain = name.removeprefix("torch.")
    return DTYPES.get(plain) or ALIASES.get(plain)


def get_default_dtype() -> dtype:
    """The floating dtype of new tensors made from Python floats (float32 unless set). Source: torch.get_default_dtype."""
    return default_dtype.get()


def set_default_dtype(d: dtype, /) -> None:
    """Set the default floating dtype of this thread and task. Source: torch.set_default_dtype."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        said = "only floating-point types are supported as the default type"
        raise ArgumentError(said if isinstance(d, dtype) else f"invalid dtype object: {said}", "d")
    default_dtype.set(d)


def of_numpy(d: np.dtype[np.generic]) -> dtype:
    """The dtype of a NumPy dtype.

    Errors: TypeError for a NumPy dtype that no tensor has (object, str, datetime, …).
    """
    try:
        return _OF_NUMPY[d]
    except KeyError:
        raise ArgumentError(
            f"can't convert np.ndarray of type numpy.{d.type.__name__}. The only supported types are: {', '.join(DTYPES)}."
        ) from None


def spoken(d: dtype | np.dtype[np.generic]) -> str:
    """PyTorch's old name of a dtype, as sentences have it.

    >>> spoken(float32)
    'Float'
    """
    return _NAMES[d.name][0]


def cpp_name(d: dtype | np.dtype[np.generic]) -> str:
    """The name of a dtype in C++.

    >>> cpp_name(int64)
    'long int'
    """
    return _NAMES[d.name][1]


def of_scalar(value: object) -> dtype:
    """The dtype of a Python number in ``torch.tensor(value)``: bool, int64, the default float, its complex."""
    kind = type(value)
    if kind is float:
        return default_dtype.get()
    if kind is complex:
        return _COMPLEX_OF[default_dtype.get()]
    found = _CATEGORY_DEFAULT.get(kind)
    if found is None:
        raise ArgumentError(f"expected a number, got {kind.__name__}")
    return found


def to_real(d: dtype) -> dtype:
    """complex64 → float32, complex128 → float64, any other unchanged."""
    return _REAL_OF.get(d, d)


@cache
def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds both by PyTorch's lattice. Source: torch.promote_types.

    >>> promote_types(int64, float16), promote_types(uint8, int8)
    (torch.float16, torch.int16)
    """
    if a is b:
        return a
    low, high = (a, b) if (a.category, a.rank) <= (b.category, b.rank) else (b, a)
    if high.category == 3 and low.category == 2:
        return promote_types(high, _COMPLEX_OF[low])
    if low.category == high.category == 1 and uint8 in (low, high):
        other = high if low is uint8 else low
        return int16 if other is int8 else other
    return high


def promote(dims: tuple[dtype, ...], zeros: tuple[dtype, ...] = (), numbers: tuple[dtype, ...] = ()) -> dtype:
    """The result dtype of tensors with dims, tensors without (0-d) and bare Python numbers.

    A lower group raises the result only by its category (bool < integer < floating < complex).
    Source: torch.result_type, "Type Promotion Doc" of PyTorch.

    >>> promote((float32,), (float64,), (int64,))
    torch.float32
    """
    result: dtype | None = None
    for group in (dims, zeros, numbers):
        if not group:
            continue
        found = group[0]
        for d in group[1:]:
            found = promote_types(found, d)
        if result is None:
            result = found
        elif found.category > result.category:
            result = _raised(result, found)
    if result is None:
        raise ArgumentError("no dtype to promote")
    return result


def _raised(result: dtype, found: dtype) -> dtype:
    """``found`` is of a higher category: a complex number keeps the precision of a floating result."""
    if found.category == 3 and result.category == 2:
        return _COMPLEX_OF[result]
    return found
