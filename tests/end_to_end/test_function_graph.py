"""Pictures of served functions and of what their derivatives record."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROSENBROCK = """def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def put(http: httpx.Client) -> Iterator[Callable[..., str]]:
    names: list[str] = []

    def put(code: str, **more: Any) -> str:
        names.append(f"drawn{len(names)}")
        http.put(f"/v1/functions/{names[-1]}", json={"code": code, **more}).raise_for_status()
        return f"/v1/functions/{names[-1]}/graph"

    yield put
    for name in names:
        http.delete(f"/v1/functions/{name}")


def names_of(found: dict[str, Any]) -> list[str]:
    return [str(node["name"]) for node in found["nodes"]]


def test_a_function_is_drawn_with_its_inputs_and_outputs(http: httpx.Client, put: Callable[..., str]) -> None:
    found = http.get(put(ROSENBROCK), params={"shape": "x:5"}).raise_for_status().json()
    names = names_of(found)
    assert names[0] == "x"
    assert names[-1] == "output"
    assert names.count("PowBackward0") == 3
    assert found["nodes"][0]["shape"] == [5]
    assert {node["value"] for node in found["nodes"]} == {None}  # the inputs are made up


def test_the_gradient_and_the_second_derivative_are_those_of_pytorch(
    http: httpx.Client, put: Callable[..., str]
) -> None:
    address = put("def f(x):\n    return (x ** 3).sum()")
    names = {of: names_of(http.get(address, params={"of": of}).json()) for of in ("value", "grad", "hvp")}
    assert names["value"] == ["x", "PowBackward0", "SumBackward0", "output"]
    assert names["grad"][-1] == "grad.x"
    assert names["grad"].count("PowBackward0") == 1
    assert "MulBackward0" in names["grad"]
    assert names["hvp"][-1] == "hvp.x"
    assert set(names["hvp"][1:-1]) == {"MulBackward0"}  # 3 · 2 · x · 1: powers are gone


def test_vjp_and_jvp_have_their_vectors_as_leaves(http: httpx.Client, put: Callable[..., str]) -> None:
    address = put("def f(x, y):\n    return {'a': x * y, 'b': x.sin()}")
    kinds = {}
    for of in ("vjp", "jvp"):
        found = http.get(address, params={"of": of, "shape": ["x:2,3", "y:3"]}).raise_for_status().json()
        kinds[of] = {n["name"]: tuple(n["shape"]) for n in found["nodes"] if n["kind"] in ("leaf", "output")}
    inputs = {"x": (2, 3), "y": (3,)}
    weights = {"cotangents.a": (2, 3), "cotangents.b": (2, 3)}
    assert kinds["vjp"] == inputs | weights | {"vjp.x": (2, 3), "vjp.y": (3,)}
    assert kinds["jvp"] == inputs | {"tangents.x": (2, 3), "tangents.y": (3,), "jvp.a": (2, 3), "jvp.b": (2, 3)}


def test_a_jacobian_is_one_batched_walk(http: httpx.Client, put: Callable[..., str]) -> None:
    address = put("def f(x):\n    return x[0] * x.exp().reshape(2, 1)")
    found = http.get(address, params={"of": "jacobian", "shape": "x:2"}).raise_for_status().json()
    outputs = {n["name"]: n["shape"] for n in found["nodes"] if n["kind"] == "output"}
    assert outputs == {"jacobian.output.x": [2, 1, 2]}
    assert names_of(found).count("ExpBackward0") == 1
    rows = [n["shape"][0] for n in found["nodes"] if n["name"] == "MulBackward0"]
    assert len(rows) > 2
    assert set(rows) == {2}
    big = http.get(put("def f(x):\n    return x.exp()"), params={"of": "jacobian", "shape": "x:90000"})
    assert big.json()["type"] == "/errors/limit-exceeded"


