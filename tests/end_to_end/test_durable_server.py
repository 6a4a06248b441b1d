"""A server with a data directory, as its clients and its operator see it."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import free_port, start, wait_until_healthy
from tests.end_to_end.durable_server import gradwire, made, served


def test_a_restart_is_not_noticed(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        session = made(http, {"seed": 3, "name": "lesson"})
        http.post(f"{session}/tensors", json={"id": "x", "op": "randn", "args": [2, 2], "requires_grad": True})
        http.post(f"{session}/ops/mul", json={"args": ["x", "x"], "id": "y"})
        http.post(f"{session}/ops/sum", json={"args": ["y"], "id": "out"})
        http.post(f"{session}/tensors/out/backward", json={"retain_graph": True})
        http.post(f"{session}/scopes", json={"mode": "no_grad"})
        before = [http.get(f"{session}{path}").text for path in ("/tensors", "/scopes", "/tensors/x/grad")]
    with served(tmp_path) as (http, _):
        assert [s["name"] for s in http.get("/sessions").json()["sessions"]] == ["lesson"]
        assert [http.get(f"{session}{path}").text for path in ("/tensors", "/scopes", "/tensors/x/grad")] == before
        assert http.delete(f"{session}/scopes/s1").status_code == 204
        again = http.post(f"{session}/tensors/out/backward")  # what was retained is still there
        assert again.json()["gradients"]["x"]["shape"] == [2, 2]
        assert http.post(f"{session}/tensors/out/backward").status_code == 409
        assert http.delete(session).status_code == 204
    with served(tmp_path) as (http, _):
        assert http.get(session).status_code == 404


def test_values_of_every_form_are_done_again(tmp_path: Path) -> None:
    """Long lists, which are read as arrays, bytes in base64, and binary bodies; then written in place, in the same request and later."""
    many = list(range(30_000))
    file = io.BytesIO()
    np.save(file, np.arange(6, dtype="<f4").reshape(2, 3))
    with served(tmp_path, killed=True) as (http, _):
        session = made(http)
        steps = [
            {"op": "tensor", "args": [many], "id": "ints"},
            {"op": "add_", "args": ["ints", 1]},
            {"op": "tensor", "args": [[float(n) for n in many]], "kwargs": {"dtype": "float64"}, "id": "floats"},
            {"op": "mul_", "args": ["floats", 2]},
            {"op": "tensor", "args": [{"dtype": "int16", "base64": "AQACAAMA"}], "id": "bytes"},
            {"op": "add_", "args": ["bytes", 1]},
        ]
        assert http.post(f"{session}/batch", json={"steps": steps}).status_code == 200
        assert http.post(f"{session}/tensors", json={"id": "made", "data": [[0.5] * 100] * 100}).status_code == 201
        npy = {"Content-Type": "application/x-npy"}
        assert http.post(f"{session}/tensors?id=npy", content=file.getvalue(), headers=npy).status_code == 201
        for name in ("made", "npy"):
            assert http.post(f"{session}/ops/add_", json={"args": [name, 1]}).status_code == 200
        before = http.get(f"{session}/tensors?data=always").content
    with served(tmp_path) as (http, _):
        assert http.get(f"{session}/tensors?data=always").content == before


def test_a_key_is_for_one_request(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "one"}
    with served(tmp_path) as (http, _):
        first = http.post("/sessions", json={"seed": 1}, headers=key)
        session = first.headers["Location"].removeprefix("/v1")
        assert http.post("/sessions", json={"seed": 1}, headers=key).content == first.content
        assert http.post("/sessions", json={"seed": 2}, headers=key).json()["type"] == "/errors/idempotency-key-reused"
        http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]})
        grown = http.post(f"{session}/ops/add_", json={"args": ["x", 1]}, headers=key)
        assert grown.json()["data"] == [2.0]
        scope = http.post(f"{session}/scopes", json={"mode": "no_grad"}, headers={"Idempotency-Key": "two"})
        assert scope.status_code == 201
        assert http.post(f"{session}/tensors/x/detach", headers={b"Idempotency-Key": b"\xe9"}).status_code == 422
    with served(tmp_path) as (http, _):
        assert http.post("/sessions", json={"seed": 1}, headers=key).content == first.content
        assert http.post(f"{session}/ops/add_", json={"args": ["x", 1]}, headers=key).content == grown.content
        assert http.post(f"{session}/ops/add_", json={"args": ["x", 2]}, headers=key).status_code == 422
        again = http.post(f"{session}/scopes", json={"mode": "no_grad"}, headers={"Idempotency-Key": "two"})
        assert (again.content, again.headers["Location"]) == (scope.content, scope.headers["Location"])
        assert len(http.get(f"{session}/scopes").json()["scopes"]) == 1
        assert http.get(f"{session}/tensors/x").json()["data"] == [2.0]


def test_a_fork_is_a_session_of_its_own(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        session = made(http)
        http.post(f"{session}/tensors", json={"id": "x", "data": [1.0, 2.0], "requires_grad": True})
        http.post(f"{session}/ops/mul", json={"args": ["x", "x"], "id": "y"})
        http.post(f"{session}/ops/sum", json={"args": ["y"], "id": "out"})
        forked = http.post(f"{session}/fork", json={"name": "what if"})
        assert (forked.status_code, forked.json()["name"]) == (201, "what if")
        twin = forked.headers["Location"].removeprefix("/v1")
        assert http.get(f"{twin}/tensors").content == http.get(f"{session}/tensors").content
        http.post(f"{twin}/tensors/out/backward", json={})
        assert http.get(f"{session}/tensors/x/grad").status_code == 204
        assert http.get(f"{twin}/tensors/x/grad").json()["data"] == [2.0, 4.0]
        assert (
            http.post(f"{session}/ops/randn", json={"args": [2]}).json()
            == http.post(f"{twin}/ops/randn", json={"args": [2]}).json()
        )
        assert http.delete(session).status_code == 204
    with served(tmp_path) as (http, _):
        assert http.get(f"{twin}/tensors/x/grad").json()["data"] == [2.0, 4.0]
        assert http.post(f"{session}/fork").status_code == 404


def test_functions_outlive_the_process(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        code = "def area(x, y=2.0):\n    return (x * y).sum()"
        assert http.put("/functions/area", json={"code": code}).status_code == 201
        named = http.put("/functions/größe", json={"code": code})  # as Python names are
        assert (named.status_code, named.headers["Location"]) == (201, "/v1/functions/gr%C3%B6%C3%9Fe")
        session = made(http)
        http.post(f"{session}/tensors", json={"id": "x", "data": [1.0, 2.0], "requires_grad": True})
        http.post(f"{session}/ops/mul", json={"args": ["x", 3], "id": "y"})
        http.post(f"{session}/ops/sum", json={"args": ["y"], "id": "out"})
    with served(tmp_path) as (http, _):
        asked = {"inputs": {"x": [1.0, 2.0]}}
        assert http.post("/functions/area/value_and_grad", json=asked).json()["outputs"] == {"output": 6.0}
        taken = {"from_session": session.removeprefix("/sessions/"), "inputs": ["x"], "outputs": ["out"]}
        assert http.put("/functions/tripled", json=taken).status_code == 201  # the graph knows of numbers, too
        assert http.post("/functions/tripled/value", json=asked).json()["outputs"] == {"output": 9.0}
        key = {"Idempotency-Key": "forget"}
        assert http.delete("/functions/area", headers=key).status_code == 204
        kept = http.put("/functions/kept", json={"code": code}, headers={"Idempotency-Key": "keep"})
        assert kept.status_code == 201
    with served(tmp_path) as (http, _):
        assert [f["name"] for f in http.get("/functions").json()["functions"]] == ["größe", "kept", "tripled"]
        assert http.post("/functions/größe/value", json=asked).json()["outputs"] == {"output": 6.0}
        assert http.delete("/functions/area", headers=key).status_code == 204
        assert http.delete("/functions/area").status_code == 404
        again = http.put("/functions/kept", json={"code": code}, headers={"Idempotency-Key": "keep"})
        assert (again.status_code, again.content) == (201, kept.content)
        assert [again.headers[h] for h in ("ETag", "Location")] == [kept.headers[h] for h in ("ETag", "Location")]


def test_functions_are_kept_when_limits_are_lowered(tmp_path: Path) -> None:
    code = {"code": "def area(x):\n    return (x * c).sum()", "constants": {"c": [1.0, 2.0, 3.0]}}
    steps = {"steps": [{"op": "mul", "args": ["x", 2], "id": "y"}, {"op": "add", "args": ["y", "z"], "id": "w"}]}
    with served(tmp_path) as (http, _):
        http.put("/functions/area", json=code).raise_for_status()
        http.put("/functions/more", json={**steps, "inputs": {"x": {}, "z": {}}, "outputs": "w"}).raise_for_status()
    with served(tmp_path, function_source_bytes="9", tensor_bytes="8", batch_steps="1", step_outputs="1") as (http, _):
        assert [f["name"] for f in http.get("/functions").json()["functions"]] == ["area", "more"]
        assert http.put("/functions/again", json=code).status_code == 422


def test_a_store_that_takes_no_write_is_still_read(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        session = made(http)
        http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]})
    with served(tmp_path, disk_reserve=str(2**60)) as (http, _):
        for answer in (
            http.post(f"{session}/ops/add_", json={"args": ["x", 1]}),
            http.post("/sessions"),
            http.delete(session),
            http.post(f"{session}/fork"),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["type"] == "/errors/read-only"
            assert int(answer.headers["Retry-After"]) >= 1
        assert http.get(f"{session}/tensors/x").json()["data"] == [1.0]
        assert len(http.get("/sessions").json()["sessions"]) == 1


def test_a_full_disk_takes_no_more_and_is_read(tmp_path: Path) -> None:
    """A write that the system refuses (files may not grow): nothing of it is kept, all that was acknowledged is, and reads go on."""
    values = [float(k) for k in range(500)]
    with served(tmp_path, file_bytes=600_000) as (http, _):
        session = made(http)
        kept = []
        for k in range(1_000):
            answer = http.post(f"{session}/tensors", json={"id": f"x{k}", "data": values})
            if answer.status_code != 201:
                break
            kept.append(f"x{k}")
        assert len(kept) > 10
        for refused in (answer, http.post("/sessions"), http.delete(session)):
            assert (refused.status_code, refused.json()["type"]) == (503, "/errors/read-only"), refused.text
            assert int(refused.headers["Retry-After"]) >= 1
        before = http.get(f"{session}/tensors", params={"data": "always"})
        assert [t["id"] for t in before.json()["tensors"]] == kept
        assert http.get(f"{session}/tensors/x0/data").json()["data"] == values
    assert gradwire("verify", tmp_path)[0] == 0
    with served(tmp_path) as (http, _):
        assert http.get(f"{session}/tensors", params={"data": "always"}).content == before.content
        assert http.post(f"{session}/ops/add_", json={"args": ["x0", 1]}).status_code == 200


def test_a_damaged_session_answers_nothing_and_others_go_on(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        bad, good = made(http), made(http)
        for session in (bad, good):
            http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]})
    with closing(sqlite3.connect(tmp_path / "gradwire.db")) as store:
        name = bad.removeprefix("/sessions/")
        store.execute("UPDATE records SET payload = payload || x'00' WHERE log = ? AND number = 1", (name,))
        store.commit()
    with served(tmp_path) as (http, _):
        for answer in (
            http.get(bad),
            http.get(f"{bad}/tensors"),
            http.post(f"{bad}/ops/add_", json={"args": ["x", 1]}),
        ):
            assert (answer.status_code, answer.json()["type"]) == (410, "/errors/quarantined")
        assert http.post(f"{good}/ops/add_", json={"args": ["x", 1]}).json()["data"] == [2.0]
        assert http.delete(bad).status_code == 204
        assert http.get(bad).status_code == 404


def test_damaged_functions_and_replies_are_said_and_sessions_go_on(tmp_path: Path) -> None:
    """One damaged record beside the sessions: no function, and nothing with a key, is answered; the rest is."""
    key = {"Idempotency-Key": "k"}
    area = {"code": "def area(x):\n    return x.sum()"}
    with served(tmp_path) as (http, _):
        session = made(http)
        http.post(f"{session}/tensors", json={"id": "x", "data": [1.0]}).raise_for_status()
        http.put("/functions/area", json=area).raise_for_status()
        opened = http.post("/sessions", json={}, headers=key).raise_for_status()
    with closing(sqlite3.connect(tmp_path / "gradwire.db")) as store:
        store.execute("UPDATE records SET payload = payload || x'00' WHERE log = '@' AND number = 1")
        store.commit()
    with served(tmp_path) as (http, _):
        for answer in (
            http.get("/functions"),
            http.get("/functions/area"),
            http.post("/functions/area/value", json={"inputs": {"x": [1.0]}}),
            http.put("/functions/area", json=area),
            http.delete("/functions/area"),
            http.post("/sessions", json={}, headers=key),
            http.delete(opened.headers["Location"].removeprefix("/v1"), headers=key),
        ):
            assert (answer.status_code, answer.json()["type"]) == (410, "/errors/quarantined")
        assert http.post(f"{session}/ops/add_", json={"args": ["x", 1]}, headers=key).json()["data"] == [2.0]
        other = made(http)
        assert http.delete(other).status_code == 204
    status, _, says = gradwire("verify", tmp_path)
    assert (status, "the ledger of tenant default is damaged" in says) == (1, True)
    assert gradwire("compact", tmp_path)[0] == 1
    with served(tmp_path) as (http, _):
        assert http.get(f"{session}/tensors/x").json()["data"] == [2.0]


def test_what_left_memory_for_want_of_room_comes_back(tmp_path: Path) -> None:
    with served(tmp_path, total_bytes="4000000") as (http, _):
        sessions = [made(http) for _ in range(8)]
        for session in sessions:
            http.post(f"{session}/tensors", json={"id": "x", "op": "ones", "args": [250_000]}).raise_for_status()
        for session in sessions:
            assert http.get(f"{session}/tensors/x").json()["shape"] == [250_000]
            fork = http.post(f"{session}/fork").headers["Location"].removeprefix("/v1")
            assert http.get(f"{fork}/tensors/x").json()["shape"] == [250_000]


def test_a_fork_for_which_there_is_no_room_is_none(tmp_path: Path) -> None:
    with served(tmp_path, total_bytes="1500000") as (http, _):
        session = made(http)
        http.post(f"{session}/tensors", json={"id": "x", "op": "ones", "args": [300_000]}).raise_for_status()
        answer = http.post(f"{session}/fork")
        listed = [f"/sessions/{s['session_id']}" for s in http.get("/sessions").json()["sessions"]]
        assert (answer.status_code, session in listed) in ((201, True), (503, True))
        assert len(listed) == 1 + (answer.status_code == 201)
        for one in listed:
            assert http.get(f"{one}/tensors/x").json()["shape"] == [300_000]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with served(tmp_path):
        second = start(free_port(), data_dir=str(tmp_path))
        said = second.communicate(timeout=30)[0].decode()
        assert second.returncode == 1
        assert "in use by another process" in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "kept in memory only"),
        ({"data_dir": "here"}, "on the disk before it is answered"),
        ({"data_dir": "here", "durability": "interval"}, "on the disk within 1 s"),
    ],
)
def test_the_banner_says_what_is_kept(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    given = {**settings, **({"data_dir": str(tmp_path)} if "data_dir" in settings else {})}
    port = free_port()
    process = start(port, **given)
    wait_until_healthy(f"http://127.0.0.1:{port}", process)
    process.terminate()
    assert says in process.communicate(timeout=30)[0].decode()
