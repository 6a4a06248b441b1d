"""requirements.lock: all we ask for, pinned and hashed, for every machine, from no named place; licences."""

from __future__ import annotations

import re
import tomllib
from email.message import Message
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(r"^(?P<requirement>[^\s#].*?)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
PINS = [Requirement(entry["requirement"]) for entry in ENTRY.finditer(LOCK)]
PINNED = {canonicalize_name(pin.name): pin for pin in PINS}
MACHINES = [
    {"sys_platform": platform, "platform_system": system, "platform_machine": machine, "python_version": python,
     "python_full_version": f"{python}.0", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for platform, system, machine in [
        ("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"),
    ]
    for python in ("3.11", "3.12", "3.13", "3.14")
]  # fmt: skip


def pins() -> list[str]:
    return [line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))]


def test_every_line_is_a_pin_with_hashes() -> None:
    assert len(pins()) == len(PINNED) > 20
    assert all(re.match(r"^[a-z0-9-]+==\S+( ; .+)? \\$", line) for line in pins())


def test_it_names_no_place() -> None:
    assert not re.search(r"--(index|extra|find|trusted)|://|file:", LOCK)


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
def test_what_we_ask_for_is_pinned(text: str) -> None:
    asked = Requirement(text)
    pin = PINNED[canonicalize_name(asked.name)]
    assert asked.specifier.contains(next(iter(pin.specifier)).version)
    for machine in MACHINES:
        if asked.marker is None or asked.marker.evaluate(machine):
            assert pin.marker is None or pin.marker.evaluate(machine), machine


def test_pytorch_is_compared_with_and_never_run_on() -> None:
    assert "torch==2.13.0" in PROJECT["optional-dependencies"]["conformance"]
    assert "torch" not in PINNED


# --- licences of what runs with us ------------------------------------------------------------------------------------

ALLOWED = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Zlib"}
WORDS = {  # what packages without an SPDX expression say, in their classifiers or their free text
    "Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0", "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause", "BSD License": "BSD-3-Clause", "ISC License (ISCL)": "ISC", "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip


def run_time() -> set[str]:
    """The installed packages that `gradwire` needs on this machine, by the walk over what each says it requires."""
    found: set[str] = set()
    waiting = [(Requirement(text), frozenset[str]()) for text in PROJECT["dependencies"]]
    while waiting:
        requirement, extras = waiting.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found or requirement.extras:
            found.add(name)
            wanted = frozenset(requirement.extras)
            waiting += [(Requirement(text), wanted) for text in metadata.requires(name) or []]
    return found


def licences(package: metadata.PackageMetadata) -> set[str]:
    """The parts of a package's licence, as SPDX names. Of alternatives one is enough, and the first allowed is ours."""
    if "License-Expression" not in package:
        classifiers: list[str] = package.get_all("Classifier") or []
        endings = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
        words = [word for word in endings if word != "OSI Approved"] or package.get_all("License") or []
        return {WORDS.get(word.strip(), word) for word in words}
    said = package["License-Expression"]
    parts: set[str] = set()
    for part in re.split(r"\s+AND\s+", said.replace("(", "").replace(")", "")):
        choices = re.split(r"\s+OR\s+", part)
        parts.add(next((choice for choice in choices if choice in ALLOWED), part))
    return parts


@pytest.mark.parametrize("name", sorted(run_time()))
def test_what_runs_with_us_may_be_given_away(name: str) -> None:
    """MIT, BSD, Apache, PSF, ISC, unmodified MPL-2.0, and what asks even less (0BSD, CC0, Zlib: parts of NumPy)."""
    assert name in PINNED
    found = licences(metadata.metadata(name))
    assert found, "no licence is named"
    assert found <= ALLOWED, f"{name}: {found - ALLOWED}"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"License-Expression": "MIT OR GPL-3.0-only"}, {"MIT"}),
        ({"License-Expression": "BSD-3-Clause AND (GPL-3.0-only)"}, {"BSD-3-Clause", "GPL-3.0-only"}),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, {"MIT"}),
        ({"License": "LGPL"}, {"LGPL"}),
        (
            {"License-Expression": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"},  # NumPy's
            {"BSD-3-Clause", "0BSD", "MIT", "Zlib", "CC0-1.0"},
        ),
    ],
)
def test_licences_are_read(headers: dict[str, str], expected: set[str]) -> None:
    package = Message()
    for name, value in headers.items():
        package[name] = value
    assert licences(package) == expected  # type: ignore[arg-type]


def test_the_walk_finds_what_others_need() -> None:
    assert {"numpy", "scipy", "starlette", "anyio", "pydantic-core", "h11"} <= run_time()
    assert run_time().isdisjoint({"pytest", "mypy", "torch"})
