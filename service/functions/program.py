"""Program: what a definition runs as. Text and steps become the same thing: arguments in, named outputs out, every call metered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from engine.dtypes import of_numpy
from engine.hollow import hollow
from engine.op import Spec
from engine.tensor import Tensor, wrap
from service.functions.definition import frozen, immutable
from service.functions.specs import MISSING
from service.functions.work import Work
from service.steps.errors import InvalidInput

__all__ = ["Parameter", "Program", "constants_of", "fresh", "named"]

MOST_OUTPUTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, and what it is where nothing is given (a Python value; MISSING: it must be given).

    any_keyword: stands for every further name.
    """

    name: str
    default: Any = MISSING


class Program(Protocol):
    """Something that can be run again and again, and keeps nothing of a run."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it takes, in order."""

    @property
    def predictable(self) -> bool:
        """Whether a run that only shapes, dtypes and plain arguments were told goes the same way on any values, or ends."""

    def opened(self, work: Work) -> AbstractContextManager[Callable[[Mapping[str, Any]], Any]]:
        """What runs it, and inside of which derivatives of the run are taken.

        It takes arguments by name (tensors, plain values, and nested lists and dicts of them) and answers the outputs as they come.
        Errors: the engine's, InvalidInput, StepFailed, ScriptError, LimitExceeded.
        """
        ...

    def listing(self) -> list[str]:
        """The program as lines to read."""
        ...


def constants_of(constants: Mapping[str, Any]) -> dict[str, Any]:
    """Constants as arrays that nothing can write, and plain values."""
    return {name: frozen(v) if isinstance(v, dict) else v for name, v in constants.items()}


def named(result: Any, names: Any) -> dict[str, Tensor]:
    """Outputs by name: ``output`` for one, ``output0``, ``output1``, … for a tuple, its keys for a dict; nested ones by path.

    names: one name or a list of names that the function gives its outputs. Errors: InvalidInput for what is no tensor or number.
    """
    found: dict[str, Tensor] = {}
    if isinstance(result, Tensor) and names is None:
        return {"output": result}
    if isinstance(names, str):
        _name(result, names, found)
    elif isinstance(names, list):
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(parts) != len(names):
            raise InvalidInput(
                f"the function has {len(parts)} outputs, and 'outputs' names {len(names)}", argument="outputs"
            )
        for part, name in zip(parts, names, strict=True):
            _name(part, name, found)
    elif isinstance(result, dict):
        for key, part in result.items():
            _name(part, str(key), found)
    elif isinstance(result, (tuple, list)):
        for k, part in enumerate(result):
            _name(part, f"output{k}", found)
    else:
        _name(result, "output", found)
    if not found:
        raise InvalidInput("the function answers nothing: it must return a tensor, or a tuple or dict of them")
    return found


def _name(value: Any, path: str, found: dict[str, Tensor]) -> None:
    if len(found) >= MOST_OUTPUTS or len(path) > 128:
        raise InvalidInput(f"the function has more than {MOST_OUTPUTS} outputs, or names of more than 128 characters")
    if isinstance(value, Tensor):
        if path in found:
            raise InvalidInput(f"the function has two outputs of the name '{path}'")
        found[path] = value
    elif isinstance(value, dict):
        for key, part in value.items():
            _name(part, f"{path}.{key}", found)
    elif isinstance(value, (tuple, list)):
        for k, part in enumerate(value):
            _name(part, f"{path}.{k}", found)
    elif type(value) in (bool, int, float, complex):
        import engine

        _name(engine.tensor(value), path, found)
    else:
        raise InvalidInput(
            f"output '{path}' is a {type(value).__name__}: a function returns tensors and numbers, and tuples, lists and dicts of them"
        )


def fresh(value: Any, work: Work) -> Any:
    """A constant as a value for one run: an array as a tensor of its own over bytes that nothing can write.

    In a rehearsal it is hollow; in a check it is in double precision.
    """
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    if work.rehearses:
        return hollow(Spec(value.shape, of_numpy(value.dtype)))
    if work.double and value.dtype.kind in "fc":
        value = value.astype(np.float64 if value.dtype.kind == "f" else np.complex128)
        value = immutable(value.tobytes(), value.dtype, value.shape)
    return wrap(value if value.ndim else value[()])
