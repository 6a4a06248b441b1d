"""Images made larger or smaller: each dim in turn, a weighted sum of neighbours. Formulas: PyTorch's UpSample.h."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.domain import Domain
from engine.errors import ArgumentError, InvalidValueError, ShapeError, UnsupportedDtypeError
from engine.op import Estimate, Op, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.taps import Tap, gathered, scattered

_CORNERS = "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
_ANTIALIAS = (
    "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
)
_KNOWN = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"


def _step(m: int, n: int, align_corners: bool, scale: float | None) -> float:
    """How far apart the sources of two neighbours are."""
    if align_corners:
        return (m - 1) / (n - 1) if n > 1 else 0.0
    return 1.0 / scale if scale is not None and scale > 0 else m / n


def _nearest(m: int, n: int, scale: float | None, exact: bool) -> list[Tap]:
    places = np.arange(n)
    if n == m and not exact:
        return [Tap(places)]
    if n == 2 * m and not exact:
        return [Tap(places // 2)]
    step = np.float32(_step(m, n, False, scale))
    at = places.astype(np.float32) + np.float32(0.5 if exact else 0)
    return [Tap(np.minimum(np.floor(at * step).astype(np.int64), m - 1))]


def _sources(m: int, n: int, align_corners: bool, scale: float | None, d: Any) -> Any:
    step = d(_step(m, n, align_corners, scale))
    places = np.arange(n).astype(d)
    return step * places if align_corners else step * (places + d(0.5)) - d(0.5)


def _linear(m: int, n: int, align_corners: bool, scale: float | None, d: Any) -> list[Tap]:
    if n == m:
        return [Tap(np.arange(n))]
    source = np.maximum(_sources(m, n, align_corners, scale, d), d(0))
    first = np.minimum(source.astype(np.int64), m - 1)
    share = np.clip(source - first, 0, 1)
    return [Tap(first, 1 - share), Tap(np.minimum(first + 1, m - 1), share)]


def _cubic(x: Any, a: float) -> Any:
    """Keys' kernel at a distance."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _bicubic(m: int, n: int, align_corners: bool, scale: float | None, d: Any) -> list[Tap]:
    source = _sources(m, n, align_corners, scale, d)
    first = np.minimum(np.floor(source).astype(np.int64), m - 1)
    share = np.clip(source - first, 0, 1)
    return [Tap(np.clip(first + k, 0, m - 1), _cubic(share - k, -0.75)) for k in (-1, 0, 1, 2)]


