"""Hooks where tensors are written in place, and what hooks may not answer."""

from __future__ import annotations

from typing import Any


def leaf(torch: Any) -> Any:
    return torch.ones(2, requires_grad=True)


# -- writes in place --------------------------------------------------------------------------------------------------


def test_a_hook_belongs_to_the_values_it_was_registered_for(torch: Any) -> None:
    x = leaf(torch)
    y = x * 2
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.mul_(3)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    assert seen == [("after", [1.0, 1.0]), ("before", [3.0, 3.0])]


def test_each_hook_runs_once_around_a_write(torch: Any) -> None:
    x = leaf(torch)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    y.add_(1)
    second = y.register_hook(lambda g: g * 7)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [70.0, 70.0]
    second.remove()
    y.sum().backward()
    assert x.grad.tolist() == [80.0, 80.0]


def test_hooks_around_a_write_through_a_view(torch: Any) -> None:
    x = leaf(torch)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    y[0].mul_(3)
    y.register_hook(lambda g: g * 7)
    y.sum().backward()
    assert x.grad.tolist() == [210.0, 70.0]
