"""A client that knows what its session must hold: it does every acknowledged request again on a session of its own."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from engine.errors import EngineError
from service.api.exchange import Data
from service.api.rendering import outcome_json, tensor_json
from service.api.routes.batch import carried_out
from service.scripts import Cell
from service.sessions.graphs import session_graph
from service.sessions.running import budget_of, run_cell
from service.sessions.session import Session
from service.sessions.snapshots import restored, taken
from service.sessions.stretch import Batch
from service.steps.errors import ServiceError
from service.steps.step import Step
from service.wire.errors import WireError
from service.wire.json_codec import parse, render

NAMES = "abcdefgh"
HIDDEN = {"manual_seed", "retain_grad"}
SCRIPT = """
{0} = torch.randn(2, 2, requires_grad=True)
class Loss:
    def __init__(self, scale):
        self.scale = scale
        self.seen = []
    def __call__(self, x):
        self.seen.append(x.detach().sum())
        return (x * self.scale).tanh().sum()
def scaled(k):
    def apply(f):
        return lambda x: f(x) * k
    return apply
loss = scaled(2.0)(Loss(0.5))
optimizer = torch.optim.SGD([{0}], lr=0.1, momentum=0.9)
for step in range(3):
    optimizer.zero_grad()
    loss({0}).backward()
    optimizer.step()
{1} = {0}.detach() + {2}
"""


CODE = "def {0}(x):\n    return (x * {1}).sum()\n"
TWINS = 2  # forks that a client goes on working in
POINT = [1.0, 2.0, 4.0]


@dataclass(frozen=True)
class Asked:
    """One request to the session at ``address``: steps, whether as a batch, and its key; or a script, binary values, a fork, a function."""

    address: str
    key: str | None
    steps: list[dict[str, Any]] = field(default_factory=list)
    batch: bool = False
    code: str | None = None
    values: tuple[str, np.ndarray[Any, Any]] | None = None  # an id, and what is sent as npy
    fork: bool = False
    function: tuple[str, int | None] | None = None  # a name, and its factor; None deletes it

    def sent(self, http: httpx.Client) -> httpx.Response:
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        if self.code is not None:
            return http.post(f"{self.address}/run", json={"code": self.code}, headers=headers)
        if self.values is not None:
            name, array = self.values
            file = io.BytesIO()
            np.save(file, array)
            headers["Content-Type"] = "application/x-npy"
            return http.post(f"{self.address}/tensors", params={"id": name}, content=file.getvalue(), headers=headers)
        if self.fork:
            return http.post(f"{self.address}/fork", headers=headers)
        if self.function is not None:
            name, factor = self.function
            if factor is None:
                return http.delete(f"/v1/functions/{name}", headers=headers)
            return http.put(f"/v1/functions/{name}", json={"code": CODE.format(name, factor)}, headers=headers)
        if self.batch:
            return http.post(f"{self.address}/batch", json={"steps": self.steps}, headers=headers)
        step = dict(self.steps[0])
        return http.post(f"{self.address}/ops/{step.pop('op')}", json=step, headers=headers)


@dataclass
class State:
    """What a client knows: its sessions by address, and its functions' factors by name."""

    sessions: dict[str, Session]
    functions: dict[str, int]

    def copy(self) -> State:
        sessions = {address: restored("model", taken(s)) for address, s in self.sessions.items()}
        return State(sessions, dict(self.functions))


