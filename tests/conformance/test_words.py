"""What is refused is refused as PyTorch does: an error of the same builtin class, whose first line is the same to the letter.

What differs stands in two lists, each with its reason; an entry that no longer differs must go.
"""

from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")

import engine
from tests.conformance import opinfo
from tests.conformance.mistakes import MISTAKES
from tests.conformance.wording import INPUTS_WORDED_OTHERWISE, MISTAKES_WORDED_OTHERWISE, error_inputs, told

pytestmark = pytest.mark.filterwarnings("ignore")
WITH_ERROR_INPUTS = [name for name in opinfo.NAMES if opinfo.quiet_database()[name].error_inputs_func is not None]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_pytorchs_words(name: str) -> None:
    import torch

    theirs, ours = (told(partial(MISTAKES[name], module)) for module in (torch, engine))
    if name in MISTAKES_WORDED_OTHERWISE:
        assert ours != theirs, "it is told in PyTorch's words now: take it off the list"
        assert ours[0], "whatever the words, it is refused"
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", WITH_ERROR_INPUTS)
def test_error_inputs_are_told_in_pytorchs_words(name: str) -> None:
    import torch

    torch.manual_seed(zlib.crc32(name.encode()))
    np.random.seed(0)  # noqa: NPY002 - PyTorch's inputs draw from it
    compared = list(error_inputs(name))
    assert all(ours[0] for _, _, ours in compared)
    different = [(k, theirs, ours) for k, theirs, ours in compared if theirs != ours]
    if name in INPUTS_WORDED_OTHERWISE:
        assert different, "all are told in PyTorch's words now: take the operator off the list"
    else:
        assert not different


def test_the_lists_name_what_there_is() -> None:
    assert MISTAKES_WORDED_OTHERWISE.keys() <= MISTAKES.keys()
    assert set(WITH_ERROR_INPUTS) >= INPUTS_WORDED_OTHERWISE.keys()
