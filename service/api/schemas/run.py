"""Scripts."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from service.api.schemas.document import DATA, Model, Problem, described, query
from service.api.schemas.tensors import TensorObject


class Script(Model):
    """A script: PyTorch's text."""

    code: str = Field(examples=["y = x + 2\nprint(y)"])
    on_error: Literal["rollback", "keep"] = Field(
        "rollback", description="keep: what the statements before the failing one did stays"
    )
    trace: bool = Field(False, description="tell how the last backward calls walked, node by node")


class PlainValue(Model):
    """What is no tensor."""

    repr: str = Field(description="as Python prints it")
    value: Any = Field(None, description="the same as JSON, where it is plain data and not too much of it")


class Walk(Model):
    """One backward call of a script."""

    root: str | None = Field(description="the node that it began at, as in the graph")
    trace: list[dict[str, Any]] = Field(description="as backward answers it with trace")
    nodes: int = Field(description="the nodes that it passed")
    truncated: bool = Field(description="whether it passed more nodes than trace tells, which is at most 1,000")


class RunAnswer(Model):
    """What a script did."""

    stdout: str = Field(description="what it printed")
    truncated: bool = Field(description="whether it printed more than is kept")
    value: TensorObject | PlainValue | None = Field(description="of the last expression")
    names: list[str] = Field(description="the names that it bound, in order")
    steps: int = Field(description="statements, iterations and calls")
    error: Problem | None = Field(None, description="with on_error keep: what ended it")
    traces: list[Walk] | None = Field(None, description="with trace: its last backward calls, at most four")


RUN_FIELDS: Final = frozenset({"code", "on_error", "trace"})
TUTORIAL: Final = """import torch
x = torch.ones(2, 2, requires_grad=True)
y = x + 2
out = (y * y + 3).mean()
out.backward()
print(x.grad)
out"""

RUN = described(
    answer=RunAnswer,
    text="What it printed, the value of the last expression, and the names bound.",
    body=Script,
    examples={
        "the tutorial": {"code": TUTORIAL},
        "a cell that uses the session's tensors": {"code": "print(x.shape, 'and', y.grad_fn.name())\n[x.numel(), 2.5]"},
        "what came before an error is kept": {"code": "a = 1\nb = a + nothing", "on_error": "keep"},
    },
    query=[
        DATA,
        query(
            "on_error", "for a text/x-python body: as the field", {"enum": ["rollback", "keep"], "default": "rollback"}
        ),
        query("trace", "for a text/x-python body: as the field", {"type": "boolean", "default": False}),
    ],
    problems=(400, 409, 413, 415, 422),
    keyed=True,
)
RUN["openapi_extra"]["requestBody"]["content"]["text/x-python"] = {"schema": {"type": "string"}}
CANCEL = described(status=204, text="Told to end, or none runs.", problems=())
