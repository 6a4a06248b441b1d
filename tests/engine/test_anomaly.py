"""Anomaly mode: a NaN in backward is an error that names its node, and the line that recorded it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import engine


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """PyTorch warns that the mode is on, and where the forward call was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def nan_in_backward(torch: Any) -> Any:
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    return (x.sqrt() * 0).sum()


def test_a_nan_is_an_error(torch: Any) -> None:
    with torch.autograd.detect_anomaly():
        root = nan_in_backward(torch)
        with pytest.raises(RuntimeError, match=r"^Function 'SqrtBackward0' returned nan values in its 0th output\."):
            root.backward()


def test_without_the_mode_it_is_a_gradient(torch: Any) -> None:
    x = torch.tensor([0.0], requires_grad=True)
    (x.sqrt() * 0).sum().backward()
    assert x.grad.isnan().all() if hasattr(x.grad, "isnan") else x.grad.item() != x.grad.item()


def test_nans_can_be_let_through(torch: Any) -> None:
    with torch.autograd.detect_anomaly(check_nan=False):
        nan_in_backward(torch).backward()
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        nan_in_backward(torch).backward()


def test_the_mode_is_put_back(torch: Any) -> None:
    assert not torch.is_anomaly_enabled() if hasattr(torch, "is_anomaly_enabled") else True
    with torch.autograd.set_detect_anomaly(True):
        with torch.autograd.set_detect_anomaly(False):
            nan_in_backward(torch).backward()
        with pytest.raises(RuntimeError, match="returned nan values"):
            nan_in_backward(torch).backward()
    nan_in_backward(torch).backward()


def test_which_output(torch: Any) -> None:
    with torch.autograd.detect_anomaly():
        x, y = torch.ones(1), torch.zeros(1, requires_grad=True)
        root = (x * 0 / y * 0).sum()
        with pytest.raises(RuntimeError, match=r"^Function 'DivBackward0' returned nan values in its 1th output\."):
            root.backward()


def test_the_line_is_named() -> None:
    with engine.autograd.detect_anomaly():
        root = nan_in_backward(engine)
        with pytest.raises(RuntimeError) as caught:
            root.backward()
    where = str(caught.value).splitlines()[1]
    assert where.startswith('SqrtBackward0 was recorded at File "')
    assert where.endswith(", in nan_in_backward")
    assert "test_anomaly.py" in where


def test_a_version_error_names_the_line_too() -> None:
    x = engine.ones(2, requires_grad=True)
    with engine.autograd.detect_anomaly():
        y = x * 1
        z = (y * y).sum()
        y.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()
    assert not engine.autograd.is_anomaly_enabled()
