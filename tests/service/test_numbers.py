"""Long runs of numbers in JSON: read in pieces as they would be whole, or left to the ordinary reader; and written in pieces."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from service.wire.errors import InvalidJson, InvalidValues
from service.wire.json_codec import array_to_json, decode, render
from service.wire.numbers import LONG, Numbers
from service.wire.values import literal

rng = np.random.default_rng(3)
COMPACT, SPACED, WILD = (",", ":"), (", ", ": "), (" ,\n ", " : ")


def read(document: dict[str, Any], separators: tuple[str, str] = SPACED) -> Any:
    return decode(json.dumps(document, separators=separators).encode())


@pytest.mark.parametrize("separators", [COMPACT, SPACED, WILD])
@pytest.mark.parametrize("shape", [(30_000,), (300, 100), (1, 30_000), (30_000, 1), (3, 100, 100), (2, 3, 5, 10, 100)])
def test_grids_are_read_as_they_are(shape: tuple[int, ...], separators: tuple[str, str]) -> None:
    array = rng.standard_normal(shape) * 10.0 ** rng.integers(-300, 300, shape)
    found = read({"id": "[]]", "data": array.tolist(), "z": [[1], 2]}, separators)
    assert isinstance(found["data"], Numbers)
    assert literal(found["data"], "float64").tobytes() == array.tobytes()
    assert (found["id"], found["z"], list(found)) == ("[]]", [[1], 2], ["id", "data", "z"])


@pytest.mark.parametrize(
    "values",
    [
        rng.integers(-(2**62), 2**62, 20_000),
        np.full(20_000, 2**64 - 1, np.uint64),
        np.where(np.arange(30_000) % 2, -0.0, 1e17),
        np.full(20_000, -(2**63)),
    ],
)
def test_kinds_are_those_of_a_list(values: np.ndarray[Any, Any]) -> None:
    found = read({"data": values.tolist()})["data"]
    assert isinstance(found, Numbers)
    assert found.array.dtype == np.array(values.tolist()).dtype
    assert found.array.tobytes() == np.array(values.tolist()).tobytes()


def test_integers_and_fractions_mixed_are_fractions() -> None:
    values = [0] * 50_000 + [0.5] + [2**53 + 1] * 10
    found = read({"data": values})["data"]
    assert isinstance(found, Numbers)
    assert found.array.tobytes() == np.array(values).tobytes()


def test_several_runs_keep_their_places() -> None:
    a, b = rng.standard_normal(20_000), rng.integers(0, 9, (200, 500))
    found = read({"steps": [{"op": "tensor", "args": [a.tolist()]}, {"op": "cat", "args": [[b.tolist(), [[1.0]]], 0]}]})
    assert (found["steps"][0]["args"].rows()[0].array == a).all()
    assert (found["steps"][1]["args"][0][0].array == b).all()
    assert found["steps"][1]["args"][1] == 0


LONG_ROW = ",".join(["0.25"] * LONG)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"[{LONG_ROW},]", InvalidJson),
        (f"[{LONG_ROW},,1]", InvalidJson),
        (f"[{LONG_ROW} 1]", InvalidJson),
        (f"[{LONG_ROW},01]", InvalidJson),
        (f"[{LONG_ROW},1e400]", InvalidJson),
        (f"[{LONG_ROW},{'9' * 25}]", InvalidJson),
        (f"[{LONG_ROW},1.]", InvalidJson),
        (f"[{LONG_ROW}", InvalidJson),
        (f"[[{LONG_ROW}],[{LONG_ROW}[1]]]", InvalidJson),
        (f"[[{LONG_ROW},1],2[{LONG_ROW}]]", InvalidJson),
        (f"[[{LONG_ROW}],[{LONG_ROW}]3]", InvalidJson),
        (f"[{LONG_ROW},[1]]", InvalidValues),
        (f"[[{LONG_ROW}],[1]]", InvalidValues),
        (f"[[{LONG_ROW}],1]", InvalidValues),
        (f"[{LONG_ROW},null]", InvalidValues),
        (f'[{LONG_ROW},true,"x"]', InvalidValues),
    ],
)
def test_what_is_wrong_is_said_by_the_ordinary_reader(text: str, error: type[Exception]) -> None:
    def whole() -> None:
        literal(decode(f'{{"data": {text}}}'.encode())["data"], "float64")

    with pytest.raises(error):
        whole()


@pytest.mark.parametrize("shape", [(5_000,), (50, 100), (5_000, 1), (1, 5_000), (2, 2, 5_000), (3, 0, 5_000)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool", "complex64"])
def test_many_numbers_are_written_as_few(shape: tuple[int, ...], dtype: str) -> None:
    array = (rng.standard_normal(shape) * 9).astype(dtype)
    found = json.loads(render({"data": array_to_json(array)}))["data"]
    parts = np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array
    assert np.array_equal(np.array(found, parts.dtype).reshape(parts.shape), parts)


def test_words_stand_in_their_places_among_many() -> None:
    array = np.arange(10_000.0).reshape(100, 100)
    array[50, 7], array[99, 99], array[0, 0] = np.nan, np.inf, -0.0
    text = render(array_to_json(array.T))
    found = json.loads(text)
    assert (found[7][50], found[99][99]) == ("NaN", "Infinity")
    assert text.startswith(b"[[-0.0,100.0,")
    assert sum(isinstance(v, str) for row in found for v in row) == 2


def test_a_float32_prints_short_in_any_number() -> None:
    assert render(array_to_json(np.full(5_000, 0.1, np.float32))) == b"[" + b",".join([b"0.1"] * 5_000) + b"]"
