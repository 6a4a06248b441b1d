"""Windows that taper a signal, as for Fourier transforms of pieces. Source: PyTorch's TensorFactories.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.samples import over

OPTIONS = "*, ScalarType? dtype=None, str? device=None, bool requires_grad=False"
LENGTHS = over(Sample(5), Sample(4, False), Sample(1), Sample(0, tags=("empty",)))


def _dtype(name: str, dtype: Any) -> dtypes.dtype:
    d: dtypes.dtype = dtype or dtypes.get_default_dtype()
    if d.category != 2:
        raise TensorError(f"{name} expects floating point dtypes, got: {d}")
    return d


def _length(name: str, n: int) -> None:
    if n < 0:
        raise TensorError(f"{name} requires non-negative window_length, got window_length={n}")


def _meta(name: str, workspace: int = 16) -> Any:
    def meta(window_length: int, periodic: bool, *rest: Any) -> Estimate:
        _length(name, window_length)
        spec = Spec((window_length,), _dtype(name, rest[-3]))
        return Estimate((spec,), workspace * spec.numel, 20 * spec.numel)

    return meta


def _places(n: int, periodic: bool) -> Any:
    """Where along the window each element lies: from 0 to 1."""
    return np.arange(n) / (n if periodic else n - 1)


def _window(name: str, n: int, periodic: bool, dtype: Any, values: Any) -> Any:
    d = _dtype(name, dtype)
    _length(name, n)
    if n < 2:
        return np.ones(n, d.numpy)
    return values(_places(n, periodic)).astype(d.numpy)


@op(
    f"hann_window(int window_length, bool periodic=True, {OPTIONS}) -> Tensor",
    meta=_meta("hann_window"),
    kind="create",
    forms="function",
    samples=LENGTHS,
)
def hann_window(window_length: Any, periodic: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """The squared sine from 0 to pi. Source: torch.hann_window.

    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window("hann_window", window_length, periodic, dtype, lambda x: 0.5 - 0.5 * np.cos(2 * np.pi * x))


@op(
    f"hamming_window(int window_length, bool periodic=True, float alpha=0.54, float beta=0.46, {OPTIONS}) -> Tensor",
    meta=_meta("hamming_window"),
    kind="create",
    forms="function",
    samples=LENGTHS,
)
def hamming_window(
    window_length: Any, periodic: Any, alpha: Any, beta: Any, dtype: Any, device: Any, requires_grad: Any
) -> Any:
    """``alpha - beta·cos`` over one period. Source: torch.hamming_window.

    >>> torch.hamming_window(3, periodic=False)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _window("hamming_window", window_length, periodic, dtype, lambda x: alpha - beta * np.cos(2 * np.pi * x))


@op(
    f"blackman_window(int window_length, bool periodic=True, {OPTIONS}) -> Tensor",
    meta=_meta("blackman_window"),
    kind="create",
    forms="function",
    samples=LENGTHS,
)
def blackman_window(window_length: Any, periodic: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """``0.42 - 0.5·cos(x) + 0.08·cos(2x)`` over one period. Source: torch.blackman_window.

    >>> torch.blackman_window(5, periodic=False).sum()
    tensor(1.6800)
    """
    return _window(
        "blackman_window",
        window_length,
        periodic,
        dtype,
        lambda x: 0.42 - 0.5 * np.cos(2 * np.pi * x) + 0.08 * np.cos(4 * np.pi * x),
    )


@op(
    f"bartlett_window(int window_length, bool periodic=True, {OPTIONS}) -> Tensor",
    meta=_meta("bartlett_window"),
    kind="create",
    forms="function",
    samples=LENGTHS,
)
def bartlett_window(window_length: Any, periodic: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A triangle. Source: torch.bartlett_window.

    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window("bartlett_window", window_length, periodic, dtype, lambda x: 1 - np.abs(2 * x - 1))


@op(
    f"kaiser_window(int window_length, bool periodic=True, float beta=12.0, {OPTIONS}) -> Tensor",
    meta=_meta("kaiser_window", 64),
    kind="create",
    forms="function",
    samples=LENGTHS,
)
def kaiser_window(window_length: Any, periodic: Any, beta: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """The window of Kaiser: Bessel functions of a half circle. Source: torch.kaiser_window.

    >>> torch.kaiser_window(3, periodic=False, beta=0.0)
    tensor([1., 1., 1.])
    """
    return _window(
        "kaiser_window",
        window_length,
        periodic,
        dtype,
        lambda x: np.i0(beta * np.sqrt(np.maximum(1 - (2 * x - 1) ** 2, 0))) / np.i0(beta),
    )
