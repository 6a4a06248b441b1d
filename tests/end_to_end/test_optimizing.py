"""Optimizers and schedules as steps, over a live server: they go the engine's way, bit for bit, and refuse what is no option."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import engine
from service.steps.optimizing import OPTIMIZERS

START = [[1.0, -2.0], [0.5, 3.0]]
ROUNDS = 5


@pytest.fixture
def session(http: httpx.Client) -> str:
    return f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"


def shortest(t: Any) -> Any:
    """Values as JSON shows them: the shortest numbers that are the same in the tensor's dtype."""
    return [[float(str(v)) for v in row] for row in t.detach().numpy()]


def steps_of(name: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {"op": "tensor", "args": [START], "kwargs": {"requires_grad": True}, "id": "w"},
        {"op": f"optim.{name}", "args": [["w"]], "kwargs": options, "id": "optimizer"},
        {"op": "optim.lr_scheduler.StepLR", "args": ["optimizer", 2], "kwargs": {"gamma": 0.5}, "id": "schedule"},
    ]
    for _ in range(ROUNDS):
        steps += [
            {"op": "optim.zero_grad", "args": ["optimizer"]},
            {"op": "mul", "args": ["w", "w"], "id": "square"},
            {"op": "sum", "args": ["square"], "id": "loss"},
            {"op": "backward", "args": ["loss"]},
            {"op": "optim.step", "args": ["optimizer"]},
            {"op": "optim.step", "args": ["schedule"]},
        ]
    return steps


def trained(name: str, options: dict[str, Any]) -> Any:
    w = engine.tensor(START, requires_grad=True)
    optimizer = getattr(engine.optim, name)([w], **options)
    schedule = engine.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
        schedule.step()
    return w, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_batch_trains_as_the_engine_does(http: httpx.Client, session: str, name: str) -> None:
    options = {"lr": 0.125} | ({} if name == "Rprop" else {"weight_decay": 0.25})
    answer = http.post(f"{session}/batch", json={"steps": steps_of(name, options), "return": ["w"]})
    assert answer.status_code == 200, answer.text
    w, optimizer = trained(name, options)
    assert answer.json()["results"]["w"]["data"] == shortest(w)
    state = http.post(f"{session}/ops/optim.state", json={"args": ["optimizer"]}).json()
    expected = optimizer.state_dict()
    assert state["param_groups"][0]["lr"] == expected["param_groups"][0]["lr"] == 0.125 / 4
    assert {k: set(v) for k, v in state["state"].items()} == {str(k): set(v) for k, v in expected["state"].items()}


def test_single_requests_and_scripts_share_an_optimizer(http: httpx.Client, session: str) -> None:
    http.post(f"{session}/tensors", json={"id": "w", "data": START, "requires_grad": True})
    made = http.post(f"{session}/ops/optim.SGD", json={"args": [["w"]], "kwargs": {"lr": 0.5}, "id": "sgd"})
    assert made.json() == {"id": "sgd", "kind": "optim.SGD"}
    ran = http.post(f"{session}/run", json={"code": "loss = (w * w).sum()\nloss.backward()\nsgd.step()\nw.tolist()"})
    assert ran.status_code == 200, ran.text
    stepped = http.post(f"{session}/ops/optim.step", json={"args": ["sgd"]}).json()["tensors"]
    assert [t["id"] for t in stepped] == ["w"]
    w = engine.tensor(START, requires_grad=True)
    sgd = engine.optim.SGD([w], lr=0.5)
    (w * w).sum().backward()
    sgd.step()
    sgd.step()
    assert stepped[0]["data"] == shortest(w)


REFUSED: dict[str, dict[str, Any]] = {
    "a rate below zero": {"op": "optim.SGD", "args": [["w"]], "kwargs": {"lr": -1}},
    "betas that are text": {"op": "optim.Adam", "args": [["w"]], "kwargs": {"betas": "much"}},
    "one beta": {"op": "optim.Adam", "args": [["w"]], "kwargs": {"betas": [0.9]}},
    "an unknown option": {"op": "optim.SGD", "args": [["w"]], "kwargs": {"speed": 1}},
    "no parameters": {"op": "optim.SGD", "args": [[]]},
    "a parameter that is not there": {"op": "optim.SGD", "args": [["nobody"]]},
    "a non-leaf": {"op": "optim.SGD", "args": [["y"]]},
    "a tensor as optimizer": {"op": "optim.step", "args": ["w"]},
    "an optimizer that is not there": {"op": "optim.step", "args": ["nobody"]},
    "metrics for an optimizer's schedule": {"op": "optim.step", "args": ["schedule", 1.0]},
    "a schedule of a tensor": {"op": "optim.lr_scheduler.StepLR", "args": ["w", 3]},
    "a step of text": {"op": "optim.lr_scheduler.StepLR", "args": ["sgd", "three"]},
    "milestones of text": {"op": "optim.lr_scheduler.MultiStepLR", "args": ["sgd", "abc"]},
    "a period of nothing": {"op": "optim.lr_scheduler.CosineAnnealingWarmRestarts", "args": ["sgd", 0]},
    "no id": {"op": "optim.SGD", "args": [["w"]], "id": None},
    "LBFGS": {"op": "optim.LBFGS", "args": [["w"]]},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(http: httpx.Client, session: str, case: str) -> None:
    prepared = [
        {"op": "tensor", "args": [START], "kwargs": {"requires_grad": True}, "id": "w"},
        {"op": "mul", "args": ["w", 2], "id": "y"},
        {"op": "optim.SGD", "args": [["w"]], "id": "sgd"},
        {"op": "optim.lr_scheduler.ExponentialLR", "args": ["sgd", 0.5], "id": "schedule"},
    ]
    assert http.post(f"{session}/batch", json={"steps": prepared}).status_code == 200
    before = http.get(session).json()["tensors"]
    answer = http.post(f"{session}/batch", json={"steps": [REFUSED[case]]})
    assert answer.status_code == 422, answer.text
    assert answer.json()["step"] == 0
    assert http.get(session).json()["tensors"] == before
