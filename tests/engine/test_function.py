"""Custom operators: autograd.Function."""

# mypy: disable-error-code="attr-defined, misc, untyped-decorator"

from __future__ import annotations

import warnings
from typing import Any

import pytest

import engine
from engine.graph import graph_of


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(values, requires_grad=True)


def test_saved_tensors_and_the_name(torch: Any) -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            assert not torch.is_grad_enabled()
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = leaf(torch, 2.0, 3.0)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"
    y.sum().backward()
    assert x.grad.tolist() == [12.0, 27.0]


def test_higher_orders(torch: Any) -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = leaf(torch, 3.0)
    (g,) = torch.autograd.grad((Square.apply(x) * x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert (g.tolist(), h.tolist()) == ([27.0], [18.0])


def test_saved_results_have_derivatives(torch: Any) -> None:
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            out = x * x
            ctx.save_for_backward(out, x)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            out, x = ctx.saved_tensors
            return g * 2 * out / x

    x = leaf(torch, 3.0)
    (g,) = torch.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert (g.tolist(), h.tolist()) == ([6.0], [2.0])


def test_arguments_that_are_no_tensors(torch: Any) -> None:
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float, note: str) -> Any:
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            assert ctx.needs_input_grad == (True, False, False)
            return g * ctx.factor, None, None

    x = leaf(torch, 2.0)
    Scale.apply(x, 5.0, "five").backward()
    assert x.grad.tolist() == [5.0]


def test_setup_context(torch: Any) -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(a: Any, b: Any) -> Any:
            return a * b

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            return g * b, g * a

    a, b = leaf(torch, 2.0), leaf(torch, 3.0)
    Product.apply(a, b).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0], [2.0])


def test_several_outputs_and_gradients_that_did_not_arrive(torch: Any) -> None:
    seen = []

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            seen.append((a.tolist(), b.tolist()))
            return a * 2 + b * 3

    class Bare(Both):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            seen.append((a, b.tolist()))
            return b * 3

    x = leaf(torch, 1.0)
    _, second = Both.apply(x)
    second.backward()
    _, second = Bare.apply(x)
    second.backward()
    assert seen == [([0.0], [1.0]), (None, [1.0])]
    assert x.grad.tolist() == [6.0]


def test_an_output_without_a_derivative(torch: Any) -> None:
    class Ranked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            rank = x * 0 + 1
            ctx.mark_non_differentiable(rank)
            return x * 2, rank

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            return g * 2

    x = leaf(torch, 1.0)
    value, rank = Ranked.apply(x)
    assert value.requires_grad
    assert not rank.requires_grad
    value.backward()
    assert x.grad.tolist() == [2.0]


def test_an_input_that_was_written(torch: Any) -> None:
    class Tripled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

    x = leaf(torch, 2.0)
    y = x * 1
    z = Tripled.apply(y)
    assert z is y
    assert y.tolist() == [6.0]
    y.backward()
    assert x.grad.tolist() == [3.0]
    with pytest.raises(
        RuntimeError, match=r"^a leaf Variable that requires grad has been used in an in-place operation\.$"
    ):
        Tripled.apply(leaf(torch, 1.0))


def test_once_differentiable(torch: Any) -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = leaf(torch, 3.0)
    (g,) = torch.autograd.grad((Once.apply(x) * x).sum(), x, create_graph=True)
    assert g.tolist() == [27.0]
    with pytest.raises(
        RuntimeError, match=r"^trying to differentiate twice a function that was marked with @once_differentiable$"
    ):
        g.backward()


def test_nothing_is_recorded_where_nothing_requires_grad(torch: Any) -> None:
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    assert not Same.apply(torch.ones(1)).requires_grad
    with torch.no_grad():
        assert not Same.apply(leaf(torch, 1.0)).requires_grad


def test_an_input_that_is_handed_back(torch: Any) -> None:
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 7

    x = leaf(torch, 1.0)
    y = Same.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.tolist() == [7.0]


