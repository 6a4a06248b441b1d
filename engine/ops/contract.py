"""Sums of products over named or numbered dims: einsum, tensordot, kron, trace. The parts are PyTorch's: permute, then bmm or mm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from engine import dtypes
from engine.domain import spoken
from engine.errors import DtypeError, ShapeError, TensorError
from engine.matrices import on_diagonal
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over, strided
from engine.shapes import wrap_dim, wrap_dims

LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DOT: Final = "."


def _labels(text: str, where: str, start: int) -> list[str]:
    """The letters of one term, an ellipsis as one dot. Errors: RuntimeError in PyTorch's words."""
    out: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == DOT:
            if DOT in out:
                raise TensorError(f"einsum(): found '.' for {where} for which an ellipsis was already found")
            if text[i : i + 3] != "...":
                raise TensorError(f"einsum(): found '.' for {where} that is not part of any ellipsis (...)")
            out.append(DOT)
            i += 2
        elif c in LETTERS:
            out.append(c)
        elif c != " ":
            raise TensorError(
                f"einsum(): invalid subscript given at index {start + i} in the equation string, subscripts must be in [a-zA-Z]"
            )
        i += 1
    return out


class Contraction:
    """An equation read against shapes: for each operand the labels of its dims, and all labels, those of the output first.

    An ellipsis stands for numbered labels ("0" is the outermost of the widest ellipsis).
    """

    def __init__(self, equation: str, shapes: Sequence[tuple[int, ...]]) -> None:
        left, arrow, right = equation.partition("->")
        terms = left.split(",")
        if not shapes:
            raise TensorError("einsum(): must provide at least one operand")
        if len(terms) != len(shapes):
            fewer = "fewer" if len(shapes) < len(terms) else "more"
            raise TensorError(f"einsum(): {fewer} operands were provided than specified in the equation")
        starts = [sum(len(t) + 1 for t in terms[:k]) for k in range(len(terms))]
        named = [_labels(t, f"operand {k}", s) for k, (t, s) in enumerate(zip(terms, starts, strict=True))]
        rests = [self._rest(names, shape, k) for k, (names, shape) in enumerate(zip(named, shapes, strict=True))]
        widest = max(rests)
        dots = [str(i) for i in range(widest)]
        self.operands = [_spread(names, dots[widest - rest :]) for names, rest in zip(named, rests, strict=True)]
        self.sizes: dict[str, int] = {}
        for k, (labels, shape) in enumerate(zip(self.operands, shapes, strict=True)):
            self._measure(k, labels, shape)
        used = {c for labels in self.operands for c in labels}
        if arrow:
            asked = _labels(right, "output", len(left) + 2)
            self.output = _spread(asked, dots)
            self._check_output(used)
        else:
            every = [c for labels in self.operands for c in labels]
            self.output = dots + sorted(c for c in used if c in LETTERS and every.count(c) == 1)
        self.every = self.output + sorted(used - set(self.output))

    def _rest(self, names: list[str], shape: tuple[int, ...], k: int) -> int:
        count = len(names) - (DOT in names)
        if DOT in names:
            if count > len(shape):
                raise TensorError(
                    f"einsum(): the number of subscripts in the equation ({count}) is more than the number of dimensions ({len(shape)}) "
                    f"for operand {k}"
                )
            return len(shape) - count
        if count != len(shape):
            raise TensorError(
                f"einsum(): the number of subscripts in the equation ({count}) does not match the number of dimensions ({len(shape)}) "
                f"for operand {k} and no ellipsis was given"
            )
        return 0

    def _measure(self, k: int, labels: list[str], shape: tuple[int, ...]) -> None:
        own: dict[str, int] = {}
        for c, n in zip(labels, shape, strict=True):
            if own.setdefault(c, n) != n:
                raise TensorError(
                    f"einsum(): subscript {c} is repeated for operand {k} but the sizes don't match, {n} != {own[c]}"
                )
        for c, n in own.items():
            seen = self.sizes.setdefault(c, n)
            if 1 not in (seen, n) and seen != n:
                raise TensorError(
                    f"einsum(): subscript {c} has size {n} for operand {k} which does not broadcast with previously seen size {seen}"
                )
            if seen == 1:
                self.sizes[c] = n

    def _check_output(self, used: set[str]) -> None:
        for c in self.output:
            if self.output.count(c) > 1:
                raise TensorError(f"einsum(): output subscript {c} appears more than once in the output")
            if c not in used:
                raise TensorError(
                    f"einsum(): output subscript {c} does not appear in the equation for any input operand"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.sizes[c] for c in self.output)


