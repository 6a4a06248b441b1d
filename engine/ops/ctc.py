"""Connectionist temporal classification: the likelihood of a sequence of labels over all alignments. Source: PyTorch's LossCTC.cpp."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from engine.domain import Domain
from engine.errors import DimensionError, NoDerivativeError, ShapeError, TensorError
from engine.op import Estimate, Sample, Spec, op
from engine.rules import rules
from engine.samples import array, over
from engine.shapes import loss_shape

CTC = Domain("bihc", "\"ctc_loss_cpu\" not implemented for '{dtype}'")
CHECKING = "(while checking arguments for ctc_loss_allocate_outputs)"


def _check(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int) -> None:
    """Errors: RuntimeError for what does not fit: log-probabilities of (T, N, C), one length a sample each."""
    steps, n, classes = log_probs.shape
    CTC.check(log_probs)
    if not 0 <= blank < classes:
        raise TensorError("blank must be in label range")
    if len(input_lengths) != n:
        raise ShapeError("input_lengths must be of size batch_size")
    if len(target_lengths) != n:
        raise ShapeError("target_lengths must be of size batch_size")
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if any(m < 0 for m in lengths):
            raise TensorError(f"Expected {name} to have value at least 0, but got value {min(lengths)} {CHECKING}")
    if any(m > steps for m in input_lengths):
        raise TensorError(
            f"Expected input_lengths to have value at most {steps}, but got value {max(input_lengths)} {CHECKING}"
        )
    dim = len(targets.shape) - 1
    wanted, least = (sum(target_lengths), "size") if dim == 0 else (max(target_lengths, default=0), "size at least")
    if (targets.shape[dim] != wanted) if dim == 0 else (targets.shape[dim] < wanted or targets.shape[0] != n):
        raise ShapeError(
            f"Expected tensor to have {least} {wanted} at dimension {dim}, but got size {targets.shape[dim]} for argument #2 'targets' "
            f"{CHECKING}"
        )


class _Paths:
    """The labels with blanks between them, padded to the longest, and which of them a path may reach by a leap."""

    def __init__(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int) -> None:
        self.steps, n, classes = log_probs.shape
        self.inputs = np.asarray(input_lengths, np.int64)
        self.sizes = np.asarray(target_lengths, np.int64)
        longest = int(self.sizes.max(initial=0))
        labels = np.full((n, 2 * longest + 1), blank, np.int64)
        start = 0
        for k, size in enumerate(target_lengths):
            own = targets[start : start + size] if targets.ndim == 1 else targets[k, :size]
            labels[k, 1 : 2 * size : 2] = own
            start += size
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            raise DimensionError("targets must be in label range")
        self.labels = labels
        self.leaps = np.zeros(labels.shape, bool)
        self.leaps[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
        self.inside = np.arange(labels.shape[1]) < (2 * self.sizes + 1)[:, None]
        index = np.broadcast_to(labels, (self.steps, *labels.shape))
        self.emitted = np.take_along_axis(log_probs, index, 2)  # log-probability of each label at each step

    def forward(self) -> Any:
        """The log-likelihood of the paths that end at each label at each step."""
        out = np.full(self.emitted.shape, -np.inf, self.emitted.dtype)
        if not self.steps:
            return out
        out[0, :, :2] = np.where(self.inside[:, :2], self.emitted[0, :, :2], -np.inf)
        for t in range(1, self.steps):
            before = out[t - 1]
            total = before.copy()
            total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
            total[:, 2:] = np.logaddexp(total[:, 2:], np.where(self.leaps[:, 2:], before[:, :-2], -np.inf))
            out[t] = np.where(self.inside, total + self.emitted[t], -np.inf)
        return out

    def backward(self) -> Any:
        """The log-likelihood of the paths that start at each label at each step and end at the last."""
        out = np.full(self.emitted.shape, -np.inf, self.emitted.dtype)
        places = np.arange(self.labels.shape[1])
        last = (places == 2 * self.sizes[:, None]) | (places == 2 * self.sizes[:, None] - 1)
        after = np.full(self.labels.shape, -np.inf, self.emitted.dtype)
        for t in range(self.steps - 1, -1, -1):
            total = after.copy()
            total[:, :-1] = np.logaddexp(total[:, :-1], after[:, 1:])
            total[:, :-2] = np.logaddexp(total[:, :-2], np.where(self.leaps[:, 2:], after[:, 2:], -np.inf))
            ends = np.equal(self.inputs - 1, t)[:, None]
            total = np.where(ends, np.where(last, 0, -np.inf), total)
            out[t] = after = np.where(self.inside & (t < self.inputs)[:, None], total + self.emitted[t], -np.inf)
        return out

    def loss(self, ahead: Any) -> Any:
        """Minus the log-likelihood of each sample."""
        rows = np.arange(len(self.sizes))
        if not self.steps:
            return np.where(self.sizes == 0, 0.0, np.inf).astype(ahead.dtype)
        final = ahead[np.maximum(self.inputs - 1, 0), rows]
        end = final[rows, 2 * self.sizes]
        before = np.where(self.sizes > 0, final[rows, np.maximum(2 * self.sizes - 1, 0)], -np.inf)
        found = -np.logaddexp(end, before)
        return np.where(self.inputs == 0, np.where(self.sizes == 0, 0.0, np.inf), found).astype(ahead.dtype)


def _missing(name: str) -> NoReturn:
    raise NoDerivativeError(f"derivative for aten::{name} is not implemented")


def _sequences(*more: Any) -> list[Sample]:
    logs = np.log(array(5, 2, 3, low=0.1, high=0.9))
    return [Sample(logs, np.array([[1, 2], [2, 2]]), (5, 4), (2, 1), *more)]


@op(
    "_ctc_loss_backward(Tensor grad, Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, "
    "bool zero_infinity) -> Tensor",
    meta=lambda grad, log_probs, *rest: log_probs,
    kind="opaque",
    forms="",
    samples=lambda: [Sample(array(2), *_sequences()[0].args, 0, False)],
    vjp={"grad, log_probs": lambda g: _missing("_ctc_loss_backward")},
)
def _ctc_loss_backward(
    grad: Any, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: Any, zero_infinity: Any
) -> Any:
    """The gradient of ``ctc_loss`` for what a ``log_softmax`` gave. Gradient: not implemented, in PyTorch neither. Source: aten."""
    paths = _Paths(log_probs, targets, input_lengths, target_lengths, blank)
    ahead = paths.forward()
    loss = paths.loss(ahead)
    lost = np.isinf(loss)
    both = ahead + paths.backward()
    shares = np.exp(np.where(np.isneginf(both), -np.inf, both + np.where(lost, 0, loss)[:, None] - paths.emitted))
    out = np.exp(log_probs)
    n, places = paths.labels.shape
    steps = np.arange(paths.steps)[:, None, None]
    rows = np.broadcast_to(np.arange(n)[:, None], (n, places))
    np.subtract.at(out, (steps, rows, paths.labels), np.where(np.isneginf(both), 0, shares))
    out[:, lost] = 0 if zero_infinity else np.nan
    out *= np.where(lost, 1, grad)[:, None] if zero_infinity else grad[:, None]
    return np.where((np.arange(paths.steps)[:, None] < paths.inputs)[:, :, None], out, 0).astype(log_probs.dtype)


@op(
    "_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank, bool zero_infinity) -> Tensor",
    meta=lambda log_probs, targets, input_lengths, *rest: Estimate(
        (Spec((len(input_lengths),), log_probs.dtype),), *_work(log_probs, targets)
    ),
    kind="opaque",
    grad_fn="CtcLossBackward0",
    forms="",
    samples=lambda: _sequences(0, False),
    vjp={
        "log_probs": lambda g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: (
            rules._ctc_loss_backward(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
        )
    },
)
def _ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: Any, zero_infinity: Any
) -> Any:
    """Minus the log-likelihood of each sample's labels. Gradient: exp(log_probs) less the share of the paths through it."""
    _check(log_probs, targets, input_lengths, target_lengths, blank)
    paths = _Paths(log_probs, targets, input_lengths, target_lengths, blank)
    return paths.loss(paths.forward())


