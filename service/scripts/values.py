"""What a script's names may stand for, beside tensors. THE ONE PLACE that says what a session keeps of a script.

- ``None``, booleans, numbers, strings, bytes, tuples, lists, dicts, ranges, slices: Python's own; sets are ``OrderedSet``;
  what comes item by item is ``Lazy`` (a session never keeps one);
- tensors, dtypes, sizes, devices, nodes and optimizers: the engine's own;
- ``ScriptFunction``, ``ScriptClass``, ``ScriptObject``: made by a script. Plain data as far as can be: a function is its ``source`` (text,
  line), its defaults and its ``frame`` (the values that it closes over, a dict; and that frame's parent); a class its ``source``,
  bases and members; an object its class and a dict of fields;
- ``Native``, ``Module``, ``Kind``: doors to what the interpreter itself offers, each known by its ``name`` (``torch.add``, ``math``,
  ``int``): the name alone finds it again; or by how it was ``made`` (``torch.func.grad(f)``). ``Bound``: a method taken from its object:
  the object and the method's name.

Nothing else ever becomes a value, so no value leads to Python's insides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from service.scripts.budget import Budget
from service.scripts.containers import Lazy, Opaque, OrderedSet
from service.scripts.namespace import MISSING, Namespace
from service.scripts.watching import LeftOut, Traces

if TYPE_CHECKING:
    import ast
    from types import TracebackType

__all__ = [
    "MISSING", "Bound", "Code", "Contents", "Frame", "Kind", "Lazy", "Module", "Namespace", "Native", "OrderedSet", "Parameter", "Run",
    "ScriptClass", "ScriptFunction", "ScriptObject", "Super", "contents", "refused_arguments", "running",
]  # fmt: skip


class Run:
    """One run of a script: its budget, what it printed, and the addresses that it showed. Enter it to make it the running one.

    undo: called with a holder of a list's, dict's or object's contents before they are changed for the first time.
    traces: where its backward calls tell how they walked. left_out: what was computed without being recorded.
    """

    def __init__(
        self, budget: Budget, undo: Callable[[Any], None] | None = None, *, traces: Traces | None = None
    ) -> None:
        self.budget = budget
        self.undo = undo
        self.traces = traces
        self.left_out = LeftOut()
        self.output: list[str] = []
        self.truncated = False
        self._addresses: dict[int, tuple[int, Any]] = {}
        self.touched: dict[int, Any] = {}
        self._tokens: list[Any] = []

    def __enter__(self) -> Self:
        self._tokens.append(running.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running.reset(self._tokens.pop())

    def write(self, text: str) -> None:
        """Add to what was printed, as far as there is room."""
        encoded = text.encode("utf-8", "replace")
        kept = self.budget.printed(len(encoded))
        if kept < len(encoded):
            self.truncated = True
        text = encoded[:kept].decode("utf-8", "ignore")
        if text:
            self.output.append(text)

    def address(self, thing: object) -> int:
        """A number that stands for an object's address: of the order in which a run asks, so the same whenever it runs."""
        known = self._addresses.get(id(thing))
        if known is None:
            known = self._addresses[id(thing)] = (0x7F0000000000 + 0x40 * (len(self._addresses) + 1), thing)
            self.budget.make(64)
        return known[0]

    def touch(self, thing: Any) -> None:
        """Say that a container is about to be changed."""
        if self.undo is not None and id(thing) not in self.touched:
            self.touched[id(thing)] = thing
            self.budget.make(16 + 8 * len(contents(thing)))
            self.undo(thing)


def contents(thing: Any) -> Any:
    """What a container holds, as the list or dict that is changed."""
    if isinstance(thing, (ScriptObject, ScriptClass)):
        return thing.fields
    if isinstance(thing, OrderedSet):
        return thing.items
    if isinstance(thing, Frame):
        return thing.names
    return thing if isinstance(thing, (list, dict)) else vars(thing)