def _spread(names: list[str], dots: list[str]) -> list[str]:
    return [c for name in names for c in (dots if name == DOT else [name])]


def _aligned(operand: Any, labels: list[str], every: list[str]) -> Any:
    """The operand with a dim for each label, in their order; repeated labels become a diagonal."""
    labels = list(labels)
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            first = labels.index(c)
            second = labels.index(c, first + 1)
            operand = rules.diagonal(operand, 0, first, second)
            del labels[second], labels[first]
            labels.append(c)
    for c in every:
        if c not in labels:
            operand = rules.unsqueeze(operand, -1)
            labels.append(c)
    return rules.permute(operand, [labels.index(c) for c in every])


def _product(left: Any, right: Any, summed: list[int]) -> Any:
    """Sum the product over some dims, which stay with size 1: one bmm."""
    dims = range(left.ndim)
    both = [d for d in dims if d not in summed and left.shape[d] != 1 and right.shape[d] != 1]
    own = [d for d in dims if d not in summed and left.shape[d] != 1 and right.shape[d] == 1]
    rest = [d for d in dims if d not in summed and d not in both and d not in own]
    size = {name: math.prod(of[d] for d in ds) for name, of, ds in _groups(left, right, both, own, rest, summed)}
    a = rules.reshape(rules.permute(left, [*both, *own, *summed, *rest]), (size["both"], size["own"], size["summed"]))
    b = rules.reshape(rules.permute(right, [*both, *summed, *rest, *own]), (size["both"], size["summed"], size["rest"]))
    order = [*both, *own, *summed, *rest]
    shape = [
        *(left.shape[d] for d in (*both, *own)),
        *(1 for _ in summed),
        *(right.shape[d] for d in rest),
    ]
    out = rules.reshape(rules.bmm(a, b), tuple(shape))
    return rules.permute(out, [order.index(d) for d in dims])


def _groups(left: Any, right: Any, both: Any, own: Any, rest: Any, summed: Any) -> Any:
    return (
        ("both", left.shape, both),
        ("own", left.shape, own),
        ("rest", right.shape, rest),
        ("summed", left.shape, summed),
    )


def _einsum_meta(equation: str, operands: list[Spec], path: Any = None) -> Estimate:
    read = Contraction(equation, [o.shape for o in operands])
    out = Spec(read.shape, operands[0].dtype)
    for o in operands[1:]:
        _same_dtype(operands[0], o, f"expected scalar type {spoken(operands[0])} but found {spoken(o)}")
    size, cost, work = 0, 0, 0
    held = set(read.operands[0])
    for labels in read.operands[1:]:
        later = set(read.output).union(*read.operands[read.operands.index(labels) + 1 :])
        cost += 2 * math.prod(read.sizes[c] for c in held | set(labels))
        held = (held | set(labels)) & later
        size = math.prod(read.sizes[c] for c in held)
        work += 2 * size * out.dtype.itemsize
    given = sum(o.numel for o in operands)
    return Estimate((out,), work + 2 * given * out.dtype.itemsize, max(cost + given + out.numel, 1))


def _same_dtype(a: Any, b: Any, sentence: str) -> None:
    if a.dtype != b.dtype:
        raise DtypeError(sentence)


