"""Derivatives of functions of tensors: vjp, jvp, vhp, hvp, jacobian, hessian. Source: torch.autograd.functional.

Each takes ``func`` and its inputs (a tensor or a tuple of them) and answers in the same structure. Results carry a graph only with
``create_graph``; with ``strict`` an output that does not depend on an input is an error rather than a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from engine.backward import grad
from engine.batching import batched, front, mapping
from engine.duals import give, opened, tangent_of
from engine.errors import ArgumentError, AutogradError
from engine.forward import point
from engine.grad_mode import enable_grad
from engine.rules import rules
from engine.tensor import Tensor, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors: TypeAlias = "Tensor | tuple[Tensor, ...]"
Pieces: TypeAlias = "tuple[Tensor, ...]"


def _tuple(value: Any, what: str, function: str) -> tuple[Pieces, bool]:
    """A tensor or a sequence of them as a tuple, and whether it was one. Errors: TypeError for anything else."""
    if isinstance(value, Tensor):
        return (value,), False
    if not isinstance(value, Sequence):
        raise ArgumentError(
            f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the given {what} has type "
            f"{type(value)}."
        )
    for i, v in enumerate(value):
        if not isinstance(v, Tensor):
            raise ArgumentError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the value at index {i} of the "
                f"given {what} has type {type(v)}."
            )
    return tuple(value), True


def _leaves(inputs: Pieces, create_graph: bool) -> Pieces:
    """Inputs to differentiate for: connected to what they came from only where a graph is wanted."""
    return tuple(rules.alias(t) if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs)


def _called(func: Callable[..., Any], inputs: Pieces, function: str) -> tuple[Pieces, bool]:
    return _tuple(func(*inputs), "outputs of the user-provided function", function)


def _shaped(v: Any, like: Pieces, function: str) -> Pieces:
    """Given weights, checked against what they weigh."""
    pieces, _ = _tuple(v, "v", function)
    if len(pieces) != len(like):
        raise AutogradError(f"v is a tuple of invalid length: should be {len(like)} but got {len(pieces)}.")
    for i, (a, b) in enumerate(zip(pieces, like, strict=True)):
        if a.shape != b.shape:
            place = f"Entry {i} in " if len(like) > 1 else ""
            raise AutogradError(f"{place}v has invalid size: should be {b.shape} but got {a.shape}.")
    return pieces


def _weights(v: Any, outputs: Pieces, function: str) -> Pieces | None:
    if v is not None:
        return _shaped(v, outputs, function)
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise AutogradError(
            "The vector v can only be None if the user-provided function returns a single Tensor with a single element."
        )
    return None


def _tangents(v: Any, inputs: Pieces, function: str) -> Pieces:
    if v is not None:
        return _shaped(v, inputs, function)
    if len(inputs) != 1 or inputs[0].numel() != 1:
        raise AutogradError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a single element."
        )
    return (rules.ones_like(inputs[0]),)


def _pull(
    outputs: Pieces, inputs: Pieces, weights: Pieces | None, create: bool, strict: bool, what: str = "the output"
) -> Pieces:
    """One walk back; what does not depend is zero, or with ``strict`` an error."""
    live = [k for k, o in enumerate(outputs) if o.requires_grad]
    if strict and len(live) != len(outputs):
        dead = next(k for k, o in enumerate(outputs) if not o.requires_grad)
        raise AutogradError(
            f"Output {dead} of the user-provided function does not require gradients. The outputs must be computed in a differentiable "
            "manner from the input when running in strict mode."
        )
    found: tuple[Tensor | None, ...] = (None,) * len(inputs)
    if live:
        found = grad(
            [outputs[k] for k in live],
            list(inputs),
            None if weights is None else [weights[k] for k in live],
            retain_graph=True,
            create_graph=create,
            allow_unused=True,
        )
    if strict and any(f is None for f in found):
        k = [f is None for f in found].index(True)
        raise AutogradError(
            f"{what.capitalize()} of the user-provided function is independent of input {k}. This is not allowed in strict mode."
        )
    return tuple(rules.zeros_like(t) if f is None else f for f, t in zip(found, inputs, strict=True))


def _finished(pieces: Pieces, was_tuple: bool, create_graph: bool) -> Tensors:
    done = pieces if create_graph else tuple(p.detach() for p in pieces)
    return done if was_tuple else done[0]


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The outputs of ``func``, and ``v`` times its Jacobian.

    v: weights in the shape of the outputs; may be left out for one element. Source: torch.autograd.functional.vjp.

    >>> import engine as torch
    >>> vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        given, many = _tuple(inputs, "inputs", "vjp")
        leaves = _leaves(given, create_graph)
        outputs, several = _called(func, leaves, "vjp")
        found = _pull(outputs, leaves, _weights(v, outputs, "vjp"), create_graph, strict)
    return _finished(outputs, several, create_graph), _finished(found, many, create_graph)


def _push(outputs: Pieces, leaves: Pieces, tangents: Pieces, create_graph: bool, strict: bool) -> Pieces:
    """The Jacobian times tangents: the pull-back is linear in its weights, so its own pull-back is the push-forward."""
    weights = tuple(rules.zeros_like(o).requires_grad_() for o in outputs)
    pulled = _pull(outputs, leaves, weights, True, strict)
    live = [k for k, p in enumerate(pulled) if p.requires_grad]
    found: tuple[Tensor | None, ...] = (None,) * len(outputs)
    if live:
        found = grad(
            [pulled[k] for k in live],
            list(weights),
            [tangents[k] for k in live],
            create_graph=create_graph,
            allow_unused=True,
        )
    return tuple(rules.zeros_like(o) if f is None else f for f, o in zip(found, outputs, strict=True))


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The outputs of ``func``, and its Jacobian times ``v``.

    v: a direction in the shape of the inputs. Source: torch.autograd.functional.jvp.

    >>> import engine as torch
    >>> jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))[1]
    tensor([2., 0.])
    """
    with enable_grad():
        given, _ = _tuple(inputs, "inputs", "jvp")
        tangents = _tangents(v, given, "jvp")
        leaves = _leaves(given, create_graph)
        outputs, several = _called(func, leaves, "jvp")
        found = _push(outputs, leaves, tangents, create_graph, strict)
    return _finished(outputs, several, create_graph), _finished(found, several, create_graph)


