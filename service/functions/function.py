"""Function: a definition made ready to run, once per version. Nothing in it changes from call to call but what is remembered of costs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

from service.functions.definition import Definition
from service.functions.ports import ReadValues
from service.functions.program import Parameter, Program
from service.functions.reading import plain
from service.functions.specs import MISSING, InputSpec
from service.functions.step_program import StepProgram
from service.steps.errors import InvalidInput

__all__ = ["Function", "Remembered"]

MOST_REMEMBERED: Final = 256
V = TypeVar("V")


class Remembered(Generic[V]):
    """What was learned for the last few keys. Safe for several threads: a lost entry is learned again."""

    __slots__ = ("_found", "_most")

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._found: OrderedDict[Any, V] = OrderedDict()
        self._most = most

    def get(self, key: Any) -> V | None:
        return self._found.get(key)

    def keep(self, key: Any, value: V) -> V:
        """Remember, and forget the oldest where there are too many."""
        self._found[key] = value
        while len(self._found) > self._most:
            try:
                self._found.popitem(last=False)
            except KeyError:
                break
        return value


class Function:
    """A version that can be called.

    parameters: what its program takes, by name. specs: what is said of inputs, by path. children: the parts of nested inputs, by path.
    """

    def __init__(self, definition: Definition, read: ReadValues) -> None:
        self.definition = definition
        self.version = definition.version
        self.program: Program = _program(definition, read)
        self.parameters: dict[str, Parameter] = {p.name: p for p in self.program.parameters}
        self.specs: dict[str, InputSpec] = {s.path: s for s in definition.inputs}
        self.children: dict[str, list[str]] = {}
        for path in self.specs:
            parts = path.split(".")
            for k in range(1, len(parts)):
                children = self.children.setdefault(".".join(parts[:k]), [])
                if parts[k] not in children:
                    children.append(parts[k])
            if parts[0] not in self.parameters:
                raise InvalidInput(
                    f"the function has no parameter '{parts[0]}': it takes {', '.join(self.parameters) or 'nothing'}",
                    argument=f"inputs.{path}",
                )
        self.names: Any = definition.outputs if definition.code is not None else None
        self.plain = plain(self)
        self.plans: Remembered[Any] = Remembered()
        self.heavy: Remembered[bool] = Remembered()

    def needed(self, path: str) -> bool:
        """Whether a request must give this input, or a part of it."""
        spec = self.specs.get(path)
        if spec is not None:
            return spec.default is MISSING
        return any(self.needed(f"{path}.{c}") for c in self.children.get(path, []))


def _program(definition: Definition, read: ReadValues) -> Program:
    if definition.code is None:
        return StepProgram(definition, read)
    from service.functions.text_program import TextProgram

    return TextProgram(definition)
