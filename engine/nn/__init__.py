"""Functions for networks, as ``torch.nn``: ``functional``, and what ``utils`` does with gradients and parameters; modules come later."""

from __future__ import annotations

import sys
import types

from engine.nn import functional

__all__ = ["functional", "utils"]

utils = types.ModuleType("engine.nn.utils", "What ``torch.nn.utils`` does with gradients and parameters.")
sys.modules[utils.__name__] = utils  # filled by engine/__init__.py, when there are rows to call
