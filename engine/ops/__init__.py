"""All rows of the operator table, a module per family. Importing this package declares them."""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["families"]

families: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))

for _name in families:
    importlib.import_module(f"{__name__}.{_name}")
