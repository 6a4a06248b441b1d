"""The size of one answer: ``answer_bytes`` is looked at before anything is written, whatever it is that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from service.app import create_app
from service.settings import Settings
from service.wire.json_codec import array_to_json, json_bytes

MOST = 20_000
Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


def served(ask: Ask, **settings: Any) -> httpx.Response:
    """The answer of an application with a session that holds ``x`` of 1,000 numbers, and 40 more of 200."""

    async def scenario() -> httpx.Response:
        app = create_app(Settings(**{"answer_bytes": MOST, **settings}))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
        ):
            session = "/v1/sessions/" + (await http.post("/v1/sessions")).json()["session_id"]
            steps: list[Any] = [
                {"op": "linspace", "args": [0.1, 0.9, 1_000], "kwargs": {"requires_grad": True}, "id": "x"}
            ]
            steps += [{"op": "rand", "args": [200], "id": f"r{i}"} for i in range(40)]
            steps.append({"op": "manual_seed", "args": [1]})  # the last one's outputs are answered
            made = await http.post(f"{session}/batch", json={"steps": steps, "return": []})
            assert made.status_code == 200, made.text
            found = await ask(http, session)
            assert (await http.get(f"{session}/tensors/new")).status_code == 404  # nothing of what was refused is there
            return found

    return asyncio.run(scenario())


STEP = {"op": "mul", "args": ["x", 2], "id": "new"}
CODE = "def f(x):\n    return x * x\n"
REFUSED: dict[str, Ask] = {
    "batch": lambda http, s: http.post(f"{s}/batch", json={"steps": [STEP], "return": ["x"] * 20}),
    "batch in base64": lambda http, s: http.post(
        f"{s}/batch?encoding=base64", json={"steps": [STEP], "return": ["x"] * 20}
    ),
    "script": lambda http, s: http.post(
        f"{s}/run", json={"code": "new = x * 2\nfor i in range(9):\n    (x * x).sum().backward()\n", "trace": True}
    ),
    "jacobian": lambda http, s: http.post(
        "/v1/evaluate", json={"code": CODE, "verb": "jacobian", "inputs": {"x": [1.5] * 60}}
    ),
    "jacobian in base64": lambda http, s: http.post(
        "/v1/evaluate?encoding=base64", json={"code": CODE, "verb": "jacobian", "inputs": {"x": [1.5] * 90}}
    ),
    "jacobian in safetensors": lambda http, s: http.post(
        "/v1/evaluate",
        json={"code": CODE, "verb": "jacobian", "inputs": {"x": [1.5] * 90}},
        headers={"Accept": "application/vnd.safetensors"},
    ),
    "gradients": lambda http, s: http.post(
        f"{s}/batch",
        json={
            "steps": [
                STEP,
                {"op": "sum", "args": ["new"], "id": "y"},
                *[{"op": "backward", "args": ["y"], "kwargs": {"retain_graph": True}}] * 5,
            ]
        },
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_longer_answer_is_refused_and_nothing_of_it_kept(what: str) -> None:
    found = served(REFUSED[what])
    problem = found.json()
    assert (found.status_code, problem.get("limit"), problem.get("value")) == (422, "answer_bytes", MOST), problem
    assert problem["asked"] > MOST
    assert len(found.content) < 4_096


def test_the_graph_is_refused_where_it_would_be_longer_and_had_summarised() -> None:
    async def ask(http: httpx.AsyncClient, session: str, query: str = "") -> httpx.Response:
        code = "y = x\nfor i in range(100):\n    y = y * x\n"
        assert (await http.post(f"{session}/run", json={"code": code})).status_code == 200
        return await http.get(f"{session}/graph?root=y{query}")

    found = served(ask)
    assert (found.status_code, found.json()["limit"]) == (422, "answer_bytes")
    assert served(lambda http, s: ask(http, s, "&max_nodes=10")).status_code == 200


def test_a_tensor_that_is_too_long_as_json_is_had_as_bytes() -> None:
    for path, header, most, code in (
        ("tensors/x", {}, 16_000, 422),
        ("tensors/x?encoding=base64", {}, 16_000, 200),
        ("tensors/x?data=never", {}, 16_000, 200),
        ("tensors/x/data", {}, 8_000, 422),
        ("tensors/x/data", {"Accept": "application/x-npy"}, 8_000, 200),
        ("tensors/x/data", {"Accept": "application/x-npy"}, 3_000, 422),
    ):
        found = served(lambda http, s, p=path, h=header: http.get(f"{s}/{p}", headers=h), answer_bytes=most)  # type: ignore[misc]
        assert found.status_code == code, (path, found.text[:300])


def test_a_list_ends_where_the_answer_is_full_and_goes_on_from_there() -> None:
    async def ask(http: httpx.AsyncClient, session: str) -> httpx.Response:
        seen: list[str] = []
        cursor: str | None = "0"
        pages = 0
        while cursor is not None:
            page = await http.get(f"{session}/tensors?cursor={cursor}")
            assert page.status_code == 200
            seen += [t["id"] for t in page.json()["tensors"]]
            cursor, pages = page.json()["next_cursor"], pages + 1
        assert seen == ["x", *(f"r{i}" for i in range(40))]
        assert pages > 3
        return page

    served(ask, answer_bytes=30_000)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool", "complex64", "complex128"])
def test_what_is_foreseen_is_about_what_is_written(dtype: str) -> None:
    values = np.random.default_rng(1).normal(0, 50, (40, 25))
    array = (abs(values) if dtype == "uint8" else values + 1j if dtype.startswith("c") else values).astype(dtype)
    written = len(orjson.dumps(array_to_json(array), option=orjson.OPT_SERIALIZE_NUMPY))
    assert written / 1.5 <= json_bytes(array) <= 2.5 * written


def test_where_values_are_left_out_their_text_is_too() -> None:
    for query, there in (("", True), ("?data=always", True), ("?data=auto", True), ("?data=never", False)):
        found = served(lambda http, s, q=query: http.get(f"{s}/tensors/r3{q}")).json()  # type: ignore[misc]
        assert ("repr" in found, "data" in found, found.get("data_omitted", False)) == (there, there, not there)
