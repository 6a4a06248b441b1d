"""What the engine raises. Every class is also the builtin that a PyTorch user would catch.

    EngineError
    ├── ArgumentError (TypeError)          an argument is missing, unknown or of the wrong kind
    ├── InvalidValueError (ValueError)     the right kind, but a value that cannot be
    ├── HugeNumberError (OverflowError)    an integer that no dtype holds
    ├── DimensionError (IndexError)        a dim or an index out of range
    └── TensorError (RuntimeError)         what PyTorch raises from its kernels
        ├── ShapeError                     shapes that do not fit
        ├── DtypeError                     dtypes that do not fit
        │   └── UnsupportedDtypeError (NotImplementedError)   a dtype for which the operator is not made
        ├── LinAlgError                    a matrix that is singular or not positive definite
        └── AutogradError                  what the graph does not allow
            ├── GraphFreedError            a second backward without retain_graph
            ├── VersionError               a saved tensor was changed in place
            ├── LeafError                  a leaf that requires grad was about to be changed
            ├── ViewError                  a view that may not be changed in place
            └── NoDerivativeError          the operator has no derivative, and says so

The first line is PyTorch's, to the letter, where it has one that says what is wrong; what we add follows on lines of its own.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "AutogradError",
    "DimensionError",
    "DtypeError",
    "EngineError",
    "GradcheckError",
    "GraphFreedError",
    "HugeNumberError",
    "InvalidValueError",
    "LeafError",
    "LinAlgError",
    "NoDerivativeError",
    "ShapeError",
    "TensorError",
    "UnsupportedDtypeError",
    "VersionError",
    "ViewError",
]


class EngineError(Exception):
    """The root of everything the engine raises on purpose."""


class ArgumentError(EngineError, TypeError):
    """An argument is missing, unknown, given twice or of the wrong kind; ``argument`` names it."""

    def __init__(self, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument
        self.overloads: object = None  # those that did not bind, where that is what happened


class InvalidValueError(EngineError, ValueError):
    """An argument of the right kind whose value cannot be."""


class HugeNumberError(EngineError, OverflowError):
    """An integer that no dtype holds: PyTorch's OverflowError."""


class DimensionError(EngineError, IndexError):
    """A dim or an index out of range."""


class TensorError(EngineError, RuntimeError):
    """What PyTorch raises as a RuntimeError from its kernels."""


class ShapeError(TensorError):
    """Shapes that do not fit each other or the operator."""


class DtypeError(TensorError):
    """A dtype that the operator does not take, or a result that cannot be cast."""


class UnsupportedDtypeError(DtypeError, NotImplementedError):
    """A dtype for which the operator is not made: PyTorch's NotImplementedError."""


class LinAlgError(TensorError):
    """A matrix for which a decomposition or a solution does not exist."""


class AutogradError(TensorError):
    """What the graph does not allow."""


class GraphFreedError(AutogradError):
    """The saved values of a node were freed by an earlier backward."""


class VersionError(AutogradError):
    """A value needed for the gradient was changed in place after it was saved."""


class LeafError(AutogradError):
    """A leaf that requires grad was about to be changed in place, or a flag set on a non-leaf."""


class ViewError(AutogradError):
    """A view that may not be changed in place."""


class NoDerivativeError(AutogradError):
    """The operator has no derivative for this input."""


class GradcheckError(AutogradError):
    """A derivative is not what finite differences say, or a backward does what none may do."""
