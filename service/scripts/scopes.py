"""Whose a name is: found before anything runs, as Python does, from where a text binds it."""

from __future__ import annotations

import ast
from typing import Final

__all__ = ["Scope", "bound_names"]

_INNER: Final = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope:
    """One text that has names of its own. ``kind``: module, function or class; a comprehension counts as a function."""

    def __init__(self, kind: str, parent: Scope | None, names: set[str]) -> None:
        self.kind = kind
        self.parent = parent
        self.names = names
        self.global_names: set[str] = set()
        self.outer_names: set[str] = set()

    def place(self, name: str) -> tuple[str, int]:
        """Where a name is found: ("local", 0), ("outer", frames up) or ("global", 0)."""
        if self.kind == "module":
            return "global", 0
        if name in self.global_names:
            return "global", 0
        if name in self.names and name not in self.outer_names:
            return "local", 0
        scope = self.parent
        hops = 1
        while scope is not None and scope.kind != "module":
            if scope.kind == "function":
                if name in scope.names and name not in scope.outer_names:
                    return "outer", hops
                if name in scope.global_names:
                    return "global", 0
                hops += 1
            scope = scope.parent
        return "global", 0

    def frames(self) -> Scope | None:
        """The scope whose frame becomes the parent of a function that is defined here."""
        return self if self.kind == "function" else self.parent.frames() if self.parent is not None else None


def bound_names(body: list[ast.stmt] | list[ast.expr], scope: Scope) -> None:
    """Add to a scope what its text binds, and its ``global`` and ``nonlocal`` names."""
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            scope.names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            scope.names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            scope.names.update((a.asname or a.name.partition(".")[0]) for a in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            scope.names.add(node.name)
        elif isinstance(node, ast.Global):
            scope.global_names.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            scope.outer_names.update(node.names)
        if not isinstance(node, _INNER):
            stack.extend(ast.iter_child_nodes(node))
