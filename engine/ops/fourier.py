"""Fourier transforms over one dim, and the three rows beneath all transforms. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from engine import dtypes
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.transforms import c2c, c2r, complex_of, estimated, hermitian, inverse_hermitian, r2c, steps

FORWARD: Final[tuple[Literal["backward", "ortho", "forward"], ...]] = ("backward", "ortho", "forward")
INVERSE: Final[tuple[Literal["backward", "ortho", "forward"], ...]] = ("forward", "ortho", "backward")
"""NumPy's words for no scaling, by the root, by the size."""


def _bare(*tail: Any) -> Any:
    return over(
        Sample(array(2, 3), [1], *tail),
        Sample(array(2, 4), [0, 1], *tail),
        Sample(np.zeros((0, 3)), [1], *tail, tags=("empty",)),
        Sample(strided(3, 2), [0], *tail, tags=("non-contiguous",)),
    )


def _spectrum(input: Spec, dim: Any, normalization: int, third: Any) -> Estimate:
    out = Spec(input.shape, complex_of(input.dtype))
    return Estimate((out,), 2 * out.nbytes, steps(input.shape, dim))


def _transformed(input: Any, dim: Any, normalization: int, forward: bool) -> Any:
    if not dim:
        return np.array(input)
    if forward:
        return np.fft.fftn(input, axes=dim, norm=FORWARD[normalization])
    return np.fft.ifftn(input, axes=dim, norm=INVERSE[normalization])


@op(
    "_fft_c2c(Tensor input, int[] dim, int normalization, bool forward) -> Tensor",
    meta=_spectrum,
    kind="linear",
    grad_fn="FftC2CBackward0",
    forms="",
    samples=_bare(1, True),
    vjp={
        "input": lambda g, dim, normalization, forward: rules._fft_c2c(
            g if g.dtype.name.startswith("complex") else g + 0j, dim, normalization, not forward
        )
    },
)
def _fft_c2c(input: Any, dim: Any, normalization: Any, forward: Any) -> Any:
    """Complex to complex, over some dims, scaled by nothing, a root or the size. Gradient: the other direction. Source: torch.fft.fft."""
    if input.dtype.kind != "c":
        input = input.astype(complex_of(dtypes.of_numpy(input.dtype)).numpy)
    return _transformed(input, dim, normalization, forward)


def _half_meta(input: Spec, dim: Any, normalization: int, onesided: bool) -> Estimate:
    shape = list(input.shape)
    if onesided:
        shape[dim[-1]] = shape[dim[-1]] // 2 + 1
    out = Spec(tuple(shape), complex_of(input.dtype))
    return Estimate((out,), 3 * out.nbytes, steps(input.shape, dim))


def _to_real(g: Any, input_shape: Any, dim: Any, normalization: Any, onesided: Any) -> Any:
    if onesided and g.shape[dim[-1]] != input_shape[dim[-1]]:
        missing = input_shape[dim[-1]] - g.shape[dim[-1]]
        pad = [0] * (2 * g.ndim)
        pad[2 * (g.ndim - 1 - dim[-1]) + 1] = missing
        g = rules.constant_pad_nd(g, pad)
    return rules.real(rules._fft_c2c(g, dim, normalization, False))


@op(
    "_fft_r2c(Tensor input, int[] dim, int normalization, bool onesided) -> Tensor",
    meta=_half_meta,
    kind="linear",
    grad_fn="FftR2CBackward0",
    forms="",
    samples=_bare(0, True),
    vjp={"input": _to_real},
)
def _fft_r2c(input: Any, dim: Any, normalization: Any, onesided: Any) -> Any:
    """Real to complex; ``onesided`` leaves out what follows by symmetry. Gradient: the real part of the inverse. Source: torch.fft.rfft."""
    if onesided:
        return np.fft.rfftn(input, axes=dim, norm=FORWARD[normalization])
    wide = input.astype(np.result_type(input.dtype, np.complex64))
    return _transformed(wide, dim, normalization, True)


def _full_meta(input: Spec, dim: Any, normalization: int, last_dim_size: int) -> Estimate:
    shape = list(input.shape)
    shape[dim[-1]] = last_dim_size
    d = complex_of(input.dtype)
    out = Spec(tuple(shape), dtypes.float64 if d is dtypes.complex128 else dtypes.float32)
    return Estimate((out,), 4 * out.nbytes, steps(shape, dim))


def _weights(count: int, size: int, after: int, name: str) -> Any:
    """How often each bin of half a spectrum stands in the whole, before so many further dims."""
    twice = np.ones(count, np.float64 if name == "float64" else np.float32)
    twice[1 : 1 + size - count] = 2
    return twice.reshape(-1, *(1,) * after)


def _to_half(g: Any, dim: Any, normalization: Any) -> Any:
    half = rules._fft_r2c(g, dim, normalization, True)
    return rules.mul(half, _weights(half.shape[dim[-1]], g.shape[dim[-1]], g.ndim - 1 - dim[-1], g.dtype.name))


