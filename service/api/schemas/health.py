"""Health."""

from __future__ import annotations

from typing import Literal

from service.api.schemas.document import Model, described


class Health(Model):
    """The process answers."""

    status: Literal["ok"]


class Ready(Model):
    """The service takes requests."""

    status: Literal["ready"]
    sessions: int


class ErrorKind(Model):
    """A kind of problem."""

    type: str
    title: str
    status: int
    explanation: str


HEALTH = described(answer=Health, text="It answers.")
METRICS = described(text="Metrics.", media={"text/plain": {"schema": {"type": "string"}}})
READY = described(answer=Ready, text="It takes requests.")
ERROR = described(answer=ErrorKind, text="What it means and what to do.", media={"text/html": {}})
