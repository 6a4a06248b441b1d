"""The public promise of a package is its ``__all__``, and it is kept: what a package exports, it promises."""

from __future__ import annotations

import ast
import importlib
from types import ModuleType

import pytest

from tests.house.rules import reading_order
from tests.house.source import ROOT, sources

PACKAGES = [
    source.module for source in sources()
    if source.path.endswith("/__init__.py") and source.within("engine", "service") and source.module != "engine"
]  # fmt: skip


def exported(package: ModuleType) -> set[str]:
    """Public names that are not modules; what ``from __future__`` leaves behind is nobody's."""
    return {
        name for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and type(value).__module__ != "__future__"
    }  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_exported_is_promised(name: str) -> None:
    package = importlib.import_module(name)
    promised = list(getattr(package, "__all__", []))
    modules = {n for n in promised if isinstance(getattr(package, n), ModuleType)}
    assert promised == sorted(set(promised), key=reading_order)
    assert set(promised) - modules == exported(package)


def test_the_engine_promises_by_as_and_by_its_stub() -> None:
    """Its functions come from the operator table, so its names cannot be listed: ``import x as x``, or functions.pyi."""
    engine = importlib.import_module("engine")
    promised = {"annotations"}
    for node in ast.parse((ROOT / "engine/__init__.py").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            promised |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.Assign):
            promised |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.parse((ROOT / "engine/functions.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            promised.add(node.name)
    assert exported(engine) <= promised


def test_an_unpromised_name_is_seen() -> None:
    package = ModuleType("package")
    package.extra = 1  # type: ignore[attr-defined]
    assert exported(package) == {"extra"}
