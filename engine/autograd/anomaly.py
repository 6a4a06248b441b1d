"""Anomaly detection: each node remembers the line that recorded it; a NaN in backward, or an error there, names it.

Source: torch.autograd.detect_anomaly, torch.autograd.set_detect_anomaly.
"""

from __future__ import annotations

import sys
from typing import Any

from engine.apply import check_nan as nan_checked
from engine.apply import record_where
from engine.grad_mode import detours

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_multithreading_enabled",
    "set_detect_anomaly",
    "set_multithreading_enabled",
]

several_threads: list[bool] = [True]


def _line() -> str:
    """The innermost line outside the engine."""
    frame: Any = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "engine":
        frame = frame.f_back
    return (
        "an unknown line"
        if frame is None
        else f'File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}'
    )


def _detect(mode: bool) -> None:
    """Let nodes remember their lines, and the short doors hand over, or no longer."""
    if mode is not bool(record_where):
        record_where[:] = [_line] if mode else []
        if mode:
            detours.append(record_where)
        else:
            detours[:] = [d for d in detours if d is not record_where]


def is_anomaly_enabled() -> bool:
    """Whether nodes remember their lines now."""
    return bool(record_where)


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a NaN in backward is an error in anomaly mode."""
    return nan_checked[0]


def is_multithreading_enabled() -> bool:
    """What ``set_multithreading_enabled`` set last; a walk is one thread's in any case."""
    return several_threads[0]


class set_multithreading_enabled:  # noqa: N801 - PyTorch's name
    """Accepted for PyTorch's programs: a walk is one thread's in any case."""

    def __init__(self, mode: bool) -> None:
        self._before = several_threads[0]
        several_threads[0] = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        several_threads[0] = self._before


class set_detect_anomaly:  # noqa: N801 - PyTorch's name
    """Turn anomaly detection on or off at once; as a context manager, put it back on exit.

    check_nan: whether a backward that makes a NaN is an error.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = list(record_where), nan_checked[0]
        _detect(mode)
        nan_checked[0] = check_nan

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        where, nan_checked[0] = self._before
        _detect(bool(where))


class detect_anomaly(set_detect_anomaly):  # noqa: N801 - PyTorch's name
    """``with detect_anomaly():`` errors in backward name the forward line."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
