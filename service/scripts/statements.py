"""Statements as closures. Each answers None, or a signal: BREAK, CONTINUE or RETURN (the value stands in the frame)."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from engine.grad_mode import _Mode
from engine.node import Handle
from service.scripts.calls import call, del_item, get_attribute, get_item, iterate, raised, set_attribute, set_item
from service.scripts.errors import CATCHABLE, Raised, located
from service.scripts.expressions import Compiler, Expression
from service.scripts.natives import is_instance
from service.scripts.operators import augmented, truth, type_name
from service.scripts.scopes import Scope
from service.scripts.values import MISSING, Frame, Kind, Run, ScriptClass, ScriptObject

__all__ = ["RETURN", "TABLE", "Statement", "block", "statement"]

BREAK: Final = "break"
CONTINUE: Final = "continue"
RETURN: Final = "return"
Statement = Callable[[Frame], str | None]


def block(compiler: Compiler, body: list[ast.stmt], scope: Scope) -> Statement:
    """Statements one after another; each is a step."""
    parts = [(statement(compiler, s, scope), s) for s in body]

    def run(f: Frame) -> str | None:
        tick = f.run.budget.tick
        for part, node in parts:
            try:
                tick()
                signal = part(f)
            except BaseException as error:
                located(error, node)
                raise
            if signal is not None:
                return signal
        return None

    return run


def statement(compiler: Compiler, node: ast.stmt, scope: Scope) -> Statement:
    """One statement. Errors: ScriptError for a node that is not in the list."""
    make = TABLE.get(type(node))
    if make is None:
        from service.scripts.expressions import LATER

        name = type(node).__name__
        raise compiler.refused(node, f"{LATER.get(name, name)} cannot be used in a script")
    return make(compiler, node, scope)


# --- assignments ------------------------------------------------------------------------------------------------------


def _expr(compiler: Compiler, node: ast.Expr, scope: Scope) -> Statement:
    value = compiler.expression(node.value, scope)

    def run(f: Frame) -> None:
        value(f)

    return run


def _assign(compiler: Compiler, node: ast.Assign, scope: Scope) -> Statement:
    value = compiler.expression(node.value, scope)
    writers = [compiler.target(t, scope) for t in node.targets]

    def run(f: Frame) -> None:
        found = value(f)
        for write in writers:
            write(f, found)

    return run


def _ann_assign(compiler: Compiler, node: ast.AnnAssign, scope: Scope) -> Statement:
    if node.value is None:
        return lambda f: None
    value, write = compiler.expression(node.value, scope), compiler.target(node.target, scope)

    def run(f: Frame) -> None:
        write(f, value(f))

    return run


def _aug_assign(compiler: Compiler, node: ast.AugAssign, scope: Scope) -> Statement:
    value, name = compiler.expression(node.value, scope), type(node.op).__name__
    goal = node.target
    if isinstance(goal, ast.Name):
        load, write = compiler.load(goal, goal.id, scope), compiler.store(goal.id, scope)

        def run(f: Frame) -> None:
            write(f, augmented(f.run, name, load(f), value(f)))

        return run
    owner = compiler.expression(goal.value, scope)
    if isinstance(goal, ast.Attribute):
        attribute = goal.attr

        def run_attribute(f: Frame) -> None:
            found = owner(f)
            old = get_attribute(f.run, found, attribute)
            new = augmented(f.run, name, old, value(f))
            if new is not old or not hasattr(old, "grad_fn"):
                set_attribute(f.run, found, attribute, new)

        return run_attribute
    key = compiler.expression(goal.slice, scope)

    def run_item(f: Frame) -> None:
        found, at = owner(f), key(f)
        set_item(f.run, found, at, augmented(f.run, name, get_item(f.run, found, at), value(f)))

    return run_item


def _delete(compiler: Compiler, node: ast.Delete, scope: Scope) -> Statement:
    parts: list[Callable[[Frame], None]] = []
    for goal in node.targets:
        if isinstance(goal, ast.Name):
            parts.append(_delete_name(goal.id, scope))
        elif isinstance(goal, ast.Subscript):
            parts.append(_delete_item(compiler.expression(goal.value, scope), compiler.expression(goal.slice, scope)))
        elif isinstance(goal, ast.Attribute):
            parts.append(_delete_attribute(compiler.expression(goal.value, scope), goal.attr))
        else:
            raise compiler.refused(goal, "this cannot be deleted")

    def run(f: Frame) -> None:
        for part in parts:
            part(f)

    return run


def _delete_name(name: str, scope: Scope) -> Callable[[Frame], None]:
    local = scope.place(name)[0] == "local"

    def run(f: Frame) -> None:
        if not local:
            f.space.delete(name)
        elif f.names.pop(name, MISSING) is MISSING:
            raise NameError(f"name '{name}' is not defined")

    return run


def _delete_item(owner: Expression, key: Expression) -> Callable[[Frame], None]:
    return lambda f: del_item(f.run, owner(f), key(f))


def _delete_attribute(owner: Expression, name: str) -> Callable[[Frame], None]:
    def run(f: Frame) -> None:
        value = owner(f)
        if hasattr(value, "grad_fn") and name == "grad":
            set_attribute(f.run, value, name, None)
        elif isinstance(value, ScriptObject) and name in value.fields:
            f.run.touch(value)
            del value.fields[name]
        else:
            raise AttributeError(f"'{type_name(value)}' object has no attribute '{name}'")

    return run


# --- control ----------------------------------------------------------------------------------------------------------


def _if(compiler: Compiler, node: ast.If, scope: Scope) -> Statement:
    test, yes, no = (
        compiler.expression(node.test, scope),
        block(compiler, node.body, scope),
        block(compiler, node.orelse, scope),
    )

    def run(f: Frame) -> str | None:
        value = test(f)
        try:
            chosen = truth(f.run, value)
        except Exception as error:
            located(error, node.test)
            raise
        return yes(f) if chosen else no(f)

    return run


def _while(compiler: Compiler, node: ast.While, scope: Scope) -> Statement:
    test, body, otherwise = (
        compiler.expression(node.test, scope), block(compiler, node.body, scope), block(compiler, node.orelse, scope),
    )  # fmt: skip

    def run(f: Frame) -> str | None:
        tick = f.run.budget.tick
        while True:
            value = test(f)
            try:
                if not truth(f.run, value):
                    break
            except Exception as error:
                located(error, node.test)
                raise
            tick()
            signal = body(f)
            if signal is BREAK:
                return None
            if signal is RETURN:
                return signal
        return otherwise(f)

    return run


def _for(compiler: Compiler, node: ast.For, scope: Scope) -> Statement:
    items, write = compiler.expression(node.iter, scope), compiler.target(node.target, scope)
    body, otherwise = block(compiler, node.body, scope), block(compiler, node.orelse, scope)

    def run(f: Frame) -> str | None:
        try:
            walk = iterate(f.run, items(f))
            for item in walk:
                write(f, item)
                signal = body(f)
                if signal is BREAK:
                    return None
                if signal is RETURN:
                    return signal
        except Exception as error:
            located(error, node.iter)
            raise
        return otherwise(f)

    return run


def _pass(compiler: Compiler, node: ast.stmt, scope: Scope) -> Statement:  # noqa: ARG001 - every maker's parameters
    return lambda f: None


def _break(compiler: Compiler, node: ast.stmt, scope: Scope) -> Statement:  # noqa: ARG001
    return lambda f: BREAK


def _continue(compiler: Compiler, node: ast.stmt, scope: Scope) -> Statement:  # noqa: ARG001
    return lambda f: CONTINUE


def _return(compiler: Compiler, node: ast.Return, scope: Scope) -> Statement:
    if scope.kind != "function":
        raise compiler.refused(node, "'return' outside function")
    value = None if node.value is None else compiler.expression(node.value, scope)

    def run(f: Frame) -> str:
        f.result = None if value is None else value(f)
        return RETURN

    return run


def _assert(compiler: Compiler, node: ast.Assert, scope: Scope) -> Statement:
    test = compiler.expression(node.test, scope)
    message = None if node.msg is None else compiler.expression(node.msg, scope)

    def run(f: Frame) -> None:
        if not truth(f.run, test(f)):
            raise AssertionError(*(() if message is None else (message(f),)))

    return run


# --- errors -----------------------------------------------------------------------------------------------------------


def _raise(compiler: Compiler, node: ast.Raise, scope: Scope) -> Statement:
    value = None if node.exc is None else compiler.expression(node.exc, scope)
    cause = None if node.cause is None else compiler.expression(node.cause, scope)

    def run(f: Frame) -> None:
        if value is None:
            current = f.names.get("__error__")
            if current is None:
                raise RuntimeError("No active exception to reraise")
            raise current
        found = value(f)
        if cause is not None:
            cause(f)
        if isinstance(found, (Kind, ScriptClass)):
            found = call(f.run, found, (), {})
        if isinstance(found, CATCHABLE) or type(found) is Exception:
            if hasattr(found, "script_place"):
                del found.script_place
            raise found
        if isinstance(found, ScriptObject) and "args" in found.fields and found.cls.native_base is not None:
            raise Raised(found)
        raise TypeError("exceptions must derive from BaseException")

    return run


def _try(compiler: Compiler, node: ast.Try, scope: Scope) -> Statement:
    body, otherwise, last = (block(compiler, b, scope) for b in (node.body, node.orelse, node.finalbody))
    handlers = [
        (
            None if h.type is None else compiler.expression(h.type, scope),
            None if h.name is None else compiler.store(h.name, scope),
            None if h.name is None else _delete_name(h.name, scope),
            block(compiler, h.body, scope),
        )
        for h in node.handlers
    ]

    def guarded(f: Frame) -> str | None:
        try:
            signal = body(f)
        except Exception as error:
            if not isinstance(error, CATCHABLE) and type(error) is not Exception:
                raise
            for kind, store, forget, handler in handlers:
                if kind is not None and not _matches(f.run, error, kind(f)):
                    continue
                before = f.names.get("__error__")
                f.names["__error__"] = error
                if store is not None:
                    store(f, raised(error))
                try:
                    return handler(f)
                finally:
                    error.__traceback__ = error.__context__ = error.__cause__ = None  # a kept error keeps no frames
                    if before is None:
                        f.names.pop("__error__", None)
                    else:
                        f.names["__error__"] = before
                    if forget is not None:
                        _forget(forget, f)
            raise
        return signal if signal is not None else otherwise(f)

    if not node.finalbody:
        return guarded

    def run(f: Frame) -> str | None:
        try:
            signal = guarded(f)
            result = f.result
        except Exception as error:
            if isinstance(error, CATCHABLE) or type(error) is Exception:
                final = last(f)
                if final is not None:
                    return final
            raise
        final = last(f)
        if final is not None:
            return final
        f.result = result
        return signal

    return run


def _forget(forget: Callable[[Frame], None], f: Frame) -> None:
    try:
        forget(f)
    except NameError:
        return


def _matches(run: Run, error: Exception, kinds: Any) -> bool:
    for kind in kinds if isinstance(kinds, tuple) else (kinds,):
        native = isinstance(kind, Kind) and kind.types and issubclass(kind.types[0], BaseException)
        if not native and not isinstance(kind, ScriptClass):
            raise TypeError("catching classes that do not inherit from BaseException is not allowed")
        if is_instance(run, error, kind):
            return True
    return False


def _with(compiler: Compiler, node: ast.With, scope: Scope) -> Statement:
    items = [
        (
            compiler.expression(i.context_expr, scope),
            None if i.optional_vars is None else compiler.target(i.optional_vars, scope),
        )
        for i in node.items
    ]
    body = block(compiler, node.body, scope)

    def enter(f: Frame, at: int) -> str | None:
        if at == len(items):
            return body(f)
        manager, write = items[at]
        found = manager(f)
        if isinstance(found, (_Mode, Handle)):
            with _engine_manager(found) as value:
                if write is not None:
                    write(f, value)
                return enter(f, at + 1)
        if (
            not isinstance(found, ScriptObject)
            or found.cls.find("__enter__") is MISSING
            or found.cls.find("__exit__") is MISSING
        ):
            raise TypeError(f"'{type_name(found)}' object does not support the context manager protocol")
        value = found.cls.find("__enter__")(found)
        leave = found.cls.find("__exit__")
        try:
            if write is not None:
                write(f, value)
            signal = enter(f, at + 1)
        except CATCHABLE as error:
            if truth(f.run, leave(found, call(f.run, _type_of(f), (raised(error),), {}), raised(error), None)):
                return None
            raise
        leave(found, None, None, None)
        return signal

    return lambda f: enter(f, 0)


def _type_of(f: Frame) -> Any:
    from service.scripts.natives import NATIVES

    assert f is not None
    return NATIVES["type"]


def _engine_manager(found: Any) -> AbstractContextManager[Any]:
    manager: AbstractContextManager[Any] = found
    return manager


def _declared(compiler: Compiler, node: ast.stmt, scope: Scope) -> Statement:
    if scope.kind == "module" and isinstance(node, ast.Nonlocal):
        raise compiler.refused(node, "nonlocal declaration not allowed at module level")
    return lambda f: None


TABLE: Final[dict[type[ast.stmt], Callable[[Compiler, Any, Scope], Statement]]] = {
    ast.Expr: _expr, ast.Assign: _assign, ast.AnnAssign: _ann_assign, ast.AugAssign: _aug_assign, ast.Delete: _delete, ast.If: _if,
    ast.While: _while, ast.For: _for, ast.Pass: _pass, ast.Break: _break, ast.Continue: _continue, ast.Return: _return,
    ast.Assert: _assert, ast.Raise: _raise, ast.Try: _try, ast.With: _with,
    ast.Global: _declared, ast.Nonlocal: _declared,
}  # fmt: skip
