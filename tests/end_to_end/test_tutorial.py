"""PyTorch's autograd tutorial over HTTP: every line of it as single requests, and as one batch."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


class Client:
    """A session of a live server, called as a client in any language would."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.path = f"/v1/sessions/{http.post('/v1/sessions', json={'seed': 3}).json()['session_id']}"

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.http.post(self.path + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.http.get(self.path + path)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def op(self, name: str, *args: Any, id: str | None = None, **kwargs: Any) -> Any:
        body: dict[str, Any] = {"args": list(args), "kwargs": kwargs}
        return self.post(f"/ops/{name}", body if id is None else {**body, "id": id})


@pytest.fixture
def client(http: httpx.Client) -> Client:
    return Client(http)


def test_a_tensor_that_requires_grad(client: Client) -> None:
    x = client.post("/tensors", {"id": "x", "op": "ones", "args": [2, 2], "requires_grad": True}, status=201)
    assert x["repr"] == "tensor([[1., 1.],\n        [1., 1.]], requires_grad=True)"
    assert x["grad_fn"] is None
    assert x["is_leaf"]


def test_an_operation_has_a_grad_fn(client: Client) -> None:
    client.post("/tensors", {"id": "x", "op": "ones", "args": [2, 2], "requires_grad": True}, status=201)
    y = client.op("add", "x", 2, id="y")
    assert y == {
        "id": "y",
        "shape": [2, 2],
        "dtype": "float32",
        "requires_grad": True,
        "is_leaf": False,
        "grad_fn": "AddBackward0",
        "version": 0,
        "data": [[3.0, 3.0], [3.0, 3.0]],
        "grad": None,
        "repr": "tensor([[3., 3.],\n        [3., 3.]], grad_fn=<AddBackward0>)",
    }


def test_setting_requires_grad(client: Client) -> None:
    client.post("/tensors", {"id": "a", "op": "ones", "args": [2, 2]}, status=201)
    client.op("mul", "a", 3, id="p")
    client.op("add", "a", 1, id="q")
    a = client.op("div", "p", "q", id="a")
    assert a["data"] == [[1.5, 1.5], [1.5, 1.5]]
    assert (a["requires_grad"], a["grad_fn"]) == (False, None)
    changed = client.http.patch(f"{client.path}/tensors/a", json={"requires_grad": True}).json()
    assert changed["requires_grad"] is True
    client.op("mul", "a", "a", id="aa")
    b = client.op("sum", "aa", id="b")
    assert (b["data"], b["grad_fn"]) == (9.0, "SumBackward0")


def test_backward_of_one_element(client: Client) -> None:
    client.post("/tensors", {"id": "x", "op": "ones", "args": [2, 2], "requires_grad": True}, status=201)
    client.op("add", "x", 2, id="y")
    client.op("mul", "y", "y", id="yy")
    z = client.op("add", "yy", 3, id="z")
    assert z["data"] == [[12.0, 12.0], [12.0, 12.0]]
    out = client.op("mean", "z", id="out")
    assert (out["data"], out["grad_fn"]) == (12.0, "MeanBackward0")
    answer = client.post("/tensors/out/backward")
    assert answer["gradients"] == {"x": {"shape": [2, 2], "dtype": "float32", "data": [[1.5, 1.5], [1.5, 1.5]]}}
    assert client.get("/tensors/x/grad")["data"] == [[1.5, 1.5], [1.5, 1.5]]
    again = client.http.post(f"{client.path}/tensors/out/backward")
    assert again.status_code == 409
    assert again.json()["detail"].startswith("Trying to backward through the graph a second time")


def test_backward_of_several_elements(client: Client) -> None:
    client.post("/tensors", {"id": "x", "op": "randn", "args": [3], "requires_grad": True}, status=201)
    client.op("mul", "x", 2, id="y")
    doubled = 1
    while client.op("norm", "y.data")["data"] < 1000:
        client.op("mul", "y", 2, id="y")
        doubled += 1
    assert (
        client.http.post(f"{client.path}/tensors/y/backward")
        .json()["detail"]
        .startswith("grad can be implicitly created only for scalar outputs")
    )
    client.post("/tensors/y/backward", {"gradient": [0, 1, 0.5]})
    assert client.get("/tensors/x/grad")["data"] == [0.0, 2.0**doubled, 2.0 ** (doubled - 1)]


def test_stopping_autograd(client: Client) -> None:
    client.post("/tensors", {"id": "x", "op": "ones", "args": [2, 2], "requires_grad": True}, status=201)
    assert client.op("pow", "x", 2)["requires_grad"] is True
    detached = client.post("/tensors/x/detach", {"id": "xd"})
    assert (detached["requires_grad"], detached["is_leaf"]) == (False, True)
    scope = client.post("/scopes", {"mode": "no_grad"}, status=201)
    assert client.op("pow", "x", 2, id="untracked")["requires_grad"] is False
    assert client.http.delete(f"{client.path}/scopes/{scope['id']}").status_code == 204
    assert client.op("pow", "x", 2)["requires_grad"] is True


def test_all_of_it_as_one_batch(client: Client) -> None:
    steps = [
        {"op": "ones", "args": [2, 2], "kwargs": {"requires_grad": True}, "id": "x"},
        {"op": "add", "args": ["x", 2], "id": "y"},
        {"op": "ones", "args": [2, 2], "id": "a"},
        {"op": "mul", "args": ["a", 3], "id": "p"},
        {"op": "add", "args": ["a", 1], "id": "q"},
        {"op": "div", "args": ["p", "q"], "id": "a"},
        {"op": "requires_grad_", "args": ["a", True]},
        {"op": "mul", "args": ["a", "a"], "id": "aa"},
        {"op": "sum", "args": ["aa"], "id": "b"},
        {"op": "mul", "args": ["y", "y"], "id": "yy"},
        {"op": "add", "args": ["yy", 3], "id": "z"},
        {"op": "mean", "args": ["z"], "id": "out"},
        {"op": "backward", "args": ["out"]},
        {"op": "randn", "args": [3], "kwargs": {"requires_grad": True}, "id": "r"},
        {"op": "mul", "args": ["r", 2], "id": "s"},
        {"op": "norm", "args": ["s.data"], "id": "length"},
        {"op": "backward", "args": ["s", [0, 0, 0]]},
        {"op": "detach", "args": ["x"], "id": "xd"},
        {"op": "enter", "args": ["no_grad"]},
        {"op": "pow", "args": ["x", 2], "id": "untracked"},
        {"op": "exit"},
        {"op": "pow", "args": ["x", 2], "id": "tracked"},
    ]
    wanted = ["x.grad", "b", "out", "r.grad", "xd", "untracked", "tracked"]
    answer = client.post("/batch", {"steps": steps, "return": wanted})
    results = answer["results"]
    assert results["x.grad"]["data"] == [[1.5, 1.5], [1.5, 1.5]]
    assert results["b"]["data"] == 9.0
    assert results["out"]["data"] == 12.0
    assert results["r.grad"]["data"] == [0.0, 0.0, 0.0]
    assert [results[n]["requires_grad"] for n in ("xd", "untracked", "tracked")] == [False, False, True]
    assert answer["outputs"][0] == ["x"]
    assert answer["values"]["12"]["gradients"]["x"]["data"] == [[1.5, 1.5], [1.5, 1.5]]
