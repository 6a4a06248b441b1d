"""The methods that the operator table gives to Tensor; ``engine.bind`` fills them in, ``methods.pyi`` types them."""

from __future__ import annotations

__all__ = ["TensorMethods"]


class TensorMethods:
    """Empty until the table is bound."""

    __slots__ = ()