@op(
    "einsum(str equation, Tensor[] operands, *, Any path=None) -> Tensor",
    meta=_einsum_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample("ij,jk->ik", [array(2, 3), array(3, 4)]),
        Sample("bij,bjk", [array(2, 2, 3), array(2, 3, 2)]),
        Sample("...i,i->...", [array(2, 2, 3), array(3)], tags=("broadcast",)),
        Sample("ii->i", [array(3, 3)]),
        Sample("i,ij,j->", [array(2), array(2, 3), array(3)]),
        Sample(",->", [np.array(1.5), np.array(0.5)], tags=("0-d",)),
        Sample("ij,jk->ik", [np.zeros((0, 3)), array(3, 2)], tags=("empty",)),
        Sample("ij,kj->ik", [strided(3, 2), array(3, 2)], tags=("non-contiguous",)),
    ),
)
def einsum(equation: Any, operands: Any, path: Any) -> Any:
    """Multiply, and sum over the letters that the output does not name; without an output over those that occur twice.

    Shapes: as the equation says; ``...`` broadcasts. Gradient: from its parts. Errors: RuntimeError for an equation that does not fit.
    Source: torch.einsum.

    >>> torch.einsum("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 2))
    tensor([[3., 3.],
            [3., 3.]])
    >>> torch.einsum("ii->i", torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    read = Contraction(equation, [tuple(o.shape) for o in operands])
    aligned = [_aligned(o, labels, read.every) for o, labels in zip(operands, read.operands, strict=True)]
    contracted = range(len(read.output), len(read.every))
    out = aligned[0]
    for k, other in enumerate(aligned[1:], 1):
        _same_dtype(out, other, f"expected scalar type {spoken(out)} but found {spoken(other)}")
        done = [d for d in contracted if all(o.shape[d] == 1 for o in aligned[k + 1 :])]
        summed = [d for d in done if out.shape[d] != 1 and other.shape[d] != 1]
        alone = [d for d in done if out.shape[d] != 1 and other.shape[d] == 1]
        if alone:
            out = rules.sum(out, alone, True)
        alone = [d for d in done if out.shape[d] == 1 and other.shape[d] != 1]
        right = rules.sum(other, alone, True) if alone else other
        out = _product(out, right, summed) if summed else out * right
    if not contracted:
        return out
    if len(operands) == 1:
        return rules.sum(out, list(contracted))
    return rules.reshape(out, read.shape)


# -- tensordot ----------------------------------------------------------------------------------------------------------


def _paired(a: Any, b: Any, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dims that are summed, of each. Errors: RuntimeError in PyTorch's words."""
    if isinstance(dims, (tuple, list)):
        first, second = dims
        first, second = [[d] if isinstance(d, int) else list(d) for d in (first, second)]
    else:
        n = int(dims)
        if n < 0:
            raise TensorError(f"tensordot expects dims >= 0, but got dims={n}")
        if n > min(len(a.shape), len(b.shape)):
            raise TensorError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={n}")
        first, second = list(range(-n, 0)), list(range(n))
    if len(first) != len(second):
        raise TensorError("both dimension lists should have same length")
    _same_dtype(a, b, "both inputs should have same dtype")
    for p, q in zip(first, second, strict=True):
        m, n = a.shape[wrap_dim(p, len(a.shape))], b.shape[wrap_dim(q, len(b.shape))]
        if m != n and 1 not in (m, n):
            raise ShapeError(
                f"contracted dimensions need to match, but first has size {m} in dim {p} and second has size {n} in dim {q}"
            )
    one = wrap_dims(first, len(a.shape)) if first else ()
    two = wrap_dims(second, len(b.shape)) if second else ()
    return one, two


def _tensordot_meta(a: Spec, b: Spec, dims: Any) -> Estimate:
    one, two = _paired(a, b, dims)
    left = tuple(n for d, n in enumerate(a.shape) if d not in one)
    right = tuple(n for d, n in enumerate(b.shape) if d not in two)
    out = Spec((*left, *right), a.dtype)
    inner = math.prod(min(a.shape[p], b.shape[q]) for p, q in zip(one, two, strict=True))
    return Estimate((out,), a.nbytes + b.nbytes, max(2 * out.numel * inner, 1))