def _work(log_probs: Spec, targets: Spec) -> tuple[int, int]:
    steps = log_probs.shape[0]
    cells = steps * (2 * targets.numel + (log_probs.shape[1] if log_probs.ndim > 2 else 1))
    return 9 * cells * 8, 60 * cells


def _meta(
    log_probs: Spec,
    targets: Spec,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    reduction: str,
    zero_infinity: bool,
) -> Estimate:
    batched = log_probs.ndim == 3
    if not isinstance(input_lengths, Spec):
        whole = log_probs if batched else Spec((log_probs.shape[0], 1, log_probs.shape[1]), log_probs.dtype)
        _check(whole, targets, input_lengths, target_lengths, blank)
    CTC.check(log_probs)
    shape = loss_shape((log_probs.shape[1],) if batched else (), reduction)
    return Estimate((Spec(shape, log_probs.dtype),), *_work(log_probs, targets))


def _lengths(value: Any, name: str) -> tuple[int, ...]:
    if not hasattr(value, "dtype"):
        return tuple(value)
    if not value.dtype.name.startswith(("int", "uint")):
        raise TensorError(f"{name} must be integral")
    found = value.tolist()
    return tuple(found) if isinstance(found, list) else (found,)


def _total(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    reduction: str,
    zero_infinity: bool,
) -> Any:
    loss_shape((), reduction)
    inputs, sizes = _lengths(input_lengths, "input_lengths"), _lengths(target_lengths, "target_lengths")
    batched = log_probs.ndim == 3
    if not batched:
        log_probs = rules.unsqueeze(log_probs, 1)
    if not targets.dtype.name.startswith("int64"):
        targets = rules.to(targets, dtypes.int64)
    values = rules._ctc_loss(log_probs, targets, inputs, sizes, blank, zero_infinity)
    if zero_infinity:
        values = rules.where(rules.eq(values, float("inf")), 0, values)
    if reduction == "mean":
        name = getattr(values.dtype, "name", "float32")
        return rules.mean(rules.div(values, np.maximum(np.asarray(sizes), 1).astype(name)))
    if reduction == "sum":
        return rules.sum(values)
    return values if batched else rules.squeeze(values, 0)