def make(torch: Any, backward: Any, forward: Any = lambda ctx, x, *rest: x * 2) -> Any:
    return type("F", (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


@pytest.mark.parametrize(
    ("backward", "arguments", "error", "sentence"),
    [
        (
            lambda ctx, g: (g, g),
            0,
            RuntimeError,
            r"^function FBackward returned an incorrect number of gradients \(expected 1, got 2\)$",
        ),
        (
            lambda ctx, g: g,
            1,
            RuntimeError,
            r"^function FBackward returned an incorrect number of gradients \(expected 2, got 1\)$",
        ),
        (
            lambda ctx, g: (g, g),
            1,
            RuntimeError,
            "^function FBackward returned a gradient different than None at position 2, but the corresponding forward input was not a",
        ),
        (lambda ctx, g: 1.0, 0, RuntimeError, r"^expected Variable or None \(got float\)$"),
        (lambda ctx, g: ctx.saved_tensors[5], 0, IndexError, "tuple index out of range"),
    ],
)
def test_what_a_backward_may_not_answer(
    torch: Any, backward: Any, arguments: int, error: type[Exception], sentence: str
) -> None:
    function = make(torch, backward)
    with pytest.raises(error, match=sentence):
        function.apply(leaf(torch, 1.0), *[3] * arguments).backward()


def test_a_gradient_of_another_shape(torch: Any) -> None:
    function = make(torch, lambda ctx, g: torch.ones(3))
    with pytest.raises(
        RuntimeError,
        match=r"^Function FBackward returned an invalid gradient at index 0 - got \[3\] but expected shape",
    ):
        function.apply(leaf(torch, 1.0, 2.0)).sum().backward()


def test_what_is_not_there(torch: Any) -> None:
    class Empty(torch.autograd.Function):
        pass

    with pytest.raises(
        NotImplementedError, match=r"^You must implement the forward function for custom autograd\.Function\.$"
    ):
        Empty.apply(leaf(torch, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        empty = Empty()
    with pytest.raises(RuntimeError, match=r"^Legacy autograd function with non-static forward method is deprecated"):
        empty(leaf(torch, 1.0))
    with pytest.raises(
        NotImplementedError, match=r"^You must implement either the backward or vjp method for your custom"
    ):
        type("F", (torch.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 2)}).apply(
            leaf(torch, 1.0)
        ).backward()


def test_saved_values_are_freed_and_watched(torch: Any) -> None:
    def keep(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    function = make(torch, lambda ctx, g: g * ctx.saved_tensors[0], keep)
    y = function.apply(leaf(torch, 1.0))
    y.backward()
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()

    x = leaf(torch, 1.0) * 1
    y = function.apply(x)
    x.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"modified by an inplace operation: \[torch.FloatTensor \[1\]\], which is output 0 of Add, is at version 1; expected",
    ):
        y.backward()


def test_only_tensors_are_saved(torch: Any) -> None:
    function = make(torch, None, lambda ctx, x: ctx.save_for_backward(x, 1))
    with pytest.raises(TypeError, match=r"^save_for_backward can only save variables, but argument 1 is of type int$"):
        function.apply(leaf(torch, 1.0))


def test_what_was_marked_must_come_out(torch: Any) -> None:
    function = make(torch, None, lambda ctx, x: (ctx.mark_dirty(x), x * 2)[1])
    with pytest.raises(
        RuntimeError, match=r"^Some elements marked as dirty during the forward method were not returned as output"
    ):
        function.apply(leaf(torch, 1.0) * 1)


def test_backward_has_an_argument_for_each_output(torch: Any) -> None:
    given: list[Any] = []

    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            a, b = x * 2, x * 3
            ctx.save_for_backward(b)
            return 3, a, "s", None, b

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            given.append([g if g is None else g.tolist() for g in grads])
            assert ctx.saved_tensors[0].output_nr == 4
            return grads[1] * 2 + grads[4] * 3

    x = leaf(torch, 1.0)
    three, a, s, nothing, b = Mixed.apply(x)
    assert (three, s, nothing, a.output_nr, b.output_nr) == (3, "s", None, 1, 4)
    b.sum().backward(retain_graph=True)
    (a + b).sum().backward()
    assert given == [[None, [0.0], None, None, [1.0]], [None, [1.0], None, None, [1.0]]]
    assert x.grad.tolist() == [8.0]


def test_what_is_no_tensor_is_never_filled_up(torch: Any) -> None:
    given: list[Any] = []

    class Bare(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, None, x * 3

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            given.append([g if g is None else g.tolist() for g in grads])
            return grads[0] * 2

    x = leaf(torch, 1.0)
    Bare.apply(x)[0].sum().backward()
    assert given == [[[1.0], None, None]]
    assert x.grad.tolist() == [2.0]


def test_the_graph_shows_a_function_by_its_first_tensor() -> None:
    class Mixed(engine.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return None, x * 2

    x = engine.ones(3, requires_grad=True)
    nodes = graph_of({"y": Mixed.apply(x)[1]}).nodes
    assert [(n.shape, n.dtype) for n in nodes if n.name == "MixedBackward"] == [((3,), "float32")]
