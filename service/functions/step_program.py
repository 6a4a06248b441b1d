"""StepProgram: steps as a function. Names live for one run; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from engine import apply
from engine.dtypes import DTYPES, named
from engine.errors import EngineError
from engine.op import Estimate, Spec
from engine.promotion import estimate
from engine.tensor import Tensor
from service.functions.definition import Definition, immutable
from service.functions.ports import ReadValues
from service.functions.program import Parameter, constants_of, fresh
from service.functions.work import Work
from service.steps.binder import INDEXING, Reader, bind_step, find_operator
from service.steps.errors import InvalidInput, NotFound, ServiceError, StepFailed, UnknownReference
from service.steps.reference import parse_index, resolve
from service.steps.step import Auto, Step
from service.steps.verbs import VERBS

__all__ = ["StepProgram"]

TAKEN: Final = frozenset({"detach", "tensor"})
"""The verbs that a function may have among its steps."""


class StepProgram:
    """The program of a definition in steps.

    Errors: StepFailed with the number of the step, from 0, for what can be seen before it runs.
    """

    def __init__(self, definition: Definition, read: ReadValues) -> None:
        self._definition = definition
        self._read = read
        self._constants = constants_of(definition.constants)
        self._literals: dict[
            int, np.ndarray[Any, Any]
        ] = {}  # by the id of the JSON value in a step, which the definition holds
        names = list(dict.fromkeys(s.path.partition(".")[0] for s in definition.inputs))
        self._parameters = tuple(Parameter(name) for name in names)
        nested = [s.path for s in definition.inputs if "." in s.path]
        if nested:
            raise InvalidInput(
                "the inputs of steps have no parts: name them one by one", argument=f"inputs.{nested[0]}"
            )
        static = [s.path for s in definition.inputs if s.static]
        if static:
            raise InvalidInput("the inputs of steps are tensors", argument=f"inputs.{static[0]}.static")
        for i, step in enumerate(definition.steps):
            try:
                _check(step)
            except ServiceError as error:
                raise StepFailed(i, error) from error

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self._parameters

    @property
    def predictable(self) -> bool:
        return True

    def listing(self) -> list[str]:
        """The steps as assignments: ``y = mul(x, 2.0)``."""
        return [_line(s) for s in self._definition.steps]

    # -- running -----------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(self, work: Work) -> Iterator[Callable[[Mapping[str, Any]], Any]]:
        """What runs the steps in order."""
        yield lambda arguments: self._run(arguments, work)

    def _run(self, arguments: Mapping[str, Any], work: Work) -> Any:
        values: dict[str, Any] = {name: fresh(c, work) for name, c in self._constants.items()}
        values.update(arguments)
        reader = Reader(lambda name: _lookup(values, name), lambda value: self._literal(value, work))
        outputs = self._definition.outputs
        out: Any = None
        for i, step in enumerate(self._definition.steps):
            work.tick()
            try:
                out = self._carried_out(step, reader, values, work)
                _bind(step, out, values)
            except StepFailed:
                raise
            except (EngineError, ServiceError) as error:
                raise StepFailed(i, error) from error
        try:
            if outputs is None:
                return out
            if isinstance(outputs, str):
                return resolve(outputs, reader.lookup, "outputs")
            if isinstance(outputs, list):
                return tuple(resolve(o, reader.lookup, "outputs") for o in outputs)
            return {name: resolve(o, reader.lookup, "outputs") for name, o in outputs.items()}
        except UnknownReference as error:
            raise InvalidInput(error.detail, argument="outputs") from None

    def _carried_out(self, step: Step, reader: Reader, values: dict[str, Any], work: Work) -> Any:
        if step.op in INDEXING:
            return _indexed(step, reader, values, work)
        if step.op == "detach":
            return _one(step, reader).detach()
        if step.op == "tensor":
            return self._tensor(step, work)
        bound = bind_step(step.op, step.args, step.kwargs, reader)
        if not work.planned:
            work.admit(step.op, estimate(bound.op, bound.values))
        if bound.inplace:
            return apply.run_inplace(bound.op, bound.values)
        return apply.run(bound.op, bound.values)

    def _literal(self, value: Any, work: Work) -> Tensor:
        """A new tensor of JSON data in a step. What is in the definition is read once."""
        array = self._literals.get(id(value)) if isinstance(value, (dict, list)) else None
        if array is None:
            array = self._read(value, None, self._definition.default_dtype, "steps")
            if isinstance(value, (dict, list)):
                array = immutable(array.tobytes(), array.dtype, array.shape)
                self._literals[id(value)] = array
        found: Tensor = fresh(array, work)
        return found

    def _tensor(self, step: Step, work: Work) -> Tensor:
        if (
            len(step.args) != 1
            or not set(step.kwargs) <= {"dtype", "requires_grad"}
            or step.kwargs.get("requires_grad")
        ):
            raise InvalidInput("in a function 'tensor' takes data, and a dtype if wanted", argument="args")
        dtype = step.kwargs.get("dtype")
        if dtype is not None and not isinstance(dtype, str):
            raise InvalidInput("'dtype' must be the name of a dtype", argument="dtype")
        if dtype is None:
            return self._literal(step.args[0], work)
        kind = named(dtype)
        if kind is None:
            raise InvalidInput(f"there is no such dtype: {', '.join(DTYPES)} are known", argument="dtype")
        array = self._read(step.args[0], kind.name, self._definition.default_dtype, "steps")
        made: Tensor = fresh(array, work)
        return made


def _check(step: Step) -> None:
    """Refuse what no function may have among its steps."""
    if step.op in VERBS and step.op not in TAKEN:
        raise InvalidInput(
            f"a function's steps are operators, {' and '.join(sorted(TAKEN))}; '{step.op}' belongs to sessions",
            argument="op",
        )
    if step.op not in VERBS and step.op not in INDEXING:
        try:
            find_operator(step.op)
        except NotFound as error:
            raise InvalidInput(error.detail, argument="op") from None


def _bind(step: Step, out: Any, values: dict[str, Any]) -> None:
    """Name what a step made, as a session does."""
    tensors = [out] if isinstance(out, Tensor) else list(out)
    given = step.id
    if step.op == "setitem" or (step.op.endswith("_") and find_operator(step.op)[1]):
        if given is not None and not isinstance(given, Auto):
            raise InvalidInput(f"{step.op} binds nothing, so it takes no id", argument="id")
        return
    if given is None:
        return
    if isinstance(given, Auto):
        auto = 1
        for tensor in tensors:
            while f"t{auto}" in values:
                auto += 1
            values[f"t{auto}"] = tensor
        return
    names = given if isinstance(given, tuple) else (given,)
    if len(names) != len(tensors):
        raise InvalidInput(f"{step.op}() has {len(tensors)} outputs, and {len(names)} ids were given", argument="id")
    values.update({name: t for name, t in zip(names, tensors, strict=True) if name is not None})


def _lookup(values: Mapping[str, Any], name: str) -> Tensor:
    found = values.get(name)
    if found is None:
        raise UnknownReference("nothing is called so here: no input, no constant, no step before")
    if not isinstance(found, Tensor):
        import engine

        return engine.tensor(found)
    return found


def _one(step: Step, reader: Reader) -> Tensor:
    if len(step.args) != 1 or step.kwargs:
        raise InvalidInput(f"{step.op} takes one tensor", argument="args")
    found: Tensor = reader.tensor(step.args[0], "tensor")
    if not isinstance(found, Tensor):
        raise InvalidInput(f"{step.op} takes one tensor", argument="args")
    return found


def _indexed(step: Step, reader: Reader, values: dict[str, Any], work: Work) -> Tensor:
    wanted = 2 if step.op == "getitem" else 3
    if len(step.args) != wanted or step.kwargs:
        raise InvalidInput(
            f"{step.op} takes {wanted} arguments: a tensor, an index{', a value' * (wanted - 2)}", argument="args"
        )
    target = reader.tensor(step.args[0], "input")
    if not isinstance(target, Tensor):
        raise InvalidInput("the first argument must name a tensor", argument="input")
    text = step.args[1]
    if type(text) not in (int, str):
        raise InvalidInput("an index is a string in Python's syntax, or an int", argument="index")
    index = text if type(text) is int else parse_index(text, lambda name: _lookup(values, name), "index")
    if not work.planned:
        count = 1
        for item in index if isinstance(index, tuple) else (index,):
            if isinstance(item, (Tensor, list)):
                count *= max(item.numel() if isinstance(item, Tensor) else len(item), 1)
        size = count * max(target.numel() // max(target.shape[0] if target.ndim else 1, 1), 1)
        work.admit(step.op, Estimate((Spec((max(size, target.numel()),), target.dtype),), 0, size))
    if step.op == "getitem":
        return target[index]
    target[index] = reader.tensor(step.args[2], "value")
    return target


def _line(step: Step) -> str:
    args = [_shown(a) for a in step.args] + [f"{k}={_shown(v)}" for k, v in step.kwargs.items()]
    call = f"{step.op}({', '.join(args)})"
    if isinstance(step.id, Auto) or step.id is None:
        return call
    names = step.id if isinstance(step.id, tuple) else (step.id,)
    return f"{', '.join('_' if n is None else n for n in names)} = {call}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
