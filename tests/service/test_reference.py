"""References: parsed as Python reads indices, never evaluated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.steps.errors import InvalidInput, UnknownReference
from service.steps.reference import parse_index, resolve


def lookup(name: str) -> Any:
    if name == "i":
        return "the tensor i"
    raise UnknownReference("unknown")


INDICES = [
    "0", "-1", "1:", ":2", "::2", "1:5:2", "-3:-1", "...", "None", "True", "0, 1", "1:, 0", "..., 0", ":, None, 1", "[0, 2]", "[0, 2], 1",
    "[True, False]", "0,", " 1 : 2 , 3 ",
]  # fmt: skip


@pytest.mark.parametrize("text", INDICES)
def test_as_python_reads_it(text: str) -> None:
    class Recorder:
        def __getitem__(self, index: Any) -> Any:
            return index

    assert parse_index(text, lookup) == eval(f"r[{text}]", {"r": Recorder()})


def test_ids_in_an_index() -> None:
    assert parse_index("i, 0", lookup) == ("the tensor i", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1 2",
        "1::::",
        "1.5",
        "x()",
        "__import__",
        "i:2",
        "[[1]]",
        "[1:2]",
        "[",
        "]",
        "1;2",
        "'a'",
        "lambda",
        "a.b",
        "1" * 30,
        "0b1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises((InvalidInput, UnknownReference)):
        parse_index(text, lookup)


@pytest.mark.parametrize(
    "text", ["x.__class__", "x.gradient", "x[0", "x]", "x.", "1x", "x y", "x.data.__dict__", "x" * 2000, "x[0]y"]
)
def test_references_that_are_none(text: str) -> None:
    with pytest.raises((InvalidInput, UnknownReference)):
        resolve(text, lambda name: np.zeros(3) if name == "x" else lookup(name))
