"""What an operator does with a data directory: verify, compact, back up, restore; by the real commands, also while a server is at work."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from service.journal.sqlite import SQLiteJournal
from service.sessions.ports import Record
from tests.end_to_end.durable_server import gradwire, made, served

SECRET = 7.314159265358979  # a number that stands nowhere else
MARK = "a text that nobody may find"
SCRIPT = f"""
note = "{MARK}"
w = torch.randn(3, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
def loss(scale=0.5):
    return (w * scale).sum()
loss().backward()
optimizer.step()
"""


def filled(http: httpx.Client) -> str:
    """A session with a graph, a gradient and what a script binds."""
    session = made(http)
    http.post(f"{session}/tensors", json={"id": "x", "data": [1.0, 2.0], "requires_grad": True}).raise_for_status()
    http.post(f"{session}/ops/mul", json={"args": ["x", "x"], "id": "y"}).raise_for_status()
    http.post(f"{session}/ops/sum", json={"args": ["y"], "id": "out"}).raise_for_status()
    http.post(f"{session}/tensors/out/backward", json={"retain_graph": True}).raise_for_status()
    http.post(f"{session}/run", json={"code": SCRIPT}).raise_for_status()
    return session


def said(http: httpx.Client, session: str) -> bytes:
    return http.get(f"{session}/tensors", params={"data": "always"}).raise_for_status().content


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a server that was killed; for copies."""
    path = tmp_path_factory.mktemp("killed") / "store"
    with served(path, killed=True) as (http, _):
        filled(http)
    return path


@pytest.fixture
def store(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(killed, tmp_path / "copy of it"))


def test_a_store_that_is_whole_is_whole_while_it_serves_and_after(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with served(store, killed=True) as (http, _):
        session = filled(http)
        http.put("/functions/area", json={"code": "def area(x):\n    return (x * x).sum()"}).raise_for_status()
        status, out, err = gradwire("verify", store)
        assert (status, err) == (0, "")
        assert "1 sessions, 1 functions" in out
        assert "no damage was found" in out
        before = said(http, session)
    files = {f.name: f.read_bytes() for f in store.iterdir() if not f.name.endswith("-shm")}
    assert gradwire("verify", store)[0] == 0
    assert {f.name: f.read_bytes() for f in store.iterdir() if not f.name.endswith("-shm")} == files
    with served(store) as (http, _):
        assert said(http, session) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE records SET payload = payload || x'00' WHERE number = 2", "is damaged: record 2 is damaged"),
        ("UPDATE records SET crc = crc + 1 WHERE number = 0 AND log NOT LIKE '@%'", "is damaged: record 0 is damaged"),
        ("DELETE FROM records WHERE number = 2", "a record of the session is missing"),
        ("UPDATE counters SET amount = 1 WHERE name = 'commits'", "was acknowledged"),
        ("UPDATE counters SET amount = 9 WHERE name = 'version'", "tables of version 9"),
        ("DROP TABLE snapshots", "no such table"),
    ],
)
def test_what_a_server_would_refuse_is_found(store: Path, change: str, says: str) -> None:
    with closing(sqlite3.connect(store / "gradwire.db")) as opened:
        opened.execute(change)
        opened.commit()
    status, _, err = gradwire("verify", store)
    assert status in (1, 2)
    assert says in err


def test_a_session_that_does_not_give_what_it_gave_is_found(store: Path) -> None:
    """A row with a valid checksum whose work comes out different: only doing it again tells."""
    journal = SQLiteJournal(store)
    (session,) = (name for name in journal.logs() if not name.startswith("@"))
    stored = journal.load(session)
    assert stored is not None
    last = stored.records[-1]
    data = {**last.data, "done": [{"op": "ones", "args": [2], "kwargs": {}, "id": "z", "ids": ["z"], "row": "ones"}]}
    journal.commit([Record(session, last.number + 1, "work", {**data, "sum": 1})]).result()
    journal.close()
    status, _, err = gradwire("verify", store)
    assert status == 1
    assert f"session {session[:8]}… is damaged" in err
    assert session not in err
    assert gradwire("verify", "--no-replay", store)[0] == 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 1024, None])
def test_a_damaged_head_is_found(store: Path, content: bytes | None) -> None:
    (store / "head").unlink()
    if content is not None:
        (store / "head").write_bytes(content)
    status, _, err = gradwire("verify", store)
    assert status in (1, 2)
    assert "'head'" in err


