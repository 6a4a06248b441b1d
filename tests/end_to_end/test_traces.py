"""What a script tells of itself: how its backward calls walked, and what no_grad and detach left out of the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import engine as torch

CODE = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * x
with torch.no_grad():
    quiet = x * 3 + y
    top = torch.maximum(x, y)
d = y.detach()
plain = torch.ones(2) * 2
out = y.sum()
"""


@pytest.fixture
def session(http: httpx.Client) -> Iterator[str]:
    path = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
    yield path
    http.delete(path)


def run(http: httpx.Client, session: str, code: str, **more: Any) -> dict[str, Any]:
    answer = http.post(f"{session}/run", json={"code": code, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_was_left_out(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    graph = http.get(f"{session}/graph").json()
    kind = {n["id"]: (n["tensor"] or n["name"]) for n in graph["nodes"]}
    left = {n["tensor"]: n["op"] for n in graph["nodes"] if n["kind"] == "unrecorded"}
    assert left == {"quiet": "add", "top": "maximum", "d": "detach"}
    edges = {(kind[e["from"]], kind[e["to"]]) for e in graph["edges"] if kind[e["to"]] in left}
    assert edges == {("y", "quiet"), ("x", "top"), ("y", "top"), ("y", "d")}
    values = {n["tensor"]: n["value"] for n in graph["nodes"]}
    assert values["d"] == "[1., 4.]"
    assert 'class="node unrecorded' in http.get(f"{session}/graph?format=svg").text


def test_what_was_left_out_leads_to_where_it_is_used(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    run(http, session, "p = d * x\nq = torch.add(x, quiet)\np.sum().backward()")
    http.post(f"{session}/ops/mul", json={"args": ["y", "top"], "id": "r"})
    graph = http.get(f"{session}/graph").json()
    kind = {n["id"]: (n["tensor"] or n["name"]) for n in graph["nodes"]}
    edges = {(kind[e["from"]], kind[e["to"]], e["input"]) for e in graph["edges"]}
    assert {("d", "p", 0), ("x", "p", 1), ("x", "q", 0), ("quiet", "q", 1), ("y", "r", 0), ("top", "r", 1)} <= edges
    dotted = sum(1 for e in graph["edges"] if {kind[e["from"]], kind[e["to"]]} & {"d", "quiet", "top"})
    assert http.get(f"{session}/graph?format=svg").text.count('class="edge unrecorded"') == dotted == 7
    assert http.get(f"{session}/graph?format=mermaid").text.count("-.->") == dotted
    assert http.get(f"{session}/graph?format=dot").text.count("style=dotted") == dotted


def test_a_tensor_written_into_since_makes_no_circle(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    run(http, session, "p = d * x\nwith torch.no_grad():\n    x.add_(1)\ny.mul_(2.0)\ny.mul_(d)")
    for kind in ("json", "svg", "mermaid", "dot"):
        assert http.get(f"{session}/graph?format={kind}").status_code == 200


def test_detach_of_the_route_too(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    http.post(f"{session}/tensors/y/detach", json={"id": "apart"})
    http.post(f"{session}/tensors/plain/detach", json={"id": "nothing_lost"})
    nodes = http.get(f"{session}/graph").json()["nodes"]
    assert ("apart", "detach") in {(n["tensor"], n["op"]) for n in nodes if n["kind"] == "unrecorded"}
    assert "nothing_lost" not in {n["tensor"] for n in nodes}


def test_a_traced_run_tells_what_the_verb_tells(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    (walk,) = run(http, session, "out.backward()", trace=True)["traces"]
    other = f"/v1/sessions/{http.post('/v1/sessions').json()['session_id']}"
    run(http, other, CODE)
    told = http.post(f"{other}/tensors/out/backward", json={"trace": True}).json()["trace"]
    seen = [(e["name"], e["upstream"], e["accumulated"], [p["gradient"] for p in e["produced"]]) for e in told]
    assert seen == [
        (e["name"], e["upstream"], e["accumulated"], [p["gradient"] for p in e["produced"]]) for e in walk["trace"]
    ]
    nodes = {n["id"] for n in http.get(f"{session}/graph").json()["nodes"]}
    assert walk["root"] == walk["trace"][0]["node"]
    assert {e["node"] for e in walk["trace"]} <= nodes
    http.delete(other)


def test_a_long_walk_says_that_it_is_cut(http: httpx.Client, session: str) -> None:
    code = "w = torch.ones(1, requires_grad=True)\nlong = w\nfor _ in range(1_200):\n    long = long + 1\nlong.sum().backward()"
    (walk,) = run(http, session, code, trace=True)["traces"]
    assert (len(walk["trace"]), walk["nodes"], walk["truncated"]) == (1_000, 1_202, True)
    told = http.post(f"{session}/tensors/long/backward", json={"trace": True}).json()
    assert (len(told["trace"]), told["nodes"], told["truncated"]) == (1_000, 1_201, True)
    (walk,) = run(http, session, "(w * 2).sum().backward()", trace=True)["traces"]
    assert (len(walk["trace"]), walk["nodes"], walk["truncated"]) == (3, 3, False)


def test_a_trace_is_what_node_hooks_see(http: httpx.Client, session: str) -> None:
    run(http, session, CODE)
    (walk,) = run(http, session, "out.backward()", trace=True)["traces"]
    seen: list[tuple[str, Any]] = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    out = y.sum()
    for node in (out.grad_fn, y.grad_fn):
        assert node is not None
        node.register_prehook(lambda grads, node=node: seen.append((node.name(), grads[0].tolist())))
    out.backward()
    traced = [(e["name"], e["upstream"][0]["data"]) for e in walk["trace"]]
    assert traced[:-1] == seen
    assert x.grad is not None
    assert traced[-1] == ("AccumulateGrad", x.grad.tolist())


def test_the_last_four_walks_are_kept(http: httpx.Client, session: str) -> None:
    code = "for i in range(6):\n    x = torch.tensor(float(i), requires_grad=True)\n    (x * x).backward()"
    walks = run(http, session, code, trace=True)["traces"]
    assert [w["trace"][-1]["accumulated"]["data"] for w in walks] == [4.0, 6.0, 8.0, 10.0]
    assert "traces" not in run(http, session, code)


def test_the_query_for_plain_text(http: httpx.Client, session: str) -> None:
    kind = {"Content-Type": "text/x-python"}
    text = "x = torch.ones(2, requires_grad=True)\nx.sum().backward()"
    found = http.post(f"{session}/run?trace=true", content=text, headers=kind).json()
    assert [e["name"] for e in found["traces"][0]["trace"]] == ["SumBackward0", "AccumulateGrad"]
    assert http.post(f"{session}/run?trace=perhaps", content=text, headers=kind).json()["argument"] == "trace"
    assert http.post(f"{session}/run", json={"code": text, "trace": 1}).status_code == 422


def test_a_large_graph_is_summarised_in_every_format(http: httpx.Client, session: str) -> None:
    run(http, session, "x = torch.ones(2, requires_grad=True)\ny = x\nfor i in range(500):\n    y = y * 1.01 + x")
    whole = http.get(f"{session}/graph").json()["nodes"]
    assert len(whole) > 1_000
    small = http.get(f"{session}/graph?max_nodes=60").json()["nodes"]
    assert len(small) <= 60
    assert "group" in {n["kind"] for n in small}
    mermaid = http.get(f"{session}/graph?format=mermaid").text
    assert len(mermaid) < 50_000  # what Mermaid itself takes
    assert mermaid.count("-->") < 500
    assert http.get(f"{session}/graph?max_nodes=7").json()["argument"] == "max_nodes"


def test_a_large_gradient_is_said_to_be_there(http: httpx.Client, session: str) -> None:
    run(http, session, "w = torch.ones(20, 3, requires_grad=True)\nout = (w * w).sum()\nout.backward()")
    (leaf,) = [n for n in http.get(f"{session}/graph").json()["nodes"] if n["kind"] == "leaf"]
    assert (leaf["value"], leaf["grad"]) == (None, "of shape [20, 3]")


def test_a_name_that_is_not_ascii(http: httpx.Client, session: str) -> None:
    run(http, session, "import torch\nθ = torch.tensor([1.0, 2.0], requires_grad=True)\nη = θ * 2")
    assert [t["id"] for t in http.get(f"{session}/tensors").json()["tensors"]] == ["θ", "η"]
    assert http.get(f"{session}/tensors/θ").json()["data"] == [1.0, 2.0]
    assert {"θ", "η"} <= {n["tensor"] for n in http.get(f"{session}/graph").json()["nodes"]}
    http.post(f"{session}/ops/sum", json={"args": ["η[1:]"], "id": "Σ"}).raise_for_status()
    assert http.post(f"{session}/tensors/Σ/backward").json()["gradients"]["θ"]["data"] == [0.0, 2.0]
    made = http.post(f"{session}/ops/mul", json={"args": ["θ.grad", 3.0], "id": "g"}).json()
    assert made["data"] == [0.0, 6.0]
    made = http.post(f"{session}/tensors", json={"data": [1.0], "id": "β"})
    assert (made.status_code, made.headers["Location"].rpartition("/")[2]) == (201, "%CE%B2")
    assert http.get(made.headers["Location"]).json()["id"] == "β"
    for wrong in ("ﬁ", "θ" * 65, "θ-1", "1θ", "e\u0301", "\u200b"):
        answer = http.post(f"{session}/ops/mul", json={"args": ["θ", 3.0], "id": wrong})
        assert (answer.status_code, answer.json()["argument"]) == (422, "id"), wrong
    for kind in ("svg", "mermaid", "dot"):
        assert "θ" in http.get(f"{session}/graph?format={kind}").text
