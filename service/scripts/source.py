"""From text to a checked syntax tree: its size and depth are bounded before and after parsing. Nothing is executed."""

from __future__ import annotations

import ast
import threading
from typing import Final

from service.scripts.errors import ScriptError
from service.steps.errors import LimitExceeded

__all__ = ["MOST_DEPTH", "ONE_AT_A_TIME", "parse"]

MOST_DEPTH: Final = 90
"""How deep a script's syntax may nest: statements within statements and expressions within expressions together."""
ONE_AT_A_TIME: Final = threading.Lock()
"""CPython 3.11 counts the depth of trees for all threads together: two that parse at once fail with a SystemError."""


def parse(code: str, *, most_bytes: int = 65_536) -> tuple[ast.Module, int]:
    """The tree of a script and how deep it nests.

    Errors: LimitExceeded for a text that is too long, ScriptError for what is not Python or nests too deep.

    >>> parse("x = 1")[1]
    2
    """
    size = len(code.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        raise LimitExceeded("script_source_bytes", most_bytes, size, "bytes", "the script's text")
    try:
        with ONE_AT_A_TIME:
            tree = ast.parse(code, "<script>")
    except SyntaxError as error:  # IndentationError and TabError too
        line = error.lineno or 1
        raise ScriptError(
            f"{type(error).__name__}: {error.msg}",
            line=line,
            column=max(error.offset or 1, 1),
            source=_line(code, line),
        ) from None
    except (RecursionError, MemoryError):
        raise ScriptError("SyntaxError: the script nests too deep to be read", line=1, column=1) from None
    except ValueError as error:  # a null byte, a lone surrogate
        raise ScriptError(f"SyntaxError: {error}", line=1, column=1) from None
    return tree, _depth(tree, code)


def _depth(tree: ast.AST, code: str) -> int:
    deepest = 0
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, (ast.expr, ast.stmt)):
            depth += 1
            if depth > MOST_DEPTH:
                raise ScriptError(
                    f"SyntaxError: the script nests deeper than {MOST_DEPTH} levels here; give parts of it names",
                    line=node.lineno, column=node.col_offset + 1, source=_line(code, node.lineno),
                )  # fmt: skip
            deepest = max(deepest, depth)
        stack.extend((child, depth) for child in ast.iter_child_nodes(node))
    return deepest


def _line(code: str, number: int) -> str | None:
    lines = code.splitlines()
    return lines[number - 1].rstrip()[:200] if 0 < number <= len(lines) else None
