"""Products of matrices and vectors added to something. Rules and names: PyTorch's derivatives.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided

FORMS = "function method inplace"


def _conjugate(number: Any) -> Any:
    return number.conjugate() if type(number) is complex else number


def _scaled(value: Any, number: Any) -> Any:
    """A gradient times the conjugate of a factor."""
    return value if number == 1 else value * _conjugate(number)


def _combined(input: Any, whole: Any, beta: Any, alpha: Any) -> Any:
    """beta·input + alpha·whole in the dtype of the product; where beta is 0, input is not read."""
    d = whole.dtype
    if d.kind in "iu":
        beta, alpha = int(beta), int(alpha)
    elif d.kind == "b":
        beta, alpha = bool(beta), bool(alpha)
    out = whole if alpha == 1 else np.multiply(whole, d.type(alpha))
    if beta != 0:
        added = np.add(out, input if beta == 1 else np.multiply(input, d.type(beta)))
        return added.astype(d, copy=False)
    return np.asarray(out).astype(d, copy=False)


def _expands(shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Errors: RuntimeError where a shape does not expand to another."""
    lead = len(target) - len(shape)
    for i, n in enumerate(shape):
        if lead < 0 or n not in (1, target[i + lead]):
            want = target[i + lead] if lead >= 0 else target[0]
            raise ShapeError(
                f"The expanded size of the tensor ({want}) must match the existing size ({n}) at non-singleton dimension "
                f"{i + max(lead, 0)}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )


def _batches(input: Any, batch1: Any, batch2: Any, summed: bool) -> tuple[int, ...]:
    """The shape of the result. Errors: RuntimeError in PyTorch's words."""
    for name, value in (("batch1", batch1), ("batch2", batch2)):
        if len(value.shape) != 3:
            raise ShapeError(f"{name} must be a 3D tensor")
    b, m, k = batch1.shape
    if batch2.shape[0] != b:
        if summed:
            raise ShapeError(f"batch1 and batch2 must have same number of batches, got {b} and {batch2.shape[0]}")
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: {list(batch2.shape[:2])}."
        )
    if batch2.shape[1] != k:
        if summed:
            raise ShapeError(f"Incompatible matrix sizes for bmm ({m}x{k} and {batch2.shape[1]}x{batch2.shape[2]})")
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: {list(batch2.shape[:2])}."
        )
    shape = (m, batch2.shape[2]) if summed else (b, m, batch2.shape[2])
    _expands(tuple(input.shape), shape)
    if not input.dtype == batch1.dtype == batch2.dtype:
        raise DtypeError(
            f"Input dtypes must be the same, got: input {_low(input)}, batch1: {_low(batch1)}, batch2: {_low(batch2)}"
        )
    if spoken(input) == "Bool":
        raise TensorError(f"\"{'addbmm' if summed else 'baddbmm'}\" not implemented for 'Bool'")
    return shape


def _low(value: Any) -> str:
    return spoken(value).lower()


def _batch_meta(summed: bool) -> Any:
    def meta(input: Spec, batch1: Spec, batch2: Spec, beta: Any, alpha: Any) -> Estimate:
        shape = _batches(input, batch1, batch2, summed)
        out = Spec(shape, input.dtype)
        b, m, k = batch1.shape
        n = batch2.shape[2]
        return Estimate((out,), 3 * b * m * n * out.dtype.itemsize, max(2 * b * m * k * n + 2 * out.numel, 1))

    return meta


def _to_batches(g: Any, batch1: Any, batch2: Any, alpha: Any) -> Any:
    g = _scaled(g, alpha)
    return rules.bmm(g, rules.transpose(batch2, -2, -1).conj()), rules.bmm(rules.transpose(batch1, -2, -1).conj(), g)


def _over_batches(g: Any, batch1: Any, batch2: Any, alpha: Any) -> Any:
    wide = rules.expand(g, (batch1.shape[0], batch1.shape[1], batch2.shape[2]))
    return _to_batches(wide, batch1, batch2, alpha)