class Contents:
    """A container as something with one attribute, ``state``: a copy of what it holds, put back by setting it."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    @property
    def state(self) -> Any:
        found = contents(self.thing)
        return list(found) if isinstance(found, list) else dict(found)

    @state.setter
    def state(self, value: Any) -> None:
        found = contents(self.thing)
        found.clear()
        if isinstance(found, list):
            found.extend(value)
        else:
            found.update(value)


running: ContextVar[Run | None] = ContextVar("running_script", default=None)


class Frame(Opaque):
    """The names of one call (or one class body): local ones, the frame of the function around it, the global ones."""

    __slots__ = ("names", "parent", "result", "run", "space")

    def __init__(self, run: Run, space: Namespace, parent: Frame | None, names: dict[str, Any]) -> None:
        self.run = run
        self.space = space
        self.parent = parent
        self.names = names
        self.result: Any = None


class Parameter:
    """One parameter of a script's function.

    kind: positional_only, positional_or_keyword, var_positional, keyword_only or var_keyword.
    """

    __slots__ = ("default", "kind", "name")

    def __init__(self, name: str, kind: str, default: Any = MISSING) -> None:
        self.name = name
        self.kind = kind
        self.default = default

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is MISSING and self.kind not in ("var_positional", "var_keyword")


class Code:
    """What is known of a function before it runs."""

    __slots__ = ("body", "height", "line", "name", "node", "source", "unit")

    def __init__(
        self,
        name: str,
        body: Callable[[Frame], Any],
        height: int,
        node: ast.FunctionDef | ast.Lambda,
        source: str,
        unit: tuple[int, str],
    ) -> None:
        self.name = name
        self.body = body
        self.height = height
        self.node = node
        self.line: int = node.lineno
        self.source = source
        self.unit = unit  # the first line, and the text, of the statement at the top level in which it stands


class ScriptFunction(Opaque):
    """A function of a script: callable as Python's are, with the engine's tensors.

    name, parameters (with kinds and defaults), line (from 1) and source (its text). A call outside of a run gets a budget of its own.
    """

    __slots__ = ("__weakref__", "code", "frame", "name", "owner", "parameters", "space")

    def __init__(self, code: Code, parameters: list[Parameter], frame: Frame | None, space: Namespace) -> None:
        self.code = code
        self.name = code.name
        self.parameters = parameters
        self.frame = frame
        self.space = space
        self.owner: ScriptClass | None = None

    @property
    def line(self) -> int:
        """The line of the script on which it begins, from 1."""
        return self.code.line

    @property
    def source(self) -> str:
        """Its text."""
        return self.code.source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = running.get()
        if run is None:
            with Run(Budget()) as run:
                return self.called(run, args, kwargs)
        return self.called(run, args, kwargs)

    def called(self, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it within a run. Errors: whatever the script raises."""
        names = self.bind(args, kwargs)
        if self.owner is not None:
            names["__class__"] = self.owner
            if args:
                names["__self__"] = args[0]
        frame = Frame(run, self.space, self.frame, names)
        code = self.code
        run.budget.enter(code.height)
        try:
            return code.body(frame)
        finally:
            run.budget.leave(code.height)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by name. Errors: TypeError in Python's words."""
        names: dict[str, Any] = {}
        at = 0
        rest = dict(kwargs)
        missing: list[str] = []
        lacking: list[str] = []
        starred = False
        for p in self.parameters:
            if p.kind == "var_positional":
                names[p.name] = tuple(args[at:])
                at = len(args)
                starred = True
            elif p.kind == "var_keyword":
                names[p.name] = rest
                rest = {}
            elif p.kind != "keyword_only" and at < len(args):
                if p.name in rest and p.kind != "positional_only":
                    raise TypeError(f"{self.name}() got multiple values for argument '{p.name}'")
                names[p.name] = args[at]
                at += 1
            elif p.name in rest and p.kind != "positional_only":
                names[p.name] = rest.pop(p.name)
            elif p.default is not MISSING:
                names[p.name] = p.default
            else:
                (lacking if p.kind == "keyword_only" else missing).append(p.name)
        if rest:
            raise TypeError(f"{self.name}() got an unexpected keyword argument '{next(iter(rest))}'")
        if at < len(args) and not starred:
            most = [p for p in self.parameters if p.kind in ("positional_only", "positional_or_keyword")]
            least = sum(p.required for p in most)
            takes = f"from {least} to {len(most)}" if least < len(most) else f"{len(most)}"
            plural = "" if len(most) == 1 else "s"
            was = "was" if len(args) == 1 else "were"
            raise TypeError(f"{self.name}() takes {takes} positional argument{plural} but {len(args)} {was} given")
        for found, kind in ((missing, "positional"), (lacking, "keyword-only")):
            if found:
                raise TypeError(
                    f"{self.name}() missing {len(found)} required {kind} argument{'s' * (len(found) > 1)}: {_listed(found)}"
                )
        return names


def _listed(names: list[str]) -> str:
    quoted = [f"'{n}'" for n in names]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + f", and {quoted[-1]}"


class ScriptClass(Opaque):
    """A class of a script. ``bases``: script classes, at most one native Kind (an exception, ``autograd.Function``) first of all."""

    __slots__ = ("__weakref__", "bases", "fields", "line", "name", "native", "source", "wrapped")

    def __init__(
        self, name: str, bases: list[ScriptClass], native: Any, fields: dict[str, Any], source: str, line: int
    ) -> None:
        self.name = name
        self.bases = bases
        self.native = native
        self.fields = fields
        self.source = source
        self.line = line
        self.wrapped: Any = None

    def lineage(self) -> Iterator[ScriptClass]:
        """The class and its ancestors, in the order of looking names up (depth first, each once)."""
        seen: list[ScriptClass] = []
        stack = [self]
        while stack:
            cls = stack.pop(0)
            if all(cls is not s for s in seen):
                seen.append(cls)
                yield cls
                stack = [*cls.bases, *stack]

    def find(self, name: str) -> Any:
        """A member by name, or MISSING."""
        for cls in self.lineage():
            if name in cls.fields:
                return cls.fields[name]
        return MISSING

    @property
    def native_base(self) -> Any:
        """The interpreter's own class that it derives from, or None."""
        return next((cls.native for cls in self.lineage() if cls.native is not None), None)

    def derives(self, other: ScriptClass) -> bool:
        return any(cls is other for cls in self.lineage())


class ScriptObject(Opaque):
    """An object of a script's class: its fields."""

    __slots__ = ("__weakref__", "cls", "fields")

    def __init__(self, cls: ScriptClass) -> None:
        self.cls = cls
        self.fields: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = self.cls.find("__call__")
        if found is MISSING:
            raise TypeError(f"'{self.cls.name}' object is not callable")
        return found(self, *args, **kwargs)

    def __str__(self) -> str:
        from service.scripts.showing import text_of

        return text_of(running.get() or Run(Budget()), self)


class Super(Opaque):
    """``super()`` of a method: the object, and the class after which names are looked up."""

    __slots__ = ("after", "subject")

    def __init__(self, subject: Any, after: ScriptClass) -> None:
        self.subject = subject
        self.after = after

    def find(self, name: str) -> Any:
        cls = self.subject.cls if isinstance(self.subject, ScriptObject) else self.subject
        passed = False
        for c in cls.lineage():
            if passed and name in c.fields:
                return c.fields[name]
            passed = passed or c is self.after
        return MISSING


def refused_arguments(error: TypeError, name: str) -> TypeError:
    """A TypeError as it is; one of a call that was not even begun without the interpreter's own words."""
    place = error.__traceback__
    if place is None or place.tb_next is not None:
        return error
    return TypeError(f"{name.rpartition('.')[2]}() received an invalid combination of arguments")


class Native(Opaque):
    """A function that the interpreter offers. It takes the run first; or, ``plain``, only its arguments.

    made: what was called, and with which arguments, to make it; by that it can be made again. None for what has a name of its own.
    """

    __slots__ = ("__weakref__", "function", "made", "name", "plain")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        plain: bool = False,
        made: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.plain = plain
        self.made = made

    def called(self, run: Run, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call it within a run. Errors: whatever it raises; TypeError for arguments that it does not take."""
        try:
            return self.function(*args, **kwargs) if self.plain else self.function(run, *args, **kwargs)
        except TypeError as error:
            raise refused_arguments(error, self.name) from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = running.get()
        if run is None:
            with Run(Budget()) as run:
                return self.called(run, args, kwargs)
        return self.called(run, args, kwargs)


class Kind(Native):
    """A class that the interpreter offers: for ``isinstance`` (``types``) and to be called; ``members`` are its class methods."""

    __slots__ = ("members", "types")

    def __init__(
        self, name: str, types: tuple[type, ...], function: Callable[..., Any], members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(name, function)
        self.types = types
        self.members = members or {}


class Bound(Opaque):
    """A method together with its object."""

    __slots__ = ("__weakref__", "name", "subject")

    def __init__(self, subject: Any, name: str) -> None:
        self.subject = subject
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from service.scripts.calls import call_method

        run = running.get()
        if run is None:
            with Run(Budget()) as run:
                return call_method(run, self.subject, self.name, args, kwargs)
        return call_method(run, self.subject, self.name, args, kwargs)


class Module(Opaque):
    """A module that a script may import: its name and the names in it."""

    __slots__ = ("load", "members", "name")

    def __init__(self, name: str, members: dict[str, Any], load: Callable[[str], Any] | None = None) -> None:
        self.name = name
        self.members = members
        self.load = load

    def find(self, name: str) -> Any:
        """A member, or MISSING."""
        if name.startswith("_"):
            return MISSING
        found = self.members.get(name, MISSING)
        if found is MISSING and self.load is not None:
            found = self.load(name)
            if found is not MISSING:
                self.members[name] = found
        return found


for _cls, _name in (  # the engine's sentences name a value's type as Python does
    (ScriptFunction, "function"),
    (ScriptClass, "type"),
    (ScriptObject, "object"),
    (Super, "super"),
    (Native, "builtin_function_or_method"),
    (Kind, "type"),
    (Bound, "method"),
    (Module, "module"),
):
    _cls.__name__ = _name
