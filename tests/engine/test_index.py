"""What stands between the brackets, and what is stored there."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_range_is_an_index(torch: Any) -> None:
    x = torch.tensor([1, 2, 3])
    assert x[range(2)].tolist() == [1, 2]
    assert x[(range(2),)].tolist() == [1, 2]
    assert x[range(0)].tolist() == []
    assert torch.arange(9).reshape(3, 3)[range(2), range(1, 3)].tolist() == [1, 5]
    x[range(2)] = 5
    assert x.tolist() == [5, 5, 3]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_under_a_mask_is_converted(torch: Any, shape: tuple[int, ...]) -> None:
    x = torch.tensor([1, 9, 7])
    x[x > 5] = torch.full(shape, 1.5)
    assert x.tolist() == [1, 1, 1]


def test_what_is_not_one_number_under_one_mask_keeps_its_dtype(torch: Any) -> None:
    x = torch.tensor([1, 9, 7])
    for index, values in ((x > 5, [1.5, 2.5]), ([0, 1], [1.5]), ([0, 1], [1.5, 2.5])):
        with pytest.raises(RuntimeError, match=r"^Index put requires the source and destination dtypes match"):
            x[index] = torch.tensor(values)
    assert x.tolist() == [1, 9, 7]


def test_one_number_that_does_not_fit(torch: Any) -> None:
    x = torch.tensor([1, 9, 7])
    for value in (float("nan"), 1.5j):
        with pytest.raises(RuntimeError, match=r"^value cannot be converted to type int64_t without overflow$"):
            x[x > 5] = torch.tensor([value])
    assert x.tolist() == [1, 9, 7]


def test_the_gradient_of_one_number_under_a_mask(torch: Any) -> None:
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    x = torch.zeros(3)
    x[x < 1] = w
    x.sum().backward()
    assert (w.grad.tolist(), w.grad.dtype) == ([3.0], torch.float64)
