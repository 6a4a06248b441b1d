"""write(): the only function that changes an array that exists.

It checks leaves, overlap and views, tells an open transaction the old bytes, version and history, bumps the version, and gives the
written tensor its new history; where the tensor is a view, the base's history is rebased (CopySlices, as in PyTorch's
torch/csrc/autograd/functions/tensor.cpp): the base then comes from its old self with the view's region replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine import dtypes
from engine.errors import AutogradError, DtypeError, LeafError, ShapeError, TensorError, ViewError
from engine.grad_mode import InferenceCell, grad_enabled, inference_enabled
from engine.node import AccumulateGrad, Node, hand_over, sequence
from engine.plan import Plan, written_plan
from engine.tensor import Tensor, _meta_of, array_of, node_of
from engine.transaction import current
from engine.view import Step, View, forbidden, replay, replay_node

if TYPE_CHECKING:
    from engine.node import Edge

__all__ = [
    "CopySlices",
    "check_castable",
    "check_overlap",
    "check_writable",
    "edge_index",
    "reshaped",
    "set_history",
    "write",
]


def check_writable(t: Tensor, *, records: bool) -> None:
    """Refuse what PyTorch refuses before an in-place operator.

    Errors: RuntimeError for a leaf that requires grad (or a view of one) while recording, for a view made under no_grad or by a
    function of several views, for an inference tensor outside its mode, and for elements that share one memory location.
    """
    if type(t._version_cell) is InferenceCell and not inference_enabled.get():
        raise AutogradError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before "
            "doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    view = t._view
    if grad_enabled.get():
        if view is not None:
            base = view.base._node
            if (records or base is not None) and view.creation != "default":
                raise ViewError(forbidden(t, view, indirect=False))
            if type(base) is AccumulateGrad or (base is None and t._node is not None):
                raise LeafError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
        elif type(t._node) is AccumulateGrad:
            raise LeafError("a leaf Variable that requires grad is being used in an in-place operation.")
    array = t._array
    if (
        type(array) is np.ndarray
        and array.size  # strides of what holds nothing say nothing
        and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True))
    ):
        raise TensorError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def check_castable(result: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    """Errors: RuntimeError where a result is of a higher category than the tensor that it is to be written into."""
    if result != wanted and _category(result) > _category(wanted):
        raise DtypeError(
            f"result type {dtypes.spoken(result)} can't be cast to the desired output type {dtypes.spoken(wanted)}"
        )


def check_overlap(written: Any, read: Any) -> None:
    """Refuse to write an array that shares a part of its memory with one that is read, both without gaps.

    Errors: RuntimeError, as PyTorch's assert_no_partial_overlap.
    """
    if type(written) is not np.ndarray or type(read) is not np.ndarray or not written.size or not read.size:
        return
    if not (_dense(written) and _dense(read)):
        return
    a, b = np.lib.array_utils.byte_bounds(written), np.lib.array_utils.byte_bounds(read)
    if (a == b and written.strides == read.strides) or a[0] >= b[1] or b[0] >= a[1]:
        return
    raise TensorError(
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please "
        "clone() the tensor before performing the operation."
    )


def _dense(array: np.ndarray[Any, Any]) -> bool:
    low, high = np.lib.array_utils.byte_bounds(array)
    return int(high) - int(low) == array.nbytes


def write(t: Tensor, values: Any) -> None:
    """Replace the values of ``t`` and bump its version; history is ``set_history``'s.

    Errors: RuntimeError where the values' shape or dtype cannot go into ``t``.
    """
    array = array_of(t)
    if values.shape != array.shape:
        raise ShapeError(
            f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(values.shape)}"
        )
    check_castable(values.dtype, array.dtype)
    transaction = current.get()
    cell = t._version_cell
    if transaction is not None:
        transaction.bytes_of(array)
        transaction.cell(cell)
    _writable(array)[...] = values
    if type(cell) is list:
        cell[0] += 1


def _writable(array: Any) -> Any:
    """The array itself, which NumPy made read-only where it was broadcast, if only without repeating an element."""
    if not array.flags.writeable:
        array.flags.writeable = True
    return array


def _category(d: np.dtype[Any]) -> int:
    return "biufc".index(d.kind) if d.kind in "bfc" else 1


def set_history(t: Tensor, node: Node | None) -> None:
    """Make ``node`` (built with the old history among its edges; None: nothing recorded) the producer of the written ``t``."""
    view = t._view
    transaction = current.get()
    if node is None:
        return
    if transaction is not None:
        transaction.attribute(t, "_node")
    t._version_cell[1:] = [node.name() if view is None else "torch::autograd::CopySlices"]  # for a sentence, later
    if view is None:
        hand_over(t._meta, t._node, node)
        t._node = node
        return
    view.settle(t)
    base = view.base
    if transaction is not None:
        transaction.attribute(base, "_node")
        transaction.attribute(view, "version")
    rebased = _copy_slices(base, view.chain, node)
    hand_over(base._meta, base._node, rebased)
    base._node = rebased
    before, t._node = t._node, replay_node(rebased, view.chain, t._array)
    hand_over(t._meta, before, t._node)
    view.version = t._version_cell[0]


def reshaped(t: Tensor, seen: Tensor) -> Tensor:
    """Let ``t`` become a view of itself (``t_``, ``squeeze_`` …): the same memory, seen otherwise."""
    check_writable(t, records=False)
    transaction = current.get()
    node = t._node
    if transaction is not None:
        for name in ("_array", "_node", "_view"):
            transaction.attribute(t, name)
        transaction.cell(t._version_cell)
        if type(node) is AccumulateGrad:
            for name in ("array", "shape"):
                transaction.attribute(node, name)
    if type(t._version_cell) is list:
        t._version_cell[0] += 1
    t._array = seen._array
    meta = _meta_of(t)
    if transaction is not None:
        transaction.attribute(meta, "reshaped")
    meta.reshaped = True
    if t._view is not None and seen._view is not None:
        t._view = View(t._view.base, seen._view.chain, t._version_cell[0], t._view.creation)
    if type(node) is AccumulateGrad:
        node.array, node.shape = t._array, t._array.shape
    else:
        made = seen._node
        if type(made) is Node:
            made.plan = written_plan(made.plan.op, made.plan)
        hand_over(t._meta, node, made)
        t._node = made
    return t


class CopySlices(Plan):
    """The plan of a base whose view was written by ``inner``: attrs are (chain, inner attrs, which input the view was)."""

    __slots__ = ("inner",)

    def __init__(self, inner: Plan) -> None:
        super().__init__(inner.op, inner.mask, "torch::autograd::CopySlices", inner.saves, self.run, False)
        self.inner = inner

    def run(self, g: Any, saved: Any, attrs: Any) -> tuple[Any, ...]:
        chain, inner_attrs = attrs
        if isinstance(g, Tensor):
            return self._on_tensors(g, saved, chain, inner_attrs)
        whole = np.array(g)
        part = _writable(replay(whole, chain))
        produced = self.inner.backward(np.array(part), saved, inner_attrs)
        part[...] = 0 if produced[0] is None else _fitted(produced[0], part.shape)
        return (whole, *produced[1:])

    def _on_tensors(self, g: Tensor, saved: Any, chain: tuple[Step, ...], inner_attrs: Any) -> tuple[Any, ...]:
        from engine.rules import rules

        part = rules._as_strided_chain(g, chain) if type(g) is Tensor else _step_by_step(g, chain)
        produced = self.inner.backward(part, saved, inner_attrs)
        if produced[0] is None:
            inside = rules.zeros_like(g)
        else:
            from engine.view import _replay_vjp

            inside = _replay_vjp(rules.sum_to_size(produced[0], part.shape), chain)
        return (_patched(g, inside, chain), *produced[1:])


_PARTS = frozenset({"_real", "imag", "view_as_real", "view_as_complex"})
"""Views of a part of each number, or of numbers as parts of others."""


def _patched(g: Tensor, inside: Tensor, chain: tuple[Step, ...]) -> Any:
    """``g`` with what is ``inside`` in the region that a chain leads to; a region may be one part of complex numbers."""
    from engine.rules import rules

    if not any(step.op.schema.name in _PARTS for step in chain):
        region = np.zeros(g._array.shape, dtype=bool)
        _writable(replay(region, chain))[...] = True
        return rules.where(region, inside, g)
    numbers = np.zeros(g._array.shape, g._array.dtype)
    part = _writable(replay(numbers, chain))
    part[...] = 1 + 1j if part.dtype.kind == "c" else 1
    if numbers.dtype.kind != "c":
        return rules.where(numbers != 0, inside, g)
    inside = rules.view_as_real(rules.contiguous(inside.to(g.dtype)))
    pairs = np.stack([numbers.real, numbers.imag], -1) != 0
    return rules.view_as_complex(rules.where(pairs, inside, rules.view_as_real(g)))


def _step_by_step(t: Tensor, chain: tuple[Step, ...]) -> Tensor:
    """The view of a batched tensor, by calls that go through the batch rules."""
    from engine.apply import run

    for step in chain:
        bound = list(step.attrs)
        bound[step.op.tensors[0]] = t
        made = run(step.op, bound)
        t = made if step.number is None else made[step.number]
    return t


def _fitted(g: Any, shape: tuple[int, ...]) -> Any:
    from engine.walk import sum_to

    return g if g.shape == shape else sum_to(g, shape)


def _copy_slices(base: Tensor, chain: tuple[Step, ...], inner: Node) -> Node:
    """The node of ``base`` after ``inner`` wrote the view that ``chain`` leads to."""
    edge: Edge | None = node_of(base)
    node = Node()
    node.plan = CopySlices(inner.plan)
    node.attrs = (chain, inner.attrs)
    node.edges = (edge, *inner.edges[1:])
    node.saved = inner.saved
    node.cells = inner.cells
    node.shape = base._array.shape
    node.dtype = base._array.dtype
    node.seq = next(sequence)
    node.extra = None
    return node


def edge_index(node: Node, plan: Plan, position: int) -> int:
    """Where the edges of the parameter at ``position`` begin."""
    index = 0
    for i in plan.op.tensors:
        if i == position:
            return index
        attrs = node.attrs[1] if type(plan) is CopySlices else node.attrs
        width = attrs[i]
        index += width if type(width) is int and plan.op.parameters[i].is_tensor_list else 1
    raise LookupError(position)
