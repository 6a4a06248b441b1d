"""Definition: a function as plain data, the form in which it is sent, stored and hashed. Its hash is its version."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from engine.dtypes import DTYPES
from service.functions.ports import ReadValues
from service.functions.specs import InputSpec, read_specs
from service.steps.errors import InvalidInput, LimitExceeded, StepFailed
from service.steps.limits import Limits
from service.steps.step import Step, check_id

__all__ = ["FIELDS", "Definition", "check_name", "frozen", "immutable", "plain", "read_definition"]

FIELDS: Final = frozenset({"code", "constants", "default_dtype", "doc", "inputs", "outputs", "steps"})
MOST_NAMES: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")


@dataclass(frozen=True)
class Definition:
    """What a function is, in code or in steps.

    inputs: what is said of them (of code: may be nothing). outputs: a name, a list or an object, as it was sent; None: not said.
    constants: numbers, strings, booleans, and arrays as typed values in base64.
    """

    code: str | None = None
    steps: tuple[Step, ...] = ()
    inputs: tuple[InputSpec, ...] = ()
    outputs: Any = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    default_dtype: str = "float32"
    doc: str | None = None

    def to_data(self) -> dict[str, Any]:
        """The definition as plain data; ``read_definition`` reads it back."""
        out: dict[str, Any] = {}
        if self.code is not None:
            out["code"] = self.code
        else:
            out["steps"] = [s.to_json() for s in self.steps]
        if self.inputs or self.code is None:
            out["inputs"] = {s.path: s.to_json() for s in self.inputs}
        if self.outputs is not None:
            out["outputs"] = self.outputs
        if self.constants:
            out["constants"] = dict(self.constants)
        if self.default_dtype != "float32":
            out["default_dtype"] = self.default_dtype
        if self.doc is not None:
            out["doc"] = self.doc
        return out

    @cached_property
    def canonical(self) -> bytes:
        """The data as bytes that are the same for the same definition."""
        return json.dumps(self.to_data(), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @cached_property
    def version(self) -> str:
        """The hash of the content: 32 hexadecimal digits of SHA-256."""
        return hashlib.sha256(self.canonical).hexdigest()[:32]


def check_name(name: str) -> str:
    """A function's name: a Python name of at most 64 characters in the form (NFKC) that Python gives names, or one of ASCII with hyphens.

    Errors: InvalidInput. The text itself is not repeated.
    """
    if _NAME.match(name):
        return name
    if len(name) > 64 or not name.isidentifier():
        raise InvalidInput(
            "a function's name must be a Python name (letters, digits and underscores, at most 64, no digit first); of ASCII letters "
            "it may also have hyphens",
            argument="name",
        )
    if not unicodedata.is_normalized("NFKC", name):
        raise InvalidInput("a function's name must be in Unicode's form NFKC, as Python's names are", argument="name")
    return name


def plain(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """An array as a typed value: little-endian bytes in C order, in base64."""
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "base64": base64.b64encode(raw).decode()}


def frozen(value: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """The array of a typed value in base64, over bytes that nothing can write."""
    return immutable(base64.b64decode(value["base64"]), DTYPES[value["dtype"]].numpy, value["shape"])


def immutable(raw: bytes, dtype: np.dtype[Any], shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """An array over bytes: NumPy will not make it writeable, whoever asks."""
    return np.frombuffer(raw, dtype).reshape(shape) if raw else np.zeros(shape, dtype)


def read_definition(body: Mapping[str, Any], read: ReadValues, limits: Limits) -> Definition:
    """The definition that a body means. Errors: InvalidInput, StepFailed, LimitExceeded."""
    if any(k not in FIELDS for k in body):
        raise InvalidInput(f"a function has the fields {', '.join(sorted(FIELDS))}")
    if ("code" in body) == ("steps" in body):
        raise InvalidInput("give either 'code' or 'steps'", argument="code")
    default_dtype = body.get("default_dtype", "float32")
    if default_dtype not in {"float16", "float32", "float64"}:
        raise InvalidInput("'default_dtype' must be float32, float64 or float16", argument="default_dtype")
    doc = body.get("doc")
    if doc is not None and (not isinstance(doc, str) or len(doc) > 10_000):
        raise InvalidInput("'doc' must be a string of at most 10,000 characters", argument="doc")
    inputs = read_specs(body.get("inputs") or {})
    if len(inputs) > limits.step_outputs:
        raise LimitExceeded("step_outputs", limits.step_outputs, len(inputs), "inputs", "a function")
    constants = _read_constants(body.get("constants") or {}, default_dtype, read, limits)
    taken = {s.path.partition(".")[0] for s in inputs} & constants.keys()
    if taken:
        raise InvalidInput(f"'{min(taken)}' is both an input and a constant", argument=f"constants.{min(taken)}")
    code = body.get("code")
    if "code" in body:
        if not isinstance(code, str) or not code.strip():
            raise InvalidInput("'code' must be text with a def in it", argument="code")
        size = len(code.encode("utf-8", "surrogatepass"))
        if size > limits.function_source_bytes:
            raise LimitExceeded("function_source_bytes", limits.function_source_bytes, size, "bytes", "the code")
        return Definition(
            code=code,
            inputs=inputs,
            outputs=_read_outputs(body.get("outputs"), references=False),
            constants=constants,
            default_dtype=default_dtype,
            doc=doc,
        )
    return Definition(
        steps=_read_steps(body["steps"], limits),
        inputs=inputs,
        outputs=_read_outputs(body.get("outputs"), references=True),
        constants=constants,
        default_dtype=default_dtype,
        doc=doc,
    )


def _read_constants(value: Any, default_dtype: str, read: ReadValues, limits: Limits) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MOST_NAMES:
        raise InvalidInput(f"'constants' must be an object of at most {MOST_NAMES} values", argument="constants")
    out: dict[str, Any] = {}
    total = 0
    for name, given in value.items():
        where = f"constants.{check_id(name, 'constants')}"
        if isinstance(given, (dict, list)):
            array = read(given, None, default_dtype, where)
            if isinstance(given, list) and array.dtype.kind in "iu":  # many clients write 1.0 as 1
                array = array.astype(DTYPES[default_dtype].numpy)
            total += array.nbytes
            if total > limits.tensor_bytes:
                raise LimitExceeded("tensor_bytes", limits.tensor_bytes, total, "bytes", "the constants")
            out[name] = plain(array)
        elif given is None or len(str(given)) > 10_000:
            raise InvalidInput("a constant is a number, a string, a boolean, a list or a typed value", argument=where)
        else:
            out[name] = given
    return out


def _read_steps(value: Any, limits: Limits) -> tuple[Step, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidInput("'steps' must be a list of at least one step", argument="steps")
    if len(value) > limits.batch_steps:
        raise LimitExceeded("batch_steps", limits.batch_steps, len(value), "steps", "a function")
    steps = []
    for i, item in enumerate(value):
        try:
            steps.append(Step.from_json(item))
        except InvalidInput as error:
            raise StepFailed(i, error) from error
    return tuple(steps)


def _read_outputs(value: Any, *, references: bool) -> Any:
    """A text, a list of texts, or (of steps) an object from name to reference."""
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if isinstance(value, dict) and references:
        for name in value:
            check_id(name, "outputs")
        texts = list(value.values())
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_NAMES or not all(isinstance(t, str) for t in texts):
        raise InvalidInput(
            "'outputs' must be a name or a list of names" + (", or an object from name to id" * references),
            argument="outputs",
        )
    if not references:
        for text in texts:
            check_id(text, "outputs")
        if len(set(texts)) != len(texts):
            raise InvalidInput("the names of outputs must differ", argument="outputs")
    return value