_FILTERS: dict[str, tuple[float, Any]] = {
    "linear-aa": (1.0, lambda x: np.maximum(1 - np.abs(x), 0)),
    "cubic-aa": (2.0, lambda x: _cubic(x, -0.5)),
    "lanczos-aa": (3.0, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}


def _antialiased(m: int, n: int, align_corners: bool, scale: float | None, mode: str) -> list[Tap]:
    reach, kernel = _FILTERS[mode]
    step = _step(m, n, align_corners, scale)
    wide = max(step, 1.0)
    center = step * (np.arange(n) + 0.5)
    start = np.maximum((center - reach * wide + 0.5).astype(np.int64), 0)
    size = np.minimum((center + reach * wide + 0.5).astype(np.int64), m) - start
    k = np.arange(max(int(size.max()), 1))
    weights = kernel((k + start[:, None] - center[:, None] + 0.5) / wide) * (k < size[:, None])
    total = np.add.reduce(weights, axis=1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    taps = []
    for j in k:
        has = np.flatnonzero(size > j)
        taps.append(Tap(start[has] + j, weights[has, j], None if len(has) == n else has))
    return taps


def _taps(m: int, n: int, mode: str, align_corners: bool, scale: float | None, dtype: Any) -> list[Tap]:
    d = np.float64 if dtype == np.float64 else np.float32
    if mode in ("nearest", "nearest-exact"):
        return _nearest(m, n, scale, mode == "nearest-exact")
    if mode == "linear":
        return _linear(m, n, align_corners, scale, d)
    if mode == "cubic":
        return _bicubic(m, n, align_corners, scale, d)
    return _antialiased(m, n, align_corners, scale, mode)


def _check(input: Any, output_size: Any) -> tuple[int, ...]:
    shape, d = tuple(input.shape), len(output_size)
    if min(output_size) < 1 or min(shape[-d:]) < 1:
        sizes = [
            ", ".join(f"{c}: {n}" for c, n in zip("DHW"[-d:], s, strict=True)) for s in (shape[-d:], tuple(output_size))
        ]
        raise ShapeError(
            f"Input and output sizes should be greater than 0, but got input ({sizes[0]}) output ({sizes[1]})"
        )
    if shape[1] == 0:
        raise ShapeError(f"Non-empty {d + 2}D data tensor expected but got a tensor with sizes {list(shape)}")
    return (*shape[:-d], *output_size)


def _resampled(input: Any, output_size: Any, mode: str, align_corners: bool, scales: Any) -> Any:
    _check(input, output_size)
    narrow = input.dtype
    out = input.astype(np.float32) if narrow.char in "eB" and not mode.startswith("nearest") else input
    for k in range(1, len(output_size) + 1):
        m, n = input.shape[-k], output_size[-k]
        taps = _taps(m, n, mode, align_corners, scales[-k] if scales else None, out.dtype)
        out = gathered(out, -k, taps, n)
    if out.dtype != narrow:
        out = np.clip(np.rint(out), 0, 255).astype(narrow) if narrow.char == "B" else out.astype(narrow)
    return out


_ARGUMENTS = "int[] output_size, str mode, bool align_corners, float[]? scales=None"


def _cost(input: Spec, shape: tuple[int, ...]) -> Estimate:
    out = Spec(shape, input.dtype)
    most = math.prod(max(a, b) for a, b in zip(shape, input.shape, strict=True))
    return Estimate((out,), 3 * most * max(input.dtype.itemsize, 4), 8 * (len(shape) - 2) * most)


@op(
    f"_upsample(Tensor input, {_ARGUMENTS}) -> Tensor",
    meta=lambda input, output_size, mode, align_corners, scales: _cost(input, _check(input, output_size)),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(1, 2, 3, 4), [2, 5], "linear", False),
        Sample(array(1, 2, 5, 4), [2, 3], "cubic-aa", False),
        Sample(array(1, 2, 4), [9], "nearest-exact", False, [2.25]),
    ),
    vjp={
        "input": lambda g, input_shape, output_size, mode, align_corners, scales: rules._upsample_backward(
            g, input_shape[2:], mode, align_corners, scales
        )
    },
)
def _upsample(input: Any, output_size: Any, mode: Any, align_corners: Any, scales: Any) -> Any:
    """The last dims resampled. Gradient: each g on its neighbours. Source: PyTorch's upsample_bilinear2d and its kin."""
    return _resampled(input, output_size, mode, align_corners, scales)


@op(
    f"_upsample_backward(Tensor grad_output, {_ARGUMENTS}) -> Tensor",
    meta=lambda grad_output, output_size, mode, align_corners, scales: _cost(
        grad_output, (*grad_output.shape[:2], *output_size)
    ),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(1, 2, 2, 5), [3, 4], "linear", True), Sample(array(1, 2, 2, 3), [5, 4], "linear-aa", False)
    ),
    vjp={
        "grad_output": lambda g, grad_output_shape, mode, align_corners, scales: rules._upsample(
            g, grad_output_shape[2:], mode, align_corners, scales
        )
    },
)
def _upsample_backward(grad_output: Any, output_size: Any, mode: Any, align_corners: Any, scales: Any) -> Any:
    """Gradients of resampled elements on their neighbours. Gradient: the resampling. Source: PyTorch's upsample_bilinear2d_backward."""
    g = grad_output.astype(np.float32) if grad_output.dtype.char == "e" else grad_output
    for k in range(len(output_size), 0, -1):
        m, n = output_size[-k], grad_output.shape[-k]
        taps = _taps(m, n, mode, align_corners, scales[-k] if scales else None, g.dtype)
        g = scattered(g, -k, taps, m)
    return g.astype(grad_output.dtype, copy=False)


