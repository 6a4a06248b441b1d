"""Filled from the table by engine.bind; typed by functions.pyi."""

from __future__ import annotations

__all__: list[str] = []
