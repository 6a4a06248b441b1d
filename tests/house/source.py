"""The tree as the house rules read it: every file that is committed or about to be, once, with its syntax tree."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["ROOT", "Source", "files", "sources"]

ROOT: Final = Path(__file__).resolve().parents[2]
SKIPPED: Final = {"__pycache__", "build", "dist", "node_modules"}
TEXTS: Final = {*".css .html .js .json .lock .md .py .pyi .toml .txt .yaml .yml".split()}  # noqa: SIM905 - one line
TEXTS_WITHOUT_SUFFIX: Final = {".dockerignore", ".gitignore", "Dockerfile", "LICENSE", "Makefile", "run"}


@dataclass(frozen=True)
class Source:
    """One text file: where it stands (relative to the root, with slashes) and what it says."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_python(self) -> bool:
        return self.path.endswith((".py", ".pyi"))

    @property
    def is_vendored(self) -> bool:
        """Served as it came from its makers: their words, not ours."""
        return not {"static", "vendor", "vendored"}.isdisjoint(PurePosixPath(self.path).parts)

    @property
    def module(self) -> str:
        """The dotted name; a package's is that of its folder."""
        return self.path.removesuffix(".pyi").removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def within(self, *folders: str) -> bool:
        return any(self.path.startswith(f"{folder}/") or self.path == folder for folder in folders)


@cache
def files() -> tuple[Path, ...]:
    """Every file of ours, in order of path. Without git (a source archive) the folders are walked."""
    found = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode == 0 and found.stdout:
        paths = [ROOT / name for name in found.stdout.split("\0") if name]
    else:
        paths = [
            path for top in ("engine", "service", "tests", "docker") for path in (ROOT / top).rglob("*")
            if SKIPPED.isdisjoint(path.parts)
        ]  # fmt: skip
        paths += [path for path in ROOT.iterdir() if path.is_file()]
    return tuple(sorted({path for path in paths if path.is_file()}))


@cache
def sources() -> tuple[Source, ...]:
    """Every text file of ours, in order of path."""
    texts = [path for path in files() if path.suffix in TEXTS or path.name in TEXTS_WITHOUT_SUFFIX]
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in texts)
