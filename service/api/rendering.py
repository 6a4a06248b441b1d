"""Tensors, outcomes and gradients as JSON objects, ready for the encoder. Called inside a session's turn: values may change after it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.dtypes import of_numpy
from engine.node import AccumulateGrad
from engine.tensor import Tensor, node_of
from service.api.exchange import Data
from service.sessions.session import Binding
from service.sessions.transaction import Transaction
from service.steps.outcome import Outcome
from service.steps.workspace import Scope
from service.wire.json_codec import array_to_json, json_bytes
from service.wire.values import typed_value

__all__ = ["listed", "outcome_json", "shown_values", "tensor_json", "verb_json"]

SHOWN: Final = 10_000
"""Elements up to which values are included unless asked otherwise."""
FRAME: Final = 200
"""Bytes that a tensor's other members take, about."""


def tensor_json(name: str | None, t: Tensor, data: Data, tx: Transaction, *, grad: bool = True) -> dict[str, Any]:
    """A tensor as the API shows it (design: the tensor object)."""
    array = t._array
    node = node_of(t)
    leaf = node is None or type(node) is AccumulateGrad
    out: dict[str, Any] = {
        "id": name,
        "shape": array.shape,
        "dtype": of_numpy(array.dtype).name,
        "requires_grad": t.requires_grad,
        "is_leaf": leaf,
        "grad_fn": None if leaf else t.grad_fn.name(),  # type: ignore[union-attr]
        "version": 0 if t.is_inference() else t._version,
    }
    out.update(shown_values(array, data, tx))
    if grad:
        g = t.grad
        out["grad"] = (
            None if g is None else {"shape": list(g.shape), "dtype": g.dtype.name, **shown_values(g._array, data, tx)}
        )
    tx.meter.show(FRAME)
    if data.show != "never":
        out["repr"] = text = repr(t)
        tx.meter.show(len(text))
    return out


def shown_values(array: Any, data: Data, tx: Transaction) -> dict[str, Any]:
    """``data`` (or ``base64``, as asked), or ``data_omitted`` where there is more than is shown unasked."""
    if data.show == "never" or (data.show == "auto" and array.size > SHOWN):
        return {"data_omitted": True}
    array = np.asarray(array)
    tx.meter.show(json_bytes(array, base64=data.encoding == "base64"))
    if data.encoding == "base64":
        tx.meter.spend(4 * array.nbytes)
        return {"base64": typed_value(array)["base64"]}
    tx.meter.spend(30 * array.size)
    return {"data": array_to_json(array)}


def outcome_json(outcome: Outcome, data: Data, tx: Transaction) -> Any:
    """One step's answer: the tensor, ``{"tensors": […]}`` for several, or what the verb says."""
    if outcome.several:
        return {"tensors": [tensor_json(n, t, data, tx) for n, t in zip(outcome.ids, outcome.tensors, strict=True)]}
    if outcome.tensors:
        return tensor_json(outcome.ids[0], outcome.tensors[0], data, tx)
    return verb_json(outcome.value, data, tx)


def verb_json(value: Any, data: Data, tx: Transaction) -> Any:
    """A verb's own value: tensors and arrays inside it as values."""
    if isinstance(value, Tensor):
        return {"shape": list(value.shape), "dtype": value.dtype.name, **shown_values(value._array, data, tx)}
    if isinstance(value, (np.ndarray, np.generic)):
        return {"shape": list(value.shape), "dtype": value.dtype.name, **shown_values(value, data, tx)}
    if isinstance(value, Scope):
        return value.to_json()
    if isinstance(value, dict):
        return {k: verb_json(v, data, tx) for k, v in value.items()}
    if isinstance(value, list):
        return [verb_json(v, data, tx) for v in value]
    return value


def listed(bindings: list[tuple[str, Binding]], after: int, limit: int) -> tuple[list[tuple[str, Binding]], str | None]:
    """A page of bindings in creation order, and the cursor of the next."""
    page = [item for item in bindings if item[1].number > after][: limit + 1]
    more = len(page) > limit
    page = page[:limit]
    return page, str(page[-1][1].number) if more else None
