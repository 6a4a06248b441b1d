"""Views: tensors that share another's values. A view keeps its base and the chain of view rows that leads to it.

When the base (or another view of it) was written in place since, the history of a view is rebuilt: one node stands for the whole
chain, named AsStridedBackward0 as in PyTorch, applied to the base's present history.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from engine.errors import ViewError
from engine.node import AccumulateGrad, Node, Port, function_name, hand_over, sequence
from engine.op import OPS, op
from engine.plan import plan_of
from engine.transaction import current

if TYPE_CHECKING:
    from engine.node import Edge
    from engine.op import Op
    from engine.tensor import Tensor

__all__ = ["Creation", "Step", "View", "forbidden", "replay", "replay_node"]

Creation = Literal["default", "multi_output", "function", "no_grad", "inference"]


class Step(NamedTuple):
    """One view row in a chain: its attributes, which of how many outputs, and what it was applied to."""

    op: Op
    attrs: tuple[Any, ...]
    number: int | None
    outputs: int
    shape: tuple[int, ...]


class View:
    """What makes a tensor a view."""

    __slots__ = ("base", "chain", "creation", "version")

    def __init__(self, base: Tensor, chain: tuple[Step, ...], version: int, creation: Creation) -> None:
        self.base = base
        self.chain = chain
        self.version = version
        self.creation = creation

    def refresh(self, t: Tensor) -> None:
        """Give ``t``, whose view this is, the history that its base has now."""
        node = self.base._node
        if node is None and type(t._node) is AccumulateGrad:  # a view that is a leaf itself stays one
            self.version = t._version_cell[0]
            return
        if node is not None and self.creation != "default":
            raise ViewError(forbidden(t, self, indirect=True))
        if node is not None:
            self.settle(t)
        transaction = current.get()
        if transaction is not None:
            transaction.attribute(t, "_node")
            transaction.attribute(self, "version")
        before, t._node = t._node, None if node is None else replay_node(node, self.chain, t._array)
        hand_over(t._meta, before, t._node)
        self.version = t._version_cell[0]

    def settle(self, t: Tensor) -> None:
        """Let the chain lead from the base as it lies now to ``t``. Errors: ViewError where no permutation of its dims does."""
        meta = self.base._meta
        if meta is None or not meta.reshaped:
            return
        base: Any = self.base._array
        array: Any = t._array
        shape = self.chain[0].shape
        if shape == base.shape and _one_place(replay(base, self.chain), array):
            return
        for dims in itertools.permutations(range(base.ndim)) if base.ndim <= MOST_DIMS else ():
            turned = base.transpose(dims)
            if tuple(n for n in turned.shape if n != 1) != tuple(n for n in shape if n != 1):
                continue
            if _one_place(replay(turned.reshape(shape), self.chain), array):
                before = (
                    Step(_row("permute"), (None, dims), None, 1, base.shape),
                    Step(_row("view"), (None, shape), None, 1, turned.shape),
                )
                transaction = current.get()
                if transaction is not None:
                    transaction.attribute(self, "chain")
                self.chain = (*before, *self.chain)
                return
        raise ViewError("A view whose base was given another shape in place, and then other values, has no history.")


MOST_DIMS: Final = 5


def _row(name: str) -> Op:
    return OPS[name][0]


def _one_place(a: Any, b: Any) -> bool:
    """Whether two arrays are the same elements of one memory, in the same order."""
    return (
        a.shape == b.shape
        and a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
        and all(s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True) if n > 1)
    )


def replay(array: Any, chain: tuple[Step, ...]) -> Any:
    """Apply a chain to raw values: a view of them."""
    for step in chain:
        arguments = list(step.attrs)
        arguments[0] = array
        out = step.op.kernel(*arguments)
        array = out if step.number is None else out[step.number]
    return array


def _replay_vjp(g: Any, chain: tuple[Step, ...]) -> Any:
    for step in reversed(chain):
        plan = plan_of(step.op, 1)
        assert plan is not None, step.op
        saved = tuple(step.shape for _ in plan.saves)
        if step.number is not None:
            g = tuple(g if k == step.number else None for k in range(step.outputs))
        g = plan.backward(g, saved, step.attrs)[0]
    return g


@op(
    "as_strided_chain(Tensor input, Any chain) -> Tensor",
    kind="linear",
    grad_fn="AsStridedBackward0",
    forms="",
    names=("_as_strided_chain",),
    vjp={"input": _replay_vjp},
)
def as_strided_chain(input: Any, chain: Any) -> Any:
    """The view that a chain of view rows leads to (internal: the history of a view after its base was written)."""
    return replay(input, chain)


def replay_node(edge: Edge, chain: tuple[Step, ...], array: Any) -> Node:
    """A node that applies a chain of views to what ``edge`` made."""
    node = Node()
    plan = plan_of(as_strided_chain, 1)
    assert plan is not None
    node.plan = plan
    node.attrs = (None, chain)
    node.edges = (edge,)
    node.saved = ()
    node.cells = ()
    node.shape = array.shape
    node.dtype = array.dtype
    node.seq = next(sequence)
    node.extra = None
    return node


def forbidden(t: Tensor, view: View, *, indirect: bool) -> str:
    """PyTorch's sentence for a view that may not be modified in place."""
    what = "its base or another view of its base has been" if indirect else "is being"
    node = t._node
    maker = node.node if type(node) is Port else node
    name = "Unbind" if maker is None else function_name(maker.name())  # type: ignore[union-attr]
    number = node.number if type(node) is Port else view.chain[-1].number or 0
    if view.creation == "function":
        return (
            f"Output {number} of {name} is a view and {what} modified inplace. This view was created inside a custom Function (or because "
            "an input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with "
            "the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of "
            "the custom Function."
        )
    if view.creation == "multi_output":
        return (
            f"Output {number} of {name} is a view and {what} modified inplace. This view is the output of a function that returns "
            "multiple views. Such functions do not allow the output views to be modified inplace. You should replace the inplace "
            "operation by an out-of-place one."
        )
    mode, now, block = (
        ("no_grad", "with grad mode enabled", "no_grad")
        if view.creation == "no_grad"
        else ("inference", "in normal mode", "inference_mode")
    )
    return (
        f"A view was created in {mode} mode and {what} modified inplace {now}. Given that this use case is ambiguous "
        "and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both inside the "
        f"{block} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
    )
