"""Stubs follow the table, say when they are stale, and are what a type checker needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import stubs

PROGRAM = """
import engine as torch
x = torch.ones(2, requires_grad=True)
y = (x * 2 - 1).sum()
y.backward()
reveal_type(y)
reveal_type(-x)
reveal_type(x.grad)
"""


def test_the_table_has_stubs_for_functions_methods_and_operators() -> None:
    texts = stubs.stubs()
    assert "def sqrt(input: _Tensor) -> _Tensor: ..." in texts["functions.pyi"]
    assert "    def sqrt_(self) -> _Tensor: ..." in texts["methods.pyi"]
    assert "    def __add__(self, other: _Tensor | _Number) -> _Tensor: ..." in texts["methods.pyi"]
    assert texts == stubs.stubs()


@pytest.mark.parametrize("name", sorted(stubs.stubs()))
def test_stubs_are_valid_python(name: str) -> None:
    compile(stubs.stubs()[name], name, "exec")


def test_a_stale_stub_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "engine"
    (folder / "nn").mkdir(parents=True)
    monkeypatch.setattr(stubs, "__file__", str(folder / "stubs.py"))
    assert stubs.main([]) == 0
    assert stubs.main(["--check"]) == 0
    (folder / "linalg.pyi").write_text("def inv(x): ...\n")
    capsys.readouterr()
    assert stubs.main(["--check"]) == 1
    assert capsys.readouterr().out == "engine/linalg.pyi: stale; run `make stubs`\n"


def test_mypy_understands_a_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(program)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    revealed = [line.partition("Revealed type is ")[2] for line in ran.stdout.splitlines() if "note: Revealed" in line]
    assert revealed == ['"engine.tensor.Tensor"', '"engine.tensor.Tensor"', '"engine.tensor.Tensor | None"'], ran.stdout
