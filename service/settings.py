"""Every knob: its environment variable, type, unit, default and one sentence. The command line has an option for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["Settings", "describe", "from_environment", "parse"]

MIB = 2**20
GUARDABLE = frozenset({"docs", "guide", "metrics", "playground"})
DURABILITIES = ("always", "interval", "none")


def _knob(default: Any, unit: str, sentence: str, *, least: float = 1) -> Any:
    """A setting: ``GRADWIRE_`` and its name in capitals is the environment variable."""
    return field(default=default, metadata={"unit": unit, "sentence": sentence, "least": least})


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs. Limits are checked before any work; over one, the answer names it."""

    host: str = _knob("127.0.0.1", "address", "The address to listen on.")
    port: int = _knob(8000, "port", "The port to listen on.", least=0)
    insecure: bool = _knob(
        False, "true or false", "Listen on an address that others reach although no API key is asked for."
    )
    keys_file: str = _knob(
        "",
        "file",
        "Where API keys are kept; without it, in the file keys of the data directory. A file that is there asks for keys.",
    )
    guarded: str = _knob(
        "metrics",
        "names",
        "Which pages need a key too, where keys are asked for: docs, guide, metrics, playground, with commas between, or none.",
    )
    auth_failures: int = _knob(
        20, "requests", "How many requests without a valid key an address has per minute; over it 429."
    )
    threads: int = _knob(2, "threads", "Threads for work of more than a millisecond.")
    request_bytes: int = _knob(32 * MIB, "bytes", "The largest request body; over it 413.")
    json_depth: int = _knob(64, "levels", "How deep JSON may be nested; over it 400.")
    tensor_elements: int = _knob(4 * MIB, "elements", "The largest tensor by elements; over it 422.")
    tensor_bytes: int = _knob(32 * MIB, "bytes", "The largest tensor by bytes; over it 422.")
    tensor_dims: int = _knob(64, "dims", "The most dims of a tensor; over it 422.")
    session_bytes: int = _knob(
        256 * MIB, "bytes", "What a session may hold: values, gradients and what its graphs keep; over it 422."
    )
    session_nodes: int = _knob(50_000, "nodes", "The most nodes of a session's graphs; over it 422.")
    session_tensors: int = _knob(50_000, "ids", "The most ids of a session; over it 422.")
    batch_steps: int = _knob(2_000, "steps", "The most steps of a batch; over it 422.")
    step_outputs: int = _knob(1_000, "outputs", "The most outputs of one step; over it 422.")
    request_cost: int = _knob(5_000_000_000, "operations", "The most arithmetic of a request; over it 422.")
    batch_cost: int = _knob(20_000_000_000, "operations", "The most arithmetic of a batch; over it 422.")
    script_seconds: float = _knob(10.0, "seconds", "How long a script may run; over it 422.")
    script_steps: int = _knob(1_000_000, "steps", "The most statements, iterations and calls of a script; over it 422.")
    script_source_bytes: int = _knob(65_536, "bytes", "The longest text of a script; over it 422.")
    script_output_bytes: int = _knob(
        1_000_000, "bytes", "How much of what a script prints is kept; past it, truncated."
    )
    script_data_bytes: int = _knob(
        64 * MIB, "bytes", "The strings, lists and dicts that a script may make, all together; over it 422."
    )
    script_depth: int = _knob(200, "calls", "How deep a script's calls may nest; over it a RecursionError.")
    script_threads: int = _knob(2, "threads", "Threads for scripts, apart from those for other work.")
    functions: int = _knob(1_000, "functions", "The most functions of a tenant; over it 422.")
    function_versions: int = _knob(16, "versions", "How many versions of a function are kept.")
    functions_bytes: int = _knob(256 * MIB, "bytes", "What all functions may hold, constants included; over it 422.")
    request_seconds: float = _knob(
        10.0,
        "seconds",
        "How long a request may take, checked between steps; over it 503 (422 for an evaluation), and nothing is kept.",
    )
    most_request_seconds: float = _knob(30.0, "seconds", "The most that a request may ask for by Request-Timeout.")
    scopes: int = _knob(64, "scopes", "The most open scopes of a session; over it 422.")
    sessions: int = _knob(1_000, "sessions", "The most open sessions; over it 429.")
    tenant_sessions: int = _knob(
        50, "sessions", "The most sessions of a tenant, where keys are asked for; over it 429."
    )
    tenant_bytes: int = _knob(
        512 * MIB, "bytes", "What the sessions of a tenant may hold together, where keys are asked for; over it 429."
    )
    total_bytes: int = _knob(2_048 * MIB, "bytes", "What all sessions in memory may hold together; over it 503.")
    session_ttl: float = _knob(3_600.0, "seconds", "How long a session lives without a request.")
    queue_places: int = _knob(32, "requests", "How many requests may wait for one session; over it 429.")
    queue_seconds: float = _knob(5.0, "seconds", "How long a request waits for its session; over it 503.")
    work_places: int = _knob(64, "requests", "How much work may wait for a thread; over it 503.")
    tenant_work_places: int = _knob(
        16, "requests", "How much work of a tenant may wait for a thread, where keys are asked for; over it 429."
    )
    data_dir: str = _knob(
        "", "directory", "Where sessions are stored, to outlive the process; without one they are kept in memory only."
    )
    durability: str = _knob(
        "always",
        "mode",
        "When what is answered is on the disk: always (before the answer), interval (a moment later), none (as the system likes).",
    )
    sync_interval: float = _knob(1.0, "seconds", "How much the durability interval may lose to a power failure.")
    disk_reserve: int = _knob(
        256 * MIB, "bytes", "Below this much free disk nothing is written, and writes are answered 503."
    )
    snapshot_records: int = _knob(
        5_000, "records", "After so many a stored session gets a snapshot, which bounds how long reading it back takes."
    )
    stored_sessions: int = _knob(10_000, "sessions", "The most stored sessions, in memory or not; over it 429.")
    stored_ttl: float = _knob(
        604_800.0, "seconds", "How long a stored session is kept without a request; then it is deleted."
    )
    keep_alive: int = _knob(15, "seconds", "How long an idle connection is kept.")
    connections: int = _knob(512, "connections", "The most connections at a time; over it 503.")
    url_bytes: int = _knob(8_192, "bytes", "The longest address of a request; over it 414.")
    header_bytes: int = _knob(16_384, "bytes", "The most that the headers of a request may have together; over it 431.")
    header_seconds: float = _knob(
        10.0, "seconds", "How long the head of a request may take to come; over it 408.", least=0.1
    )
    body_seconds: float = _knob(
        15.0, "seconds", "How often the pace of a body is looked at; too slow is 408.", least=0.1
    )
    body_rate: int = _knob(16_384, "bytes per second", "The slowest pace of a body.")
    log_requests: bool = _knob(False, "true or false", "Write a line of JSON to standard error for each request.")
    linger: float = _knob(
        1.5, "seconds", "How long after SIGTERM requests are still taken, while /readyz says no already.", least=0
    )
    shutdown: int = _knob(28, "seconds", "How long an end may take: lingering, then finishing what was accepted.")

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, (str, bool)) and not value >= f.metadata["least"]:
                least = f"{f.metadata['least']} {f.metadata['unit']}"
                raise ValueError(f"{f.name} must be at least {least}, not {value}")
        if self.durability not in DURABILITIES:
            raise ValueError(f"durability must be one of {', '.join(DURABILITIES)}")
        if not self.guarded_pages <= GUARDABLE:
            raise ValueError(f"guarded must name some of {', '.join(sorted(GUARDABLE))}, or none")

    @property
    def guarded_pages(self) -> frozenset[str]:
        """The pages that need a key."""
        names = frozenset(name.strip() for name in self.guarded.split(","))
        return frozenset() if names == {"none"} else names


