"""PyTorch-looking text, read by a safe interpreter: a closed list of nodes, names, attributes and methods over ``ast``.

Nothing of a script is ever executed by Python itself. ``define`` answers a function that a text defines; ``Cell`` runs a text over names
that were there before. Everything is charged to a ``Budget``; what a script computes on tensors passes ``tensors.call_row``. What names may
stand for, and what a session keeps of a script, is said in ``values``.
"""

from __future__ import annotations

from service.scripts.budget import Budget, Ledger
from service.scripts.cell import Cell, define, predefined, using
from service.scripts.errors import ScriptCancelled, ScriptError
from service.scripts.showing import repr_of, text_of
from service.scripts.values import MISSING, Contents, Namespace, Parameter, Run, ScriptFunction
from service.scripts.watching import Traces

__all__ = [
    "MISSING",
    "Budget",
    "Cell",
    "Contents",
    "Ledger",
    "Namespace",
    "Parameter",
    "Run",
    "ScriptCancelled",
    "ScriptError",
    "ScriptFunction",
    "Traces",
    "define",
    "predefined",
    "repr_of",
    "text_of",
    "using",
]
