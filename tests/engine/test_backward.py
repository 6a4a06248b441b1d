"""backward and grad: accumulation, freed graphs, higher orders, chosen inputs, hooks."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

FREED = r"^Trying to backward through the graph a second time \(or directly access saved tensors after they have already been freed\)"


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(values, requires_grad=True)


# -- accumulation -----------------------------------------------------------------------------------------------------


def test_gradients_add_up(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    assert x.grad is first, "the gradient is added in place"


def test_a_leaf_that_is_used_twice(torch: Any) -> None:
    x = leaf(torch, 3.0)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [7.0]


def test_a_leaf_that_is_the_root(torch: Any) -> None:
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0


def test_a_diamond_is_walked_once(torch: Any) -> None:
    x = leaf(torch, 2.0)
    calls = []
    y = x * 2
    y.register_hook(lambda g: calls.append(g.tolist()))
    (y * 3 + y * 4).sum().backward()
    assert calls == [[7.0]]
    assert x.grad.tolist() == [14.0]


def test_the_gradient_is_no_alias_of_what_came_in(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    up = torch.tensor([1.0, 1.0])
    (x + 0).backward(up)
    x.grad.add_(5)
    assert up.tolist() == [1.0, 1.0]


def test_two_leaves_do_not_share_a_gradient(torch: Any) -> None:
    x, y = leaf(torch, 1.0), leaf(torch, 2.0)
    (x + y).sum().backward()
    x.grad.mul_(10)
    assert y.grad.tolist() == [1.0]


def test_grad_can_be_set_and_removed(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    x.grad = torch.tensor([1.0, 1.0])
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    x.grad = None
    assert x.grad is None
    with pytest.raises(
        RuntimeError, match=r"^attempting to assign a gradient of size '\[1\]' to a tensor of size '\[2\]'\."
    ):
        x.grad = torch.tensor([1.0])
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None but got grad of type"):
        x.grad = 1.0


# -- what is freed ----------------------------------------------------------------------------------------------------


def test_a_second_backward_finds_nothing(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()


def test_what_saves_nothing_can_be_walked_again(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_retain_graph(torch: Any) -> None:
    x = leaf(torch, 3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(RuntimeError, match=FREED):
        y.backward()


def test_a_shared_part_is_freed_too(torch: Any) -> None:
    x = leaf(torch, 3.0)
    shared = x * x
    a, b = (shared * 2).sum(), (shared * 3).sum()
    a.backward()
    with pytest.raises(RuntimeError, match=FREED):
        b.backward()


def test_create_graph_keeps_it(torch: Any) -> None:
    x = leaf(torch, 3.0)
    y = (x * x * x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.requires_grad
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    (i,) = torch.autograd.grad(h.sum(), x)
    assert (g.tolist(), h.tolist(), i.tolist()) == ([27.0], [18.0], [6.0])
    assert not i.requires_grad
    y.backward()


def test_a_graph_dies_with_its_tensors() -> None:
    import engine as torch  # PyTorch's nodes cannot be watched

    gc.disable()
    try:
        x = leaf(torch, 3.0)
        y = x * x
        watched = [weakref.ref(y), weakref.ref(y.grad_fn)]
        z = y.sum()
        z.backward()
        del y, z
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


# -- the upstream gradient --------------------------------------------------------------------------------------------


def test_several_elements_need_a_gradient(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match=r"^grad can be implicitly created only for scalar outputs"):
        y.backward()


def test_a_gradient_of_another_shape(torch: Any) -> None:
    y = leaf(torch, 1.0, 2.0) * 2
    with pytest.raises(
        RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[3\]\) and output\[0\]"
    ):
        y.backward(torch.ones(3))


def test_one_element_with_dims_needs_none(torch: Any) -> None:
    x = leaf(torch, 2.0)
    (x * x).backward()
    assert x.grad.tolist() == [4.0]


def test_what_requires_no_grad(torch: Any) -> None:
    with pytest.raises(RuntimeError, match=r"^element 0 of tensors does not require grad and does not have a grad_fn$"):
        torch.ones(()).backward()


def test_integers_have_no_gradient(torch: Any) -> None:
    with pytest.raises(RuntimeError, match=r"^Only Tensors of floating point and complex dtype can require gradients$"):
        torch.tensor([1, 2], requires_grad=True)


def test_several_roots(torch: Any) -> None:
    x = leaf(torch, 2.0)
    a, b = x * 3, x * x
    torch.autograd.backward([a, b], [torch.tensor([1.0]), torch.tensor([10.0])])
    assert x.grad.tolist() == [43.0]


def test_gradients_keep_the_dtype_of_the_leaf(torch: Any) -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float32, requires_grad=True)
    y = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (torch.float32, torch.float64)


# -- chosen inputs ----------------------------------------------------------------------------------------------------


def test_only_the_inputs_get_gradients(torch: Any) -> None:
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [3.0]
    assert y.grad is None


def test_no_inputs_at_all(torch: Any) -> None:
    x = leaf(torch, 2.0)
    with pytest.raises(
        RuntimeError,
        match=r"^`inputs` argument to `backward\(\)` cannot be empty\.$",
    ):
        (x * 2).sum().backward(inputs=[])


def test_an_input_in_the_middle(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * 3
    (y * y).sum().backward(inputs=[y, x])
    assert y.retains_grad
    assert y.grad.tolist() == [12.0]
    assert x.grad.tolist() == [36.0]


def test_an_input_that_requires_none(torch: Any) -> None:
    with pytest.raises(RuntimeError, match=r"^can't retain_grad on Tensor that has requires_grad=False$"):
        (leaf(torch, 2.0) * 2).backward(inputs=[torch.ones(1)])


def test_grad_leaves_grad_alone(torch: Any) -> None:
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    found = torch.autograd.grad((x * y).sum(), [x, y])
    assert [g.tolist() for g in found] == [[3.0], [2.0]]
    assert x.grad is None


def test_grad_of_what_was_not_used(torch: Any) -> None:
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    with pytest.raises(
        RuntimeError, match=r"^The differentiated Tensor at index 1 appears to not have been used in the graph\."
    ):
        torch.autograd.grad((x * 2).sum(), [x, y])
    a, b = torch.autograd.grad((x * 2).sum(), [x, y], allow_unused=True)
    assert (a.tolist(), b) == ([2.0], None)
    a, b = torch.autograd.grad((x * 2).sum(), [x, y], materialize_grads=True)
    assert (a.tolist(), b.tolist()) == ([2.0], [0.0])


def test_grad_of_what_requires_none(torch: Any) -> None:
    x = leaf(torch, 2.0)
    with pytest.raises(RuntimeError, match=r"^One of the differentiated Tensors does not require grad$"):
        torch.autograd.grad((x * 2).sum(), torch.ones(1))


def test_grad_with_respect_to_a_result(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * 3
    assert torch.autograd.grad((y * y).sum(), y)[0].tolist() == [12.0]


def test_an_output_that_is_an_input(torch: Any) -> None:
    x = leaf(torch, 2.0)
    (g,) = torch.autograd.grad(x, x)
    assert g.tolist() == [1.0]


NOTHING: list[Any] = [[], ()]


def test_grad_of_no_inputs(torch: Any) -> None:
    y = (leaf(torch, 1.0) * 2).sum()
    for kind in (list, tuple):
        with pytest.raises(RuntimeError, match=r"^`inputs` argument to `grad\(\)` cannot be empty\.$"):
            torch.autograd.grad(y, kind())
    assert torch.autograd.grad(y, y)[0].item() == 1.0  # nothing was freed


# -- hooks ------------------------------------------------------------------------------------------------------------


def test_a_hook_sees_and_replaces(torch: Any) -> None:
    x = leaf(torch, 2.0)
    seen = []
    first = x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    (x * 3).sum().backward()
    assert seen == [[3.0]]
    assert x.grad.tolist() == [30.0]
    first.remove()
    (x * 3).sum().backward()
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (lambda torch: 1.0, TypeError, "^expected Variable, but hook returned 'float'$"),
        (lambda torch: torch.ones(3), RuntimeError, "^hook '<lambda>' has changed the size of value$"),
        (
            lambda torch: torch.ones(1, dtype=torch.float64),
            RuntimeError,
            r"^hook '<lambda>' has changed the type of value \(was torch.FloatTensor got torch.DoubleTensor\)$",
        ),
    ],
)
def test_what_a_hook_may_not_answer(torch: Any, answer: Any, error: type[Exception], sentence: str) -> None:
    x = leaf(torch, 2.0)
    x.register_hook(lambda g: answer(torch))
    with pytest.raises(error, match=sentence):
        (x * 2).backward()


def test_hooks_of_results_run_in_order(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * 3
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert x.grad.tolist() == [12.0]


def test_a_hook_on_what_requires_no_grad(torch: Any) -> None:
    with pytest.raises(RuntimeError, match=r"^cannot register a hook on a tensor that doesn't require gradient$"):
        torch.ones(1).register_hook(lambda g: g)


def test_a_hook_after_accumulation(torch: Any) -> None:
    x = leaf(torch, 2.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    assert seen == [[3.0], [6.0]]
    with pytest.raises(RuntimeError, match=r"^post accumulate grad hooks cannot be registered on non-leaf tensors$"):
        (x * 2).register_post_accumulate_grad_hook(lambda t: None)


def test_hooks_of_nodes(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * 3
    seen = []
    y.grad_fn.register_prehook(lambda ups: (ups[0] * 2,))
    y.grad_fn.register_hook(lambda ins, ups: seen.append((ins[0].tolist(), ups[0].tolist())))
    y.sum().backward()
    assert seen == [([6.0], [2.0])]
    assert x.grad.tolist() == [6.0]


def test_retain_grad(torch: Any) -> None:
    x = leaf(torch, 2.0)
    y = x * 3
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    assert y.retains_grad
    assert y.grad.tolist() == [12.0]
    (x * 3 * 0 + y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [13.0]
    with pytest.raises(RuntimeError, match=r"^can't retain_grad on Tensor that has requires_grad=False$"):
        torch.ones(1).retain_grad()


# -- leaves -----------------------------------------------------------------------------------------------------------


def test_who_is_a_leaf(torch: Any) -> None:
    x = leaf(torch, 1.0)
    assert x.is_leaf
    assert torch.ones(1).is_leaf
    assert (torch.ones(1) * 2).is_leaf
    assert not (x * 2).is_leaf
    assert (x * 2).detach().is_leaf


def test_flags_of_results_stay(torch: Any) -> None:
    y = leaf(torch, 1.0) * 2
    with pytest.raises(RuntimeError, match=r"^you can only change requires_grad flags of leaf variables\."):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match=r"^you can only change requires_grad flags of leaf variables\."):
        y.requires_grad = False


def test_next_functions(torch: Any) -> None:
    x = leaf(torch, 1.0)
    y = (x * 2 + torch.ones(1)).grad_fn
    (first, number), (second, _) = y.next_functions
    assert (y.name(), first.name(), number, second) == ("AddBackward0", "MulBackward0", 0, None)
    assert first.next_functions[0][0].name() == "struct torch::autograd::AccumulateGrad" or "AccumulateGrad" in str(
        first.next_functions[0][0]
    )
