"""Forward mode by hand, and where tangents go: into nodes, views and gradients, and away when a level ends."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

import engine as torch
from engine import func
from engine.autograd import forward_ad as fw
from engine.errors import AutogradError, GradcheckError


def tangent(t: Any) -> Any:
    return fw.unpack_dual(t).tangent


def test_a_level_that_ends_takes_its_tangents_with_it() -> None:
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2), torch.ones(2))
        y = x * 2
        held = weakref.ref(tangent(y))
    assert held() is None
    assert fw.unpack_dual(y) == (y, None)
    with fw.dual_level():
        assert fw.unpack_dual(y).tangent is None


def test_a_level_ends_after_an_error_and_the_next_begins() -> None:
    with pytest.raises(ZeroDivisionError), fw.dual_level():
        raise ZeroDivisionError
    with fw.dual_level():
        assert fw.unpack_dual(fw.make_dual(torch.ones(1), torch.ones(1)) + 1).tangent is not None


def test_levels_decorate_and_have_no_end_without_a_beginning() -> None:
    @fw.dual_level()
    def slope(x: Any) -> Any:
        return fw.unpack_dual(fw.make_dual(x, torch.ones(1)) ** 2).tangent

    assert slope(torch.tensor([3.0])).tolist() == [6.0]
    with pytest.raises(AutogradError, match=r"Dual level must be a positive number\."):
        fw.exit_dual_level()


def test_a_tangent_of_the_same_layout_is_the_one_that_was_given() -> None:
    given = torch.ones(2, 3)
    with fw.dual_level():
        x = fw.make_dual(torch.ones(2, 3), given)
        assert fw.unpack_dual(x).tangent is given
        x.view(6).mul_(2)
        assert given.tolist() == [[2.0] * 3] * 2
        turned: Any = fw.unpack_dual(fw.make_dual(torch.ones(3, 2).t(), given)).tangent
        assert turned is not given
        assert turned.stride() == (1, 2)


def test_gradients_carry_tangents_whether_or_not_they_are_recorded() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        d = fw.make_dual(x, torch.tensor([1.0, 0.0]))
        for create in (False, True):
            g: Any = torch.autograd.grad((d**3).sum(), d, create_graph=create)[0]
            assert tangent(g).tolist() == [6.0, 0.0]
            assert g.requires_grad is create
        (d**3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 12.0]


def test_what_is_written_over_is_differentiated_as_it_was() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        y = fw.make_dual(x, torch.ones(2)) * 1
        y.mul_(y.clone())
        g: Any = torch.autograd.grad(y.sum(), x)[0]
        assert (g.tolist(), tangent(y).tolist()) == ([2.0, 4.0], [2.0, 4.0])


def test_a_custom_function_without_a_rule_for_tangents_is_refused_only_in_forward_mode() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = torch.ones(2)
    assert func.jacrev(Twice.apply)(x).tolist() == [[2.0, 0.0], [0.0, 2.0]]
    with pytest.raises(NotImplementedError, match="You must implement the jvp function for custom autograd"):
        func.jvp(Twice.apply, (x,), (x,))


def test_gradcheck_checks_tangents() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g * ctx.saved_tensors[0]

        @staticmethod
        def jvp(ctx: Any, moved: Any) -> Any:
            return 3 * moved * ctx.saved_tensors[0]

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    c = torch.tensor([1.0 + 0.5j, -2.0j], requires_grad=True).to(torch.complex128).detach().requires_grad_()
    assert torch.autograd.gradcheck(Wrong.apply, x)
    with pytest.raises(GradcheckError, match=r"^Jacobian computed with forward mode mismatch for output 0"):
        torch.autograd.gradcheck(Wrong.apply, x, check_forward_ad=True)
    assert not torch.autograd.gradcheck(Wrong.apply, x, check_forward_ad=True, raise_exception=False)
    every = {"check_forward_ad": True, "check_batched_forward_grad": True, "check_batched_grad": True}
    assert torch.autograd.gradcheck(lambda x: (x.exp() * x[0], x.sum()), x, **every)
    assert torch.autograd.gradcheck(lambda c: c * c.conj().exp(), c, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: x.sin() * x, x, check_fwd_over_rev=True)
    only = {"check_fwd_over_rev": True, "check_rev_over_rev": False, "check_undefined_grad": False}
    assert torch.autograd.gradgradcheck(lambda x: x.sin() * x, x, **only)
