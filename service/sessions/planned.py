"""The short way of a step that is like an earlier one: an operator on named tensors and numbers, one result under a name.

It does what ``Transaction`` does of any step, in the same order; whatever is not so plain is left to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.grad_mode import grad_enabled
from engine.node import Node
from engine.tensor import Tensor
from service.sessions.beside import came_in, remember
from service.sessions.plans import planned
from service.steps.outcome import Outcome

if TYPE_CHECKING:
    from service.sessions.transaction import Transaction
    from service.steps.step import Step

__all__ = ["planned_step"]


def planned_step(tx: Transaction, step: Step) -> Outcome | None:
    """Carry a step out; None, with nothing done, where this is not the way. Errors: those of ``Transaction.step``."""
    name = step.id
    if type(name) is not str or not grad_enabled.get():
        return None
    session = tx.session
    found = planned(step, session.names, session.limits)
    if found is None:
        return None
    plan, values = found
    op = plan.op
    tx.short(op.id, step.op, plan.estimate.cost, plan.reserved)
    out: Tensor = plan.door(*values)
    node = out._node
    if node is not None:
        if op.kind == "composite":
            remember(session.beside, op, came_in(op, [*values, *plan.rest]), out)
        elif (
            type(node) is Node and None in node.edges and node.plan.op is op
        ):  # a number or a tensor without history came in
            given = [*values, *plan.rest]
            for i, edge in zip(op.tensors, node.edges, strict=True):
                if edge is not None:
                    given[i] = None
            session.beside.note(node, op, given)
        session.held_nodes += 1
    tx.hold(step.op, name, out)
    return Outcome((name,), (out,))
