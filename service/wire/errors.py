"""What cannot be read.

WireError
├── InvalidJson            not JSON, not well formed, or too deep
├── UnsupportedMediaType   a content type that is not taken
└── InvalidValues          JSON, but not the values of a tensor
"""

from __future__ import annotations

__all__ = ["InvalidJson", "InvalidValues", "UnsupportedMediaType", "WireError"]


class WireError(Exception):
    """The root of what cannot be read. The sentence never repeats the input."""


class InvalidJson(WireError):
    """Not JSON, not well formed, or too deep."""


class UnsupportedMediaType(WireError):
    """A content type that is not taken."""


class InvalidValues(WireError):
    """JSON, but not the values of a tensor."""
