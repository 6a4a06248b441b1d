"""The command ``gradwire demo``, and what the command says of itself."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import httpx
import pytest

from service.auth.api_keys import KeyFile
from tests.end_to_end.conftest import free_port, start, stop, wait_until_healthy

ROOT = Path(__file__).parents[2]


def gradwire(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_against_a_server(live_url: str, http: httpx.Client, tmp_path: Path) -> None:
    before = http.get("/readyz").json()["sessions"]
    done = gradwire("demo", live_url, "--picture", str(tmp_path / "graph.svg"))
    assert (done.returncode, done.stderr) == (0, "")
    assert ">>> x.grad\ntensor([[4.5000, 4.5000],\n        [4.5000, 4.5000]])\n" in done.stdout
    assert "tensor([[3., 3.],\n        [3., 3.]], grad_fn=<AddBackward0>)" in done.stdout
    assert "MulBackward0 = z" in done.stdout
    assert ET.parse(tmp_path / "graph.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert http.get("/readyz").json()["sessions"] == before


def test_a_session_that_stays(live_url: str, http: httpx.Client) -> None:
    done = gradwire("demo", live_url, "--picture", "none", "--keep")
    assert done.returncode == 0, done.stderr
    place = done.stdout.rsplit(maxsplit=1)[-1].removeprefix(live_url)
    assert http.get(f"{place}/tensors/x/grad").json()["data"] == [[6.5, 6.5], [6.5, 6.5]]
    http.delete(place)


def test_with_a_server_of_its_own() -> None:
    done = gradwire("demo", "--picture", "none")
    assert (done.returncode, done.stderr) == (0, "")
    assert "MeanBackward0 = out" in done.stdout


def test_where_a_key_is_asked_for(tmp_path: Path) -> None:
    keys, port = tmp_path / "keys", free_port()
    _, key = KeyFile(keys).create("someone")
    process = start(port, keys_file=str(keys))
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(url, process)
        refused = gradwire("demo", url, "--picture", "none")
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"gradwire: {url} answered 401: A valid API key is needed")
        (tmp_path / "mine").write_text(f"{key}\n")
        assert gradwire("demo", url, "--picture", "none", "--key-file", str(tmp_path / "mine")).returncode == 0
    finally:
        stop(process)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://127.0.0.1:9"], "no server answers at http://127.0.0.1:9"),
        (["file:///etc/hosts"], "is no address of a server"),
        (["--key-file", "nothing-is-here", "http://127.0.0.1:9"], "nothing-is-here"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], said: str) -> None:
    done = gradwire("demo", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_names_every_command_and_where_to_begin() -> None:
    done = gradwire("--help")
    assert done.returncode == 0
    assert {"serve", "demo", "keys"} <= set(done.stdout.split())
    assert "gradwire serve --help lists every setting" in done.stdout
    assert gradwire("--version").stdout.startswith("gradwire ")


def test_the_banner_says_where_to_look() -> None:
    port = free_port()
    process = start(port, host="0.0.0.0", insecure="true")
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(6)]
        assert f"serves on http://127.0.0.1:{port} (and on every address of this machine, 0.0.0.0)" in lines[0]
        said = [line.split()[-1] for line in lines[1:5]]
        assert said == [f"http://127.0.0.1:{port}{path}" for path in ("/", "/guide", "/docs", "/v1/ops")]
        assert all(httpx.get(address).status_code == 200 for address in said)
    finally:
        stop(process)
