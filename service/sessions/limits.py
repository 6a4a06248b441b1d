"""The limits of sessions and requests, as ``service.steps.limits`` defines them for sessions and functions alike."""

from __future__ import annotations

from service.steps.limits import Limits, Meter, TooHeavy

__all__ = ["Limits", "Meter", "TooHeavy"]
