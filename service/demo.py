"""The command ``gradwire demo``: the tutorial, line by line, against a server, with nothing but HTTP; then the graph as a picture."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

__all__ = ["DemoError", "add_demo"]

LINES: Final = (
    ("A tensor that is watched: it is a leaf of the graph to come.", ("x = torch.ones(2, 2, requires_grad=True)", "x")),
    ("What is computed from it is watched too, and names the operator that made it.", ("y = x + 2", "y", "y.grad_fn")),
    ("A number at the end.", ("z = y * y * 3", "out = z.mean()", "out")),
    ("Walk back from it. Every element of x had its part: 6 · (1 + 2) / 4.", ("out.backward()", "x.grad")),
    ("A second gradient is added to the first, until it is taken away.", ("(x ** 2).sum().backward()", "x.grad")),
    ("Outside of the graph: a scope, or a tensor that is cut off.", (
        "with torch.no_grad():\n    print((x * 2).requires_grad)", "x.detach().requires_grad",
    )),
)  # fmt: skip
"""What is said, and the lines that are run."""
EXPECTED: Final = [[6.5, 6.5], [6.5, 6.5]]
PATIENCE: Final = 30.0


class DemoError(Exception):
    """The demonstration cannot go on."""


def add_demo(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser(
        "demo",
        help="run the autograd tutorial against a server, line by line, and save the picture of its graph",
        description="Run the autograd tutorial, one request a line, print what each gives, and save the picture of the graph. "
        "Without an address a server is started for it, and ended with it.",
    )
    parser.add_argument("url", nargs="?", metavar="URL", help="a server that runs, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--picture",
        default="gradwire-demo.svg",
        metavar="FILE",
        help="where the picture is saved [gradwire-demo.svg]; none: nowhere",
    )
    parser.add_argument(
        "--key-file", metavar="FILE", help="a file that holds an API key, where the server asks for one"
    )
    parser.add_argument("--keep", action="store_true", help="leave the session open, and say where it is")
    parser.set_defaults(act=_act)


def _act(given: dict[str, Any]) -> int:
    """Carry it out. Answers the exit status."""
    try:
        key = Path(given["key_file"]).read_text("utf-8").strip() if given["key_file"] else None
        with _server(given["url"]) as url:
            _shown(_Client(url, key), given["picture"], keep=given["keep"])
    except (DemoError, OSError) as error:
        print(f"gradwire: {error}", file=sys.stderr)
        return 1
    return 0


class _Client:
    """Requests to one server. Errors: DemoError says what the server says."""

    def __init__(self, url: str, key: str | None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise DemoError(f"{url} is no address of a server: write it as http://127.0.0.1:8000")
        self.url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, content, self._headers, method=method)  # noqa: S310 - the scheme was looked at
        try:
            with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return bytes(answer.read())
        except HTTPError as error:
            raise DemoError(f"{self.url} answered {error.code}: {_detail(error.read())}") from None
        except (URLError, TimeoutError) as error:
            reason = getattr(error, "reason", error)
            raise DemoError(f"no server answers at {self.url} ({reason}); gradwire serve starts one") from None


def _detail(content: bytes) -> str:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    text = found.get("detail") if isinstance(found, dict) else None
    return str(text or "it is no server of Gradwire, or an old one")


def _shown(client: _Client, picture: str, *, keep: bool) -> None:
    """The whole demonstration. Errors: DemoError also where a number is not the right one; OSError for the picture's file."""
    try:
        session = json.loads(client.ask("POST", "/v1/sessions", {"name": "demo"}))["session_id"]
    except (ValueError, KeyError, TypeError):
        raise DemoError(f"what answers at {client.url} is no server of Gradwire") from None
    place = f"/v1/sessions/{session}"
    print(f"The tutorial, at {client.url} in a session of its own. Each line is a request: POST …/run.\n")
    try:
        for told, codes in LINES:
            print(f"# {told}")
            for code in codes:
                _line(client, place, code)
            print()
        found = json.loads(client.ask("GET", f"{place}/tensors/x/grad"))["data"]
        if found != EXPECTED:
            raise DemoError(f"x.grad is {found}, and should be {EXPECTED}")
        print("# The graph behind out, as GET …/graph?root=out tells it.")
        print("\n".join(_drawn(json.loads(client.ask("GET", f"{place}/graph?root=out")))))
        if picture != "none":
            Path(picture).write_bytes(client.ask("GET", f"{place}/graph?root=out&format=svg"))
            print(f"\n# The same as a picture: {picture}")
        if keep:
            print(f"\n# The session stays: {client.url}{place}")
    finally:
        if not keep:
            client.ask("DELETE", place)


def _line(client: _Client, place: str, code: str) -> None:
    first, *rest = code.split("\n")
    print("\n".join([f">>> {first}", *(f"... {line}" for line in rest)]))
    answer = json.loads(client.ask("POST", f"{place}/run", {"code": code}))
    value = answer["value"]
    shown = value["repr"] if isinstance(value, dict) and "repr" in value else value
    text = answer["stdout"] + ("" if shown is None else f"{shown}\n")
    print(text, end="")


def _drawn(graph: dict[str, Any]) -> Iterator[str]:
    """A line for each node, in the order of computing: what it is, what it takes, what it holds."""
    names = {node["id"]: str(node["tensor"] or node["name"]) for node in graph["nodes"]}
    for node in graph["nodes"]:
        if node["kind"] == "output":
            continue
        sources = [names[edge["from"]] for edge in graph["edges"] if edge["to"] == node["id"]]
        taken = f"  ←  {', '.join(sources)}" if sources else ""
        shape = f"{node['shape']} {node['dtype']}"
        named = f"{node['name']} = {node['tensor']}" if node["tensor"] not in (None, node["name"]) else node["name"]
        grad = f"  grad {' '.join(node['grad'].split())}" if node["grad"] else ""
        yield f"  {named:<26}{shape:<16}{taken}{grad}".rstrip()


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    """The server that is named, or one that lives as long. Errors: DemoError."""
    if url is not None:
        yield url
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port), "--linger", "0"]
    own = {
        name: value for name, value in os.environ.items() if not name.startswith("GRADWIRE_")
    }  # nobody's keys, no data
    process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - our own
    started = f"http://127.0.0.1:{port}"
    try:
        _await(started, process)
        yield started
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise DemoError(f"the server did not start: {process.stderr.read().decode(errors='replace').strip()}")
        try:
            with urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"the server did not answer within {PATIENCE:g} s")
