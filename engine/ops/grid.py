"""Images read at places of a grid. Formulas and sentences: PyTorch's GridSampler.h, AffineGridGenerator.cpp.

Places are made by rows whose derivative is a slope; the rest is sums of picked elements times weights, so every order of derivative exists.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import floating
from engine.errors import DtypeError, InvalidValueError, ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import renamed, rules
from engine.samples import array, over

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
_DOMAIN = floating("grid_sampler_cpu")


def _raw_places(x: Any, size: int, padding: int, align_corners: bool) -> tuple[Any, Any]:
    """Places moved into the image, and the slope of that."""
    slope: Any = np.ones((), x.dtype)
    if padding == 2:
        low, high = (0, 2 * (size - 1)) if align_corners else (-1, 2 * size - 1)
        if low == high:
            return np.zeros_like(x), np.zeros_like(x)
        start, span = x.dtype.type(low / 2), x.dtype.type((high - low) / 2)
        away = x - start
        slope = np.where(away < 0, -1, 1).astype(x.dtype)
        away = np.abs(away)
        odd = np.floor(away / span) % 2 == 1
        rest = np.fmod(away, span)
        x = np.where(odd, span - rest, rest) + start
        slope = np.where(odd, -slope, slope)
    if padding:
        slope = np.where((x > 0) & (x < size - 1), slope, slope.dtype.type(0))
        x = np.clip(x, 0, size - 1)
    return x, slope


@op(
    "_grid_places(Tensor input, int size, int padding, bool align_corners) -> Tensor",
    meta=lambda input, size, padding, align_corners: input,
    kind="opaque",
    forms="",
    samples=over(Sample(array(5), 3, 2, False)),
    vjp={
        "input": lambda g, input, size, padding, align_corners: (
            g * rules._grid_slopes(input, size, padding, align_corners)
        )
    },
)
def _grid_places(input: Any, size: Any, padding: Any, align_corners: Any) -> Any:
    """Places along a dim moved into it: to its edge or mirrored. Gradient: g, turned, or zero beyond. Source: PyTorch's grid_sampler."""
    return _raw_places(input, size, padding, align_corners)[0]


@op(
    "_grid_slopes(Tensor input, int size, int padding, bool align_corners) -> Tensor",
    meta=lambda input, size, padding, align_corners: input,
    kind="opaque",
    forms="",
    samples=over(Sample(array(5), 3, 2, False)),
)
def _grid_slopes(input: Any, size: Any, padding: Any, align_corners: Any) -> Any:
    """1, -1 or 0: how places move with what they come from. Source: PyTorch's grid_sampler_2d_backward."""
    return np.array(np.broadcast_to(_raw_places(input, size, padding, align_corners)[1], input.shape))


@op(
    "_grid_whole(Tensor input, bool nearest) -> Tensor",
    meta=lambda input, nearest: input,
    kind="opaque",
    forms="",
    samples=over(Sample(array(5), True), Sample(array(5), False)),
)
def _grid_whole(input: Any, nearest: Any) -> Any:
    """The whole number below, or the nearest (the even one of two). Source: PyTorch's grid_sampler."""
    return np.rint(input) if nearest else np.floor(input)


@op(
    "_grid_flat(Tensor[] places, int[] size, int padding, bool align_corners) -> Tensor",
    meta=lambda places, size, padding, align_corners: Spec(places[0].shape, dtypes.int64),
    kind="opaque",
    forms="",
    samples=over(Sample([np.array([[0.0, 3.0]]), np.array([[1.0, 1.0]])], [2, 3], 0, False)),
)
def _grid_flat(places: Any, size: Any, padding: Any, align_corners: Any) -> Any:
    """Flat indices of whole places; one beyond the last for a place outside. Source: PyTorch's grid_sampler."""
    inside: Any = True
    flat: Any = 0
    for p, m in zip(places, size, strict=True):
        x = _raw_places(p, m, padding, align_corners)[0]
        inside = inside & (x >= 0) & (x < m)
        flat = flat * m + np.where(inside, x, 0).astype(np.int64)
    return np.where(inside, flat, math.prod(size))


