"""Products of matrices and vectors. Rules and names: PyTorch's derivatives.yaml and LinearAlgebra.cpp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import same_dtype, spoken
from engine.duals import differentiated
from engine.errors import ShapeError, TensorError, UnsupportedDtypeError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import adjoint, bmm, mm, rules
from engine.samples import array, over, strided
from engine.shapes import broadcast_shapes, matmul_estimate, matmul_shape, product, rows


def _no_bool(kernel: str, x: Any) -> None:
    if x.dtype.name == "bool":
        raise UnsupportedDtypeError(f"\"{kernel}\" not implemented for 'Bool'")


def _mm_check(input: Any, mat2: Any) -> None:
    if input.ndim != 2:
        raise TensorError("self must be a matrix")
    if mat2.ndim != 2:
        raise TensorError("mat2 must be a matrix")
    if input.shape[1] != mat2.shape[0]:
        raise ShapeError(
            f"mat1 and mat2 shapes cannot be multiplied ({input.shape[0]}x{input.shape[1]} and "
            f"{mat2.shape[0]}x{mat2.shape[1]})"
        )
    same_dtype(input, mat2)
    _no_bool("addmm_impl_cpu_", input)


def _mm_meta(input: Spec, mat2: Spec) -> Estimate:
    _mm_check(input, mat2)
    return product((input.shape[0], mat2.shape[1]), input.dtype, input.shape[1])


@op(
    "mm(Tensor input, Tensor mat2) -> Tensor",
    meta=_mm_meta,
    kind="opaque",
    samples=over(
        Sample(array(2, 3), array(3, 4)),
        Sample(array(0, 3), array(3, 2), tags=("empty",)),
        Sample(array(2, 0), array(0, 2), tags=("empty",)),
        Sample(strided(2, 3), strided(3, 4), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, mat2: mm(g, adjoint(mat2)),
        "mat2": lambda g, input: mm(adjoint(input), g),
    },
)
def matrixproduct(input: Any, mat2: Any) -> Any:
    """The product of two matrices.

    Shapes: (n, k) and (k, m) give (n, m). Gradient: g·mat2ᴴ for input, inputᴴ·g for mat2. Source: torch.mm.

    >>> torch.mm(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 2.],
            [3., 4.]])
    """
    if input.dtype != mat2.dtype or input.ndim != 2 or mat2.ndim != 2 or input.dtype.kind == "b":
        _mm_check(input, mat2)
    return input.dot(mat2)


def _mv_check(input: Any, vec: Any) -> None:
    if input.ndim != 2 or vec.ndim != 1:
        raise TensorError(f"vector + matrix @ vector expected, got {input.ndim}, {vec.ndim}, {vec.ndim}")
    if input.shape[1] != vec.shape[0]:
        raise ShapeError(
            f"size mismatch, got input ({input.shape[0]}), mat ({input.shape[0]}x{input.shape[1]}), vec ({vec.shape[0]})"
        )
    if input.dtype != vec.dtype:
        raise TensorError(
            f"addmv input tensors must have the same dtype, but got {spoken(vec)}, {spoken(input)}, and {spoken(vec)}"
        )


def _mv_meta(input: Spec, vec: Spec) -> Estimate:
    _mv_check(input, vec)
    return product((input.shape[0],), input.dtype, input.shape[1])


@op(
    "mv(Tensor input, Tensor vec) -> Tensor",
    meta=_mv_meta,
    kind="opaque",
    samples=over(
        Sample(array(2, 3), array(3)),
        Sample(array(0, 3), array(3), tags=("empty",)),
        Sample(strided(2, 3), strided(3), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, vec: rules.unsqueeze(g, 1) * vec.conj(),
        "vec": lambda g, input: rules.mv(input.T.conj(), g),
    },
)
def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector.

    Shapes: (n, k) and (k,) give (n,). Gradient: the outer product of g and conj(vec); inputᴴ·g. Source: torch.mv.

    >>> torch.mv(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.ones(2))
    tensor([3., 7.])
    """
    _mv_check(input, vec)
    return input.dot(vec)


def _dot_check(input: Any, tensor: Any) -> None:
    if input.ndim != 1 or tensor.ndim != 1:
        raise TensorError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.dtype != tensor.dtype:
        raise TensorError(
            f"dot : expected both vectors to have same dtype, but found {spoken(input)} and {spoken(tensor)}"
        )
    if input.shape != tensor.shape:
        raise ShapeError(
            f"inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] to have the same number of "
            f"elements, but got {input.shape[0]} and {tensor.shape[0]} elements respectively"
        )


