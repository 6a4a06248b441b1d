"""Hooks where tensors are written in place, and what hooks may not answer."""

from __future__ import annotations

from typing import Any

import pytest


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


def test_a_kept_gradient_is_that_of_the_present_values(torch: Any) -> None:
    x = leaf(torch)
    y = x * 2
    y.retain_grad()
    first = y.sum()
    y.mul_(3)
    y.mul_(2)
    (first + y.sum()).backward()
    assert y.retains_grad
    assert (y.grad.tolist(), x.grad.tolist()) == ([1.0, 1.0], [14.0, 14.0])


def test_a_kept_gradient_after_a_write_through_a_view(torch: Any) -> None:
    x = leaf(torch)
    y = x * 2
    y.retain_grad()
    y[0].mul_(3)
    y.sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([1.0, 1.0], [6.0, 2.0])


def test_the_kept_gradients_of_a_base_and_its_view(torch: Any) -> None:
    for written in (0, 1):
        y = leaf(torch) * 2
        v = y[:1]
        y.retain_grad()
        v.retain_grad()
        (y, v)[written].mul_(3)
        (y.sum() + v.sum()).backward()
        assert (y.grad.tolist(), v.grad.tolist()) == ([2.0, 1.0], [1.0])


def test_several_outputs_keep_apart(torch: Any) -> None:
    a, b = (leaf(torch) * 2).unsqueeze(0).sort()[0], leaf(torch) * 3
    values, _ = a.clone().max(dim=0)
    values.retain_grad()
    values.mul_(b)
    values.sum().backward()
    assert values.grad.tolist() == [1.0, 1.0]


# -- what hooks may not answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (lambda torch: 1, TypeError, r"^expected Variable, but hook returned 'int'$"),
        (lambda torch: False, TypeError, r"^expected Variable, but hook returned 'bool'$"),
        (lambda torch: torch.ones(2), RuntimeError, r"^Tensor post accumulate grad hooks should return None\.$"),
    ],
)
def test_a_hook_after_accumulation_answers_nothing(
    torch: Any, answer: Any, error: type[Exception], sentence: str
) -> None:
    x = leaf(torch)
    x.register_post_accumulate_grad_hook(lambda t: answer(torch))
    with pytest.raises(error, match=sentence):
        x.sum().backward()


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (lambda g: (g[0],), RuntimeError, r"has returned an incorrect number of values \(got 1, but expected 2\)$"),
        (lambda g: g[0], TypeError, r"^expected tuple, but hook returned 'Tensor'$"),
        (lambda g: [*g], TypeError, r"^expected tuple, but hook returned 'list'$"),
        (lambda g: (g[0], 3), TypeError, r"^expected Variable, but hook returned 'int'$"),
        (lambda g: (g[0].sum(), g[1]), RuntimeError, r"^hook '<lambda>' has changed the size of value$"),
    ],
)
def test_what_a_hook_of_a_node_may_not_answer(torch: Any, answer: Any, error: type[Exception], sentence: str) -> None:
    y = leaf(torch) * leaf(torch)
    y.grad_fn.register_hook(lambda ins, ups: answer(ins))
    with pytest.raises(error, match=sentence):
        y.sum().backward()


def test_what_a_hook_before_a_node_answers(torch: Any) -> None:
    x = leaf(torch)
    y = x * leaf(torch)
    handle = y.grad_fn.register_prehook(lambda ups: (ups[0], ups[0]))
    with pytest.raises(RuntimeError, match=r"^hook '<lambda>' has returned an incorrect number of values \(got 2"):
        y.sum().backward(retain_graph=True)
    handle.remove()
    y.grad_fn.register_prehook(lambda ups: (None,))
    y.sum().backward()
    assert x.grad is None
