"""Functions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pydantic import Field

from service.api.schemas.document import BINARY, CURSOR, LIMIT, Model, described, query, sent
from service.api.schemas.graph import GraphObject
from service.wire.registry import Contents
from service.wire.safetensors_codec import FORMAT, write_safetensors

SAFETENSORS: Final = FORMAT.media_type

ROSENBROCK: Final = """def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
"""
PAIR: Final = """def pair(x, scale=2.0):
    return {"loss": (x**2).sum() * scale, "parts": x.exp()}
"""


class InputSpecObject(Model):
    """What is said of one input."""

    dtype: str | None = Field(None, description="the default dtype if left out; values of another one are refused")
    shape: list[int | str | None] | None = Field(
        None, description='sizes; null for any, a name such as "n" for one that is the same wherever it stands'
    )
    default: Any = Field(None, description="used where a request gives nothing")
    static: bool = Field(False, description="a plain value: a number, a string, a list of such; not a tensor")
    doc: str | None = None


class FunctionObject(Model):
    """A function: in ``code`` (the last def of a text) or in ``steps`` (operators, as in a batch)."""

    code: str | None = Field(None, description="PyTorch-looking text; torch, math and F are there already")
    steps: list[dict[str, Any]] | None = None
    from_session: str | None = Field(
        None, description="a session, whose graph from inputs (a list of ids) to outputs becomes the steps"
    )
    inputs: dict[str, InputSpecObject] | list[str] | None = Field(
        None, description="by path (x, params.w); of code they may be left out: the def's parameters, of any shape"
    )
    outputs: Any = Field(
        None,
        description="of steps: an id, a list of ids, or an object from name to id; of code: names for what is returned",
    )
    constants: dict[str, Any] | None = Field(
        None, description="kept at the server, never shown: numbers, lists (of the default dtype), typed values"
    )
    default_dtype: str = Field("float32", description="of literals, and of inputs whose dtype is not given")
    doc: str | None = None


class FunctionEntry(Model):
    """A function in short."""

    name: str
    version: str = Field(description="the hash of the content; also the entity tag")
    created: float
    kind: str
    inputs: dict[str, dict[str, Any]]
    doc: str | None


class FunctionDescription(FunctionEntry):
    """All that is told of a function."""

    default_dtype: str
    outputs: Any
    constants: dict[str, dict[str, Any]] = Field(description="what they are, not their values")
    code: str | None = None
    steps: list[dict[str, Any]] | None = None
    program: list[str] = Field(description="the function as lines to read")
    versions: list[str] = Field(description="the versions that can be named, the newest first")


class FunctionList(Model):
    """A page of functions."""

    functions: list[FunctionEntry]
    next_cursor: str | None


class Point(Model):
    """Where to evaluate."""

    inputs: dict[str, Any] = Field({}, description="numbers, nested lists, typed values, or objects of them, by name")
    in_axes: Any = Field(None, description="a batch: the axis of the examples, for all inputs or by input (null: none)")
    seed: int = Field(0, description="of the random numbers that the function draws: the same seed, the same numbers")


class GradPoint(Point):
    """Where to take gradients, and for what."""

    wrt: list[str] | str | None = Field(
        None, description="the inputs to differentiate for; all that can be if left out"
    )
    cotangents: Any = Field(
        None, description="weights by output, or a list of such; not needed where outputs are scalars"
    )


class JvpPoint(Point):
    """Where and along what to differentiate."""

    tangents: Any = Field(description="directions by input, or a list of such")


class HvpPoint(GradPoint):
    """Where and along what to take second derivatives."""

    tangents: Any = Field(description="directions by input, or a list of such")


class JacobianPoint(Point):
    """Where to take a Jacobian."""

    wrt: list[str] | str | None = None


class CheckPoint(Model):
    """Where to compare with finite differences."""

    inputs: dict[str, Any] = Field({}, description="as elsewhere")
    seed: int = 0
    wrt: list[str] | str | None = None
    eps: float = 1e-6
    atol: float = 1e-5
    rtol: float = 1e-3
    order: int = Field(1, description="2: the gradients of the gradients, too")


class Once(GradPoint):
    """A function and an evaluation of it."""

    verb: str = "value"
    code: str | None = None
    function: FunctionObject | None = None
    tangents: Any = None


class Outputs(Model):
    """Values by output: ``output`` where there is one, ``output0``, … for a tuple, its keys for a dict."""

    outputs: dict[str, Any]


class Gradients(Model):
    """Gradients by input; a list where several cotangents were given."""

    gradients: Any


class OutputsAndGradients(Model):
    """Both."""

    outputs: dict[str, Any]
    gradients: Any


class Pushed(Model):
    """Values, and their derivatives along the tangents."""

    outputs: dict[str, Any]
    tangents: Any


class Hvp(Model):
    """The Hessian times the tangents, by input."""

    hvp: Any


class Jacobian(Model):
    """By output and input; of shape: the output's, then the input's."""

    jacobian: dict[str, dict[str, Any]]


class Hessian(Model):
    """By input and input."""

    hessian: dict[str, dict[str, Any]]


class Shapes(Model):
    """What would come out, and what it would cost. ``computed``: values had to be computed to know."""

    outputs: dict[str, dict[str, Any]]
    inputs: dict[str, dict[str, Any]]
    estimate: dict[str, int]
    computed: bool


class Checked(Model):
    """Whether derivatives are what finite differences say, in double precision."""

    ok: bool
    detail: str | None = Field(description="both Jacobians where they differ")
    wrt: list[str]
    order: int
    eps: float
    atol: float
    rtol: float


ENCODING = query("encoding", "nested lists, or typed values in base64", {"enum": ["json", "base64"], "default": "json"})
X: Final = {"x": [0.5, 1.5, 1.0]}
SENTENCES: Final = {
    "value": "The outputs.",
    "grad": "The gradients of a scalar output, or of outputs weighted by cotangents.",
    "value_and_grad": "The outputs, and the gradients.",
    "vjp": "The outputs, and cotangents pulled back to the inputs.",
    "jvp": "The outputs, and tangents pushed forward to them.",
    "hvp": "The Hessian of a scalar output times tangents.",
    "jacobian": "The derivative of every output element for every input element.",
    "hessian": "The second derivatives of a scalar output.",
    "abstract": "Shapes and dtypes of the outputs and the cost, from shapes and dtypes alone where values decide nothing.",
    "check": "Whether the gradients agree with central differences.",
}
_BODIES: Final[dict[str, tuple[Any, Any, dict[str, Any]]]] = {
    "value": (Outputs, Point, {"one": {"inputs": X}, "a batch": {"inputs": {"x": [[1, 1], [2, 3]]}, "in_axes": 0}}),
    "grad": (Gradients, GradPoint, {"one": {"inputs": X}}),
    "value_and_grad": (
        OutputsAndGradients,
        GradPoint,
        {
            "one": {"inputs": X},
            "a batch": {"inputs": {"x": [[1, 1], [2, 3], [0, 0]]}, "in_axes": {"x": 0}, "wrt": ["x"]},
        },
    ),
    "vjp": (
        OutputsAndGradients,
        GradPoint,
        {"several cotangents": {"inputs": X, "cotangents": [{"output": 1}, {"output": 0.5}]}},
    ),
    "jvp": (Pushed, JvpPoint, {"one direction": {"inputs": X, "tangents": {"x": [1, 0, 0]}}}),
    "hvp": (Hvp, HvpPoint, {"one direction": {"inputs": X, "tangents": {"x": [1, 0, 0]}}}),
    "jacobian": (Jacobian, JacobianPoint, {"of all": {"inputs": X}}),
    "hessian": (Hessian, GradPoint, {"of all": {"inputs": X}}),
    "abstract": (Shapes, Point, {"of shapes": {"inputs": {"x": {"shape": [1000]}}}, "of values": {"inputs": X}}),
    "check": (Checked, CheckPoint, {"first order": {"inputs": X}, "second order": {"inputs": X, "order": 2}}),
}


_ONE = np.array([1.0, 0.0, 0.0], np.float32)
_BY_NAME = {
    verb: sent(
        "inputs.x, and other fields as JSON in __metadata__ under request", write_safetensors(Contents(arrays))[1]
    )
    for verb, arrays in {
        "value_and_grad": {"inputs.x": _ONE},
        "vjp": {"inputs.x": _ONE, "cotangents.output": np.array(1.0, np.float32)},
        "jvp": {"inputs.x": _ONE, "tangents.x": _ONE},
    }.items()
}


def evaluation(verb: str) -> dict[str, Any]:
    """The description of one verb's route."""
    found, body, examples = _BODIES[verb]
    return described(
        answer=found,
        text=SENTENCES[verb],
        body=body,
        examples=examples,
        query=[] if verb in ("abstract", "check") else [ENCODING],
        problems=(400, 406, 409, 413, 415, 422),
        media={SAFETENSORS: BINARY},
        binary={SAFETENSORS: {"arrays by name": _BY_NAME[verb]}} if verb in _BY_NAME else None,
    )


