"""gradcheck and gradgradcheck: what they pass, what they refuse, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine as torch
from engine.gradcheck import GradcheckError
from engine.tensor import from_numpy

gradcheck = torch.autograd.gradcheck
gradgradcheck = torch.autograd.gradgradcheck


def leaf(values: Any, dtype: Any = torch.float64) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


class Wrong(torch.autograd.Function):
    """Cubes, and says that the slope is 2x."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 2 * x


class Careless(torch.autograd.Function):
    """The identity, with a gradient that never looks at what comes in."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return torch.ones(2, dtype=torch.float64)


class Fickle(torch.autograd.Function):
    """The identity, with a gradient that differs a little from call to call."""

    calls = 0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        Fickle.calls += 1
        return g * (1 + 1e-9 * Fickle.calls)


def test_right_derivatives_pass() -> None:
    x, y = leaf([[0.3, -1.2], [2.5, 0.7]]), leaf([1.5, -0.4])
    assert gradcheck(lambda x, y: x * y + x / y, (x, y))
    assert gradgradcheck(lambda x, y: x * y * y, (x, y))
    assert gradcheck(lambda x: (x * 2, x * x), [x])


def test_inputs_come_back_as_they_were() -> None:
    x = leaf([0.3, -1.2])
    before = x.detach().numpy().copy()
    gradcheck(lambda x: x * x, x)
    assert np.array_equal(before, x.detach().numpy())
    assert x._version == 0
    assert x.grad is None


def test_a_wrong_derivative_is_shown_with_both_jacobians() -> None:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(Wrong.apply, leaf([1.0, 2.0]))
    assert str(caught.value) == (
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[ 3.0000,  0.0000],\n        [ 0.0000, 12.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[2., 0.],\n        [0., 4.]], dtype=torch.float64)\n"
    )
    assert isinstance(caught.value, RuntimeError)
    assert not gradcheck(Wrong.apply, leaf([1.0, 2.0]), raise_exception=False)


def test_a_wrong_second_derivative_is_found() -> None:
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x.detach()

    x = leaf([1.0, 2.0])
    assert gradcheck(Half.apply, x)
    assert not gradgradcheck(Half.apply, x, raise_exception=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_complex_functions(dtype: Any) -> None:
    x, y = leaf([0.3 + 1j, -1.2 - 0.5j], torch.complex128), leaf([0.4, 0.9], dtype)
    assert gradcheck(lambda x, y: x * y + x.conj() * x, (x, y))
    assert gradgradcheck(lambda x, y: x * y * x, (x, y))
    assert gradcheck(lambda x: (x * x.conj()).real, x)


def test_a_wrong_complex_derivative_names_the_part() -> None:
    class NoConjugate(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    with pytest.raises(
        GradcheckError, match=r"^While considering the imaginary part of complex outputs only, Jacobian"
    ):
        gradcheck(NoConjugate.apply, leaf([0.3 + 1j], torch.complex128))


def test_a_gradient_that_ignores_what_comes_in() -> None:
    with pytest.raises(GradcheckError, match=r"Jacobian mismatch|backward not multiplied by grad_output"):
        gradcheck(Careless.apply, leaf([1.0, 2.0]))


def test_a_gradient_that_changes_from_call_to_call() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(Fickle.apply, x)
    assert gradcheck(Fickle.apply, x, nondet_tol=1e-4)


def test_what_does_not_depend_on_an_input_is_zero() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    assert gradcheck(lambda x, y: x * 2, (x, y))
    with pytest.raises(GradcheckError, match="Numerical gradient for function expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, x)


def test_inputs_that_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, torch.tensor([1.0]))
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, from_numpy(np.broadcast_to(np.ones(1), (3,))).requires_grad_())
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        gradcheck(lambda x: x * 2, leaf([1.0], torch.float32), eps=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ("check", "options", "sentence"),
    [
        (gradcheck, {"check_backward_ad": False}, "Expected at least one of check_forward_ad or check_backward_ad"),
        (gradcheck, {"check_batched_forward_grad": True}, "requires check_forward_ad to be True"),
        (gradgradcheck, {"check_rev_over_rev": False}, "Expected at least one of check_fwd_over_rev"),
    ],
)
def test_options_that_exclude_each_other(check: Any, options: dict[str, bool], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check(lambda x: x, leaf([1.0]), **options)


def test_upstream_gradients_can_be_given_or_strided() -> None:
    x = leaf([[0.3, -1.2], [2.5, 0.7]])
    assert gradgradcheck(lambda x: x * x * x, x, leaf([[1.0, 2.0], [0.5, -1.0]]))
    assert gradgradcheck(lambda x: x * x * x, x, gen_non_contig_grad_outputs=True)


def test_batched_gradients() -> None:
    assert gradcheck(lambda x: x * x, leaf([0.3, -1.2]), check_batched_grad=True)
