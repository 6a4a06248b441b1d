"""Schedules beside PyTorch's: the same learning rates over forty epochs, the same state and sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import engine

torch = pytest.importorskip("torch", reason="needs torch: make conformance")

Make = Callable[[Any, Any], Any]
SCHEDULES: dict[str, Make] = {
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 11], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, total_iters=4),
    "LinearLR": lambda s, o: s.LinearLR(o, total_iters=7, end_factor=0.9),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=9, power=2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 8, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95 + 0.001 * e),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=41),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.7], epochs=6, steps_per_epoch=7, three_phase=True, anneal_strategy="linear"
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ExponentialLR(o, 0.9), s.ConstantLR(o, 0.1, 5)]),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 4)], [6, 14]
    ),
}


def optimizer_of(lib: Any, rule: str = "SGD", **options: Any) -> Any:
    groups = [
        {"params": [lib.ones(1, requires_grad=True)], "lr": 0.3},
        {"params": [lib.ones(1, requires_grad=True)]},
    ]
    return getattr(lib.optim, rule)(groups, lr=0.1, **options)


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(v) for v in value)
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


def options_of(optimizer: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_forty_epochs(name: str, rule: str) -> None:
    given = {"momentum": 0.5} if rule == "SGD" else {}
    pairs = []
    for lib in (engine, torch):
        optimizer = optimizer_of(lib, rule, **given)
        pairs.append((optimizer, SCHEDULES[name](lib.optim.lr_scheduler, optimizer)))
    for epoch in range(40):
        for optimizer, scheduler in pairs:
            optimizer.step()
            scheduler.step()
        (ours, mine), (theirs, wanted) = pairs
        assert mine.get_last_lr() == plain(wanted.get_last_lr()), epoch
        assert options_of(ours) == [plain(group) for group in options_of(theirs)], epoch
    assert mine.state_dict() == plain(wanted.state_dict())
    loaded = SCHEDULES[name](engine.optim.lr_scheduler, optimizer_of(engine, rule, **given))
    loaded.load_state_dict(mine.state_dict())
    assert loaded.state_dict() == mine.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 0, "cooldown": 3, "factor": 0.5},
        {"mode": "max", "patience": 1, "min_lr": [0.05, 0.01]},
        {"threshold_mode": "abs", "threshold": 0.5, "patience": 0, "min_lr": 0.02},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.5, "patience": 2},
    ],
)
def test_plateau(options: dict[str, Any]) -> None:
    metrics = [5.0, 4.0, 4.0, 4.0, 3.9, 3.9, 3.9, 3.9, 6.0, 6.5, 6.5, 7.2, 7.1, 7.1, 7.0, 7.0, 7.0, 1.0, 1.0, 1.0]
    optimizers = [optimizer_of(lib) for lib in (engine, torch)]
    ours, theirs = (
        lib.optim.lr_scheduler.ReduceLROnPlateau(o, **options)
        for lib, o in zip((engine, torch), optimizers, strict=True)
    )
    for metric in metrics:
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == plain(theirs.get_last_lr())
    assert ours.state_dict() == plain(theirs.state_dict())


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR"])
def test_an_epoch_given(name: str) -> None:
    found = []
    for lib in (engine, torch):
        optimizer = optimizer_of(lib)
        scheduler = SCHEDULES[name](lib.optim.lr_scheduler, optimizer)
        optimizer.step()
        with pytest.warns(UserWarning, match="The epoch parameter"):
            scheduler.step(6)
        found.append(scheduler.get_last_lr())
    assert found[0] == plain(found[1])


def test_a_schedule_before_the_first_step_warns() -> None:
    sentences = []
    for lib in (engine, torch):
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer_of(lib), 1)
        with pytest.warns(UserWarning, match="before") as warned:
            scheduler.step()
        sentences.append(str(warned[0].message))
    assert sentences[0] == sentences[1]


def test_a_tensor_as_learning_rate() -> None:
    found = []
    for lib in (engine, torch):
        optimizer = lib.optim.Adam([lib.ones(1, requires_grad=True)], lr=lib.tensor(0.5))
        scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        optimizer.step()
        scheduler.step()
        assert isinstance(optimizer.param_groups[0]["lr"], lib.Tensor)
        found.append([lr.item() for lr in scheduler.get_last_lr()])
    assert found[0] == found[1] == [0.25]


REFUSED: list[Make] = [
    lambda s, o: s.StepLR(3, 1),
    lambda s, o: s.ConstantLR(o, factor=2.0),
    lambda s, o: s.LinearLR(o, start_factor=0),
    lambda s, o: s.LinearLR(o, end_factor=2),
    lambda s, o: s.LambdaLR(o, [abs]),
    lambda s, o: s.MultiplicativeLR(o, 0.5),
    lambda s, o: s.StepLR(o, 1, last_epoch=3),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, T_mult=0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1, eta_min="a"),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 1).step(-1),
    lambda s, o: s.ReduceLROnPlateau(o, factor=1),
    lambda s, o: s.ReduceLROnPlateau(o, mode="most"),
    lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="most"),
    lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
    lambda s, o: s.OneCycleLR(o, 0.1),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=0),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=2),
    lambda s, o: s.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=0.5),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, pct_start=2),
    lambda s, o: s.OneCycleLR(o, 0.1, total_steps=5, anneal_strategy="sin"),
    lambda s, o: s.OneCycleLR(o, [0.1], total_steps=5),
    lambda s, o: s.ChainedScheduler([]),
    lambda s, o: s.ChainedScheduler([1], o),
    lambda s, o: s.ChainedScheduler([s.ReduceLROnPlateau(o)]),
    lambda s, o: s.SequentialLR(o, [], []),
    lambda s, o: s.SequentialLR(o, [s.ExponentialLR(o, 0.5)], [1]),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_refused(number: int) -> None:
    sentences = []
    for lib in (torch, engine):
        with pytest.raises((ValueError, TypeError, KeyError)) as refused:
            REFUSED[number](lib.optim.lr_scheduler, optimizer_of(lib))
        kind = next(k for k in (ValueError, TypeError, KeyError) if isinstance(refused.value, k))
        sentences.append((kind, str(refused.value)))
    assert sentences[0] == sentences[1]
