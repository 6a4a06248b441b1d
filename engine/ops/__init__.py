"""All rows of the operator table, by family. Importing this package declares them."""

from __future__ import annotations

from engine.ops import create, pointwise, reduce, shape

__all__ = ["create", "pointwise", "reduce", "shape"]