@op(
    "ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, "
    "str reduction='mean', bool zero_infinity=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.ctc_loss",),
    forms="function",
    samples=lambda: [
        *(s for r in ("mean", "sum", "none") for s in _sequences(0, r)),
        Sample(np.log(array(5, 3, low=0.1, high=0.9)), np.array([1, 2]), (5,), (2,)),
        Sample(np.log(array(3, 5, low=0.1, high=0.9)).T, np.array([1, 2]), (5,), (2,), tags=("non-contiguous",)),
    ],
)
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: Any,
    reduction: Any,
    zero_infinity: Any,
) -> Any:
    """Minus the log-likelihood of labels, summed over all their alignments to the steps of a sequence of log-probabilities.

    Shapes: (T, N, C) or (T, C); targets (N, S), or all samples' labels one after the other; lengths of N. The mean divides each loss by
    its number of labels first; ``zero_infinity`` makes impossible alignments cost nothing. Errors: RuntimeError for lengths that do not
    fit. Source: torch.nn.functional.ctc_loss.

    >>> logs = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]]).log()
    >>> torch.nn.functional.ctc_loss(logs, torch.tensor([[1]]), (2,), (1,))
    tensor(0.1335)
    """
    return _total(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


@op(
    "ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, "
    "str reduction='mean', bool zero_infinity=False) -> Tensor",
    meta=_meta,
    kind="composite",
    names=("nn.functional.ctc_loss",),
    forms="function",
    samples=over(
        Sample(
            np.log(array(3, 5, low=0.1, high=0.9)).T,
            np.array([1, 2]),
            np.array([5]),
            np.array([2]),
            tags=("non-contiguous",),
        ),
        Sample(
            np.log(array(5, 2, 3, low=0.1, high=0.9)), np.array([[1, 2], [2, 2]]), np.array([5, 4]), np.array([2, 1])
        ),
    ),
)
def ctc_loss_tensor(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: Any,
    reduction: Any,
    zero_infinity: Any,
) -> Any:
    """As with lists of lengths.

    Errors: RuntimeError for lengths that do not fit. Source: torch.nn.functional.ctc_loss.

    >>> logs = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]]).log()
    >>> torch.nn.functional.ctc_loss(logs, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1]))
    tensor(0.1335)
    """
    return _total(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
