"""A live server: the installed command in a process of its own, on a real socket, ended by SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.end_to_end.browser import CHROMIUM, Playground


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


BOUNDED = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "
    "from service.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def start(port: int, **settings: str) -> subprocess.Popen[bytes]:
    return _started(["-m", "service"], port, settings)


def start_bounded(port: int, file_bytes: int, **settings: str) -> subprocess.Popen[bytes]:
    """Start it where its files may not grow past so many bytes, as on a disk that is full."""
    return _started(["-c", BOUNDED.format(file_bytes)], port, settings)


def _started(command: list[str], port: int, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {"GRADWIRE_LINGER": "0", **os.environ, **{f"GRADWIRE_{k.upper()}": v for k, v in settings.items()}}
    return subprocess.Popen(
        [sys.executable, *command, "serve", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, (process.stdout.read() if process.stdout else b"").decode()
        try:
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not answer")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it as an orchestrator would; it must end by itself and say that all is well."""
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, output
    assert "Traceback" not in output, output


@pytest.fixture(scope="session")
def live_url() -> Iterator[str]:
    port = free_port()
    process = start(port)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        yield url
    finally:
        if process.poll() is None:
            stop(process)


@pytest.fixture(scope="session")
def http(live_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live_url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def browser(require_tool: Callable[..., Path], require_module: Callable[[str], ModuleType]) -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright: for a module only, as its event loop runs in this thread until it is closed."""
    chromium = require_tool(CHROMIUM)
    with require_module("playwright.sync_api").sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def playground(browser: Any, live_url: str, request: pytest.FixtureRequest) -> Iterator[Playground]:
    """The playground in a blank browser; a test's mark ``context`` gives the browser's size and colours."""
    marked = request.node.get_closest_marker("context")
    options = {"viewport": {"width": 1280, "height": 800}, **(marked.kwargs if marked else {})}
    context = browser.new_context(**options)
    page = Playground(context.new_page(), live_url)
    try:
        yield page
        assert page.wrong == []
    finally:
        context.close()
