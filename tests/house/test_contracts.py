"""The import contracts of pyproject.toml can fail, and no new part can escape them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.rules import MAY_IMPORT
from tests.house.source import ROOT, sources

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in SETTINGS["contracts"]}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(tree), "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources; of tests it needs none."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for source in sources():
        if source.within("engine", "service") and source.path.endswith(".py"):
            path = tmp_path / source.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source.text)
            for folder in path.relative_to(tmp_path).parents[:-1]:  # what is no package yet is one here
                (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def test_the_tree_keeps_the_contracts(tree: Path) -> None:
    ran = lint(tree)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("contract", "path", "text"),
    [
        ("engine-alone", "engine/errors.py", "import service.steps"),
        ("engine-alone", "engine/errors.py", "import fastapi"),
        ("engine-layers", "engine/errors.py", "import engine.tensor"),
        ("engine-layers", "engine/tensor.py", "def late():\n    import engine.picture"),
        ("engine-rows", "engine/ops/reduce.py", "import engine.ops.pointwise"),
        ("service-layers", "service/steps/step.py", "import service.sessions.manager"),
        ("service-layers", "service/api/routes/__init__.py", "import service.executors.local"),
        ("service-layers", "service/executors/local.py", "import service.api"),
        ("service-layers", "service/wire/__init__.py", "import service.steps.step"),
        ("service-layers", "service/newcomer/__init__.py", ""),
        ("service-routes", "service/api/routes/first.py", "import service.api.routes.second"),
        ("service-domain", "service/sessions/session.py", "import sqlite3"),
    ],
)
def test_a_contract_refuses(tree: Path, contract: str, path: str, text: str) -> None:
    for name in (path, "service/api/__init__.py", "service/api/routes/__init__.py", "service/api/routes/second.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    with (tree / path).open("a") as file:
        file.write(f"\n{text}\n")
    ran = lint(tree)
    broken = f"{CONTRACTS[contract]['name']} BROKEN"
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert broken in ran.stdout, ran.stdout


def test_every_folder_of_python_is_a_package() -> None:
    """Without an ``__init__.py`` a folder is in no graph, and no contract sees it."""
    folders = {Path(s.path).parent for s in sources() if s.within("engine", "service") and s.path.endswith(".py")}
    assert [str(f) for f in sorted(folders) if not (ROOT / f / "__init__.py").exists()] == []


def test_contract_and_table_know_the_same_parts() -> None:
    layers = [name.strip(" ()") for layer in CONTRACTS["service-layers"]["layers"] for name in layer.split("|")]
    parts = [part.removeprefix("service.") for part in MAY_IMPORT if part.startswith("service.")]
    assert sorted(layers) == sorted(parts)
