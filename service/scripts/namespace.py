"""Global names: where a script's names are looked up, and where those go that it binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["MISSING", "Namespace"]

MISSING: Final = object()
"""What stands for nothing, where None is a value like others."""


class Namespace:
    """Global names: those that the run has bound, over what was there before, over what the interpreter predefines."""

    def __init__(self, before: Callable[[str], Any], predefined: Mapping[str, Any]) -> None:
        self.bound: dict[str, Any] = {}
        self.deleted: dict[str, None] = {}
        self._before = before
        self._predefined = predefined

    def load(self, name: str) -> Any:
        """Errors: NameError in Python's words."""
        value = self.bound.get(name, MISSING)
        if value is not MISSING:
            return value
        if name not in self.deleted:
            value = self._before(name)
            if value is not MISSING:
                return value
        value = self._predefined.get(name, MISSING)
        if value is MISSING:
            raise NameError(f"name '{name}' is not defined")
        return value

    def store(self, name: str, value: Any) -> None:
        self.bound[name] = value
        self.deleted.pop(name, None)

    def delete(self, name: str) -> None:
        if name in self.bound:
            del self.bound[name]
        elif name in self.deleted or self._before(name) is MISSING:
            raise NameError(f"name '{name}' is not defined")
        self.deleted[name] = None
