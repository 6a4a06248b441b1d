"""The image, as far as it can be tried without an engine: its commands are read from the Dockerfile and run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from tests.house.source import ROOT

DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()
COMPOSE = (ROOT / "docker/compose.yaml").read_text()


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, rest) of each, continued lines joined, comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    found = instructions(DOCKERFILE)
    starts = [i for i, (word, _) in enumerate(found) if word == "FROM"]
    assert len(starts) == 2
    return found[: starts[1]], found[starts[1] :]


BUILD, FINAL = stages()
LAST = dict(FINAL)
COMMAND: list[str] = json.loads(LAST["ENTRYPOINT"]) + json.loads(LAST["CMD"])
HEALTH: list[str] = json.loads(LAST["HEALTHCHECK"].partition("CMD ")[2])


def health(port: int, python: str = sys.executable) -> int:
    """The exit code of the image's health check, asked of a port of ours."""
    assert HEALTH[0] == "python"
    words = [python, *(word.replace(":8000/", f":{port}/") for word in HEALTH[1:])]
    assert words[1:] != HEALTH[1:]
    return subprocess.run(words, capture_output=True, check=False, timeout=10).returncode


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_health_is_the_answer_of_healthz() -> None:
    with answering(200) as port:
        assert health(port) == 0
    with answering(503) as port:
        assert health(port) != 0
    assert health(free_port()) != 0


def test_compose_asks_the_same_question() -> None:
    test = re.search(r"^      test: (\[.*\])$", COMPOSE, re.MULTILINE)
    assert test
    assert json.loads(test[1]) == ["CMD", *HEALTH]
    assert "    read_only: true\n" in COMPOSE
    assert "\t" not in COMPOSE


def test_the_command_is_the_installed_script() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name=COMMAND[0])
    assert script.value == "service.__main__:main"
    assert LAST["EXPOSE"] == COMMAND[COMMAND.index("--port") + 1]
    assert COMMAND[COMMAND.index("--host") + 1] == "0.0.0.0"
    asked = [sys.executable, "-m", "service", *COMMAND[1:], "--help"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert all(word in shown for word in COMMAND if word.startswith("--"))


def test_it_does_not_run_as_root() -> None:
    user, _, group = LAST["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    order = [word for word, _ in FINAL]
    assert order.index("USER") > max(i for i, word in enumerate(order) if word == "RUN")


def test_what_is_copied_is_there_and_let_through() -> None:
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert ignore[0] == "*"
    copied = [name for word, rest in BUILD if word == "COPY" for name in rest.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert sorted(f"!{name}" for name in copied) == sorted(line for line in ignore if line.startswith("!"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {*packages, project["project"]["readme"], *project["project"]["license-files"]} <= set(copied)


@pytest.mark.skipif(
    os.environ.get("GRADWIRE_CI") != "1", reason="needs GRADWIRE_CI=1, as it fetches every package anew"
)
def test_the_recipe_makes_a_server_that_is_healthy_and_stops(tmp_path: Path) -> None:
    """The build stage, line by line, in a folder instead of a container; then the image's command, check and signal."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    here = tmp_path
    for word, rest in BUILD:
        placed = re.sub(r"(?<![\w.])/(?=(build|wheels|opt/gradwire)\b)", f"{tmp_path}/", rest)
        if word == "WORKDIR":
            here = Path(placed)
            here.mkdir()
        elif word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in placed.split())
        elif word == "COPY":
            *names, target = placed.split()
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, here / target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
                else:
                    shutil.copy(ROOT / name, here / target)
        elif word == "RUN":
            ran = subprocess.run(
                ["/bin/sh", "-c", placed],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            assert ran.returncode == 0, f"{rest}\n{ran.stdout}\n{ran.stderr}"

    bin_ = tmp_path / "opt/gradwire/bin"
    for name in ("pytest", "mypy", "pip"):
        assert (
            subprocess.run([bin_ / "python", "-c", f"import {name}"], capture_output=True, check=False).returncode == 1
        )
    port = free_port()
    words = [str(port) if word == "8000" else "127.0.0.1" if word == "0.0.0.0" else word for word in COMMAND[1:]]
    placed = LAST["ENV"].replace("/opt/gradwire/bin:$PATH", str(bin_)).replace("=/data", f"={tmp_path}/data")
    variables = dict(pair.split("=", 1) for pair in placed.split())
    (tmp_path / "data").mkdir()
    with subprocess.Popen([bin_ / COMMAND[0], *words], cwd=tmp_path / "data", env=variables) as server:
        try:
            until = time.monotonic() + 20
            while health(port, str(bin_ / "python")) != 0:
                assert server.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) in {0, -signal.SIGTERM}
            assert (tmp_path / "data/gradwire.db").exists()
        finally:
            server.kill()


@pytest.mark.skipif(os.environ.get("GRADWIRE_CI") != "1", reason="needs GRADWIRE_CI=1, as it asks the index")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_locked_package_has_a_wheel(machine: str, tmp_path: Path) -> None:
    """For both machines that images are built for: `make wheels`. Nothing is installed; hashes are checked."""
    python = re.match(r"python:(\d+\.\d+)-", dict(BUILD)["FROM"])
    assert python
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--target", str(tmp_path), "--requirement", str(ROOT / "requirements.lock")]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes"]
    command += ["--implementation", "cp", "--python-version", python[1]]
    for libc in ("2014", "_2_17", "_2_28"):  # what Debian's own pip takes, by its old and new names
        command += ["--platform", f"manylinux{libc}_{machine}"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert asked.returncode == 0, asked.stderr


def test_the_proxy_of_compose_can_write_nothing_but_its_own() -> None:
    """The profile tls: Caddy in front, read-only too, without rights but that to low ports."""
    proxy = COMPOSE[COMPOSE.index("  proxy:\n") : COMPOSE.index("\nvolumes:\n")]
    for words in (
        'profiles: ["tls"]',
        "read_only: true",
        "- ALL",
        "- NET_BIND_SERVICE",
        "no-new-privileges:true",
        "- proxy:/data",
    ):
        assert words in proxy
    assert "--to gradwire:8000" in proxy
    ours = COMPOSE[COMPOSE.index("  gradwire:\n") : COMPOSE.index("  proxy:\n")]
    assert re.findall(r"^      - (\w+):/", ours, re.MULTILINE) == ["data"]
    assert "GRADWIRE_DATA_DIR=/data" in LAST["ENV"].split()