def _scalar(outputs: Pieces, several: bool, function: str) -> None:
    if several or len(outputs) != 1:
        raise AutogradError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise AutogradError(f"The Tensor returned by the function given to {function} should contain a single element")


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The value of a scalar function, and ``v`` times its Hessian. Source: torch.autograd.functional.vhp.

    >>> import engine as torch
    >>> vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))[1]
    tensor([ 6., 12.])
    """
    with enable_grad():
        given, many = _tuple(inputs, "inputs", "vhp")
        tangents = _tangents(v, given, "vhp")
        leaves = _leaves(given, create_graph)
        outputs, several = _called(func, leaves, "vhp")
        _scalar(outputs, several, "vhp")
        gradient = _pull(outputs, leaves, None, True, strict)
        found = _pull(gradient, leaves, tangents, create_graph, strict, "the jacobian")
    return _finished(outputs, False, create_graph), _finished(found, many, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensors, Tensors]:
    """The value of a scalar function, and its Hessian times ``v``. Source: torch.autograd.functional.hvp.

    >>> import engine as torch
    >>> hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))[1]
    tensor([ 6., 12.])
    """
    with enable_grad():
        given, many = _tuple(inputs, "inputs", "hvp")
        tangents = _tangents(v, given, "hvp")
        leaves = _leaves(given, create_graph)
        outputs, several = _called(func, leaves, "hvp")
        _scalar(outputs, several, "hvp")
        gradient = _pull(outputs, leaves, None, True, strict)
        found = _push(gradient, leaves, tangents, create_graph, strict)
    return _finished(outputs, False, create_graph), _finished(found, many, create_graph)


def _rows(output: Tensor, leaves: Pieces, create: bool, strict: bool) -> list[Pieces]:
    """One walk for each element of an output."""
    flat = rules.reshape(output, (-1,))
    return [_pull((flat[k],), leaves, None, create, strict, f"output {k}") for k in range(flat.numel())]


def _reverse(outputs: Pieces, leaves: Pieces, create: bool, strict: bool) -> list[Pieces]:
    found = []
    for output in outputs:
        rows = _rows(output, leaves, create, strict)
        found.append(
            tuple(
                rules.reshape(rules.stack([r[i] for r in rows]), (*output.shape, *leaf.shape))
                if rows
                else rules.new_zeros(output, (*output.shape, *leaf.shape))
                for i, leaf in enumerate(leaves)
            )
        )
    return found


def _forward(func: Callable[..., Any], given: Pieces) -> tuple[list[Pieces], bool]:
    """All unit vectors of the inputs are pushed through one run, on dual tensors whose tangents are batches."""
    sizes = [t.numel() for t in given]
    total = sum(sizes)
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    basis = []
    for t, start, size in zip(given, starts, sizes, strict=True):
        block = np.zeros((total, size), t._array.dtype)
        np.fill_diagonal(block[start : start + size], 1)
        basis.append(wrap(block.reshape((total, *t.shape))))
    with opened() as level:
        points = [rules.alias(t.detach()) for t in given]
        with mapping(total, "error") as batch:
            for p, b in zip(points, basis, strict=True):
                give(p, level, batched(b, batch.depth))
            outputs, several = _called(func, tuple(points), "jacobian")
            moved = [tangent_of(o, level) for o in outputs]
            whole = [None if t is None else front(t, batch.depth, total) for t in moved]
    columns: list[Pieces] = []
    for o, pushed in zip(outputs, whole, strict=True):
        parts = []
        for i, start, size in zip(given, starts, sizes, strict=True):
            shape = (*o.shape, *i.shape)
            if pushed is None:
                parts.append(rules.new_zeros(o.detach(), shape))
            else:
                parts.append(rules.reshape(rules.movedim(rules.narrow(pushed, 0, start, size), 0, -1), shape))
        columns.append(tuple(parts))
    return [tuple(p.detach() for p in row) for row in columns], several


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func``: for each output and input a tensor of shape (output, input).

    strategy: "reverse-mode" (a walk for each element of the outputs) or "forward-mode" (one for each element of the inputs, which
    needs ``vectorize``, and runs the function on dual tensors). Source: torch.autograd.functional.jacobian.

    >>> import engine as torch
    >>> jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in {"reverse-mode", "forward-mode"}:
        raise ArgumentError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and create_graph:
        raise AutogradError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported '
            'together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    if strategy == "forward-mode" and not vectorize:
        raise AutogradError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`."
        )
    if strict and vectorize:
        raise AutogradError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either set "
            "`strict=False` or `vectorize=False`."
        )
    given, many = _tuple(inputs, "inputs", "jacobian")
    if strategy == "forward-mode":
        rows, several = _forward(func, given)
    else:
        with enable_grad():
            leaves = _leaves(given, create_graph)
            outputs, several = _called(func, leaves, "jacobian")
            rows = _reverse(outputs, leaves, create_graph, strict)
    done = tuple(_finished(row, many, create_graph) for row in rows)
    return done if several else done[0]


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The matrix of second derivatives of a scalar function. Source: torch.autograd.functional.hessian.

    >>> import engine as torch
    >>> hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _, many = _tuple(inputs, "inputs", "hessian")

    def gradient(*given: Tensor) -> Any:
        leaves = given if outer_jacobian_strategy == "reverse-mode" else tuple(map(point, given))
        outputs, several = _called(func, leaves, "hessian")
        _scalar(outputs, several, "hessian")
        found = _pull(outputs, leaves, None, True, strict)
        return found if many else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