class Model:
    """A client with a session and forks of it. ``asked`` is the request that has no answer yet."""

    def __init__(self, http: httpx.Client, seed: int) -> None:
        self.numbers = np.random.default_rng(seed)
        self.seed = seed
        address = http.post("/v1/sessions", json={"seed": seed}).headers["Location"]
        self.state = State({address: Session("model", seed=seed)}, {})
        self.asked: Asked | None = None
        self.answered: list[tuple[Asked, bytes]] = []  # with a key
        self.kinds: Counter[str] = Counter()  # of what was acknowledged
        self.problem: str | None = None
        self.count = 0

    @property
    def acknowledged(self) -> int:
        return self.kinds.total()

    # -- asking ----------------------------------------------------------------------------------------------------

    def choose(self, *options: Any) -> Any:
        return options[int(self.numbers.integers(len(options)))]

    def step(self) -> dict[str, Any]:
        """A step that may well be refused: then nothing may change."""
        a, b, c = (self.choose(*NAMES) for _ in range(3))
        values = [round(float(v), 3) for v in self.numbers.normal(size=4)]
        grad = bool(self.numbers.integers(2))
        made: dict[str, Any] = self.choose(
            {"op": "tensor", "args": [[values[:2], values[2:]]], "kwargs": {"requires_grad": grad}, "id": a},
            {"op": "randn", "args": [2, 2], "kwargs": {"requires_grad": grad}, "id": a},
            {"op": "mul", "args": [a, b], "id": c},
            {"op": "add", "args": [a, values[0]], "id": c},
            {"op": "tanh", "args": [a], "id": c},
            {"op": "matmul", "args": [a, b], "id": c},
            {"op": "getitem", "args": [a, self.choose("0", ":, 1", "0:1")], "id": c},
            {"op": "transpose", "args": [a, 0, 1], "id": c},
            {"op": "sum", "args": [a], "id": c},
            {"op": "mul", "args": [a, b]},
            {"op": "add_", "args": [a, b]},
            {"op": "mul_", "args": [a, values[0]]},
            {"op": "tanh_", "args": [a]},
            {"op": "setitem", "args": [a, "0", values[1]]},
            {"op": "detach", "args": [a], "id": c},
            {"op": "requires_grad_", "args": [a, grad]},
            {"op": "retain_grad", "args": [a]},
            {"op": "zero_grad", "args": [[a, b]], "kwargs": {"set_to_none": grad}},
            {"op": "del", "args": [a]},
            {"op": "bind", "args": [c, a]},
            {"op": "backward", "args": [a], "kwargs": {"retain_graph": grad}},
            {"op": "backward", "args": [a, values[0]], "kwargs": {"create_graph": grad}},
            {"op": "backward", "args": [f"{a}"]},
            {"op": "enter", "args": [self.choose("no_grad", "enable_grad")]},
            {"op": "exit"},
            {"op": "exit"},
            {"op": "manual_seed", "args": [int(self.numbers.integers(99))]},
        )
        return made

    def request(self) -> Asked:
        self.count += 1
        many = int(self.numbers.integers(2, 12)) if self.numbers.random() < 0.4 else 1
        key = f"key {self.seed} {self.count}" if self.numbers.random() < 0.5 else None
        address = self.choose(*self.state.sessions)
        kind = self.numbers.random()
        if kind < 0.12:
            return Asked(address, key, code=SCRIPT.format(*(self.choose(*NAMES) for _ in range(3))))
        if kind < 0.2:
            values = self.numbers.normal(size=(2, 2)).astype(self.choose("float32", "float64"))
            return Asked(address, key, values=(self.choose(*NAMES), values))
        sure = key or f"key {self.seed} {self.count}"  # what cannot be told apart by looking is asked for again
        if kind < 0.24 and len(self.state.sessions) <= TWINS:
            return Asked(address, sure, fork=True)
        if kind < 0.32:
            name = f"f{self.seed}_{self.choose(0, 1)}"
            factor = None if name in self.state.functions and self.numbers.random() < 0.3 else self.count
            return Asked(address, sure, function=(name, factor))
        steps = [self.step() for _ in range(many)]
        if many > 1 and self.numbers.random() < 0.6:  # a chain that succeeds
            a = self.choose(*NAMES)
            steps = [
                {"op": "randn", "args": [2, 2], "kwargs": {"requires_grad": True}, "id": a},
                {"op": "mul", "args": [a, a], "id": "product"},
                {"op": "add_", "args": ["product", 1]},
                {"op": "sum", "args": ["product"], "id": "out"},
                {"op": "backward", "args": ["out"]},
            ]
        if key is None and any(s["op"] in HIDDEN for s in steps):
            key = f"key {self.seed} {self.count}"  # whether it was done could not be seen
        return Asked(address, key, steps, many > 1)

    def work(self, http: httpx.Client, stop: threading.Event) -> None:
        """Ask until the server is gone. What goes wrong is said in ``problem``."""
        try:
            while not stop.is_set():
                self.asked = self.request()
                answer = self.asked.sent(http)
                self.took(self.asked, answer)
                self.asked = None
        except httpx.TransportError:
            return
        except Exception as error:  # noqa: BLE001 - the test reads it in its own thread
            self.problem = f"{type(error).__name__}: {error}"

    def took(self, asked: Asked, answer: httpx.Response) -> None:
        """An answer: the model does the same, or is refused the same."""
        done = self.apply(self.state, asked)
        if answer.is_success:
            assert done, f"{asked} was taken, and should have been refused"
            self.kinds[
                "script" if asked.code is not None
                else "binary" if asked.values is not None
                else "fork" if asked.fork
                else "function" if asked.function is not None
                else "batch" if asked.batch
                else "step"
            ] += 1  # fmt: skip
            if asked.fork:
                self.state.sessions[answer.headers["Location"]] = restored(
                    "model", taken(self.state.sessions[asked.address])
                )
            if asked.key is not None:
                self.answered.append((asked, answer.content))
        else:
            assert 400 <= answer.status_code < 500, answer.text
            assert not done, f"{asked} was refused, and should have been taken: {answer.text}"

    @staticmethod
    def apply(state: State, asked: Asked) -> bool:
        """Do it as the routes do, the answer included: what cannot be shown is not done. Answers whether it was done."""
        session = state.sessions[asked.address]
        if asked.fork:
            return True
        if asked.function is not None:
            name, factor = asked.function
            if factor is None:
                return state.functions.pop(name, None) is not None
            state.functions[name] = factor
            return True
        try:
            if asked.code is not None:
                with session.begin(batch=True) as tx:
                    run_cell(tx, Cell(asked.code), budget_of(tx))
                    tx.commit()
                return True
            if asked.values is not None:
                name, array = asked.values
                session.apply([Step("tensor", (array.tolist(),), {"dtype": str(array.dtype)}, name)])
                return True
            steps = [Step.from_json(s) for s in asked.steps]
            with session.begin(batch=asked.batch) as tx:
                if asked.batch:
                    render(carried_out(tx, Batch(steps, 0), [], Data("auto")))
                else:
                    render(outcome_json(tx.step(steps[0]), Data("auto"), tx))
                tx.settle()
                tx.commit()
        except (EngineError, ServiceError, WireError):
            return False
        return True

    # -- comparing -------------------------------------------------------------------------------------------------

    @staticmethod
    def expected(state: State) -> Any:
        """What the API says of all that a client has."""
        told = [told_of(session) for session in state.sessions.values()]
        return [*told, {name: factor * sum(POINT) for name, factor in sorted(state.functions.items())}]

    def found(self, http: httpx.Client) -> Any:
        """The same, from the server."""
        told = [self.found_of(http, address, session) for address, session in self.state.sessions.items()]
        functions = {}
        for name in (f"f{self.seed}_{k}" for k in (0, 1)):
            answer = http.post(f"/v1/functions/{name}/value", json={"inputs": {"x": POINT}})
            if answer.status_code != 404:
                functions[name] = answer.raise_for_status().json()["outputs"]["output"]
        return [*told, functions]

    @staticmethod
    def found_of(http: httpx.Client, address: str, session: Session) -> Any:
        """What the server says of one session."""
        names = [name for name, _ in session.bindings()]
        names += sorted({*NAMES, "product", "out"}.difference(names))
        listed = http.get(f"{address}/tensors", params={"data": "always", "limit": 10_000})
        if listed.status_code == 200:
            tensors = [(t["id"], t) for t in listed.json()["tensors"]]
        else:  # one of them cannot be shown: each by itself
            assert listed.status_code == 422, listed.text
            tensors = []
            for name in names:
                one = http.get(f"{address}/tensors/{name}", params={"data": "always"})
                if one.status_code != 404:
                    tensors.append((name, one.json() if one.status_code == 200 else None))
        graph = http.get(f"{address}/graph")
        whole = http.get(address).raise_for_status().json()
        shape = shape_of(graph.json()) if graph.status_code == 200 else None
        return {"tensors": tensors, "graph": shape, "scopes": whole["scopes"], "seed": whole["seed"]}


def told_of(session: Session) -> Any:
    """What the API says of a session: tensors with values, versions and gradients; the graph with what is freed; scopes."""
    with session.begin(batch=True) as tx:
        tensors: dict[str, Any] = {}
        for name, b in session.bindings():
            try:
                tensors[name] = parse(render(tensor_json(name, b.tensor, Data("always"), tx)))
            except EngineError:
                tensors[name] = None  # a view that must not follow what was done to its base
        try:
            graph = shape_of(parse(render(session_graph(tx, []).to_json())))
        except EngineError:
            graph = None
        tx.rollback()
    scopes = [s.to_json() for s in session.scopes]
    return {
        "tensors": [*tensors.items()],
        "graph": graph,
        "scopes": scopes,
        "seed": session.generator.initial_seed(),
    }


def shape_of(graph: dict[str, Any]) -> Any:
    """A graph without its own numbers for nodes."""
    places = {node["id"]: k for k, node in enumerate(graph["nodes"])}
    nodes = [{k: v for k, v in node.items() if k != "id"} for node in graph["nodes"]]
    return json.loads(json.dumps([nodes, [[places[e["from"]], places[e["to"]], e["input"]] for e in graph["edges"]]]))
