"""Optimizers beside PyTorch's: the same values after fifty steps, the same state, printed form and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine

torch = pytest.importorskip("torch", reason="needs torch: make conformance")

SHAPES: tuple[tuple[int, ...], ...] = ((3, 4), (4,), (), (2, 1, 3))
RULES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "maximize": True, "momentum": 0.5}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1, "betas": (0.5, 0.6)}),
    ("Adam", {"lr": 0.01, "maximize": True, "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "alpha": 0.8, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adagrad", {"lr": 0.01, "maximize": True, "eps": 1e-3}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.95)}),
    ("Adamax", {"lr": 0.01, "maximize": True, "eps": 1e-3}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "betas": (0.5, 0.9)}),
    ("RAdam", {"lr": 0.01, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adadelta", {"maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.5, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.6)}),
    ("Rprop", {"maximize": True, "lr": 1e-3}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5.0, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.01, "maximize": True, "t0": 0.0}),
]


def starts(dtype: str) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    out = []
    for shape in SHAPES:
        values = rng.normal(size=shape) + (1j * rng.normal(size=shape) if "complex" in dtype else 0)
        out.append(np.asarray(values).astype(dtype))
    return out


def objective(params: list[Any]) -> Any:
    """Curved differently along each parameter, real for complex ones, without a minimum at zero."""
    total = 0.0
    for k, p in enumerate(params):
        away = p - 0.3 * (k + 1)
        total = total + ((away * away.conj()).real if p.is_complex() else away * away).sum() * (k + 1) / 2
    return total


def trained(lib: Any, rule: str, options: dict[str, Any], dtype: str, steps: int = 50) -> tuple[list[Any], Any]:
    params = [lib.tensor(a, requires_grad=True) for a in starts(dtype)]
    optimizer = getattr(lib.optim, rule)(params, **options)
    for step in range(steps):
        optimizer.zero_grad()
        objective(params[: len(params) - (step % 5 == 4)]).backward()  # now and then one is without a gradient
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v)))
def test_fifty_steps(rule: str, options: dict[str, Any], dtype: str) -> None:
    ours, optimizer = trained(engine, rule, options, dtype)
    theirs, expected = trained(torch, rule, options, dtype)
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
        assert a._version == b._version
    assert repr(optimizer) == repr(expected)
    found, wanted = optimizer.state_dict(), expected.state_dict()
    assert found["param_groups"] == wanted["param_groups"]
    assert set(found["state"]) == set(wanted["state"])
    for key, entries in wanted["state"].items():
        assert set(found["state"][key]) == set(entries)
        for name, value in entries.items():
            if value is not None:
                got = found["state"][key][name]
                assert str(got.dtype) == str(value.dtype), name
                np.testing.assert_allclose(got.numpy(), value.numpy(), rtol=tolerance, atol=tolerance)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -0.5}),
    ("SGD", {"weight_decay": -1.0}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"fused": True, "foreach": True}),
    ("Adam", {"lr": -1}),
    ("Adam", {"lr": float("nan")}),
    ("Adam", {"eps": -1}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}),
    ("Adam", {"betas": (0, 0)}),
    ("Adam", {"weight_decay": -1}),
    ("Adam", {"fused": True, "foreach": True}),
    ("AdamW", {"lr": -0.1}),
    ("RMSprop", {"lr": -1}),
    ("RMSprop", {"eps": -1}),
    ("RMSprop", {"momentum": -1}),
    ("RMSprop", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("Adagrad", {"lr": -1}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"weight_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adagrad", {"eps": -1}),
    ("Adagrad", {"fused": True, "differentiable": True}),
    *(
        (rule, {option: -1})
        for rule in ("Adamax", "NAdam", "RAdam", "Adadelta", "Rprop", "ASGD")
        for option in ("lr", "eps", "weight_decay")
        if (rule, option) not in {("Rprop", "eps"), ("Rprop", "weight_decay"), ("ASGD", "eps")}
    ),
    *((rule, {"betas": betas}) for rule in ("Adamax", "NAdam", "RAdam") for betas in ((1.0, 0.9), (0.9, -0.1))),
    ("NAdam", {"momentum_decay": -1}),
    ("Adadelta", {"rho": 1.5}),
    ("Rprop", {"etas": (1.5, 1.2)}),
]


@pytest.mark.parametrize(("rule", "options"), REFUSED, ids=lambda v: v if isinstance(v, str) else str(v))
def test_what_is_refused(rule: str, options: dict[str, Any]) -> None:
    sentences = []
    for lib in (torch, engine):
        with pytest.raises((ValueError, RuntimeError, TypeError)) as refused:
            getattr(lib.optim, rule)([lib.ones(2, requires_grad=True)], **options)
        sentences.append((str(refused.value), refused.type.__mro__[-3:]))
    assert sentences[0][0] == sentences[1][0]


def bad_parameters(lib: Any) -> list[Any]:
    x = lib.ones(2, requires_grad=True)
    return [
        x,
        [],
        [1],
        ["a"],
        [x * 2],
        [{"params": {x}}],
        [{"params": [x]}, {"params": [x]}],
        [("a", x), lib.ones(1)],
        [{"params": [("a", x)]}, {"params": [lib.ones(1)]}],
        [x, {"params": [x]}],
    ]


@pytest.mark.parametrize("number", range(10))
def test_parameters_that_are_refused(number: int) -> None:
    kinds, sentences = [], []
    for lib in (torch, engine):
        with pytest.raises((ValueError, TypeError)) as refused:
            lib.optim.SGD(bad_parameters(lib)[number])
        kinds.append(ValueError if isinstance(refused.value, ValueError) else TypeError)
        sentences.append(str(refused.value))
    assert kinds[0] is kinds[1]
    assert sentences[0] == sentences[1]


LBFGS: list[dict[str, Any]] = [
    {},
    {"lr": 0.5, "history_size": 3},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 2, "max_iter": 6},
    {"lr": 0.3, "max_iter": 4, "max_eval": 3},
    {"tolerance_grad": 1e-2, "tolerance_change": 1e-3},
]


def banana(params: list[Any]) -> Any:
    """Rosenbrock's function of each parameter's elements, and the objective above, so that steps are neither few nor straight."""
    total = objective(params) * 0.01
    for p in params:
        flat = p.real.reshape(-1) if p.is_complex() else p.reshape(-1)
        if len(flat) > 1:
            a, b = flat[1:], flat[:-1]
            total = total + (10 * (a - b * b) ** 2 + (1 - b) ** 2).sum()
    return total


def searched(lib: Any, options: dict[str, Any], dtype: str) -> tuple[list[Any], Any, list[float]]:
    params = [lib.tensor(a * 0.5, requires_grad=True) for a in starts(dtype)]
    optimizer = lib.optim.LBFGS(params, **options)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = banana(params)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(4)]
    return params, optimizer, losses


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("options", LBFGS, ids=str)
def test_lbfgs_goes_the_same_way(options: dict[str, Any], dtype: str) -> None:
    ours, optimizer, losses = searched(engine, options, dtype)
    theirs, expected, wanted = searched(torch, options, dtype)
    np.testing.assert_allclose(losses, wanted, rtol=1e-5, atol=1e-9)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert repr(optimizer) == repr(expected)
    (found,), (state,) = optimizer.state_dict()["state"].values(), expected.state_dict()["state"].values()
    assert set(found) == set(state)
    assert (found["func_evals"], found["n_iter"]) == (state["func_evals"], state["n_iter"])
    assert len(found["old_dirs"]) == len(state["old_dirs"])


def test_what_lbfgs_refuses() -> None:
    for lib in (torch, engine):
        x = lib.ones(2, requires_grad=True)
        with pytest.raises(ValueError, match="doesn't support per-parameter options"):
            lib.optim.LBFGS([{"params": [x]}, {"params": [lib.ones(1, requires_grad=True)]}])
        with pytest.raises(ValueError, match="Invalid learning rate: -1"):
            lib.optim.LBFGS([x], lr=-1)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'closure'"):
            lib.optim.LBFGS([x]).step()
