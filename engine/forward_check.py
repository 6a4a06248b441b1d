"""Tangents compared with finite differences: the forward half of ``autograd.gradcheck``. Source: torch.autograd.gradcheck."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from engine.batching import batched, front, mapping
from engine.duals import give, opened, tangent_of
from engine.errors import GradcheckError
from engine.rules import rules
from engine.tensor import Tensor, array_of, wrap

__all__ = ["check_forward"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Function: TypeAlias = Callable[..., Any]


def check_forward(
    func: Function, inputs: tuple[Any, ...], *, eps: float, atol: float, rtol: float, batches: bool
) -> None:
    """Push every unit vector of every input that requires grad (of a complex one 1 and i) through the function.

    Errors: GradcheckError where a tangent is not what central differences give, or, with ``batches``, a batch of tangents not what each
    gives alone.
    """
    for number, i in enumerate(k for k, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad):
        directions = list(_directions(inputs[i]._array))
        moved = [_pushed(func, inputs, i, d) for d in directions]
        for d, tangents in zip(directions, moved, strict=True):
            for k, (t, expected) in enumerate(zip(tangents, _differences(func, inputs, i, d, eps), strict=True)):
                found = np.zeros_like(expected) if t is None else t
                if not np.allclose(found, expected, rtol, atol):
                    raise GradcheckError(
                        f"Jacobian computed with forward mode mismatch for output {k} with respect to input {number},\n"
                        f"numerical:{wrap(expected)}\nanalytical:{wrap(found)}\n"
                    )
        if batches and directions:
            _check_batch(func, inputs, i, directions, moved)


def _directions(array: Any) -> Iterator[Array]:
    for place in np.ndindex(*array.shape):
        for step in (1, 1j) if array.dtype.kind == "c" else (1,):
            d = np.zeros(array.shape, array.dtype)
            d[place] = step
            yield d


def _outputs(answer: Any) -> list[Tensor]:
    found = answer if isinstance(answer, (tuple, list)) else (answer,)
    return [o for o in found if isinstance(o, Tensor) and o.dtype.differentiable]


def _pushed(func: Function, inputs: tuple[Any, ...], i: int, direction: Array) -> list[Array | None]:
    with opened() as level:
        dual = rules.alias(inputs[i])
        give(dual, level, wrap(direction))
        tangents = [tangent_of(o, level) for o in _outputs(func(*inputs[:i], dual, *inputs[i + 1 :]))]
    return [None if t is None else np.array(t._array) for t in tangents]


def _differences(func: Function, inputs: tuple[Any, ...], i: int, direction: Array, eps: float) -> list[Array]:
    """Central differences of the outputs along a direction of one input, which is moved in memory and moved back."""
    array = array_of(inputs[i])
    before = np.array(array)
    ends = []
    try:
        for sign in (1, -1):
            array[...] = before + sign * eps * direction
            ends.append([np.array(o._array) for o in _outputs(func(*inputs))])
    finally:
        array[...] = before
    return [(a - b) / (2 * eps) for a, b in zip(*ends, strict=True)]


def _check_batch(
    func: Function, inputs: tuple[Any, ...], i: int, directions: list[Array], moved: list[list[Array | None]]
) -> None:
    count = len(directions)
    try:
        with opened() as level, mapping(count, "error") as batch:
            dual = rules.alias(inputs[i])
            give(dual, level, batched(wrap(np.stack(directions)), batch.depth))
            outputs = _outputs(func(*inputs[:i], dual, *inputs[i + 1 :]))
            together: list[Any] = [
                None if (t := tangent_of(o, level)) is None else front(t, batch.depth, count) for o in outputs
            ]
    except RuntimeError as error:
        raise GradcheckError(f"While computing batched gradients, got: {error}") from error
    for k, got in enumerate(together):
        for row, alone in enumerate(moved):
            one = alone[k]
            if got is not None and one is not None and not np.allclose(array_of(got)[row], one):
                raise GradcheckError(
                    f"For output {k} and input {i}:\n\nGot:\n{wrap(array_of(got)[row])}\n\nExpected:\n{wrap(one)}"
                )
