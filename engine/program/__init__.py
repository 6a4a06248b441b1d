"""Programs: a function of tensors, run once on ghosts and kept as a flat list of kernels, which is replayed on raw arrays.

``trace.py`` makes a program, ``program.py`` holds and replays it. ``engine/compiling.py`` is the callable around a function that does both.
"""

from __future__ import annotations

from engine.program.ghost import Untraceable
from engine.program.program import Program
from engine.program.trace import trace

__all__ = ["Program", "Untraceable", "trace"]
