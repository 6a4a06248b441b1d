"""The catalogue."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from service.api.schemas.document import Model, described, query


class OperatorSummary(Model):
    """An operator or verb in short."""

    name: str
    kind: Literal["operator", "verb"]
    family: str
    summary: str
    aliases: list[str]
    forms: list[Literal["function", "inplace", "method", "property"]] = Field(
        description="how PyTorch's text says it: torch.name(x), x.name_(), x.name(), x.name"
    )
    schemas: list[str] = Field(description="torch's schema lines, one an overload")


class Catalogue(Model):
    """All of them."""

    ops: list[OperatorSummary]


class OperatorObject(Model):
    """One operator or verb."""

    name: str
    kind: Literal["operator", "verb"]
    family: str
    summary: str
    aliases: list[str]
    forms: list[Literal["function", "inplace", "method", "property"]] = Field(
        description="how PyTorch's text says it: torch.name(x), x.name_(), x.name(), x.name"
    )
    overloads: list[dict[str, Any]]
    arguments: dict[str, Any] = Field(
        description="a JSON Schema (2020-12) of the body of POST …/ops/{op}; oneOf where there are overloads"
    )


LIST = described(
    answer=Catalogue, text="The catalogue.", query=[query("family", "only this family", {"type": "string"})]
)
READ = described(answer=OperatorObject, text="The operator.")