def test_what_is_no_directory_or_no_file_is_said(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    status, _, says = gradwire("verify", file)
    assert (status, "there is no store in" in says) == (2, True)
    (store / "head").unlink()
    (store / "head").mkdir()
    status, _, says = gradwire("verify", store)
    assert (status, "head cannot be read: Is a directory" in says) == (2, True)


def test_a_damaged_file_of_keys_is_found(store: Path) -> None:
    (store / "keys").write_text("{")
    status, _, err = gradwire("verify", store)
    assert (status, "keys" in err) == (1, True)


def test_a_backup_is_taken_while_clients_write(tmp_path: Path) -> None:
    store, file, again = tmp_path / "store", tmp_path / "copy.gwb", tmp_path / "again"
    with served(store) as (http, _):
        session = filled(http)
        quiet = said(http, session)
        busy = made(http)
        http.post(f"{busy}/tensors", json={"id": "n", "data": [0.0] * 1000}).raise_for_status()
        over, counted = threading.Event(), 0

        def count() -> None:
            nonlocal counted
            while not over.is_set():
                http.post(f"{busy}/ops/add_", json={"args": ["n", 1]}).raise_for_status()
                counted += 1

        writer = threading.Thread(target=count)
        writer.start()
        while counted < 20:
            time.sleep(0.01)
        least = counted
        status, out, err = gradwire("backup", store, file)
        most = counted + 1
        over.set()
        writer.join()
        assert (status, err) == (0, ""), err
        assert "2 sessions" in out
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert gradwire("backup", store, file)[0] == 2  # it is there already
    assert gradwire("restore", file, again)[0] == 0
    assert stat.S_IMODE(again.stat().st_mode) == 0o700
    assert gradwire("verify", again)[0] == 0
    for left in ("gradwire.db", "gradwire.db-wal"):  # it holds a store, or a log that would be taken for the new one's
        for name in again.glob("gradwire*"):
            name.unlink()
        (again / left).write_bytes(b"")
        assert gradwire("restore", file, again)[0] == 2
        (again / left).unlink()
    (again / "head").write_bytes((store / "head").read_bytes())  # of a store that went on since
    assert gradwire("restore", file, again)[0] == 0
    with served(again) as (http, _):
        assert said(http, session) == quiet
        value = http.get(f"{busy}/tensors/n").json()["data"]
        assert len(set(value)) == 1
        assert least <= value[0] <= most
        http.post(f"{busy}/ops/add_", json={"args": ["n", 1]}).raise_for_status()


def test_a_backup_holds_the_keys(tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "copy"
    _, key, _ = gradwire("keys", "create", "--data-dir", store, "--tenant", "ada")
    with served(store, killed=True) as (http, _):
        assert http.get("/sessions").status_code == 401
    assert gradwire("backup", store, file)[0] == 0
    assert gradwire("restore", file, tmp_path / "again")[0] == 0
    with served(tmp_path / "again") as (http, _):
        assert http.get("/sessions").status_code == 401
        assert http.get("/sessions", headers={"Authorization": f"Bearer {key.strip()}"}).status_code == 200


def test_a_damaged_session_is_copied_as_it_is_and_said(tmp_path: Path) -> None:
    store, file, again = tmp_path / "store", tmp_path / "copy", tmp_path / "again"
    with served(store, killed=True) as (http, _):
        good, bad = filled(http), filled(http)
    with closing(sqlite3.connect(store / "gradwire.db")) as opened:
        opened.execute(
            "UPDATE records SET payload = x'00' WHERE log = ? AND number = 1", (bad.removeprefix("/sessions/"),)
        )
        opened.commit()
    for command in (("backup", store, file), ("restore", file, again), ("compact", again)):
        status, _, err = gradwire(*command)
        assert (status, "is damaged" in err) == (1, True), command
    with served(again) as (http, _):
        assert http.get(f"{good}/tensors/x/grad").json()["data"] == [2.0, 4.0]
        assert http.get(bad).status_code == 410


def test_what_is_no_backup_is_not_restored(store: Path, tmp_path: Path) -> None:
    file, again = tmp_path / "copy", tmp_path / "again"
    assert gradwire("backup", store, file)[0] == 0
    content = bytearray(file.read_bytes())
    for at in range(4096 * 2, len(content), 64):  # every page but the first two
        content[at] ^= 0xFF
    file.write_bytes(content)
    (tmp_path / "text").write_text("no backup\n" * 1000)
    for wrong in (file, store / "gradwire.db", tmp_path / "text", tmp_path / "missing"):
        status, _, err = gradwire("restore", wrong, again)
        assert (status, err.startswith("gradwire: ")) == (2, True), wrong
        assert not (again / "gradwire.db").exists()
    status, _, err = gradwire("backup", store, tmp_path / "no such directory" / "copy")
    assert (status, "cannot be written" in err) == (2, True)
    for command in (("verify", again), ("compact", again), ("backup", again, tmp_path / "other")):
        assert gradwire(*command)[0] == 2


def marks(path: Path) -> set[bytes]:
    """Which of the secrets stand in the files of a directory."""
    secrets = {MARK.encode(), struct.pack("<d", SECRET), str(SECRET).encode()}
    return {s for s in secrets for f in path.iterdir() if s in f.read_bytes()}


def test_what_was_deleted_is_gone_after_compaction(tmp_path: Path) -> None:
    """A session, a name within a session, a function with its constants; in all files of the directory."""
    numbers = [SECRET] * 40
    with served(tmp_path, killed=True, snapshot_records="1000") as (http, _):
        kept, gone = filled(http), filled(http)
        for session in (kept, gone):
            typed = {"dtype": "float64", "data": numbers}
            http.post(f"{session}/tensors", json={"id": "secret", "data": typed}).raise_for_status()
        function = {
            "code": "def area(x):\n    return (x * c).sum()",
            "inputs": {"x": {"shape": [40]}},
            "constants": {"c": {"dtype": "float64", "data": numbers}},
        }
        http.put("/functions/area", json=function).raise_for_status()
        assert http.delete("/functions/area").status_code == 204
        assert http.delete(f"{kept}/tensors/secret").status_code == 204
        http.post(f"{kept}/run", json={"code": "del note"}).raise_for_status()
        assert http.delete(gone).status_code == 204
        before = said(http, kept)
        status, _, err = gradwire("compact", tmp_path)
        assert (status, "in use by another process" in err) == (2, True)
    assert len(marks(tmp_path)) >= 2
    status, out, err = gradwire("compact", tmp_path)
    assert (status, err) == (0, "")
    assert "1 sessions" in out
    assert marks(tmp_path) == set()
    assert gradwire("verify", tmp_path)[0] == 0
    with served(tmp_path) as (http, _):
        assert said(http, kept) == before
        assert http.post(f"{kept}/run", json={"code": "loss().item()"}).status_code == 200


def test_a_server_empties_what_held_deleted_data_by_itself(tmp_path: Path) -> None:
    """Also where a backup has read it meanwhile: it is tried again."""
    with served(tmp_path, session_ttl="1") as (http, _), closing(sqlite3.connect(tmp_path / "gradwire.db")) as reader:
        kept, gone = made(http), made(http)
        typed = {"dtype": "float64", "data": [SECRET] * 40}
        http.post(f"{kept}/tensors", json={"id": "x", "data": [1.0]}).raise_for_status()
        http.post(f"{gone}/tensors", json={"id": "secret", "data": typed}).raise_for_status()
        code = f"def area(x):\n    return x * {SECRET}"
        http.put("/functions/area", json={"code": code}).raise_for_status()
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM records").fetchone()
        assert http.delete(gone).status_code == 204
        assert http.delete("/functions/area").status_code == 204
        time.sleep(2.5)
        assert marks(tmp_path)
        reader.execute("ROLLBACK")
        deadline = time.monotonic() + 30
        while marks(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert marks(tmp_path) == set()
        assert http.get(f"{kept}/tensors/x").json()["data"] == [1.0]


def test_a_shutdown_leaves_nothing_of_a_deleted_function(tmp_path: Path) -> None:
    with served(tmp_path) as (http, _):
        http.put("/functions/area", json={"code": f"def area(x):\n    return x * {SECRET}"}).raise_for_status()
        http.put("/functions/kept", json={"code": "def kept(x):\n    return x * 2"}).raise_for_status()
        assert http.delete("/functions/area").status_code == 204
    assert marks(tmp_path) == set()
    with served(tmp_path) as (http, _):
        assert [f["name"] for f in http.get("/functions").json()["functions"]] == ["kept"]


def test_progress_is_shown_on_a_terminal_and_nowhere_else(store: Path, tmp_path: Path) -> None:
    screen, terminal = os.openpty()
    command = [sys.executable, "-m", "service", "backup", str(store), str(tmp_path / "copy")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, timeout=120, check=True)
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # a terminal that nobody holds any more has an end like this
        while part := os.read(screen, 65_536):
            shown += part
    os.close(screen)
    assert b"pages" in shown
    assert b"100%" in shown
    assert b"[" not in done.stdout
    assert gradwire("verify", store)[2] == ""


def test_help_says_what_there_is() -> None:
    status, out, _ = gradwire("--help")
    assert status == 0
    for command in ("serve", "keys", "verify", "compact", "backup", "restore"):
        assert command in out
        status, told, _ = gradwire(command, "--help")
        assert (status, len(told) > 100) == (0, True)
