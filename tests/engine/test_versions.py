"""Version counters: what is saved for backward may not change, and who counts with whom."""

from __future__ import annotations

from typing import Any

import pytest

CHANGED = r"^one of the variables needed for gradient computation has been modified by an inplace operation: "
HINT = (
    "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)


def leaf(torch: Any, *values: float) -> Any:
    return torch.tensor(values, requires_grad=True)


def sentence(root: Any) -> str:
    with pytest.raises(RuntimeError, match=CHANGED) as caught:
        root.backward()
    return str(caught.value).removeprefix(CHANGED[1:]).removesuffix(f" {HINT}")


# -- counting ---------------------------------------------------------------------------------------------------------


def test_every_write_counts(torch: Any) -> None:
    x = torch.ones(3)
    assert x._version == 0
    x.add_(1)
    x.mul_(2).neg_()
    assert x._version == 3
    x + 1
    assert x._version == 3


def test_views_count_with_their_base(torch: Any) -> None:
    x = torch.ones(2, 3)
    v = x.view(6)
    v.add_(1)
    assert (x._version, v._version) == (1, 1)
    x.unsqueeze(0).mul_(2)
    assert (x._version, v._version) == (2, 2)


def test_detach_counts_along_and_data_does_not(torch: Any) -> None:
    x = torch.ones(3)
    x.detach().add_(1)
    assert x._version == 1
    x.data.add_(1)
    assert x._version == 1
    assert x.tolist() == [3.0, 3.0, 3.0]


def test_a_copy_counts_for_itself(torch: Any) -> None:
    x = torch.ones(3)
    y = x * 1
    y.add_(1)
    assert (x._version, y._version) == (0, 1)


# -- what was saved ---------------------------------------------------------------------------------------------------


def test_an_input_that_was_saved(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    assert (
        sentence(z) == "[torch.FloatTensor [2]], which is output 0 of Add, is at version 1; expected version 0 instead."
    )


def test_a_result_that_was_saved(torch: Any) -> None:
    y = leaf(torch, 1.0, 4.0).sqrt()
    z = y.sum()
    y.add_(1)
    assert sentence(z) == (
        "[torch.FloatTensor [2]], which is output 0 of Sqrt, is at version 1; expected version 0 instead."
    )


def test_a_leaf_that_was_saved(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    z = (x * x).sum()
    with torch.no_grad():
        x.add_(1)
    assert sentence(z) == "[torch.FloatTensor [2]] is at version 1; expected version 0 instead."


def test_what_requires_no_grad_is_saved_too(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0), torch.ones(2)
    z = (x * w).sum()
    w.add_(1)
    w.add_(1)
    assert sentence(z) == "[torch.FloatTensor [2]] is at version 2; expected version 0 instead."


def test_a_view_was_saved_and_its_base_written(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    v = y.view(2, 1)
    z = (v * v).sum()
    y.add_(1)
    assert sentence(z) == (
        "[torch.FloatTensor [2, 1]], which is output 0 of AsStrided, is at version 1; expected version 0 instead."
    )


def test_a_base_was_saved_and_its_view_written(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.view(2, 1).add_(1)
    assert sentence(z) == (
        "[torch.FloatTensor [2]], which is output 0 of torch::autograd::CopySlices, is at version 1; "
        "expected version 0 instead."
    )


def test_a_product_in_double_precision(torch: Any) -> None:
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    y = x * 1
    z = (y * y).sum()
    with torch.no_grad():
        y.zero_()
    assert sentence(z) == (
        "[torch.DoubleTensor [1, 2]], which is output 0 of Mul, is at version 1; expected version 0 instead."
    )


def test_writing_what_was_not_saved_is_fine(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x + 1
    z = (y * 2).sum()
    y.mul_(5)
    z.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_what_the_gradient_does_not_need_is_not_checked(torch: Any) -> None:
    x, w = leaf(torch, 1.0, 2.0), torch.ones(2)
    y = w * x
    x2 = x.detach()
    x2.add_(1)  # x itself is needed for the gradient of w only
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_detach_is_seen_and_data_is_not(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.detach().zero_()
    assert "is at version 1" in sentence(z)

    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.data.zero_()
    z.backward()
    assert x.grad.tolist() == [0.0, 0.0], "wrong, silently, as PyTorch warns of .data"


def test_a_write_before_the_value_was_saved(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    y.add_(1)
    (y * y).sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_inplace_forms_save_what_was_there(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    y.mul_(y.detach() * 0 + 3)
    y.pow_(2)
    y.sum().backward()
    assert x.grad.tolist() == [18.0, 36.0]


def test_leaves_are_not_written(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    with pytest.raises(
        RuntimeError, match=r"^a leaf Variable that requires grad is being used in an in-place operation\.$"
    ):
        x.add_(1)
    with pytest.raises(
        RuntimeError, match=r"^a view of a leaf Variable that requires grad is being used in an in-place operation\.$"
    ):
        x.view(2, 1).add_(1)
    assert x._version == 0
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0]
    assert x.is_leaf


def test_setting_data(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    x.data = torch.tensor([10.0, 20.0, 30.0])
    assert x.shape == (3,)
    assert x.is_leaf
    (x * x).sum().backward()
    assert x.grad.tolist() == [20.0, 40.0, 60.0]


@pytest.mark.parametrize(
    ("write", "kind", "sentence"),
    [
        (lambda t: t.ones(2, dtype=t.int64).add_(1.5), RuntimeError, "result type Float can't be cast to the desired output type Long"),
        (lambda t: t.ones(2).add_(t.ones(3, 2)), RuntimeError, r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]"),
        (
            lambda t: t.ones(1).expand(3).add_(1),
            RuntimeError,
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written(torch: Any, write: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=f"^{sentence}"):
        write(torch)


def test_data_that_cannot_require_grad(torch: Any) -> None:
    x = leaf(torch, 1.0, 2.0)
    for t in (x, x * 2):
        with pytest.raises(
            RuntimeError,
            match=r"^data set to a tensor that requires gradients must be floating point or complex dtype$",
        ):
            t.data = torch.tensor([1, 2])
    with pytest.raises(TypeError, match=r"^Variable data has to be a tensor, but got float$"):
        x.data = 3.0
    assert x.tolist() == [1.0, 2.0]
    plain = torch.ones(2)
    plain.data = torch.tensor([1, 2])
    assert plain.dtype == torch.int64