def _batch_samples(*input: int) -> Any:
    return over(
        Sample(array(*input), array(2, 2, 3), array(2, 3, 2), beta=0.5, alpha=2.0),
        Sample(array(2, *(1,) * (len(input) - 1)), array(2, 2, 3), array(2, 3, 2), tags=("broadcast",)),
        Sample(np.zeros((0, 1)), array(2, 0, 3), array(2, 3, 1), tags=("empty",)),
        Sample(array(*input), strided(2, 2, 3), strided(2, 3, 2), beta=0, tags=("non-contiguous",)),
        Sample(np.array(1.5), array(2, 2, 3), array(2, 3, 2), tags=("0-d",)),
    )


@op(
    "baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    meta=_batch_meta(False),
    kind="opaque",
    forms=FORMS,
    samples=_batch_samples(2, 2, 2),
    vjp={
        "input": lambda g, beta: g * _conjugate(beta),
        "batch1": lambda g, batch2, alpha: rules.bmm(_scaled(g, alpha), rules.transpose(batch2, -2, -1).conj()),
        "batch2": lambda g, batch1, alpha: rules.bmm(rules.transpose(batch1, -2, -1).conj(), _scaled(g, alpha)),
    },
)
def baddbmm(input: Any, batch1: Any, batch2: Any, beta: Any, alpha: Any) -> Any:
    """beta·input + alpha·(batch1 @ batch2), matrix by matrix.

    Shapes: (b, m, k), (b, k, n) and what expands to (b, m, n). Gradient: beta·g; alpha·g batch2ᴴ; alpha·batch1ᴴ g. Errors: RuntimeError
    for
    shapes that do not fit. Source: torch.baddbmm.

    >>> torch.baddbmm(torch.ones(1, 2, 2), torch.ones(1, 2, 3), torch.ones(1, 3, 2))
    tensor([[[4., 4.],
             [4., 4.]]])
    """
    _batches(input, batch1, batch2, False)
    return _combined(input, np.matmul(batch1, batch2), beta, alpha)


@op(
    "addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    meta=_batch_meta(True),
    kind="opaque",
    forms=FORMS,
    samples=_batch_samples(2, 2),
    vjp={
        "input": lambda g, beta: g * _conjugate(beta),
        "batch1, batch2": _over_batches,
    },
)
def addbmm(input: Any, batch1: Any, batch2: Any, beta: Any, alpha: Any) -> Any:
    """beta·input + alpha·(the sum of all batch1 @ batch2).

    Shapes: (b, m, k), (b, k, n) and what expands to (m, n). Gradient: beta·g; alpha·g batch2ᴴ; alpha·batch1ᴴ g. Errors: RuntimeError for
    shapes that do not fit. Source: torch.addbmm.

    >>> torch.addbmm(torch.ones(2, 2), torch.ones(3, 2, 1), torch.ones(3, 1, 2))
    tensor([[4., 4.],
            [4., 4.]])
    """
    _batches(input, batch1, batch2, True)
    whole = np.add.reduce(np.matmul(batch1, batch2), axis=0, dtype=batch1.dtype)
    return _combined(input, whole, beta, alpha)


def _addmv_check(input: Any, mat: Any, vec: Any) -> tuple[int, ...]:
    if len(mat.shape) != 2 or len(vec.shape) != 1 or len(input.shape) > 1:
        raise ShapeError(
            f"vector + matrix @ vector expected, got {len(input.shape)}, {len(mat.shape)}, {len(vec.shape)}"
        )
    m, n = mat.shape
    if vec.shape[0] != n or (input.shape and input.shape[0] not in (1, m)):
        raise ShapeError(
            f"size mismatch, got input ({input.shape[0] if input.shape else 1}), mat ({m}x{n}), vec ({vec.shape[0]})"
        )
    if not input.dtype == mat.dtype == vec.dtype:
        names = (spoken(input), spoken(mat), spoken(vec))
        raise DtypeError(
            f"addmv input tensors must have the same dtype, but got {names[0]}, {names[1]}, and {names[2]}"
        )
    if spoken(input) == "Bool":
        raise TensorError("\"addmv_impl_cpu\" not implemented for 'Bool'")
    return (m,)


