"""Fourier transforms over two and more dims, and shifts of what they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim
from engine.transforms import c2c, c2r, estimated, hermitian, inverse_hermitian, r2c


def _two() -> Any:
    return over(
        Sample(array(2, 3, 4)),
        Sample(array(3, 4), (2, 5), (0, 1), "ortho"),
        Sample(array(3, 4), (4, -1), (-1, 0), "forward", tags=("negative dim",)),
        Sample(np.zeros((0, 3, 2)), tags=("empty",)),
        Sample(strided(4, 3), tags=("non-contiguous",)),
    )


def _several(*more: Sample) -> Any:
    return over(
        *more,
        Sample(array(2, 3, 4)),
        Sample(array(3, 4), (3,)),
        Sample(array(3, 4), (2, 5), (0, 1), "ortho"),
        Sample(array(3, 4), None, (-2,), "forward", tags=("negative dim",)),
        Sample(np.zeros((0, 3, 2)), None, (1, 2), tags=("empty",)),
        Sample(strided(4, 3), tags=("non-contiguous",)),
    )


@op(
    "fft_fft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("c2c", "fft2"),
    kind="composite",
    forms="function",
    names=("fft.fft2",),
    samples=_two(),
)
def fft_fft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The discrete Fourier transform over two dims, the last two if not told otherwise.

    Shapes: that of the input, with s in the dims. Gradient: the other direction, scaled alike. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.fft2.

    >>> torch.fft.fft2(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return c2c(input, s, dim, norm, True)


@op(
    "fft_ifft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("c2c", "ifft2"),
    kind="composite",
    forms="function",
    names=("fft.ifft2",),
    samples=_two(),
)
def fft_ifft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The inverse transform over two dims, the last two if not told otherwise.

    Shapes: that of the input, with s in the dims. Gradient: the other direction, scaled alike. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.ifft2.

    >>> torch.fft.ifft2(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return c2c(input, s, dim, norm, False)


@op(
    "fft_rfft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("half", "rfft2"),
    kind="composite",
    forms="function",
    names=("fft.rfft2",),
    samples=_two(),
)
def fft_rfft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half of the transform of real values over two dims, the last two if not told otherwise.

    Shapes: s in the dims, in the last half and one. Gradient: the real part of the inverse. Errors: RuntimeError for complex values.
    Source: torch.fft.rfft2.

    >>> torch.fft.rfft2(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return r2c("rfft2", input, s, dim, norm)


@op(
    "fft_irfft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("real", "irfft2"),
    kind="composite",
    forms="function",
    names=("fft.irfft2",),
    samples=_two(),
)
def fft_irfft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The real values of which the input is half the transform over two dims, the last two if not told otherwise.

    Shapes: s in the dims, the last 2·(size - 1) if not given. Gradient: from its parts. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.irfft2.

    >>> torch.fft.irfft2(torch.ones(2, 2))
    tensor([[1., 0.],
            [0., 0.]])
    """
    return c2r("irfft2", input, s, dim, norm)


