"""Tesseract's description of the functions of ``by_hand.py``; served by the peers' runtime (TESSERACT_API_PATH)."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float64, ShapeDType

_spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("by_hand.py"))
assert _spec is not None
assert _spec.loader is not None
by_hand = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(by_hand)


class InputSchema(BaseModel):
    """Which function, and its vector."""

    name: str
    x: Differentiable[Array[(None,), Float64]]


class OutputSchema(BaseModel):
    """Its number."""

    value: Differentiable[Array[(), Float64]]


def apply(inputs: InputSchema) -> OutputSchema:
    return OutputSchema(value=np.array(by_hand.FUNCTIONS[inputs.name][0](inputs.x)))


def vector_jacobian_product(
    inputs: InputSchema,
    vjp_inputs: set[str],  # noqa: ARG001 - the peer's signature
    vjp_outputs: set[str],  # noqa: ARG001
    cotangent_vector: dict[str, Any],
) -> dict[str, Any]:
    return {"x": cotangent_vector["value"] * by_hand.FUNCTIONS[inputs.name][1](inputs.x)}


def abstract_eval(abstract_inputs: Any) -> dict[str, Any]:  # noqa: ARG001
    return {"value": ShapeDType(shape=(), dtype="float64")}
