"""Rows of a table by number, and their gradients. Rules and names: PyTorch's derivatives.yaml (embedding_dense_backward)."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.domain import spoken
from engine.errors import DimensionError, InvalidValueError, TensorError
from engine.grad_mode import no_grad
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided

_SPARSE_FROM = 8192
"""Elements from which one sparse product beats adding element by element."""


def _check(weight: Any, indices: Any) -> None:
    if weight.ndim != 2:
        raise TensorError("'weight' must be 2-D")
    if indices.dtype.name not in ("int64", "int32"):
        raise TensorError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{spoken(indices)}Tensor instead (while checking arguments for embedding)"
        )


def _embedding_meta(weight: Spec, indices: Spec, *rest: Any) -> Spec:
    _check(weight, indices)
    return Spec((*indices.shape, weight.shape[1]), weight.dtype)


_TABLE = array(4, 3)
_NUMBERS = np.array([[0, 2], [2, 1]])


@op(
    "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    meta=_embedding_meta,
    kind="linear",
    forms="function",
    samples=over(
        Sample(_TABLE, _NUMBERS),
        Sample(_TABLE, _NUMBERS, 2),
        Sample(_TABLE, np.array(3), tags=("0-d",)),
        Sample(_TABLE, np.zeros(0, np.int64), tags=("empty",)),
        Sample(strided(4, 3), _NUMBERS.T, -1, True, tags=("non-contiguous",)),
    ),
    vjp={
        "weight": lambda g, weight_shape, indices, padding_idx, scale_grad_by_freq: rules.embedding_dense_backward(
            g, indices, weight_shape[0], padding_idx, scale_grad_by_freq
        )
    },
    jvp=lambda weight_t, indices: rules.embedding(weight_t, indices),
)
def embedding(weight: Any, indices: Any, padding_idx: Any, scale_grad_by_freq: Any, sparse: Any) -> Any:
    """Rows of ``weight`` by number.

    Shapes: weight (n, d), indices any; the result is (*indices, d). padding_idx: a row without gradient. scale_grad_by_freq: divide each
    row's gradient by how often it was asked for. sparse is taken and ignored: gradients are dense. Gradient: g added up by row. Errors:
    IndexError for a number out of range. Source: torch.embedding.

    >>> torch.embedding(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1, 0, 1]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    _check(weight, indices)
    if indices.size and (
        np.minimum.reduce(indices, axis=None) < 0 or np.maximum.reduce(indices, axis=None) >= len(weight)
    ):
        raise DimensionError("index out of range in self")
    return np.take(weight, indices, axis=0)


def added(rows: Any, indices: Any, count: int) -> Any:
    """Rows added up by number: (b, d) and (b) to (count, d)."""
    b, d = rows.shape
    if b * d >= _SPARSE_FROM and rows.dtype.char in "fdFD":
        from scipy.sparse import csc_array

        picks = csc_array((np.ones(b, rows.dtype), indices, np.arange(b + 1)), shape=(count, b))
        return picks @ np.ascontiguousarray(rows)
    out = np.zeros((count, d), rows.dtype)
    np.add.at(out.reshape(-1), (indices[:, None] * d + np.arange(d)).reshape(-1), rows.reshape(-1))
    return out


@op(
    "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, int padding_idx, bool scale_grad_by_freq) -> Tensor",
    meta=lambda grad_output, indices, num_weights, padding_idx, scale_grad_by_freq: Estimate(
        (Spec((num_weights, grad_output.shape[-1]), grad_output.dtype),),
        2 * grad_output.nbytes + 32 * indices.numel,
        2 * grad_output.numel + num_weights * grad_output.shape[-1],
    ),
    kind="linear",
    forms="",
    samples=over(
        Sample(array(2, 2, 3), _NUMBERS, 4, -1, False),
        Sample(array(2, 2, 3), _NUMBERS, 4, 2, True),
        Sample(array(2, 2, 3), _NUMBERS, 2, 2, False),
    ),
    vjp={
        "grad_output": lambda g, indices, padding_idx, scale_grad_by_freq: rules._embedding_kept(
            g, indices, padding_idx, scale_grad_by_freq
        )
    },
)
def embedding_dense_backward(
    grad_output: Any, indices: Any, num_weights: Any, padding_idx: Any, scale_grad_by_freq: Any
) -> Any:
    """Rows added up by number, without those of ``padding_idx``. Gradient: the rows of g by number. Source: PyTorch's own."""
    numbers = np.asarray(indices).reshape(-1).astype(np.int64, copy=False)
    rows = grad_output.reshape(numbers.size, grad_output.shape[-1])
    if padding_idx >= 0:
        keep = numbers != padding_idx
        if not np.logical_and.reduce(keep):
            numbers, rows = numbers[keep], rows[keep]
    if scale_grad_by_freq:
        rows = rows / np.bincount(numbers, minlength=num_weights)[numbers, None].astype(rows.dtype)
    return added(rows, numbers, num_weights)


