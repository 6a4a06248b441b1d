"""Numbers that go into tensors: what a dtype cannot hold is refused, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

OVERFLOW = r"^value cannot be converted to type {} without overflow$"
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("value", "dtype", "name"),
    [
        (NAN, "int64", "int64_t"),
        (INF, "int64", "int64_t"),
        (-INF, "int32", "int"),
        (1e20, "int64", "int64_t"),
        (300, "uint8", "uint8_t"),
        (-3.5, "uint8", "uint8_t"),
        (-129, "int8", "int8_t"),
        (40000, "int16", "int16_t"),
        (1e40, "float32", "float"),
        (1e40, "complex64", r"c10::complex<float>"),
        (1j, "float64", "double"),
        (1j, "uint8", "uint8_t"),
    ],
)
def test_a_number_that_does_not_fit(torch: Any, value: Any, dtype: str, name: str) -> None:
    x = torch.ones(1, 2, 1, dtype=getattr(torch, dtype))
    for index in ((0, 0, 0), 0, ([0], [1])):
        with pytest.raises(RuntimeError, match=OVERFLOW.format(name)):
            x[index] = value
    with pytest.raises(RuntimeError, match=OVERFLOW.format(name)):
        x.fill_(value)
    assert x.flatten().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (2.9, "int64", 2),
        (-1, "uint8", 255),
        (-3.5, "int8", -3),
        (True, "int64", 1),
        (300, "bool", True),
        (1j, "bool", True),
        (2 + 0j, "float32", 2.0),
        (2 + 0j, "int64", 2),
        (INF, "float32", INF),
        (-INF, "float16", -INF),
        (2**63 - 1, "int64", 2**63 - 1),
    ],
)
def test_a_number_that_fits(torch: Any, value: Any, dtype: str, stored: Any) -> None:
    x = torch.zeros(2, dtype=getattr(torch, dtype))
    x[0] = value
    assert x.tolist() == [stored, 0]
    assert x.fill_(value).tolist() == [stored, stored]


def test_an_int_beyond_64_bits(torch: Any) -> None:
    x = torch.ones(2)
    with pytest.raises(ValueError, match=r"^Overflow when unpacking long long$"):
        x[0] = 2**70
    assert x.tolist() == [1.0, 1.0]


def test_float16(torch: Any) -> None:
    x = torch.ones(2, dtype=torch.float16)
    x[0] = 1e40
    assert x.tolist() == [INF, 1.0]
    with pytest.raises(RuntimeError, match=OVERFLOW.format("double")):
        x[0] = 1j
    for value in (1e40, 1j):
        with pytest.raises(RuntimeError, match=OVERFLOW.format("c10::Half")):
            x.fill_(value)
    assert x.tolist() == [INF, 1.0]


def test_full_of_what_does_not_fit(torch: Any) -> None:
    with pytest.raises(RuntimeError, match=OVERFLOW.format("int64_t")):
        torch.full((2,), NAN, dtype=torch.int64)
    assert torch.full((2,), 2.5, dtype=torch.int64).tolist() == [2, 2]
