"""What cannot be read.

WireError
├── InvalidJson            not JSON, not well formed, or too deep
├── InvalidBinary          not the binary format that it says it is
├── UnsupportedMediaType   a content type that is not taken
├── NotAcceptable          none of the formats that the client takes can hold the answer
├── InvalidValues          JSON, but not the values of a tensor
└── BeyondBounds           an array that is declared larger than a limit allows
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BeyondBounds",
    "InvalidBinary",
    "InvalidJson",
    "InvalidValues",
    "NotAcceptable",
    "UnsupportedMediaType",
    "WireError",
]


class WireError(Exception):
    """The root of what cannot be read. The sentence never repeats the input. ``members``: facts for a problem document."""

    members: dict[str, Any]

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail)
        self.members = members


class InvalidJson(WireError):
    """Not JSON, not well formed, or too deep."""


class InvalidBinary(WireError):
    """Not the binary format that it says it is."""


class UnsupportedMediaType(WireError):
    """A content type that is not taken."""


class NotAcceptable(WireError):
    """None of the formats that the client takes can hold the answer."""


class InvalidValues(WireError):
    """JSON, but not the values of a tensor."""


class BeyondBounds(WireError):
    """An array that is declared larger than a limit allows: ``limit`` (its name), ``value`` (of the limit), ``asked``, ``unit``."""

    def __init__(self, limit: str, value: int, asked: int, unit: str) -> None:
        super().__init__(
            f"the body declares an array of {asked:,} {unit}; {limit} allows {value:,} {unit}.",
            limit=limit,
            value=value,
            asked=asked,
            unit=unit,
        )
