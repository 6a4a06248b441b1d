"""Optimizers by literal values, and what a rollback, a later backward and a saved state make of a step. No PyTorch here."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import engine as torch
from engine.errors import VersionError
from engine.transaction import Transaction

MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, nesterov=True, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.1),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.1, decoupled_weight_decay=True, weight_decay=0.1),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.1),
    "adadelta": torch.optim.Adadelta,
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.1),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.1, t0=0.0),
}
AFTER_TWO_STEPS = {
    "sgd": [0.64, -1.28],
    "momentum": [0.416725, -0.833450],
    "adam": [0.8004, -1.8002],
    "adamw": [0.7985, -1.7962],
    "rmsprop": [-0.502469, -0.041186],
    "adagrad": [0.8331, -1.8311],
    "adamax": [0.805168, -1.802534],
    "nadam": [0.801542, -1.779534],
    "radam": [0.621053, -1.242105],
    "adadelta": [0.993598, -1.993596],
    "rprop": [0.78, -1.78],
    "asgd": [0.639985, -1.27997],
}


def trained(make: Callable[[list[Any]], Any], steps: int = 2) -> tuple[Any, Any]:
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = make([w])
    for _ in range(steps):
        one_more(w, optimizer)
    return w, optimizer


def one_more(w: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    (w * w).sum().backward()
    optimizer.step()


def told(w: Any, optimizer: Any) -> Any:
    """All that a step may change, as plain data."""
    state = {k: {n: repr(v) for n, v in s.items()} for k, s in optimizer.state_dict()["state"].items()}
    return w.tolist(), w._version, repr(w.grad), repr(optimizer), state, optimizer._opt_called


@pytest.mark.parametrize("name", MAKERS)
def test_two_steps(name: str) -> None:
    w, _ = trained(MAKERS[name])
    assert w.tolist() == pytest.approx(AFTER_TWO_STEPS[name], abs=1e-4)
    assert w.is_leaf
    assert w.requires_grad


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("name", MAKERS)
def test_a_rollback_undoes_steps(name: str, steps: int) -> None:
    w, optimizer = trained(MAKERS[name], steps)
    before = told(w, optimizer)
    with Transaction():
        one_more(w, optimizer)
        one_more(w, optimizer)
        optimizer.add_param_group({"params": [torch.ones(1, requires_grad=True)], "lr": 0.5})
        assert told(w, optimizer) != before
    assert told(w, optimizer) == before
    one_more(w, optimizer)
    fresh, other = trained(MAKERS[name], steps + 1)
    assert told(w, optimizer) == told(fresh, other)


@pytest.mark.parametrize("name", MAKERS)
def test_saved_state_goes_on_where_it_was(name: str) -> None:
    w, optimizer = trained(MAKERS[name], 1)
    v = w.detach().clone().requires_grad_()
    other = MAKERS[name]([v])
    other.load_state_dict(optimizer.state_dict())
    for pair in ((w, optimizer), (v, other)):
        one_more(*pair)
    assert w.tolist() == v.tolist()
    assert repr(other) == repr(optimizer)


def test_loading_is_undone_and_a_wrong_shape_refused() -> None:
    w, optimizer = trained(MAKERS["adam"])
    before = told(w, optimizer)
    _, longer = trained(MAKERS["adam"], 5)
    with Transaction():
        optimizer.load_state_dict(longer.state_dict())
        assert told(w, optimizer) != before
    assert told(w, optimizer) == before
    two = torch.optim.Adam([torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match=r"doesn't match the size of optimizer's group"):
        optimizer.load_state_dict(two.state_dict())
    two.add_param_group({"params": torch.ones(1)})
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict(two.state_dict())


def test_a_graph_from_before_the_step_is_refused() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(VersionError, match=re.escape("modified by an inplace operation")):
        loss.backward()


def test_a_parameter_without_gradient_is_left_alone() -> None:
    w, v = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.Adam([w, v])
    w.sum().backward()
    optimizer.step()
    assert v._version == 0
    assert v.tolist() == [1, 1]
    assert list(optimizer.state) == [w]


def test_a_closure_is_called_with_grad_mode_on() -> None:
    w = torch.tensor(3.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.5)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = w * w
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9
    assert w.item() == 0


def test_groups_have_options_of_their_own() -> None:
    w, v = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [w]}, {"params": v, "lr": 0.5}], lr=0.25)
    (w + v).sum().backward()
    optimizer.step()
    assert (w.item(), v.item()) == (0.75, 0.5)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad is not None
    assert w.grad.tolist() == [0]
    optimizer.zero_grad()
    assert w.grad is None


def test_views_and_shared_memory() -> None:
    base = torch.zeros(3)
    leaf = base[:2].requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=1.0)
    leaf.sum().backward()
    optimizer.step()
    assert base.tolist() == [-1, -1, 0]
    assert leaf.requires_grad
    wide = torch.zeros(1).expand(3).detach().requires_grad_()
    optimizer = torch.optim.SGD([wide], lr=1.0)
    wide.sum().backward()
    with pytest.raises(RuntimeError, match="single memory location"):
        optimizer.step()


def test_a_rule_of_ones_own() -> None:
    class Sign(torch.optim.Optimizer):
        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    w, optimizer = trained(Sign, 3)
    assert w.tolist() == [0.0, -0.5]
    assert optimizer._opt_called
    assert repr(optimizer) == "Sign (\nParameter Group 0\n    lr: 0.5\n)"


SCHEDULES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "StepLR": (lambda o: torch.optim.lr_scheduler.StepLR(o, 2), [1.0, 0.1, 0.1, 0.01]),
    "CosineAnnealingLR": (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 2), [0.5, 0.0, 0.5, 1.0]),
    "ConstantLR": (lambda o: torch.optim.lr_scheduler.ConstantLR(o, 0.5, 3), [0.5, 0.5, 1.0, 1.0]),
    "OneCycleLR": (
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=5, cycle_momentum=False),
        [0.9505, 0.6113, 0.1883, 0.000004],
    ),
    "SequentialLR": (
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.ConstantLR(o, 0.5, 9), torch.optim.lr_scheduler.ExponentialLR(o, 0.5)],
            milestones=[2],
        ),
        [0.5, 1.0, 0.5, 0.25],
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rollback_undoes_a_schedule(name: str) -> None:
    w, optimizer = trained(lambda p: torch.optim.SGD(p, lr=1.0), 1)
    scheduler = SCHEDULES[name][0](optimizer)
    before = told(w, optimizer), repr(scheduler.state_dict())
    for _ in range(2):
        found = []
        with Transaction():
            for _ in range(4):
                optimizer.step()
                scheduler.step()
                found.append(scheduler.get_last_lr()[0])
        assert found == pytest.approx(SCHEDULES[name][1], abs=1e-4)
        assert (told(w, optimizer), repr(scheduler.state_dict())) == before


def test_hooks_stand_around_steps() -> None:
    """Their order, what they are given, and what they may replace, as in PyTorch."""
    w = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    seen: list[Any] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("before", args[0] is o, kwargs)))
    given = optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, closure), {}))
    after = optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("after", len(args), kwargs)))
    assert optimizer.step().item() == 1.0
    assert seen == [("before", True, {}), ("after", 2, {})]
    assert w.tolist() == pytest.approx([0.8])
    for handle in (before, given, after):
        handle.remove()
    assert optimizer.step() is None
    assert len(seen) == 2
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\), but got 1\."):
        optimizer.step()


def test_hooks_stand_around_saving_and_loading() -> None:
    w = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    seen: list[str] = []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("second"))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "note": "kept"})
    state = optimizer.state_dict()
    assert seen == ["first", "second"]
    assert state["note"] == "kept"
    optimizer.register_load_state_dict_pre_hook(
        lambda o, given: {**given, "param_groups": [{**given["param_groups"][0], "lr": 0.5}]}
    )
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert seen[-1] == "loaded"


def test_a_step_above_another_runs_hooks_once() -> None:
    class Twice(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            super().step(closure)
            return super().step(closure)

    w = torch.tensor([1.0], requires_grad=True)
    optimizer = Twice([w], lr=0.1)
    seen: list[int] = []
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(1))
    w.sum().backward()
    optimizer.step()
    assert seen == [1]
    assert w.tolist() == pytest.approx([0.8])


def test_a_group_added_later_has_its_own_rates() -> None:
    w, v = torch.tensor([1.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.Adamax([{"params": [w], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": v, "betas": (0.5, 0.5), "maximize": True})
    (w + v).sum().backward()
    optimizer.step()
    assert w.tolist() == pytest.approx([0.5])
    assert v.tolist() == pytest.approx([1.1])