def _named(name: str, mode: str, d: int, refused: str) -> Op:
    """A row of PyTorch's own name, so that graphs show it."""
    domain = Domain(refused, f"\"{name.lstrip('_')}\" not implemented for '{{dtype}}'")

    def admit(input: Any) -> None:
        if input.dtype.name != "uint8":
            domain.check(input)

    def meta(input: Spec, output_size: Any, align_corners: bool, scales: Any) -> Estimate:
        admit(input)
        return _cost(input, _check(input, output_size))

    def kernel(input: Any, output_size: Any, align_corners: Any, scales: Any) -> Any:
        admit(input)
        return _resampled(input, output_size, mode, align_corners, scales)

    kernel.__doc__ = f"The last {d} dims resampled ({mode}). Gradient: each g on its neighbours. Source: torch.nn.functional.interpolate."
    node = "".join(p[:1].upper() + p[1:] for p in name.split("_") if p).replace(f"{d}d", f"{d}D")
    x = array(1, 2, *(4, 3, 5)[-d:])
    return op(
        f"{name}(Tensor input, int[] output_size, bool align_corners=False, float[]? scales=None) -> Tensor",
        meta=meta,
        kind="linear",
        forms="",
        grad_fn=f"{node}Backward0",
        samples=over(Sample(x, [3, 5, 2][-d:]), Sample(np.asfortranarray(x), [6] * d, tags=("non-contiguous",))),
        vjp={
            "input": lambda g, input_shape, align_corners, scales: rules._upsample_backward(
                g, input_shape[2:], mode, align_corners, scales
            )
        },
    )(kernel)


_ROWS: dict[tuple[str, int, bool], Op] = {}
for _d in (1, 2, 3):
    _ROWS["nearest", _d, False] = _named(f"upsample_nearest{_d}d", "nearest", _d, "bic")
    _ROWS["nearest-exact", _d, False] = _named(f"_upsample_nearest_exact{_d}d", "nearest-exact", _d, "bic")
_ROWS["linear", 1, False] = _named("upsample_linear1d", "linear", 1, "bic")
_ROWS["bilinear", 2, False] = _named("upsample_bilinear2d", "linear", 2, "bic")
_ROWS["trilinear", 3, False] = _named("upsample_trilinear3d", "linear", 3, "bic")
_ROWS["bicubic", 2, False] = _named("upsample_bicubic2d", "cubic", 2, "bic")
_ROWS["bilinear", 2, True] = _named("_upsample_bilinear2d_aa", "linear-aa", 2, "bic")
_ROWS["bicubic", 2, True] = _named("_upsample_bicubic2d_aa", "cubic-aa", 2, "bic")
_ROWS["lanczos", 2, True] = _named("_upsample_lanczos2d_aa", "lanczos-aa", 2, "bic")


def _listed(input: Any, value: Any, what: str, places: str) -> list[Any]:
    """One number for each dim of space. Errors: ValueError for another count."""
    d = input.ndim - 2
    if not isinstance(value, (tuple, list)):
        return [value] * d
    if len(value) != d:
        shown = f"output size of {tuple(value)}" if what == "output size" else f"{what} of shape {tuple(value)}"
        both = "output" if what == "output size" else what
        raise InvalidValueError(
            f"Input and {both} must have the same number of spatial dimensions, but got input with spatial dimensions of "
            f"{list(input.shape[2:])} and {shown}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and {what} in {places} "
            "format."
        )
    return list(value)


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _plan(
    input: Any, size: Any, scale_factor: Any, mode: str, align_corners: Any, recompute: Any, antialias: bool
) -> tuple[tuple[int, ...], Any]:
    """The size wanted, and the scales to keep (None: from the sizes). Errors: ValueError and TypeError in PyTorch's words."""
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise InvalidValueError(_CORNERS)
    if size is not None and scale_factor is not None:
        raise InvalidValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise InvalidValueError("either size or scale_factor should be defined")
    scales = None
    if size is not None:
        wanted = _listed(input, size, "output size", "(o1, o2, ...,oK)")
        if not all(map(_whole, wanted)):
            raise ArgumentError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size with types "
                f"{[type(v) for v in wanted]}"
            )
        if recompute:
            raise InvalidValueError("recompute_scale_factor is not meaningful with an explicit size.")
    else:
        factors = _listed(input, scale_factor, "scale_factor", "(s1, s2, ...,sK)")
        if not all(isinstance(f, (int, float)) for f in factors):
            raise ArgumentError(f"expected scale_factor to be numbers, but got {factors}")
        wanted = [int(m * f) for m, f in zip(input.shape[2:], factors, strict=True)]
        if not recompute and mode != "area":
            scales = [float(f) for f in factors]
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise InvalidValueError(_ANTIALIAS)
    return tuple(int(v) for v in wanted), scales


