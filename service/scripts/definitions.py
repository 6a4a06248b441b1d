"""Definitions and imports: functions, classes, and the modules that may be had. They join the table of statements."""

from __future__ import annotations

import ast
from typing import Any, Final

from service.scripts.calls import call
from service.scripts.classes import make_class
from service.scripts.expressions import Compiler
from service.scripts.functions import function, height_of, parameter_names
from service.scripts.modules import LATER, find_module
from service.scripts.scopes import Scope, bound_names
from service.scripts.statements import RETURN, TABLE, Statement, block
from service.scripts.values import MISSING, Frame

__all__ = ["ALLOWED"]


def _function(compiler: Compiler, node: ast.FunctionDef, scope: Scope) -> Statement:
    inner = Scope("function", scope, parameter_names(node.args))
    bound_names(node.body, inner)
    inner.names -= inner.global_names
    _check_nonlocal(compiler, node, inner)
    statements = block(compiler, node.body, inner)

    def body(f: Frame) -> Any:
        return f.result if statements(f) is RETURN else None

    code = compiler.code(node.name, body, height_of(node), node)
    make = function(compiler, node.args, code, scope)
    decorators = compiler.expressions(node.decorator_list, scope)
    write = compiler.store(node.name, scope)

    def run(f: Frame) -> None:
        wrappers = [d(f) for d in decorators]
        value = make(f)
        for wrapper in reversed(wrappers):
            value = call(f.run, wrapper, (value,), {})
        write(f, value)

    return run


def _check_nonlocal(compiler: Compiler, node: ast.AST, scope: Scope) -> None:
    for name in scope.outer_names:
        if scope.place(name)[0] != "outer":
            raise compiler.refused(node, f"no binding for nonlocal '{name}' found")


_PLAIN: Final = (
    "init call repr str len getitem setitem delitem contains iter next enter exit eq ne lt le gt ge bool abs neg pos invert int "
    "float format getattr slots doc"
)
_BINARY: Final = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
ALLOWED: Final = frozenset(f"__{n}__" for n in _PLAIN.split()) | frozenset(
    f"__{p}{n}__" for p in ("", "r", "i") for n in _BINARY.split()
)
"""The names with underscores that a class may define."""


def _class(compiler: Compiler, node: ast.ClassDef, scope: Scope) -> Statement:
    inner = Scope("class", scope, set())
    bound_names(node.body, inner)
    for name in inner.names:
        if name.startswith("__") and name.endswith("__") and name not in ALLOWED:
            raise compiler.refused(node, f"a class cannot define '{name}' in a script")
    if node.keywords:
        raise compiler.refused(node, "a class takes no keywords in a script")
    bases = compiler.arguments(node, scope)
    body = block(compiler, node.body, inner)
    decorators = compiler.expressions(node.decorator_list, scope)
    write = compiler.store(node.name, scope)
    source = ast.get_source_segment(compiler.source, node) or ""
    within = scope.kind == "function"

    def run(f: Frame) -> None:
        wrappers = [d(f) for d in decorators]
        parents, _ = bases(f)
        f.run.budget.make(512)
        own = Frame(f.run, f.space, f if within else f.parent, {})
        body(own)
        value: Any = make_class(node.name, parents, own.names, source, node.lineno)
        for wrapper in reversed(wrappers):
            value = call(f.run, wrapper, (value,), {})
        write(f, value)

    return run


# --- imports ----------------------------------------------------------------------------------------------------------


def _import(compiler: Compiler, node: ast.Import, scope: Scope) -> Statement:
    parts = [
        (
            a.name if a.asname else a.name.partition(".")[0],
            a.name,
            compiler.store(a.asname or a.name.partition(".")[0], scope),
        )
        for a in node.names
    ]

    def run(f: Frame) -> None:
        for bound, name, write in parts:
            find_module(name)
            write(f, find_module(bound))

    return run


def _import_from(compiler: Compiler, node: ast.ImportFrom, scope: Scope) -> Statement:
    if node.module == "__future__":
        return lambda f: None
    if node.level or node.module is None:
        raise compiler.refused(node, "attempted relative import with no known parent package")
    module = node.module
    parts = [(a.name, compiler.store(a.asname or a.name, scope)) for a in node.names if a.name != "*"]
    if len(parts) < len(node.names):
        raise compiler.refused(node, "import * cannot be used in a script: name what you need")

    def run(f: Frame) -> None:
        found = find_module(module)
        for name, write in parts:
            if f"{module}.{name}" in LATER:
                raise ImportError(LATER[f"{module}.{name}"])
            value = found.find(name)
            if value is MISSING:
                raise ImportError(f"cannot import name '{name}' from '{found.name}'")
            write(f, value)

    return run


TABLE.update({
    ast.FunctionDef: _function, ast.ClassDef: _class, ast.Import: _import, ast.ImportFrom: _import_from,
})  # fmt: skip
