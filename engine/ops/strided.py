"""Memory read and written at any strides: as_strided and its kin. Rules: PyTorch's derivatives.yaml and as_strided_backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.places import zeros
from engine.rules import rules
from engine.samples import array, over, strided
from engine.tensor import Tensor, array_of


def _places(size: Any, stride: Any, offset: int) -> Any:
    """Where in flat memory the elements of a strided region lie."""
    places: Any = np.array(offset)
    for n, s in zip(size, stride, strict=True):
        places = places[..., None] + np.arange(n) * s
    return places


def _check(size: Any, stride: Any) -> None:
    if len(size) != len(stride):
        raise TensorError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise TensorError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    if any(n < 0 for n in size):
        raise TensorError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")


def _reach(size: Any, stride: Any, offset: int) -> int:
    """The elements of memory that a region needs, counted from its start."""
    return 0 if 0 in size else offset + 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def _root(view: Any) -> Any:
    """The array that owns the memory of a view."""
    root = view
    while True:
        above = root.base
        if not isinstance(above, np.ndarray):
            above = getattr(above, "base", None)  # NumPy's own stand-in for an array with other strides
        if not isinstance(above, np.ndarray):
            return root
        root = above


def _memory(view: Any) -> tuple[Any, int]:
    """The flat memory of an array, and how many elements before its first it begins."""
    root = _root(view)
    order = sorted(range(root.ndim), key=lambda d: -root.strides[d])
    flat = root.transpose(order)
    if not flat.flags.c_contiguous or root.nbytes % view.itemsize:
        extent = _reach(view.shape, _steps(view), 0)
        return np.lib.stride_tricks.as_strided(view, (extent,), (view.itemsize,)), 0
    flat = flat.reshape(-1)
    start = view.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return flat.view(view.dtype), start // view.itemsize


def _steps(view: Any) -> tuple[int, ...]:
    return tuple(s // view.itemsize for s in view.strides)


def _raw(input: Any) -> tuple[Any, int]:
    """The array of a tensor, and how many batch dims it has in front of the tensor's own."""
    if hasattr(input, "physical"):
        array, depth = _raw(input.physical)
        return array, depth + 1
    return array_of(input) if isinstance(input, Tensor) else np.asarray(input), 0


def _bounds(memory: Any, size: Any, stride: Any, offset: int) -> None:
    need = _reach(size, stride, offset)
    if offset < 0 or need > memory.size:
        raise TensorError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {memory.itemsize} requiring "
            f"a storage size of {need * memory.itemsize} are out of bounds for storage of size {memory.nbytes}"
        )


def _relative(input: Any, size: Any, stride: Any, storage_offset: Any) -> tuple[int, tuple[int, ...]]:
    """The region's offset from the first element of the input, and the input's own strides."""
    _check(size, stride)
    view, depth = _raw(input)
    memory, own = _memory(view)
    offset = own if storage_offset is None else storage_offset
    _bounds(memory, size, stride, offset)
    return offset - own, _steps(view)[depth:]


def _meta(input: Spec, size: Any, stride: Any, *rest: Any) -> Spec:
    _check(size, stride)
    return Spec(tuple(size), input.dtype)


def _unstrided(g: Any, input_shape: Any, size: Any, stride: Any, offset: int, strides: Any) -> Any:
    """A gradient of a region added up in memory, and read where the input lies."""
    shift = -min(offset, 0)
    n = max(_reach(size, stride, offset + shift), _reach(input_shape, strides, shift), 1)
    memory = rules.put(zeros((n,), g), _places(size, stride, offset + shift), g, True)
    own = _places(input_shape, strides, shift)
    count = np.bincount(own.reshape(-1), minlength=n)
    if np.maximum.reduce(count) > 1:  # several elements of the input share memory
        share = zeros((n,), g) + 1
        share[:] = np.maximum(count, 1)
        memory = memory / share
    return rules.take(memory, own)


REGIONS = (
    Sample(array(2, 3), (2, 2), (1, 2), 1),
    Sample(array(2, 3), (2, 2), (1, 1)),
    Sample(np.array(1.5), (), (), tags=("0-d",)),
    Sample(array(2, 3), (2,), (2,), 0, tags=()),
    Sample(strided(3, 2), (2, 2), (1, 1), tags=("non-contiguous",)),
)


