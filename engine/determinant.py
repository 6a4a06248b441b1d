"""The third derivative of determinants, of singular matrices too; every higher order follows from it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.rules import rules

__all__ = ["MOST_POINTS", "along_circle"]

MOST_POINTS: Final = 32
"""Up to which order of a matrix its third derivative is read off a circle of points, singular or not."""


def _circle(count: int, like: Any) -> Any:
    """The roots of unity as a column of numbers to multiply batches of matrices with, in the precision of ``like``."""
    roots = np.exp(2j * np.pi * np.arange(count) / count)
    narrow = str(like.dtype).rpartition(".")[2] in ("float32", "complex64")
    return roots.astype(np.complex64 if narrow else np.complex128).reshape(count, *(1,) * len(like.shape))


def _reach_of(v: Any) -> Any:
    """The largest modulus, outside the graph."""
    raw = v.detach() if hasattr(v, "detach") else v
    return rules.amax(rules.abs(raw))


def along_circle(h: Any, g: Any, matrix: Any) -> Any:
    """conj(D³det(A)[h, conj(g)]) by points on a circle around the matrix, for a singular matrix too.

    Along h the cofactors' change is a polynomial of degree n - 2: n - 1 points give its slope, and with it every higher order.
    """
    n = matrix.shape[-1]
    count = max(n - 1, 2)
    own, far = _reach_of(matrix), _reach_of(h)
    radius = rules.where((own > 0) & (far > 0), own / rules.where(far > 0, far, 1), 1)
    steps = rules.mul(radius, _circle(count, matrix))
    shape = (count, *matrix.shape)
    points = rules.unsqueeze(matrix, 0) + steps * rules.unsqueeze(h, 0)
    changes = rules._cofactor_change(rules.expand(rules.unsqueeze(g, 0), shape) + 0 * steps, points)
    slope = rules.where(far > 0, rules.sum(changes / steps.conj(), 0) / count, 0)
    return slope if "complex" in str(matrix.dtype) else rules.real(slope)
