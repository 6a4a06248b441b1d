"""A server on a data directory, and the commands that an operator gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.conftest import free_port, start, start_bounded, stop, wait_until_healthy

__all__ = ["gradwire", "made", "served"]


@contextmanager
def served(
    path: Path, *, killed: bool = False, file_bytes: int | None = None, **settings: str
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    given = {"data_dir": str(path), **settings}
    process = start(port, **given) if file_bytes is None else start_bounded(port, file_bytes, **given)
    try:
        wait_until_healthy(url, process)
        with httpx.Client(base_url=f"{url}/v1", timeout=60) as http:
            yield http, process
        if not killed:
            stop(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def made(http: httpx.Client, body: dict[str, Any] | None = None) -> str:
    return http.post("/sessions", json=body or {"seed": 3}).headers["Location"].removeprefix("/v1")


def gradwire(*arguments: str | Path) -> tuple[int, str, str]:
    """Give a command. Answers its status, what it printed, and what it complained of."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GRADWIRE_")}
    command = [sys.executable, "-m", "service", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr
