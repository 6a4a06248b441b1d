"""The house rules that no linter has: small checks over one file each. A docstring says which bug its rule prevents.

A rule takes a ``Source`` and yields (line, what is wrong). ``test_rules.py`` runs each over the whole tree, and over
bad and good snippets, so that a rule which can no longer fail is seen. Words that a rule forbids are put together from
pieces here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.house.source import Source

__all__ = ["RULES", "Finding", "Rule"]

Finding = tuple[int, str]
Rule = Callable[[Source], Iterator[Finding]]
RULES: dict[str, Rule] = {}


def rule(check: Rule) -> Rule:
    RULES[check.__name__] = check
    return check


# --- files ------------------------------------------------------------------------------------------------------------

ONE_SITTING: Final = 500
NOT_A_NOUN: Final = re.compile(r"^_?(utils?|helpers?|commons?|misc|base)$")
UNDONE: Final = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
MACHINES: Final = re.compile(r"(?<![\w.}])/(?:root|home/\w+|Users/\w+|work|farm)/[\w.]|\.\./shared\b")
HOSTS: Final = re.compile("|".join(re.escape(".".join(parts)) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("deb", "debian", "org"),
    ("ports", "ubuntu", "com"), ("archive", "ubuntu", "com"), ("proxy", "golang", "org"), ("crates", "io"),
)))  # fmt: skip


@rule
def one_sitting(source: Source) -> Iterator[Finding]:
    """Prevents: a bug that hides because nobody reads the whole of a long file."""
    lines = source.text.count("\n")
    if source.path.endswith(".py") and lines > ONE_SITTING:  # a .pyi is generated, for tools
        yield ONE_SITTING + 1, f"{lines} lines; a Python file is read in one sitting of {ONE_SITTING}: split it by noun"


@rule
def named_for_its_noun(source: Source) -> Iterator[Finding]:
    """Prevents: a second, slightly different copy of a function, because the first lay where nobody looked."""
    path = PurePosixPath(source.path)
    for part in (*path.parent.parts, path.stem):
        if NOT_A_NOUN.match(part):
            yield 1, f"{part!r} names no noun: call the file after what it holds"


@rule
def nothing_left_undone(source: Source) -> Iterator[Finding]:
    """Prevents: a known gap that ships, because the only one who knew of it was a comment."""
    if not source.is_vendored:
        for number, line in enumerate(source.text.splitlines(), 1):
            if found := UNDONE.search(line):
                yield number, f"{found[0]}: do it, or file it"


@rule
def no_machine_paths(source: Source) -> Iterator[Finding]:
    """Prevents: a script or a test that works on the machine where it was written, and on no other."""
    if not source.is_vendored:
        for number, line in enumerate(source.text.splitlines(), 1):
            if found := MACHINES.search(line):
                yield number, f"{found[0]!r} is a path of one machine"


@rule
def no_registry_hosts(source: Source) -> Iterator[Finding]:
    """Prevents: an install that goes past the user's own mirror, or fails behind a closed network."""
    if not source.is_vendored:
        for number, line in enumerate(source.text.splitlines(), 1):
            if found := HOSTS.search(line):
                yield number, f"{found[0]!r}: packages are named, where they come from is the machine's choice"


# --- names ------------------------------------------------------------------------------------------------------------


def promised(tree: ast.Module) -> tuple[int, list[str]] | None:
    """The line and the names of a module's ``__all__``, where it is written out."""
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_is_name(target, "__all__") for target in targets) and isinstance(node.value, (ast.List, ast.Tuple)):
            return node.lineno, [str(e.value) for e in node.value.elts if isinstance(e, ast.Constant)]
    return None


def reading_order(name: str) -> tuple[int, list[tuple[bool, int, str]]]:
    """CONSTANTS, then Classes, then the rest, numbers by value: the order that ruff keeps, too."""
    group = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return group, [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in re.split(r"(\d+)", name) if p]


@rule
def promise_is_sorted(source: Source) -> Iterator[Finding]:
    """Prevents: a name promised twice or dropped in a merge, unseen in a list without order."""
    if source.is_python and (found := promised(source.tree)):
        line, names = found
        if names != sorted(set(names), key=reading_order):
            yield line, "__all__ is not sorted (CONSTANTS, Classes, the rest), or names something twice"


@rule
def promise_is_kept(source: Source) -> Iterator[Finding]:
    """Prevents: a public function that is called from afar and then changed as if it were private."""
    if not source.within("engine", "service") or not source.is_python or not (found := promised(source.tree)):
        return
    line, names = found
    for node in source.tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if node.decorator_list and not isinstance(node, ast.ClassDef):
            continue  # a row, a verb, a route: its decorator has published it
        if not node.name.startswith("_") and node.name not in names:
            yield node.lineno, f"{node.name} is neither in __all__ (line {line}) nor private"


# --- what the service must never do -----------------------------------------------------------------------------------

EXECUTES: Final = {"exec", "eval", "compile", "__import__"}
COMPILES_TEXT: Final = {"engine/plan.py"}  # positions only, no text of a user's
UNSAFE_LOADERS: Final = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve", "yaml"}


@rule
def no_text_is_executed(source: Source) -> Iterator[Finding]:
    """Prevents: remote code execution, by a client's text that reaches Python itself."""
    if not source.within("engine", "service") or not source.is_python or source.path in COMPILES_TEXT:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id in EXECUTES and isinstance(node.ctx, ast.Load):
            yield node.lineno, f"{node.id}: text of users is interpreted, never executed"
        if isinstance(node, ast.Attribute) and node.attr in EXECUTES and _is_name(node.value, "builtins"):
            yield node.lineno, f"builtins.{node.attr}: text of users is interpreted, never executed"


@rule
def no_unsafe_loading(source: Source) -> Iterator[Finding]:
    """Prevents: remote code execution, by a file or a body whose format may hold calls."""
    if not source.is_python:
        return
    for line, name in imported(source):
        if name.partition(".")[0] in UNSAFE_LOADERS:
            yield line, f"{name}: its format may run code when it is read"
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.keyword) or node.arg != "allow_pickle":
            continue
        if not isinstance(node.value, ast.Constant) or node.value.value is not False:
            yield node.value.lineno, "allow_pickle: an array's bytes may run code when they are read"


NUMPY_RANDOM: Final = {"np.random", "numpy.random"}
SEEDED: Final = {"BitGenerator", "Generator", "PCG64", "Philox", "SeedSequence", "default_rng"}


@rule
def randomness_has_a_seed(source: Source) -> Iterator[Finding]:
    """Prevents: a replay, or a failed test, that cannot be repeated: its numbers came from a hidden global state."""
    if not source.is_python or source.within("tests/conformance"):  # there PyTorch's samples draw from the global state
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and _dotted(node.value) in NUMPY_RANDOM and node.attr not in SEEDED:
            yield node.lineno, f"np.random.{node.attr} uses NumPy's global state: draw from a seeded Generator"
        if isinstance(node, ast.Call) and (_dotted(node.func) or "").endswith("random.default_rng") and not node.args:
            yield node.lineno, "default_rng() without a seed cannot be repeated"
    if source.within("engine", "service"):
        for line, name in imported(source):
            if name == "random" or name.startswith("random."):
                yield line, "random: draw from the engine's Generator, or for ids from secrets"


# --- rows -------------------------------------------------------------------------------------------------------------


@rule
def rows_stand_alone(source: Source) -> Iterator[Finding]:
    """Prevents: an import cycle between families of rows, and a rule that passes by the door to call a kernel."""
    if not source.within("engine/ops") or source.path == "engine/ops/__init__.py" or not source.is_python:
        return
    for line, name in imported(source):
        if name == "engine.ops" or name.startswith("engine.ops."):
            yield line, f"{name}: rows meet in the table; call them as rules.name(...)"


