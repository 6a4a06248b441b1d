"""A step length that meets the strong Wolfe conditions: the loss falls enough, and its slope is small enough.

Source: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6, with the safeguards that PyTorch adds
(torch/optim/lbfgs.py): the step between two points is where the cubic through their values and slopes is least.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

DECREASE: Final = 1e-4
CURVATURE: Final = 0.9
TOLERANCE: Final = 1e-9
MOST: Final = 25


class Point(NamedTuple):
    """The loss along a direction: step length, loss, gradient (flat) and slope."""

    t: float
    loss: float
    grad: Any
    slope: float


def _lowest(a: Point, b: Point, low: float | None = None, high: float | None = None) -> float:
    """Where the cubic through two points is least, within bounds (default: between them)."""
    if low is None or high is None:
        low, high = min(a.t, b.t), max(a.t, b.t)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    if a.t <= b.t:
        found = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        found = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(found, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]], direction: Any, start: Point, t: float
) -> tuple[Point, int]:
    """The point that meets the conditions (or the best of 25), and how often the loss was evaluated.

    evaluate: step length → (loss, gradient there). start: the point at step 0. t: the first step to try.
    """

    def at(step: float) -> Point:
        loss, grad = evaluate(step)
        return Point(step, loss, grad, float(grad.dot(direction)))

    size = float(np.abs(direction).max())
    before, here = start, at(t)
    count, tried = 1, 0
    bracket: list[Point] = []
    while tried < MOST:
        if here.loss > start.loss + DECREASE * here.t * start.slope or (tried > 1 and here.loss >= before.loss):
            bracket = [before, here]
            break
        if abs(here.slope) <= -CURVATURE * start.slope:
            return here, count
        if here.slope >= 0:
            bracket = [before, here]
            break
        further = _lowest(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10)
        before, here = here, at(further)
        count += 1
        tried += 1
    if not bracket:
        bracket = [start, here]
    return _narrowed(at, bracket, start, size, count, tried)


def _narrowed(
    at: Callable[[float], Point], bracket: list[Point], start: Point, size: float, count: int, tried: int
) -> tuple[Point, int]:
    """Draw the two ends together around a point that meets the conditions."""
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while tried < MOST:
        first, last = min(bracket[0].t, bracket[1].t), max(bracket[0].t, bracket[1].t)
        if (last - first) * size < TOLERANCE:
            break
        t = _lowest(bracket[0], bracket[1])
        margin = 0.1 * (last - first)
        if min(last - t, t - first) < margin:  # too near an end: twice in a row is once too often
            if stuck or t >= last or t <= first:
                t = last - margin if abs(t - last) < abs(t - first) else first + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        here = at(t)
        count += 1
        tried += 1
        if here.loss > start.loss + DECREASE * here.t * start.slope or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = abs(here.slope) <= -CURVATURE * start.slope
        if not done and here.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = here
        if done:
            break
    return bracket[low], count