@op(
    "_as_strided(Tensor input, int[] size, int[] stride, int offset, int[] strides) -> Tensor",
    meta=_meta,
    kind="view",
    grad_fn="AsStridedBackward0",
    forms="",
    names=("_as_strided",),
    samples=over(
        Sample(array(2, 3), (2, 2), (1, 2), 1, (3, 1)),
        Sample(array(2, 3), (2, 2), (1, 1), 0, (3, 1)),
    ),
    vjp={
        "input": lambda g, input_shape, size, stride, offset, strides: _unstrided(
            g, input_shape, size, stride, offset, strides
        )
    },
)
def _as_strided(input: Any, size: Any, stride: Any, offset: Any, strides: Any) -> Any:
    """A view at strides through memory, where ``offset`` counts from the input's first element and ``strides`` are the input's own.

    Gradient: g added up in memory, and read where the input lies. Source: torch.as_strided.
    """
    view = np.asarray(input)
    if any(n > 1 and a != b for n, a, b in zip(view.shape, _steps(view), strides, strict=True)):
        raise TensorError(
            "as_strided: a view of a tensor that is not contiguous cannot be followed through a change in place"
        )
    memory, own = _memory(view)
    _bounds(memory, size, stride, own + offset)
    if 0 in size:
        return memory[:0].reshape(size)
    item = view.itemsize
    return np.ndarray(size, view.dtype, memory, (own + offset) * item, tuple(s * item for s in stride))


@op(
    "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    meta=_meta,
    kind="composite",
    samples=over(*REGIONS),
)
def as_strided(input: Any, size: Any, stride: Any, storage_offset: Any) -> Any:
    """A view with these sizes and strides of the memory in which the input lies, from ``storage_offset`` on.

    Gradient: g added up in memory, and read where the input lies. Errors: RuntimeError for a region outside that memory.
    Source: torch.as_strided.

    >>> torch.as_strided(torch.arange(6), (2, 3), (1, 2))
    tensor([[0, 2, 4],
            [1, 3, 5]])
    """
    return rules._as_strided(input, size, stride, *_relative(input, size, stride, storage_offset))


@op(
    "_as_strided_copy(Tensor input, int[] size, int[] stride, int offset, int[] strides) -> Tensor",
    meta=_meta,
    kind="linear",
    grad_fn="AsStridedBackward0_copy",
    forms="",
    names=("_as_strided_copy",),
    samples=over(Sample(array(2, 3), (2, 2), (1, 2), 1, (3, 1))),
    vjp={
        "input": lambda g, input_shape, size, stride, offset, strides: _unstrided(
            g, input_shape, size, stride, offset, strides
        )
    },
)
def _as_strided_copy(input: Any, size: Any, stride: Any, offset: Any, strides: Any) -> Any:
    """A copy of what ``_as_strided`` views. Gradient: as there. Source: torch.as_strided_copy."""
    return np.array(rules._as_strided(input, size, stride, offset, strides), order="C")[()]


@op(
    "as_strided_copy(Tensor input, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    meta=_meta,
    kind="composite",
    forms="function",
    samples=over(*REGIONS),
)
def as_strided_copy(input: Any, size: Any, stride: Any, storage_offset: Any) -> Any:
    """A copy of what ``as_strided`` views.

    Gradient: g added up in memory, and read where the input lies. Source: torch.as_strided_copy.

    >>> torch.as_strided_copy(torch.arange(6), (2, 3), (1, 2))
    tensor([[0, 2, 4],
            [1, 3, 5]])
    """
    return rules._as_strided_copy(input, size, stride, *_relative(input, size, stride, storage_offset))


def _scattered(src: Any, size: Any, stride: Any) -> None:
    _check(size, stride)
    if tuple(src.shape) != tuple(size):
        raise ShapeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(size)}"
        )


def _scatter_meta(input: Spec, src: Spec, size: Any, stride: Any, storage_offset: Any) -> Estimate:
    _scattered(src, size, stride)
    return Estimate((input,), input.nbytes + 16 * src.numel, 3 * input.numel + 4 * src.numel)