@rule
def rules_use_operators(source: Source) -> Iterator[Finding]:
    """Prevents: a gradient that is right once and wrong, or not differentiable, under create_graph, tracing or vmap."""
    if not source.within("engine/ops") or not source.is_python:
        return
    functions = {node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg in {"vjp", "jvp", "batch"}:
            for value in node.value.values if isinstance(node.value, ast.Dict) else [node.value]:
                body = functions.get(value.id, value) if isinstance(value, ast.Name) else value
                for inner in ast.walk(body):
                    if isinstance(inner, ast.Name) and inner.id in {"np", "numpy", "scipy"}:
                        yield inner.lineno, f"{inner.id} in a derivative rule: write operators and rules.name()"


# --- who imports whom -------------------------------------------------------------------------------------------------

DOMAIN: Final = {"engine", "service.steps", "service.sessions", "service.functions", "service.scripts", "service.wire"}
HTTP: Final = {"fastapi", "pydantic", "starlette"}
MAY_IMPORT: Final[dict[str, set[str]]] = {
    "engine": {"numpy"},
    "engine.ops": {"engine", "numpy", "scipy"},
    "service": set(),
    "service.__main__": {
        "service.app", "service.auth", "service.demo", "service.journal", "service.server", "service.settings",
        "service.telemetry", "service.tuning",
    },
    "service.api": {
        *DOMAIN, *HTTP, "numpy", "orjson", "service.auth", "service.compat", "service.guide", "service.playground",
        "service.settings", "service.telemetry",
    },
    "service.app": {
        *DOMAIN, *HTTP, "service.api", "service.auth", "service.compat", "service.executors", "service.journal",
        "service.playground", "service.settings", "service.telemetry", "uvicorn",
    },
    "service.auth": {"service.settings"},
    "service.compat": {"service.functions", "service.wire"},
    "service.cycle": {"starlette", "uvicorn"},
    "service.demo": set(),
    "service.executors": {"service.functions", "service.sessions", "service.steps", "service.wire"},
    "service.functions": {"engine", "numpy", "service.scripts", "service.steps"},
    "service.guide": set(),
    "service.journal": {"service.functions", "service.sessions", "service.steps", "service.wire"},
    "service.playground": set(),
    "service.scripts": {"engine", "service.steps"},
    "service.sessions": {"engine", "numpy", "service.functions", "service.scripts", "service.steps", "service.wire"},
    "service.protocol": {"httptools", "service.api", "service.cycle", "service.settings", "starlette", "uvicorn"},
    "service.server": {"service.protocol", "service.settings", "uvicorn"},
    "service.settings": {"pydantic"},
    "service.steps": {"engine"},
    "service.telemetry": {"prometheus_client", "service.settings"},
    "service.tuning": set(),
    "service.wire": {"numpy", "orjson", "safetensors"},
}  # fmt: skip
MAY_IMPORT_ALONE: Final = {
    "service/executors/ray_actors.py": {"ray"}, "service/journal/command.py": {"click"}, "service/journal/postgres.py": {"psycopg"},
}  # fmt: skip


@rule
def imports_by_the_table(source: Source) -> Iterator[Finding]:
    """Prevents: a tie between two parts that nobody chose, found when one of them has to move to another process."""
    if not source.within("engine", "service") or not source.is_python:
        return
    part = _part(source.module)
    if part not in MAY_IMPORT:
        yield 1, f"{part} stands in no row of the import table (here, in style and in pyproject.toml): give it one"
        return
    allowed = MAY_IMPORT[part] | MAY_IMPORT_ALONE.get(source.path, set())
    for line, name in imported(source):
        found = _part(name)
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or found == part or not allowed.isdisjoint({top, found}):
            continue
        if found == "engine.ops" and source.path == "engine/__init__.py":
            continue  # bound last, by the package itself
        yield line, f"{part} may not import {name}"


@rule
def only_main_imports_app(source: Source) -> Iterator[Finding]:
    """Prevents: a server that is built as a side effect of an import, once too often and with the wrong settings."""
    if not source.is_python or source.within("tests") or source.path in {"service/__main__.py", "service/app.py"}:
        return
    for line, name in imported(source):
        if name == "service.app" or name.startswith("service.app."):
            yield line, "only __main__ and tests import service.app, the one place where parts are joined"


# --- tests ------------------------------------------------------------------------------------------------------------

SKIPS: Final = {"pytest.importorskip", "pytest.mark.skip", "pytest.mark.skipif", "pytest.skip"}


@rule
def skips_say_what_they_need(source: Source) -> Iterator[Finding]:
    """Prevents: a test that runs nowhere: a skip that "needs" something fails in CI, any other passes unseen."""
    if not source.within("tests") or not source.is_python:
        return
    needs = {  # names given to such a reason
        target.id for node in ast.walk(source.tree) if isinstance(node, ast.Assign) and _begins(node.value, "needs ")
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in ast.walk(source.tree):
        name = _dotted(node.func) if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or name not in SKIPS:
            continue
        reasons = [k.value for k in node.keywords if k.arg == "reason"]
        reasons += node.args[:1] if name == "pytest.skip" else []
        if not any(_begins(r, "needs ") or (isinstance(r, ast.Name) and r.id in needs) for r in reasons):
            yield node.lineno, f"{name}: the reason begins with 'needs'"


# --- reading a tree ---------------------------------------------------------------------------------------------------


def imported(source: Source) -> Iterator[Finding]:
    """Every (line, module) that a file imports, wherever it does. Of ``from engine import b``: ``engine.b``."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            package = source.module.split(".") if source.path.endswith("__init__.py") else source.module.split(".")[:-1]
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(p for p in (start, node.module or "") if p)
            whole = module in {"engine", "service", "engine.ops"}  # what follows names the part
            yield from ((node.lineno, f"{module}.{alias.name}" if whole else module) for alias in node.names)


def _part(module: str) -> str:
    """The row of the table that a module belongs to."""
    parts = module.split(".")
    if parts[0] == "service":
        return ".".join(parts[:2])
    return "engine.ops" if parts[:2] == ["engine", "ops"] else parts[0]


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := _dotted(node.value)):
        return f"{start}.{node.attr}"
    return None


def _begins(node: ast.expr, words: str) -> bool:
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(words)
