"""What the list of names that differ from PyTorch's says is so: of each operator in it, some sample's node is called otherwise."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")

from tests.conformance import opinfo
from tests.conformance.compare import to_engine


@pytest.mark.filterwarnings("ignore:linear_cross_entropy:UserWarning")
@pytest.mark.parametrize("name", opinfo.NAMED_OTHERWISE)
def test_names_that_differ(name: str) -> None:
    import torch

    entry = opinfo.quiet_database()[name]
    function = opinfo.callable_of(entry)
    torch.manual_seed(zlib.crc32(name.encode()))
    np.random.seed(0)  # noqa: NPY002 - PyTorch's samples draw from it
    found = []
    for sample in entry.sample_inputs("cpu", torch.float64, requires_grad=True):
        args: Any = to_engine((sample.input, *sample.args))
        theirs = entry.op(sample.input, *sample.args, **sample.kwargs)
        ours = function(*args, **to_engine(sample.kwargs))
        found.append(opinfo.other_names([(theirs, ours)]))
    assert any(found)
