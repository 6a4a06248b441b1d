"""The short-time Fourier transform, and the frequencies of a transform's bins."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over, strided
from engine.transforms import complex_of, steps


class Frames:
    """What the arguments of a short-time transform come to: sizes, and whether half a spectrum suffices.

    Errors: RuntimeError in PyTorch's words.
    """

    def __init__(
        self, input: Any, n_fft: int, hop: Any, width: Any, window: Any, center: bool, onesided: Any, as_complex: Any
    ) -> None:
        self.n = n_fft
        self.hop = n_fft // 4 if hop is None else hop
        self.width = n_fft if width is None else width
        self.pad = n_fft // 2 if center else 0
        self.complex = _is_complex(input) or (window is not None and _is_complex(window))
        self.onesided = not self.complex if onesided is None else onesided
        shape = tuple(input.shape)
        self.length = (shape[-1] if shape else 0) + 2 * self.pad
        told = (*shape[:-1], self.length) if shape else ()
        if as_complex is None and not self.complex:
            raise TensorError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that return_complex=True "
                "in a future PyTorch release."
            )
        if spoken(input) not in ("Half", "Float", "Double", "ComplexFloat", "ComplexDouble"):
            self._refuse(input, told, "expected a tensor of floating point or complex values")
        if len(shape) not in (1, 2):
            self._refuse(input, told, "expected a 1D or 2D tensor")
        if not 0 < n_fft <= self.length:
            self._refuse(input, told, f"expected 0 < n_fft < {self.length}, but got n_fft={n_fft}")
        if self.hop <= 0:
            self._refuse(input, told, f"expected hop_length > 0, but got hop_length={self.hop}")
        if not 0 < self.width <= n_fft:
            self._refuse(input, told, f"expected 0 < win_length <= n_fft, but got win_length={self.width}")
        if window is not None and tuple(window.shape) != (self.width,):
            self._refuse(
                input,
                told,
                f"expected a 1D window tensor of size equal to win_length={self.width}, but got window with size {list(window.shape)}",
            )
        if self.onesided and self.complex:
            raise TensorError("Cannot have onesided output if window or input is complex")
        self.count = 1 + (self.length - n_fft) // self.hop
        self.bins = n_fft // 2 + 1 if self.onesided else n_fft

    def _refuse(self, input: Any, shape: tuple[int, ...], sentence: str) -> NoReturn:
        sizes = ", ".join(map(str, shape))
        raise ShapeError(
            f"stft(torch.{spoken(input)}Tensor[{sizes}], n_fft={self.n}, hop_length={self.hop}, win_length={self.width}) : {sentence}"
        )


def _is_complex(value: Any) -> bool:
    return bool(value.dtype.name.startswith("complex"))


def _stft_meta(
    input: Spec,
    n_fft: int,
    hop_length: Any,
    win_length: Any,
    window: Any,
    center: bool,
    pad_mode: str,
    normalized: bool,
    onesided: Any,
    return_complex: Any,
    align_to_window: Any,
) -> Estimate:
    f = Frames(input, n_fft, hop_length, win_length, window, center, onesided, return_complex)
    d = complex_of(input.dtype)
    if window is not None:
        d = max(d, complex_of(window.dtype), key=lambda t: t.itemsize)
    shape = (*input.shape[:-1], f.bins, f.count)
    out = Spec(shape, d)
    frames = Spec((*input.shape[:-1], f.count, n_fft), d)
    if not (f.complex if return_complex is None else return_complex):
        out = Spec((*shape, 2), dtypes.float64 if d is dtypes.complex128 else dtypes.float32)
    work = steps(frames.shape, (len(frames.shape) - 1,)) + 4 * frames.numel
    return Estimate((out,), 3 * frames.nbytes + 2 * input.nbytes, work)


@op(
    "stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
    "str pad_mode='reflect', bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
    meta=_stft_meta,
    kind="composite",
    promote="none",
    samples=over(
        Sample(array(12), 4, return_complex=True),
        Sample(array(2, 12), 5, 2, 3, array(3, low=0.5), normalized=True, return_complex=True),
        Sample(array(2, 12), 4, center=False, onesided=False, return_complex=True),
        Sample(array(9), 4, pad_mode="constant", return_complex=False),
        Sample(np.zeros((0, 12)), 4, center=False, return_complex=True, tags=("empty",)),
        Sample(strided(2, 12), 4, return_complex=True, tags=("non-contiguous",)),
    ),
)
def stft(
    input: Any,
    n_fft: Any,
    hop_length: Any,
    win_length: Any,
    window: Any,
    center: Any,
    pad_mode: Any,
    normalized: Any,
    onesided: Any,
    return_complex: Any,
    align_to_window: Any,
) -> Any:
    """The spectra of windows of a signal, one every ``hop_length``: a column for each.

    Shapes: (*, length) → (*, bins, frames), or (*, bins, frames, 2) without return_complex. Gradient: from its parts. Errors:
    RuntimeError
    for sizes that do not fit and for a real signal where return_complex is not given. Source: torch.stft.

    >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    f = Frames(input, n_fft, hop_length, win_length, window, center, onesided, return_complex)
    signal = rules.unsqueeze(input, 0) if input.ndim == 1 else input
    if f.pad:
        signal = rules.squeeze(rules.pad(rules.unsqueeze(signal, 0), [f.pad, f.pad], pad_mode), 0)
    frames = rules.unfold(signal, 1, n_fft, f.hop)
    if window is not None:
        before = (n_fft - f.width) // 2
        after = n_fft - f.width - before
        frames = frames * (rules.constant_pad_nd(window, [before, after]) if before or after else window)
    elif f.width < n_fft:
        before = (n_fft - f.width) // 2
        box = np.zeros(n_fft, frames.dtype.name)
        box[before : before + f.width] = 1
        frames = rules.mul(frames, box)
    scale = 1 if normalized else 0
    out = rules._fft_c2c(frames, (2,), scale, True) if f.complex else rules._fft_r2c(frames, (2,), scale, f.onesided)
    out = renamed(rules.transpose(out, 1, 2), "TransposeBackward1")
    if input.ndim == 1:
        out = renamed(rules.squeeze(out, 0), "SqueezeBackward4")
    return out if (f.complex if return_complex is None else return_complex) else rules.view_as_real(out)


