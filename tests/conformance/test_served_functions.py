"""Served functions against the real torch.func: the same text, run by PyTorch itself, every verb, single points and batches."""

from __future__ import annotations

import asyncio
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from service.api.functions import read_values
from service.executors.local import LocalExecutor, SystemClock
from service.functions.evaluator import EagerEvaluator
from service.functions.manager import FunctionManager
from service.functions.memory import MemoryStore
from service.steps.limits import Limits

CODES = {
    "rosenbrock": "def f(x):\n    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()\n",
    "softmax": "def f(x):\n    p = torch.softmax(x * 2, 0)\n    return -(p * p.log()).sum()\n",
    "a loop": "def f(x):\n    h = x\n    for k in range(3):\n        h = torch.tanh(h + k * x.roll(1)) * math.sqrt(k + 1)\n"
    "    return h.prod()\n",
    "a matrix": "def f(x):\n    m = x.reshape(2, 2) @ x.reshape(2, 2).T + torch.eye(2, dtype=x.dtype)\n    return torch.logdet(m)\n",
    "a written copy": "def f(x):\n    y = x.clone()\n    y[1:] *= x[:-1]\n    y[0] = x.norm()\n    return (y**3).mean()\n",
    "no graph in part": "def f(x):\n    with torch.no_grad():\n        c = x.max()\n    return torch.exp(x - c).sum().log() + c\n",
    "gathered": "def f(x):\n    i = torch.tensor([3, 0, 0, 2])\n    return (x[i] * x.cumsum(0)).sin().sum()\n",
}
X = np.array([0.4, -1.1, 0.7, 1.9])
V = np.array([1.0, -0.5, 2.0, 0.25])
BATCH = np.stack([X, 2 * X, X[::-1], V])


@pytest.fixture(scope="module", name="torch")
def real_torch(require_module: Any) -> ModuleType:
    found: ModuleType = require_module("torch")
    return found


def served(code: str, *asked: tuple[str, dict[str, Any]]) -> list[Any]:
    async def work() -> list[Any]:
        executor = LocalExecutor(1)
        try:
            functions = FunctionManager(MemoryStore(), executor, SystemClock(), EagerEvaluator(), read_values, Limits())
            function = await functions.define({"code": code, "default_dtype": "float64"})
            return [await functions.evaluate(function, verb, body, lambda a: a) for verb, body in asked]
        finally:
            executor.close()

    return asyncio.run(work())


@pytest.mark.parametrize("name", list(CODES))
def test_every_verb(torch: Any, name: str) -> None:
    space: dict[str, Any] = {"torch": torch, "math": math}
    exec(CODES[name], space)
    f = space["f"]
    x, v, batch = (torch.tensor(a.copy(), dtype=torch.float64) for a in (X, V, BATCH))
    at, many = {"inputs": {"x": X.tolist()}}, {"inputs": {"x": BATCH.tolist()}, "in_axes": 0}
    along = {"tangents": {"x": V.tolist()}}
    both, pushed, second, curved, jacobian, values, gradients, hessians = served(
        CODES[name],
        ("value_and_grad", at), ("jvp", {**at, **along}), ("hvp", {**at, **along}), ("hessian", at), ("jacobian", at), ("value", many),
        ("grad", many), ("hessian", many),
    )  # fmt: skip
    hessian = torch.func.jacrev(torch.func.jacrev(f))(x)
    expected = [
        (both["outputs"]["output"], f(x)),
        (both["gradients"]["x"], torch.func.grad(f)(x)),
        (jacobian["jacobian"]["output"]["x"], torch.func.jacrev(f)(x)),
        (pushed["tangents"]["output"], torch.func.grad(f)(x) @ v),
        (second["hvp"]["x"], hessian @ v),
        (curved["hessian"]["x"]["x"], hessian),
        (values["outputs"]["output"], torch.stack([f(row) for row in batch])),
        (gradients["gradients"]["x"], torch.stack([torch.func.grad(f)(row) for row in batch])),
        (hessians["hessian"]["x"]["x"], torch.stack([torch.func.jacrev(torch.func.jacrev(f))(row) for row in batch])),
    ]
    for found, wanted in expected:
        np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-9, atol=1e-11)