@op(
    "_grid_pick(Tensor input, Tensor flat, Tensor grid) -> Tensor",
    meta=lambda input, flat, grid: Spec((*input.shape[:2], flat.shape[1]), input.dtype),
    kind="linear",
    forms="",
    samples=over(Sample(array(2, 3, 4), np.array([[0, 4, 1], [3, 3, 2]]), array(2, 3))),
    vjp={
        "input": lambda g, input, flat, grid: rules._grid_put(g, flat, input, grid),
        "grid": lambda g: None,
    },
)
def _grid_pick(input: Any, flat: Any, grid: Any) -> Any:
    """Elements of (n, c, m) at places (n, p); zero for the place m. ``grid`` only makes the result part of its graph, as PyTorch's is.

    Gradient: g at the places. Source: PyTorch's grid_sampler.
    """
    n, c, m = input.shape
    whole = np.zeros((n, c, m + 1), input.dtype)
    whole[..., :m] = input
    return np.take_along_axis(whole, np.broadcast_to(flat[:, None], (n, c, flat.shape[1])), 2)


@op(
    "_grid_nearest(Tensor input, Tensor flat, Tensor grid) -> Tensor",
    meta=lambda input, flat, grid: Spec((*input.shape[:2], flat.shape[1]), input.dtype),
    kind="linear",
    forms="",
    samples=over(Sample(array(2, 3, 4), np.array([[0, 4, 1], [3, 3, 2]]), array(2, 3))),
    vjp={
        "input": lambda g, input, flat, grid: rules._grid_put(g, flat, input, grid),
        "grid": lambda g, input, grid: rules._grid_still(g, input, grid),
    },
)
def _grid_nearest(input: Any, flat: Any, grid: Any) -> Any:
    """The pick of whole places, which do not move with the grid. Gradient: g at the places, zeros for the grid.

    Source: PyTorch's grid_sampler.
    """
    return _grid_pick.kernel(input, flat, grid)


@op(
    "_grid_still(Tensor input, Tensor image, Tensor grid) -> Tensor",
    meta=lambda input, image, grid: grid,
    kind="opaque",
    forms="",
    samples=over(Sample(array(2, 3, 3), array(2, 3, 4), array(2, 3))),
    vjp={"input, image, grid": lambda g: (None, None, None)},
)
def _grid_still(input: Any, image: Any, grid: Any) -> Any:
    """Zeros for a grid that does not matter, in the graph of all as PyTorch's are. Source: PyTorch's grid_sampler_2d_backward."""
    return np.zeros_like(grid)


@op(
    "_grid_put(Tensor input, Tensor flat, Tensor image, Tensor grid) -> Tensor",
    meta=lambda input, flat, image, grid: image,
    kind="linear",
    forms="",
    samples=over(Sample(array(2, 3, 3), np.array([[0, 4, 1], [3, 3, 2]]), array(2, 3, 4), array(2, 3))),
    vjp={"input": lambda g, flat, grid: rules._grid_pick(g, flat, grid), "image, grid": lambda g: (None, None)},
)
def _grid_put(input: Any, flat: Any, image: Any, grid: Any) -> Any:
    """Elements added at places: the transpose of the pick. Gradient: the pick. Source: PyTorch's grid_sampler_2d_backward."""
    n, c, size = image.shape
    whole = np.zeros((n, c, size + 1), input.dtype)
    planes = (np.arange(n * c) * (size + 1)).reshape(n, c, 1)
    np.add.at(whole.reshape(-1), (flat[:, None] + planes).reshape(-1), np.ascontiguousarray(input).reshape(-1))
    return np.ascontiguousarray(whole[..., :size])


def _check(input: Any, grid: Any, mode: int) -> None:
    """What PyTorch refuses."""
    d = input.ndim - 2
    sizes = f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.ndim < 1 or grid.ndim < 1 or input.shape[0] != grid.shape[0]:
        raise ShapeError(f"grid_sampler(): expected grid and input to have same batch size, but {sizes}")
    if d not in (2, 3) or grid.ndim != input.ndim:
        raise ShapeError(
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but {sizes}"
        )
    if grid.shape[-1] != d:
        raise ShapeError(
            f"grid_sampler(): expected grid to have size {d} in last dimension, but got grid with sizes {list(grid.shape)}"
        )
    for i in range(2, input.ndim):
        if input.shape[i] == 0:
            raise ShapeError(
                f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {list(input.shape)} with "
                f"dimension {i} being empty"
            )
    if mode == 2 and d == 3:
        raise ShapeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype.name != grid.dtype.name:
        names = {"float32": "Float", "float64": "Double", "float16": "Half"}
        raise DtypeError(
            f"expected scalar type {names.get(input.dtype.name, input.dtype.name)} but found {names.get(grid.dtype.name, grid.dtype.name)}"
        )
    _DOMAIN.check(input)