def _row(input: Any, mode: str, align_corners: Any, antialias: bool) -> str:
    """The name of the row for a mode. Errors: NotImplementedError for a mode that does not take so many dims."""
    d = input.ndim - 2
    if mode == "area" and d in (1, 2, 3):
        return f"adaptive_avg_pool{d}d"
    if mode == "lanczos" and d == 2:
        if align_corners:
            raise InvalidValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise InvalidValueError("Lanczos mode requires antialias=True")
    found = _ROWS.get((mode, d, antialias))
    if found is not None:
        return found.schema.name
    needs = {"linear": 1, "bilinear": 2, "trilinear": 3}.get(mode)
    if needs is not None and d in (1, 2, 3):
        raise UnsupportedDtypeError(f"Got {d + 2}D input, but {mode} mode needs {needs + 2}D input")
    raise UnsupportedDtypeError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {d + 2}D) for the modes: {_KNOWN} (got {mode})"
    )


def _meta(
    input: Spec,
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: Any,
    recompute_scale_factor: Any,
    antialias: bool,
) -> Estimate:
    wanted, _ = _plan(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    _row(input, mode, align_corners, antialias)
    return _cost(input, (*input.shape[:2], *wanted) if mode == "area" else _check(input, wanted))


_IMAGE = array(1, 2, 3, 4)


@op(
    'interpolate(Tensor input, Any size=None, Any scale_factor=None, str mode="nearest", bool? align_corners=None, '
    "bool? recompute_scale_factor=None, bool antialias=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.interpolate",),
    forms="function",
    samples=over(
        Sample(_IMAGE, 2),
        Sample(_IMAGE, scale_factor=1.5, mode="bilinear"),
        Sample(_IMAGE, [4, 3], mode="bicubic", align_corners=True),
        Sample(_IMAGE[0], 3, mode="linear"),
        Sample(_IMAGE, 2, mode="area"),
        Sample(_IMAGE[:0], 2, tags=("empty",)),
        Sample(np.asfortranarray(_IMAGE), [2, 2], mode="bilinear", antialias=True, tags=("non-contiguous",)),
    ),
)
def interpolate(
    input: Any,
    size: Any,
    scale_factor: Any,
    mode: Any,
    align_corners: Any,
    recompute_scale_factor: Any,
    antialias: Any,
) -> Any:
    """The dims of space in another size: by the nearest neighbour, linearly, cubically, or by means of areas.

    Shapes: (n, c, …) with one to three dims of space. mode: "nearest", "nearest-exact", "linear" (one dim), "bilinear" and "bicubic" (two),
    "trilinear" (three), "area"; with antialias "lanczos" too. Give size or scale_factor. Gradient: each g on its neighbours. Errors:
    ValueError for arguments that exclude each other, NotImplementedError for another mode. Source: torch.nn.functional.interpolate.

    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.2500, 1.7500, 2.0000]]])
    """
    wanted, scales = _plan(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    name = _row(input, mode, align_corners, antialias)
    if mode == "area":
        return getattr(rules, name)(input, wanted)
    return getattr(rules, name)(input, wanted, bool(align_corners), scales)