VECTORS = over(
    Sample(array(3), array(3, start=9)),
    Sample(array(0), array(0), tags=("empty",)),
    Sample(strided(3), strided(3, start=9), tags=("non-contiguous",)),
)


def _dot_meta(input: Spec, tensor: Spec) -> Estimate:
    _dot_check(input, tensor)
    return product((), input.dtype, input.shape[0])


@op(
    "dot(Tensor input, Tensor tensor) -> Tensor",
    meta=_dot_meta,
    kind="opaque",
    samples=VECTORS,
    vjp={"input": lambda g, tensor: g * tensor.conj(), "tensor": lambda g, input: g * input.conj()},
)
def dot(input: Any, tensor: Any) -> Any:
    """The sum of the products of the elements of two vectors.

    Gradient: g·conj(tensor), g·conj(input). Errors: RuntimeError for what is not a vector. Source: torch.dot.

    >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _dot_check(input, tensor)
    return input.dtype.type(input.dot(tensor))


@op(
    "vdot(Tensor input, Tensor other) -> Tensor",
    meta=_dot_meta,
    kind="opaque",
    samples=VECTORS,
    vjp={"input": lambda g, other: g.conj() * other, "other": lambda g, input: g * input},
)
def vdot(input: Any, other: Any) -> Any:
    """The sum of the products of the elements of two vectors, the first conjugated.

    Gradient: conj(g)·other, g·input. Source: torch.vdot.

    >>> torch.vdot(torch.tensor([1 + 2j]), torch.tensor([1j]))
    tensor(2.+1.j)
    """
    _dot_check(input, other)
    return input.dtype.type(input.conj().dot(other))


def _bmm_check(input: Any, mat2: Any) -> None:
    if input.ndim != 3 or mat2.ndim != 3:
        raise TensorError("batch1 must be a 3D tensor" if input.ndim != 3 else "batch2 must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise ShapeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, {input.shape[2]}] but got: "
            f"[{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    if input.dtype != mat2.dtype:
        raise TensorError(f"expected scalar type {spoken(input)} but found {spoken(mat2)}")


def _bmm_meta(input: Spec, mat2: Spec) -> Estimate:
    _bmm_check(input, mat2)
    return product((*input.shape[:2], mat2.shape[2]), input.dtype, input.shape[2])


@op(
    "bmm(Tensor input, Tensor mat2) -> Tensor",
    meta=_bmm_meta,
    kind="opaque",
    samples=over(
        Sample(array(2, 2, 3), array(2, 3, 2)),
        Sample(array(0, 2, 3), array(0, 3, 2), tags=("empty",)),
        Sample(strided(2, 2, 3), strided(2, 3, 2), tags=("non-contiguous",)),
    ),
    vjp={
        "input": lambda g, mat2: bmm(g, mat2.mT.conj()),
        "mat2": lambda g, input: bmm(input.mT.conj(), g),
    },
)
def batchedproduct(input: Any, mat2: Any) -> Any:
    """The products of the matrices in two batches.

    Shapes: (b, n, k) and (b, k, m) give (b, n, m). Gradient: g·mat2ᴴ for input, inputᴴ·g for mat2. Source: torch.bmm.

    >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).shape
    torch.Size([2, 1, 1])
    """
    _bmm_check(input, mat2)
    return np.matmul(input, mat2)


def _products() -> list[Sample]:
    return [
        Sample(array(2, 3), array(3, 4)),
        Sample(array(3), array(3, start=9)),
        Sample(array(2, 3), array(3)),
        Sample(array(3), array(3, 2)),
        Sample(array(2, 2, 3), array(3, 2)),
        Sample(array(2, 3), array(2, 3, 2)),
        Sample(array(2, 1, 2, 3), array(3, 3, 2), tags=("broadcast",)),
        Sample(array(0, 3), array(3, 2), tags=("empty",)),
        Sample(strided(2, 3), strided(3, 4), tags=("non-contiguous",)),
    ]


@op(
    "_squeeze_first(Tensor input) -> Tensor",
    meta=lambda input: Spec(input.shape[1:], input.dtype),
    kind="linear",
    grad_fn="SqueezeBackward4",
    names=("_squeeze_first",),
    forms="",
    samples=over(
        Sample(array(1, 3)),
        Sample(array(1, 0), tags=("empty",)),
        Sample(strided(1, 4)[:, ::2], tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g: rules.unsqueeze(g, 0)},
)
def squeeze_first(input: Any) -> Any:
    """What a row times a matrix is without its first dim of size 1, which nobody else holds. Source: torch.matmul.

    >>> torch.ones(2) @ torch.eye(2)
    tensor([1., 1.])
    """
    return input.reshape(input.shape[1:])


@op(
    "matmul(Tensor input, Tensor other) -> Tensor",
    meta=matmul_estimate,
    kind="composite",
    samples=_products,
)
def matmul(input: Any, other: Any) -> Any:
    """The product of vectors, matrices, or batches of matrices, whose leading dims broadcast.

    Shapes: (…, n, k) and (…, k, m) give (…, n, m); a vector stands for one row or one column, which then goes.
    Gradient: g·otherᴴ for input, inputᴴ·g for other. Source: torch.matmul.

    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]) @ torch.ones(2)
    tensor([3., 7.])
    """
    a, b = input.ndim, other.ndim
    if a == 2 and b == 2:
        return rules.mm(input, other)
    if a == 1 and b == 1:
        return rules.dot(input, other)
    if a == 2 and b == 1:
        return rules.mv(input, other)
    shape = matmul_shape(tuple(input.shape), tuple(other.shape))
    if a == 1 and b == 2:
        return rules._squeeze_first(rules.mm(rules.unsqueeze(input, 0), other))
    if a >= 3 and b <= 2 and _folds(input, other):
        folded = (
            rules.reshape(input, (-1, input.shape[-1])) if input.shape[-1] else rules.reshape(input, (rows(input), 0))
        )
        product = rules.mv(folded, other) if b == 1 else rules.mm(folded, other)
        return rules._unsafe_view(product, shape)
    if b >= 3 and a <= 2 and _folds(other, input):
        turned = rules.transpose(other, -2, -1)
        folded = rules.reshape(turned, (rows(turned), turned.shape[-1]))
        if a == 1:
            return rules._unsafe_view(rules.mv(folded, input), shape)
        product = rules._unsafe_view(rules.mm(folded, rules.t(input)), (*turned.shape[:-1], input.shape[0]))
        return rules.contiguous(rules.transpose(product, -2, -1))
    left = rules.unsqueeze(input, 0) if a == 1 else input
    right = rules.unsqueeze(other, -1) if b == 1 else other
    batch = broadcast_shapes(tuple(left.shape[:-2]), tuple(right.shape[:-2]))
    count = 1
    for n in batch:
        count *= n
    n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
    left = rules.reshape(rules.expand(left, (*batch, n, k)), (count, n, k))
    right = rules.reshape(rules.expand(right, (*batch, k, m)), (count, k, m))
    return rules._unsafe_view(rules.bmm(left, right), shape)


def _folds(many: Any, few: Any) -> bool:
    """Whether a batch is folded into rows of one matrix, as PyTorch's should_fold decides."""
    if differentiated(few) or few.ndim == 1:
        return True
    if not many.size if isinstance(many, np.ndarray) else not many.numel():
        return True
    strides = many.strides if isinstance(many, np.ndarray) else many.stride()
    shape = many.shape
    return all(strides[i] == strides[i + 1] * shape[i + 1] for i in range(many.ndim - 2))


