"""Behaviour is stated once and tried twice: on our engine, and on PyTorch itself where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import engine


@pytest.fixture(params=["engine", "pytorch"])
def torch(request: pytest.FixtureRequest, require_module: Callable[[str], ModuleType]) -> Any:
    """The module that a test's program imports as torch."""
    return engine if request.param == "engine" else require_module("torch")
