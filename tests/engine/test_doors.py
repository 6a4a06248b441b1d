"""The short doors equal the general door: values, dtypes, history and gradients, for every name that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import bind
from engine.apply import dispatch
from engine.autograd import grad
from engine.errors import EngineError
from engine.op import OPS
from engine.tensor import Tensor, wrap
from tests.engine.rows import arguments, same_bits, samples, tensor, upstream

UNARY = [name for name, rows in OPS.items() if rows[0].forms and bind._takes_one(rows[0])]
BINARY = [
    *(name for name, rows in OPS.items() if rows[0].forms and bind._takes_two(rows[0]) and rows[0].jvp is None),
    "matmul",
]
SYMBOLS = {
    f"__{symbol}__": name
    for symbol, name in (*bind.BINARY.items(), *bind.UNARY.items())
    if name in OPS and (name == "matmul" or bind._takes_one(OPS[name][0]) or bind._takes_two(OPS[name][0]))
}
NUMBERS = [2, -3, 0.5, -0.0, 0, 1e300]
MASKS = [(False, False), (True, False), (False, True), (True, True)]


def outcome(call: Callable[..., Any], arrays: list[Any], mask: tuple[bool, ...]) -> tuple[Any, ...]:
    """(values, name of the node, gradients) of a call, or the error it raises."""
    given = [tensor(a) if isinstance(a, np.ndarray) else a for a in arrays]
    wanted = [
        t.requires_grad_() for t, asked in zip(given, mask, strict=False)
        if asked and isinstance(t, Tensor) and t.dtype.differentiable
    ]  # fmt: skip
    try:
        with np.errstate(all="ignore"):
            out = call(*given)
    except EngineError as error:
        return type(error), str(error)
    node = out.grad_fn
    gradients: tuple[Any, ...] = ()
    if node is not None:
        try:
            found = grad(out, wanted, upstream([out]), allow_unused=True)
        except EngineError as error:
            return out._array, node.name(), str(error)
        gradients = tuple(None if g is None else g._array for g in found)
    return out._array, None if node is None else node.name(), *gradients


def equal(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(
        same_bits(x, y) if isinstance(x, (np.ndarray, np.generic)) else x == y for x, y in zip(a, b, strict=True)
    )


def arrays_of(name: str) -> list[list[Any]]:
    """The tensors of the first row's samples, as they are and in float32; pairs of two dtypes; numbers where they go."""
    row = OPS[name][0]
    count = len([p for p in row.parameters if p.kind.startswith("Tensor")][:2])
    found: list[list[Any]] = []
    for sample in samples(row):
        bound = arguments(row, sample)
        given = [b._array if isinstance(b, Tensor) else b for b in bound[:count]]
        given = [np.asarray(g) if isinstance(g, np.generic) else g for g in given]
        found.append(given)
        single = [g.astype(np.float32) if isinstance(g, np.ndarray) and g.dtype == np.float64 else g for g in given]
        found.append(single)
        if count == 2:
            found += [[given[0], single[1]], [single[0], given[1]]]
    if count == 2 and row.parameters[1].kind == "Tensor|Scalar":
        for first in [given[0] for given in found[:4]]:
            if isinstance(first, np.ndarray):
                found += [[first, number] for number in NUMBERS]
    return found


@pytest.mark.parametrize("name", UNARY)
def test_the_short_door_of_one_tensor(name: str) -> None:
    short = bind.function_of(name)
    for arrays in arrays_of(name):
        for asked in (False, True):
            expected = outcome(lambda *args: dispatch(OPS[name], args, {}), arrays, (asked,))
            assert equal(outcome(short, arrays, (asked,)), expected), (arrays, asked)


@pytest.mark.parametrize("name", BINARY)
def test_the_short_door_of_two_tensors(name: str) -> None:
    short = bind.function_of(name)
    for arrays in arrays_of(name):
        for mask in MASKS:
            expected = outcome(lambda *args: dispatch(OPS[name], args, {}), arrays, mask)
            assert equal(outcome(short, arrays, mask), expected), (arrays, mask)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_pythons_operators(symbol: str) -> None:
    name = SYMBOLS[symbol]
    short = getattr(Tensor, symbol)
    for arrays in arrays_of(name):
        if not isinstance(arrays[0], np.ndarray):
            continue
        for mask in MASKS:
            expected = outcome(lambda *args: dispatch(OPS[name], args, {}), arrays, mask)
            assert equal(outcome(short, arrays, mask), expected), (arrays, mask)


def test_the_doors_that_are_compared() -> None:
    assert len(UNARY) >= 40
    assert len(BINARY) >= 15
    assert {"__add__", "__mul__", "__truediv__", "__neg__", "__lt__"} <= SYMBOLS.keys()


def test_under_no_grad_nothing_is_recorded() -> None:
    for name in UNARY:
        x = tensor(arrays_of(name)[0][0])
        if x.dtype.differentiable:
            x.requires_grad_()
        with engine.no_grad():
            assert not bind.function_of(name)(x).requires_grad, name


def test_views_take_the_general_door() -> None:
    x = wrap(np.arange(6.0).reshape(2, 3)).requires_grad_()
    view = x.unsqueeze(0)
    (g,) = grad((view * view).sum(), x)
    assert g is not None
    assert np.array_equal(g.numpy(), 2 * x.detach().numpy())