@op(
    "_rmatmul(Tensor input, Tensor other) -> Tensor",
    meta=lambda input, other: matmul_estimate(other, input),
    kind="composite",
    names=("_rmatmul",),
    forms="",
    samples=lambda: [Sample(s.args[1], s.args[0], tags=s.tags) for s in _products()],
)
def _rmatmul(input: Any, other: Any) -> Any:
    """``other @ input``. Source: torch.Tensor.__rmatmul__.

    >>> torch.ones(2) @ torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([4., 6.])
    """
    return rules.matmul(other, input)


def _outer_meta(input: Spec, vec2: Spec) -> Spec:
    _outer_check(input, vec2)
    return Spec((input.shape[0], vec2.shape[0]), input.dtype)


def _outer_check(input: Any, vec2: Any) -> None:
    for name, v in (("self", input), ("vec2", vec2)):
        if v.ndim != 1:
            raise TensorError(f"outer: Expected 1-D argument {name}, but got {v.ndim}-D")


@op(
    "outer(Tensor input, Tensor vec2) -> Tensor",
    meta=_outer_meta,
    kind="composite",
    promote="common",
    names=("outer", "ger"),
    samples=over(
        Sample(array(3), array(2, start=9)),
        Sample(array(0), array(2), tags=("empty",)),
        Sample(strided(3), strided(2, start=9), tags=("non-contiguous",)),
    ),
)
def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of one vector and one of another.

    Shapes: (n,) and (m,) give (n, m). Gradient: as a product that broadcasts. Source: torch.outer.

    >>> torch.outer(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _outer_check(input, vec2)
    return rules.mul(rules.reshape(input, (input.shape[0], 1)), vec2)
