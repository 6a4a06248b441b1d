"""Functions of scripts: from their text to values that can be called."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from service.scripts.scopes import Scope, bound_names
from service.scripts.values import MISSING, Code, Frame, Parameter, ScriptFunction

if TYPE_CHECKING:
    from service.scripts.expressions import Compiler, Expression

__all__ = ["anonymous", "function", "height_of", "parameter_names"]


def anonymous(compiler: Compiler, node: ast.Lambda, scope: Scope) -> Expression:
    """A lambda."""
    inner = Scope("function", scope, parameter_names(node.args))
    bound_names([node.body], inner)
    body = compiler.expression(node.body, inner)
    code = compiler.code("<lambda>", body, height_of(node), node)
    return function(compiler, node.args, code, scope)


def function(compiler: Compiler, args: ast.arguments, code: Code, scope: Scope) -> Expression:
    """A function value: defaults are evaluated where it is defined."""
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + compiler.expressions(args.defaults, scope)
    shapes: list[tuple[str, str, Expression | None]] = [
        (a.arg, "positional_only" if i < len(args.posonlyargs) else "positional_or_keyword", d)
        for i, (a, d) in enumerate(zip(positional, defaults, strict=True))
    ]
    if args.vararg:
        shapes.append((args.vararg.arg, "var_positional", None))
    for a, k in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        shapes.append((a.arg, "keyword_only", None if k is None else compiler.expression(k, scope)))
    if args.kwarg:
        shapes.append((args.kwarg.arg, "var_keyword", None))
    within = scope.kind == "function"

    def run(f: Frame) -> ScriptFunction:
        f.run.budget.make(256)
        parameters = [Parameter(n, kind, MISSING if d is None else d(f)) for n, kind, d in shapes]
        return ScriptFunction(code, parameters, f if within else f.parent, f.space)

    return run


def parameter_names(args: ast.arguments) -> set[str]:
    """The names that a function's parameters bind."""
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return {a.arg for a in (*every, *(a for a in (args.vararg, args.kwarg) if a))}


def height_of(node: ast.AST) -> int:
    """How many of Python's frames a call of this function may take before it calls another: its nesting and a little."""
    deepest = 0
    stack = [(node, 0)]
    while stack:
        found, depth = stack.pop()
        depth += isinstance(found, (ast.expr, ast.stmt))
        deepest = max(deepest, depth)
        stack.extend((child, depth) for child in ast.iter_child_nodes(found))
    return 2 * deepest + 6
