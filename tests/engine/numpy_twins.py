"""NumPy's functions that mean what a row of the same (or the named) function means: another's answer to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

__all__ = ["TWINS"]


def _reduced(f: Callable[..., Any]) -> Callable[..., Any]:
    def twin(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        axis = tuple(dim) if isinstance(dim, list) else dim
        return f(x, axis=axis or None if isinstance(axis, tuple) else axis, keepdims=keepdim) if x.ndim else f(x)

    return twin


def _tested(f: Callable[..., Any]) -> Callable[..., Any]:
    """all and any: over no dims they test each element."""
    reduced = _reduced(f)
    return lambda x, dim=None, keepdim=False: x != 0 if dim == () else reduced(x, dim, keepdim)


def _scaled(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: f(a, alpha * b)


def _rounded(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return np.floor_divide(a, b)
    return np.true_divide(a, b) if rounding_mode is None else np.trunc(np.true_divide(a, b))


def _swapped(x: Any, dim0: int, dim1: int) -> Any:
    return np.swapaxes(x, dim0, dim1) if x.ndim else x


def _along(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dim: f(x, axis=dim) if x.ndim else f(x, axis=None).reshape(())


def _blocks(parts: list[Any]) -> Any:
    out = np.zeros((sum(p.shape[0] for p in parts), sum(p.shape[1] for p in parts)))
    row = col = 0
    for p in parts:
        out[row : row + p.shape[0], col : col + p.shape[1]] = p
        row, col = row + p.shape[0], col + p.shape[1]
    return out


SAME: Final = {  # NumPy's name is the row's
    "absolute", "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "ceil", "conj", "copysign", "cos", "cosh",
    "deg2rad", "exp", "exp2", "expm1", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "gcd",
    "greater", "greater_equal", "heaviside", "hypot", "i0", "imag", "isfinite", "isinf", "isnan", "isneginf", "isposinf",
    "isreal", "kron", "lcm", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2",
    "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "nextafter",
    "not_equal", "positive", "rad2deg", "ravel", "real", "reciprocal", "remainder", "sign", "signbit", "sin", "sinc",
    "sinh", "sqrt", "square", "tan", "tanh", "true_divide", "trunc", "vdot",
}  # fmt: skip

TWINS: Final[dict[str, Callable[..., Any]]] = {
    **{name: getattr(np, name) for name in SAME},
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "atanh": np.arctanh,
    "amax": _reduced(np.max),
    "amin": _reduced(np.min),
    "all": _tested(np.all),
    "any": _tested(np.any),
    "argmax": _reduced(np.argmax),
    "argmin": _reduced(np.argmin),
    "count_nonzero": lambda x, dim=None: np.asarray(np.count_nonzero(x, axis=dim)),
    "cross": lambda a, b, dim=None: np.cross(a, b, axis=-1 if dim is None else dim),
    "cumprod": _along(np.cumprod),
    "cumsum": _along(np.cumsum),
    "diff": np.diff,
    "add": _scaled(np.add),
    "div": _rounded,
    "divide": _rounded,
    "dot": np.dot,
    "eq": np.equal,
    "flip": lambda x, dims: np.flip(x, dims) if x.ndim else x,
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "ge": np.greater_equal,
    "gt": np.greater,
    "inner": np.inner,
    "le": np.less_equal,
    "lt": np.less,
    "matmul": np.matmul,
    "mean": _reduced(np.mean),
    "mul": np.multiply,
    "mv": np.matmul,
    "mm": np.matmul,
    "ne": np.not_equal,
    "neg": np.negative,
    "outer": np.outer,
    "pow": np.power,
    "prod": _reduced(np.prod),
    "rot90": lambda x, k=1, dims=(0, 1): np.rot90(x, k, dims),
    "round": np.round,
    "sub": _scaled(np.subtract),
    "subtract": _scaled(np.subtract),
    "sum": _reduced(np.sum),
    "swapaxes": _swapped,
    "t": np.transpose,
    "tile": np.tile,
    "trace": lambda x: np.asarray(np.trace(x)),
    "tril": lambda x, diagonal=0: np.tril(x, diagonal),
    "triu": lambda x, diagonal=0: np.triu(x, diagonal),
    "transpose": _swapped,
    "ldexp": lambda a, b: a * 2.0**b,
    "where": lambda *args: np.where(*args) if len(args) > 1 else np.nonzero(np.atleast_1d(args[0])),
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "block_diag": lambda tensors: _blocks([np.atleast_2d(t) for t in tensors]),
    "column_stack": np.column_stack,
    "diag": lambda x, diagonal=0: np.diag(x, diagonal),
    "diagflat": lambda x, offset=0: np.diagflat(x, offset),
    "dstack": np.dstack,
    "hstack": np.hstack,
    "index_select": lambda x, dim, index: np.take(x, index, dim) if x.ndim else x,
    "nonzero": lambda x, as_tuple=False: np.nonzero(np.atleast_1d(x)) if as_tuple else np.argwhere(x),
    "repeat": np.tile,
    "roll": lambda x, shifts, dims=(): np.roll(x, shifts, None if dims == () else dims),
    "take": np.take,
    "tensor_split": lambda x, cuts, dim=0: tuple(np.array_split(x, cuts, dim)),
    "vstack": np.vstack,
    "linalg.det": np.linalg.det,
    "linalg.inv": np.linalg.inv,
}