@op(
    "_embedding_kept(Tensor weight, Tensor indices, int padding_idx, bool scale_grad_by_freq) -> Tensor",
    meta=_embedding_meta,
    kind="linear",
    forms="",
    samples=over(Sample(_TABLE, _NUMBERS, 2, False), Sample(_TABLE, _NUMBERS, -1, True)),
    vjp={
        "weight": lambda g, weight_shape, indices, padding_idx, scale_grad_by_freq: rules.embedding_dense_backward(
            g, indices, weight_shape[0], padding_idx, scale_grad_by_freq
        )
    },
)
def _embedding_kept(weight: Any, indices: Any, padding_idx: Any, scale_grad_by_freq: Any) -> Any:
    """Rows by number, zeros for ``padding_idx``: the transpose of ``embedding_dense_backward``. Gradient: that. Source: PyTorch's own."""
    numbers = np.asarray(indices)
    rows = np.take(weight, numbers, axis=0, mode="clip")
    if scale_grad_by_freq:
        flat = numbers.reshape(-1)
        rows = rows / np.bincount(flat)[numbers][..., None].astype(rows.dtype)
    if padding_idx >= 0:
        rows = np.where((numbers != padding_idx)[..., None], rows, rows.dtype.type(0))
    return rows


@op(
    "_embedding_renorm(Tensor input, Tensor indices, float max_norm, float norm_type) -> Tensor",
    meta=lambda input, indices, max_norm, norm_type: input,
    kind="opaque",
    forms="",
    samples=over(Sample(_TABLE, _NUMBERS, 1.0, 2.0)),
)
def _embedding_renorm(input: Any, indices: Any, max_norm: Any, norm_type: Any) -> Any:
    """The rows that are asked for, made no longer than ``max_norm``. Source: PyTorch's embedding_renorm_."""
    _check(input, indices)
    numbers = np.unique(indices)
    if numbers.size and (numbers[0] < 0 or numbers[-1] >= len(input)):
        raise DimensionError("index out of range in self")
    out = np.array(input)
    norms = np.linalg.norm(out[numbers], norm_type, axis=1)
    long = norms > max_norm
    out[numbers[long]] *= (max_norm / (norms[long] + 1e-7)).astype(out.dtype)[:, None]
    return out


def renorm(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """``weight`` itself changed, outside of any graph, as PyTorch does where ``max_norm`` is given."""
    if isinstance(weight, np.ndarray):
        weight[...] = _embedding_renorm.kernel(weight, indices, max_norm, norm_type)
        return
    with no_grad():
        own = weight.detach()
        own.copy_(rules._embedding_renorm(own, indices, max_norm, norm_type))


def _padding(padding_idx: Any, count: int) -> int:
    if padding_idx is None:
        return -1
    if not -count <= padding_idx < count:
        raise InvalidValueError("Padding_idx must be within num_embeddings")
    return padding_idx % count  # type: ignore[no-any-return]


def _public_meta(
    input: Spec,
    weight: Spec,
    padding_idx: Any,
    max_norm: Any,
    norm_type: float,
    scale_grad_by_freq: bool,
    sparse: bool,
) -> Estimate:
    out = _embedding_meta(weight, input)
    _padding(padding_idx, weight.shape[0])
    return Estimate(
        (out,), 0 if max_norm is None else 2 * weight.nbytes, out.numel + (0 if max_norm is None else 2 * weight.numel)
    )


@op(
    "embedding.functional(Tensor input, Tensor weight, int? padding_idx=None, float? max_norm=None, float norm_type=2.0, "
    "bool scale_grad_by_freq=False, bool sparse=False) -> Tensor",
    meta=_public_meta,
    kind="composite",
    names=("nn.functional.embedding",),
    forms="function",
    samples=over(
        Sample(_NUMBERS, _TABLE),
        Sample(_NUMBERS, _TABLE, -2, scale_grad_by_freq=True),
        Sample(np.array(3), _TABLE, tags=("0-d",)),
        Sample(np.zeros(0, np.int64), _TABLE, tags=("empty",)),
        Sample(_NUMBERS.T, strided(4, 3), tags=("non-contiguous",)),
    ),
)
def embedding_functional(
    input: Any,
    weight: Any,
    padding_idx: Any,
    max_norm: Any,
    norm_type: Any,
    scale_grad_by_freq: Any,
    sparse: Any,
) -> Any:
    """Rows of ``weight`` by number: a table of vectors for words.

    Shapes: input any, of int64 or int32; weight (n, d); the result is (*input, d). padding_idx: a row without gradient. max_norm: rows
    asked for that are longer are shortened in ``weight`` itself. Gradient: g added up by row. Errors: IndexError for a number out of
    range. Source: torch.nn.functional.embedding.

    >>> torch.nn.functional.embedding(torch.tensor([1, 0, 1]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    _check(weight, input)
    padding = _padding(padding_idx, weight.shape[0])
    if max_norm is not None:
        renorm(weight, input, max_norm, norm_type)
    return rules.embedding(weight, input, padding, scale_grad_by_freq, sparse)