@op(
    "_fft_c2r(Tensor input, int[] dim, int normalization, int last_dim_size) -> Tensor",
    meta=_full_meta,
    kind="linear",
    grad_fn="FftC2RBackward0",
    forms="",
    samples=over(
        Sample(array(2, 3), [1], 1, 4),
        Sample(array(2, 3), [0, 1], 2, 5),
        Sample(np.zeros((0, 3)), [1], 0, 4, tags=("empty",)),
        Sample(strided(3, 2), [0], 0, 5, tags=("non-contiguous",)),
    ),
    vjp={"input": _to_half},
)
def _fft_c2r(input: Any, dim: Any, normalization: Any, last_dim_size: Any) -> Any:
    """Half a spectrum to the real signal of a size. Gradient: half the spectrum of g, doubled where symmetry stood in.

    Source: torch.fft.irfft.
    """
    if input.dtype.kind != "c":
        input = input.astype(complex_of(dtypes.of_numpy(input.dtype)).numpy)
    sizes = [*(input.shape[d] for d in dim[:-1]), last_dim_size]
    return np.fft.irfftn(input, s=sizes, axes=dim, norm=INVERSE[normalization])


# -- over one dim -------------------------------------------------------------------------------------------------------


def _one(*more: Any) -> Any:
    return over(
        Sample(array(2, 4)),
        Sample(array(2, 4), 3, 0),
        Sample(array(3, 2), 5, -2, "ortho", tags=("negative dim",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), 4, 0, "forward", tags=("non-contiguous",)),
        *more,
    )


def _is_complex(input: Any) -> bool:
    return bool(input.dtype.name.startswith("complex"))


@op(
    "fft_fft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("c2c", "fft"),
    kind="composite",
    forms="function",
    names=("fft.fft",),
    samples=_one(),
)
def fft_fft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The discrete Fourier transform over one dim, first cut or padded to ``n``.

    Shapes: that of the input, with n. Gradient: the inverse, scaled alike. Errors: RuntimeError for float16, n < 1. Source: torch.fft.fft.

    >>> torch.fft.fft(torch.tensor([1.0, 2.0, 0.0, 0.0])).real
    tensor([ 3.,  1., -1.,  1.])
    """
    return c2c(input, n, dim, norm, True) if _is_complex(input) else r2c("fft", input, n, dim, norm, False)


@op(
    "fft_ifft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("c2c", "ifft"),
    kind="composite",
    forms="function",
    names=("fft.ifft",),
    samples=_one(),
)
def fft_ifft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The inverse transform over one dim.

    Shapes: that of the input, with n. Gradient: the transform, scaled alike. Errors: RuntimeError for float16, n < 1.
    Source: torch.fft.ifft.

    >>> torch.fft.ifft(torch.tensor([4.0, 2.0, 0.0, 0.0])).real
    tensor([1.5000, 1.0000, 0.5000, 1.0000])
    """
    if _is_complex(input):
        return c2c(input, n, dim, norm, False)
    return r2c(
        "ifft", input, n, dim, {None: "forward", "backward": "forward", "forward": None}.get(norm, norm), False
    ).conj()


@op(
    "fft_rfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("half", "rfft"),
    kind="composite",
    forms="function",
    names=("fft.rfft",),
    samples=_one(),
)
def fft_rfft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The first half of the transform of real values: the rest follows by symmetry.

    Shapes: n//2 + 1 in the dim. Gradient: the real part of the inverse. Errors: RuntimeError for complex values. Source: torch.fft.rfft.

    >>> torch.fft.rfft(torch.tensor([1.0, 0.0, 0.0, 0.0])).real
    tensor([1., 1., 1.])
    """
    return r2c("rfft", input, n, dim, norm)


@op(
    "fft_irfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("real", "irfft"),
    kind="composite",
    forms="function",
    names=("fft.irfft",),
    samples=_one(),
)
def fft_irfft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The real values of which the input is half the transform; ``n`` of them, else 2·(size - 1).

    Shapes: n in the dim. Gradient: half the transform, doubled where symmetry stood in. Errors: RuntimeError for n < 1.
    Source: torch.fft.irfft.

    >>> torch.fft.irfft(torch.tensor([1.0, 1.0, 1.0]))
    tensor([1., 0., 0., 0.])
    """
    return c2r("irfft", input, n, dim, norm)


@op(
    "fft_hfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("real", "hfft"),
    kind="composite",
    forms="function",
    names=("fft.hfft",),
    samples=_one(),
)
def fft_hfft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The real transform of a signal with Hermitian symmetry, of which half is given.

    Shapes: n in the dim, else 2·(size - 1). Gradient: from its parts. Errors: RuntimeError for n < 1. Source: torch.fft.hfft.

    >>> torch.fft.hfft(torch.tensor([1.0, 1.0, 1.0]))
    tensor([4., 0., 0., 0.])
    """
    return hermitian("hfft", input, n, dim, norm)


@op(
    "fft_ihfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
    meta=estimated("half", "ihfft"),
    kind="composite",
    forms="function",
    names=("fft.ihfft",),
    samples=_one(),
)
def fft_ihfft(input: Any, n: Any, dim: Any, norm: Any) -> Any:
    """The inverse of ``hfft``: half of the signal whose transform is real.

    Shapes: n//2 + 1 in the dim. Gradient: from its parts. Errors: RuntimeError for complex values. Source: torch.fft.ihfft.

    >>> torch.fft.ihfft(torch.tensor([4.0, 0.0, 0.0, 0.0])).real
    tensor([1., 1., 1.])
    """
    return inverse_hermitian("ihfft", input, n, dim, norm)
