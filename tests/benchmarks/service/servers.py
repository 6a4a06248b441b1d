"""The contenders: each in a process of its own, one worker, on a free port of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

__all__ = ["echo", "ours", "tesseract", "umbridge"]

HERE = Path(__file__).parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("MKL", "OMP", "OPENBLAS")}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, ready: str, folder: str | None = None, **environment: str) -> Iterator[str]:
    """The address of a server that answers at ``ready``; ended afterwards. folder: where it runs."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **ONE_THREAD, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(url + ready, timeout=2)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{' '.join(command)} did not begin to serve") from None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def ours() -> Iterator[str]:
    port = free_port()
    with running([sys.executable, "-m", "service", "serve", "--port", str(port)], port, "/healthz") as url:
        yield url


@contextmanager
def echo() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.benchmarks.service.echo:app", "--port", str(port)]
    with running([*command, "--log-level", "warning", "--no-access-log"], port, "/") as url:
        yield url


def _peer(python: str | None, package: str) -> bool:
    if python is None:
        return False
    return subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0


@contextmanager
def umbridge(python: str | None) -> Iterator[str | None]:
    """UM-Bridge's own server with the same functions, derivatives by hand; None where it is not installed."""
    port = free_port()
    with ExitStack() as stack:
        if not _peer(python, "umbridge"):
            yield None
            return
        command = [str(python), str(HERE / "umbridge_server.py"), str(port)]
        yield stack.enter_context(running(command, port, "/Info"))


@contextmanager
def tesseract(python: str | None) -> Iterator[str | None]:
    """Tesseract's own runtime with the same functions, derivatives by hand; None where it is not installed."""
    port = free_port()
    with ExitStack() as stack:
        if not _peer(python, "tesseract_core"):
            yield None
            return
        command = [str(Path(str(python)).absolute().with_name("tesseract-runtime")), "serve", "--port", str(port)]
        api = str(HERE / "tesseract_api.py")
        folder = stack.enter_context(TemporaryDirectory())  # it leaves a folder for every request
        yield stack.enter_context(running(command, port, "/health", folder, TESSERACT_API_PATH=api))
