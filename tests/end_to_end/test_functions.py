"""Served functions over a live server: every verb against analytic results, batches against loops, versions, errors, purity."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

ROSENBROCK = "def rosenbrock(x):\n    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()\n"
TWO = """
def two(x, y, scale=3):
    loss = (x * y).sum() * scale
    return {"loss": loss, "parts": (x.exp(), y)}
"""
MLP = """
def mlp(params, x):
    h = x
    for layer in params["layers"]:
        h = torch.tanh(h @ layer["w"] + layer["b"])
    return h.sum()
"""
TEXT = {"content-type": "text/x-python"}


def put(http: httpx.Client, name: str, body: Any) -> dict[str, Any]:
    if isinstance(body, str):
        body = {"code": body}
    answer = http.put(f"/v1/functions/{name}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()  # type: ignore[no-any-return]


def ask(http: httpx.Client, name: str, verb: str, **body: Any) -> Any:
    answer = http.post(f"/v1/functions/{name}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def gradient(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    g = np.zeros_like(x)
    g[:-1] += -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def curvature(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    h = np.zeros((x.size, x.size))
    for i in range(x.size - 1):
        h[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        h[i + 1, i + 1] += 200
        h[i, i + 1] = h[i + 1, i] = -400 * x[i]
    return h


@pytest.fixture(scope="module", autouse=True)
def functions(http: httpx.Client) -> None:
    put(http, "rosen", {"code": ROSENBROCK, "default_dtype": "float64", "inputs": {"x": {"shape": ["n"]}}})
    put(http, "two", {"code": TWO, "default_dtype": "float64"})
    put(http, "mlp", {"code": MLP, "default_dtype": "float64"})


# --- what the issue asks for ------------------------------------------------------------------------------------------


def test_curl_makes_a_gradient_endpoint_of_a_file(live_url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    (tmp_path / "rosenbrock.py").write_text(ROSENBROCK)
    address = f"{live_url}/v1/functions/rosenbrock_by_curl"

    def curl(*arguments: str) -> Any:
        done = subprocess.run(["curl", "-s", *arguments], cwd=tmp_path, capture_output=True, check=True, timeout=30)
        return json.loads(done.stdout)

    made = curl("-X", "PUT", "-H", "Content-Type: text/x-python", "--data-binary", "@rosenbrock.py", address)
    assert (made["name"], made["code"]) == ("rosenbrock_by_curl", ROSENBROCK)
    as_json = ("-H", "Content-Type: application/json", "-d")
    x = np.array([0.5, 1.5, 1.0])
    both = curl(*as_json, json.dumps({"inputs": {"x": x.tolist()}}), f"{address}/value_and_grad")
    assert both["outputs"]["output"] == 313.0
    assert both["gradients"]["x"] == gradient(x).tolist()
    second = curl(*as_json, json.dumps({"inputs": {"x": x.tolist()}}), f"{address}/hessian")
    assert second["hessian"]["x"]["x"] == curvature(x).tolist()
    batch = curl(*as_json, json.dumps({"inputs": {"x": [x.tolist(), [1, 1, 1]]}, "in_axes": 0}), f"{address}/grad")
    assert batch["gradients"]["x"] == [gradient(x).tolist(), [0.0, 0.0, 0.0]]


# --- verbs ------------------------------------------------------------------------------------------------------------

POINT = np.array([0.5, 1.5, 1.0, -0.25])
V = np.array([1.0, -2.0, 0.5, 3.0])


def test_every_verb_is_what_analysis_says(http: httpx.Client) -> None:
    x, v = POINT.tolist(), V.tolist()
    value = float(np.sum(100 * (POINT[1:] - POINT[:-1] ** 2) ** 2 + (1 - POINT[:-1]) ** 2))
    g, h = gradient(POINT), curvature(POINT)
    assert ask(http, "rosen", "value", inputs={"x": x}) == {"outputs": {"output": value}}
    assert ask(http, "rosen", "grad", inputs={"x": x}) == {"gradients": {"x": g.tolist()}}
    assert ask(http, "rosen", "value_and_grad", inputs={"x": x}) == {
        "outputs": {"output": value},
        "gradients": {"x": g.tolist()},
    }
    pulled = ask(http, "rosen", "vjp", inputs={"x": x}, cotangents=[{"output": 2}, {"output": -1}])
    assert pulled["gradients"] == [{"x": (2 * g).tolist()}, {"x": (-g).tolist()}]
    pushed = ask(http, "rosen", "jvp", inputs={"x": x}, tangents=[{"x": v}, {"x": [1, 0, 0, 0]}])
    np.testing.assert_allclose([t["output"] for t in pushed["tangents"]], [g @ V, g[0]])
    np.testing.assert_allclose(ask(http, "rosen", "hvp", inputs={"x": x}, tangents={"x": v})["hvp"]["x"], h @ V)
    several = ask(http, "rosen", "hvp", inputs={"x": x}, tangents=[{"x": v}, {"x": (2 * V).tolist()}])["hvp"]
    np.testing.assert_allclose([s["x"] for s in several], [h @ V, 2 * h @ V])
    np.testing.assert_allclose(ask(http, "rosen", "jacobian", inputs={"x": x})["jacobian"]["output"]["x"], g)
    np.testing.assert_allclose(ask(http, "rosen", "hessian", inputs={"x": x})["hessian"]["x"]["x"], h)
    shapes = ask(http, "rosen", "abstract", inputs={"x": {"shape": [1_000_000]}})
    assert shapes["outputs"] == {"output": {"shape": [], "dtype": "float64"}}
    assert shapes["estimate"]["cost"] > 1_000_000
    assert not shapes["computed"]
    assert ask(http, "rosen", "check", inputs={"x": x}, order=2)["ok"] is True


def test_several_inputs_and_outputs(http: httpx.Client) -> None:
    x, y = [0.5, 1.0], [2.0, 3.0]
    inputs = {"x": x, "y": y, "scale": 2}
    assert ask(http, "two", "value", inputs=inputs)["outputs"] == {
        "loss": 8.0, "parts.0": [math.exp(0.5), math.e], "parts.1": y,
    }  # fmt: skip
    pulled = ask(http, "two", "vjp", inputs=inputs, cotangents={"loss": 1, "parts.0": [1, 0]}, wrt=["x"])
    np.testing.assert_allclose(pulled["gradients"]["x"], [4 + math.exp(0.5), 6])
    assert list(pulled["gradients"]) == ["x"]
    jacobian = ask(http, "two", "jacobian", inputs=inputs)["jacobian"]
    np.testing.assert_allclose(jacobian["loss"]["y"], [1.0, 2.0])
    np.testing.assert_allclose(jacobian["parts.0"]["x"], np.diag(np.exp(x)))
    np.testing.assert_allclose(jacobian["parts.1"]["x"], np.zeros((2, 2)))
    hessian = ask(http, "two", "hessian", inputs=inputs, cotangents={"loss": 1})["hessian"]
    np.testing.assert_allclose(hessian["x"]["y"], 2 * np.eye(2))
    np.testing.assert_allclose(hessian["x"]["x"], np.zeros((2, 2)))


def test_nested_inputs_by_path(http: httpx.Client) -> None:
    rng = np.random.default_rng(1)
    layers = [{"w": rng.normal(size=(3, 3)).tolist(), "b": rng.normal(size=3).tolist()} for _ in range(2)]
    inputs = {"params": {"layers": layers}, "x": [[0.1, 0.2, 0.3]]}
    found = ask(http, "mlp", "value_and_grad", inputs=inputs)
    assert sorted(found["gradients"]) == [
        "params.layers.0.b",
        "params.layers.0.w",
        "params.layers.1.b",
        "params.layers.1.w",
        "x",
    ]
    below = ask(http, "mlp", "grad", inputs=inputs, wrt="params.layers.1")["gradients"]
    assert below == {k: found["gradients"][k] for k in ("params.layers.1.w", "params.layers.1.b")}
    assert ask(http, "mlp", "check", inputs=inputs)["ok"] is True


def test_a_jacobian_of_many_rows_goes_by_columns(http: httpx.Client) -> None:
    put(http, "tall", {"code": "def f(x):\n    return (x * torch.arange(200.0)).sin()\n", "default_dtype": "float64"})
    k = np.arange(200.0)
    found = ask(http, "tall", "jacobian", inputs={"x": 0.3})["jacobian"]["output"]["x"]
    np.testing.assert_allclose(found, k * np.cos(0.3 * k), atol=1e-12)


def test_complex_numbers(http: httpx.Client) -> None:
    put(http, "conj", "def f(z):\n    return (z * z.conj()).real.sum()\n")
    inputs = {"z": {"dtype": "complex64", "data": [[1, 2], [3, -1]]}}
    assert ask(http, "conj", "value_and_grad", inputs=inputs) == {
        "outputs": {"output": 15.0}, "gradients": {"z": [[2.0, 4.0], [6.0, -2.0]]},
    }  # fmt: skip


def test_integer_inputs_and_outputs_have_no_derivative(http: httpx.Client) -> None:
    put(
        http,
        "pick",
        {"code": "def f(x, i):\n    return {'y': x[i].sum(), 'i': i}\n", "inputs": {"i": {"dtype": "int64"}}},
    )
    found = ask(http, "pick", "value_and_grad", inputs={"x": [1, 2, 3], "i": [2, 2]})
    assert found == {"outputs": {"y": 6.0, "i": [2, 2]}, "gradients": {"x": [0.0, 0.0, 2.0]}}
    assert ask(http, "pick", "jacobian", inputs={"x": [1, 2, 3], "i": [0]})["jacobian"] == {"y": {"x": [1.0, 0.0, 0.0]}}


def test_a_function_may_read_values_and_take_gradients_itself(http: httpx.Client) -> None:
    put(http, "branch", "def f(x):\n    if x.sum() > 0:\n        return (x**2).sum()\n    return -x.sum()\n")
    assert ask(http, "branch", "grad", inputs={"x": [1, 2]}) == {"gradients": {"x": [2.0, 4.0]}}
    assert ask(http, "branch", "grad", inputs={"x": [-1, -2]}) == {"gradients": {"x": [-1.0, -1.0]}}
    assert ask(http, "branch", "abstract", inputs={"x": [1, 2]})["computed"] is True
    code = "def f(x):\n    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)\n    return (g**2).sum()\n"
    put(http, "inner", code)
    assert ask(http, "inner", "grad", inputs={"x": [1, 2]}) == {"gradients": {"x": [36.0, 288.0]}}


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "own"),
    [
        ("value", {}), ("grad", {}), ("value_and_grad", {}), ("vjp", {"cotangents": {"output": 2.0}}),
        ("jvp", {"tangents": {"x": [1.0, 0.5, -1.0]}}), ("hvp", {"tangents": [{"x": [1.0, 0.5, -1.0]}, {"x": [0.0, 0.0, 1.0]}]}),
        ("jacobian", {}), ("hessian", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_batch_is_its_examples(http: httpx.Client, verb: str, own: dict[str, Any], axis: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(5, 3))
    whole = rows if axis == 0 else rows.T
    together = ask(http, "rosen", verb, inputs={"x": whole.tolist()}, in_axes={"x": axis}, **own)
    alone = [ask(http, "rosen", verb, inputs={"x": row.tolist()}, **own) for row in rows]
    leaves, expected = flat(together), [flat(a) for a in alone]
    assert leaves.keys() == expected[0].keys()
    for path, found in leaves.items():
        np.testing.assert_allclose(found, np.stack([e[path] for e in expected]), rtol=1e-12, atol=1e-12)


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if isinstance(tree, dict):
        return {k: v for key, part in tree.items() for k, v in flat(part, f"{path}/{key}").items()}
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return {k: v for n, part in enumerate(tree) for k, v in flat(part, f"{path}[{n}]").items()}
    return {path: np.array(tree)}


def test_some_inputs_may_be_the_same_for_all(http: httpx.Client) -> None:
    put(http, "dot", {"code": "def f(w, x):\n    return w @ x\n", "default_dtype": "float64"})
    w, x = [1.0, 2.0], [[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]
    found = ask(http, "dot", "value_and_grad", inputs={"w": w, "x": x}, in_axes={"x": 0})
    assert found["outputs"]["output"] == [1.0, 2.0, 6.0]
    assert found["gradients"] == {"w": x, "x": [w, w, w]}
    weighed = ask(
        http, "dot", "vjp", inputs={"w": w, "x": x}, in_axes={"x": 0}, cotangents={"output": [1, 0, 2]}, wrt="w"
    )
    assert weighed["gradients"]["w"] == [[1.0, 0.0], [0.0, 0.0], [4.0, 4.0]]


# --- steps and evaluate -----------------------------------------------------------------------------------------------


def test_steps_are_a_function_too(http: httpx.Client) -> None:
    body = {
        "inputs": {
            "x": {"dtype": "float64", "shape": ["n", 2]},
            "w": {"dtype": "float64", "shape": [2], "default": [1, 1]},
        },
        "constants": {"b": {"dtype": "float64", "data": 0.5}},
        "steps": [
            {"op": "matmul", "args": ["x", "w"], "id": "y"},
            {"op": "add_", "args": ["y", "b"]},
            {"op": "max", "args": ["x", 1], "id": ["m", None]},
            {"op": "mul", "args": ["y", [2.0, 3.0]], "id": "z"},
            {"op": "sum", "args": ["z[1:]"]},
        ],
        "outputs": {"loss": "t1", "largest": "m"},
    }
    made = put(http, "steps", body)
    assert made["kind"] == "steps"
    assert made["program"][0] == "y = matmul(x, w)"
    assert made["constants"] == {"b": {"dtype": "float64", "shape": []}}
    x = [[1.0, 2.0], [3.0, 4.0]]
    found = ask(http, "steps", "vjp", inputs={"x": x}, cotangents={"loss": 1.0})
    assert found["outputs"] == {"loss": 22.5, "largest": [2.0, 4.0]}
    assert found["gradients"] == {"x": [[0.0, 0.0], [3.0, 3.0]], "w": [9.0, 12.0]}
    assert ask(http, "steps", "check", inputs={"x": x}, wrt=["w"])["ok"] is True


def test_evaluate_keeps_nothing(http: httpx.Client) -> None:
    before = http.get("/v1/functions").json()
    for verb in ("value", "grad"):
        body = {"verb": verb, "code": ROSENBROCK, "inputs": {"x": [0.5, 1.5, 1.0]}}
        assert http.post("/v1/evaluate", json=body).json() == (
            {"outputs": {"output": 313.0}} if verb == "value" else {"gradients": {"x": [-251.0, 1001.0, -250.0]}}
        )
    assert http.get("/v1/functions").json() == before


def test_base64_values_both_ways(http: httpx.Client) -> None:
    x = np.array([0.1, math.nan, -0.0, math.inf])
    put(http, "same", {"code": "def f(x):\n    return x * 1\n", "inputs": {"x": {"dtype": "float64"}}})
    typed = {"dtype": "float64", "shape": [4], "base64": base64.b64encode(x.tobytes()).decode()}
    answer = http.post("/v1/functions/same/value?encoding=base64", json={"inputs": {"x": typed}})
    assert answer.json() == {"outputs": {"output": typed}}
    assert ask(http, "same", "value", inputs={"x": typed}) == {"outputs": {"output": [0.1, "NaN", -0.0, "Infinity"]}}


# --- versions ---------------------------------------------------------------------------------------------------------


def test_versions_are_pinned_and_replaced_on_condition(http: httpx.Client) -> None:
    address = "/v1/functions/versioned"
    first = http.put(address, content="def f(x):\n    return x * 2\n", headers=TEXT)
    assert first.status_code == 201
    assert first.headers["location"] == address
    tag = first.headers["etag"]
    assert tag == f'"{first.json()["version"]}"'
    again = http.put(address, content="def f(x):\n    return x * 2\n", headers=TEXT)
    assert (again.status_code, again.headers["etag"]) == (200, tag)
    taken = http.put(address, content="def f(x):\n    return x\n", headers={**TEXT, "if-none-match": "*"})
    assert taken.status_code == 412
    second = http.put(address, content="def f(x):\n    return x * 3\n", headers={**TEXT, "if-match": tag})
    assert second.status_code == 200
    stale = http.put(address, content="def f(x):\n    return x * 4\n", headers={**TEXT, "if-match": tag})
    assert stale.status_code == 412
    assert stale.headers["content-type"] == "application/problem+json"
    assert stale.json()["version"] == second.json()["version"]
    assert ask(http, "versioned", "value", inputs={"x": 1})["outputs"] == {"output": 3.0}
    old = first.json()["version"]
    assert ask(http, f"versioned@{old}", "value", inputs={"x": 1})["outputs"] == {"output": 2.0}
    assert ask(http, f"versioned@{old[:8]}", "value", inputs={"x": 1})["outputs"] == {"output": 2.0}
    assert http.get(f"{address}@{old}").json()["version"] == old
    assert http.get(address).json()["versions"] == [second.json()["version"], old]
    assert http.get(address, headers={"if-none-match": second.headers["etag"]}).status_code == 304
    assert http.delete(address, headers={"if-match": tag}).status_code == 412
    assert http.delete(address).status_code == 204
    for gone in (address, f"{address}@{old}"):
        assert http.get(gone).status_code == 404
    assert http.delete(address).status_code == 404


def test_the_list_is_paged(http: httpx.Client) -> None:
    names = [f["name"] for f in http.get("/v1/functions").json()["functions"]]
    assert names == sorted(names)
    seen: list[str] = []
    cursor = None
    while True:
        page = http.get("/v1/functions", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [f["name"] for f in page["functions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names


# --- purity -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "log = []\ndef f(x):\n    log.append(1)\n    print(x)\n    return x * len(log)\n",
        "count = 0\ndef f(x):\n    global count\n    count = count + 1\n    return x * count\n",
        "def f(x, seen=[]):\n    seen.append(1)\n    return x * len(seen)\n",
        "w = torch.ones(1)\ndef f(x):\n    w.add_(1)\n    return (x * w).sum() - x\n",
        "class C:\n    n = 0\ndef f(x):\n    C.n = C.n + 1\n    return x * C.n\n",
        "def f(x):\n    torch.set_default_dtype(torch.float64)\n    return x + torch.zeros(1).sum()\n",
        "def f(x):\n    x = x * 1\n    x.mul_(3)\n    return x / 3\n",
    ],
)  # fmt: skip
def test_nothing_of_a_run_outlives_it(http: httpx.Client, code: str) -> None:
    body = {"verb": "value", "code": code, "inputs": {"x": 1.0}}
    first = http.post("/v1/evaluate", json=body)
    if first.status_code == 422:  # what the interpreter does not have cannot leak
        assert "set_default_dtype" in code
        return
    assert first.json()["outputs"]["output"] == 1.0
    for _ in range(3):
        assert http.post("/v1/evaluate", json=body).json() == first.json()


def test_constants_cannot_be_written(http: httpx.Client) -> None:
    put(
        http, "writes", {"code": "def f(x):\n    w.add_(1)\n    return (w * x).sum()\n", "constants": {"w": [1.0, 2.0]}}
    )
    for _ in range(2):
        answer = http.post("/v1/functions/writes/value", json={"inputs": {"x": [1, 1]}})
        assert answer.status_code == 422
        assert answer.json()["line"] == 2
    put(
        http,
        "flags",
        {
            "code": "def f(x):\n    y = w.requires_grad\n    w.requires_grad_()\n    return x + float(y)\n",
            "constants": {"w": [1.0]},
        },
    )
    assert [ask(http, "flags", "value", inputs={"x": 0})["outputs"]["output"] for _ in range(3)] == [0.0] * 3


def test_random_numbers_follow_the_seed(http: httpx.Client) -> None:
    put(http, "noise", "def f(x):\n    return (x + torch.randn(3)).sum()\n")
    default = ask(http, "noise", "value", inputs={"x": 0})
    assert ask(http, "noise", "value", inputs={"x": 0}) == default
    assert ask(http, "noise", "value", inputs={"x": 0}, seed=0) == default
    assert ask(http, "noise", "value", inputs={"x": 0}, seed=7) != default
    rows = ask(http, "noise", "value", inputs={"x": [0, 0, 0]}, in_axes=0)["outputs"]["output"]
    assert len(set(rows)) == 3
    assert ask(http, "noise", "check", inputs={"x": 0.5})["ok"] is True


def test_a_wrong_derivative_is_found(http: httpx.Client) -> None:
    put(http, "wrong", "def f(x):\n    return (x.detach() * x).sum()\n")
    found = ask(http, "wrong", "check", inputs={"x": [1.0, 2.0]})
    assert found["ok"] is False
    assert "numerical" in found["detail"]


# --- from a session ---------------------------------------------------------------------------------------------------


def session_with(http: httpx.Client, steps: list[dict[str, Any]]) -> str:
    session: str = http.post("/v1/sessions", json={"seed": 3, "default_dtype": "float64"}).json()["session_id"]
    answer = http.post(f"/v1/sessions/{session}/batch", json={"steps": steps})
    assert answer.status_code == 200, answer.text
    return session


LEAVES: list[dict[str, Any]] = [
    {"op": "tensor", "args": [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]], "kwargs": {"requires_grad": True}, "id": "x"},
    {"op": "tensor", "args": [[0.5, -1.0, 2.0]], "kwargs": {"requires_grad": True}, "id": "w"},
    {"op": "tensor", "args": [[1.0, 2.0]], "id": "data"},
]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"op": "add", "args": ["x", 2], "id": "y"}], lambda x, w: x + 2),
        ([{"op": "matmul", "args": ["x", "w"], "id": "a"}, {"op": "sub", "args": ["a", "data"], "id": "y"}], lambda x, w: x @ w - [1, 2]),
        ([{"op": "getitem", "args": ["x", "1:, ::2"], "id": "y"}], lambda x, w: x[1:, ::2]),
        ([{"op": "getitem", "args": ["x", "[1, 0]"], "id": "a"}, {"op": "exp", "args": ["a"], "id": "y"}], lambda x, w: np.exp(x[[1, 0]])),
        ([{"op": "rsub", "args": ["x", 3], "id": "a"}, {"op": "add_", "args": ["a", "w"]}, {"op": "mul", "args": ["a", "a"], "id": "y"}],
         lambda x, w: (3 - x + w) ** 2),
        ([{"op": "max", "args": ["x", 1], "id": ["y", None]}], lambda x, w: x.max(1)),
        ([{"op": "split", "args": ["x", 1], "id": ["p", "q"]}, {"op": "cat", "args": [["q", "p", [[7.0, 7.0, 7.0]]], 0], "id": "y"}],
         lambda x, w: np.concatenate([x[1:], x[:1], [[7, 7, 7]]])),
        ([{"op": "mean", "args": ["x"], "kwargs": {"dim": [0], "keepdim": True}, "id": "y"}], lambda x, w: x.mean(0, keepdims=True)),
        ([{"op": "add", "args": ["x", "w"], "kwargs": {"alpha": 3}, "id": "y"}], lambda x, w: x + 3 * w),
        ([{"op": "nn.functional.linear", "args": ["x", [[1.0, 0.0, 2.0]], [0.5]], "id": "y"}], lambda x, w: x @ [[1], [0], [2]] + 0.5),
        ([{"op": "softmax", "args": ["x", 1], "id": "y"}], lambda x, w: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        ([{"op": "where", "args": [[True, False, True], "x", 0.0], "id": "y"}], lambda x, w: np.where([True, False, True], x, 0)),
    ],
)  # fmt: skip
def test_the_graph_of_a_session_is_a_function(http: httpx.Client, steps: Any, expected: Any) -> None:
    session = session_with(http, [*LEAVES, *steps])
    uses_w = '"w"' in json.dumps(steps)
    body = {"from_session": session, "inputs": ["x", "w"] if uses_w else ["x"], "outputs": "y"}
    answer = http.put("/v1/functions/captured", json=body)
    assert answer.status_code in (200, 201), answer.text
    http.delete(f"/v1/sessions/{session}")
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(2, 3)), rng.normal(size=3)
    inputs = {"x": x.tolist(), **({"w": w.tolist()} if uses_w else {})}
    found = ask(http, "captured", "value", inputs=inputs)["outputs"]["output"]
    np.testing.assert_allclose(found, expected(x, w), rtol=1e-12)
    assert ask(http, "captured", "check", inputs=inputs)["ok"] is True


def test_a_session_keeps_its_data_and_serves_its_loss(http: httpx.Client) -> None:
    steps = [
        *LEAVES,
        {"op": "matmul", "args": ["x", "w"], "id": "p"},
        {"op": "nn.functional.mse_loss", "args": ["p", "data"], "id": "loss"},
    ]
    session = session_with(http, steps)
    body = {"from_session": session, "inputs": ["w"], "outputs": {"loss": "loss", "prediction": "p"}, "doc": "a fit"}
    made = http.put("/v1/functions/fit_of_session", json=body).json()
    assert made["constants"] == {"x": {"dtype": "float64", "shape": [2, 3]}, "data": {"dtype": "float64", "shape": [2]}}
    assert made["doc"] == "a fit"
    x, d, w = np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1.0, 2]), np.array([0.1, 0.2, 0.3])
    found = ask(http, "fit_of_session", "vjp", inputs={"w": w.tolist()}, cotangents={"loss": 1})
    np.testing.assert_allclose(found["outputs"]["loss"], np.mean((x @ w - d) ** 2))
    np.testing.assert_allclose(found["outputs"]["prediction"], x @ w)
    np.testing.assert_allclose(found["gradients"]["w"], x.T @ (x @ w - d))


def test_what_is_no_function_of_a_session(http: httpx.Client) -> None:
    steps = [
        *LEAVES,
        {"op": "dropout", "args": ["x", 0.5], "id": "noisy"},
        {"op": "mul", "args": ["x", 2], "id": "y"},
        {"op": "mul", "args": ["data", 2], "id": "apart"},
    ]
    session = session_with(http, steps)

    def refused(sentence: str, status: int = 422, **body: Any) -> None:
        answer = http.put("/v1/functions/never_captured", json={"from_session": session, "inputs": ["x"], **body})
        assert answer.status_code == status, answer.text
        assert sentence in answer.text
        assert http.get("/v1/functions/never_captured").status_code == 404

    refused("does not lead to the values", outputs="noisy")
    refused("do not depend on 'w'", inputs=["x", "w"], outputs="y")
    refused("has no graph", outputs="apart")
    refused("no such tensor", outputs="nobody")
    refused("'outputs' must be")
    refused("must be a list of ids", inputs={"x": {}}, outputs="y")
    refused("has the fields", outputs="y", constants={})
    refused("no such session", from_session="A" * 32, outputs="y", status=404)
