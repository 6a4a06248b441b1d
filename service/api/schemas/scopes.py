"""Grad-mode scopes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.api.schemas.document import Model, described

Mode = Literal["no_grad", "enable_grad", "inference_mode", "set_grad_enabled"]


class EnterScope(Model):
    """Which scope to enter."""

    mode: Mode
    enabled: bool | None = Field(None, description="for set_grad_enabled, and only for it")


class ScopeObject(Model):
    """An open scope."""

    id: str = Field(examples=["s1"])
    mode: Mode
    enabled: bool | None = None


class ScopeList(Model):
    """The open scopes, outermost first."""

    scopes: list[ScopeObject]
    grad_enabled: bool


ENTER = described(
    answer=ScopeObject,
    status=201,
    text="The scope; it holds for later requests until it is left.",
    body=EnterScope,
    examples={"stop tracking": {"mode": "no_grad"}, "by a flag": {"mode": "set_grad_enabled", "enabled": False}},
    problems=(400, 413, 415, 422),
    keyed=True,
)
LIST = described(answer=ScopeList, text="The open scopes.")
LEAVE = described(status=204, text="Left.", problems=(409,), keyed=True)
