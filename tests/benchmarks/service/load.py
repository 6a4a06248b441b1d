"""Load: the same request again and again over a few connections, by wrk where it is installed, else by asyncio's streams."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Load", "Shot", "each_its_own", "generator", "latencies", "percentile", "run"]

WRK = shutil.which("wrk")
SCRIPT = """
local file = io.open(os.getenv("SHOT_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
wrk.method = os.getenv("SHOT_METHOD")
for line in string.gmatch(os.getenv("SHOT_HEADERS"), "[^\\n]+") do
  local name, value = string.match(line, "^([^:]+): (.*)$")
  wrk.headers[name] = value
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration, e.status + e.connect + e.read + e.timeout))
end
"""


@dataclass(frozen=True)
class Shot:
    """One request."""

    url: str
    body: bytes = b""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True)
class Load:
    """What came of it: answers a second, and how many were no success."""

    rate: float
    failed: int


def generator() -> str:
    """What makes the load."""
    return "asyncio streams (wrk is not installed)" if WRK is None else "wrk"


def run(shot: Shot, *, seconds: float, connections: int) -> Load:
    """The load of one contender."""
    return _by_asyncio(shot, seconds, connections) if WRK is None else _by_wrk(shot, seconds, connections)


def _by_wrk(shot: Shot, seconds: float, connections: int) -> Load:
    assert WRK is not None
    with tempfile.TemporaryDirectory() as folder:
        script, body = Path(folder, "shot.lua"), Path(folder, "body")
        script.write_text(SCRIPT)
        body.write_bytes(shot.body)
        environment = {
            **os.environ,
            "SHOT_BODY": str(body),
            "SHOT_METHOD": shot.method,
            "SHOT_HEADERS": "\n".join(f"{k}: {v}" for k, v in shot.headers.items()),
        }
        flags = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script)]
        done = subprocess.run([WRK, *flags, shot.url], env=environment, capture_output=True, text=True, check=True)
    line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT"))
    requests, microseconds, failed = map(int, line.split()[1:])
    return Load(requests / microseconds * 1e6, failed)


def _wire(shot: Shot) -> tuple[str, int, bytes]:
    place = urlsplit(shot.url)
    path = place.path + (f"?{place.query}" if place.query else "")
    headers = {"host": place.netloc, "content-length": str(len(shot.body)), **shot.headers}
    head = f"{shot.method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
    return str(place.hostname), int(place.port or 80), head.encode() + shot.body


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or b"0"))
    return int(head.split(maxsplit=2)[1])


async def _repeat(shot: Shot, stop: float, pause: float = 0.0) -> list[tuple[float, int]]:
    """Seconds and status of each answer over one connection."""
    host, port, wire = _wire(shot)
    reader, writer = await asyncio.open_connection(host, port, limit=2**26)
    found = []
    while (start := time.perf_counter()) < stop:
        writer.write(wire)
        status = await _answer(reader)
        found.append((time.perf_counter() - start, status))
        if pause:
            await asyncio.sleep(pause)
    writer.close()
    return found


def _by_asyncio(shot: Shot, seconds: float, connections: int) -> Load:
    return each_its_own([shot] * connections, seconds=seconds)


def each_its_own(shots: Sequence[Shot], *, seconds: float) -> Load:
    """The load of clients that each ask something else, over a connection of their own."""

    async def all_of_them() -> list[list[tuple[float, int]]]:
        stop = time.perf_counter() + seconds
        return await asyncio.gather(*(_repeat(shot, stop) for shot in shots))

    answers = [a for each in asyncio.run(all_of_them()) for a in each]
    return Load(len(answers) / seconds, sum(status >= 400 for _, status in answers))


def latencies(shot: Shot, *, seconds: float, pause: float) -> list[float]:
    """Seconds until each answer, asked over one connection with pauses."""
    return [t for t, _ in asyncio.run(_repeat(shot, time.perf_counter() + seconds, pause))]


def percentile(values: list[float], p: float) -> float:
    """The value below which a share of all lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * p))]
