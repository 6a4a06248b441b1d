"""The formats keep the contract; and what each by itself has to refuse."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.wire.errors import BeyondBounds, InvalidBinary, InvalidValues
from service.wire.registry import Contents, formats
from service.wire.values import DTYPES, literal, typed_value
from tests.contracts.binary_formats import FormatContract, any_array


def npy(header: str, rest: bytes = b"", version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    size = len(header) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version == b"\x01\x00" else 4, "little") + header.encode() + rest


def tensors(header: Any, rest: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + rest


class TestNpy(FormatContract):
    media_type = "application/x-npy"

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("name", sorted(DTYPES))
    def test_what_numpy_writes(self, name: str, order: str) -> None:
        array = np.asarray(np.arange(12).reshape(2, 3, 2) % 2, DTYPES[name], order=order)  # type: ignore[call-overload]
        for version in ((1, 0), (2, 0), (3, 0)):
            file = io.BytesIO()
            np.lib.format.write_array(file, array, version)
            back = self.read(file.getvalue()).arrays[""]
            assert back.dtype == array.dtype
            assert (back == array).all()
            assert back.flags.c_contiguous

    @pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (1, 2, 3)])
    def test_numpy_reads_what_is_written(self, shape: tuple[int, ...]) -> None:
        array = np.arange(int(np.prod(shape)), dtype=np.complex64).reshape(shape)
        body = self.written(array)
        back = np.load(io.BytesIO(body), allow_pickle=False)
        assert back.shape == shape
        assert back.tobytes() == array.tobytes()
        assert body.index(b"\n") % 64 == 63

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
            '{"shape":(2,),"fortran_order":False,"descr":"<f4"}',
            "{ 'fortran_order' : False , 'shape' : ( 2 , ) , 'descr' : '<f4' }\n",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1)}",
        ],
    )
    def test_headers_of_other_writers(self, header: str) -> None:
        assert self.read(npy(header, bytes(8))).arrays[""].size == 2

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<U2', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<M8', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<u4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<i1', 'fortran_order': False, 'shape': (8,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (0x2,), }",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'extra': 1}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4' 'fortran_order': False 'shape': (2,)}",
            "'descr': '<f4', 'fortran_order': False, 'shape': (2,)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}}",
            "",
        ],
    )
    def test_headers_that_are_refused(self, header: str) -> None:
        with pytest.raises(InvalidBinary):
            self.read(npy(header, bytes(8)))

    def test_sizes_that_are_declared_and_not_there(self) -> None:
        for shape in ("(10000000000,)", "(0, 999999999999)", "(2147483647, 2147483647, 4)", "(999999999999999,)"):
            header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
            assert isinstance(self.refused_without_memory(npy(header)), BeyondBounds)
        header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4000000,), }"
        assert "32,000,000 bytes" in str(self.refused_without_memory(npy(header, bytes(8))))

    def test_a_long_header(self) -> None:
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }" + " " * 500
        assert "512" in str(self.refused_without_memory(npy(header, bytes(8))))
        assert "512" in str(self.refused_without_memory(npy("", version=b"\x02\x00", length=2**32 - 1)))

    @pytest.mark.parametrize("body", [b"", b"\x93NUMPY", b"\x93NUMPY\x04\x00\x00\x00", b"PK\x03\x04", b"\x80\x04N."])
    def test_what_is_no_file_of_numpys(self, body: bytes) -> None:
        with pytest.raises(InvalidBinary):
            self.read(body)


class TestRaw(FormatContract):
    media_type = "application/octet-stream"

    def test_without_a_shape_it_is_one_dim(self) -> None:
        assert self.read(bytes(12), {"dtype": "float32"}).arrays[""].shape == (3,)
        assert self.read(bytes(4), {"dtype": "float32", "shape": ""}).arrays[""].shape == ()

    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"dtype": "object"},
            {"dtype": "float32", "shape": "-1"},
            {"dtype": "float32", "shape": "1,,1"},
            {"dtype": "float32", "shape": "1, 3"},
            {"dtype": "float32", "shape": "3.0"},
            {"dtype": "float32", "shape": "٣"},
            {"dtype": "float64"},
        ],
    )
    def test_parameters_that_are_refused(self, parameters: dict[str, str]) -> None:
        with pytest.raises(InvalidBinary):
            self.read(bytes(12), parameters)

    def test_sizes_that_are_declared_and_not_there(self) -> None:
        for shape in ("999999999999999", ",".join(["99"] * 60)):
            refused = self.refused_without_memory(b"", {"dtype": "float64", "shape": shape})
            assert isinstance(refused, BeyondBounds)


class TestSafetensors(FormatContract):
    media_type = "application/vnd.safetensors"
    one_entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}  # noqa: RUF012 - read only

    def test_several_by_name_and_text(self) -> None:
        arrays = {"inputs.x": np.arange(3.0), "flag": np.array(True), "none": np.empty((0, 2), np.int8)}
        body = tensors(
            {
                "__metadata__": {"request": "{}"},
                "flag": {"dtype": "BOOL", "shape": [], "data_offsets": [24, 25]},
                "inputs.x": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]},
                "none": {"dtype": "I8", "shape": [0, 2], "data_offsets": [25, 25]},
            },
            np.arange(3.0).tobytes() + b"\x01",
        )
        contents = self.read(body + b"" if len(body) else body)
        assert contents.text == "{}"
        assert {n: a.tolist() for n, a in contents.arrays.items()} == {n: a.tolist() for n, a in arrays.items()}

    def test_values_lie_aligned_and_text_is_kept(self) -> None:
        body = self.format.write(Contents({"b": np.zeros(3, np.bool_), "d": np.zeros(2)}, '{"a": 1}'))[1]
        length = int.from_bytes(body[:8], "little")
        header = json.loads(body[8 : 8 + length])
        assert length % 8 == 0
        assert header["d"]["data_offsets"] == [0, 16]
        assert header["__metadata__"] == {"answer": '{"a": 1}'}

    @pytest.mark.parametrize(
        "body",
        [
            tensors({"x": one_entry}, bytes(7)),
            tensors({"x": one_entry}, bytes(9)),
            tensors({"x": {**one_entry, "data_offsets": [0, 12]}}, bytes(12)),
            tensors({"x": {**one_entry, "data_offsets": [8, 0]}}, bytes(8)),
            tensors({"x": {**one_entry, "data_offsets": [-8, 0]}}, bytes(8)),
            tensors({"x": {**one_entry, "data_offsets": [0, 8, 8]}}, bytes(8)),
            tensors({"x": {**one_entry, "data_offsets": [0, 8.0]}}, bytes(8)),
            tensors({"x": {**one_entry, "data_offsets": [0, True]}}, bytes(8)),
            tensors({"x": {**one_entry, "shape": [-2]}}, bytes(8)),
            tensors({"x": {**one_entry, "shape": [2.0]}}, bytes(8)),
            tensors({"x": {**one_entry, "dtype": "BF16"}}, bytes(8)),
            tensors({"x": {**one_entry, "dtype": ["F32"]}}, bytes(8)),
            tensors({"x": {**one_entry, "more": 1}}, bytes(8)),
            tensors({"x": {"dtype": "F32", "shape": [2]}}, bytes(8)),
            tensors({"x": []}, b""),
            tensors({"x": one_entry, "y": one_entry}, bytes(8)),
            tensors({"x": one_entry, "y": {**one_entry, "data_offsets": [4, 12]}}, bytes(12)),
            tensors({"x": one_entry, "y": {**one_entry, "data_offsets": [12, 20]}}, bytes(20)),
            tensors({"": one_entry}, bytes(8)),
            tensors({"x\n": one_entry}, bytes(8)),
            tensors({"x" * 129: one_entry}, bytes(8)),
            tensors({"__metadata__": {"request": 1}, "x": one_entry}, bytes(8)),
            tensors({"__metadata__": [], "x": one_entry}, bytes(8)),
            tensors(
                b'{"x": ' + json.dumps(one_entry).encode() + b', "x": ' + json.dumps(one_entry).encode() + b"}",
                bytes(8),
            ),
            tensors(b"[]"),
            tensors(b" {}"),
            tensors(b"{"),
            tensors(b"\xff\xfe"),
            tensors(b'{"x": NaN}'),
            tensors(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
            tensors(b'{"x": ' + b"9" * 5_000 + b"}"),
            tensors({}, length=2**63),
            tensors({}, length=2**20 + 1),
            tensors({}, length=100),
            b"\0\0\0",
        ],
    )
    def test_bodies_that_are_refused(self, body: bytes) -> None:
        with pytest.raises(InvalidBinary):
            self.read(body)

    def test_sizes_that_are_declared_and_not_there(self) -> None:
        huge = {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}
        assert isinstance(self.refused_without_memory(tensors({"x": huge})), BeyondBounds)
        large = {"dtype": "F64", "shape": [4_000_000], "data_offsets": [0, 32_000_000]}
        assert isinstance(self.refused_without_memory(tensors({"x": large}, bytes(8))), InvalidBinary)

    def test_complex128_is_not_held(self) -> None:
        assert set(DTYPES) - self.format.holds == {"complex128"}


def test_every_format_has_its_class_here() -> None:
    assert {c.media_type for c in FormatContract.__subclasses__()} == set(formats())


@given(st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_typed_base64_values_round_trip(data: st.DataObject) -> None:
    array = any_array(data, sorted(DTYPES))
    back = literal(typed_value(array), "float32")
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_a_bool_in_base64_is_0_or_1() -> None:
    with pytest.raises(InvalidValues, match="other than 0 and 1"):
        literal({"dtype": "bool", "base64": "Ag=="}, "float32")
