"""Fourier transforms: what the rows of one, two and more dims share.

Every public transform is a resize and one or two of three rows, ``_fft_c2c``, ``_fft_r2c`` and ``_fft_c2r``, as in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine import dtypes
from engine.domain import spoken
from engine.errors import DimensionError, ShapeError, TensorError
from engine.op import Estimate, Spec
from engine.rules import rules
from engine.shapes import wrap_dim

__all__ = ["c2c", "c2r", "complex_of", "estimated", "hermitian", "inverse_hermitian", "r2c", "steps"]

Axes = tuple[tuple[int, ...], tuple[int, ...]]

NONE, ROOT, WHOLE = 0, 1, 2
"""How a transform is scaled: not at all, by the root of its size, by its size."""
_COMPLEX: Final = {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}
_REAL: Final = {value: key for key, value in _COMPLEX.items()}


def complex_of(d: dtypes.dtype) -> dtypes.dtype:
    """The dtype of a spectrum. Errors: RuntimeError for float16."""
    if d.category < 2:
        d = dtypes.get_default_dtype()
    if d is dtypes.float16:
        raise TensorError("Unsupported dtype Half")
    return _COMPLEX.get(d, d)


def _dtype(input: Any) -> dtypes.dtype:
    return input.dtype if isinstance(input.dtype, dtypes.dtype) else dtypes.of_numpy(input.dtype)


def _scale(norm: str | None, forward: bool) -> int:
    """The scaling for PyTorch's word. Errors: RuntimeError for another."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise TensorError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return ROOT
    return WHOLE if (norm == "forward") == forward else NONE


def _listed(value: Any) -> tuple[int, ...] | None:
    return None if value is None else (value,) if isinstance(value, int) else tuple(value)


def _axes(input: Any, s: Any, dim: Any) -> Axes:
    """The sizes and the dims of a transform. Errors: RuntimeError in PyTorch's words."""
    sizes, dims = _listed(s), _listed(dim)
    shape = tuple(input.shape)
    n = len(shape)
    if dims is not None and not n and dims:
        raise DimensionError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if dims is not None:
        dims = tuple(wrap_dim(d, n) for d in dims)
        if len(set(dims)) != len(dims):
            raise TensorError("FFT dims must be unique")
    if sizes is not None:
        if dims is not None and len(dims) != len(sizes):
            raise ShapeError("When given, dim and shape arguments must have the same length")
        if len(sizes) > n:
            raise ShapeError(f"Got shape with {len(sizes)} values but input tensor only has {n} dimensions.")
        dims = tuple(range(n - len(sizes), n)) if dims is None else dims
        sizes = tuple(shape[d] if k == -1 else k for k, d in zip(sizes, dims, strict=True))
    else:
        dims = tuple(range(n)) if dims is None else dims
        sizes = tuple(shape[d] for d in dims)
    return sizes, dims


def _positive(sizes: Sequence[int]) -> None:
    for n in sizes:
        if n < 1:
            raise ShapeError(f"Invalid number of data points ({n}) specified")


def _resized(input: Any, sizes: Sequence[int], dims: Sequence[int]) -> Any:
    """Cut or filled up with zeros, dim by dim."""
    out = input
    pad = [0] * (2 * out.ndim)
    for n, d in zip(sizes, dims, strict=True):
        have = out.shape[d]
        if n < have:
            out = rules.narrow(out, d, 0, n)
        elif n > have:
            pad[2 * (out.ndim - 1 - d) + 1] = n - have
    return rules.constant_pad_nd(out, pad) if any(pad) else out


def _as_complex(input: Any) -> Any:
    wanted = complex_of(_dtype(input))
    return input if _dtype(input) is wanted else rules.to(input, wanted)


def _as_real(input: Any, sentence: str) -> Any:
    d = _dtype(input)
    if d.category == 3:
        raise TensorError(f"{sentence}, but got {spoken(input)}")
    wanted = _REAL[complex_of(d)]
    return input if d is wanted else rules.to(input, wanted)


