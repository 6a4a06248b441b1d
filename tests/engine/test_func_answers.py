"""Transforms of functions that answer what is no tensor."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, of what jacfwd imports
@pytest.mark.parametrize(
    ("name", "prefix"),
    [("jacrev", r"vjp\(f, \*primals\)"), ("jacfwd", r"jvp\(f, primals, tangents\)")],
)
def test_a_function_that_answers_no_tensor(torch: Any, name: str, prefix: str) -> None:
    transform = getattr(torch.func, name)
    x = torch.ones(2)
    only = rf"^{prefix}: expected f\(\*primals\) to return only tensors, got unsupported type <class 'int'>$"
    with pytest.raises(RuntimeError, match=only):
        transform(lambda x: 3)(x)
    with pytest.raises(RuntimeError, match=only):
        transform(lambda x: (x, 3))(x)
    with pytest.raises(RuntimeError, match=rf"^{prefix}: Expected f to be a function that has non-empty output"):
        transform(lambda x: None)(x)


def test_a_gradient_of_no_tensor(torch: Any) -> None:
    sentence = r"^grad_and_value\(f\)\(\*args\): Expected f\(\*args\) to return a Tensor, got <class 'int'>$"
    with pytest.raises(RuntimeError, match=sentence):
        torch.func.grad(lambda x: 3)(torch.ones(2))
