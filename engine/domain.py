"""Which dtypes an operator takes, with PyTorch's sentence for the others: shared by kernels and estimates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import EngineError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Spec

__all__ = ["Domain", "common", "floating", "in_single", "integral", "real", "same_dtype", "spoken"]


def spoken(value: Any) -> str:
    """PyTorch's old name of a value's dtype, as its sentences have it.

    >>> spoken(np.ones(2, np.float32))
    'Float'
    """
    return dtypes.spoken(value.dtype)


class Domain:
    """The dtypes that an operator refuses: a check for its kernel, and a wrapper for its ``meta``.

    refused: letters of "b" (bool), "i" (integer), "h" (float16), "f" (floating), "c" (complex). sentence: PyTorch's, where ``{dtype}``
    stands for the dtype.
    """

    __slots__ = ("error", "refused", "sentence")

    def __init__(self, refused: str, sentence: str, error: type[EngineError] = UnsupportedDtypeError) -> None:
        self.refused = refused.replace("i", "iu")
        self.sentence = sentence
        self.error = error

    def check(self, *values: Any) -> None:
        """Errors: of the wanted class for a value (array or Spec) of a refused dtype."""
        for value in values:
            d = value.dtype
            if type(d) is dtypes.dtype:
                d = d.numpy
            if d.kind in self.refused or (d.char == "e" and "h" in self.refused):
                raise self.error(self.sentence.format(dtype=spoken(value)))

    def __call__(self, meta: Callable[..., Any]) -> Callable[..., Any]:
        """The estimate, after the check of its tensors."""

        def checked(*args: Any) -> Spec | Estimate:
            self.check(*(a for a in args if isinstance(a, Spec)))
            return meta(*args)  # type: ignore[no-any-return]

        return checked


def floating(kernel: str, also: str = "") -> Domain:
    """Real floating dtypes only. kernel: PyTorch's name of what is not implemented; also: further letters to refuse."""
    return Domain("bic" + also, f"\"{kernel}\" not implemented for '{{dtype}}'")


def real(kernel: str, also: str = "") -> Domain:
    """All but complex dtypes."""
    return Domain("c" + also, f"\"{kernel}\" not implemented for '{{dtype}}'")


def integral(kernel: str, also: str = "") -> Domain:
    """Integers and bools only."""
    return Domain("fc" + also, f"\"{kernel}\" not implemented for '{{dtype}}'")


def common(*values: Any) -> np.dtype[Any]:
    """The dtype to which arrays, Specs and numbers promote: for rows that must see their arguments as they were given."""
    dims: list[dtypes.dtype] = []
    zeros: list[dtypes.dtype] = []
    numbers: list[dtypes.dtype] = []
    for v in values:
        if isinstance(v, (bool, int, float, complex)) and not isinstance(v, np.generic):
            numbers.append(dtypes.of_scalar(v))
        else:
            d = v.dtype if isinstance(v, Spec) else dtypes.of_numpy(v.dtype)
            (dims if len(v.shape) else zeros).append(d)
    return dtypes.promote(tuple(dims), tuple(zeros), tuple(numbers)).numpy


def in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, computed in float32 for float16, as PyTorch does on a CPU, and rounded once."""

    def call(*args: Any) -> Any:
        if args[0].dtype.char == "e":
            wide = [a.astype(np.float32) if isinstance(a, (np.ndarray, np.generic)) else a for a in args]
            return function(*wide).astype(np.float16)
        return function(*args)

    return call


def same_dtype(first: Any, second: Any, a: str = "m1", b: str = "m2") -> None:
    """Errors: RuntimeError for two dtypes, in the words of PyTorch's products."""
    if first.dtype != second.dtype:
        raise TensorError(
            f"expected {a} and {b} to have the same dtype, but got: {dtypes.cpp_name(first.dtype)} != {dtypes.cpp_name(second.dtype)}"
        )
