"""Running a text: as a cell over names that were there before, or for the function that it defines."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from service.scripts.budget import Budget
from service.scripts.definitions import ALLOWED
from service.scripts.errors import CATCHABLE, reported
from service.scripts.expressions import Compiler
from service.scripts.modules import find_module
from service.scripts.natives import NATIVES
from service.scripts.scopes import Scope
from service.scripts.source import parse
from service.scripts.statements import Statement, statement
from service.scripts.values import MISSING, Code, Frame, Namespace, Run, ScriptFunction
from service.steps.errors import ServiceError

__all__ = ["Cell", "codes_of", "define", "predefined", "using"]

assert ALLOWED  # definitions have joined the table of statements
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # as Python counts them: a form feed ends none
FRAMES: Final = 12_000  # Python's own limit of frames, which the budget's depth stays far below


class Cell:
    """A text that was read and checked: nothing of it has run yet. Errors: ScriptError, LimitExceeded.

    traced: whether its backward calls are to tell how they walk.
    """

    def __init__(self, code: str, *, most_bytes: int = 65_536, traced: bool = False) -> None:
        self.code = code
        self.traced = traced
        tree, _ = parse(code, most_bytes=most_bytes)
        compiler = Compiler(code)
        scope = Scope("module", None, set())
        self.statements: list[tuple[Statement, ast.stmt]] = []
        self.last: Callable[[Frame], Any] | None = None
        body = tree.body
        for node, compiler.unit in zip(body, _units(code, body), strict=True):
            self.statements.append((statement(compiler, node, scope), node))
        if body and isinstance(body[-1], ast.Expr):
            self.last = compiler.expression(body[-1].value, scope)

    def run(self, run: Run, space: Namespace, done: Callable[[], None] | None = None) -> Any:
        """Run it; answers the value of the last expression, None where it ends with another statement.

        done: called after each statement. Errors: ScriptError with the place and the reason, LimitExceeded, ScriptCancelled.
        """
        if sys.getrecursionlimit() < FRAMES:
            sys.setrecursionlimit(FRAMES)
        frame = Frame(run, space, None, {})
        value: Any = None
        node: ast.AST = ast.Module([], [])
        try:
            with run:
                for i, (part, node) in enumerate(self.statements):  # noqa: B007 - read by the handler below
                    run.budget.tick()
                    if self.last is not None and i == len(self.statements) - 1:
                        value = self.last(frame)
                    else:
                        part(frame)
                    if done is not None:
                        done()
                run.budget.look()
        except Exception as error:
            if not hasattr(error, "script_place"):
                error.script_place = (getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)  # type: ignore[attr-defined]
            if _foreign(error):
                raise
            failure = reported(error, self.code)
            raise failure from (None if failure is error else error)
        return value


def _units(code: str, body: list[ast.stmt]) -> list[tuple[int, str]]:
    """For each statement the whole lines in which it stands, with others where they share one: the first line and the text."""
    lines = _LINE.findall(code)
    spans: list[list[int]] = []
    for node in body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        last = node.end_lineno or first
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(last, spans[-1][1])
            spans.append(spans[-1])
        else:
            spans.append([first, last])
    texts: dict[int, tuple[int, str]] = {}
    return [texts.setdefault(first, (first, "".join(lines[first - 1 : last]))) for first, last in spans]


def codes_of(line: int, text: str) -> dict[tuple[int, int], Code]:
    """The functions within a text that begins at a line of a script, by line and column. Nothing of it runs. Errors: ScriptError."""
    padded = "\n" * (line - 1) + text
    tree, _ = parse(padded, most_bytes=2**62)
    compiler = Compiler(padded)
    compiler.unit = (line, text)
    scope = Scope("module", None, set())
    for node in tree.body:
        statement(compiler, node, scope)
    return compiler.codes


def _foreign(error: Exception) -> bool:
    """Whether an error is none of the script's: signals of whoever runs it pass as they are."""
    ours = type(error).__module__.partition(".")[0] in ("engine", "service")
    return ours and not isinstance(error, (ServiceError, *CATCHABLE))


@cache
def predefined() -> dict[str, Any]:
    """The names that every script has: Python's functions, ``torch``, ``math`` and ``F``."""
    return {
        **NATIVES,
        "torch": find_module("torch"),
        "math": find_module("math"),
        "F": find_module("torch.nn.functional"),
    }


def using(budget: Budget) -> Run:
    """A run within which a ``ScriptFunction`` is called; without one each call has a budget of its own."""
    if sys.getrecursionlimit() < FRAMES:
        sys.setrecursionlimit(FRAMES)
    return Run(budget)


def define(code: str, *, budget: Budget, constants: Mapping[str, Any] | None = None) -> ScriptFunction:
    r"""Run a text and answer the last function that it defines at its top level. ``torch``, ``math`` and ``F`` are there already.

    constants: names that the text may use. Errors: ScriptError with line and column, LimitExceeded.

    >>> import engine as torch
    >>> f = define("def f(x, y=2.0):\\n    return (x * y).sum()", budget=Budget())
    >>> f.name, [p.name for p in f.parameters], f.line
    ('f', ['x', 'y'], 1)
    >>> f(torch.ones(3))
    tensor(6.)
    """
    from service.scripts.errors import ScriptError

    cell = Cell(code)
    space = Namespace(lambda name: MISSING if constants is None else constants.get(name, MISSING), predefined())
    cell.run(Run(budget), space)
    names = [node.name for _, node in cell.statements if isinstance(node, ast.FunctionDef)]
    found = space.bound.get(names[-1]) if names else None
    if not isinstance(found, ScriptFunction):
        raise ScriptError("the text defines no function at its top level: write def f(x): …", line=1, column=1)
    return found
