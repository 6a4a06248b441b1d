"""Every knob, once: type, unit, default, bounds and one sentence.

From here come the options of the command line, the environment variables, the keys of a settings file, and their checks.
What is given twice goes by the nearer: command line, then environment, then file.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

__all__ = ["FILE", "KINDS", "Settings", "describe", "from_environment", "from_file", "option", "parse"]

FILE: Final = "GRADWIRE_SETTINGS"
"""The environment variable that names a settings file."""
MIB = 2**20
GUARDABLE = frozenset({"docs", "guide", "metrics", "playground"})
DURABILITIES = ("always", "interval", "none")


ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?)(:[0-9]{1,5})?")
_WORDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_NO_SETTINGS: Final = {"GRADWIRE_CI", FILE}


def _knob(
    default: Any, unit: str, sentence: str, *, least: float = 1, most: float = math.inf, several: bool = False
) -> Any:
    """A setting: ``GRADWIRE_`` and its name in capitals is the environment variable. several: in a file a list of texts will do."""
    bounds = {"least": least, "most": most}
    return field(default=default, metadata={"unit": unit, "sentence": sentence, "several": several, **bounds})


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs. Limits are checked before any work; over one, the answer names it."""

    host: str = _knob("127.0.0.1", "address", "The address to listen on.")
    port: int = _knob(8000, "port", "The port to listen on.", least=0, most=65_535)
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
        several=True,
    )
    cors_origins: str = _knob(
        "",
        "origins",
        "Which other origins a browser may send requests from, like https://lab.example, with commas between; without one, none may.",
        several=True,
    )
    auth_failures: int = _knob(
        20, "requests", "How many requests without a valid key an address has per minute; over it 429."
    )
    threads: int = _knob(2, "threads", "Threads for work of more than a millisecond.")
    request_bytes: int = _knob(32 * MIB, "bytes", "The largest request body; over it 413.")
    json_depth: int = _knob(64, "levels", "How deep JSON may be nested; over it 400.")
    json_members: int = _knob(
        200_000, "members", "The most members that the objects of a JSON body have, all together; over it 400."
    )
    tensor_elements: int = _knob(4 * MIB, "elements", "The largest tensor by elements; over it 422.")
    tensor_bytes: int = _knob(32 * MIB, "bytes", "The largest tensor by bytes; over it 422.")
    tensor_dims: int = _knob(64, "dims", "The most dims of a tensor; over it 422.")
    session_bytes: int = _knob(
        256 * MIB, "bytes", "What a session may hold: values, gradients and what its graphs keep; over it 422."
    )
    session_nodes: int = _knob(50_000, "nodes", "The most nodes of a session's graphs; over it 422.")
    session_tensors: int = _knob(50_000, "ids", "The most ids of a session; over it 422.")
    batch_steps: int = _knob(2_000, "steps", "The most steps of a batch, and references it returns; over it 422.")
    answer_bytes: int = _knob(
        64 * MIB, "bytes", "The largest answer, estimated before it is written; over it 422, and nothing is kept."
    )
    step_outputs: int = _knob(1_000, "outputs", "The most outputs of one step, and inputs of a function; over it 422.")
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
    function_source_bytes: int = _knob(262_144, "bytes", "The longest text of a function; over it 422.")
    functions_bytes: int = _knob(256 * MIB, "bytes", "What all functions may hold, constants included; over it 422.")
    request_seconds: float = _knob(
        10.0,
        "seconds",
        "How long a request may take, checked between steps; over it 503, and nothing is kept.",
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
            found = _wrong(f.name, getattr(self, f.name))
            if found:
                raise ValueError(f"{f.name} {found}")

    @property
    def guarded_pages(self) -> frozenset[str]:
        """The pages that need a key."""
        return _guarded(self.guarded)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that a browser may send requests from."""
        return _listed(self.cors_origins)


_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
KINDS: Final[dict[str, type]] = {f.name: type(f.default) for f in fields(Settings)}
"""The type of each setting."""
_KNOBS: Final = {f.name: f.metadata for f in fields(Settings)}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _guarded(text: str) -> frozenset[str]:
    names = frozenset(_listed(text))
    return frozenset() if names == {"none"} else names


def _wrong(name: str, value: Any) -> str | None:
    """What a value of the right type must be, and is not."""
    knob = _KNOBS[name]
    if KINDS[name] in (int, float) and not knob["least"] <= value <= knob["most"]:
        over = value > knob["most"]
        bound = f"at most {knob['most']}" if over else f"at least {knob['least']}"
        return f"must be {bound} {knob['unit']}, not {value}"
    if name == "host" and (not value.strip() or not value.isascii() or not value.isprintable()):
        return "must be an address, such as 127.0.0.1 (0.0.0.0: all of this machine's)"
    if name == "durability" and value not in DURABILITIES:
        return f"must be one of {', '.join(DURABILITIES)}"
    if name == "guarded" and not _guarded(value) <= GUARDABLE:
        return f"must name some of {', '.join(sorted(GUARDABLE))}, or none"
    if name == "cors_origins" and not all(ORIGIN.fullmatch(o) for o in _listed(value)):
        return "must be origins as browsers send them, like https://lab.example or http://localhost:3000, without * and without a path"
    return None


def option(name: str) -> str:
    """The option of the command line.

    >>> option("data_dir")
    '--data-dir'
    """
    return "--" + name.replace("_", "-")


def parse(name: str, text: str) -> Any:
    """The value of a setting from text. Errors: ValueError."""
    if KINDS[name] is not bool:
        return KINDS[name](text)
    if text.lower() not in _TRUTH:
        raise ValueError(f"{name} must be true or false")
    return _TRUTH[text.lower()]


def from_file(path: str) -> dict[str, Any]:
    """The settings in a TOML file: ``port = 9000``, each under its name.

    Errors: ValueError in one line names file, key and what was expected.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the path as it was given is what errors name
            table = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from None
    return {key: _typed(path, key, value) for key, value in table.items()}


def _typed(path: str, key: str, value: Any) -> Any:
    """A value of a file, checked. Errors: ValueError."""
    if key not in KINDS:
        near = difflib.get_close_matches(key, KINDS, 1)
        raise ValueError(f"{path}: {key} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    kind, several = KINDS[key], _KNOBS[key]["several"]
    if several and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = ",".join(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{path}: {key} must be {_WORDS[kind]}{' or a list of texts' * several}, not {_shown(value)}")
    if found := _wrong(key, value):
        raise ValueError(f"{path}: {key} {found}")
    return value


def _shown(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def from_environment(
    environment: Mapping[str, str] | None = None, *, settings: str | None = None, **given: Any
) -> Settings:
    """Settings from a file, with ``GRADWIRE_*`` variables on top of it, and ``given`` (what is not None) on top of all.

    settings: the file; where it is not given, the variable ``GRADWIRE_SETTINGS`` may name one.
    Errors: ValueError names the file and key, the variable or the option, and what it must be.
    """
    environment = os.environ if environment is None else environment
    path = settings or environment.get(FILE)
    found = from_file(path) if path else {}
    for name, text in environment.items():
        if not name.startswith("GRADWIRE_") or name in _NO_SETTINGS:
            continue
        key = name.removeprefix("GRADWIRE_").lower()
        if key not in KINDS:
            raise ValueError(f"{name} is no setting; there are {', '.join('GRADWIRE_' + k.upper() for k in KINDS)}")
        try:
            found[key] = parse(key, text)
        except ValueError:
            raise ValueError(f"{name} must be {_WORDS[KINDS[key]]}") from None
        if wrong := _wrong(key, found[key]):
            raise ValueError(f"{name} {wrong}")
    for key, value in given.items():
        if value is not None:
            if wrong := _wrong(key, value):
                raise ValueError(f"{option(key)} {wrong}")
            found[key] = value
    return Settings(**found)


def describe() -> list[tuple[str, str, Any, str, str]]:
    """Each setting: name, environment variable, default, unit, sentence."""
    return [
        (f.name, f"GRADWIRE_{f.name.upper()}", f.default, f.metadata["unit"], f.metadata["sentence"])
        for f in fields(Settings)
    ]
