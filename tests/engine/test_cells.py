"""PyTorch's words, cell by cell: what short programs print, recorded from PyTorch, is what the engine prints.

``cells/*.txt`` hold them: ``## name``, the program, and behind ``#> `` what it printed. ``fails(f)`` prints the error that f raises, its
builtin type and first line; ours may say more behind it. Run this file with PyTorch installed to record what has nothing recorded yet:
``python -m tests.engine.test_cells``.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

FOLDER: Final = Path(__file__).parent / "cells"
ADDRESS: Final = re.compile(r"0x[0-9a-f]+")


class Cell(NamedTuple):
    """One program and what PyTorch printed."""

    file: str
    name: str
    program: str
    printed: tuple[str, ...]


def cells() -> Iterator[Cell]:
    for path in sorted(FOLDER.glob("*.txt")):
        for text in path.read_text().split("\n## ")[0:]:
            name, _, rest = text.removeprefix("## ").partition("\n")
            lines = rest.rstrip("\n").split("\n")
            yield Cell(
                path.stem,
                name,
                "\n".join(line for line in lines if not line.startswith("#>")),
                tuple(line[3:] for line in lines if line.startswith("#>")),
            )


def sentence(error: BaseException) -> str:
    kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
    return f"{kind}: {(str(error).strip().splitlines() or [''])[0]}"


def fails(f: Callable[[], Any]) -> None:
    try:
        answer = f()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is asked for
        print(sentence(error))
    else:
        print("no error", tuple(answer.shape) if hasattr(answer, "shape") else type(answer).__name__)


def printed(cell: Cell, torch: Any) -> list[str]:
    scope = {"torch": torch, "F": torch.nn.functional, "np": np, "fails": fails, "__name__": "cell"}
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            exec(builtins.compile(cell.program, f"<{cell.name}>", "exec"), scope)
        except Exception as error:  # noqa: BLE001 - as above
            print("!", sentence(error))
        finally:
            torch.set_grad_enabled(True)
    return [ADDRESS.sub("0x", line.rstrip()) for line in out.getvalue().splitlines()]


def agree(said: str, recorded: str) -> bool:
    return said == recorded or ("Error: " in recorded and said.startswith(recorded))


@pytest.mark.parametrize("cell", list(cells()), ids=lambda c: f"{c.file}: {c.name}")
def test_what_a_cell_prints_is_what_pytorch_prints(cell: Cell, torch: Any) -> None:
    found = printed(cell, torch)
    assert cell.printed
    assert len(found) == len(cell.printed), "\n".join(found)
    assert all(map(agree, found, cell.printed)), "\n".join(found)


def record() -> None:
    """Write behind each cell without a record what PyTorch prints."""
    torch: Any = importlib.import_module("torch")
    texts: dict[str, list[str]] = {}
    for cell in cells():
        lines = cell.printed or printed(cell, torch)
        texts.setdefault(cell.file, []).append(
            "\n".join([f"## {cell.name}", cell.program.rstrip("\n"), *(f"#> {line}".rstrip() for line in lines)])
        )
    for file, found in texts.items():
        (FOLDER / f"{file}.txt").write_text("\n".join(found) + "\n")


if __name__ == "__main__":
    record()
