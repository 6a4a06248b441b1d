"""Complex numbers as pairs of real ones, and back: views of the same memory. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import TensorError
from engine.op import Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over


def _as_complex(input: Any) -> tuple[int, ...]:
    if input.dtype.name not in {"float16", "float32", "float64"}:
        raise TensorError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{input.dtype.name}"
        )
    if not input.ndim:
        raise TensorError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise TensorError("Tensor must have a last dimension of size 2")
    return tuple(input.shape[:-1])


def _as_complex_meta(input: Spec) -> Spec:
    return Spec(_as_complex(input), dtypes.complex128 if input.dtype is dtypes.float64 else dtypes.complex64)


@op(
    "view_as_complex(Tensor input) -> Tensor",
    meta=_as_complex_meta,
    kind="view",
    forms="function",
    samples=over(
        Sample(array(3, 2)), Sample(array(0, 2), tags=("empty",)), Sample(array(4, 2)[::2], tags=("non-contiguous",))
    ),
    vjp={"input": lambda g: rules.view_as_real(g)},
)
def view_as_complex(input: Any) -> Any:
    """A view of pairs of numbers in the last dim as complex numbers. Gradient: g as pairs. Source: torch.view_as_complex.

    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    shape = _as_complex(input)
    if input.strides[-1] != input.dtype.itemsize and input.size:
        raise TensorError("Tensor must have a last dimension with stride 1")
    return input.view(np.complex128 if input.dtype == np.float64 else np.complex64).reshape(shape)


def _as_real_meta(input: Spec) -> Spec:
    if input.dtype.category != 3:
        raise TensorError("view_as_real is only supported for complex tensors")
    return Spec((*input.shape, 2), dtypes.to_real(input.dtype))


@op(
    "view_as_real(Tensor input) -> Tensor",
    meta=_as_real_meta,
    kind="view",
    forms="function",
    samples=over(
        Sample(array(3, 2) * (1 + 2j)),
        Sample(np.array(1 + 2j), tags=("0-d",)),
        Sample(array(0, 2) * 1j, tags=("empty",)),
        Sample((array(4, 2) * (1 - 1j))[::2], tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g: rules.view_as_complex(rules.contiguous(g))},
)
def view_as_real(input: Any) -> Any:
    """A view of complex numbers as pairs in a new last dim. Gradient: g as complex numbers. Source: torch.view_as_real.

    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if input.dtype.kind != "c":
        raise TensorError("view_as_real is only supported for complex tensors")
    return np.expand_dims(input, -1).view(np.float64 if input.dtype == np.complex128 else np.float32)
