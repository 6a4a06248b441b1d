"""What functions refuse: always a 4xx problem that names the place, and nothing is kept."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

CODE = "def f(x, y=2, flag=True):\n    return (x * y).sum()\n"
VECTOR = "def g(x):\n    return x * 2\n"
DEFINITIONS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "nothing": ({}, "either 'code' or 'steps'", {}),
    "code and steps": ({"code": CODE, "steps": [{"op": "exp", "args": ["x"]}]}, "either 'code' or 'steps'", {}),
    "an unknown field": ({"code": CODE, "cod": 1}, "has the fields", {}),
    "code that is no text": ({"code": 3}, "must be text", {"argument": "code"}),
    "empty code": ({"code": "  \n"}, "must be text", {"argument": "code"}),
    "no Python": ({"code": "def f(x:\n  return"}, "SyntaxError", {"line": 1}),
    "no function": ({"code": "x = 1\n"}, "defines no function", {"line": 1}),
    "code that fails": ({"code": "y = 1 / 0\ndef f(x):\n    return x\n"}, "ZeroDivisionError", {"line": 1, "column": 5}),
    "an import": ({"code": "import os\ndef f(x):\n    return x\n"}, "os", {"line": 1}),
    "a loop without end": ({"code": "while True:\n    pass\ndef f(x):\n    return x\n"}, "script", {"limit": "script_steps"}),
    "any number of arguments": ({"code": "def f(*xs):\n    return xs[0]\n"}, "names each of its inputs", {"argument": "code"}),
    "too much code": ({"code": "#" * 300_000}, "function_source_bytes", {"limit": "function_source_bytes"}),
    "a spec of nobody": ({"code": CODE, "inputs": {"z": {}}}, "no parameter 'z'", {"argument": "inputs.z"}),
    "a spec that is no object": ({"code": CODE, "inputs": {"x": "float32"}}, "a spec is an object", {"argument": "inputs.x"}),
    "a field that specs lack": ({"code": CODE, "inputs": {"x": {"size": 3}}}, "a spec has the fields", {"argument": "inputs.x"}),
    "a dtype of NumPy's": ({"code": CODE, "inputs": {"x": {"dtype": "object"}}}, "'dtype' must be", {"argument": "inputs.x.dtype"}),
    "a negative size": ({"code": CODE, "inputs": {"x": {"shape": [-1]}}}, "a size is", {"argument": "inputs.x.shape"}),
    "a fractional size": ({"code": CODE, "inputs": {"x": {"shape": [1.5]}}}, "a size is", {"argument": "inputs.x.shape"}),
    "an input in an input": ({"code": CODE, "inputs": {"x": {}, "x.w": {}}}, "inside another", {"argument": "inputs"}),
    "a path that is none": ({"code": CODE, "inputs": {"../x": {}}}, "an id must be a Python name", {}),
    "a constant that is an input": ({"code": CODE, "constants": {"x": 1}}, "both an input and a constant", {"argument": "constants.x"}),
    "a ragged constant": ({"code": CODE, "constants": {"w": [[1], [1, 2]]}}, "constants.w[1]", {"argument": "constants.w[1]"}),
    "a keyword as a constant": ({"code": CODE, "constants": {"lambda": 1}}, "keyword", {}),
    "null as a constant": ({"code": CODE, "constants": {"w": None}}, "a constant is", {"argument": "constants.w"}),
    "a default dtype of integers": ({"code": CODE, "default_dtype": "int64"}, "'default_dtype' must be", {"argument": "default_dtype"}),
    "no steps": ({"steps": []}, "at least one step", {"argument": "steps"}),
    "a step that is none": ({"steps": [1]}, "step", {"step": 0}),
    "an unknown operator": (
        {"inputs": {"x": {}}, "steps": [{"op": "save", "args": ["x"]}]},
        "no such operator", {"step": 0, "argument": "op"},
    ),
    "an internal row": (
        {"inputs": {"x": {}}, "steps": [{"op": "_as_strided_chain", "args": ["x", []]}]},
        "no such operator", {"step": 0},
    ),
    "a verb of sessions": ({"inputs": {"x": {}}, "steps": [{"op": "backward", "args": ["x"]}]}, "belongs to sessions", {"step": 0}),
    "outputs that are numbers": ({"inputs": {"x": {}}, "steps": [{"op": "exp", "args": ["x"]}], "outputs": [1]}, "'outputs' must be", {}),
}  # fmt: skip
CALLS: dict[str, tuple[str, Any, str, dict[str, Any]]] = {
    "an unknown field": ("value", {"input": {}}, "no such field", {"argument": "input"}),
    "a field of another verb": ("value", {"inputs": {"x": 1}, "wrt": ["x"]}, "no such field", {"argument": "wrt"}),
    "inputs that are a list": ("value", {"inputs": [1]}, "must be an object", {"argument": "inputs"}),
    "an input that is missing": ("value", {"inputs": {}}, "'x' is missing", {"argument": "inputs.x"}),
    "an input of nobody": ("value", {"inputs": {"x": 1, "z": 1}}, "no such input", {"argument": "inputs.z"}),
    "a string": ("value", {"inputs": {"x": [1, "2"]}}, "inputs.x[1]", {"argument": "inputs.x[1]"}),
    "null": ("value", {"inputs": {"x": [[1, None]]}}, "inputs.x[0][1]", {"argument": "inputs.x[0][1]"}),
    "a ragged list": ("value", {"inputs": {"x": [[1, 2], [3]]}}, "inputs.x[1]", {"argument": "inputs.x[1]"}),
    "a number for a flag": ("value", {"inputs": {"x": 1, "flag": 1}}, "must be a boolean", {"argument": "inputs.flag"}),
    "a fraction for a whole number": ("value", {"inputs": {"x": 1, "y": 1.5}}, "whole number", {"argument": "inputs.y"}),
    "base64 that is none": ("value", {"inputs": {"x": {"dtype": "float32", "base64": "***"}}}, "base64", {"argument": "inputs.x"}),
    "wrt of nobody": ("grad", {"inputs": {"x": 1}, "wrt": ["z"]}, "no tensor among the inputs", {"argument": "wrt"}),
    "wrt of a plain value": ("grad", {"inputs": {"x": 1, "y": 3}, "wrt": ["y"]}, "no tensor among the inputs", {"argument": "wrt"}),
    "wrt of integers": (
        "grad", {"inputs": {"x": {"dtype": "int64", "data": [1]}}, "wrt": "x"},
        "only Tensors of floating point", {"argument": "wrt"},
    ),
    "nothing to differentiate": (
        "grad", {"inputs": {"x": {"dtype": "int64", "data": [1]}}},
        "no input can be differentiated", {"argument": "wrt"},
    ),
    "a cotangent of another shape": (
        "vjp", {"inputs": {"x": [1, 2]}, "cotangents": {"output": [1, 2]}},
        "must have shape []", {"argument": "cotangents.output"},
    ),
    "a cotangent of nobody": ("vjp", {"inputs": {"x": [1, 2]}, "cotangents": {"loss": 1}}, "no such output", {"argument": "cotangents"}),
    "a cotangent that is a string": (
        "vjp", {"inputs": {"x": 1}, "cotangents": {"output": "a"}},
        "cotangents.output", {"argument": "cotangents.output"},
    ),
    "no cotangents": ("vjp", {"inputs": {"x": 1}, "cotangents": []}, "'cotangents' must be", {"argument": "cotangents"}),
    "no tangents": ("jvp", {"inputs": {"x": 1}}, "needs 'tangents'", {"argument": "tangents"}),
    "a tangent of another shape": (
        "jvp", {"inputs": {"x": [1, 2]}, "tangents": {"x": 1}},
        "must have shape [2]", {"argument": "tangents.x"},
    ),
    "a tangent of nobody": ("hvp", {"inputs": {"x": [1, 2]}, "tangents": {"q": 1}}, "names no tensor", {"argument": "tangents"}),
    "an axis that is not there": ("value", {"inputs": {"x": 1}, "in_axes": 0}, "has 0 dims", {"argument": "in_axes.x"}),
    "an axis of nobody": ("value", {"inputs": {"x": [1]}, "in_axes": {"q": 0}}, "names no tensor", {"argument": "in_axes"}),
    "an axis that is a string": ("value", {"inputs": {"x": [1]}, "in_axes": "0"}, "'in_axes' must be", {"argument": "in_axes"}),
    "an empty batch": ("value", {"inputs": {"x": []}, "in_axes": 0}, "at least one example", {"argument": "in_axes"}),
    "a seed that is negative": ("value", {"inputs": {"x": 1}, "seed": -1}, "'seed' must be", {"argument": "seed"}),
    "a step of zero": ("check", {"inputs": {"x": 1}, "eps": 0}, "'eps' must be", {"argument": "eps"}),
    "a third order": ("check", {"inputs": {"x": 1}, "order": 3}, "'order' must be", {"argument": "order"}),
    "a shape past all limits": ("abstract", {"inputs": {"x": {"shape": [2**30, 2**30]}}}, "more elements", {"argument": "inputs.x"}),
    "a shape past a limit": ("abstract", {"inputs": {"x": {"shape": [2**25]}}}, "tensor_elements", {"limit": "tensor_elements"}),
}  # fmt: skip
RUNS: dict[str, tuple[str, str, Any, str, dict[str, Any]]] = {
    "an error of the engine": ("def f(x):\n    y = x + 1\n    return y @ y\n", "value", {"x": 1}, "RuntimeError", {"line": 3}),
    "an error in a batch": ("def f(x):\n    return x.item()\n", "value", {"x": [1, 2]}, "vmap", {}),
    "a name that is not there": ("def f(x):\n    return q\n", "value", {"x": 1}, "NameError", {"line": 2, "column": 12}),
    "an escape": ("def f(x):\n    return x.__class__\n", "value", {"x": 1}, "__class__", {"line": 2}),
    "nothing returned": ("def f(x):\n    x + 1\n", "value", {"x": 1}, "returns tensors", {}),
    "a string returned": ("def f(x):\n    return 'a'\n", "value", {"x": 1}, "returns tensors", {}),
    "an empty tuple": ("def f(x):\n    return ()\n", "value", {"x": 1}, "answers nothing", {}),
    "a gradient of a vector": (VECTOR, "grad", {"x": [1, 2]}, "grad can be implicitly created only for scalar outputs", {}),
    "a Hessian of a vector": (VECTOR, "hessian", {"x": [1, 2]}, "grad can be implicitly created only for scalar outputs", {}),
    "a loop without end": ("def f(x):\n    while True:\n        pass\n", "value", {"x": 1}, "script_s", {}),
    "recursion without end": ("def f(x):\n    return f(x)\n", "value", {"x": 1}, "RecursionError", {"line": 2}),
    "a tensor too large": (
        "def f(x):\n    return x + torch.ones(10**5, 10**5)\n", "value", {"x": 1},
        "tensor_elements", {"limit": "tensor_elements"},
    ),
    "too much arithmetic": (
        "def f(x):\n    a = torch.ones(2000, 2000) * x\n    return a @ a @ a\n", "value", {"x": 1},
        "request_cost", {"limit": "request_cost"},
    ),
    "a Hessian too large": (
        "def f(x):\n    return (x**2).sum()\n", "hessian", {"x": [1] * 3000},
        "tensor_elements", {"limit": "tensor_elements"},
    ),
    "a long string": ("def f(x):\n    s = 'a' * 10**9\n    return x\n", "value", {"x": 1}, "script_data_bytes", {}),
    "in place on an input": (
        "def f(x):\n    x.add_(1)\n    return x.sum()\n", "grad", {"x": [1.0]},
        "a leaf Variable that requires grad", {"line": 2},
    ),
}  # fmt: skip


def assert_problem(answer: httpx.Response, sentence: str, members: dict[str, Any], status: int = 422) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) <= 4096
    body = answer.json()
    assert sentence in answer.text, body
    for name, value in members.items():
        assert body.get(name) == value, body


@pytest.fixture(scope="module", autouse=True)
def functions(http: httpx.Client) -> None:
    http.put("/v1/functions/refusing", json={"code": CODE}).raise_for_status()
    spec = {"x": {"shape": ["n", 2]}, "y": {"shape": ["n"]}, "k": {"dtype": "int64", "shape": [None]}}
    code = "def f(x, y, k):\n    return x.sum() + y.sum()\n"
    http.put("/v1/functions/sized", json={"code": code, "inputs": spec}).raise_for_status()


@pytest.mark.parametrize("name", list(DEFINITIONS))
def test_definitions(http: httpx.Client, name: str) -> None:
    body, sentence, members = DEFINITIONS[name]
    assert_problem(http.put("/v1/functions/never", json=body), sentence, members)
    assert http.get("/v1/functions/never").status_code == 404


@pytest.mark.parametrize("name", list(CALLS))
def test_calls(http: httpx.Client, name: str) -> None:
    verb, body, sentence, members = CALLS[name]
    assert_problem(http.post(f"/v1/functions/refusing/{verb}", json=body), sentence, members)


@pytest.mark.parametrize("name", list(RUNS))
def test_runs(http: httpx.Client, name: str) -> None:
    code, verb, inputs, sentence, members = RUNS[name]
    body = {"code": code, "verb": verb, "inputs": inputs, **({"in_axes": 0} if "batch" in name else {})}
    assert_problem(http.post("/v1/evaluate", json=body), sentence, members)
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("inputs", "sentence", "argument"),
    [
        ({"x": [[1, 2]], "y": [1, 2], "k": [1]}, "size n must be the same in all inputs: inputs.x at dim 0 has 1, inputs.y", "inputs.y"),
        ({"x": [[1, 2, 3]], "y": [1], "k": [1]}, "must have shape [n, 2]: size 2 at dim 1, got 3", "inputs.x"),
        ({"x": [1, 2], "y": [1], "k": [1]}, "2 dims, got 1", "inputs.x"),
        ({"x": [[1, 2]], "y": [1], "k": [1.5]}, "inputs.k[0]", "inputs.k[0]"),
        ({"x": [[1, 2]], "y": [1], "k": {"dtype": "int32", "data": [1]}}, "inputs.k must be int64, got int32", "inputs.k"),
        ({"x": {"dtype": "float64", "data": [[1, 2]]}, "y": [1], "k": [1]}, "inputs.x must be float32, got float64", "inputs.x"),
        ({"x": [[True, False]], "y": [1], "k": [1]}, "inputs.x[0][0]", "inputs.x[0][0]"),
    ],
)  # fmt: skip
def test_sizes_and_dtypes(http: httpx.Client, inputs: Any, sentence: str, argument: str) -> None:
    assert_problem(http.post("/v1/functions/sized/value", json={"inputs": inputs}), sentence, {"argument": argument})
    good = {"x": [[1, 2], [3, 4]], "y": [1, 2], "k": [1, 2, 3]}
    assert http.post("/v1/functions/sized/value", json={"inputs": good}).json() == {"outputs": {"output": 13.0}}


def test_batches_of_different_sizes(http: httpx.Client) -> None:
    inputs = {"x": [[[1, 2]], [[3, 4]]], "y": [[1]], "k": [1]}
    answer = http.post("/v1/functions/sized/value", json={"inputs": inputs, "in_axes": {"x": 0, "y": 0}})
    assert_problem(answer, "all batches must have the same size", {"argument": "in_axes"})


def test_steps_that_fail_say_which(http: httpx.Client) -> None:
    steps: list[dict[str, Any]] = [{"op": "exp", "args": ["x"], "id": "y"}, {"op": "matmul", "args": ["y", "nobody"]}]
    body = {"function": {"inputs": {"x": {}}, "steps": steps}, "inputs": {"x": [1, 2]}}
    assert_problem(http.post("/v1/evaluate", json=body), "nothing is called so here", {"step": 1, "argument": "other"})
    steps[1] = {"op": "matmul", "args": ["y", [1.0, 2.0, 3.0]]}
    body = {"function": {"inputs": {"x": {}}, "steps": steps}, "inputs": {"x": [1, 2]}}
    assert_problem(http.post("/v1/evaluate", json=body), "size", {"step": 1})
    body = {"function": {"inputs": {"x": {}}, "steps": steps[:1], "outputs": "z"}, "inputs": {"x": 1}}
    assert_problem(http.post("/v1/evaluate", json=body), "nothing is called so here", {"argument": "outputs"})


def test_addresses_that_are_not_there(http: httpx.Client) -> None:
    for address in ("/v1/functions/nobody", "/v1/functions/refusing@0123456789abcdef", "/v1/functions/refusing@12"):
        assert_problem(http.get(address), "no such", {}, 404)
        assert_problem(http.post(f"{address}/value", json={"inputs": {"x": 1}}), "no such", {}, 404)
    assert_problem(http.post("/v1/functions/refusing/integral", json={}), "nothing at this address", {}, 404)
    answer = http.get("/v1/functions/refusing/value")
    assert_problem(answer, "no such method", {}, 405)
    assert http.patch("/v1/functions/refusing").headers["allow"] == "DELETE, GET, HEAD, PUT"
    for name in ("1up", "a@b", "größe-1", "a b", "x" * 65):
        refused = http.put(f"/v1/functions/{name}", json={"code": CODE})
        assert_problem(refused, "name must be a Python name", {"argument": "name"})
    assert_problem(http.put("/v1/functions/ﬁt", json={"code": CODE}), "form NFKC", {"argument": "name"})
    assert_problem(http.delete("/v1/functions/refusing@abc"), "with all its versions", {"argument": "name"})


def test_other_content(http: httpx.Client) -> None:
    xml = {"content-type": "application/xml"}
    assert_problem(http.put("/v1/functions/never", content=b"<x/>", headers=xml), "text/x-python", {}, 415)
    assert_problem(http.post("/v1/functions/refusing/value", content=b"<x/>", headers=xml), "application/json", {}, 415)
    text = {"content-type": "text/x-python; charset=utf-8"}
    assert_problem(http.put("/v1/functions/never", content=b"\xff\xfe", headers=text), "UTF-8", {"argument": "code"})
    for raw in (
        b"{",
        b"[1]",
        b'{"inputs": {"x": 1e400}}',
        b'{"inputs": 1, "inputs": 2}',
        b'{"inputs":' + b"[" * 10_000,
    ):
        answer = http.post("/v1/functions/refusing/value", content=raw, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), raw[:30]
    assert_problem(
        http.post("/v1/functions/refusing/value?encoding=xml", json={"inputs": {"x": 1}}), "'encoding' must be", {}
    )


def test_evaluate_wants_one_function(http: httpx.Client) -> None:
    for body in ({}, {"verb": "value"}, {"code": CODE, "function": {"code": CODE}}, {"function": 1}):
        assert_problem(http.post("/v1/evaluate", json=body), "'function'", {})
    assert_problem(
        http.post("/v1/evaluate", json={"verb": "integral", "code": CODE}), "'verb' must be", {"argument": "verb"}
    )
