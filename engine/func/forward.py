"""Functions of functions that push tangents forward: jvp, linearize, jacfwd, hessian. Source: torch.func.

``jvp`` runs the function on dual tensors (``engine.forward``). ``linearize`` and ``jacfwd``, which push many tangents through one point,
take the graph of one run: its pull-back is linear in its weights, so its own pull-back is the push-forward. Where that is not what PyTorch
calls the push-forward of a call in it, or the graph cannot be walked any more, the function is run on dual tensors instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from engine.batching import everywhere
from engine.duals import below, give, opened, tangent_of, unlike
from engine.errors import AutogradError, InvalidValueError, VersionError
from engine.forward import alike, point, pull
from engine.func.transforms import (
    _basis,
    _bottom_node,
    _chosen,
    _done,
    _keeps,
    _nodes_behind,
    _outputs,
    _pair,
    _placed,
    _points,
    _Transform,
    _untouched,
    jacrev,
)
from engine.func.tree import flatten, leaves_of
from engine.func.vmap import vmap
from engine.grad_mode import depth, enable_grad
from engine.node import AccumulateGrad
from engine.rules import rules
from engine.tensor import Tensor

__all__ = ["hessian", "jacfwd", "jvp", "linearize"]


def _pushed(outputs: Sequence[Any], points: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """What pushes tangents forward: the pull-back is linear in its weights, and its own pull-back is the push-forward."""
    weights = [everywhere(rules.zeros_like(o.detach()), point) for o in outputs]
    pulled = pull(outputs, points, weights, True)
    return lambda tangents: pull(pulled, weights, list(tangents), True)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,  # noqa: ARG001 - PyTorch's signature
    has_aux: bool = False,
) -> Any:
    """The outputs of ``func``, and its derivative along ``tangents`` (with ``has_aux`` also aux). Source: torch.func.jvp.

    >>> import engine as torch
    >>> jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    if not isinstance(primals, tuple):
        raise AutogradError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    given, inputs = leaves_of(tangents), leaves_of(primals)
    if len(given) != len(inputs) or not isinstance(tangents, tuple):
        raise AutogradError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with {len(inputs)} and tangents with {len(given)} tensors"
        )
    if not inputs:
        raise AutogradError("jvp(f, primals, tangents): Expected primals to contain at least one Tensor.")
    for p, t in zip(inputs, given, strict=True):
        if isinstance(p, Tensor) and p.shape != t.shape:
            raise AutogradError(unlike(p, t))
    token = depth.set(depth.get() + 1)
    try:
        with opened() as level:
            outer, structure = flatten(primals)
            points = [_varied(p) for p in outer]
            for p, t in zip(points, given, strict=True):
                give(p, level, alike(t, p))
            result = func(*structure(points))
            aux = None
            if has_aux:
                result, aux = _pair(result, "jvp(f, primals, tangents)")
            outputs, build = _outputs(result, "jvp(f, primals, tangents)")
            moved = [tangent_of(o, level) for o in outputs]
            with below(level):
                moved = [rules.zeros_like(o) if t is None else t for o, t in zip(outputs, moved, strict=True)]
                outputs = [rules.alias(o) for o in outputs]
    finally:
        depth.reset(token)
    answer = build(outputs), build(moved)
    return (*answer, aux) if has_aux else answer


def _varied(p: Any) -> Tensor:
    """A primal as a tensor of its own over the same memory. Errors: as PyTorch's for what has no tangent."""
    if not isinstance(p, Tensor):
        raise InvalidValueError(f"Thing passed to transform API must be Tensor, got {type(p)} (jvp)")
    if not p.dtype.differentiable:
        raise InvalidValueError(f"Expected primal to be floating point or complex, but got: {p.dtype}")
    return rules.alias(p)  # type: ignore[no-any-return]


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The outputs of ``func``, and a function that pushes tangents forward at this point. Source: torch.func.linearize.

    >>> import engine as torch
    >>> out, push = linearize(torch.sin, torch.tensor(0.0))
    >>> push(torch.tensor(3.0))
    tensor(3.)
    """
    with _Transform() as transform:
        points, built = _points(primals, "linearize")
        nodes = [_bottom_node(p) for p in points]
        outputs, build = _outputs(func(*built), "jvp(f, primals, tangents)")
        _untouched(points, nodes)
        keeps = _keeps(transform.nested, leaves_of(primals), outputs, points)
        shown = build(_done(outputs, keeps))
        move = None if _says_its_own(outputs) else _moves(outputs, points)
    if move is None:
        return shown, lambda *tangents: jvp(func, primals, tangents)[1]

    def push(*tangents: Any) -> Any:
        with enable_grad():
            return build(_done(move(leaves_of(tangents)), keeps))

    return shown, push


def _moves(outputs: Sequence[Any], points: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]] | None:
    """As ``_pushed``; None where what the graph saved has been overwritten, which the push-forward of a call would not mind."""
    try:
        return _pushed(outputs, points)
    except VersionError:
        return None


def _says_its_own(outputs: Sequence[Any]) -> bool:
    """Whether a recorded call's push-forward is not the transpose of its pull-back."""
    return any(
        node.plan.op.jvp is not None or getattr(node.plan, "pushes", False)
        for node in _nodes_behind(outputs)
        if type(node) is not AccumulateGrad
    )


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that answers the Jacobian, by pushing all unit vectors of the inputs forward at once. Source: torch.func.jacfwd.

    >>> import engine as torch
    >>> jacfwd(torch.sin)(torch.tensor([0.0, 0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen, single = _chosen(args, argnums)
        kept: list[Any] = []

        def of_chosen(*values: Any) -> Any:
            result = func(*_placed(args, argnums, values), **kwargs)
            if has_aux:
                result, aux = _pair(result, "jacfwd(f)(*args)")
                kept.append(aux)
            return result

        out, push = linearize(of_chosen, *chosen)
        inputs, structure = flatten(chosen)
        outputs, build = flatten(out)
        basis = _basis(inputs)

        def column(*tangents: Any) -> Any:
            return tuple(leaves_of(push(*structure(list(tangents)))))

        columns = vmap(column, randomness=randomness)(*basis)
        blocks = []
        for o, c in zip(outputs, columns, strict=True):
            start = 0
            parts = []
            for i in inputs:
                n = i.numel()
                part = rules.movedim(rules.narrow(c, 0, start, n), 0, -1)
                parts.append(rules.reshape(part, (*o.shape, *i.shape)))
                start += n
            tree = structure(parts)
            blocks.append(tree[0] if single else tree)
        answer = build(blocks)
        return (answer, kept[0]) if has_aux else answer

    return jacobian


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that answers the matrix of second derivatives: ``jacfwd`` of ``jacrev``. Source: torch.func.hessian.

    >>> import engine as torch
    >>> hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