_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
KINDS: dict[str, type] = {f.name: type(f.default) for f in fields(Settings)}


def parse(name: str, text: str) -> Any:
    """The value of a setting from text. Errors: ValueError."""
    if KINDS[name] is not bool:
        return KINDS[name](text)
    if text.lower() not in _TRUTH:
        raise ValueError(f"{name} must be true or false")
    return _TRUTH[text.lower()]


def from_environment(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from ``GRADWIRE_*`` variables, with ``given`` (what is not None) on top.

    Errors: ValueError names the variable and what it must be.
    """
    found: dict[str, Any] = {}
    for name, text in (os.environ if environment is None else environment).items():
        if not name.startswith("GRADWIRE_") or name == "GRADWIRE_CI":
            continue
        key = name.removeprefix("GRADWIRE_").lower()
        if key not in KINDS:
            raise ValueError(f"{name} is no setting; there are {', '.join('GRADWIRE_' + k.upper() for k in KINDS)}")
        try:
            found[key] = parse(key, text)
        except ValueError:
            raise ValueError(f"{name} must be of type {KINDS[key].__name__}") from None
    found.update({k: v for k, v in given.items() if v is not None})
    return Settings(**found)


def describe() -> list[tuple[str, str, Any, str, str]]:
    """Each setting: name, environment variable, default, unit, sentence."""
    return [
        (f.name, f"GRADWIRE_{f.name.upper()}", f.default, f.metadata["unit"], f.metadata["sentence"])
        for f in fields(Settings)
    ]
