"""autograd.functional beside PyTorch's: values, structure, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from tests.conformance.compare import close, to_engine

torch = pytest.importorskip("torch", reason="needs PyTorch 2.13: make conformance")

FUNCTIONS: dict[str, tuple[Callable[[Any], Callable[..., Any]], int]] = {
    "squares": (lambda t: lambda x: x * x + t.sin(x), 1),
    "product": (lambda t: lambda x, y: x * y.sum() + y, 2),
    "two outputs": (lambda t: lambda x, y: (x * y, t.exp(x)), 2),
    "unused": (lambda t: lambda x, y: x * 2, 2),
}
SCALARS: dict[str, tuple[Callable[[Any], Callable[..., Any]], int]] = {
    "cubes": (lambda t: lambda x: (x**3).sum(), 1),
    "mixed": (lambda t: lambda x, y: (t.sin(x) * y * y).sum(), 2),
}


def inputs_of(count: int) -> list[Any]:
    generator = torch.Generator().manual_seed(count)
    return [torch.randn(3, generator=generator, dtype=torch.float64) for _ in range(count)]


def same(what: str, theirs: Any, ours: Any) -> None:
    assert type(theirs) is type(ours) or not isinstance(theirs, tuple), what
    if isinstance(theirs, tuple):
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours, strict=True):
            same(what, a, b)
        return
    close(what, theirs, ours)
    assert theirs.requires_grad == ours.requires_grad, what


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("which", ["vjp", "jvp", "jacobian"])
def test_functions(which: str, name: str, create_graph: bool) -> None:
    make, count = FUNCTIONS[name]
    given = inputs_of(count)
    results = []
    for module, values in ((torch, given), (engine, [to_engine(g) for g in given])):
        leaves = tuple(v.requires_grad_(create_graph) for v in values)
        f = make(module)
        argument: Any = leaves if count > 1 else leaves[0]
        api = getattr(module.autograd.functional, which)
        if which == "jacobian":
            results.append(api(f, argument, create_graph=create_graph))
        else:
            like = f(*leaves) if which == "vjp" else argument
            v = tuple(o.detach() * 0 + 1.5 for o in like) if isinstance(like, tuple) else like.detach() * 0 + 1.5
            results.append(api(f, argument, v, create_graph=create_graph))
        for leaf in leaves:
            leaf.requires_grad_(False) if leaf.is_leaf else None
    same(which, *results)


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("which", ["vhp", "hvp", "hessian"])
def test_second_derivatives(which: str, name: str) -> None:
    make, count = SCALARS[name]
    given = inputs_of(count)
    results = []
    for module, values in ((torch, given), (engine, [to_engine(g) for g in given])):
        argument: Any = tuple(values) if count > 1 else values[0]
        api = getattr(module.autograd.functional, which)
        if which == "hessian":
            results.append(api(make(module), argument))
        else:
            v = tuple(x * 0 + 0.5 for x in values) if count > 1 else values[0] * 0 + 0.5
            results.append(api(make(module), argument, v))
    same(which, *results)


def test_forward_mode_is_the_same_jacobian() -> None:
    x = to_engine(inputs_of(1)[0])
    f = FUNCTIONS["squares"][0](engine)
    reverse = engine.autograd.functional.jacobian(f, x)
    forward = engine.autograd.functional.jacobian(f, x, vectorize=True, strategy="forward-mode")
    np.testing.assert_allclose(forward.numpy(), reverse.numpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.autograd.functional.vjp(lambda a: a * 2, x),
        lambda m, x: m.autograd.functional.jvp(lambda a: a * 2, x),
        lambda m, x: m.autograd.functional.vjp(lambda a: a * 2, x, x[:2]),
        lambda m, x: m.autograd.functional.hvp(lambda a: a * 2, x, x),
        lambda m, x: m.autograd.functional.jacobian(lambda a: 2, x),
        lambda m, x: m.autograd.functional.jacobian(lambda a: x * 2, x, strict=True),
        lambda m, x: m.autograd.functional.jacobian(lambda a: a, x, strategy="sideways"),
    ],
)
def test_errors_in_the_same_words(call: Callable[[Any, Any], Any]) -> None:
    said = []
    for module, x in ((torch, inputs_of(1)[0]), (engine, to_engine(inputs_of(1)[0]))):
        with pytest.raises((RuntimeError, TypeError, AssertionError)) as found:
            call(module, x)
        said.append(str(found.value).replace("engine", "torch"))
    assert said[0][:60] == said[1][:60]
