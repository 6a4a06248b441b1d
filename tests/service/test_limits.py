"""Limits come before work: what would make very many outputs is refused unmade."""

from __future__ import annotations

import asyncio
import tracemalloc

import httpx
import pytest

from engine.op import find
from engine.promotion import estimate
from engine.tensor import node_of
from service.app import create_app
from service.sessions.costs import walk_cost, walk_size
from service.sessions.session import Session
from service.steps.errors import LimitExceeded, StepFailed
from service.steps.step import Step

MANY = [
    Step("tensor_split", ("x", 10**8)),
    Step("tensor_split", ("x", 2**64 - 1)),
    Step("chunk", ("empty", 10**9)),
    Step("unsafe_chunk", ("empty", 2**62)),
    Step("split", ("long", 1)),
    Step("unbind", ("long",)),
    Step("tensor_split", ("x", list(range(1_500)))),
]


@pytest.mark.parametrize("step", MANY, ids=lambda s: f"{s.op}-{str(s.args[-1])[:20]}")
def test_many_outputs_are_refused_unmade(step: Step) -> None:
    session = Session("test", seed=1)
    session.apply([
        Step("tensor", ([1.0, 2.0],), {}, "x"), Step("zeros", (0,), {}, "empty"), Step("zeros", (4_000_000,), {}, "long"),
    ])  # fmt: skip
    tracemalloc.start()
    with pytest.raises(StepFailed) as failed:
        session.apply([step])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(failed.value.__cause__, LimitExceeded)
    assert failed.value.__cause__.members["limit"] == "step_outputs"
    assert peak < 2**20


# -- derivatives that make far more than they are given -------------------------------------------------------------------

PRODUCTS = {
    "cumprod": ([Step("cumprod", ("x", 0), {}, "y")], 10_000),
    "prod": ([Step("prod", ("x",), {}, "y")], 100_000),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_second_derivative_of_products_is_refused_unmade_and_leaves_the_session_as_it_was(name: str) -> None:
    steps, count = PRODUCTS[name]
    session = Session("test", seed=1)
    session.apply([
        Step("ones", (count,), {"requires_grad": True}, "x"), *steps, Step("sum", ("y",), {}, "z"),
        Step("autograd.grad", (["z"], ["x"]), {"create_graph": True}, "g"), Step("sum", ("g",), {}, "h"),
    ])  # fmt: skip
    tracemalloc.start()
    with pytest.raises(StepFailed) as failed:
        session.apply([Step("mul", ("x", 2.0), {}, "before"), Step("backward", ("h",), {})])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(failed.value.__cause__, LimitExceeded)
    assert failed.value.__cause__.members["limit"] == "session_bytes"
    assert peak < 2**26
    assert "before" not in session.names
    assert session.names["x"].tensor.grad is None


def test_a_backward_of_many_rows_decomposed_is_refused_unmade() -> None:
    """Its rule takes the exchanged rows as a matrix of rows by rows."""
    session = Session("test", seed=1)
    session.apply([
        Step("rand", (100_000, 3), {"requires_grad": True}, "x"), Step("linalg.lu_factor", ("x",), {}, ("lu", "pivots")),
        Step("sum", ("lu",), {}, "z"),
    ])  # fmt: skip
    with pytest.raises(StepFailed) as failed:
        session.apply([Step("backward", ("z",), {})])
    assert isinstance(failed.value.__cause__, LimitExceeded)


def test_a_walk_costs_what_its_calls_cost() -> None:
    """Each node the estimate of its call over again: of the function itself, of a product of matrices, of a convolution."""
    session = Session("test", seed=1)
    session.apply([
        Step("ones", (100, 200), {"requires_grad": True}, "a"), Step("ones", (200, 50), {"requires_grad": True}, "b"),
        Step("mm", ("a", "b"), {}, "c"), Step("lgamma", ("c",), {}, "l"),
        Step("ones", (1, 8, 20, 20), {"requires_grad": True}, "i"), Step("ones", (4, 8, 5, 5), {"requires_grad": True}, "w"),
        Step("nn.functional.conv2d", ("i", "w"), {}, "conv"),
    ])  # fmt: skip
    a, b, c, i, w = (session.names[n].tensor for n in "abciw")
    for name, row, bound in (
        ("c", "mm", [a, b]),
        ("l", "lgamma", [c]),
        ("conv", "convolution", [i, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1]),
    ):
        foreseen = estimate(find(row)[0], bound)
        cost, workspace = walk_cost(node_of(session.names[name].tensor))  # type: ignore[arg-type]
        assert cost >= foreseen.cost
        assert workspace == foreseen.workspace
    assert walk_size([session.names["conv"].tensor]).workspace > 0


def test_a_function_is_refused_a_second_derivative_that_would_not_fit() -> None:
    async def scenario() -> list[httpx.Response]:
        app = create_app()
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
        ):
            body = {"code": "def f(x):\n    return torch.prod(x)\n", "verb": "hvp"}
            given = ({"inputs": {"x": [1.0] * n}, "tangents": {"x": [1.0] * n}} for n in (50, 20_000))
            return [await http.post("/v1/evaluate", json=body | each) for each in given]

    small, large = asyncio.run(scenario())
    assert small.status_code == 200
    assert small.json()["hvp"]["x"] == [49.0] * 50
    assert (large.status_code, large.json()["limit"]) == (422, "session_bytes")