# -- frequencies --------------------------------------------------------------------------------------------------------

OPTIONS = "*, ScalarType? dtype=None, bool requires_grad=False"


def _bins(name: str, count: int, dtype: Any) -> Spec:
    d = dtype or dtypes.get_default_dtype()
    if d.category < 2:
        raise TensorError(f"{name} requires a floating point or complex dtype")
    return Spec((count,), d)


@op(
    f"fft_fftfreq(int n, float d=1.0, {OPTIONS}) -> Tensor",
    meta=lambda n, d, dtype, requires_grad: Estimate((_bins("fftfreq", n, dtype),), 24 * n, 4 * n),
    kind="create",
    forms="function",
    names=("fft.fftfreq",),
    samples=over(Sample(5, 0.5), Sample(4), Sample(1)),
)
def fft_fftfreq(n: Any, d: Any, dtype: Any, requires_grad: Any) -> Any:
    """The frequencies of the bins of ``fft`` of size n, samples being ``d`` apart. Source: torch.fft.fftfreq.

    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    kind = _bins("fftfreq", n, dtype).dtype.numpy
    return np.fft.fftfreq(n, d).astype(kind)


@op(
    f"fft_rfftfreq(int n, float d=1.0, {OPTIONS}) -> Tensor",
    meta=lambda n, d, dtype, requires_grad: _bins("rfftfreq", n // 2 + 1, dtype),
    kind="create",
    forms="function",
    names=("fft.rfftfreq",),
    samples=over(Sample(5, 0.5), Sample(4), Sample(1)),
)
def fft_rfftfreq(n: Any, d: Any, dtype: Any, requires_grad: Any) -> Any:
    """The frequencies of the bins of ``rfft`` of size n, samples being ``d`` apart. Source: torch.fft.rfftfreq.

    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    kind = _bins("rfftfreq", n // 2 + 1, dtype).dtype.numpy
    return np.fft.rfftfreq(n, d).astype(kind)