@pytest.mark.parametrize("of", ["value", "grad", "vjp", "jvp", "jacobian", "hvp"])
def test_every_format_is_valid(
    http: httpx.Client, put: Callable[..., str], of: str, require_tool: Callable[[str], Path]
) -> None:
    address = put(ROSENBROCK)
    svg = http.get(address, params={"of": of, "format": "svg"})
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert svg.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    root = ET.fromstring(svg.text)
    assert root.tag == f"{SVG}svg"
    assert not [e for e in root.iter() if e.tag in {f"{SVG}script", f"{SVG}foreignObject", f"{SVG}image", f"{SVG}a"}]
    assert not [k for e in root.iter() for k in e.attrib if k.startswith("on") or k.endswith("href")]
    words = {text for e in root.iter() if e.text for text in [e.text.strip()]}
    assert {"leaf tensor", "recorded operator", "[3] · float32"} <= words
    dot = http.get(address, params={"of": of, "format": "dot"}).text
    done = subprocess.run(
        [require_tool("dot"), "-Tplain"], input=dot, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("graph ")
    assert http.get(address, params={"of": of, "format": "mermaid"}).text.startswith("graph TD\n")


def test_shapes_are_declared_asked_for_or_found(http: httpx.Client, put: Callable[..., str]) -> None:
    declared = http.get(
        put("def f(a, b):\n    return (a @ b).sum()", inputs={"a": {"shape": ["n", 2]}, "b": {"shape": [2]}})
    ).json()
    assert [n["shape"] for n in declared["nodes"] if n["kind"] == "leaf"] == [[3, 2], [2]]
    address = put("def f(a, b):\n    return (a @ b).sum()")
    found = http.get(address).json()
    assert [n["shape"] for n in found["nodes"] if n["kind"] == "leaf"] == [[3], [3]]
    asked = http.get(address, params={"shape": ["a:4,2", "b:2"]}).json()
    assert [n["shape"] for n in asked["nodes"] if n["kind"] == "leaf"] == [[4, 2], [2]]
    assert http.get(put("def f(x):\n    return x.exp()"), params={"shape": "x:"}).json()["nodes"][0]["shape"] == []
    nested = put(
        "def f(p):\n    return p['w'] * p['b']", inputs={"p.w": {"shape": [2]}, "p.b": {"shape": [], "default": 0}}
    )
    assert names_of(http.get(nested).json())[0] == "p.w"


@pytest.mark.parametrize(
    ("query", "status", "slug", "words"),
    [
        ({"format": "png"}, 422, "invalid-argument", "json, dot, mermaid or svg"),
        ({"of": "third"}, 422, "invalid-argument", "value, grad, vjp, jvp, jacobian, hvp"),
        ({"shape": "x:two"}, 422, "invalid-argument", "shape=x:2,3"),
        ({"shape": "y:2"}, 422, "invalid-argument", "it takes x"),
        ({"shape": "x:99999999,99"}, 422, "limit-exceeded", "tensor_elements"),
        ({"shape": "x:2,3"}, 422, "script", "cannot be multiplied (2x3 and 5x2)"),
    ],
)
def test_what_cannot_be_is_said(
    http: httpx.Client, put: Callable[..., str], query: dict[str, str], status: int, slug: str, words: str
) -> None:
    answer = http.get(put("def f(x):\n    return x @ torch.ones(5, 2)"), params=query)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/errors/{slug}")
    assert words in answer.json()["detail"]


def test_what_has_no_shape_or_no_gradient(http: httpx.Client, put: Callable[..., str]) -> None:
    lost = http.get(put("def f(x):\n    return x @ torch.ones(5, 2)"))
    assert lost.status_code == 422
    assert "shape=x:2,3" in lost.json()["detail"]
    constant = put("def f(x):\n    return x.detach()")
    for of in ("grad", "vjp", "jvp", "jacobian", "hvp"):
        flat = http.get(constant, params={"of": of})
        assert (flat.status_code, flat.json()["argument"]) == (422, "of")
    assert http.get("/v1/functions/nothing/graph").status_code == 404


def test_a_big_one_is_summarised_and_an_endless_one_is_ended(http: httpx.Client, put: Callable[..., str]) -> None:
    address = put("def f(x):\n    for k in range(400):\n        x = (x * 2).sin()\n    return x.sum()")
    assert len(http.get(address).json()["nodes"]) == 803
    mermaid = http.get(address, params={"format": "mermaid"}).text
    assert mermaid.count("-->") < 150
    assert "more operators" in http.get(address, params={"format": "svg", "of": "grad"}).text
    assert len(http.get(address, params={"max_nodes": "20"}).json()["nodes"]) <= 20
    endless = http.get(put("def f(x):\n    while True:\n        x = x + 1\n    return x"))
    assert endless.json()["type"] == "/errors/limit-exceeded"