def _region(g: Any, size: Any, stride: Any, storage_offset: Any) -> tuple[Any, Any]:
    places = _places(size, stride, storage_offset or 0)
    return places, rules.take(g, places)


def _to_strided(g: Any, input_shape: Any, size: Any, stride: Any, storage_offset: Any) -> Any:
    places, taken = _region(g, size, stride, storage_offset)
    return rules.put(zeros(input_shape, g), places, taken)


def _scattered_tangent(
    input: Any, src: Any, input_t: Any, src_t: Any, size: Any, stride: Any, storage_offset: Any
) -> Any:
    """The same of the tangents: the true derivative, which the gradient is not the transpose of."""
    into = rules.zeros_like(input) if input_t is None else input_t
    return rules.as_strided_scatter(
        into, rules.zeros_like(src) if src_t is None else src_t, size, stride, storage_offset
    )


@op(
    "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    meta=_scatter_meta,
    kind="opaque",
    samples=over(
        Sample(array(4, 5), array(2, start=70), (2,), (2,), 1),
        Sample(array(4, 5), array(2, 2, start=70), (2, 2), (3, 1)),
        Sample(array(20), np.array(0.7), (), (), 0, tags=("0-d",)),
        Sample(array(4, 5), array(0, 2), (0, 2), (1, 1), 0, tags=("empty",)),
        Sample(array(4, 5), array(4, start=70)[::2], (2,), (1,), 0, tags=("non-contiguous",)),
    ),
    vjp={
        "input": _to_strided,
        "src": lambda g, size, stride, storage_offset: _region(g, size, stride, storage_offset)[1],
    },
    jvp=_scattered_tangent,
)
def as_strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: Any) -> Any:
    """A copy in which the elements at strides through memory are those of ``src``.

    Gradient: PyTorch's, to the letter: g at those elements for ``src`` and for ``input`` too, where the derivative would be zero there
    and g elsewhere. Errors: RuntimeError for a region outside the input's memory. Source: torch.as_strided_scatter.

    >>> torch.as_strided_scatter(torch.zeros(2, 3), torch.ones(2), (2,), (2,), 1)
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    _scattered(src, size, stride)
    view = np.asarray(input)
    memory, own = _memory(view)
    offset = own if storage_offset is None else storage_offset
    _bounds(memory, size, stride, offset)
    changed = np.array(memory)
    out = np.lib.stride_tricks.as_strided(changed[own:], view.shape, view.strides)
    changed[_places(size, stride, offset)] = src
    return np.array(out, order="K")


# -- the same bytes as another dtype, and memory at strides of one's own ------------------------------------------------


def _seen_as(input: Any, dtype: Any, strides: Any) -> tuple[int, ...]:
    """The shape of the same bytes in another dtype. Errors: RuntimeError in PyTorch's words where they do not divide."""
    old, new = input.dtype.itemsize, dtype.itemsize
    shape = tuple(input.shape)
    if old == new:
        return shape
    names = f"{spoken(input)} as {spoken(Spec((), dtype))} (different element sizes)"
    if not shape:
        raise TensorError(f"self.dim() cannot be 0 to view {names}")
    if strides is not None and strides[-1] != 1:
        raise TensorError(f"self.stride(-1) must be 1 to view {names}, but got {strides[-1]}")
    if old > new:
        return (*shape[:-1], shape[-1] * (old // new))
    ratio = new // old
    if shape[-1] % ratio:
        raise TensorError(f"self.size(-1) must be divisible by {ratio} to view {names}, but got {shape[-1]}")
    for k, s in enumerate(strides[:-1] if strides is not None else ()):
        if s % ratio:
            raise TensorError(f"self.stride({k}) must be divisible by {ratio} to view {names}, but got {s}")
    return (*shape[:-1], shape[-1] // ratio)


@op(
    "view.dtype(Tensor input, ScalarType dtype) -> Tensor",
    meta=lambda input, dtype: Spec(_seen_as(input, dtype, None), dtype),
    kind="view",
    forms="method",
    samples=over(
        Sample(array(2, 4), dtypes.uint8),
        Sample(np.arange(8, dtype=np.int16), dtypes.int64),
        Sample(np.array(3, np.int32), dtypes.float32, tags=("0-d",)),
        Sample(array(0, 2), dtypes.uint8, tags=("empty",)),
        Sample(np.arange(6, dtype=np.int32).reshape(3, 2).T, dtypes.float32, tags=("non-contiguous",)),
    ),
)
def view_dtype(input: Any, dtype: Any) -> Any:
    """The same bytes as elements of another dtype, sharing memory; the last dim grows or shrinks with the size of an element.

    It has no derivative. Errors: RuntimeError where the bytes do not divide into elements of the other size, or the last dim is not dense.
    Source: torch.Tensor.view.

    >>> torch.tensor([1.0, -2.0]).view(torch.int32)
    tensor([ 1065353216, -1073741824], dtype=torch.int32)
    """
    view = np.asarray(input)
    shape = _seen_as(view, dtype, _steps(view) if view.size else None)
    ratio = dtype.itemsize // view.itemsize
    if ratio > 1 and view.size:
        _, own = _memory(view)
        if own % ratio:
            names = f"{spoken(view)} as {spoken(Spec((), dtype))} (different element sizes)"
            raise TensorError(f"self.storage_offset() must be divisible by {ratio} to view {names}, but got {own}")
    return view.view(dtype.numpy) if view.size else np.empty(shape, dtype.numpy)


OPTIONS = "*, ScalarType? dtype=None, str? device=None, bool requires_grad=False"


def _laid_out(size: Any, stride: Any) -> int:
    """The elements of memory that sizes and strides span. Errors: RuntimeError in PyTorch's words."""
    if len(size) != len(stride):
        raise TensorError(f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})")
    if any(n < 0 for n in size):
        raise TensorError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    need = _reach(size, stride, 0)
    if any(s < 0 for s in stride) or need >= 2**63:
        raise TensorError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    return need


def _strided_meta(size: Any, stride: Any, dtype: Any) -> Estimate:
    spec = Spec(tuple(size), dtype)
    return Estimate((spec,), max(0, _laid_out(size, stride) * dtype.itemsize - spec.nbytes), spec.numel)


def _unset(size: Any, stride: Any, dtype: Any) -> Any:
    memory = np.zeros(max(_laid_out(size, stride), 1), dtype.numpy)
    return np.lib.stride_tricks.as_strided(memory, tuple(size), tuple(s * dtype.itemsize for s in stride))


@op(
    f"empty_strided(int[] size, int[] stride, {OPTIONS}) -> Tensor",
    meta=lambda size, stride, dtype, device, requires_grad: _strided_meta(
        size, stride, dtype or dtypes.get_default_dtype()
    ),
    kind="create",
    forms="function",
    samples=over(Sample((2, 3), (1, 2)), Sample((), (), tags=("0-d",)), Sample((2, 0), (4, 1), tags=("empty",))),
)
def empty_strided(size: Any, stride: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """A tensor without values of its own (here: zeros) with these sizes and strides.

    Errors: RuntimeError where the two differ in length, or a stride is negative. Source: torch.empty_strided.

    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    return _unset(size, stride, dtype or dtypes.get_default_dtype())


@op(
    f"new_empty_strided(Tensor input, int[] size, int[] stride, {OPTIONS}) -> Tensor",
    meta=lambda input, size, stride, dtype, device, requires_grad: _strided_meta(size, stride, dtype or input.dtype),
    kind="create",
    forms="method",
    samples=over(
        Sample(array(2), (2, 3), (1, 2)),
        Sample(np.array(1.5), (), (), tags=("0-d",)),
        Sample(array(0, 2), (2, 0), (4, 1), tags=("empty",)),
        Sample(strided(3, 2), (2,), (2,), tags=("non-contiguous",)),
    ),
)
def new_empty_strided(input: Any, size: Any, stride: Any, dtype: Any, device: Any, requires_grad: Any) -> Any:
    """As ``empty_strided``, in the dtype of this tensor. Source: torch.Tensor.new_empty_strided.

    >>> torch.tensor([1, 2]).new_empty_strided((2, 2), (1, 2)).dtype
    torch.int64
    """
    return _unset(size, stride, dtype or dtypes.of_numpy(input.dtype))