LIST = described(answer=FunctionList, text="A page of functions.", query=[LIMIT, CURSOR], problems=(422,))
PUT = described(
    answer=FunctionDescription,
    status=201,
    text="The function, new under its name; Location is its address.",
    body=FunctionObject,
    examples={
        "code": {"code": ROSENBROCK, "inputs": {"x": {"shape": ["n"]}}},
        "two outputs": {"code": PAIR},
        "steps": {
            "inputs": {"x": {"shape": ["n"]}},
            "steps": [{"op": "mul", "args": ["x", "x"], "id": "y"}, {"op": "sum", "args": ["y"], "id": "loss"}],
            "outputs": "loss",
        },
        "a constant": {"code": "def f(x):\n    return (w * x).sum()\n", "constants": {"w": [1.0, 2.0, 3.0]}},
    },
    problems=(400, 412, 413, 415, 422),
    keyed=True,
)
PUT["responses"][200] = {
    "description": "The function, as the newest version of its name.",
    "model": FunctionDescription,
}
PUT["openapi_extra"]["requestBody"]["content"]["text/x-python"] = {
    "schema": {"type": "string"},
    "examples": {"rosenbrock": {"summary": "rosenbrock", "value": ROSENBROCK}},
}
READ = described(answer=FunctionDescription, text="The function.", problems=())
READ["responses"][304] = {"description": "If-None-Match names this version."}
GRAPH = described(
    answer=GraphObject,
    text="The graph, in the format asked for.",
    query=[
        query(
            "of",
            "the function, or what it records to differentiate it; for grad and hvp outputs of several elements are summed",
            {"enum": ["value", "grad", "vjp", "jvp", "jacobian", "hvp"], "default": "value"},
        ),
        query("format", "data or a picture", {"enum": ["json", "dot", "mermaid", "svg"], "default": "json"}),
        query(
            "max_nodes",
            "a graph of more nodes is summarised (else: mermaid from 150, svg from 300)",
            {"type": "integer", "minimum": 8, "maximum": 100_000},
        ),
        query(
            "shape",
            "the shape of an input, such as x:2,3, once for each; else the declared one, 3 for a free size, or one that fits",
            {"type": "array", "items": {"type": "string"}},
        ),
    ],
    problems=(422,),
    media={"text/vnd.graphviz": {}, "text/plain": {}, "image/svg+xml": {}},
)
FORGET = described(status=204, text="Forgotten.", problems=(412,), keyed=True)
ONCE = described(
    answer=Outputs | Gradients | OutputsAndGradients | Pushed | Hvp | Jacobian | Hessian | Shapes | Checked,
    text="What the verb answers.",
    body=Once,
    examples={
        "value and gradient": {"verb": "value_and_grad", "code": ROSENBROCK, "inputs": X},
        "of steps": {
            "verb": "grad",
            "function": {"inputs": {"x": {}}, "steps": [{"op": "exp", "args": ["x"]}]},
            "inputs": {"x": 0},
        },
    },
    query=[ENCODING],
    problems=(400, 409, 413, 415, 422),
)
