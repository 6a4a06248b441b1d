"""What every wire format keeps to: bits, shapes, order, bounds. A format's test class subclasses ``FormatContract``."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.wire.errors import BeyondBounds, WireError
from service.wire.registry import Array, Bounds, Contents, Format, formats
from service.wire.values import DTYPES

__all__ = ["BOUNDS", "FormatContract", "any_array"]

HYPOTHESIS = settings(  # a contract holds no state, so its subclasses may share it
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.differing_executors]
)
BOUNDS = Bounds(4 * 2**20, 32 * 2**20, 64)


def any_array(draw: st.DataObject, names: list[str]) -> Array:
    """An array of any bits (NaN payloads, negative zeros, subnormals), of any shape, contiguous or not."""
    dtype = DTYPES[draw.draw(st.sampled_from(names))]
    shape = draw.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    size = int(np.prod(shape)) * dtype.itemsize
    raw = draw.draw(st.binary(min_size=size, max_size=size))
    if dtype.kind == "b":
        raw = bytes(b & 1 for b in raw)
    array = np.frombuffer(raw, dtype).reshape(shape)
    return array.T if draw.draw(st.booleans()) else array


class FormatContract:
    """Subclass it as ``Test…`` and name the media type."""

    media_type: str

    @property
    def format(self) -> Format:
        return formats()[self.media_type]

    def sent(self, arrays: dict[str, Array]) -> tuple[bytes, dict[str, str]]:
        """A body as ``write`` makes it, and the parameters of its content type."""
        content_type, body = self.format.write(Contents(arrays))
        _, *rest = content_type.split("; ")
        return body, {k: v.strip('"') for k, _, v in (p.partition("=") for p in rest)}

    def read(self, body: bytes, parameters: dict[str, str] | None = None, bounds: Bounds = BOUNDS) -> Contents:
        return self.format.read(body, parameters or {}, bounds)

    def one(self, array: Array) -> dict[str, Array]:
        return {"x" if self.format.several else "": array}

    @given(st.data())
    @HYPOTHESIS
    def test_bits_round_trip(self, data: st.DataObject) -> None:
        array = any_array(data, sorted(self.format.holds))
        (back,) = self.read(*self.sent(self.one(array))).arrays.values()
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.tobytes() == array.tobytes()
        assert back.flags.c_contiguous
        assert back.flags.writeable

    def test_signalling_nans_and_negative_zeros(self) -> None:
        for name, code in (("float16", "u2"), ("float32", "u4"), ("float64", "u8")):
            width = int(code[1]) * 8
            exponent = {16: 0x7C00, 32: 0x7F800000, 64: 0x7FF0000000000000}[width]
            bits = np.array([exponent + 1, exponent + 5, 1 << (width - 1), (1 << (width - 1)) + exponent + 3], code)
            array = bits.view(DTYPES[name])
            (back,) = self.read(*self.sent(self.one(array))).arrays.values()
            assert (back.view(code) == bits).all()

    def test_every_dtype_is_held_or_said_not_to_be(self) -> None:
        assert self.format.holds <= set(DTYPES)
        for name in DTYPES:
            array = np.zeros(2, DTYPES[name])
            assert self.format.can_hold([array], several=False) == (name in self.format.holds)

    def test_a_body_cut_anywhere_or_too_long(self) -> None:
        body, parameters = self.sent(self.one(np.arange(6, dtype=np.float32).reshape(2, 3)))
        for stop in range(len(body)):
            with pytest.raises(WireError):
                self.read(body[:stop], parameters)
        with pytest.raises(WireError):
            self.read(body + b"\0", parameters)

    @given(st.binary(max_size=200))
    @HYPOTHESIS
    def test_noise_is_refused(self, noise: bytes) -> None:
        body, _ = self.sent(self.one(np.arange(3, dtype=np.int16)))
        for hostile in (noise, body[:12] + noise):
            try:
                contents = self.read(hostile)
            except WireError:
                continue
            assert sum(a.nbytes for a in contents.arrays.values()) <= len(hostile)

    def test_bounds_are_kept_before_anything_is_allocated(self) -> None:
        body, parameters = self.sent(self.one(np.zeros((8, 8))))
        for bounds, limit in (
            (Bounds(63, 10**6, 64), "tensor_elements"),
            (Bounds(10**6, 511, 64), "tensor_bytes"),
            (Bounds(10**6, 10**6, 1), "tensor_dims"),
        ):
            with pytest.raises(BeyondBounds) as refused:
                self.read(body, parameters, bounds)
            assert refused.value.members["limit"] == limit

    def refused_without_memory(self, body: bytes, parameters: dict[str, str] | None = None) -> WireError:
        """What a body is refused with; at most 64 KiB beside the body are taken meanwhile."""
        tracemalloc.start()
        try:
            with pytest.raises(WireError) as refused:
                self.read(body, parameters)
            assert tracemalloc.get_traced_memory()[1] < 2 * len(body) + 64 * 2**10
        finally:
            tracemalloc.stop()
        return refused.value

    def test_a_bool_is_0_or_1(self) -> None:
        body, parameters = self.sent(self.one(np.array([True, False])))
        with pytest.raises(WireError, match="bool"):
            self.read(body[:-1] + b"\x02", parameters)

    def written(self, *arrays: Any) -> bytes:
        return self.format.write(Contents({str(i): a for i, a in enumerate(arrays)}))[1]
