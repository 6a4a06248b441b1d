"""Expressions as closures: each node of the closed list becomes a function of the frame. A node outside of the list is refused."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final

from service.scripts.calls import call, call_method, get_attribute, get_item, iterate
from service.scripts.errors import ScriptError, located
from service.scripts.formatting import converted, formatted
from service.scripts.operators import binary, compare, hashable, truth, unary
from service.scripts.scopes import Scope
from service.scripts.values import MISSING, Code, Frame, OrderedSet, Super

__all__ = ["Compiler", "Expression"]

Expression = Callable[[Frame], Any]
Setter = Callable[[Frame, Any], None]
LATER: Final = {
    "Yield": "generator functions (yield)", "YieldFrom": "generator functions (yield from)", "Await": "await",
    "AsyncFunctionDef": "async functions",
    "AsyncFor": "async for", "AsyncWith": "async with", "Match": "match", "TryStar": "except*",
}  # fmt: skip


class Compiler:
    """Makes closures of one text's nodes. ``source`` is the text: functions and classes keep their part of it.

    unit: the lines (from which on, and their text) of the statement at the top level that is being read; a function is known by it and
    its place. codes: the functions that were read, by line and column.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.unit = (1, source)
        self.codes: dict[tuple[int, int], Code] = {}

    def code(self, name: str, body: Callable[[Frame], Any], height: int, node: ast.FunctionDef | ast.Lambda) -> Code:
        """What is known of a function that was read."""
        found = Code(name, body, height, node, ast.get_source_segment(self.source, node) or "", self.unit)
        self.codes[node.lineno, node.col_offset] = found
        return found

    def refused(self, node: ast.AST, why: str) -> ScriptError:
        """A SyntaxError at a node."""
        line = getattr(node, "lineno", 1)
        lines = self.source.splitlines()
        text = lines[line - 1].rstrip()[:200] if line <= len(lines) else None
        return ScriptError(f"SyntaxError: {why}", line=line, column=getattr(node, "col_offset", 0) + 1, source=text)

    def expression(self, node: ast.expr, scope: Scope) -> Expression:
        """One expression. Errors: ScriptError for a node that is not in the list."""
        make = getattr(self, f"_{type(node).__name__}", None)
        if make is None:
            name = type(node).__name__
            raise self.refused(node, f"{LATER.get(name, name)} cannot be used in a script")
        found: Expression = make(node, scope)
        return found

    def expressions(self, nodes: list[ast.expr], scope: Scope) -> list[Expression]:
        return [self.expression(n, scope) for n in nodes]

    # -- names and constants ---------------------------------------------------------------------------------------

    def _Constant(self, node: ast.Constant, scope: Scope) -> Expression:  # noqa: ARG002, N802 - named for the node
        value = node.value
        return lambda f: value

    def _Name(self, node: ast.Name, scope: Scope) -> Expression:  # noqa: N802
        return self.load(node, node.id, scope)

    def load(self, node: ast.AST, name: str, scope: Scope) -> Expression:
        """Read a name."""
        place, hops = scope.place(name)
        if place == "local" and scope.kind == "function":

            def local(f: Frame) -> Any:
                value = f.names.get(name, MISSING)
                if value is MISSING:
                    error = UnboundLocalError(
                        f"cannot access local variable '{name}' where it is not associated with a value"
                    )
                    located(error, node)
                    raise error
                return value

            return local
        if place == "outer":

            def outer(f: Frame) -> Any:
                frame: Any = f
                for _ in range(hops):
                    frame = frame.parent
                value = frame.names.get(name, MISSING)
                if value is MISSING:
                    error = NameError(
                        f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope"
                    )
                    located(error, node)
                    raise error
                return value

            return outer
        inner = scope.kind == "class" and place == "local"

        def everywhere(f: Frame) -> Any:
            if inner and name in f.names:
                return f.names[name]
            try:
                return f.space.load(name)
            except NameError as error:
                located(error, node)
                raise

        return everywhere

    def store(self, name: str, scope: Scope) -> Setter:
        """Bind a name."""
        place, hops = scope.place(name)
        if place == "global":

            def everywhere(f: Frame, value: Any) -> None:
                f.space.store(name, value)

            return everywhere
        if place == "outer":

            def outer(f: Frame, value: Any) -> None:
                frame: Any = f
                for _ in range(hops):
                    frame = frame.parent
                f.run.touch(frame)
                frame.names[name] = value

            return outer

        def local(f: Frame, value: Any) -> None:
            f.names[name] = value

        return local

    # -- operators -------------------------------------------------------------------------------------------------

    def _BinOp(self, node: ast.BinOp, scope: Scope) -> Expression:  # noqa: N802
        left, right, name = (
            self.expression(node.left, scope),
            self.expression(node.right, scope),
            type(node.op).__name__,
        )

        def run(f: Frame) -> Any:
            a, b = left(f), right(f)
            try:
                return binary(f.run, name, a, b)
            except Exception as error:
                located(error, node)
                raise

        return run

    def _UnaryOp(self, node: ast.UnaryOp, scope: Scope) -> Expression:  # noqa: N802
        operand, name = self.expression(node.operand, scope), type(node.op).__name__
        if name == "USub" and isinstance(node.operand, ast.Constant) and type(node.operand.value) in (int, float):
            value = -node.operand.value  # type: ignore[operator]
            return lambda f: value

        def run(f: Frame) -> Any:
            a = operand(f)
            try:
                return unary(f.run, name, a)
            except Exception as error:
                located(error, node)
                raise

        return run

    def _BoolOp(self, node: ast.BoolOp, scope: Scope) -> Expression:  # noqa: N802
        parts = self.expressions(node.values, scope)
        until = isinstance(node.op, ast.Or)

        def run(f: Frame) -> Any:
            value = None
            try:
                for part in parts:
                    value = part(f)
                    if part is not parts[-1] and truth(f.run, value) is until:
                        return value
            except Exception as error:
                located(error, node)
                raise
            return value

        return run

    def _Compare(self, node: ast.Compare, scope: Scope) -> Expression:  # noqa: N802
        first = self.expression(node.left, scope)
        rest = [
            (type(op).__name__, self.expression(c, scope)) for op, c in zip(node.ops, node.comparators, strict=True)
        ]
        if len(rest) == 1:
            name, second = rest[0]

            def once(f: Frame) -> Any:
                a, b = first(f), second(f)
                try:
                    return compare(f.run, name, a, b)
                except Exception as error:
                    located(error, node)
                    raise

            return once

        def run(f: Frame) -> Any:
            a = first(f)
            found: Any = True
            for name, part in rest:
                b = part(f)
                try:
                    found = compare(f.run, name, a, b)
                    if (name, part) != rest[-1] and not truth(f.run, found):
                        return found
                except Exception as error:
                    located(error, node)
                    raise
                a = b
            return found

        return run

    def _IfExp(self, node: ast.IfExp, scope: Scope) -> Expression:  # noqa: N802
        test, yes, no = (self.expression(n, scope) for n in (node.test, node.body, node.orelse))
        return lambda f: yes(f) if truth(f.run, test(f)) else no(f)

    def _NamedExpr(self, node: ast.NamedExpr, scope: Scope) -> Expression:  # noqa: N802
        value, store = self.expression(node.value, scope), self.store(node.target.id, scope)

        def run(f: Frame) -> Any:
            found = value(f)
            store(f, found)
            return found

        return run

    # -- attributes, items, calls ----------------------------------------------------------------------------------

    def _Attribute(self, node: ast.Attribute, scope: Scope) -> Expression:  # noqa: N802
        owner, name = self.expression(node.value, scope), node.attr

        def run(f: Frame) -> Any:
            value = owner(f)
            try:
                return get_attribute(f.run, value, name)
            except Exception as error:
                located(error, node)
                raise

        return run

    def _Subscript(self, node: ast.Subscript, scope: Scope) -> Expression:  # noqa: N802
        owner, key = self.expression(node.value, scope), self.expression(node.slice, scope)

        def run(f: Frame) -> Any:
            value, at = owner(f), key(f)
            try:
                return get_item(f.run, value, at)
            except Exception as error:
                located(error, node)
                raise

        return run

    def _Slice(self, node: ast.Slice, scope: Scope) -> Expression:  # noqa: N802
        parts = [None if n is None else self.expression(n, scope) for n in (node.lower, node.upper, node.step)]
        return lambda f: slice(*[None if p is None else p(f) for p in parts])

    def _Call(self, node: ast.Call, scope: Scope) -> Expression:  # noqa: N802
        arguments = self.arguments(node, scope)
        target = node.func
        if isinstance(target, ast.Name) and target.id == "super" and not node.args and not node.keywords:
            return self._super(node)
        if isinstance(target, ast.Attribute):
            owner, name = self.expression(target.value, scope), target.attr
            if name == "__init__":
                return self._parent_init(node, owner, arguments)

            def method(f: Frame) -> Any:
                value = owner(f)
                args, kwargs = arguments(f)
                f.run.budget.tick()
                try:
                    return call_method(f.run, value, name, args, kwargs)
                except Exception as error:
                    located(error, node)
                    raise

            return method
        function = self.expression(target, scope)

        def run(f: Frame) -> Any:
            value = function(f)
            args, kwargs = arguments(f)
            f.run.budget.tick()
            try:
                return call(f.run, value, args, kwargs)
            except Exception as error:
                located(error, node)
                raise

        return run

    def _super(self, node: ast.AST) -> Expression:
        def run(f: Frame) -> Any:
            owner, subject = f.names.get("__class__"), f.names.get("__self__")
            if owner is None or subject is None:
                error = RuntimeError("super(): no arguments")
                located(error, node)
                raise error
            return Super(subject, owner)

        return run

    def _parent_init(self, node: ast.AST, owner: Expression, arguments: Callable[[Frame], Any]) -> Expression:
        """``super().__init__(…)`` and ``Base.__init__(self, …)``: the one call of a name with underscores that a script may write."""
        from service.scripts.values import Kind, Native, ScriptClass

        def run(f: Frame) -> Any:
            value = owner(f)
            args, kwargs = arguments(f)
            f.run.budget.tick()
            try:
                if isinstance(value, ScriptClass):
                    found = value.find("__init__")
                    return None if found is MISSING else call(f.run, found, args, kwargs)
                if isinstance(value, Super):
                    found = value.find("__init__")
                    if found is MISSING:
                        if "args" in value.subject.fields:
                            value.subject.fields["args"] = args
                        return None
                    return call(f.run, found, (value.subject, *args), kwargs)
                if isinstance(value, (Kind, Native)):
                    return None
                raise AttributeError("__init__ is called on a class or on super() only")  # noqa: TRY301 - placed as any other
            except Exception as error:
                located(error, node)
                raise

        return run

    def arguments(
        self, node: ast.Call | ast.ClassDef, scope: Scope
    ) -> Callable[[Frame], tuple[tuple[Any, ...], dict[str, Any]]]:
        """The arguments of a call, evaluated in order."""
        nodes = node.args if isinstance(node, ast.Call) else node.bases
        plain = not any(isinstance(n, ast.Starred) for n in nodes)
        parts = self.expressions([n.value if isinstance(n, ast.Starred) else n for n in nodes], scope)
        starred = [isinstance(n, ast.Starred) for n in nodes]
        named = [(k.arg, self.expression(k.value, scope)) for k in node.keywords]
        if plain and not named:
            if len(parts) == 1:
                one = parts[0]
                return lambda f: ((one(f),), {})
            return lambda f: (tuple([p(f) for p in parts]), {})

        def run(f: Frame) -> tuple[tuple[Any, ...], dict[str, Any]]:
            args: list[Any] = []
            for part, star in zip(parts, starred, strict=True):
                if star:
                    args.extend(iterate(f.run, part(f)))
                else:
                    args.append(part(f))
            kwargs: dict[str, Any] = {}
            for name, part in named:
                if name is not None:
                    kwargs[name] = part(f)
                    continue
                more = part(f)
                if not isinstance(more, dict) or any(type(k) is not str for k in more):
                    raise TypeError("argument after ** must be a mapping with strings as keys")
                kwargs.update(more)
            return tuple(args), kwargs

        return run

    # -- containers ------------------------------------------------------------------------------------------------

    def _items(self, nodes: list[ast.expr], scope: Scope) -> Callable[[Frame], list[Any]]:
        if not any(isinstance(n, ast.Starred) for n in nodes):
            parts = self.expressions(nodes, scope)

            def plain(f: Frame) -> list[Any]:
                f.run.budget.make(8 * len(parts) + 56)
                return [p(f) for p in parts]

            return plain
        mixed = [
            (isinstance(n, ast.Starred), self.expression(n.value if isinstance(n, ast.Starred) else n, scope))
            for n in nodes
        ]

        def run(f: Frame) -> list[Any]:
            found: list[Any] = []
            for star, part in mixed:
                value = part(f)
                for v in iterate(f.run, value) if star else (value,):
                    f.run.budget.make(8)
                    found.append(v)
            return found

        return run

    def _List(self, node: ast.List, scope: Scope) -> Expression:  # noqa: N802
        return self._items(node.elts, scope)

    def _Tuple(self, node: ast.Tuple, scope: Scope) -> Expression:  # noqa: N802
        items = self._items(node.elts, scope)
        return lambda f: tuple(items(f))

    def _Set(self, node: ast.Set, scope: Scope) -> Expression:  # noqa: N802
        items = self._items(node.elts, scope)
        return lambda f: OrderedSet(hashable(f.run, i) for i in items(f))

    def _Dict(self, node: ast.Dict, scope: Scope) -> Expression:  # noqa: N802
        pairs = [
            (None if k is None else self.expression(k, scope), self.expression(v, scope))
            for k, v in zip(node.keys, node.values, strict=True)
        ]

        def run(f: Frame) -> dict[Any, Any]:
            found: dict[Any, Any] = {}
            for key, value in pairs:
                f.run.budget.make(100)
                if key is None:
                    more = value(f)
                    if not isinstance(more, dict):
                        raise TypeError("a value after ** must be a mapping")
                    f.run.budget.make(100 * len(more))
                    found.update(more)
                else:
                    k = hashable(f.run, key(f))
                    found[k] = value(f)
            return found

        return run

    # -- text ------------------------------------------------------------------------------------------------------

    def _JoinedStr(self, node: ast.JoinedStr, scope: Scope) -> Expression:  # noqa: N802
        parts = self.expressions(node.values, scope)

        def run(f: Frame) -> str:
            found = "".join([p(f) for p in parts])
            f.run.budget.make(len(found))
            return found

        return run

    def _FormattedValue(self, node: ast.FormattedValue, scope: Scope) -> Expression:  # noqa: N802
        value = self.expression(node.value, scope)
        spec = None if node.format_spec is None else self.expression(node.format_spec, scope)
        conversion = None if node.conversion < 0 else chr(node.conversion)

        def run(f: Frame) -> str:
            found = value(f)
            try:
                return formatted(f.run, converted(f.run, found, conversion), "" if spec is None else spec(f))
            except Exception as error:
                located(error, node.value)
                raise

        return run

    # -- functions and comprehensions ------------------------------------------------------------------------------

    def _Lambda(self, node: ast.Lambda, scope: Scope) -> Expression:  # noqa: N802
        from service.scripts.functions import anonymous

        return anonymous(self, node, scope)

    def _comprehended(self, node: Any, scope: Scope) -> Expression:
        from service.scripts.comprehensions import comprehended

        return comprehended(self, node, scope)

    _ListComp = _SetComp = _DictComp = _GeneratorExp = _comprehended

    # -- targets ---------------------------------------------------------------------------------------------------

    def target(self, node: ast.expr, scope: Scope) -> Setter:
        """What an assignment writes to."""
        from service.scripts.targets import target

        return target(self, node, scope)
