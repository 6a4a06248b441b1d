"""Functions defined by a text: callable with whatever tensors the engine's transforms hand in."""

from __future__ import annotations

import pytest

import engine as torch
from service.scripts import Budget, ScriptError, define, using
from service.steps.errors import LimitExceeded
from service.steps.limits import Limits

ROSENBROCK = """
def rosenbrock(x, a=1.0, *, b=100.0):
    total = 0
    for i in range(x.shape[0] - 1):
        total = total + b * (x[i + 1] - x[i] ** 2) ** 2 + (a - x[i]) ** 2
    return total
"""


def test_the_last_function_of_the_top_level_is_answered() -> None:
    f = define("def g(x):\n    return x\n" + ROSENBROCK, budget=Budget())
    assert (f.name, f.line) == ("rosenbrock", 4)
    assert [(p.name, p.kind, p.required) for p in f.parameters] == [
        ("x", "positional_or_keyword", True),
        ("a", "positional_or_keyword", False),
        ("b", "keyword_only", False),
    ]


def test_the_transforms_go_through_it() -> None:
    f = define(ROSENBROCK, budget=Budget())
    x = torch.tensor([1.0, 2.0])
    assert f(x).item() == 100.0
    assert torch.func.grad(f)(x).tolist() == [-400.0, 200.0]
    assert torch.func.hessian(f)(x).tolist() == [[402.0, -400.0], [-400.0, 200.0]]
    assert torch.func.vmap(torch.func.grad(f))(torch.stack([x, x])).tolist() == [[-400.0, 200.0]] * 2
    assert torch.func.jvp(f, (x,), (torch.tensor([1.0, 0.0]),))[1].item() == -400.0
    value, pull = torch.func.vjp(f, x)
    assert pull(torch.ones_like(value))[0].tolist() == [-400.0, 200.0]


def test_it_answers_tuples_and_dicts() -> None:
    f = define("def f(x):\n    return {'s': x.sum(), 'p': (x, x * 2)}", budget=Budget())
    found = f(torch.ones(2))
    assert found["s"].item() == 2.0
    assert found["p"][1].tolist() == [2.0, 2.0]


def test_constants_are_names() -> None:
    f = define("def f(x):\n    return x * c", budget=Budget(), constants={"c": torch.tensor(3.0)})
    assert f(torch.ones(1)).tolist() == [3.0]


def test_an_error_says_where() -> None:
    f = define("def f(x):\n    y = x + 1\n    return y @ z", budget=Budget())
    with pytest.raises(NameError, match="name 'z' is not defined") as found:
        f(torch.ones(1))
    assert found.value.script_place == (3, 16)  # type: ignore[attr-defined]


def test_a_text_without_a_function_is_refused() -> None:
    with pytest.raises(ScriptError, match="defines no function"):
        define("x = 1", budget=Budget())


def test_a_syntax_error_has_its_place() -> None:
    with pytest.raises(ScriptError, match="SyntaxError") as found:
        define("def f(x):\n    return (x", budget=Budget())
    assert found.value.members["line"] == 2


def test_a_batch_counts_whole() -> None:
    """What one example makes is small; the batch of them is not."""
    f = define("def f(x):\n    return x[:, None] * x[None, :]", budget=Budget())
    with using(Budget(Limits(tensor_elements=10_000))), pytest.raises(LimitExceeded, match="tensor_elements"):
        torch.func.vmap(f)(torch.ones(100, 50))
    with using(Budget(Limits(tensor_elements=10_000))):
        assert f(torch.ones(50)).shape == (50, 50)


def test_a_call_has_a_budget_of_its_own_or_the_one_in_use() -> None:
    f = define("def f(x):\n    while True:\n        x = x + 1", budget=Budget())
    with using(Budget(Limits(script_steps=1_000))), pytest.raises(LimitExceeded, match="script_steps"):
        f(torch.ones(1))
