"""The catalogue: every operator and verb that a step may name, with a JSON Schema of its arguments, built from the engine's table."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from engine.dtypes import ALIASES, DTYPES
from engine.op import OPS, Op
from engine.schema import MISSING, Parameter
from service.steps.verbs import VERBS, Verb

__all__ = ["catalogue", "entry", "operator_names"]

NAMES: Final = (*DTYPES, *ALIASES)
NUMBER: Final[dict[str, Any]] = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
TENSOR: Final[dict[str, Any]] = {
    "description": "a tensor: a reference (x, x.grad, x.data, x[1:, 0]), a number, nested lists, or a typed value",
    "anyOf": [
        {"type": "string"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "array"},
        {
            "type": "object",
            "properties": {
                "dtype": {"enum": list(NAMES)},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "data": {},
                "base64": {"type": "string"},
            },
            "required": ["dtype"],
            "additionalProperties": False,
        },
    ],
}
INTS: Final[dict[str, Any]] = {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "integer"}]}
KINDS: Final[dict[str, dict[str, Any]]] = {
    "Tensor": TENSOR,
    "Tensor|Scalar": TENSOR,
    "Tensor[]": {"anyOf": [{"type": "array", "items": TENSOR}, {"type": "string"}]},
    "Tensor?[]": {"type": "array", "items": {"anyOf": [TENSOR, {"type": "null"}]}},
    "Scalar": {
        "anyOf": [
            *NUMBER["anyOf"],
            {"type": "boolean"},
            {"type": "string", "description": "a reference to a 0-d tensor"},
        ]
    },
    "int": {"anyOf": [{"type": "integer"}, {"type": "string", "description": "a reference to a 0-d integer tensor"}]},
    "int[]": INTS,
    "int[1]": INTS,
    "int[2]": INTS,
    "int[3]": INTS,
    "float": NUMBER,
    "float[]": {"type": "array", "items": NUMBER},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "ScalarType": {"enum": [*NAMES, *(f"torch.{d}" for d in NAMES)]},
    "Generator": {"type": "null"},
    "Any": {},
}


def operator_names() -> list[str]:
    """Every public operator, sorted; internal rows (a leading underscore) are left out."""
    return sorted(name for name, rows in OPS.items() if rows[0].forms and not name.rpartition(".")[2].startswith("_"))


def _argument(p: Parameter) -> dict[str, Any]:
    schema = dict(KINDS[p.kind])
    if p.optional or p.default is None:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if p.default is not MISSING and p.default is not None:
        schema["default"] = list(p.default) if isinstance(p.default, tuple) else getattr(p.default, "name", p.default)
    return schema


def _arguments_schema(parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """A JSON Schema for a step's ``args`` and ``kwargs``."""
    positional = [p for p in parameters if not p.keyword_only]
    args: dict[str, Any] = {"type": "array", "prefixItems": [_argument(p) for p in positional]}
    trailing = positional and positional[-1].kind == "int[]"
    variadic = positional and positional[0].kind == "Tensor[]"
    args["items"] = {"type": "integer"} if trailing else TENSOR if variadic else False
    return {
        "type": "object",
        "properties": {
            "args": args,
            "kwargs": {
                "type": "object",
                "properties": {p.name: _argument(p) for p in parameters},
                "additionalProperties": False,
            },
            "id": {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array"}]},
        },
        "additionalProperties": False,
    }


def _parameter(p: Parameter) -> dict[str, Any]:
    out: dict[str, Any] = {"name": p.name, "kind": p.kind, "required": p.required, "keyword_only": p.keyword_only}
    if not p.required:
        out["default"] = list(p.default) if isinstance(p.default, tuple) else getattr(p.default, "name", p.default)
    return out


def _overload(row: Op) -> dict[str, Any]:
    return {
        "overload": row.schema.overload,
        "schema": row.schema.line,
        "parameters": [_parameter(p) for p in row.parameters],
        "outputs": [n or "output" for n in row.schema.returns] or None,
        "grad_fn": row.grad_fn if row.vjp is not None else None,
        "differentiable": row.differentiable,
        "inplace": "inplace" in row.forms,
        "view": row.kind == "view",
        "doc": row.doc,
    }


@cache
def entry(name: str) -> dict[str, Any] | None:
    """One operator or verb of the catalogue; None where there is none."""
    if name in VERBS:
        return _verb_entry(VERBS[name])
    rows = OPS.get(name)
    if rows is None or name not in operator_names():
        return None
    schemas = [_arguments_schema(row.parameters) for row in rows]
    return {
        "name": name,
        "kind": "operator",
        "family": rows[0].family,
        "summary": rows[0].doc.partition("\n")[0],
        "aliases": [n for n in rows[0].names if n != name],
        "forms": sorted(frozenset[str]().union(*(row.forms for row in rows))),
        "overloads": [_overload(row) for row in rows],
        "arguments": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
    }


def _verb_entry(verb: Verb) -> dict[str, Any]:
    return {
        "name": verb.name,
        "kind": "verb",
        "family": "verbs",
        "summary": verb.doc.partition("\n")[0],
        "aliases": [],
        "forms": [],
        "overloads": [
            {
                "overload": "",
                "schema": verb.schema.line,
                "parameters": [_parameter(p) for p in verb.schema.parameters],
                "doc": verb.doc,
            }
        ],
        "arguments": _arguments_schema(verb.schema.parameters),
    }


@cache
def catalogue() -> tuple[dict[str, Any], ...]:
    """Every operator and verb in short: name, kind, family, summary, schema lines."""
    found = []
    for name in [*(n for n in operator_names() if n not in VERBS), *sorted(VERBS)]:  # what is both is the verb
        full = entry(name)
        assert full is not None
        found.append(
            {k: full[k] for k in ("name", "kind", "family", "summary", "aliases", "forms")}
            | {"schemas": [o["schema"] for o in full["overloads"]]}
        )
    return tuple(found)
