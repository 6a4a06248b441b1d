"""What public lessons on autograd write, in our own words: each script prints with the interpreter what it prints with PyTorch.

The files of ``corpus`` hold what PyTorch printed; where PyTorch is installed, it is asked again.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from service.scripts import Cell
from service.sessions.digest import digest
from service.sessions.running import budget_of, run_cell
from service.sessions.session import Session

CORPUS = Path(__file__).parent / "corpus"
ADDRESS = re.compile(r" object at 0x\w+")


def scripts() -> list[Any]:
    found = []
    for path in sorted(CORPUS.glob("*.txt")):
        parts = re.split(r"^### (.*)\n", path.read_text(), flags=re.MULTILINE)[1:]
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            code, _, printed = text.partition("\n--- prints\n")
            found.append(pytest.param(code, printed, id=f"{path.stem}: {name}"))
    return found


def test_there_are_enough() -> None:
    assert len(scripts()) >= 60


@pytest.mark.parametrize(("code", "printed"), scripts())
def test_it_prints_what_pytorch_prints(code: str, printed: str) -> None:
    digests = []
    for _ in range(2):
        session = Session("s", seed=0)
        with session.begin(batch=True) as tx:
            ran = run_cell(tx, Cell(code), budget_of(tx))
            tx.commit()
        assert ADDRESS.sub("", ran.stdout) == printed
        digests.append((ran.stdout, ran.steps, digest(session)))
    assert digests[0] == digests[1], "a run is repeated exactly"


@pytest.mark.parametrize(("code", "printed"), scripts())
def test_pytorch_prints_it(code: str, printed: str, require_module: Callable[[str], ModuleType]) -> None:
    require_module("torch").manual_seed(0)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, of scalars and of its compiler
        exec(compile(code, "script", "exec"), {"__name__": "__main__"})
    assert ADDRESS.sub("", output.getvalue()) == printed
