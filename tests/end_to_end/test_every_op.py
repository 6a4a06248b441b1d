"""Every row of the table through REST: the values, dtypes and gradients of its samples equal the engine's own, bit for bit."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import numpy as np
import pytest

import engine
from engine import dtypes
from engine.apply import run
from engine.errors import NoDerivativeError
from engine.op import ROWS, Op
from engine.tensor import wrap
from service.api.catalogue import operator_names
from service.wire.values import literal

PUBLIC = frozenset(operator_names())
RANDOM = frozenset(
    {"normal", "bernoulli", "multinomial", "uniform", "log_normal", "cauchy", "exponential", "geometric", "poisson"}
)
REACHABLE = [row for row in ROWS if row.samples is not None and row.name in PUBLIC and row.forms]


def typed(array: Any) -> dict[str, Any]:
    raw = np.ascontiguousarray(array)
    return {"dtype": raw.dtype.name, "shape": list(np.shape(array)), "base64": base64.b64encode(raw.tobytes()).decode()}


def as_json(value: Any, make: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return make(value)
    if isinstance(value, (list, tuple)):
        return [as_json(v, make) for v in value]
    if isinstance(value, complex):
        return None
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value.name if isinstance(value, dtypes.dtype) else value


def local(row: Op, sample: Any) -> tuple[Any, list[Any]]:
    """The engine's own answer and the leaves' gradients."""
    leaves: list[Any] = []

    def convert(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            t = wrap(np.array(value, order="C"))  # as what was sent lies
            if t.dtype.differentiable and row.vjp is not None:
                t.requires_grad_()
                leaves.append(t)
            return t
        if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, np.generic)) for v in value):
            return [convert(v) for v in value]
        return value

    args = [convert(a) for a in sample.args]
    kwargs = {k: convert(v) for k, v in sample.kwargs.items()}
    out = run(row, row.bind(args, kwargs))
    return out, leaves


@pytest.mark.parametrize("row", REACHABLE, ids=lambda row: row.id)
def test_a_row_over_rest(http: httpx.Client, row: Op) -> None:
    assert row.samples is not None
    for sample in row.samples():
        if any(isinstance(a, complex) for a in (*sample.args, *sample.kwargs.values())):
            continue  # JSON has no complex numbers beside values of tensors
        steps: list[dict[str, Any]] = []

        def make(array: Any, steps: list[dict[str, Any]] = steps) -> str:
            name = f"a{len(steps)}"
            leaf = array.dtype.kind in "fc" and row.vjp is not None
            steps.append({"op": "tensor", "args": [typed(array)], "kwargs": {"requires_grad": leaf}, "id": name})
            return name

        args = [as_json(a, make) for a in sample.args]
        kwargs = {k: as_json(v, make) for k, v in sample.kwargs.items()}
        out, leaves = local(row, sample)
        outputs = list(out) if isinstance(out, (tuple, list)) else [out]
        if not all(isinstance(o, engine.Tensor) for o in outputs):
            continue
        ids = [f"o{k}" for k in range(len(outputs))]
        several = isinstance(out, (tuple, list))
        steps.append({"op": row.name, "args": args, "kwargs": kwargs, "id": ids if several else ids[0]})
        tracked = [k for k, o in enumerate(outputs) if o.requires_grad]
        upstream: dict[str, Any] = {}
        refused: dict[str, str] = {}  # outputs that have no derivative, and the engine's sentence
        for k in tracked:
            ones = upstream[ids[k]] = np.ones(outputs[k].shape, outputs[k].dtype.numpy)
            try:
                outputs[k].backward(wrap(ones), retain_graph=True)
            except NoDerivativeError as error:
                refused[ids[k]] = str(error)
            else:
                steps.append({"op": "backward", "args": [ids[k], typed(ones)], "kwargs": {"retain_graph": True}})
        names = [s["id"] for s in steps if str(s.get("id")).startswith("a") and s["kwargs"].get("requires_grad")]
        session = http.post("/v1/sessions", json={"default_dtype": "float32"}).json()["session_id"]
        body = {"steps": steps, "return": [*ids, *(f"{n}.grad" for n in names)]}
        answer = http.post(f"/v1/sessions/{session}/batch", params={"data": "always"}, json=body)
        assert answer.status_code == 200, f"{sample}: {answer.text[:500]}"
        results = answer.json()["results"]
        for name, expected in zip(ids, outputs, strict=True):
            same(row, sample, results[name], expected)
        for name, leaf in zip(names, leaves, strict=True):
            got = results[f"{name}.grad"]
            if leaf.grad is None:
                assert got is None, sample
            else:
                same(row, sample, got, leaf.grad)
        for name, sentence in refused.items():
            told = http.post(
                f"/v1/sessions/{session}/tensors/{name}/backward", json={"gradient": typed(upstream[name])}
            )
            assert 400 <= told.status_code < 500, told.text
            assert told.json()["detail"].startswith(sentence)
        http.delete(f"/v1/sessions/{session}")


def same(row: Op, sample: Any, got: dict[str, Any], expected: engine.Tensor) -> None:
    assert got["shape"] == list(expected.shape), sample
    assert got["dtype"] == expected.dtype.name, sample
    if row.schema.name in RANDOM or row.schema.name.startswith("rand"):
        return
    value = {"dtype": got["dtype"], "shape": got["shape"], "data": got["data"]}
    array = literal(value, "float32") if expected.numel() else np.zeros(got["shape"], expected.dtype.numpy)
    np.testing.assert_array_equal(array, np.asarray(expected.detach().numpy()), err_msg=str(sample))


def test_most_rows_are_reached() -> None:
    missed = [row.id for row in ROWS if row.samples is not None and row.forms and row not in REACHABLE]
    assert len(REACHABLE) >= 70, missed
