"""Call: one request to a function, read and checked against what the function says of its inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from engine.dtypes import of_numpy
from engine.op import Spec
from engine.tensor import Tensor
from service.functions.ports import ReadValues

__all__ = ["VERBS", "Answer", "Call", "Leaf"]

VERBS: Final = ("value", "grad", "value_and_grad", "vjp", "jvp", "hvp", "jacobian", "hessian", "abstract", "check")
Answer = dict[str, Any]
"""Arrays by name: ``{"outputs": {"output": array}, "gradients": {"x": array}}``; several cotangents give a list of such."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where in the arguments a tensor stands: the number of the leaf."""

    number: int


@dataclass(slots=True)
class Call:
    """What is asked of a function.

    read: what reads cotangents and tangents, whose dtypes are known late. paths, arrays: the tensor inputs, in order. tree: the arguments,
    with a Leaf where a tensor stands. wrt: numbers of leaves. axes: the axis of the batch for each leaf, None where it is the same for
    all. batch: how many examples; 0: no batch.
    cotangents, tangents: as they were sent, one object for each direction. hollow: only shapes and dtypes were given.
    """

    verb: str
    read: ReadValues
    paths: list[str]
    arrays: list[np.ndarray[Any, Any]]
    tree: dict[str, Any]
    wrt: list[int] = field(default_factory=list)
    axes: list[int | None] | None = None
    batch: int = 0
    cotangents: list[dict[str, Any]] | None = None
    tangents: list[dict[str, Any]] | None = None
    several: bool = False
    seed: int = 0
    hollow: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    _key: Any = None

    def arguments(self, tensors: list[Tensor]) -> dict[str, Any]:
        """The arguments with these tensors."""
        return {name: _filled(part, tensors) for name, part in self.tree.items()}

    def examples(self) -> list[Spec]:
        """Shape and dtype of each leaf, of one example."""
        out = []
        for k, array in enumerate(self.arrays):
            shape = array.shape
            axis = None if self.axes is None else self.axes[k]
            if axis is not None:
                shape = shape[:axis] + shape[axis + 1 :]
            out.append(Spec(shape, of_numpy(array.dtype)))
        return out

    def signature(self) -> Any:
        """What decides how the function runs, short of values: shapes, dtypes, plain arguments."""
        leaves: Any = tuple([(p, a.shape, a.dtype) for p, a in zip(self.paths, self.arrays, strict=True)])
        if self.axes is not None:
            leaves = (leaves, tuple(self.axes))
        if all(type(part) is Leaf for part in self.tree.values()):
            return leaves
        return leaves, json.dumps(self.tree, default=lambda leaf: f"#{leaf.number}", sort_keys=True)

    def settle(self, key: Any) -> None:
        """Say what the key is: whatever decides what is computed must be in it."""
        self._key = key

    def key(self) -> Any:
        """What decides what is computed, short of values: the signature, the verb, for which inputs, along which directions."""
        if self._key is None:
            named = [
                None if given is None else tuple([tuple(direction) for direction in given])
                for given in (self.cotangents, self.tangents)
            ]
            self._key = self.verb, tuple(self.wrt), self.batch, self.signature(), self.several, *named
        return self._key


def _filled(part: Any, tensors: list[Tensor]) -> Any:
    kind = type(part)
    if kind is Leaf:
        return tensors[part.number]
    if kind is dict:
        return {k: _filled(v, tensors) for k, v in part.items()}
    if kind is list:
        return [_filled(v, tensors) for v in part]
    return part
