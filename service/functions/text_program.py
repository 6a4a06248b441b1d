"""TextProgram: the last ``def`` of a text as a function, read by the safe interpreter. Nothing that a run does outlives it.

A text whose top level has only imports, functions and plain constants is run once; any other is run anew for every call, so that a list
that a function appends to, say, is empty again. Constants are tensors of their own in each run, over bytes that nothing can write.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from service.functions.definition import Definition
from service.functions.program import Parameter, constants_of, fresh
from service.functions.specs import MISSING
from service.functions.work import Work
from service.scripts import MISSING as UNBOUND
from service.scripts import Budget, Run, ScriptError, ScriptFunction, define, using
from service.scripts.errors import CATCHABLE, reported
from service.scripts.source import ONE_AT_A_TIME
from service.steps.errors import InvalidInput, LimitExceeded, ServiceError
from service.steps.limits import Limits, TooHeavy

__all__ = ["TextProgram"]

LIGHT_STEPS: Final = 2_000  # of a script, on the event loop: about a millisecond
_constants: Final[ContextVar[Mapping[str, Any]]] = ContextVar("function_constants")


class _Constants(Mapping[str, Any]):
    """The constants of the run that is under way."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        return _constants.get()[name]

    def __iter__(self) -> Any:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class TextProgram:
    """The program of a definition in code. Errors: ScriptError with line and column, LimitExceeded."""

    def __init__(self, definition: Definition, seconds: float = 10.0) -> None:
        assert definition.code is not None
        self._code = definition.code
        self._constants = constants_of(definition.constants)
        self._view = _Constants(self._constants)
        token = _constants.set(self._fresh(Work(Limits())))
        try:
            function = define(
                self._code, budget=Budget(Limits(script_steps=100_000), seconds=seconds), constants=self._view
            )
        finally:
            _constants.reset(token)
        self._function: ScriptFunction | None = function if _is_pure(self._code) else None
        self._predictable = _is_predictable(self._code)
        self._name = function.name
        self._positional = [p.name for p in function.parameters if p.kind == "positional_only"]
        starred = [p.name for p in function.parameters if p.kind.startswith("var_")]
        if starred:
            raise InvalidInput(
                f"{function.name}() takes any number of arguments ('{starred[0]}'): a served function names each of its inputs",
                argument="code",
                line=function.line,
            )
        self._parameters = tuple(
            Parameter(p.name, MISSING if p.default is UNBOUND else p.default) for p in function.parameters
        )
        taken = {p.name for p in self._parameters} & self._constants.keys()
        if taken:
            raise InvalidInput(f"'{min(taken)}' is both an input and a constant", argument=f"constants.{min(taken)}")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self._parameters

    @property
    def name(self) -> str:
        """What the text calls the function."""
        return self._name

    @property
    def predictable(self) -> bool:
        return self._predictable

    def listing(self) -> list[str]:
        """The text, by lines."""
        return self._code.splitlines()

    def _fresh(self, work: Work) -> dict[str, Any]:
        return {name: fresh(value, work) for name, value in self._constants.items()}

    @contextmanager
    def opened(self, work: Work) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
        """What calls the function, and inside of which its derivatives are taken: hooks and backwards of its own are metered, too.

        Errors: ScriptError with the line and column and the reason in Python's or PyTorch's words.
        """
        token = _constants.set({})
        try:
            with using(work.budget(LIGHT_STEPS)) as running:
                yield lambda arguments: self._called(arguments, work, running)
        except LimitExceeded as error:
            if work.light and error.members.get("limit") == "script_steps":
                raise TooHeavy from None
            if hasattr(error, "script_place"):
                raise reported(error, self._code) from None
            raise
        except Exception as error:
            if not hasattr(error, "script_place") or isinstance(error, (ScriptError, TooHeavy)):
                raise
            failure: ServiceError = reported(error, self._code)
            raise failure from (None if failure is error else error)
        finally:
            _constants.reset(token)

    def _called(self, arguments: Mapping[str, Any], work: Work, running: Run) -> Any:
        _constants.set(self._fresh(work))
        function = self._function or define(self._code, budget=running.budget, constants=self._view)
        named = dict(arguments)
        args = tuple(named.pop(name) for name in self._positional if name in named)
        try:
            return function.called(running, args, named)
        except CATCHABLE as error:
            if not hasattr(error, "script_place"):  # before the first line of it
                error.script_place = (function.line, 1)  # type: ignore[union-attr]
            raise


_IMMUTABLE: Final = (
    ast.Constant,
    ast.UnaryOp,
    ast.BinOp,
    ast.Tuple,
    ast.operator,
    ast.unaryop,
    ast.Load,
    ast.Attribute,
    ast.Name,
)


def _is_pure(code: str) -> bool:
    """Whether running the text makes nothing that a call could change."""
    with ONE_AT_A_TIME:
        tree = ast.parse(code)
    if any(isinstance(node, (ast.Global, ast.Nonlocal)) for node in ast.walk(tree)):
        return False
    return all(_plain(node) for node in tree.body)


def _is_predictable(code: str) -> bool:
    """Whether the text's course depends on nothing that hollow tensors keep silent about.

    They raise where they are asked for values or for what autograd knows of them. What could go on after that, or tell tensors apart
    without asking, is looked for here.
    """
    with ONE_AT_A_TIME:
        nodes = list(ast.walk(ast.parse(code)))
    if any(isinstance(node, _CATCHING) for node in nodes):
        return False
    if any(isinstance(n, ast.With) for n in nodes) and any(isinstance(n, ast.ClassDef) for n in nodes):
        return False  # a script's own __exit__ may swallow errors
    return not any(isinstance(node, ast.Compare) and _asks_identity(node) for node in nodes)


_CATCHING: Final = (ast.Try, ast.TryStar)


def _asks_identity(node: ast.Compare) -> bool:
    operands = [node.left, *node.comparators]
    return any(
        isinstance(op, (ast.Is, ast.IsNot)) and not any(isinstance(o, ast.Constant) for o in operands[k : k + 2])
        for k, op in enumerate(node.ops)
    )


def _plain(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.FunctionDef):
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        return not node.decorator_list and all(_immutable(d) for d in defaults)
    return (
        isinstance(node, ast.Assign) and all(isinstance(t, ast.Name) for t in node.targets) and _immutable(node.value)
    )


def _immutable(value: ast.expr) -> bool:
    """Numbers, strings, and arithmetic and tuples of them; ``math.pi``. Other names may stand for tensors."""
    for node in ast.walk(value):
        if not isinstance(node, _IMMUTABLE):
            return False
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "math"):
            return False
        if isinstance(node, ast.Name) and node.id != "math":
            return False
    return True
