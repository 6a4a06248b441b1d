"""What is measured: for each row the same work asked of every contender that has it, prepared and checked once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import orjson

from tests.benchmarks.service import by_hand
from tests.benchmarks.service.load import Shot

__all__ = ["LARGE", "NPY", "Contenders", "Row", "rows"]

NPY, SAFETENSORS = "application/x-npy", "application/vnd.safetensors"
LARGE = 10**6
JSON = {"content-type": "application/json"}
ROSENBROCK = """import torch

def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()
"""
MLP = """import torch

def mlp(x):
    hidden = torch.tanh(data @ x[:128].reshape(8, 16) + x[128:144])
    error = hidden @ x[144:160].reshape(16, 1) + x[160] - target
    return (error ** 2).mean()
"""


@dataclass(frozen=True)
class Contenders:
    """Addresses; None for a peer that is not installed."""

    ours: str
    echo: str
    umbridge: str | None
    tesseract: str | None


@dataclass(frozen=True)
class Row:
    """One line of the report. shots: by contender. aim: the ratio to the echo that is aimed at. nbytes: of values in one request."""

    name: str
    shots: dict[str, Shot]
    aim: float | None = None
    nbytes: int = 0
    connections: int = 4
    missing: str = ""
    steps: int = 0
    eager: Callable[[], None] | None = field(default=None)


def _dumped(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def rows(at: Contenders) -> Iterator[Row]:
    """Every row, in the order of the report; a row is prepared when it is reached."""
    with httpx.Client(base_url=at.ours, timeout=120) as http:
        session = f"/v1/sessions/{http.post('/v1/sessions').raise_for_status().json()['session_id']}"
        yield from _functions(at, http)
        yield from _operators(at, http, session)
        yield from _batches(at)
        yield from _values(at, http, session)


def _functions(at: Contenders, http: httpx.Client) -> Iterator[Row]:
    constants = {
        name: {"dtype": "float64", "shape": list(a.shape), "data": a.tolist()}
        for name, a in (("data", by_hand.DATA), ("target", by_hand.TARGET))
    }
    for name, code, size, constant in (
        ("rosenbrock", ROSENBROCK, 10, {}),
        ("rosenbrock", ROSENBROCK, 1000, {}),
        ("mlp", MLP, 161, constants),
    ):
        title = f"{name} {size}, value_and_grad" if name == "rosenbrock" else "small MLP, value_and_grad"
        definition: dict[str, Any] = {"code": code, "inputs": {"x": {"dtype": "float64", "shape": ["n"]}}}
        if constant:
            definition["constants"] = constant
        put = http.put(f"/v1/functions/{name}", content=_dumped(definition), headers=JSON)
        if put.status_code in {404, 405}:
            yield Row(title, {}, missing="the routes of served functions are not there")
            continue
        put.raise_for_status()
        x = np.random.default_rng(size).standard_normal(size)
        body = _dumped({"inputs": {"x": x}})
        shots = {
            "ours": Shot(f"{at.ours}/v1/functions/{name}/value_and_grad", body),
            "echo": Shot(f"{at.echo}/json", body),
        }
        if at.umbridge is not None:
            wanted = {"name": name, "outWrt": 0, "inWrt": 0, "input": [x], "sens": [1.0], "config": {"n": size}}
            shots["umbridge"] = Shot(f"{at.umbridge}/Gradient", _dumped(wanted))
        if at.tesseract is not None:
            pulled = {"vjp_inputs": ["x"], "vjp_outputs": ["value"], "cotangent_vector": {"value": 1.0}}
            wanted = {"inputs": {"name": name, "x": x}, **pulled}
            shots["tesseract"] = Shot(f"{at.tesseract}/vector_jacobian_product", _dumped(wanted))
        _agree(title, shots, by_hand.FUNCTIONS[name][1](x))
        yield Row(title, shots, aim=0.6)


def _agree(title: str, shots: dict[str, Shot], gradient: Any) -> None:
    """Every contender answers the same gradient, or the row means nothing."""
    where: dict[str, Callable[[Any], Any]] = {
        "ours": lambda a: a["gradients"]["x"],
        "umbridge": lambda a: a["output"],
        "tesseract": lambda a: a["x"]["data"]["buffer"],
    }
    for name, shot in shots.items():
        if name in where:
            answer = httpx.post(shot.url, content=shot.body, headers=shot.headers, timeout=60).raise_for_status()
            np.testing.assert_allclose(where[name](answer.json()), gradient, rtol=1e-9, atol=1e-9, err_msg=title)


def _operators(at: Contenders, http: httpx.Client, session: str) -> Iterator[Row]:
    steps = [
        {"op": "rand", "args": [[2, 2]], "kwargs": {"requires_grad": True}, "id": "a"},
        {"op": "rand", "args": [[2, 2]], "id": "b"},
        {"op": "rand", "args": [[64, 64]], "id": "c"},
    ]
    http.post(f"{session}/batch", content=_dumped({"steps": steps}), headers=JSON).raise_for_status()
    for title, path, sent in (
        ("add, 2×2", "/ops/add", {"args": ["a", "b"], "id": "r"}),
        ("mul by a number, 2×2", "/ops/mul", {"args": ["a", 2.5], "id": "r"}),
        ("matmul, 64×64, values left out", "/ops/matmul?data=never", {"args": ["c", "c"], "id": "r"}),
        ("tensor of 4 numbers", "/tensors", {"data": [1.0, 2.0, 3.0, 4.0], "id": "r"}),
    ):
        body = _dumped(sent)
        shots = {"ours": Shot(f"{at.ours}{session}{path}", body), "echo": Shot(f"{at.echo}/json", body)}
        yield Row(title, shots, aim=0.5)


def _batches(at: Contenders) -> Iterator[Row]:
    for size, aim in ((2, 0.35), (64, 0.8)):
        made: list[dict[str, Any]] = [
            {"op": "rand", "args": [[size, size]], "kwargs": {"requires_grad": True}, "id": "x"},
            {"op": "rand", "args": [[size, size]], "id": "y"},
        ]
        for i in range(998):
            op, above = ("add", "mul", "sub", "tanh")[i % 4], "x" if i == 0 else "v"
            made.append({"op": op, "args": [above] if op == "tanh" else [above, "y"], "id": "v"})
        body = _dumped({"steps": made, "return": []})
        with httpx.Client(base_url=at.ours, timeout=120) as http:
            session = http.post("/v1/sessions").raise_for_status().json()["session_id"]
            url = f"{at.ours}/v1/sessions/{session}/batch?data=never"
            http.post(url, content=body, headers=JSON).raise_for_status()
        shots = {"ours": Shot(url, body), "echo": Shot(f"{at.echo}/json", body)}
        yield Row(f"batch of 1000 steps, {size}×{size}", shots, aim=aim, connections=1, steps=1000, eager=_eager(size))


def _eager(size: int) -> Callable[[], None]:
    """The steps of the batch, by the engine in this process: the same operators, which bind the same names."""
    import engine as torch

    def run() -> None:
        x, y = torch.rand(size, size, requires_grad=True), torch.rand(size, size)
        v = x
        for i in range(998):
            kind = i % 4
            v = v + y if kind == 0 else v * y if kind == 1 else v - y if kind == 2 else v.tanh()

    return run


def _values(at: Contenders, http: httpx.Client, session: str) -> Iterator[Row]:
    array = np.random.default_rng(5).standard_normal(LARGE)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    npy, size = file.getvalue(), array.nbytes
    url = f"{at.ours}{session}/tensors"
    http.post(
        f"{session}/tensors", params={"id": "large"}, content=npy, headers={"content-type": NPY}
    ).raise_for_status()
    listed = _dumped({"id": "listed", "dtype": "float64", "data": array})
    echo = {"json": Shot(f"{at.echo}/json", listed), "raw": Shot(f"{at.echo}/raw", npy, headers={})}
    query = "dtype=float64&shape=1000000&id=large"
    for title, shot, beside, aim in (
        ("npy in", Shot(f"{url}?id=large", npy, headers={"content-type": NPY}), "raw", None),
        (
            "raw bytes in",
            Shot(f"{url}?{query}", array.tobytes(), headers={"content-type": "application/octet-stream"}),
            "raw",
            None,
        ),
        ("npy out", Shot(f"{url}/large/data", method="GET", headers={"accept": NPY}), "raw", None),
        ("safetensors out", Shot(f"{url}/large/data", method="GET", headers={"accept": SAFETENSORS}), "raw", None),
        ("JSON in", Shot(url, listed), "json", 1 / 1.5),
        ("JSON out", Shot(f"{url}/large/data", method="GET", headers={}), "json", 1 / 1.5),
    ):
        yield Row(f"1e6 float64, {title}", {"ours": shot, "echo": echo[beside]}, aim=aim, nbytes=size, connections=1)