def _addmv_meta(input: Spec, mat: Spec, vec: Spec, beta: Any, alpha: Any) -> Estimate:
    out = Spec(_addmv_check(input, mat, vec), mat.dtype)
    return Estimate((out,), 3 * out.nbytes, max(2 * mat.numel, 1))


@op(
    "addmv(Tensor input, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    meta=_addmv_meta,
    kind="opaque",
    forms=FORMS,
    samples=over(
        Sample(array(2), array(2, 3), array(3), beta=0.5, alpha=2.0),
        Sample(array(1), array(2, 3), array(3), tags=("broadcast",)),
        Sample(np.array(1.5), array(2, 3), array(3), tags=("0-d",)),
        Sample(np.zeros(0), np.zeros((0, 3)), array(3), tags=("empty",)),
        Sample(array(2), strided(2, 3), array(3), beta=0, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, beta: g * _conjugate(beta),
        "mat": lambda g, vec, alpha: rules.unsqueeze(_scaled(g, alpha), -1) * rules.unsqueeze(vec.conj(), 0),
        "vec": lambda g, mat, alpha: rules.mv(rules.transpose(mat, -2, -1).conj(), _scaled(g, alpha)),
    },
)
def addmv(input: Any, mat: Any, vec: Any, beta: Any, alpha: Any) -> Any:
    """beta·input + alpha·(mat @ vec).

    Shapes: (m, n), (n) and what expands to (m). Gradient: beta·g; alpha·g vecᴴ; alpha·matᴴ g. Errors: RuntimeError for shapes that do not
    fit. Source: torch.addmv.

    >>> torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3))
    tensor([4., 4.])
    """
    _addmv_check(input, mat, vec)
    return _combined(input, np.matmul(mat, vec), beta, alpha)


def _addr_check(input: Any, vec1: Any, vec2: Any, beta: Any, alpha: Any) -> tuple[int, ...]:
    for name, value in (("vec1", vec1), ("vec2", vec2)):
        if len(value.shape) != 1:
            raise ShapeError(f"addr: Expected 1-D argument {name}, but got {len(value.shape)}-D")
    shape = (vec1.shape[0], vec2.shape[0])
    _expands(tuple(input.shape), shape)
    if spoken(input) in ("Byte", "Char", "Short", "Int", "Long"):
        for name, number in (("beta", beta), ("alpha", alpha)):
            if type(number) is float:
                raise TensorError(f"For integral input tensors, argument {name} must not be a floating point number.")
    return shape


def _addr_meta(input: Spec, vec1: Spec, vec2: Spec, beta: Any, alpha: Any) -> Estimate:
    out = Spec(_addr_check(input, vec1, vec2, beta, alpha), input.dtype)
    return Estimate((out,), 2 * out.nbytes, max(4 * out.numel, 1))


@op(
    "addr(Tensor input, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    meta=_addr_meta,
    kind="opaque",
    promote="common",
    forms=FORMS,
    samples=over(
        Sample(array(2, 3), array(2), array(3), beta=0.5, alpha=2.0),
        Sample(array(3), array(2), array(3), tags=("broadcast",)),
        Sample(np.array(1.5), array(2), array(3), tags=("0-d",)),
        Sample(np.zeros((0, 3)), np.zeros(0), array(3), tags=("empty",)),
        Sample(array(2, 3), strided(2), strided(3), beta=0, tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, beta: g * _conjugate(beta),
        "vec1": lambda g, vec2, alpha: rules.mv(_scaled(g, alpha), vec2.conj()),
        "vec2": lambda g, vec1, alpha: rules.mv(rules.transpose(_scaled(g, alpha), 0, 1), vec1.conj()),
    },
)
def addr(input: Any, vec1: Any, vec2: Any, beta: Any, alpha: Any) -> Any:
    """beta·input + alpha·(the outer product of two vectors).

    Shapes: (m), (n) and what expands to (m, n). Gradient: beta·g; alpha·g conj(vec2); alpha·gᵀ conj(vec1). Errors: RuntimeError for
    shapes that do not fit. Source: torch.addr.

    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
    tensor([[1., 3.],
            [2., 6.]])
    """
    _addr_check(input, vec1, vec2, beta, alpha)
    return _combined(input, np.multiply.outer(vec1, vec2), beta, alpha)
