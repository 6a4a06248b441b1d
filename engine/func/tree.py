"""Nested tuples, lists and dicts with tensors (or anything else) as leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import InvalidValueError

__all__ = ["flatten", "leaves_of", "mapped", "spread"]


def _parts(tree: Any) -> list[Any] | None:
    """The branches of a node; None for a leaf."""
    if isinstance(tree, dict):
        return list(tree.values())
    return list(tree) if isinstance(tree, (tuple, list)) else None


def _joined(tree: Any, parts: list[Any]) -> Any:
    if isinstance(tree, dict):
        return dict(zip(tree, parts, strict=True))
    if hasattr(tree, "_fields"):
        return type(tree)(*parts)
    return type(tree)(parts)


def leaves_of(tree: Any) -> list[Any]:
    """The leaves, in order.

    >>> leaves_of({"a": (1, [2, 3])})
    [1, 2, 3]
    """
    parts = _parts(tree)
    if parts is None:
        return [tree]
    return [leaf for part in parts for leaf in leaves_of(part)]


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves, and what builds the same tree from others.

    >>> leaves, build = flatten((1, [2]))
    >>> build([leaf * 10 for leaf in leaves])
    (10, [20])
    """

    def build(values: list[Any]) -> Any:
        rest = iter(values)
        return mapped(lambda _: next(rest), tree)

    return leaves_of(tree), build


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with ``f`` of each leaf."""
    parts = _parts(tree)
    return f(tree) if parts is None else _joined(tree, [mapped(f, p) for p in parts])


def spread(prefix: Any, tree: Any, what: str, values: str = "values") -> list[Any]:
    """A leaf of ``prefix`` for each leaf of ``tree``: one leaf stands for all below it.

    Errors: ValueError where the prefix does not fit.

    >>> spread((0, None), (1, [2, 3]), "in_dims")
    [0, None, None]
    """
    parts = _parts(tree)
    if prefix is None or isinstance(prefix, int):
        return [prefix] * len(leaves_of(tree))
    branches = _parts(prefix)
    if parts is None or branches is None or len(parts) != len(branches):
        raise InvalidValueError(f"{what} is not compatible with the structure of `{values}`. Got {prefix!r}")
    return [leaf for p, t in zip(branches, parts, strict=True) for leaf in spread(p, t, what, values)]
