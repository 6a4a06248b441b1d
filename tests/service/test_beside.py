"""What is remembered beside the graph: as long as a node lives, and not much longer."""

from __future__ import annotations

import weakref

import engine as torch
from engine.node import Node
from service.sessions.beside import LEAST
from service.sessions.limits import Limits
from service.sessions.session import Session
from service.steps.step import Step


def node_of(session: Session, name: str) -> Node:
    """What made a tensor."""
    node = session.names[name].tensor._node
    assert isinstance(node, Node)
    return node


def grown(session: Session, count: int) -> None:
    """A chain of that many steps, bound over the one before."""
    with session.begin(batch=True) as tx:
        tx.step(Step("ones", ([2, 2],), {"requires_grad": True}, "x"))
        tx.step(Step("ones", ([2, 2],), {}, "y"))
        for k in range(count):
            tx.step(Step("mul", ("x" if k == 0 else f"v{k - 1}", "y"), {}, f"v{k}"))
        tx.commit()


def test_what_came_in_is_known_while_the_node_lives() -> None:
    session = Session("s")
    grown(session, 3)
    op, values = session.beside[node_of(session, "v2")]
    assert op.name == "mul"
    assert values[0] is session.names["v1"].tensor._node
    assert values[1] is session.names["y"].tensor
    assert len(session.beside) == len(list(session.beside)) == 3
    assert sum(1 for _ in session.beside.tensors()) == 3


def test_what_is_gone_is_let_go() -> None:
    session = Session("s")
    for _ in range(40):
        grown(session, 100)
    assert len(session.beside) == 100
    assert len(session.beside._found) <= 2 * LEAST + 200
    last = weakref.ref(node_of(session, "v99"))
    session.names.clear()
    assert last() is None
    session.beside.tidy()
    assert len(session.beside._found) == 0


def test_tensors_that_nothing_else_holds_do_not_pile_up() -> None:
    session = Session("s")
    session.apply([Step("ones", ([2],), {"requires_grad": True}, "x")])
    held: list[weakref.ref[torch.Tensor]] = []
    for _ in range(60):
        session.apply([Step("ones", ([100_000, 1],), {}, "large")])
        held.append(weakref.ref(session.names["large"].tensor))
        session.apply([Step("add", ("large", "x"), {}, "y")])
    assert sum(ref() is not None for ref in held) <= 6


def test_what_a_composite_was_given_goes_with_its_node() -> None:
    session = Session("s")
    steps = [Step("ones", ([2, 2],), {"requires_grad": True}, "x"), Step("ones", ([2, 2],), {}, "y")]
    session.apply([*steps, Step("matmul", ("x", "y"), {}, "z")])
    assert session.beside[node_of(session, "z")][1][1] is session.names["y"].tensor
    session.names.pop("z")
    assert len(session.beside._found) == 0


def test_bytes_that_were_reserved_ahead_are_given_back() -> None:
    session = Session("s")
    grown(session, 10)
    held = session.held_bytes
    session.measure()
    assert session.held_bytes <= held <= session.held_bytes + 2_000
    for _ in range(3):
        session.measure()
        before = session.held_bytes
        with session.begin(batch=True) as tx:
            tx.step(Step("mul", ("v0", "y"), {}, "w"))
            assert session.held_bytes > before + 16
        session.measure()
        assert session.held_bytes == before  # rolled back


def test_the_first_call_of_its_kind_leaves_what_later_ones_leave() -> None:
    """A process that has seen a call before goes a shorter way: a restart must not be told from it."""
    session = Session("test", seed=1, limits=Limits())  # limits of its own: no call is known yet
    session.apply([Step("randn", (2, 2), {"requires_grad": True}, "x"), Step("enter", ("no_grad",))])
    for op, *more in (
        ("t",),
        ("select", 0, 0),
        ("mul", 2.0),
        ("transpose", 0, 1),
        ("relu",),
        ("matmul", "x"),
        ("sum",),
    ):
        left = []
        for name in ("first", "second", "third"):
            session.apply([Step(op, ("x", *more), {}, name)])
            found = session.names[name].unrecorded
            left.append(None if found is None else (found.op, len(found.inputs)))
        assert left == [(op, 2 if op == "matmul" else 1)] * 3
