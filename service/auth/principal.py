"""Who asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["DEFAULT_TENANT", "TENANT", "Principal"]

DEFAULT_TENANT: Final = "default"
"""The only tenant of a service without API keys."""
TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
"""What a tenant may be called."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A tenant, and the id of the key that said so; None where no key was asked for."""

    tenant: str = DEFAULT_TENANT
    key_id: str | None = None
