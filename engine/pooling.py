"""The sizes of pooling windows: PyTorch's checks and sentences (Pool.h), shared by pools of all kinds and by what undoes them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from engine.errors import ShapeError, TensorError

__all__ = ["Windows", "windows"]

_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}


class Windows(NamedTuple):
    """Of every pooled dim: the input's size, the number of windows, their size, step, padding before and after, and dilation."""

    spatial: tuple[int, ...]
    out: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, ...]:
        """The input's size with what windows reach beyond it."""
        return tuple(a + m + b for a, m, b in zip(self.before, self.spatial, self.after, strict=True))

    @property
    def exact(self) -> bool:
        """Whether no window reaches beyond the input."""
        return not any(self.before) and not any(self.after)

    @property
    def taps(self) -> int:
        return math.prod(self.size)

    def slices(self, tap: tuple[int, ...]) -> tuple[Any, ...]:
        """Where, in the padded input, the elements at one place of every window lie."""
        return (
            ...,
            *(
                slice(t * d, t * d + s * (m - 1) + 1, s)
                for t, d, s, m in zip(tap, self.dilation, self.stride, self.out, strict=True)
            ),
        )

    def inner(self) -> tuple[Any, ...]:
        """Where the input lies in its padded form."""
        return (..., *(slice(a, a + m) for a, m in zip(self.before, self.spatial, strict=True)))


def _each(name: str, what: str, value: Any, d: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value or ())
    if not values and default is not None:
        return default
    if len(values) == 1:
        return values * d
    if len(values) != d:
        prefix = "be omitted, a single int" if what == "stride" else "either be a single int"
        prefix = "either " + prefix if what == "stride" else prefix
        raise TensorError(f"{name}: {what} must {prefix}, or a tuple of {_WORDS[d]}")
    return values


def _flat(shape: tuple[int, ...], size: int, step: int, pad: int, reach: int, ceil_mode: bool) -> None:
    """What PyTorch refuses in the words of its maxima in one dim (MaxPooling.cpp)."""
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise ShapeError(
            f"max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:{list(shape)}"
        )
    for what, value in (("kernel_size", size), ("stride", step)):
        if value <= 0:
            raise TensorError(f"max_pool1d() {what} must be greater than zero, but got {value}")
    if not 0 <= pad <= (reach * (size - 1) + 1) // 2:
        return  # told below
    if reach <= 0:
        raise TensorError(f"max_pool1d() dilation must be greater than zero, but got {reach}")
    out = (shape[-1] + 2 * pad - reach * (size - 1) - 1 + (step - 1 if ceil_mode else 0)) // step + 1
    if out <= 0:
        raise ShapeError(f"max_pool1d() Invalid computed output size: {out}")


def windows(
    name: str,
    input: Any,
    d: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Windows:
    """The windows over the last ``d`` dims. Errors: RuntimeError in PyTorch's words for what does not fit."""
    size = _each(name, "kernel_size", kernel_size, d)
    step = _each(name, "stride", stride, d, size)
    pad = _each(name, "padding", padding, d)
    reach = _each(name, "dilation", dilation, d)
    shape = tuple(input.shape)
    if name == "max_pool1d":
        _flat(shape, size[0], step[0], pad[0], reach[0], ceil_mode)
    if len(shape) not in (d + 1, d + 2):
        raise ShapeError(
            f"{name}: Expected {d + 1}D or {d + 2}D (batch mode) tensor expected for input, but got: {list(shape)}"
        )
    if any(s <= 0 for s in step):
        raise TensorError("stride should not be zero" if 0 in step else "stride should be greater than zero")
    if any(k <= 0 for k in size):
        raise TensorError(f"kernel size should be greater than zero, but got {list(size)}")
    if any(r <= 0 for r in reach):
        raise TensorError(
            "dilation should be greater than zero, but got "
            + " ".join(f"dilation{c}: {r}" for c, r in zip("THW"[-d:], reach, strict=True))
        )
    for p, k, r in zip(pad, size, reach, strict=True):
        if p < 0:
            raise TensorError(f"pad must be non-negative, but got pad: {p}")
        if p > (r * (k - 1) + 1) // 2:
            raise TensorError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={r}"
            )
    if 0 in shape[1 if len(shape) == d + 2 else 0 :]:
        raise ShapeError(
            f"Expected {d + 1}D or {d + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:{list(shape)}"
        )
    spatial = shape[-d:]
    out, after = [], []
    for m, k, s, p, r in zip(spatial, size, step, pad, reach, strict=True):
        n = (m + 2 * p - r * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (n - 1) * s >= m + p:
            n -= 1
        out.append(n)
        after.append(max(0, (n - 1) * s + r * (k - 1) + 1 - p - m))
    if any(n < 1 for n in out):
        channels = shape[-d - 1]
        a, b = (f"({'x'.join(map(str, (channels, *v)))})" for v in (spatial, out))
        raise ShapeError(f"Given input size: {a}. Calculated output size: {b}. Output size is too small")
    return Windows(spatial, tuple(out), size, step, pad, tuple(after), reach)
