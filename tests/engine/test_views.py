"""Views: shared memory, histories that follow in-place writes, and views that may not be written."""

from __future__ import annotations

from typing import Any

import pytest


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(values, requires_grad=True)


def nodes(node: Any) -> list[str]:
    """The names of a chain of nodes, each the first input's producer."""
    found: list[str] = []
    while node is not None:
        found.append(node.name().rpartition("::")[2])
        node = node.next_functions[0][0] if node.next_functions else None
    return found


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_view_shares_memory(torch: Any) -> None:
    x = torch.zeros(2, 3)
    for view in (x.view(3, 2), x.unsqueeze(0), x.expand(2, 3), x.transpose(0, 1), x.detach()):
        view.add_(1)
    assert x.tolist() == [[5.0] * 3] * 2
    assert x.view(6)._base is x
    assert x.view(6).view(2, 3)._base is x
    assert (x + 0)._base is None


def test_a_view_that_is_impossible(torch: Any) -> None:
    x = torch.zeros(2, 3).transpose(0, 1)
    with pytest.raises(RuntimeError, match=r"^view size is not compatible with input tensor's size and stride"):
        x.view(6)
    assert x.reshape(6)._base is None


def test_gradients_go_through_views(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    (x.view(2, 2).transpose(0, 1)[0] * torch.tensor([10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [10.0, 0.0, 100.0, 0.0]


# -- writing ----------------------------------------------------------------------------------------------------------


def test_writing_a_view_changes_the_history_of_its_base(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 2
    y[0].mul_(10)
    assert nodes(y.grad_fn) == ["CopySlices", "MulBackward0", "AccumulateGrad"]
    y.sum().backward()
    assert x.grad.tolist() == [20.0, 2.0, 2.0]


def test_writing_a_base_changes_the_history_of_its_views(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 2
    v = y[1:]
    before = v.grad_fn.name()
    y.mul_(5)
    assert before == "SliceBackward0"
    assert nodes(v.grad_fn) == ["AsStridedBackward0", "MulBackward0", "MulBackward0", "AccumulateGrad"]
    v.sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 10.0]


def test_two_views_of_one_base(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x * 1
    a, b = y[:2], y[1:]
    a.mul_(3)
    (b * torch.tensor([10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 30.0, 100.0]


def test_a_view_of_a_view(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0, 3.0, 4.0)
    y = x * 1
    y.view(2, 2)[1].mul_(7)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 7.0, 7.0]


def test_writing_a_value_that_has_a_history(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0, 3.0), leaf(torch, 5.0)
    y = x * 1
    y[1] = w[0] * 2
    (y * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 100.0]
    assert w.grad.tolist() == [20.0]


def test_writing_into_what_required_no_grad(torch: Any) -> None:
    x, w = torch.zeros(3), leaf(torch, 5.0)
    v = x[:2]
    x[1] = w[0]
    assert x.requires_grad
    assert v.requires_grad
    assert x.grad_fn.name().endswith("CopySlices")
    (v * torch.tensor([2.0, 3.0])).sum().backward()
    assert w.grad.tolist() == [3.0]


def test_second_derivatives_through_a_write(torch: Any) -> None:
    x = leaf(torch, 2.0, 3.0)
    y = x * x
    y[0].mul_(y[0].detach() * 0 + 4)
    (g,) = torch.autograd.grad((y * x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert g.tolist() == [48.0, 27.0]
    assert h.tolist() == [48.0, 18.0]


def test_a_square_written_in_a_view_has_derivatives_of_every_order(torch: Any) -> None:
    x = leaf(torch, 2.0, 3.0)
    y = x * 1
    y[1:].pow_(3)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    (i,) = torch.autograd.grad(h.sum(), x)
    assert [t.tolist() for t in (g, h, i)] == [[1.0, 27.0], [0.0, 18.0], [0.0, 6.0]]


def test_a_transposed_view_is_written(torch: Any) -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    y.transpose(0, 1)[0].mul_(torch.tensor([10.0, 100.0]))
    y.sum().backward()
    assert x.grad.tolist() == [[10.0, 1.0], [100.0, 1.0]]


# -- views that may not be written ------------------------------------------------------------------------------------

ADVICE = (
    "Such functions do not allow the output views to be modified inplace. You should replace the inplace operation by an "
    "out-of-place one."
)


@pytest.mark.parametrize(
    ("split", "name"),
    [
        (lambda y: y.unbind(0), "Unbind"),
        (lambda y: y.split(1), "Split"),
        (lambda y: y.chunk(2), "Split"),
        (lambda y: y.split([1, 1]), "SplitWithSizes"),
    ],
)
def test_one_of_several_views(torch: Any, split: Any, name: str) -> None:
    first, second = split(leaf(torch, 1.0, 2.0) * 1)
    with pytest.raises(RuntimeError) as caught:
        second.add_(1)
    assert str(caught.value) == (
        f"Output 1 of {name} is a view and is being modified inplace. This view is the output of a function that returns multiple "
        f"views. {ADVICE}"
    )
    assert first.requires_grad


def test_one_of_several_views_after_its_base_was_written(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 1
    first, _ = y.unbind(0)
    y.add_(1)
    assert first.item() == 2.0
    with pytest.raises(RuntimeError) as caught:
        _ = first.grad_fn
    assert str(caught.value) == (
        "Output 0 of Unbind is a view and its base or another view of its base has been modified inplace. This view is the output of "
        f"a function that returns multiple views. {ADVICE}"
    )


def test_several_views_without_history_are_written(torch: Any) -> None:
    x = torch.zeros(2)
    first, _ = x.unbind(0)
    first.add_(1)
    assert x.tolist() == [1.0, 0.0]


def test_a_view_made_under_no_grad(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 1
    with torch.no_grad():
        v = y.view(2, 1)
    with pytest.raises(
        RuntimeError,
        match=r"^A view was created in no_grad mode and is being modified inplace with grad mode enabled\.",
    ):
        v.add_(1)
    with torch.no_grad():
        v.add_(1)
    assert y.tolist() == [2.0, 3.0]


def test_a_view_made_under_no_grad_whose_base_is_written(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 1
    with torch.no_grad():
        v = y.view(2, 1)
    y.add_(1)
    assert v.tolist() == [[2.0], [3.0]]
    assert v.requires_grad
    with pytest.raises(
        RuntimeError,
        match=r"^A view was created in no_grad mode and its base or another view of its base has been modified",
    ):
        _ = v.grad_fn


def test_detached_views_have_no_part_in_it(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 1
    d = y.detach()
    y.add_(1)
    assert d.tolist() == [2.0, 3.0]
    assert not d.requires_grad
    assert not d._is_view()


def test_a_view_that_is_a_leaf_itself(torch: Any) -> None:
    v = torch.ones(3)[:2]
    v.requires_grad_()
    for t in (v, v[0], v.view(2, 1)):
        with pytest.raises(
            RuntimeError,
            match=r"^a view of a leaf Variable that requires grad is being used in an in-place operation\.$",
        ):
            t.add_(1)
    with torch.no_grad():
        v.add_(1)
    v._base.mul_(2)
    assert (v.tolist(), v.is_leaf, v.requires_grad) == ([4.0, 4.0], True, True)
    (v * 2).sum().backward()
    assert v.grad.tolist() == [2.0, 2.0]