@op(
    "fft_hfft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("real", "hfft2"),
    kind="composite",
    forms="function",
    names=("fft.hfft2",),
    samples=_two(),
)
def fft_hfft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The real transform of half a signal with Hermitian symmetry over two dims, the last two if not told otherwise.

    Shapes: s in the dims, the last 2·(size - 1) if not given. Gradient: from its parts. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.hfft2.

    >>> torch.fft.hfft2(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return hermitian("hfft2", input, s, dim, norm)


@op(
    "fft_ihfft2(Tensor input, int[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor",
    meta=estimated("half", "ihfft2"),
    kind="composite",
    forms="function",
    names=("fft.ihfft2",),
    samples=_two(),
)
def fft_ihfft2(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half of the signal whose transform over some dims is real: two dims, the last two if not told otherwise.

    Shapes: s in the dims, in the last half and one. Gradient: from its parts. Errors: RuntimeError for complex values.
    Source: torch.fft.ihfft2.

    >>> torch.fft.ihfft2(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return inverse_hermitian("ihfft2", input, s, dim, norm)


@op(
    "fft_fftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("c2c", "fftn"),
    kind="composite",
    forms="function",
    names=("fft.fftn",),
    samples=_several(Sample(np.array(1.5), tags=("0-d",))),
)
def fft_fftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The discrete Fourier transform over the dims in dim, or all.

    Shapes: that of the input, with s in the dims. Gradient: the other direction, scaled alike. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.fftn.

    >>> torch.fft.fftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return c2c(input, s, dim, norm, True)


@op(
    "fft_ifftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("c2c", "ifftn"),
    kind="composite",
    forms="function",
    names=("fft.ifftn",),
    samples=_several(Sample(np.array(1.5), tags=("0-d",))),
)
def fft_ifftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The inverse transform over the dims in dim, or all.

    Shapes: that of the input, with s in the dims. Gradient: the other direction, scaled alike. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.ifftn.

    >>> torch.fft.ifftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return c2c(input, s, dim, norm, False)


@op(
    "fft_rfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("half", "rfftn"),
    kind="composite",
    forms="function",
    names=("fft.rfftn",),
    samples=_several(),
)
def fft_rfftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half of the transform of real values over the dims in dim, or all.

    Shapes: s in the dims, in the last half and one. Gradient: the real part of the inverse. Errors: RuntimeError for complex values.
    Source: torch.fft.rfftn.

    >>> torch.fft.rfftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return r2c("rfftn", input, s, dim, norm)


@op(
    "fft_irfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("real", "irfftn"),
    kind="composite",
    forms="function",
    names=("fft.irfftn",),
    samples=_several(),
)
def fft_irfftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The real values of which the input is half the transform over the dims in dim, or all.

    Shapes: s in the dims, the last 2·(size - 1) if not given. Gradient: from its parts. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.irfftn.

    >>> torch.fft.irfftn(torch.ones(2, 2))
    tensor([[1., 0.],
            [0., 0.]])
    """
    return c2r("irfftn", input, s, dim, norm)


@op(
    "fft_hfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("real", "hfftn"),
    kind="composite",
    forms="function",
    names=("fft.hfftn",),
    samples=_several(),
)
def fft_hfftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """The real transform of half a signal with Hermitian symmetry over the dims in dim, or all.

    Shapes: s in the dims, the last 2·(size - 1) if not given. Gradient: from its parts. Errors: RuntimeError for sizes below 1.
    Source: torch.fft.hfftn.

    >>> torch.fft.hfftn(torch.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return hermitian("hfftn", input, s, dim, norm)


@op(
    "fft_ihfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
    meta=estimated("half", "ihfftn"),
    kind="composite",
    forms="function",
    names=("fft.ihfftn",),
    samples=_several(),
)
def fft_ihfftn(input: Any, s: Any, dim: Any, norm: Any) -> Any:
    """Half of the signal whose transform over some dims is real: the dims in dim, or all.

    Shapes: s in the dims, in the last half and one. Gradient: from its parts. Errors: RuntimeError for complex values.
    Source: torch.fft.ihfftn.

    >>> torch.fft.ihfftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return inverse_hermitian("ihfftn", input, s, dim, norm)


# -- shifts -------------------------------------------------------------------------------------------------------------


def _dims(input: Any, dim: Any) -> list[int]:
    dims = range(len(input.shape)) if dim is None else (dim,) if isinstance(dim, int) else dim
    return [wrap_dim(d, len(input.shape)) for d in dims]


def _shifts() -> Any:
    return over(
        Sample(array(5)),
        Sample(array(2, 3), 0),
        Sample(array(2, 3), (0, -1), tags=("negative dim",)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    )


@op(
    "fft_fftshift(Tensor input, int[1]? dim=None) -> Tensor",
    meta=lambda input, dim: Spec(input.shape, input.dtype),
    kind="composite",
    forms="function",
    names=("fft.fftshift",),
    samples=_shifts(),
)
def fft_fftshift(input: Any, dim: Any) -> Any:
    """The zero frequency moved to the middle of the dims, or of all.

    Gradient: moved back. Source: torch.fft.fftshift.

    >>> torch.fft.fftshift(torch.arange(5))
    tensor([3, 4, 0, 1, 2])
    """
    dims = _dims(input, dim)
    return rules.roll(input, [input.shape[d] // 2 for d in dims], dims)


@op(
    "fft_ifftshift(Tensor input, int[1]? dim=None) -> Tensor",
    meta=lambda input, dim: Spec(input.shape, input.dtype),
    kind="composite",
    forms="function",
    names=("fft.ifftshift",),
    samples=_shifts(),
)
def fft_ifftshift(input: Any, dim: Any) -> Any:
    """The zero frequency moved back from the middle of the dims.

    Gradient: moved to the middle. Source: torch.fft.ifftshift.

    >>> torch.fft.ifftshift(torch.arange(5))
    tensor([2, 3, 4, 0, 1])
    """
    dims = _dims(input, dim)
    return rules.roll(input, [(input.shape[d] + 1) // 2 for d in dims], dims)
