"""What a step can be refused for. The family's root is the service's; it knows no HTTP.

ServiceError
├── InvalidInput         what was sent cannot be: an argument, a field, an id
├── UnknownReference     an id in a body that the session does not hold
├── NotFound             a thing named in the address that does not exist
├── Conflict             right in itself, but not now: the order of scopes, say
├── PreconditionFailed   right in itself, but not for the version that is there
├── LimitExceeded        more than a limit allows
├── TooManySessions      no further session may be opened now
├── QueueFull            too many requests wait for the same session
├── QuotaExceeded        more than a tenant may hold
├── Overloaded           waited too long, or the service cannot take more
├── DeadlineExceeded     not done in the time that was given
├── Departed             the client left before its turn
├── ReadOnly             nothing can be written now: the store is damaged or full
├── Damaged              what was stored of a session cannot be trusted any more
├── NumberTaken          another process has written to the same log
├── KeyReused            an idempotency key that came before, with another request
├── StillRunning         the request of an idempotency key has not been answered yet
└── StepFailed           which step of several failed, and why (``__cause__``)
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = [
    "Conflict",
    "Damaged",
    "DeadlineExceeded",
    "Departed",
    "InvalidInput",
    "KeyReused",
    "LimitExceeded",
    "NotFound",
    "NumberTaken",
    "Overloaded",
    "PreconditionFailed",
    "QueueFull",
    "QuotaExceeded",
    "ReadOnly",
    "ServiceError",
    "StepFailed",
    "StillRunning",
    "TooManySessions",
    "UnknownReference",
    "passed",
]


_DIGITS: Final = re.compile(r"\d[\d,]{24,}")  # more of them say nothing more


class ServiceError(Exception):
    """The root of what the service refuses on purpose. ``members`` are the facts a problem document carries beside the sentence."""

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members: dict[str, Any] = {k: v for k, v in members.items() if v is not None}


class InvalidInput(ServiceError):
    """What was sent cannot be: an argument, a field, an id."""


class UnknownReference(ServiceError):
    """An id in a body that the session does not hold."""


class NotFound(ServiceError):
    """A thing named in the address that does not exist."""


class Conflict(ServiceError):
    """Right in itself, but not now."""


class PreconditionFailed(ServiceError):
    """Right in itself, but not for the version that is there. ``version``: the one that is."""


class LimitExceeded(ServiceError):
    """More than a limit allows: ``limit`` (its name), ``value`` (of the limit), ``asked``, ``unit``."""

    def __init__(self, limit: str, value: int, asked: int, unit: str, what: str) -> None:
        super().__init__(
            _DIGITS.sub("over 10**18", f"{what}: {asked:,} {unit} asked, {limit} allows {value:,} {unit}."),
            limit=limit,
            value=value,
            asked=asked,
            unit=unit,
        )


class TooManySessions(ServiceError):
    """No further session may be opened now. ``retry_after``: seconds."""


class QueueFull(ServiceError):
    """Too many requests wait for the same session. ``retry_after``: seconds."""


class QuotaExceeded(ServiceError):
    """More than a tenant may hold: ``limit`` (its name), ``value``, ``asked``, ``unit``, ``retry_after``."""


def passed(limit: str, value: int) -> dict[str, Any]:
    """The members that say which limit of waiting requests was passed.

    >>> passed("queue_places", 32)
    {'limit': 'queue_places', 'value': 32, 'asked': 33, 'unit': 'requests'}
    """
    return {"limit": limit, "value": value, "asked": value + 1, "unit": "requests"}


class Overloaded(ServiceError):
    """Waited too long, or the service cannot take more now. ``retry_after``: seconds."""


class DeadlineExceeded(ServiceError):
    """Not done in the time that was given; nothing was kept. ``retry_after``: seconds."""


class Departed(ServiceError):
    """The client left before its turn; nothing was done, and nobody hears of it."""


class ReadOnly(ServiceError):
    """Nothing can be written now; what is there can still be read. ``retry_after``: seconds."""


class Damaged(ServiceError):
    """What was stored of a session cannot be trusted any more: it answers nothing rather than something wrong."""


class NumberTaken(Overloaded):
    """Another process has written to the same log: what is held here is out of date."""


class KeyReused(InvalidInput):
    """An idempotency key that came before, with another method, address or body."""


class StillRunning(Conflict):
    """The request of an idempotency key has not been answered yet. ``retry_after``: seconds."""


class StepFailed(ServiceError):
    """One step of several failed; ``__cause__`` says why, ``step`` counts from 0."""

    def __init__(self, step: int, cause: Exception) -> None:
        super().__init__(str(cause), step=step)
        self.__cause__ = cause
