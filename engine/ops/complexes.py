"""Complex numbers from their parts, and angles. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import TensorError, UnsupportedDtypeError
from engine.op import Spec, op
from engine.rules import rules
from engine.samples import pairs, unary
from engine.shapes import broadcast_shapes


def _parts(first: Any, second: Any, name: str) -> None:
    """Errors: RuntimeError for parts that are not floating, or not of one dtype."""
    names = [first.dtype.name, second.dtype.name]
    if not all(n.startswith("float") for n in names):
        raise TensorError(
            f"Expected both inputs to be Half, Float or Double tensors but got {spoken(first)} and {spoken(second)}"
        )
    if names[0] != names[1]:
        raise TensorError(
            f"Expected object of scalar type {spoken(first)} but got scalar type {spoken(second)} for second argument"
        )
    if names[0] == "float16":
        raise UnsupportedDtypeError(f"\"{name}_cpu\" not implemented for 'Half'")


def _parts_meta(first: Spec, second: Spec, name: str) -> Spec:
    _parts(first, second, name)
    d = dtypes.complex64 if first.dtype is dtypes.float32 else dtypes.complex128
    return Spec(broadcast_shapes(first.shape, second.shape), d)


def _joined(real: Any, imag: Any) -> Any:
    d = np.complex64 if real.dtype == np.float32 else np.complex128
    out = np.empty(np.broadcast_shapes(real.shape, imag.shape), d)
    out.real = real
    out.imag = imag
    return out if out.ndim else out[()]


@op(
    "complex(Tensor real, Tensor imag) -> Tensor",
    meta=lambda real, imag: _parts_meta(real, imag, "complex"),
    kind="opaque",
    forms="function",
    samples=pairs(),
    vjp={"real": lambda g: rules.real(g), "imag": lambda g: rules.imag(g)},
)
def complex_of(real: Any, imag: Any) -> Any:
    """A complex tensor of its real and imaginary parts.

    Shapes: any two that broadcast, of one floating dtype. Gradient: the parts of g. Errors: RuntimeError for dtypes that differ or are
    not floating. Source: torch.complex.

    >>> torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -4.0]))
    tensor([1.+3.j, 2.-4.j])
    """
    _parts(real, imag, "complex")
    return _joined(real, imag)


def _to_modulus(g: Any, result: Any) -> Any:
    return rules.real(rules.mul(g.conj(), rules.sgn(result)))


def _to_angle(g: Any, result: Any) -> Any:
    return rules.real(rules.mul(g.conj(), rules.mul(result, 1j)))


def _turned_tangent(angle: Any, result: Any, abs_t: Any, angle_t: Any) -> Any:
    """Of r·exp(iφ) along (dr, dφ): dr·exp(iφ) + i·dφ times it; right below 0, too, where the gradient's sign of r is PyTorch's."""
    along = 0 if abs_t is None else rules.polar(rules.expand_as(abs_t, result), rules.expand_as(angle, result))
    across = 0 if angle_t is None else rules.mul(result, 1j) * angle_t
    return along + across


@op(
    "polar(Tensor abs, Tensor angle) -> Tensor",
    meta=lambda abs, angle: _parts_meta(abs, angle, "polar"),
    kind="opaque",
    forms="function",
    samples=pairs(0.3, 2.0),
    vjp={"abs": _to_modulus, "angle": _to_angle},
    jvp=_turned_tangent,
)
def polar(abs: Any, angle: Any) -> Any:
    """A complex tensor of its moduli and its angles in radians.

    Shapes: any two that broadcast, of one floating dtype. Gradient: Re(conj(g)·sgn(result)) and Re(conj(g)·i·result). Errors:
    RuntimeError for dtypes that differ or are not floating. Source: torch.polar.

    >>> torch.polar(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.5]))
    tensor([1.0000+0.0000j, 0.1415+1.9950j])
    """
    _parts(abs, angle, "polar")
    return _joined(np.multiply(abs, np.cos(angle)), np.multiply(abs, np.sin(angle)))


def _angle_slope(g: Any, input: Any) -> Any:
    if not input.dtype.name.startswith("complex"):
        return rules.zeros_like(g)
    modulus = rules.abs(input)
    return rules.where(modulus == 0, 0, g * input / (modulus * modulus) * 1j)


@op(
    "angle(Tensor input) -> Tensor",
    meta=lambda input: Spec(
        input.shape, dtypes.to_real(input.dtype) if input.dtype.category >= 2 else dtypes.get_default_dtype()
    ),
    kind="pointwise",
    promote="float",
    samples=unary(),
    vjp={"input": _angle_slope},
)
def angle(input: Any) -> Any:
    """The angle of each complex element in radians; of a real one 0, or π where it is below 0.

    Gradient: i·g·input/|input|², 0 at 0; zero for real tensors. Source: torch.angle.

    >>> torch.angle(torch.tensor([1j, -1 + 0j]))
    tensor([1.5708, 3.1416])
    """
    if input.dtype.kind == "c":
        return np.arctan2(input.imag, input.real)
    turned = np.where(np.less(input, 0), math.pi, 0).astype(input.dtype)
    return np.where(np.isnan(input), input, turned)