def _sampler_meta(input: Spec, grid: Spec, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Estimate:
    _check(input, grid, interpolation_mode)
    out = Spec((*input.shape[:2], *grid.shape[1:-1]), input.dtype)
    corners = 16 if interpolation_mode == 2 else 2 ** (input.ndim - 2)
    return Estimate(
        (out,), 4 * out.nbytes + input.nbytes + 8 * 8 * grid.numel, 4 * corners * out.numel + 20 * grid.numel
    )


def _weights(t: Any, mode: int) -> list[tuple[int, Any]]:
    """How far each neighbour along a dim is from the whole place below, and its weight."""
    if mode == 0:
        return [(0, 1 - t), (1, t)]
    a = -0.75

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [(-1, far(t + 1)), (0, near(t)), (1, near(1 - t)), (2, far(2 - t))]


@op(
    "grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor",
    meta=_sampler_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(1, 2, 3, 4), array(1, 2, 2, 2, low=-1.4, high=1.4), 0, 0, False),
        Sample(array(1, 1, 2, 3, 4), array(1, 1, 2, 2, 3, low=-1.4, high=1.4), 0, 2, True),
        Sample(np.asfortranarray(array(1, 2, 3, 4)), array(1, 2, 2, 2), 2, 1, False, tags=("non-contiguous",)),
        Sample(array(0, 2, 3, 4), array(0, 2, 2, 2), 0, 0, False, tags=("empty",)),
    ),
)
def grid_sampler(input: Any, grid: Any, interpolation_mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """``grid_sample`` with its words as numbers: bilinear 0, nearest 1, bicubic 2; zeros 0, border 1, reflection 2.

    Source: torch.grid_sampler.

    >>> torch.grid_sampler(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.]]]])
    """
    _check(input, grid, interpolation_mode)
    if interpolation_mode not in (0, 1, 2) or padding_mode not in (0, 1, 2):
        raise TensorError("grid_sampler(): unknown interpolation or padding mode")
    size = tuple(input.shape[2:])
    d, n, p = len(size), input.shape[0], math.prod(grid.shape[1:-1])
    image = rules.reshape(input, (*input.shape[:2], math.prod(size)))
    flat = rules.reshape(grid, (n, p, d))
    whole, parts = [], []
    for i, m in enumerate(size):
        c = rules.select(flat, 2, d - 1 - i)
        x = (c + 1) * ((m - 1) / 2) if align_corners else ((c + 1) * m - 1) / 2
        if interpolation_mode != 2 and padding_mode:
            x = rules._grid_places(x, m, padding_mode, align_corners)
        below = rules._grid_whole(x, interpolation_mode == 1)
        whole.append(below)
        parts.append([(0, None)] if interpolation_mode == 1 else _weights(x - below, interpolation_mode))
    moved = padding_mode if interpolation_mode == 2 else 0
    pick = rules._grid_nearest if interpolation_mode == 1 else rules._grid_pick
    total: Any = None
    for corner in product(*parts):
        places = [w + step if step else w for w, (step, _) in zip(whole, corner, strict=True)]
        term = pick(image, rules._grid_flat(places, size, moved, align_corners), grid)
        weight: Any = None
        for _, w in corner:
            weight = w if weight is None else weight * w
        if weight is not None:
            term = term * rules.unsqueeze(weight, 1)
        total = term if total is None else total + term
    return renamed(rules.reshape(total, (*input.shape[:2], *grid.shape[1:-1])), f"GridSampler{d}DBackward0")


def _numbers(mode: str, padding_mode: str) -> tuple[int, int]:
    if mode not in _MODES:
        raise InvalidValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise InvalidValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    return _MODES.index(mode), _PADDINGS.index(padding_mode)


@op(
    'grid_sample(Tensor input, Tensor grid, str mode="bilinear", str padding_mode="zeros", bool? align_corners=None) -> Tensor',
    meta=lambda input, grid, mode, padding_mode, align_corners: _sampler_meta(
        input, grid, *_numbers(mode, padding_mode), bool(align_corners)
    ),
    kind="composite",
    names=("nn.functional.grid_sample",),
    forms="function",
    samples=over(
        Sample(array(1, 2, 3, 4), array(1, 2, 2, 2, low=-1.4, high=1.4)),
        Sample(array(1, 2, 3, 4), array(1, 2, 2, 2, low=-1.4, high=1.4), "nearest", "border"),
        Sample(
            np.asfortranarray(array(1, 2, 3, 4)), array(1, 2, 2, 2), "bicubic", "reflection", tags=("non-contiguous",)
        ),
        Sample(array(0, 2, 3, 4), array(0, 2, 2, 2), tags=("empty",)),
    ),
)
def grid_sample(input: Any, grid: Any, mode: Any, padding_mode: Any, align_corners: Any) -> Any:
    """An image read at the places of a grid, where -1 and 1 are its edges.

    Shapes: input (n, c, height, width), grid (n, h, w, 2) with x before y; or (n, c, depth, height, width) and (n, d, h, w, 3). mode:
    "bilinear", "nearest", "bicubic". padding_mode: what lies outside: "zeros", "border", "reflection". Gradient: of the weighted sum, in
    image and grid. Errors: RuntimeError for shapes that do not fit. Source: torch.nn.functional.grid_sample.

    >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> torch.nn.functional.grid_sample(image, torch.zeros(1, 1, 1, 2), align_corners=False)
    tensor([[[[2.5000]]]])
    """
    return rules.grid_sampler(input, grid, *_numbers(mode, padding_mode), bool(align_corners))


def _steps(n: int, align_corners: bool, d: Any) -> Any:
    if n <= 1:
        return np.zeros(n, d)
    line = np.linspace(-1, 1, n)
    return (line if align_corners else line * ((n - 1) / n)).astype(d)


def _affine_check(theta: Any, size: Any) -> None:
    if not theta.dtype.name.startswith("float"):
        raise InvalidValueError(f"Expected theta to have floating point type, but got torch.{theta.dtype.name}")
    if len(size) not in (4, 5):
        raise UnsupportedDtypeError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size {list(size)}."
        )
    d = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[-2:]) != (d, d + 1):
        raise InvalidValueError(
            f"Expected a batch of {d}D affine matrices of shape Nx{d}x{d + 1} for size {list(size)}. Got {_shown(theta.shape)}."
        )
    if min(size) <= 0:
        raise InvalidValueError(f"Expected non-zero, positive output size. Got {list(size)}")
    if theta.shape[0] != size[0]:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {d + 1}] but got: [{theta.shape[0]}, {d + 1}]."
        )


