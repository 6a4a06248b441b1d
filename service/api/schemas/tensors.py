"""Tensors."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from pydantic import Field

from service.api.schemas.document import BINARY, CURSOR, DATA, ENCODING, LIMIT, Model, described, query, sent
from service.wire.npy_codec import write_npy
from service.wire.registry import Contents, formats

Dtype = Literal[
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"
]


class Values(Model):
    """Values without a name: a gradient, say."""

    shape: list[int]
    dtype: Dtype
    data: Any = Field(None, description="nested lists; NaN and infinities as strings, complex numbers as [re, im]")
    base64: str = Field("", description="in place of data with ?encoding=base64: little-endian bytes in C order")
    data_omitted: bool = Field(False, description="true where there are too many values to be shown unasked")


class TensorObject(Model):
    """A tensor."""

    id: str | None = Field(description="the name in the session; null where it is not kept", examples=["y"])
    shape: list[int] = Field(examples=[[2, 2]])
    dtype: Dtype
    requires_grad: bool
    is_leaf: bool
    grad_fn: str | None = Field(description="PyTorch's name of the node that made it", examples=["AddBackward0"])
    version: int = Field(description="how often its memory was written in place")
    data: Any = None
    base64: str = Field("", description="in place of data with ?encoding=base64")
    data_omitted: bool = False
    grad: Values | None = Field(None, description="the accumulated gradient")
    repr: str = Field("", description="the text that PyTorch would print; left out with ?data=never, as values are")


class TensorList(Model):
    """A page of tensors."""

    tensors: list[TensorObject]
    next_cursor: str | None


class CreateTensor(Model):
    """A new tensor: from ``data`` (or ``base64``), or by a factory ``op``."""

    id: str | None = Field(
        None, description="its name, as Python's are; t1, t2, … if left out", pattern=r"^[^\W0-9]\w*$", max_length=64
    )
    data: Any = Field(None, description="a number or nested lists")
    base64: str | None = Field(None, description="little-endian bytes in C order, with dtype and shape")
    dtype: Dtype | None = Field(None, description="from the data if left out; the default dtype with requires_grad")
    shape: list[int] | None = None
    requires_grad: bool = False
    op: str | None = Field(
        None, description="a factory: ones, zeros, full, eye, arange, linspace, rand, randn, randint, …"
    )
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None


class TensorData(Model):
    """Values alone."""

    id: str
    shape: list[int]
    dtype: Dtype
    data: Any = None
    base64: str = Field("", description="in place of data with ?encoding=base64")


class ChangeTensor(Model):
    """Flags."""

    requires_grad: bool | None = None
    retain_grad: Literal[True] | None = None


class Backward(Model):
    """As ``torch.Tensor.backward``."""

    gradient: Any = Field(
        None,
        description="the upstream gradient: a reference or data of this tensor's shape; not needed for one element",
    )
    retain_graph: bool | None = None
    create_graph: bool = False
    inputs: list[str] | None = Field(None, description="only these get gradients")
    trace: bool = Field(False, description="also tell the walk, node by node")


class TraceEvent(Model):
    """One node of the walk."""

    node: str
    name: str
    op: str | None = Field(description="the operator; null for a leaf")
    saved: list[str] = Field(description="what its rule took from the forward run")
    upstream: list[Values | None]
    produced: list[dict[str, Any]]
    accumulated: Values | None


class Gradients(Model):
    """The accumulated gradients of the named tensors that the walk reached."""

    gradients: dict[str, Values]
    trace: list[TraceEvent] | None = Field(None, description="the first 1,000 nodes of the walk")
    nodes: int | None = Field(None, description="with trace: the nodes that the walk passed")
    truncated: bool | None = Field(None, description="with trace: whether the walk passed more nodes than trace tells")


class Detach(Model):
    """The name of the result."""

    id: str | None = None


CREATE_FIELDS: Final = frozenset(CreateTensor.model_fields)
BACKWARD_FIELDS: Final = frozenset(Backward.model_fields)

RAW: Final = bytes.fromhex("0000803f00000040")
ONE_NPY: Final = write_npy(Contents({"": np.frombuffer(RAW, "<f4")}))[1]
VALUES: Final = dict.fromkeys(formats(), BINARY)

CREATE = described(
    answer=TensorObject,
    status=201,
    text="The tensor; Location is its address.",
    body=CreateTensor,
    examples={
        "a leaf by a factory": {"id": "a", "op": "ones", "args": [[2, 2]], "requires_grad": True},
        "from data": {"id": "b", "data": [[1, 2], [3, 4]], "requires_grad": True},
        "with a dtype": {"data": [0.5, "NaN", "-Infinity"], "dtype": "float64"},
        "from bytes": {"base64": "AACAPwAAAEA=", "dtype": "float32", "shape": [2]},
        "random numbers": {"op": "randn", "args": [3]},
    },
    query=[
        DATA,
        ENCODING,
        query("id", "of a tensor from a binary body; t1, t2, … if left out", {"type": "string"}),
        query("requires_grad", "of a tensor from a binary body", {"type": "boolean", "default": False}),
        query("dtype", "of raw bytes", {"type": "string"}),
        query("shape", "of raw bytes: 2,3; empty for a 0-d tensor; one dim if left out", {"type": "string"}),
    ],
    problems=(400, 413, 415, 422),
    keyed=True,
    binary={
        "application/x-npy": {"an array": sent("as numpy.save writes it", ONE_NPY, id="n", requires_grad="true")},
        "application/octet-stream": {
            "raw bytes": sent("float32, little-endian", RAW, dtype="float32", shape="2,1"),
        },
    },
)
LIST = described(answer=TensorList, text="A page of tensors.", query=[LIMIT, CURSOR, DATA, ENCODING], problems=(422,))
READ = described(answer=TensorObject, text="The tensor.", query=[DATA, ENCODING], problems=(422,))
CHANGE = described(
    answer=TensorObject,
    text="The tensor as it is now.",
    body=ChangeTensor,
    examples={"track it": {"requires_grad": True}},
    query=[DATA, ENCODING],
    problems=(400, 415, 422),
    keyed=True,
)
FORGET = described(status=204, text="Forgotten.", keyed=True)
DATA_READ = described(answer=TensorData, text="The values.", query=[ENCODING], problems=(406, 422), media=VALUES)
GRAD = described(answer=TensorObject, text="The gradient.", query=[DATA, ENCODING], problems=(406, 422), media=VALUES)
GRAD["responses"][204] = {"description": "There is no gradient."}
CLEAR = described(status=204, text="The gradient is None.", keyed=True)
BACKWARD = described(
    answer=Gradients,
    text="The accumulated gradients.",
    body=Backward,
    examples={
        "of one element": {},
        "seen step by step": {"trace": True},
        "twice": {"retain_graph": True},
        "with an upstream gradient": {"gradient": 2.0},
    },
    query=[DATA, ENCODING],
    problems=(400, 409, 413, 415, 422),
    keyed=True,
)
DETACH = described(
    answer=TensorObject,
    text="The tensor outside the graph.",
    body=Detach,
    examples={"named": {"id": "xd"}, "unnamed": {}},
    query=[DATA, ENCODING],
    problems=(400, 415, 422),
    keyed=True,
)
