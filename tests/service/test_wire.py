"""Values through JSON and back, bit for bit; and what is refused."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine import dtypes
from service.wire.errors import InvalidJson, InvalidValues, UnsupportedMediaType
from service.wire.json_codec import array_to_json, check_depth, decode, render
from service.wire.values import ALIASES, DTYPES, literal


@given(st.data())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_every_dtype_round_trips_bit_for_bit(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(DTYPES)))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    array = data.draw(hnp.arrays(DTYPES[name], shape))
    if array.dtype.kind in "fc":  # JSON has one NaN
        array = np.where(np.isnan(array), np.nan, array).astype(array.dtype)
    sent = decode(render({"dtype": name, "shape": list(shape), "data": array_to_json(array)}))
    if array.size == 0 and array.ndim > 1:
        sent["data"] = []
    back = literal(sent, "float32")
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    finite = array if array.dtype.kind not in "fc" else np.nan_to_num(array)
    again = back if back.dtype.kind not in "fc" else np.nan_to_num(back)
    assert again.tobytes() == finite.tobytes()
    if array.dtype.kind == "f":
        assert (np.isnan(back) == np.isnan(array)).all()
        assert (np.signbit(back) == np.signbit(array))[~np.isnan(array)].all()


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_base64_round_trips(name: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(DTYPES[name]) if name != "bool" else np.array([[True, False, True]])
    text = base64.b64encode(array.tobytes()).decode()
    back = literal({"dtype": name, "shape": list(array.shape), "base64": text}, "float32")
    assert back.tobytes() == array.tobytes()
    assert back.shape == array.shape


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"[NaN]", "not JSON"),
        (b"1e999", "JSON"),
        (b'"\xff"', "UTF-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"1" * 30, "64 bits"),
        (b"[" * 65 + b"]" * 65, "deeper than json_depth allows: 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than json_depth allows: 64"),
        (b'{"' + b"k" * 129 + b'": 1}', "128 characters"),
    ],
)
def test_what_is_no_strict_json(body: bytes, says: str) -> None:
    with pytest.raises(InvalidJson, match=says):
        decode(body)


def test_depth_does_not_count_brackets_in_strings() -> None:
    assert decode(b'["' + b"[" * 500 + b'"]') == ["[" * 500]
    assert decode(b'["\\"' + b"[" * 500 + b'"]') == ['"' + "[" * 500]
    check_depth(b"[" * 64 + b"]" * 64, 64)


def test_long_numbers_in_large_bodies_are_seen() -> None:
    body = b"[" + b"1," * 40_000 + b"99999999999999999999999]"
    with pytest.raises(InvalidJson, match="64 bits"):
        decode(body)


def test_other_content_types() -> None:
    assert decode(b"1", "application/vnd.api+json; charset=utf-8") == 1
    with pytest.raises(UnsupportedMediaType):
        decode(b"1", "text/plain")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([[1, 2], [3]], r"expected sequence of length 2 at dim 1 \(got 1\)"),
        ([1, [2]], "expected"),
        (["one"], "string"),
        ([None], "null"),
        ([{}], "null and objects"),
        ([2**64], "64 bits"),
        (2**63, "between"),
        ({"dtype": "int64", "data": [0.5]}, "fractions"),
        ({"dtype": "uint8", "data": [256]}, "between 0 and 255"),
        ({"dtype": "bool", "data": [1]}, "true and false"),
        ({"dtype": "float32", "data": [True]}, "booleans"),
        ({"dtype": "complex64", "data": [1, 2, 3]}, "pairs"),
        ({"dtype": "object", "data": [1]}, "must be one of"),
        ({"data": [1], "base64": ""}, "either"),
        ({"dtype": "float32", "base64": "****"}, "not base64"),
        ({"dtype": "float32", "base64": "AAAA"}, "multiple"),
        ({"dtype": "float32", "shape": [2], "base64": "AACAPw=="}, "shape"),
        ({"dtype": "bool", "base64": "Ag=="}, "other than 0 and 1"),
        ({"dtype": "float32", "shape": [-1], "data": [1]}, "whole numbers"),
        ({"dtype": "float32", "shape": [3], "data": [1, 2]}, "does not fit"),
    ],
)
def test_what_are_no_values(value: object, says: str) -> None:
    with pytest.raises(InvalidValues, match=says):
        literal(value, "float32")


def test_dtypes_of_bare_data() -> None:
    found = [literal(v, "float64").dtype.name for v in ([1, 2], [1.0, 2], [True], 3, 2.5, ["NaN", 1], [])]
    assert found == ["int64", "float64", "bool", "int64", "float64", "float64", "float64"]


def test_floats_print_shortest_for_their_dtype() -> None:
    assert render(array_to_json(np.array([0.1, 1e30], np.float32))) == b"[0.1,1e+30]"
    assert render(array_to_json(np.array(0.1, np.float32))) == b"0.1"
    assert render(array_to_json(np.array([np.nan, -np.inf, -0.0], np.float32))) == b'["NaN","-Infinity",-0.0]'
    assert render(array_to_json(np.ones((2, 3)).T)) == b"[[1.0,1.0],[1.0,1.0],[1.0,1.0]]"


def test_dtypes_have_the_engines_names() -> None:
    """The codecs know no engine, so they name its dtypes anew; the names are the same."""
    assert {name: dtypes.ALIASES[name].name for name in dtypes.ALIASES} == ALIASES
    assert {name: d.numpy for name, d in dtypes.DTYPES.items()} == DTYPES