def _shown(shape: Any) -> str:
    return f"torch.Size({list(shape)})"


def _affine_meta(theta: Spec, size: Any, align_corners: Any) -> Estimate:
    _affine_check(theta, size)
    d = len(size) - 2
    out = Spec((size[0], *size[2:], d), theta.dtype)
    return Estimate((out,), (d + 1) * math.prod(size[2:]) * theta.dtype.itemsize, 2 * (d + 1) * out.numel)


@op(
    "affine_grid(Tensor theta, int[] size, bool? align_corners=None) -> Tensor",
    meta=_affine_meta,
    kind="composite",
    names=("nn.functional.affine_grid",),
    forms="function",
    samples=over(
        Sample(array(2, 2, 3), [2, 1, 3, 2]),
        Sample(array(1, 3, 4), [1, 1, 2, 1, 3], True),
        Sample(np.asfortranarray(array(2, 2, 3)), [2, 1, 3, 2], tags=("non-contiguous",)),
    ),
)
def affine_grid(theta: Any, size: Any, align_corners: Any) -> Any:
    """The grid of places that an affine map reads: for ``grid_sample``.

    Shapes: theta (n, 2, 3) with size (n, c, h, w) to (n, h, w, 2); (n, 3, 4) with five sizes to (n, d, h, w, 3). Gradient: of the product.
    Errors: ValueError for sizes that do not fit. Source: torch.nn.functional.affine_grid.

    >>> torch.nn.functional.affine_grid(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), [1, 1, 2, 2], align_corners=True)
    tensor([[[[-1., -1.],
              [ 1., -1.]],
    <BLANKLINE>
             [[-1.,  1.],
              [ 1.,  1.]]]])
    """
    _affine_check(theta, size)
    spatial = tuple(size[2:])
    d = dtypes.DTYPES[theta.dtype.name].numpy
    lines = np.meshgrid(*(_steps(n, bool(align_corners), d) for n in spatial), indexing="ij")
    base = np.stack([*reversed(lines), np.ones(spatial, d)], axis=-1).reshape(-1, len(spatial) + 1)
    out = rules.matmul(base, rules.transpose(theta, 1, 2))
    return rules.reshape(out, (size[0], *spatial, len(spatial)))
