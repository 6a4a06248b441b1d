"""engine.compile: the same answers as the function, from programs where there can be one, eagerly with a reason where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine as torch
from engine import func
from engine.errors import ArgumentError, EngineError

X = np.array([0.5, -1.5, 2.0])
V = np.array([1.0, 0.25, -2.0])


def cubic(x: Any) -> Any:
    """A third power."""
    return (x**3).sum() + (x[1:] * x[:-1]).prod()


def branching(x: Any) -> Any:
    return (x if x.sum() > 0 else -x).sum()


def tensor(a: Any) -> Any:
    return torch.from_numpy(np.array(a))


@pytest.mark.parametrize("function", [cubic, branching])
def test_every_method_answers_what_the_function_does(function: Any) -> None:
    f = torch.compile(function)
    for x in (X, V, X):  # the first traces, the others replay
        t, v = tensor(x), tensor(V)
        expected = {
            "value": function(t),
            "grad": func.grad(function)(t),
            "jacobian": func.jacrev(function)(t),
            "hessian": func.hessian(function)(t) if function is cubic else None,
        }
        for name, wanted in expected.items():
            if wanted is not None:
                np.testing.assert_array_equal(getattr(f, name)(x), wanted._array, strict=True)
        value, gradient = f.value_and_grad(x)
        assert (value, gradient.tolist()) == (expected["value"].item(), expected["grad"].tolist())
        out, (pulled,) = f.vjp([x], np.float64(2.0))
        assert (out, pulled.tolist()) == (value, (2 * gradient).tolist())
        out, moved = f.jvp([x], [V])
        assert (out, moved) == (value, func.jvp(function, (t,), (v,))[1].item())
        (twice,) = f.hvp([x], [V])
        np.testing.assert_array_equal(twice, func.vjp(func.grad(function), t)[1](v)[0]._array, strict=True)
    assert (f.program(X) is None) == (function is branching)
    assert (f.why(X) is None) == (function is cubic)


def test_tensors_in_tensors_out_and_gradients_are_recorded() -> None:
    f = torch.compile(cubic)
    x = tensor(X)
    assert isinstance(f(x), torch.Tensor)
    assert f(x).item() == cubic(x).item()
    y = f(x.requires_grad_())
    y.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), f.grad(X))
    assert f.__doc__ == cubic.__doc__
    np.testing.assert_array_equal(func.vmap(f)(torch.stack([x, x * 2])).detach().numpy()[0], f.value(X))


def test_trees_plain_arguments_and_shapes_make_programs_of_their_own() -> None:
    def f(params: Any, x: Any, power: int = 1) -> Any:
        return {"y": params["w"] @ x**power, "all": (x, [x.sum()])}

    compiled = torch.compile(f)
    w = np.arange(6.0).reshape(2, 3)
    for power in (1, 2, 1, 3):
        for x in (X, X.astype(np.float64) * 2):
            found = compiled.value({"w": w}, x, power)
            np.testing.assert_array_equal(found["y"], w @ x**power)
            assert found["all"][1][0] == x.sum()
    wide = compiled.value({"w": np.ones((2, 4))}, np.ones(4), 1)
    assert wide["y"].tolist() == [4.0, 4.0]
    assert len(compiled._known) == 4
    with pytest.raises(EngineError):
        compiled.value({"w": w}, np.ones(4), 1)


def test_answers_share_no_memory() -> None:
    constant = torch.ones(3, dtype=torch.float64)
    f = torch.compile(lambda x: (x, x[1:], constant))
    for _ in range(2):
        given = X.copy()
        for part in f.value(given):
            part[...] = 7
        assert given.tolist() == X.tolist()
        assert constant.tolist() == [1, 1, 1]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ArgumentError, match="takes a function"):
        torch.compile(3)  # type: ignore[arg-type]
