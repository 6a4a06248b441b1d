"""Functions for networks, as ``torch.nn``: so far ``functional``; modules come later."""

from __future__ import annotations

from engine.nn import functional

__all__ = ["functional"]
