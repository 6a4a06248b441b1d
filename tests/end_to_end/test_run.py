"""Scripts over HTTP: the tutorial as one text and as cells, errors, limits, cancelling while other sessions answer."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

CELLS: list[tuple[str, str | None]] = [
    (code, None if printed == "(random)\n" else printed)
    for code, _, printed in (
        text.partition("\n--- prints\n")
        for text in re.split(
            r"^### .*\n", Path(__file__).with_name("tutorial_cells.txt").read_text(), flags=re.MULTILINE
        )[1:]
    )
]
"""The cells of the autograd tutorial that run unchanged, with what PyTorch 2.13 prints of each; None: it is random."""
RANDOM = re.compile(r"tensor\(\[ *-?\d+\.\d{4}(, +-?\d+\.\d{4}){2}\], grad_fn=<MulBackward0>\)\n")


@pytest.fixture
def path(http: httpx.Client) -> str:
    return f"/v1/sessions/{http.post('/v1/sessions', json={'seed': 3}).json()['session_id']}"


def plain(text: str) -> str:
    return re.sub(r" object at 0x\w+", "", text)


def test_the_tutorial_as_cells(http: httpx.Client, path: str) -> None:
    for code, printed in CELLS:
        answer = http.post(f"{path}/run", json={"code": code})
        assert answer.status_code == 200, answer.text
        stdout = plain(answer.json()["stdout"])
        assert RANDOM.fullmatch(stdout) if printed is None else stdout == printed


def test_the_tutorial_as_one_script(http: httpx.Client, path: str) -> None:
    text = "\n".join(code for code, _ in CELLS)
    answer = http.post(f"{path}/run", content=text.encode(), headers={"Content-Type": "text/x-python"}).json()
    whole = "".join(re.escape(printed) if printed is not None else RANDOM.pattern for _, printed in CELLS)
    assert re.fullmatch(whole, plain(answer["stdout"]))
    assert answer["names"] == ["torch", "x", "y", "a", "b", "z", "out", "gradients"]
    assert http.get(f"{path}/tensors/out").json()["data"] == 12.0


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("x = 1", None),
        ("None", None),
        ("2 + 3", {"repr": "5", "value": 5}),
        (
            "[1, (2.5, 'a'), {'k': None}]",
            {"repr": "[1, (2.5, 'a'), {'k': None}]", "value": [1, [2.5, "a"], {"k": None}]},
        ),
        ("float('nan')", {"repr": "nan", "value": "NaN"}),
        ("10 ** 30", {"repr": "1" + "0" * 30}),
        ("{1: 2}", {"repr": "{1: 2}"}),
        ("lambda: 0", {"repr": "<function <lambda> at 0x7f0000000040>"}),
        ("torch.float32", {"repr": "torch.float32"}),
        ("'\\ud800'", {"repr": "'\\ud800'", "value": "?"}),
        ("torch.ones(2).shape", {"repr": "torch.Size([2])", "value": [2]}),
    ],
)
def test_the_last_value(http: httpx.Client, path: str, code: str, value: Any) -> None:
    answer = http.post(f"{path}/run", json={"code": code})
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"] == value


def test_a_tensor_as_the_last_value(http: httpx.Client, path: str) -> None:
    assert http.post(f"{path}/tensors", json={"id": "x", "data": [1.0, 2.0], "requires_grad": True}).status_code == 201
    answer = http.post(f"{path}/run", json={"code": "y = x * 2\ny"}).json()
    assert answer["value"] == http.get(f"{path}/tensors/y").json()
    unnamed = http.post(f"{path}/run", json={"code": "x + 1"}).json()
    assert (unnamed["value"]["id"], unnamed["names"]) == (None, [])
    http.post(f"{path}/tensors/y/backward", json={"gradient": [1.0, 1.0]})
    assert http.post(f"{path}/run", json={"code": "x.grad.tolist()"}).json()["value"]["value"] == [2.0, 2.0]


def test_an_error_is_a_problem_and_changes_nothing(http: httpx.Client, path: str) -> None:
    http.post(f"{path}/run", json={"code": "a = 1"})
    answer = http.post(f"{path}/run", json={"code": "a = 2\nb = torch.ones(2) + torch.ones(3)"})
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["type"] == "/errors/script"
    assert problem["detail"].startswith("RuntimeError: The size of tensor a (2) must match the size of tensor b (3)")
    assert (problem["line"], problem["column"], problem["source"]) == (2, 5, "b = torch.ones(2) + torch.ones(3)")
    assert http.post(f"{path}/run", json={"code": "a"}).json()["value"]["value"] == 1


def test_keep(http: httpx.Client, path: str) -> None:
    answer = http.post(f"{path}/run", json={"code": "a = 1\nprint(a)\nb = c", "on_error": "keep"}).json()
    assert (answer["stdout"], answer["names"]) == ("1\n", ["a"])
    assert answer["error"]["detail"] == "NameError: name 'c' is not defined"
    assert answer["error"]["line"] == 3
    text = {"Content-Type": "text/x-python"}
    again = http.post(f"{path}/run?on_error=keep", content=b"d = a + 1\nnothing", headers=text)
    assert again.json()["names"] == ["d"]


@pytest.mark.parametrize(
    ("kwargs", "status"),
    [
        ({"json": {}}, 422),
        ({"json": {"code": 1}}, 422),
        ({"json": {"code": "1", "on_error": "ignore"}}, 422),
        ({"json": {"code": "1", "mode": 1}}, 422),
        ({"content": b"\xff", "headers": {"Content-Type": "text/x-python"}}, 422),
        ({"content": b"1", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"code": "x = 1\n" * 20_000}}, 422),
        ({"json": {"code": "while True: pass"}}, 422),
        ({"json": {"code": "9**9**9**9"}}, 422),
        ({"json": {"code": "torch.ones(10**6, 10**6)"}}, 422),
        ({"json": {"code": "(" * 300}}, 422),
    ],
)
def test_what_cannot_be(http: httpx.Client, path: str, kwargs: Any, status: int) -> None:
    answer = http.post(f"{path}/run", **kwargs)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert http.post(f"{path}/run", json={"code": "1"}).status_code == 200


def test_a_freed_graph_is_said(http: httpx.Client, path: str) -> None:
    code = "x = torch.ones(1, requires_grad=True)\ny = x ** 2\ny.backward()\ny.backward()"
    problem = http.post(f"{path}/run", json={"code": code}).json()
    assert problem["detail"].startswith("RuntimeError: Trying to backward through the graph a second time")
    assert problem["line"] == 4


ENDLESS = "x = torch.ones(2)\nwhile True:\n    try:\n        x = x * 1.0000001\n    except Exception:\n        pass"


@pytest.fixture
def running(http: httpx.Client, live_url: str, path: str) -> Iterator[list[httpx.Response]]:
    """A script that does not end by itself, in a session of its own; its answer, once there is one."""
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(httpx.post(f"{live_url}{path}/run", json={"code": ENDLESS}, timeout=60))

    thread = threading.Thread(target=send)
    thread.start()
    yield answers
    while thread.is_alive():
        http.delete(f"{path}/run")
        thread.join(0.05)


def test_cancelling_while_others_answer(http: httpx.Client, path: str, running: list[httpx.Response]) -> None:
    other = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
    while not running:  # it may not have begun when it is cancelled first
        assert http.delete(f"{path}/run").status_code == 204
        # until it runs, another session answers light and heavy requests alike
        assert http.post(f"{other}/run", json={"code": "sum(range(100))"}).json()["value"]["value"] == 4950
        assert http.post(f"{other}/ops/add", json={"args": [1, 2]}).status_code == 200
    assert running[0].status_code == 409
    assert running[0].json()["type"] == "/errors/script-cancelled"
    assert http.get(f"{path}/tensors/x").status_code == 404, "nothing of it was kept"


@pytest.mark.usefixtures("running")
def test_others_answer_while_scripts_run(http: httpx.Client, path: str) -> None:
    other = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
    for _ in range(20):
        assert http.post(f"{other}/ops/add", json={"args": [1, 2]}).json()["data"] == 3
        assert http.post(f"{other}/run", json={"code": "a = 1\na"}).json()["value"]["value"] == 1
    assert http.get("/healthz").status_code == 200
    http.delete(f"{path}/run")


def test_nothing_to_cancel(http: httpx.Client, path: str) -> None:
    assert http.delete(f"{path}/run").status_code == 204  # as in a race with its end
    assert http.delete("/v1/sessions/nothing/run").status_code == 404
