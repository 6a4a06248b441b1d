"""What an assignment, a ``for`` or a ``with`` writes to: names, attributes, items, and sequences of these."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from service.scripts.calls import iterate, set_attribute, set_item
from service.scripts.errors import located
from service.scripts.values import Frame

if TYPE_CHECKING:
    from service.scripts.expressions import Compiler, Setter
    from service.scripts.scopes import Scope

__all__ = ["target"]


def target(compiler: Compiler, node: ast.expr, scope: Scope) -> Setter:
    """A function that writes a value. Errors: ScriptError for what cannot be assigned to."""
    if isinstance(node, ast.Name):
        return compiler.store(node.id, scope)
    if isinstance(node, ast.Attribute):
        return _attribute(compiler, node, scope)
    if isinstance(node, ast.Subscript):
        return _item(compiler, node, scope)
    if isinstance(node, (ast.Tuple, ast.List)):
        return _several(compiler, node, scope)
    raise compiler.refused(node, "this cannot be assigned to")


def _attribute(compiler: Compiler, node: ast.Attribute, scope: Scope) -> Setter:
    owner, name = compiler.expression(node.value, scope), node.attr

    def write(f: Frame, value: Any) -> None:
        found = owner(f)
        try:
            set_attribute(f.run, found, name, value)
        except Exception as error:
            located(error, node)
            raise

    return write


def _item(compiler: Compiler, node: ast.Subscript, scope: Scope) -> Setter:
    owner, key = compiler.expression(node.value, scope), compiler.expression(node.slice, scope)

    def write(f: Frame, value: Any) -> None:
        found, at = owner(f), key(f)
        try:
            set_item(f.run, found, at, value)
        except Exception as error:
            located(error, node)
            raise

    return write


def _several(compiler: Compiler, node: ast.Tuple | ast.List, scope: Scope) -> Setter:
    stars = [i for i, e in enumerate(node.elts) if isinstance(e, ast.Starred)]
    if len(stars) > 1:
        raise compiler.refused(node, "multiple starred expressions in assignment")
    writers = [target(compiler, e.value if isinstance(e, ast.Starred) else e, scope) for e in node.elts]
    count = len(writers)
    star = stars[0] if stars else None

    def write(f: Frame, value: Any) -> None:
        try:
            items = _taken(f, value, count, star)
        except Exception as error:
            located(error, node)
            raise
        for writer, item in zip(writers, items, strict=True):
            writer(f, item)

    return write


def _taken(f: Frame, value: Any, count: int, star: int | None) -> list[Any]:
    try:
        walk = iterate(f.run, value)
        items: list[Any] = []
        for item in walk:
            f.run.budget.make(8)
            items.append(item)
            if star is None and len(items) > count:
                raise ValueError(f"too many values to unpack (expected {count})")
    except TypeError as error:
        if "not iterable" in str(error):
            raise TypeError(f"cannot unpack non-iterable {str(error).split(chr(39))[1]} object") from None
        raise
    if star is None:
        if len(items) < count:
            raise ValueError(f"not enough values to unpack (expected {count}, got {len(items)})")
        return items
    if len(items) < count - 1:
        raise ValueError(f"not enough values to unpack (expected at least {count - 1}, got {len(items)})")
    after = count - 1 - star
    return [*items[:star], items[star : len(items) - after], *items[len(items) - after :]]
