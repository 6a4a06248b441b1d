"""Batches of matrices: the checks, in PyTorch's words, and the small rearrangements that rows of linear algebra share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, LinAlgError, ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Spec
from engine.rules import rules

__all__ = [
    "adjoint",
    "batch",
    "cost",
    "failed",
    "floating",
    "heavy",
    "is_complex",
    "on_diagonal",
    "plain",
    "real_of",
    "square",
    "transposed",
]

BLANK: Final = 1
"""The least cost of a call."""
BEGUN: Final = 2_000
"""The cost of one matrix of many, however small."""


def is_complex(value: Any) -> bool:
    """Whether an array, a tensor or a Spec is complex."""
    return bool(value.dtype.name.startswith("complex"))


def real_of(d: dtypes.dtype) -> dtypes.dtype:
    """The dtype of a value's modulus."""
    return {dtypes.complex128: dtypes.float64, dtypes.complex64: dtypes.float32}.get(d, d)


def transposed(value: Any) -> Any:
    """The matrices transposed: a view."""
    return rules.transpose(value, -2, -1)


def adjoint(value: Any) -> Any:
    """The matrices transposed and conjugated."""
    return rules.transpose(value, -2, -1).conj()


def batch(value: Any) -> tuple[int, ...]:
    """The shape without the matrices."""
    return tuple(value.shape[:-2])


def plain(value: Any, name: str, argument: str = "A") -> None:
    """Errors: RuntimeError for less than two dims."""
    if len(value.shape) < 2:
        raise ShapeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")


def square(value: Any, name: str, argument: str = "A") -> None:
    """Errors: RuntimeError for what is no batch of square matrices."""
    plain(value, name, argument)
    rows, columns = value.shape[-2:]
    if rows != columns:
        raise ShapeError(
            f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def floating(value: Any, name: str, kernel: str | None = None) -> None:
    """Errors: RuntimeError for a dtype that is neither real nor complex floating, or too narrow.

    kernel: PyTorch's name of what is not implemented for float16, where its sentence is that one; "" where float16 is taken.
    """
    d = value.dtype.numpy if isinstance(value.dtype, dtypes.dtype) else value.dtype
    if d.kind not in "fc":
        raise DtypeError(f"{name}: Expected a floating point or complex tensor as input. Got {spoken(value)}")
    if d.char == "e" and kernel != "":
        if kernel is None:
            raise DtypeError(f"{name}: Low precision dtypes not supported. Got {spoken(value)}")
        raise UnsupportedDtypeError(f"\"{kernel}\" not implemented for '{spoken(value)}'")


def failed(name: str, info: Any, sentence: str, kind: type[TensorError] = LinAlgError) -> None:
    """Errors: RuntimeError for the first matrix whose info is not zero; ``{info}`` in the sentence stands for it."""
    codes = np.asarray(info)
    if codes.ndim == 0:
        if codes:
            raise kind(f"{name}: " + sentence.format(info=int(codes)))
        return
    bad = np.flatnonzero(codes)
    if bad.size:
        first = int(bad[0])
        raise kind(f"{name}: (Batch element {first}): " + sentence.format(info=int(codes.reshape(-1)[first])))


def on_diagonal(rows: int, columns: int | None = None) -> Any:
    """Where the diagonal of a matrix is: a mask.

    >>> on_diagonal(2)
    array([[ True, False],
           [False,  True]])
    """
    return np.eye(rows, columns, dtype=bool)


def cost(shape: Sequence[int], weight: int) -> int:
    """What a decomposition of matrices of a shape costs: ``weight·m·n·min(m, n)`` each, and what it takes to begin one."""
    if len(shape) < 2:
        return BLANK
    m, n = shape[-2:]
    return max(math.prod(shape[:-2]) * (weight * m * n * min(m, n) + BEGUN), BLANK)


def heavy(input: Spec, weight: int, *outputs: Spec, copies: int = 2) -> Estimate:
    """The estimate of a decomposition: the outputs, copies of the input as workspace, and the cost."""
    return Estimate(outputs, copies * input.nbytes, cost(input.shape, weight))
