"""Attempts to get out of the interpreter: each is refused, with its place, and changes nothing.

The lines of ``escapes.txt`` are texts of their own; ``\\n`` in one begins a new line of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from service.scripts import Cell, ScriptError
from service.sessions.digest import digest
from service.sessions.running import budget_of, run_cell
from service.sessions.session import Session

ATTEMPTS = (Path(__file__).parent / "escapes.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session("s", seed=0)
    with session.begin(batch=True) as tx:
        run_cell(tx, Cell("x = torch.ones(2, requires_grad=True)\nn = [1, 2]"), budget_of(tx))
        tx.commit()
    return session


def test_there_are_enough() -> None:
    assert len(set(ATTEMPTS)) >= 150


@pytest.mark.parametrize("text", ATTEMPTS)
def test_it_is_refused(session: Session, text: str) -> None:
    before = digest(session)
    code = "n.append(3)\nx.data.add_(1)\n" + text.replace("\\n", "\n")
    with pytest.raises(ScriptError) as found, session.begin(batch=True) as tx:
        run_cell(tx, Cell(code), budget_of(tx))
    assert found.value.members["line"] >= 1
    assert found.value.members["column"] >= 1
    assert digest(session) == before
