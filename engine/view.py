"""Views: tensors that share another's values. A view keeps its base and the chain of view rows that leads to it.

When the base (or another view of it) was written in place since, the history of a view is rebuilt: one node stands for the whole
chain, named AsStridedBackward0 as in PyTorch, applied to the base's present history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from engine.errors import ViewError
from engine.node import AccumulateGrad, Node, Port, function_name, hand_over, sequence
from engine.op import op
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
        if node is not None and self.chain[0].shape != self.base._array.shape:
            raise ViewError(
                "A view whose base was given another shape in place, and then other values, has no history."
            )
        transaction = current.get()
        if transaction is not None:
            transaction.attribute(t, "_node")
            transaction.attribute(self, "version")
        before, t._node = t._node, None if node is None else replay_node(node, self.chain, t._array)
        hand_over(t._meta, before, t._node)
        self.version = t._version_cell[0]


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