@op(
    "tensordot(Tensor a, Tensor b, Any dims=2) -> Tensor",
    meta=_tensordot_meta,
    kind="composite",
    forms="function",
    samples=over(
        Sample(array(2, 3), array(3, 4), 1),
        Sample(array(2, 3, 2), array(3, 2, 2)),
        Sample(array(2, 3), array(4, 2), ([0], [1])),
        Sample(array(2, 3), array(2, 3), ([0, 1], [0, -1]), tags=("negative dim",)),
        Sample(np.array(1.5), array(2), 0, tags=("0-d",)),
        Sample(np.zeros((0, 3)), array(3, 2), 1, tags=("empty",)),
        Sample(array(2, 3), array(1, 2), ([1], [0]), tags=("broadcast",)),
        Sample(strided(3, 2), array(2, 2), 1, tags=("non-contiguous",)),
    ),
)
def tensordot(a: Any, b: Any, dims: Any) -> Any:
    """Sum the products over the last ``dims`` dims of a and the first of b, or over two lists of dims.

    Shapes: the dims that are left, of a, then of b. Gradient: from its parts. Errors: RuntimeError for sizes that differ.
    Source: torch.tensordot.

    >>> torch.tensordot(torch.ones(2, 3), torch.ones(3, 2), dims=1)
    tensor([[3., 3.],
            [3., 3.]])
    """
    one, two = _paired(a, b, dims)
    for p, q in zip(one, two, strict=True):
        if a.shape[p] == 1 and b.shape[q] != 1:
            b = rules.sum(b, [q], True)
        elif b.shape[q] == 1 and a.shape[p] != 1:
            a = rules.sum(a, [p], True)
    left = [d for d in range(a.ndim) if d not in one]
    right = [d for d in range(b.ndim) if d not in two]
    shape = (*(a.shape[d] for d in left), *(b.shape[d] for d in right))
    inner = math.prod(a.shape[d] for d in one)
    first, second = rules.permute(a, [*left, *one]), rules.permute(b, [*two, *right])
    if not left and not right:
        return rules.reshape(rules.dot(rules.reshape(first, (inner,)), rules.reshape(second, (inner,))), ())
    rows, columns = math.prod(a.shape[d] for d in left), math.prod(b.shape[d] for d in right)
    return rules.reshape(rules.mm(rules.reshape(first, (rows, inner)), rules.reshape(second, (inner, columns))), shape)


# -- trace and kron -----------------------------------------------------------------------------------------------------


def _trace_check(input: Any) -> None:
    if len(input.shape) != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {len(input.shape)}")


def _trace_meta(input: Spec) -> Spec:
    _trace_check(input)
    return Spec((), input.dtype if input.dtype.category >= 2 else dtypes.int64)


@op(
    "trace(Tensor input) -> Tensor",
    meta=_trace_meta,
    kind="reduce",
    samples=over(
        Sample(array(3, 3)),
        Sample(array(2, 3)),
        Sample(np.zeros((0, 3)), tags=("empty",)),
        Sample(strided(3, 2), tags=("non-contiguous",)),
    ),
    vjp={"input": lambda g, input_shape: rules.where(on_diagonal(*input_shape), g, 0)},
)
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    Shapes: (m, n) → (). Gradient: g on the diagonal. Errors: RuntimeError for what is no matrix. Source: torch.trace.

    >>> torch.trace(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    _trace_check(input)
    return np.add.reduce(np.diagonal(input), dtype=input.dtype if input.dtype.kind in "fc" else np.int64)


def _kron_shapes(a: Any, b: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    n = max(len(a.shape), len(b.shape))
    first = (1,) * (n - len(a.shape)) + tuple(a.shape)
    second = (1,) * (n - len(b.shape)) + tuple(b.shape)
    return (
        tuple(k for m in first for k in (m, 1)),
        tuple(k for m in second for k in (1, m)),
        tuple(p * q for p, q in zip(first, second, strict=True)),
    )


@op(
    "kron(Tensor input, Tensor other) -> Tensor",
    meta=lambda input, other: Spec(_kron_shapes(input, other)[2], input.dtype),
    kind="composite",
    promote="common",
    samples=over(
        Sample(array(2, 2), array(2, 3)),
        Sample(array(2), array(2, 2), tags=("broadcast",)),
        Sample(np.array(1.5), array(2), tags=("0-d",)),
        Sample(np.zeros((0, 2)), array(2, 2), tags=("empty",)),
        Sample(strided(3, 2), array(2, 2), tags=("non-contiguous",)),
    ),
)
def kron(input: Any, other: Any) -> Any:
    """Every element of ``input`` times the whole of ``other``: the Kronecker product.

    Shapes: sizes multiply, dim by dim from the last. Gradient: from its parts. Source: torch.kron.

    >>> torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    first, second, whole = _kron_shapes(input, other)
    return rules._unsafe_view(rules.reshape(input, first) * rules.reshape(other, second), whole)
