"""List, set and dict comprehensions and generator expressions: loops in a frame of their own, each item a step."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from service.scripts.calls import iterate
from service.scripts.errors import located
from service.scripts.operators import hashable, truth
from service.scripts.scopes import Scope, bound_names
from service.scripts.values import Frame, Lazy, OrderedSet

if TYPE_CHECKING:
    from service.scripts.expressions import Compiler, Expression

__all__ = ["comprehended"]


def _started(
    compiler: Compiler, generators: list[ast.comprehension], parts: list[ast.expr], scope: Scope
) -> tuple[Callable[[Frame], Any], Callable[[Frame, Any], Iterator[Any]]]:
    """What evaluates the first iterable in the frame around, and what then walks, in a frame of its own."""
    inner = Scope("function", scope, set())
    for g in generators:
        if g.is_async:
            raise compiler.refused(g.target, "async for cannot be used in a script")
        bound_names([g.target], inner)
    first = compiler.expression(generators[0].iter, scope)
    levels = [
        (
            compiler.target(g.target, inner),
            None if i == 0 else compiler.expression(g.iter, inner),
            compiler.expressions(g.ifs, inner),
        )
        for i, g in enumerate(generators)
    ]
    values = compiler.expressions(parts, inner)
    within = scope.kind == "function"

    def walk(f: Frame, at: int, items: Any) -> Iterator[Any]:
        store, _, tests = levels[at]
        for item in iterate(f.run, items):
            store(f, item)
            if all(truth(f.run, t(f)) for t in tests):
                if at + 1 == len(levels):
                    yield values[0](f) if len(values) == 1 else (values[0](f), values[1](f))
                else:
                    following = levels[at + 1][1]
                    assert following is not None
                    yield from walk(f, at + 1, following(f))

    def start(f: Frame, items: Any) -> Iterator[Any]:
        return walk(Frame(f.run, f.space, f if within else f.parent, {}), 0, items)

    return first, start


def _list(compiler: Compiler, node: ast.ListComp, scope: Scope) -> Expression:
    first, start = _started(compiler, node.generators, [node.elt], scope)

    def run(f: Frame) -> list[Any]:
        found: list[Any] = []
        make = f.run.budget.make
        try:
            for item in start(f, first(f)):
                make(8)
                found.append(item)
        except Exception as error:
            located(error, node)
            raise
        return found

    return run


def _set(compiler: Compiler, node: ast.SetComp, scope: Scope) -> Expression:
    first, start = _started(compiler, node.generators, [node.elt], scope)

    def run(f: Frame) -> OrderedSet:
        found = OrderedSet()
        for item in start(f, first(f)):
            f.run.budget.make(100)
            found.items[hashable(f.run, item)] = None
        return found

    return run


def _dict(compiler: Compiler, node: ast.DictComp, scope: Scope) -> Expression:
    first, start = _started(compiler, node.generators, [node.key, node.value], scope)

    def run(f: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in start(f, first(f)):
            f.run.budget.make(100)
            found[hashable(f.run, key)] = value
        return found

    return run


def _generator(compiler: Compiler, node: ast.GeneratorExp, scope: Scope) -> Expression:
    first, start = _started(compiler, node.generators, [node.elt], scope)
    return lambda f: Lazy(f.run.budget, start(f, first(f)))


TABLE: Final[dict[type[ast.expr], Callable[[Compiler, Any, Scope], Expression]]] = {
    ast.ListComp: _list, ast.SetComp: _set, ast.DictComp: _dict, ast.GeneratorExp: _generator,
}  # fmt: skip


def comprehended(compiler: Compiler, node: ast.expr, scope: Scope) -> Expression:
    """One of the four. Errors: ScriptError for what is not in the list inside of it."""
    return TABLE[type(node)](compiler, node, scope)