def _full(sizes: Sequence[int], s: Any) -> tuple[int, ...]:
    """The sizes of a real result: where none is asked for twice what the half spectrum has, less two."""
    asked = _listed(s)
    last = 2 * (sizes[-1] - 1) if asked is None or asked[-1] == -1 else asked[-1]
    return (*sizes[:-1], last)


# -- the parts, on tensors or raw arrays --------------------------------------------------------------------------------


def c2c(input: Any, s: Any, dim: Any, norm: Any, forward: bool) -> Any:
    """Complex to complex."""
    sizes, dims = _axes(input, s, dim)
    _positive(sizes)
    return rules._fft_c2c(_resized(_as_complex(input), sizes, dims), dims, _scale(norm, forward), forward)


def r2c(name: str, input: Any, s: Any, dim: Any, norm: Any, onesided: bool = True) -> Any:
    """Real to complex, half of it or the whole."""
    sizes, dims = _axes(input, s, dim)
    _some(name, dims)
    _positive(sizes)
    real = _as_real(input, f"{name} expects a real input tensor")
    return rules._fft_r2c(_resized(real, sizes, dims), dims, _scale(norm, True), onesided)


def c2r(name: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half a spectrum to real."""
    sizes, dims = _axes(input, s, dim)
    _some(name, dims)
    sizes = _full(sizes, s)
    _positive(sizes)
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    return rules._fft_c2r(_resized(_as_complex(input), half, dims), dims, _scale(norm, False), sizes[-1])


def hermitian(name: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half a signal with Hermitian symmetry to its real spectrum."""
    sizes, dims = _axes(input, s, dim)
    _some(name, dims)
    sizes = _full(sizes, s)
    _positive(sizes)
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    signal = _resized(_as_complex(input), half, dims)
    by = _scale(norm, True)
    if len(dims) > 1:
        signal = rules._fft_c2c(signal, dims[:-1], by, True)
    return rules._fft_c2r(signal.conj(), dims[-1:], by, sizes[-1])


def inverse_hermitian(name: str, input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """A real spectrum to half of its signal."""
    sizes, dims = _axes(input, s, dim)
    _some(name, dims)
    _positive(sizes)
    spectrum = _resized(_as_real(input, f"{name} expects a real input tensor"), sizes, dims)
    by = _scale(norm, False)
    out = rules._fft_r2c(spectrum, dims[-1:], by, True).conj()
    return rules._fft_c2c(out, dims[:-1], by, False) if len(dims) > 1 else out


def _some(name: str, dims: Sequence[int]) -> None:
    if not dims:
        raise ShapeError(f"{name} must transform at least one axis")


# -- estimates ----------------------------------------------------------------------------------------------------------


def steps(shape: Sequence[int], dims: Sequence[int]) -> int:
    """What transforming costs: 5·N·log2(n) for each dim of size n, N the number of elements."""
    numel = math.prod(shape)
    return max(sum(5 * numel * max(shape[d].bit_length(), 1) for d in dims), 1)


def estimated(kind: str, name: str) -> Callable[..., Estimate]:
    """The estimate of a public transform. kind: "c2c", "half" (real to half a spectrum) or "real" (half a spectrum to real)."""

    def meta(input: Spec, s: Any = None, dim: Any = None, norm: Any = None) -> Estimate:
        d = complex_of(input.dtype)
        sizes, dims = _axes(input, s, dim)
        _scale(norm, True)
        if kind != "c2c":
            _some(name, dims)
        if kind == "half" and input.dtype.category == 3:
            raise TensorError(f"{name} expects a real input tensor, but got {spoken(input)}")
        if kind == "real":
            sizes, d = _full(sizes, s), _REAL[d]
        _positive(sizes)
        full = list(input.shape)
        for n, i in zip(sizes, dims, strict=True):
            full[i] = n
        out = list(full)
        if kind == "half":
            out[dims[-1]] = sizes[-1] // 2 + 1
        whole = Spec(tuple(full), complex_of(input.dtype))
        return Estimate((Spec(tuple(out), d),), 3 * whole.nbytes + input.nbytes, steps(full, dims))

    return meta
