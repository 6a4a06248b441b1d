"""Copies and dtypes: clone, to and its shorthands, contiguous. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.op import Op, Sample, Spec, op
from engine.rules import rules
from engine.samples import over, strided, unary
from engine.shapes import same


def _moves(copy: bool, memory_format: Any) -> bool:
    """Whether a copy is asked for even where the dtype stays."""
    return copy or (memory_format is not None and memory_format.reorders)


def _dtype_of(x: Any) -> dtypes.dtype:
    d = x.dtype
    return d if isinstance(d, dtypes.dtype) else dtypes.of_numpy(d)


@op(
    "clone(Tensor input, *, Any memory_format=None) -> Tensor",
    meta=same,
    kind="linear",
    samples=unary(),
    vjp={"input": lambda g: g},
)
def clone(input: Any, memory_format: Any) -> Any:
    """A copy, in the graph.

    Gradient: g. Source: torch.clone.

    >>> torch.clone(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return np.array(input, copy=True)[()] if input.ndim == 0 else np.array(input, order="K", copy=True)


@op(
    "_clone_contiguous(Tensor input) -> Tensor",
    meta=same,
    kind="linear",
    grad_fn="CloneBackward0",
    forms="",
    names=("_clone_contiguous",),
    samples=unary(),
    vjp={"input": lambda g: g},
)
def clone_contiguous(input: Any) -> Any:
    """A copy in C order. Source: torch.Tensor.contiguous.

    >>> torch.ones(2, 3).t().contiguous().is_contiguous()
    True
    """
    return np.array(input, order="C", copy=True)


def _lies_in_order(x: Any) -> bool:
    if isinstance(x, np.generic):
        return True
    return x.flags.c_contiguous if isinstance(x, np.ndarray) else x.is_contiguous()


@op(
    "contiguous(Tensor input, *, Any memory_format=None) -> Tensor",
    meta=same,
    kind="composite",
    forms="method",
    samples=unary(),
)
def contiguous(input: Any, memory_format: Any) -> Any:
    """The tensor with its elements in C order: itself where they already are, else a copy.

    Gradient: g. Source: torch.Tensor.contiguous.

    >>> torch.ones(2, 3).t().contiguous().is_contiguous()
    True
    """
    if memory_format is not None and memory_format.reorders:
        return rules.clone(input)
    return input if _lies_in_order(input) else rules._clone_contiguous(input)


@op(
    "_to_copy(Tensor input, *, ScalarType? dtype=None) -> Tensor",
    meta=lambda input, dtype: Spec(input.shape, dtype or input.dtype),
    kind="linear",
    grad_fn="ToCopyBackward0",
    forms="",
    names=("_to_copy",),
    samples=unary(),
    vjp={"input": lambda g: g},
)
def to_copy(input: Any, dtype: Any) -> Any:
    """A copy in another dtype. Gradient: g in the input's dtype. Source: torch.Tensor.to.

    >>> torch.tensor([1, 2]).to(torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    if dtype is None:
        return np.array(input, copy=True)
    if input.dtype.kind == "c" and dtype.category < 3:
        return (input != 0 if dtype.category == 0 else input.real).astype(dtype.numpy)
    if input.dtype.kind == "f" and dtype.category == 1 and dtype.numpy.kind == "u":
        return input.astype(np.int64).astype(dtype.numpy)  # as PyTorch wraps a negative number on a CPU
    return input.astype(dtype.numpy)


def _converted(input: Any, dtype: Any, copy: bool) -> Any:
    if not copy and (dtype is None or _dtype_of(input) is dtype):
        return input
    return rules._to_copy(input, dtype=dtype)


def _to_meta(input: Any, dtype: Any, *rest: Any) -> Spec:
    return Spec(input.shape, dtype or input.dtype)


def _dtyped(d: dtypes.dtype) -> Any:
    return lambda: [Sample(*s.args, d, tags=s.tags) for s in unary()()]


@op(
    "to.dtype(Tensor input, ScalarType dtype, bool non_blocking=False, bool copy=False, *, Any memory_format=None) -> Tensor",
    meta=_to_meta,
    kind="composite",
    forms="method",
    samples=_dtyped(dtypes.float32),
)
def to_dtype(input: Any, dtype: Any, non_blocking: Any, copy: Any, memory_format: Any) -> Any:
    """The tensor in a dtype: itself where it has that dtype already (unless ``copy``).

    Gradient: g in the input's dtype. Source: torch.Tensor.to.

    >>> torch.tensor([1, 2]).to(torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    return _converted(input, dtype, _moves(copy, memory_format))


@op(
    "to.other(Tensor input, Tensor other, bool non_blocking=False, bool copy=False, *, Any memory_format=None) -> Tensor",
    meta=lambda input, other, *rest: Spec(input.shape, other.dtype),
    kind="composite",
    forms="method",
    samples=lambda: [Sample(*s.args, np.ones(1, np.float32), tags=s.tags) for s in unary()()],
)
def to_other(input: Any, other: Any, non_blocking: Any, copy: Any, memory_format: Any) -> Any:
    """The tensor in another tensor's dtype. Source: torch.Tensor.to.

    >>> torch.tensor([1, 2]).to(torch.ones(1))
    tensor([1., 2.])
    """
    return _converted(input, _dtype_of(other), _moves(copy, memory_format))


@op(
    "to.device(Tensor input, str? device=None, ScalarType? dtype=None, bool non_blocking=False, bool copy=False, *, "
    "Any memory_format=None) -> Tensor",
    meta=lambda input, device, dtype, *rest: Spec(input.shape, dtype or input.dtype),
    kind="composite",
    forms="method",
    samples=lambda: [Sample(*s.args, "cpu", tags=s.tags) for s in unary()()],
)
def to_device(input: Any, device: Any, dtype: Any, non_blocking: Any, copy: Any, memory_format: Any) -> Any:
    """The tensor on a device, of which there is one: "cpu". Source: torch.Tensor.to.

    >>> torch.tensor([1, 2]).to("cpu")
    tensor([1, 2])
    """
    if device is not None:
        layout.device(device)
    return _converted(input, dtype, _moves(copy, memory_format))


@op(
    "type(Tensor input, ScalarType dtype) -> Tensor",
    meta=_to_meta,
    kind="composite",
    forms="method",
    samples=_dtyped(dtypes.float32),
)
def type_of(input: Any, dtype: Any) -> Any:
    """The tensor in a dtype. Source: torch.Tensor.type.

    >>> torch.tensor([1, 2]).type(torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    return _converted(input, dtype, False)


@op(
    "type_as(Tensor input, Tensor other) -> Tensor",
    meta=lambda input, other: Spec(input.shape, other.dtype),
    kind="composite",
    forms="method",
    samples=lambda: [Sample(*s.args, np.ones(1, np.float32), tags=s.tags) for s in unary()()],
)
def type_as(input: Any, other: Any) -> Any:
    """The tensor in another tensor's dtype. Source: torch.Tensor.type_as.

    >>> torch.tensor([1, 2]).type_as(torch.ones(1))
    tensor([1., 2.])
    """
    return _converted(input, _dtype_of(other), False)


def _shorthand(name: str, d: dtypes.dtype) -> Op:
    """The method named for a dtype: ``x.double()``."""

    def shorthand(input: Any, memory_format: Any) -> Any:
        return _converted(input, d, _moves(False, memory_format))

    shorthand.__module__ = __name__
    shown = f"torch.tensor([1, 0]).{name}()"
    shorthand.__doc__ = (
        f"The tensor in {d!r}.\n\nGradient: g in the input's dtype. Source: torch.Tensor.{name}.\n\n"
        f">>> {shown}.dtype\n{d!r}"
    )
    return op(
        f"{name}(Tensor input, *, Any memory_format=None) -> Tensor",
        meta=lambda input, memory_format: Spec(input.shape, d),
        kind="composite",
        forms="method",
        samples=unary(),
    )(shorthand)


SHORTHANDS = {
    name: _shorthand(name, d)
    for name, d in {
        "half": dtypes.float16,
        "float": dtypes.float32,
        "double": dtypes.float64,
        "cfloat": dtypes.complex64,
        "cdouble": dtypes.complex128,
        "bool": dtypes.bool_,
        "byte": dtypes.uint8,
        "char": dtypes.int8,
        "short": dtypes.int16,
        "int": dtypes.int32,
        "long": dtypes.int64,
    }.items()
}


@op(
    "alias(Tensor input) -> Tensor",
    meta=same,
    kind="view",
    forms="",
    samples=unary(),
    vjp={"input": lambda g: g},
)
def alias(input: Any) -> Any:
    """A view of the whole: what ``x[...]`` gives. Gradient: g. Source: torch.Tensor.__getitem__.

    >>> torch.tensor([1.0, 2.0])[...]
    tensor([1., 2.])
    """
    return input[...]


@op(
    "view_as(Tensor input, Tensor other) -> Tensor",
    meta=lambda input, other: Spec(other.shape, input.dtype),
    kind="composite",
    forms="method",
    samples=over(
        Sample(np.arange(6.0), np.ones((2, 3))),
        Sample(np.array([1.5]), np.array(1.0), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros(0), tags=("empty",)),
        Sample(strided(3, 2), np.ones((3, 2, 1)), tags=("non-contiguous",)),
    ),
)
def view_as(input: Any, other: Any) -> Any:
    """``view`` with the shape of another tensor. Source: torch.Tensor.view_as.

    >>> torch.arange(4).view_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return rules.view(input, other.shape)
