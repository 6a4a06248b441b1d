"""The autograd tutorial, line by line: what it prints with our engine is what it prints with PyTorch."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """What was printed since the last call, without the addresses of nodes."""
    return lambda: re.sub(r" object at 0x\w+", "", capsys.readouterr().out)


def test_a_tensor_that_requires_grad(torch: Any, printed: Any) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    print(x)
    print(x.grad_fn)
    assert printed() == "tensor([[1., 1.],\n        [1., 1.]], requires_grad=True)\nNone\n"


def test_an_operation_leaves_a_grad_fn(torch: Any, printed: Any) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    print(y)
    print(y.grad_fn)
    assert printed() == "tensor([[3., 3.],\n        [3., 3.]], grad_fn=<AddBackward0>)\n<AddBackward0>\n"


def test_requires_grad_is_set_later(torch: Any, printed: Any) -> None:
    a = torch.ones(2, 2)
    a = (a * 3) / (a + 1)
    print(a)
    print(a.requires_grad)
    print(a.grad_fn)
    a.requires_grad_(True)
    print(a.requires_grad)
    b = (a * a).sum()
    print(b)
    print(b.grad_fn)
    assert printed() == (
        "tensor([[1.5000, 1.5000],\n        [1.5000, 1.5000]])\nFalse\nNone\nTrue\n"
        "tensor(9., grad_fn=<SumBackward0>)\n<SumBackward0>\n"
    )


def test_gradients_of_one_element(torch: Any, printed: Any) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    z = y * y + 3
    print(z)
    out = z.mean()
    print(out)
    out.backward()
    print(x.grad)
    assert printed() == (
        "tensor([[12., 12.],\n        [12., 12.]], grad_fn=<AddBackward0>)\ntensor(12., grad_fn=<MeanBackward0>)\n"
        "tensor([[1.5000, 1.5000],\n        [1.5000, 1.5000]])\n"
    )


def test_gradients_of_several_elements(torch: Any, printed: Any) -> None:
    torch.manual_seed(5)
    x = torch.randn(3, requires_grad=True)
    y = x * 2
    doublings = 1
    while y.data.norm() < 1000:
        y = y * 2
        doublings += 1
    print(y)
    assert re.fullmatch(r"tensor\(\[( *-?\d+\.\d{4},?){3}\], grad_fn=<MulBackward0>\)\n", printed())
    gradients = torch.tensor([0, 0, 0], dtype=torch.float)
    y.backward(gradients, retain_graph=True)
    print(x.grad)
    assert printed() == "tensor([0., 0., 0.])\n"
    y.backward(torch.tensor([1.0, 10.0, 0.001]))
    assert x.grad.tolist() == pytest.approx([2**doublings, 10 * 2**doublings, 0.001 * 2**doublings])


def test_tracking_is_stopped(torch: Any, printed: Any) -> None:
    x = torch.ones(2, 2, requires_grad=True)
    print(x.requires_grad)
    print((x**2).requires_grad)
    x = x.detach()
    print(x.requires_grad)
    with torch.no_grad():
        print((x**2).requires_grad)
    assert printed() == "True\nTrue\nFalse\nFalse\n"
