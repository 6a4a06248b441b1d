"""Functions at the door: values as clients send them, answers as clients want them, versions as entity tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from fastapi import Request

from service.api.exchange import JSON, body_of, content_type_of, read_object
from service.api.negotiation import Answer as Written
from service.api.negotiation import grafted, media_type, read_sent, wanted
from service.functions.call import Answer
from service.functions.manager import Held
from service.functions.specs import check_path
from service.functions.step_program import StepProgram
from service.steps.errors import InvalidInput
from service.wire.errors import InvalidValues, UnsupportedMediaType
from service.wire.values import DTYPES, array_from_json, literal

__all__ = ["description", "entry", "from_session", "input_shapes", "read_body", "read_values", "rendering", "tags"]

PYTHON: Final = "text/x-python"
ARRAYS: Final = frozenset({"cotangents", "inputs", "tangents"})
SPECIAL: Final = frozenset({"NaN", "Infinity", "-Infinity"})


# --- in ---------------------------------------------------------------------------------------------------------------


def read_values(value: Any, dtype: str | None, default_dtype: str, where: str) -> np.ndarray[Any, Any]:
    """Numbers, nested lists or a typed value as a new array. Errors: InvalidInput with the place, such as ``inputs.x[2]``."""
    try:
        if isinstance(value, dict):
            return literal(value if dtype is None else {**value, "dtype": dtype}, default_dtype)
        return array_from_json(value, None if dtype is None else DTYPES[dtype], default_dtype)
    except InvalidValues as error:
        data = value.get("data") if isinstance(value, dict) else value
        place = where + (_offender(data, _shape(data), "", dtype) or "")
        raise InvalidInput(f"{place}: {error}", argument=place[:200]) from None


def _shape(data: Any) -> list[int]:
    shape = []
    while isinstance(data, list):
        shape.append(len(data))
        data = data[0] if data else None
    return shape


def _offender(item: Any, shape: list[int], path: str, dtype: str | None) -> str | None:
    """Where the first value stands that cannot be: ``[2][0]``."""
    if isinstance(item, list):
        if not shape or len(item) != shape[0]:
            return path
        for k, piece in enumerate(item):
            found = _offender(piece, shape[1:], f"{path}[{k}]", dtype)
            if found is not None:
                return found
        return None
    kind = None if dtype is None else DTYPES[dtype].kind
    good = (
        not shape
        and (item in SPECIAL if isinstance(item, str) else type(item) in (bool, int, float))
        and not (kind is not None and kind != "b" and type(item) is bool)
        and not (kind == "b" and type(item) is not bool)
        and not (kind in ("i", "u") and (isinstance(item, str) or (type(item) is float and item != int(item))))
    )
    return None if good else path


async def read_body(request: Request, *, text: bool = False) -> dict[str, Any]:
    """The body as a JSON object; with ``text`` also Python's text, which means ``{"code": …}``, else also arrays by name (``inputs.x``).

    Errors: UnsupportedMediaType, InvalidJson, InvalidBinary, BeyondBounds, InvalidInput.
    """
    if not text:
        if content_type_of(request) in (None, JSON):
            return await read_object(request, None)
        return grafted(await read_sent(request, None, several=True), ARRAYS)
    kind = content_type_of(request)
    if kind is not None and media_type(kind)[0] == PYTHON:
        try:
            return {"code": (await body_of(request)).decode()}
        except UnicodeDecodeError:
            raise InvalidInput("the text is not UTF-8", argument="code") from None
    try:
        return await read_object(request, None)
    except UnsupportedMediaType:
        raise UnsupportedMediaType(f"the body must be application/json or {PYTHON}") from None


def from_session(body: dict[str, Any]) -> tuple[str, list[str], dict[str, str], dict[str, Any]]:
    """The session, the ids of inputs, the ids of outputs by name, and the fields that go on as they are. Errors: InvalidInput."""
    known = {"doc", "from_session", "inputs", "outputs"}
    if not body.keys() <= known:
        raise InvalidInput(
            f"a function from a session has the fields {', '.join(sorted(known))}", argument="from_session"
        )
    session_id, inputs, outputs = body["from_session"], body.get("inputs"), body.get("outputs")
    if not isinstance(session_id, str):
        raise InvalidInput("'from_session' must be the id of a session", argument="from_session")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(i, str) for i in inputs):
        raise InvalidInput("'inputs' must be a list of ids of the session's tensors", argument="inputs")
    if isinstance(outputs, str):
        outputs = {outputs: outputs}
    elif isinstance(outputs, list) and all(isinstance(o, str) for o in outputs):
        outputs = {o: o for o in outputs}
    if not isinstance(outputs, dict) or not outputs or not all(isinstance(o, str) for o in outputs.values()):
        raise InvalidInput(
            "'outputs' must be an id of the session, a list of ids, or an object from name to id", argument="outputs"
        )
    return session_id, list(dict.fromkeys(inputs)), outputs, {"doc": body["doc"]} if "doc" in body else {}


def tags(request: Request, header: str) -> frozenset[str] | None:
    """The versions that a conditional header names; "*" for any; None without the header."""
    text = request.headers.get(header)
    if text is None:
        return None
    return frozenset(part.strip().removeprefix("W/").strip('"') for part in text.split(","))


# --- out --------------------------------------------------------------------------------------------------------------


def rendering(request: Request) -> Callable[[Answer], Written]:
    """What makes bytes of an answer: in the format that Accept asks for, or JSON as ``encoding`` says. Errors: InvalidInput."""
    return wanted(request).write


def entry(held: Held) -> dict[str, Any]:
    """A function in a list."""
    definition = held.function.definition
    return {
        "name": held.name,
        "version": held.version,
        "created": held.created,
        "kind": "steps" if definition.code is None else "code",
        "inputs": _inputs(held),
        "doc": definition.doc,
    }


def description(held: Held, versions: list[Held]) -> dict[str, Any]:
    """All that is told of a function. Of constants: what they are, never their values."""
    definition = held.function.definition
    program = held.function.program
    source: dict[str, Any] = {"code": definition.code}
    if isinstance(program, StepProgram):
        source = {"steps": [s.to_json() for s in definition.steps]}
    return {
        **entry(held),
        "default_dtype": definition.default_dtype,
        "outputs": definition.outputs,
        "constants": {name: _constant(value) for name, value in definition.constants.items()},
        **source,
        "program": program.listing(),
        "versions": [h.version for h in versions],
    }


def _inputs(held: Held) -> dict[str, Any]:
    """The spec of each input; of a parameter without one, what its default says."""
    function = held.function
    out: dict[str, Any] = {path: spec.to_json() for path, spec in function.specs.items()}
    for name, parameter in function.parameters.items():
        if name not in out and name not in function.children:
            default = parameter.default
            out[name] = {"default": default} if type(default) in (bool, int, float, str, type(None)) else {}
    return out


def _constant(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"dtype": value["dtype"], "shape": value["shape"]}
    return {"type": {bool: "boolean", int: "number", float: "number", str: "string"}.get(type(value), "value")}


def input_shapes(request: Request) -> dict[str, tuple[int, ...]]:
    """The shapes that a query gives, ``shape=x:2,3`` for each input; nothing after the colon is a 0-d tensor. Errors: InvalidInput."""
    found = {}
    for given in request.query_params.getlist("shape"):
        path, colon, text = given.partition(":")
        sizes = [part.strip() for part in text.strip("[]() ").split(",") if part.strip()]
        if not colon or len(sizes) > 64 or not all(s.isascii() and s.isdigit() and len(s) < 10 for s in sizes):
            raise InvalidInput("a shape is written as input and sizes, such as shape=x:2,3", argument="shape")
        found[check_path(path, "shape")] = tuple(map(int, sizes))
    return found
