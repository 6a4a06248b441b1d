"""PyTorch's errors and ours side by side: the class a user would catch, and the first line of what it says."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.conformance import opinfo
from tests.conformance.compare import to_engine

__all__ = ["INPUTS_WORDED_OTHERWISE", "MISTAKES_WORDED_OTHERWISE", "Told", "error_inputs", "told"]

Told = tuple[str, str]
"""The builtin class of an error, and its first line; ("", the answer) where there was none."""

OUT = "out= is not there: an operator answers a new tensor"
PYTHON = "Python's own words for a function or a property of Python"
INTERNAL = "PyTorch names its internals"
WHERE = "the engine is a module, a dtype and a device of its own"
BLURRED = "PyTorch's line does not say what is wrong"

MISTAKES_WORDED_OTHERWISE: dict[str, str] = {
    "is_leaf set": INTERNAL,
    "no_grad as a value": INTERNAL,
    "vmap in_dims": INTERNAL,
    "too many arguments of a method": INTERNAL,
    "item with an argument": INTERNAL,
    "too few arguments": PYTHON,
    "dtype called": PYTHON,
    "unknown function": WHERE,
    "unknown function of networks": WHERE,
    "tensor to a word": WHERE,
    "tensor to a device": WHERE,
    "from_numpy of words": WHERE,
    "bernoulli": BLURRED,
    "mse_loss of a number": BLURRED,
}
"""Mistakes of ``mistakes.py`` that are told in other words or as another class, and why."""

INPUTS_WORDED_OTHERWISE: dict[str, str] = {
    "__radd__": INTERNAL,
    "__rdiv__": INTERNAL,
    "__rmul__": INTERNAL,
    "float_power": "two numbers make no tensor",
    "nn.functional.adaptive_avg_pool1d": "PyTorch speaks of the pool in two dims that it calls",
    "nn.functional.adaptive_avg_pool3d": "PyTorch's list lacks a space",
    "nn.functional.avg_pool3d": BLURRED,
    "nn.functional.conv2d": BLURRED,
    "nn.functional.conv3d": BLURRED,
    "nn.functional.max_pool3d": BLURRED,
    "nn.functional.max_unpool1d": "PyTorch speaks of the tensor in two dims that it makes",
    "narrow_copy": BLURRED,
}
"""Operators of PyTorch's database of which some error input is told otherwise, and why. Inputs with ``out=`` are left out."""


def told(call: Callable[[], Any]) -> Told:
    """What a call raises."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        kind = next(k for k in type(error).__mro__ if k.__module__ == builtins.__name__)
        return kind.__name__, (str(error).splitlines() or [""])[0]
    return "", repr(answer)


def error_inputs(name: str) -> Iterator[tuple[int, Told, Told]]:
    """Each of an operator's error inputs that PyTorch refuses: its number, what PyTorch says, what the engine says."""
    entry = opinfo.quiet_database()[name]
    if entry.error_inputs_func is None:
        return
    function = opinfo.callable_of(entry)
    for k, error in enumerate(entry.error_inputs("cpu")):
        sample = error.sample_input
        try:
            args, kwargs = to_engine((sample.input, *sample.args)), to_engine(sample.kwargs)
        except (TypeError, ValueError):
            continue  # what it tries (another device, a sparse tensor, 65 dims) does not exist here
        if "out" in kwargs:
            continue
        theirs = told(partial(entry.op, sample.input, *sample.args, **sample.kwargs))
        if theirs[0]:
            yield k, theirs, told(partial(function, *args, **kwargs))
